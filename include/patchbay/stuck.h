/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the iterator pb_stuck is asked (pb_gone) and what it writes: one record for each socket of a
 * managed program that hangs on an endpoint that is gone (control/agent/destroy.h).
 */
#ifndef PATCHBAY_STUCK_H
#define PATCHBAY_STUCK_H

#include "types.h"

/* pb_gone[endpoint]: not pinned, lives as long as the agent.  Writer: agent. */
#define PB_GONE_MAX 65536
struct pb_gone_key {
	__u32 ep;  /* as in pb_sock.dest */
	__u32 gen; /* as in pb_sock.dest_gen */
};

#define PB_GONE_F_TCP (1u << 0) /* connections too: the node is gone, not only the socket */
struct pb_gone_val {
	__u32 flags; /* PB_GONE_F_* */
};

/* pb_spared[0]: connected UDP sockets seen whose endpoint was withdrawn while its port is still
 * held: the server has connect()ed its socket, and the conversation goes on. */

#define PB_STUCK_SYN_SENT 2 /* enum of <net/tcp_states.h>; others: flow.h */

struct pb_stuck {
	__u64 cookie;	      /* of the socket */
	__u64 netns;	      /* cookie of its network namespace */
	__u64 app;	      /* key into pb_apps */
	__u64 peer;	      /* the endpoint's, 0 not known any more */
	struct pb_addr local; /* real, as the kernel sees them; IPv4 mapped */
	struct pb_addr remote;
	struct pb_addr virt; /* what the program had named */
	__be16 lport;
	__be16 rport;
	__be16 vport;
	__u8 proto;
	__u8 family;  /* of the socket: PB_AF_* */
	__u32 device; /* index of the device the socket is bound to, 0 none */
	__u32 ep;     /* what it hangs on */
};

_Static_assert(sizeof(struct pb_gone_key) == 8, "pb_gone_key is a map key");
_Static_assert(sizeof(struct pb_stuck) == 96, "a record of pb_stuck");

#endif /* PATCHBAY_STUCK_H */
