/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Other nodes, as the packets that they send are judged. */
#ifndef PB_NODES_BPF_H
#define PB_NODES_BPF_H

#include "sock.bpf.h"

#define PB_PEER_TRIES 3

/* Copies what is known of the node at @addr; the element may become another's meanwhile, so it must
 * be the same after.  0: there is none. */
static __noinline int pb_peer_at(const struct pb_addr *addr, struct pb_peer *ret)
{
	struct pb_addr a = *addr;

	for (int i = 0; i < PB_PEER_TRIES; i++) {
		struct pb_peer *p = bpf_map_lookup_elem(&pb_peers, &a);

		if (!p)
			return 0;
		*ret = *p;
		barrier();
		p = bpf_map_lookup_elem(&pb_peers, &a);
		if (p && *(volatile __u64 *)&p->node == ret->node &&
		    *(volatile __u64 *)&p->in[0][0] == ret->in[0][0] &&
		    *(volatile __u64 *)&p->in[0][1] == ret->in[0][1] &&
		    *(volatile __u64 *)&p->in[1][0] == ret->in[1][0] &&
		    *(volatile __u64 *)&p->in[1][1] == ret->in[1][1])
			return 1;
	}
	return 0;
}

#endif /* PB_NODES_BPF_H */
