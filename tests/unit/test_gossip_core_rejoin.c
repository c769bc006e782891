// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Push/pull as the one who asks: joining, and the way back of what was lost. */
#include "test_gossip_core_sync.h"

static void bring(void)
{
	struct swim_conf c = quiet();

	start(&c);
}

static void reply(const struct node *node, size_t n)
{
	uint8_t buf[8192];
	size_t len = build(node, n, state_of_serf(1, true), buf, sizeof(buf));

	swim_exchange_end(t.s, t.now, t.exchange_id, buf, len);
}

Test(gossip_rejoin, joining, .fini = stop)
{
	const struct node pool[] = { { 1, GSP_STATE_ALIVE, 10 }, { 2, GSP_STATE_ALIVE, 10 } };
	struct swim_addr seed = at(1);
	struct gsp_sync sync;

	bring();
	cr_assert_eq(swim_seed(t.s, t.now, &seed), 0);
	cr_assert_eq(t.exchanges, 1);
	cr_assert(swim_addr_eq(&t.exchange_to, &seed));
	cr_assert_gt(gsp_sync_decode(&sync, t.exchange, t.exchange_n), 0);
	cr_assert(sync.header.join);
	reply(pool, 2);
	cr_assert_eq(swim_live(t.s), 3);
	cr_assert(!spread(1) && !spread(2), "the pool knows its own");
	cr_assert(spread(0), "but not us");
	cr_assert_eq(t.s->q_serf.n, 1, "an intent to join");
	cr_assert_eq(swim_seed(t.s, t.now, &seed), 0);
	cr_assert_eq(t.exchanges, 1, "known, and alive");
}

/* With many joining at once, nobody's table has all of them. */
Test(gossip_rejoin, soon_after_joining_another_is_asked, .fini = stop)
{
	const struct node pool[] = { { 1, GSP_STATE_ALIVE, 10 }, { 2, GSP_STATE_ALIVE, 10 } };
	struct swim_addr seed = at(1);

	bring();
	swim_at_in(t.s, &t.s->t_sync, t.s->conf.sync_interval);
	cr_assert_eq(swim_seed(t.s, t.now, &seed), 0);
	reply(pool, 2);
	forget();
	wait_ms(3 * t.s->conf.probe_interval);
	cr_expect_eq(t.exchanges, 1);
	reply(pool, 2);
	wait_ms(20000);
	cr_expect_eq(t.exchanges, 1, "and then at leisure");
}

/* One whose table has us dead, and answers before it merges: it is asked again. */
Test(gossip_rejoin, a_refutation_is_handed_in, .fini = stop)
{
	const struct node pool[] = { { 1, GSP_STATE_ALIVE, 10 }, { 0, GSP_STATE_DEAD, UNIX + 9 } };
	const struct node worse[] = { { 1, GSP_STATE_ALIVE, 10 },
				      { 0, GSP_STATE_DEAD, UNIX + 20 } };
	struct swim_addr seed = at(1);
	uint32_t inc;

	bring();
	swim_seed(t.s, t.now, &seed);
	reply(pool, 2);
	cr_assert_eq(t.exchanges, 2);
	cr_assert_eq(says(t.exchange, t.exchange_n, 0, &inc), GSP_STATE_ALIVE);
	cr_assert_eq(inc, UNIX + 10);
	reply(worse, 2);
	cr_assert_eq(member(0)->inc, UNIX + 21);
	cr_assert_eq(t.exchanges, 2, "once is enough");
}

static void periodic(void)
{
	swim_timer_set(&t.s->heap, &t.s->t_rejoin, t.s->now);
}

/* Alone: soon, then less and less often, for ever; and never at the same distance. */
Test(gossip_rejoin, a_seed_is_tried_for_ever, .fini = stop)
{
	struct swim_addr seed = at(1);
	uint64_t last = 0, gap, least = UINT64_MAX, most = 0;

	bring();
	swim_seed(t.s, t.now, &seed);
	swim_exchange_end(t.s, t.now, t.exchange_id, NULL, 0);
	for (unsigned i = 0; i < 200; i++) {
		unsigned had = t.exchanges;

		last = t.now;
		while (t.exchanges == had && t.now - last < 60000)
			wait_ms(100);
		gap = t.now - last;
		cr_assert_leq(gap, 30100);
		swim_exchange_end(t.s, t.now, t.exchange_id, NULL, 0);
		if (i < 3)
			cr_expect_leq(gap, 9000, "soon at first: %llu", (unsigned long long)gap);
		if (i < 10)
			continue;
		cr_assert_geq(gap, 10000);
		least = gap < least ? gap : least;
		most = gap > most ? gap : most;
	}
	cr_expect_leq(least, 11000);
	cr_expect_geq(most, 29000);
}

Test(gossip_rejoin, the_dead_are_tried_and_the_gone_are_not, .fini = stop)
{
	bring();
	alive(1, 10);
	alive(2, 10);
	alive(3, 10);
	dead(2, 10, 1);
	dead(3, 10, 3);
	forget();
	periodic();
	for (unsigned i = 0; i < 60; i++) {
		unsigned had = t.exchanges;

		wait_ms(1000);
		if (t.exchanges == had)
			continue;
		cr_assert_eq(t.exchange_to.ip.ip[3], 2);
		swim_exchange_end(t.s, t.now, t.exchange_id, NULL, 0);
	}
	cr_assert_geq(t.exchanges, 2);
	cr_assert_leq(t.exchanges, 7);
}

Test(gossip_rejoin, memory_of_the_dead_ends_but_not_alone, .fini = stop)
{
	struct swim_conf c = quiet();

	c.keep = 100000;
	start(&c);
	alive(1, 10);
	alive(2, 10);
	dead(2, 10, 1);
	wait_ms(140000);
	cr_assert_eq(state(2), -1);
	dead(1, 10, 1);
	wait_ms(500000);
	cr_assert_eq(state(1), GSP_STATE_LEFT, "nobody else is left to ask");
}

Test(gossip_rejoin, seeds_are_bounded, .fini = stop)
{
	struct swim_addr me = at(0), none = { 0 }, a;

	bring();
	cr_assert_eq(swim_seed(t.s, t.now, &me), 0);
	cr_assert_eq(t.exchanges, 0, "not ourselves");
	cr_assert_eq(swim_seed(t.s, t.now, &none), -EINVAL);
	t.refuse = true;
	for (unsigned i = 1; i <= SWIM_SEEDS; i++) {
		a = at(i);
		cr_assert_eq(swim_seed(t.s, t.now, &a), 0);
	}
	a = at(999);
	cr_assert_eq(swim_seed(t.s, t.now, &a), -ENOSPC);
	cr_assert_eq(t.s->stats.sync_failed, SWIM_SEEDS);
}

/* Streams that never end take no more than their share. */
Test(gossip_rejoin, streams_are_bounded, .fini = stop)
{
	bring();
	alive(1, 10);
	for (unsigned i = 0; i < 100; i++)
		swim_sync_with(t.s, &member(1)->addr, false, false);
	cr_assert_eq(t.exchanges, SWIM_EXCHANGES);
	swim_exchange_end(t.s, t.now, 12345, NULL, 0);
	swim_exchange_end(t.s, t.now, t.exchange_id, NULL, 0);
	swim_exchange_end(t.s, t.now, t.exchange_id, NULL, 0);
	cr_assert_eq(swim_sync_with(t.s, &member(1)->addr, false, false), 0);
	cr_assert_lt(swim_sync_with(t.s, &member(1)->addr, false, false), 0);
}
