/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Bit picking without compiler builtins BPF lacks.  Pure. */
#ifndef PATCHBAY_BITS_H
#define PATCHBAY_BITS_H

#include "types.h"

pb_inline __u32 pb_popcount64(__u64 x)
{
	x -= (x >> 1) & 0x5555555555555555ULL;
	x = (x & 0x3333333333333333ULL) + ((x >> 2) & 0x3333333333333333ULL);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return (x * 0x0101010101010101ULL) >> 56;
}

/* Position of the lowest set bit; 64 for 0. */
pb_inline __u32 pb_ctz64(__u64 x)
{
	return pb_popcount64(~x & (x - 1));
}

/* Position of the @n-th (from 0) set bit of @x, by halving; @x has more than @n bits set. */
pb_inline __u32 pb_nth_bit64(__u64 x, __u32 n)
{
	__u32 pos = 0;

	for (__u32 half = 32; half; half >>= 1) {
		__u64 low = x & ((1ULL << half) - 1);
		__u32 c = pb_popcount64(low);

		if (n >= c) {
			n -= c;
			pos += half;
			x >>= half;
		} else {
			x = low;
		}
	}
	return pos & 63;
}

#endif /* PATCHBAY_BITS_H */
