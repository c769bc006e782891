/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Signed partitions.  The owner signs the hash of its whole state as of a version, so whoever passes
 * that state on, by whatever deltas and snapshots, passes on the same signature.  What is not proven
 * is merged and not shown.
 */
#include "internal.h"

#include <endian.h>
#include <openssl/evp.h>

#define PURPOSE "patchbay table"

bool signs(const struct tbl *t)
{
	return t->conf.cert_len;
}

bool checks(const struct tbl *t)
{
	return t->conf.ca;
}

static void add(EVP_MD_CTX *ctx, const void *p, size_t n)
{
	EVP_DigestUpdate(ctx, p, n);
}

static void add64(EVP_MD_CTX *ctx, uint64_t v)
{
	v = htobe64(v);
	add(ctx, &v, sizeof(v));
}

/* Purpose, label, owner, epoch, version, and every record with its version. */
static bool state_hash(const struct tbl *t, const struct owner *o, uint8_t ret[32])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned n = 32;
	bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;

	if (!ok)
		goto out;
	add(ctx, PURPOSE, sizeof(PURPOSE));
	add(ctx, t->conf.label, strlen(t->conf.label) + 1);
	add(ctx, o->id.b, TBL_ID_LEN);
	add64(ctx, o->epoch);
	add64(ctx, o->have);
	for (uint32_t i = 0; i < o->n; i++) {
		const struct rec *r = o->recs[i];

		if (!r->cur)
			continue;
		add64(ctx, (uint64_t)r->kind << 32 | r->id);
		add64(ctx, r->ver);
		add64(ctx, r->cur->n);
		add(ctx, r->cur->p, r->cur->n);
	}
	ok = EVP_DigestFinal_ex(ctx, ret, &n) == 1;
out:
	EVP_MD_CTX_free(ctx);
	return ok;
}

/* ---- own -------------------------------------------------------------------------------------- */

static int own_put(struct tbl *t, enum tbl_kind kind, const uint8_t *p, size_t n)
{
	struct owner *o = t->self;
	struct blob *b = blob_new(p, n);
	struct rec *r = b ? rec_get(o, (uint8_t)kind, 0) : NULL;

	if (!r) {
		free(b);
		return -ENOMEM;
	}
	rec_set(t, o, r, ++o->have, b);
	o->head = o->have;
	return 0;
}

static int own_seal(struct tbl *t)
{
	uint64_t now = tbl_unix(t);
	uint8_t buf[16];
	int n = tbl_seal_make(now, buf, sizeof(buf)), err;

	err = n < 0 ? n : own_put(t, TBL_SEAL, buf, (size_t)n);
	if (!err)
		t->sealed_at = now;
	return err;
}

int own_cert(struct tbl *t)
{
	int err;

	if (!signs(t))
		return 0;
	err = own_put(t, TBL_CERT, t->conf.cert, t->conf.cert_len);
	return err ? err : own_seal(t);
}

int tbl_set_cert(struct tbl *t, const uint8_t *cert, uint32_t n, uint64_t now)
{
	int err;

	tbl_enter(t, now);
	if (!signs(t) || !n || n > TBL_RECORD_MAX)
		return -EINVAL;
	err = own_put(t, TBL_CERT, cert, n);
	if (!err)
		own_changed(t);
	view_run(t);
	return err;
}

/* Also after the clock was set back: what is signed in the future is not believed. */
static bool seal_due(const struct tbl *t)
{
	uint64_t now = tbl_unix(t);

	return now - t->sealed_at >= t->conf.seal_ms;
}

void own_seal_tick(struct tbl *t)
{
	if (signs(t) && seal_due(t) && !own_seal(t))
		own_changed(t);
}

uint64_t own_seal_next(const struct tbl *t)
{
	uint64_t age = tbl_unix(t) - t->sealed_at;

	if (!signs(t))
		return UINT64_MAX;
	return age >= t->conf.seal_ms ? t->now : t->now + t->conf.seal_ms - age;
}

void own_sign(struct tbl *t)
{
	struct owner *o = t->self;
	uint8_t hash[32];

	if (!signs(t) || (o->sig_ver == o->have && o->sig_epoch == o->epoch))
		return;
	if (!state_hash(t, o, hash) || tbl_key_sign(t->conf.secret, hash, sizeof(hash), o->sig))
		return;
	o->sig_ver = o->have;
	o->sig_epoch = o->epoch;
}

/* ---- others' ---------------------------------------------------------------------------------- */

/* Read once: that costs as much as a signature. */
static const struct tbl_cert *cert_get(struct tbl *t, struct owner *o, const struct rec *r)
{
	struct tbl_cert c;

	if (o->cert_of == r->cur)
		return o->cert;
	blob_swap(&o->cert_of, r->cur);
	free(o->cert);
	o->cert = NULL;
	if (!tbl_cert_read(&c, t->conf.label, t->conf.ca, r->cur->p, r->cur->n))
		o->cert = malloc(sizeof(*o->cert));
	if (o->cert)
		*o->cert = c;
	for (uint32_t i = 0; i < o->n; i++)
		o->recs[i]->judged = NULL; /* there may be other rights in it */
	return o->cert;
}

void cert_free(struct owner *o)
{
	blob_swap(&o->cert_of, NULL);
	free(o->cert);
	o->cert = NULL;
}

static const char *cert_wrong(struct tbl *t, struct owner *o, const struct tbl_cert **ret)
{
	const struct rec *r = rec_find(o, TBL_CERT, 0);

	if (!r || !r->cur)
		return "it has no certificate";
	*ret = cert_get(t, o, r);
	if (!*ret)
		return "its certificate is not of this cluster's CA";
	if (!tbl_id_eq(&(*ret)->id, &o->id))
		return "its certificate is another node's";
	if (o->name && *o->name && !tbl_cert_named(*ret, o->name))
		return "its certificate is for a node of another name";
	return (*ret)->until_ms < tbl_unix(t) ? "its certificate has expired" : NULL;
}

const char *cert_refuses(struct tbl *t, struct owner *o, const struct tbl_record *x)
{
	const struct rec *r = rec_find(o, TBL_CERT, 0);
	const struct tbl_cert *c;

	if (!checks(t) || o->self || o->unproven)
		return NULL; /* what is shown was in its rights when it was proven */
	c = r && r->cur ? cert_get(t, o, r) : NULL;
	return c ? tbl_cert_allows(c, x) : "it has no certificate";
}

/* A state may be signed, and old: somebody recorded it. */
static const char *seal_wrong(struct tbl *t, struct owner *o, uint64_t *ret_at)
{
	const struct rec *r = rec_find(o, TBL_SEAL, 0);
	uint64_t now = tbl_unix(t);

	if (!r || !r->cur || tbl_seal_read(ret_at, r->cur->p, r->cur->n))
		return "its signature does not say when it was made";
	if (*ret_at > now + FUTURE_MS)
		return "its signature is of the future: is a clock wrong?";
	if (*ret_at + t->conf.seal_max_ms < now)
		return "its signature is too old: is a clock wrong?";
	return NULL;
}

static const char *proof_wrong(struct tbl *t, struct owner *o)
{
	const struct tbl_cert *c;
	uint8_t hash[32];
	const char *why;
	uint64_t at;

	why = cert_wrong(t, o, &c);
	o->cert_bad = why;
	if (!why && (!state_hash(t, o, hash) || !tbl_key_check(c->key, hash, sizeof(hash), o->sig)))
		return "its records are not what it signed";
	if (!why)
		why = seal_wrong(t, o, &at);
	if (!why)
		o->proven_until = at + t->conf.seal_max_ms < c->until_ms ? at + t->conf.seal_max_ms
									 : c->until_ms;
	return why;
}

/* Is what is here what the owner signed?  After it changed, or its signature came. */
void prove(struct tbl *t, struct owner *o)
{
	bool was = o->unproven;

	o->unproven = checks(t) && !o->self && o->epoch;
	if (!o->unproven) {
		o->forged = NULL;
		o->expired = false;
		return;
	}
	if (!was)
		o->unproven_at = t->now;
	if (o->sig_epoch != o->epoch || o->sig_ver != o->have)
		return; /* it may come */
	o->forged = proof_wrong(t, o);
	o->unproven = o->forged;
	o->expired = o->proven_until < tbl_unix(t);
	t->stats.forged += !!o->forged;
}

void prove_again(struct tbl *t, struct owner *o)
{
	if (!checks(t) || o->self || !o->epoch)
		return;
	prove(t, o);
	owner_judge(t, o);
	view_touch(t, o);
}

/* What was proven may be so no longer; what is not proven by now has no signature to come. */
void prove_tick(struct tbl *t, struct owner *o)
{
	const struct tbl_cert *c;

	if (!checks(t) || o->self || !o->epoch || !owner_member(o))
		return;
	if (!o->expired && o->proven_until < tbl_unix(t)) {
		o->expired = true; /* also what is only kept, since news are not signed */
		prove_again(t, o);
	} else if (o->unproven && !o->forged && t->now - o->unproven_at >= t->conf.hold_ms) {
		o->forged = cert_wrong(t, o, &c);
		o->cert_bad = o->forged;
		if (!o->forged)
			o->forged = "what it says now is not signed";
		owner_judge(t, o);
		view_touch(t, o);
	}
}

/* A signature of what is here or newer; true: it is another one than before. */
bool sig_take(struct owner *o, const struct wire_part *m)
{
	if (!m->sig.n || m->epoch != o->epoch || m->ver < o->have || m->flags & WIRE_MORE)
		return false;
	if (o->sig_epoch == m->epoch && o->sig_ver == m->ver &&
	    !memcmp(o->sig, m->sig.p, TBL_SIG_LEN))
		return false;
	memcpy(o->sig, m->sig.p, TBL_SIG_LEN);
	o->sig_epoch = m->epoch;
	o->sig_ver = m->ver;
	return true;
}
