// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The streams: what stands at each position, and where bytes belong that stand at a wrong one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tort.h"

#define GOLDEN 0x9e3779b97f4a7c15ULL
#define SEARCH (256UL << 20) /* bytes of a stream that are searched */
#define NEEDLE 12	     /* bytes that say where they belong */

static uint64_t scramble(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

uint64_t tt_mix(uint64_t a, uint64_t b)
{
	return scramble(a + GOLDEN * (scramble(b) | 1));
}

uint64_t rng_next(struct rng *r)
{
	r->state += GOLDEN;
	return scramble(r->state);
}

uint64_t rng_upto(struct rng *r, uint64_t n)
{
	return n ? 1 + rng_next(r) % n : 0;
}

/* Sizes at which kernels change their minds come more often. */
size_t rng_size(struct rng *r, size_t max)
{
	static const size_t border[] = { 1,	1023,  1024,  1448,  4095,  4096,   16384,
					 32768, 65483, 65535, 65536, 65537, 261120, 262144 };
	unsigned bits = 1;
	size_t n;

	while (bits < 63 && max >> bits)
		bits++;
	if (rng_next(r) % 8 == 0)
		n = border[rng_next(r) % TT_COUNT(border)];
	else
		n = rng_upto(r, 1UL << rng_next(r) % (bits + 1));
	return n < max ? n : max;
}

static uint64_t word_at(uint64_t seed, uint64_t i)
{
	return scramble(seed + GOLDEN * (i + 1));
}

void strm_fill(const struct strm *s, void *buf, size_t n)
{
	uint64_t pos = s->pos, word;
	char *to = buf;

	while (n) {
		size_t off = pos % 8, k = 8 - off < n ? 8 - off : n;

		word = word_at(s->seed, pos / 8);
		if (k == 8)
			memcpy(to, &word, 8);
		else
			memcpy(to, (char *)&word + off, k);
		to += k;
		pos += k;
		n -= k;
	}
}

/* Where in the stream the bytes stand; SEARCH: nowhere. */
static uint64_t belongs(const struct strm *s, const void *bytes, size_t n)
{
	enum { CHUNK = 1 << 16 };
	static char buf[CHUNK + NEEDLE];
	struct strm at = { .seed = s->seed };

	for (; at.pos < SEARCH; at.pos += CHUNK) {
		char *hit;

		strm_fill(&at, buf, sizeof(buf));
		hit = memmem(buf, sizeof(buf), bytes, n);
		if (hit)
			return at.pos + (hit - buf);
	}
	return SEARCH;
}

__attribute__((noreturn)) static void mismatch(struct end *e, const struct strm *s,
					       const unsigned char *got, const unsigned char *want,
					       size_t n)
{
	char hex[2 * NEEDLE + 1], should[2 * NEEDLE + 1], where[96] = "too few bytes to say whose";
	size_t show = n < NEEDLE ? n : NEEDLE;

	for (size_t i = 0; i < show; i++) {
		snprintf(hex + 2 * i, 3, "%02x", got[i]);
		snprintf(should + 2 * i, 3, "%02x", want[i]);
	}
	if (show >= 6) {
		uint64_t own = belongs(s, got, show);

		if (own < SEARCH)
			snprintf(where, sizeof(where), "it belongs at %llu, %+lld bytes away",
				 (unsigned long long)own, (long long)(own - s->pos));
		else
			snprintf(where, sizeof(where), "it stands nowhere in the first %lu MB",
				 SEARCH >> 20);
	}
	end_die(e, "first wrong byte at offset %llu: got %s, want %s; %s",
		(unsigned long long)s->pos, hex, should, where);
}

void strm_check(struct end *e, struct strm *s, const void *buf, size_t n)
{
	unsigned char want[4096];
	const unsigned char *got = buf;

	while (n) {
		size_t k = n < sizeof(want) ? n : sizeof(want), bad = 0;

		strm_fill(s, want, k);
		if (memcmp(got, want, k)) {
			while (got[bad] == want[bad])
				bad++;
			s->pos += bad;
			mismatch(e, s, got + bad, want + bad, k - bad);
		}
		s->pos += k;
		got += k;
		n -= k;
	}
}
