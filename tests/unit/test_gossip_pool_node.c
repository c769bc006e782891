// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a pool does for those who are in it. */
#include "test_gossip_pool.h"

Test(gossip_node, what_cannot_be, .fini = stop)
{
	struct gsp_pool_conf c = conf_of(0);
	struct gsp_pool *p;

	c.n_keys = 0;
	cr_expect_eq(gsp_pool_start(&p, &c), -ENOKEY);
	c.insecure = true;
	start_with(0, &c);
	c = conf_of(1);
	c.keys[0].len = 17;
	cr_expect_eq(gsp_pool_start(&p, &c), -EINVAL);
	c = conf_of(1);
	c.serf = true;
	cr_expect_eq(gsp_pool_start(&p, &c), -EINVAL, "Serf has no labels");
	c = conf_of(1);
	c.name = "";
	cr_expect_eq(gsp_pool_start(&p, &c), -EINVAL);
	c = conf_of(1);
	memset(&c.bind.ip.ip, 0, sizeof(c.bind.ip.ip));
	cr_expect_eq(gsp_pool_start(&p, &c), -EINVAL, "nobody can reach the wildcard");
	c.bind = gsp_pool_addr(node[0].p);
	cr_expect_eq(gsp_pool_start(&p, &c), -EADDRINUSE);
}

static bool records_arrived(void)
{
	return node[0].records && !strcmp(node[0].record, "hello");
}
static bool all_merged(void)
{
	return node[0].merges && node[1].merges && node[0].hashes && node[1].hashes;
}

Test(gossip_node, joining_records_and_hashes, .fini = stop)
{
	pair();
	cr_expect_eq(node[0].events[SWIM_EV_JOIN], 1);
	cr_expect(until(all_merged));
	cr_expect_eq(node[0].merged_from, gsp_pool_addr(node[1].p).port, "it was asked");
	cr_expect_eq(node[1].merged_from, gsp_pool_addr(node[0].p).port);
	cr_expect_eq(gsp_pool_record(node[1].p, 1, GSP_TEXT("hello"), true), 0);
	cr_expect(until(records_arrived));
	cr_expect_eq(stats(1).records_now, 0);
	cr_expect_eq(stats(0).udp_key + stats(0).udp_bad + stats(0).tcp_bad, 0);
}

static bool one_packet(void)
{
	return node[0].records;
}

Test(gossip_node, some_records_cannot_wait, .fini = stop)
{
	uint8_t large[2000] = { 0 };
	uint64_t then;

	pair();
	then = stats(1).udp_out;
	cr_expect_eq(gsp_pool_record_now(node[1].p, 1, GSP_TEXT("hello")), 0);
	cr_expect_eq(stats(1).udp_out, then + 1, "sent before anything else happens");
	cr_expect_eq(stats(1).records_now, 1);
	cr_expect(until(one_packet));
	cr_expect_str_eq(node[0].record, "hello");
	cr_expect_eq(gsp_pool_record_now(node[1].p, 1, (struct gsp_bytes){ large, sizeof(large) }),
		     -EMSGSIZE);
	cr_expect_eq(gsp_pool_record_max(node[1].p), 1200 - (2 + 4) - 29 - 2);
}

Test(gossip_node, nor_can_the_rest_of_the_program, .fini = stop)
{
	uint64_t then = pool_ms(), sent;

	pair();
	for (unsigned i = 1; i <= 20000; i++)
		gsp_pool_record_now(node[1].p, i, GSP_TEXT("hello"));
	sent = stats(1).records_now;
	cr_expect_geq(sent, 4096);
	cr_expect_leq(sent, 4096 + (pool_ms() - then + 1) * 4096 / 1000);
}

Test(gossip_node, asking, .fini = stop)
{
	pair();
	cr_expect_eq(asked(0, 1, 5), 0);
	cr_expect_eq(node[0].answer_n, 0);
	node[1].answer_size = 100;
	cr_expect_eq(asked(0, 1, 5), 0);
	cr_expect_eq(node[0].answer_n, 100);
	cr_expect_eq(node[0].answer_first, 'q');
	cr_expect_eq(node[1].asked, 2);
	cr_expect_eq(node[1].asked_from, gsp_pool_addr(node[0].p).port);
	node[1].answer_size = GSP_POOL_ASK_MAX;
	cr_expect_eq(asked(0, 1, GSP_POOL_ASK_MAX), 0);
	cr_expect_eq(node[0].answer_n, GSP_POOL_ASK_MAX);
	cr_expect_eq(stats(1).asks_in, 3);
}

Test(gossip_node, asking_in_vain, .fini = stop)
{
	struct swim_addr nobody = { .ip = { { 127, 0, 0, 1 }, 4 }, .port = 1 };

	pair();
	node[1].refuse = -EACCES;
	cr_expect_eq(asked(0, 1, 5), -EPROTO);
	node[1].refuse = 0;
	node[1].answer_size = GSP_POOL_ASK_MAX + 1;
	cr_expect_eq(asked(0, 1, 5), -EPROTO, "too large an answer is not sent");
	cr_expect_eq(ask(0, 1, GSP_POOL_ASK_MAX + 1), -EMSGSIZE);
	node[0].answers = 0;
	cr_expect_eq(gsp_pool_ask(node[0].p, &nobody, GSP_TEXT("x"), on_answered, &node[0]), 0);
	cr_expect(until(answered));
	cr_expect_eq(node[0].answer_err, -ECONNREFUSED);
	nobody.ip = (struct gsp_addr){ .ip = { [15] = 1 }, .len = 16 };
	cr_expect_eq(gsp_pool_ask(node[0].p, &nobody, GSP_TEXT("x"), on_answered, &node[0]),
		     -EAFNOSUPPORT);
	cr_expect_eq(stats(0).asks_failed, 3);
	cr_expect_eq(stats(0).conns_out, 0);
}

static bool all_asked(void)
{
	return node[0].answers == POOL_ASKS;
}

Test(gossip_node, asks_are_bounded_and_each_ends, .fini = stop)
{
	pair();
	for (unsigned i = 0; i < POOL_ASKS; i++)
		cr_expect_eq(ask(0, 1, 1), 0);
	cr_expect_eq(ask(0, 1, 1), -EAGAIN);
	cr_expect(until(all_asked));
	cr_expect_eq(ask(0, 1, 1), 0);
	node[0].answers = 0;
	gsp_pool_free(node[0].p);
	node[0].p = NULL;
	cr_expect_eq(node[0].answers, 1);
	cr_expect_eq(node[0].answer_err, -ECANCELED);
}

static unsigned tags_of(unsigned i, unsigned j, char *text, size_t cap)
{
	char name[] = { 'n', (char)('0' + j), 0 };
	const struct swim *s = gsp_pool_swim(node[i].p);
	struct gsp_serf_tag tag;
	struct gsp_list tags;
	struct swim_view v;
	unsigned n = 0;

	*text = 0;
	swim_view(s, swim_find(s, GSP_TEXT(name)), &v);
	cr_assert_geq(gsp_serf_tags_decode(&tags, v.meta.p, v.meta.n), 0);
	while (gsp_list_take_tag(&tags, &tag)) {
		size_t at = strlen(text);

		snprintf(text + at, cap - at, "%.*s=%.*s ", (int)tag.key.n, tag.key.p,
			 (int)tag.value.n, tag.value.p);
		n++;
	}
	return n;
}

static bool tags_there(void)
{
	char text[600];

	tags_of(0, 1, text, sizeof(text));
	return strstr(text, "role=db ");
}

Test(gossip_node, tags, .fini = stop)
{
	const struct gsp_pool_tag role = { "role", "db" }, ours = { "patchbay", "2" };
	static char big[GSP_META_MAX];
	struct gsp_pool_tag huge = { "x", big };
	char text[600];

	pair();
	cr_expect_eq(tags_of(0, 1, text, sizeof(text)), 2);
	cr_expect(strstr(text, "patchbay=1 "), "%s", text);
	cr_expect_eq(gsp_pool_set_tags(node[1].p, &role, 1), 0);
	cr_expect(until(tags_there));
	memset(big, 'x', sizeof(big) - 1);
	cr_expect_eq(gsp_pool_set_tags(node[1].p, &huge, 1), -E2BIG);
	tags_of(1, 1, text, sizeof(text));
	cr_expect(strstr(text, "role=db "), "nothing changed: %s", text);
	cr_expect_eq(gsp_pool_set_tags(node[1].p, &ours, 1), 0);
	cr_expect_eq(tags_of(1, 1, text, sizeof(text)), 2);
	cr_expect(strstr(text, "patchbay=2 "), "%s", text);
}

static void on_left(void *arg)
{
	struct node *n = arg;

	n->left = true;
	gsp_pool_free(n->p); /* here it may */
	n->p = NULL;
}
static bool has_left(void)
{
	return node[1].left;
}

Test(gossip_node, leaving, .fini = stop)
{
	pair();
	gsp_pool_leave(node[1].p, on_left, &node[1]);
	cr_expect_not(node[1].left, "not from inside");
	cr_expect(until(has_left));
	cr_expect_eq(state(0, 1), GSP_STATE_LEFT);
	cr_expect_eq(node[0].events[SWIM_EV_LEFT], 1);
}

static bool one_dead(void)
{
	return state(0, 1) == GSP_STATE_DEAD;
}

Test(gossip_node, dying_and_coming_back, .fini = stop)
{
	struct gsp_pool_conf c = conf_of(1);

	pair();
	c.bind = gsp_pool_addr(node[1].p);
	gsp_pool_free(node[1].p);
	node[1].p = NULL;
	cr_expect(until(one_dead));
	start_with(1, &c); /* it knows nobody: it is found */
	cr_expect_eq(gsp_pool_force_leave(node[0].p, "nobody", false), -ENOENT);
	join(1, 0);
	cr_expect(until(all_alive));
}

static bool event_came(void)
{
	return node[0].events[SWIM_EV_USER];
}

Test(gossip_node, ipv6_and_user_events, .fini = stop)
{
	for (unsigned i = 0; i < 2; i++) {
		struct gsp_pool_conf c = conf_of(i);

		c.bind.ip = (struct gsp_addr){ .ip = { [15] = 1 }, .len = 16 };
		start_with(i, &c);
	}
	join(1, 0);
	cr_expect(until(all_alive));
	cr_expect_eq(gsp_pool_user_event(node[1].p, "deploy", GSP_TEXT("v1")), 0);
	cr_expect(until(event_came));
	cr_expect_eq(asked(0, 1, 5), 0);
}

Test(gossip_node, the_wildcard_takes_both_families, .fini = stop)
{
	struct gsp_pool_conf c = conf_of(0);

	c.bind.ip = (struct gsp_addr){ .len = 16 };
	c.advertise.ip = (struct gsp_addr){ .ip = { 127, 0, 0, 1 }, .len = 4 };
	start_with(0, &c);
	start(1);
	join(1, 0);
	cr_expect(until(all_alive));
	cr_expect_eq(asked(0, 1, 5), 0);
	cr_expect_eq(gsp_pool_addr(node[0].p).port, node[0].p->conf.bind.port);
}
