/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Senders of datagrams on other nodes, as their hello named them (patchbay/hello.h). */
#ifndef PB_RUDP_BPF_H
#define PB_RUDP_BPF_H

#include "sock.bpf.h"

/* Whose it is, of what that node has announced by now; 0: nobody's. */
static __always_inline __u64 pb_far_ref(__u64 node, __u64 id)
{
	struct pb_member_key mk = { .node = node, .id = id };
	struct pb_member *m = bpf_map_lookup_elem(&pb_members, &mk);
	struct pb_app *app;
	__u64 ref;

	if (!m)
		return 0;
	ref = m->ref;
	app = pb_app_at(ref);
	return app && (ref & PB_REF_REMOTE) && app->id == id ? ref : 0;
}

/* Copies what is known of that source; an element may become another's while it is read, so its own
 * key must say that it is not.  src.app is who it is now.  0: nothing, or no more. */
static __noinline int pb_rudp_at(const struct pb_udp_key *real, struct pb_rudp *ret)
{
	struct pb_udp_key k = *real;
	struct pb_rudp *r = bpf_map_lookup_elem(&pb_rudp_src, &k);

	if (!r)
		return 0;
	*ret = *r;
	barrier();
	if (*(volatile __u64 *)&r->time_ns != ret->time_ns || ret->real.port != k.port ||
	    !pb_addr_eq(&ret->real.addr, &k.addr))
		return 0;
	if (bpf_ktime_get_ns() - ret->time_ns > PB_HELLO_HOLDS_NS)
		return 0;
	ret->src.app = pb_far_ref(ret->src.cookie, ret->id);
	return 1;
}

/* May it, as far as the address goes that it can have dialled: a service that is on loopback alone
 * is for its own private host. */
static __always_inline int pb_rudp_fits(const struct pb_app *from, const struct pb_endpoint *ep,
					int v4)
{
	if (ep->cls & (v4 ? PB_CLS_V4_VIP : PB_CLS_V6_VIP))
		return 1;
	return (ep->cls & (v4 ? PB_CLS_V4_LOOP : PB_CLS_V6_LOOP)) && from->ns == ep->ns;
}

#endif /* PB_RUDP_BPF_H */
