/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Deltas and snapshots, in: the merge. */
#include "internal.h"

int refuse(struct tbl *t, int err)
{
	if (err == -EPROTONOSUPPORT)
		t->stats.incompatible++;
	else if (err < 0)
		t->stats.bad++;
	return err;
}

bool epoch_future(struct tbl *t, uint64_t epoch)
{
	if (epoch <= tbl_unix(t) + EPOCH_AHEAD_MS)
		return false;
	t->stats.future++;
	return true;
}

void gap_set(struct tbl *t, struct owner *o, uint64_t at)
{
	if (o->in_gap)
		return;
	o->in_gap = true;
	o->gap_at = at;
	o->tries = 0;
	TAILQ_INSERT_TAIL(&t->gaps, o, gap);
	t->stats.behind++;
}

void gap_clear(struct tbl *t, struct owner *o)
{
	if (!o->in_gap)
		return;
	o->in_gap = false;
	TAILQ_REMOVE(&t->gaps, o, gap);
	t->stats.behind--;
}

/* What was kept for strangers longest makes room. */
static void parked_evict(struct tbl *t, const struct owner *but)
{
	struct owner *o, *next;

	for (o = TAILQ_FIRST(&t->owners); o && t->stats.parked_now > t->conf.parked_bytes;
	     o = next) {
		next = TAILQ_NEXT(o, all);
		if (!o->parked || o == but || !o->bytes)
			continue;
		t->stats.full_parked += o->records;
		owner_free(t, o);
	}
}

static void take_item(struct tbl *t, struct owner *o, const struct wire_item *it)
{
	struct rec *r = rec_find(o, it->kind, it->id);
	struct blob *b = NULL;

	if (r && r->ver >= it->ver) {
		r->mark = true;
		return;
	}
	if (it->data.p && (it->data.n > TBL_RECORD_MAX || rec_room(t, o, r, it->data.n))) {
		if (!o->lossy)
			tell_note(t, TBL_N_FULL, o, NULL, NULL, "a record of it was refused");
		o->lossy = true;
		return;
	}
	if (!r)
		r = rec_get(o, it->kind, it->id);
	if (r && it->data.p)
		b = blob_new(it->data.p, it->data.n);
	if (!r || (it->data.p && !b)) {
		o->lossy = true; /* no memory: as if there was no room */
		recs_sweep(t, o);
		return;
	}
	rec_set(t, o, r, it->ver, b);
	r->mark = true;
	t->stats.applied++;
	t->stats.parked += o->parked;
}

static void ahead_merge(struct owner *o)
{
	if (o->ahead && o->ahead_base <= o->have) {
		o->have = o->ahead > o->have ? o->ahead : o->have;
		o->ahead = o->ahead_base = 0;
	}
}

/* Comes before what it builds on: kept, but what is between must still come. */
static void ahead_add(struct owner *o, const struct wire_part *m)
{
	if (!o->ahead || m->base > o->ahead) { /* the later one is worth more */
		o->ahead_base = m->base;
		o->ahead = m->ver;
		return;
	}
	if (m->ver < o->ahead_base)
		return;
	o->ahead_base = m->base < o->ahead_base ? m->base : o->ahead_base;
	o->ahead = m->ver > o->ahead ? m->ver : o->ahead;
}

static void apply_delta(struct tbl *t, struct owner *o, const struct wire_part *m)
{
	struct gsp_list rest = m->items;
	struct wire_item it;

	if (m->base > o->have) {
		t->stats.gaps++;
		/* deletions above have cannot be forgotten: bound them */
		if (m->items.count + o->deletes > 2 * t->conf.deletes)
			return;
	}
	while (wire_take(&rest, m->base, &it))
		if (it.ver > o->have)
			take_item(t, o, &it);
	if (m->base <= o->have)
		o->have = m->ver;
	else if (m->base < m->ver)
		ahead_add(o, m);
	ahead_merge(o);
	deletes_trim(t, o, false);
}

static void apply_snapshot(struct tbl *t, struct owner *o, const struct wire_part *m)
{
	struct gsp_list rest = m->items;
	struct wire_item it;
	struct rec *r, *next;

	t->stats.snapshots_in++;
	o->lossy = false;
	for (r = TAILQ_FIRST(&o->by_ver); r; r = TAILQ_NEXT(r, link))
		r->mark = false;
	while (wire_take(&rest, 0, &it))
		take_item(t, o, &it);
	for (r = TAILQ_FIRST(&o->by_ver); r && r->ver <= m->ver; r = next) {
		next = TAILQ_NEXT(r, link);
		if (!r->mark || !r->cur)
			rec_leave(t, o, r);
	}
	o->have = m->ver;
	o->floor = m->ver;
	ahead_merge(o);
	recs_sweep(t, o);
}

/* The owner of a part that may be news; 0: it is not. */
static int part_owner(struct tbl *t, const struct wire_part *m, struct owner **ret)
{
	struct owner *o;
	int err;

	if (epoch_future(t, m->epoch))
		return -ERANGE;
	err = owner_get(t, &m->owner, &o);
	if (err)
		return err;
	*ret = o;
	if (o->self) {
		own_seen(t, m->epoch, m->ver);
		return 0;
	}
	if (!owner_member(o) && m->epoch <= o->note_epoch) {
		t->stats.stale++;
		return -ESTALE;
	}
	if (m->epoch != o->epoch)
		return m->epoch > o->epoch;
	if (m->type == WIRE_SNAPSHOT)
		return m->ver > o->have || (o->lossy && m->ver == o->have);
	if (m->ver <= o->have || (m->base >= o->ahead_base && m->ver <= o->ahead))
		return 0;
	return m->ver > m->base || m->ver > o->head;
}

int part_apply(struct tbl *t, const struct wire_part *m)
{
	uint64_t applied = t->stats.applied, have, head;
	struct owner *o = NULL;
	int news = part_owner(t, m, &o);
	bool begun;

	if (!news && o->unproven && sig_take(o, m)) {
		prove(t, o); /* only its signature was missing, or the one before was wrong */
		owner_judge(t, o);
		view_touch(t, o);
		return !o->unproven;
	}
	if (news <= 0)
		return news;
	begun = m->epoch > o->epoch;
	have = o->have;
	head = o->head;
	if (begun) {
		if (o->shown)
			o->hold_until = t->now + t->conf.hold_ms;
		owner_reset(t, o, m->epoch);
	}
	if (m->ver >= o->head) {
		o->head = m->ver;
		o->more = m->flags & WIRE_MORE;
	}
	if (m->type == WIRE_DELTA)
		apply_delta(t, o, m);
	else
		apply_snapshot(t, o, m);
	if (o->have >= o->head) {
		gap_clear(t, o);
		if (!o->more)
			o->hold_until = 0;
	} else if (owner_member(o)) {
		gap_set(t, o, t->now + t->conf.gap_ms);
	}
	/* what is above a gap comes again and again, and is news once */
	if (!begun && t->stats.applied == applied && o->have == have && o->head == head)
		return 0;
	sig_take(o, m);
	prove(t, o);
	owner_rehash(t, o);
	owner_judge(t, o);
	view_touch(t, o);
	t->last_news = t->now;
	if (o->parked)
		parked_evict(t, o);
	return 1;
}

int tbl_delta_in(struct tbl *t, const uint8_t *p, size_t n, uint64_t now)
{
	struct wire_part m;
	struct owner *o;
	int err = wire_part_decode(&m, p, n);

	tbl_enter(t, now);
	t->stats.deltas_in++;
	if (err < 0)
		return refuse(t, err);
	if (m.type != WIRE_DELTA)
		return refuse(t, -EBADMSG);
	err = part_apply(t, &m);
	o = owner_find(t, &m.owner);
	if (err > 0 && o) {
		t->stats.deltas_new++;
		send_delta(t, o, p, n, m.base, m.ver, TBL_RELAY);
	} else if (!err && o && m.epoch == o->epoch && o->sent_ver == m.ver &&
		   o->sent_base == m.base && t->conf.ops->heard) {
		t->conf.ops->heard(t->conf.arg, delta_key(o));
	}
	view_run(t);
	return err < 0 ? err : err > 0;
}
