/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Figures of a large simulated pool: how long news take to reach all, and what they cost. */
#ifndef GOSSIP_FIGURES_H
#define GOSSIP_FIGURES_H

#include "gossip_sim.h"

struct gfig_pool;

struct gfig {
	unsigned of, reached;		 /* nodes */
	uint64_t p50, p99, max;		 /* ms until it had reached them */
	double packets, bytes, streams;	 /* per second and node, meanwhile; streams in bytes */
	unsigned queued, records_queued; /* of any node, the most there ever were */
};

/* Every node knows every other one; boot: nobody does, and the pool is yet to form. */
struct gfig_pool *gfig_new(unsigned nodes, uint64_t seed, struct gsim_net net, bool boot);
void gfig_free(struct gfig_pool *p);
struct gsim *gfig_sim(struct gfig_pool *p);
unsigned gfig_false_deaths(const struct gfig_pool *p); /* events of live nodes called dead */

struct gfig gfig_idle(struct gfig_pool *p, uint64_t ms);
struct gfig gfig_update(struct gfig_pool *p, unsigned i); /* node i has a new tag */
struct gfig gfig_record(struct gfig_pool *p, unsigned i); /* node i publishes a record */
struct gfig gfig_death(struct gfig_pool *p, unsigned i);
/* Until all nodes see all others; p50 and p99 mean nothing. */
struct gfig gfig_whole(struct gfig_pool *p, uint64_t ms);
/* Records of 150 bytes, at a rate, for s seconds; reached is the permille of what should have
 * come everywhere, max the longest any took. */
struct gfig gfig_load(struct gfig_pool *p, unsigned per_s, unsigned s);

void gfig_print(const char *what, const struct gfig *f);

#endif /* GOSSIP_FIGURES_H */
