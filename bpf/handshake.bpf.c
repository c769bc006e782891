// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * handshake: what the TCP state machine tells about managed sockets (sockops).
 *
 *   TCP_LISTEN_CB           publishes the listener
 *   TCP_CONNECT_CB          client, ports known: writes the admission the guard asks for
 *   PASSIVE_ESTABLISHED_CB  server: takes the admission; the child learns who called
 *   ACTIVE_ESTABLISHED_CB   client: its end of a splice
 *   HDR_OPT_LEN_CB, WRITE_HDR_OPT_CB, RTO_CB   client of another node, until it is connected
 *   STATE_CB                gives back: admission, live count, a listener that was shut down
 *   RTT_CB                  a splice that went back to TCP: the socket becomes a plain one
 *
 * No callback stays on for established data but RTT_CB, while a splice lasts.  Kernel 6.1.  A sockops program
 * cannot refuse: a child without admission is marked and pb_ingress_skb drops
 * what reaches it.
 */
#include "lib/admit.bpf.h"
#include "lib/admitted.bpf.h"
#include "lib/claim.bpf.h"
#include "lib/dial.bpf.h"

/* BPF_TCP_* of <linux/bpf.h>, as skops->args[] carries them. */
#define PB_STATE_LISTEN 10
#define PB_SOL_SOCKET 1
#define PB_SO_KEEPALIVE 9
#define PB_SO_MARK 36
#define PB_SOL_TCP 6
#define PB_TCP_KEEPIDLE 4
#define PB_TCP_KEEPINTVL 5
#define PB_TCP_KEEPCNT 6
#define PB_TCP_USER_TIMEOUT 18

/* This, and the bigger callbacks, have frames of their own: one for all would fill the stack. */
static __noinline int tell(const struct pb_sock *s, __u64 cookie, __u8 op, __u32 reason, __u64 peer)
{
	struct pb_note n = { .app = s->app,
			     .peer = peer,
			     .cookie = cookie,
			     .virt = s->local,
			     .vport = s->lport,
			     .real = pb_bound_addr(s),
			     .rport = s->real,
			     .op = op,
			     .proto = PB_PROTO_TCP,
			     .reason = reason };

	pb_tell(&n);
	return 0;
}

/* ---- the listener -------------------------------------------------------- */

/* A listener is one no more, but may become one again.  1: its endpoint is gone. */
static __always_inline int deafen(struct pb_sock *s)
{
	int lock = pb_lock(s);
	int last = sock_withdraw(s);

	pb_unguard_port(s);
	pb_unlock(lock);
	s->real = 0;
	return last;
}

/* A listener that was not bound, or bound to port 0: its port becomes its name. */
static __always_inline int claim_late(struct bpf_sock_ops *o, struct pb_sock *s, __u64 cookie)
{
	__u32 want = s->cls;

	if (!(s->flags & PB_SK_SOURCE)) {
		if (o->family == PB_AF_INET6 && o->sk)
			pb_sync_v6only(o->sk, s);
		if (o->family == PB_AF_INET)
			want = PB_CLS_V4;
		else
			want = s->flags & PB_SK_V6ONLY ? PB_CLS_V6 : PB_CLS_V4 | PB_CLS_V6;
		s->owner = cookie;
		s->flags |= PB_SK_WILD | PB_SK_SOURCE;
		s->cls = want;
	}
	s->real = local_port(o);
	if (!(s->flags & PB_SK_PORT) && pb_guard_port(s, cookie))
		return -PB_ENOBUFS;
	s->lport = s->real;
	return pb_claim_take(s, want, cookie, 0);
}

/* shutdown() of a listener gives the kernel's port back; the next listen() gets another. */
static __always_inline int port_changed(struct bpf_sock_ops *o, struct pb_sock *s, __u64 cookie)
{
	struct pb_claim *c;

	pb_unguard_port(s);
	s->real = local_port(o);
	c = pb_claim_first(s);
	if (c && c->cookie == cookie)
		c->real = s->real;
	return pb_guard_port(s, cookie);
}

/* Nothing gets through to this socket, nor out of it: pb_ingress_skb, pb_egress_skb. */
static __always_inline void refuse(struct bpf_sock_ops *o, struct pb_sock *s)
{
	__u32 mark = PB_REFUSED_MARK;

	s->flags |= PB_SK_REFUSED;
	bpf_setsockopt(o, PB_SOL_SOCKET, PB_SO_MARK, &mark, sizeof(mark));
}

static __noinline int on_listen(struct bpf_sock_ops *o, struct pb_sock *s)
{
	struct pb_config *cfg = pb_cfg();
	struct pb_app *app = pb_app_at(s->app);
	__u64 cookie = bpf_get_socket_cookie(o);
	__u32 reason = PB_R_LISTEN;
	int err = 0;

	if (s->flags & PB_SK_PUBLISHED)
		return 0;
	if (!cfg || !(cfg->flags & PB_CFG_GUARD) || cfg->netns != s->netns) {
		/* Nobody guards this namespace: the listener stays deaf. */
		refuse(o, s);
		tell(s, cookie, PB_OP_LISTEN, PB_R_NO_GUARD, 0);
		return 0;
	}
	if (!(s->flags & PB_SK_BOUND))
		err = claim_late(o, s, cookie);
	else if (s->real != local_port(o))
		err = port_changed(o, s, cookie);
	if (err == -PB_EADDRINUSE || !app ||
	    (!(app->flags & PB_APP_NAMED) && (s->cls & (PB_CLS_V4_VIP | PB_CLS_V6_VIP))))
		reason = PB_R_LISTEN_PRIVATE;
	else if (err || !pb_sock_publish(s, cookie))
		reason = PB_R_MAP_FULL;
	if (reason != PB_R_LISTEN && !(s->flags & PB_SK_PORT))
		refuse(o, s);
	if (pb_spl_enabled() && spl_wanted(s->app, s->lport)) {
		s->flags |= PB_SK_TIMER;
		spl_timer(o, PB_SPL_RTO_US);
	}
	bpf_sock_ops_cb_flags_set(o, o->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
	tell(s, cookie, PB_OP_LISTEN, reason, 0);
	return 0;
}

/* ---- the client ---------------------------------------------------------- */

static __noinline int on_connect(struct bpf_sock_ops *o, struct pb_sock *s)
{
	struct bpf_sock *sk = o->sk;
	struct tcp_sock *tp;
	struct pb_flow_key k;
	struct pb_admit a;

	if (!(s->flags & PB_SK_INSIDE) || !sk)
		return 0;
	if (s->dest & PB_EP_REMOTE) {
		dial_begin(o, sk, s);
		return 0;
	}
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp || !pb_admit_of(&a, s, bpf_get_socket_cookie(o), local_port(o), tp->write_seq))
		return 0;
	flow_key(o, 1, &k);
	if (pb_admit_ask(&k, &a, tp)) {
		tell(s, a.cookie, PB_OP_ADMIT, PB_R_MAP_FULL, 0);
		return 0;
	}
	s->flags |= PB_SK_ADMITTED;
	bpf_sock_ops_cb_flags_set(o, o->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
	spl_want(o, sk, s, &a);
	return 0;
}

static __noinline int on_connected(struct bpf_sock_ops *o, struct pb_sock *s)
{
	struct bpf_sock *sk = o->sk;
	struct tcp_sock *tp;
	struct pb_flow_key k;

	if (s->flags & PB_SK_REMOTE)
		dial_done(o, s);
	if (!sk || !(s->flags & PB_SK_ADMITTED))
		return 0;
	flow_key(o, 1, &k);
	tp = pb_addr_is_loopback(&k.laddr) ? 0 : bpf_skc_to_tcp_sock(sk);
	if (tp)
		pb_admit_met(&k, s, bpf_get_socket_cookie(o), local_port(o), tp->write_seq - 1);
	spl_connected(o, sk, &k);
	return 0;
}

/* ---- the accepted connection --------------------------------------------- */

/* The storage is a copy of the listener's: forget what only a listener has. */
static __always_inline void child_reset(struct pb_sock *s)
{
	s->flags = (s->flags & (PB_SK_REUSEPORT | PB_SK_REUSEADDR | PB_SK_V6ONLY)) | PB_SK_CHILD;
	s->owner = 0;
	s->cls = 0;
	s->lport = 0;
	s->sport = 0;
}

/*
 * The program will get the child from accept() all the same.  Nothing but a reset passes it either
 * way (pb_ingress_skb, pb_egress_skb).  Unanswered keepalives end it after two seconds, data that
 * stays unsent after one: nobody waits for it for ever.
 */
static __always_inline void child_expire(struct bpf_sock_ops *o)
{
	int one = 1, ms = 1000;

	bpf_setsockopt(o, PB_SOL_TCP, PB_TCP_USER_TIMEOUT, &ms, sizeof(ms));
	bpf_setsockopt(o, PB_SOL_TCP, PB_TCP_KEEPIDLE, &one, sizeof(one));
	bpf_setsockopt(o, PB_SOL_TCP, PB_TCP_KEEPINTVL, &one, sizeof(one));
	bpf_setsockopt(o, PB_SOL_TCP, PB_TCP_KEEPCNT, &one, sizeof(one));
	bpf_setsockopt(o, PB_SOL_SOCKET, PB_SO_KEEPALIVE, &one, sizeof(one));
}

static __always_inline void child_refuse(struct bpf_sock_ops *o, struct pb_sock *s, __u64 cookie,
					 __u32 reason)
{
	struct pb_config *cfg = pb_cfg();
	struct pb_app *app = pb_app_at(s->app);

	if (app && cfg && pb_mode_of(app, cfg->mode) != PB_MODE_ENFORCE)
		return;
	refuse(o, s);
	child_expire(o);
	tell(s, cookie, PB_OP_ACCEPT, reason, 0);
}

static __noinline int on_accept(struct bpf_sock_ops *o, struct pb_sock *s)
{
	struct bpf_sock *sk = o->sk;
	struct pb_endpoint *ep;
	struct tcp_sock *tp;
	struct pb_flow_key k;
	struct pb_admit a;
	__u64 cookie = bpf_get_socket_cookie(o);
	int published = s->flags & PB_SK_PUBLISHED, timer = s->flags & PB_SK_TIMER;
	__u32 reason;

	child_reset(s);
	flow_key(o, 0, &k);
	tp = sk ? bpf_skc_to_tcp_sock(sk) : 0;
	/* Nothing was read yet: copied_seq is the peer's initial number plus one. */
	reason = tp ? pb_admit_take(&k, tp->copied_seq - 1, s, &a) : PB_R_NO_ADMIT;
	if (reason != PB_R_NONE) {
		child_refuse(o, s, cookie, reason);
		return 0;
	}
	s->peer = a.src;
	s->pport = a.sport;
	s->local = a.dst;
	s->lport = a.dport;
	s->flags |= PB_SK_PEER | PB_SK_LOCAL;
	ep = pb_ep_at(s->ep);
	if (published && ep && ep->gen == s->ep_gen) {
		__sync_fetch_and_add(&ep->live, 1);
		__sync_fetch_and_add(&ep->total, 1);
		s->flags |= PB_SK_COUNTED;
		bpf_sock_ops_cb_flags_set(o, o->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
	}
	/* A client on another node has no socket here to be spliced with. */
	if (((a.app & PB_REF_REMOTE) || !spl_accepted(o, sk, s, &k, tp)) && timer)
		spl_timer(o, PB_JOIN_RTO_US);
	return 0;
}

static __noinline int on_state(struct bpf_sock_ops *o, struct pb_sock *s)
{
	struct pb_endpoint *ep;
	struct pb_spl_sock *m;
	struct pb_flow_key k;
	struct pb_admit *a;

	if (o->args[1] != PB_STATE_CLOSE)
		return 0;
	if (o->args[0] == PB_STATE_LISTEN) {
		/* The kernel gives the port back: it may be anybody's next. */
		if (deafen(s))
			tell(s, s->owner, PB_OP_RELEASE, PB_R_WITHDRAW, 0);
		return 0;
	}
	m = pb_spl_of(o->sk);
	if (m)
		spl_forget(m);
	if (s->flags & PB_SK_REMOTE)
		dial_end(o, s);
	if (s->flags & PB_SK_COUNTED) {
		ep = pb_ep_at(s->ep);
		s->flags &= ~PB_SK_COUNTED;
		if (ep && ep->gen == s->ep_gen)
			__sync_fetch_and_add(&ep->live, -1);
	}
	if (s->flags & PB_SK_ADMITTED) {
		/* The admission must not outlive the client's hold on the 4-tuple. */
		s->flags &= ~PB_SK_ADMITTED;
		flow_key(o, 1, &k);
		a = bpf_map_lookup_elem(&pb_admit, &k);
		if (a && a->cookie == bpf_get_socket_cookie(o))
			bpf_map_delete_elem(&pb_admit, &k);
	}
	return 0;
}

SEC("sockops")
int pb_sockops(struct bpf_sock_ops *ctx)
{
	struct pb_sock *s = pb_sock_of(ctx->sk);

	if (!s)
		return 1;
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_LISTEN_CB: on_listen(ctx, s); break;
	case BPF_SOCK_OPS_TCP_CONNECT_CB: on_connect(ctx, s); break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB: on_accept(ctx, s); break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB: on_connected(ctx, s); break;
	case BPF_SOCK_OPS_STATE_CB: on_state(ctx, s); break;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
		if (s->flags & PB_SK_REMOTE) {
			dial_reserve(ctx, s);
			break;
		}
		/* fall through */
	case BPF_SOCK_OPS_RTT_CB: spl_leave(ctx, ctx->sk); break;
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB: dial_identify(ctx, s); break;
	case BPF_SOCK_OPS_RTO_CB: dial_silence(ctx, s); break;
	}
	return 1;
}

char _license[] SEC("license") = "Dual BSD/GPL";
