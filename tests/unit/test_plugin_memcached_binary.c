// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The memcached plugin: binary requests and replies. */
#include "test_plugin.h"

TestSuite(plugin_memcached_binary, .init = begin, .fini = end);

struct msg {
	uint8_t p[256];
	size_t n;
};

/* A message: magic, opcode, status, opaque, extras (zeroes), key, value. */
static struct msg make(uint8_t magic, uint8_t op, uint8_t status, uint8_t opaque, uint8_t ext,
		       const char *key, const char *val)
{
	struct msg m = { .p = { magic, op } };

	m.p[3] = (uint8_t)strlen(key);
	m.p[4] = ext;
	m.p[7] = status;
	m.p[11] = (uint8_t)(ext + strlen(key) + strlen(val));
	m.p[12] = 0xca;
	m.p[15] = opaque;
	memcpy(m.p + 24 + ext, key, strlen(key));
	memcpy(m.p + 24 + ext + strlen(key), val, strlen(val));
	m.n = 24u + m.p[11];
	return m;
}

static void feed(struct msg m)
{
	fdr_feed(&drive, m.p, m.n);
}

static void answers(uint32_t server, struct msg m)
{
	fdr_put(&says[server], m.p, m.n);
}

/* The client heard these, one after the other. */
static void heard(const struct msg *m, size_t n)
{
	struct fdr_buf all = { 0 };

	for (size_t i = 0; i < n; i++)
		fdr_put(&all, m[i].p, m[i].n);
	cr_expect(!drive.wrong[0], "%s", drive.wrong);
	cr_expect(drive.out.len == all.len && !(all.len && memcmp(drive.out.p, all.p, all.len)),
		  "%zu bytes, not %zu", drive.out.len, all.len);
	drive.out.len = 0;
	free(all.p);
}

static void heard_one(struct msg m)
{
	heard(&m, 1);
}

/* The last request to a server was this. */
static void was_asked(uint32_t server, struct msg m)
{
	cr_assert_eq(asked.len, m.n + 3);
	cr_expect_eq(asked.p[0], '0' + server);
	cr_expect_eq(memcmp(asked.p + 2, m.p, m.n), 0);
	asked.len = 0;
}

Test(plugin_memcached_binary, one_key)
{
	const char *k = key_of(1, 0);
	struct msg hit = make(0x81, 0x00, 0, 7, 4, "", "value");

	for (uint64_t seed = 0; seed < 9; seed++) {
		client(seed);
		answers(1, hit);
		feed(make(0x80, 0x00, 0, 7, 0, k, ""));
		was_asked(1, make(0x80, 0x00, 0, 7, 0, k, ""));
		heard_one(hit);
	}
	cr_expect_eq(sends[0].touch, PB_FRAME_T_LOOK);
	cr_expect_eq(sends[0].lane, 1);
	cr_expect_eq(sends[0].key_len, strlen(k));
}

Test(plugin_memcached_binary, quiet_requests_are_sent_loud)
{
	static const uint8_t ops[][3] = {
		{ 0x09, 0x00, 0 }, { 0x0d, 0x0c, 0 }, { 0x11, 0x01, 8 },  { 0x12, 0x02, 8 },
		{ 0x13, 0x03, 8 }, { 0x14, 0x04, 0 }, { 0x15, 0x05, 20 }, { 0x16, 0x06, 20 },
		{ 0x19, 0x0e, 0 }, { 0x1a, 0x0f, 0 }, { 0x1e, 0x1d, 4 },  { 0x24, 0x23, 4 },
	};
	const char *k = key_of(2, 0);

	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		uint8_t q = ops[i][0], loud = ops[i][1], ext = ops[i][2];
		const char *v = ext == 8 || q == 0x19 || q == 0x1a ? "val" : "";
		int gets = q == 0x09 || q == 0x0d || q == 0x1e || q == 0x24;

		client(i);
		answers(2, make(0x81, loud, 0, 1, gets ? 4 : 0, "", gets ? "x" : ""));
		feed(make(0x80, q, 0, 1, ext, k, v));
		was_asked(2, make(0x80, loud, 0, 1, ext, k, v));
		heard((struct msg[]){ make(0x81, q, 0, 1, 4, "", "x") }, (size_t)gets);
		answers(2, make(0x81, loud, 1, 2, 0, "", "Not found"));
		feed(make(0x80, q, 0, 2, ext, k, v));
		heard((struct msg[]){ make(0x81, q, 1, 2, 0, "", "Not found") }, !gets);
	}
}

Test(plugin_memcached_binary, quiet_gets_and_a_noop_in_order)
{
	const char *a = key_of(0, 0), *b = key_of(1, 0), *c = key_of(2, 0);

	for (uint64_t seed = 0; seed < 9; seed++) {
		client(seed);
		answers(0, make(0x81, 0x0c, 0, 1, 4, a, "A"));
		answers(1, make(0x81, 0x0c, 1, 2, 0, "", "Not found"));
		answers(2, make(0x81, 0x0c, 0, 3, 4, c, "C"));
		feed(make(0x80, 0x0d, 0, 1, 0, a, ""));
		feed(make(0x80, 0x0d, 0, 2, 0, b, ""));
		feed(make(0x80, 0x0d, 0, 3, 0, c, ""));
		feed(make(0x80, 0x0a, 0, 4, 0, "", ""));
		heard((struct msg[]){ make(0x81, 0x0d, 0, 1, 4, a, "A"),
				      make(0x81, 0x0d, 0, 3, 4, c, "C"),
				      make(0x81, 0x0a, 0, 4, 0, "", "") },
		      3);
	}
}

Test(plugin_memcached_binary, what_is_answered_here)
{
	feed(make(0x80, 0x0a, 0, 1, 0, "", ""));
	heard_one(make(0x81, 0x0a, 0, 1, 0, "", ""));
	feed(make(0x80, 0x20, 0, 2, 0, "", ""));
	heard_one(make(0x81, 0x20, 0x81, 2, 0, "", "Unknown command"));
	feed(make(0x80, 0x07, 0, 3, 0, "", ""));
	heard_one(make(0x81, 0x07, 0, 3, 0, "", ""));
	cr_expect(drive.ended);
	client(0);
	feed(make(0x80, 0x17, 0, 3, 0, "", ""));
	heard(NULL, 0);
	cr_expect(drive.ended);
	expect_asked("");
}

Test(plugin_memcached_binary, wrong_requests_end_the_connection)
{
	struct msg m = make(0x80, 0x00, 0, 9, 0, "k", "");

	m.p[11] = 0; /* a key, and no body: that is said before the key comes */
	m.n = 24;
	feed(m);
	heard_one(make(0x81, 0x00, 0x81, 9, 0, "", "Unknown command"));
	cr_expect(drive.ended);
	client(0);
	feed(make(0x80, 0x00, 0, 9, 4, "k", "")); /* get has no extras */
	heard_one(make(0x81, 0x00, 0x04, 9, 0, "", "Invalid arguments"));
	cr_expect(drive.ended);
	client(0);
	m = make(0x80, 0x00, 0, 9, 0, "k", "");
	m.p[3] = m.p[11] = 251;
	feed(m);
	heard_one(make(0x81, 0x00, 0x04, 9, 0, "", "Invalid arguments"));
	cr_expect(drive.ended);
	client(0);
	feed(make(0x80, 0x0a, 0, 1, 0, "", ""));
	drive.out.len = 0;
	ask("get a\r\n");
	heard(NULL, 0);
	cr_expect(drive.ended, "text on a binary connection");
}

Test(plugin_memcached_binary, the_first_byte_decides)
{
	struct msg m = make(0x80, 0x0a, 0, 1, 0, "", "");

	ask("mn\r\n");
	drive.out.len = 0;
	feed(m);
	ask("\r\nmn\r\n");
	expect_told("ERROR\r\nERROR\r\nMN\r\n"); /* the opcode of a noop ends a line */
}

Test(plugin_memcached_binary, a_reply_to_another_request)
{
	const char *k = key_of(1, 0);
	struct msg busy = make(0x81, 0x00, 0x86, 5, 0, "", "Temporary failure");

	answers(1, make(0x81, 0x00, 0, 6, 4, "", "v")); /* opaque */
	feed(make(0x80, 0x00, 0, 5, 0, k, ""));
	heard_one(busy);
	client(0);
	answers(1, make(0x81, 0x0c, 0, 5, 4, "", "v")); /* opcode */
	feed(make(0x80, 0x00, 0, 5, 0, k, ""));
	heard_one(busy);
	client(0);
	say(1, "END\r\n");
	feed(make(0x80, 0x00, 0, 5, 0, k, ""));
	heard_one(busy);
	client(0); /* quiet, and failed: that is heard */
	feed(make(0x80, 0x11, 0, 5, 8, k, "v"));
	heard_one(make(0x81, 0x11, 0x86, 5, 0, "", "Temporary failure"));
}

Test(plugin_memcached_binary, statistics_and_flush)
{
	for (uint32_t i = 0; i < SERVERS; i++) {
		answers(i, make(0x81, 0x10, 0, 1, 0, "items", i ? "5" : "7"));
		answers(i, make(0x81, 0x10, 0, 1, 0, "", ""));
	}
	feed(make(0x80, 0x10, 0, 1, 0, "", ""));
	heard((struct msg[]){ make(0x81, 0x10, 0, 1, 0, "items", "17"),
			      make(0x81, 0x10, 0, 1, 0, "", "") },
	      2);
	for (uint32_t i = 0; i < SERVERS; i++)
		answers(i, make(0x81, 0x08, 0, 2, 0, "", ""));
	asked.len = 0;
	feed(make(0x80, 0x18, 0, 2, 4, "", ""));
	heard(NULL, 0);
	cr_expect_eq(asked.len, SERVERS * (28 + 3));
	cr_expect_eq(asked.p[3], 0x08);
	cr_expect_eq(sends[n_sends - 1].touch, PB_FRAME_T_FLUSH);
	answers(0, make(0x81, 0x08, 0, 3, 0, "", ""));
	answers(2, make(0x81, 0x08, 0, 3, 0, "", ""));
	feed(make(0x80, 0x08, 0, 3, 0, "", ""));
	heard_one(make(0x81, 0x08, 0x86, 3, 0, "", "Temporary failure"));
}

Test(plugin_memcached_binary, every_truncation)
{
	struct msg m = make(0x80, 0x01, 0, 1, 8, "key", "value");
	struct pb_frame_view v = { m.p, m.p };
	struct pb_frame f;

	for (size_t n = 1; n <= m.n; n++) {
		v.end = m.p + n;
		cr_assert_eq(pb_frame_memcached.parse(&v, &drive.conn, drive.work, &f),
			     n < 24 + 8 + 3 ? PB_FRAME_MORE : PB_FRAME_WHOLE);
		cr_assert(n < 35 || (f.head == 35 && f.len == 40));
	}
}
