/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Partitions: records by name and by version. */
#include "internal.h"

struct blob *blob_new(const uint8_t *p, size_t n)
{
	struct blob *b = malloc(sizeof(*b) + n);

	if (!b)
		return NULL;
	b->refs = 1;
	b->n = (uint16_t)n;
	if (n)
		memcpy(b->p, p, n);
	return b;
}

struct blob *blob_ref(struct blob *b)
{
	if (b)
		b->refs++;
	return b;
}

void blob_swap(struct blob **at, struct blob *b)
{
	struct blob *old = *at;

	*at = blob_ref(b);
	if (old && !--old->refs)
		free(old);
}

static uint64_t rec_order(uint8_t kind, uint32_t id)
{
	return (uint64_t)kind << 32 | id;
}

/* Where it is or belongs. */
static uint32_t rec_index(const struct owner *o, uint64_t order)
{
	uint32_t lo = 0, hi = o->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (rec_order(o->recs[mid]->kind, o->recs[mid]->id) < order)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct rec *rec_find(const struct owner *o, uint8_t kind, uint32_t id)
{
	uint32_t i = rec_index(o, rec_order(kind, id));

	return i < o->n && o->recs[i]->kind == kind && o->recs[i]->id == id ? o->recs[i] : NULL;
}

struct rec *rec_get(struct owner *o, uint8_t kind, uint32_t id)
{
	uint32_t i = rec_index(o, rec_order(kind, id));
	struct rec *r;

	if (i < o->n && o->recs[i]->kind == kind && o->recs[i]->id == id)
		return o->recs[i];
	if (o->n == o->cap) {
		uint32_t cap = o->cap ? 2 * o->cap : 4;
		struct rec **recs = realloc(o->recs, cap * sizeof(struct rec *));

		if (!recs)
			return NULL;
		o->recs = recs;
		o->cap = cap;
	}
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->kind = kind;
	r->id = id;
	r->fate = TBL_IDLE;
	memmove(o->recs + i + 1, o->recs + i, (o->n - i) * sizeof(struct rec *));
	o->recs[i] = r;
	o->n++;
	return r;
}

int rec_room(struct tbl *t, const struct owner *o, const struct rec *r, size_t n)
{
	size_t old = r && r->cur ? r->cur->n : 0;
	bool more = !r || !r->cur;

	if (o->records + more > t->conf.records_owner || o->bytes - old + n > t->conf.bytes_owner) {
		t->stats.full_owner++;
		return -ENOSPC;
	}
	if (t->stats.records + more > t->conf.records_max) {
		t->stats.full_table++;
		return -ENOSPC;
	}
	return 0;
}

/* Into the list by version, nearly always at its end. */
static void rec_place(struct owner *o, struct rec *r, uint64_t ver)
{
	struct rec *at;

	if (r->ver)
		TAILQ_REMOVE(&o->by_ver, r, link);
	r->ver = ver;
	at = TAILQ_LAST(&o->by_ver, rec_list);
	while (at && at->ver >= ver)
		at = TAILQ_PREV(at, rec_list, link);
	if (at)
		TAILQ_INSERT_AFTER(&o->by_ver, at, r, link);
	else
		TAILQ_INSERT_HEAD(&o->by_ver, r, link);
}

static void rec_form(struct tbl *t, struct owner *o, struct rec *r)
{
	struct tbl_record x;
	int err = tbl_record_decode(&x, r->kind, r->id, r->cur->p, r->cur->n, NULL);

	r->form = !err ? FORM_OK : err == -EOPNOTSUPP ? FORM_LATER : FORM_BAD;
	r->app = !err && r->kind == TBL_ENDPOINT ? x.endpoint.app : 0;
	if (r->form == FORM_LATER && r->kind != TBL_CERT && r->kind != TBL_SEAL)
		t->stats.later_records++;
	if (r->form != FORM_BAD)
		return;
	t->stats.bad_records++;
	o->bad++;
}

static void rec_clear(struct tbl *t, struct owner *o, struct rec *r)
{
	if (!r->ver)
		return;
	if (!r->cur) {
		o->deletes--;
		return;
	}
	if (r->form == FORM_BAD)
		o->bad--;
	owner_account(t, o, -1, -(int64_t)r->cur->n);
	r->judged = r->judged == r->cur ? NULL : r->judged;
	blob_swap(&r->cur, NULL);
	r->form = FORM_OK;
}

void rec_set(struct tbl *t, struct owner *o, struct rec *r, uint64_t ver, struct blob *b)
{
	rec_clear(t, o, r);
	rec_place(o, r, ver);
	if (!b) {
		o->deletes++;
		return;
	}
	r->cur = b;
	owner_account(t, o, 1, b->n);
	rec_form(t, o, r);
}

void rec_leave(struct tbl *t, struct owner *o, struct rec *r)
{
	if (!r->ver)
		return;
	rec_clear(t, o, r);
	TAILQ_REMOVE(&o->by_ver, r, link);
	r->ver = 0;
}

static void rec_free(struct tbl *t, struct owner *o, struct rec *r)
{
	claim_set(t, o, r, NULL, NULL);
	load_free(t, r);
	blob_swap(&r->cur, NULL);
	blob_swap(&r->good, NULL);
	blob_swap(&r->shown, NULL);
	free(r);
}

void recs_sweep(struct tbl *t, struct owner *o)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < o->n; i++) {
		struct rec *r = o->recs[i];

		if (r->ver || r->good || r->shown)
			o->recs[n++] = r;
		else
			rec_free(t, o, r);
	}
	o->n = n;
}

/* Forgets the oldest deletions; those above have are still needed against what comes late. */
void deletes_trim(struct tbl *t, struct owner *o, bool all)
{
	uint32_t keep = all ? 0 : t->conf.deletes;
	struct rec *r, *next;

	if (o->deletes <= keep + (all ? 0 : keep / 4))
		return;
	for (r = TAILQ_FIRST(&o->by_ver); r && o->deletes > keep; r = next) {
		next = TAILQ_NEXT(r, link);
		if (r->ver > o->have)
			break;
		if (r->cur)
			continue;
		o->floor = r->ver > o->floor ? r->ver : o->floor;
		rec_leave(t, o, r);
	}
	recs_sweep(t, o);
}

/* The owner begins anew.  What the view shows stays there until it is looked at again. */
void owner_reset(struct tbl *t, struct owner *o, uint64_t epoch)
{
	while (!TAILQ_EMPTY(&o->by_ver))
		rec_leave(t, o, TAILQ_FIRST(&o->by_ver));
	o->epoch = epoch;
	o->have = o->head = o->floor = o->ahead = o->ahead_base = 0;
	o->more = o->lossy = false;
	o->sent_ver = UINT64_MAX;
	gap_clear(t, o);
	recs_sweep(t, o);
}
