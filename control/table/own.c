/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What this node says of itself: versions, deltas, and how often load is told. */
#include "internal.h"

#define LOAD_SMALL 8 /* changes are measured against so many connections at least */
#define RETRY_MS 200 /* the queue of gossip was full */
#define CLONE_MAX 9  /* the last wait is 2^9 s */

uint64_t tbl_epoch(uint64_t persisted, uint64_t unix_ms)
{
	return persisted + 1 > unix_ms ? persisted + 1 : unix_ms;
}

/* ---- load ------------------------------------------------------------------------------------- */

void load_free(struct tbl *t, struct rec *r)
{
	if (!r->load)
		return;
	TAILQ_REMOVE(&t->loads, r->load, link);
	free(r->load);
	r->load = NULL;
}

static struct load *load_get(struct tbl *t, struct rec *r)
{
	if (r->load)
		return r->load;
	r->load = calloc(1, sizeof(*r->load));
	if (!r->load)
		return NULL;
	r->load->rec = r;
	TAILQ_INSERT_TAIL(&t->loads, r->load, link);
	return r->load;
}

/* Is it only the load that changed, and not now to be told? */
static bool load_waits(struct tbl *t, struct rec *r, const struct tbl_endpoint *new)
{
	struct tbl_record x;
	struct tbl_endpoint same;
	uint64_t diff, old;

	if (!r->cur || tbl_record_decode(&x, r->kind, r->id, r->cur->p, r->cur->n, NULL))
		return false;
	old = x.endpoint.live;
	same = *new;
	same.live = x.endpoint.live;
	if (memcmp(&same, &x.endpoint, sizeof(same)) || !r->load)
		return false;
	diff = new->live > old ? new->live - old : old - new->live;
	old = old < LOAD_SMALL ? LOAD_SMALL : old;
	r->load->pending = diff * 100 > old * t->conf.load_percent;
	r->load->live = new->live;
	if (r->load->pending && t->now - r->load->last >= t->conf.load_ms)
		return false;
	t->stats.loads_spared++;
	return true;
}

/* ---- changes ---------------------------------------------------------------------------------- */

void own_changed(struct tbl *t)
{
	struct owner *o = t->self;

	o->head = o->have;
	t->stats.puts++;
	if (!t->flush_at)
		t->flush_at = t->now + t->conf.coalesce_ms;
	deletes_trim(t, o, false);
	owner_rehash(t, o);
	view_touch(t, o);
}

static int own_set(struct tbl *t, const struct tbl_record *x, const uint8_t *p, size_t n)
{
	struct owner *o = t->self;
	struct rec *r = rec_find(o, x->kind, x->id);
	struct blob *b;
	int err = rec_room(t, o, r, n);

	if (err) {
		tell_note(t, TBL_N_FULL, o, x, NULL, "this node has too many records");
		return err;
	}
	b = blob_new(p, n);
	r = b ? rec_get(o, x->kind, x->id) : NULL;
	if (!r || (x->kind == TBL_ENDPOINT && !load_get(t, r))) {
		free(b);
		recs_sweep(t, o);
		return -ENOMEM;
	}
	if (r->load) {
		r->load->pending = false;
		r->load->last = t->now;
	}
	rec_set(t, o, r, ++o->have, b);
	own_changed(t);
	return 0;
}

int tbl_put(struct tbl *t, const struct tbl_record *x, uint64_t now)
{
	struct rec *r = rec_find(t->self, x->kind, x->id);
	uint8_t buf[TBL_RECORD_MAX];
	int n = tbl_record_encode(x, buf, sizeof(buf)), err;

	tbl_enter(t, now);
	if (n < 0)
		return n == -ENOBUFS ? -EINVAL : n;
	if (r && r->cur && r->cur->n == n && !memcmp(r->cur->p, buf, (size_t)n)) {
		if (r->load)
			r->load->pending = false;
		return 0;
	}
	if (r && x->kind == TBL_ENDPOINT && load_waits(t, r, &x->endpoint))
		return 0;
	err = own_set(t, x, buf, (size_t)n);
	view_run(t);
	return err;
}

int tbl_del(struct tbl *t, enum tbl_kind kind, uint32_t id, uint64_t now)
{
	struct rec *r = rec_find(t->self, (uint8_t)kind, id);

	tbl_enter(t, now);
	if (!r || !r->cur)
		return -ENOENT;
	load_free(t, r);
	rec_set(t, t->self, r, ++t->self->have, NULL);
	own_changed(t);
	view_run(t);
	return 0;
}

/* ---- out -------------------------------------------------------------------------------------- */

/* Too much for packets: others are told how far behind they are, and pull. */
static int announce(struct tbl *t, enum tbl_how how)
{
	struct owner *o = t->self;
	struct wire_part m = { .type = WIRE_DELTA,
			       .owner = o->id,
			       .epoch = o->epoch,
			       .base = o->have,
			       .ver = o->have };
	uint8_t buf[WIRE_HEAD_MAX];
	int n = wire_part_encode(&m, buf, sizeof(buf)), err;

	if (n < 0)
		return n;
	err = send_delta(t, o, buf, (size_t)n, m.base, m.ver, how);
	if (!err)
		t->own_sent = o->have;
	return err;
}

/* Where a delta may begin so that it repeats what is young. */
static uint64_t cover_base(const struct tbl *t)
{
	uint64_t base = t->own_sent;

	for (unsigned i = 0; i < COVERS && i < t->n_cover; i++) {
		const struct cover *c = &t->cover[i];

		if (t->now - c->at <= t->conf.cover_ms && c->ver < base)
			base = c->ver;
	}
	return base < t->self->floor ? t->own_sent : base;
}

static int flush_from(struct tbl *t, uint64_t base, bool cut, enum tbl_how how)
{
	struct owner *o = t->self;

	for (unsigned i = 0; base < o->have; i++) {
		uint64_t ver;
		bool more;
		size_t n = part_build(t, o, o->epoch, base, t->conf.delta_max, &ver, &more);
		int err;

		if ((more && !cut) || base < o->floor)
			return -E2BIG;
		if (!n || i == CHUNKS_MAX)
			return announce(t, how);
		err = send_delta(t, o, t->part.p, n, base, ver, how);
		if (err)
			return err;
		t->stats.deltas_out++;
		base = ver;
		t->own_sent = ver > t->own_sent ? ver : t->own_sent;
	}
	return 0;
}

void tbl_flush(struct tbl *t, enum tbl_how how, uint64_t now)
{
	struct owner *o = t->self;
	uint64_t from = t->own_sent, base;
	int err;

	tbl_enter(t, now);
	t->flush_at = 0;
	if (t->own_sent >= o->have)
		return;
	own_sign(t);
	base = cover_base(t);
	err = flush_from(t, base, false, how);
	if (err == -E2BIG)
		err = t->own_sent < o->floor ? announce(t, how)
					     : flush_from(t, t->own_sent, true, how);
	t->cover[t->n_cover++ % COVERS] = (struct cover){ t->now, from };
	if (err)
		t->flush_at = t->now + RETRY_MS;
}

/* ---- the epoch -------------------------------------------------------------------------------- */

/* Above what somebody else, or this node in the past, used.  By own_tick() only. */
static void own_raise(struct tbl *t)
{
	struct owner *o = t->self;
	struct rec *r;

	deletes_trim(t, o, true);
	o->epoch = tbl_epoch(t->clone_epoch, tbl_unix(t));
	o->have = o->floor = 0;
	for (r = TAILQ_FIRST(&o->by_ver); r; r = TAILQ_NEXT(r, link))
		r->ver = ++o->have;
	o->head = o->have;
	o->sent_ver = UINT64_MAX;
	t->own_sent = 0;
	t->n_cover = 0;
	t->clone_epoch = 0;
	t->clone_next = t->now + (1000ULL << t->clone_n);
	t->clone_n += t->clone_n < CLONE_MAX;
	if (!t->flush_at)
		t->flush_at = t->now + t->conf.coalesce_ms;
	owner_rehash(t, o);
	if (t->conf.ops->epoch)
		t->conf.ops->epoch(t->conf.arg, o->epoch);
}

void own_seen(struct tbl *t, uint64_t epoch, uint64_t ver)
{
	if (epoch < t->self->epoch || (epoch == t->self->epoch && ver <= t->self->have))
		return;
	if (epoch_future(t, epoch))
		return;
	t->stats.clones++;
	tell_note(t, TBL_N_CLONE, t->self, NULL, NULL,
		  "records under this node's id that it did not write; its epoch is raised");
	if (epoch > t->clone_epoch)
		t->clone_epoch = epoch;
}

/* ---- time ------------------------------------------------------------------------------------- */

static void loads_tick(struct tbl *t)
{
	struct load *l, *next;

	for (l = TAILQ_FIRST(&t->loads); l; l = next) {
		struct rec *r = l->rec;
		uint8_t buf[TBL_RECORD_MAX];
		struct tbl_record x;
		int n;

		next = TAILQ_NEXT(l, link);
		if (!l->pending || t->now - l->last < t->conf.load_ms || !r->cur ||
		    tbl_record_decode(&x, r->kind, r->id, r->cur->p, r->cur->n, NULL))
			continue;
		x.endpoint.live = l->live;
		n = tbl_record_encode(&x, buf, sizeof(buf));
		l->pending = false;
		if (n > 0)
			own_set(t, &x, buf, (size_t)n);
	}
}

void own_tick(struct tbl *t)
{
	loads_tick(t);
	own_seal_tick(t);
	if (t->clone_epoch && t->now >= t->clone_next)
		own_raise(t);
	if (t->flush_at && t->now >= t->flush_at)
		tbl_flush(t, TBL_OWN, t->now);
}

uint64_t own_next(const struct tbl *t)
{
	uint64_t next = t->flush_at ? t->flush_at : UINT64_MAX, seal = own_seal_next(t);
	const struct load *l;

	next = seal < next ? seal : next;
	for (l = TAILQ_FIRST(&t->loads); l; l = TAILQ_NEXT(l, link))
		if (l->pending && l->last + t->conf.load_ms < next)
			next = l->last + t->conf.load_ms;
	if (t->clone_epoch && t->clone_next < next)
		next = t->clone_next;
	return next;
}
