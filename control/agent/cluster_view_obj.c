/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Nodes, applications and endpoints of others: made, found, gone. */
#include <stdlib.h>

#include <patchbay/addr.h>
#include <patchbay/siphash.h>

#include "../util.h"
#include "cluster_view_internal.h"

static const uint8_t hash_key[16] = "patchbay others.";

uint64_t pb_view_ref(const struct tbl_id *owner, uint32_t id)
{
	uint8_t text[TBL_ID_LEN + 4];

	memcpy(text, owner->b, TBL_ID_LEN);
	for (unsigned i = 0; i < 4; i++)
		text[TBL_ID_LEN + i] = (uint8_t)(id >> (8 * i));
	return pb_siphash24(hash_key, text, sizeof(text)) | PB_REF_REMOTE;
}

static uint64_t hash64(uint64_t x)
{
	return pb_siphash24(hash_key, &x, sizeof(x));
}

/* ---- nodes --------------------------------------------------------------- */

struct vnode *vnode_find(const struct pb_view *v, uint64_t number)
{
	pb_htab_each(h, &v->nodes, hash64(number))
	{
		struct vnode *n = pb_container_of(h, struct vnode, by_number);

		if (n->number == number)
			return n;
	}
	return NULL;
}

struct vnode *vnode_get(struct pb_view *v, uint64_t number)
{
	struct vnode *n = vnode_find(v, number);

	if (n)
		return n;
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->number = number;
	TAILQ_INIT(&n->apps);
	TAILQ_INIT(&n->eps);
	TAILQ_INSERT_TAIL(&v->all, n, link);
	pb_htab_add(&v->nodes, &n->by_number, hash64(number));
	return n;
}

void vnode_free(struct pb_view *v, struct vnode *n)
{
	TAILQ_REMOVE(&v->all, n, link);
	pb_htab_del(&v->nodes, &n->by_number);
	free(n);
}

/* ---- applications -------------------------------------------------------- */

struct vapp *vapp_find(const struct pb_view *v, uint64_t ref)
{
	pb_htab_each(h, &v->apps, hash64(ref))
	{
		struct vapp *a = pb_container_of(h, struct vapp, by_ref);

		if (a->ref == ref)
			return a;
	}
	return NULL;
}

struct vapp *vapp_get(struct pb_view *v, struct vnode *n, uint64_t ref)
{
	struct vapp *a = vapp_find(v, ref);

	if (a)
		return a->node == n ? a : NULL;
	a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	a->ref = ref;
	a->node = n;
	TAILQ_INSERT_TAIL(&n->apps, a, link);
	pb_htab_add(&v->apps, &a->by_ref, hash64(ref));
	return a;
}

void vapp_del(struct pb_view *v, struct vapp *a)
{
	TAILQ_REMOVE(&a->node->apps, a, link);
	pb_htab_del(&v->apps, &a->by_ref);
	v->failed -= a->trouble != NULL;
	free(a->trouble);
	free(a);
}

void vapp_trouble(struct pb_view *v, struct vapp *a, const char *err)
{
	if (err ? a->trouble && !strcmp(a->trouble, err) : !a->trouble)
		return;
	v->failed -= a->trouble != NULL;
	free(a->trouble);
	a->trouble = err ? strdup(err) : NULL;
	v->failed += a->trouble != NULL;
	v->ops->trouble(v->arg, a->node->name, a->name, err);
}

/* ---- endpoints ----------------------------------------------------------- */

static uint64_t ep_hash(const struct pb_endpoint *e)
{
	uint64_t text[2] = { e->app, (uint64_t)e->port << 32 | (uint64_t)e->real << 16 | e->proto };

	return pb_siphash24(hash_key, text, sizeof(text));
}

/* What a client that has the index relies on. */
static bool same(const struct pb_endpoint *a, const struct pb_endpoint *b)
{
	return a->app == b->app && a->ns == b->ns && a->cookie == b->cookie && a->port == b->port &&
	       a->real == b->real && a->proto == b->proto && a->cls == b->cls &&
	       pb_addr_eq(&a->loc4, &b->loc4) && pb_addr_eq(&a->loc6, &b->loc6) &&
	       pb_addr_eq(&a->vip4, &b->vip4) && pb_addr_eq(&a->vip6, &b->vip6);
}

struct vep *vep_find(const struct pb_view *v, const struct pb_endpoint *ep)
{
	pb_htab_each(h, &v->eps, ep_hash(ep))
	{
		struct vep *e = pb_container_of(h, struct vep, by_key);

		if (same(&e->ep, ep))
			return e;
	}
	return NULL;
}

struct vep *vep_new(struct pb_view *v, struct vapp *a, const struct pb_endpoint *ep)
{
	struct vep *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->node = a->node;
	e->app = a;
	e->ep = *ep;
	a->n_eps++;
	v->n_eps++;
	v->waiting++;
	TAILQ_INSERT_TAIL(&a->node->eps, e, link);
	pb_htab_add(&v->eps, &e->by_key, ep_hash(ep));
	return e;
}

void vep_del(struct pb_view *v, struct vep *e)
{
	TAILQ_REMOVE(&e->node->eps, e, link);
	pb_htab_del(&v->eps, &e->by_key);
	v->waiting -= !e->index;
	v->n_eps--;
	e->app->n_eps--;
	free(e);
}
