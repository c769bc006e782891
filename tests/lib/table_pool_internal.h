/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TABLE_POOL_INTERNAL_H
#define TABLE_POOL_INTERNAL_H

#include "table_pool.h"

#define TPOOL_LATEST 20000 /* ms; later ones count as that */

struct tpool_ask {
	struct tpool_ask *next;
	uint64_t at;
	uint32_t id, from, to;
	size_t n;
	uint8_t p[];
};

struct tpool_node {
	struct tpool *pool;
	struct tbl *t;
	unsigned i;
	uint32_t seq; /* of its endpoint */
};

struct tpool {
	struct gsim *g;
	unsigned n;
	bool ready;
	struct tpool_node *node;
	struct tpool_ask *asks;
	uint64_t ask_bytes, n_asks, deltas, delta_bytes;

	/* a run under load */
	uint16_t *seen; /* [node][owner]: sequence shown */
	uint64_t *born; /* [owner][sequence] */
	uint32_t max_seq;
	uint64_t *lat; /* [ms]: so many pairs */
	uint64_t arrived;
};

struct tbl_id tpool_id(unsigned i);
void tpool_put(struct tpool *p, unsigned i, uint8_t kind, uint32_t seq);
void tpool_change(void *arg, const struct tbl_owner *o, enum tbl_change what,
		  const struct tbl_record *r, const struct tbl_record *was);

#endif /* TABLE_POOL_INTERNAL_H */
