/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A connection joins the splice at its handshake, and leaves it when both
 * directions are TCP's and nothing is queued.  Called by pb_sockops, under the
 * lock of the socket.
 */
#ifndef PB_JOIN_BPF_H
#define PB_JOIN_BPF_H

#include "splice.bpf.h"

/* Too big for the stack; lives in .rodata. */
static const struct pb_spl_pair pb_no_pair;

#define PB_JOIN_SOL_SOCKET 1
#define PB_JOIN_SO_KEEPALIVE 9
#define PB_JOIN_SO_RCVLOWAT 18
#define PB_JOIN_SOL_TCP 6
#define PB_JOIN_KEEPIDLE 4
#define PB_JOIN_KEEPINTVL 5
#define PB_JOIN_RTO_US 200000 /* the kernel's own (TCP_RTO_MIN) */

static __always_inline void spl_option(struct bpf_sock_ops *o, int level, int name, int value)
{
	bpf_setsockopt(o, level, name, &value, sizeof(value));
}

/* Does the server @ref want its connections to @port spliced?  The service's own setting first. */
static __always_inline int spl_wanted(__u64 ref, __be16 port)
{
	struct pb_app *app = pb_app_at(ref);
	struct pb_spl_rule_key k = { .port = port };
	struct pb_spl_rule *rule;

	if (!app)
		return 0;
	k.id = app->id;
	rule = bpf_map_lookup_elem(&pb_spl_rules, &k);
	return rule ? rule->on != 0 : (app->flags & PB_APP_SPLICE) != 0;
}

/* The shortest timer counts from the first measured round trip on, which is that of the handshake. */
static __always_inline void spl_timer(struct bpf_sock_ops *o, int us)
{
	spl_option(o, PB_JOIN_SOL_TCP, TCP_BPF_RTO_MIN, us);
}

/* Why this end cannot be spliced; for `patchbay flows`. */
static __always_inline void spl_refuse(struct bpf_sock_ops *o, struct pb_spl_sock *m, __u32 reason)
{
	spl_timer(o, PB_JOIN_RTO_US);
	m->state = PB_SPL_NONE;
	m->reason = reason;
	pb_count(reason);
}

/* Puts the socket into pb_splice.  A reason, or PB_R_NONE. */
static __always_inline __u32 spl_enter(struct bpf_sock_ops *o, struct pb_spl_sock *m)
{
	struct pb_spl_key k;

	pb_spl_key_of(&k, m);
	if (bpf_sock_hash_update(o, &pb_splice, &k, BPF_NOEXIST))
		return PB_R_MAP_FULL;
	m->state = PB_SPL_OPEN;
	bpf_sock_ops_cb_flags_set(o, o->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG |
					     BPF_SOCK_OPS_RTT_CB_FLAG |
					     BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
	return PB_R_NONE;
}

/* Sockets that this endpoint accepts block, and its application did not say that this is all the same. */
static __always_inline int spl_blocks(const struct pb_endpoint *ep)
{
	struct pb_app *app = pb_app_at(ep->app);

	return (ep->hints & PB_EP_BLOCKS) && !(app && (app->flags & PB_APP_SPLICE_ALL));
}

/* connect() after connect(AF_UNSPEC): what lies unread is the old connection's. */
static __always_inline void spl_renew(struct pb_spl_sock *m)
{
	struct pb_spl_key k;

	if (pb_spl_inside(m)) {
		pb_spl_key_of(&k, m);
		bpf_map_delete_elem(&pb_splice, &k);
	}
	__builtin_memset(m, 0, sizeof(*m));
}

/* TCP_CONNECT_CB of an admitted client: is its connection to be spliced? */
static __always_inline void spl_want(struct bpf_sock_ops *o, struct bpf_sock *sk,
				     const struct pb_sock *s, const struct pb_admit *a)
{
	struct pb_app *app = pb_app_at(s->app);
	struct pb_endpoint *ep = pb_ep_at(s->dest);
	struct pb_spl_sock *m = pb_spl_of(sk);

	if (m)
		spl_renew(m);
	if (!app || !ep || !pb_spl_enabled() || !(app->flags & PB_APP_SPLICE))
		return;
	if (!m)
		m = bpf_sk_storage_get(&pb_spl_socks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!m) {
		pb_count(PB_R_MAP_FULL);
		return;
	}
	__builtin_memset(m, 0, sizeof(*m));
	m->version = PB_SPL_VERSION;
	m->side = PB_SPL_CLIENT;
	m->netns = s->netns;
	if (!spl_wanted(ep->app, ep->port)) {
		spl_refuse(o, m, PB_R_SPLICE_PEER);
		return;
	}
	if (spl_blocks(ep)) {
		spl_refuse(o, m, PB_R_SPLICE_BLOCKING);
		return;
	}
	m->seq0 = a->isn + 1;
	m->state = PB_SPL_WAIT;
	spl_timer(o, PB_SPL_RTO_US);
}

/* Both ends and both initial numbers, as this end knows them once it is established. */
static __always_inline void spl_name(struct pb_spl_sock *m, const struct pb_flow_key *k,
				     const struct tcp_sock *tp)
{
	__u32 own = m->seq0 - 1, peer = tp->copied_seq - 1;

	m->peer.id.saddr = k->laddr;
	m->peer.id.caddr = k->raddr;
	m->peer.id.sport = k->lport;
	m->peer.id.cport = k->rport;
	m->peer.id.s_isn = m->side == PB_SPL_SERVER ? own : peer;
	m->peer.id.c_isn = m->side == PB_SPL_SERVER ? peer : own;
	m->peer.side = m->side == PB_SPL_SERVER ? PB_SPL_CLIENT : PB_SPL_SERVER;
}

/* ACTIVE_ESTABLISHED_CB: the client's end makes the pair. */
static __always_inline void spl_connected(struct bpf_sock_ops *o, struct bpf_sock *sk,
					  const struct pb_flow_key *k)
{
	struct pb_spl_sock *m = pb_spl_of(sk);
	struct pb_spl_pair *p;
	struct tcp_sock *tp;
	struct pb_spl_id id;
	__u32 reason;

	if (!m || m->state != PB_SPL_WAIT)
		return;
	tp = sk ? bpf_skc_to_tcp_sock(sk) : 0;
	if (!tp)
		return;
	reason = tp->write_seq != m->seq0 ? PB_R_SPLICE_TFO : pb_spl_unfit(sk, tp);
	if (reason) {
		spl_refuse(o, m, reason);
		return;
	}
	spl_name(m, k, tp);
	id = m->peer.id;
	if (bpf_map_update_elem(&pb_spl_pairs, &id, &pb_no_pair, BPF_NOEXIST)) {
		spl_refuse(o, m, PB_R_MAP_FULL);
		return;
	}
	p = bpf_map_lookup_elem(&pb_spl_pairs, &id);
	if (!p)
		return;
	p->side[PB_SPL_CLIENT].netns = m->netns;
	p->side[PB_SPL_CLIENT].cookie = bpf_get_socket_cookie(o);
	reason = spl_enter(o, m);
	if (reason) {
		bpf_map_delete_elem(&pb_spl_pairs, &id);
		spl_refuse(o, m, reason);
		return;
	}
	__sync_fetch_and_or(&p->flags, PB_SPL_JOINED(PB_SPL_CLIENT));
}

/* PASSIVE_ESTABLISHED_CB: the server's end joins the pair its client made.  1: it did. */
static __always_inline int spl_accepted(struct bpf_sock_ops *o, struct bpf_sock *sk,
					const struct pb_sock *s, const struct pb_flow_key *k,
					struct tcp_sock *tp)
{
	struct pb_spl_sock *m;
	struct pb_spl_pair *p;
	struct pb_spl_id id;
	__u32 reason;

	if (!pb_spl_enabled() || !spl_wanted(s->app, s->lport))
		return 0;
	m = bpf_sk_storage_get(&pb_spl_socks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!m) {
		pb_count(PB_R_MAP_FULL);
		return 0;
	}
	m->version = PB_SPL_VERSION;
	m->side = PB_SPL_SERVER;
	m->netns = s->netns;
	m->seq0 = tp->write_seq;
	spl_name(m, k, tp);
	id = m->peer.id;
	p = bpf_map_lookup_elem(&pb_spl_pairs, &id);
	if (!p) {
		spl_refuse(o, m, PB_R_SPLICE_PEER);
		return 0;
	}
	reason = pb_spl_unfit(sk, tp);
	/* Two namespaces with equal addresses and numbers at once: not to be told apart, left alone. */
	if (!reason && p->side[PB_SPL_SERVER].cookie)
		reason = PB_R_SPLICE_EARLY;
	if (!reason) {
		p->side[PB_SPL_SERVER].netns = m->netns;
		p->side[PB_SPL_SERVER].cookie = bpf_get_socket_cookie(o);
		reason = spl_enter(o, m);
	}
	if (reason) {
		spl_refuse(o, m, reason);
		pb_spl_close(p, reason);
		__sync_fetch_and_or(&p->flags, PB_SPL_QUIET(PB_SPL_SERVER));
		return 0;
	}
	__sync_fetch_and_or(&p->flags, PB_SPL_JOINED(PB_SPL_SERVER));
	return 1;
}

static __always_inline __u16 spl_asked(struct bpf_sock_ops *o, int name)
{
	int value = 0;

	return bpf_getsockopt(o, PB_JOIN_SOL_TCP, name, &value, sizeof(value)) ? 0 : value;
}

/* Bytes by TCP lie behind spliced ones: our own keepalive brings us back here once a second. */
static __always_inline void spl_watch(struct bpf_sock_ops *o, struct pb_spl_sock *m,
				      struct tcp_sock *tp)
{
	if (!m->held_ns || m->watched)
		return;
	m->watched = 1;
	m->keepidle = spl_asked(o, PB_JOIN_KEEPIDLE);
	m->keepintvl = spl_asked(o, PB_JOIN_KEEPINTVL);
	m->keepalive = !pb_spl_flag(tp, SOCK_KEEPOPEN);
	spl_option(o, PB_JOIN_SOL_TCP, PB_JOIN_KEEPIDLE, 1);
	spl_option(o, PB_JOIN_SOL_TCP, PB_JOIN_KEEPINTVL, 1);
	spl_option(o, PB_JOIN_SOL_SOCKET, PB_JOIN_SO_KEEPALIVE, 1);
}

static __always_inline void spl_left(struct bpf_sock_ops *o, struct pb_spl_sock *m,
				     struct tcp_sock *tp)
{
	int lowat = ((struct sock *)tp)->sk_rcvlowat;

	pb_count(PB_R_SPLICE_LEFT);
	if (m->keepalive)
		spl_option(o, PB_JOIN_SOL_SOCKET, PB_JOIN_SO_KEEPALIVE, 0);
	if (m->keepidle)
		spl_option(o, PB_JOIN_SOL_TCP, PB_JOIN_KEEPIDLE, m->keepidle);
	if (m->keepintvl)
		spl_option(o, PB_JOIN_SOL_TCP, PB_JOIN_KEEPINTVL, m->keepintvl);
	spl_timer(o, PB_JOIN_RTO_US);
	bpf_sock_ops_cb_flags_set(o,
				  o->bpf_sock_ops_cb_flags & ~(BPF_SOCK_OPS_RTT_CB_FLAG |
							       BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG));
	/* Set to what it is, the low-water mark makes the kernel tell a reader of what is there:
	 * FIONREAD did not count TCP's bytes until now, and an edge may have come too early. */
	spl_option(o, PB_JOIN_SOL_SOCKET, PB_JOIN_SO_RCVLOWAT, lowat > 0 ? lowat : 1);
}

/*
 * RTT_CB, an acknowledgement came, and HDR_OPT_LEN_CB, a packet goes out: may the socket be a plain
 * one again?  When nobody splices to it any more, no send of the peer's is still under way to its
 * queue, and the queue is empty.
 */
static __always_inline void spl_leave(struct bpf_sock_ops *o, struct bpf_sock *sk)
{
	struct pb_spl_sock *m = pb_spl_of(sk);
	struct pb_spl_pair *p;
	struct pb_spl_key k;
	struct tcp_sock *tp;
	__u32 need, was;

	if (!m || !pb_spl_inside(m))
		return;
	p = pb_spl_pair_of(m);
	if (p && !(p->flags & PB_SPL_CLOSING))
		return;
	need = PB_SPL_QUIET(m->side == PB_SPL_CLIENT ? PB_SPL_SERVER : PB_SPL_CLIENT);
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	/* No pair: the peer has closed, and what it sent has come. */
	if ((p && !(p->flags & need)) || !pb_spl_drained(tp)) {
		spl_watch(o, m, tp);
		return;
	}
	pb_spl_key_of(&k, m);
	was = m->state;
	m->state = PB_SPL_LEFT; /* before the reference of pb_splice goes: see note_quiet() */
	if (bpf_map_delete_elem(&pb_splice, &k)) {
		m->state = was;
		return;
	}
	if (!m->reason || m->reason == PB_R_SPLICED)
		m->reason = p ? p->reason : PB_R_SPLICE_GONE;
	spl_left(o, m, tp);
}

/* The connection ends: the peer's sends find no pair and go by TCP, where they fail as they must.
 * Entries of pb_splice stay, for what lies unread; the kernel drops them with the socket. */
static __always_inline void spl_forget(struct pb_spl_sock *m)
{
	struct pb_spl_id id = m->peer.id;

	if (m->state != PB_SPL_NONE && m->state != PB_SPL_WAIT)
		bpf_map_delete_elem(&pb_spl_pairs, &id);
}

#endif /* PB_JOIN_BPF_H */
