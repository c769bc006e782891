/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `drain`: endpoints of this node take no new connections, from nowhere.  Those of another node are
 * that node's to drain: who owns a record alone writes it.
 */
#include "cluster.h"
#include "ops.h"
#include "request.h"
#include "util.h"
#include "view.h"

struct drain {
	struct pb_agent *agent;
	const char *app;
	uint64_t ref;	   /* 0: by name, or any */
	uint32_t endpoint; /* 0: any */
	uint8_t state;	   /* enum pb_ep_state: what they become */
	bool changed;
	uint64_t *seen; /* bitmap: one endpoint may serve several keys */
	unsigned n;
	long long live;
};

static bool wanted(const struct drain *d, uint32_t index, const struct pb_endpoint *ep)
{
	const struct pb_app_rec *r;

	if (d->endpoint)
		return index == d->endpoint;
	if (d->ref)
		return ep->app == d->ref;
	r = d->app ? pb_registry_by_ref(d->agent->registry, ep->app) : NULL;
	return !d->app || (r && !strcmp(r->app.name, d->app));
}

static int set(uint32_t index, const struct pb_endpoint *ep, void *arg)
{
	struct drain *d = arg;
	int err;

	if (!wanted(d, index, ep) || (d->seen[index / 64] & (1ULL << (index % 64))))
		return 0;
	d->seen[index / 64] |= 1ULL << (index % 64);
	if (ep->state != d->state) {
		err = pb_maps_set_endpoint_state(d->agent->maps, index, d->state);
		if (err == -ENOENT) /* withdrawn meanwhile */
			return 0;
		if (err)
			return err;
		d->changed = true;
	}
	d->n++;
	d->live += ep->live > 0 ? ep->live : 0;
	return 0;
}

static int each(const struct pb_svc_key *k, const struct pb_service *s, void *arg)
{
	struct drain *d = arg;

	return pb_view_endpoints_of(d->agent, k, s, set, d);
}

/* Whose endpoints are meant; they must be this node's. */
static int parse(struct pb_op_ctx *c, struct drain *d)
{
	const char *node = pb_request_string(c->req, "node");
	const char *app = pb_request_string(c->req, "app");
	long endpoint = pb_request_int(c->req, "endpoint", 0);
	char self[PB_NODE_NAME_LEN];
	unsigned long long ref;

	if (!!node + !!app + !!endpoint != 1)
		return pb_op_fail(c, -EINVAL, "one of node, app and endpoint must be given");
	pb_view_self(c->agent, self, sizeof(self));
	if (node && strcmp(node, self) != 0)
		return pb_op_fail(c, -EXDEV,
				  "this is node %.64s: endpoints are drained on the node that has "
				  "them",
				  self);
	d->endpoint = (uint32_t)endpoint;
	d->app = app;
	if (app && !pb_registry_by_name(c->agent->registry, app) && !pb_ref_parse(app, &ref))
		d->ref = ref;
	return 0;
}

static int none(struct pb_op_ctx *c, const struct drain *d)
{
	if (d->endpoint)
		return pb_op_fail(c, -ENOENT, "this node has no endpoint %u", d->endpoint);
	if (d->app)
		return pb_op_fail(c, -ENOENT, "%.64s has no endpoint on this node", d->app);
	return 0;
}

int pb_op_drain(struct pb_op_ctx *c)
{
	bool undo = pb_request_bool(c->req, "undo");
	struct drain d = { .agent = c->agent, .state = undo ? PB_EP_UP : PB_EP_DRAIN };
	uint32_t used, max = 65536;
	int err = parse(c, &d);

	if (err)
		return err;
	pb_maps_usage(c->agent->maps, "pb_endpoints", &used, &max);
	d.seen = calloc(max / 64 + 1, sizeof(d.seen[0]));
	err = d.seen ? pb_maps_each_service(c->agent->maps, each, &d) : -ENOMEM;
	free(d.seen);
	if (d.changed)
		pb_cluster_changed(c->agent, true);
	if (err)
		return pb_op_fail(c, err, "the endpoints cannot all be changed: %s",
				  strerror(-err));
	if (!d.n && none(c, &d))
		return -ENOENT;
	json_object_set_new(c->out, "endpoints", json_integer(d.n));
	return json_object_set_new(c->out, "live", json_integer(d.live)) ? -ENOMEM : 0;
}
