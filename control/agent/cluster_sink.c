/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the view writes: the registry, the maps, and sockets that are in the way. */
#include <openssl/crypto.h>

#include <patchbay/addr.h>

#include "cluster_internal.h"

static bool owner(void *arg, uint64_t number, struct tbl_owner *ret)
{
	struct pb_cluster *c = arg;

	return c->table && tbl_owner_by_number(c->table, number, ret) && !ret->self;
}

struct each {
	void (*fn)(void *arg, const struct tbl_record *r);
	void *arg;
};

static bool each_one(void *arg, const struct tbl_owner *o, const struct tbl_record *r,
		     enum tbl_fate fate)
{
	struct each *e = arg;

	(void)o;
	if (fate == TBL_SHOWN)
		e->fn(e->arg, r);
	return true;
}

static void each(void *arg, const struct tbl_id *id,
		 void (*fn)(void *fn_arg, const struct tbl_record *r), void *fn_arg)
{
	struct pb_cluster *c = arg;
	struct each e = { fn, fn_arg };

	tbl_each(c->table, id, false, each_one, &e);
}

static uint64_t now_ns(void *arg)
{
	(void)arg;
	return pb_now_ns();
}

/* ---- applications -------------------------------------------------------- */

static int app_put(void *arg, const struct pb_remote_app *app, struct pb_app *ret,
		   char err[PB_ERR_LEN])
{
	struct pb_cluster *c = arg;
	struct pb_agent *a = c->agent;
	const struct pb_app_rec *had = pb_registry_by_ref(a->registry, app->ref), *rec;
	struct pb_app old = { .flags = 0 };
	bool changed = false;
	int e;

	if (had)
		old = had->app;
	e = pb_registry_remote_put(a->registry, app, &rec, &changed, err);
	if (e)
		return e;
	*ret = rec->app;
	if (!changed)
		return 0;
	e = pb_publish(a, rec);
	if (e) {
		pb_withdraw(a, app->ref);
		return pb_fail(err, e, "it cannot be written to the kernel: %s", strerror(-e));
	}
	if (had)
		pb_unpublish_rest(a, &old);
	return 0;
}

static void app_del(void *arg, uint64_t ref)
{
	struct pb_cluster *c = arg;

	pb_withdraw(c->agent, ref);
}

static void trouble(void *arg, const char *node, const char *app, const char *err)
{
	struct pb_cluster *c = arg;

	if (err)
		pb_cluster_warn(c, "'%s' of node %s is not used here: %s", app, node, err);
	else
		log_info("'%s' of node %s is used again", app, node);
}

/* ---- nodes --------------------------------------------------------------- */

static int peer_put(void *arg, const struct pb_addr *loc, const struct tbl_id *id)
{
	struct pb_cluster *c = arg;
	const struct pb_cluster_file *f = &c->file;
	struct pb_peer p = { .node = tbl_number(id) };
	int err = pb_syn_key(f->n_keys ? &f->keys[0] : NULL, f->id, id->b, (uint64_t *)p.out);

	for (unsigned i = 0; !err && i < PB_PEER_KEYS; i++)
		if (i < f->n_keys || !i)
			err = pb_syn_key(f->n_keys ? &f->keys[i] : NULL, id->b, f->id,
					 (uint64_t *)p.in[i]);
	if (!err)
		err = pb_cluster_nat_peer(c, loc, &p);
	if (!err)
		err = pb_maps_put_peer(c->agent->maps, loc, &p);
	OPENSSL_cleanse(&p, sizeof(p));
	return err;
}

static int peer_del(void *arg, const struct pb_addr *loc)
{
	struct pb_cluster *c = arg;

	pb_cluster_nat_peer_off(c, loc);
	return pb_maps_del_peer(c->agent->maps, loc);
}

static int member_put(void *arg, const struct pb_member_key *k, uint64_t ref)
{
	struct pb_cluster *c = arg;

	int err = pb_cluster_nat_member(c, k, ref);

	return err ? err : pb_maps_put_member(c->agent->maps, k, ref);
}

static int member_del(void *arg, const struct pb_member_key *k)
{
	struct pb_cluster *c = arg;

	pb_cluster_nat_member_off(c, k);
	return pb_maps_del_member(c->agent->maps, k);
}

/* ---- endpoints ----------------------------------------------------------- */

static int remote_put(void *arg, uint32_t index, const struct pb_endpoint *ep, uint32_t *ret_gen)
{
	struct pb_cluster *c = arg;
	struct pb_endpoint now = { .gen = 0 };
	int err = pb_maps_put_remote(c->agent->maps, index, ep);

	if (!err)
		err = pb_maps_get_remote(c->agent->maps, index, &now);
	if (!err)
		*ret_gen = now.gen;
	return err;
}

static int remote_set(void *arg, uint32_t index, const struct pb_endpoint *ep)
{
	struct pb_cluster *c = arg;

	return pb_maps_set_remote(c->agent->maps, index, ep);
}

static int remote_free(void *arg, uint32_t index)
{
	struct pb_cluster *c = arg;

	return pb_maps_free_remote(c->agent->maps, index);
}

static int rservice_put(void *arg, const struct pb_svc_key *k, const struct pb_rservice *s)
{
	struct pb_cluster *c = arg;

	return pb_maps_put_rservice(c->agent->maps, k, s);
}

static int rservice_del(void *arg, const struct pb_svc_key *k)
{
	struct pb_cluster *c = arg;

	return pb_maps_del_rservice(c->agent->maps, k);
}

void pb_cluster_gone_flush(struct pb_cluster *c)
{
	int err = c->gone_n ? pb_destroy_for(c->agent, c->gone, c->gone_n) : 0;

	if (err && err != -EOPNOTSUPP)
		log_debug("sockets of endpoints that are gone: %s", strerror(-err));
	c->gone_n = 0;
}

static void gone(void *arg, uint32_t index, uint32_t gen, bool node_dead)
{
	struct pb_cluster *c = arg;

	if (c->gone_n == ARRAY_SIZE(c->gone))
		pb_cluster_gone_flush(c);
	c->gone[c->gone_n++] = (struct pb_gone){
		.ep = index | PB_EP_REMOTE,
		.gen = gen,
		.what = node_dead ? PB_GONE_NODE : PB_GONE_SOCKET,
	};
}

const struct pb_view_ops pb_cluster_sink = {
	.owner = owner,
	.each = each,
	.now_ns = now_ns,
	.app_put = app_put,
	.app_del = app_del,
	.peer_put = peer_put,
	.peer_del = peer_del,
	.member_put = member_put,
	.member_del = member_del,
	.remote_put = remote_put,
	.remote_set = remote_set,
	.remote_free = remote_free,
	.rservice_put = rservice_put,
	.rservice_del = rservice_del,
	.gone = gone,
	.trouble = trouble,
};
