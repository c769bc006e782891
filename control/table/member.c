/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who is alive, as the failure detector says, and when not to believe it. */
#include "internal.h"

bool owner_used(const struct owner *o)
{
	return owner_member(o) || (o->state == TBL_DEAD && o->kept);
}

const char *tbl_frozen(const struct tbl *t)
{
	return t->frozen;
}

/* ---- the freeze rule -------------------------------------------------------------------------- */

static uint32_t dead_lately(const struct tbl *t)
{
	const struct owner *o;
	uint32_t n = 0;

	for (o = TAILQ_FIRST(&t->owners); o; o = TAILQ_NEXT(o, all))
		n += o->state == TBL_DEAD && t->now - o->since < t->conf.window_ms;
	return n;
}

/* Back into the view with those who died just now: it is this node that is cut off. */
static void freeze(struct tbl *t, const char *why)
{
	struct owner *o;
	bool first = !t->frozen;

	if (first) {
		t->frozen_of = t->n_alive + 1 + dead_lately(t);
		t->stats.freezes++;
	}
	t->frozen = why;
	for (o = TAILQ_FIRST(&t->owners); o; o = TAILQ_NEXT(o, all)) {
		if (o->state != TBL_DEAD || o->kept || t->now - o->since >= t->conf.window_ms)
			continue;
		o->kept = true;
		tell_owner(t, o);
		view_touch(t, o);
	}
	if (first)
		tell_note(t, TBL_N_FROZEN, NULL, NULL, NULL, why);
}

static void thaw(struct tbl *t)
{
	struct owner *o;

	if (!t->frozen)
		return;
	t->frozen = NULL;
	for (o = TAILQ_FIRST(&t->owners); o; o = TAILQ_NEXT(o, all)) {
		if (!o->kept)
			continue;
		o->kept = false;
		o->since = t->now;
		view_touch(t, o);
	}
	tell_note(t, TBL_N_FROZEN, NULL, NULL, NULL, NULL);
}

static bool unwell(const struct tbl *t)
{
	return t->conf.unhealthy && t->health >= t->conf.unhealthy;
}

/* After a death. */
static void freeze_look(struct tbl *t)
{
	uint32_t dead = dead_lately(t);

	if (unwell(t))
		freeze(t, "this node answers too slowly to judge others");
	else if (!t->n_alive && dead)
		freeze(t, "no other member is heard");
	else if (2 * dead > t->n_alive + 1 + dead)
		freeze(t, "more than half of the members died at once");
	else if (t->frozen)
		freeze(t, t->frozen);
}

/* After somebody came back, or left for good. */
static void thaw_look(struct tbl *t)
{
	if (t->frozen && !unwell(t) && (t->n_alive || t->frozen_of <= 1) &&
	    2 * (t->n_alive + 1) > t->frozen_of)
		thaw(t);
}

void tbl_health(struct tbl *t, unsigned score, uint64_t now)
{
	bool was = unwell(t);

	tbl_enter(t, now);
	t->health = score;
	if (unwell(t) && !was)
		freeze(t, "this node answers too slowly to judge others");
	else if (was && !unwell(t))
		thaw_look(t);
	view_run(t);
}

void tbl_thaw(struct tbl *t, uint64_t now)
{
	tbl_enter(t, now);
	thaw(t);
	view_run(t);
}

/* ---- members ---------------------------------------------------------------------------------- */

static void set_name(struct owner *o, const char *name)
{
	char *copy = name ? strndup(name, TBL_NAME_LEN - 1) : NULL;

	if (!copy)
		return;
	free(o->name);
	o->name = copy;
}

static void set_state(struct tbl *t, struct owner *o, enum tbl_state state)
{
	bool was_kept = o->kept;

	o->state = (uint8_t)state;
	o->since = t->now;
	o->kept = false;
	owner_park(t, o);
	owner_set_alive(t, o, owner_member(o));
	owner_rehash(t, o);
	if (!owner_member(o))
		gap_clear(t, o);
	else if (o->have < o->head)
		gap_set(t, o, t->now + t->conf.gap_ms);
	if (owner_member(o))
		o->note_epoch = 0;
	if (was_kept && state == TBL_LEFT && t->frozen_of)
		t->frozen_of--;
	if (state == TBL_DEAD)
		freeze_look(t);
	else
		thaw_look(t);
}

int tbl_member(struct tbl *t, const struct tbl_id *id, const char *name, enum tbl_state state,
	       uint64_t now)
{
	struct owner *o;
	bool used, renamed;
	int err;

	tbl_enter(t, now);
	if (tbl_id_eq(id, &t->self->id)) {
		t->stats.clones++;
		tell_note(t, TBL_N_CLONE, t->self, NULL, NULL, "another member has this node's id");
		return -EINVAL;
	}
	err = owner_get(t, id, &o);
	if (err)
		return err;
	renamed = name && (!o->name || strcmp(name, o->name));
	if (state == TBL_UNKNOWN || (!renamed && o->state == state))
		return 0; /* forgotten by the detector; here it goes its own way */
	if (renamed) {
		set_name(o, name);
		prove_again(t, o); /* a certificate is for a name */
	}
	used = owner_used(o);
	if (o->state != state)
		set_state(t, o, state);
	if (owner_used(o) || used == owner_used(o))
		tell_owner(t, o);
	view_touch(t, o);
	view_run(t);
	if (used && !owner_used(o))
		tell_owner(t, o);
	return 0;
}

/* ---- time ------------------------------------------------------------------------------------- */

static void drop_partition(struct tbl *t, struct owner *o)
{
	uint64_t epoch = o->epoch;

	owner_reset(t, o, 0);
	owner_rehash(t, o);
	view_release(t, o);
	recs_sweep(t, o);
	owner_judge(t, o);
	if (epoch > o->note_epoch)
		o->note_epoch = epoch;
}

/* false: it is gone. */
static bool owner_tick(struct tbl *t, struct owner *o)
{
	uint64_t age = t->now - o->since;

	if (o->hold_until && t->now >= o->hold_until) {
		o->hold_until = 0;
		view_touch(t, o);
	}
	if (o->lossy && !o->in_gap && t->now - o->whole_at >= LOSSY_MS) {
		o->whole_at = t->now;
		gap_set(t, o, t->now);
	}
	prove_tick(t, o);
	if (o->forged && owner_member(o) &&
	    t->now - o->whole_at >= (o->cert_bad ? CERT_MS : FORGED_MS)) {
		o->whole_at = t->now;
		owner_reset(t, o, o->epoch);
		owner_rehash(t, o);
		gap_set(t, o, t->now);
		o->tries = 1; /* the owner itself */
	}
	if (owner_member(o) || o->kept)
		return true;
	if (o->state == TBL_UNKNOWN && age >= t->conf.park_ms) {
		owner_free(t, o);
		return false;
	}
	if (o->state == TBL_UNKNOWN)
		return true;
	if (o->epoch && age >= t->conf.keep_ms)
		drop_partition(t, o);
	if (age < (uint64_t)t->conf.keep_ms + t->conf.note_ms)
		return true;
	owner_free(t, o);
	return false;
}

void member_tick(struct tbl *t)
{
	struct owner *o, *next;

	for (o = TAILQ_FIRST(&t->owners); o; o = next) {
		next = TAILQ_NEXT(o, all);
		owner_tick(t, o);
	}
}
