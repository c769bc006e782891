/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Hashes of keys: those of libmemcached and twemproxy, bit for bit as they are on x86, and a keyed one
 * of our own.  Pure; host and BPF.
 *
 * Theirs take a key's bytes as signed chars (FNV, one-at-a-time): a byte from 0x80 on counts with
 * its upper bits set.  Their 64-bit FNV-1a computes in 32 bits.
 */
#ifndef PATCHBAY_MC_HASH_H
#define PATCHBAY_MC_HASH_H

#include "mc_scan.h"
#include "siphash.h"

enum pb_mc_hash_algo {
	PB_MC_H_ONE_AT_A_TIME, /* libmemcached's default */
	PB_MC_H_MD5,	       /* libmemcached's with weights */
	PB_MC_H_CRC32,	       /* their variant, of 15 bits */
	PB_MC_H_CRC32A,	       /* the usual CRC-32 */
	PB_MC_H_FNV1_64,
	PB_MC_H_FNV1A_64, /* twemproxy's default */
	PB_MC_H_FNV1_32,
	PB_MC_H_FNV1A_32,
	PB_MC_HASHES
};

pb_inline __u32 pb_mc_crc_byte(__u32 crc, __u32 c)
{
	crc ^= c;
	for (int i = 0; i < 8; i++)
		crc = crc >> 1 ^ (0xedb88320u & -(crc & 1));
	return crc;
}

pb_inline __u64 pb_mc_hash_start(__u32 algo)
{
	switch (algo) {
	case PB_MC_H_FNV1_64: return 0xcbf29ce484222325ULL;
	case PB_MC_H_FNV1A_64: return 0x84222325u;
	case PB_MC_H_FNV1_32:
	case PB_MC_H_FNV1A_32: return 2166136261u;
	case PB_MC_H_CRC32:
	case PB_MC_H_CRC32A: return ~0u;
	}
	return 0;
}

pb_inline __u64 pb_mc_hash_byte(__u32 algo, __u64 h, __u32 byte)
{
	__s64 c = (__s64)byte - (byte & 0x80 ? 256 : 0);
	__u32 x = (__u32)h;

	switch (algo) {
	case PB_MC_H_FNV1_64: return h * 0x100000001b3ULL ^ (__u64)c;
	case PB_MC_H_FNV1A_64: return (x ^ (__u32)c) * 0x1b3u;
	case PB_MC_H_FNV1_32: return x * 16777619u ^ (__u32)c;
	case PB_MC_H_FNV1A_32: return (x ^ (__u32)c) * 16777619u;
	case PB_MC_H_CRC32:
	case PB_MC_H_CRC32A: return pb_mc_crc_byte(x, byte);
	}
	x += (__u32)c;
	x += x << 10;
	return x ^ x >> 6;
}

pb_inline __u32 pb_mc_hash_end(__u32 algo, __u64 h)
{
	__u32 x = (__u32)h;

	if (algo == PB_MC_H_CRC32)
		return ~x >> 16 & 0x7fff;
	if (algo == PB_MC_H_CRC32A)
		return ~x;
	if (algo != PB_MC_H_ONE_AT_A_TIME)
		return x;
	x += x << 3;
	x ^= x >> 11;
	return x + (x << 15);
}

static long pb_mc_hash_step(__u32 i, struct pb_mc_scan *s)
{
	struct pb_mc_hashing *h = &s->w->hash;

	if (i >= h->n)
		return 1;
	h->v[0] = pb_mc_hash_byte(h->algo, h->v[0], pb_mc_byte(s, h->off + i));
	return 0;
}

/* floor(2^32 * |sin(i + 1)|), RFC 1321 3.4 */
static const __u32 pb_mc_md5_sines[64] = {
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613,
	0xfd469501, 0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193,
	0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d,
	0x02441453, 0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed,
	0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a, 0xfffa3942, 0x8771f681, 0x6d9d6122,
	0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa,
	0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244,
	0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
	0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb,
	0xeb86d391,
};

/* Steps of 0..63: rounds of 16 with four rotations each. */
static long pb_mc_md5_step(__u32 i, struct pb_mc_scan *s)
{
	__u64 *v = s->w->hash.v;
	__u32 a = (__u32)v[0], b = (__u32)v[1], c = (__u32)v[2], d = (__u32)v[3], f, g;
	__u32 turns, turn; /* a round's rotations, a byte each */
	__u32 round = i >> 4 & 3;

	if (round == 0) {
		f = (b & c) | (~b & d);
		g = i;
		turns = 0x16110c07;
	} else if (round == 1) {
		f = (d & b) | (~d & c);
		g = 5 * i + 1;
		turns = 0x140e0905;
	} else if (round == 2) {
		f = b ^ c ^ d;
		g = 3 * i + 5;
		turns = 0x17100b04;
	} else {
		f = c ^ (b | ~d);
		g = 7 * i;
		turns = 0x150f0a06;
	}
	g &= 15;
	pb_mc_opaque(g);
	f += a + pb_mc_md5_sines[i & 63] + s->w->hash.block[g & 15];
	turn = turns >> (8 * (i & 3)) & 31;
	v[0] = d;
	v[3] = c;
	v[2] = b;
	v[1] = (__u32)(b + (f << turn | f >> (32 - turn)));
	return 0;
}

/* Word @i of the padded message that begins at byte @base: the key, 0x80, zeros, its length. */
static long pb_mc_md5_word(__u32 i, struct pb_mc_scan *s)
{
	struct pb_mc_hashing *h = &s->w->hash;
	__u32 at = h->from + 4 * (i & 15), left, x = 0;

	if (at < h->n) {
		left = h->n - at;
		x = (__u32)pb_mc_load8(s, h->off + at);
		if (left < 4)
			x = (x & ((1u << (8 * left)) - 1)) | 0x80u << (8 * left);
	} else if (at == h->n) {
		x = 0x80;
	}
	if ((i & 15) == 14 && h->n < h->from + 56)
		x = h->n * 8;
	h->block[i & 15] = x;
	return 0;
}

static long pb_mc_md5_block(__u32 i, struct pb_mc_scan *s)
{
	struct pb_mc_hashing *h = &s->w->hash;

	h->from = 64 * i;
	if (h->from >= h->n + 9)
		if (i)
			return 1;
	pb_loop(16, pb_mc_md5_word, s);
	for (int k = 0; k < 4; k++)
		h->v[k] = h->md5[k];
	pb_loop(64, pb_mc_md5_step, s);
	for (int k = 0; k < 4; k++)
		h->md5[k] += (__u32)h->v[k];
	return 0;
}

#define PB_MC_MD5_BLOCKS 6 /* 300 bytes: a key, or a host name with its number */

/* MD5 of the @n bytes at @off into w->hash.md5, little-endian words. */
pb_mc_fn __u32 pb_mc_md5(struct pb_mc_scan *s, __u32 off, __u32 n)
{
	struct pb_mc_hashing *h = &s->w->hash;

	h->off = off;
	h->n = n;
	h->md5[0] = 0x67452301;
	h->md5[1] = 0xefcdab89;
	h->md5[2] = 0x98badcfe;
	h->md5[3] = 0x10325476;
	pb_loop(PB_MC_MD5_BLOCKS, pb_mc_md5_block, s);
	return h->md5[0];
}

/* The 32-bit hash of the @n bytes (at most PB_MC_KEY_MAX) at @off. */
pb_mc_fn __u32 pb_mc_hash(struct pb_mc_scan *s, __u32 algo, __u32 off, __u32 n)
{
	struct pb_mc_hashing *h = &s->w->hash;

	if (algo == PB_MC_H_MD5)
		return pb_mc_md5(s, off, n);
	h->algo = algo;
	h->off = off;
	h->n = n;
	h->v[0] = pb_mc_hash_start(algo);
	pb_loop(PB_MC_KEY_MAX, pb_mc_hash_step, s);
	return pb_mc_hash_end(algo, h->v[0]);
}

static long pb_mc_digest_step(__u32 i, struct pb_mc_scan *s)
{
	struct pb_mc_hashing *h = &s->w->hash;
	struct pb_siphash sip = { { h->v[0], h->v[1], h->v[2], h->v[3] } };

	if (8 * i + 8 > h->n)
		return 1;
	pb_siphash_word(&sip, pb_mc_load8(s, h->off + 8 * i));
	for (int k = 0; k < 4; k++)
		h->v[k] = sip.v[k];
	return 0;
}

/* SipHash-2-4 of the @n bytes at @off: nobody who does not know the key can aim at a slot. */
pb_mc_fn __u64 pb_mc_digest(struct pb_mc_scan *s, const __u64 key[2], __u32 off, __u32 n)
{
	struct pb_mc_hashing *h = &s->w->hash;
	struct pb_siphash sip = pb_siphash_init(key[0], key[1]);
	__u64 tail;

	h->off = off;
	h->n = n;
	for (int k = 0; k < 4; k++)
		h->v[k] = sip.v[k];
	pb_loop(PB_MC_KEY_MAX / 8 + 1, pb_mc_digest_step, s);
	for (int k = 0; k < 4; k++)
		sip.v[k] = h->v[k];
	tail = pb_mc_load8(s, off + (n & ~7u));
	tail &= (1ULL << (8 * (n & 7))) - 1;
	return pb_siphash_end(&sip, tail | (__u64)n << 56);
}

static long pb_mc_tag_step(__u32 i, struct pb_mc_scan *s)
{
	struct pb_mc_hashing *h = &s->w->hash;
	__u32 c;

	if (i >= h->n)
		return 1;
	c = pb_mc_byte(s, h->off + i);
	if (!h->from) {
		if (c == (h->tag & 0xff))
			h->from = i + 1;
		return 0;
	}
	if (c != h->tag >> 8)
		return 0;
	h->to = i;
	return 1;
}

/* The part of a key between the two bytes of @tag (first one lowest), if it has such a part that is
 * not empty: w->hash.off and w->hash.n tell.  As twemproxy's hash_tag. */
pb_mc_fn __u32 pb_mc_tag(struct pb_mc_scan *s, __u32 tag, __u32 off, __u32 n)
{
	struct pb_mc_hashing *h = &s->w->hash;

	h->off = off;
	h->n = n;
	h->tag = tag;
	h->from = 0;
	h->to = 0;
	if (tag)
		pb_loop(PB_MC_KEY_MAX, pb_mc_tag_step, s);
	if (h->to > h->from) {
		h->off = off + h->from;
		h->n = h->to - h->from;
	}
	return h->n;
}

#endif /* PATCHBAY_MC_HASH_H */
