/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Servers that the service table has: a memcached started with `patchbay run` joins its ring by itself,
 * on this node or on another one, if policy lets the service reach it. */
#include <patchbay/addr.h>
#include <patchbay/siphash.h>

#include "check.h"
#include "cluster.h"
#include "event_json.h"
#include "memcached_internal.h"
#include "util.h"
#include "view.h"

struct finding {
	struct mc_run *r;
	const struct mcs_backend *b;
	struct mct_server *ret;
	unsigned n, max;
	bool far; /* one of them is on another node */
};

/* ---- may it be one? ------------------------------------------------------ */

/* Another node knows this one's datagrams by what pb_hello_out sends before them. */
static const char *far_why_not(const struct mc_run *r)
{
	const struct mcs_service *c = r->m->conf;
	const struct pb_agent *a = r->all->agent;
	struct pb_addr at;

	if (!(a->kernel.flags & PB_CFG_PEERS_UDP))
		return "no datagrams go to other nodes: see 'patchbay cluster'";
	if (!pb_cluster_locator(a, pb_addr_is_v4(&c->vip), &at))
		return "this node has no address of that family for the others";
	if (!pb_addr_is_zero(&c->source) && !pb_addr_eq(&c->source, &at))
		return "'source' is not the address that the others know this node by";
	for (unsigned i = 0; i < c->n_devices; i++)
		if (c->device[i].mode == MCS_XDP)
			return "'devices' asks for XDP, which sends nothing to tell the other node "
			       "whose datagrams these are";
	return NULL;
}

static const char *why_not(struct finding *f, uint32_t index, const struct pb_endpoint *ep)
{
	const struct pb_agent *a = f->r->all->agent;
	const struct pb_app_rec *self = mc_self_rec(f->r);
	const struct pb_app_rec *app = pb_registry_by_ref(a->registry, ep->app);
	const char *why = index & PB_EP_REMOTE ? far_why_not(f->r) : NULL;
	uint32_t reason;

	if (why)
		return why;
	if (!self || !app)
		return "its application is not known any more";
	reason = pb_check_pair(a, self, app, ep->port, PB_PROTO_UDP);
	if (reason == PB_R_DENY_UNTAGGED && !f->r->m->conf->n_tags)
		return "policy: the service has no tags (key 'tags'), so it reaches nobody";
	if (pb_reason_refuses(reason))
		return pb_reason_text(reason);
	if (f->r->m->conf->dsr == MCS_L2 && reason != PB_R_AUDIT && reason != PB_R_ALLOW_MODE_OFF)
		return "dsr l2 leaves requests their clients' addresses, and those are let in by "
		       "audit and off only";
	return NULL;
}

static void leave_out(struct finding *f, const struct mct_server *s, const char *why)
{
	char text[64];

	json_array_append_new(f->r->left,
			      json_pack("{s:s, s:s, s:s}", "server",
					pb_addr_port_format(&s->addr, s->port, text, sizeof(text)),
					"app", s->of, "why", why));
}

/* ---- all of them --------------------------------------------------------- */

static bool known(const struct finding *f, const struct mct_server *s)
{
	for (unsigned i = 0; i < f->n; i++)
		if (f->ret[i].port == s->port && pb_addr_eq(&f->ret[i].addr, &s->addr))
			return true;
	return false;
}

/*
 * Where it is asked.  One of this node that is bound to all addresses, as in a cluster, answers from the
 * one that the question came from: the service's own.
 */
static struct pb_addr address(const struct finding *f, uint32_t index, const struct pb_endpoint *ep)
{
	const struct mcs_service *c = f->r->m->conf;
	bool v4 = pb_addr_is_v4(&c->vip);
	struct pb_addr own = c->source;

	if (!((index & PB_EP_REMOTE) | (ep->hints & PB_EP_LOCAL)) &&
	    (pb_addr_is_zero(&own) ? pb_cluster_locator(f->r->all->agent, v4, &own)
				   : pb_cluster_on(f->r->all->agent)))
		return own;
	return v4 ? ep->loc4 : ep->loc6;
}

static int add(uint32_t index, const struct pb_endpoint *ep, void *arg)
{
	struct finding *f = arg;
	bool v4 = pb_addr_is_v4(&f->r->m->conf->vip);
	struct mct_server s;
	const char *why;

	if (ep->state != PB_EP_UP || f->n == f->max || pb_addr_is_zero(v4 ? &ep->loc4 : &ep->loc6))
		return 0;
	memset(&s, 0, sizeof(s)); /* it is hashed */
	s.used = true;
	s.gutter = f->b->gutter;
	s.weight = f->b->weight;
	s.addr = address(f, index, ep);
	s.port = ep->real;
	snprintf(s.of, sizeof(s.of), "%s", f->b->service);
	if (known(f, &s)) /* it has an address of each family */
		return 0;
	why = why_not(f, index, ep);
	if (why) {
		leave_out(f, &s, why);
		return 0;
	}
	f->ret[f->n++] = s;
	f->far |= !!(index & PB_EP_REMOTE);
	return 0;
}

static bool asked_for(struct finding *f, const struct pb_svc_key *k)
{
	struct pb_target t = { .port = f->b->port };

	snprintf(t.name, sizeof(t.name), "%s", f->b->service);
	return !k->ns && k->proto == PB_PROTO_UDP && (!t.port || t.port == k->port) &&
	       pb_target_has(f->r->all->agent, &t, &k->addr);
}

static int each(const struct pb_svc_key *k, const struct pb_service *svc, void *arg)
{
	struct finding *f = arg;

	return asked_for(f, k) ? pb_view_endpoints_of(f->r->all->agent, k, svc, add, f) : 0;
}

static int each_far(const struct pb_svc_key *k, const struct pb_rservice *svc, void *arg)
{
	struct finding *f = arg;

	return asked_for(f, k) ? pb_view_remotes_of(f->r->all->agent, k, svc, add, f) : 0;
}

static int by_address(const void *x, const void *y)
{
	const struct mct_server *a = x, *b = y;
	int d = memcmp(&a->addr, &b->addr, sizeof(a->addr));

	return d ? d : memcmp(&a->port, &b->port, sizeof(a->port));
}

unsigned mc_found(struct mc_run *r, struct mct_server *ret, unsigned max)
{
	struct finding f = { .r = r, .ret = ret, .max = max };
	struct pb_maps *maps = r->all->agent->maps;

	json_decref(r->left);
	r->left = json_array();
	for (unsigned i = 0; i < r->m->conf->n_backends; i++) {
		f.b = &r->m->conf->backend[i];
		if (!*f.b->service)
			continue;
		pb_maps_each_service(maps, each, &f);
		if (pb_cluster_on(r->all->agent))
			pb_maps_each_rservice(maps, each_far, &f);
	}
	qsort(ret, f.n, sizeof(*ret), by_address); /* maps have no order */
	if (max > 1)
		r->far = f.far;
	return f.n;
}

bool mc_found_changed(struct mc_run *r)
{
	static const uint8_t key[PB_SIPHASH_KEY_LEN];
	_cleanup_free_ struct mct_server *found = NULL;
	bool any = false;
	unsigned n;

	for (unsigned i = 0; i < r->m->conf->n_backends; i++)
		any |= *r->m->conf->backend[i].service != '\0';
	found = any ? calloc(PB_MC_SERVERS_MAX, sizeof(*found)) : NULL;
	if (!found)
		return false;
	n = mc_found(r, found, PB_MC_SERVERS_MAX);
	return pb_siphash24(key, found, (uint32_t)(n * sizeof(*found))) != r->found;
}
