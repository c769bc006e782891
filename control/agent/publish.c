/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Registry records into the maps.  The application's own entry comes last and goes first: it is
 * what makes the kernel programs look at the rest. */
#include <patchbay/addr.h>

#include "agent.h"
#include "cluster.h"
#include "util.h"

static int put_groups(struct pb_agent *a, const struct pb_app *app)
{
	for (uint32_t bit = 0; bit < PB_GROUPS_MAX; bit++) {
		struct pb_group g = { { 0 } };
		const char *name;
		int err;

		if (!(app->grp[bit / 64] & (1ULL << (bit % 64))))
			continue;
		name = pb_registry_group(a->registry, bit);
		if (name)
			snprintf(g.name, sizeof(g.name), "%s", name);
		err = pb_maps_put_group(a->maps, bit, &g);
		if (err)
			return err;
	}
	return 0;
}

/* What pb_addrs should say of @addr, as the registry has it now. */
static int put_addr(struct pb_agent *a, const struct pb_addr *addr)
{
	struct pb_vip v = { 0 };
	const struct pb_app_rec *first;

	if (pb_addr_is_zero(addr))
		return 0;
	v.ns = pb_registry_ns_of(a->registry, addr);
	if (!v.ns)
		return pb_maps_del_addr(a->maps, addr);
	first = pb_registry_by_addr(a->registry, addr);
	if (first)
		memcpy(v.name, first->app.name, sizeof(v.name));
	return pb_maps_put_addr(a->maps, addr, &v);
}

static int put_egress(struct pb_agent *a, const struct pb_app_rec *rec)
{
	struct pb_egress_entry e[PB_EGRESS_ITEMS + 1];
	unsigned n;

	if (rec->app.egress != PB_EGRESS_LIST)
		return 0;
	n = pb_egress_compile(rec, e);
	for (unsigned i = 0; i < n; i++) {
		int err = pb_maps_put_egress(a->maps, &e[i].key, &e[i].val);

		if (err)
			return err;
	}
	return 0;
}

void pb_unpublish_egress(struct pb_agent *a, const struct pb_app_rec *rec)
{
	struct pb_egress_entry e[PB_EGRESS_ITEMS + 1];
	unsigned n;
	int err = 0;

	if (rec->app.egress != PB_EGRESS_LIST)
		return;
	n = pb_egress_compile(rec, e);
	for (unsigned i = 0; i < n; i++)
		err |= pb_maps_del_egress(a->maps, &e[i].key);
	/* adopted without its list: only the map knows it */
	if (!n)
		err = pb_maps_clear_egress(a->maps, &rec->ref, 1);
	if (err)
		log_debug("egress entries of %s cannot be removed", rec->app.name);
}

int pb_publish(struct pb_agent *a, const struct pb_app_rec *rec)
{
	int err = put_addr(a, &rec->app.vip4);

	if (!err)
		err = put_addr(a, &rec->app.vip6);
	if (!err)
		err = put_groups(a, &rec->app);
	if (!err)
		err = put_egress(a, rec);
	if (!err)
		err = pb_maps_put_app(a->maps, rec->ref, &rec->app, &rec->tags);
	return err;
}

int pb_publish_all(struct pb_agent *a)
{
	const struct pb_app_rec *rec;
	size_t pos = 0;

	while ((rec = pb_registry_next(a->registry, &pos))) {
		int err = pb_publish(a, rec);

		if (err)
			return err;
	}
	return 0;
}

static void free_groups(struct pb_agent *a, const struct pb_app *app)
{
	static const struct pb_group none;

	for (uint32_t bit = 0; bit < PB_GROUPS_MAX; bit++)
		if ((app->grp[bit / 64] & (1ULL << (bit % 64))) &&
		    !pb_registry_group(a->registry, bit))
			pb_maps_put_group(a->maps, bit, &none);
}

void pb_unpublish_rest(struct pb_agent *a, const struct pb_app *old)
{
	put_addr(a, &old->vip4);
	put_addr(a, &old->vip6);
	free_groups(a, old);
}

void pb_withdraw(struct pb_agent *a, uint64_t ref)
{
	const struct pb_app_rec *rec = pb_registry_by_ref(a->registry, ref);
	struct pb_app app;
	int err = pb_maps_del_app(a->maps, ref);

	if (err)
		log_warn("cannot remove application %llx from the maps: %s",
			 (unsigned long long)ref, strerror(-err));
	if (!rec)
		return;
	app = rec->app;
	pb_unpublish_egress(a, rec);
	pb_registry_release(a->registry, ref);
	pb_unpublish_rest(a, &app);
	if (!(ref & PB_REF_REMOTE))
		pb_cluster_changed(a, false);
}
