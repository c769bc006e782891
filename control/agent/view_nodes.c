/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The cluster, its nodes and its keys as JSON. */
#include "cluster.h"
#include "event_json.h"
#include "events.h"
#include "util.h"
#include "view.h"

static json_t *addresses_json(const struct pb_addr *addr, unsigned n)
{
	json_t *list = json_array();
	char text[64];

	for (unsigned i = 0; i < n && i < PB_APP_IPS; i++)
		json_array_append_new(list,
				      json_string(pb_addr_format(&addr[i], text, sizeof(text))));
	return list;
}

/* "a,b" -> ["a","b"] */
static json_t *split_json(const char *text)
{
	json_t *list = json_array();

	while (*text) {
		size_t n = strcspn(text, ",");

		if (n)
			json_array_append_new(list, json_stringn(text, n));
		text += n + (text[n] == ',');
	}
	return list;
}

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static json_t *node_json(const struct pb_node_view *v)
{
	bool self = v->state == PB_NODE_SELF;
	char since[40] = "";

	if (v->seen_ns) {
		pb_time_format((int64_t)v->seen_ns + pb_wall_offset_ns(), since, sizeof(since));
		strcpy(since + 19, "Z"); /* seconds will do */
	}
	return json_pack("{s:s, s:o, s:b, s:s, s:o, s:i, s:o, s:i, s:i, s:o, s:b, s:b, s:o, s:o}",
			 "name", v->name, "id", text_or_null(v->id), "self", self, "state",
			 pb_node_state_name(self ? PB_NODE_ALIVE : v->state), "addresses",
			 addresses_json(v->address, v->n_addresses), "port", (int)v->port,
			 "version", text_or_null(v->version), "apps", (int)v->apps, "endpoints",
			 (int)v->endpoints, "since", text_or_null(since), "signs", v->signs,
			 "behind", v->behind, "quarantine", text_or_null(v->quarantine), "keys",
			 split_json(v->keys));
}

json_t *pb_view_nodes(struct pb_agent *a)
{
	_cleanup_free_ struct pb_node_view *nodes = NULL;
	json_t *list = json_array();
	size_t n = 0;

	if (pb_cluster_nodes(a, &nodes, &n)) {
		json_decref(list);
		return NULL;
	}
	for (size_t i = 0; list && i < n; i++)
		if (json_array_append_new(list, node_json(&nodes[i]))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *key_json(const struct pb_cluster_key *k)
{
	char until[40] = "";

	if (k->until_s) {
		pb_time_format(k->until_s * 1000000000, until, sizeof(until));
		strcpy(until + 19, "Z");
	}
	return json_pack("{s:s, s:b, s:i, s:i, s:o, s:o, s:I}", "id", k->id, "primary", k->primary,
			 "nodes", (int)k->members, "alive", (int)k->alive, "missing",
			 split_json(k->missing), "until", text_or_null(until), "messages",
			 (json_int_t)k->messages);
}

json_t *pb_view_keys(struct pb_agent *a)
{
	struct pb_cluster_key keys[PB_CLUSTER_KEYS];
	int n = pb_cluster_keys(a, keys);
	json_t *list = json_array();

	for (int i = 0; list && i < n; i++)
		json_array_append_new(list, key_json(&keys[i]));
	return list;
}

static json_t *table_json(const struct pb_cluster_status *s)
{
	return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:b, s:o, s:o, s:i}",
			 "apps", (int)s->apps, "endpoints", (int)s->endpoints, "remote_apps",
			 (int)s->remote_apps, "remote_endpoints", (int)s->remote_endpoints,
			 "quarantined", (int)s->quarantined, "conflicts", (int)s->conflicts,
			 "epoch", (json_int_t)s->epoch, "version", (json_int_t)s->version,
			 "applied", (json_int_t)s->applied, "refused", (json_int_t)s->refused,
			 "frozen", s->frozen, "frozen_why", text_or_null(s->frozen_why), "error",
			 text_or_null(s->error), "seeds", (int)s->seeds);
}

static json_t *news_json(const struct pb_cluster_status *s)
{
	return json_pack("{s:o, s:i, s:i, s:i, s:I}", "hash", text_or_null(s->hash), "owners",
			 (int)s->owners, "behind", (int)s->behind, "backlog", (int)s->backlog,
			 "sent_at_once", (json_int_t)s->sent_at_once);
}

/* Null: it signs nothing. */
static json_t *signing_json(const struct pb_cluster_status *s)
{
	char until[40];

	if (!s->signs)
		return json_null();
	pb_time_format((int64_t)(s->cert_until_ms * 1000000), until, sizeof(until));
	strcpy(until + 19, "Z");
	return json_pack("{s:s, s:s}", "ca", s->ca_id, "until", until);
}

json_t *pb_view_cluster(struct pb_agent *a)
{
	struct pb_cluster_status s = { .state = PB_CLUSTER_ALONE };
	json_t *o, *table;

	pb_cluster_status(a, &s);
	o = json_pack("{s:s, s:s, s:s, s:o, s:o, s:i, s:s, s:s, s:b, s:o, s:b, s:{s:i, s:i, s:i}}",
		      "state", pb_cluster_state_name(s.state), "cluster", s.cluster, "node", s.node,
		      "id", text_or_null(s.id), "addresses",
		      addresses_json(s.address, s.n_addresses), "port", (int)s.port, "pool",
		      s.serf ? "serf" : "patchbay", "profile", s.profile ? s.profile : "",
		      "encrypted", s.encrypted, "devices", split_json(s.devices), "verified",
		      s.verified, "members", "alive", (int)s.alive, "suspect", (int)s.suspect,
		      "dead", (int)s.dead);
	table = table_json(&s);
	if (o && table)
		json_object_update(o, table);
	json_decref(table);
	if (!o)
		return NULL;
	json_object_set_new(o, "table", news_json(&s));
	json_object_set_new(o, "identity", json_string(s.checks ? "signed" : "shared"));
	json_object_set_new(o, "certificate", signing_json(&s));
	json_object_set_new(o, "keys", pb_view_keys(a));
	return o;
}
