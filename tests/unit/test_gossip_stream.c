/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "test_gossip_stream.h"
#include "gossip_vectors.h"

#define EACH_STREAM(v) \
	for (const struct gossip_vector *v = gossip_vectors; \
	     v < gossip_vectors + ARRAY_SIZE(gossip_vectors); v++) \
		if (strcmp(v->from, "udp"))

Test(gossip_stream, vectors_in_steps_of_any_size)
{
	unsigned n = 0;

	EACH_STREAM(v)
	{
		_cleanup_pool_ struct gsp_layers pool = make_pool(v->key, v->label);
		_cleanup_blob_ struct blob b = unhex(v->hex);

		for (size_t step = 1; step <= b.n; step++) {
			char type[3] = "";
			struct gsp_stream s;
			size_t used;

			gsp_stream_init(&s, &pool, !strcmp(v->from, "reply"));
			cr_expect_eq(feed(&s, b.p, b.n, step, &used), 1, "%s", v->hex);
			cr_expect_eq(used, b.n);
			sprintf(type, "%02x", s.msg_len ? *s.msg : 0xff);
			cr_expect_str_eq(type, v->types);
			gsp_stream_fini(&s);
		}
		n++;
	}
	cr_expect_geq(n, 15u);
}

Test(gossip_stream, vectors_cut_anywhere_wait_for_more)
{
	EACH_STREAM(v)
	{
		_cleanup_pool_ struct gsp_layers pool = make_pool(v->key, v->label);
		_cleanup_blob_ struct blob b = unhex(v->hex);

		for (size_t n = 0; n < b.n; n++) {
			_cleanup_blob_ struct blob cut = blob_copy(b.p, n);

			cr_expect_eq(feed_blob(&pool, !strcmp(v->from, "reply"), &cut, n), 0,
				     "%zu of %s", n, v->hex);
		}
	}
}

Test(gossip_stream, vectors_with_one_bit_turned)
{
	EACH_STREAM(v)
	{
		_cleanup_pool_ struct gsp_layers pool = make_pool(v->key, v->label);
		_cleanup_blob_ struct blob b = unhex(v->hex);

		for (size_t i = 0; i < 8 * b.n; i++) {
			int r;

			b.p[i / 8] ^= (uint8_t)(1 << i % 8);
			r = feed_blob(&pool, !strcmp(v->from, "reply"), &b, 64);
			b.p[i / 8] ^= (uint8_t)(1 << i % 8);
			cr_expect(!v->key || r <= 0, "bit %zu of %s", i, v->hex);
		}
	}
}

Test(gossip_stream, vectors_seal_again)
{
	unsigned n = 0;

	EACH_STREAM(v)
	{
		_cleanup_pool_ struct gsp_layers pool = make_pool(v->key, v->label);
		_cleanup_blob_ struct blob b = unhex(v->hex);
		bool dialled = !strcmp(v->from, "dial");
		size_t head = v->label && dialled ? 2 + strlen(v->label) : 0;
		uint8_t aad[300], text[1500], out[1500];
		int len;

		if (!v->key)
			continue;
		memcpy(aad, b.p + head, 5);
		memcpy(aad + 5, pool.label, pool.label_len);
		len = gsp_unseal(&pool.keys, aad, (size_t)5 + pool.label_len, b.p + head + 5,
				 b.n - head - 5, text);
		cr_assert_gt(len, 0);
		cr_expect_eq(gsp_stream_overhead(&pool, dialled) + (size_t)len, b.n);
		cr_expect_eq(gsp_stream_seal(&pool, b.p + head + 6, dialled, text, (size_t)len, out,
					     sizeof(out)),
			     (int)b.n);
		cr_expect_arr_eq(out, b.p, b.n);
		n++;
	}
	cr_expect_geq(n, 10u);
}

static const char *const keys[] = { NULL, KEY16, KEY24, KEY32 };
static const char *const labels[] = { NULL, "blue", "green", "bluf" };
enum { POOLS = ARRAY_SIZE(keys) * ARRAY_SIZE(labels) };

/* What an answer shows of a label is only that it does not authenticate. */
static int wanted(unsigned from, unsigned to, bool reply)
{
	if (!reply && from / 4 != to / 4)
		return -EPERM;
	if (from % 4 != to % 4)
		return -EKEYREJECTED;
	return reply && from % 4 && from / 4 != to / 4 ? -EKEYREJECTED : 1;
}

Test(gossip_stream, only_the_same_pool_is_heard)
{
	_cleanup_blob_ struct blob ping = unhex(PING);
	uint8_t out[100];

	for (unsigned i = 0; i < 2 * POOLS * POOLS; i++) {
		unsigned a = i / 2 % POOLS, b = i / 2 / POOLS;
		bool reply = i % 2;
		_cleanup_pool_ struct gsp_layers from = make_pool(keys[a % 4], labels[a / 4]);
		_cleanup_pool_ struct gsp_layers to = make_pool(keys[b % 4], labels[b / 4]);
		int len = gsp_stream_seal(&from, nonce, !reply, ping.p, ping.n, out, sizeof(out));
		_cleanup_blob_ struct blob sealed = blob_copy(out, (size_t)len);

		cr_expect_eq(feed_blob(&to, reply, &sealed, 5), wanted(a, b, reply), "%u to %u", a,
			     b);
		cr_expect_eq(gsp_stream_seal(&from, nonce, !reply, ping.p, ping.n, out,
					     (size_t)len - 1),
			     -ENOBUFS);
	}
}
