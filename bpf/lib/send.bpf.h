/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* connect() and sendmsg(): the decision of dest.bpf.h, carried out and remembered. */
#ifndef PB_SEND_BPF_H
#define PB_SEND_BPF_H

#include "claim.bpf.h"
#include "dest.bpf.h"

static __noinline int tell_dest(struct bpf_sock_addr *ctx, const struct pb_dest *d, __u8 op)
{
	struct pb_note n = { .app = d->app,
			     .peer = d->peer,
			     .cookie = bpf_get_socket_cookie(ctx),
			     .virt = d->addr,
			     .real = d->real,
			     .vport = d->port,
			     .rport = d->rport,
			     .op = op,
			     .proto = d->proto,
			     .task = 1,
			     .reason = d->reason,
			     .err = d->err };

	pb_tell(&n);
	return 0;
}

/* Decides, or sends a query to the agent. */
static __always_inline void resolve(struct bpf_sock_addr *ctx, struct pb_sock *s, struct pb_dest *d)
{
	__be16 port;

	d->app = s->app;
	d->netns = s->netns;
	d->lport = s->lport;
	d->proto = s->proto;
	pb_dest_decide(d);
	if (d->port != PB_DNS_PORT || d->rport ||
	    (d->err && d->reason != PB_R_DENY_EGRESS && d->reason != PB_R_DENY_LOCAL))
		return;
	port = pb_dns_redirect(ctx, s, &d->addr, d->port, &d->real);
	if (!port)
		return;
	d->rport = port;
	d->dns = 1;
	d->err = 0;
	d->reason = PB_R_DNS;
}

/* The connection goes inside, or to the resolver: what both ends will be shown. */
static __always_inline void connected(struct pb_sock *s, const struct pb_dest *d)
{
	s->peer = d->addr;
	s->pport = d->port;
	s->dest = d->ep;
	s->dest_gen = d->gen;
	s->flags |= PB_SK_PEER | PB_SK_INSIDE | (d->dns ? PB_SK_DNS : PB_SK_LOCAL);
	if (s->proto == PB_PROTO_UDP)
		s->flags |= PB_SK_OWNER;
	if (!(s->flags & (PB_SK_BOUND | PB_SK_SOURCE)) || (s->flags & PB_SK_WILD))
		s->local = d->shown;
}

static __noinline int withdraw(struct pb_sock *s)
{
	int lock = pb_lock(s);
	int last = sock_withdraw(s);

	pb_unlock(lock);
	return last;
}

static __always_inline int do_connect(struct bpf_sock_addr *ctx, int v6)
{
	struct pb_dest d = { .addr = pb_ctx_addr(ctx, v6), .port = pb_ctx_port(ctx) };
	struct pb_sock *s = pb_sock_of(ctx->sk);
	int again;

	if (!s) {
		pb_count(PB_R_UNMANAGED);
		return 0;
	}
	resolve(ctx, s, &d);
	if (d.err) {
		/* A datagram socket keeps the peer it had. */
		tell_dest(ctx, &d, PB_OP_CONNECT);
		return d.err;
	}
	again = s->proto == PB_PROTO_UDP && (s->flags & PB_SK_INSIDE) && s->pport == d.port &&
		pb_addr_eq(&s->peer, &d.addr) && d.rport;
	s->flags &= ~(PB_SK_PEER | PB_SK_LOCAL | PB_SK_INSIDE | PB_SK_DNS | PB_SK_OWNER);
	/* A datagram socket that has a peer of its own serves nobody else. */
	if (s->proto == PB_PROTO_UDP && (s->flags & PB_SK_PUBLISHED))
		withdraw(s);
	if (d.rport) {
		connected(s, &d);
		pb_ctx_set(ctx, v6, &d.real, d.rport);
	}
	if (again)
		pb_count(d.reason); /* one event for a peer, not for each connect() to it */
	else
		tell_dest(ctx, &d, PB_OP_CONNECT);
	return 0;
}

/* Remembers where a datagram went, so that the reply comes from there.  1: it was known. */
static __noinline int remember(struct bpf_sock *sk, const struct pb_dest *d)
{
	struct pb_usock *u = bpf_sk_storage_get(&pb_usocks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	struct pb_udp_dest *slot;

	if (!u)
		return 0;
	u->version = PB_SK_VERSION;
	for (__u32 i = 0; i < PB_UDP_DESTS; i++) {
		slot = &u->dest[i];
		if (slot->vport == d->port && pb_addr_eq(&slot->virt, &d->addr) &&
		    slot->rport == d->rport && pb_addr_eq(&slot->real, &d->real))
			return 1;
	}
	slot = &u->dest[u->next++ & (PB_UDP_DESTS - 1)];
	slot->virt = d->addr;
	slot->vport = d->port;
	slot->real = d->real;
	slot->rport = d->rport;
	slot->ep = d->ep;
	return 0;
}

/*
 * send() on an AF_INET6 socket that is connected to a mapped address comes here as if the program
 * had named the peer (udpv6_sendmsg hands it to udp_sendmsg): connect() has decided about it.
 */
static __always_inline int is_connected_peer(struct bpf_sock *sk, const struct pb_sock *s,
					     const struct pb_dest *d, int v6)
{
	return !v6 && sk->family == PB_AF_INET6 && sk->dst_port == d->port &&
	       sk->dst_ip6[3] == d->addr.w[3] && (s->flags & PB_SK_INSIDE);
}

/* A number for a socket, never 0, whose every bit depends on the cookie (Knuth 6.4). */
static __always_inline __u32 pb_spread(__u64 cookie)
{
	return (__u32)(cookie * 0x9e3779b97f4a7c15ULL >> 33) + 1;
}

/* The endpoint this socket last used for the destination: a conversation stays where it is. */
static __noinline __u32 known_endpoint(struct bpf_sock *sk, const struct pb_dest *d)
{
	struct pb_usock *u = bpf_sk_storage_get(&pb_usocks, sk, 0, 0);
	__u32 ep = 0;

	if (!u)
		return 0;
	for (__u32 i = 0; i < PB_UDP_DESTS; i++) {
		const struct pb_udp_dest *known = &u->dest[i];

		if (known->ep && known->vport == d->port && pb_addr_eq(&known->virt, &d->addr))
			ep = known->ep;
	}
	return ep;
}

static __always_inline int do_sendmsg(struct bpf_sock_addr *ctx, int v6)
{
	struct pb_dest d = { .addr = pb_ctx_addr(ctx, v6), .port = pb_ctx_port(ctx) };
	struct bpf_sock *sk = ctx->sk;
	struct pb_sock *s = pb_sock_of(sk);
	int known;

	if (!s || !sk) {
		pb_count(PB_R_UNMANAGED);
		return 0;
	}
	if (is_connected_peer(sk, s, &d, v6))
		return 0;
	d.sticky = pb_spread(bpf_get_socket_cookie(ctx));
	d.prefer = known_endpoint(sk, &d);
	resolve(ctx, s, &d);
	known = !d.err && remember(sk, &d);
	if (d.rport && !d.err) {
		s->flags |= PB_SK_OWNER;
		pb_ctx_set(ctx, v6, &d.real, d.rport);
	}
	if (known)
		pb_count(d.reason); /* one event for a destination, not for each datagram */
	else
		tell_dest(ctx, &d, PB_OP_SENDMSG);
	return d.err;
}

#endif /* PB_SEND_BPF_H */
