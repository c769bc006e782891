// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * For tests/bench/part_memcached-udp.sh: a generator that BPF_PROG_TEST_RUN drives with live frames, what
 * receives the answers, the bare reflector that answers are compared with, and a server that drops
 * gets of cold keys, so that the switch alone is measured.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "lib/verdict.bpf.h"
#include "mc_bench.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mc_bench_conf);
} pb_mcb_conf SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MC_BENCH_COUNTS);
	__type(key, __u32);
	__type(value, __u64);
} pb_mcb_count SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} pb_mcb_timed SEC(".maps");

static __always_inline void count(__u32 what, __u64 n)
{
	__u64 *c = bpf_map_lookup_elem(&pb_mcb_count, &what);

	if (c)
		*c += n;
}

static __always_inline int generate(struct xdp_md *ctx)
{
	__u32 zero = 0, which, n, len, at, rnd = bpf_get_prandom_u32();
	struct mc_bench_conf *c = bpf_map_lookup_elem(&pb_mcb_conf, &zero);
	__u8 digits[MC_BENCH_DIGITS];

	if (!c)
		return 0;
	which = (rnd & 1023) * 1000 < c->cold * 1024;
	n = c->keys[which] ? (rnd >> 10) % c->keys[which] : 0;
	len = c->len[which];
	at = c->digits[which];
	/* frames come back as they were left, longer or shorter */
	if (!len || len > MC_BENCH_FRAME ||
	    bpf_xdp_adjust_tail(ctx, (int)len - (int)bpf_xdp_get_buff_len(ctx)) ||
	    bpf_xdp_store_bytes(ctx, 0, c->frame[which], len))
		return 0;
	for (int i = MC_BENCH_DIGITS - 1; i >= 0; i--) {
		digits[i] = '0' + n % 10;
		n /= 10;
	}
	if (bpf_xdp_store_bytes(ctx, at, digits, MC_BENCH_DIGITS))
		return 0;
	count(MC_BENCH_SENT, 1);
	return 1;
}

SEC("xdp")
int pb_mcb_gen(struct xdp_md *ctx)
{
	return generate(ctx) ? verdict_to_xdp_back() : verdict_to_xdp(1);
}

/* The same, and the frame goes to no device but to the program that is timed. */
SEC("xdp")
int pb_mcb_time(struct xdp_md *ctx)
{
	if (generate(ctx))
		bpf_tail_call(ctx, &pb_mcb_timed, 0);
	return verdict_to_xdp(1);
}

static __always_inline int is_answer(void *data, void *end)
{
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);

	if ((void *)(udp + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP))
		return 0;
	return ip->protocol == 17 && udp->source == bpf_htons(11211) &&
	       udp->dest == bpf_htons(40000);
}

/* The client's end: the generator's answers end here, all else goes up. */
SEC("xdp")
int pb_mcb_sink(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (!is_answer(data, end))
		return verdict_to_xdp(0);
	count(MC_BENCH_BACK, 1);
	count(MC_BENCH_BYTES, (__u64)(end - data));
	return verdict_to_xdp(1);
}

/* Sends back what came: addresses and ports turned round. */
static __always_inline int reflect(void *data, void *end)
{
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);
	__u8 mac[ETH_ALEN];
	__be32 addr;
	__be16 port;

	if ((void *)(udp + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) ||
	    udp->dest != bpf_htons(11211))
		return 0;
	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
	addr = ip->saddr;
	ip->saddr = ip->daddr;
	ip->daddr = addr;
	port = udp->source;
	udp->source = udp->dest;
	udp->dest = port;
	return 1;
}

SEC("xdp")
int pb_mcb_reflect(struct xdp_md *ctx)
{
	if (reflect((void *)(long)ctx->data, (void *)(long)ctx->data_end))
		return verdict_to_xdp_back();
	return verdict_to_xdp(0);
}

/* A server's end: gets of cold keys have arrived, and that is all. */
SEC("xdp")
int pb_mcb_cold(struct xdp_md *ctx)
{
	__u8 *p = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (p + MC_BENCH_AT + 10 > end || p[MC_BENCH_AT] != 'l' || p[MC_BENCH_AT + 5] != 'c')
		return verdict_to_xdp(0);
	count(MC_BENCH_COLD, 1);
	return verdict_to_xdp(1);
}
