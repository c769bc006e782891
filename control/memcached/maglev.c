// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Maglev (Eisenbud et al., NSDI 2016, 3.4) with weights: a server with half the weight of the heaviest
 * takes its turn every other time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/memcached/ring.h"
#include "control/util.h"

struct turn {
	size_t server;
	uint32_t offset; /* of its own order of the slots */
	uint32_t skip;
	uint32_t next; /* place in that order */
	uint64_t due;  /* weight that has to come together for the next turn */
};

/* By what follows from the names: the order of the list is of no account. */
static int by_order(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return x->skip < y->skip ? -1 : x->skip > y->skip;
}

static int set_out(struct turn *t, const __u64 key[2], const struct mcr_server *s)
{
	uint8_t k[PB_SIPHASH_KEY_LEN];
	char name[300];
	int n = s->name ? snprintf(name, sizeof(name), "%s", s->name)
			: snprintf(name, sizeof(name), "%s:%u", s->host, s->port);

	if (n < 0 || (size_t)n >= sizeof(name))
		return -EINVAL;
	memcpy(k, key, sizeof(k));
	t->offset = (uint32_t)(pb_siphash24(k, name, (uint32_t)n) % PB_MC_SLOTS);
	k[0] ^= 1;
	t->skip = (uint32_t)(pb_siphash24(k, name, (uint32_t)n) % (PB_MC_SLOTS - 1)) + 1;
	t->next = 0;
	t->due = 0;
	return 0;
}

/* The first slot in its order that nobody has. */
static void take(struct pb_mc_ring *ring, struct turn *t)
{
	uint32_t at;

	do {
		at = (uint32_t)((t->offset + (uint64_t)t->next++ * t->skip) % PB_MC_SLOTS);
	} while (ring->slot[at] != PB_MC_NOBODY);
	ring->slot[at] = (uint16_t)t->server;
}

static void fill(struct pb_mc_ring *ring, struct turn *turns, const struct mcr_server *servers,
		 size_t n, uint64_t heaviest)
{
	uint32_t left = PB_MC_SLOTS;

	for (uint64_t round = 1; left; round++)
		for (size_t i = 0; i < n && left; i++) {
			uint32_t weight = servers[turns[i].server].weight;

			if (!weight || round * weight < turns[i].due)
				continue;
			turns[i].due += heaviest;
			take(ring, &turns[i]);
			left--;
		}
}

int mcr_build_maglev(struct pb_mc_ring *ring, const __u64 key[2], const struct mcr_server *servers,
		     size_t n)
{
	_cleanup_free_ struct turn *turns = calloc(n ? n : 1, sizeof(*turns));
	uint64_t heaviest = 0;

	if (!turns)
		return -ENOMEM;
	ring->kind = PB_MC_MAGLEV;
	ring->n = 0;
	ring->servers = (uint32_t)n;
	memcpy(ring->key, key, sizeof(ring->key));
	if (n > PB_MC_SERVERS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < n; i++) {
		int err = set_out(&turns[i], key, &servers[i]);

		if (err)
			return err;
		turns[i].server = i;
		if (servers[i].weight > heaviest)
			heaviest = servers[i].weight;
	}
	qsort(turns, n, sizeof(*turns), by_order);
	for (uint32_t i = 0; i < PB_MC_SLOTS; i++)
		ring->slot[i] = PB_MC_NOBODY;
	if (!heaviest)
		return 0;
	fill(ring, turns, servers, n, heaviest);
	ring->n = PB_MC_SLOTS;
	return 0;
}
