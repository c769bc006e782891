/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Datagrams in and out of guarded ports: who sends from which real source, who
 * may answer, and who a local datagram is really from.
 */
#ifndef PB_DATAGRAM_BPF_H
#define PB_DATAGRAM_BPF_H

#include "rudp.bpf.h"

#define PB_PACKET_HOST 0 /* skb->pkt_type: to us, and to us alone */
#define PB_LO_IFINDEX 1	 /* in every network namespace (LOOPBACK_IFINDEX) */

/* Did the guarded port write to this peer, and was it @app then?  A port has heirs. */
static __always_inline int may_answer(const struct pb_flow_key *k, __u64 app)
{
	__u64 *peer = bpf_map_lookup_elem(&pb_udp_reply, k);

	return peer && *peer == app;
}

/* Remembers a sender's name for whoever reads its datagram: it may be gone by then. */
static __always_inline void note_sender(const struct pb_flow_key *flow,
					const struct pb_udp_src *src)
{
	struct pb_flow_key k = { .raddr = flow->raddr, .lport = flow->lport, .rport = flow->rport };
	struct pb_udp_key name = { .addr = src->addr, .port = src->port }, *known;

	known = bpf_map_lookup_elem(&pb_udp_seen, &k);
	if (!known || known->port != name.port || !pb_addr_eq(&known->addr, &name.addr))
		bpf_map_update_elem(&pb_udp_seen, &k, &name, BPF_ANY);
}

/* Addresses and ports of the datagram, ours on the left. */
static __always_inline int skb_flow(struct __sk_buff *skb, struct pb_flow_key *k)
{
	__u32 off = 40;
	__u8 ihl = 0;

	__builtin_memset(k, 0, sizeof(*k));
	if (skb->protocol == pb_htons(0x0800)) {
		k->laddr.w[2] = k->raddr.w[2] = PB_V4MAP_W2;
		if (bpf_skb_load_bytes(skb, 0, &ihl, 1) ||
		    bpf_skb_load_bytes(skb, 12, &k->laddr.w[3], 4) ||
		    bpf_skb_load_bytes(skb, 16, &k->raddr.w[3], 4))
			return -1;
		off = (ihl & 15) * 4;
	} else if (bpf_skb_load_bytes(skb, 8, &k->laddr, 16) ||
		   bpf_skb_load_bytes(skb, 24, &k->raddr, 16)) {
		return -1;
	}
	return bpf_skb_load_bytes(skb, off, &k->lport, 2) ||
	       bpf_skb_load_bytes(skb, off + 2, &k->rport, 2);
}

/* ---- out: sources ---- */

/* Is the source of @flow registered for this socket? */
static __always_inline int is_registered(const struct pb_sock *s, const struct pb_flow_key *flow)
{
	struct pb_udp_key real = { .addr = flow->laddr, .port = flow->lport };

	if (s->sport != flow->lport)
		return 0;
	/* Sockets that share a port share its entry; the one that closes takes it away. */
	if ((s->flags & (PB_SK_REUSEPORT | PB_SK_REUSEADDR)) &&
	    !bpf_map_lookup_elem(&pb_udp_src, &real))
		return 0;
	if (pb_addr_is_v4(&flow->laddr))
		return (s->flags & PB_SK_SRC4) && pb_addr_eq(&s->src4, &flow->laddr);
	return (s->flags & PB_SK_SRC6) && pb_addr_eq(&s->src6, &flow->laddr);
}

/* The sender's real source, and the way back to it: one of each family for a socket. */
static __always_inline int register_source(struct pb_sock *s, const struct pb_flow_key *flow,
					   __u64 cookie)
{
	struct pb_udp_key real = { .addr = flow->laddr, .port = flow->lport }, virt = {};
	struct pb_udp_virt back = { .cookie = cookie, .app = s->app };
	struct pb_udp_src src = { .cookie = cookie, .app = s->app };
	struct pb_app *app = pb_app_at(s->app);
	int v4 = pb_addr_is_v4(&flow->laddr);

	if (!app)
		return -1;
	pb_forget_source(s, v4, cookie);
	if (s->sport != flow->lport)
		pb_forget_source(s, !v4, cookie);
	src.addr = pb_shown(app, v4);
	src.port = s->lport ? s->lport : flow->lport;
	virt.addr = src.addr;
	virt.port = src.port;
	back.addr = flow->laddr;
	back.port = flow->lport;
	if (bpf_map_update_elem(&pb_udp_src, &real, &src, BPF_ANY))
		return -1;
	s->sport = flow->lport;
	if (v4) {
		s->src4 = flow->laddr;
		s->flags |= PB_SK_SRC4;
	} else {
		s->src6 = flow->laddr;
		s->flags |= PB_SK_SRC6;
	}
	if (!bpf_map_update_elem(&pb_udp_virt, &virt, &back, BPF_ANY))
		return 0;
	pb_forget_source(s, v4, cookie);
	return -1;
}

/* The scope behind the peer of @flow, as far as the tables know; 0 an unmanaged one. */
static __always_inline __u64 app_at(const struct pb_flow_key *flow)
{
	struct pb_udp_key k = { .addr = flow->raddr, .port = flow->rport };
	struct pb_port_key pk = { .port = flow->rport,
				  .proto = PB_PROTO_UDP,
				  .v6 = !pb_addr_is_v4(&flow->raddr) };
	struct pb_udp_src *src = bpf_map_lookup_elem(&pb_udp_src, &k);
	struct pb_port *p;

	if (src)
		return src->app;
	p = bpf_map_lookup_elem(&pb_ports, &pk);
	return p && !(p->flags & PB_PORT_DNS) ? p->app : 0;
}

/* ---- in: who is it from? ---- */

static __always_inline void flow_turn(struct pb_flow_key *k)
{
	struct pb_addr a = k->laddr;
	__be16 port = k->lport;

	k->laddr = k->raddr;
	k->lport = k->rport;
	k->raddr = a;
	k->rport = port;
}

enum { PB_OWNER_NONE, PB_OWNER_MANAGED, PB_OWNER_OUTSIDE };

/* Who has the port that a local datagram came from: nobody any more, a managed program (*app), or
 * another. */
static __always_inline int owner_of(struct __sk_buff *skb, const struct pb_flow_key *k, __u64 *app)
{
	struct bpf_sock_tuple t = {};
	struct bpf_sock *sk;
	struct pb_sock *s;
	int owner = PB_OWNER_OUTSIDE;

	if (pb_addr_is_v4(&k->raddr)) {
		t.ipv4.saddr = k->laddr.w[3];
		t.ipv4.sport = k->lport;
		t.ipv4.daddr = k->raddr.w[3];
		t.ipv4.dport = k->rport;
		sk = bpf_sk_lookup_udp(skb, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
	} else {
		__builtin_memcpy(t.ipv6.saddr, &k->laddr, 16);
		t.ipv6.sport = k->lport;
		__builtin_memcpy(t.ipv6.daddr, &k->raddr, 16);
		t.ipv6.dport = k->rport;
		sk = bpf_sk_lookup_udp(skb, &t, sizeof(t.ipv6), BPF_F_CURRENT_NETNS, 0);
	}
	if (!sk)
		return PB_OWNER_NONE;
	s = pb_sock_of(sk);
	if (s) {
		*app = s->app;
		owner = PB_OWNER_MANAGED;
	}
	bpf_sk_release(sk);
	return owner;
}

static __always_inline int is_agent(const struct pb_flow_key *k)
{
	struct pb_port_key pk = { .port = k->rport,
				  .proto = PB_PROTO_UDP,
				  .v6 = !pb_addr_is_v4(&k->raddr) };
	struct pb_port *p = bpf_map_lookup_elem(&pb_ports, &pk);

	return p && (p->flags & PB_PORT_DNS);
}

/* A sender on another node, whom pb_lookup has let in: only a broadcast comes here without. */
static __noinline int is_far(const struct pb_flow_key *k)
{
	struct pb_udp_key real = { .addr = k->raddr, .port = k->rport };
	struct pb_rudp r;

	return pb_rudp_at(&real, &r) && r.src.app;
}

/*
 * Datagrams that come in without sk_lookup being asked (broadcasts, multicasts, those for a
 * connected socket), or whose sender's port got another owner since its source was registered.
 */
static __always_inline int hears(struct __sk_buff *skb, const struct pb_sock *s)
{
	struct pb_addr local = pb_addr_loopback(skb->protocol == pb_htons(0x0800));
	struct pb_flow_key k;
	struct pb_udp_src *src;
	struct pb_udp_key real = {};
	__u64 app = 0;
	int owner;

	if (skb_flow(skb, &k))
		return 0;
	flow_turn(&k);
	owner = skb->ifindex == PB_LO_IFINDEX ? owner_of(skb, &k, &app) : PB_OWNER_OUTSIDE;
	/* A client: whoever has the port of the service it dialled is no stranger; on another node that
	 * is for the other node to see to. */
	if (!(s->flags & PB_SK_PORT))
		return owner != PB_OWNER_OUTSIDE || (s->dest & PB_EP_REMOTE) || is_agent(&k);
	if (owner == PB_OWNER_NONE) {
		/* Sent, then closed: the entry may be there still. */
		real.addr = k.raddr;
		real.port = k.rport;
		src = bpf_map_lookup_elem(&pb_udp_src, &real);
		app = src ? src->app : 0;
	}
	if (may_answer(&k, app))
		return 1;
	if (owner == PB_OWNER_OUTSIDE)
		return skb->pkt_type == PB_PACKET_HOST && is_far(&k);
	/* A memcached service asks by the node's address, or the answer would come from another. */
	return app && (pb_addr_eq(&k.laddr, &local) || (app & PB_REF_SWITCH));
}

#endif /* PB_DATAGRAM_BPF_H */
