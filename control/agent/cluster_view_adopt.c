/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an earlier agent wrote stays, until the records that say so, or otherwise, are here. */
#include <errno.h>

#include <patchbay/addr.h>

#include "cluster_view_internal.h"

static struct vnode *node(struct pb_view *v, uint64_t number)
{
	struct vnode *n = vnode_get(v, number);

	if (n)
		n->adopted = n->dirty = true;
	return n;
}

int pb_view_adopt_peer(struct pb_view *v, const struct pb_addr *loc, uint64_t number)
{
	struct vnode *n = node(v, number);

	if (!n)
		return -ENOMEM;
	n->peer[pb_addr_is_v4(loc) ? 0 : 1] = *loc;
	n->rekey = true; /* the secret may be another one now */
	return 0;
}

int pb_view_adopt_app(struct pb_view *v, const struct pb_member_key *k, uint64_t ref,
		      const struct pb_app *app)
{
	struct vnode *n = node(v, k->node);
	struct vapp *a = n ? vapp_get(v, n, ref) : NULL;

	if (!a)
		return -ENOMEM;
	a->member = *k;
	a->here = true;
	a->ns = app->ns;
	a->vip4 = app->vip4;
	a->vip6 = app->vip6;
	memcpy(a->name, app->name, sizeof(a->name));
	return 0;
}

int pb_view_adopt_remote(struct pb_view *v, uint32_t index, const struct pb_endpoint *ep)
{
	struct vapp *a = vapp_find(v, ep->app);
	struct vep *e;

	if (!index || index >= v->indices)
		return -EINVAL;
	vindex_adopt(v, index);
	if (!a || a->node->number != ep->cookie || vep_find(v, ep)) {
		vindex_give(v, index);
		return -ENOENT;
	}
	e = vep_new(v, a, ep);
	if (!e)
		return -ENOMEM;
	e->index = index;
	e->gen = ep->gen;
	v->waiting--;
	return vsvc_link(v, e);
}

int pb_view_adopt_rservice(struct pb_view *v, const struct pb_svc_key *k)
{
	return vsvc_get(v, k) ? 0 : -ENOMEM;
}

void pb_view_keep(struct pb_view *v, bool on)
{
	v->keep = on;
	if (!on)
		pb_view_dirty_all(v);
}
