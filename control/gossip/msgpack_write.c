/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "msgpack.h"

#include <errno.h>

void gsp_wr_put(struct gsp_wr *w, const void *data, size_t n)
{
	if (w->err)
		return;
	if (n > (size_t)(w->end - w->p)) {
		w->err = -ENOBUFS;
		return;
	}
	if (n)
		memcpy(w->p, data, n);
	w->p += n;
}

void gsp_wr_byte(struct gsp_wr *w, uint8_t b)
{
	gsp_wr_put(w, &b, 1);
}

/* @tag, then the low @n bytes of @v, big endian. */
static void put_be(struct gsp_wr *w, uint8_t tag, uint64_t v, unsigned n)
{
	uint8_t out[9] = { tag };

	for (unsigned i = n; i; i--, v >>= 8)
		out[i] = (uint8_t)v;
	gsp_wr_put(w, out, n + 1);
}

void gsp_wr_nil(struct gsp_wr *w)
{
	gsp_wr_byte(w, 0xc0);
}

void gsp_wr_bool(struct gsp_wr *w, bool v)
{
	gsp_wr_byte(w, v ? 0xc3 : 0xc2);
}

void gsp_wr_uint(struct gsp_wr *w, uint64_t v)
{
	if (v <= 0x7f)
		gsp_wr_byte(w, (uint8_t)v);
	else if (v <= UINT8_MAX)
		put_be(w, 0xcc, v, 1);
	else if (v <= UINT16_MAX)
		put_be(w, 0xcd, v, 2);
	else if (v <= UINT32_MAX)
		put_be(w, 0xce, v, 4);
	else
		put_be(w, 0xcf, v, 8);
}

void gsp_wr_int(struct gsp_wr *w, int64_t v)
{
	if (v >= 0)
		gsp_wr_uint(w, (uint64_t)v);
	else if (v >= -32)
		gsp_wr_byte(w, (uint8_t)v);
	else if (v >= INT8_MIN)
		put_be(w, 0xd0, (uint64_t)v, 1);
	else if (v >= INT16_MIN)
		put_be(w, 0xd1, (uint64_t)v, 2);
	else if (v >= INT32_MIN)
		put_be(w, 0xd2, (uint64_t)v, 4);
	else
		put_be(w, 0xd3, (uint64_t)v, 8);
}

void gsp_wr_raw(struct gsp_wr *w, const void *data, uint32_t n)
{
	if (n < 32)
		gsp_wr_byte(w, (uint8_t)(0xa0 | n));
	else if (n <= UINT16_MAX) /* never str8: it is not part of "old raw" */
		put_be(w, 0xda, n, 2);
	else
		put_be(w, 0xdb, n, 4);
	gsp_wr_put(w, data, n);
}

void gsp_wr_text(struct gsp_wr *w, const char *s)
{
	gsp_wr_raw(w, s, (uint32_t)strlen(s));
}

static void put_count(struct gsp_wr *w, uint8_t fix, uint8_t wide, uint32_t n)
{
	if (n < 16)
		gsp_wr_byte(w, (uint8_t)(fix | n));
	else if (n <= UINT16_MAX)
		put_be(w, wide, n, 2);
	else
		put_be(w, wide + 1, n, 4);
}

void gsp_wr_array(struct gsp_wr *w, uint32_t n)
{
	put_count(w, 0x90, 0xdc, n);
}

void gsp_wr_map(struct gsp_wr *w, uint32_t n)
{
	put_count(w, 0x80, 0xde, n);
}
