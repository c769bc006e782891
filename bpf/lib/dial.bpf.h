/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A client's handshake with an endpoint of another node: its SYN carries who it is (syn.h), and how
 * it ends is noted for those that choose next (remote.bpf.h).  Called by pb_sockops; nothing of it
 * is called for an established connection.
 */
#ifndef PB_DIAL_BPF_H
#define PB_DIAL_BPF_H

#include "join.bpf.h"
#include "ops.bpf.h"
#include "remote.bpf.h"
#include <patchbay/syn.h>

#define PB_TCP_SYN 0x02
#define PB_TCP_ACK 0x10
#define PB_TCP_HDR 20
/* Until it is connected; STATE_CB stays. */
#define PB_DIAL_CBS (BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG | BPF_SOCK_OPS_RTO_CB_FLAG)

static __noinline int dial_tell(struct bpf_sock_ops *o, const struct pb_sock *s, __u32 reason)
{
	struct pb_endpoint *ep = pb_ep_at(s->dest);
	struct pb_note n = { .app = s->app,
			     .cookie = bpf_get_socket_cookie(o),
			     .virt = s->peer,
			     .vport = s->pport,
			     .op = PB_OP_CONNECT,
			     .proto = PB_PROTO_TCP,
			     .reason = reason };

	if (ep && ep->gen == s->dest_gen) {
		n.peer = ep->app;
		n.real = pb_addr_is_v4(&s->peer) ? ep->loc4 : ep->loc6;
		n.rport = ep->real;
	}
	pb_tell(&n);
	return 0;
}

/* TCP_CONNECT_CB */
static __always_inline void dial_begin(struct bpf_sock_ops *o, struct bpf_sock *sk,
				       struct pb_sock *s)
{
	struct pb_endpoint *ep = pb_ep_at(s->dest);
	struct pb_spl_sock *m = pb_spl_of(sk);

	if (m)
		spl_renew(m);
	s->flags &= ~(PB_SK_SYN_ID | PB_SK_NO_SYN_ID | PB_SK_FAILED);
	if (!ep || ep->gen != s->dest_gen)
		return;
	__sync_fetch_and_add(&ep->live, 1);
	__sync_fetch_and_add(&ep->total, 1);
	s->flags |= PB_SK_REMOTE;
	bpf_sock_ops_cb_flags_set(o, o->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG |
					     PB_DIAL_CBS);
}

static __always_inline int is_syn(const struct bpf_sock_ops *o)
{
	volatile const struct bpf_sock_ops *c = o;

	return (c->skb_tcp_flags & (PB_TCP_SYN | PB_TCP_ACK)) == PB_TCP_SYN;
}

/* A SYN goes without the identity and will be refused: why, once for a connection. */
static __always_inline void dial_without(struct bpf_sock_ops *o, struct pb_sock *s, __u32 reason)
{
	if (s->flags & PB_SK_NO_SYN_ID)
		return;
	s->flags |= PB_SK_NO_SYN_ID;
	dial_tell(o, s, reason);
}

/* HDR_OPT_LEN_CB: room in the SYN, the first one and those that repeat it. */
static __always_inline void dial_reserve(struct bpf_sock_ops *o, struct pb_sock *s)
{
	if (!is_syn(o))
		return;
	if (bpf_reserve_hdr_opt(o, PB_SYN_LEN, 0) == -PB_ENOSPC)
		dial_without(o, s, PB_R_NO_ROOM);
}

#define PB_DIAL_NO_PEER 1
#define PB_DIAL_NAT 2

/* The identity of @s in a SYN of initial number @isn, or why not. */
static __always_inline int dial_option(struct bpf_sock_ops *o, const struct pb_sock *s, __u32 isn,
				       struct pb_syn_opt *opt)
{
	struct pb_app *app = pb_app_at(s->app);
	struct pb_syn syn = {};
	struct pb_flow_key k;
	struct pb_peer *peer;
	__u64 key[2];

	flow_key(o, 1, &k);
	peer = bpf_map_lookup_elem(&pb_peers, &k.laddr);
	if (!app || !peer)
		return PB_DIAL_NO_PEER;
	if (peer->nat)
		return PB_DIAL_NAT;
	key[0] = peer->out[0];
	key[1] = peer->out[1];
	syn.saddr = k.raddr;
	syn.daddr = k.laddr;
	syn.sport = k.rport;
	syn.dport = k.lport;
	syn.isn = isn;
	syn.id = app->id;
	syn.flags = pb_addr_is_loopback(&s->peer) ? PB_SYN_F_LOOP : 0;
	pb_syn_write(opt, &syn, pb_syn_mac(key, &syn));
	return 0;
}

/* The same, where the addresses do not arrive as they leave. */
static __noinline int dial_write_nat(struct bpf_sock_ops *o, struct pb_sock *s)
{
	struct pb_app *app = pb_app_at(s->app);
	struct pb_syn syn = {};
	struct pb_syn_opt opt;
	struct pb_flow_key k;
	struct pb_peer *peer;
	void *th = o->skb_data;
	__u64 key[2], node;

	if (th + PB_TCP_HDR > o->skb_data_end)
		return 0;
	syn.isn = bpf_ntohl(*(__be32 *)(th + 4));
	flow_key(o, 1, &k);
	peer = bpf_map_lookup_elem(&pb_peers, &k.laddr);
	if (!app || !peer)
		return PB_DIAL_NO_PEER;
	key[0] = peer->out[0];
	key[1] = peer->out[1];
	node = peer->nat;
	syn.dport = k.lport;
	syn.id = pb_syn_nat_tag(app->id, node);
	syn.flags = PB_SYN_F_NAT | (pb_addr_is_loopback(&s->peer) ? PB_SYN_F_LOOP : 0);
	pb_syn_write(&opt, &syn, pb_syn_nat_mac(key, &syn, node));
	if (!bpf_store_hdr_opt(o, &opt, sizeof(opt), 0))
		s->flags |= PB_SK_SYN_ID;
	return 0;
}

/* WRITE_HDR_OPT_CB.  The initial number is read from the packet: it is what the other side sees.
 * Not 0: PB_DIAL_*, nothing was written. */
static __noinline int dial_write(struct bpf_sock_ops *o, struct pb_sock *s)
{
	struct pb_syn_opt opt;
	void *th = o->skb_data;
	int r;

	if (!(s->flags & PB_SK_REMOTE) || !is_syn(o) || th + PB_TCP_HDR > o->skb_data_end)
		return 0;
	r = dial_option(o, s, bpf_ntohl(*(__be32 *)(th + 4)), &opt);
	if (r)
		return r;
	if (!bpf_store_hdr_opt(o, &opt, sizeof(opt), 0))
		s->flags |= PB_SK_SYN_ID;
	return 0;
}

/* Tells outside of the function above, whose frame is big. */
static __always_inline void dial_identify(struct bpf_sock_ops *o, struct pb_sock *s)
{
	int r = dial_write(o, s);

	if (r == PB_DIAL_NAT)
		r = dial_write_nat(o, s);
	if (r)
		dial_without(o, s, PB_R_NO_PEER);
}

/* Counts once for a connection, and only if the other side could know who called. */
static __always_inline void dial_failed(struct bpf_sock_ops *o, struct pb_sock *s, __u32 reset)
{
	if ((s->flags & PB_SK_FAILED) || !(s->flags & PB_SK_SYN_ID))
		return;
	s->flags |= PB_SK_FAILED;
	if (pb_eject_fail(s->dest & ~PB_EP_REMOTE, s->dest_gen, s->app, reset))
		dial_tell(o, s, PB_R_EJECTED);
}

/* RTO_CB: the SYN was not answered within a second. */
static __always_inline void dial_silence(struct bpf_sock_ops *o, struct pb_sock *s)
{
	if ((s->flags & PB_SK_REMOTE) && o->state == PB_STATE_SYN_SENT)
		dial_failed(o, s, 0);
}

/* ACTIVE_ESTABLISHED_CB */
static __always_inline void dial_done(struct bpf_sock_ops *o, struct pb_sock *s)
{
	bpf_sock_ops_cb_flags_set(o, o->bpf_sock_ops_cb_flags & ~PB_DIAL_CBS);
	if (pb_eject_clear(s->dest & ~PB_EP_REMOTE, s->dest_gen, s->app))
		dial_tell(o, s, PB_R_NODE_BACK);
}

/* Why the handshake ended: an error the network gave, or the program's own close(). */
static __always_inline int dial_error(struct bpf_sock_ops *o)
{
	struct bpf_sock *sk = o->sk;
	struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : 0;

	return tp ? ((struct sock *)tp)->sk_err : 0;
}

static __always_inline void dial_over(struct bpf_sock_ops *o, struct pb_sock *s)
{
	int err = dial_error(o);

	if (!err)
		return;
	/* The kernel does not ask for the length of an option where no byte is left. */
	if (!(s->flags & PB_SK_SYN_ID))
		dial_without(o, s, PB_R_NO_ROOM);
	if (err == PB_ECONNREFUSED)
		dial_failed(o, s, 1);
	else if (err == PB_ETIMEDOUT || err == PB_EHOSTUNREACH || err == PB_ENETUNREACH)
		dial_failed(o, s, 0);
}

/* STATE_CB, to CLOSE: the counterpart of dial_begin(). */
static __always_inline void dial_end(struct bpf_sock_ops *o, struct pb_sock *s)
{
	struct pb_endpoint *ep = pb_ep_at(s->dest);

	if (o->args[0] == PB_STATE_SYN_SENT)
		dial_over(o, s);
	s->flags &= ~PB_SK_REMOTE;
	/* The socket may connect() again, and elsewhere. */
	bpf_sock_ops_cb_flags_set(o, o->bpf_sock_ops_cb_flags & ~PB_DIAL_CBS);
	/* The agent counts anew when it gives the index to another endpoint. */
	if (ep && ep->gen == s->dest_gen && ep->state != PB_EP_FREE)
		__sync_fetch_and_add(&ep->live, -1);
}

#endif /* PB_DIAL_BPF_H */
