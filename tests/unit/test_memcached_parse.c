// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The parser of memcached requests: what single requests are, and every truncation of them.  What a
 * real memcached says to them is tried in tests/e2e/memcached_parser.sh. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <patchbay/mc_parse.h>

#include "tests/lib/mc_gen.h"

static struct pb_mc_work work;

/* Copied, so that a read beside it is seen. */
static struct pb_mc_req parse(const void *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);
	struct pb_mc_scan s = pb_mc_scan_init(copy, copy + n, (__u32)n, &work);

	cr_assert_not_null(copy);
	memset(&work, 0xa5, sizeof(work));
	work.len = (__u32)n;
	memcpy(copy, p, n);
	pb_mc_parse(&s, 0, pb_mc_proto_of(&s));
	free(copy);
	return work.req;
}

struct want {
	const char *text;
	int len; /* 0: strlen */
	unsigned int kind, step, error;
	const char *key;
	int val;	    /* -1: none */
	unsigned int flags; /* all of them */
	unsigned int next;  /* 0: all of it */
};

#define K50 "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
#define K250 K50 K50 K50 K50 K50

#define NOREPLY (PB_MC_F_QUIET | PB_MC_F_MUTE)

static const struct want wants[] = {
	{ "get a\r\n", 0, PB_MC_GET, PB_MC_STEP_READ, 0, "a", -1, 0, 0 },
	{ "get a\n", 0, PB_MC_GET, PB_MC_STEP_READ, 0, "a", -1, 0, 0 },
	{ "   get    a   \r\n", 0, PB_MC_GET, PB_MC_STEP_READ, 0, "a", -1, 0, 0 },
	{ "get a\0b\r\n", 9, PB_MC_GET, PB_MC_STEP_READ, 0, "a", -1, 0, 0 },
	{ "get a\rb\r\n", 0, PB_MC_GET, PB_MC_STEP_READ, 0, "a\rb", -1, 0, 0 },
	{ "get a\r\r\n", 0, PB_MC_GET, PB_MC_STEP_READ, 0, "a\r", -1, 0, 0 },
	{ "get a\tb\r\n", 0, PB_MC_GET, PB_MC_STEP_READ, 0, "a\tb", -1, 0, 0 },
	{ "get\ta\r\n", 0, PB_MC_UNKNOWN, PB_MC_STEP_UNKNOWN, PB_MC_E_VERB, "", -1, 0, 0 },
	{ "get " K250 "\r\n", 0, PB_MC_GET, PB_MC_STEP_READ, 0, K250, -1, 0, 0 },
	{ "get " K250 "k\r\n", 0, PB_MC_GET, PB_MC_STEP_NONE, PB_MC_E_KEY, "", -1, 0, 0 },
	{ "get\r\n", 0, PB_MC_GET, PB_MC_STEP_NONE, PB_MC_E_ARGS, "", -1, 0, 0 },
	{ "gets a b\r\n", 0, PB_MC_GETS, PB_MC_STEP_READ, 0, "a", -1, PB_MC_F_MULTI, 0 },
	{ "bget a\r\n", 0, PB_MC_GET, PB_MC_STEP_READ, 0, "a", -1, 0, 0 },
	{ "gat 10 a\r\n", 0, PB_MC_GAT, PB_MC_STEP_WRITE, 0, "a", -1, 0, 0 },
	{ "gat x a\r\n", 0, PB_MC_GAT, PB_MC_STEP_WRITE, PB_MC_E_FORMAT, "a", -1, 0, 0 },
	{ "gats 10\r\n", 0, PB_MC_GATS, PB_MC_STEP_NONE, 0, "", -1, 0, 0 },
	{ "set a 1 2 3\r\nabc\r\n", 0, PB_MC_SET, PB_MC_STEP_WRITE, 0, "a", 3, PB_MC_F_VALUE, 0 },
	{ "set a 1 2 3 noreply\r\nabc\r\n", 0, PB_MC_SET, PB_MC_STEP_MUTE, 0, "a", 3,
	  PB_MC_F_VALUE | NOREPLY, 0 },
	{ "set a 1 2 3 noReply\r\nabc\r\n", 0, PB_MC_SET, PB_MC_STEP_WRITE, 0, "a", 3,
	  PB_MC_F_VALUE, 0 },
	{ "set a 1 2 3\r\nabcd\r\n", 0, PB_MC_SET, PB_MC_STEP_WRITE, PB_MC_E_CHUNK, "a", 3,
	  PB_MC_F_VALUE | PB_MC_F_MORE, 18 },
	{ "set a 1 2 4294967299\r\nabc\r\n", 0, PB_MC_SET, PB_MC_STEP_WRITE, 0, "a", 3,
	  PB_MC_F_VALUE, 0 },
	{ "set a 1 2 -1\r\n", 0, PB_MC_SET, PB_MC_STEP_WRITE, PB_MC_E_FORMAT, "a", -1, 0, 0 },
	{ "set a x 2 3\r\nabc\r\n", 0, PB_MC_SET, PB_MC_STEP_WRITE, PB_MC_E_FORMAT, "a", -1,
	  PB_MC_F_MORE, 13 },
	{ "set a 1 2\r\n", 0, PB_MC_SET, PB_MC_STEP_WRITE, PB_MC_E_ARGS, "a", -1, 0, 0 },
	{ "add a 0 0 0\r\n\r\n", 0, PB_MC_ADD, PB_MC_STEP_WRITE, 0, "a", 0, PB_MC_F_VALUE, 0 },
	{ "replace a 0 0 1\r\n\n\r\n", 0, PB_MC_REPLACE, PB_MC_STEP_WRITE, 0, "a", 1, PB_MC_F_VALUE,
	  0 },
	{ "append a 0 0 1\r\nx\r\n", 0, PB_MC_APPEND, PB_MC_STEP_WRITE, 0, "a", 1, PB_MC_F_VALUE,
	  0 },
	{ "prepend a 0 0 1\r\nx\r\n", 0, PB_MC_PREPEND, PB_MC_STEP_WRITE, 0, "a", 1, PB_MC_F_VALUE,
	  0 },
	{ "cas a 0 0 1 77\r\nx\r\n", 0, PB_MC_CAS, PB_MC_STEP_WRITE, 0, "a", 1,
	  PB_MC_F_VALUE | PB_MC_F_CAS, 0 },
	{ "cas a 0 0 1 noreply\r\nx\r\n", 0, PB_MC_CAS, PB_MC_STEP_MUTE, PB_MC_E_FORMAT, "a", -1,
	  NOREPLY | PB_MC_F_MORE, 21 },
	{ "touch a 5\r\n", 0, PB_MC_TOUCH, PB_MC_STEP_WRITE, 0, "a", -1, 0, 0 },
	{ "incr a 5 noreply\r\n", 0, PB_MC_INCR, PB_MC_STEP_MUTE, 0, "a", -1, NOREPLY, 0 },
	{ "decr a -5\r\n", 0, PB_MC_DECR, PB_MC_STEP_WRITE, PB_MC_E_FORMAT, "a", -1, 0, 0 },
	{ "delete a\r\n", 0, PB_MC_DELETE, PB_MC_STEP_WRITE, 0, "a", -1, 0, 0 },
	{ "delete a 0\r\n", 0, PB_MC_DELETE, PB_MC_STEP_WRITE, 0, "a", -1, 0, 0 },
	{ "delete a 0 noreply\r\n", 0, PB_MC_DELETE, PB_MC_STEP_MUTE, 0, "a", -1, NOREPLY, 0 },
	{ "delete a 5\r\n", 0, PB_MC_DELETE, PB_MC_STEP_WRITE, PB_MC_E_FORMAT, "a", -1, 0, 0 },
	{ "flush_all\r\n", 0, PB_MC_FLUSH, PB_MC_STEP_FLUSH, 0, "", -1, 0, 0 },
	{ "flush_all noreply\r\n", 0, PB_MC_FLUSH, PB_MC_STEP_FLUSH, 0, "", -1, NOREPLY, 0 },
	{ "version\r\n", 0, PB_MC_VERSION, PB_MC_STEP_NONE, 0, "", -1, 0, 0 },
	{ "stats items\r\n", 0, PB_MC_STATS, PB_MC_STEP_NONE, 0, "", -1, 0, 0 },
	{ "verbosity 1\r\n", 0, PB_MC_VERBOSITY, PB_MC_STEP_NONE, 0, "", -1, 0, 0 },
	{ "lru_crawler enable\r\n", 0, PB_MC_ADMIN, PB_MC_STEP_NONE, 0, "", -1, 0, 0 },
	{ "cache_memlimit 64\r\n", 0, PB_MC_ADMIN, PB_MC_STEP_NONE, 0, "", -1, 0, 0 },
	{ "quit\r\n", 0, PB_MC_QUIT, PB_MC_STEP_NONE, 0, "", -1, 0, 0 },
	{ "mn\r\n", 0, PB_MC_NOOP, PB_MC_STEP_NONE, 0, "", -1, 0, 0 },
	{ "mg a v t q\r\n", 0, PB_MC_MGET, PB_MC_STEP_READ, 0, "a", -1,
	  PB_MC_F_META | PB_MC_F_QUIET, 0 },
	{ "mg YQ== b k\r\n", 0, PB_MC_MGET, PB_MC_STEP_READ, 0, "YQ==", -1,
	  PB_MC_F_META | PB_MC_F_B64 | PB_MC_F_KEYED, 0 },
	{ "mg a T30\r\n", 0, PB_MC_MGET, PB_MC_STEP_WRITE, 0, "a", -1, PB_MC_F_META, 0 },
	{ "mg a N30 q\r\n", 0, PB_MC_MGET, PB_MC_STEP_MUTE, 0, "a", -1,
	  PB_MC_F_META | PB_MC_F_QUIET, 0 },
	{ "mg a E5\r\n", 0, PB_MC_MGET, PB_MC_STEP_WRITE, PB_MC_E_FORMAT, "a", -1, PB_MC_F_META,
	  0 },
	{ "mg a v v\r\n", 0, PB_MC_MGET, PB_MC_STEP_READ, PB_MC_E_FORMAT, "a", -1, PB_MC_F_META,
	  0 },
	{ "mg Y b\r\n", 0, PB_MC_MGET, PB_MC_STEP_READ, PB_MC_E_FORMAT, "Y", -1,
	  PB_MC_F_META | PB_MC_F_B64, 0 },
	{ "ms a 3 T0 c\r\nabc\r\n", 0, PB_MC_MSET, PB_MC_STEP_WRITE, 0, "a", 3,
	  PB_MC_F_META | PB_MC_F_VALUE | PB_MC_F_CAS, 0 },
	{ "ms a 3 x\r\nabc\r\n", 0, PB_MC_MSET, PB_MC_STEP_WRITE, PB_MC_E_FORMAT, "a", 3,
	  PB_MC_F_META | PB_MC_F_VALUE, 0 },
	{ "ms a S3\r\nabc\r\n", 0, PB_MC_MSET, PB_MC_STEP_WRITE, PB_MC_E_FORMAT, "a", -1,
	  PB_MC_F_META | PB_MC_F_MORE, 9 },
	{ "md a I T5 q\r\n", 0, PB_MC_MDELETE, PB_MC_STEP_MUTE, 0, "a", -1,
	  PB_MC_F_META | PB_MC_F_QUIET, 0 },
	{ "ma a MD D5 v\r\n", 0, PB_MC_MARITH, PB_MC_STEP_WRITE, 0, "a", -1, PB_MC_F_META, 0 },
	{ "ma a MZ\r\n", 0, PB_MC_MARITH, PB_MC_STEP_WRITE, PB_MC_E_FORMAT, "a", -1, PB_MC_F_META,
	  0 },
	{ "me a x x\r\n", 0, PB_MC_MDEBUG, PB_MC_STEP_READ, 0, "a", -1, PB_MC_F_META, 0 },
	{ "\r\n", 0, PB_MC_UNKNOWN, PB_MC_STEP_UNKNOWN, PB_MC_E_VERB, "", -1, 0, 0 },
	{ "\n", 0, PB_MC_NONE, PB_MC_STEP_UNKNOWN, PB_MC_E_VERB, "", -1, 0, 0 },
	{ "get a\r\nget b\r\n", 0, PB_MC_GET, PB_MC_STEP_READ, 0, "a", -1, PB_MC_F_MORE, 7 },
};

static int is_good(const struct want *w)
{
	return w->error != PB_MC_E_SHORT;
}

Test(memcached_parse, requests)
{
	for (size_t i = 0; i < sizeof(wants) / sizeof(*wants); i++) {
		const struct want *w = &wants[i];
		size_t n = w->len ? (size_t)w->len : strlen(w->text);
		struct pb_mc_req r = parse(w->text, n);

		cr_expect_eq(r.kind, w->kind, "%s: kind %u", w->text, r.kind);
		cr_expect_eq(r.step, w->step, "%s: step %u", w->text, r.step);
		cr_expect_eq(r.error, w->error, "%s: error %u", w->text, r.error);
		cr_expect_eq(r.flags, w->flags, "%s: flags %x", w->text, r.flags);
		cr_expect_eq(r.next, w->next ? w->next : n, "%s: next %u", w->text, r.next);
		cr_expect_eq(r.key_len, strlen(w->key), "%s: key of %u", w->text, r.key_len);
		if (r.key_len == strlen(w->key))
			cr_expect_eq(memcmp(w->text + r.key_off, w->key, r.key_len), 0, "%s: key",
				     w->text);
		cr_expect_eq(w->val >= 0, !!(r.flags & PB_MC_F_VALUE));
		if (w->val >= 0)
			cr_expect_eq(r.val_len, (unsigned int)w->val, "%s: value of %u", w->text,
				     r.val_len);
	}
}

/* A part of a request is never a request of its own, and never of another key. */
Test(memcached_parse, truncations)
{
	for (size_t i = 0; i < sizeof(wants) / sizeof(*wants); i++) {
		const struct want *w = &wants[i];
		size_t n = w->len ? (size_t)w->len : strlen(w->text);
		size_t end = w->next ? w->next : n;

		for (size_t cut = 0; cut < end && is_good(w); cut++) {
			struct pb_mc_req r = parse(w->text, cut);

			cr_expect_eq(r.error, PB_MC_E_SHORT, "%s cut to %zu: error %u", w->text,
				     cut, r.error);
			cr_expect_eq(r.next, 0);
			cr_expect_leq(r.key_off + r.key_len, cut);
		}
	}
}

Test(memcached_parse, binary_truncations)
{
	struct mc_gen g = { .state = 5 };

	for (int i = 0; i < 400; i++) {
		struct pb_mc_req whole, r;

		g.len = 0;
		mc_gen_binary(&g);
		whole = parse(g.buf, g.len);
		for (size_t cut = 0; cut < whole.next; cut++) {
			r = parse(g.buf, cut);
			cr_expect_eq(r.error, PB_MC_E_SHORT);
			cr_expect_eq(r.next, 0);
			if (whole.error == PB_MC_OK && cut >= whole.key_off + whole.key_len)
				cr_expect_eq(r.key_len, whole.key_len);
		}
	}
}

Test(memcached_parse, more_keys)
{
	static const char text[] = "get  a bb  ccc \rd " K250 "k e\r\nget x\r\n";
	static const unsigned int lens[] = { 2, 3, 2, 251, 1 };
	struct pb_mc_scan s =
		pb_mc_scan_init(text, text + sizeof(text) - 1, sizeof(text) - 1, &work);

	pb_mc_parse(&s, 0, PB_MC_TEXT);
	cr_expect_eq(work.req.keys, 6);
	cr_expect_eq(work.req.error, PB_MC_E_KEY);
	pb_mc_more_keys(&s);
	for (int i = 0; i < 5; i++)
		cr_expect_eq(pb_mc_next_key(&s), lens[i], "key %d: %u", i, work.n);
	cr_expect_eq(pb_mc_next_key(&s), 0);
}

Test(memcached_parse, long_lines)
{
	static char text[PB_MC_SCAN_MAX + 64];

	memset(text, 'k', sizeof(text));
	memcpy(text, "get ", 4);
	cr_expect_eq(parse(text, sizeof(text)).error, PB_MC_E_LONG);
	cr_expect_eq(parse(text, sizeof(text)).step, PB_MC_STEP_UNKNOWN);
	text[PB_MC_SCAN_MAX - 1] = '\n';
	cr_expect_eq(parse(text, sizeof(text)).error, PB_MC_E_KEY);
	cr_expect_eq(parse(text, PB_MC_SCAN_MAX - 1).error, PB_MC_E_SHORT);
}

Test(memcached_parse, base64)
{
	static const struct {
		const char *text, *key;
	} keys[] = { { "Zm9v", "foo" },	     { "YQ==", "a" },	  { "YWI=", "ab" },
		     { "Zm-9v", "foo" },     { "Zm9", "" },	  { "====", "" },
		     { "A=BC", "\x00\x00" }, { "YQ==Zm9v", "a" }, { "+/+/", "\xfb\xff\xbf" } };
	char text[64];

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		int n = snprintf(text, sizeof(text), "mg %s b\r\n", keys[i].text);
		struct pb_mc_scan s = pb_mc_scan_init(text, text + n, (__u32)n, &work);
		size_t len = i == 6 ? 2 : strlen(keys[i].key);

		pb_mc_parse(&s, 0, PB_MC_TEXT);
		cr_expect_eq(pb_mc_b64_key(&s), len, "%s: %u", keys[i].text, work.b64.len);
		cr_expect_eq(work.req.error, len ? PB_MC_OK : PB_MC_E_FORMAT);
		if (len && i != 6)
			cr_expect_eq(memcmp(work.key, keys[i].key, len), 0, "%s", keys[i].text);
	}
}

/* The short way says what the long one says; a plain get with any byte changed, too. */
Test(memcached_parse, plain_gets)
{
	struct mc_gen g = { .state = 13 };

	for (int i = 0; i < 200000; i++) {
		struct pb_mc_scan s = pb_mc_scan_init(g.buf, g.buf, 0, &work);
		struct pb_mc_req r;

		g.len = 4 + mc_gen_below(&g, mc_gen_below(&g, 4) ? 40 : 255);
		memset(g.buf, 'k', g.len);
		memcpy(g.buf, "get ", 4);
		memcpy(g.buf + g.len, "\r\n", 2);
		g.len += 2;
		for (uint32_t k = mc_gen_below(&g, 3); k--;)
			g.buf[mc_gen_below(&g, (uint32_t)g.len)] =
				(uint8_t)mc_gen_below(&g, mc_gen_below(&g, 2) ? 256 : 40);
		r = parse(g.buf, g.len);
		s = pb_mc_scan_init(g.buf, g.buf + g.len, (__u32)g.len, &work);
		pb_mc_parse_any(&s, 0, pb_mc_proto_of(&s));
		cr_assert_eq(memcmp(&r, &work.req, sizeof(r)), 0, "%.*s", (int)g.len, g.buf);
	}
}

Test(memcached_parse, random)
{
	struct mc_gen g = { .state = 11 };

	for (int i = 0; i < 20000; i++) {
		struct pb_mc_req r;

		mc_gen_message(&g);
		r = parse(g.buf, g.len);
		cr_assert_leq(r.key_off + r.key_len, g.len);
		cr_assert_leq(r.next, g.len);
		cr_assert_leq(r.key_len, PB_MC_KEY_MAX);
		cr_assert(r.next || r.error);
	}
}
