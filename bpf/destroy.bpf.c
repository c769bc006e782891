// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * destroy: an iterator over the sockets of managed programs; finds those that hang on an endpoint
 * that is gone, for the agent to destroy (control/agent/destroy.h says which may be).
 *
 * Reads pb_socks, pb_gone, pb_endpoints, pb_remotes, pb_ports; writes pb_spared.  Needs
 * CAP_PERFMON, kernel 6.1.  Without it programs wait until they give up by themselves.
 */
#include "lib/sock.bpf.h"
#include <patchbay/flow.h>
#include <patchbay/stuck.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PB_GONE_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct pb_gone_key);
	__type(value, struct pb_gone_val);
} pb_gone SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} pb_spared SEC(".maps");

/* The names by which sock_diag finds the socket. */
static __always_inline void real_names(struct pb_stuck *r, struct sock *sk)
{
	struct sock_common *c = &sk->__sk_common;

	r->family = c->skc_family;
	r->device = c->skc_bound_dev_if;
	r->lport = pb_htons(c->skc_num);
	r->rport = c->skc_dport;
	if (c->skc_family == PB_AF_INET6) {
		bpf_probe_read_kernel(&r->local, 16, &c->skc_v6_rcv_saddr);
		bpf_probe_read_kernel(&r->remote, 16, &c->skc_v6_daddr);
	} else {
		r->local = pb_addr_v4(c->skc_rcv_saddr);
		r->remote = pb_addr_v4(c->skc_daddr);
	}
}

static __always_inline struct pb_endpoint *dest_of(const struct pb_sock *s)
{
	__u32 index = s->dest & ~PB_EP_REMOTE;

	if (s->dest & PB_EP_REMOTE)
		return bpf_map_lookup_elem(&pb_remotes, &index);
	return bpf_map_lookup_elem(&pb_endpoints, &index);
}

/* Somebody asked for it by name. */
static __always_inline int is_listed(const struct pb_sock *s)
{
	struct pb_gone_key k = { .ep = s->dest, .gen = s->dest_gen };
	struct pb_gone_val *v = bpf_map_lookup_elem(&pb_gone, &k);

	return v && (s->proto == PB_PROTO_UDP || (v->flags & PB_GONE_F_TCP));
}

/*
 * The endpoint was withdrawn, but a server that connect()s its socket to one client withdraws too,
 * and talks on.  Its port tells: nobody else's while it lives.
 */
static __always_inline int is_port_held(const struct pb_stuck *r, const struct pb_sock *s,
					const struct pb_endpoint *ep)
{
	struct pb_port_key k = { .port = r->rport,
				 .proto = PB_PROTO_UDP,
				 .v6 = !pb_addr_is_v4(&r->remote) };
	struct pb_port *p = bpf_map_lookup_elem(&pb_ports, &k);

	if (!p || p->ep)
		return 0;
	return ep->gen != s->dest_gen || p->cookie == ep->cookie;
}

/* An endpoint of this node: the table tells. */
static __always_inline int is_over(const struct pb_stuck *r, const struct pb_sock *s)
{
	struct pb_endpoint *ep;
	__u64 *spared;
	__u32 zero = 0;

	if (s->proto != PB_PROTO_UDP || !s->dest || (s->dest & PB_EP_REMOTE))
		return 0;
	ep = dest_of(s);
	if (!ep || (ep->gen == s->dest_gen && ep->state != PB_EP_FREE))
		return 0;
	if (!is_port_held(r, s, ep))
		return 1;
	spared = bpf_map_lookup_elem(&pb_spared, &zero);
	if (spared)
		__sync_fetch_and_add(spared, 1);
	return 0;
}

/* Connected, or about to be, by a program that still has it: what it closed ends by itself. */
static __always_inline int is_client(const struct pb_sock *s, struct sock *sk)
{
	__u8 state = sk->__sk_common.skc_state;
	__u32 states = 1u << PB_FLOW_ESTABLISHED;

	if ((s->flags & (PB_SK_INSIDE | PB_SK_CHILD)) != PB_SK_INSIDE)
		return 0;
	if (!sk->sk_socket || !sk->__sk_common.skc_dport)
		return 0;
	if (s->proto == PB_PROTO_TCP)
		states = PB_FLOW_STATES | 1u << PB_STUCK_SYN_SENT;
	return states >> (state & 31) & 1;
}

SEC("iter/bpf_sk_storage_map")
int pb_stuck(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	const struct pb_sock *s = ctx->value;
	struct sock *sk = ctx->sk;
	struct pb_endpoint *ep;
	struct pb_stuck r;

	if (!sk || !s || !is_client(s, sk))
		return 0;
	__builtin_memset(&r, 0, sizeof(r));
	real_names(&r, sk);
	if (!is_listed(s) && !is_over(&r, s))
		return 0;
	r.cookie = bpf_get_socket_cookie(sk);
	r.netns = s->netns;
	r.app = s->app;
	r.virt = s->peer;
	r.vport = s->pport;
	r.proto = s->proto;
	r.ep = s->dest;
	ep = dest_of(s);
	if (ep && ep->gen == s->dest_gen)
		r.peer = ep->app;
	bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
