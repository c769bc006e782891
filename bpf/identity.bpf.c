// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * identity: virtual names at the socket calls of managed programs.
 *
 *   cgroup/bind4|6, post_bind4|6   an address of the private host -> any free kernel port
 *   cgroup/connect4|6, sendmsg4|6  virtual address, loopback of the identity, resolver -> real
 *   cgroup/recvmsg4|6              real source -> what was asked, or the sender's virtual address
 *   cgroup/getpeername4|6, getsockname4|6   the virtual view of both ends, accept() included
 *   cgroup/setsockopt              remembers SO_REUSEPORT, SO_REUSEADDR, IPV6_V6ONLY
 *   cgroup/sock_release            gives back what the socket owned
 *
 * Kernel 6.1.  Maps: docs/ARCHITECTURE.md.  Verdicts: 1 go on, 0 with errno by
 * bpf_set_retval (lib/verdict.bpf.h).  Sockets without storage were made before
 * their scope was managed: they are left alone and counted.
 */
#include "lib/claim.bpf.h"
#include "lib/dest.bpf.h"
#include <patchbay/bind.h>

#define PB_SOL_SOCKET 1
#define PB_SO_REUSEADDR 2
#define PB_SO_REUSEPORT 15
#define PB_IPPROTO_IPV6 41
#define PB_IPV6_V6ONLY 26
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
	int withdrawn = pb_sock_withdraw(s);

	if (s->flags & PB_SK_PORT) {
		if (s->cls & PB_CLS_V4)
			pb_port_drop(s, 0);
		if (s->cls & PB_CLS_V6)
			pb_port_drop(s, 1);
	}
	for (__u32 c = 0; c < PB_CLS_N; c++)
		if ((s->flags & PB_SK_BOUND) && (s->cls & (1u << c)))
			pb_claim_drop(s, 1u << c);
	s->flags &= ~(PB_SK_BOUND | PB_SK_PORT | PB_SK_SOURCE | PB_SK_WILD);
	s->cls = 0;
	s->lport = 0;
	s->real = 0;
	return withdrawn;
}

/* ---- bind ---------------------------------------------------------------- */

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
	in.proto = s->proto;
	in.sock_v6 = v6;
	in.v6only = !!(s->flags & PB_SK_V6ONLY);
	in.in_pool = !pb_addr_is_any(&in.addr) && !pb_addr_is_loopback(&in.addr) &&
		     pb_in_pool(&in.addr);
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
	if (err)
		s->lport = 0;
	else
		pb_ctx_set(ctx, v6, &out.kaddr, kport);
	return err;
}

SEC("cgroup/bind4")
int pb_bind4(struct bpf_sock_addr *ctx)
{
	return verdict_to_cgroup(do_bind(ctx, 0));
}

SEC("cgroup/bind6")
int pb_bind6(struct bpf_sock_addr *ctx)
{
	return verdict_to_cgroup(do_bind(ctx, 1));
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
	if (pb_guard_port(s, cookie) ||
	    (s->proto == PB_PROTO_UDP && !pb_sock_publish(s, cookie))) {
		pb_count(PB_R_MAP_FULL);
		pb_sock_release(s);
		return -PB_ENOBUFS;
	}
	return 0;
}

SEC("cgroup/post_bind4")
int pb_postbind4(struct bpf_sock *ctx)
{
	return verdict_to_cgroup(do_post_bind(ctx));
}

SEC("cgroup/post_bind6")
int pb_postbind6(struct bpf_sock *ctx)
{
	return verdict_to_cgroup(do_post_bind(ctx));
}

/* ---- connect and sendmsg ------------------------------------------------- */

static __noinline int tell_dest(struct bpf_sock_addr *ctx, const struct pb_dest *d, __u8 op)
{
	struct pb_note n = { .app = d->s->app,
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

/* Common part: decides, or sends a query to the agent.  -1: not ours, go on. */
static __always_inline int resolve(struct bpf_sock_addr *ctx, struct pb_dest *d)
{
	struct pb_sock *s = pb_sock_of(ctx->sk);
	struct pb_addr real;
	__be16 port;

	if (!s) {
		pb_count(PB_R_UNMANAGED);
		return -1;
	}
	d->s = s;
	d->proto = s->proto;
	d->app = pb_app_at(s->app);
	if (!d->app) {
		pb_count(PB_R_NO_IDENTITY);
		d->err = -PB_EACCES;
		return -1;
	}
	pb_dest_decide(d);
	if (d->port == PB_DNS_PORT && !d->ep && !d->rport &&
	    (!d->err || d->reason == PB_R_DENY_EGRESS || d->reason == PB_R_DENY_LOCAL)) {
		port = pb_dns_redirect(ctx, s, &d->addr, d->port, &real);
		if (port) {
			d->real = real;
			d->rport = port;
			d->dns = 1;
			d->err = 0;
			d->reason = PB_R_DNS;
		}
	}
	return 0;
}

static __always_inline int do_connect(struct bpf_sock_addr *ctx, int v6)
{
	struct pb_dest d = { .addr = pb_ctx_addr(ctx, v6), .port = pb_ctx_port(ctx) };
	struct pb_addr asked = d.addr;
	struct pb_sock *s;

	if (resolve(ctx, &d))
		return d.err;
	s = d.s;
	s->flags &= ~(PB_SK_PEER | PB_SK_LOCAL | PB_SK_INSIDE | PB_SK_DNS | PB_SK_OWNER);
	/* A datagram socket that has a peer of its own serves nobody else. */
	if (!d.err && s->proto == PB_PROTO_UDP && (s->flags & PB_SK_PUBLISHED))
		pb_sock_withdraw(s);
	if (d.rport && !d.err) {
		s->peer = pb_addr_is_any(&asked) ? d.addr : asked;
		s->pport = d.port;
		s->ep = s->flags & PB_SK_BOUND ? s->ep : d.ep;
		s->ep_gen = d.gen;
		s->flags |= PB_SK_PEER | PB_SK_INSIDE | (d.dns ? PB_SK_DNS : PB_SK_LOCAL);
		if (s->proto == PB_PROTO_UDP)
			s->flags |= PB_SK_OWNER;
		if (!(s->flags & (PB_SK_BOUND | PB_SK_SOURCE)) || (s->flags & PB_SK_WILD))
			s->local = pb_addr_is_loopback(&d.addr) ?
					   pb_addr_loopback(pb_addr_is_v4(&d.addr)) :
					   pb_shown(d.app, pb_addr_is_v4(&d.addr));
		pb_ctx_set(ctx, v6, &d.real, d.rport);
	}
	tell_dest(ctx, &d, PB_OP_CONNECT);
	return d.err;
}

SEC("cgroup/connect4")
int pb_connect4(struct bpf_sock_addr *ctx)
{
	return verdict_to_cgroup(do_connect(ctx, 0));
}

SEC("cgroup/connect6")
int pb_connect6(struct bpf_sock_addr *ctx)
{
	return verdict_to_cgroup(do_connect(ctx, 1));
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

static __always_inline int do_sendmsg(struct bpf_sock_addr *ctx, int v6)
{
	struct pb_dest d = { .addr = pb_ctx_addr(ctx, v6), .port = pb_ctx_port(ctx) };
	struct bpf_sock *sk = ctx->sk;
	int known;

	d.datagram = 1;
	d.sticky = bpf_get_socket_cookie(ctx) | 1;
	if (resolve(ctx, &d))
		return d.err;
	if (!sk)
		return d.err;
	known = !d.err && remember(sk, &d);
	if (d.rport && !d.err) {
		d.s->flags |= PB_SK_OWNER;
		pb_ctx_set(ctx, v6, &d.real, d.rport);
	}
	if (known)
		pb_count(d.reason); /* one event for a destination, not for each datagram */
	else
		tell_dest(ctx, &d, PB_OP_SENDMSG);
	return d.err;
}

SEC("cgroup/sendmsg4")
int pb_send4(struct bpf_sock_addr *ctx)
{
	return verdict_to_cgroup(do_sendmsg(ctx, 0));
}

SEC("cgroup/sendmsg6")
int pb_send6(struct bpf_sock_addr *ctx)
{
	return verdict_to_cgroup(do_sendmsg(ctx, 1));
}

/* ---- recvmsg: whose datagram is this? ------------------------------------ */

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

/* A managed sender: its virtual address, or the service's when it answers from a service port. */
static __always_inline int from_sender(struct pb_addr *a, __be16 *port)
{
	struct pb_udp_key k = { .addr = *a, .port = *port };
	struct pb_udp_src *src = bpf_map_lookup_elem(&pb_udp_src, &k);

	if (!src)
		return 0;
	*a = src->addr;
	*port = src->port;
	return 1;
}

static __always_inline int do_recvmsg(struct bpf_sock_addr *ctx, int v6)
{
	struct bpf_sock *sk = ctx->sk;
	struct pb_sock *s = pb_sock_of(sk);
	struct pb_addr a = pb_ctx_addr(ctx, v6);
	__be16 port = pb_ctx_port(ctx);

	if (!s || !sk)
		return 0;
	if ((s->flags & (PB_SK_INSIDE | PB_SK_PEER)) == (PB_SK_INSIDE | PB_SK_PEER)) {
		a = s->peer; /* connected: only the peer gets through */
		port = s->pport;
	} else if (!from_table(sk, &a, &port) && !pb_dns_restore(&a, &port) &&
		   !from_sender(&a, &port)) {
		return 0;
	}
	pb_ctx_set(ctx, v6, &a, port);
	return 0;
}

SEC("cgroup/recvmsg4")
int pb_recv4(struct bpf_sock_addr *ctx)
{
	do_recvmsg(ctx, 0);
	return verdict_to_cgroup(0);
}

SEC("cgroup/recvmsg6")
int pb_recv6(struct bpf_sock_addr *ctx)
{
	do_recvmsg(ctx, 1);
	return verdict_to_cgroup(0);
}

/* ---- names of both ends -------------------------------------------------- */

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

SEC("cgroup/getpeername4")
int pb_peer4(struct bpf_sock_addr *ctx)
{
	return do_peer(ctx, 0);
}

SEC("cgroup/getpeername6")
int pb_peer6(struct bpf_sock_addr *ctx)
{
	return do_peer(ctx, 1);
}

SEC("cgroup/getsockname4")
int pb_name4(struct bpf_sock_addr *ctx)
{
	return do_name(ctx, 0);
}

SEC("cgroup/getsockname6")
int pb_name6(struct bpf_sock_addr *ctx)
{
	return do_name(ctx, 1);
}

/* ---- options, release ---------------------------------------------------- */

static __always_inline void set_flag(struct pb_sock *s, __u32 flag, __u32 on)
{
	if (on)
		s->flags |= flag;
	else
		s->flags &= ~flag;
}

SEC("cgroup/setsockopt")
int pb_setopt(struct bpf_sockopt *ctx)
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
	else if (ctx->level == PB_IPPROTO_IPV6 && ctx->optname == PB_IPV6_V6ONLY)
		flag = PB_SK_V6ONLY;
	if (!flag || (void *)(val + 1) > ctx->optval_end)
		return 1;
	s = pb_sock_of(ctx->sk);
	if (s)
		set_flag(s, flag, *val);
	return 1;
}

/* Datagram sources die with their socket. */
static __always_inline void forget_source(const struct pb_sock *s, __u64 cookie)
{
	struct pb_udp_key k = { .addr = s->src, .port = s->sport };
	struct pb_udp_src *src = bpf_map_lookup_elem(&pb_udp_src, &k);
	struct pb_udp_virt *virt;

	if (!src || src->cookie != cookie)
		return;
	bpf_map_delete_elem(&pb_udp_src, &k);
	k.addr = src->addr;
	k.port = src->port;
	virt = bpf_map_lookup_elem(&pb_udp_virt, &k);
	if (virt && virt->cookie == cookie)
		bpf_map_delete_elem(&pb_udp_virt, &k);
}

SEC("cgroup/sock_release")
int pb_release(struct bpf_sock *ctx)
{
	struct pb_sock *s = pb_sock_of(ctx);
	struct pb_note n = { .op = PB_OP_RELEASE, .task = 1, .reason = PB_R_WITHDRAW };
	__u64 cookie;

	if (!s || !(s->flags & (PB_SK_BOUND | PB_SK_PORT | PB_SK_PUBLISHED) || s->sport))
		return 1;
	cookie = bpf_get_socket_cookie(ctx);
	if (s->sport)
		forget_source(s, cookie);
	/* A child's storage is a copy of its listener's: it owns nothing. */
	if (s->owner != cookie)
		return 1;
	n.app = s->app;
	n.cookie = cookie;
	n.virt = s->local;
	n.vport = s->lport;
	n.rport = s->real;
	n.proto = s->proto;
	if (pb_sock_release(s))
		pb_tell(&n);
	return 1;
}

char _license[] SEC("license") = "Dual BSD/GPL";
