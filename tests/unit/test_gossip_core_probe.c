// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Probes: whom, when, how often, and what they say about our own health. */
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

static uint32_t seq_of_probe(void)
{
	unsigned from = 0;
	const struct sent *k = said(GSP_PING, &from);
	struct gsp_ping ping;

	cr_assert(k);
	cr_assert_gt(gsp_ping_decode(&ping, k->data, k->n), 0);
	return ping.seq;
}

static void ack(unsigned from, uint32_t seq)
{
	struct gsp_ack m = { .seq = seq };
	uint8_t buf[64];

	hear(from, buf, gsp_ack_encode(&m, buf, sizeof(buf)));
}

static void nack(unsigned from, uint32_t seq)
{
	struct gsp_nack m = { .seq = seq };
	uint8_t buf[64];

	hear(from, buf, gsp_nack_encode(&m, buf, sizeof(buf)));
}

static void end_exchange(uint32_t seq, bool answered)
{
	struct gsp_ack m = { .seq = seq };
	uint8_t buf[64];
	int n = gsp_ack_encode(&m, buf, sizeof(buf));

	swim_exchange_end(t.s, t.now, t.exchange_id, answered ? buf : NULL, (size_t)n);
}

Test(gossip_probe, everybody_once_a_turn, .fini = stop)
{
	unsigned seen[21] = { 0 }, order[5][20];

	bring(20);
	for (unsigned turn = 0; turn < 5; turn++) {
		memset(seen, 0, sizeof(seen));
		for (unsigned k = 0; k < 20; k++) {
			unsigned from = 0;
			const struct sent *s;

			forget();
			swim_probe_tick(t.s);
			swim_timer_stop(&t.s->heap, &t.s->t_probe);
			while ((s = said(GSP_PING, &from))) {
				seen[s->to.ip.ip[3]]++;
				order[turn][k] = s->to.ip.ip[3];
			}
			for (unsigned i = 0; i < SWIM_PROBES; i++) {
				if (t.s->probe[i].m)
					ack(1, t.s->probe[i].seq);
			}
		}
		for (unsigned i = 1; i <= 20; i++)
			cr_expect_eq(seen[i], 1, "turn %u n%u: %u", turn, i, seen[i]);
	}
	for (unsigned turn = 1; turn < 5; turn++)
		cr_expect(memcmp(order[turn], order[turn - 1], sizeof(order[0])), "another order");
}

Test(gossip_probe, the_dead_and_those_who_left_are_not_asked, .fini = stop)
{
	bring(3);
	dead(1, 10, 2);
	dead(2, 10, 2);
	forget();
	for (unsigned i = 0; i < 10; i++) {
		swim_probe_tick(t.s);
		wait_ms(100);
	}
	for (unsigned i = 0; i < t.n_sent; i++)
		cr_expect_eq(t.sent[i].to.ip.ip[3], 3);
	cr_assert_gt(t.n_sent, 0);
}

Test(gossip_probe, the_steps_of_one, .fini = stop)
{
	struct gsp_indirect_ping ask;
	struct gsp_ping ping;
	unsigned from = 0;

	bring(9);
	swim_probe_begin(t.s, member(1));
	cr_assert_eq(t.n_sent, 1);
	cr_assert(swim_addr_eq(&t.sent[0].to, &member(1)->addr));
	wait_ms(490);
	cr_assert_eq(t.n_sent, 1);
	wait_ms(20);
	cr_assert_eq(times_said(GSP_INDIRECT_PING), 3);
	for (const struct sent *k; (k = said(GSP_INDIRECT_PING, &from));) {
		cr_assert_gt(gsp_indirect_ping_decode(&ask, k->data, k->n), 0);
		cr_expect(gsp_bytes_eq(ask.node, GSP_TEXT("n1")));
		cr_expect(ask.nack);
		cr_expect_neq(k->to.ip.ip[3], 1);
		cr_expect_eq(ask.seq, seq_of_probe());
	}
	cr_assert_eq(t.exchanges, 1);
	cr_assert(swim_addr_eq(&t.exchange_to, &member(1)->addr));
	cr_assert_gt(gsp_ping_decode(&ping, t.exchange, t.exchange_n), 0);
	cr_assert_eq(state(1), GSP_STATE_ALIVE);
	wait_ms(500);
	cr_assert_eq(state(1), GSP_STATE_SUSPECT);
	cr_assert(spread(1));
}

/* How it ends: d(irect answer), i(ndirect), t(CP), l(ate), digits: that many nacks. */
static const struct {
	const char *what;
	unsigned before, health;
	int state;
} ends[] = {
	{ "d", 0, 0, GSP_STATE_ALIVE },	  { "d", 3, 2, GSP_STATE_ALIVE },
	{ "i", 3, 2, GSP_STATE_ALIVE },	  { "t", 3, 3, GSP_STATE_ALIVE },
	{ "3", 0, 0, GSP_STATE_SUSPECT }, { "2", 0, 1, GSP_STATE_SUSPECT },
	{ "0", 0, 3, GSP_STATE_SUSPECT }, { "0", 6, 7, GSP_STATE_SUSPECT },
	{ "l", 0, 3, GSP_STATE_SUSPECT },
};

Test(gossip_probe, what_it_says_about_us, .fini = stop)
{
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		char what = ends[i].what[0];
		uint32_t seq;

		bring(9);
		t.s->health = ends[i].before;
		swim_probe_begin(t.s, member(1));
		seq = seq_of_probe();
		if (what == 'd')
			ack(1, seq);
		wait_ms(600);
		if (what == 'i')
			ack(2, seq);
		if (what == 't')
			end_exchange(seq, true);
		for (char k = '0'; k < what && what <= '9'; k++)
			nack(2, seq);
		wait_ms(1000 * (ends[i].before + 1) - 600);
		if (what == 'l')
			ack(1, seq);
		cr_expect_eq(swim_health(t.s), ends[i].health, "row %zu: %u", i, swim_health(t.s));
		cr_expect_eq(state(1), ends[i].state, "row %zu", i);
		if (i + 1 < ARRAY_SIZE(ends))
			stop();
	}
}

Test(gossip_probe, nobody_to_ask_is_our_fault, .fini = stop)
{
	bring(1);
	swim_probe_begin(t.s, member(1));
	wait_ms(600);
	end_exchange(seq_of_probe(), false);
	wait_ms(400);
	cr_assert_eq(swim_health(t.s), 1);
	cr_assert_eq(state(1), GSP_STATE_SUSPECT);
}

/* An answer to something else, on the stream. */
Test(gossip_probe, a_foreign_answer_is_none, .fini = stop)
{
	bring(1);
	swim_probe_begin(t.s, member(1));
	wait_ms(600);
	end_exchange(seq_of_probe() + 1, true);
	wait_ms(400);
	cr_assert_eq(state(1), GSP_STATE_SUSPECT);
}

Test(gossip_probe, the_unwell_wait_longer, .fini = stop)
{
	bring(9);
	t.s->health = 2;
	swim_probe_begin(t.s, member(1));
	wait_ms(2900);
	cr_assert_eq(state(1), GSP_STATE_ALIVE);
	wait_ms(200);
	cr_assert_eq(state(1), GSP_STATE_SUSPECT);
}

/* ---- for others ------------------------------------------------------------------------------ */

static void ask(unsigned asker, unsigned target, struct swim_addr where, bool wants_nack)
{
	struct gsp_indirect_ping m = { .seq = 99,
				       .target = where.ip,
				       .port = where.port,
				       .node = GSP_TEXT(name_of(target)),
				       .nack = wants_nack,
				       .source_node = GSP_TEXT(name_of(asker)) };
	uint8_t buf[256];

	hear(asker, buf, gsp_indirect_ping_encode(&m, buf, sizeof(buf)));
}

Test(gossip_probe, relays, .fini = stop)
{
	struct gsp_ack got;

	bring(2);
	ask(2, 1, at(1), true);
	cr_assert(swim_addr_eq(&t.sent[0].to, &member(1)->addr));
	ack(1, seq_of_probe());
	cr_assert_eq(times_said(GSP_ACK), 1);
	cr_assert(swim_addr_eq(&said(GSP_ACK, NULL)->to, &member(2)->addr));
	cr_assert_gt(gsp_ack_decode(&got, said(GSP_ACK, NULL)->data, said(GSP_ACK, NULL)->n), 0);
	cr_assert_eq(got.seq, 99);
	wait_ms(1000);
	cr_assert_eq(times_said(GSP_NACK), 0);
}

Test(gossip_probe, relays_say_when_they_fail, .fini = stop)
{
	bring(2);
	ask(2, 1, at(1), true);
	ask(2, 1, at(1), false);
	wait_ms(490);
	cr_assert_eq(times_said(GSP_NACK), 0);
	wait_ms(20);
	cr_assert_eq(times_said(GSP_NACK), 1);
	cr_assert(swim_addr_eq(&said(GSP_NACK, NULL)->to, &member(2)->addr));
}

/* Nobody makes us send packets to where no member is. */
Test(gossip_probe, only_members_are_relayed_to, .fini = stop)
{
	bring(2);
	ask(2, 1, at(99), true);
	ask(2, 7, at(7), true);
	wait_ms(1000);
	cr_assert_eq(t.n_sent, 0);
	for (unsigned i = 0; i < SWIM_RELAYS + 10; i++)
		ask(2, 1, at(1), true);
	cr_assert_eq(times_said(GSP_PING), SWIM_RELAYS);
	cr_assert_eq(t.s->stats.relay_full, 10);
}

static void ping(unsigned from, unsigned who, struct swim_addr back, const char *source)
{
	struct gsp_ping m = { .seq = 7,
			      .node = GSP_TEXT(name_of(who)),
			      .source_addr = back.ip,
			      .source_port = back.port,
			      .source_node = GSP_TEXT(source) };
	uint8_t buf[256];

	hear(from, buf, gsp_ping_encode(&m, buf, sizeof(buf)));
}

Test(gossip_probe, where_answers_go, .fini = stop)
{
	struct swim_addr none = { 0 }, a;

	bring(2);
	ping(1, 2, none, "");
	cr_assert_eq(t.n_sent, 0, "not for us");
	ping(50, 0, none, "");
	a = at(50);
	cr_assert(swim_addr_eq(&t.sent[0].to, &a));
	ping(50, 0, at(2), "n2");
	cr_assert(swim_addr_eq(&t.sent[1].to, &member(2)->addr), "a member, by its own address");
	ping(50, 0, at(66), "n2");
	ping(50, 0, at(66), "n66");
	cr_assert(swim_addr_eq(&t.sent[2].to, &a), "not its address");
	cr_assert(swim_addr_eq(&t.sent[3].to, &a), "no member");
}

static size_t hash(void *arg, uint8_t *buf, size_t cap)
{
	(void)arg;
	(void)cap;
	memcpy(buf, "12345678", 8);
	return 8;
}

static char got_hash[16];

static void hash_seen(void *arg, const struct swim_member *m, struct gsp_bytes h)
{
	(void)arg;
	(void)m;
	memcpy(got_hash, h.p, h.n);
}

/* The table's hash travels in acks between nodes of ours; Serf would complain about it. */
Test(gossip_probe, the_hash_is_for_ours_only, .fini = stop)
{
	struct gsp_ack m;
	uint8_t buf[64];

	ops.hash = hash;
	ops.hash_seen = hash_seen;
	bring(1);
	alive_at(2, 11, at(2), "");
	forget();
	ping(1, 0, at(1), "n1");
	ping(2, 0, at(2), "n2");
	cr_assert_gt(gsp_ack_decode(&m, t.sent[0].data, t.sent[0].n), 0);
	cr_assert_eq(m.payload.n, 9);
	cr_assert_eq(m.payload.p[0], GSP_SERF_OURS);
	cr_assert_gt(gsp_ack_decode(&m, said(GSP_ACK, &(unsigned){ 1 })->data,
				    said(GSP_ACK, &(unsigned){ 1 })->n),
		     0);
	cr_assert_eq(m.payload.n, 0);
	forget();
	swim_probe_begin(t.s, member(1));
	m = (struct gsp_ack){ seq_of_probe(), GSP_TEXT("\xa5"
						       "abc") };
	hear(1, buf, gsp_ack_encode(&m, buf, sizeof(buf)));
	cr_assert_str_eq(got_hash, "abc");
}
