/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SYNs as a client's kernel writes them, and others. */
#ifndef PB_TEST_FRAMES_H
#define PB_TEST_FRAMES_H

#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <string.h>

#include <patchbay/addr.h>
#include <patchbay/syn.h>

/* What a SYN carries beside the identity. */
#define WITH_ID (1u << 0)
#define WITH_TS (1u << 1)      /* what fills the header up to its last byte */
#define WITH_IP_OPTS (1u << 2) /* IPv4 only */
#define WITH_MF (1u << 3)      /* IPv4 only: the first fragment of several */

struct syn {
	struct pb_addr src, dst;
	__be16 sport, dport;
	uint32_t isn;
	uint64_t id;
	uint32_t flags; /* PB_SYN_F_* */
	uint32_t with;
	const __u64 *key;
	uint64_t node; /* with PB_SYN_F_NAT */
};

/* Changes a SYN after its MAC was made. */
typedef void (*forge_fn)(struct syn *s, struct pb_syn_opt *o);

struct tcp_seg {
	__be16 sport, dport;
	uint32_t seq, ack;
	uint8_t flags;
	char data[64];
	size_t n;
};

static int far_link; /* bytes before the IP header */
static int far_tagged;
static uint8_t far_mac[6];

static inline uint32_t sum16(const void *p, size_t n, uint32_t sum)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? b[i] : b[i] << 8;
	return sum;
}

static inline uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum & 0xffff);
}

/* Puts the headers before @tcp bytes at @p + their length; returns the length of all. */
static inline size_t put_ip(uint8_t *p, const struct syn *s, const uint8_t *tcp, size_t n)
{
	int v4 = pb_addr_is_v4(&s->src);
	size_t head = v4 ? 20 + (s->with & WITH_IP_OPTS ? 8 : 0) : 40;
	struct tcphdr *t = (struct tcphdr *)(p + head);
	uint32_t sum = IPPROTO_TCP + n;

	memcpy(p + head, tcp, n);
	sum = sum16(v4 ? &s->src.w[3] : &s->src.w[0], v4 ? 4 : 16, sum);
	sum = sum16(v4 ? &s->dst.w[3] : &s->dst.w[0], v4 ? 4 : 16, sum);
	t->check = 0;
	t->check = fold(sum16(t, n, sum));
	if (v4) {
		struct iphdr ip = { .version = 4,
				    .ihl = head / 4,
				    .tot_len = htons(head + n),
				    .frag_off = htons(s->with & WITH_MF ? IP_MF : 0),
				    .ttl = 64,
				    .protocol = IPPROTO_TCP,
				    .saddr = s->src.w[3],
				    .daddr = s->dst.w[3] };

		memset(p + 20, IPOPT_NOP, head - 20);
		memcpy(p, &ip, sizeof(ip));
		ip.check = fold(sum16(p, head, 0));
		memcpy(p, &ip, sizeof(ip));
	} else {
		struct ip6_hdr ip = { .ip6_plen = htons(n),
				      .ip6_nxt = IPPROTO_TCP,
				      .ip6_hlim = 64 };

		ip.ip6_vfc = 0x60;
		memcpy(&ip.ip6_src, &s->src, 16);
		memcpy(&ip.ip6_dst, &s->dst, 16);
		memcpy(p, &ip, sizeof(ip));
	}
	return head + n;
}

static inline size_t put_eth(uint8_t *p, const struct syn *s)
{
	int v4 = pb_addr_is_v4(&s->src), link = far_link;

	if (!far_link)
		return 0;
	memcpy(p, far_mac, 6);
	memcpy(p + 6, "\x02\0\0\0\0\x02", 6);
	if (far_tagged) { /* VLAN 0: a priority and no more, which every kernel takes */
		memcpy(p + 12, "\x81\x00\0\0", 4);
		link += 4;
	}
	memcpy(p + link - 2, v4 ? "\x08\x00" : "\x86\xdd", 2);
	return link;
}

static inline size_t put_options(uint8_t *o, struct syn *s, forge_fn forge)
{
	static const uint8_t mss[] = { 2, 4, 5, 0xb4 };
	static const uint8_t rest[] = { 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7 };
	size_t n = sizeof(mss);

	memcpy(o, mss, sizeof(mss));
	if (s->with & WITH_TS) {
		memcpy(o + n, rest, sizeof(rest));
		n += sizeof(rest);
	}
	if (s->with & WITH_ID) {
		struct pb_syn_opt opt;
		struct pb_syn m = { .saddr = s->src,
				    .daddr = s->dst,
				    .sport = s->sport,
				    .dport = s->dport,
				    .isn = s->isn,
				    .id = s->id,
				    .flags = s->flags };

		if (s->flags & PB_SYN_F_NAT) {
			m.id = pb_syn_nat_tag(s->id, s->node);
			pb_syn_write(&opt, &m, pb_syn_nat_mac(s->key, &m, s->node));
		} else {
			pb_syn_write(&opt, &m, pb_syn_mac(s->key, &m));
		}
		if (forge)
			forge(s, &opt);
		memcpy(o + n, &opt, sizeof(opt));
		n += sizeof(opt);
	}
	return n;
}

/* The whole frame; its length. */
static inline size_t put_syn(uint8_t *p, const struct syn *from, forge_fn forge)
{
	uint8_t tcp[60] = { 0 };
	struct syn s = *from;
	size_t n = 20 + put_options(tcp + 20, &s, forge), link;
	struct tcphdr t = { .source = s.sport,
			    .dest = s.dport,
			    .seq = htonl(s.isn),
			    .doff = n / 4,
			    .syn = 1,
			    .window = htons(64000) };

	memcpy(tcp, &t, sizeof(t));
	link = put_eth(p, &s);
	return link + put_ip(p + link, &s, tcp, n);
}

#endif /* PB_TEST_FRAMES_H */
