// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How long a suspicion lasts, who shortens it, and how it ends. */
#include "test_gossip_core.h"

#define MS_OFF 20 /* what integers lose */

/* 4 * max(1, log10 n) s, calculated elsewhere */
static const struct {
	unsigned n;
	uint64_t ms;
} least[] = {
	{ 1, 4000 },   { 2, 4000 },   { 10, 4000 },    { 11, 4166 },	{ 50, 6796 },
	{ 100, 8000 }, { 220, 9370 }, { 1000, 12000 }, { 5000, 14796 }, { 10000, 16000 },
};

Test(gossip_suspicion, least_time)
{
	struct swim_conf c = quiet();

	for (size_t i = 0; i < ARRAY_SIZE(least); i++) {
		int64_t off = (int64_t)swim_suspicion_min(&c, least[i].n) - (int64_t)least[i].ms;

		cr_expect(off >= -MS_OFF && off <= MS_OFF, "%u: %lld", least[i].n, (long long)off);
	}
}

/* 24 s - 20 s * ln(c + 1) / ln(k + 1) */
static const struct {
	unsigned k, confirmed;
	uint64_t ms;
} shrink[] = {
	{ 2, 0, 24000 }, { 2, 1, 11381 }, { 2, 2, 4000 },  { 2, 3, 4000 },  { 0, 0, 4000 },
	{ 1, 0, 24000 }, { 1, 1, 4000 },  { 4, 1, 15387 }, { 4, 2, 10348 }, { 4, 3, 6773 },
};

Test(gossip_suspicion, accusers_shorten_it)
{
	for (size_t i = 0; i < ARRAY_SIZE(shrink); i++) {
		uint64_t ms = swim_suspicion_time(4000, 24000, shrink[i].confirmed, shrink[i].k);
		int64_t off = (int64_t)ms - (int64_t)shrink[i].ms;

		cr_expect(off >= -MS_OFF && off <= MS_OFF, "row %zu: %llu", i,
			  (unsigned long long)ms);
	}
}

static const struct {
	unsigned mult, n, times;
} copies[] = {
	{ 4, 1, 4 },	{ 4, 9, 4 },	{ 4, 10, 8 },	 { 4, 50, 8 },	 { 4, 99, 8 },
	{ 4, 100, 12 }, { 4, 220, 12 }, { 4, 1000, 16 }, { 4, 999, 12 }, { 2, 1000, 8 },
};

Test(gossip_suspicion, copies_of_a_message)
{
	for (size_t i = 0; i < ARRAY_SIZE(copies); i++)
		cr_expect_eq(swim_transmits(copies[i].mult, copies[i].n), copies[i].times,
			     "row %zu", i);
}

static const struct {
	unsigned n;
	uint64_t s;
} syncs[] = { { 1, 30 },  { 32, 30 },  { 33, 60 },    { 64, 60 },
	      { 65, 90 }, { 100, 90 }, { 1000, 180 }, { 10000, 300 } };

Test(gossip_suspicion, time_between_exchanges)
{
	for (size_t i = 0; i < ARRAY_SIZE(syncs); i++)
		cr_expect_eq(swim_sync_time(30000, syncs[i].n), syncs[i].s * 1000, "row %zu", i);
}

/* n1 is suspected by n2; there are n others. */
static void bring(unsigned n)
{
	struct swim_conf c = quiet();

	start(&c);
	for (unsigned i = 1; i <= n; i++)
		alive(i, 10);
	suspect(1, 10, 2);
	while (t.s->q_member.n)
		swim_queue_evict(&t.s->q_member);
	forget();
}

/* ms until n1 is dead; what was suspected is asked once more, and does not answer. */
static uint64_t death_of_n1(uint64_t limit)
{
	uint64_t begin = t.now;

	while (state(1) != GSP_STATE_DEAD && t.now - begin < limit)
		wait_ms(10);
	return t.now - begin;
}

static const struct {
	const char *accusers; /* after n2; one each 100 ms */
	uint64_t ms;
} lone[] = {
	{ "", 24000 },	 { "2", 24000 }, { "222", 24000 }, { "3", 11381 },
	{ "33", 11381 }, { "34", 4000 }, { "345", 4000 },  { "2343", 4000 },
};

Test(gossip_suspicion, who_counts, .fini = stop)
{
	for (size_t i = 0; i < ARRAY_SIZE(lone); i++) {
		size_t n = strlen(lone[i].accusers);
		uint64_t ms;

		bring(9);
		for (size_t k = 0; k < n; k++) {
			wait_ms(100);
			suspect(1, 10, (unsigned)(lone[i].accusers[k] - '0'));
		}
		ms = death_of_n1(30000) + n * 100;
		cr_expect(ms + MS_OFF >= lone[i].ms && ms <= lone[i].ms + 50, "row %zu: %llu", i,
			  (unsigned long long)ms);
		cr_expect_eq(t.events[SWIM_EV_DEAD], 1);
		cr_expect(spread(1));
		if (i + 1 < ARRAY_SIZE(lone))
			stop();
	}
}

/* Each accuser who counts is passed on, others are not. */
Test(gossip_suspicion, confirmations_spread, .fini = stop)
{
	bring(9);
	suspect(1, 10, 3);
	cr_assert(spread(1));
	suspect(1, 10, 3);
	cr_assert(!spread(1));
	suspect(1, 10, 4);
	cr_assert(spread(1));
	suspect(1, 10, 5);
	cr_assert(!spread(1), "two confirmations are all that count");
}

Test(gossip_suspicion, three_nodes_cannot_confirm, .fini = stop)
{
	uint64_t ms;

	bring(2);
	ms = death_of_n1(30000);
	cr_assert(ms + MS_OFF >= 4000 && ms <= 4050, "%llu", (unsigned long long)ms);
}

Test(gossip_suspicion, a_refutation_ends_it, .fini = stop)
{
	bring(9);
	wait_ms(3000);
	alive(1, 11);
	cr_assert_eq(state(1), GSP_STATE_ALIVE);
	wait_ms(60000);
	cr_assert_eq(state(1), GSP_STATE_ALIVE);
	cr_assert_eq(t.events[SWIM_EV_DEAD], 0);
}

/* The accusation goes with the question, and comes first: the answer can carry the refutation. */
Test(gossip_suspicion, it_is_asked_before_it_is_buried, .fini = stop)
{
	struct gsp_ping ping;
	struct gsp_ack ack = { 0 };
	uint8_t buf[64];
	unsigned from = 0;
	const struct sent *k;

	bring(2);
	wait_ms(2990);
	cr_assert_eq(t.n_sent, 0);
	wait_ms(20);
	cr_assert_eq(t.n_sent, 2);
	cr_assert_eq(t.sent[0].type, GSP_SUSPECT);
	k = said(GSP_PING, &from);
	cr_assert(k && swim_addr_eq(&k->to, &member(1)->addr));
	cr_assert_gt(gsp_ping_decode(&ping, k->data, k->n), 0);
	ack.seq = ping.seq;
	hear(1, buf, gsp_ack_encode(&ack, buf, sizeof(buf)));
	wait_ms(3500);
	cr_assert_eq(state(1), GSP_STATE_SUSPECT, "it answered: another round");
	cr_assert_eq(t.exchanges, 2, "its table is asked for, and its port: it is asked again");
	wait_ms(1000);
	cr_assert_eq(state(1), GSP_STATE_DEAD);
}

/* A probe of the usual turn may be under way when the last one is due. */
Test(gossip_suspicion, an_early_verdict_waits, .fini = stop)
{
	bring(2);
	wait_ms(2500);
	swim_probe_begin(t.s, member(1)); /* ends at 3.5 s */
	wait_ms(1400);
	cr_assert_eq(state(1), GSP_STATE_SUSPECT);
	wait_ms(150);
	cr_assert_eq(state(1), GSP_STATE_DEAD);
}

/* What another table has as dead is told so, and only then suspected. */
Test(gossip_suspicion, hearsay_is_verified, .fini = stop)
{
	struct swim_conf c = quiet();

	start(&c);
	alive(1, 10);
	alive(2, 10);
	forget();
	swim_verify_begin(t.s, member(1), 10, 100);
	swim_verify_begin(t.s, member(2), 10, 100);
	wait_ms(100);
	cr_assert_eq(state(1), GSP_STATE_ALIVE);
	cr_assert_eq(times_said(GSP_SUSPECT), 2);
	cr_assert_eq(times_said(GSP_PING), 2);
	alive(2, 11);
	spread(1);
	wait_ms(1000);
	cr_assert_eq(state(1), GSP_STATE_SUSPECT);
	cr_assert_eq(state(2), GSP_STATE_ALIVE);
	cr_assert(spread(1));
}
