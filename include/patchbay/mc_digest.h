/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The digest that the cache knows a key by, under a secret of the service.  Pure; host and BPF.
 *
 * A sum of products (as NH in UMAC, RFC 4418, and wyhash): to each word a secret of its place is
 * added, and its halves are multiplied.  What another word must be to make up for a difference
 * depends on the secrets.  The products do not wait for each other, as SipHash's rounds do, which
 * proves more and costs 25 to 100 ns more a packet.  Less is at stake here: keys of one digest are
 * told apart by their bytes; they only share versions, as all keys of a set do.
 */
#ifndef PATCHBAY_MC_DIGEST_H
#define PATCHBAY_MC_DIGEST_H

#include "types.h"

struct pb_mc_digest {
	__u64 sum;
	__u64 place; /* secret of the next word's place */
	__u64 step;
};

pb_inline struct pb_mc_digest pb_mc_digest_init(const __u64 secret[2], __u32 n)
{
	struct pb_mc_digest d = { n * 0x9e3779b97f4a7c15ULL, secret[0], secret[1] };

	return d;
}

/* @x: eight bytes of the key, the first one lowest; the last word is filled up with zeros. */
pb_inline void pb_mc_digest_word(struct pb_mc_digest *d, __u64 x)
{
	x += d->place;
	d->place += d->step;
	d->sum += (x & 0xffffffff) * (x >> 32) + x; /* x: for where one half is 0 */
}

/* Never 0: that is no key's. */
pb_inline __u64 pb_mc_digest_end(const struct pb_mc_digest *d)
{
	__u64 h = d->sum ^ d->sum >> 32;

	h *= 0xff51afd7ed558ccdULL;
	h ^= h >> 32;
	return h ? h : 1;
}

/* The set of a service that has @sets of them. */
pb_inline __u32 pb_mc_set_of(__u64 digest, __u32 sets)
{
	return (__u32)((digest >> 32) * sets >> 32);
}

#ifndef __bpf__
pb_inline __u64 pb_mc_key_digest(const __u64 secret[2], const void *key, __u32 n)
{
	struct pb_mc_digest d = pb_mc_digest_init(secret, n);
	const __u8 *p = key;

	for (__u32 at = 0; at < n; at += 8) {
		__u64 x = 0;

		for (__u32 i = 0; i < 8 && at + i < n; i++)
			x |= (__u64)p[at + i] << (8 * i);
		pb_mc_digest_word(&d, x);
	}
	return pb_mc_digest_end(&d);
}
#endif

#endif /* PATCHBAY_MC_DIGEST_H */
