/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Checksums of datagrams whose headers were changed.
 *
 * A local sender leaves the checksum to its device: the field then holds the sum of the pseudo header
 * alone, not complemented ("partial").  tc's helpers know that of a packet, XDP sees only the bytes: a
 * field that is just this sum is taken for it, and then the whole is computed.  One true checksum in
 * 65,536 looks so, too, and loses nothing by it but time.
 */
#ifndef PB_MC_CSUM_BPF_H
#define PB_MC_CSUM_BPF_H

#include "mc_packet.bpf.h"
#include <patchbay/mc_csum.h>

#define MC_SUM_CHUNK 256u
#define MC_SUM_MAX 9216u

struct mc_sum_room {
	__u8 bytes[MC_SUM_CHUNK];
};
PB_MC_MAP(pb_mc_room, BPF_MAP_TYPE_PERCPU_ARRAY, 1, __u32, struct mc_sum_room, 0);

struct mc_sum {
	struct xdp_md *ctx;
	struct mc_sum_room *room;
	__u32 at;
	__u32 left;
	__u64 sum;
};

/* @n, if it is 1 to @max, else 0; so that Linux 6.1, too, sees that it is neither 0 nor more. */
static __always_inline __u32 mc_bounded(__u32 n, __u32 max)
{
	n--;
	pb_mc_opaque(n);
	return n < max ? n + 1 : 0;
}

/* A chunk further. */
static long mc_sum_step(__u32 i, struct mc_sum *s)
{
	__u32 n = s->left, zero = 0;
	__s64 sum;

	(void)i;
	if (!n)
		return 1;
	if (n >= MC_SUM_CHUNK) {
		n = MC_SUM_CHUNK;
	} else {
		/* behind the last byte there must be zeros up to a word */
		*(__u32 *)(s->room->bytes + (n & (MC_SUM_CHUNK - 4))) = zero;
	}
	n = mc_bounded(n, MC_SUM_CHUNK);
	if (!n || bpf_xdp_load_bytes(s->ctx, s->at, s->room->bytes, n))
		return 1;
	n = (n + 3) & 0x1fc;
	if (n > MC_SUM_CHUNK)
		return 1;
	sum = bpf_csum_diff(0, 0, (__be32 *)s->room->bytes, n, 0);
	if (sum < 0)
		return 1;
	s->sum += (__u32)sum;
	s->at += MC_SUM_CHUNK;
	s->left -= s->left < MC_SUM_CHUNK ? s->left : MC_SUM_CHUNK;
	return 0;
}

/* Sum of @len bytes at @at of the packet; *ret_ok 0: it could not be read. */
static __noinline __u64 mc_sum_bytes(struct xdp_md *ctx, __u32 at, __u32 len)
{
	__u32 zero = 0;
	struct mc_sum s = { .ctx = ctx, .at = at, .left = len };

	s.room = bpf_map_lookup_elem(&pb_mc_room, &zero);
	if (!s.room || len > MC_SUM_MAX)
		return 0;
	pb_loop(MC_SUM_MAX / MC_SUM_CHUNK, mc_sum_step, &s);
	return s.sum;
}

/* Does the field hold the pseudo header's sum only?  @j has the addresses that it was made of. */
static __always_inline int mc_csum_partial(const struct pb_mc_job *j, __u16 check)
{
	return check && check == pb_csum_pseudo(&j->saddr, &j->daddr, j->v6, j->udp_len);
}

/*
 * XDP: the UDP checksum after the headers have changed; @addr and @rest are the differences of the
 * pseudo header and of all else.  0: it is right.
 */
static __always_inline int mc_csum_xdp(struct xdp_md *ctx, struct pb_mc_job *j, __u64 addr,
				       __u64 rest)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 l4 = j->l4;
	struct mc_udp *udp;
	__u16 check;

	if (l4 > MC_L4_MAX)
		return -1;
	udp = data + l4;
	if ((void *)(udp + 1) > end)
		return -1;
	check = udp->check;
	if (!mc_csum_partial(j, check)) {
		udp->check = pb_csum_update_udp(check, addr + rest, j->v6);
		return 0;
	}
	/* the new pseudo header's sum, in the field's place, is part of the sum of all */
	check = (__u16)pb_csum_fold((__u64)check + pb_csum_fold(addr));
	udp->check = check;
	check = pb_csum_check(mc_sum_bytes(ctx, l4, j->udp_len));
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	udp = data + l4;
	if ((void *)(udp + 1) > end)
		return -1;
	udp->check = check;
	return 0;
}

static __always_inline __u32 mc_check_of(struct __sk_buff *skb, __u32 l4)
{
	void *data = (void *)(long)skb->data;
	struct mc_udp *udp;

	if (l4 > MC_L4_MAX)
		return 0;
	udp = data + l4;
	return (void *)(udp + 1) > (void *)(long)skb->data_end ? 0 : udp->check;
}

/*
 * tc: the same.  What is told without BPF_F_PSEUDO_HDR a partial sum takes no notice of; of whole sums
 * IPv4's own header makes up for its addresses, IPv6 has no sum of the header, and so the addresses
 * are like any bytes for it.  Whether a sum is partial shows in whether it changed.
 */
static __always_inline int mc_csum_tc(struct __sk_buff *skb, struct pb_mc_job *j, __u64 addr,
				      __u64 rest)
{
	__u32 at = j->l4 + 6, was;

	addr = pb_csum_fold(addr);
	rest = pb_csum_fold(rest);
	if (bpf_l4_csum_replace(skb, at, 0, rest, BPF_F_MARK_MANGLED_0))
		return -1;
	if (!j->v6)
		return bpf_l4_csum_replace(skb, at, 0, addr,
					   BPF_F_MARK_MANGLED_0 | BPF_F_PSEUDO_HDR) != 0;
	was = mc_check_of(skb, j->l4);
	if (bpf_l4_csum_replace(skb, at, 0, addr, BPF_F_MARK_MANGLED_0))
		return -1;
	if (was != mc_check_of(skb, j->l4) || !addr || addr == 0xffff)
		return 0;
	return bpf_l4_csum_replace(skb, at, 0, addr, BPF_F_MARK_MANGLED_0 | BPF_F_PSEUDO_HDR) != 0;
}

#endif /* PB_MC_CSUM_BPF_H */
