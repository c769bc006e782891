// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Push/pull as the one who is asked. */
#include "test_gossip_core_sync.h"

static uint8_t *answer;
static size_t answer_n;

static void ask(const struct node *node, size_t n, bool ours)
{
	uint8_t buf[8192];
	struct swim_addr from = at(1);
	size_t len = build(node, n, state_of_serf(1, ours), buf, sizeof(buf));

	free(answer);
	cr_assert_eq(swim_request(t.s, t.now, &from, buf, len, &answer, &answer_n), 0);
}

static void bring(void)
{
	struct swim_conf c = quiet();

	start(&c);
}

static void end(void)
{
	free(answer);
	answer = NULL;
	stop();
}

Test(gossip_sync, a_newcomer_is_answered, .fini = end)
{
	const struct node all[] = { { 1, GSP_STATE_ALIVE, 10 },
				    { 2, GSP_STATE_ALIVE, 20 },
				    { 3, GSP_STATE_SUSPECT, 30 },
				    { 4, GSP_STATE_DEAD, 40 },
				    { 5, GSP_STATE_LEFT, 50 } };
	uint32_t inc;

	bring();
	ask(all, 5, true);
	cr_expect_eq(state(1), GSP_STATE_ALIVE);
	cr_expect_eq(state(2), GSP_STATE_ALIVE);
	cr_expect_eq(state(3), -1, "bad news of strangers are none");
	cr_expect_eq(state(4), -1);
	cr_expect_eq(state(5), -1);
	cr_expect_eq(says(answer, answer_n, 0, &inc), GSP_STATE_ALIVE);
	cr_expect_eq(inc, UNIX);
	cr_expect_eq(says(answer, answer_n, 2, &inc), GSP_STATE_ALIVE);
	cr_expect_eq(inc, 20);
	cr_expect(spread(1) && spread(2), "others hear of it");
}

static const struct {
	uint8_t said;
	uint32_t inc;
	int is, later; /* at once, and 3 s later */
	unsigned asked;
} merges[] = {
	{ GSP_STATE_ALIVE, 10, GSP_STATE_ALIVE, GSP_STATE_ALIVE, 0 },
	{ GSP_STATE_ALIVE, 11, GSP_STATE_ALIVE, GSP_STATE_ALIVE, 0 },
	{ GSP_STATE_SUSPECT, 9, GSP_STATE_ALIVE, GSP_STATE_ALIVE, 0 },
	{ GSP_STATE_SUSPECT, 10, GSP_STATE_SUSPECT, GSP_STATE_SUSPECT, 0 },
	{ GSP_STATE_DEAD, 9, GSP_STATE_ALIVE, GSP_STATE_ALIVE, 0 },
	{ GSP_STATE_DEAD, 10, GSP_STATE_ALIVE, GSP_STATE_SUSPECT, 1 },
	{ GSP_STATE_LEFT, 9, GSP_STATE_ALIVE, GSP_STATE_ALIVE, 0 },
	{ GSP_STATE_LEFT, 10, GSP_STATE_LEFT, GSP_STATE_LEFT, 0 },
};

Test(gossip_sync, what_another_table_says, .fini = end)
{
	for (size_t i = 0; i < ARRAY_SIZE(merges); i++) {
		struct node node = { 2, merges[i].said, merges[i].inc };

		bring();
		alive(1, 10);
		alive(2, 10);
		while (t.s->q_member.n)
			swim_queue_evict(&t.s->q_member);
		ask(&node, 1, true);
		cr_expect_eq(state(2), merges[i].is, "row %zu", i);
		forget();
		wait_ms(2500);
		cr_expect_eq(times_said(GSP_PING), merges[i].asked, "row %zu", i);
		cr_expect_eq(state(2), merges[i].later, "row %zu", i);
		if (i + 1 < ARRAY_SIZE(merges))
			end();
	}
}

/* memberlist answers first and merges then: one whose table has us dead keeps us so. */
Test(gossip_sync, the_answer_refutes, .fini = end)
{
	static const uint8_t bad[] = { GSP_STATE_SUSPECT, GSP_STATE_DEAD };

	for (unsigned i = 0; i < 2; i++) {
		struct node node = { 0, bad[i], UNIX + 3 };
		uint32_t inc;

		bring();
		ask(&node, 1, true);
		cr_expect_eq(says(answer, answer_n, 0, &inc), GSP_STATE_ALIVE);
		cr_expect_eq(inc, UNIX + 4);
		if (!i)
			end();
	}
}

/* Serf forgets its dead after half a minute; ours are told of them for longer. */
Test(gossip_sync, the_long_dead_are_for_ours, .fini = end)
{
	const struct node peer = { 1, GSP_STATE_ALIVE, 10 };

	bring();
	alive(2, 10);
	alive(3, 10);
	dead(2, 10, 1);
	dead(3, 10, 3);
	ask(&peer, 1, false);
	cr_expect_eq(says(answer, answer_n, 2, NULL), GSP_STATE_DEAD);
	cr_expect_eq(says(answer, answer_n, 3, NULL), GSP_STATE_LEFT);
	wait_ms(31000);
	ask(&peer, 1, false);
	cr_expect_eq(says(answer, answer_n, 2, NULL), -1);
	cr_expect_eq(says(answer, answer_n, 3, NULL), -1);
	ask(&peer, 1, true);
	cr_expect_eq(says(answer, answer_n, 2, NULL), GSP_STATE_DEAD);
	cr_expect_eq(says(answer, answer_n, 3, NULL), GSP_STATE_LEFT);
}

Test(gossip_sync, bad_requests, .fini = end)
{
	struct swim_addr from = at(1);
	uint8_t buf[8192];
	struct node node = { 1, GSP_STATE_ALIVE, 10 };
	size_t n = build(&node, 1, state_of_serf(1, true), buf, sizeof(buf));

	bring();
	for (size_t cut = 1; cut < n; cut++) {
		cr_assert_lt(swim_request(t.s, t.now, &from, buf, cut, &answer, &answer_n), 0,
			     "%zu", cut);
		cr_assert_null(answer);
	}
	cr_assert_eq(swim_request(t.s, t.now, &from, (const uint8_t *)"\x7f", 1, &answer,
				  &answer_n),
		     -EPROTO);
	cr_assert_eq(swim_count(t.s), 1);
}

Test(gossip_sync, a_ping_by_stream, .fini = end)
{
	struct gsp_ping ping = { .seq = 77, .node = GSP_TEXT("me") };
	struct swim_addr from = at(1);
	struct gsp_ack ack;
	uint8_t buf[256];
	int n;

	bring();
	n = gsp_ping_encode(&ping, buf, sizeof(buf));
	cr_assert_eq(swim_request(t.s, t.now, &from, buf, (size_t)n, &answer, &answer_n), 0);
	cr_assert_gt(gsp_ack_decode(&ack, answer, answer_n), 0);
	cr_assert_eq(ack.seq, 77);
	free(answer);
	ping.node = GSP_TEXT("other");
	n = gsp_ping_encode(&ping, buf, sizeof(buf));
	cr_assert_lt(swim_request(t.s, t.now, &from, buf, (size_t)n, &answer, &answer_n), 0);
}

static struct gsp_bytes merged;
static char merged_text[32];
static struct swim_addr merged_from;

static void merge(void *arg, const struct swim_addr *from, struct gsp_bytes digest)
{
	(void)arg;
	merged_from = *from;
	merged = digest;
	memcpy(merged_text, digest.p, digest.n);
}

static size_t digest(void *arg, uint8_t *buf, size_t cap)
{
	(void)arg;
	cr_assert_eq(cap, SWIM_DIGEST_MAX);
	memcpy(buf, "what we have", 12);
	return 12;
}

Test(gossip_sync, our_digest_travels_in_serfs_state, .fini = end)
{
	const struct node peer = { 1, GSP_STATE_ALIVE, 10 };
	struct gsp_serf_sync serf;
	struct gsp_sync sync;

	ops.merge = merge;
	ops.digest = digest;
	bring();
	ask(&peer, 1, true);
	cr_assert_eq(merged.n, 6);
	cr_assert_str_eq(merged_text, "digest");
	cr_assert_gt(gsp_sync_decode(&sync, answer, answer_n), 0);
	cr_assert_gt(gsp_serf_sync_decode(&serf, sync.user.p, sync.user.n), 0);
	cr_assert(gsp_bytes_eq(serf.digest, GSP_TEXT("\x02mewhat we have")));
}

Test(gossip_sync, whose_digest_it_is, .fini = end)
{
	const struct node peer = { 1, GSP_STATE_ALIVE, 10 };
	struct swim_addr from = at(1);
	uint8_t buf[1024], *at_digest;
	size_t n;

	ops.merge = merge;
	bring();
	n = build(&peer, 1, state_of_serf(1, true), buf, sizeof(buf));
	from.port = 40000;
	cr_assert_eq(swim_request(t.s, t.now, &from, buf, n, &answer, &answer_n), 0);
	cr_expect(swim_addr_eq(&merged_from, &(struct swim_addr){ at(1).ip, 7946 }));
	free(answer);
	from.ip = at(9).ip;
	cr_assert_eq(swim_request(t.s, t.now, &from, buf, n, &answer, &answer_n), 0);
	cr_expect(swim_addr_eq(&merged_from, &from), "from elsewhere it is nobody");
	free(answer);
	merged.n = 0;
	at_digest = memmem(buf, n, "\x02n1digest", 9);
	cr_assert(at_digest);
	*at_digest = 9; /* a name longer than all of it */
	cr_assert_eq(swim_request(t.s, t.now, &from, buf, n, &answer, &answer_n), 0);
	cr_expect_eq(merged.n, 0);
	cr_expect_eq(t.s->stats.bad, 1);
}

static char got_record[32];

static void on_record(void *arg, const struct swim_addr *from, struct gsp_bytes record)
{
	(void)arg;
	cr_assert_eq(from->port, 7946);
	memcpy(got_record, record.p, record.n);
}

Test(gossip_sync, records_come_by_packet_and_by_stream, .fini = end)
{
	struct gsp_bytes data = GSP_TEXT("\xa5"
					 "streamed");
	struct swim_addr from = at(1);
	uint8_t buf[64];
	int n;

	ops.record = on_record;
	bring();
	hear(1,
	     (const uint8_t *)"\x08\xa5"
			      "packed",
	     8);
	cr_assert_str_eq(got_record, "packed");
	n = gsp_user_encode(&data, buf, sizeof(buf));
	cr_assert_eq(swim_request(t.s, t.now, &from, buf, (size_t)n, &answer, &answer_n), 0);
	cr_assert_null(answer);
	cr_assert_str_eq(got_record, "streamed");
	cr_assert_eq(t.s->stats.records_in, 2);
}
