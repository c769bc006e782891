/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The virtual view: whose datagram this is, and the names of both ends. */
#ifndef PB_VIEW_BPF_H
#define PB_VIEW_BPF_H

#include "dns.bpf.h"
#include "rudp.bpf.h"

static __always_inline int from_table(struct bpf_sock *sk, struct pb_addr *a, __be16 *port)
{
	struct pb_usock *u = bpf_sk_storage_get(&pb_usocks, sk, 0, 0);

	if (!u)
		return 0;
	for (__u32 i = 0; i < PB_UDP_DESTS; i++) {
		struct pb_udp_dest *d = &u->dest[i];

		if (d->rport && d->rport == *port && pb_addr_eq(&d->real, a)) {
			*a = d->virt;
			*port = d->vport;
			return 1;
		}
	}
	return 0;
}

static __noinline int from_far(const struct pb_udp_key *k, struct pb_addr *a, __be16 *port)
{
	struct pb_rudp r;

	if (!pb_rudp_at(k, &r) || !r.src.app)
		return 0;
	*a = r.src.addr;
	*port = r.src.port;
	return 1;
}

/* A managed sender: its virtual address, or the service's when it answers from a service port. */
static __always_inline int from_sender(const struct pb_sock *s, struct pb_addr *a, __be16 *port)
{
	struct pb_flow_key flow = { .raddr = *a, .lport = s->real, .rport = *port };
	struct pb_udp_key k = { .addr = *a, .port = *port }, *seen;
	struct pb_udp_src *src;

	/* What it was called when it was let in: it may have been closed since. */
	seen = s->flags & PB_SK_PORT ? bpf_map_lookup_elem(&pb_udp_seen, &flow) : 0;
	if (seen) {
		*a = seen->addr;
		*port = seen->port;
		return 1;
	}
	src = bpf_map_lookup_elem(&pb_udp_src, &k);
	if (!src)
		return from_far(&k, a, port);
	*a = src->addr;
	*port = src->port;
	return 1;
}

/* Is @a:@port what the socket is connected to?  A datagram may have come before connect(). */
static __always_inline int is_real_peer(const struct bpf_sock *sk, const struct pb_addr *a,
					__be16 port, int v6)
{
	__u32 ip = v6 ? sk->dst_ip6[3] : sk->dst_ip4;

	return sk->dst_port && sk->dst_port == port && ip == a->w[3];
}

static __always_inline int do_recvmsg(struct bpf_sock_addr *ctx, int v6)
{
	struct bpf_sock *sk = ctx->sk;
	struct pb_sock *s = pb_sock_of(sk);
	struct pb_addr a = pb_ctx_addr(ctx, v6);
	__be16 port = pb_ctx_port(ctx);

	if (!s || !sk)
		return 0;
	if ((s->flags & (PB_SK_INSIDE | PB_SK_PEER)) == (PB_SK_INSIDE | PB_SK_PEER) &&
	    is_real_peer(sk, &a, port, v6)) {
		a = s->peer;
		port = s->pport;
	} else if (!from_table(sk, &a, &port) && !pb_dns_restore(&a, &port) &&
		   !from_sender(s, &a, &port)) {
		return 0;
	}
	pb_ctx_set(ctx, v6, &a, port);
	return 0;
}

static __always_inline int do_peer(struct bpf_sock_addr *ctx, int v6)
{
	struct pb_sock *s = pb_sock_of(ctx->sk);

	if (s && (s->flags & PB_SK_PEER))
		pb_ctx_set(ctx, v6, &s->peer, s->pport);
	return 1;
}

static __always_inline int do_name(struct bpf_sock_addr *ctx, int v6)
{
	struct pb_sock *s = pb_sock_of(ctx->sk);
	struct pb_addr a = pb_ctx_addr(ctx, v6);
	__be16 port = pb_ctx_port(ctx);

	if (!s || !port || !(s->flags & (PB_SK_LOCAL | PB_SK_BOUND | PB_SK_SOURCE)))
		return 1;
	/* Connected to the outside: the world sees the kernel's address, so does the program. */
	if (!(s->flags & PB_SK_LOCAL) && !pb_addr_is_any(&a) && !pb_addr_is_loopback(&a))
		return 1;
	if (s->lport)
		port = s->lport;
	if ((s->flags & PB_SK_LOCAL) || !(s->flags & PB_SK_WILD))
		a = s->local;
	/* An IPv4 view of an IPv6-only name cannot be given; the kernel's address stays. */
	if (!v6 && !pb_addr_is_v4(&a))
		a = pb_ctx_addr(ctx, v6);
	pb_ctx_set(ctx, v6, &a, port);
	return 1;
}

#endif /* PB_VIEW_BPF_H */
