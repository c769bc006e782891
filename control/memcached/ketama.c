// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The continuum of twemproxy and libmemcached.  Their arithmetic is kept to the letter, the floats
 * too: a point more or less moves keys.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/memcached/ring.h"

#define POINTS 160
#define POINTS_UNWEIGHTED 100
#define PORT 11211
#define NAME_MAX_LEN 290

static int by_value(const void *a, const void *b)
{
	const struct pb_mc_point *x = a, *y = b;

	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	return x->server < y->server ? -1 : x->server > y->server;
}

/* twemproxy says 0.0000000001, libmemcached the same as a float: neither changes anything. */
static uint32_t points_of(uint32_t weight, uint64_t total, uint32_t live)
{
	float pct = (float)weight / (float)total;

	return (uint32_t)(floorf((float)(pct * POINTS / 4 * (float)live + 0.0000000001)) * 4);
}

static int point_name(char *buf, size_t size, enum mcr_ketama whose, const struct mcr_server *s,
		      uint32_t i)
{
	int n;

	if (whose == MCR_SPYMEMCACHED)
		n = snprintf(buf, size, "/%s:%u-%u", s->host, s->port, i);
	else if (s->name && whose == MCR_TWEMPROXY)
		n = snprintf(buf, size, "%s-%u", s->name, i);
	else if (s->port == PORT)
		n = snprintf(buf, size, "%s-%u", s->host, i);
	else
		n = snprintf(buf, size, "%s:%u-%u", s->host, s->port, i);
	return n < 0 || (size_t)n >= size ? -EINVAL : n;
}

static int add_point(struct pb_mc_ring *ring, uint32_t value, size_t server)
{
	if (ring->n == PB_MC_POINTS_MAX)
		return -E2BIG;
	ring->point[ring->n++] = (struct pb_mc_point){ .value = value, .server = (uint16_t)server };
	return 0;
}

/* Number @i of the server's names: four points by MD5, or one by the keys' hash. */
static int add_points(struct pb_mc_ring *ring, enum mcr_ketama whose, const struct mcr_server *s,
		      size_t server, uint32_t i)
{
	static struct pb_mc_work work;
	char name[NAME_MAX_LEN];
	int n = point_name(name, sizeof(name), whose, s, i), err = 0;
	struct pb_mc_scan scan;

	if (n < 0)
		return n;
	scan = pb_mc_scan_init(name, name + n, (uint32_t)n, &work);
	if (whose == MCR_LIBMEMCACHED)
		return add_point(ring, pb_mc_hash(&scan, ring->hash, 0, (uint32_t)n), server);
	pb_mc_md5(&scan, 0, (uint32_t)n);
	for (int k = 0; k < 4 && !err; k++)
		err = add_point(ring, work.hash.md5[k], server);
	return err;
}

int mcr_build_ketama(struct pb_mc_ring *ring, enum mcr_ketama whose, uint32_t hash,
		     const struct mcr_server *servers, size_t n)
{
	uint64_t total = 0;
	uint32_t live = 0;

	ring->kind = PB_MC_KETAMA;
	ring->hash = hash;
	ring->n = 0;
	ring->servers = (uint32_t)n;
	if (n > PB_MC_SERVERS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < n; i++) {
		total += servers[i].weight;
		live += !!servers[i].weight;
	}
	for (size_t i = 0; i < n; i++) {
		uint32_t names = POINTS_UNWEIGHTED;

		if (!servers[i].weight)
			continue;
		if (whose != MCR_LIBMEMCACHED)
			names = points_of(servers[i].weight, total, live) / 4;
		for (uint32_t k = 0; k < names; k++) {
			int err = add_points(ring, whose, &servers[i], i, k);

			if (err)
				return err;
		}
	}
	qsort(ring->point, ring->n, sizeof(*ring->point), by_value);
	return 0;
}
