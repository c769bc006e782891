/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading a SYN at the network device: whose it is, by the identity it carries (patchbay/syn.h).
 */
#ifndef PB_SYN_BPF_H
#define PB_SYN_BPF_H

#include "nodes.bpf.h"
#include "wire.bpf.h"
#include <patchbay/syn.h>

#define PB_TCP_FIN_SYN_RST_ACK 0x17
#define PB_TCP_SYN 0x02
#define PB_TCP_OPTS 40	 /* the most a header has room for */
#define PB_SEEN_NAT (-1) /* of pb_seen_who(): pb_seen_nat() tells */

/* MACs of translated SYNs -> the connection that brought it.  Nothing else of such a SYN says which
 * one it belongs to: whoever recorded it could open his own. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct pb_flow_key);
} pb_nat_seen SEC(".maps");

/* A SYN as it came. */
struct pb_seen {
	struct pb_syn syn; /* id and flags: once the option was found */
	__u64 mac;
	__u32 v6;
	__u32 opts; /* from the network header to TCP's options */
	__u32 len;  /* bytes of them */
	__u32 pad;
};

struct pb_tcp_head { /* the first 16 bytes of 20 */
	__be16 sport, dport;
	__be32 seq, ack;
	__u8 off, flags;
	__be16 window;
};

static __always_inline int seen_tcp(struct pb_seen *s, const struct pb_tcp_head *t, __u32 at)
{
	if ((t->flags & PB_TCP_FIN_SYN_RST_ACK) != PB_TCP_SYN || t->off < 0x50)
		return 0;
	s->syn.sport = t->sport;
	s->syn.dport = t->dport;
	s->syn.isn = pb_ntohl(t->seq);
	s->syn.id = 0;
	s->syn.flags = 0;
	s->syn.pad = 0;
	s->mac = 0;
	s->opts = at + 20;
	s->len = (t->off >> 4) * 4 - 20;
	s->pad = 0;
	return 1;
}

static __always_inline int seen_v4(struct __sk_buff *skb, struct pb_seen *s)
{
	struct {
		struct pb_ip4_head ip;
		struct pb_tcp_head tcp;
	} h;
	__u32 at;

	if (pb_load(skb, 0, &h, sizeof(h)) || h.ip.proto != PB_PROTO_TCP)
		return -1;
	if (h.ip.frag & pb_htons(PB_IP_FRAGMENT))
		return 0;
	at = (h.ip.ihl & 15) * 4;
	if (at != sizeof(h.ip) && (at < sizeof(h.ip) || pb_load(skb, at, &h.tcp, sizeof(h.tcp))))
		return 0;
	if (!seen_tcp(s, &h.tcp, at))
		return 0;
	s->v6 = 0;
	s->syn.saddr = pb_addr_v4(h.ip.saddr);
	s->syn.daddr = pb_addr_v4(h.ip.daddr);
	return 1;
}

static __always_inline int seen_v6(struct __sk_buff *skb, struct pb_seen *s)
{
	struct {
		struct pb_ip6_head ip;
		struct pb_tcp_head tcp;
	} h;

	if (pb_load(skb, 0, &h, sizeof(h)) || h.ip.proto != PB_PROTO_TCP)
		return -1;
	if (!seen_tcp(s, &h.tcp, sizeof(h.ip)))
		return 0;
	s->v6 = 1;
	s->syn.saddr = h.ip.saddr;
	s->syn.daddr = h.ip.daddr;
	return 1;
}

/* Is it the first packet of a connection?  1; 0: no; -1: it is not TCP at all.  Every packet of the
 * device comes by here. */
static __always_inline int pb_seen_syn(struct __sk_buff *skb, struct pb_seen *s)
{
	__u32 proto = skb->protocol;

	if (skb->gso_segs > 1) /* several packets in one: data */
		return 0;
	if (proto == pb_htons(PB_ETH_IP))
		return seen_v4(skb, s);
	return proto == pb_htons(PB_ETH_IPV6) ? seen_v6(skb, s) : 0;
}

/* ---- the option ---------------------------------------------------------- */

struct pb_opt_walk {
	__u8 opt[PB_TCP_OPTS];
	__u32 len;
	__u32 at;
	__u32 found; /* of PB_SYN_LEN bytes at @at */
};

/* One option; 1: that was it, or there are no more. */
static long pb_opt_step(__u32 i, void *arg)
{
	struct pb_opt_walk *w = arg;
	__u32 at = w->at, len = w->len, n;

	(void)i;
	if (at >= PB_TCP_OPTS - 1 || at >= len || !w->opt[at])
		return 1;
	if (w->opt[at] == 1) { /* padding */
		w->at = at + 1;
		return 0;
	}
	n = w->opt[at + 1];
	if (n < 2 || at + n > len)
		return 1;
	if (w->opt[at] == PB_SYN_KIND && n == PB_SYN_LEN && at + 3 < PB_TCP_OPTS &&
	    w->opt[at + 2] == PB_SYN_MAGIC >> 8 &&
	    (w->opt[at + 3] & 0xf0) == (PB_SYN_MAGIC & 0xf0)) {
		w->found = 1;
		return 1;
	}
	w->at = at + n;
	return 0;
}

/* Finds the identity in the SYN: fills id, flags and MAC of @s.  0: it has none. */
static __noinline int pb_seen_option(struct __sk_buff *skb, struct pb_seen *s)
{
	struct pb_opt_walk w = {};
	struct pb_syn_opt o;
	__u32 len = s->len;

	if (len < PB_SYN_LEN || len > PB_TCP_OPTS || pb_load(skb, s->opts, w.opt, len))
		return 0;
	w.len = len;
	bpf_loop(PB_TCP_OPTS, pb_opt_step, &w, 0);
	/* Loaded once more: at an offset that the verifier need not know. */
	if (!w.found || pb_load(skb, s->opts + w.at, &o, sizeof(o)))
		return 0;
	return pb_syn_read(&o, &s->syn, &s->mac);
}

/* ---- who ----------------------------------------------------------------- */

static __noinline int pb_mac_fits(const struct pb_seen *s, __u64 k0, __u64 k1)
{
	__u64 key[2] = { k0, k1 };

	return (k0 | k1) && pb_syn_mac(key, &s->syn) == s->mac;
}

static __noinline int pb_nat_fits(const struct pb_seen *s, __u64 k0, __u64 k1, __u64 node)
{
	__u64 key[2] = { k0, k1 };

	return (k0 | k1) && pb_syn_nat_mac(key, &s->syn, node) == s->mac;
}

/* Is it the connection that this MAC came with first, or its first one? */
static __noinline int pb_nat_once(const struct pb_seen *s)
{
	struct pb_flow_key k = { .laddr = s->syn.daddr,
				 .raddr = s->syn.saddr,
				 .lport = s->syn.dport,
				 .rport = s->syn.sport };
	struct pb_flow_key *was;
	__u64 mac = s->mac;

	if (!bpf_map_update_elem(&pb_nat_seen, &mac, &k, BPF_NOEXIST))
		return 1;
	was = bpf_map_lookup_elem(&pb_nat_seen, &mac);
	return was && pb_addr_eq(&was->raddr, &k.raddr) && was->rport == k.rport &&
	       pb_addr_eq(&was->laddr, &k.laddr);
}

/* The same as pb_seen_who(), where the source address does not tell the node. */
static __noinline int pb_seen_nat(const struct pb_seen *s, __u64 *ref)
{
	struct pb_member_key mk = { .node = 0, .id = s->syn.id };
	struct pb_member *m = bpf_map_lookup_elem(&pb_members, &mk);
	struct pb_app *app;
	struct pb_addr at;
	struct pb_peer p;
	__u64 node;

	if (!m)
		return PB_R_NO_PEER;
	*ref = m->ref;
	app = pb_app_at(*ref);
	if (!app || !(*ref & PB_REF_REMOTE))
		return PB_R_NO_PEER;
	node = pb_syn_nat_tag(app->id, s->syn.id);
	at = pb_nat_addr(node, s->v6);
	if (!pb_peer_at(&at, &p) || p.node != node)
		return PB_R_NO_PEER;
	if (!pb_nat_fits(s, p.in[0][0], p.in[0][1], node) &&
	    !pb_nat_fits(s, p.in[1][0], p.in[1][1], node))
		return PB_R_BAD_MAC;
	return pb_nat_once(s) ? PB_R_NONE : PB_R_BAD_MAC;
}

/* Which application of another node sends this?  A reason, PB_R_NONE: *@ref and *@node. */
static __noinline int pb_seen_who(struct __sk_buff *skb, struct pb_seen *s, __u64 *ref)
{
	struct pb_member_key mk;
	struct pb_member *m;
	struct pb_peer p;
	struct pb_app *app;

	*ref = 0;
	if (!pb_seen_option(skb, s))
		return PB_R_NO_SYN_ID;
	if (s->syn.flags & PB_SYN_F_NAT)
		return PB_SEEN_NAT;
	if (!pb_peer_at(&s->syn.saddr, &p))
		return PB_R_NO_PEER;
	if (!pb_mac_fits(s, p.in[0][0], p.in[0][1]) && !pb_mac_fits(s, p.in[1][0], p.in[1][1]))
		return PB_R_BAD_MAC;
	mk.node = p.node;
	mk.id = s->syn.id;
	m = bpf_map_lookup_elem(&pb_members, &mk);
	if (!m)
		return PB_R_NO_MEMBER;
	*ref = m->ref;
	app = pb_app_at(*ref);
	/* The entry may have become another's since: its record tells. */
	return app && (*ref & PB_REF_REMOTE) && app->id == mk.id ? PB_R_NONE : PB_R_NO_MEMBER;
}

#endif /* PB_SYN_BPF_H */
