/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Datagrams at the network device, on their way in or out. */
#ifndef PB_DGRAM_BPF_H
#define PB_DGRAM_BPF_H

#include "wire.bpf.h"

/* A UDP packet as it is on the wire. */
struct pb_dgram {
	struct pb_addr saddr;
	struct pb_addr daddr;
	__be16 sport;
	__be16 dport;
	__u32 v6;
	__u32 at;    /* from the network header to UDP's */
	__u32 total; /* of the IP packet; one that will be segmented: of all */
	__u32 part;  /* first fragment */
	__u32 len;   /* as UDP says */
};

struct pb_udp_head {
	__be16 sport, dport, len, sum;
};

static __always_inline int dgram_udp(struct __sk_buff *skb, struct pb_dgram *d)
{
	struct pb_udp_head u;

	if (pb_load(skb, d->at, &u, sizeof(u)))
		return 0;
	d->sport = u.sport;
	d->dport = u.dport;
	d->len = pb_ntohs(u.len);
	return 1;
}

static __always_inline int dgram_v4(struct __sk_buff *skb, struct pb_dgram *d)
{
	struct pb_ip4_head ip;

	if (pb_load(skb, 0, &ip, sizeof(ip)) || ip.proto != PB_PROTO_UDP ||
	    (ip.frag & pb_htons(0x1fff)))
		return 0;
	d->v6 = 0;
	d->at = (ip.ihl & 15) * 4;
	d->total = pb_ntohs(ip.len);
	d->part = ip.frag & pb_htons(0x2000);
	d->saddr = pb_addr_v4(ip.saddr);
	d->daddr = pb_addr_v4(ip.daddr);
	return d->at >= sizeof(ip) && dgram_udp(skb, d);
}

#define PB_IP6_FRAGMENT 44

static __always_inline int dgram_v6(struct __sk_buff *skb, struct pb_dgram *d)
{
	struct {
		struct pb_ip6_head ip;
		__u8 next, pad;
		__be16 frag;
		__be32 id;
	} h;

	if (pb_load(skb, 0, &h, sizeof(h)))
		return 0;
	d->v6 = 1;
	d->at = sizeof(h.ip);
	d->total = sizeof(h.ip) + pb_ntohs(h.ip.len);
	d->part = 0;
	if (h.ip.proto == PB_IP6_FRAGMENT) {
		if (h.next != PB_PROTO_UDP || (h.frag & pb_htons(0xfff8)))
			return 0;
		d->at = sizeof(h);
		d->part = 1;
	} else if (h.ip.proto != PB_PROTO_UDP) {
		return 0;
	}
	d->saddr = h.ip.saddr;
	d->daddr = h.ip.daddr;
	return dgram_udp(skb, d);
}

/* A UDP datagram, or the first fragment of one. */
static __noinline int pb_dgram_of(struct __sk_buff *skb, struct pb_dgram *d)
{
	__u32 proto = skb->protocol;

	if (proto == pb_htons(PB_ETH_IP))
		return dgram_v4(skb, d);
	return proto == pb_htons(PB_ETH_IPV6) && dgram_v6(skb, d);
}

#endif /* PB_DGRAM_BPF_H */
