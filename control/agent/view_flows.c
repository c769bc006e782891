/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live connections as JSON. */
#include "flows.h"
#include "loader.h"
#include "util.h"
#include "view.h"

static bool is_app(const struct pb_agent *a, const struct pb_flow_ask *q, uint64_t ref)
{
	const struct pb_app_rec *r;

	if (q->ref)
		return ref == q->ref;
	r = ref ? pb_registry_by_ref(a->registry, ref) : NULL;
	return r && !strcmp(r->app.name, q->name);
}

static bool has_app(const struct pb_agent *a, const struct pb_flow_ask *q,
		    const struct pb_flow_pair *p)
{
	if (!q->ref && !q->name)
		return true;
	return is_app(a, q, pb_flow_ref(p, PB_SPL_CLIENT)) ||
	       (!q->dest && is_app(a, q, pb_flow_ref(p, PB_SPL_SERVER)));
}

static bool goes_to(const struct pb_agent *a, const struct pb_target *t,
		    const struct pb_flow_pair *p)
{
	struct pb_addr addr;
	__be16 port;

	if (!t)
		return true;
	pb_flow_shown(p, PB_SPL_SERVER, &addr, &port);
	if (t->port && t->port != port)
		return false;
	if (t->name[0] &&
	    is_app(a, &(struct pb_flow_ask){ .name = t->name }, pb_flow_ref(p, PB_SPL_SERVER)))
		return true;
	return pb_target_has(a, t, &addr);
}

static bool wanted(const struct pb_agent *a, const struct pb_flow_ask *q,
		   const struct pb_flow_pair *p)
{
	if (q->spliced && !pb_flow_way(p, PB_SPL_CLIENT).spliced &&
	    !pb_flow_way(p, PB_SPL_SERVER).spliced)
		return false;
	return has_app(a, q, p) && goes_to(a, q->dest, p);
}

static int add_flows(const struct pb_agent *a, const struct pb_flow_ask *q,
		     const struct pb_flow_pair *p, size_t n, bool cut, json_t *into)
{
	json_t *list = json_array();
	size_t total = 0;

	for (size_t i = 0; list && i < n; i++) {
		if (!wanted(a, q, &p[i]))
			continue;
		if (total++ < q->limit &&
		    json_array_append_new(list, pb_flow_json(&p[i], a->registry))) {
			json_decref(list);
			return -ENOMEM;
		}
	}
	if (json_object_set_new(into, "flows", list) ||
	    json_object_set_new(into, "total", json_integer((json_int_t)total)) ||
	    json_object_set_new(into, "truncated", json_boolean(cut || total > q->limit)))
		return -ENOMEM;
	return 0;
}

int pb_view_flows(struct pb_agent *a, const struct pb_flow_ask *q, json_t *into)
{
	_cleanup_free_ struct pb_flow *recs = NULL;
	_cleanup_free_ struct pb_flow_pair *pairs = NULL;
	size_t n_recs = 0, n = 0;
	int err, cut = pb_loader_flows(a->loader, &recs, &n_recs);

	if (cut < 0)
		return cut;
	err = pb_flows_join(recs, n_recs, &pairs, &n);
	return err ? err : add_flows(a, q, pairs, n, cut, into);
}
