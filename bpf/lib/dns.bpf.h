/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Queries to any resolver go to the agent: one agent port stands for one
 * original resolver, so that the agent knows where to forward, and replies can
 * be given the address that was asked.  An agent that is gone or stopped is
 * noticed by its socket and its heartbeat; then queries pass unchanged.
 */
#ifndef PB_DNS_BPF_H
#define PB_DNS_BPF_H

#include "sock.bpf.h"

#define PB_DNS_PORT pb_htons(53)

/* Index for a resolver, learnt at its first use; -1: the table is full. */
__noinline int pb_resolver_index(const struct pb_addr *addr, __u32 port)
{
	struct pb_resolv_key k = { .port = port };
	struct pb_resolv_ref *ref, fresh = { 0 };

	if (!addr)
		return -1;
	k.addr = *addr;
	ref = bpf_map_lookup_elem(&pb_resolv, &k);
	if (ref)
		return ref->index;
	for (__u32 i = 0; i < PB_RESOLVERS; i++) {
		__u32 index = i;
		struct pb_resolver *r = bpf_map_lookup_elem(&pb_resolvers, &index);

		if (!r || r->used || __sync_val_compare_and_swap(&r->used, 0, 1))
			continue;
		r->addr = *addr;
		r->port = port;
		fresh.index = i;
		/* A rival that was first wins; the index taken here stays unused. */
		if (bpf_map_update_elem(&pb_resolv, &k, &fresh, BPF_NOEXIST)) {
			ref = bpf_map_lookup_elem(&pb_resolv, &k);
			r->used = 0;
			return ref ? (int)ref->index : -1;
		}
		return i;
	}
	return -1;
}

/* Does the agent's socket exist?  Source port 0 is how the guard knows this look-up. */
static __always_inline int pb_agent_listens(struct bpf_sock_addr *ctx, const struct pb_addr *a,
					    __be16 port)
{
	struct bpf_sock_tuple t = {};
	struct bpf_sock *sk;

	if (pb_addr_is_v4(a)) {
		t.ipv4.daddr = a->w[3];
		t.ipv4.dport = port;
		sk = bpf_sk_lookup_udp(ctx, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
	} else {
		__builtin_memcpy(t.ipv6.daddr, a, sizeof(*a));
		t.ipv6.dport = port;
		sk = bpf_sk_lookup_udp(ctx, &t, sizeof(t.ipv6), BPF_F_CURRENT_NETNS, 0);
	}
	if (!sk)
		return 0;
	bpf_sk_release(sk);
	return 1;
}

static __always_inline int pb_agent_beats(void)
{
	__u32 zero = 0;
	struct pb_beat *beat = bpf_map_lookup_elem(&pb_beat, &zero);

	return beat && bpf_ktime_get_ns() - beat->time_ns < PB_BEAT_STALE_NS;
}

/* The agent's port for the resolver @addr:@port and where it is; 0: leave the query alone. */
static __noinline __u32 pb_dns_redirect(struct bpf_sock_addr *ctx, const struct pb_sock *s,
					const struct pb_addr *addr, __be16 port,
					struct pb_addr *ret)
{
	struct pb_config *cfg = pb_cfg();
	struct pb_resolver *r;
	__u32 index;
	int i;

	if (!cfg || !(cfg->flags & PB_CFG_DNS))
		return 0;
	/* The agent's ports are on its own loopback. */
	i = s->netns == cfg->netns && pb_agent_beats() ? pb_resolver_index(addr, port) : -1;
	if (i < 0) {
		pb_count(PB_R_DNS_BYPASS);
		return 0;
	}
	index = i;
	r = bpf_map_lookup_elem(&pb_resolvers, &index);
	*ret = pb_addr_loopback(pb_addr_is_v4(addr));
	/* The row may have been given to another resolver since the key was read. */
	if (!r || r->port != port || !pb_addr_eq(&r->addr, addr) || !r->agent_port ||
	    !pb_agent_listens(ctx, ret, r->agent_port)) {
		__builtin_memset(ret, 0, sizeof(*ret));
		pb_count(PB_R_DNS_BYPASS);
		return 0;
	}
	return r->agent_port;
}

/* The original resolver behind the agent's port: 1 and *addr, *port changed, or 0. */
static __always_inline int pb_dns_restore(struct pb_addr *addr, __be16 *port)
{
	struct pb_port_key k = { .port = *port, .proto = PB_PROTO_UDP, .v6 = !pb_addr_is_v4(addr) };
	struct pb_port *p;
	struct pb_resolver *r;
	__u32 index;

	if (!pb_addr_is_loopback(addr))
		return 0;
	p = bpf_map_lookup_elem(&pb_ports, &k);
	if (!p || !(p->flags & PB_PORT_DNS))
		return 0;
	index = p->ep;
	r = bpf_map_lookup_elem(&pb_resolvers, &index);
	if (!r || !r->used)
		return 0;
	*addr = r->addr;
	*port = r->port;
	return 1;
}

#endif /* PB_DNS_BPF_H */
