/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "view.h"

#include <patchbay/addr.h>

#include "cluster.h"
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
	json_t *list;
	json_t *known; /* key as text -> what is in the list */
	/* of the service at hand */
	json_t *names, *nodes;
	unsigned endpoints;
	char self[PB_NODE_NAME_LEN];
};

/* In order, each once. */
static int add_word(json_t *list, const char *word)
{
	size_t i, n = json_array_size(list);

	if (!word || n >= SERVICE_NAMES)
		return 0;
	for (i = 0; i < n; i++) {
		int d = strcmp(json_string_value(json_array_get(list, i)), word);

		if (!d)
			return 0;
		if (d > 0)
			break;
	}
	return json_array_insert_new(list, i, json_string(word)) ? -ENOMEM : 0;
}

static int count_endpoint(uint32_t index, const struct pb_endpoint *ep, void *arg)
{
	struct service_view *v = arg;
	bool remote = index & PB_EP_REMOTE;

	v->endpoints++;
	if (add_word(v->nodes, remote ? pb_view_node_of(v->agent, index, ep) : v->self))
		return -ENOMEM;
	return add_word(v->names, app_name(v->agent, ep->app));
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

static void key_text(const struct pb_svc_key *k, char *buf, size_t len)
{
	char addr[64];

	snprintf(buf, len, "%s %u %u %llx", pb_addr_format(&k->addr, addr, sizeof(addr)), k->port,
		 k->proto, (unsigned long long)k->ns);
}

static json_t *new_service(const struct service_view *v, const struct pb_svc_key *k)
{
	char addr[64];

	return json_pack("{s:s, s:i, s:s, s:O, s:i, s:o, s:O}", "address",
			 pb_addr_format(&k->addr, addr, sizeof(addr)), "port", ntohs(k->port),
			 "proto", pb_proto_name(k->proto), "names", v->names, "endpoints",
			 (int)v->endpoints, "loopback_of", owner_of(v->agent, k->ns), "nodes",
			 v->nodes);
}

/* What was counted becomes an item; without an endpoint it is only not yet collected. */
static int end_service(struct service_view *v, const struct pb_svc_key *k, json_t *o, int err)
{
	char text[128];

	if (!err && o) {
		err = json_object_set_new(o, "endpoints", json_integer(v->endpoints));
	} else if (!err && v->endpoints) {
		o = new_service(v, k);
		key_text(k, text, sizeof(text));
		err = json_object_set(v->known, text, o) || json_array_append_new(v->list, o);
	}
	json_decref(v->names);
	json_decref(v->nodes);
	return err ? -ENOMEM : 0;
}

static int add_service(const struct pb_svc_key *k, const struct pb_service *s, void *arg)
{
	struct service_view *v = arg;

	v->endpoints = 0;
	v->names = json_array();
	v->nodes = json_array();
	return end_service(v, k, NULL, pb_view_endpoints_of(v->agent, k, s, count_endpoint, v));
}

static int add_rservice(const struct pb_svc_key *k, const struct pb_rservice *s, void *arg)
{
	struct service_view *v = arg;
	char text[128];
	json_t *o;

	key_text(k, text, sizeof(text));
	o = json_object_get(v->known, text);
	v->endpoints = (unsigned)json_integer_value(json_object_get(o, "endpoints"));
	v->names = o ? json_incref(json_object_get(o, "names")) : json_array();
	v->nodes = o ? json_incref(json_object_get(o, "nodes")) : json_array();
	return end_service(v, k, o, pb_view_remotes_of(v->agent, k, s, count_endpoint, v));
}

json_t *pb_view_services(struct pb_agent *a)
{
	struct service_view v = { .agent = a, .list = json_array(), .known = json_object() };
	int err = v.list && v.known ? 0 : -ENOMEM;

	pb_view_self(a, v.self, sizeof(v.self));
	if (!err)
		err = pb_maps_each_service(a->maps, add_service, &v);
	if (!err)
		err = pb_maps_each_rservice(a->maps, add_rservice, &v);
	json_decref(v.known);
	if (!err)
		return v.list;
	json_decref(v.list);
	return NULL;
}

/* ---- endpoints ---- */

struct endpoint_view {
	struct pb_agent *agent;
	const struct pb_target *target;
	json_t *list;
	/* bitmaps over the indexes, own and remote: one endpoint may serve several keys */
	uint64_t *seen[2];
	size_t seen_bits[2];
	bool loopback; /* this pass: keys of loopback */
	const struct pb_svc_key *key;
	char self[PB_NODE_NAME_LEN];
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

/* Is it the first time?  Remembers it. */
static bool is_new(struct endpoint_view *v, uint32_t index)
{
	bool remote = index & PB_EP_REMOTE;
	uint64_t bit = 1ULL << (index % 64);

	index &= ~PB_EP_REMOTE;
	if (index >= v->seen_bits[remote] || (v->seen[remote][index / 64] & bit))
		return false;
	v->seen[remote][index / 64] |= bit;
	return true;
}

static const char *state_of(struct endpoint_view *v, uint32_t index, const struct pb_endpoint *ep)
{
	if (index & PB_EP_REMOTE)
		return pb_view_remote_state(v->agent, index, ep);
	return ep->state == PB_EP_DRAIN ? "drain" : "up";
}

/* One endpoint may serve several addresses: the one that was asked for, else IPv4's. */
static const struct pb_addr *shown(const struct endpoint_view *v, const struct pb_endpoint *ep)
{
	bool asked = v->target && !v->target->name[0];

	if (asked || v->loopback || !(ep->cls & PB_CLS_V4_VIP) || pb_addr_is_zero(&ep->vip4))
		return &v->key->addr;
	return &ep->vip4;
}

static int add_endpoint(uint32_t index, const struct pb_endpoint *ep, void *arg)
{
	struct endpoint_view *v = arg;
	bool remote = index & PB_EP_REMOTE;
	char addr[64], ref[20];
	json_t *o;

	if (!is_new(v, index))
		return 0;
	o = json_pack(
		"{s:I, s:s?, s:s, s:s, s:s, s:i, s:s, s:o, s:s, s:i, s:I, s:i, s:i, s:I, s:b}",
		"id", (json_int_t)index, "app", app_name(v->agent, ep->app), "ref",
		pb_ref_format(ep->app, ref), "node",
		remote ? pb_view_node_of(v->agent, index, ep) : v->self, "address",
		pb_addr_format(shown(v, ep), addr, sizeof(addr)), "port", ntohs(ep->port), "proto",
		pb_proto_name(ep->proto), "real", real_of(ep), "state", state_of(v, index, ep),
		"live", ep->live > 0 ? ep->live : 0, "total", (json_int_t)ep->total, "sockets",
		(int)ep->sockets, "weight", (int)ep->weight, "cookie",
		(json_int_t)(remote ? 0 : ep->cookie), "remote", remote);
	return json_array_append_new(v->list, o) ? -ENOMEM : 0;
}

/* Are endpoints of that service asked for, in this pass? */
static bool asked_for(struct endpoint_view *v, const struct pb_svc_key *k)
{
	const struct pb_target *t = v->target;

	if ((k->ns != 0) != v->loopback)
		return false;
	v->key = k;
	return !t || ((!t->port || t->port == k->port) && pb_target_has(v->agent, t, &k->addr));
}

static int add_endpoints(const struct pb_svc_key *k, const struct pb_service *s, void *arg)
{
	struct endpoint_view *v = arg;

	return asked_for(v, k) ? pb_view_endpoints_of(v->agent, k, s, add_endpoint, v) : 0;
}

static int add_remotes(const struct pb_svc_key *k, const struct pb_rservice *s, void *arg)
{
	struct endpoint_view *v = arg;

	return asked_for(v, k) ? pb_view_remotes_of(v->agent, k, s, add_endpoint, v) : 0;
}

static int walk(struct endpoint_view *v)
{
	int err = 0;

	/* virtual addresses first: they name an endpoint better than its loopback key */
	for (unsigned pass = 0; pass < 2 && !err; pass++) {
		v->loopback = pass;
		err = pb_maps_each_service(v->agent->maps, add_endpoints, v);
		if (!err)
			err = pb_maps_each_rservice(v->agent->maps, add_remotes, v);
	}
	return err;
}

json_t *pb_view_service_endpoints(struct pb_agent *a, const struct pb_target *t)
{
	struct endpoint_view v = { .agent = a, .target = t, .list = json_array() };
	uint32_t used, max = 0;
	int err;

	v.seen_bits[0] = pb_maps_usage(a->maps, "pb_endpoints", &used, &max) || !max ? 65536 : max;
	v.seen_bits[1] = pb_maps_remotes_max();
	for (unsigned i = 0; i < 2; i++)
		v.seen[i] = calloc(v.seen_bits[i] / 64 + 1, sizeof(v.seen[i][0]));
	pb_view_self(a, v.self, sizeof(v.self));
	err = v.seen[0] && v.seen[1] && v.list ? walk(&v) : -ENOMEM;
	free(v.seen[0]);
	free(v.seen[1]);
	if (!err)
		return v.list;
	json_decref(v.list);
	return NULL;
}
