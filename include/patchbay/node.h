/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Clients in other network namespaces of this node, containers for example: by
 * which address they reach the servers in the guarded one.
 */
#ifndef PATCHBAY_NODE_H
#define PATCHBAY_NODE_H

#include "addr.h"
#include "maps.h"
#include "reasons.h"

/* pb_node[0].  Writer: agent, which makes gen odd, changes the addresses, and makes it even. */
struct pb_node {
	struct pb_addr addr4; /* an address of this node, real; zero: none */
	struct pb_addr addr6;
	__u64 gen;
	__u64 reserved[3];
};

/*
 * A server of namespace @guarded, a client of another: why they cannot meet at an address of the
 * node, or PB_R_NONE.  @known: the node has an address of the family.  Datagrams never do: over a
 * network a source address proves nothing, and they have no handshake (decision 0012).
 */
pb_inline __u32 pb_far_reason(const struct pb_endpoint *ep, __u64 guarded, int known, int v6)
{
	if (ep->netns != guarded || ep->proto != PB_PROTO_TCP || !known)
		return PB_R_WRONG_NETNS;
	if (pb_addr_is_zero(v6 ? &ep->loc6 : &ep->loc4))
		return PB_R_WRONG_FAMILY;
	/* Bound to loopback: nothing of it is at other addresses, and nothing is put there. */
	if (!(ep->cls & (v6 ? PB_CLS_V6_VIP : PB_CLS_V4_VIP)))
		return PB_R_WRONG_NETNS;
	return PB_R_NONE;
}

_Static_assert(sizeof(struct pb_node) == 64, "pb_node layout is ABI");

#endif /* PATCHBAY_NODE_H */
