/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A restart: what the earlier agent knew of others stays in force, in the maps and here. */
#include <patchbay/addr.h>

#include "cluster_internal.h"

static int find_member(const struct pb_member_key *k, const struct pb_member *m, void *arg)
{
	struct pb_cluster *c = arg;
	size_t room = c->room_adopt ? c->room_adopt * 2 : 64;
	struct pb_adopt_member *more;

	if (!k->node) /* cluster_nat.c */
		return 0;
	if (c->n_adopt == c->room_adopt) {
		more = reallocarray(c->adopt, room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		c->adopt = more;
		c->room_adopt = room;
	}
	c->adopt[c->n_adopt++] = (struct pb_adopt_member){ .ref = m->ref, .key = *k };
	return 0;
}

static int by_ref(const void *x, const void *y)
{
	const struct pb_adopt_member *a = x, *b = y;

	return a->ref < b->ref ? -1 : a->ref > b->ref;
}

static struct pb_adopt_member *member_of(struct pb_cluster *c, uint64_t ref)
{
	struct pb_adopt_member key = { .ref = ref };

	return c->n_adopt ? bsearch(&key, c->adopt, c->n_adopt, sizeof(key), by_ref) : NULL;
}

/* ---- nothing of it is wanted ---------------------------------------------- */

struct keys {
	struct pb_agent *a;
	char *key; /* collected first: a walk must not lose its place */
	size_t n, room;
};

static int collect(struct keys *k, const void *key, size_t size)
{
	size_t room = k->room ? k->room * 2 : 64;
	char *more;

	if (k->n == k->room) {
		more = reallocarray(k->key, room, size);
		if (!more)
			return -ENOMEM;
		k->key = more;
		k->room = room;
	}
	memcpy(k->key + k->n++ * size, key, size);
	return 0;
}

static int collect_member(const struct pb_member_key *k, const struct pb_member *m, void *arg)
{
	(void)m;
	return collect(arg, k, sizeof(*k));
}

static int collect_peer(const struct pb_addr *loc, const struct pb_peer *p, void *arg)
{
	(void)p;
	return collect(arg, loc, sizeof(*loc));
}

static int collect_rservice(const struct pb_svc_key *k, const struct pb_rservice *s, void *arg)
{
	(void)s;
	return collect(arg, k, sizeof(*k));
}

static int free_remote(uint32_t index, const struct pb_endpoint *ep, void *arg)
{
	struct pb_agent *a = arg;

	(void)ep;
	return pb_maps_free_remote(a->maps, index);
}

int pb_cluster_wipe(struct pb_agent *a)
{
	struct keys s = { .a = a }, m = { .a = a }, p = { .a = a };
	int err = pb_maps_each_rservice(a->maps, collect_rservice, &s);

	for (size_t i = 0; i < s.n; i++)
		pb_maps_del_rservice(a->maps, (struct pb_svc_key *)s.key + i);
	if (!err)
		err = pb_maps_each_remote(a->maps, free_remote, a);
	if (!err)
		err = pb_maps_each_member(a->maps, collect_member, &m);
	for (size_t i = 0; i < m.n; i++)
		pb_maps_del_member(a->maps, (struct pb_member_key *)m.key + i);
	if (!err)
		err = pb_maps_each_peer(a->maps, collect_peer, &p);
	for (size_t i = 0; i < p.n; i++)
		pb_maps_del_peer(a->maps, (struct pb_addr *)p.key + i);
	free(s.key);
	free(m.key);
	free(p.key);
	return err;
}

/* ---- adoption ------------------------------------------------------------- */

int pb_cluster_adopt_begin(struct pb_agent *a)
{
	struct pb_cluster *c = a->cluster;
	struct pb_endpoint first = { .gen = 0 };
	int err;

	if (!c->on)
		return 0;
	/* the first index is the first to be given out: if it never was, none was */
	pb_maps_get_remote(a->maps, 1, &first);
	err = pb_view_new(&c->view, &pb_cluster_sink, c, pb_maps_remotes_max(), first.gen != 0);
	if (!err)
		err = pb_maps_each_member(a->maps, find_member, c);
	if (c->n_adopt)
		qsort(c->adopt, c->n_adopt, sizeof(c->adopt[0]), by_ref);
	return err;
}

static const char *name_of(const struct pb_cluster *c, uint64_t number, char buf[20])
{
	for (unsigned i = 0; i < c->file.n_known; i++) {
		struct tbl_id id;

		memcpy(id.b, c->file.known[i].id, sizeof(id.b));
		if (tbl_number(&id) == number)
			return c->file.known[i].name;
	}
	snprintf(buf, 20, "%llx", (unsigned long long)number);
	return buf;
}

int pb_cluster_adopt_app(struct pb_agent *a, uint64_t ref, const struct pb_app *app,
			 const struct pb_tags *tags)
{
	struct pb_cluster *c = a->cluster;
	struct pb_adopt_member *m = c->on ? member_of(c, ref) : NULL;
	struct pb_app_rec rec = { .ref = ref, .app = *app, .tags = *tags };
	char number[20];
	int err;

	if (!m)
		return -ENOENT;
	if (m->taken)
		return 0; /* the walk may show an entry twice */
	err = pb_registry_remote_adopt(a->registry, &rec, name_of(c, m->key.node, number));
	if (!err)
		err = pb_view_adopt_app(c->view, &m->key, ref, app);
	m->taken = !err;
	c->held |= m->taken;
	return err;
}

static int adopt_peer(const struct pb_addr *loc, const struct pb_peer *p, void *arg)
{
	struct pb_addr nat[] = { pb_nat_addr(p->node, 0), pb_nat_addr(p->node, 1) };
	struct pb_cluster *c = arg;

	if (pb_addr_eq(loc, &nat[0]) || pb_addr_eq(loc, &nat[1]))
		return 0;
	c->held = true;
	return pb_view_adopt_peer(c->view, loc, p->node);
}

static int adopt_remote(uint32_t index, const struct pb_endpoint *ep, void *arg)
{
	struct pb_cluster *c = arg;
	int err = pb_view_adopt_remote(c->view, index, ep);

	if (err == -ENOENT || err == -EINVAL)
		return pb_maps_free_remote(c->agent->maps, index);
	return err;
}

static int adopt_rservice(const struct pb_svc_key *k, const struct pb_rservice *s, void *arg)
{
	struct pb_cluster *c = arg;

	(void)s;
	return pb_view_adopt_rservice(c->view, k);
}

int pb_cluster_adopt_end(struct pb_agent *a)
{
	struct pb_cluster *c = a->cluster;
	int err;

	if (!c->on)
		return pb_cluster_wipe(a);
	err = pb_maps_each_peer(a->maps, adopt_peer, c);
	if (!err)
		err = pb_maps_each_remote(a->maps, adopt_remote, c);
	if (!err)
		err = pb_maps_each_rservice(a->maps, adopt_rservice, c);
	for (size_t i = 0; i < c->n_adopt; i++) {
		const struct pb_adopt_member *m = &c->adopt[i];

		if (m->taken) {
			pb_cluster_nat_member(c, &m->key, m->ref);
			continue;
		}
		pb_cluster_nat_member_off(c, &m->key);
		pb_maps_del_member(a->maps, &m->key);
	}
	free(TAKE_PTR(c->adopt));
	c->n_adopt = c->room_adopt = 0;
	return err;
}
