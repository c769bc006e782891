/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Merging: in any order, more than once, in parts, the same comes out. */
#include "test_table.h"

struct content {
	uint64_t sum;
	unsigned n;
};

static bool add(void *arg, const struct tbl_owner *o, const struct tbl_record *r,
		enum tbl_fate fate)
{
	struct content *c = arg;
	uint8_t buf[TBL_RECORD_MAX];
	int n = tbl_record_encode(r, buf, sizeof(buf));
	uint64_t hash = r->kind * 31 + r->id;

	(void)fate;
	(void)o;
	for (int i = 0; i < n; i++)
		hash = (hash ^ buf[i]) * 0x100000001b3ULL;
	c->sum += hash;
	c->n++;
	return true;
}

/* What replica i has of node 0, used or not. */
static struct content content(struct tnet *net, unsigned i)
{
	struct content c = { 0, 0 };
	struct tbl_id id = tnet_id(0);

	tbl_each(net->node[i].t, &id, true, add, &c);
	return c;
}

static void scribble(struct tnet *net, unsigned changes)
{
	for (unsigned n = 0; n < changes; n++) {
		uint32_t id = tnet_below(net, 8);

		if (tnet_below(net, 3))
			tnet_put(net, 0, tnet_endpoint(id, 1, tnet_below(net, 1000)));
		else
			tnet_del(net, 0, TBL_ENDPOINT, id);
		if (!tnet_below(net, 3))
			tbl_flush(net->node[0].t, TBL_OWN, net->now);
		net->now += tnet_below(net, 3000);
	}
	tbl_flush(net->node[0].t, TBL_OWN, net->now);
}

static void overlap(struct tbl_conf *conf)
{
	conf->cover_ms = 4000;
}

static void apart(struct tbl_conf *conf)
{
	conf->cover_ms = 0;
	conf->delta_max = 300;
}

/* Node 0 writes, in two lives; 1 reads in order, 2 in any order. */
static void program(uint64_t seed)
{
	_cleanup_net_ struct tnet net;
	unsigned order[KEPT];

	tnet_init(&net, 3, seed);
	net.tune = seed % 2 ? overlap : apart;
	net.on_send = keep;
	for (unsigned i = 0; i < 3; i++)
		tnet_start(&net, i);
	for (unsigned life = 0; life < 2; life++) {
		tnet_put(&net, 0, tnet_node_rec(0));
		tnet_put(&net, 0, tnet_app(0, 1, 3));
		scribble(&net, 12);
		if (!life) {
			tnet_crash(&net, 0);
			tnet_start(&net, 0);
		}
	}
	for (unsigned i = 0; i < kept.count; i++) {
		unsigned j = tnet_below(&net, i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	for (unsigned i = 0; i < kept.count; i++) {
		unsigned k = order[i];

		delta_in(&net, 1, kept.p[i], kept.n[i]);
		delta_in(&net, 2, kept.p[k], kept.n[k]);
		if (tnet_below(&net, 3))
			continue;
		k = order[tnet_below(&net, i + 1)];
		delta_in(&net, 2, kept.p[k], kept.n[k]);
	}
	net.now += 20000; /* the view waits no longer for what is still behind a gap */
	tbl_tick(net.node[2].t, net.now);
	cr_assert_eq(content(&net, 1).n, content(&net, 0).n, "seed %lu", (unsigned long)seed);
	cr_assert_eq(content(&net, 1).sum, content(&net, 0).sum, "seed %lu", (unsigned long)seed);
	cr_assert_eq(content(&net, 2).sum, content(&net, 0).sum, "seed %lu", (unsigned long)seed);
	cr_assert_eq(owner(&net, 1, 0).ver, owner(&net, 0, 0).ver);
	for (unsigned i = 0; i < kept.count; i++)
		cr_assert_leq(delta_in(&net, 1, kept.p[i], kept.n[i]), 0, "nothing is news twice");
	for (unsigned i = 0; i < kept.count; i++)
		cr_assert_leq(delta_in(&net, 2, kept.p[i], kept.n[i]), 1);
	cr_assert_eq(content(&net, 2).sum, content(&net, 0).sum, "again: no change");
	kept_clear();
}

Test(table_merge, any_order_any_number_of_times)
{
	for (uint64_t seed = 1; seed <= 300; seed++)
		program(seed);
}

/* The state of a replica, taken as a whole, merged with another's: in both directions the same. */
Test(table_merge, of_two_replicas)
{
	for (uint64_t seed = 1; seed <= 100; seed++) {
		_cleanup_net_ struct tnet net;

		tnet_init(&net, 3, seed);
		net.tune = seed % 2 ? overlap : apart;
		net.on_send = keep;
		for (unsigned i = 0; i < 3; i++)
			tnet_start(&net, i);
		tnet_put(&net, 0, tnet_node_rec(0));
		tnet_put(&net, 0, tnet_app(0, 1, 3));
		scribble(&net, 12);
		for (unsigned i = 0; i < kept.count; i++) {
			if (tnet_below(&net, 2))
				delta_in(&net, 1, kept.p[i], kept.n[i]);
			if (tnet_below(&net, 2))
				delta_in(&net, 2, kept.p[i], kept.n[i]);
		}
		kept_clear();
		tnet_group(&net, 0, 1); /* nobody to ask but each other */
		net.no_gossip = true;
		member(&net, 1, 0, TBL_ALIVE);
		member(&net, 2, 0, TBL_ALIVE);
		tnet_run(&net, 30000);
		cr_assert_eq(owner(&net, 1, 0).ver, owner(&net, 2, 0).ver, "seed %lu",
			     (unsigned long)seed);
		tnet_group(&net, 0, 0);
		cr_assert(tnet_settle(&net, 30000), "seed %lu", (unsigned long)seed);
		cr_assert_eq(content(&net, 1).sum, content(&net, 0).sum);
		cr_assert_eq(content(&net, 2).sum, content(&net, 0).sum);
	}
}
