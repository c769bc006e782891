// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Serf's layer: intents, clocks, events. */
#include "test_gossip_core_user.h"

static void intent(bool leave, unsigned who, uint64_t ltime, bool prune)
{
	struct gsp_serf_leave l = { ltime, GSP_TEXT(name_of(who)), prune };
	struct gsp_serf_join j = { ltime, GSP_TEXT(name_of(who)) };
	uint8_t buf[256];

	user(buf, leave ? gsp_serf_leave_encode(&l, buf, sizeof(buf))
			: gsp_serf_join_encode(&j, buf, sizeof(buf)));
}

/* Whether something of Serf's was queued; drops it. */
static bool relayed(void)
{
	bool had = t.s->q_serf.n;

	while (t.s->q_serf.n)
		swim_queue_evict(&t.s->q_serf);
	return had;
}

static const struct {
	int was; /* of n1, whose intent at 10 is known */
	bool leave;
	uint64_t ltime;
	int is;
	bool leaving, relayed;
} intents[] = {
	{ GSP_STATE_ALIVE, false, 9, GSP_STATE_ALIVE, false, false },
	{ GSP_STATE_ALIVE, false, 10, GSP_STATE_ALIVE, false, false },
	{ GSP_STATE_ALIVE, false, 11, GSP_STATE_ALIVE, false, true },
	{ GSP_STATE_ALIVE, true, 10, GSP_STATE_ALIVE, false, false },
	{ GSP_STATE_ALIVE, true, 11, GSP_STATE_ALIVE, true, true },
	{ GSP_STATE_SUSPECT, true, 11, GSP_STATE_SUSPECT, true, true },
	{ GSP_STATE_DEAD, true, 10, GSP_STATE_DEAD, false, false },
	{ GSP_STATE_DEAD, true, 11, GSP_STATE_LEFT, false, true },
	{ GSP_STATE_DEAD, false, 11, GSP_STATE_DEAD, false, true },
	{ GSP_STATE_LEFT, true, 11, GSP_STATE_LEFT, false, true },
};

Test(gossip_serf, intents, .fini = stop)
{
	for (size_t i = 0; i < ARRAY_SIZE(intents); i++) {
		bring();
		intent(false, 1, 10, false);
		if (intents[i].was == GSP_STATE_SUSPECT)
			suspect(1, 10, 2);
		else if (intents[i].was != GSP_STATE_ALIVE)
			dead(1, 10, intents[i].was == GSP_STATE_LEFT ? 1 : 2);
		relayed();
		intent(intents[i].leave, 1, intents[i].ltime, false);
		cr_expect_eq(state(1), intents[i].is, "row %zu", i);
		cr_expect_eq(member(1)->leaving, intents[i].leaving, "row %zu", i);
		cr_expect_eq(relayed(), intents[i].relayed, "row %zu", i);
		intent(intents[i].leave, 1, intents[i].ltime, false);
		cr_expect(!relayed(), "row %zu: twice", i);
		if (i + 1 < ARRAY_SIZE(intents))
			stop();
	}
}

/* An old Serf says that it leaves, and then no more: that is not a failure. */
Test(gossip_serf, who_said_so_has_left, .fini = stop)
{
	bring();
	intent(true, 1, 5, false);
	dead(1, 10, 2);
	cr_assert_eq(state(1), GSP_STATE_LEFT);
	alive(1, 11);
	cr_assert(!member(1)->leaving);
	dead(1, 11, 2);
	cr_assert_eq(state(1), GSP_STATE_DEAD);
	alive(1, 12);
	intent(true, 1, 6, false);
	alive(1, 13);
	cr_assert(!member(1)->leaving, "it is back, and nobody noticed that it was away");
}

Test(gossip_serf, an_intent_before_its_member, .fini = stop)
{
	bring();
	intent(true, 7, 5, false);
	cr_assert(relayed());
	intent(true, 7, 5, false);
	cr_assert(!relayed());
	alive(7, 10);
	cr_assert(member(7)->leaving);
	intent(true, 8, 6, false);
	wait_ms(400000);
	alive(8, 10);
	cr_assert(!member(8)->leaving, "that was long ago");
	for (unsigned i = 100; i < 300; i++)
		intent(true, i, i, false);
	alive(299, 10);
	cr_assert(member(299)->leaving);
	alive(100, 10);
	cr_assert(!member(100)->leaving, "only so many are remembered");
}

Test(gossip_serf, we_do_not_leave_because_others_say_so, .fini = stop)
{
	struct gsp_serf_join j;
	const struct swim_bcast *b;

	bring();
	intent(true, 0, 50, false);
	cr_assert(!member(0)->leaving);
	b = swim_queue_take(&t.s->q_serf, 1000);
	cr_assert(b);
	cr_assert_gt(gsp_serf_join_decode(&j, b->data + 1, b->len - 1u), 0);
	cr_assert_eq(j.ltime, 51);
	swim_queue_done(&t.s->q_serf, 9);
}

Test(gossip_serf, prune, .fini = stop)
{
	bring();
	dead(1, 10, 2);
	intent(true, 1, 5, true);
	cr_assert_eq(state(1), -1);
	cr_assert(relayed());
	dead(2, 10, 1);
	cr_assert_eq(swim_force_leave(t.s, t.now, GSP_TEXT("n2"), false), 0);
	cr_assert_eq(state(2), GSP_STATE_LEFT);
	cr_assert(relayed());
	cr_assert_eq(swim_force_leave(t.s, t.now, GSP_TEXT("n2"), true), 0);
	cr_assert_eq(state(2), -1);
	cr_assert_eq(swim_force_leave(t.s, t.now, GSP_TEXT("n2"), true), -ENOENT);
	cr_assert_eq(swim_force_leave(t.s, t.now, GSP_TEXT("me"), true), -EINVAL);
}

static const struct {
	uint64_t clock, said, is;
	bool ok;
} clocks[] = {
	{ 1, 0, 1, true },
	{ 1, 1, 2, true },
	{ 5, 3, 5, true },
	{ 5, 1000000, 1000001, true },
	{ 5, 1ULL << 62, (1ULL << 62) + 1, true },
	{ 5, (1ULL << 62) + 1, 5, false },
	{ 5, UINT64_MAX, 5, false },
	{ (1ULL << 62) + 1, (1ULL << 62) + 9, (1ULL << 62) + 10, true },
	{ (1ULL << 62) + 1, 1ULL << 63, (1ULL << 62) + 1, false },
	{ (1ULL << 62) + 9, 4, (1ULL << 62) + 9, true },
};

Test(gossip_serf, clocks)
{
	for (size_t i = 0; i < ARRAY_SIZE(clocks); i++) {
		uint64_t c = clocks[i].clock;

		cr_expect_eq(swim_witness(&c, clocks[i].said), clocks[i].ok, "row %zu", i);
		cr_expect_eq(c, clocks[i].is, "row %zu", i);
	}
}

/* ---- events ---------------------------------------------------------------------------------- */

static void event(const char *name, const char *payload, uint64_t ltime)
{
	struct gsp_serf_event e = { ltime, GSP_TEXT(name), GSP_TEXT(payload), false };
	uint8_t buf[2048];

	user(buf, gsp_serf_event_encode(&e, buf, sizeof(buf)));
}

static const struct {
	const char *name, *payload;
	uint64_t ltime;
	bool news;
} events[] = {
	{ "deploy", "1", 5, true },   { "deploy", "1", 5, false },  { "deploy", "2", 5, true },
	{ "deploy", "1", 6, true },   { "other", "1", 5, true },    { "deploy", "1", 2000, true },
	{ "deploy", "1", 6, false },  { "late", "1", 1400, false }, { "late", "1", 1600, true },
	{ "late", "1", 1600, false },
};

Test(gossip_serf, events_come_once, .fini = stop)
{
	bring();
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		unsigned before = t.events[SWIM_EV_USER];

		event(events[i].name, events[i].payload, events[i].ltime);
		cr_expect_eq(t.events[SWIM_EV_USER] - before, events[i].news, "row %zu", i);
		cr_expect_eq(relayed(), events[i].news, "row %zu", i);
	}
	cr_assert_eq(t.s->serf.event_clock, 2001);
}

/* However many there are: nothing comes twice, and memory is bounded. */
Test(gossip_serf, a_storm_of_events, .fini = stop)
{
	char name[16];
	unsigned first;

	bring();
	for (unsigned turn = 0; turn < 2; turn++) {
		first = t.events[SWIM_EV_USER];
		for (unsigned i = 0; i < 5000; i++) {
			snprintf(name, sizeof(name), "e%u", i);
			event(name, "", 100 + i / 20);
		}
		cr_assert(turn || t.events[SWIM_EV_USER] > 1000);
	}
	cr_assert_eq(t.events[SWIM_EV_USER], first, "the second time nothing is new");
	cr_assert_leq(t.s->q_serf.n, SWIM_QUEUE_MESSAGES);
}

Test(gossip_serf, events_of_ours, .fini = stop)
{
	static uint8_t large[4096];
	struct gsp_bytes big = { large, sizeof(large) };

	bring();
	cr_assert_eq(swim_user_event(t.s, t.now, GSP_TEXT("hello"), GSP_TEXT("x"), true), 0);
	cr_assert_eq(t.events[SWIM_EV_USER], 1);
	cr_assert_eq(t.s->serf.event_clock, 2);
	cr_assert(relayed());
	event("hello", "x", 1);
	cr_assert_eq(t.events[SWIM_EV_USER], 1, "our own, come back");
	cr_assert_eq(swim_user_event(t.s, t.now, GSP_TEXT("hello"), big, true), -EMSGSIZE);
}
