/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "test_gossip.h"

#include "control/gossip/lzw.h"

#define CODES 4096

/* The other half, for the test only: dictionary by exhaustive search, as plain as it can be. */
struct coder {
	uint8_t *p;
	size_t n;
	uint32_t acc;
	unsigned bits;
	unsigned width;
	unsigned next;
	uint16_t prefix[CODES];
	uint8_t last[CODES];
};

static void put(struct coder *c, unsigned code)
{
	c->acc |= code << c->bits;
	for (c->bits += c->width; c->bits >= 8; c->bits -= 8, c->acc >>= 8)
		c->p[c->n++] = (uint8_t)c->acc;
}

static void reset(struct coder *c)
{
	c->width = 9;
	c->next = 258;
}

static int find(const struct coder *c, unsigned prefix, uint8_t last)
{
	for (unsigned i = 258; i < c->next; i++)
		if (c->prefix[i] == prefix && c->last[i] == last)
			return (int)i;
	return -1;
}

/* @clear: clears the table when it is full, as Go does; else goes on with the full one, as may be. */
static struct blob compress(const uint8_t *p, size_t n, bool clear)
{
	_cleanup_free_ struct coder *c = calloc(1, sizeof(*c));
	unsigned code = n ? p[0] : 257;

	cr_assert(c);
	c->p = malloc(2 * n + 16);
	cr_assert(c->p);
	reset(c);
	put(c, 256);
	for (size_t i = 1; i < n; i++) {
		int longer = find(c, code, p[i]);

		if (longer >= 0) {
			code = (unsigned)longer;
			continue;
		}
		put(c, code);
		if (c->next < CODES) {
			c->prefix[c->next] = (uint16_t)code;
			c->last[c->next] = p[i];
			/* the decoder is one entry behind */
			if (c->next++ == 1u << c->width)
				c->width++;
		} else if (clear) {
			put(c, 256);
			reset(c);
		}
		code = p[i];
	}
	if (n) {
		put(c, code);
		if (c->next == 1u << c->width && c->width < 12)
			c->width++;
		put(c, 257);
	} else {
		put(c, 257);
	}
	if (c->bits)
		c->p[c->n++] = (uint8_t)c->acc;
	return (struct blob){ c->p, c->n };
}

static void fill(uint8_t *p, size_t n, unsigned kinds)
{
	uint32_t seed = 12345;

	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525 + 1013904223;
		p[i] = (uint8_t)((seed >> 24) % kinds);
	}
}

Test(gossip_lzw, there_and_back)
{
	static const struct {
		size_t n;
		unsigned kinds;
	} t[] = { { 0, 1 },	 { 1, 1 },	{ 2, 1 },	{ 3, 1 },      { 254, 256 },
		  { 255, 256 },	 { 256, 256 },	{ 257, 256 },	{ 767, 256 },  { 768, 256 },
		  { 100000, 1 }, { 100000, 2 }, { 100000, 16 }, { 30000, 256 } };
	_cleanup_free_ uint8_t *text = malloc(100000);

	cr_assert(text);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(t); i++) {
		size_t n = t[i / 2].n;
		struct gsp_out out = { .max = n };
		_cleanup_blob_ struct blob b = { 0 };

		fill(text, n, t[i / 2].kinds);
		b = compress(text, n, i % 2);
		b.p = realloc(b.p, b.n);
		cr_expect_eq(gsp_lzw_decode(b.p, b.n, &out), 0, "%zu of %u", n, t[i / 2].kinds);
		cr_expect_eq(out.n, n);
		cr_expect(!n || !memcmp(out.p, text, n), "%zu of %u", n, t[i / 2].kinds);
		gsp_out_fini(&out);
	}
}

Test(gossip_lzw, every_truncation_is_refused)
{
	uint8_t text[600];
	_cleanup_blob_ struct blob b = { 0 };

	fill(text, sizeof(text), 3);
	b = compress(text, sizeof(text), true);
	for (size_t n = 0; n < b.n; n++) {
		_cleanup_blob_ struct blob cut = blob_copy(b.p, n);
		struct gsp_out out = { .max = 1000 };

		cr_expect_eq(gsp_lzw_decode(cut.p, cut.n, &out), -EBADMSG, "cut at %zu", n);
		gsp_out_fini(&out);
	}
}

Test(gossip_lzw, output_is_bounded)
{
	_cleanup_free_ uint8_t *text = calloc(1, 100000);
	_cleanup_blob_ struct blob b = compress(text, 100000, true);
	struct gsp_out out = { .max = 99999 };
	uint8_t fixed[64];

	cr_expect_lt(b.n, 1000u, "it is a bomb");
	cr_expect_eq(gsp_lzw_decode(b.p, b.n, &out), -E2BIG);
	cr_expect_leq(out.cap, 99999u);
	gsp_out_fini(&out);
	memset(fixed, 0xee, sizeof(fixed));
	out = (struct gsp_out){ .p = fixed, .n = 8, .cap = 60, .max = 60 };
	cr_expect_eq(gsp_lzw_decode(b.p, b.n, &out), -E2BIG);
	cr_expect_eq(out.p, fixed);
	for (size_t i = 0; i < sizeof(fixed); i++)
		cr_expect((i >= 8 && i < 60) || fixed[i] == 0xee, "%zu", i);
}

static void put_codes(struct coder *c, const unsigned *codes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put(c, codes[i]);
	if (c->bits)
		c->p[c->n++] = (uint8_t)c->acc;
}

Test(gossip_lzw, codes_by_hand)
{
	static const struct {
		unsigned codes[8];
		size_t n;
		int err;
		const char *text;
	} t[] = {
		{ { 256, 'a', 258, 257 }, 4, 0, "aaa" }, /* used while it is being learned */
		{ { 'a', 'b', 258, 260, 257 }, 5, 0, "abababa" }, /* no clear in front */
		{ { 256, 256, 'a', 256, 'b', 257 }, 6, 0, "ab" },
		{ { 256, 257, 'a' }, 3, 0, "" },	/* what follows the end is not looked at */
		{ { 256, 258, 257 }, 3, -EBADMSG, "" }, /* nothing was learned yet */
		{ { 256, 'a', 259, 257 }, 4, -EBADMSG, "" },
		{ { 256, 'a', 'b', 256, 258, 257 }, 6, -EBADMSG, "" }, /* forgotten */
		{ { 256, 'a', 511, 257 }, 4, -EBADMSG, "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		uint8_t bytes[32], text[32] = "";
		_cleanup_free_ struct coder *c = calloc(1, sizeof(*c));
		struct gsp_out out = { .p = text, .cap = sizeof(text), .max = sizeof(text) };

		c->p = bytes;
		reset(c);
		put_codes(c, t[i].codes, t[i].n);
		cr_expect_eq(gsp_lzw_decode(bytes, c->n, &out), t[i].err, "row %zu", i);
		if (t[i].err)
			continue;
		cr_expect_eq(out.n, strlen(t[i].text), "row %zu", i);
		cr_expect(!memcmp(text, t[i].text, out.n), "row %zu", i);
	}
}
