/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "view.h"

#include <limits.h>

#include <patchbay/addr.h>

#include "event_json.h"
#include "util.h"

#define SERVICE_NAMES 16 /* different names shown for one service */

char *pb_ref_format(uint64_t ref, char buf[20])
{
	snprintf(buf, 20, "%llx", (unsigned long long)ref);
	return buf;
}

int pb_view_endpoints_of(struct pb_agent *a, const struct pb_svc_key *k, const struct pb_service *s,
			 int (*fn)(uint32_t index, const struct pb_endpoint *ep, void *arg),
			 void *arg)
{
	for (unsigned i = 0; i < PB_SLOTS; i++) {
		struct pb_endpoint ep;
		int err;

		if (!(s->live[i / 64] & (1ULL << (i % 64))) || !s->slot[i] ||
		    pb_maps_get_endpoint(a->maps, s->slot[i], &ep))
			continue;
		if (ep.state == PB_EP_FREE || ep.port != k->port || ep.proto != k->proto)
			continue;
		err = fn(s->slot[i], &ep, arg);
		if (err)
			return err;
	}
	return 0;
}

static const char *app_name(const struct pb_agent *a, uint64_t ref)
{
	const struct pb_app_rec *r = pb_registry_by_ref(a->registry, ref);

	return r ? r->app.name : NULL;
}

/* ---- services ---- */

struct service_view {
	struct pb_agent *agent;
	json_t *list, *names;
	unsigned endpoints;
};

static int count_endpoint(uint32_t index, const struct pb_endpoint *ep, void *arg)
{
	struct service_view *v = arg;
	const char *name = app_name(v->agent, ep->app);
	size_t i;
	json_t *n;

	(void)index;
	v->endpoints++;
	if (!name || json_array_size(v->names) >= SERVICE_NAMES)
		return 0;
	json_array_foreach (v->names, i, n)
		if (!strcmp(json_string_value(n), name))
			return 0;
	return json_array_append_new(v->names, json_string(name)) ? -ENOMEM : 0;
}

/* Name of the first application of a port namespace. */
static json_t *owner_of(const struct pb_agent *a, uint64_t ns)
{
	const struct pb_app_rec *r;
	size_t pos = 0;

	while (ns && (r = pb_registry_next(a->registry, &pos)))
		if (r->app.ns == ns)
			return json_string(r->app.name);
	return json_null();
}

static int add_service(const struct pb_svc_key *k, const struct pb_service *s, void *arg)
{
	struct service_view *v = arg;
	char addr[64];
	json_t *o;

	v->endpoints = 0;
	v->names = json_array();
	/* without an endpoint it is only not yet collected */
	if (pb_view_endpoints_of(v->agent, k, s, count_endpoint, v) || !v->endpoints) {
		json_decref(v->names);
		return 0;
	}
	o = json_pack("{s:s, s:i, s:s, s:o, s:i, s:o}", "address",
		      pb_addr_format(&k->addr, addr, sizeof(addr)), "port", ntohs(k->port), "proto",
		      pb_proto_name(k->proto), "names", v->names, "endpoints", (int)v->endpoints,
		      "loopback_of", owner_of(v->agent, k->ns));
	return json_array_append_new(v->list, o) ? -ENOMEM : 0;
}

json_t *pb_view_services(struct pb_agent *a)
{
	struct service_view v = { .agent = a, .list = json_array() };

	if (!v.list || pb_maps_each_service(a->maps, add_service, &v)) {
		json_decref(v.list);
		return NULL;
	}
	return v.list;
}

/* ---- endpoints ---- */

struct endpoint_view {
	struct pb_agent *agent;
	const struct pb_target *target;
	json_t *list;
	uint64_t *seen; /* bitmap over endpoint indexes: one endpoint may serve several keys */
	size_t seen_bits;
	bool loopback; /* this pass: keys of loopback */
	const struct pb_svc_key *key;
	char node[HOST_NAME_MAX + 1];
};

static json_t *real_of(const struct pb_endpoint *ep)
{
	const struct pb_addr *loc[] = { &ep->loc4, &ep->loc6 };
	json_t *list = json_array();
	char text[64];

	for (unsigned i = 0; i < ARRAY_SIZE(loc); i++)
		if (!pb_addr_is_zero(loc[i]))
			json_array_append_new(list, json_string(pb_addr_port_format(
							    loc[i], ep->real, text, sizeof(text))));
	return list;
}

static int add_endpoint(uint32_t index, const struct pb_endpoint *ep, void *arg)
{
	struct endpoint_view *v = arg;
	char addr[64], ref[20];
	json_t *o;

	if (index >= v->seen_bits || (v->seen[index / 64] & (1ULL << (index % 64))))
		return 0;
	v->seen[index / 64] |= 1ULL << (index % 64);
	o = json_pack("{s:i, s:s?, s:s, s:s, s:s, s:i, s:s, s:o, s:s, s:i, s:I, s:i, s:i, s:I}",
		      "id", (int)index, "app", app_name(v->agent, ep->app), "ref",
		      pb_ref_format(ep->app, ref), "node", v->node, "address",
		      pb_addr_format(&v->key->addr, addr, sizeof(addr)), "port", ntohs(ep->port),
		      "proto", pb_proto_name(ep->proto), "real", real_of(ep), "state",
		      ep->state == PB_EP_DRAIN ? "drain" : "up", "live",
		      ep->live > 0 ? ep->live : 0, "total", (json_int_t)ep->total, "sockets",
		      (int)ep->sockets, "weight", (int)ep->weight, "cookie",
		      (json_int_t)ep->cookie);
	return json_array_append_new(v->list, o) ? -ENOMEM : 0;
}

static int add_endpoints(const struct pb_svc_key *k, const struct pb_service *s, void *arg)
{
	struct endpoint_view *v = arg;
	const struct pb_target *t = v->target;

	if ((k->ns != 0) != v->loopback)
		return 0;
	if (t && ((t->port && t->port != k->port) || !pb_target_has(v->agent, t, &k->addr)))
		return 0;
	v->key = k;
	return pb_view_endpoints_of(v->agent, k, s, add_endpoint, v);
}

json_t *pb_view_service_endpoints(struct pb_agent *a, const struct pb_target *t)
{
	struct endpoint_view v = { .agent = a, .target = t, .list = json_array() };
	uint32_t used, max = 0;
	int err;

	v.seen_bits = pb_maps_usage(a->maps, "pb_endpoints", &used, &max) || !max ? 65536 : max;
	v.seen = calloc(v.seen_bits / 64 + 1, sizeof(v.seen[0]));
	gethostname(v.node, sizeof(v.node) - 1);
	err = v.seen && v.list ? 0 : -ENOMEM;
	/* virtual addresses first: they name an endpoint better than its loopback key */
	if (!err)
		err = pb_maps_each_service(a->maps, add_endpoints, &v);
	v.loopback = true;
	if (!err)
		err = pb_maps_each_service(a->maps, add_endpoints, &v);
	free(v.seen);
	if (!err)
		return v.list;
	json_decref(v.list);
	return NULL;
}
