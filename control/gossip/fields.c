/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "fields.h"

#include <errno.h>
#include <limits.h>

/* Names end in logs and on terminals. */
bool gsp_name_ok(struct gsp_bytes name)
{
	if (name.n > GSP_NAME_MAX)
		return false;
	for (uint32_t i = 0; i < name.n; i++)
		if (name.p[i] < 0x20 || name.p[i] == 0x7f)
			return false;
	return true;
}

static uint64_t number_max(const struct gsp_field *f)
{
	static const uint64_t of_kind[] = {
		[GSP_K_U8] = UINT8_MAX,
		[GSP_K_U16] = UINT16_MAX,
		[GSP_K_U32] = UINT32_MAX,
		[GSP_K_U64] = UINT64_MAX,
	};

	return f->max ? f->max : of_kind[f->kind];
}

static uint64_t number_get(const struct gsp_field *f, const void *at)
{
	switch (f->kind) {
	case GSP_K_BOOL: return *(const bool *)at;
	case GSP_K_U8: return *(const uint8_t *)at;
	case GSP_K_U16: return *(const uint16_t *)at;
	case GSP_K_U32: return *(const uint32_t *)at;
	default: return *(const uint64_t *)at;
	}
}

static void number_set(const struct gsp_field *f, void *at, uint64_t v)
{
	switch (f->kind) {
	case GSP_K_U8: *(uint8_t *)at = (uint8_t)v; break;
	case GSP_K_U16: *(uint16_t *)at = (uint16_t)v; break;
	case GSP_K_U32: *(uint32_t *)at = (uint32_t)v; break;
	default: *(uint64_t *)at = v; break;
	}
}

/* ---- out ------------------------------------------------------------------------------------- */

static bool omitted(const struct gsp_field *f, const void *at)
{
	const struct gsp_bytes *b = at;

	if (f->flags & GSP_F_OMIT_NULL)
		return !b->p;
	if (!(f->flags & GSP_F_OMIT_EMPTY))
		return false;
	switch (f->kind) {
	case GSP_K_ADDR: return !((const struct gsp_addr *)at)->len;
	case GSP_K_NAME:
	case GSP_K_TEXT:
	case GSP_K_BYTES: return !b->n;
	default: return !number_get(f, at);
	}
}

static void write_text(struct gsp_wr *w, const struct gsp_field *f, const struct gsp_bytes *b)
{
	if (f->kind == GSP_K_NAME ? !gsp_name_ok(*b) : b->n > f->max)
		w->err = -EINVAL;
	else if (f->flags & GSP_F_NEEDED && !b->n)
		w->err = -EINVAL;
	else if (f->kind == GSP_K_BYTES && !b->p)
		gsp_wr_nil(w);
	else
		gsp_wr_raw(w, b->p, b->n);
}

static void write_addr(struct gsp_wr *w, const struct gsp_addr *a)
{
	if (a->len && a->len != 4 && a->len != 16)
		w->err = -EINVAL;
	else if (!a->len)
		gsp_wr_nil(w);
	else
		gsp_wr_raw(w, a->ip, a->len);
}

void gsp_list_write(struct gsp_wr *w, const struct gsp_field *f, const struct gsp_list *l)
{
	if (!l->p) {
		gsp_wr_nil(w);
		return;
	}
	if (f->kind == GSP_K_MAP)
		gsp_wr_map(w, l->count);
	else
		gsp_wr_array(w, l->count);
	gsp_wr_put(w, l->p, l->n);
}

static void write_field(struct gsp_wr *w, const struct gsp_field *f, const void *at)
{
	switch (f->kind) {
	case GSP_K_BOOL: gsp_wr_bool(w, *(const bool *)at); break;
	case GSP_K_I64: gsp_wr_int(w, *(const int64_t *)at); break;
	case GSP_K_NAME:
	case GSP_K_TEXT:
	case GSP_K_BYTES: write_text(w, f, at); break;
	case GSP_K_ADDR: write_addr(w, at); break;
	case GSP_K_VSN: gsp_wr_raw(w, at, GSP_VSN_LEN); break;
	case GSP_K_ARRAY:
	case GSP_K_MAP: gsp_list_write(w, f, at); break;
	case GSP_K_INNER: gsp_fields_write(w, f->inner, at); break;
	default:
		if (number_get(f, at) > number_max(f))
			w->err = -EINVAL;
		gsp_wr_uint(w, number_get(f, at));
	}
}

void gsp_fields_write(struct gsp_wr *w, const struct gsp_schema *s, const void *obj)
{
	const char *base = obj;
	uint32_t n = 0;

	for (unsigned i = 0; i < s->n; i++)
		n += !omitted(&s->fields[i], base + s->fields[i].offset);
	gsp_wr_map(w, n);
	for (unsigned i = 0; i < s->n && !w->err; i++) {
		const struct gsp_field *f = &s->fields[i];

		if (omitted(f, base + f->offset))
			continue;
		gsp_wr_text(w, f->key);
		write_field(w, f, base + f->offset);
	}
}

/* ---- in -------------------------------------------------------------------------------------- */

static void read_text(struct gsp_rd *r, const struct gsp_field *f, struct gsp_bytes *ret)
{
	*ret = gsp_rd_raw(r, f->kind == GSP_K_NAME ? GSP_NAME_MAX : (uint32_t)f->max);
	if (f->kind == GSP_K_NAME && !gsp_name_ok(*ret))
		gsp_rd_fail(r, -EBADMSG);
}

static void read_addr(struct gsp_rd *r, struct gsp_addr *ret)
{
	struct gsp_bytes b = gsp_rd_raw(r, GSP_ADDR_MAX);

	if (b.n && b.n != 4 && b.n != 16) {
		gsp_rd_fail(r, -EBADMSG);
		return;
	}
	*ret = (struct gsp_addr){ .len = (uint8_t)b.n };
	if (b.n)
		memcpy(ret->ip, b.p, b.n);
}

/* Old libraries leave it out; what is there has six bytes. */
static void read_vsn(struct gsp_rd *r, struct gsp_vsn *ret)
{
	struct gsp_bytes b = gsp_rd_raw(r, GSP_VSN_LEN);

	*ret = (struct gsp_vsn){ 0 };
	if (b.n == GSP_VSN_LEN)
		memcpy(ret, b.p, sizeof(*ret));
	else if (b.n)
		gsp_rd_fail(r, -EBADMSG);
}

void gsp_list_read(struct gsp_rd *r, const struct gsp_field *f, struct gsp_list *ret)
{
	bool nil;
	uint32_t n = f->kind == GSP_K_MAP ? gsp_rd_map(r, &nil) : gsp_rd_array(r, &nil);
	uint64_t values = f->kind == GSP_K_MAP ? 2 * (uint64_t)n : n;
	const uint8_t *start = r->p;

	gsp_rd_pass(r, &values); /* what they are is seen when they are taken */
	*ret = (struct gsp_list){ 0 };
	if (r->err || nil)
		return;
	/* A list is written to by gsp_list_add_*() only, which refuses one with cap 0. */
	ret->p = (uint8_t *)(uintptr_t)start;
	ret->n = (uint32_t)(r->p - start);
	ret->count = n;
}

static void read_field(struct gsp_rd *r, const struct gsp_field *f, void *at)
{
	switch (f->kind) {
	case GSP_K_BOOL: *(bool *)at = gsp_rd_bool(r); break;
	case GSP_K_I64: *(int64_t *)at = gsp_rd_int(r); break;
	case GSP_K_NAME:
	case GSP_K_TEXT:
	case GSP_K_BYTES: read_text(r, f, at); break;
	case GSP_K_ADDR: read_addr(r, at); break;
	case GSP_K_VSN: read_vsn(r, at); break;
	case GSP_K_ARRAY:
	case GSP_K_MAP: gsp_list_read(r, f, at); break;
	case GSP_K_INNER: gsp_fields_read(r, f->inner, at); break;
	default: number_set(f, at, gsp_rd_uint(r, number_max(f)));
	}
}

static const struct gsp_field *find(const struct gsp_schema *s, struct gsp_bytes key)
{
	for (unsigned i = 0; i < s->n; i++)
		if (strlen(s->fields[i].key) == key.n && key.n &&
		    !memcmp(s->fields[i].key, key.p, key.n))
			return &s->fields[i];
	return NULL;
}

void gsp_fields_read(struct gsp_rd *r, const struct gsp_schema *s, void *obj)
{
	uint32_t n = gsp_rd_map(r, NULL);
	char *base = obj;

	if (n > GSP_KEYS_IN_MAP)
		gsp_rd_fail(r, -E2BIG);
	for (uint32_t i = 0; i < n && !r->err; i++) {
		struct gsp_bytes key = gsp_rd_raw(r, UINT8_MAX);
		const struct gsp_field *f = find(s, key);

		if (f)
			read_field(r, f, base + f->offset);
		else
			gsp_rd_skip(r);
	}
	for (unsigned i = 0; i < s->n && !r->err; i++)
		if (s->fields[i].flags & GSP_F_NEEDED &&
		    !((struct gsp_bytes *)(base + s->fields[i].offset))->n)
			gsp_rd_fail(r, -EBADMSG);
}

/* ---- whole messages -------------------------------------------------------------------------- */

int gsp_wr_done(const struct gsp_wr *w, const uint8_t *start)
{
	return w->err ? w->err : (int)(w->p - start);
}

int gsp_rd_done(const struct gsp_rd *r, const uint8_t *start)
{
	return r->err ? r->err : (int)(r->p - start);
}

int gsp_typed_encode(uint8_t type, const struct gsp_schema *s, const void *obj, uint8_t *buf,
		     size_t cap)
{
	struct gsp_wr w = GSP_WR(buf, cap < INT_MAX ? cap : INT_MAX);

	gsp_wr_byte(&w, type);
	gsp_fields_write(&w, s, obj);
	return gsp_wr_done(&w, buf);
}

int gsp_typed_decode(uint8_t type, const struct gsp_schema *s, void *obj, const uint8_t *p,
		     size_t n)
{
	struct gsp_rd r;

	if (n > INT_MAX)
		return -E2BIG;
	if (!n)
		return -ENODATA;
	if (*p != type)
		return -EBADMSG;
	r = GSP_RD(p + 1, n - 1);
	if (s->skip)
		r.skip = s->skip;
	gsp_fields_read(&r, s, obj);
	return gsp_rd_done(&r, p);
}
