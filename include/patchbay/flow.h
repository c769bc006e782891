/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the iterator pb_flows writes: one record for each end of a managed TCP connection that is
 * established or half-closed.  Records of one connection are joined by their real 4-tuple and
 * network namespace.  Not an atomic picture: connections come and go while it is taken.
 */
#ifndef PATCHBAY_FLOW_H
#define PATCHBAY_FLOW_H

#include "splice.h"
#include "types.h"

/* pb_flow.flags */
#define PB_FLOW_VPEER (1u << 0)	 /* vpeer and vpport are valid */
#define PB_FLOW_VLOCAL (1u << 1) /* vlocal and vlport are valid */
#define PB_FLOW_WANTS (1u << 2)	 /* as things are set now, this end would be spliced */
#define PB_FLOW_TAKEN (1u << 3)	 /* the splice took it into account: has a pb_spl_sock */
#define PB_FLOW_ON (1u << 4)	 /* PB_CFG_SPLICE is set */

/* TCP states that have a record (enum of <net/tcp_states.h>). */
#define PB_FLOW_ESTABLISHED 1
#define PB_FLOW_FIN_WAIT1 4
#define PB_FLOW_FIN_WAIT2 5
#define PB_FLOW_CLOSE_WAIT 8
#define PB_FLOW_LAST_ACK 9
#define PB_FLOW_CLOSING 11
#define PB_FLOW_STATES \
	(1u << PB_FLOW_ESTABLISHED | 1u << PB_FLOW_FIN_WAIT1 | 1u << PB_FLOW_FIN_WAIT2 | \
	 1u << PB_FLOW_CLOSE_WAIT | 1u << PB_FLOW_LAST_ACK | 1u << PB_FLOW_CLOSING)

/* One end.  Addresses have 16 bytes, IPv4 mapped. */
struct pb_flow {
	__u64 app;	       /* key into pb_apps: the scope of this end */
	__u64 peer;	       /* the scope it was sent to; 0: not known to this end */
	__u64 cookie;	       /* of the socket */
	__u64 netns;	       /* cookie of the network namespace */
	struct pb_addr vlocal; /* as programs see them; zero without PB_FLOW_VLOCAL, VPEER */
	struct pb_addr vpeer;
	struct pb_addr local; /* as the kernel sees them */
	struct pb_addr remote;
	__be16 vlport;
	__be16 vpport;
	__be16 lport;
	__be16 rport;
	__u32 flags;  /* PB_FLOW_* */
	__u16 family; /* of the socket: PB_AF_* */
	__u8 role;    /* enum pb_spl_side: PB_SPL_SERVER was accepted */
	__u8 state;   /* PB_FLOW_ESTABLISHED...: TCP's */
	__u64 bytes;  /* what this end sent past the stack */
	__u64 msgs;   /* the same in messages */
	__u32 reason; /* of pb_spl_sock; this and what follows is zero without PB_FLOW_TAKEN */
	__u32 spl;    /* enum pb_spl_state */
	__u32 pair;   /* pb_spl_pair.flags; 0: there is no pair */
	__u32 why;    /* pb_spl_pair.reason */
};

_Static_assert(sizeof(struct pb_flow) == 144, "a record of pb_flows");

#endif /* PATCHBAY_FLOW_H */
