/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Splice: the state of local connections that bypass the stack, and the rule
 * that decides each message.  docs/decisions/0011-splice.md has the reasons.
 *
 * A connection is spliced from its first byte or never, each direction for
 * itself, and goes back to TCP once and for good: a reader takes spliced bytes
 * before TCP's, so the order holds one way only.
 */
#ifndef PATCHBAY_SPLICE_H
#define PATCHBAY_SPLICE_H

#include "reasons.h"
#include "types.h"

enum pb_spl_side { PB_SPL_CLIENT, PB_SPL_SERVER, _PB_SPL_SIDES };

/* One connection of this node.  Both initial sequence numbers are part of its name: a 4-tuple that
 * is used again is another connection. */
struct pb_spl_id {
	struct pb_addr saddr; /* real addresses: the server's */
	struct pb_addr caddr; /* and the client's */
	__be16 sport;
	__be16 cport;
	__u32 s_isn; /* initial sequence numbers, host order */
	__u32 c_isn;
	__u32 pad;
};

/* pb_splice[key] (SOCKHASH, a dump shows the socket's cookie): one end.  Entries are never deleted
 * under data.  Writer: pb_sockops. */
struct pb_spl_key {
	struct pb_spl_id id;
	__u64 netns; /* cookie of that end's network namespace */
	__u32 side;  /* enum pb_spl_side */
	__u32 pad;
};

/* pb_spl_pair.flags; set by atomics, never cleared */
#define PB_SPL_JOINED(side) (1u << (side)) /* the socket is in pb_splice */
#define PB_SPL_HEARD (1u << 2)		   /* the client sent, and nobody sleeps in an old read */
#define PB_SPL_CLOSING (1u << 3)	   /* on its way back to TCP: nobody splices any more */
#define PB_SPL_QUIET(side) (1u << (4 + (side))) /* and no send of that side is still under way */
#define PB_SPL_BOTH (PB_SPL_JOINED(PB_SPL_CLIENT) | PB_SPL_JOINED(PB_SPL_SERVER))

/* One side of a pair, written by that side's sends only; "charged" counts bytes and
 * PB_SPL_MSG_COST a message. */
struct pb_spl_side_state {
	__u64 netns; /* cookie */
	__u64 cookie;
	__u64 queued; /* charged by this side and in the peer's queue; every PB_SPL_REPORT */
	__u64 taken;  /* of what the peer has queued: read by this side */
	__u64 pad[4]; /* a cache line each: the two sides run on two processors */
};

/* pb_spl_pairs[struct pb_spl_id]: what both ends share.  Made by the client's end, deleted with
 * the end that closes first.  Writers: the kernel programs. */
struct pb_spl_pair {
	__u32 flags;  /* PB_SPL_* */
	__u32 reason; /* why it went back to TCP (enum pb_reason); 0: it did not */
	struct pb_spl_side_state side[_PB_SPL_SIDES];
};

enum pb_spl_state {
	PB_SPL_NONE, /* not taken into account: reason says why */
	PB_SPL_WAIT, /* client: SYN sent, wants to be spliced */
	PB_SPL_OPEN, /* in pb_splice; nothing sent, or everything sent was spliced */
	PB_SPL_TCP,  /* in pb_splice; its sends go by TCP from now on */
	PB_SPL_LEFT, /* out of pb_splice: a plain TCP socket again */
	_PB_SPL_STATE_MAX
};

#define PB_SPL_VERSION 1

/* pb_spl_socks: storage of a socket whose connection could be spliced.  Writers: kernel programs,
 * under the socket's lock. */
struct pb_spl_sock {
	__u16 version;
	__u8 side;	/* enum pb_spl_side */
	__u8 state;	/* enum pb_spl_state */
	__u32 seq0;	/* tcp_sock.write_seq before the first byte */
	__u32 reason;	/* why its sends are not spliced (enum pb_reason); SPLICED: they are */
	__u8 watched;	/* a keepalive of ours runs, see held_ns */
	__u8 keepalive; /* and the program has none */
	__u8 pad[2];
	struct pb_spl_key peer; /* of the other end, for the redirect; netns 0: not known yet */
	__u64 netns;		/* own cookie */
	__u64 charged;		/* to the budget, since the start */
	__u64 told;		/* of that, reported as queued */
	__u64 bytes;		/* spliced */
	__u64 msgs;
	__u64 held_ns;	/* TCP's bytes came before the spliced ones were read: since when; 0 no */
	__u16 keepidle; /* seconds, as they were before we watched */
	__u16 keepintvl;
	__u32 pad2;
	__u64 reserved[1];
};

/* pb_spl_rules[key]: a service's own setting, before that of its application.  Writer: agent. */
struct pb_spl_rule_key {
	__u64 id;    /* pb_app.id of the server */
	__be16 port; /* virtual */
	__u16 pad;
	__u32 pad2;
};

struct pb_spl_rule {
	__u32 on;
};

/*
 * A sender is not stopped by a reader that stalls: the kernel's queue has no window.  So many
 * charged bytes may be on their way to the peer unread; the message that would exceed them, and
 * everything after it, goes by TCP, which blocks.
 */
#define PB_SPL_BUDGET (512u << 10)
#define PB_SPL_MSG_COST 1024u /* what a message costs the kernel beside its bytes */
/* Both sides write into memory the other reads as seldom as this: a dialogue of small messages
 * moves no cache line for it. */
#define PB_SPL_REPORT (64u << 10)

/*
 * A reader that is told of new bytes once (EPOLLET) takes a short read for the last one.  Where
 * TCP's bytes would lie behind spliced ones, they are not let in for so long, and come again by
 * TCP's own timer; after that the reader is told again, once a second at the latest.
 */
#define PB_SPL_HOLD_NS 150000000ULL
#define PB_SPL_RTO_US 20000 /* shortest such timer, while a socket is in pb_splice */

/* What is known when a message is about to be sent, under the sender's lock. */
struct pb_spl_in {
	__u32 enabled;	/* PB_CFG_SPLICE is set */
	__u32 seq;	/* tcp_sock.write_seq */
	__u32 seq0;	/* the same before the first byte */
	__u32 flags;	/* of the pair; 0: there is none */
	__u32 why;	/* pair's reason */
	__u32 side;	/* sender's */
	__u32 pressure; /* the kernel is short of TCP memory */
	__u32 size;	/* of the message */
	__u64 charged;	/* by the sender so far */
	__u64 seen;	/* of that, taken by the reader */
};

/* PB_R_SPLICED: splice this message; anything else: TCP, for good. */
pb_inline __u32 pb_spl_decide(const struct pb_spl_in *in)
{
	if (!in->enabled)
		return PB_R_SPLICE_OFF;
	/* TCP's bytes are read last: after one of them nothing may be spliced. */
	if (in->seq != in->seq0)
		return PB_R_SPLICE_LATE;
	if (!in->flags)
		return PB_R_SPLICE_GONE;
	if (in->flags & PB_SPL_CLOSING)
		return in->why ? in->why : PB_R_SPLICE_BUDGET;
	if ((in->flags & PB_SPL_BOTH) != PB_SPL_BOTH)
		return PB_R_SPLICE_EARLY;
	if (in->side == PB_SPL_SERVER && !(in->flags & PB_SPL_HEARD))
		return PB_R_SPLICE_SERVER_FIRST;
	if (in->pressure)
		return PB_R_SPLICE_MEMORY;
	if (in->charged - in->seen + in->size + PB_SPL_MSG_COST > PB_SPL_BUDGET)
		return PB_R_SPLICE_BUDGET;
	return PB_R_SPLICED;
}

_Static_assert(sizeof(struct pb_spl_id) == 48, "pb_spl_id is a map key");
_Static_assert(sizeof(struct pb_spl_key) == 64, "pb_spl_key is a map key");
_Static_assert(sizeof(struct pb_spl_rule_key) == 16, "pb_spl_rule_key is a map key");
_Static_assert(sizeof(struct pb_spl_sock) == 144, "pb_spl_sock layout is ABI");

#endif /* PATCHBAY_SPLICE_H */
