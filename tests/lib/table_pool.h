/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tables above the simulated gossip of gossip_sim.h: how long an update takes to be in the view of
 * all nodes, and what that costs.
 */
#ifndef TABLE_POOL_H
#define TABLE_POOL_H

#include "gossip_sim.h"

#include "control/table/table.h"

struct tpool;

struct tpool_fig {
	unsigned updates;
	uint64_t pairs, arrived; /* update and node */
	uint64_t p50, p99, max;	 /* ms from tbl_put() to the view of a node */
	double packets, bytes;	 /* per second and node: datagrams, before encryption */
	double streams;		 /* bytes per second and node: requests, answers, push/pull */
	double asks;		 /* requests per second and node */
	unsigned queue_first, queue_last, queue_peak; /* records queued on the busiest node */
	uint64_t bytes_delta;			      /* of one delta, on average */
};

/* All know each other, and what each says: itself, one application, one endpoint. */
struct tpool *tpool_new(unsigned nodes, uint64_t seed, struct gsim_net net);
void tpool_free(struct tpool *p);
void tpool_run(struct tpool *p, uint64_t ms);
struct tbl *tpool_table(struct tpool *p, unsigned i);
struct gsim *tpool_sim(struct tpool *p);

/* per_s updates a second for s seconds by nodes at random, then up to grace ms for the rest. */
struct tpool_fig tpool_load(struct tpool *p, unsigned per_s, unsigned s, uint64_t grace);
/* Have all live ones the same hash? */
bool tpool_alike(struct tpool *p);
/* How many nodes show something of node i. */
unsigned tpool_showing(struct tpool *p, unsigned i);
void tpool_print(const char *what, const struct tpool_fig *f);

#endif /* TABLE_POOL_H */
