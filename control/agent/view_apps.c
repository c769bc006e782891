/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Applications, and the agent itself, as JSON. */
#include <fcntl.h>

#include <patchbay/addr.h>

#include "cgroup.h"
#include "event_json.h"
#include "scope.h"
#include "util.h"
#include "view.h"

#define PIDS_MAX 65536 /* processes counted of one scope */

static const char *const mode_names[] = { "enforce", "audit", "off" };
static const char *const egress_names[] = { "all", "none", "list" };

const char *pb_mode_name(unsigned mode)
{
	return mode < ARRAY_SIZE(mode_names) ? mode_names[mode] : "?";
}

int pb_mode_parse(const char *text)
{
	for (unsigned i = 0; i < ARRAY_SIZE(mode_names); i++)
		if (!strcmp(text, mode_names[i]))
			return (int)i;
	return -EINVAL;
}

json_t *pb_view_ips(const struct pb_app *app)
{
	/* a program without a name is seen by its link-local identity */
	bool named = app->flags & PB_APP_NAMED;
	const struct pb_addr *ips[] = { named ? &app->vip4 : &app->ll4,
					named ? &app->vip6 : &app->ll6 };
	json_t *list = json_array();
	char text[64];

	for (unsigned i = 0; i < ARRAY_SIZE(ips); i++)
		if (!pb_addr_is_zero(ips[i]))
			json_array_append_new(
				list, json_string(pb_addr_format(ips[i], text, sizeof(text))));
	return list;
}

static json_t *tags_of(const struct pb_tags *t)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < t->n && i < PB_TAGS_MAX; i++)
		json_array_append_new(list,
				      json_stringn(t->tag[i], strnlen(t->tag[i], PB_TAG_LEN)));
	return list;
}

static json_t *egress_of(const struct pb_app_rec *r)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *f;

	if (r->app.egress != PB_EGRESS_LIST)
		return json_string(r->app.egress < 2 ? egress_names[r->app.egress] : "?");
	f = open_memstream(&text, &len);
	if (!f)
		return NULL;
	for (unsigned i = 0; i < r->n_egress; i++) {
		const struct pb_egress_item *e = &r->egress[i];
		bool v4 = pb_cidr_is_v4(&e->net, e->bits);
		bool bracket = !v4 && e->port;
		char addr[64];

		fprintf(f, "%s%s%s/%u%s", i ? "," : "", bracket ? "[" : "",
			pb_addr_format(&e->net, addr, sizeof(addr)), v4 ? e->bits - 96 : e->bits,
			bracket ? "]" : "");
		if (e->port)
			fprintf(f, ":%u", ntohs(e->port));
	}
	fclose(f);
	return json_string(text);
}

static json_t *app_json(struct pb_agent *a, const struct pb_app_rec *r)
{
	const struct pb_scope *s = pb_scope_find(a, r->ref);
	char ref[20], id[20], since[40];
	unsigned pids = 0;

	if (s)
		pids = pb_cgroup_pids(s->configured ? AT_FDCWD : a->cgroup_fd, s->name, PIDS_MAX);
	pb_time_format((s ? s->since : 0) * 1000000000, since, sizeof(since));
	since[19] = 'Z';
	since[20] = '\0';
	return json_pack("{s:s, s:s, s:s, s:s?, s:o, s:o, s:s, s:o, s:s, s:s, s:s?, s:b, s:b, s:i, "
			 "s:I, s:s}",
			 "ref", pb_ref_format(r->ref, ref), "name", r->app.name, "id",
			 pb_ref_format(r->app.id, id), "scope", s ? s->name : NULL, "ips",
			 pb_view_ips(&r->app), "tags", tags_of(&r->tags), "mode",
			 pb_mode_name(r->app.mode), "egress", egress_of(r), "local",
			 r->app.flags & PB_APP_LOCAL_DENY ? "deny" : "allow", "splice",
			 pb_splice_name(pb_splice_of(r->app.flags)), "splice_set",
			 r->splice ? pb_splice_name(r->splice) : NULL, "named",
			 !!(r->app.flags & PB_APP_NAMED), "quarantined",
			 !!(r->app.flags & PB_APP_QUARANTINED), "pids", (int)pids, "uid",
			 (json_int_t)r->uid, "since", since);
}

json_t *pb_view_apps(struct pb_agent *a)
{
	const struct pb_app_rec *r;
	json_t *list = json_array();
	size_t pos = 0;

	/* scopes of this host; those of others are their nodes' to show */
	while (list && (r = pb_registry_next(a->registry, &pos)))
		if (!(r->ref & PB_REF_REMOTE) && json_array_append_new(list, app_json(a, r))) {
			json_decref(list);
			return NULL;
		}
	return list;
}
