/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The view: what of the partitions is used.  An owner is looked at as a whole when anything of it
 * changed, and what comes out is compared with what the view has.
 */
#include "internal.h"

void view_touch(struct tbl *t, struct owner *o)
{
	if (o->in_dirty)
		return;
	o->in_dirty = true;
	TAILQ_INSERT_TAIL(&t->dirty, o, dirty);
}

/* Does the view keep what it had of that owner, whatever is in its partition now? */
bool view_held(const struct owner *o)
{
	return o->hold_until || o->why || o->unproven;
}

static struct blob *target(const struct owner *o, const struct rec *r)
{
	if (view_held(o))
		return r->good;
	return r->cur && r->form == FORM_OK ? r->cur : NULL;
}

static enum tbl_fate unused_fate(const struct owner *o, const struct rec *r)
{
	if (r->cur && r->form == FORM_BAD)
		return TBL_BAD;
	if (r->cur && r->form == FORM_LATER)
		return TBL_LATER;
	return view_held(o) ? TBL_HELD : TBL_IDLE;
}

static bool read_blob(const struct rec *r, const struct blob *b, struct tbl_record *ret)
{
	return !tbl_record_decode(ret, r->kind, r->id, b->p, b->n, NULL);
}

/* Asked once for each content. */
static bool allowed(struct tbl *t, struct owner *o, struct rec *r, const struct blob *b,
		    const struct tbl_record *x)
{
	struct tbl_owner view;
	const char *why;

	if (o->self)
		return true;
	if (r->judged == b)
		return !r->refused;
	owner_view(o, &view);
	why = cert_refuses(t, o, x);
	if (!why && t->conf.ops->allowed)
		why = t->conf.ops->allowed(t->conf.arg, &view, x);
	r->judged = b;
	r->refused = why;
	if (!why)
		return true;
	t->stats.refused++;
	tell_note(t, TBL_N_REFUSED, o, x, NULL, why);
	return false;
}

static bool parent_shown(const struct owner *o, const struct tbl_record *x)
{
	const struct rec *node = x->kind == TBL_NODE ? NULL : rec_find(o, TBL_NODE, 0);
	const struct rec *app;

	if (x->kind == TBL_NODE)
		return true;
	if (!node || !node->want)
		return false;
	if (x->kind == TBL_APP)
		return true;
	app = rec_find(o, TBL_APP, x->endpoint.app);
	return app && app->want;
}

/* Is somebody else's claim older? */
static bool lost(struct tbl *t, struct owner *o, struct rec *r, const struct blob *b,
		 const struct tbl_record *x)
{
	const struct claim *first;
	enum tbl_clash clash;

	if (claim_set(t, o, r, b, &x->app))
		return true;
	first = claim_loses(t, r->claim, &clash);
	if (first && r->fate != TBL_LOST) {
		t->stats.lost++;
		tell_note(t, TBL_N_LOST, o, x, &first->owner->id, tbl_clash_text(clash));
		if (first->owner->self) {
			struct tbl_record own;

			if (first->rec->cur && read_blob(first->rec, first->rec->cur, &own))
				tell_note(t, TBL_N_WON, t->self, &own, &o->id,
					  tbl_clash_text(clash));
		}
	}
	return first;
}

static enum tbl_fate decide(struct tbl *t, struct owner *o, struct rec *r, const struct blob *b)
{
	struct tbl_record x;
	enum tbl_fate fate = TBL_SHOWN;

	if (!b)
		fate = unused_fate(o, r);
	else if (!owner_used(o) || o->expired || !read_blob(r, b, &x))
		fate = TBL_IDLE;
	else if (!parent_shown(o, &x))
		fate = TBL_HELD;
	else if (!allowed(t, o, r, b, &x))
		fate = TBL_REFUSED;
	else if (r->kind == TBL_APP && lost(t, o, r, b, &x))
		fate = TBL_LOST;
	if (fate != TBL_SHOWN && fate != TBL_LOST)
		claim_set(t, o, r, NULL, NULL);
	return fate;
}

static void tell_change(struct tbl *t, const struct owner *o, enum tbl_change what,
			const struct rec *r, const struct blob *now, const struct blob *was)
{
	struct tbl_record x, y;
	struct tbl_owner view;

	if (!t->conf.ops->change || o->self)
		return;
	if (!read_blob(r, now, &x) || (was && !read_blob(r, was, &y)))
		return; /* cannot be: it was read before */
	owner_view(o, &view);
	t->conf.ops->change(t->conf.arg, &view, what, &x, was ? &y : NULL);
}

static void show(struct tbl *t, struct owner *o, struct rec *r, struct blob *b)
{
	struct blob *was = blob_ref(r->shown);
	int32_t more = !!b - !!was;

	blob_swap(&r->shown, b);
	o->shown += (uint32_t)more;
	t->stats.shown += o->self ? 0 : (uint32_t)more;
	if (!b)
		tell_change(t, o, TBL_REMOVED, r, was, NULL);
	else if (!was)
		tell_change(t, o, TBL_ADDED, r, b, NULL);
	else if (was->n != b->n || memcmp(was->p, b->p, b->n))
		tell_change(t, o, TBL_CHANGED, r, b, was);
	blob_swap(&was, NULL);
}

static void view_owner(struct tbl *t, struct owner *o)
{
	for (uint32_t i = 0; i < o->n; i++) { /* nodes, applications, endpoints */
		struct rec *r = o->recs[i];

		r->fate = (uint8_t)decide(t, o, r, target(o, r));
		r->want = r->fate == TBL_SHOWN;
	}
	for (uint32_t i = o->n; i--;)
		if (o->recs[i]->shown && !o->recs[i]->want)
			show(t, o, o->recs[i], NULL);
	for (uint32_t i = 0; i < o->n; i++) {
		struct rec *r = o->recs[i];
		struct blob *b = target(o, r);

		if (r->want && r->shown != b)
			show(t, o, r, b);
		if (!view_held(o) && r->good != b)
			blob_swap(&r->good, b);
	}
	if (!view_held(o))
		recs_sweep(t, o);
}

void view_run(struct tbl *t)
{
	struct owner *o;

	while ((o = TAILQ_FIRST(&t->dirty))) {
		TAILQ_REMOVE(&t->dirty, o, dirty);
		o->in_dirty = false;
		view_owner(t, o);
	}
}

void view_release(struct tbl *t, struct owner *o)
{
	for (uint32_t i = o->n; i--;) {
		struct rec *r = o->recs[i];

		claim_set(t, o, r, NULL, NULL);
		if (r->shown)
			show(t, o, r, NULL);
		r->judged = NULL;
		blob_swap(&r->good, NULL);
	}
}

void tbl_policy_changed(struct tbl *t, uint64_t now)
{
	struct owner *o;

	tbl_enter(t, now);
	for (o = TAILQ_FIRST(&t->owners); o; o = TAILQ_NEXT(o, all)) {
		for (uint32_t i = 0; i < o->n; i++)
			o->recs[i]->judged = NULL;
		view_touch(t, o);
	}
	view_run(t);
}

/* ---- to read ---------------------------------------------------------------------------------- */

static bool each_of(const struct owner *o, bool all,
		    bool (*each)(void *, const struct tbl_owner *, const struct tbl_record *,
				 enum tbl_fate),
		    void *arg)
{
	struct tbl_owner view;

	owner_view(o, &view);
	for (uint32_t i = 0; i < o->n; i++) {
		const struct rec *r = o->recs[i];
		const struct blob *b = r->shown ? r->shown : r->cur;
		struct tbl_record x;

		if (!b || (!r->shown && !all))
			continue;
		if (!read_blob(r, b, &x)) {
			x = (struct tbl_record){ .kind = r->kind };
			x.id = r->id;
		}
		if (!each(arg, &view, &x, r->shown ? TBL_SHOWN : (enum tbl_fate)r->fate))
			return false;
	}
	return true;
}

void tbl_each(const struct tbl *t, const struct tbl_id *id, bool all,
	      bool (*each)(void *arg, const struct tbl_owner *o, const struct tbl_record *r,
			   enum tbl_fate fate),
	      void *arg)
{
	const struct owner *o = id ? owner_find(t, id) : TAILQ_FIRST(&t->owners);

	for (; o; o = id ? NULL : TAILQ_NEXT(o, all))
		if ((id || !o->self) && !each_of(o, all, each, arg))
			return;
}

bool tbl_find(const struct tbl *t, const struct tbl_id *id, enum tbl_kind kind, uint32_t rec,
	      struct tbl_record *ret)
{
	const struct owner *o = owner_find(t, id);
	const struct rec *r = o ? rec_find(o, (uint8_t)kind, rec) : NULL;

	return r && r->shown && read_blob(r, r->shown, ret);
}
