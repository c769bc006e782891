/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses in and out of the contexts, and what a socket owns. */
#ifndef PB_SOCK_BPF_H
#define PB_SOCK_BPF_H

#include "service.bpf.h"
#include <vmlinux.h>
#include <bpf/bpf_core_read.h>

/* ---- sock_addr contexts -------------------------------------------------- */

/* Volatile: clang would merge the words into loads the verifier refuses. */
static __always_inline struct pb_addr pb_ctx_addr(struct bpf_sock_addr *ctx, int v6)
{
	volatile struct bpf_sock_addr *c = ctx;
	struct pb_addr a;

	if (!v6)
		return pb_addr_v4(c->user_ip4);
	a.w[0] = c->user_ip6[0];
	a.w[1] = c->user_ip6[1];
	a.w[2] = c->user_ip6[2];
	a.w[3] = c->user_ip6[3];
	return a;
}

static __always_inline __be16 pb_ctx_port(struct bpf_sock_addr *ctx)
{
	return *(volatile __u32 *)&ctx->user_port;
}

static __always_inline void pb_ctx_set(struct bpf_sock_addr *ctx, int v6, const struct pb_addr *a,
				       __be16 port)
{
	volatile struct bpf_sock_addr *c = ctx;

	if (v6) {
		c->user_ip6[0] = a->w[0];
		c->user_ip6[1] = a->w[1];
		c->user_ip6[2] = a->w[2];
		c->user_ip6[3] = a->w[3];
	} else {
		c->user_ip4 = a->w[3];
	}
	c->user_port = port;
}

static __always_inline struct pb_sock *pb_sock_of(struct bpf_sock *sk)
{
	return sk ? bpf_sk_storage_get(&pb_socks, sk, 0, 0) : 0;
}

/* The kernel's own idea: the default is a sysctl, and an option it refuses does not count. */
static __always_inline void pb_sync_v6only(struct bpf_sock *sk, struct pb_sock *s)
{
	struct sock_common *c;

	if (s->proto == PB_PROTO_TCP)
		c = (struct sock_common *)bpf_skc_to_tcp_sock(sk);
	else
		c = (struct sock_common *)bpf_skc_to_udp6_sock(sk);
	s->flags &= ~PB_SK_V6ONLY;
	if (c && BPF_CORE_READ_BITFIELD(c, skc_ipv6only))
		s->flags |= PB_SK_V6ONLY;
}

/* Is the kernel's socket bound to loopback? */
static __always_inline int pb_loop_only(const struct pb_sock *s)
{
	return !((s->cls & (PB_CLS_V4_VIP | PB_CLS_V6_VIP)) | (s->flags & PB_SK_OPEN));
}

/* What the kernel has bound for @s, for people to read. */
static __always_inline struct pb_addr pb_bound_addr(const struct pb_sock *s)
{
	struct pb_addr any6 = { .w = { 0, 0, 0, 0 } };

	if (pb_loop_only(s))
		return pb_addr_loopback(s->cls & PB_CLS_V4_LOOP);
	return s->cls & PB_CLS_V6 ? any6 : pb_addr_v4(0);
}

/* What an application shows of itself to a peer that used @v4 or IPv6. */
static __always_inline struct pb_addr pb_shown(const struct pb_app *app, int v4)
{
	if (v4)
		return pb_addr_is_zero(&app->vip4) ? app->ll4 : app->vip4;
	if (!pb_addr_is_zero(&app->vip6))
		return app->vip6;
	return pb_addr_is_zero(&app->vip4) ? app->ll6 : app->vip4;
}

/* Does the address belong to the virtual world: the pool, or an application outside it?  Global,
 * like the other pieces with many branches: the verifier walks it once, not once a caller. */
__noinline int pb_in_pool(const struct pb_addr *addr)
{
	struct pb_config *cfg = pb_cfg();
	struct pb_addr a;

	if (!addr)
		return 0;
	a = *addr; /* 6.1 takes keys from the stack or a map, not from an argument */
	if (cfg && cfg->pool4_bits && pb_addr_in(&a, &cfg->pool4, cfg->pool4_bits))
		return 1;
	if (cfg && cfg->pool6_bits && pb_addr_in(&a, &cfg->pool6, cfg->pool6_bits))
		return 1;
	return bpf_map_lookup_elem(&pb_addrs, &a) != 0;
}

/* A datagram source of @s dies with its socket, or gives way to another. */
static __always_inline void pb_forget_source(struct pb_sock *s, int v4, __u64 cookie)
{
	struct pb_udp_key real = { .addr = v4 ? s->src4 : s->src6, .port = s->sport }, virt = {};
	__u32 flag = v4 ? PB_SK_SRC4 : PB_SK_SRC6;
	struct pb_udp_src *src;
	struct pb_udp_virt *back;

	if (!(s->flags & flag))
		return;
	s->flags &= ~flag;
	src = bpf_map_lookup_elem(&pb_udp_src, &real);
	if (!src || src->cookie != cookie)
		return;
	/* Read first: a deleted element may be another's at once. */
	virt.addr = src->addr;
	virt.port = src->port;
	bpf_map_delete_elem(&pb_udp_src, &real);
	back = bpf_map_lookup_elem(&pb_udp_virt, &virt);
	if (back && back->cookie == cookie)
		bpf_map_delete_elem(&pb_udp_virt, &virt);
}

#endif /* PB_SOCK_BPF_H */
