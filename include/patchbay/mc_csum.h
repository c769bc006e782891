/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One's complement sums of headers that change (RFC 1624).  Pure; host and BPF.
 *
 * A difference is a plain sum of words as they lie in memory, ~old + new, of 16 or 32 bits each; so
 * byte order does not matter as long as all begin at even places.
 */
#ifndef PATCHBAY_MC_CSUM_H
#define PATCHBAY_MC_CSUM_H

#include "types.h"

/* To 16 bits.  Folding once leaves a carry now and then: 0x1ffff -> 0x10000. */
pb_inline __u32 pb_csum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u32)((sum & 0xffff) + (sum >> 16));
}

pb_inline __u64 pb_csum_diff2(__u32 old, __u32 new)
{
	return (~old & 0xffff) + (new & 0xffff);
}

pb_inline __u64 pb_csum_diff4(__u32 old, __u32 new)
{
	return (__u64)(__u32)~old + new;
}

/* Of two addresses, as they are on the wire. */
pb_inline __u64 pb_csum_diff_addr(const struct pb_addr *old, const struct pb_addr *new, __u32 v6)
{
	__u64 sum = pb_csum_diff4(old->w[3], new->w[3]);

	if (v6)
		for (int i = 0; i < 3; i++)
			sum += pb_csum_diff4(old->w[i], new->w[i]);
	return sum;
}

/* The check field of which @diff is the difference of what it covers. */
pb_inline __u16 pb_csum_update(__u16 check, __u64 diff)
{
	return (__u16)~pb_csum_fold((__u64)(__u16)~check + pb_csum_fold(diff));
}

/* The same for UDP: over IPv4 0 means that there is none, and none is written as 0. */
pb_inline __u16 pb_csum_update_udp(__u16 check, __u64 diff, __u32 v6)
{
	if (!check && !v6)
		return 0;
	check = pb_csum_update(check, diff);
	return check ? check : 0xffff;
}

/* Sum of the pseudo header of a datagram of @len bytes, UDP header included; not folded. */
pb_inline __u64 pb_csum_pseudo_sum(const struct pb_addr *saddr, const struct pb_addr *daddr,
				   __u32 v6, __u32 len)
{
	__u64 sum = (__u64)saddr->w[3] + daddr->w[3] + pb_htons(PB_PROTO_UDP) + pb_htons(len);

	if (v6)
		for (int i = 0; i < 3; i++)
			sum += (__u64)saddr->w[i] + daddr->w[i];
	return sum;
}

pb_inline __u32 pb_csum_pseudo(const struct pb_addr *saddr, const struct pb_addr *daddr, __u32 v6,
			       __u32 len)
{
	return pb_csum_fold(pb_csum_pseudo_sum(saddr, daddr, v6, len));
}

/* The check field for a sum of everything, pseudo header included. */
pb_inline __u16 pb_csum_check(__u64 sum)
{
	__u16 check = (__u16)~pb_csum_fold(sum);

	return check ? check : 0xffff;
}

#endif /* PATCHBAY_MC_CSUM_H */
