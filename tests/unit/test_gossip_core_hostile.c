// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a stranger, or a member gone bad, cannot do: have us work, or talk, for nothing. */
#include "test_gossip_core_sync.h"

static struct gsp_bytes stranger(unsigned i)
{
	static char text[16];

	snprintf(text, sizeof(text), "x%u", i);
	return GSP_TEXT(text);
}

static void ping_from(unsigned i)
{
	struct gsp_ping ping = { .seq = 7, .node = GSP_TEXT("me") };
	uint8_t buf[256];

	hear(i, buf, gsp_ping_encode(&ping, buf, sizeof(buf)));
}

Test(gossip_hostile, what_is_queued_is_not_for_strangers, .fini = stop)
{
	struct swim_conf c = quiet();

	start(&c);
	alive(1, 10);
	alive(2, 10);
	forget();
	for (unsigned k = 0; k < 100; k++)
		ping_from(9);
	cr_expect_eq(times_said(GSP_ACK), 100);
	cr_expect_eq(t.n_sent, 100, "%u messages", t.n_sent);
	cr_expect(spread(1) && spread(2), "still there for the members");
	alive(1, 11);
	forget();
	ping_from(1);
	cr_expect_eq(times_said(GSP_ACK), 1);
	cr_expect_gt(t.n_sent, 1, "a member hears more");
}

Test(gossip_hostile, an_ack_relayed_for_a_stranger_is_alone, .fini = stop)
{
	struct gsp_indirect_ping ask = {
		.seq = 5, .target = at(1).ip, .port = 7946, .node = GSP_TEXT("n1"), .nack = true
	};
	struct swim_conf c = quiet();
	uint8_t buf[256];

	start(&c);
	alive(1, 10);
	alive(2, 10);
	hear(9, buf, gsp_indirect_ping_encode(&ask, buf, sizeof(buf)));
	forget();
	wait_ms(c.probe_timeout + 1);
	cr_expect_eq(times_said(GSP_NACK), 1);
	cr_expect_eq(t.n_sent, 1);
}

Test(gossip_hostile, where_a_dead_name_speaks_from_hears_only_that, .fini = stop)
{
	struct swim_conf c = quiet();

	start(&c);
	alive(1, 10);
	alive(2, 10);
	dead(1, 10, 2);
	wait_ms(2000);
	spread(1);
	forget();
	alive_at(1, 10, at(9), OURS);
	cr_expect_eq(times_said(GSP_DEAD), 1);
	cr_expect_eq(t.n_sent, 1);
}

/* Looking for somebody to forget costs a walk through the table: not one for each invented name. */
Test(gossip_hostile, invented_names_are_cheap, .fini = stop)
{
	struct swim_conf c = quiet();
	struct gsp_alive m = {
		.incarnation = 1, .addr = at(3).ip, .port = 7946, .vsn = GSP_VSN_OURS
	};
	uint8_t buf[256];

	c.members = 3;
	start(&c);
	alive(1, 10);
	alive(2, 10);
	dead(2, 10, 1);
	m.node = stranger(0);
	hear(1, buf, gsp_alive_encode(&m, buf, sizeof(buf)));
	cr_expect_eq(t.events[SWIM_EV_FULL], 1, "who just died is news");
	cr_expect_gt(t.s->full_until, t.s->now);
	member(2)->since = t.s->now - c.gossip_dead;
	m.node = stranger(1);
	hear(1, buf, gsp_alive_encode(&m, buf, sizeof(buf)));
	cr_expect_eq(t.events[SWIM_EV_FULL], 2, "not looked for again at once");
	wait_ms(1000);
	hear(1, buf, gsp_alive_encode(&m, buf, sizeof(buf)));
	cr_expect_eq(t.events[SWIM_EV_FULL], 2, "but soon");
	cr_expect(swim_get(t.s, stranger(1)));
}

static int request(const uint8_t *p, size_t n)
{
	struct swim_addr from = at(1);
	uint8_t *answer;
	size_t answer_n;
	int err = swim_request(t.s, t.now, &from, p, n, &answer, &answer_n);

	free(answer);
	return err;
}

static size_t many_nodes(unsigned n, uint8_t *buf, size_t cap)
{
	struct gsp_sync_header h = { n, 0, true };
	size_t used = (size_t)gsp_sync_header_encode(&h, buf, cap);

	for (unsigned i = 0; i < n; i++) {
		struct gsp_node_state st = { .name = GSP_TEXT("n1"), .incarnation = 5 };

		used += (size_t)gsp_node_state_encode(&st, buf + used, cap - used);
	}
	return used;
}

Test(gossip_hostile, a_table_larger_than_any_is_refused, .fini = stop)
{
	struct swim_conf c = quiet();
	uint8_t buf[4096];

	c.members = 4;
	start(&c);
	cr_expect_eq(request(buf, many_nodes(4 * 4, buf, sizeof(buf))), 0);
	cr_expect_eq(request(buf, many_nodes(4 * 4 + 1, buf, sizeof(buf))), -EBADMSG);
}

static int sync_with_status(unsigned n)
{
	uint8_t list[4096], user[4096], buf[8192];
	struct gsp_serf_sync sync = { .ltime = 1, .status = GSP_LIST(list, sizeof(list)) };
	int k;

	for (unsigned i = 0; i < n; i++) {
		struct gsp_serf_status st = { GSP_TEXT("n1"), 50 + i };

		cr_assert_eq(gsp_list_add_status(&sync.status, &st), 0);
	}
	k = gsp_serf_sync_encode(&sync, user, sizeof(user));
	cr_assert_gt(k, 0);
	return request(buf,
		       build(NULL, 0, (struct gsp_bytes){ user, (uint32_t)k }, buf, sizeof(buf)));
}

Test(gossip_hostile, so_are_lists_of_serfs, .fini = stop)
{
	struct swim_conf c = quiet();

	c.members = 4;
	start(&c);
	alive(1, 10);
	cr_expect_eq(sync_with_status(4 * 4 + 1), 0);
	cr_expect_eq(member(1)->ltime, 0);
	cr_expect_eq(t.s->stats.bad, 1);
	cr_expect_eq(sync_with_status(4 * 4), 0);
	cr_expect_gt(member(1)->ltime, 0);
}
