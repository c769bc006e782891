/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Streams that want too much. */
#include "test_gossip_stream.h"

#define COMPRESS "0982a4416c676f00a3427566"

static int feed_hex(const char *key, const char *label, bool dialled, const char *text)
{
	_cleanup_pool_ struct gsp_layers pool = make_pool(key, label);
	_cleanup_blob_ struct blob b = unhex(text);

	return feed_blob(&pool, dialled, &b, 1);
}

Test(gossip_stream_bounds, refused_at_the_first_byte_that_says_so)
{
	static const struct {
		const char *key, *label;
		bool dialled;
		const char *hex;
		int err;
	} t[] = {
		{ KEY16, NULL, false, "00", -EKEYREJECTED },
		{ NULL, NULL, false, "0a", -EKEYREJECTED },
		{ KEY16, "blue", false, "0a", -EPERM },
		{ KEY16, "blue", true, "f4", -EPERM },
		{ KEY16, NULL, false, "f4", -EPERM },
		{ NULL, "blue", false, "f405", -EPERM },
		{ NULL, "blue", false, "f404626c7565f4", -EBADMSG },
		{ KEY16, NULL, false, "0a01400000", 0 }, /* 20 MiB */
		{ KEY16, NULL, false, "0a01400001", -E2BIG },
		{ KEY16, NULL, false, "0affffffff", -E2BIG },
		{ KEY16, NULL, false, "0a0000001d", -EBADMSG }, /* nothing in it */
		{ KEY16, NULL, false, "0a00000000", -EBADMSG },
		{ NULL, NULL, false, "03", -EBADMSG }, /* of packets only */
		{ NULL, NULL, false, "04", -EBADMSG },
		{ NULL, NULL, false, "07", -EBADMSG },
		{ NULL, NULL, false, "0c", -EBADMSG },
		{ NULL, NULL, false, "ff", -EBADMSG },
		{ NULL, NULL, false, "0690", -EBADMSG },
		/* push/pull: nodes, then user state */
		{ NULL, NULL, false, "0681a54e6f646573ce7fffffff", -EBADMSG },
		{ NULL, NULL, false, "0681a54e6f646573ce00280000", 0 },
		{ NULL, NULL, false, "0681a54e6f646573ce00280001", -EBADMSG },
		{ NULL, NULL, false, "0681ac5573657253746174654c656ece01400001", -EBADMSG },
		{ NULL, NULL, false, "0682a54e6f64657301ac5573657253746174654c656ece01400000",
		  -E2BIG },
		{ NULL, NULL, false, "0681a54e6f6465730180",
		  1 }, /* a node without a name: its reader's */
		{ NULL, NULL, false, "0681a54e6f64657301c1", -EBADMSG },
		{ NULL, NULL, false, "0681a54e6f64657301df00000041", 0 }, /* keys may still come */
		{ NULL, NULL, false, "0881aa557365724d73674c656ece01400001", -EBADMSG },
		{ NULL, NULL, false, "0982a4416c676f01a3427566a100", -EOPNOTSUPP },
		{ NULL, NULL, false, COMPRESS "dbffffffff", -E2BIG },
		{ NULL, NULL, false, COMPRESS "a3000203", -EBADMSG }, /* of nothing */
		/* whole within, so nothing more can come: part of a ping */
		{ NULL, NULL, false, COMPRESS "a4001022e0", -EBADMSG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		cr_expect_eq(feed_hex(t[i].key, t[i].label, t[i].dialled, t[i].hex), t[i].err,
			     "%s: %d", t[i].hex,
			     feed_hex(t[i].key, t[i].label, t[i].dialled, t[i].hex));
}

Test(gossip_stream_bounds, sealed_message_that_ends_early)
{
	_cleanup_blob_ struct blob ping = unhex(PING);
	_cleanup_pool_ struct gsp_layers pool = make_pool(KEY32, "p");

	for (size_t n = 1; n <= ping.n; n++) {
		uint8_t out[100];
		struct blob b = { out, 0 };

		b.n = (size_t)gsp_stream_seal(&pool, nonce, true, ping.p, n, out, sizeof(out));
		cr_expect_eq(feed_blob(&pool, false, &b, 100), n < ping.n ? -EBADMSG : 1, "%zu", n);
	}
}

/* Endless keys nobody knows: not kept waiting, not kept reading again and again. */
Test(gossip_stream_bounds, endless_unknown_keys)
{
	static const char *const heads[] = { "00de0040", "06de0040", "09de0040" };
	static const struct gsp_layers plain;
	uint8_t more[7] = "\xa1x\xa3...";

	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		_cleanup_blob_ struct blob head = unhex(heads[i]);
		struct gsp_stream s;
		int r;

		gsp_stream_init(&s, &plain, false);
		r = feed(&s, head.p, head.n, 100, NULL);
		cr_expect_eq(r, 0);
		/* one key whose value is an array within an array within ... */
		memset(more + 2, 0x91, sizeof(more) - 2);
		for (unsigned n = 0; !r && n < 100000; n++) {
			r = feed(&s, more + (n ? 2 : 0), n ? 5 : 7, 7, NULL);
			cr_assert_leq(s.len, 10000u);
		}
		cr_expect_eq(r, -E2BIG, "%s: %d", heads[i], r);
		gsp_stream_fini(&s);
	}
}

/* Nodes are passed over once, however they come: this would take hours otherwise. */
Test(gossip_stream_bounds, a_deep_node_byte_by_byte)
{
	enum { DEEP = 300000 };
	_cleanup_blob_ struct blob head = unhex("0681a54e6f64657301"), b = { malloc(DEEP), DEEP };
	static const struct gsp_layers plain;
	struct gsp_stream s;

	memcpy(b.p, head.p, head.n);
	memset(b.p + head.n, 0x91, DEEP - head.n);
	gsp_stream_init(&s, &plain, false);
	cr_expect_eq(feed(&s, b.p, DEEP - 1, 1, NULL), 0);
	cr_expect_eq(feed(&s, (const uint8_t *)"", 1, 1, NULL), 1, "a zero in the innermost");
	cr_expect_eq(s.msg_len, (size_t)DEEP);
	gsp_stream_fini(&s);
}

Test(gossip_stream_bounds, as_much_as_may_be)
{
	enum { USER = (20 << 20) - 64 };
	struct gsp_sync_header h = { 0, USER, false };
	_cleanup_free_ uint8_t *p = calloc(1, (20 << 20) + 4096);
	_cleanup_pool_ struct gsp_layers pool = make_pool(KEY16, "p"),
					 plain = make_pool(NULL, NULL);
	int n = gsp_sync_header_encode(&h, p, 64), len;
	struct blob b = { p, (size_t)n + USER };
	struct blob sealed = { malloc(b.n + 100), 0 };

	cr_expect_eq(feed_blob(&plain, false, &b, 1 << 20), 1);
	len = gsp_stream_seal(&pool, nonce, true, p, GSP_STREAM_MAX, sealed.p, b.n + 100);
	cr_expect_eq(len, -E2BIG);
	len = gsp_stream_seal(&pool, nonce, true, p, GSP_STREAM_MAX - GSP_SEAL_OVERHEAD, sealed.p,
			      b.n + 100);
	cr_assert_gt(len, 0);
	sealed.n = (size_t)len;
	cr_expect_eq(feed_blob(&pool, false, &sealed, 1 << 20), 1);
	blob_fini(&sealed);
	/* announced as less, and never ending */
	memset(p, 0, (20 << 20) + 4096);
	memcpy(p, "\x06\x81\xa5Nodes\xce\x00\x28\x00\x00", 13);
	for (size_t i = 13; i + 9 < (20 << 20) + 4096; i += 9)
		memcpy(p + i, "\x81\xa4Name\xa2xy", 9);
	b.n = (20 << 20) + 4096;
	cr_expect_eq(feed_blob(&plain, false, &b, 1 << 20), -E2BIG);
}

/* 9-bit codes: a run that doubles nothing but grows by one each, cleared before the table is full. */
static struct blob bomb(size_t n)
{
	struct blob b = { malloc(n / 100 * 3 + 64), 0 };
	uint32_t acc = 0, len = 0;
	unsigned bits = 0;

	for (size_t sum = 0; sum < n; sum += len) {
		unsigned code = len ? 256 + len + 1 : 0;

		if (len == 250)
			code = 256, len = 0;
		else
			len++;
		acc |= code << bits;
		for (bits += 9; bits >= 8; bits -= 8, acc >>= 8)
			b.p[b.n++] = (uint8_t)acc;
	}
	acc |= 257u << bits;
	for (bits += 9; (int)bits > 0; bits -= 8, acc >>= 8) {
		b.p[b.n++] = (uint8_t)acc;
		if (bits < 8)
			break;
	}
	return b;
}

Test(gossip_stream_bounds, decompression_is_bounded)
{
	static const struct gsp_layers plain;

	for (unsigned i = 0; i < 2; i++) {
		_cleanup_blob_ struct blob lzw = bomb(GSP_INFLATE_MAX + i * 1000 - 500);
		_cleanup_blob_ struct blob b = unhex(COMPRESS "db00000000");
		size_t head = b.n;

		b.p = realloc(b.p, head + lzw.n);
		memcpy(b.p + head, lzw.p, lzw.n);
		for (unsigned k = 0; k < 4; k++)
			b.p[head - 1 - k] = (uint8_t)(lzw.n >> 8 * k);
		b.n += lzw.n;
		/* zeros: a ping without its map */
		cr_expect_eq(feed_blob(&plain, false, &b, 1 << 20), i ? -E2BIG : -EBADMSG);
	}
}

/* The message within a compressed one, by 9-bit literals; short enough for the table. */
static struct blob compressed(const struct blob *in)
{
	struct blob b = unhex(COMPRESS "da0000");
	size_t head = b.n;
	uint32_t acc = 0;
	unsigned bits = 0;

	b.p = realloc(b.p, head + 2 * in->n + 4);
	for (size_t i = 0; i <= in->n; i++) {
		acc |= (i < in->n ? in->p[i] : 257u) << bits;
		for (bits += 9; bits >= 8; bits -= 8, acc >>= 8)
			b.p[b.n++] = (uint8_t)acc;
	}
	b.p[b.n++] = (uint8_t)acc;
	b.p[head - 2] = (uint8_t)((b.n - head) >> 8);
	b.p[head - 1] = (uint8_t)(b.n - head);
	return b;
}

/* Once only: there are inputs that decompress to themselves. */
Test(gossip_stream_bounds, compressed_within_compressed)
{
	static const struct gsp_layers plain;
	_cleanup_blob_ struct blob ping = unhex(PING);
	_cleanup_blob_ struct blob once = compressed(&ping), twice = compressed(&once);

	cr_expect_eq(feed_blob(&plain, false, &once, 100), 1);
	cr_expect_eq(feed_blob(&plain, false, &twice, 100), -EBADMSG);
}
