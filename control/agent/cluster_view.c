/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cluster_view.h"

#include <stdlib.h>

#include <patchbay/addr.h>

#include "../util.h"
#include "cluster_view_internal.h"

#define AGAIN_NS 1000000000ULL /* a write that failed */

/* ---- taking out ---------------------------------------------------------- */

static void unlink_gone(struct pb_view *v, struct vnode *n)
{
	struct vep *e;

	for (e = TAILQ_FIRST(&n->eps); e; e = TAILQ_NEXT(e, link))
		if (!e->seen)
			vsvc_unlink(v, e);
}

static void peer_off(struct pb_view *v, struct pb_addr *loc)
{
	if (pb_addr_is_zero(loc))
		return;
	v->ops->peer_del(v->arg, loc);
	memset(loc, 0, sizeof(*loc));
	v->changes++;
}

/* true: something went that another may be waiting for. */
static bool take_out(struct pb_view *v, struct vnode *n)
{
	struct vapp *a, *next_a;
	struct vep *e, *next_e;
	bool any = false;

	for (e = TAILQ_FIRST(&n->eps); e; e = next_e) {
		next_e = TAILQ_NEXT(e, link);
		if (e->seen)
			continue;
		if (e->index) {
			v->ops->remote_free(v->arg, e->index);
			if (n->state != TBL_LEFT)
				v->ops->gone(v->arg, e->index, e->gen, n->state == TBL_DEAD);
			vindex_give(v, e->index);
			v->changes++;
		}
		vep_del(v, e);
	}
	for (a = TAILQ_FIRST(&n->apps); a; a = next_a) {
		next_a = TAILQ_NEXT(a, link);
		if (a->seen)
			continue;
		vapp_member_off(v, a);
		if (a->here) {
			v->ops->app_del(v->arg, a->ref);
			v->changes++;
			any = true;
		}
		a->here = false;
		if (!a->said)
			vapp_del(v, a);
	}
	for (unsigned i = 0; i < 2; i++) {
		peer_off(v, &n->past[i]);
		if (!pb_addr_eq(&n->peer[i], &n->loc[i]))
			peer_off(v, &n->peer[i]);
	}
	return any;
}

static bool round_of(struct pb_view *v)
{
	struct vnode *n, *next;
	bool any = false;

	for (n = TAILQ_FIRST(&v->all); n; n = TAILQ_NEXT(n, link))
		n->dirty = n->dirty && vnode_look(v, n) ? true : n->dirty && n->adopted;
	for (n = TAILQ_FIRST(&v->all); n; n = TAILQ_NEXT(n, link))
		if (n->dirty && !n->adopted)
			unlink_gone(v, n);
	vsvc_write(v);
	for (n = TAILQ_FIRST(&v->all); n; n = next) {
		next = TAILQ_NEXT(n, link);
		if (!n->dirty || n->adopted)
			continue;
		any |= take_out(v, n);
		n->dirty = false;
		if (n->state != TBL_ALIVE && n->state != TBL_SUSPECT && TAILQ_EMPTY(&n->apps) &&
		    TAILQ_EMPTY(&n->eps))
			vnode_free(v, n);
	}
	return any;
}

static void say_error(struct pb_view *v)
{
	if (v->err && v->err != v->err_said)
		log_warn("not all endpoints of other nodes can be written, %u wait: %s", v->waiting,
			 v->err == -ENOSPC ? "a kernel map is full" : strerror(-v->err));
	v->err_said = v->err;
}

uint64_t pb_view_flush(struct pb_view *v)
{
	struct vnode *n;
	struct vep *e;

	v->next_ns = 0;
	v->err = 0;
	/* whoever clashed with what went now has a second chance */
	for (unsigned i = 0; i < 2; i++) {
		bool any = round_of(v);

		if (!any || !v->failed)
			break;
		for (n = TAILQ_FIRST(&v->all); n; n = TAILQ_NEXT(n, link))
			n->dirty |= n->failed;
	}
	say_error(v);
	if (!v->waiting && TAILQ_EMPTY(&v->stale))
		return 0;
	for (n = TAILQ_FIRST(&v->all); n; n = TAILQ_NEXT(n, link))
		for (e = TAILQ_FIRST(&n->eps); e; e = TAILQ_NEXT(e, link))
			n->dirty |= !e->index;
	if (!v->next_ns)
		v->next_ns = v->ops->now_ns(v->arg) + AGAIN_NS;
	return v->next_ns;
}

/* ---- the rest ------------------------------------------------------------ */

int pb_view_new(struct pb_view **ret, const struct pb_view_ops *ops, void *arg, uint32_t indices,
		bool rest)
{
	struct pb_view *v = calloc(1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	v->ops = ops;
	v->arg = arg;
	v->fresh = 1;
	v->indices = indices;
	TAILQ_INIT(&v->all);
	TAILQ_INIT(&v->stale);
	v->adopted = calloc(indices / 64 + 1, sizeof(*v->adopted));
	if (!v->adopted || pb_htab_init(&v->nodes) || pb_htab_init(&v->apps) ||
	    pb_htab_init(&v->eps) || pb_htab_init(&v->svcs)) {
		pb_view_free(v);
		return -ENOMEM;
	}
	if (rest)
		v->not_before_ns = ops->now_ns(arg) + PB_REMOTE_REST_NS;
	*ret = v;
	return 0;
}

void pb_view_free(struct pb_view *v)
{
	struct vnode *n;

	if (!v)
		return;
	while ((n = TAILQ_FIRST(&v->all))) {
		while (!TAILQ_EMPTY(&n->eps))
			vep_del(v, TAILQ_FIRST(&n->eps));
		while (!TAILQ_EMPTY(&n->apps))
			vapp_del(v, TAILQ_FIRST(&n->apps));
		vnode_free(v, n);
	}
	vsvc_free_all(v);
	pb_htab_fini(&v->nodes);
	pb_htab_fini(&v->apps);
	pb_htab_fini(&v->eps);
	pb_htab_fini(&v->svcs);
	free(v->adopted);
	free(v->rest);
	free(v);
}

void pb_view_dirty(struct pb_view *v, uint64_t number)
{
	struct vnode *n = vnode_get(v, number);

	if (n)
		n->dirty = true;
}

void pb_view_dirty_all(struct pb_view *v)
{
	struct vnode *n;

	for (n = TAILQ_FIRST(&v->all); n; n = TAILQ_NEXT(n, link))
		n->dirty = true;
}

void pb_view_rekey(struct pb_view *v)
{
	struct vnode *n;

	for (n = TAILQ_FIRST(&v->all); n; n = TAILQ_NEXT(n, link))
		n->rekey = n->dirty = true;
}

static bool nobody(void *arg, uint64_t number, struct tbl_owner *ret)
{
	(void)arg;
	(void)number;
	(void)ret;
	return false;
}

void pb_view_clear(struct pb_view *v)
{
	const struct pb_view_ops *ops = v->ops;
	struct pb_view_ops none = *ops;

	none.owner = nobody;
	v->ops = &none;
	pb_view_dirty_all(v);
	pb_view_flush(v);
	v->ops = ops;
}

void pb_view_stats(const struct pb_view *v, struct pb_view_stats *ret)
{
	*ret = (struct pb_view_stats){
		.nodes = (unsigned)v->nodes.n,
		.apps = (unsigned)v->apps.n - v->failed,
		.endpoints = v->n_eps - v->waiting,
		.services = v->services,
		.failed = v->failed,
		.waiting = v->waiting,
		.changes = v->changes,
	};
}
