/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Applications of other nodes.  They claim what local ones do, by the same rules; here only what
 * becomes of a record that is there already. */
#include <patchbay/addr.h>

#include "../util.h"
#include "internal.h"
#include "registry.h"

static void rec_freep(struct rec **n)
{
	reg_free(*n);
}

static bool same_ips(const struct pb_app *a, const struct pb_claim_req *req)
{
	struct pb_addr vip4 = { 0 }, vip6 = { 0 };

	for (unsigned i = 0; i < req->n_ips; i++)
		*(pb_addr_is_v4(&req->ips[i]) ? &vip4 : &vip6) = req->ips[i];
	return pb_addr_eq(&a->vip4, &vip4) && pb_addr_eq(&a->vip6, &vip6);
}

/* Does it stay what it was, but for the address given to its name later? */
static bool same(const struct rec *had, const struct rec *n, const struct pb_claim_req *req,
		 const char *name, const struct pb_remote_app *app)
{
	const uint32_t keep = PB_APP_NAMED | PB_APP_TAGGED | PB_APP_LOCAL_DENY;

	return had->node && !strcmp(had->node, app->node) && !strcmp(had->pub.app.name, name) &&
	       had->pub.app.id == app->id && same_ips(&had->pub.app, req) &&
	       had->pub.app.mode == n->pub.app.mode &&
	       (had->pub.app.flags & keep) == (n->pub.app.flags & keep) &&
	       !memcmp(&had->pub.tags, &n->pub.tags, sizeof(n->pub.tags));
}

static int put_new(struct pb_registry *r, const struct pb_remote_app *app,
		   const struct pb_claim_req *req, const char *name, struct rec **n,
		   const struct pb_app_rec **ret, char err[PB_ERR_LEN])
{
	struct ident *i;
	int e = reg_reserve(r, err);

	if (!e)
		e = groups_get(r, &(*n)->pub.tags, (*n)->pub.app.grp, err);
	if (e)
		return e;
	e = ident_for(r, req, name, app->id, &i, err);
	if (e) {
		groups_put(r, (*n)->pub.app.grp);
		return e;
	}
	if (app->given && TAILQ_EMPTY(&i->recs))
		i->given = true;
	*ret = reg_commit(r, TAKE_PTR(*n), i);
	return 0;
}

/* Takes @old out, tries the new one, and puts @old back where that does not work. */
static int replace(struct pb_registry *r, uint64_t ref, const struct pb_remote_app *app,
		   const struct pb_claim_req *req, const char *name, struct rec **n,
		   const struct pb_app_rec **ret, char err[PB_ERR_LEN])
{
	const struct rec *had = reg_find(r, ref);
	struct pb_app_rec old = had->pub;
	_cleanup_free_ char *node = strdup(had->node ? had->node : "");
	int e;

	if (!node)
		return pb_fail(err, -ENOMEM, "no memory for another application");
	pb_registry_release(r, ref);
	e = put_new(r, app, req, name, n, ret, err);
	if (e && reg_adopt(r, &old, node))
		log_warn("application %s of node %s is lost", old.app.name, node);
	return e;
}

int pb_registry_remote_put(struct pb_registry *r, const struct pb_remote_app *app,
			   const struct pb_app_rec **ret, bool *ret_changed, char err[PB_ERR_LEN])
{
	_cleanup_(rec_freep) struct rec *n = calloc(1, sizeof(*n));
	struct rec *had = reg_find(r, app->ref);
	char name[PB_NAME_LEN];
	struct pb_claim_req req;
	int e;

	if (!n || !(n->node = strdup(app->node)))
		return pb_fail(err, -ENOMEM, "no memory for another application");
	e = claim_remote(r, app, &req, name, n, err);
	if (e)
		return e;
	*ret_changed = false;
	if (had && same(had, n, &req, name, app)) {
		*ret = &had->pub;
		return 0;
	}
	e = had ? replace(r, app->ref, app, &req, name, &n, ret, err)
		: put_new(r, app, &req, name, &n, ret, err);
	*ret_changed = !e;
	return e;
}

int pb_registry_remote_adopt(struct pb_registry *r, const struct pb_app_rec *rec, const char *node)
{
	return rec->ref & PB_REF_REMOTE ? reg_adopt(r, rec, node) : -EINVAL;
}

const char *pb_registry_node(const struct pb_registry *r, uint64_t ref)
{
	const struct rec *n = reg_find(r, ref);

	return n ? n->node : NULL;
}

size_t pb_registry_remotes(const struct pb_registry *r)
{
	return r->n_remote;
}

void pb_registry_set_spread(struct pb_registry *r, bool on)
{
	r->spread = on;
}
