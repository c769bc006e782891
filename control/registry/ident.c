/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Applications and distributed applications: made by the first record, gone with the last. */
#include <patchbay/addr.h>

#include "internal.h"
#include "registry.h"

struct addr_node *addr_find(const struct pb_registry *r, const struct pb_addr *a)
{
	pb_htab_each(h, &r->by_addr, pb_reg_hash(r, a, sizeof(*a)))
	{
		struct addr_node *n = pb_container_of(h, struct addr_node, by_addr);

		if (pb_addr_eq(&n->addr, a))
			return n;
	}
	return NULL;
}

static void addr_add(struct pb_registry *r, struct addr_node *n, const struct pb_addr *a,
		     struct dist *d, struct ident *i)
{
	if (pb_addr_is_zero(a))
		return;
	n->addr = *a;
	n->dist = d;
	n->ident = i;
	pb_htab_add(&r->by_addr, &n->by_addr, pb_reg_hash(r, a, sizeof(*a)));
}

static void addr_del(struct pb_registry *r, struct addr_node *n)
{
	if (!pb_addr_is_zero(&n->addr))
		pb_htab_del(&r->by_addr, &n->by_addr);
}

struct ident *ident_find(const struct pb_registry *r, const char *name)
{
	pb_htab_each(h, &r->by_name, pb_reg_hash(r, name, strlen(name)))
	{
		struct ident *i = pb_container_of(h, struct ident, by_name);

		if (!strcmp(i->name, name))
			return i;
	}
	return NULL;
}

struct ident *ident_find_id(const struct pb_registry *r, uint64_t id)
{
	struct pb_hnode *h = pb_htab_first(&r->by_id, id);

	return h ? pb_container_of(h, struct ident, by_id) : NULL;
}

struct dist *dist_find(const struct pb_registry *r, uint64_t ns)
{
	struct pb_hnode *h = pb_htab_first(&r->by_ns, ns);

	return h ? pb_container_of(h, struct dist, by_ns) : NULL;
}

int dist_new(struct pb_registry *r, uint64_t ns, const struct pb_addr *vip4,
	     const struct pb_addr *vip6, struct dist **ret)
{
	struct dist *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	TAILQ_INIT(&d->idents);
	d->ns = ns;
	pb_htab_add(&r->by_ns, &d->by_ns, ns);
	addr_add(r, &d->vip4, vip4, d, NULL);
	addr_add(r, &d->vip6, vip6, d, NULL);
	pool_mark(r, vip4, true);
	pool_mark(r, vip6, true);
	sticky_forget_addr(r, vip4);
	sticky_forget_addr(r, vip6);
	*ret = d;
	return 0;
}

void dist_put(struct pb_registry *r, struct dist *d)
{
	if (!TAILQ_EMPTY(&d->idents))
		return;
	pool_mark(r, &d->vip4.addr, false);
	pool_mark(r, &d->vip6.addr, false);
	addr_del(r, &d->vip4);
	addr_del(r, &d->vip6);
	pb_htab_del(&r->by_ns, &d->by_ns);
	free(d);
}

static struct pb_addr linklocal6(uint64_t id)
{
	struct pb_addr a = { .w = { htonl(0xfe800000), 0, htonl((uint32_t)(id >> 32)),
				    htonl((uint32_t)id) } };

	return a;
}

int ident_new(struct pb_registry *r, const char *name, bool named, uint64_t id, struct dist *d,
	      const struct pb_addr *ll4, struct ident **ret)
{
	struct pb_addr ll6 = linklocal6(id), fresh;
	struct ident *i, *same = ident_find_id(r, id);
	int e;

	if (!ll4 || !linklocal4_fit(ll4) || addr_find(r, ll4)) {
		e = linklocal_pick(r, id, &fresh);
		if (e)
			return e;
		ll4 = &fresh;
	}
	i = calloc(1, sizeof(*i));
	if (!i)
		return -ENOMEM;
	TAILQ_INIT(&i->recs);
	snprintf(i->name, sizeof(i->name), "%s", name);
	i->named = named;
	i->id = id;
	i->dist = d;
	/* unnamed ones of two nodes may have the same scope, and so the same id: nobody asks by it */
	i->quarantined = same && (named || same->named);
	for (uint64_t next = id; same && addr_find(r, &ll6);) {
		next = pb_reg_hash(r, &next, sizeof(next));
		ll6 = linklocal6(next);
	}
	pb_htab_add(&r->by_name, &i->by_name, pb_reg_hash(r, name, strlen(name)));
	pb_htab_add(&r->by_id, &i->by_id, id);
	addr_add(r, &i->ll4, ll4, d, i);
	if (!i->quarantined)
		addr_add(r, &i->ll6, &ll6, d, i);
	TAILQ_INSERT_TAIL(&d->idents, i, link);
	*ret = i;
	return 0;
}

const char *ident_where(const struct ident *i, char buf[WHERE_LEN])
{
	const struct rec *first = TAILQ_FIRST(&i->recs);

	buf[0] = '\0';
	if (first && first->node)
		snprintf(buf, WHERE_LEN, " on node '%.64s'", first->node);
	return buf;
}

void ident_put(struct pb_registry *r, struct ident *i)
{
	struct dist *d = i->dist;

	if (!TAILQ_EMPTY(&i->recs))
		return;
	if (i->named)
		sticky_remember(r, i->name, &d->vip4.addr, &d->vip6.addr);
	addr_del(r, &i->ll4);
	addr_del(r, &i->ll6);
	pb_htab_del(&r->by_name, &i->by_name);
	pb_htab_del(&r->by_id, &i->by_id);
	TAILQ_REMOVE(&d->idents, i, link);
	free(i);
	dist_put(r, d);
}
