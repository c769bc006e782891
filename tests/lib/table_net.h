/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A few tables in one process, with a network that loses, doubles, delays and parts, and a
 * membership that is told.  Everything follows from the seed.  Each node keeps a mirror of its view,
 * made from the callbacks alone.
 */
#ifndef TABLE_NET_H
#define TABLE_NET_H

#include "control/table/table.h"

#define TNET_NODES 16
#define TNET_UNIX 1790000000000ULL
#define TNET_STEP 20 /* ms */

struct tnet;

struct tnet_mirror {
	uint64_t number;
	struct tbl_record r;
};

struct tnet_msg {
	struct tnet_msg *next;
	uint64_t at, key;
	uint32_t id, from, to, gen;
	uint8_t kind; /* delta, request, answer */
	int err;
	size_t n;
	uint8_t p[];
};

struct tnet_queued {
	struct tnet_queued *next;
	uint64_t key;
	unsigned left; /* rounds */
	size_t n;
	uint8_t p[];
};

struct tnet_node {
	struct tnet *net;
	struct tbl *t;
	uint32_t i, gen;
	unsigned group;
	uint64_t epoch; /* on its disk */
	int64_t clock;	/* ms it is ahead when it starts */
	struct tnet_queued *queue;
	struct tnet_mirror *mirror;
	size_t n_mirror, cap_mirror;
	unsigned notes[TBL_N_FULL + 1];
	char why[TBL_WHY_LEN]; /* of the last note */
	unsigned broken;       /* callbacks that make no sense */
	char broken_why[128];
	unsigned sent, asked, heard;
	const char *(*allowed)(const struct tbl_owner *o, const struct tbl_record *r);
};

struct tnet {
	struct tnet_node node[TNET_NODES];
	unsigned n;
	uint64_t now, rng;
	unsigned loss, twice, late;		/* permille; late: by up to 2 s */
	bool no_gossip, no_hash, no_sync, full; /* full: gossip takes nothing */
	void (*tune)(struct tbl_conf *conf);
	void (*on_send)(struct tnet_node *k, const uint8_t *p, size_t n, enum tbl_how how);
	struct tnet_msg *flying;
	uint64_t bytes;
};

void tnet_init(struct tnet *net, unsigned n, uint64_t seed);
void tnet_fini(struct tnet *net);
uint32_t tnet_below(struct tnet *net, uint32_t n);
struct tbl_id tnet_id(unsigned i);
void tnet_start(struct tnet *net, unsigned i); /* and everybody reachable is told */
void tnet_crash(struct tnet *net, unsigned i);
void tnet_group(struct tnet *net, unsigned i, unsigned group); /* membership follows */
void tnet_run(struct tnet *net, uint64_t ms);
/* Until all that are up have the same hash for a second and nobody is behind. */
bool tnet_settle(struct tnet *net, uint64_t ms);
/* Is the same shown everywhere, and what owners say?  Else *ret_why, static. */
bool tnet_same(struct tnet *net, const char **ret_why);

/* Records that are in order; x varies them. */
struct tbl_record tnet_node_rec(unsigned i);
struct tbl_record tnet_app(unsigned i, uint32_t id, unsigned x);
struct tbl_record tnet_endpoint(uint32_t id, uint32_t app, unsigned x);
void tnet_put(struct tnet *net, unsigned i, struct tbl_record r);
void tnet_del(struct tnet *net, unsigned i, enum tbl_kind kind, uint32_t id);
/* What i's mirror has of j's under that name; NULL: nothing. */
const struct tbl_record *tnet_see(struct tnet *net, unsigned i, unsigned j, enum tbl_kind kind,
				  uint32_t id);
unsigned tnet_seen(struct tnet *net, unsigned i, unsigned j); /* how many records */

#endif /* TABLE_NET_H */
