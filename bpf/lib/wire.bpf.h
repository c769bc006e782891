/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading packets at the network device.  Everything is loaded relative to the network header:
 * devices without a link layer (tunnels) and VLAN tags, which the kernel has taken off, need no case
 * of their own.
 */
#ifndef PB_WIRE_BPF_H
#define PB_WIRE_BPF_H

#include "sock.bpf.h"

#define PB_ETH_IP 0x0800
#define PB_ETH_IPV6 0x86dd
#define PB_IP_FRAGMENT 0x3fff /* more fragments, or an offset */
#define PB_WIRE_SHORT 42      /* no UDP packet on Ethernet is shorter */
#define PB_WIRE_PULL 134      /* link, longest IPv4 or IPv6, longest TCP header */

struct pb_ip4_head {
	__u8 ihl, tos;
	__be16 len, id, frag;
	__u8 ttl, proto;
	__be16 sum;
	__be32 saddr, daddr;
};

struct pb_ip6_head {
	__be32 flow;
	__be16 len;
	__u8 proto, hops;
	struct pb_addr saddr, daddr;
};

/* Headers that a driver left in a page are brought near first: rare. */
static __always_inline long pb_load(struct __sk_buff *skb, __u32 at, void *to, __u32 len)
{
	__u32 all = skb->len;

	if (!bpf_skb_load_bytes_relative(skb, at, to, len, BPF_HDR_START_NET))
		return 0;
	if (all < PB_WIRE_SHORT || bpf_skb_pull_data(skb, all < PB_WIRE_PULL ? all : PB_WIRE_PULL))
		return -1;
	return bpf_skb_load_bytes_relative(skb, at, to, len, BPF_HDR_START_NET);
}

#endif /* PB_WIRE_BPF_H */
