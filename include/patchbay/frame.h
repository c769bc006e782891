/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The frame plugin interface: how a protocol tells an engine where one message (frame) ends, which
 * servers of an ensemble it goes to, and what their replies mean.  After Anypoint (Yocum et al., USITS
 * 2003), Table 1: init, uninit, add_conn, rm_conn, redirect, retire; split, merge, answer and fail beside
 * them, since a frame may become several, or be answered by the switch itself.
 * docs/plugins.md tells how to write one, docs/decisions/0024-frames.md how engines use it.
 *
 * A plugin is pure: no allocation, no system call, no clock, no memory of its own but what is given to
 * it; each call is bounded by what the view holds.  It compiles for the host and for BPF.  An engine
 * calls it from one thread at a time for one connection.
 *
 * One request of a client, in the engine's words:
 *	frame	what parse() found in the client's stream
 *	call	what redirect() or split() makes of it for one server; calls have turns: bytes of a later
 *		call go to the client only when all earlier ones are done
 *	part	what reply() found in the server's stream; the last part ends the call
 */
#ifndef PATCHBAY_FRAME_H
#define PATCHBAY_FRAME_H

#include "types.h"

#define PB_FRAME_ABI 1u
#define PB_FRAME_SERVERS_MAX 256u
#define PB_FRAME_KEY_MAX 256u
#define PB_FRAME_RANGES 6u
#define PB_FRAME_LIT 64u
#define PB_FRAME_LANES 2u

/* The bytes that are there of a stream, from the frame's or part's first one. */
struct pb_frame_view {
	const __u8 *data;
	const __u8 *end;
};

/* A client's connection, zeroed before add_conn().  state[] is the plugin's. */
struct pb_frame_conn {
	__u64 id;
	__u64 state[8];
};

/* Rides with a call from redirect() to retire().  The plugin's. */
struct pb_frame_rtx {
	__u64 v[8];
};

#define PB_FRAME_S_UP 0x01u /* takes calls */

/* What a plugin that balances may want to know of a server. */
struct pb_frame_server {
	__u32 flags;	   /* PB_FRAME_S_* */
	__u32 outstanding; /* calls under way */
	__u64 backlog;	   /* bytes that wait for it */
};

#define PB_FRAME_E_CACHE 0x01u /* the engine has a cache: keys are wanted, one a call */

struct pb_frame_ens {
	__u32 n;     /* servers; numbers are stable while a server stays */
	__u32 flags; /* PB_FRAME_E_* */
	const struct pb_frame_server *server;
	const void *policy; /* what the plugin chooses by; memcached: struct pb_mc_ring */
};

/* A frame of a client, or a part of a server's reply. */
struct pb_frame {
	__u64 len;   /* all of it; may go on behind the view: the engine streams the rest */
	__u32 head;  /* of it, what redirect() must see; 1..max_head */
	__u32 flags; /* PB_FRAME_PART_* of a part */
};

#define PB_FRAME_PART_LAST 0x01u /* the call is done behind it */
#define PB_FRAME_PART_SKIP 0x02u /* not for the client */
#define PB_FRAME_PART_HOLD 0x04u /* kept whole for merge(); the engine bounds it */
/* The server refused: as LAST, but nothing of the part goes to the client; fail() has the answer, with
 * PB_FRAME_W_REFUSED.  The link is as good as before. */
#define PB_FRAME_PART_FAILED 0x08u

/* What parse() and reply() return. */
#define PB_FRAME_WHOLE 1 /* *ret is filled */
#define PB_FRAME_MORE 0	 /* not enough bytes to tell; negative: the stream makes no sense */

/* Bytes of a frame or part, rearranged: ranges of it (SRC) and of lit[] (LIT).  n 0: as it is.  Only the
 * last range may reach behind the head. */
enum { PB_FRAME_SRC, PB_FRAME_LITERAL };
struct pb_frame_range {
	__u64 off;
	__u64 len;
	__u32 kind;
	__u32 pad;
};

struct pb_frame_cut {
	__u32 n;
	__u32 pad;
	struct pb_frame_range range[PB_FRAME_RANGES];
	__u8 lit[PB_FRAME_LIT];
};

/* What the call does to the ensemble's data, for a cache beside it. */
enum pb_frame_touch {
	PB_FRAME_T_NONE,
	PB_FRAME_T_READ,    /* of the key; hit() can make an answer of the cached value */
	PB_FRAME_T_LOOK,    /* of the key, but only the server can answer */
	PB_FRAME_T_WRITE,   /* to the key; the call's end is its end */
	PB_FRAME_T_MUTE,    /* the same, no end will be seen */
	PB_FRAME_T_FLUSH,   /* of all keys, after `delay` seconds (0: now) */
	PB_FRAME_T_UNKNOWN, /* may have written anything */
};

/* A call to be made. */
struct pb_frame_send {
	struct pb_frame_rtx rtx;
	struct pb_frame_cut cut;
	__u32 touch; /* PB_FRAME_T_* */
	__u32 mute;  /* no reply will come: the call is done when it is sent */
	__u32 delay;
	__u32 lane; /* < PB_FRAME_LANES; calls of several lanes never share a connection to a server */
	__u32 key_len;
	__u8 key[PB_FRAME_KEY_MAX];
};

/* What redirect() and split() return: a server's number, or */
#define PB_FRAME_ALL (-1)    /* every server that is up; merge() makes one answer of the replies */
#define PB_FRAME_ANSWER (-2) /* answer() has it */
#define PB_FRAME_DROP (-3)   /* nothing is sent, nothing is said */
#define PB_FRAME_SPLIT (-4)  /* redirect() only: split() gives the calls */
#define PB_FRAME_NONE (-5)   /* no server may take it: fail() has the answer */
#define PB_FRAME_BYE (-6)    /* as ANSWER; then the connection ends, when all is sent */
#define PB_FRAME_END (-7)    /* split() only: there are no more calls */

/* Why a call had no answer. */
enum pb_frame_why {
	PB_FRAME_W_NO_SERVER, /* none is up that could take it */
	PB_FRAME_W_CONNECT,   /* no connection */
	PB_FRAME_W_LOST,      /* the connection ended before the answer */
	PB_FRAME_W_TIMEOUT,
	PB_FRAME_W_CONFUSED, /* reply() made no sense of the answer */
	PB_FRAME_W_FULL,     /* a bound of the engine */
	PB_FRAME_W_CACHE,    /* the cache could not be told of a write: it was not sent */
	PB_FRAME_W_REFUSED,  /* PB_FRAME_PART_FAILED */
};

/* Where a plugin writes bytes for the client.  `lost` counts what had no room. */
struct pb_frame_out {
	__u8 *data;
	__u32 len;
	__u32 cap;
	__u32 lost;
	__u32 pad;
};

/* One server's reply to a call to all, HOLD parts only. */
struct pb_frame_held {
	struct pb_frame_view view; /* empty: it did not answer */
	__u32 server;
	__u32 failed; /* 1 + PB_FRAME_W_*; 0: it answered */
};

pb_inline void pb_frame_put(struct pb_frame_out *o, const void *data, __u32 n)
{
	if (n > o->cap - o->len) {
		o->lost += n;
		return;
	}
	__builtin_memcpy(o->data + o->len, data, n);
	o->len += n;
}

#ifndef __bpf__

#define PB_FRAME_P_UNORDERED \
	0x01u /* replies may overtake each other; parts of one call stay together */

/*
 * @work: work_size bytes, zeroed once; holds what it held from redirect() to the split() calls of the
 * same frame, and nothing else can be relied on.
 */
struct pb_frame_plugin {
	const char *name;
	__u32 abi;   /* PB_FRAME_ABI */
	__u32 flags; /* PB_FRAME_P_* */
	__u32 work_size;
	__u32 max_head;	 /* a frame whose head needs more is an error */
	__u32 max_merge; /* bytes that merge() may write */
	__u32 pad;
	int (*init)(const char *options, void *policy);
	void (*uninit)(void *policy);
	int (*add_conn)(struct pb_frame_conn *c);
	void (*rm_conn)(struct pb_frame_conn *c);
	/* PB_FRAME_WHOLE, _MORE, or negative: what answer() says then is sent, and the connection ends. */
	int (*parse)(const struct pb_frame_view *v, struct pb_frame_conn *c, void *work,
		     struct pb_frame *ret);
	/* The view has at least the head.  Called once a frame, in the order of the frames. */
	int (*redirect)(const struct pb_frame_view *v, const struct pb_frame *f,
			struct pb_frame_conn *c, const struct pb_frame_ens *e, void *work,
			struct pb_frame_send *ret);
	/* The @i-th call of the frame, until PB_FRAME_END: a server's number, PB_FRAME_NONE, or
	 * PB_FRAME_ANSWER for what is said when all calls before it are done. */
	int (*split)(const struct pb_frame_view *v, const struct pb_frame *f,
		     struct pb_frame_conn *c, const struct pb_frame_ens *e, void *work, __u32 i,
		     struct pb_frame_send *ret);
	/* The next part of the reply to a call; @cut: what of it the client gets. */
	int (*reply)(const struct pb_frame_view *v, struct pb_frame_rtx *rtx, void *work,
		     struct pb_frame *ret, struct pb_frame_cut *cut);
	/* The cache has the value; it is as the cache keeps it. */
	void (*hit)(const struct pb_frame_view *value, struct pb_frame_rtx *rtx,
		    struct pb_frame_out *o);
	void (*merge)(struct pb_frame_rtx *rtx, const struct pb_frame_held *h, __u32 n, void *work,
		      struct pb_frame_out *o);
	/* In the call's turn: all calls before it have had their reply, or their fail().  @v: what
	 * parse() refused, and @f is NULL then; else both may be empty, what it needs is in @rtx. */
	void (*answer)(const struct pb_frame_view *v, const struct pb_frame *f,
		       struct pb_frame_conn *c, struct pb_frame_rtx *rtx, struct pb_frame_out *o);
	/* The protocol's own error, in the call's turn.  @begun: 1, whole parts of the reply went to the
	 * client; 2, and half of one.  0: the connection goes on; 1: it ends, for the client could not
	 * tell where the next answer begins. */
	int (*fail)(struct pb_frame_conn *c, struct pb_frame_rtx *rtx, enum pb_frame_why why,
		    int begun, struct pb_frame_out *o);
	void (*retire)(struct pb_frame_rtx *rtx);
};

extern const struct pb_frame_plugin pb_frame_memcached;
extern const struct pb_frame_plugin pb_frame_counter;

#endif /* __bpf__ */

#endif /* PATCHBAY_FRAME_H */
