/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SipHash-2-4, a keyed 64-bit hash for short inputs.  Pure; host and BPF.
 * Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012.
 *
 * Kernel programs feed whole words (pb_siphash_word, pb_siphash_end), which needs
 * no loop; pb_siphash24() takes bytes and wants a constant length there.
 */
#ifndef PATCHBAY_SIPHASH_H
#define PATCHBAY_SIPHASH_H

#include "types.h"

#define PB_SIPHASH_KEY_LEN 16

struct pb_siphash {
	__u64 v[4];
};

pb_inline __u64 pb_rotl64(__u64 x, __u32 n)
{
	return (x << n) | (x >> (64 - n));
}

pb_inline void pb_siphash_round(struct pb_siphash *s)
{
	s->v[0] += s->v[1];
	s->v[1] = pb_rotl64(s->v[1], 13) ^ s->v[0];
	s->v[0] = pb_rotl64(s->v[0], 32);
	s->v[2] += s->v[3];
	s->v[3] = pb_rotl64(s->v[3], 16) ^ s->v[2];
	s->v[0] += s->v[3];
	s->v[3] = pb_rotl64(s->v[3], 21) ^ s->v[0];
	s->v[2] += s->v[1];
	s->v[1] = pb_rotl64(s->v[1], 17) ^ s->v[2];
	s->v[2] = pb_rotl64(s->v[2], 32);
}

pb_inline struct pb_siphash pb_siphash_init(__u64 k0, __u64 k1)
{
	struct pb_siphash s = { {
		k0 ^ 0x736f6d6570736575ULL,
		k1 ^ 0x646f72616e646f6dULL,
		k0 ^ 0x6c7967656e657261ULL,
		k1 ^ 0x7465646279746573ULL,
	} };

	return s;
}

pb_inline void pb_siphash_word(struct pb_siphash *s, __u64 m)
{
	s->v[3] ^= m;
	pb_siphash_round(s);
	pb_siphash_round(s);
	s->v[0] ^= m;
}

/* @last: the up to seven bytes that fill no word, little endian, and the total
 * length in bytes in its top byte. */
pb_inline __u64 pb_siphash_end(struct pb_siphash *s, __u64 last)
{
	pb_siphash_word(s, last);
	s->v[2] ^= 0xff;
	pb_siphash_round(s);
	pb_siphash_round(s);
	pb_siphash_round(s);
	pb_siphash_round(s);
	return s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3];
}

/* The first @n (0..8) bytes at @p as a little-endian number. */
pb_inline __u64 pb_siphash_load(const __u8 *p, __u32 n)
{
	__u64 x = 0;

	for (__u32 i = 0; i < n; i++)
		x |= (__u64)p[i] << (8 * i);
	return x;
}

pb_inline __u64 pb_siphash24(const __u8 key[PB_SIPHASH_KEY_LEN], const void *data, __u32 len)
{
	struct pb_siphash s = pb_siphash_init(pb_siphash_load(key, 8), pb_siphash_load(key + 8, 8));
	const __u8 *p = data;
	__u32 whole = len & ~7u;

	for (__u32 i = 0; i < whole; i += 8)
		pb_siphash_word(&s, pb_siphash_load(p + i, 8));
	return pb_siphash_end(&s, pb_siphash_load(p + whole, len - whole) | (__u64)len << 56);
}

#endif /* PATCHBAY_SIPHASH_H */
