/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The headers of a frame, for XDP and tc alike: Ethernet, at most one VLAN tag, IPv4 with options or
 * IPv6 without extension headers, UDP.  All else is the host's own.
 */
#ifndef PB_MC_PACKET_BPF_H
#define PB_MC_PACKET_BPF_H

#include "mc_maps.bpf.h"

#define MC_ETH_IP 0x0800
#define MC_ETH_IPV6 0x86dd
#define MC_ETH_VLAN 0x8100
#define MC_IP_MORE 0x2000   /* more fragments */
#define MC_IP_OFFSET 0x1fff /* of a fragment that is not the first */
#define MC_L4_MAX 78u	    /* Ethernet, a tag, IPv4 with all its options */

struct mc_eth {
	__u8 dmac[6];
	__u8 smac[6];
	__be16 proto;
};

struct mc_tag {
	__be16 tci;
	__be16 proto;
};

struct mc_ip4 {
	__u8 ihl, tos;
	__be16 len;
	__be16 id, frag;
	__u8 ttl, proto;
	__u16 check;
	__be32 saddr, daddr;
};

struct mc_ip6 {
	__be32 flow;
	__be16 len;
	__u8 proto, ttl;
	struct pb_addr saddr, daddr;
};

struct mc_udp {
	__be16 sport, dport;
	__be16 len;
	__u16 check;
};

struct mc_frame { /* memcached's own header */
	__be16 id, seq, total, reserved;
};

enum mc_seen {
	MC_SEEN_OTHER, /* no datagram that we could look at */
	MC_SEEN_UDP,
	MC_SEEN_FRAGMENT, /* the first one of several */
	MC_SEEN_BAD,	  /* the lengths contradict each other */
};

static __always_inline void mc_copy_mac(__u8 *to, const __u8 *from)
{
	for (int i = 0; i < 6; i += 2) /* even places: the verifier wants no less on the stack */
		*(__u16 *)(to + i) = *(const __u16 *)(from + i);
}

static __always_inline __u32 mc_ports(void *data, void *end, struct pb_mc_job *j, __u32 room)
{
	__u32 l4 = j->l4;
	struct mc_udp *udp;

	if (l4 > MC_L4_MAX)
		return MC_SEEN_OTHER;
	udp = data + l4;
	if ((void *)(udp + 1) > end)
		return MC_SEEN_OTHER;
	j->sport = udp->sport;
	j->dport = udp->dport;
	j->udp_len = pb_ntohs(udp->len);
	if (room < sizeof(*udp) || j->udp_len < sizeof(*udp) || j->udp_len > room)
		return MC_SEEN_BAD;
	return MC_SEEN_UDP;
}

static __always_inline __u32 mc_packet4(void *data, void *end, struct pb_mc_job *j, __u32 len)
{
	struct mc_ip4 *ip = data + (j->l3 & 31);
	__u32 head, total, seen;

	if ((void *)(ip + 1) > end || ip->proto != PB_PROTO_UDP || ip->ihl >> 4 != 4)
		return MC_SEEN_OTHER;
	if (ip->frag & pb_htons(MC_IP_OFFSET))
		return MC_SEEN_OTHER;
	head = (ip->ihl & 15) * 4;
	total = pb_ntohs(ip->len);
	if (head < sizeof(*ip))
		return MC_SEEN_OTHER;
	j->v6 = 0;
	j->saddr = pb_addr_v4(ip->saddr);
	j->daddr = pb_addr_v4(ip->daddr);
	j->ttl = ip->ttl;
	j->tot_len = total;
	j->l4 = j->l3 + head;
	seen = mc_ports(data, end, j, total - head);
	if (seen == MC_SEEN_OTHER)
		return seen;
	if (ip->frag & pb_htons(MC_IP_MORE))
		return MC_SEEN_FRAGMENT;
	return total < head || j->l3 + total > len ? MC_SEEN_BAD : seen;
}

static __always_inline __u32 mc_packet6(void *data, void *end, struct pb_mc_job *j, __u32 len)
{
	struct mc_ip6 *ip = data + (j->l3 & 31);
	__u32 total, seen;

	if ((void *)(ip + 1) > end || ip->proto != PB_PROTO_UDP ||
	    (ip->flow & pb_htonl(0xf0000000)) != pb_htonl(0x60000000))
		return MC_SEEN_OTHER;
	total = pb_ntohs(ip->len);
	j->v6 = 1;
	j->saddr = ip->saddr;
	j->daddr = ip->daddr;
	j->ttl = ip->ttl;
	j->tot_len = total + sizeof(*ip);
	j->l4 = j->l3 + sizeof(*ip);
	seen = mc_ports(data, end, j, total);
	if (seen == MC_SEEN_OTHER)
		return seen;
	return j->l4 + total > len ? MC_SEEN_BAD : seen;
}

/* Fills @j from a frame of @len bytes.  @vlan: a tag beside the frame, 0: none. */
static __always_inline __u32 mc_packet(void *data, void *end, struct pb_mc_job *j, __u32 len,
				       __be16 vlan, __u32 has_vlan)
{
	struct mc_eth *eth = data;
	struct mc_tag *tag = (void *)(eth + 1);
	__be16 proto;

	if ((void *)(eth + 1) > end)
		return MC_SEEN_OTHER;
	proto = eth->proto;
	j->vlan = vlan;
	j->tagged = 0;
	j->l3 = sizeof(*eth);
	if (proto == pb_htons(MC_ETH_VLAN)) {
		if ((void *)(tag + 1) > end || has_vlan)
			return MC_SEEN_OTHER;
		proto = tag->proto;
		j->vlan = tag->tci;
		j->tagged = 1;
		j->l3 = sizeof(*eth) + sizeof(*tag);
	}
	mc_copy_mac(j->dmac, eth->dmac);
	mc_copy_mac(j->smac, eth->smac);
	if (proto == pb_htons(MC_ETH_IP))
		return mc_packet4(data, end, j, len);
	if (proto == pb_htons(MC_ETH_IPV6))
		return mc_packet6(data, end, j, len);
	return MC_SEEN_OTHER;
}

/* Memcached's header, if the datagram has one and @n bytes behind it. */
static __always_inline struct mc_frame *mc_frame_of(void *data, void *end,
						    const struct pb_mc_job *j, __u32 n)
{
	__u32 l4 = j->l4;
	struct mc_frame *f;

	if (l4 > MC_L4_MAX || j->udp_len < sizeof(struct mc_udp) + sizeof(*f) + n)
		return 0;
	f = data + l4 + sizeof(struct mc_udp);
	return (void *)(f + 1) > end ? 0 : f;
}

/* The message behind it, to be read by the parsers. */
static __always_inline struct pb_mc_scan mc_message(struct mc_frame *f, void *end,
						    struct pb_mc_job *j)
{
	return pb_mc_scan_init(f + 1, end, j->udp_len - sizeof(struct mc_udp) - sizeof(*f),
			       &j->work);
}

/* Whose is the datagram?  0: nobody's of ours. */
static __always_inline struct pb_mc_addr *mc_addr_of(const struct pb_mc_job *j)
{
	struct pb_mc_addr_key k = { .addr = j->daddr, .port = j->dport };

	return bpf_map_lookup_elem(&pb_mc_addrs, &k);
}

#endif /* PB_MC_PACKET_BPF_H */
