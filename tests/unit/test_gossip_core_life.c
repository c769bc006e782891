// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Beginning, time, and end of a node. */
#include "test_gossip_core.h"

static void bring(unsigned n)
{
	struct swim_conf c = quiet();

	start(&c);
	for (unsigned i = 1; i <= n; i++)
		alive(i, 10);
	while (t.s->q_member.n)
		swim_queue_evict(&t.s->q_member);
	forget();
}

static const struct {
	const char *what;
	size_t at; /* of a uint32_t in the configuration */
	uint32_t value;
} wrong[] = {
#define FIELD(f, v) \
	{ \
#f, offsetof(struct swim_conf, f), v \
	}
	FIELD(probe_interval, 0),  FIELD(probe_timeout, 1000),
	FIELD(suspicion_mult, 0),  FIELD(suspicion_mult, 7),
	FIELD(gossip_interval, 0), FIELD(gossip_fanout, 0),
	FIELD(gossip_fanout, 17),  FIELD(indirect, 17),
	FIELD(retransmit_mult, 0), FIELD(record_mult, 0),
	FIELD(rejoin_max, 1),	   FIELD(packet_max, 100),
	FIELD(packet_max, 9000),   FIELD(packets_burst, 0),
	FIELD(members, 1),	   FIELD(members, SWIM_MEMBERS_MAX + 1),
	FIELD(queue_bytes, 0),	   FIELD(pause, 0),
};

Test(gossip_life, configurations)
{
	struct swim_conf c;
	struct swim *s;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		c = quiet();
		memcpy((char *)&c + wrong[i].at, &wrong[i].value, sizeof(uint32_t));
		cr_expect_eq(swim_new(&s, &c, 0), -EINVAL, "%s", wrong[i].what);
	}
	c = quiet();
	c.name.n = 0;
	cr_expect_eq(swim_new(&s, &c, 0), -EINVAL);
	for (int p = SWIM_LAN; p <= SWIM_FAST; p++) {
		c = quiet();
		swim_conf_default(&c, (enum swim_profile)p);
		c.name = GSP_TEXT("me");
		c.addr = at(0);
		c.ops = &ops;
		cr_expect_eq(swim_new(&s, &c, 0), 0);
		swim_free(s);
	}
	swim_free(NULL);
}

Test(gossip_life, how_a_node_sees_itself, .fini = stop)
{
	struct swim_view v;

	bring(2);
	cr_assert_eq(swim_count(t.s), 3);
	swim_view(t.s, swim_find(t.s, GSP_TEXT("me")), &v);
	cr_assert(v.self && v.ours && !v.leaving);
	cr_assert_eq(v.incarnation, UNIX);
	cr_assert_eq(v.state, GSP_STATE_ALIVE);
	cr_assert_null(swim_find(t.s, GSP_TEXT("nobody")));
	cr_assert_null(swim_at(t.s, 3));
	wait_ms(700);
	swim_view(t.s, swim_find(t.s, GSP_TEXT("n1")), &v);
	cr_assert_eq(v.since_ms, 700);
	cr_assert(!v.self);
}

Test(gossip_life, new_tags, .fini = stop)
{
	static uint8_t large[GSP_META_MAX + 1];

	bring(2);
	cr_assert_eq(swim_set_meta(t.s, t.now, GSP_TEXT("x")), 0);
	cr_assert_eq(member(0)->inc, UNIX + 1);
	cr_assert(spread(0));
	cr_assert_eq(swim_set_meta(t.s, t.now, (struct gsp_bytes){ large, sizeof(large) }), -E2BIG);
	cr_assert_eq(member(0)->inc, UNIX + 1);
}

/* ---- time ------------------------------------------------------------------------------------ */

Test(gossip_life, the_timer_is_asked_for, .fini = stop)
{
	bring(2);
	swim_timer_set(&t.s->heap, &t.s->t_probe, t.s->now + 300);
	cr_assert_eq(swim_next(t.s), t.now + 300);
	t.now += 299;
	swim_tick(t.s, t.now);
	cr_assert_eq(t.n_sent, 0);
	t.now += 1;
	swim_tick(t.s, t.now);
	cr_assert_eq(t.n_sent, 1);
}

static const struct {
	uint64_t late; /* beyond the timer of 24 s - 1 s */
	bool pause;
} lates[] = { { 0, false }, { 400, false }, { 500, false }, { 501, true }, { 60000, true } };

/* A suspicion of 24 s; the process sleeps through its end. */
Test(gossip_life, time_nobody_noticed_does_not_count, .fini = stop)
{
	for (size_t i = 0; i < ARRAY_SIZE(lates); i++) {
		bring(9);
		suspect(1, 10, 2);
		t.now = swim_next(t.s) + lates[i].late;
		swim_tick(t.s, t.now);
		cr_expect_eq(t.events[SWIM_EV_PAUSE], lates[i].pause, "row %zu", i);
		cr_expect_eq(swim_health(t.s), lates[i].pause, "row %zu", i);
		cr_expect_eq(state(1), GSP_STATE_SUSPECT, "row %zu", i);
		wait_ms(400);
		cr_expect_eq(state(1), GSP_STATE_SUSPECT, "row %zu: it is being asked", i);
		alive(1, 11);
		wait_ms(10000);
		cr_expect_eq(state(1), GSP_STATE_ALIVE, "row %zu", i);
		if (i + 1 < ARRAY_SIZE(lates))
			stop();
	}
}

/* The same when a packet is what wakes it. */
Test(gossip_life, a_packet_may_come_first, .fini = stop)
{
	bring(9);
	suspect(1, 10, 2);
	t.now += 100000;
	alive(1, 11);
	swim_tick(t.s, t.now);
	cr_assert_eq(state(1), GSP_STATE_ALIVE);
	cr_assert_eq(t.events[SWIM_EV_PAUSE], 1);
	cr_assert_eq(t.last.type, SWIM_EV_REFUTED);
}

Test(gossip_life, a_clock_that_goes_back, .fini = stop)
{
	uint64_t next;

	bring(9);
	suspect(1, 10, 2);
	next = swim_next(t.s) - t.now;
	t.now -= 3000;
	swim_tick(t.s, t.now);
	cr_assert_eq(swim_next(t.s) - t.now, next);
	t.now = 0;
	swim_tick(t.s, t.now);
	t.now = UINT64_MAX;
	swim_tick(t.s, t.now);
	cr_assert_eq(swim_next(t.s) - t.now, next);
	cr_assert_eq(t.events[SWIM_EV_PAUSE], 0);
}

/* Who stood still asks one of the others at once. */
Test(gossip_life, after_a_pause_it_asks, .fini = stop)
{
	bring(3);
	swim_timer_set(&t.s->heap, &t.s->t_sync, t.s->now + 25000);
	swim_timer_set(&t.s->heap, &t.s->t_gossip, t.s->now + 100);
	t.now += 9000;
	swim_tick(t.s, t.now);
	wait_ms(250);
	cr_assert_eq(t.exchanges, 1);
}

/* The wall clock is the caller's: a pause counts in it. */
Test(gossip_life, the_wall_clock_goes_on, .fini = stop)
{
	bring(1);
	t.now += 100000;
	swim_tick(t.s, t.now);
	cr_assert_eq(swim_unix(t.s), UNIX + 100);
	swim_set_unix(t.s, t.now, UNIX);
	wait_ms(2500);
	cr_assert_eq(swim_unix(t.s), UNIX + 2);
}

/* ---- leaving --------------------------------------------------------------------------------- */

static void go_on(void)
{
	swim_timer_set(&t.s->heap, &t.s->t_gossip, t.s->now);
}

Test(gossip_life, leaving, .fini = stop)
{
	struct gsp_serf_leave leave;
	const struct sent *k;
	struct gsp_dead d;
	uint64_t begin;

	bring(5);
	go_on();
	begin = t.now;
	swim_leave(t.s, t.now);
	swim_leave(t.s, t.now);
	suspect(0, UNIX, 1);
	dead(0, UNIX, 1);
	cr_assert_eq(member(0)->inc, UNIX, "nothing is refuted now");
	while (!t.events[SWIM_EV_GONE] && t.now - begin < 20000)
		wait_ms(100);
	cr_assert_leq(t.now - begin, 5000, "as soon as it was said often enough");
	k = said(GSP_USER, NULL);
	cr_assert_gt(gsp_serf_leave_decode(&leave, k->data + 1, k->n - 1u), 0);
	k = said(GSP_DEAD, NULL);
	cr_assert_gt(gsp_dead_decode(&d, k->data, k->n), 0);
	cr_assert(gsp_bytes_eq(d.node, d.from));
	cr_assert(k > said(GSP_USER, NULL));
	cr_assert_eq(times_said(GSP_DEAD), 4, "four times in so small a pool");
	cr_assert_eq(swim_next(t.s), UINT64_MAX);
	forget();
	alive(7, 10);
	suspect(1, 10, 2);
	wait_ms(60000);
	cr_assert_eq(t.n_sent + t.exchanges, 0, "silent");
	cr_assert_eq(swim_set_meta(t.s, t.now, GSP_TEXT("x")), -ESHUTDOWN);
}

Test(gossip_life, nobody_to_say_it_to, .fini = stop)
{
	bring(0);
	swim_leave(t.s, t.now);
	cr_assert_eq(t.events[SWIM_EV_GONE], 1);
}

/* Even when nothing can be sent any more. */
Test(gossip_life, leaving_ends, .fini = stop)
{
	bring(5);
	swim_leave(t.s, t.now);
	wait_ms(11500);
	cr_assert_eq(t.events[SWIM_EV_GONE], 1);
}

Test(gossip_life, no_probes_of_those_who_go, .fini = stop)
{
	bring(5);
	swim_leave(t.s, t.now);
	swim_timer_set(&t.s->heap, &t.s->t_probe, t.s->now);
	wait_ms(3000);
	cr_assert_eq(times_said(GSP_PING), 0);
}
