// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A pool as the network sees it: packets, connections in pieces, answers to what it asked, queries
 * for keys.  The input is a list of: what, one byte; length, two; as many bytes.
 */
#include <stdlib.h>

#include "control/gossip/pool_internal.h"

#define MUST(x) \
	do { \
		if (!(x)) \
			abort(); \
	} while (0)

static unsigned answers;

static int on_answer(void *arg, const struct swim_addr *from, struct gsp_bytes request,
		     uint8_t **ret, size_t *ret_n)
{
	(void)arg;
	MUST(from->ip.len);
	MUST(request.n <= GSP_POOL_ASK_MAX);
	*ret = malloc(request.n + 1);
	*ret_n = request.n;
	if (request.n)
		memcpy(*ret, request.p, request.n);
	return request.n % 7 == 3 ? -EACCES : 0;
}

static void on_answered(void *arg, int err, struct gsp_bytes answer)
{
	MUST(!err || !answer.n);
	MUST(arg == &answers);
	answers++;
}

static const struct gsp_pool_ops ops = { .answer = on_answer };

static struct gsp_pool *make(uv_loop_t *loop)
{
	struct gsp_pool_conf c;
	struct gsp_pool *p;

	gsp_pool_conf_default(&c);
	c.loop = loop;
	c.name = "me";
	c.bind = (struct swim_addr){ .ip = { { 127, 0, 0, 1 }, 4 } };
	c.insecure = c.serf_keys = true;
	c.stranger_bytes = 3000;
	c.ops = &ops;
	return gsp_pool_start(&p, &c) ? NULL : p;
}

/* In pieces, as a connection would bring them. */
static void feed(struct gsp_conn *c, const uint8_t *p, size_t n)
{
	while (n && !c->closing && !c->has_msg) {
		size_t room, k;
		uint8_t *at;

		if (gsp_stream_want(&c->in, &at, &room))
			return;
		k = n < room ? n : room;
		k = k > 7 ? k / 2 : k;
		memcpy(at, p, k);
		pool_conn_took(c, k);
		p += k;
		n -= k;
	}
}

static void accepted(struct gsp_pool *p, const uint8_t *data, size_t n)
{
	struct gsp_conn *c = pool_conn_new(p, CONN_IN, &p->from);

	MUST(c);
	p->n_in_strangers++;
	feed(c, data, n);
	pool_conn_close(c, 0);
	MUST(!p->n_in && !p->n_in_strangers && !p->in_bytes && !p->in_bytes_strangers);
}

static void dialled(struct gsp_pool *p, const uint8_t *data, size_t n)
{
	unsigned before = answers;
	struct gsp_conn *c = pool_conn_new(p, CONN_ASK, &p->from);

	MUST(c);
	c->cb = on_answered;
	c->cb_arg = &answers;
	feed(c, data, n);
	pool_conn_close(c, -EPROTO);
	MUST(answers == before + 1);
}

static void key_query(struct gsp_pool *p, const uint8_t *data, size_t n)
{
	static const char *const names[] = { "_serf_install-key", "_serf_use-key",
					     "_serf_remove-key", "_serf_list-keys" };
	struct gsp_bytes payload = { data, (uint32_t)n };
	uint8_t buf[1024];
	int len;

	if (!p->layers.keys.n)
		gsp_keyring_add(&p->layers.keys, (const uint8_t *)"0123456789abcdef", 16);
	len = pool_serf_keys(p, GSP_TEXT(names[n % 4]), payload, buf, sizeof(buf));
	MUST(len > 0 && p->layers.keys.n <= GSP_KEYS_MAX && p->layers.keys.n);
	gsp_keyring_fini(&p->layers.keys);
	pool_after(p);
}

static void step(struct gsp_pool *p, uint8_t what, const uint8_t *data, size_t n)
{
	p->from = (struct swim_addr){ .ip = { { 127, 0, 0, what }, 4 }, .port = 7946 };
	switch (what % 4) {
	case 0: pool_udp_packet(p, data, n); break;
	case 1: accepted(p, data, n); break;
	case 2: dialled(p, data, n); break;
	default: key_query(p, data, n);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gsp_pool *p;
	uv_loop_t loop;

	MUST(!uv_loop_init(&loop));
	p = make(&loop);
	MUST(p);
	while (size >= 3) {
		size_t n = (size_t)data[1] << 8 | data[2];

		n = n < size - 3 ? n : size - 3;
		step(p, data[0], data + 3, n);
		data += 3 + n;
		size -= 3 + n;
	}
	gsp_pool_free(p);
	uv_run(&loop, UV_RUN_DEFAULT);
	MUST(!uv_loop_close(&loop));
	return 0;
}
