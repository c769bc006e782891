/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a sock_ops context says: addresses, ports, the flow. */
#ifndef PB_OPS_BPF_H
#define PB_OPS_BPF_H

#include "sock.bpf.h"

/* BPF_TCP_* of <linux/bpf.h>, as skops->args[] carries them. */
#define PB_STATE_SYN_SENT 2
#define PB_STATE_CLOSE 7

static __always_inline int is_v4(const struct bpf_sock_ops *o)
{
	volatile const struct bpf_sock_ops *c = o;

	return c->family == PB_AF_INET ||
	       (!c->remote_ip6[0] && !c->remote_ip6[1] && c->remote_ip6[2] == PB_V4MAP_W2);
}

/* All words are read on both paths: of a load behind a branch clang makes one through a computed
 * pointer into the context, which the verifier refuses. */
#define PB_OPS_ADDR(o, v4, side) \
	({ \
		volatile const struct bpf_sock_ops *_o = (o); \
		__u32 _ip4 = _o->side##_ip4; \
		struct pb_addr _a = { .w = { _o->side##_ip6[0], _o->side##_ip6[1], \
					     _o->side##_ip6[2], _o->side##_ip6[3] } }; \
		(v4) ? pb_addr_v4(_ip4) : _a; \
	})

/* remote_port carries the network-order port in its upper half on little-endian machines. */
static __always_inline __be16 remote_port(const struct bpf_sock_ops *o)
{
	return pb_htons(bpf_ntohl(o->remote_port));
}

static __always_inline __be16 local_port(const struct bpf_sock_ops *o)
{
	return pb_htons(o->local_port);
}

/* The flow as the server's side of it is named. */
static __always_inline void flow_key(const struct bpf_sock_ops *o, int client,
				     struct pb_flow_key *k)
{
	int v4 = is_v4(o);

	__builtin_memset(k, 0, sizeof(*k));
	if (client) {
		k->laddr = PB_OPS_ADDR(o, v4, remote);
		k->lport = remote_port(o);
		k->raddr = PB_OPS_ADDR(o, v4, local);
		k->rport = local_port(o);
	} else {
		k->laddr = PB_OPS_ADDR(o, v4, local);
		k->lport = local_port(o);
		k->raddr = PB_OPS_ADDR(o, v4, remote);
		k->rport = remote_port(o);
	}
}

#endif /* PB_OPS_BPF_H */
