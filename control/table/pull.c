/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who asks whom, and when. */
#include "internal.h"

#define WANTS_MAX 512	  /* gaps asked for at once */
#define FORCE_OWNERS 1000 /* conf.force_ms is for so many */
#define AGAIN_MS 200	  /* nobody may be asked now */
#define SERVE_MS 500	  /* one request of a peer each, */
#define SERVE_BURST 2000  /* ... and so much in advance */

int ask_peer(struct tbl *t, struct owner *peer, bool push, const uint8_t *p, size_t n)
{
	struct ask *a = t->asks;
	int err;

	if (push)
		for (a = t->asks + 1; a < t->asks + ASKS && a->id; a++)
			;
	if (a == t->asks + ASKS || a->id)
		return -EBUSY;
	if (!++t->next_id)
		t->next_id = 1;
	*a = (struct ask){ t->next_id, peer, t->now + t->conf.ask_ms };
	t->stats.asks++;
	err = t->conf.ops->ask(t->conf.arg, a->id, &peer->id, p, n);
	if (err < 0) {
		t->stats.asks_failed++;
		a->id = 0;
		return err;
	}
	if (!push)
		peer->asked = t->now;
	return 0;
}

void pull_forget(struct tbl *t, const struct owner *o)
{
	for (unsigned i = 0; i < ASKS; i++)
		if (t->asks[i].peer == o)
			t->asks[i] = (struct ask){ 0 };
}

static bool may_ask(const struct tbl *t, const struct owner *o)
{
	return !o->self && owner_member(o) && (!o->asked || t->now - o->asked >= t->conf.peer_ms);
}

/* ---- gaps ------------------------------------------------------------------------------------- */

static struct owner *some_peer(struct tbl *t)
{
	for (unsigned i = 0; t->n_alive && i < 8; i++) {
		uint32_t x =
			t->conf.ops->random ? t->conf.ops->random(t->conf.arg) : t->next_alive++;
		struct owner *o = t->alive[x % t->n_alive];

		if (may_ask(t, o))
			return o;
	}
	return NULL;
}

static void gaps_pull(struct tbl *t)
{
	uint8_t entries[WANTS_MAX * WIRE_ENTRY], buf[WANTS_MAX * WIRE_ENTRY + 32];
	struct owner *o, *next, *first = NULL, *peer;
	uint32_t n = 0;
	int len;

	for (o = TAILQ_FIRST(&t->gaps); o; o = TAILQ_NEXT(o, gap)) {
		struct wire_entry e = { tbl_number(&o->id), o->epoch, o->have };

		if (o->gap_at > t->now || n == WANTS_MAX)
			continue;
		if (o->lossy)
			e.epoch = e.ver = 0;
		first = first ? first : o;
		wire_put_entry(entries + n++ * WIRE_ENTRY, &e);
	}
	if (!first)
		return;
	/* by turns anybody, and the owner, who surely has it but not time for all at once */
	peer = first->tries & 1 && may_ask(t, first) ? first : some_peer(t);
	len = wire_want_encode((struct gsp_bytes){ entries, n * WIRE_ENTRY }, buf, sizeof(buf));
	if (!peer || len < 0 || ask_peer(t, peer, false, buf, (size_t)len))
		peer = NULL;
	for (o = TAILQ_FIRST(&t->gaps); o && n; o = next) {
		next = TAILQ_NEXT(o, gap);
		if (o->gap_at > t->now)
			continue;
		n--;
		o->gap_at = t->now + (peer ? t->conf.peer_ms : AGAIN_MS);
		o->tries++;
	}
}

void pull_tick(struct tbl *t)
{
	for (unsigned i = 0; i < ASKS; i++) {
		if (!t->asks[i].id || t->now < t->asks[i].until)
			continue;
		t->asks[i].id = 0;
		t->stats.asks_failed++;
	}
	if (!t->asks[0].id)
		gaps_pull(t);
}

uint64_t pull_next(const struct tbl *t)
{
	uint64_t next = UINT64_MAX;
	const struct owner *o;

	for (unsigned i = 0; i < ASKS; i++)
		if (t->asks[i].id && t->asks[i].until < next)
			next = t->asks[i].until;
	if (t->asks[0].id)
		return next;
	for (o = TAILQ_FIRST(&t->gaps); o; o = TAILQ_NEXT(o, gap))
		next = o->gap_at < next ? o->gap_at : next;
	return next;
}

/* ---- the hash --------------------------------------------------------------------------------- */

static void put_le(uint8_t *to, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		to[i] = (uint8_t)(v >> (8 * i));
}

size_t tbl_hash(const struct tbl *t, uint8_t *buf, size_t cap)
{
	if (cap < TBL_HASH_LEN)
		return 0;
	put_le(buf, t->sum, 8);
	put_le(buf + 8, t->hashed, 4);
	return TBL_HASH_LEN;
}

/* What to compare with a peer: versions, or with many owners the sums of buckets first. */
static int ask_digest(struct tbl *t, struct owner *peer)
{
	_cleanup_free_ uint8_t *out = NULL;
	size_t n;
	int err;

	if (t->n_owners > t->conf.bucket_owners) {
		n = WIRE_BUCKETS * 8 + 32;
		out = malloc(n);
		err = out ? wire_buckets_encode(t->sums, out, n) : -ENOMEM;
		if (err < 0)
			return err;
		return ask_peer(t, peer, false, out, (size_t)err);
	}
	err = digest_build(t, NULL, 0, &out, &n);
	return err ? err : ask_peer(t, peer, false, out, n);
}

/*
 * How long hashes must differ.  Under a steady stream of news no two are ever alike: then seldom,
 * since a digest costs as much as there are owners.
 */
static uint64_t patience(const struct tbl *t)
{
	uint64_t busy = (uint64_t)t->conf.force_ms * t->hashed / FORCE_OWNERS;

	if (t->now - t->last_news >= t->conf.quiet_ms || t->now < t->conf.quiet_ms)
		return t->conf.quiet_ms;
	if (busy < 2 * t->conf.quiet_ms)
		return 2 * t->conf.quiet_ms;
	return busy < t->conf.force_ms ? busy : t->conf.force_ms;
}

void tbl_hash_seen(struct tbl *t, const struct tbl_id *from, const uint8_t *p, size_t n,
		   uint64_t now)
{
	struct owner *peer = owner_find(t, from);
	uint8_t mine[TBL_HASH_LEN];

	tbl_enter(t, now);
	tbl_hash(t, mine, sizeof(mine));
	if (n < TBL_HASH_LEN || !memcmp(mine, p, TBL_HASH_LEN)) {
		t->differ_since = 0;
		return;
	}
	if (!t->differ_since)
		t->differ_since = t->now ? t->now : 1;
	if (!peer || !may_ask(t, peer) || t->asks[0].id || t->now - t->differ_since < patience(t))
		return;
	if (!ask_digest(t, peer))
		t->differ_since = t->now;
}

/* ---- both ends of an exchange ----------------------------------------------------------------- */

static int answer_apply(struct tbl *t, const uint8_t *p, size_t n, struct gsp_bytes *ret_wants)
{
	struct wire_answer m;
	struct gsp_bytes raw;
	struct wire_part part;
	int err = wire_answer_decode(&m, p, n);

	if (err < 0)
		return refuse(t, err);
	while (wire_take_part(&m.parts, &raw)) {
		err = wire_part_decode(&part, raw.p, raw.n);
		if (err < 0)
			refuse(t, err);
		else
			part_apply(t, &part);
	}
	*ret_wants = m.wants;
	return 0;
}

/* A leaky bucket: bursts are fine, floods are not. */
static bool serve(struct tbl *t, const struct tbl_id *from)
{
	struct owner *o = from ? owner_find(t, from) : NULL;
	uint64_t *at = o ? &o->served : &t->self->served;

	if (*at > t->now + SERVE_BURST) {
		t->stats.asked_often++;
		return false;
	}
	*at = (*at > t->now ? *at : t->now) + SERVE_MS;
	return true;
}

static int serve_buckets(struct tbl *t, const uint8_t *p, size_t n, uint8_t **ret, size_t *ret_n)
{
	uint8_t mask[WIRE_BUCKETS / 8] = { 0 };
	uint64_t theirs[WIRE_BUCKETS];
	int err = wire_buckets_decode(theirs, p, n);

	if (err < 0)
		return refuse(t, err);
	for (unsigned i = 0; i < WIRE_BUCKETS; i++)
		if (theirs[i] != t->sums[i])
			mask[i / 8] |= (uint8_t)(1 << (i % 8));
	return digest_build(t, mask, 0, ret, ret_n);
}

static int request(struct tbl *t, const uint8_t *p, size_t n, uint8_t **ret, size_t *ret_n)
{
	struct gsp_bytes wants = { NULL, 0 };
	struct wire_digest d;
	int err = wire_type(p, n);

	switch (err) {
	case WIRE_DIGEST:
		err = wire_digest_decode(&d, p, n);
		if (err < 0)
			return refuse(t, err);
		return answer_digest(t, &d, !(d.flags & WIRE_MUTUAL), ret, ret_n);
	case WIRE_BUCKETS_SUM: return serve_buckets(t, p, n, ret, ret_n);
	case WIRE_WANT:
		err = wire_want_decode(&wants, p, n);
		if (err < 0)
			return refuse(t, err);
		return answer_wants(t, wants, ret, ret_n);
	case WIRE_ANSWER:
		err = answer_apply(t, p, n, &wants);
		return err ? err : answer_wants(t, wants, ret, ret_n);
	default: return refuse(t, err < 0 ? err : -EBADMSG);
	}
}

int tbl_request_in(struct tbl *t, const struct tbl_id *from, const uint8_t *p, size_t n,
		   uint8_t **ret, size_t *ret_n, uint64_t now)
{
	int err;

	tbl_enter(t, now);
	*ret = NULL;
	*ret_n = 0;
	if (!serve(t, from))
		return -EAGAIN;
	err = request(t, p, n, ret, ret_n);
	t->stats.answers += !err;
	view_run(t);
	return err;
}

static int answered(struct tbl *t, struct owner *peer, const uint8_t *p, size_t n)
{
	_cleanup_free_ uint8_t *out = NULL;
	struct gsp_bytes wants = { NULL, 0 };
	struct wire_digest d;
	size_t out_n = 0;
	int err = wire_type(p, n);

	if (err == WIRE_DIGEST) {
		err = wire_digest_decode(&d, p, n);
		if (err < 0)
			return refuse(t, err);
		err = answer_digest(t, &d, true, &out, &out_n);
	} else if (err == WIRE_ANSWER) {
		err = answer_apply(t, p, n, &wants);
		if (!err)
			err = answer_wants(t, wants, &out, &out_n);
	} else {
		return refuse(t, err < 0 ? err : -EBADMSG);
	}
	if (!err && out_n)
		err = ask_peer(t, peer, true, out, out_n);
	return err;
}

int tbl_answer_in(struct tbl *t, uint32_t id, int err, const uint8_t *p, size_t n, uint64_t now)
{
	struct owner *peer = NULL;

	tbl_enter(t, now);
	for (unsigned i = 0; id && i < ASKS && !peer; i++) {
		if (t->asks[i].id != id)
			continue;
		peer = t->asks[i].peer;
		t->asks[i].id = 0;
	}
	if (!peer)
		return -ENOENT; /* too late, or its member is forgotten */
	if (err)
		t->stats.asks_failed++;
	else if (n)
		err = answered(t, peer, p, n);
	view_run(t);
	return err;
}

int tbl_digest_in(struct tbl *t, const struct tbl_id *from, const uint8_t *p, size_t n,
		  uint64_t now)
{
	struct owner *peer = owner_find(t, from);
	_cleanup_free_ uint8_t *out = NULL;
	struct wire_digest d;
	size_t out_n = 0;
	int err = wire_digest_decode(&d, p, n);

	tbl_enter(t, now);
	if (err < 0)
		return refuse(t, err);
	err = answer_digest(t, &d, false, &out, &out_n);
	if (!err && out_n && peer && !peer->self && owner_member(peer))
		err = ask_peer(t, peer, true, out, out_n);
	view_run(t);
	return err;
}
