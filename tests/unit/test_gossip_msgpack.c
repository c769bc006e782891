/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "test_gossip.h"

#include "control/gossip/msgpack.h"

static struct gsp_rd reader(const struct blob *b)
{
	return GSP_RD(b->p, b->n);
}

Test(gossip_msgpack, unsigned_numbers)
{
	static const struct {
		const char *hex;
		uint64_t value;
		bool shortest; /* what the packer writes */
	} t[] = {
		{ "00", 0, true },
		{ "7f", 127, true },
		{ "cc80", 128, true },
		{ "ccff", 255, true },
		{ "cd0100", 256, true },
		{ "cdffff", 65535, true },
		{ "ce00010000", 65536, true },
		{ "ceffffffff", UINT32_MAX, true },
		{ "cf0000000100000000", 1ull << 32, true },
		{ "cfffffffffffffffff", UINT64_MAX, true },
		{ "cc05", 5, false },
		{ "cf0000000000000005", 5, false },
		{ "d005", 5, false },
		{ "d10100", 256, false },
		{ "d200010000", 65536, false },
		{ "d37fffffffffffffff", INT64_MAX, false },
		{ "c0", 0, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_blob_ struct blob b = unhex(t[i].hex);
		struct gsp_rd r = reader(&b);
		uint8_t out[16];
		struct gsp_wr w = GSP_WR(out, sizeof(out));

		cr_expect_eq(gsp_rd_uint(&r, UINT64_MAX), t[i].value, "%s", t[i].hex);
		cr_expect(!r.err && r.p == r.end, "%s", t[i].hex);
		gsp_wr_uint(&w, t[i].value);
		cr_expect_eq((size_t)(w.p - out) == b.n && !memcmp(out, b.p, b.n), t[i].shortest,
			     "%s", t[i].hex);
	}
}

Test(gossip_msgpack, signed_numbers)
{
	static const struct {
		const char *hex;
		int64_t value;
	} t[] = {
		{ "7f", 127 },
		{ "cf7fffffffffffffff", INT64_MAX },
		{ "ff", -1 },
		{ "e0", -32 },
		{ "d0df", -33 },
		{ "d080", -128 },
		{ "d1ff7f", -129 },
		{ "d18000", INT16_MIN },
		{ "d2ffff7fff", INT16_MIN - 1 },
		{ "d280000000", INT32_MIN },
		{ "d3ffffffff7fffffff", INT32_MIN - 1ll },
		{ "d38000000000000000", INT64_MIN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_blob_ struct blob b = unhex(t[i].hex);
		struct gsp_rd r = reader(&b);
		uint8_t out[16];
		struct gsp_wr w = GSP_WR(out, sizeof(out));

		cr_expect_eq(gsp_rd_int(&r), t[i].value, "%s", t[i].hex);
		cr_expect_eq(r.err, 0, "%s", t[i].hex);
		gsp_wr_int(&w, t[i].value);
		cr_expect_eq((size_t)(w.p - out), b.n, "%s", t[i].hex);
		cr_expect_arr_eq(out, b.p, b.n, "%s", t[i].hex);
	}
}

enum what { UINT, U8, INT, BOOL, RAW, RAW3, ARRAY, MAP, SKIP };

static void read_one(struct gsp_rd *r, enum what what)
{
	switch (what) {
	case UINT: gsp_rd_uint(r, UINT64_MAX); break;
	case U8: gsp_rd_uint(r, UINT8_MAX); break;
	case INT: gsp_rd_int(r); break;
	case BOOL: gsp_rd_bool(r); break;
	case RAW: gsp_rd_raw(r, UINT32_MAX); break;
	case RAW3: gsp_rd_raw(r, 3); break;
	case ARRAY: gsp_rd_array(r, NULL); break;
	case MAP: gsp_rd_map(r, NULL); break;
	case SKIP: gsp_rd_skip(r); break;
	}
}

Test(gossip_msgpack, refused)
{
	static const struct {
		enum what what;
		const char *hex;
		int err;
	} t[] = {
		{ UINT, "", -ENODATA },
		{ UINT, "ff", -EBADMSG },
		{ UINT, "d0ff", -EBADMSG },
		{ UINT, "a0", -EBADMSG },
		{ UINT, "c2", -EBADMSG },
		{ UINT, "ca00000000", -EBADMSG },
		{ UINT, "c1", -EBADMSG },
		{ U8, "cd0100", -EBADMSG },
		{ INT, "cf8000000000000000", -EBADMSG },
		{ BOOL, "01", -EBADMSG },
		{ BOOL, "", -ENODATA },
		{ RAW, "01", -EBADMSG },
		{ RAW, "90", -EBADMSG },
		{ RAW, "dbffffffff", -ENODATA },
		{ RAW, "c6ffffffff", -ENODATA },
		{ RAW3, "a461626364", -E2BIG },
		{ RAW3, "db7fffffff", -E2BIG }, /* before the bytes come */
		{ ARRAY, "80", -EBADMSG },
		{ ARRAY, "91", -ENODATA },
		{ ARRAY, "ddffffffff00", -ENODATA },
		{ MAP, "90", -EBADMSG },
		{ MAP, "8101", -ENODATA },
		{ MAP, "dfffffffff0000", -ENODATA },
		{ SKIP, "", -ENODATA },
		{ SKIP, "c1", -EBADMSG },
		{ SKIP, "9201", -ENODATA },
		{ SKIP, "91c1", -EBADMSG },
		{ SKIP, "ddffffffff00", -ENODATA },
		{ SKIP, "dfffffffff00", -ENODATA },
		{ SKIP, "c9ffffffff00", -ENODATA },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_blob_ struct blob b = unhex(t[i].hex);
		struct gsp_rd r = reader(&b);

		read_one(&r, t[i].what);
		cr_expect_eq(r.err, t[i].err, "%s: %d", t[i].hex, r.err);
		/* and it stays: nothing is read any more */
		cr_expect_eq(gsp_rd_uint(&r, 9), 0);
		cr_expect_null(gsp_rd_raw(&r, 9).p);
		cr_expect_eq(r.err, t[i].err);
	}
}

Test(gossip_msgpack, texts_old_and_new)
{
	static const char *const t[] = { "a3616263",	     "d903616263", "da0003616263",
					 "db00000003616263", "c403616263", "c50003616263",
					 "c600000003616263" };

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_blob_ struct blob b = unhex(t[i]);
		struct gsp_rd r = reader(&b);
		struct gsp_bytes text = gsp_rd_raw(&r, 3);

		cr_expect(!r.err && r.p == r.end, "%s", t[i]);
		cr_expect(gsp_bytes_eq(text, GSP_TEXT("abc")), "%s", t[i]);
	}
}

Test(gossip_msgpack, texts_are_packed_as_old_raw)
{
	static const struct {
		uint32_t n;
		const char *head;
	} t[] = { { 0, "a0" },	     { 31, "bf" },	  { 32, "da0020" },	  { 255, "da00ff" },
		  { 256, "da0100" }, { 65535, "daffff" }, { 65536, "db00010000" } };
	_cleanup_free_ uint8_t *text = calloc(1, 65536), *out = malloc(65536 + 5);

	cr_assert(text && out);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_blob_ struct blob head = unhex(t[i].head);
		struct gsp_wr w = GSP_WR(out, 65536 + 5);

		gsp_wr_raw(&w, text, t[i].n);
		cr_expect_eq((size_t)(w.p - out), head.n + t[i].n);
		cr_expect_arr_eq(out, head.p, head.n, "%s", t[i].head);
	}
}

Test(gossip_msgpack, counts)
{
	static const uint32_t t[] = { 0, 15, 16, 65535, 65536 };
	_cleanup_free_ uint8_t *out = calloc(1, 3 * 65536);

	cr_assert(out);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct gsp_wr w = GSP_WR(out, 16);
		struct gsp_rd r = GSP_RD(out, 3 * 65536);

		gsp_wr_array(&w, t[i]);
		cr_expect_eq(gsp_rd_array(&r, NULL), t[i]);
		cr_expect_eq(r.p, w.p);
		w = GSP_WR(out, 16);
		r = GSP_RD(out, 3 * 65536);
		gsp_wr_map(&w, t[i]);
		cr_expect_eq(gsp_rd_map(&r, NULL), t[i]);
		cr_expect_eq(r.p, w.p);
	}
}

Test(gossip_msgpack, nil_is_zero_and_told_apart)
{
	static const uint8_t data[] = { 0xc0, 0xc0, 0xc0, 0xc0, 0xc0, 0x90, 0xa0 };
	struct gsp_rd r = GSP_RD(data, sizeof(data));
	bool nil = false;

	cr_expect_eq(gsp_rd_uint(&r, 1), 0);
	cr_expect_eq(gsp_rd_int(&r), 0);
	cr_expect(!gsp_rd_bool(&r));
	cr_expect_null(gsp_rd_raw(&r, 1).p);
	cr_expect_eq(gsp_rd_map(&r, &nil), 0);
	cr_expect(nil);
	cr_expect_eq(gsp_rd_array(&r, &nil), 0);
	cr_expect(!nil);
	cr_expect_not_null(gsp_rd_raw(&r, 1).p, "empty is not nil");
	cr_expect_eq(r.err, 0);
}

/* One of each, nested. */
static const char every_kind[] =
	"df00000006 01 c0 a161 c2 c3 9302dc0002ffe0dd0000000105 de000181a0ccff cd0001ce00000001"
	"cf0000000000000001 cad0d0d0d0"
	"d9 03 61 62 63 8b ff d001 d10001 d200000001 d30000000000000001 cb0000000000000000 c40100"
	"c5000100 c60000000100 c7010900 c800010900 c9000000010900 d40100 d5010000 d60100000000"
	"d7010000000000000000 d80100000000000000000000000000000000 da000161 db0000000161 80 90 bf"
	"61616161616161616161616161616161616161616161616161616161616161";

Test(gossip_msgpack, skip_passes_over_every_kind)
{
	_cleanup_blob_ struct blob b = unhex(every_kind);
	struct gsp_rd r = reader(&b);

	gsp_rd_skip(&r);
	cr_expect_eq(r.err, 0);
	cr_expect_eq(r.p, r.end, "%td left", r.end - r.p);
	cr_expect_eq(r.skip, GSP_SKIP_MAX - b.n);
	for (size_t n = 0; n < b.n; n++) {
		_cleanup_blob_ struct blob cut = blob_copy(b.p, n);

		r = reader(&cut);
		gsp_rd_skip(&r);
		cr_expect_eq(r.err, -ENODATA, "cut at %zu", n);
	}
}

/* As deep as there are bytes: a recursive reader would overflow the stack. */
Test(gossip_msgpack, skip_is_bounded)
{
	enum { DEEP = 1 << 20 };
	_cleanup_free_ uint8_t *p = malloc(DEEP);
	struct gsp_rd r;

	cr_assert(p);
	memset(p, 0x91, DEEP);
	r = GSP_RD(p, DEEP);
	gsp_rd_skip(&r);
	cr_expect_eq(r.err, -E2BIG, "over its budget");
	r = GSP_RD(p, DEEP);
	r.skip = UINT32_MAX;
	gsp_rd_skip(&r);
	cr_expect_eq(r.err, -ENODATA);
	/* what announces more than may be skipped is not waited for */
	memcpy(p, "\xdb\x00\x10\x00\x00", 5);
	r = GSP_RD(p, GSP_SKIP_MAX + 1);
	gsp_rd_skip(&r);
	cr_expect_eq(r.err, -E2BIG);
	r = GSP_RD(p, GSP_SKIP_MAX);
	gsp_rd_skip(&r);
	cr_expect_eq(r.err, -ENODATA);
}

Test(gossip_msgpack, packer_stays_inside)
{
	for (size_t cap = 0; cap < 32; cap++) {
		uint8_t out[40];
		struct gsp_wr w = GSP_WR(out, cap);

		memset(out, 0xee, sizeof(out));
		gsp_wr_map(&w, 70000);
		gsp_wr_text(&w, "0123456789");
		gsp_wr_uint(&w, UINT64_MAX);
		gsp_wr_bool(&w, true);
		gsp_wr_nil(&w);
		cr_expect_eq(w.err, cap < 27 ? -ENOBUFS : 0, "%zu", cap);
		for (size_t i = cap; i < sizeof(out); i++)
			cr_assert_eq(out[i], 0xee, "%zu written with room for %zu", i, cap);
	}
}
