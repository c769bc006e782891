/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Owners: finding them, counting what they have, the hash over all. */
#include "internal.h"

#include <patchbay/siphash.h>

bool tbl_id_eq(const struct tbl_id *a, const struct tbl_id *b)
{
	return !memcmp(a, b, sizeof(*a));
}

uint64_t tbl_number(const struct tbl_id *id)
{
	return pb_siphash_load(id->b, 8);
}

/* Numbers are random unless somebody made them up. */
static uint64_t spread(uint64_t number)
{
	return number * 0x9e3779b97f4a7c15ULL ^ number >> 29;
}

struct owner *owner_number(const struct tbl *t, uint64_t number)
{
	pb_htab_each(h, &t->by_number, spread(number))
	{
		struct owner *o = pb_container_of(h, struct owner, by_number);

		if (tbl_number(&o->id) == number)
			return o;
	}
	return NULL;
}

struct owner *owner_find(const struct tbl *t, const struct tbl_id *id)
{
	struct owner *o = owner_number(t, tbl_number(id));

	return o && tbl_id_eq(&o->id, id) ? o : NULL;
}

/* Whoever waits longest to become a member. */
static bool stranger_evict(struct tbl *t)
{
	struct owner *o;

	for (o = TAILQ_FIRST(&t->owners); o; o = TAILQ_NEXT(o, all)) {
		if (!o->parked)
			continue;
		t->stats.full_parked += o->records;
		owner_free(t, o);
		return true;
	}
	return false;
}

int owner_get(struct tbl *t, const struct tbl_id *id, struct owner **ret)
{
	uint64_t number = tbl_number(id);
	struct owner *o = owner_number(t, number);

	if (o && !tbl_id_eq(&o->id, id)) {
		t->stats.clashed_number++;
		return -EEXIST;
	}
	if (o) {
		*ret = o;
		return 0;
	}
	if (!number)
		return -EBADMSG;
	if (t->n_owners >= t->conf.owners_max && !stranger_evict(t)) {
		t->stats.full_owners++;
		return -ENOSPC;
	}
	o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	o->id = *id;
	o->since = t->now;
	o->sent_ver = UINT64_MAX;
	TAILQ_INIT(&o->by_ver);
	pb_htab_add(&t->by_number, &o->by_number, spread(number));
	TAILQ_INSERT_TAIL(&t->owners, o, all);
	t->n_owners++;
	owner_park(t, o);
	*ret = o;
	return 0;
}

void owner_free(struct tbl *t, struct owner *o)
{
	owner_reset(t, o, 0);
	owner_rehash(t, o);
	view_release(t, o);
	recs_sweep(t, o);
	owner_set_alive(t, o, false);
	pull_forget(t, o);
	gap_clear(t, o);
	if (o->in_dirty)
		TAILQ_REMOVE(&t->dirty, o, dirty);
	if (o->why)
		t->stats.quarantined--;
	pb_htab_del(&t->by_number, &o->by_number);
	TAILQ_REMOVE(&t->owners, o, all);
	t->n_owners--;
	cert_free(o);
	free(o->recs);
	free(o->name);
	free(o->why);
	free(o);
}

bool owner_member(const struct owner *o)
{
	return o->self || o->state == TBL_ALIVE || o->state == TBL_SUSPECT;
}

void owner_rehash(struct tbl *t, struct owner *o)
{
	struct pb_siphash s = pb_siphash_init(pb_siphash_load(t->conf.key, 8),
					      pb_siphash_load(t->conf.key + 8, 8));
	uint64_t hash = 0;

	if (owner_member(o) && o->epoch) {
		pb_siphash_word(&s, pb_siphash_load(o->id.b, 8));
		pb_siphash_word(&s, pb_siphash_load(o->id.b + 8, 8));
		pb_siphash_word(&s, o->epoch);
		pb_siphash_word(&s, o->have);
		hash = pb_siphash_end(&s, 32ULL << 56) | 1;
	}
	t->hashed += !!hash - !!o->hash;
	t->sums[o->id.b[0]] += hash - o->hash;
	t->sum += hash - o->hash;
	o->hash = hash;
}

void owner_account(struct tbl *t, struct owner *o, int64_t records, int64_t bytes)
{
	o->records += (uint32_t)records;
	o->bytes += (uint32_t)bytes;
	t->stats.records += (uint32_t)records;
	t->stats.bytes += (uint64_t)bytes;
	if (o->parked)
		t->stats.parked_now += (uint64_t)bytes;
}

/* Are its bytes those of one that is no member?  After its state changed. */
void owner_park(struct tbl *t, struct owner *o)
{
	bool parked = !owner_member(o) && o->state == TBL_UNKNOWN;

	if (parked && !o->parked)
		t->stats.parked_now += o->bytes;
	if (!parked && o->parked)
		t->stats.parked_now -= o->bytes;
	o->parked = parked;
}

/* The members to choose a peer from. */
void owner_set_alive(struct tbl *t, struct owner *o, bool alive)
{
	bool was = o->alive_at < t->n_alive && t->alive[o->alive_at] == o;

	if (alive == was)
		return;
	if (!alive) {
		t->alive[o->alive_at] = t->alive[--t->n_alive];
		t->alive[o->alive_at]->alive_at = o->alive_at;
		return;
	}
	if (t->n_alive == t->cap_alive) {
		uint32_t cap = t->cap_alive ? 2 * t->cap_alive : 16;
		struct owner **list = realloc(t->alive, cap * sizeof(struct owner *));

		if (!list)
			return; /* it is not asked */
		t->alive = list;
		t->cap_alive = cap;
	}
	o->alive_at = t->n_alive;
	t->alive[t->n_alive++] = o;
}

void owner_view(const struct owner *o, struct tbl_owner *ret)
{
	*ret = (struct tbl_owner){
		.id = o->id,
		.name = o->name ? o->name : "",
		.state = o->self ? TBL_ALIVE : (enum tbl_state)o->state,
		.self = o->self,
		.used = owner_used(o),
		.behind = o->in_gap,
		.signs = o->sig_epoch && o->sig_epoch == o->epoch,
		.held = o->hold_until || o->unproven,
		.why = o->why,
		.epoch = o->epoch,
		.ver = o->have,
		.records = o->records,
		.bytes = o->bytes,
		.shown = o->shown,
	};
}

void tell_owner(struct tbl *t, const struct owner *o)
{
	struct tbl_owner view;

	if (!t->conf.ops->owner || o->self)
		return;
	owner_view(o, &view);
	t->conf.ops->owner(t->conf.arg, &view);
}

void tell_note(struct tbl *t, enum tbl_note_kind kind, const struct owner *o,
	       const struct tbl_record *r, const struct tbl_id *other, const char *why)
{
	struct tbl_owner view;
	struct tbl_note note = { kind, o ? &view : NULL, r, other, why };

	if (!t->conf.ops->note)
		return;
	if (o)
		owner_view(o, &view);
	t->conf.ops->note(t->conf.arg, &note);
}

/* The first record of it that cannot be read, as a sentence for people. */
static char *judge_why(const struct tbl *t, const struct owner *o)
{
	char text[TBL_WHY_LEN];
	struct tbl_record x;
	const char *why;

	for (uint32_t i = 0; i < o->n; i++) {
		const struct rec *r = o->recs[i];

		if (!r->cur || r->form != FORM_BAD)
			continue;
		why = "it is malformed";
		tbl_record_decode(&x, r->kind, r->id, r->cur->p, r->cur->n, &why);
		snprintf(text, sizeof(text), "record %u of kind %u: %s", r->id, r->kind, why);
		return strdup(text);
	}
	if (o->forged)
		return strdup(o->forged);
	snprintf(text, sizeof(text), "more than %u records or %u bytes, or too long a record",
		 t->conf.records_owner, t->conf.bytes_owner);
	return strdup(text);
}

void owner_judge(struct tbl *t, struct owner *o)
{
	bool bad = o->bad || o->lossy || o->forged;

	if (bad && o->why && o->forged && o->why_of != o->forged) {
		free(o->why); /* another reason */
		o->why = NULL;
		t->stats.quarantined--;
	}
	if (bad == !!o->why || o->self)
		return;
	if (bad) {
		o->why = judge_why(t, o);
		if (!o->why)
			return;
		o->why_of = o->forged;
		t->stats.quarantines++;
		t->stats.quarantined++;
	} else {
		free(o->why);
		o->why = NULL;
		t->stats.quarantined--;
	}
	tell_owner(t, o);
	tell_note(t, TBL_N_QUARANTINE, o, NULL, NULL, o->why);
	view_touch(t, o);
}
