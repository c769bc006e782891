/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What another node may say.  Whatever is refused here touches that record alone. */
#include <patchbay/addr.h>

#include "check.h"
#include "cluster_internal.h"

struct other {
	const struct tbl_id *id;
	const struct pb_addr *loc;
	bool taken;
};

static bool has_locator(void *arg, const struct tbl_owner *o, const struct tbl_record *r,
			enum tbl_fate fate)
{
	struct other *t = arg;

	if (fate != TBL_SHOWN || r->kind != TBL_NODE || tbl_id_eq(&o->id, t->id))
		return true;
	t->taken |= pb_addr_eq(&r->node.loc4, t->loc) || pb_addr_eq(&r->node.loc6, t->loc);
	return !t->taken;
}

static const char *locator(struct pb_cluster *c, const struct tbl_owner *o,
			   const struct pb_addr *loc, const struct pb_addr *member)
{
	struct other t = { &o->id, loc, false };

	if (pb_addr_is_zero(loc))
		return NULL;
	if (pb_addr_unfit(loc))
		return "its address cannot be one of a node";
	if (pb_agent_in_pool(c->agent, loc))
		return "its address is a virtual one";
	if (pb_addr_is_v4(loc) == pb_addr_is_v4(member) && !pb_addr_eq(loc, member))
		return "its address is not the one it gossips from";
	for (unsigned i = 0; i < c->file.n_addresses; i++)
		if (pb_addr_eq(loc, &c->file.address[i]))
			return "its address is this node's";
	tbl_each(c->table, NULL, false, has_locator, &t);
	return t.taken ? "its address is another node's" : NULL;
}

static const char *node_allowed(struct pb_cluster *c, const struct tbl_owner *o,
				const struct tbl_node *n)
{
	const struct pb_member_node *m = pb_cluster_member(c, &o->id);
	struct pb_addr member;
	const char *why;

	if (!m || !pb_cluster_pb_addr(&m->addr, &member))
		return "it is no member";
	if (!pb_addr_is_zero(&n->loc4) && !pb_addr_is_v4(&n->loc4))
		return "its IPv4 address is none";
	if (!pb_addr_is_zero(&n->loc6) && pb_addr_is_v4(&n->loc6))
		return "its IPv6 address is none";
	why = locator(c, o, &n->loc4, &member);
	return why ? why : locator(c, o, &n->loc6, &member);
}

/* By what the configuration lets that node say.  An address from the pool that nobody asked for
 * comes with the name. */
static const char *granted(struct pb_cluster *c, const char *node, const struct tbl_app *a)
{
	const struct pb_addr *vip[] = { &a->vip4, &a->vip6 };
	struct pb_addr ips[2];
	unsigned n = 0;

	for (unsigned i = 0; i < 2; i++)
		if (!pb_addr_is_zero(vip[i]) &&
		    (!(a->flags & TBL_APP_AUTO) || !pb_agent_in_pool(c->agent, vip[i])))
			ips[n++] = *vip[i];
	return pb_config_announce_why_not(c->agent->conf, node, a->name[0] == '~' ? NULL : a->name,
					  ips, n, &a->tags);
}

static const char *app_allowed(struct pb_cluster *c, const char *node, const struct tbl_app *a)
{
	const struct pb_addr *vip[] = { &a->vip4, &a->vip6 };
	bool named = a->name[0] != '~', any = false;

	if (named && !pb_name_valid(a->name))
		return "an application has a name that none can have";
	if (named && a->id64 != pb_registry_id(c->agent->registry, a->name))
		return "the id of an application was made for another cluster";
	for (unsigned i = 0; i < 2; i++) {
		if (pb_addr_is_zero(vip[i]))
			continue;
		any = true;
		if (pb_addr_unfit(vip[i]) || pb_addr_is_v4(vip[i]) != !i)
			return "an application has an address that none can have";
		for (unsigned k = 0; k < c->file.n_addresses; k++)
			if (pb_addr_eq(vip[i], &c->file.address[k]))
				return "an application has the address of this node";
	}
	if (named != any)
		return "an application has a name without an address, or the other way round";
	for (unsigned i = 0; i < a->tags.n; i++)
		if (pb_tag_check(a->tags.tag[i], NULL))
			return "an application has a tag that none can have";
	return granted(c, node, a);
}

const char *pb_cluster_allowed(void *arg, const struct tbl_owner *o, const struct tbl_record *r)
{
	struct pb_cluster *c = arg;

	if (o->self)
		return NULL;
	if (r->kind == TBL_NODE)
		return node_allowed(c, o, &r->node);
	return r->kind == TBL_APP ? app_allowed(c, o->name, &r->app) : NULL;
}
