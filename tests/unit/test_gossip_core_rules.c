// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is said about a member, and what becomes of it: every state, every order of incarnations. */
#include "test_gossip_core.h"

enum {
	NONE = -1,
	A = GSP_STATE_ALIVE,
	S = GSP_STATE_SUSPECT,
	D = GSP_STATE_DEAD,
	L = GSP_STATE_LEFT
};

/* Puts n1 into that state at incarnation 10. */
static void bring(int st)
{
	struct swim_conf c = quiet();

	start(&c);
	if (st != NONE)
		alive(1, 10);
	if (st == S)
		suspect(1, 10, 2);
	else if (st == D)
		dead(1, 10, 2);
	else if (st == L)
		dead(1, 10, 1);
	cr_assert_eq(state(1), st);
	spread(1);
	forget();
}

static const struct {
	int was;
	char said; /* a, s, d, l */
	uint32_t inc;
	int is;
	uint32_t is_inc;
	bool spread;
} table[] = {
	{ NONE, 'a', 1, A, 1, true },
	{ NONE, 'a', 0, A, 0, true },
	{ NONE, 's', 10, NONE, 0, false },
	{ NONE, 'd', 10, NONE, 0, false },
	{ NONE, 'l', 10, NONE, 0, false },
	{ A, 'a', 9, A, 10, false },
	{ A, 'a', 10, A, 10, false },
	{ A, 'a', 11, A, 11, true },
	{ A, 's', 9, A, 10, false },
	{ A, 's', 10, S, 10, true },
	{ A, 's', 11, S, 11, true },
	{ A, 'd', 9, A, 10, false },
	{ A, 'd', 10, D, 10, true },
	{ A, 'd', 11, D, 11, true },
	{ A, 'l', 9, A, 10, false },
	{ A, 'l', 10, L, 10, true },
	{ S, 'a', 9, S, 10, false },
	{ S, 'a', 10, S, 10, false },
	{ S, 'a', 11, A, 11, true },
	{ S, 's', 9, S, 10, false },
	{ S, 's', 10, S, 10, false }, /* the same accuser: n2 */
	{ S, 'd', 9, S, 10, false },
	{ S, 'd', 10, D, 10, true },
	{ S, 'l', 10, L, 10, true },
	{ D, 'a', 9, D, 10, false },
	{ D, 'a', 10, D, 10, false },
	{ D, 'a', 11, A, 11, true },
	{ D, 's', 11, D, 10, false },
	{ D, 'd', 11, D, 10, false },
	{ D, 'l', 9, D, 10, false },
	{ D, 'l', 10, L, 10, true }, /* it did leave, and the news of that are behind */
	{ L, 'a', 10, L, 10, false },
	{ L, 'a', 11, A, 11, true },
	{ L, 's', 11, L, 10, false },
	{ L, 'd', 11, L, 10, false },
	{ L, 'l', 11, L, 10, false },
};

Test(gossip_rules, about_another, .fini = stop)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		bring(table[i].was);
		switch (table[i].said) {
		case 'a': alive(1, table[i].inc); break;
		case 's': suspect(1, table[i].inc, 2); break;
		case 'd': dead(1, table[i].inc, 2); break;
		case 'l': dead(1, table[i].inc, 1); break;
		}
		cr_expect_eq(state(1), table[i].is, "row %zu: %d", i, state(1));
		if (table[i].is != NONE)
			cr_expect_eq(member(1)->inc, table[i].is_inc, "row %zu", i);
		cr_expect_eq(spread(1), table[i].spread, "row %zu", i);
		cr_expect_eq(t.s->n_live, 1 + (table[i].is == A || table[i].is == S), "row %zu", i);
		cr_expect_eq(t.s->n_ours, table[i].is == A || table[i].is == S, "row %zu", i);
		if (i + 1 < ARRAY_SIZE(table))
			stop();
	}
}

static const struct {
	char said;
	int inc; /* above ours */
	const char *meta;
	int is; /* above ours, then */
	unsigned health;
} mine[] = {
	{ 'a', -1, OURS, 0, 0 }, { 'a', 0, OURS, 0, 0 }, { 'a', 0, "else", 1, 1 },
	{ 'a', 1, OURS, 2, 1 },	 { 'a', 5, OURS, 6, 1 }, { 's', -1, NULL, 0, 0 },
	{ 's', 0, NULL, 1, 1 },	 { 's', 7, NULL, 8, 1 }, { 'd', -1, NULL, 0, 0 },
	{ 'd', 0, NULL, 1, 1 },	 { 'd', 7, NULL, 8, 1 },
};

Test(gossip_rules, about_this_node, .fini = stop)
{
	for (size_t i = 0; i < ARRAY_SIZE(mine); i++) {
		uint32_t inc = UNIX + (uint32_t)mine[i].inc;

		bring(A);
		spread(0);
		if (mine[i].said == 'a')
			alive_at(0, inc, at(0), mine[i].meta);
		else if (mine[i].said == 's')
			suspect(0, inc, 1);
		else
			dead(0, inc, 1);
		cr_expect_eq(member(0)->inc, UNIX + (uint32_t)mine[i].is, "row %zu", i);
		cr_expect_eq(state(0), A, "row %zu", i);
		cr_expect_eq(swim_health(t.s), mine[i].health, "row %zu", i);
		/* an old accusation is answered, too: somebody has not heard */
		cr_expect_eq(spread(0), mine[i].health || (mine[i].inc < 0 && !mine[i].meta),
			     "row %zu", i);
		if (i + 1 < ARRAY_SIZE(mine))
			stop();
	}
}

static const struct {
	int was;
	uint64_t after; /* ms */
	uint32_t inc;
	bool moves, conflict;
} moves[] = {
	{ A, 0, 11, false, true },     { S, 0, 11, false, true },      { D, 0, 11, false, true },
	{ D, 29000, 11, false, true }, { D, 31000, 11, true, false },  { L, 0, 11, true, false },
	{ L, 0, 10, false, false },    { D, 31000, 10, false, false },
};

Test(gossip_rules, another_address, .fini = stop)
{
	for (size_t i = 0; i < ARRAY_SIZE(moves); i++) {
		struct swim_addr there = at(77);

		bring(moves[i].was);
		if (moves[i].was == S)
			swim_timer_stop(&t.s->heap, &member(1)->timer);
		wait_ms(moves[i].after);
		alive_at(1, moves[i].inc, there, OURS);
		cr_expect_eq(swim_addr_eq(&member(1)->addr, &there), moves[i].moves, "row %zu", i);
		cr_expect_eq(t.events[SWIM_EV_CONFLICT], moves[i].conflict, "row %zu", i);
		if (i + 1 < ARRAY_SIZE(moves))
			stop();
	}
}

Test(gossip_rules, our_name_at_another_address_is_a_conflict, .fini = stop)
{
	bring(A);
	alive_at(0, UNIX + 5, at(9), OURS);
	cr_assert_eq(t.events[SWIM_EV_CONFLICT], 1);
	cr_assert_eq(t.last.member, t.s->me);
	cr_assert_eq(member(0)->inc, UNIX);
}

static const struct {
	char said;
	uint32_t inc;
	bool ours, forged;
} limits[] = {
	{ 's', UNIX + DAY, false, false },     { 's', UNIX + DAY + 1, false, true },
	{ 'd', UNIX + DAY, false, false },     { 'd', UNIX + DAY + 1, false, true },
	{ 'd', UINT32_MAX, false, true },      { 's', UINT32_MAX, false, true },
	{ 'a', UNIX + 2 * DAY, false, false }, { 'a', UNIX + 2 * DAY + 1, false, true },
	{ 'a', UINT32_MAX, false, true },      { 'd', UINT32_MAX, true, true },
	{ 's', UINT32_MAX, true, true },       { 'a', UINT32_MAX, true, true },
	{ 'd', UNIX + DAY, true, false },
};

Test(gossip_rules, incarnations_beyond_the_clock, .fini = stop)
{
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		unsigned who = limits[i].ours ? 0 : 1;
		uint32_t before;

		bring(A);
		before = member(who)->inc;
		if (limits[i].said == 'a')
			alive(who, limits[i].inc);
		else if (limits[i].said == 's')
			suspect(who, limits[i].inc, 2);
		else
			dead(who, limits[i].inc, 2);
		cr_expect_eq(t.events[SWIM_EV_FORGED], limits[i].forged, "row %zu", i);
		cr_expect_eq(member(who)->inc == before, limits[i].forged, "row %zu", i);
		if (limits[i].forged)
			cr_expect_eq(state(who), A, "row %zu", i);
		if (i + 1 < ARRAY_SIZE(limits))
			stop();
	}
}

/* The bound goes with the clock, and with what the agent reads from it. */
Test(gossip_rules, the_clock_moves_the_bound, .fini = stop)
{
	bring(A);
	dead(1, UNIX + DAY + 5, 2);
	cr_assert_eq(state(1), A);
	swim_set_unix(t.s, t.now, UNIX + 5);
	dead(1, UNIX + DAY + 5, 2);
	cr_assert_eq(state(1), D);
	alive(1, UNIX + DAY + 6);
	cr_assert_eq(state(1), A);
}

static const struct {
	struct gsp_vsn vsn;
	bool ok;
} versions[] = {
	{ { 1, 5, 2, 2, 5, 5 }, true },	 { { 1, 5, 2, 2, 5, 4 }, true },
	{ { 1, 5, 2, 0, 0, 0 }, false }, { { 1, 5, 2, 2, 9, 9 }, false },
	{ { 0, 0, 0, 0, 0, 0 }, false }, { { 3, 5, 3, 2, 5, 5 }, false },
	{ { 1, 2, 2, 2, 5, 5 }, true },	 { { 1, 7, 6, 2, 5, 5 }, false },
};

Test(gossip_rules, versions, .fini = stop)
{
	bring(NONE);
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		unsigned who = (unsigned)i + 1;
		struct gsp_alive m = { 10,   GSP_TEXT(name_of(who)), at(who).ip,
				       7946, GSP_TEXT(""),	     versions[i].vsn };
		uint8_t buf[256];

		hear(who, buf, gsp_alive_encode(&m, buf, sizeof(buf)));
		cr_expect_eq(state(who), versions[i].ok ? A : NONE, "row %zu", i);
	}
}

/* We remember the dead longer than others do: whoever lives must be told, or it stays out. */
Test(gossip_rules, a_dead_one_that_speaks_is_told, .fini = stop)
{
	struct gsp_dead d;

	bring(D);
	alive(1, 10);
	alive(1, 3);
	cr_assert_eq(times_said(GSP_DEAD), 1);
	cr_assert(swim_addr_eq(&said(GSP_DEAD, NULL)->to, &member(1)->addr));
	cr_assert_gt(gsp_dead_decode(&d, said(GSP_DEAD, NULL)->data, said(GSP_DEAD, NULL)->n), 0);
	cr_assert_eq(d.incarnation, 10);
	cr_assert(gsp_bytes_eq(d.from, GSP_TEXT("me")));
	wait_ms(1100);
	alive(1, 10);
	cr_assert_eq(times_said(GSP_DEAD), 2);
	stop();
	bring(L);
	alive(1, 10);
	cr_assert_eq(times_said(GSP_DEAD), 1);
	cr_assert_gt(gsp_dead_decode(&d, said(GSP_DEAD, NULL)->data, said(GSP_DEAD, NULL)->n), 0);
	cr_assert(gsp_bytes_eq(d.from, GSP_TEXT("n1")), "as its own word");
}

Test(gossip_rules, one_message_about_a_member_is_queued, .fini = stop)
{
	bring(A);
	spread(0);
	suspect(1, 10, 2);
	dead(1, 10, 3);
	alive(1, 11);
	suspect(1, 11, 2);
	cr_assert_eq(t.s->q_member.n, 1);
	swim_timer_set(&t.s->heap, &t.s->t_gossip, t.s->now);
	wait_ms(0);
	cr_assert_eq(times_said(GSP_SUSPECT), 1);
	cr_assert_eq(t.n_sent, 1);
}

Test(gossip_rules, events_of_a_life, .fini = stop)
{
	bring(NONE);
	alive(1, 10);
	cr_expect_eq(t.events[SWIM_EV_JOIN], 1);
	alive_at(1, 11, at(1), "other");
	cr_expect_eq(t.events[SWIM_EV_UPDATE], 1);
	cr_expect_eq(t.s->n_ours, 0, "the tag is gone");
	suspect(1, 11, 2);
	cr_expect_eq(t.events[SWIM_EV_SUSPECT], 1);
	alive_at(1, 12, at(1), "other");
	cr_expect_eq(t.events[SWIM_EV_REFUTED], 1);
	dead(1, 12, 2);
	cr_expect_eq(t.events[SWIM_EV_DEAD], 1);
	alive(1, 13);
	cr_expect_eq(t.events[SWIM_EV_JOIN], 2);
	dead(1, 13, 1);
	cr_expect_eq(t.events[SWIM_EV_LEFT], 1);
	cr_expect_eq(t.events[SWIM_EV_UPDATE], 1);
}

/* A full table takes nobody new, until somebody in it is dead for a while. */
Test(gossip_rules, the_table_is_bounded, .fini = stop)
{
	struct swim_conf c = quiet();

	c.members = 4;
	start(&c);
	for (unsigned i = 1; i <= 5; i++)
		alive(i, 10);
	cr_assert_eq(swim_count(t.s), 4);
	cr_assert_eq(t.events[SWIM_EV_FULL], 2);
	cr_assert_eq(state(4), NONE);
	dead(1, 10, 2);
	dead(2, 10, 2);
	alive(4, 10);
	cr_assert_eq(state(4), NONE, "n1 is news");
	wait_ms(31000);
	alive(4, 10);
	cr_assert_eq(state(4), A);
	cr_assert_eq(t.events[SWIM_EV_FORGOTTEN], 1);
	cr_assert_eq(swim_count(t.s), 4);
}

Test(gossip_rules, ipv6_and_mapped_addresses)
{
	struct gsp_addr v6 = { { 0xfd, [15] = 1 }, 16 };
	struct gsp_addr mapped = { { [10] = 0xff, [11] = 0xff, 10, 0, 0, 1 }, 16 };
	struct swim_addr a = swim_addr(&mapped, 7946), b = at(1), c = swim_addr(&v6, 7946);

	cr_assert(swim_addr_eq(&a, &b));
	cr_assert_eq(c.ip.len, 16);
	cr_assert(!swim_addr_eq(&a, &c));
}
