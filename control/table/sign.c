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

int own_cert(struct tbl *t)
{
	struct owner *o = t->self;
	struct rec *r;
	struct blob *b;

	if (!signs(t))
		return 0;
	b = blob_new(t->conf.cert, t->conf.cert_len);
	r = b ? rec_get(o, TBL_CERT, 0) : NULL;
	if (!r) {
		free(b);
		return -ENOMEM;
	}
	rec_set(t, o, r, ++o->have, b);
	o->head = o->have;
	return 0;
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
	if ((*ret)->until_ms < tbl_unix(t))
		return "its certificate has expired";
	return NULL;
}

const char *cert_refuses(struct tbl *t, struct owner *o, const struct tbl_record *x)
{
	const struct tbl_cert *c;
	const char *why;

	if (!signs(t) || o->self)
		return NULL;
	why = cert_wrong(t, o, &c);
	return why ? why : tbl_cert_allows(c, x);
}

/* Is what is here what the owner signed?  After it changed, or its signature came. */
void prove(struct tbl *t, struct owner *o)
{
	const struct tbl_cert *c;
	uint8_t hash[32];

	o->forged = NULL;
	o->unproven = signs(t) && !o->self && o->epoch;
	if (!o->unproven || o->sig_epoch != o->epoch || o->sig_ver != o->have)
		return;
	o->forged = cert_wrong(t, o, &c);
	if (!o->forged &&
	    (!state_hash(t, o, hash) || !tbl_key_check(c->key, hash, sizeof(hash), o->sig)))
		o->forged = "its records are not what it signed";
	o->unproven = o->forged;
	t->stats.forged += !!o->forged;
}

/* A signature of what is here or newer; true: it is another one than before. */
bool sig_take(struct tbl *t, struct owner *o, const struct wire_part *m)
{
	if (!signs(t) || !m->sig.n || m->epoch != o->epoch || m->ver < o->have ||
	    m->flags & WIRE_MORE)
		return false;
	if (o->sig_epoch == m->epoch && o->sig_ver == m->ver &&
	    !memcmp(o->sig, m->sig.p, TBL_SIG_LEN))
		return false;
	memcpy(o->sig, m->sig.p, TBL_SIG_LEN);
	o->sig_epoch = m->epoch;
	o->sig_ver = m->ver;
	return true;
}
