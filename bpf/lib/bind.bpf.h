/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A socket takes a port of its private host, and gives back what it owned. */
#ifndef PB_BIND_BPF_H
#define PB_BIND_BPF_H

#include "claim.bpf.h"
#include "option.bpf.h"
#include <patchbay/bind.h>

#define PB_SOL_SOCKET 1
#define PB_SO_REUSEADDR 2
#define PB_SO_REUSEPORT 15
#define PB_IPPROTO_IP 0
#define PB_IP_BIND_ADDRESS_NO_PORT 24
#define PB_OPT_MAX 4096 /* beyond it the kernel wants optlen cleared by whoever does not look */

static __always_inline void pb_tell_bind(struct bpf_sock_addr *ctx, struct pb_sock *s,
					 const struct pb_addr *a, __be16 port, __u32 reason,
					 int err)
{
	struct pb_note n = { .app = s->app,
			     .cookie = bpf_get_socket_cookie(ctx),
			     .virt = *a,
			     .vport = port,
			     .op = PB_OP_BIND,
			     .proto = s->proto,
			     .task = 1,
			     .reason = reason,
			     .err = err };

	pb_tell(&n);
}

/* Gives back everything the socket owns: endpoint, guarded ports, claims. */
static __noinline int pb_sock_release(struct pb_sock *s)
{
	int withdrawn = 0, lock;

	if (s->flags & (PB_SK_BOUND | PB_SK_PORT | PB_SK_PUBLISHED)) {
		lock = pb_lock(s);
		withdrawn = sock_withdraw(s);
		pb_unguard_port(s);
		for (__u32 c = 0; c < PB_CLS_N; c++)
			if ((s->flags & PB_SK_BOUND) && (s->cls & (1u << c)))
				pb_claim_drop(s, 1u << c);
		pb_unlock(lock);
	}
	s->flags &= ~(PB_SK_BOUND | PB_SK_SOURCE | PB_SK_WILD | PB_SK_OPEN);
	s->cls = 0;
	s->lport = 0;
	s->real = 0;
	return withdrawn;
}

/* Takes the port of a service bind: 0 and the kernel port in *kport, or -errno and a reason. */
static __always_inline int bind_service(struct bpf_sock_addr *ctx, struct pb_sock *s, __u32 cls,
					__be16 *kport, __u32 *reason)
{
	struct pb_config *cfg = pb_cfg();
	__u64 cookie = bpf_get_socket_cookie(ctx);
	int err;

	if (!cfg || !(cfg->flags & PB_CFG_GUARD) || cfg->netns != s->netns) {
		*reason = PB_R_NO_GUARD;
		return -PB_EACCES;
	}
	err = pb_claim_take(s, cls, cookie, bpf_get_current_uid_gid());
	if (err) {
		*reason = err == -PB_EADDRINUSE ? PB_R_PORT_TAKEN : PB_R_MAP_FULL;
		s->lport = 0;
		return err;
	}
	*kport = pb_claim_real(s, cookie);
	return 0;
}

/*
 * Does a loopback name of a named application get all addresses from the kernel?  A private host
 * that is spread over nodes has one loopback.  The port is guarded, so that nobody else comes in by
 * the others; that of a datagram socket which is no service is not.  @kport: of the group it joins,
 * which it follows.  Global, and of scalars: the verifier walks it once.
 */
__noinline int pb_opens(__u32 cls, __u32 service, __u32 proto, __u32 kport, __u64 netns)
{
	struct pb_port_key k = { .port = kport, .proto = proto, .v6 = !(cls & PB_CLS_V4) };
	__u32 want = PB_CFG_GUARD | PB_CFG_PEERS;
	struct pb_config *cfg = pb_cfg();
	struct pb_port *p;

	if ((cls & (PB_CLS_V4_VIP | PB_CLS_V6_VIP)) || !cfg || cfg->netns != netns)
		return 0;
	if (proto != PB_PROTO_TCP) {
		want |= PB_CFG_PEERS_UDP;
		if (!service)
			return 0;
	}
	p = kport ? bpf_map_lookup_elem(&pb_ports, &k) : 0;
	return p ? !(p->flags & PB_PORT_LOOP) : (cfg->flags & want) == want;
}

static __always_inline int do_bind(struct bpf_sock_addr *ctx, int v6)
{
	struct bpf_sock *sk = ctx->sk;
	struct pb_sock *s = pb_sock_of(sk);
	struct pb_bind_in in = { .addr = pb_ctx_addr(ctx, v6), .port = pb_ctx_port(ctx) };
	struct pb_bind_out out = {};
	__be16 kport = 0;
	int err;

	if (!s) {
		pb_count(PB_R_UNMANAGED);
		return 0;
	}
	/* Bound already: EINVAL is the kernel's to say, and what the socket holds stays. */
	if (!sk || sk->src_port || (s->proto != PB_PROTO_TCP && s->proto != PB_PROTO_UDP))
		return 0;
	in.app = pb_app_at(s->app);
	if (!in.app)
		return -PB_EACCES;
	pb_sock_release(s);
	if (v6)
		pb_sync_v6only(sk, s);
	in.proto = s->proto;
	in.sock_v6 = v6;
	in.v6only = !!(s->flags & PB_SK_V6ONLY);
	in.in_pool =
		!pb_addr_is_any(&in.addr) && !pb_addr_is_loopback(&in.addr) && pb_in_pool(&in.addr);
	pb_bind_classify(&in, &out);
	if (out.kind == PB_BIND_PASS)
		return 0;
	err = out.err;
	s->lport = in.port;
	s->local = in.addr;
	if (out.kind == PB_BIND_SERVICE)
		err = bind_service(ctx, s, out.cls, &kport, &out.reason);
	if (out.kind == PB_BIND_SOURCE) {
		s->cls = out.cls;
		s->owner = bpf_get_socket_cookie(ctx);
		s->flags |= PB_SK_SOURCE;
	}
	if (pb_addr_is_any(&in.addr))
		s->flags |= PB_SK_WILD;
	pb_tell_bind(ctx, s, &in.addr, in.port, out.reason, err);
	if (err) {
		s->lport = 0;
		return err;
	}
	if ((in.app->flags & PB_APP_NAMED) &&
	    pb_opens(out.cls, out.kind == PB_BIND_SERVICE, s->proto, kport, s->netns)) {
		s->flags |= PB_SK_OPEN;
		out.kaddr.w[3] = 0; /* 127.0.0.1 -> 0.0.0.0, ::1 -> :: */
	}
	pb_ctx_set(ctx, v6, &out.kaddr, kport);
	return 0;
}

/* The kernel has chosen a port: guard it, and publish datagram services. */
static __always_inline int do_post_bind(struct bpf_sock *ctx)
{
	struct pb_sock *s = pb_sock_of(ctx);
	__u64 cookie;
	struct pb_claim_key k;

	if (!s || !(s->flags & (PB_SK_BOUND | PB_SK_SOURCE)))
		return 0;
	s->real = pb_htons(ctx->src_port);
	if (!(s->flags & PB_SK_BOUND)) {
		/* A source; should it listen after all, LISTEN_CB publishes it. */
		return s->proto == PB_PROTO_TCP ? pb_guard_port(s, bpf_get_socket_cookie(ctx)) : 0;
	}
	cookie = bpf_get_socket_cookie(ctx);
	for (__u32 c = 0; c < PB_CLS_N; c++) {
		struct pb_claim *claim;

		if (!(s->cls & (1u << c)))
			continue;
		pb_claim_key_of(&k, s, 1u << c);
		claim = bpf_map_lookup_elem(&pb_claims, &k);
		if (claim && !claim->real)
			claim->real = s->real;
	}
	if (pb_guard_port(s, cookie) || (s->proto == PB_PROTO_UDP && !pb_sock_publish(s, cookie))) {
		pb_count(PB_R_MAP_FULL);
		pb_sock_release(s);
		return -PB_ENOBUFS;
	}
	return 0;
}

static __always_inline int do_release(struct bpf_sock *ctx)
{
	struct pb_sock *s = pb_sock_of(ctx);
	struct pb_note n = { .op = PB_OP_RELEASE, .task = 1, .reason = PB_R_WITHDRAW };
	__u64 cookie;

	if (s && s->proto == PB_PROTO_TCP)
		pb_spl_release(ctx);
	if (!s ||
	    !(s->flags & (PB_SK_BOUND | PB_SK_PORT | PB_SK_PUBLISHED | PB_SK_SRC4 | PB_SK_SRC6)))
		return 1;
	cookie = bpf_get_socket_cookie(ctx);
	pb_forget_source(s, 1, cookie);
	pb_forget_source(s, 0, cookie);
	/* A child's storage is a copy of its listener's: it owns nothing. */
	if (s->owner != cookie)
		return 1;
	n.app = s->app;
	n.cookie = cookie;
	n.virt = s->local;
	n.vport = s->lport;
	n.real = pb_bound_addr(s);
	n.rport = s->real;
	n.proto = s->proto;
	if (pb_sock_release(s))
		pb_tell(&n);
	return 1;
}

/* ---- options that decide how ports are shared ---- */

static __always_inline void set_flag(struct pb_sock *s, __u32 flag, __u32 on)
{
	if (on)
		s->flags |= flag;
	else
		s->flags &= ~flag;
}

static __always_inline int do_setopt(struct bpf_sockopt *ctx)
{
	struct pb_sock *s;
	__u32 *val = ctx->optval;
	__u32 flag = 0;

	if (ctx->optlen > PB_OPT_MAX) {
		ctx->optlen = 0;
		return 1;
	}
	if (ctx->level == PB_SOL_SOCKET && ctx->optname == PB_SO_REUSEPORT)
		flag = PB_SK_REUSEPORT;
	else if (ctx->level == PB_SOL_SOCKET && ctx->optname == PB_SO_REUSEADDR)
		flag = PB_SK_REUSEADDR;
	/* The kernel's port is never the one that was asked for: put off, it would come unguarded.
	 * The program is told yes; what it saves is ports, not meaning. */
	if (ctx->level == PB_IPPROTO_IP && ctx->optname == PB_IP_BIND_ADDRESS_NO_PORT)
		ctx->optlen = -1;
	if (!flag)
		return verdict_to_cgroup(pb_spl_setopt(ctx));
	if ((void *)(val + 1) > ctx->optval_end)
		return 1;
	s = pb_sock_of(ctx->sk);
	if (s)
		set_flag(s, flag, *val);
	return 1;
}

#endif /* PB_BIND_BPF_H */
