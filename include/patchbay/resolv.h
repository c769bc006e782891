/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The DNS servers that programs ask, and the agent's ports that stand for them. */
#ifndef PATCHBAY_RESOLV_H
#define PATCHBAY_RESOLV_H

#include "types.h"

/* pb_resolv[original resolver] -> index; pb_resolvers[index] -> original, and the
 * agent's port that stands for it (the same number for TCP, UDP, IPv4 and IPv6;
 * 0: the agent does not serve that index). */
#define PB_RESOLVERS 32
struct pb_resolv_key {
	struct pb_addr addr;
	__be16 port;
	__u16 pad;
	__u32 pad2;
};

struct pb_resolver {
	struct pb_addr addr;
	__be16 port;
	__be16 agent_port; /* written by the agent */
	__u32 used;
};

struct pb_resolv_ref {
	__u32 index;
};

_Static_assert(sizeof(struct pb_resolv_key) == 24, "pb_resolv_key is a map key");

#endif /* PATCHBAY_RESOLV_H */
