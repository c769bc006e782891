// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A thousand nodes.  The figures are of simulated time: the same on every machine. */
#include <criterion/criterion.h>

#include "gossip_figures.h"

#define NODES 1000

static void say(const char *what, const struct gfig *f)
{
	cr_log_info(
		"%s: %u of %u, p50 %llu p99 %llu max %llu ms; a node sends %.1f packets/s %.0f B/s, "
		"streams %.0f B/s; queue %u, records %u\n",
		what, f->reached, f->of, (unsigned long long)f->p50, (unsigned long long)f->p99,
		(unsigned long long)f->max, f->packets, f->bytes, f->streams, f->queued,
		f->records_queued);
}

Test(gossip_large, news_reach_a_thousand_nodes)
{
	struct gfig_pool *p = gfig_new(NODES, 1, (struct gsim_net){ .late = 20 }, false);
	struct gfig f = gfig_idle(p, 5000);

	say("idle", &f);
	cr_expect_lt(f.packets, 3);
	cr_expect_lt(f.bytes, 250);
	f = gfig_update(p, 1);
	say("update", &f);
	cr_expect_eq(f.reached, f.of);
	cr_expect_leq(f.p99, 1500);
	f = gfig_record(p, 2);
	say("record", &f);
	cr_expect_geq(f.reached, f.of * 99 / 100);
	f = gfig_death(p, 3);
	say("death", &f);
	cr_expect_eq(f.reached, f.of);
	cr_expect_leq(f.p99, 20000);
	cr_expect_leq(f.queued, 4);
	cr_expect_eq(gfig_false_deaths(p), 0);
	gfig_free(p);
}
