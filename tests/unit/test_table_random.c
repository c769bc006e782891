/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Random programs on a few replicas, with a bad network: in the end all show the same, and what
 * owners deleted is nowhere.  PB_SEED=n runs one, PB_SEEDS=n so many.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "table_net.h"

#define SEEDS 1000
#define APPS 3
#define ENDPOINTS 16

/* Few deletions are remembered, so that snapshots are needed. */
static void tune(struct tbl_conf *conf)
{
	conf->deletes = 2;
	conf->bucket_owners = 3;
	conf->keep_ms = 4000;
	conf->park_ms = 5000;
	conf->delta_max = 400;
}

static void say_all(struct tnet *net, unsigned i)
{
	tnet_put(net, i, tnet_node_rec(i));
	for (uint32_t a = 0; a < APPS; a++)
		tnet_put(net, i, tnet_app(i, a, tnet_below(net, 64)));
	tbl_flush(net->node[i].t, TBL_OWN, net->now);
}

static void change(struct tnet *net, unsigned i)
{
	uint32_t id = tnet_below(net, ENDPOINTS);

	switch (tnet_below(net, 8)) {
	case 0: tnet_put(net, i, tnet_app(i, id % APPS, tnet_below(net, 64))); break;
	case 1: tnet_del(net, i, TBL_APP, id % APPS); break;
	case 2:
	case 3: tnet_del(net, i, TBL_ENDPOINT, id); break;
	case 4: tbl_flush(net->node[i].t, TBL_OWN_NOW, net->now); break;
	default: tnet_put(net, i, tnet_endpoint(id, id % APPS, tnet_below(net, 1000)));
	}
}

static void disturb(struct tnet *net, unsigned i)
{
	switch (tnet_below(net, 12)) {
	case 0: net->loss = tnet_below(net, 2) * tnet_below(net, 600); break;
	case 1: net->late = tnet_below(net, 2) * tnet_below(net, 800); break;
	case 2: tnet_group(net, i, tnet_below(net, 2)); break;
	case 3: tnet_group(net, i, 0); break;
	case 4:
		tnet_crash(net, i);
		if (tnet_below(net, 2)) { /* the disk, too, and perhaps the clock */
			net->node[i].epoch = 0;
			net->node[i].clock = -60000 * (int64_t)tnet_below(net, 2);
		}
		break;
	default: break;
	}
}

static void act(struct tnet *net)
{
	unsigned i = tnet_below(net, net->n);

	if (!net->node[i].t) {
		tnet_start(net, i);
		say_all(net, i);
	}
	for (unsigned n = tnet_below(net, 6); n; n--)
		change(net, i);
	disturb(net, i);
	tnet_run(net, tnet_below(net, 400));
}

static void heal(struct tnet *net)
{
	net->loss = net->late = net->twice = 0;
	for (unsigned i = 0; i < net->n; i++) {
		if (!net->node[i].t) {
			tnet_start(net, i);
			say_all(net, i);
		}
		tnet_group(net, i, 0);
	}
}

/* What the programs went through: else they would show nothing. */
static struct tbl_stats been;

static void count(const struct tnet *net)
{
	struct tbl_stats s;

	for (unsigned i = 0; i < net->n; i++) {
		tbl_stats(net->node[i].t, &s);
#define X(name, text) been.name += s.name;
		TBL_COUNTERS(X)
#undef X
	}
}

static void program(uint64_t seed)
{
	struct tnet net;
	const char *why;

	tnet_init(&net, 3 + (unsigned)(seed % 4), seed);
	net.tune = tune;
	net.twice = 100;
	for (unsigned i = 0; i < net.n; i++) {
		tnet_start(&net, i);
		say_all(&net, i);
	}
	for (unsigned n = 15 + tnet_below(&net, 25); n; n--)
		act(&net);
	heal(&net);
	cr_assert(tnet_settle(&net, 60000), "seed %lu: hashes do not become equal",
		  (unsigned long)seed);
	cr_assert(tnet_same(&net, &why), "seed %lu: %s", (unsigned long)seed, why);
	count(&net);
	tnet_fini(&net);
}

Test(table_random, programs, .timeout = 600)
{
	const char *one = getenv("PB_SEED"), *many = getenv("PB_SEEDS");
	uint64_t n = many ? strtoull(many, NULL, 0) : SEEDS;

	if (one)
		program(strtoull(one, NULL, 0));
	for (uint64_t seed = 1; !one && seed <= n; seed++)
		program(seed);
	if (one || n < SEEDS)
		return;
	cr_expect(been.gaps && been.snapshots_in && been.asks && been.asks_failed);
	cr_expect(been.lost && been.clones && been.parked && been.stale);
#define X(name, text) \
	if (been.name) \
		fprintf(stderr, "# %s %lu\n", #name, (unsigned long)been.name);
	TBL_COUNTERS(X)
#undef X
}
