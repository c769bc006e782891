/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Anti-entropy: digests, wants, and the answers to them. */
#include "internal.h"

#include <stdlib.h>

struct answer {
	struct gsp_list parts;
	uint8_t *wants;
	uint32_t n_wants, cap_wants;
	bool more;
};

static void answer_fini(struct answer *a)
{
	free(a->parts.p);
	free(a->wants);
}

#define _cleanup_answer_ _cleanup_(answer_fini)

static int entry_cmp(const struct wire_entry *a, const struct wire_entry *b)
{
	if (a->epoch != b->epoch)
		return a->epoch < b->epoch ? -1 : 1;
	return a->ver < b->ver ? -1 : a->ver > b->ver;
}

static struct wire_entry entry_of(const struct owner *o)
{
	return (struct wire_entry){ tbl_number(&o->id), o->epoch, o->have };
}

static bool in_mask(const uint8_t *mask, unsigned bucket)
{
	return !mask || mask[bucket / 8] >> (bucket % 8) & 1;
}

/* ---- an answer -------------------------------------------------------------------------------- */

static int parts_room(struct gsp_list *l, size_t n)
{
	size_t cap = l->cap ? l->cap : 1024;
	uint8_t *p;

	while (cap < l->n + n + 8)
		cap *= 2;
	if (cap == l->cap)
		return 0;
	p = realloc(l->p, cap);
	if (!p)
		return -ENOMEM;
	l->p = p;
	l->cap = (uint32_t)cap;

	return 0;
}

static void answer_part(struct tbl *t, struct answer *a, struct owner *o, uint64_t epoch,
			uint64_t ver)
{
	size_t limit = t->conf.answer_max - 64, used = a->parts.n + a->n_wants * WIRE_ENTRY, n;
	uint64_t upto;
	bool more;

	if (limit < used + 16) {
		a->more = true;
		return;
	}
	n = part_build(t, o, epoch, ver, limit - used - 16, &upto, &more);
	a->more |= more;
	if (n && !parts_room(&a->parts, n))
		wire_add_part(&a->parts, t->part.p, n);
}

static void answer_want(struct answer *a, const struct wire_entry *e)
{
	if (a->n_wants == WIRE_ENTRIES_MAX)
		return;
	if (a->n_wants == a->cap_wants) {
		uint32_t cap = a->cap_wants ? 2 * a->cap_wants : 32;
		uint8_t *p = realloc(a->wants, (size_t)cap * WIRE_ENTRY);

		if (!p)
			return; /* asked for another time */
		a->wants = p;
		a->cap_wants = cap;
	}
	wire_put_entry(a->wants + (size_t)a->n_wants++ * WIRE_ENTRY, e);
}

static int answer_done(struct tbl *t, struct answer *a, uint8_t **ret, size_t *ret_n)
{
	struct wire_answer m = { .parts = a->parts,
				 .wants = { a->wants, a->n_wants * WIRE_ENTRY },
				 .more = a->more };
	size_t cap = a->parts.n + m.wants.n + 64;
	_cleanup_free_ uint8_t *out = NULL;
	int n;

	*ret = NULL;
	*ret_n = 0;
	if (!a->parts.count && !a->n_wants)
		return 0;
	out = malloc(cap);
	if (!out)
		return -ENOMEM;
	n = wire_answer_encode(&m, out, cap);
	if (n < 0)
		return n;
	t->stats.answer_bytes += (uint64_t)n;
	*ret = TAKE_PTR(out);
	*ret_n = (size_t)n;
	return 0;
}

/* Does it pass on what it has of that owner? */
static bool serves(const struct owner *o)
{
	return owner_member(o) && o->epoch && !o->lossy && !o->forged;
}

int answer_wants(struct tbl *t, struct gsp_bytes wants, uint8_t **ret, size_t *ret_n)
{
	_cleanup_answer_ struct answer a = { .more = false };

	for (uint32_t i = 0; i + WIRE_ENTRY <= wants.n; i += WIRE_ENTRY) {
		struct wire_entry e = wire_get_entry(wants.p + i), have;
		struct owner *o = owner_number(t, e.number);

		if (!o || !serves(o))
			continue;
		have = entry_of(o);
		if (entry_cmp(&e, &have) < 0)
			answer_part(t, &a, o, e.epoch, e.ver);
	}
	return answer_done(t, &a, ret, ret_n);
}

/* ---- digests ---------------------------------------------------------------------------------- */

int digest_build(const struct tbl *t, const uint8_t *mask, uint32_t flags, uint8_t **ret,
		 size_t *ret_n)
{
	_cleanup_free_ uint8_t *entries = malloc((size_t)t->n_owners * WIRE_ENTRY + 1);
	size_t cap = (size_t)t->n_owners * WIRE_ENTRY + 128;
	_cleanup_free_ uint8_t *out = malloc(cap);
	struct wire_digest m = { .flags = flags };
	const struct owner *o;
	int n;

	if (!entries || !out)
		return -ENOMEM;
	for (o = TAILQ_FIRST(&t->owners); o; o = TAILQ_NEXT(o, all)) {
		struct wire_entry e = entry_of(o);

		if (!o->epoch || !in_mask(mask, o->id.b[0]))
			continue;
		wire_put_entry(entries + m.entries.n, &e);
		m.entries.n += WIRE_ENTRY;
	}
	m.entries.p = entries;
	if (mask)
		m.mask = (struct gsp_bytes){ mask, WIRE_BUCKETS / 8 };
	n = wire_digest_encode(&m, out, cap);
	if (n < 0)
		return n;
	*ret = TAKE_PTR(out);
	*ret_n = (size_t)n;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	const struct wire_entry *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

/* Does the sender have something of that owner which this node should have? */
static void want_entry(struct tbl *t, struct answer *a, const struct wire_entry *e)
{
	struct owner *o = owner_number(t, e->number);
	struct wire_entry have = { .number = e->number };

	if (o && o->self) {
		own_seen(t, e->epoch, e->ver);
		return;
	}
	if (e->epoch > tbl_unix(t) + EPOCH_AHEAD_MS || (!o && t->n_owners >= t->conf.owners_max))
		return;
	if (o && (o->state == TBL_DEAD || o->state == TBL_LEFT ||
		  (!owner_member(o) && e->epoch <= o->note_epoch)))
		return;
	if (o)
		have = entry_of(o);
	if (entry_cmp(&have, e) < 0)
		answer_want(a, &have);
}

int answer_digest(struct tbl *t, const struct wire_digest *d, bool wants, uint8_t **ret,
		  size_t *ret_n)
{
	_cleanup_answer_ struct answer a = { .more = false };
	uint32_t n = d->entries.n / WIRE_ENTRY;
	_cleanup_free_ struct wire_entry *theirs = calloc(n + 1, sizeof(*theirs));
	struct owner *o;

	if (!theirs)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		theirs[i] = wire_get_entry(d->entries.p + (size_t)i * WIRE_ENTRY);
	qsort(theirs, n, sizeof(*theirs), by_number);
	for (uint32_t i = 0; wants && i < n; i++)
		want_entry(t, &a, &theirs[i]);
	for (o = TAILQ_FIRST(&t->owners); o; o = TAILQ_NEXT(o, all)) {
		struct wire_entry mine = entry_of(o), none = { .number = mine.number }, *e;

		if (!serves(o) || !in_mask(d->mask.n ? d->mask.p : NULL, o->id.b[0]))
			continue;
		e = bsearch(&mine, theirs, n, sizeof(*theirs), by_number);
		e = e ? e : &none;
		if (entry_cmp(e, &mine) < 0)
			answer_part(t, &a, o, e->epoch, e->ver);
	}
	return answer_done(t, &a, ret, ret_n);
}

size_t tbl_digest_out(const struct tbl *t, uint8_t *buf, size_t cap)
{
	_cleanup_free_ uint8_t *out = NULL;
	size_t n;

	if (digest_build(t, NULL, WIRE_MUTUAL, &out, &n) || n > cap)
		return 0;
	memcpy(buf, out, n);
	return n;
}
