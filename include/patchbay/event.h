/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Records of the event ring (pb_events).  One record a decision; reason says which. */
#ifndef PATCHBAY_EVENT_H
#define PATCHBAY_EVENT_H

#include "types.h"

/* X(SYMBOL, "name"): the operation that was decided on.  Append only. */
#define PB_OPS(X) \
	X(NONE, "none") \
	X(CREATE, "socket") X(BIND, "bind") X(LISTEN, "listen") X(CONNECT, "connect") \
		X(SENDMSG, "sendmsg") X(ACCEPT, "accept") X(RECVMSG, "recvmsg") \
			X(RELEASE, "release") X(ADMIT, "admit") X(SPLICE, "splice")

enum pb_op {
#define PB_X(sym, name) PB_OP_##sym,
	PB_OPS(PB_X)
#undef PB_X
		_PB_OP_MAX,
};

struct pb_event {
	__u64 time_ns;	     /* CLOCK_MONOTONIC */
	__u64 app;	     /* key into pb_apps of the program that acted; 0 unidentified */
	__u64 peer;	     /* key into pb_apps of the other side; 0 unknown */
	__u64 cookie;	     /* socket cookie, 0 unknown */
	struct pb_addr virt; /* address as the program named it */
	struct pb_addr real; /* address after rewriting; zero if none */
	__be16 vport;
	__be16 rport;
	__u16 reason; /* enum pb_reason */
	__u8 op;      /* enum pb_op */
	__u8 proto;
	__s32 err; /* negative errno the program got, 0 allowed */
	__u32 pid; /* 0 where the kernel does not tell */
	char comm[PB_COMM_LEN];
};

_Static_assert(sizeof(struct pb_event) == 96, "pb_event layout is ABI");

#endif /* PATCHBAY_EVENT_H */
