/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Weights by repetition: an entry of pb_rservice drawn at random is a weighted choice. */
#include "cluster_view.h"

static uint32_t gcd(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

static uint32_t weight_of(const struct pb_weighed *e)
{
	return e->weight < 1 ? 1 : e->weight > 100 ? 100 : e->weight;
}

/* How often @e is in it, of @sum at all: exact where that fits, else scaled, but at least once. */
static uint32_t share(const struct pb_weighed *e, unsigned n, uint32_t unit, uint32_t sum)
{
	uint32_t w = weight_of(e) / unit;

	/* one each is certain, the rest is shared out and rounded down: never more than fit */
	return sum <= PB_RSLOTS ? w : 1 + (uint32_t)((uint64_t)w * (PB_RSLOTS - n) / sum);
}

unsigned pb_weigh(const struct pb_weighed *e, unsigned n, uint32_t from, struct pb_rservice *ret)
{
	unsigned used = n < PB_RSLOTS ? n : PB_RSLOTS;
	struct pb_rservice s = { .endpoints = used };
	uint32_t unit = 0, sum = 0;

	for (unsigned i = 0; i < used; i++)
		unit = gcd(weight_of(&e[n > PB_RSLOTS ? (from + i) % n : i]), unit);
	for (unsigned i = 0; i < used; i++)
		sum += weight_of(&e[n > PB_RSLOTS ? (from + i) % n : i]) / unit;
	for (unsigned i = 0; i < used; i++) {
		const struct pb_weighed *at = &e[n > PB_RSLOTS ? (from + i) % n : i];

		for (uint32_t k = share(at, used, unit, sum); k && s.n < PB_RSLOTS; k--)
			s.index[s.n++] = at->index;
	}
	*ret = s;
	return s.n;
}
