// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is said next, how often, and how a packet is shared out. */
#include "test_gossip_core.h"

static struct swim_queue q;

static void open_queue(size_t n, size_t bytes)
{
	memset(&q, 0, sizeof(q));
	cr_assert_eq(swim_queue_init(&q, n, bytes), 0);
}

static void close_queue(void)
{
	swim_queue_fini(&q);
}

static int put(uint64_t key, char name, size_t len)
{
	uint8_t body[2000];

	memset(body, name, len);
	return swim_queue_put(&q, key, (struct gsp_bytes){ body, 1 },
			      (struct gsp_bytes){ body, (uint32_t)len - 1 });
}

/* The first bytes of what fits into room, in order. */
static const char *take(size_t room, unsigned limit)
{
	static char text[64];
	const struct swim_bcast *b;
	unsigned n = 0;

	while (n < 60 && (b = swim_queue_take(&q, room))) {
		text[n++] = (char)b->data[0];
		room -= b->len;
	}
	text[n] = 0;
	swim_queue_done(&q, limit);
	return text;
}

Test(gossip_queue, fewest_sent_then_largest_that_fits, .fini = close_queue)
{
	open_queue(100, 100000);
	put(0, 'a', 100);
	put(0, 'b', 500);
	put(0, 'c', 300);
	cr_expect_str_eq(take(1000, 9), "bca", "largest first");
	put(0, 'd', 50);
	cr_expect_str_eq(take(200, 9), "da", "new before old, then what fits");
	cr_expect_str_eq(take(1000, 9), "bcda", "sent once before sent twice");
	cr_expect_str_eq(take(40, 9), "", "nothing fits");
}

Test(gossip_queue, the_newest_of_a_size_first, .fini = close_queue)
{
	open_queue(100, 100000);
	put(0, 'a', 100);
	put(0, 'b', 100);
	put(0, 'c', 100);
	cr_expect_str_eq(take(200, 9), "cb");
	cr_expect_str_eq(take(100, 9), "a");
}

Test(gossip_queue, sent_so_many_times, .fini = close_queue)
{
	open_queue(100, 100000);
	put(0, 'a', 100);
	for (unsigned i = 0; i < 3; i++)
		cr_expect_str_eq(take(1000, 3), "a");
	cr_expect_str_eq(take(1000, 3), "");
	cr_expect_eq(q.n, 0);
	cr_expect_eq(q.bytes, 0);
	put(7, 'b', 100);
	take(1000, 5);
	swim_queue_heard(&q, 7, 5);
	swim_queue_heard(&q, 7, 5);
	cr_expect_str_eq(take(1000, 5), "b");
	swim_queue_heard(&q, 7, 5);
	cr_expect_eq(q.n, 0, "heard counts like said");
}

Test(gossip_queue, the_newer_replaces, .fini = close_queue)
{
	open_queue(100, 100000);
	put(1, 'a', 100);
	put(2, 'b', 100);
	take(1000, 9);
	put(1, 'c', 90);
	cr_expect_eq(q.n, 2);
	cr_expect_eq(q.bytes, 190);
	cr_expect_str_eq(take(100, 9), "c", "and begins anew");
	swim_queue_drop(&q, 2);
	cr_expect(!swim_queue_has(&q, 2));
	cr_expect_str_eq(take(1000, 9), "c");
}

Test(gossip_queue, bounds, .fini = close_queue)
{
	open_queue(3, 1000);
	cr_expect_eq(put(1, 'a', 400), 0);
	cr_expect_eq(put(2, 'b', 601), -ENOBUFS);
	cr_expect_eq(put(2, 'b', 600), 0);
	cr_expect_eq(put(2, 'c', 500), 0, "replaced");
	cr_expect_eq(put(1, 'd', 600), -ENOBUFS, "the old one stays");
	cr_expect(swim_queue_has(&q, 1));
	cr_expect_eq(put(3, 'e', 10), 0);
	cr_expect_eq(put(4, 'f', 10), -ENOBUFS);
	take(10, 9);
	cr_expect(swim_queue_evict(&q));
	cr_expect(!swim_queue_has(&q, 3), "the one sent most goes first");
	cr_expect_eq(q.peak, 3);
}

/* ---- packets --------------------------------------------------------------------------------- */

static void bring(unsigned ours, unsigned foreign)
{
	struct swim_conf c = quiet();

	start(&c);
	for (unsigned i = 1; i <= ours + foreign; i++)
		alive_at(i, 10, at(i), i <= ours ? OURS : "");
	while (t.s->q_member.n)
		swim_queue_evict(&t.s->q_member);
	forget();
}

static void tick(void)
{
	swim_timer_set(&t.s->heap, &t.s->t_gossip, t.s->now);
	wait_ms(0);
	swim_timer_stop(&t.s->heap, &t.s->t_gossip);
}

static int record(uint64_t key, size_t n, bool own)
{
	static const uint8_t body[8192];

	return swim_record(t.s, key, (struct gsp_bytes){ body, (uint32_t)n }, own);
}

static void churn(unsigned n)
{
	uint8_t m[100] = { GSP_USER, GSP_SERF_OURS + 1 };

	for (unsigned i = 0; i < n; i++)
		swim_broadcast(t.s, 1000 + i, m, sizeof(m));
}

Test(gossip_queue, three_peers_a_tick, .fini = stop)
{
	bool to[11] = { 0 };

	bring(10, 0);
	churn(1);
	tick();
	cr_assert_eq(t.packets, 3);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert(!to[t.sent[i].to.ip.ip[3]]);
		to[t.sent[i].to.ip.ip[3]] = true;
	}
	forget();
	while (t.s->q_member.n)
		swim_queue_evict(&t.s->q_member);
	tick();
	cr_assert_eq(t.packets, 0, "nothing to say");
}

Test(gossip_queue, a_backlog_takes_more_packets, .fini = stop)
{
	bring(10, 0);
	churn(40);
	tick();
	cr_assert_eq(t.packets, 3 * 4);
	cr_assert_eq(t.n_sent, 3 * 40, "each peer gets each message once");
	for (unsigned i = 0; i < t.packets; i++)
		cr_assert_leq(t.packet_n[i], t.s->conf.packet_max);
	churn(400);
	forget();
	tick();
	cr_assert_eq(t.packets, 3 * 8, "at most eight to a peer");
}

/* However much there is to say about members, records have half. */
Test(gossip_queue, records_have_half_of_each_packet, .fini = stop)
{
	size_t records = 0, all = 0;

	bring(10, 0);
	churn(400);
	for (unsigned i = 1; i <= 400; i++)
		cr_assert_eq(record(i, 98, true), 0);
	tick();
	for (unsigned i = 0; i < t.n_sent; i++) {
		all += t.sent[i].n;
		if (t.sent[i].data[1] == GSP_SERF_OURS)
			records += t.sent[i].n;
	}
	cr_assert(records * 100 / all >= 40 && records * 100 / all <= 60, "%zu of %zu", records,
		  all);
	cr_assert_eq(t.packets, 24);
}

static unsigned records_sent(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < t.n_sent; i++)
		n += t.sent[i].data[0] == GSP_USER && t.sent[i].data[1] == GSP_SERF_OURS;
	return n;
}

Test(gossip_queue, large_records_do_not_starve, .fini = stop)
{
	bring(10, 0);
	churn(400);
	for (unsigned i = 1; i <= 20; i++)
		cr_assert_eq(record(i, 1000, true), 0);
	tick();
	cr_assert_geq(records_sent(), 9);
	cr_assert_leq(records_sent(), 15);
}

Test(gossip_queue, records_only_to_our_own, .fini = stop)
{
	bring(3, 20);
	record(1, 100, true);
	for (unsigned i = 0; i < 10; i++) {
		churn(1);
		tick();
	}
	cr_assert_gt(records_sent(), 0);
	for (unsigned i = 0; i < t.n_sent; i++) {
		if (t.sent[i].data[1] == GSP_SERF_OURS)
			cr_assert_leq(t.sent[i].to.ip.ip[3], 3);
	}
	stop();
	bring(0, 5);
	record(1, 100, true);
	tick();
	cr_assert_eq(t.packets, 0);
	cr_assert_eq(t.s->q_own.n, 0);
}

Test(gossip_queue, own_records_go_first, .fini = stop)
{
	bring(10, 0);
	for (unsigned i = 1; i <= 200; i++) {
		record(i, 200, false);
		record(1000 + i, 100, true);
	}
	tick();
	for (unsigned i = 0; i < t.n_sent; i++)
		cr_assert_eq(t.sent[i].n, 102);
}

Test(gossip_queue, records_are_bounded, .fini = stop)
{
	struct swim_conf c = quiet();

	c.queue_bytes = 10000;
	start(&c);
	alive(1, 10);
	cr_assert_eq(swim_record_max(t.s), c.packet_max - 2);
	cr_assert_eq(record(1, swim_record_max(t.s), true), 0);
	cr_assert_eq(record(1, swim_record_max(t.s) + 1, true), -EMSGSIZE);
	swim_record_cancel(t.s, 1);
	for (unsigned i = 1; i <= 9; i++)
		cr_assert_eq(record(i, 1000, false), 0);
	cr_assert_eq(record(10, 1000, false), -ENOBUFS);
	cr_assert_eq(record(10, 1000, true), 0, "own ones push out relayed ones");
	cr_assert_eq(t.s->q_relayed.n, 8);
	for (unsigned i = 11; i <= 18; i++)
		cr_assert_eq(record(i, 1000, true), 0);
	cr_assert_eq(record(19, 1000, true), -ENOBUFS);
	cr_assert_eq(t.s->q_own.n, 9);
	cr_assert_eq(record(12, 990, false), 0, "of another owner now");
	cr_assert_eq(t.s->q_own.n, 8);
}

/* A ping takes along what there is to say. */
Test(gossip_queue, every_packet_is_filled, .fini = stop)
{
	bring(5, 0);
	churn(2);
	record(1, 100, true);
	swim_probe_begin(t.s, member(1));
	cr_assert_eq(t.packets, 1);
	cr_assert_eq(t.n_sent, 4);
	cr_assert_eq(t.sent[0].type, GSP_PING);
}

/* The longer it would take, the sooner others should ask for all of it instead. */
Test(gossip_queue, backlog, .fini = stop)
{
	struct swim_stats st;
	uint64_t some;

	bring(20, 0);
	cr_assert_eq(swim_backlog(t.s), 0);
	for (unsigned i = 1; i <= 100; i++)
		record(i, 148, true);
	some = swim_backlog(t.s);
	cr_assert(some >= 800 && some <= 1600, "%llu", (unsigned long long)some);
	for (unsigned i = 101; i <= 200; i++)
		record(i, 148, true);
	cr_assert_leq(swim_backlog(t.s) - 2 * some, 1);
	swim_stats(t.s, &st);
	cr_assert_eq(st.queued_records, 200);
	cr_assert_eq(st.queued_bytes, 200 * 150);
}

static const struct {
	unsigned records, heard, copies; /* of each */
} copies[] = {
	{ 40, 0, 6 }, { 40, 1, 5 }, { 40, 6, 0 }, { 80, 0, 3 }, /* more than fit at once */
};

Test(gossip_queue, copies_of_a_record, .fini = stop)
{
	for (size_t i = 0; i < ARRAY_SIZE(copies); i++) {
		bring(20, 0);
		for (unsigned k = 1; k <= copies[i].records; k++) {
			record(k, 148, true);
			for (unsigned h = 0; h < copies[i].heard; h++)
				swim_record_heard(t.s, k);
		}
		for (unsigned k = 0; k < 20; k++)
			tick();
		cr_expect_eq(t.s->q_own.n, 0);
		cr_expect(records_sent() >= copies[i].records * copies[i].copies &&
				  records_sent() <= copies[i].records * (copies[i].copies + 1u),
			  "row %zu: %u", i, records_sent());
		if (i + 1 < ARRAY_SIZE(copies))
			stop();
	}
}
