/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A key in a packet: copied by words, so that it is compared by words, and its digest, in one pass.
 * Whatever decides how far a loop goes is read from memory again behind it: the verifier would else
 * walk all that follows once for each of 32 lengths.
 */
#ifndef PB_MC_KEY_BPF_H
#define PB_MC_KEY_BPF_H

#include <patchbay/mc_digest.h>

#include "mc_maps.bpf.h"

/* Eight bytes as they are, at any address: to the compiler they would be eight loads. */
#define mc_word_at(p) (*(volatile __u64 *)(p))

/* The packet from @off on; an empty one if there is nothing. */
static __always_inline const __u8 *mc_key_from(const struct pb_mc_scan *s, __u32 off)
{
	if (off >= PB_MC_OFF_MAX)
		off = 0;
	pb_mc_opaque(off);
	if (off >= PB_MC_OFF_MAX)
		off = 0;
	return s->data + off;
}

/* The @n (1..7) bytes that end at @to.  There are eight: before the shortest key stands its verb. */
static __always_inline __u64 mc_key_tail(const struct pb_mc_scan *s, __u32 to, __u32 n)
{
	__u32 off = to - 8;
	const __u8 *p;

	if (off >= PB_MC_OFF_MAX)
		return pb_mc_load8(s, to - n) & ((1ULL << (8 * n)) - 1);
	pb_mc_opaque(off);
	if (off >= PB_MC_OFF_MAX)
		return 0;
	p = s->data + off;
	return p + 8 <= s->end ? mc_word_at(p) >> (64 - 8 * n) : 0;
}

/* The @n bytes at @off of the message as the key: digest, set, seek.key.  0: they are none. */
pb_mc_fn int mc_cache_key(struct pb_mc_job *job, const struct pb_mc_service *svc,
			  const struct pb_mc_scan *s, __u32 off, __u32 n)
{
	struct pb_mc_digest d = pb_mc_digest_init(svc->key, n);
	const __u8 *p = mc_key_from(s, off), *end = s->end;
	__u32 left;
	__u64 x;

	if (n - 1 >= PB_MC_KEY_MAX || off + n > s->w->len || mc_key_from(s, off + n) > end)
		return 0;
	job->seek.key_len = n;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < PB_MC_KEY_WORDS - 1; i++) {
		if (8 * i + 8 > n)
			break;
		if (p + 8 * i + 8 > end)
			break;
		x = mc_word_at(p + 8 * i);
		job->seek.key[i] = x;
		pb_mc_digest_word(&d, x);
	}
	n = pb_mc_once(job->seek.key_len);
	left = n & 7;
	if (left) {
		x = mc_key_tail(s, off + n, left);
		job->seek.key[n >> 3 & (PB_MC_KEY_WORDS - 1)] = x;
		pb_mc_digest_word(&d, x);
	}
	job->digest = pb_mc_digest_end(&d);
	job->set = pb_mc_set_of(job->digest, svc->sets);
	return 1;
}

/* A bit of PB_MC_ONES << 7 if one of the eight bytes is a space or less: all that end a word are. */
static __always_inline __u64 mc_key_low(__u64 x)
{
	return (x - PB_MC_ONES * (' ' + 1)) & ~x;
}

/*
 * The message that most are, "get KEY\r\n" and nothing else: pb_mc_plain_get() and mc_cache_key() in
 * one pass.  0: another one, or a key with control characters.
 */
static __always_inline int mc_key_plain(struct pb_mc_job *job, const struct pb_mc_service *svc,
					const struct pb_mc_scan *s)
{
	const __u32 get = (__u32)PB_MC_W('g', 'e', 't', ' ', 0, 0, 0, 0);
	__u32 len = s->w->len, n = len - 6, left;
	struct pb_mc_digest d = pb_mc_digest_init(svc->key, n);
	const __u8 *p = s->data, *end = s->end;
	__u64 low = 0, x;

	if (n - 1 >= PB_MC_KEY_MAX || p + 4 > end || *(const __u32 *)p != get)
		return 0;
	p += 4;
	job->seek.key_len = n;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < PB_MC_KEY_WORDS - 1; i++) {
		if (8 * i + 8 > n)
			break;
		if (p + 8 * i + 8 > end)
			break;
		x = mc_word_at(p + 8 * i);
		job->seek.key[i] = x;
		low |= mc_key_low(x);
		pb_mc_digest_word(&d, x);
	}
	n = pb_mc_once(job->seek.key_len);
	left = n & 7;
	if (left) {
		x = mc_key_tail(s, 4 + n, left);
		job->seek.key[n >> 3 & (PB_MC_KEY_WORDS - 1)] = x;
		low |= mc_key_low(x | ~0ULL << (8 * left));
		pb_mc_digest_word(&d, x);
	}
	p = mc_key_from(s, n + 4);
	if (low & ~PB_MC_LOW7 || p + 2 > end || *(const __u16 *)p != ('\n' << 8 | '\r'))
		return 0;
	job->digest = pb_mc_digest_end(&d);
	job->set = pb_mc_set_of(job->digest, svc->sets);
	return 1;
}

/* The request that mc_key_plain() found: whoever answers it needs no more than the key. */
static __always_inline void mc_key_request(struct pb_mc_job *job)
{
	struct pb_mc_req *r = &job->work.req;
	__u32 n = job->seek.key_len;

	*r = (struct pb_mc_req){ .kind = PB_MC_GET, .step = PB_MC_STEP_READ, .key_off = 4 };
	r->key_len = n;
	r->keys = 1;
	r->next = r->more = n + 6;
}

pb_mc_fn int mc_cache_plain(struct pb_mc_job *job, const struct pb_mc_service *svc,
			    const struct pb_mc_scan *s)
{
	if (!mc_key_plain(job, svc, s))
		return 0;
	mc_key_request(job);
	return 1;
}

/* The same for the key that pb_mc_b64_key() decoded: @n bytes in work.key. */
pb_mc_fn int mc_cache_key_b64(struct pb_mc_job *job, const struct pb_mc_service *svc, __u32 n)
{
	struct pb_mc_digest d = pb_mc_digest_init(svc->key, n);
	__u64 x;

	if (n - 1 >= PB_MC_B64_OUT)
		return 0;
	job->seek.key_len = n;
	for (__u32 i = 0; i < PB_MC_B64_OUT / 8; i++) {
		if (8 * i >= n)
			break;
		x = mc_word_at(job->work.key + 8 * i);
		if (n - 8 * i < 8)
			x &= (1ULL << (8 * (n - 8 * i))) - 1;
		job->seek.key[i] = x;
		pb_mc_digest_word(&d, x);
	}
	job->digest = pb_mc_digest_end(&d);
	job->set = pb_mc_set_of(job->digest, svc->sets);
	return 1;
}

/* Is it that of this value? */
static __always_inline int mc_key_same(const struct pb_mc_job *job, const struct pb_mc_value *v)
{
	const __u8 *data = v->data + sizeof("VALUE ") - 1;
	__u32 n = job->seek.key_len, left;
	__u64 diff = n ^ pb_mc_once(v->key_len);

#pragma clang loop unroll(full)
	for (__u32 i = 0; i < PB_MC_KEY_WORDS - 1; i++) {
		if (8 * i + 8 > n)
			break;
		diff |= job->seek.key[i] ^ mc_word_at(data + 8 * i);
	}
	n = pb_mc_once(job->seek.key_len);
	left = n & 7;
	n = n >> 3 & (PB_MC_KEY_WORDS - 1);
	if (left)
		diff |= (job->seek.key[n] ^ mc_word_at(data + 8 * n)) << (64 - 8 * left);
	return !diff;
}

#endif /* PB_MC_KEY_BPF_H */
