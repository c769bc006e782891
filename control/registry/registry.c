/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Records: claim, adopt, release, look up. */
#include "registry.h"

#include <patchbay/addr.h>
#include <patchbay/names.h>
#include <patchbay/siphash.h>

#include "../util.h"
#include "internal.h"

enum {
#define PB_X(name, max) name##_max = max,
	PB_MAPS(PB_X)
#undef PB_X
};

void reg_free(struct rec *n)
{
	if (n)
		free(n->node);
	free(n);
}

static void rec_freep(struct rec **n)
{
	reg_free(*n);
}

uint64_t pb_reg_hash(const struct pb_registry *r, const void *data, size_t len)
{
	return pb_siphash24(r->conf.key, data, (uint32_t)len);
}

void pb_reg_key_derive(const char *cluster, uint8_t key[16])
{
	static const uint8_t salt[2][PB_SIPHASH_KEY_LEN] = { "patchbay id64 lo",
							     "patchbay id64 hi" };

	for (unsigned half = 0; half < 2; half++) {
		uint64_t h = pb_siphash24(salt[half], cluster, (uint32_t)strlen(cluster));

		for (unsigned i = 0; i < 8; i++)
			key[8 * half + i] = (uint8_t)(h >> (8 * i));
	}
}

int pb_registry_new(struct pb_registry **ret, const struct pb_reg_conf *conf)
{
	struct pb_registry *r;
	int e;

	if (conf->pool4_bits && !pb_cidr_is_v4(&conf->pool4, conf->pool4_bits))
		return -EINVAL;
	if (conf->pool4_bits > 128 || conf->pool6_bits > 128 || conf->mode >= _PB_MODE_MAX ||
	    conf->splice >= _PB_SPLICE_MAX || (conf->pool6_bits && pb_addr_is_v4(&conf->pool6)))
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->conf = *conf;
	TAILQ_INIT(&r->sticky);
	e = pb_htab_init(&r->by_ref) || pb_htab_init(&r->by_name) || pb_htab_init(&r->by_id) ||
	    pb_htab_init(&r->by_ns) || pb_htab_init(&r->by_addr) || pb_htab_init(&r->by_group) ||
	    pb_htab_init(&r->by_sticky) || pool_init(&r->pool4, &conf->pool4, conf->pool4_bits) ||
	    pool_init(&r->pool6, &conf->pool6, conf->pool6_bits);
	if (e) {
		pb_registry_free(r);
		return -ENOMEM;
	}
	*ret = r;
	return 0;
}

void pb_registry_free(struct pb_registry *r)
{
	if (!r)
		return;
	while (r->n_recs)
		pb_registry_release(r, r->recs[r->n_recs - 1]->pub.ref);
	sticky_forget_all(r);
	for (unsigned bank = 0; bank < PB_BANKS; bank++)
		rules_free(r, bank);
	pool_fini(&r->pool4);
	pool_fini(&r->pool6);
	pb_htab_fini(&r->by_ref);
	pb_htab_fini(&r->by_name);
	pb_htab_fini(&r->by_id);
	pb_htab_fini(&r->by_ns);
	pb_htab_fini(&r->by_addr);
	pb_htab_fini(&r->by_group);
	pb_htab_fini(&r->by_sticky);
	free(r->grants);
	free(r->recs);
	free(r);
}

static uint64_t ref_hash(const struct pb_registry *r, uint64_t ref)
{
	return pb_reg_hash(r, &ref, sizeof(ref));
}

struct rec *reg_find(const struct pb_registry *r, uint64_t ref)
{
	pb_htab_each(h, &r->by_ref, ref_hash(r, ref))
	{
		struct rec *n = pb_container_of(h, struct rec, by_ref);

		if (n->pub.ref == ref)
			return n;
	}
	return NULL;
}

int reg_reserve(struct pb_registry *r, char *err)
{
	size_t cap = r->cap_recs ? r->cap_recs * 2 : 64;
	struct rec **recs;

	if (r->n_recs >= pb_apps_max)
		return pb_fail(err, -ENOSPC, "%d applications are running: no more are possible",
			       pb_apps_max);
	if (r->n_recs < r->cap_recs)
		return 0;
	recs = reallocarray(r->recs, cap, sizeof(*recs));
	if (!recs)
		return pb_fail(err, -ENOMEM, "no memory for another application");
	r->recs = recs;
	r->cap_recs = cap;
	return 0;
}

static void link_rec(struct ident *i, struct rec *n)
{
	struct rec *first;

	for (first = TAILQ_FIRST(&i->recs); first; first = TAILQ_NEXT(first, link))
		if (first->node && !n->node) {
			TAILQ_INSERT_BEFORE(first, n, link);
			return;
		}
	TAILQ_INSERT_TAIL(&i->recs, n, link);
}

const struct pb_app_rec *reg_commit(struct pb_registry *r, struct rec *n, struct ident *i)
{
	struct pb_app *app = &n->pub.app;

	n->ident = i;
	memcpy(app->name, i->name, sizeof(app->name));
	app->id = i->id;
	app->ns = i->dist->ns;
	app->vip4 = i->dist->vip4.addr;
	app->vip6 = i->dist->vip6.addr;
	app->ll4 = i->ll4.addr;
	app->ll6 = i->ll6.addr;
	if (i->quarantined)
		app->flags |= PB_APP_QUARANTINED;
	app->flags &= ~PB_APP_GIVEN;
	app->flags |= i->given ? PB_APP_GIVEN : 0;
	for (unsigned bank = 0; bank < PB_BANKS; bank++)
		rules_apply(r, n, bank);
	splice_apply(r, n);
	link_rec(i, n);
	r->n_remote += n->node != NULL;
	n->index = r->n_recs;
	r->recs[r->n_recs++] = n;
	pb_htab_add(&r->by_ref, &n->by_ref, ref_hash(r, n->pub.ref));
	return &n->pub;
}

int pb_registry_claim(struct pb_registry *r, const struct pb_claim_req *req,
		      const struct pb_app_rec **ret, char err[PB_ERR_LEN])
{
	_cleanup_(rec_freep) struct rec *n = calloc(1, sizeof(*n));
	char name[PB_NAME_LEN];
	struct ident *i;
	int e;

	if (!n)
		return pb_fail(err, -ENOMEM, "no memory for another application");
	e = claim_check(r, req, name, n, err);
	if (!e)
		e = reg_reserve(r, err);
	if (!e)
		e = groups_get(r, &n->pub.tags, n->pub.app.grp, err);
	if (e)
		return e;
	e = ident_for(r, req, name, 0, &i, err);
	if (e) {
		groups_put(r, n->pub.app.grp);
		return e;
	}
	*ret = reg_commit(r, TAKE_PTR(n), i);
	return 0;
}

/* What the kernel's maps hold was written by an agent, perhaps a broken one: check all of it. */
static bool adoptable(const struct pb_app_rec *rec)
{
	const struct pb_app *a = &rec->app;
	bool named = a->flags & PB_APP_NAMED;
	bool vip = !pb_addr_is_zero(&a->vip4) || !pb_addr_is_zero(&a->vip6);

	if (!rec->ref || !a->id || !a->ns || a->mode >= _PB_MODE_MAX ||
	    rec->splice >= PB_SPLICE_NEVER || a->egress >= _PB_EGRESS_MAX ||
	    rec->n_egress > PB_EGRESS_ITEMS || rec->tags.n > PB_TAGS_MAX ||
	    !memchr(a->name, 0, sizeof(a->name)))
		return false;
	if (named != vip || (named ? !pb_name_valid(a->name) : a->name[0] != '~'))
		return false;
	if (!pb_addr_is_zero(&a->vip4) && (!pb_addr_is_v4(&a->vip4) || pb_addr_unfit(&a->vip4)))
		return false;
	if (!pb_addr_is_zero(&a->vip6) && (pb_addr_is_v4(&a->vip6) || pb_addr_unfit(&a->vip6)))
		return false;
	for (unsigned i = 0; i < rec->tags.n; i++)
		if (!memchr(rec->tags.tag[i], 0, PB_TAG_LEN) ||
		    pb_tag_check(rec->tags.tag[i], NULL))
			return false;
	return true;
}

static bool dist_is(const struct dist *d, const struct pb_app *a)
{
	return d->ns == a->ns && pb_addr_eq(&d->vip4.addr, &a->vip4) &&
	       pb_addr_eq(&d->vip6.addr, &a->vip6);
}

static int adopt_ident(struct pb_registry *r, const struct pb_app *a, struct ident **ret)
{
	struct ident *i = ident_find(r, a->name);
	struct dist *d = dist_find(r, a->ns);
	int e = 0;

	if (i) {
		if (i->id != a->id || !dist_is(i->dist, a))
			return -EADDRINUSE;
		*ret = i;
		return 0;
	}
	if (d ? !dist_is(d, a) : addr_find(r, &a->vip4) || addr_find(r, &a->vip6))
		return -EADDRINUSE;
	if (!d)
		e = dist_new(r, a->ns, &a->vip4, &a->vip6, &d);
	if (!e) {
		e = ident_new(r, a->name, a->flags & PB_APP_NAMED, a->id, d, &a->ll4, &i);
		if (e)
			dist_put(r, d);
	}
	if (e)
		return e;
	i->quarantined = i->quarantined || (a->flags & PB_APP_QUARANTINED);
	i->given = a->flags & PB_APP_GIVEN;
	*ret = i;
	return 0;
}

int reg_adopt(struct pb_registry *r, const struct pb_app_rec *rec, const char *node)
{
	_cleanup_(rec_freep) struct rec *n = calloc(1, sizeof(*n));
	struct ident *i;
	int e;

	if (!n || (node && !(n->node = strdup(node))))
		return -ENOMEM;
	if (!adoptable(rec))
		return -EINVAL;
	if (reg_find(r, rec->ref))
		return -EEXIST;
	n->pub = *rec;
	n->pub.app.flags &= ~PB_APP_TAGGED;
	n->pub.app.flags |= rec->tags.n ? PB_APP_TAGGED : 0;
	e = reg_reserve(r, NULL);
	if (!e)
		e = groups_get(r, &n->pub.tags, n->pub.app.grp, NULL);
	if (e)
		return e;
	e = adopt_ident(r, &rec->app, &i);
	if (e) {
		groups_put(r, n->pub.app.grp);
		return e;
	}
	reg_commit(r, TAKE_PTR(n), i);
	return 0;
}

int pb_registry_adopt(struct pb_registry *r, const struct pb_app_rec *rec)
{
	return rec->ref >> 63 ? -EINVAL : reg_adopt(r, rec, NULL);
}

int pb_registry_release(struct pb_registry *r, uint64_t ref)
{
	struct rec *n = reg_find(r, ref), *last;
	struct ident *i;

	if (!n)
		return -ENOENT;
	i = n->ident;
	last = r->recs[--r->n_recs];
	r->recs[n->index] = last;
	last->index = n->index;
	pb_htab_del(&r->by_ref, &n->by_ref);
	TAILQ_REMOVE(&i->recs, n, link);
	groups_put(r, n->pub.app.grp);
	r->n_remote -= n->node != NULL;
	reg_free(n);
	ident_put(r, i);
	return 0;
}

const struct pb_app_rec *pb_registry_by_ref(const struct pb_registry *r, uint64_t ref)
{
	struct rec *n = reg_find(r, ref);

	return n ? &n->pub : NULL;
}

/* Backwards, and release moves the last record into the gap: releasing the record just
 * returned neither skips nor repeats another. *pos is one more than its index. */
const struct pb_app_rec *pb_registry_next(const struct pb_registry *r, size_t *pos)
{
	size_t at = *pos ? *pos - 1 : r->n_recs;

	if (at > r->n_recs)
		at = r->n_recs;
	if (!at) {
		*pos = 1;
		return NULL;
	}
	*pos = at;
	return &r->recs[at - 1]->pub;
}

const struct pb_app_rec *pb_registry_by_name(const struct pb_registry *r, const char *name)
{
	char lower[PB_NAME_LEN];
	struct ident *i;

	if (strnlen(name, PB_NAME_LEN) == PB_NAME_LEN)
		return NULL;
	pb_name_lower(name, lower);
	i = ident_find(r, lower);
	return i ? &TAILQ_FIRST(&i->recs)->pub : NULL;
}

const struct pb_app_rec *pb_registry_by_addr(const struct pb_registry *r, const struct pb_addr *a)
{
	struct addr_node *n = addr_find(r, a);
	struct ident *i = n ? n->ident ? n->ident : TAILQ_FIRST(&n->dist->idents) : NULL;

	return i ? &TAILQ_FIRST(&i->recs)->pub : NULL;
}

uint64_t pb_registry_ns_of(const struct pb_registry *r, const struct pb_addr *a)
{
	struct addr_node *n = addr_find(r, a);

	return n ? n->dist->ns : 0;
}
