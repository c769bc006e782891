/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tables above the real gossip, simulated: news reach all, at a rate, also through loss. */
#include <criterion/criterion.h>

#include "table_pool.h"

#define NODES 60

static void say(const char *what, const struct tpool_fig *f)
{
	cr_log_info("%s: %llu of %llu, p50 %llu p99 %llu max %llu ms, queue %u then %u\n", what,
		    (unsigned long long)f->arrived, (unsigned long long)f->pairs,
		    (unsigned long long)f->p50, (unsigned long long)f->p99,
		    (unsigned long long)f->max, f->queue_first, f->queue_last);
}

Test(table_pool, news_arrive_in_time, .timeout = 300)
{
	struct tpool *p = tpool_new(NODES, 3, (struct gsim_net){ .late = 20 });
	struct tpool_fig f = tpool_load(p, 0, 10, 0);

	cr_expect_lt(f.bytes, 250, "idle");
	cr_expect_eq(f.asks, 0, "all are alike: nobody asks anything");
	f = tpool_load(p, 50, 10, 20000);
	say("load", &f);
	cr_expect_eq(f.arrived, f.pairs);
	cr_expect_leq(f.p99, 1500);
	cr_expect_leq(f.queue_last, 2 * f.queue_first + 32);
	tpool_run(p, 15000);
	cr_expect(tpool_alike(p));
	tpool_free(p);
}

/* Of ten packets four are lost: what gossip misses, hashes find. */
Test(table_pool, nothing_is_lost_for_good, .timeout = 300)
{
	struct tpool *p = tpool_new(NODES, 4, (struct gsim_net){ .loss = 400, .late = 100 });
	struct tpool_fig f = tpool_load(p, 30, 5, 60000);

	say("loss", &f);
	cr_expect_eq(f.arrived, f.pairs);
	tpool_run(p, 15000);
	cr_expect(tpool_alike(p));
	tpool_free(p);
}

static unsigned left(struct tpool *p, uint64_t ms)
{
	unsigned n = tpool_showing(p, 5);

	for (; n && ms; ms -= 100, n = tpool_showing(p, 5))
		tpool_run(p, 100);
	return n;
}

Test(table_pool, the_dead_are_withdrawn, .timeout = 300)
{
	struct tpool *p = tpool_new(NODES, 5, (struct gsim_net){ .loss = 0 });

	cr_assert_eq(tpool_showing(p, 5), NODES - 1);
	gsim_crash(tpool_sim(p), 5);
	cr_expect_eq(left(p, 60000), 0);
	cr_expect_eq(tpool_showing(p, 6), NODES - 2);
	tpool_free(p);
}
