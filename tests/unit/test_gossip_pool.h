/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pools with real sockets on loopback and one loop for all. */
#ifndef TEST_GOSSIP_POOL_H
#define TEST_GOSSIP_POOL_H

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <sys/socket.h>

#include "control/gossip/pool_internal.h"

#define NODES 3
#define DEADLINE 20000 /* ms: of what takes milliseconds on a machine with time */
#define KEY1 "0123456789abcdef"
#define KEY2 "fedcba9876543210fedcba9876543210"

static uv_loop_t loop;

static struct node {
	struct gsp_pool *p;
	unsigned events[16];
	unsigned records, merges, hashes, asked, refused, keys_changed;
	int refused_err;
	char record[64];
	unsigned answers;
	int answer_err;
	size_t answer_n;
	uint8_t answer_first;
	int refuse; /* what ops->answer returns */
	size_t answer_size;
	uint16_t asked_from, merged_from;
	bool left;
} node[NODES];

static void on_event(void *arg, const struct swim_event *ev)
{
	((struct node *)arg)->events[ev->type]++;
}

static void on_record(void *arg, const struct swim_addr *from, struct gsp_bytes record)
{
	struct node *n = arg;

	cr_assert(from->port);
	snprintf(n->record, sizeof(n->record), "%.*s", (int)record.n, (const char *)record.p);
	n->records++;
}

static size_t on_digest(void *arg, uint8_t *buf, size_t cap)
{
	(void)arg;
	cr_assert_gt(cap, 6);
	memcpy(buf, "digest", 6);
	return 6;
}

static void on_merge(void *arg, const struct swim_addr *from, struct gsp_bytes digest)
{
	((struct node *)arg)->merged_from = from->port;
	((struct node *)arg)->merges += gsp_bytes_eq(digest, GSP_TEXT("digest"));
}

static size_t on_hash(void *arg, uint8_t *buf, size_t cap)
{
	(void)arg;
	(void)cap;
	memcpy(buf, "hash", 4);
	return 4;
}

static void on_hash_seen(void *arg, const struct swim_member *m, struct gsp_bytes hash)
{
	(void)m;
	((struct node *)arg)->hashes += gsp_bytes_eq(hash, GSP_TEXT("hash"));
}

static int on_answer(void *arg, const struct swim_addr *from, struct gsp_bytes request,
		     uint8_t **ret, size_t *ret_n)
{
	struct node *n = arg;

	n->asked++;
	n->asked_from = from->port;
	if (n->refuse)
		return n->refuse;
	if (!n->answer_size)
		return 0;
	*ret = malloc(n->answer_size);
	memset(*ret, request.n ? request.p[0] : 0, n->answer_size);
	*ret_n = n->answer_size;
	return 0;
}

static void on_keys_changed(void *arg)
{
	((struct node *)arg)->keys_changed++;
}

static void on_refused(void *arg, const struct swim_addr *from, int err)
{
	struct node *n = arg;

	(void)from;
	n->refused++;
	n->refused_err = err;
}

static const struct gsp_pool_ops ops = {
	.event = on_event,
	.record = on_record,
	.digest = on_digest,
	.merge = on_merge,
	.hash = on_hash,
	.hash_seen = on_hash_seen,
	.answer = on_answer,
	.keys_changed = on_keys_changed,
	.refused = on_refused,
};

static struct gsp_pool_conf conf_of(unsigned i)
{
	static const char *const names[NODES] = { "n0", "n1", "n2" };
	struct gsp_pool_conf c;

	if (!loop.data) {
		cr_assert_eq(uv_loop_init(&loop), 0);
		loop.data = &loop;
	}
	gsp_pool_conf_default(&c);
	c.loop = &loop;
	c.name = names[i];
	c.bind = (struct swim_addr){ .ip = { { 127, 0, 0, 1 }, 4 } };
	c.profile = SWIM_FAST;
	c.label = "test";
	memcpy(c.keys[0].bytes, KEY1, 16);
	c.keys[0].len = 16;
	c.n_keys = 1;
	c.ops = &ops;
	c.arg = &node[i];
	return c;
}

static void start_with(unsigned i, const struct gsp_pool_conf *c)
{
	cr_assert_eq(gsp_pool_start(&node[i].p, c), 0);
}

__attribute__((unused)) static void start(unsigned i)
{
	struct gsp_pool_conf c = conf_of(i);

	start_with(i, &c);
}

__attribute__((unused)) static void join(unsigned i, unsigned j)
{
	struct swim_addr a = gsp_pool_addr(node[j].p);

	cr_assert_eq(gsp_pool_seed(node[i].p, &a), 0);
}

/* Runs the loop until done() or the deadline; whether it was done. */
static bool until(bool (*done)(void))
{
	uint64_t end = pool_ms() + DEADLINE;

	while (!done()) {
		if (pool_ms() > end)
			return false;
		uv_run(&loop, UV_RUN_ONCE);
	}
	return true;
}

__attribute__((unused)) static void stop(void)
{
	for (unsigned i = 0; i < NODES; i++) {
		gsp_pool_free(node[i].p);
		node[i].p = NULL;
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&loop), 0, "handles are left");
	loop.data = NULL;
}

__attribute__((unused)) static int state(unsigned i, unsigned j)
{
	const struct swim *s = gsp_pool_swim(node[i].p);
	char name[] = { 'n', (char)('0' + j), 0 };
	const struct swim_member *m = swim_find(s, GSP_TEXT(name));
	struct swim_view v;

	if (!m)
		return -1;
	swim_view(s, m, &v);
	return v.state;
}

static bool all_alive(void)
{
	for (unsigned i = 0; i < NODES; i++) {
		for (unsigned j = 0; node[i].p && j < NODES; j++) {
			if (node[j].p && state(i, j) != GSP_STATE_ALIVE)
				return false;
		}
	}
	return true;
}

__attribute__((unused)) static void pair(void)
{
	start(0);
	start(1);
	join(1, 0);
	cr_assert(until(all_alive));
}

static void on_answered(void *arg, int err, struct gsp_bytes answer)
{
	struct node *n = arg;

	n->answers++;
	n->answer_err = err;
	n->answer_n = answer.n;
	n->answer_first = answer.n ? answer.p[0] : 0;
}

static int ask(unsigned i, unsigned j, size_t n)
{
	_cleanup_free_ uint8_t *request = malloc(n + 1);
	struct swim_addr to = gsp_pool_addr(node[j].p);

	memset(request, 'q', n);
	return gsp_pool_ask(node[i].p, &to, (struct gsp_bytes){ request, (uint32_t)n }, on_answered,
			    &node[i]);
}

static bool answered(void)
{
	return node[0].answers;
}

/* Asks and waits for what becomes of it. */
__attribute__((unused)) static int asked(unsigned i, unsigned j, size_t n)
{
	int err;

	cr_assert_eq(i, 0);
	node[0].answers = 0;
	err = ask(i, j, n);
	if (err)
		return err;
	cr_assert_eq(node[0].answers, 0, "not from inside");
	cr_assert(until(answered));
	return node[0].answer_err;
}

__attribute__((unused)) static struct gsp_pool_stats stats(unsigned i)
{
	struct gsp_pool_stats st;

	gsp_pool_stats(node[i].p, &st);
	return st;
}

#endif /* TEST_GOSSIP_POOL_H */
