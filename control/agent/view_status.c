/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `patchbay status` as JSON. */
#include <patchbay/names.h>

#include "event_json.h"
#include "loader.h"
#include "memcached.h"
#include "scope.h"
#include "util.h"
#include "view.h"

static json_t *links_json(struct pb_agent *a)
{
	_cleanup_free_ struct pb_link_state *links = NULL;
	json_t *list = json_array();
	size_t n = 0;

	if (pb_loader_links_of(a->loader, &links, &n))
		return list;
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:b, s:b}", "name", links[i].name, "alive",
						links[i].alive, "current", links[i].current));
	return list;
}

/* A map that is nearly full is named before it is full. */
#define FULL_PERCENT 90

static json_t *maps_json(struct pb_agent *a, json_t *warnings)
{
	static const char *const names[] = {
#define PB_X(name, max) #name,
		PB_MAPS(PB_X)
#undef PB_X
	};
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		uint32_t used, max;
		char text[96];

		if (pb_maps_usage(a->maps, names[i], &used, &max))
			continue;
		json_array_append_new(list,
				      json_pack("{s:s, s:I, s:I}", "name", names[i], "entries",
						(json_int_t)used, "max", (json_int_t)max));
		/* small maps and the free list are full by design */
		if (max < 1024 || !strcmp(names[i], "pb_ep_free") ||
		    !strcmp(names[i], "pb_endpoints") || !strcmp(names[i], "pb_groups") ||
		    (uint64_t)used * 100 < (uint64_t)max * FULL_PERCENT)
			continue;
		snprintf(text, sizeof(text), "map %s holds %u of %u entries", names[i], used, max);
		json_array_append_new(warnings,
				      json_pack("{s:s, s:s}", "code", "map-full", "text", text));
	}
	return list;
}

static json_t *reasons_json(const uint64_t stats[_PB_R_MAX])
{
	json_t *o = json_object();

	for (unsigned i = 1; i < _PB_R_MAX; i++)
		json_object_set_new(o, pb_reason_name(i), json_integer((json_int_t)stats[i]));
	return o;
}

static json_t *dns_json(struct pb_agent *a)
{
	struct pb_names_stats s = { 0 };

	if (a->names)
		pb_names_stats(a->names, &s);
	return json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "enabled", a->names != NULL,
			 "queries", (json_int_t)(s.queries_udp + s.queries_tcp), "inside",
			 (json_int_t)(s.answered + s.nodata + s.nxdomain), "forwarded",
			 (json_int_t)s.forwarded, "refused", (json_int_t)s.egress_refused,
			 "audited", (json_int_t)s.egress_audited, "failed",
			 (json_int_t)(s.lookup_failed + s.no_resolver + s.unreachable + s.timeouts +
				      s.overflow + s.pool_answers + s.zone_answers +
				      s.bad_answers));
}

/* Whether connections can be spliced now, and why not. */
static json_t *splice_json(struct pb_agent *a)
{
	unsigned node = a->conf->agent.splice;
	bool available = pb_loader_splice(a->loader);
	const char *why = pb_splice_why_not_now(a);

	if (!why && !(a->kernel.flags & PB_CFG_SPLICE))
		why = "pb_config cannot be written";
	return json_pack("{s:b, s:b, s:s, s:b, s:I, s:s?}", "available", available, "allowed", !why,
			 "default", pb_splice_name(node == PB_SPLICE_UNSET ? PB_SPLICE_OFF : node),
			 "blind", a->fionread == PB_PROBE_MISSING, "services",
			 (json_int_t)a->conf->n_services, "why", why);
}

static json_t *warnings_json(const struct pb_agent *a)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < _PB_W_MAX; i++)
		if (a->warnings & (1u << i))
			json_array_append_new(list,
					      json_pack("{s:s, s:s}", "code", pb_warning_code(i),
							"text", pb_warning_text(i)));
	return list;
}

static json_int_t count_apps(const struct pb_agent *a)
{
	const struct pb_app_rec *r;
	json_int_t n = 0;
	size_t pos = 0;

	while ((r = pb_registry_next(a->registry, &pos)))
		n += !(r->ref & PB_REF_REMOTE);
	return n;
}

static json_int_t length_and_free(json_t *list)
{
	json_int_t n = (json_int_t)json_array_size(list);

	json_decref(list);
	return n;
}

json_t *pb_view_status(struct pb_agent *a)
{
	uint64_t stats[_PB_R_MAX] = { 0 };
	json_t *warnings = warnings_json(a), *maps = maps_json(a, warnings);

	pb_maps_stats(a->maps, stats);
	return json_pack("{s:s, s:i, s:I, s:I, s:s, s:s, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:o, "
			 "s:o, s:o, s:o, s:o}",
			 "version", PB_VERSION, "pid", (int)getpid(), "uptime_s",
			 (json_int_t)((pb_now_ns() - a->start_ns) / 1000000000), "generation",
			 (json_int_t)a->kernel.gen, "mode", pb_mode_name(a->kernel.mode),
			 "cgroup_root", a->cgroup, "bpffs", a->bpffs, "links", links_json(a),
			 "maps", maps, "apps", count_apps(a), "services",
			 length_and_free(pb_view_services(a)), "endpoints",
			 length_and_free(pb_view_service_endpoints(a, NULL)), "events_lost",
			 (json_int_t)stats[PB_R_EVENT_LOST], "reasons", reasons_json(stats), "dns",
			 dns_json(a), "splice", splice_json(a), "memcached",
			 pb_view_memcached_sum(a), "warnings", warnings);
}
