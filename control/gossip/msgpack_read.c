/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "msgpack.h"

#include <errno.h>

void gsp_rd_fail(struct gsp_rd *r, int err)
{
	if (!r->err)
		r->err = err;
}

static size_t left(const struct gsp_rd *r)
{
	return (size_t)(r->end - r->p);
}

/* The next @n bytes, or NULL. */
static const uint8_t *take(struct gsp_rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->err)
		return NULL;
	if (n > left(r)) {
		r->err = -ENODATA;
		return NULL;
	}
	r->p += n;
	return p;
}

/* A big-endian number of @n bytes, at most 8. */
static uint64_t take_be(struct gsp_rd *r, unsigned n)
{
	const uint8_t *p = take(r, n);
	uint64_t v = 0;

	for (unsigned i = 0; p && i < n; i++)
		v = v << 8 | p[i];
	return v;
}

/* The first byte of a value; c1, which msgpack never uses, when there is none. */
static uint8_t take_tag(struct gsp_rd *r)
{
	const uint8_t *p = take(r, 1);

	return p ? *p : 0xc1;
}

/* *ret_negative: the value is minus the result. */
static uint64_t take_number(struct gsp_rd *r, bool *ret_negative)
{
	uint8_t tag = take_tag(r);
	unsigned bytes;
	uint64_t v;

	*ret_negative = false;
	if (tag <= 0x7f)
		return tag;
	if (tag == 0xc0)
		return 0;
	if (tag >= 0xcc && tag <= 0xcf)
		return take_be(r, 1u << (tag - 0xcc));
	if (tag >= 0xe0) {
		*ret_negative = true;
		return 256u - tag;
	}
	if (tag < 0xd0 || tag > 0xd3) {
		gsp_rd_fail(r, -EBADMSG);
		return 0;
	}
	bytes = 1u << (tag - 0xd0);
	v = take_be(r, bytes);
	if (!(v >> (8 * bytes - 1)))
		return v;
	*ret_negative = true;
	v = 0 - v;
	return bytes == 8 ? v : v & ((1ull << (8 * bytes)) - 1);
}

uint64_t gsp_rd_uint(struct gsp_rd *r, uint64_t max)
{
	bool negative;
	uint64_t v = take_number(r, &negative);

	if (negative || v > max) {
		gsp_rd_fail(r, -EBADMSG);
		return 0;
	}
	return v;
}

int64_t gsp_rd_int(struct gsp_rd *r)
{
	bool negative;
	uint64_t v = take_number(r, &negative);

	if (v > (uint64_t)INT64_MAX + negative) {
		gsp_rd_fail(r, -EBADMSG);
		return 0;
	}
	return (int64_t)(negative ? 0 - v : v);
}

bool gsp_rd_bool(struct gsp_rd *r)
{
	uint8_t tag = take_tag(r);

	if (tag != 0xc0 && tag != 0xc2 && tag != 0xc3)
		gsp_rd_fail(r, -EBADMSG);
	return tag == 0xc3 && !r->err;
}

/* Length of the text or bytes that begin with @tag; false: it is something else. */
static bool raw_len(struct gsp_rd *r, uint8_t tag, uint32_t *ret)
{
	if ((tag & 0xe0) == 0xa0)
		*ret = tag & 0x1f;
	else if (tag >= 0xc4 && tag <= 0xc6)
		*ret = (uint32_t)take_be(r, 1u << (tag - 0xc4));
	else if (tag >= 0xd9 && tag <= 0xdb)
		*ret = (uint32_t)take_be(r, 1u << (tag - 0xd9));
	else
		return false;
	return true;
}

struct gsp_bytes gsp_rd_raw(struct gsp_rd *r, uint32_t max)
{
	uint8_t tag = take_tag(r);
	const uint8_t *p;
	uint32_t n = 0;

	if (tag == 0xc0)
		return (struct gsp_bytes){ 0 };
	if (!raw_len(r, tag, &n))
		gsp_rd_fail(r, -EBADMSG);
	if (n > max)
		gsp_rd_fail(r, -E2BIG);
	p = take(r, n);
	return p ? (struct gsp_bytes){ p, n } : (struct gsp_bytes){ 0 };
}

/* @fix: the tag of an empty short one, @wide: the tag with 16 bits; @each: values per element. */
static uint32_t take_count(struct gsp_rd *r, uint8_t fix, uint8_t wide, unsigned each,
			   bool *ret_nil)
{
	uint8_t tag = take_tag(r);
	uint64_t n = 0;

	if (ret_nil)
		*ret_nil = tag == 0xc0;
	if (tag == 0xc0)
		return 0;
	if ((tag & 0xf0) == fix)
		n = tag & 0x0f;
	else if (tag == wide || tag == wide + 1)
		n = take_be(r, tag == wide ? 2 : 4);
	else
		gsp_rd_fail(r, -EBADMSG);
	if (n * each > left(r)) /* each takes a byte at least */
		gsp_rd_fail(r, -ENODATA);
	return r->err ? 0 : (uint32_t)n;
}

uint32_t gsp_rd_array(struct gsp_rd *r, bool *ret_nil)
{
	return take_count(r, 0x90, 0xdc, 1, ret_nil);
}

uint32_t gsp_rd_map(struct gsp_rd *r, bool *ret_nil)
{
	return take_count(r, 0x80, 0xde, 2, ret_nil);
}

/* Passes over one value, but not what it contains: returns how many values those are. */
static uint64_t skip_one(struct gsp_rd *r)
{
	/* what follows the tags c0 to db: bytes; for the lengths of bin, ext and raw see below */
	static const uint8_t fixed[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 8, 1,
					 2, 4, 8, 1, 2, 4, 8, 2, 3, 5, 9, 17 };
	uint8_t tag = take_tag(r);
	uint32_t n = 0;

	if (tag <= 0x7f || tag >= 0xe0)
		return 0;
	if (tag <= 0x8f)
		return 2u * (tag & 0x0f);
	if (tag <= 0x9f)
		return tag & 0x0f;
	if (tag >= 0xdc && tag <= 0xdf)
		return take_be(r, tag & 1 ? 4 : 2) << (tag >= 0xde);
	if (tag == 0xc1)
		gsp_rd_fail(r, -EBADMSG);
	else if (tag >= 0xc7 && tag <= 0xc9) /* ext: a type byte before the data */
		take(r, 1 + (size_t)take_be(r, 1u << (tag - 0xc7)));
	else if (raw_len(r, tag, &n))
		take(r, n);
	else
		take(r, fixed[tag - 0xc0]);
	return 0;
}

void gsp_rd_pass(struct gsp_rd *r, uint64_t *values)
{
	while (*values && !r->err) {
		const uint8_t *start = r->p;
		uint64_t within = skip_one(r);

		if (r->err) {
			r->p = start;
			return;
		}
		*values += within - 1; /* below 2^33 a byte: no overflow */
	}
}

void gsp_rd_skip(struct gsp_rd *r)
{
	const uint8_t *start = r->p;
	uint64_t values = 1;

	gsp_rd_pass(r, &values);
	/* neither wait for more than may be skipped */
	if ((!r->err && (size_t)(r->p - start) > r->skip) ||
	    (r->err == -ENODATA && (size_t)(r->end - start) > r->skip))
		r->err = -E2BIG;
	if (!r->err)
		r->skip -= (uint32_t)(r->p - start);
}
