/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who may have a name and an address.  Whoever claimed first has it; all others that clash with it
 * are out, also if it is out itself because of a third.  So it depends on nothing but the set of
 * claims, and all nodes with the same records come to the same result.
 */
#include "internal.h"

#include <patchbay/addr.h>
#include <patchbay/siphash.h>

static uint64_t hash_name(const struct tbl *t, const char *name)
{
	return pb_siphash24(t->conf.key, name, (__u32)strlen(name));
}

static uint64_t hash_addr(const struct tbl *t, const struct pb_addr *a)
{
	return pb_siphash24(t->conf.key, a->b, sizeof(a->b));
}

typedef void claim_fn(void *arg, struct claim *other, enum tbl_clash clash);

static void meet(const struct claim *c, struct claim *other, claim_fn *fn, void *arg)
{
	enum tbl_clash clash = other == c ? TBL_CLASH_NONE : tbl_clash(&c->key, &other->key);

	if (clash)
		fn(arg, other, clash);
}

/* All that clash with c; some of them more than once. */
static void each_clash(const struct tbl *t, const struct claim *c, claim_fn *fn, void *arg)
{
	pb_htab_each(h, &t->by_name, hash_name(t, c->key.name))
		meet(c, pb_container_of(h, struct claim, by_name), fn, arg);
	if (!pb_addr_is_zero(&c->key.vip4))
		pb_htab_each(h, &t->by_vip4, hash_addr(t, &c->key.vip4))
			meet(c, pb_container_of(h, struct claim, by_vip4), fn, arg);
	if (!pb_addr_is_zero(&c->key.vip6))
		pb_htab_each(h, &t->by_vip6, hash_addr(t, &c->key.vip6))
			meet(c, pb_container_of(h, struct claim, by_vip6), fn, arg);
}

struct losing {
	const struct claim *c, *first;
	enum tbl_clash clash;
};

static bool before(const struct claim *a, const struct claim *b)
{
	return tbl_claim_first(&a->key, &a->owner->id, a->rec->id, &b->key, &b->owner->id,
			       b->rec->id);
}

static void find_first(void *arg, struct claim *other, enum tbl_clash clash)
{
	struct losing *l = arg;

	if (!before(other, l->first ? l->first : l->c))
		return;
	l->first = other;
	l->clash = clash;
}

const struct claim *claim_loses(const struct tbl *t, const struct claim *c, enum tbl_clash *ret)
{
	struct losing l = { .c = c };

	each_clash(t, c, find_first, &l);
	if (l.first)
		*ret = l.clash;
	return l.first;
}

static void look_again(void *arg, struct claim *other, enum tbl_clash clash)
{
	(void)clash;
	view_touch(arg, other->owner);
}

static void claim_drop(struct tbl *t, struct claim *c)
{
	each_clash(t, c, look_again, t);
	pb_htab_del(&t->by_name, &c->by_name);
	if (!pb_addr_is_zero(&c->key.vip4))
		pb_htab_del(&t->by_vip4, &c->by_vip4);
	if (!pb_addr_is_zero(&c->key.vip6))
		pb_htab_del(&t->by_vip6, &c->by_vip6);
}

int claim_set(struct tbl *t, struct owner *o, struct rec *r, const struct blob *b,
	      const struct tbl_app *app)
{
	struct claim *c = r->claim;

	if (c && app && c->blob == b)
		return 0;
	if (c)
		claim_drop(t, c);
	if (!app) {
		free(c);
		r->claim = NULL;
		return 0;
	}
	if (!c)
		c = r->claim = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->blob = b;
	c->owner = o;
	c->rec = r;
	c->key = tbl_claim(app);
	pb_htab_add(&t->by_name, &c->by_name, hash_name(t, app->name));
	if (!pb_addr_is_zero(&app->vip4))
		pb_htab_add(&t->by_vip4, &c->by_vip4, hash_addr(t, &app->vip4));
	if (!pb_addr_is_zero(&app->vip6))
		pb_htab_add(&t->by_vip6, &c->by_vip6, hash_addr(t, &app->vip6));
	each_clash(t, c, look_again, t);
	return 0;
}
