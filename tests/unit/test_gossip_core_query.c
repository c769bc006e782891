// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Queries of Serf: who answers what, and to whom. */
#include "test_gossip_core_user.h"

/* Whether something of Serf's was queued; drops it. */
static bool relayed(void)
{
	bool had = t.s->q_serf.n;

	while (t.s->q_serf.n)
		swim_queue_evict(&t.s->q_serf);
	return had;
}

static uint32_t next_id = 100;

static struct gsp_serf_query query(const char *name)
{
	return (struct gsp_serf_query){ .ltime = 5,
					.id = next_id++,
					.addr = at(2).ip,
					.port = 7946,
					.flags = GSP_QUERY_ACK,
					.name = GSP_TEXT(name) };
}

static void ask(const struct gsp_serf_query *q)
{
	uint8_t buf[2048];

	user(buf, gsp_serf_query_encode(q, buf, sizeof(buf)));
}

/* The responses sent, and the last of them. */
static unsigned answers(struct gsp_serf_response *ret)
{
	unsigned from = 0, n = 0;

	for (const struct sent *k; (k = said(GSP_USER, &from));) {
		if (k->data[1] != GSP_SERF_RESPONSE)
			continue;
		cr_assert_gt(gsp_serf_response_decode(ret, k->data + 1, k->n - 1u), 0);
		cr_assert(swim_addr_eq(&k->to, &member(2)->addr));
		n++;
	}
	return n;
}

Test(gossip_query, ping_is_answered_once, .fini = stop)
{
	struct gsp_serf_query q = query("_serf_ping");
	struct gsp_serf_response r;

	bring();
	ask(&q);
	ask(&q);
	cr_assert_eq(answers(&r), 1);
	cr_assert_eq(r.flags, GSP_QUERY_ACK);
	cr_assert_eq(r.id, q.id);
	cr_assert_eq(r.ltime, 5);
	cr_assert(gsp_bytes_eq(r.from, GSP_TEXT("me")));
	cr_assert_eq(t.s->q_serf.n, 1);
	relayed();
	q = query("_serf_ping");
	q.flags = GSP_QUERY_NO_BROADCAST;
	ask(&q);
	cr_assert(!relayed());
	cr_assert_eq(answers(&r), 1, "no acknowledgement was asked for");
}

/* The address is whatever the asker wrote: only members get answers. */
Test(gossip_query, strangers_get_no_answer, .fini = stop)
{
	struct gsp_serf_query q = query("_serf_ping");

	bring();
	q.addr = at(66).ip;
	ask(&q);
	cr_assert_eq(t.n_sent, 0);
	cr_assert(relayed());
}

static void filtered(const char *a, const char *b, unsigned expect, const char *tag)
{
	struct gsp_serf_query q = query("_serf_ping");
	uint8_t list[256], one[256], names[256];
	struct gsp_list filters = GSP_LIST(list, sizeof(list));
	struct gsp_filter f = { .type = GSP_FILTER_NODE, .nodes = GSP_LIST(names, sizeof(names)) };
	struct gsp_serf_response r;
	int n;

	if (tag) {
		f = (struct gsp_filter){ GSP_FILTER_TAG, .tag = GSP_TEXT(tag),
					 .expr = GSP_TEXT(".*") };
	} else {
		cr_assert_eq(gsp_list_add_bytes(&f.nodes, GSP_TEXT(a)), 0);
		cr_assert_eq(gsp_list_add_bytes(&f.nodes, GSP_TEXT(b)), 0);
	}
	n = gsp_filter_encode(&f, one, sizeof(one));
	cr_assert_gt(n, 0);
	cr_assert_eq(gsp_list_add_bytes(&filters, (struct gsp_bytes){ one, (uint32_t)n }), 0);
	q.filters = filters;
	forget();
	ask(&q);
	cr_expect_eq(answers(&r), expect, "%s %s", a, b);
	cr_expect(relayed());
}

Test(gossip_query, filters, .fini = stop)
{
	bring();
	filtered("n1", "me", 1, NULL);
	filtered("n1", "n2", 0, NULL);
	filtered("", "", 0, "role");
}

Test(gossip_query, whose_is_the_name, .fini = stop)
{
	struct gsp_serf_query q = query("_serf_conflict");
	struct gsp_serf_response r;
	struct gsp_serf_conflict c;
	struct gsp_serf_tag tag;

	bring();
	q.payload = GSP_TEXT("n1");
	q.flags = 0;
	ask(&q);
	cr_assert_eq(answers(&r), 1);
	cr_assert_gt(gsp_serf_conflict_decode(&c, r.payload.p, r.payload.n), 0);
	cr_assert(gsp_bytes_eq(c.name, GSP_TEXT("n1")));
	cr_assert_eq(c.port, 7946);
	cr_assert_eq(c.status, 1);
	cr_assert(gsp_list_take_tag(&c.tags, &tag));
	cr_assert(gsp_bytes_eq(tag.key, GSP_TEXT("patchbay")));
	forget();
	q = query("_serf_conflict");
	q.payload = GSP_TEXT("me");
	q.flags = 0;
	ask(&q);
	cr_assert_eq(answers(&r), 0, "who is in question has no vote");
}

static int keys(void *arg, struct gsp_bytes name, struct gsp_bytes payload, uint8_t *buf,
		size_t cap)
{
	(void)arg;
	(void)payload;
	(void)cap;
	if (!gsp_bytes_eq(name, GSP_TEXT("_serf_list-keys")))
		return -EPERM;
	buf[0] = GSP_SERF_KEYS;
	return 1;
}

Test(gossip_query, keys_are_not_for_serf, .fini = stop)
{
	static const char *const name[] = { "_serf_install-key", "_serf_use-key",
					    "_serf_remove-key", "_serf_list-keys" };
	struct gsp_serf_response r;

	bring();
	for (unsigned i = 0; i < 4; i++) {
		struct gsp_serf_query q = query(name[i]);

		ask(&q);
		cr_expect_eq(answers(&r), 0);
		cr_expect(relayed());
	}
	ops.keys = keys;
	for (unsigned i = 2; i < 4; i++) {
		struct gsp_serf_query q = query(name[i]);

		q.flags = 0;
		ask(&q);
	}
	cr_expect_eq(answers(&r), 1);
	ops.keys = NULL;
}

Test(gossip_query, what_else_there_is, .fini = stop)
{
	static const uint8_t kind[] = { GSP_SERF_RESPONSE, GSP_SERF_CONFLICT, GSP_SERF_RELAY,
					GSP_SERF_KEY, GSP_SERF_KEYS };
	uint8_t m[2] = { 0, 0x80 };

	bring();
	for (unsigned i = 0; i < 5; i++) {
		m[0] = kind[i];
		user(m, 2);
	}
	cr_assert_eq(t.s->stats.unknown, 0);
	cr_assert_eq(t.n_sent + t.s->q_serf.n, 0);
	m[0] = 0x77;
	user(m, 2);
	cr_assert_eq(t.s->stats.unknown, 1);
	m[0] = GSP_SERF_EVENT;
	m[1] = 0xff;
	user(m, 2);
	cr_assert_eq(t.s->stats.bad, 1);
}
