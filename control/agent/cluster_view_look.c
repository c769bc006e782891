/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a node says, compared with what is written; what is new is written. */
#include <patchbay/addr.h>

#include "../util.h"
#include "cluster_view_internal.h"

struct look {
	struct pb_view *v;
	struct vnode *n;
};

static void fill_app(const struct vnode *n, const struct tbl_app *t, struct pb_remote_app *ret)
{
	struct pb_remote_app a = { .node = n->name,
				   .id = t->id64,
				   .mode = PB_MODE_ENFORCE,
				   .given = t->flags & TBL_APP_AUTO };
	const struct pb_addr *vip[] = { &t->vip4, &t->vip6 };

	if (t->name[0] != '~')
		a.name = t->name;
	for (unsigned i = 0; i < 2; i++)
		if (!pb_addr_is_zero(vip[i]))
			a.ips[a.n_ips++] = *vip[i];
	for (unsigned i = 0; i < t->tags.n && i < PB_TAGS_MAX; i++)
		a.tags[a.n_tags++] = t->tags.tag[i];
	*ret = a;
}

/* Several scopes of one node may run the same application: they have one id, and one entry. */
void vapp_member_off(struct pb_view *v, struct vapp *a)
{
	struct pb_member_key k = a->member;
	struct vapp *o;
	int err;

	if (!k.id)
		return;
	for (o = TAILQ_FIRST(&a->node->apps); o; o = TAILQ_NEXT(o, link))
		if (o != a && o->seen && o->member.id == k.id)
			break;
	err = o ? v->ops->member_put(v->arg, &k, o->ref) : v->ops->member_del(v->arg, &k);
	if (!err)
		a->member.id = 0;
	v->changes++;
}

static void look_app(struct look *l, const struct tbl_record *r)
{
	struct pb_view *v = l->v;
	struct pb_remote_app want;
	struct vapp *a = vapp_get(v, l->n, pb_view_ref(&l->n->id, r->id));
	char err[PB_ERR_LEN] = "";
	struct pb_app app;

	if (!a)
		return;
	a->said = true;
	snprintf(a->name, sizeof(a->name), "%s", r->app.name);
	fill_app(l->n, &r->app, &want);
	want.ref = a->ref;
	if (v->ops->app_put(v->arg, &want, &app, err)) {
		vapp_trouble(v, a, err);
		a->seen = false; /* what was there of it goes */
		l->n->failed = true;
		return;
	}
	vapp_trouble(v, a, NULL);
	a->here = a->seen = true;
	a->ns = app.ns;
	a->vip4 = app.vip4;
	a->vip6 = app.vip6;
	if (a->member.id && a->member.id != app.id)
		vapp_member_off(v, a);
	if (!a->member.id) {
		struct pb_member_key k = { .node = l->n->number, .id = app.id };

		if (!v->ops->member_put(v->arg, &k, a->ref))
			a->member = k;
		v->changes++;
	}
}

static void look_first(void *arg, const struct tbl_record *r)
{
	struct look *l = arg;

	if (r->kind == TBL_NODE) {
		l->n->loc[0] = r->node.loc4;
		l->n->loc[1] = r->node.loc6;
		l->n->drain = r->node.flags & TBL_NODE_DRAIN;
	} else if (r->kind == TBL_APP) {
		look_app(l, r);
	}
}

static void fill_ep(const struct vnode *n, const struct vapp *a, const struct tbl_endpoint *t,
		    struct pb_endpoint *ret)
{
	static const struct pb_addr none;
	struct pb_endpoint e = {
		.app = a->ref,
		.ns = a->ns,
		.cookie = n->number,
		.sockets = t->live,
		.weight = t->weight ? t->weight : 1,
		.port = htons(t->port),
		.real = htons(t->real),
		.state = n->drain || t->state == PB_EP_DRAIN ? PB_EP_DRAIN : PB_EP_UP,
		.proto = t->proto,
		.cls = t->cls,
		/* dead ones, too: where they are still here the view is frozen */
		.hints = n->state == TBL_ALIVE ? 0 : PB_EP_SUSPECT,
		.loc4 = t->cls & PB_CLS_V4 ? n->loc[0] : none,
		.loc6 = t->cls & PB_CLS_V6 ? n->loc[1] : none,
		.vip4 = a->vip4,
		.vip6 = a->vip6,
	};

	*ret = e;
}

static void write_ep(struct pb_view *v, struct vep *e, const struct pb_endpoint *want)
{
	bool weight = e->ep.weight != want->weight;
	int err = 0;

	if (!e->index) {
		e->ep = *want;
		err = vindex_take(v, &e->index);
		if (!err)
			err = v->ops->remote_put(v->arg, e->index, want, &e->gen);
		if (err) {
			v->err = err == -EAGAIN ? v->err : err;
			e->index = 0;
			return;
		}
		v->waiting--;
		v->changes++;
		if (vsvc_link(v, e))
			log_warn("no memory for the services of an endpoint of %s", e->node->name);
		return;
	}
	if (!weight && e->ep.sockets == want->sockets && e->ep.state == want->state &&
	    e->ep.hints == want->hints)
		return;
	if (v->ops->remote_set(v->arg, e->index, want))
		return;
	e->ep = *want;
	v->changes++;
	if (weight)
		vsvc_touch(v, e);
}

static void look_second(void *arg, const struct tbl_record *r)
{
	struct look *l = arg;
	struct pb_endpoint want;
	struct vapp *a;
	struct vep *e;

	if (r->kind != TBL_ENDPOINT)
		return;
	a = vapp_find(l->v, pb_view_ref(&l->n->id, r->endpoint.app));
	if (!a || !a->seen)
		return;
	fill_ep(l->n, a, &r->endpoint, &want);
	if (pb_addr_is_zero(&want.loc4) && pb_addr_is_zero(&want.loc6))
		return;
	e = vep_find(l->v, &want);
	/* two sockets with the same real port and class cannot be: one record too many */
	if (e && e->seen)
		return;
	if (!e)
		e = vep_new(l->v, a, &want);
	if (!e)
		return;
	e->seen = true;
	write_ep(l->v, e, &want);
}

/* ---- adding -------------------------------------------------------------- */

static void put_peers(struct pb_view *v, struct vnode *n)
{
	for (unsigned i = 0; i < 2; i++) {
		if (pb_addr_is_zero(&n->loc[i]) ||
		    (!n->rekey && pb_addr_eq(&n->loc[i], &n->peer[i])))
			continue;
		if (v->ops->peer_put(v->arg, &n->loc[i], &n->id))
			continue;
		/* its endpoints are still at the old one */
		if (!pb_addr_eq(&n->loc[i], &n->peer[i]))
			n->past[i] = n->peer[i];
		n->peer[i] = n->loc[i];
		v->changes++;
	}
	n->rekey = false;
}

/* Is what it says complete, or its absence certain?  Until then what was adopted stays. */
static bool ready(const struct pb_view *v, const struct tbl_owner *o)
{
	if (o && (o->state == TBL_ALIVE || o->state == TBL_SUSPECT))
		return o->epoch && !o->behind && o->used;
	return !v->keep || (o && o->state == TBL_LEFT);
}

/* false: nothing of it is to be touched yet. */
bool vnode_look(struct pb_view *v, struct vnode *n)
{
	struct look l = { v, n };
	struct tbl_owner o;
	struct vapp *a;
	struct vep *e;
	bool known = v->ops->owner(v->arg, n->number, &o);

	if (n->adopted && !ready(v, known ? &o : NULL))
		return false;
	n->adopted = false;
	n->failed = false;
	memset(n->loc, 0, sizeof(n->loc));
	for (a = TAILQ_FIRST(&n->apps); a; a = TAILQ_NEXT(a, link))
		a->seen = a->said = false;
	for (e = TAILQ_FIRST(&n->eps); e; e = TAILQ_NEXT(e, link))
		e->seen = false;
	n->state = known ? o.state : TBL_UNKNOWN;
	if (!known)
		return true;
	n->id = o.id;
	snprintf(n->name, sizeof(n->name), "%s", o.name);
	v->ops->each(v->arg, &n->id, look_first, &l);
	put_peers(v, n);
	v->ops->each(v->arg, &n->id, look_second, &l);
	return true;
}
