/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "wire.h"

#include <errno.h>
#include <limits.h>
#include <patchbay/siphash.h>

#include "cert.h"
#include "gossip/fields.h"

#define ITEM_DATA_MAX UINT16_MAX /* what is longer than a record is the owner's fault, not ours */

struct part_wire {
	struct gsp_bytes owner;
	uint64_t epoch, base, ver;
	uint32_t flags;
	struct gsp_list items;
	struct gsp_bytes sig;
};

static const struct gsp_field part_fields[] = {
	GSP_FIELD(part_wire, base, "b", U64, .max = WIRE_NUMBER_MAX, .flags = GSP_F_OMIT_EMPTY),
	GSP_FIELD(part_wire, epoch, "e", U64, .max = WIRE_NUMBER_MAX),
	GSP_FIELD(part_wire, flags, "f", U32, .flags = GSP_F_OMIT_EMPTY),
	GSP_FIELD(part_wire, owner, "o", BYTES, .max = TBL_ID_LEN),
	GSP_FIELD(part_wire, items, "r", ARRAY),
	GSP_FIELD(part_wire, sig, "s", BYTES, .max = TBL_SIG_LEN, .flags = GSP_F_OMIT_EMPTY),
	GSP_FIELD(part_wire, ver, "v", U64, .max = WIRE_NUMBER_MAX),
};
static const struct gsp_schema part_schema = GSP_SCHEMA(part_fields);

static const struct gsp_field digest_fields[] = {
	GSP_FIELD(wire_digest, entries, "d", BYTES, .max = WIRE_ENTRIES_MAX * WIRE_ENTRY),
	GSP_FIELD(wire_digest, flags, "f", U32, .flags = GSP_F_OMIT_EMPTY),
	GSP_FIELD(wire_digest, mask, "k", BYTES, .max = WIRE_BUCKETS / 8,
		  .flags = GSP_F_OMIT_EMPTY),
};
static const struct gsp_schema digest_schema = GSP_SCHEMA(digest_fields);

static const struct gsp_field answer_fields[] = {
	GSP_FIELD(wire_answer, more, "m", U32, .flags = GSP_F_OMIT_EMPTY),
	GSP_FIELD(wire_answer, parts, "p", ARRAY),
	GSP_FIELD(wire_answer, wants, "w", BYTES, .max = WIRE_ENTRIES_MAX * WIRE_ENTRY,
		  .flags = GSP_F_OMIT_EMPTY),
};
static const struct gsp_schema answer_schema = GSP_SCHEMA(answer_fields);

/* WANT and BUCKETS: some bytes. */
struct bytes_wire {
	struct gsp_bytes bytes;
};

static const struct gsp_field bytes_fields[] = {
	GSP_FIELD(bytes_wire, bytes, "d", BYTES, .max = WIRE_ENTRIES_MAX * WIRE_ENTRY),
};
static const struct gsp_schema bytes_schema = GSP_SCHEMA(bytes_fields);

int wire_type(const uint8_t *p, size_t n)
{
	if (n < 2)
		return -ENODATA;
	if ((p[0] & 0xf0) != (WIRE_VERSION & 0xf0))
		return -EPROTONOSUPPORT;
	return p[1] ? p[1] : -EBADMSG;
}

static int encode(uint8_t type, const struct gsp_schema *s, const void *obj, uint8_t *buf,
		  size_t cap)
{
	int n;

	if (!cap)
		return -ENOBUFS;
	buf[0] = WIRE_VERSION;
	n = gsp_typed_encode(type, s, obj, buf + 1, cap - 1);
	return n < 0 ? n : n + 1;
}

static int decode(uint8_t type, const struct gsp_schema *s, void *obj, const uint8_t *p, size_t n)
{
	int have = wire_type(p, n), used;

	if (have < 0)
		return have;
	used = gsp_typed_decode(type, s, obj, p + 1, n - 1);
	return used < 0 ? used : used + 1;
}

/* ---- parts ------------------------------------------------------------------------------------ */

static bool take(struct gsp_list *l, uint64_t base, struct wire_item *ret, int *ret_err)
{
	struct gsp_rd r;
	uint32_t n;

	if (!l->count)
		return false;
	r = GSP_RD(l->p, l->n);
	n = gsp_rd_array(&r, NULL);
	if (!r.err && n < 4)
		r.err = -EBADMSG;
	ret->kind = (uint8_t)gsp_rd_uint(&r, UINT8_MAX);
	ret->id = (uint32_t)gsp_rd_uint(&r, UINT32_MAX);
	ret->ver = base + gsp_rd_uint(&r, WIRE_NUMBER_MAX);
	ret->data = gsp_rd_raw(&r, ITEM_DATA_MAX);
	for (uint32_t i = 4; i < n && !r.err; i++)
		gsp_rd_skip(&r);
	*ret_err = r.err;
	l->n -= (uint32_t)(r.p - l->p);
	l->p += r.p - l->p;
	l->count--;
	return !r.err;
}

bool wire_take(struct gsp_list *l, uint64_t base, struct wire_item *ret)
{
	int err;

	return take(l, base, ret, &err);
}

int wire_add(struct gsp_list *l, uint64_t base, const struct wire_item *it)
{
	struct gsp_wr w = GSP_WR(l->p + l->n, l->cap - l->n);

	gsp_wr_array(&w, 4);
	gsp_wr_uint(&w, it->kind);
	gsp_wr_uint(&w, it->id);
	gsp_wr_uint(&w, it->ver - base);
	if (it->data.p)
		gsp_wr_raw(&w, it->data.p, it->data.n);
	else
		gsp_wr_nil(&w);
	if (w.err)
		return w.err;
	l->n = (uint32_t)(w.p - l->p);
	l->count++;
	return 0;
}

int wire_part_encode(const struct wire_part *m, uint8_t *buf, size_t cap)
{
	struct part_wire x = {
		{ m->owner.b, TBL_ID_LEN }, m->epoch, m->base, m->ver, m->flags, m->items, m->sig
	};

	return encode(m->type, &part_schema, &x, buf, cap);
}

int wire_part_decode(struct wire_part *ret, const uint8_t *p, size_t n)
{
	struct part_wire x = { .epoch = 0 };
	int type = wire_type(p, n), used, err = 0;
	uint64_t last = 0;
	struct gsp_list rest;
	struct wire_item it;

	if (type < 0)
		return type;
	if (type != WIRE_DELTA && type != WIRE_SNAPSHOT)
		return -EBADMSG;
	used = decode((uint8_t)type, &part_schema, &x, p, n);
	if (used < 0)
		return used;
	if (x.owner.n != TBL_ID_LEN || !x.epoch || x.base > x.ver ||
	    (type == WIRE_SNAPSHOT && x.base) || (x.sig.n && x.sig.n != TBL_SIG_LEN))
		return -EBADMSG;
	rest = x.items;
	while (take(&rest, x.base, &it, &err)) {
		/* by version, each once: so deltas can be cut, and nothing is beyond what is said */
		if (it.ver <= last || it.ver <= x.base || it.ver > x.ver ||
		    (type == WIRE_SNAPSHOT && !it.data.p))
			return -EBADMSG;
		last = it.ver;
	}
	if (err)
		return err == -ENODATA ? -EBADMSG : err;
	*ret = (struct wire_part){ .type = (uint8_t)type,
				   .epoch = x.epoch,
				   .base = x.base,
				   .ver = x.ver,
				   .flags = x.flags,
				   .items = x.items,
				   .sig = x.sig };
	memcpy(&ret->owner, x.owner.p, TBL_ID_LEN);
	return used;
}

/* ---- the others ------------------------------------------------------------------------------- */

static bool entries_ok(struct gsp_bytes b)
{
	return b.n % WIRE_ENTRY == 0;
}

int wire_digest_encode(const struct wire_digest *m, uint8_t *buf, size_t cap)
{
	return encode(WIRE_DIGEST, &digest_schema, m, buf, cap);
}

int wire_digest_decode(struct wire_digest *ret, const uint8_t *p, size_t n)
{
	struct wire_digest x = { .flags = 0 };
	int used = decode(WIRE_DIGEST, &digest_schema, &x, p, n);

	if (used < 0)
		return used;
	if (!entries_ok(x.entries) || (x.mask.n && x.mask.n != WIRE_BUCKETS / 8))
		return -EBADMSG;
	*ret = x;
	return used;
}

int wire_answer_encode(const struct wire_answer *m, uint8_t *buf, size_t cap)
{
	return encode(WIRE_ANSWER, &answer_schema, m, buf, cap);
}

int wire_answer_decode(struct wire_answer *ret, const uint8_t *p, size_t n)
{
	struct wire_answer x = { .more = 0 };
	int used = decode(WIRE_ANSWER, &answer_schema, &x, p, n);

	if (used < 0)
		return used;
	if (!entries_ok(x.wants))
		return -EBADMSG;
	*ret = x;
	return used;
}

int wire_want_encode(struct gsp_bytes entries, uint8_t *buf, size_t cap)
{
	struct bytes_wire x = { entries };

	return encode(WIRE_WANT, &bytes_schema, &x, buf, cap);
}

int wire_want_decode(struct gsp_bytes *ret, const uint8_t *p, size_t n)
{
	struct bytes_wire x = { { NULL, 0 } };
	int used = decode(WIRE_WANT, &bytes_schema, &x, p, n);

	if (used < 0)
		return used;
	if (!entries_ok(x.bytes))
		return -EBADMSG;
	*ret = x.bytes;
	return used;
}

int wire_buckets_encode(const uint64_t sums[WIRE_BUCKETS], uint8_t *buf, size_t cap)
{
	uint8_t raw[WIRE_BUCKETS * 8];
	struct bytes_wire x = { { raw, sizeof(raw) } };

	for (unsigned i = 0; i < WIRE_BUCKETS; i++)
		for (unsigned k = 0; k < 8; k++)
			raw[8 * i + k] = (uint8_t)(sums[i] >> (8 * k));
	return encode(WIRE_BUCKETS_SUM, &bytes_schema, &x, buf, cap);
}

int wire_buckets_decode(uint64_t ret[WIRE_BUCKETS], const uint8_t *p, size_t n)
{
	struct bytes_wire x = { { NULL, 0 } };
	int used = decode(WIRE_BUCKETS_SUM, &bytes_schema, &x, p, n);

	if (used < 0)
		return used;
	if (x.bytes.n != WIRE_BUCKETS * 8)
		return -EBADMSG;
	for (unsigned i = 0; i < WIRE_BUCKETS; i++)
		ret[i] = pb_siphash_load(x.bytes.p + 8 * i, 8);
	return used;
}

int wire_add_part(struct gsp_list *l, const uint8_t *p, size_t n)
{
	struct gsp_wr w = GSP_WR(l->p + l->n, l->cap - l->n);

	gsp_wr_raw(&w, p, (uint32_t)n);
	if (w.err)
		return w.err;
	l->n = (uint32_t)(w.p - l->p);
	l->count++;
	return 0;
}

bool wire_take_part(struct gsp_list *l, struct gsp_bytes *ret)
{
	struct gsp_rd r;

	if (!l->count)
		return false;
	r = GSP_RD(l->p, l->n);
	*ret = gsp_rd_raw(&r, UINT32_MAX);
	l->n -= (uint32_t)(r.p - l->p);
	l->p += r.p - l->p;
	l->count--;
	return !r.err;
}

static void put_be(uint8_t *to, uint64_t v, unsigned n)
{
	for (unsigned i = n; i; i--, v >>= 8)
		to[i - 1] = (uint8_t)v;
}

static uint64_t get_be(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

void wire_put_entry(uint8_t to[WIRE_ENTRY], const struct wire_entry *e)
{
	put_be(to, e->number, 8);
	put_be(to + 8, e->epoch, 6);
	put_be(to + 14, e->ver, 6);
}

struct wire_entry wire_get_entry(const uint8_t from[WIRE_ENTRY])
{
	return (struct wire_entry){ get_be(from, 8), get_be(from + 8, 6), get_be(from + 14, 6) };
}
