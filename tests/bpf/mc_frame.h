/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Datagrams of memcached, written and read whole: every length and sum from scratch. */
#ifndef PB_TEST_MC_FRAME_H
#define PB_TEST_MC_FRAME_H

#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdint.h>
#include <string.h>

#include <patchbay/addr.h>
#include <patchbay/mc_csum.h>
#include <patchbay/mc_proto.h>

#define FRAME_MAX 4000

enum sum_kind { SUM_FULL, SUM_NONE, SUM_PARTIAL, SUM_WRONG };

struct frame {
	uint8_t dmac[6], smac[6];
	int tagged; /* 2: two tags */
	uint16_t tci;
	int options; /* bytes of IPv4's */
	uint16_t frag;
	uint8_t ttl;
	struct pb_addr saddr, daddr;
	uint16_t sport, dport;
	enum sum_kind sum;
	uint16_t id, seq, total;
	const char *msg;
	size_t len;
	/* read back */
	uint16_t check;
	char got[FRAME_MAX];
};

static inline uint32_t sum_of(const void *p, size_t n, uint32_t sum)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++) {
		sum += (uint32_t)(i & 1 ? b[i] : b[i] << 8);
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static inline uint32_t pseudo_of(const struct frame *f, size_t udp_len)
{
	int v4 = pb_addr_is_v4(&f->saddr);
	uint32_t sum = IPPROTO_UDP + (uint32_t)udp_len;

	sum = sum_of(v4 ? &f->saddr.w[3] : &f->saddr.w[0], v4 ? 4 : 16, sum);
	return sum_of(v4 ? &f->daddr.w[3] : &f->daddr.w[0], v4 ? 4 : 16, sum);
}

static inline void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

/* UDP header, frame header and message at @p; bytes. */
static inline size_t put_udp(uint8_t *p, const struct frame *f)
{
	size_t n = 16 + f->len;
	uint32_t sum;

	put16(p, f->sport);
	put16(p + 2, f->dport);
	put16(p + 4, (uint32_t)n);
	put16(p + 6, 0);
	put16(p + 8, f->id);
	put16(p + 10, f->seq);
	put16(p + 12, f->total);
	put16(p + 14, 0);
	memcpy(p + 16, f->msg, f->len);
	sum = pseudo_of(f, n);
	if (f->sum == SUM_PARTIAL)
		put16(p + 6, sum);
	if (f->sum == SUM_FULL || f->sum == SUM_WRONG)
		put16(p + 6, ~sum_of(p, n, sum) & 0xffff);
	if (f->sum != SUM_NONE && !get16(p + 6))
		put16(p + 6, 0xffff);
	if (f->sum == SUM_WRONG)
		p[6] ^= 0x55;
	return n;
}

static inline size_t put_ip4(uint8_t *p, const struct frame *f)
{
	size_t head = 20 + (size_t)f->options, n = put_udp(p + head, f);

	memset(p, 0, 20);
	memset(p + 20, IPOPT_NOP, (size_t)f->options);
	p[0] = (uint8_t)(0x40 | head / 4);
	put16(p + 2, (uint32_t)(head + n));
	put16(p + 4, 0x1234);
	put16(p + 6, f->frag);
	p[8] = f->ttl;
	p[9] = IPPROTO_UDP;
	memcpy(p + 12, &f->saddr.w[3], 4);
	memcpy(p + 16, &f->daddr.w[3], 4);
	put16(p + 10, ~sum_of(p, head, 0) & 0xffff);
	return head + n;
}

static inline size_t put_ip6(uint8_t *p, const struct frame *f)
{
	size_t n = put_udp(p + 40, f);

	memset(p, 0, 8);
	p[0] = 0x60;
	put16(p + 4, (uint32_t)n);
	p[6] = IPPROTO_UDP;
	p[7] = f->ttl;
	memcpy(p + 8, &f->saddr, 16);
	memcpy(p + 24, &f->daddr, 16);
	return 40 + n;
}

/* The frame; its length. */
static inline size_t frame_write(const struct frame *f, uint8_t *p)
{
	int v4 = pb_addr_is_v4(&f->saddr);
	size_t at = 12;

	memcpy(p, f->dmac, 6);
	memcpy(p + 6, f->smac, 6);
	for (int i = 0; i < f->tagged; i++, at += 4) {
		put16(p + at, 0x8100);
		put16(p + at + 2, f->tci);
	}
	put16(p + at, v4 ? 0x0800 : 0x86dd);
	at += 2;
	return at + (v4 ? put_ip4(p + at, f) : put_ip6(p + at, f));
}

/* Reads a frame that must be whole: NULL, or what is wrong with it. */
static inline const char *frame_read(struct frame *f, const uint8_t *p, size_t len)
{
	size_t at = 12, n, head = 40;
	uint32_t proto;

	memset(f, 0, sizeof(*f));
	memcpy(f->dmac, p, 6);
	memcpy(f->smac, p + 6, 6);
	if (get16(p + at) == 0x8100) {
		f->tagged = 1;
		f->tci = (uint16_t)get16(p + at + 2);
		at += 4;
	}
	proto = get16(p + at);
	at += 2;
	if (proto == 0x0800) {
		head = (p[at] & 15) * 4u;
		if (sum_of(p + at, head, 0) != 0xffff)
			return "sum of the IPv4 header";
		if (at + get16(p + at + 2) != len)
			return "length of IPv4";
		f->options = (int)head - 20;
		f->ttl = p[at + 8];
		f->saddr = pb_addr_v4(0);
		f->daddr = pb_addr_v4(0);
		memcpy(&f->saddr.w[3], p + at + 12, 4);
		memcpy(&f->daddr.w[3], p + at + 16, 4);
	} else {
		if (at + 40 + get16(p + at + 4) != len)
			return "length of IPv6";
		f->ttl = p[at + 7];
		memcpy(&f->saddr, p + at + 8, 16);
		memcpy(&f->daddr, p + at + 24, 16);
	}
	at += head;
	n = len - at;
	if (get16(p + at + 4) != n || n < 16)
		return "length of UDP";
	f->sport = (uint16_t)get16(p + at);
	f->dport = (uint16_t)get16(p + at + 2);
	f->check = (uint16_t)get16(p + at + 6);
	f->sum = !f->check					? SUM_NONE
		 : sum_of(p + at, n, pseudo_of(f, n)) == 0xffff ? SUM_FULL
								: SUM_WRONG;
	f->id = (uint16_t)get16(p + at + 8);
	f->seq = (uint16_t)get16(p + at + 10);
	f->total = (uint16_t)get16(p + at + 12);
	f->len = n - 16;
	memcpy(f->got, p + at + 16, f->len);
	f->msg = f->got;
	return NULL;
}

#endif /* PB_TEST_MC_FRAME_H */
