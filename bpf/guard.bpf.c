// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * guard: who may make a socket, and who may reach the real port of a managed one.
 *
 *   cgroup/sock_create   the socket gets its identity, or is refused (allow-list of protocols)
 *   sk_lookup            real ports under guard: admitted clients only, others get RST or ICMP
 *   cgroup_skb/egress    registers the real source of datagrams to the inside
 *   cgroup_skb/ingress   nothing reaches a connection that has no admission
 *
 * Kernel 6.1.  Fails closed: without a record, an admission or room there is no
 * socket and no connection.
 */
#include "lib/admitted.bpf.h"
#include "lib/datagram.bpf.h"
#include "lib/rudp.bpf.h"
#include "lib/splice.bpf.h"

#define PB_SOCK_STREAM 1
#define PB_SOCK_DGRAM 2
#define PB_PROTO_ICMP 1
#define PB_PROTO_ICMPV6 58
#define PB_LEVELS 16 /* depth to which a scope is looked for above the program's own cgroup */

/* ---- sock_create --------------------------------------------------------- */

/* The nearest managed scope at or above the program's cgroup: its record, and *ref. */
static __always_inline struct pb_app *scope_of_task(__u64 *ref)
{
	struct pb_app *app, *found;

	*ref = bpf_get_current_cgroup_id();
	found = pb_app_at(*ref);
	if (found) /* the usual case: `run` puts programs right into their scope */
		return found;
	for (int level = 1; level < PB_LEVELS; level++) {
		__u64 id = bpf_get_current_ancestor_cgroup_id(level);

		if (!id)
			break;
		app = pb_app_at(id);
		if (app) {
			found = app;
			*ref = id;
		}
	}
	return found;
}

/* Kinds of sockets whose every way out the hooks see. */
static __always_inline int kind_allowed(const struct bpf_sock *ctx, const struct pb_app *app)
{
	__u32 p = ctx->protocol;

	if (ctx->type == PB_SOCK_STREAM)
		return p == PB_PROTO_TCP;
	if (ctx->type != PB_SOCK_DGRAM)
		return 0;
	if (p == PB_PROTO_UDP)
		return 1;
	/* ping sockets: sendto() is not hooked, so only where everything may go out. */
	return (p == PB_PROTO_ICMP || p == PB_PROTO_ICMPV6) && app->egress == PB_EGRESS_ALL;
}

static __always_inline int refuse_create(__u64 ref, __u32 proto, __u32 reason, int err)
{
	struct pb_note n = { .app = ref,
			     .op = PB_OP_CREATE,
			     .proto = proto,
			     .task = 1,
			     .reason = reason,
			     .err = -err };

	pb_tell(&n);
	return -err;
}

static __always_inline int do_create(struct bpf_sock *ctx)
{
	__u64 ref;
	struct pb_app *app = scope_of_task(&ref);
	struct pb_sock *s;

	if (!app)
		return refuse_create(ref, ctx->protocol, PB_R_NO_IDENTITY, PB_EACCES);
	if (!kind_allowed(ctx, app))
		return refuse_create(ref, ctx->protocol, PB_R_PROTO, PB_EPROTONOSUPPORT);
	s = bpf_sk_storage_get(&pb_socks, ctx, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!s)
		return refuse_create(ref, ctx->protocol, PB_R_MAP_FULL, PB_ENOBUFS);
	s->version = PB_SK_VERSION;
	s->proto = ctx->protocol;
	s->app = ref;
	s->netns = bpf_get_netns_cookie(ctx);
	return 0;
}

SEC("cgroup/sock_create")
int pb_create(struct bpf_sock *ctx)
{
	return verdict_to_cgroup(do_create(ctx));
}

/* ---- sk_lookup ----------------------------------------------------------- */

/* All words are read on both paths, see handshake.bpf.c. */
#define PB_LOOKUP_ADDR(c, v6, side) \
	({ \
		volatile const struct bpf_sk_lookup *_c = (c); \
		__u32 _ip4 = _c->side##_ip4; \
		struct pb_addr _a = { .w = { _c->side##_ip6[0], _c->side##_ip6[1], \
					     _c->side##_ip6[2], _c->side##_ip6[3] } }; \
		(v6) ? _a : pb_addr_v4(_ip4); \
	})

/* A sender on another node, of which we know from there. */
static __noinline __u32 admit_far(const struct pb_flow_key *k, const struct pb_port *p,
				  const struct pb_udp_src *src, __u64 *peer)
{
	struct pb_app *from = pb_app_at(src->app), *to = pb_app_at(p->app);
	struct pb_endpoint *ep = pb_ep_at(p->ep);
	__u32 r = PB_R_NO_ADMIT;

	if (from && to && ep && !(p->flags & PB_PORT_CLOSED)) {
		*peer = src->app;
		if (!pb_rudp_fits(from, ep, pb_addr_is_v4(&k->laddr)))
			r = PB_R_BAD_ADMIT;
		else
			r = pb_may(from, src->app, to, p->app, ep->port, PB_PROTO_UDP);
	}
	if (from)
		note_sender(k, src);
	return pb_reason_refuses(r) && !may_answer(k, 0) ? r : PB_R_NONE;
}

/* Datagrams: a managed sender that may, or the answer to one of ours. */
static __always_inline __u32 admit_udp(const struct pb_flow_key *k, const struct pb_port *p,
				       __u64 *peer)
{
	struct pb_udp_key sk = { .addr = k->raddr, .port = k->rport };
	struct pb_udp_src *src = bpf_map_lookup_elem(&pb_udp_src, &sk);
	struct pb_endpoint *ep;
	struct pb_app *from, *to;
	__u32 r = PB_R_NO_ADMIT;
	struct pb_rudp far;

	if (p->flags & PB_PORT_DNS)
		return src ? PB_R_NONE : PB_R_NO_ADMIT;
	if (!src && pb_rudp_at(&sk, &far))
		return admit_far(k, p, &far.src, peer);
	to = pb_app_at(p->app);
	ep = pb_ep_at(p->ep);
	if (src && to && ep && !(p->flags & PB_PORT_CLOSED)) {
		*peer = src->app;
		from = pb_app_at(src->app);
		if (from)
			r = pb_may(from, src->app, to, p->app, ep->port, PB_PROTO_UDP);
	}
	if (src)
		note_sender(k, src);
	if (pb_reason_refuses(r) && may_answer(k, src ? src->app : 0))
		return PB_R_NONE;
	return pb_reason_refuses(r) ? r : PB_R_NONE;
}

static __always_inline int do_lookup(struct bpf_sk_lookup *ctx)
{
	int v6 = ctx->family == PB_AF_INET6;
	struct pb_port_key pk = { .port = pb_htons(ctx->local_port),
				  .proto = ctx->protocol,
				  .v6 = v6 };
	struct pb_port *p = bpf_map_lookup_elem(&pb_ports, &pk);
	struct pb_config *cfg = pb_cfg();
	struct pb_note n = { .op = PB_OP_ADMIT, .proto = ctx->protocol, .reason = PB_R_NONE };
	struct pb_flow_key k = {};
	struct pb_app *app;
	__u64 peer = 0; /* not &n.peer: of an n that escapes, clang does not know that task is 0 */

	if (!p || !cfg)
		return 0;
	k.laddr = PB_LOOKUP_ADDR(ctx, v6, local);
	if ((p->flags & PB_PORT_LOOP) && !pb_addr_is_loopback(&k.laddr))
		return 0;
	k.raddr = PB_LOOKUP_ADDR(ctx, v6, remote);
	k.lport = pk.port;
	k.rport = ctx->remote_port;
	/* pb_connect and pb_send ask whether the agent's socket exists (lib/dns.bpf.h). */
	if ((p->flags & PB_PORT_DNS) && !k.rport)
		return 0;
	if (ctx->protocol == PB_PROTO_UDP)
		n.reason = admit_udp(&k, p, &peer);
	else
		n.reason = admit_tcp(&k, p, &peer);
	if (n.reason == PB_R_NONE)
		return 0;
	app = pb_app_at(p->app);
	n.app = p->app;
	n.peer = peer;
	n.virt = k.raddr;
	n.vport = k.rport;
	n.real = k.laddr;
	n.rport = k.lport;
	/* No mode relaxes quarantine (patchbay/policy.h). */
	if (app && pb_mode_of(app, cfg->mode) != PB_MODE_ENFORCE && n.reason != PB_R_QUARANTINED)
		n.reason = PB_R_AUDIT;
	else
		n.err = -PB_ECONNREFUSED;
	pb_tell(&n);
	return n.err;
}

SEC("sk_lookup")
int pb_lookup(struct bpf_sk_lookup *ctx)
{
	return verdict_to_lookup(do_lookup(ctx));
}

/* ---- cgroup_skb ---------------------------------------------------------- */

/* Where the TCP header begins; 0: it cannot be read. */
static __always_inline __u32 tcp_at(struct __sk_buff *skb)
{
	__u8 ihl = 0;

	if (skb->protocol != pb_htons(0x0800))
		return 40;
	return bpf_skb_load_bytes(skb, 0, &ihl, 1) ? 0 : (ihl & 15) * 4;
}

/* A TCP reset?  It may pass a refused connection, for it ends it. */
static __always_inline int is_reset(struct __sk_buff *skb)
{
	__u32 off = tcp_at(skb);
	__u8 flags = 0;

	return off && !bpf_skb_load_bytes(skb, off + 13, &flags, 1) && (flags & 4);
}

/* Every packet of a managed TCP connection comes by here: one load, no look-up. */
static __always_inline int tcp_refused(struct __sk_buff *skb, const struct bpf_sock *sk)
{
	return sk->mark == PB_REFUSED_MARK && !is_reset(skb);
}

static __always_inline int do_egress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct pb_flow_key k;
	struct pb_sock *s;
	__u64 peer;

	if (!sk)
		return 0;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 0;
	if (sk->protocol != PB_PROTO_UDP)
		return tcp_refused(skb, sk);
	s = pb_sock_of(sk);
	if (!s || !(s->flags & (PB_SK_OWNER | PB_SK_PORT)) || skb_flow(skb, &k))
		return 0;
	if ((s->flags & PB_SK_OWNER) && !is_registered(s, &k) &&
	    register_source(s, &k, bpf_get_socket_cookie(skb))) {
		pb_count(PB_R_MAP_FULL);
		return -PB_ENOBUFS;
	}
	/* A guarded port sends: the answer has to come in. */
	if (s->flags & PB_SK_PORT) {
		peer = skb->ifindex == PB_LO_IFINDEX ? app_at(&k) : 0;
		if (!may_answer(&k, peer))
			bpf_map_update_elem(&pb_udp_reply, &k, &peer, BPF_ANY);
	}
	return 0;
}

SEC("cgroup_skb/egress")
int pb_egress_skb(struct __sk_buff *ctx)
{
	return verdict_to_skb(do_egress(ctx));
}

/* Bytes of the stream in this TCP packet. */
static __always_inline __u32 payload(struct __sk_buff *skb)
{
	__u32 off = tcp_at(skb);
	__u8 doff = 0;

	if (!off || bpf_skb_load_bytes(skb, off + 12, &doff, 1))
		return 0;
	off += (doff >> 4) * 4;
	return skb->len > off ? skb->len - off : 0;
}

/*
 * A packet for a socket whose splice ends: is no send of its program under way any more?  Seen
 * after PB_SPL_CLOSING, which every later send heeds, an idle socket stays quiet for good.
 */
static __always_inline void note_quiet(struct pb_spl_sock *s, struct tcp_sock *tp)
{
	struct pb_spl_pair *p = pb_spl_pair_of(s);
	__u32 quiet = PB_SPL_QUIET(s->side & 1), flags;
	int idle;

	if (!p)
		return;
	flags = __sync_fetch_and_or(&p->flags, 0); /* a barrier: closing first, idle after */
	if (!(flags & PB_SPL_CLOSING) || (flags & quiet))
		return;
	/* A socket that leaves says so before it gives up its reference: the state is read last. */
	idle = pb_spl_users(tp) == PB_SPL_USERS_NONE;
	__sync_fetch_and_or(&p->flags, 0);
	if (*(volatile __u8 *)&s->state == PB_SPL_LEFT)
		idle = !pb_psock(tp);
	if (idle)
		__sync_fetch_and_or(&p->flags, quiet);
}

/*
 * TCP's bytes for a reader that has not read the spliced ones: one that may take the end of those
 * for the end of all is not told of the new ones now, when it would not heed them, but when TCP
 * sends them again.  Not for long: the sender must hear that its peer lives (spl_out() goes on).
 */
static __always_inline int hold_back(struct __sk_buff *skb, struct pb_spl_sock *s,
				     struct tcp_sock *tp)
{
	__u64 now;

	if (!pb_spl_inside(s) || pb_spl_drained(tp) || !payload(skb) || !pb_spl_edgy(tp))
		return 0;
	now = bpf_ktime_get_ns();
	if (!s->held_ns) {
		s->held_ns = now;
		pb_count(PB_R_SPLICE_HELD);
	}
	return now - s->held_ns < PB_SPL_HOLD_NS ? -PB_ENOBUFS : 0;
}

static __always_inline int splice_ingress(struct __sk_buff *skb, struct bpf_sock *sk)
{
	struct pb_spl_sock *s = pb_spl_of(sk);
	struct tcp_sock *tp;

	if (!s || (s->state != PB_SPL_OPEN && s->state != PB_SPL_TCP && s->state != PB_SPL_LEFT))
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	note_quiet(s, tp);
	return hold_back(skb, s, tp);
}

static __always_inline int do_ingress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct pb_config *cfg;
	struct pb_app *app;
	struct pb_sock *s;

	if (!sk)
		return 0;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 0;
	if (sk->protocol != PB_PROTO_UDP)
		return tcp_refused(skb, sk) ? -PB_ECONNREFUSED : splice_ingress(skb, sk);
	s = pb_sock_of(sk);
	if (!s)
		return 0;
	if (!(s->flags & PB_SK_PORT) && !((s->flags & PB_SK_INSIDE) && sk->dst_port))
		return 0;
	if (hears(skb, s))
		return 0;
	app = pb_app_at(s->app);
	cfg = pb_cfg();
	if (app && cfg && pb_mode_of(app, cfg->mode) != PB_MODE_ENFORCE)
		return 0;
	pb_count(PB_R_NO_ADMIT);
	return -PB_ECONNREFUSED;
}

SEC("cgroup_skb/ingress")
int pb_ingress_skb(struct __sk_buff *ctx)
{
	return verdict_to_skb(do_ingress(ctx));
}

char _license[] SEC("license") = "Dual BSD/GPL";
