/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "check.h"

#include <patchbay/addr.h>
#include <patchbay/policy.h>

#include "cluster.h"
#include "event_json.h"
#include "request.h"
#include "util.h"

/* The evaluator's view of the rules: one thread, set for the time of one call. */
static const struct pb_rule *rules_now;
static uint32_t rules_bank;

pb_inline const struct pb_rule *pb_rule_at(__u32 index)
{
	return index / PB_RULES_MAX == rules_bank ? &rules_now[index % PB_RULES_MAX] : NULL;
}

/* *ret_strict: what it would be without regard to the mode. */
static uint32_t evaluate(const struct pb_agent *a, const struct pb_app_rec *c,
			 const struct pb_app_rec *s, __be16 port, uint8_t proto,
			 uint32_t *ret_strict)
{
	struct pb_policy_in in = { .client = &c->app,
				   .server = &s->app,
				   .self = c->ref == s->ref,
				   .mode = a->kernel.mode,
				   .bank = a->kernel.bank,
				   .port = port,
				   .proto = proto };

	rules_bank = a->kernel.bank;
	rules_now = pb_registry_rules(a->registry, rules_bank);
	*ret_strict =
		pb_policy_strict(in.client, in.server, (int)in.self, port, proto, a->kernel.bank);
	return pb_policy(&in);
}

uint32_t pb_check_pair(const struct pb_agent *a, const struct pb_app_rec *c,
		       const struct pb_app_rec *s, __be16 port, uint8_t proto)
{
	uint32_t strict;

	return evaluate(a, c, s, port, proto, &strict);
}

/* The first rule of the deciding kind that matches, as the evaluator found it. */
static const char *rule_text(const struct pb_agent *a, const struct pb_app_rec *c,
			     const struct pb_app_rec *s, __be16 port, uint8_t proto, bool allow)
{
	uint32_t bank = a->kernel.bank;
	const struct pb_rule *rules = pb_registry_rules(a->registry, bank);

	for (unsigned r = 0; r < PB_RULES_MAX; r++) {
		uint64_t bit = 1ULL << (r % 64);

		if (rules[r].used && rules[r].allow == allow &&
		    (c->app.from[bank][r / 64] & s->app.to[bank][r / 64] & bit) &&
		    (!rules[r].port || rules[r].port == port) &&
		    (!rules[r].proto || rules[r].proto == proto))
			return pb_registry_rule_text(a->registry, bank, r);
	}
	return NULL;
}

struct search {
	struct pb_agent *agent;
	const struct pb_app_rec *src;
	const char *name; /* of the target, or NULL: endpoints of others do not count */
	struct pb_verdict *best;
	bool any;
	bool allowed;
	bool second; /* this pass over remote endpoints: those that are chosen last */
};

/* An allowed server wins over a refusing one: that is what the kernel's pick amounts to. */
static void consider(struct search *s, const struct pb_app_rec *server, uint32_t ep, __be16 port,
		     uint8_t proto)
{
	uint32_t strict, r = evaluate(s->agent, s->src, server, port, proto, &strict);
	bool allowed = pb_policy_allows(r);

	if (s->allowed || (s->any && !allowed))
		return;
	s->any = true;
	s->allowed = allowed;
	s->best->reason = r;
	s->best->endpoint = ep;
	s->best->server = server;
	s->best->node = pb_cluster_node_of(s->agent, server->ref);
	s->best->state = NULL;
	s->best->rule = NULL;
	if (r != PB_R_ALLOW_MODE_OFF && (strict == PB_R_DENY_RULE || strict == PB_R_ALLOW_RULE))
		s->best->rule =
			rule_text(s->agent, s->src, server, port, proto, strict == PB_R_ALLOW_RULE);
}

static int consider_endpoint(uint32_t index, const struct pb_endpoint *ep, void *arg)
{
	struct search *s = arg;
	const struct pb_app_rec *server = pb_registry_by_ref(s->agent->registry, ep->app);

	if (server && ep->state == PB_EP_UP)
		consider(s, server, index, ep->port, ep->proto);
	return 0;
}

/* Endpoints that are suspect, ejected or draining are the last choice. */
static int consider_remote(uint32_t index, const struct pb_endpoint *ep, void *arg)
{
	struct search *s = arg;
	const struct pb_app_rec *server = pb_registry_by_ref(s->agent->registry, ep->app);
	const char *state = pb_view_remote_state(s->agent, index, ep);

	if (!server || (strcmp(state, "up") != 0) != s->second)
		return 0;
	consider(s, server, index, ep->port, ep->proto);
	if (s->best->endpoint == index) {
		s->best->node = pb_view_node_of(s->agent, index, ep);
		s->best->state = state;
	}
	return 0;
}

/* Another node's are chosen where this one has none that may be used.  False: nobody has any. */
static bool check_remotes(struct search *s, const struct pb_svc_key *k)
{
	struct pb_rservice svc;

	if (pb_maps_get_rservice(s->agent->maps, k, &svc) || !svc.n)
		return false;
	for (unsigned pass = 0; pass < 2 && !s->allowed; pass++) {
		s->second = pass;
		pb_view_remotes_of(s->agent, k, &svc, consider_remote, s);
	}
	return true;
}

/* With a port: the endpoints of the service decide.  False: there is no such service. */
static bool check_service(struct search *s, const struct pb_addr *addr, uint64_t ns, __be16 port,
			  uint8_t proto)
{
	struct pb_svc_key k = { .addr = *addr, .ns = ns, .port = port, .proto = proto };
	struct pb_service svc = { .live = { 0 } };
	uint64_t live = 0;

	if (!pb_maps_get_service(s->agent->maps, &k, &svc))
		for (unsigned i = 0; i < PB_SLOT_WORDS; i++)
			live |= svc.live[i];
	if (live)
		pb_view_endpoints_of(s->agent, &k, &svc, consider_endpoint, s);
	if ((s->allowed || !check_remotes(s, &k)) && !live)
		return false;
	if (!s->any)
		s->best->reason = PB_R_NO_ENDPOINT;
	return true;
}

/* Without a port: every application that has the address. */
static bool check_apps(struct search *s, const struct pb_addr *addr, uint8_t proto)
{
	const struct pb_app_rec *r;
	size_t pos = 0;

	while ((r = pb_registry_next(s->agent->registry, &pos)))
		if ((!s->name || !strcmp(s->name, r->app.name)) &&
		    (pb_addr_eq(&r->app.vip4, addr) || pb_addr_eq(&r->app.vip6, addr)))
			consider(s, r, 0, 0, proto);
	return s->any;
}

bool pb_agent_in_pool(const struct pb_agent *a, const struct pb_addr *addr)
{
	const struct pb_config *k = &a->kernel;

	return (k->pool4_bits && pb_addr_in(addr, &k->pool4, k->pool4_bits)) ||
	       (k->pool6_bits && pb_addr_in(addr, &k->pool6, k->pool6_bits));
}

static bool listed(const struct pb_app_rec *c, const struct pb_addr *addr, __be16 port)
{
	for (unsigned i = 0; i < c->n_egress; i++) {
		const struct pb_egress_item *e = &c->egress[i];

		if (pb_cidr_has(&e->net, e->bits, addr) && (!e->port || e->port == port))
			return true;
	}
	return false;
}

/* What the client's mode makes of @bad; 0: nothing is wrong. */
static uint32_t relax(const struct pb_agent *a, const struct pb_app_rec *c, uint32_t good,
		      uint32_t bad)
{
	uint32_t mode = pb_mode_of(&c->app, a->kernel.mode);

	if (c->app.flags & PB_APP_QUARANTINED)
		return PB_R_QUARANTINED;
	if (!bad)
		return good;
	if (mode == PB_MODE_ENFORCE)
		return bad;
	return mode == PB_MODE_AUDIT ? PB_R_AUDIT : PB_R_ALLOW_MODE_OFF;
}

uint32_t pb_check_egress(const struct pb_agent *a, const struct pb_app_rec *c,
			 const struct pb_addr *addr, __be16 port)
{
	bool out = c->app.egress == PB_EGRESS_ALL ||
		   (c->app.egress == PB_EGRESS_LIST && listed(c, addr, port));

	return relax(a, c, PB_R_ALLOW_OUTSIDE, out ? 0 : PB_R_DENY_EGRESS);
}

/* Outside and unmanaged loopback: as pb_dest_outside() in bpf/lib/dest.bpf.h. */
static uint32_t check_outside(const struct pb_agent *a, const struct pb_app_rec *c,
			      const struct pb_addr *addr, __be16 port)
{
	if (!pb_addr_is_loopback(addr))
		return pb_check_egress(a, c, addr, port);
	return relax(a, c, PB_R_ALLOW_LOCAL,
		     c->app.flags & PB_APP_LOCAL_DENY ? PB_R_DENY_LOCAL : 0);
}

static void check_addr(struct search *s, const struct pb_addr *addr, __be16 port, uint8_t proto)
{
	struct pb_agent *a = s->agent;
	bool loop = pb_addr_is_loopback(addr);
	struct pb_addr key = loop ? pb_addr_loopback(pb_addr_is_v4(addr)) : *addr;

	if (port && check_service(s, &key, loop ? s->src->app.ns : 0, port, proto))
		return;
	if (!port && !loop && check_apps(s, addr, proto))
		return;
	if (!loop && pb_registry_ns_of(a->registry, addr))
		s->best->reason = PB_R_NO_SERVICE;
	else if (!loop && pb_agent_in_pool(a, addr))
		s->best->reason = PB_R_NO_ADDRESS;
	else
		s->best->reason = check_outside(a, s->src, addr, port);
}

const struct pb_app_rec *pb_check_source(const struct pb_agent *a, const char *text)
{
	const struct pb_app_rec *r = pb_registry_by_name(a->registry, text);
	unsigned long long ref;

	if (!r && !pb_ref_parse(text, &ref))
		r = pb_registry_by_ref(a->registry, ref);
	return r;
}

int pb_check(struct pb_agent *a, const struct pb_app_rec *src, const struct pb_target *dest,
	     uint8_t proto, struct pb_verdict *ret)
{
	struct pb_verdict v = { .reason = PB_R_NONE };
	struct search s = { .agent = a, .src = src, .best = &v };
	const struct pb_app_rec *named;
	const struct pb_addr *ips[2];

	if (!dest->name[0]) {
		check_addr(&s, &dest->addr, dest->port, proto);
		*ret = v;
		return 0;
	}
	named = pb_registry_by_name(a->registry, dest->name);
	if (!named)
		return -ENOENT;
	s.name = dest->name;
	ips[0] = &named->app.vip4;
	ips[1] = &named->app.vip6;
	v.reason = PB_R_NO_NAME;
	for (unsigned i = 0; i < 2 && !s.allowed; i++)
		if (!pb_addr_is_zero(ips[i]))
			check_addr(&s, ips[i], dest->port, proto);
	*ret = v;
	return 0;
}

/* The grp values of both sides. */
static json_t *shared_groups(const struct pb_agent *a, const struct pb_app *c,
			     const struct pb_app *s)
{
	json_t *list = json_array();

	for (uint32_t bit = 0; list && bit < PB_GROUPS_MAX; bit++) {
		const char *name;

		if (!(c->grp[bit / 64] & s->grp[bit / 64] & (1ULL << (bit % 64))))
			continue;
		name = pb_registry_group(a->registry, bit);
		json_array_append_new(list, json_string(name ? name : "?"));
	}
	return list;
}

/* " (on node h2)", " (on node h2: suspect)" */
static void where(const struct pb_verdict *v, char *buf, size_t len)
{
	bool plain = !v->state || !strcmp(v->state, "up");

	buf[0] = '\0';
	if (v->node)
		snprintf(buf, len, " (on node %s%s%s)", v->node, plain ? "" : ": ",
			 plain ? "" : v->state);
}

/* The sentence: the reason, and the rule or the groups behind it. */
static json_t *sentence(const struct pb_verdict *v, const json_t *groups)
{
	char shared[PB_TAGS_MAX * (PB_TAG_LEN + 8)] = "", node[PB_NODE_NAME_LEN + 32];
	const json_t *g;
	size_t i, n = 0;

	where(v, node, sizeof(node));
	if (v->rule)
		return json_sprintf("%s%s: %s", pb_reason_text(v->reason), node, v->rule);
	if (!json_array_size(groups))
		return json_sprintf("%s%s", pb_reason_text(v->reason), node);
	json_array_foreach (groups, i, g)
		if (n < sizeof(shared))
			n += (size_t)snprintf(shared + n, sizeof(shared) - n, "%sgrp=%s",
					      i ? " and " : "", json_string_value(g));
	return json_sprintf("%s: they share %s%s", pb_reason_text(v->reason), shared, node);
}

static void verdict_json(const struct pb_agent *a, const struct pb_app_rec *c,
			 const struct pb_verdict *v, json_t *into)
{
	json_t *groups = v->reason == PB_R_ALLOW_GROUP && v->server
				 ? shared_groups(a, &c->app, &v->server->app)
				 : NULL;

	json_object_set_new(into, "allowed", json_boolean(pb_policy_allows(v->reason)));
	json_object_set_new(into, "reason", json_string(pb_reason_name(v->reason)));
	json_object_set_new(into, "text", sentence(v, groups));
	if (groups)
		json_object_set_new(into, "groups", groups);
	if (v->rule)
		json_object_set_new(into, "rule", json_string(v->rule));
	if (v->endpoint)
		json_object_set_new(into, "endpoint", json_integer(v->endpoint));
	if (v->node)
		json_object_set_new(into, "node", json_string(v->node));
	if (v->state)
		json_object_set_new(into, "state", json_string(v->state));
}

int pb_check_json(struct pb_agent *a, const char *src, const char *dest, uint8_t proto,
		  json_t *into, char err[PB_ERR_LEN])
{
	const struct pb_app_rec *c = pb_check_source(a, src);
	struct pb_target t;
	struct pb_verdict v;

	if (!c) {
		snprintf(err, PB_ERR_LEN, "no application has the name or ref \"%.64s\"", src);
		return -ENOENT;
	}
	if (pb_target_parse(dest, &t)) {
		snprintf(
			err, PB_ERR_LEN,
			"\"%.80s\" is not NAME, ADDRESS or either with :PORT (IPv6 with a port: [ADDRESS]:PORT)",
			dest);
		return -EINVAL;
	}
	if (pb_check(a, c, &t, proto, &v)) {
		snprintf(err, PB_ERR_LEN, "no application has the name \"%s\"", t.name);
		return -ENOENT;
	}
	verdict_json(a, c, &v, into);
	return 0;
}
