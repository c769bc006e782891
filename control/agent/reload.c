/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The configuration, read again while running. */
#include <patchbay/addr.h>

#include "agent.h"
#include "memcached.h"
#include "scope.h"
#include "util.h"
#include "view.h"

/* What the kernel state was built on changes by a restart only; NULL: nothing of that changed. */
static const char *needs_restart(const struct pb_config_agent *o, const struct pb_config_agent *n)
{
	if (strcmp(o->cluster, n->cluster))
		return "cluster";
	if (!pb_addr_eq(&o->pool4, &n->pool4) || o->pool4_bits != n->pool4_bits)
		return "pool4";
	if (!pb_addr_eq(&o->pool6, &n->pool6) || o->pool6_bits != n->pool6_bits)
		return "pool6";
	if (strcmp(o->domain, n->domain))
		return "domain";
	if (o->dns != n->dns)
		return "dns";
	if (strcmp(o->group, n->group))
		return "group";
	if (strcmp(o->cgroup, n->cgroup))
		return "cgroup";
	if (strcmp(o->bpffs, n->bpffs))
		return "bpffs";
	if (strcmp(o->run_dir, n->run_dir))
		return "run-dir";
	return NULL;
}

static bool has_rule(const struct pb_config_file *c, const char *rule)
{
	for (size_t i = 0; i < c->n_rules; i++)
		if (!strcmp(c->rule[i], rule))
			return true;
	return false;
}

static void add_missing(json_t *list, char sign, const struct pb_config_file *in,
			const struct pb_config_file *from)
{
	for (size_t i = 0; i < in->n_rules; i++)
		if (!has_rule(from, in->rule[i]))
			json_array_append_new(list, json_sprintf("%c %s", sign, in->rule[i]));
}

static bool has_service(const struct pb_config_file *c, const struct pb_config_service *s)
{
	for (size_t i = 0; i < c->n_services; i++)
		if (c->services[i].port == s->port && c->services[i].on == s->on &&
		    !strcmp(c->services[i].name, s->name))
			return true;
	return false;
}

static void add_services(json_t *list, char sign, const struct pb_config_file *in,
			 const struct pb_config_file *from)
{
	for (size_t i = 0; i < in->n_services; i++) {
		const struct pb_config_service *s = &in->services[i];

		if (!has_service(from, s))
			json_array_append_new(list,
					      json_sprintf("%c splice %s:%u %s", sign, s->name,
							   s->port, s->on ? "on" : "off"));
	}
}

static void add_splice(json_t *list, const struct pb_config_file *o, const struct pb_config_file *n)
{
	if (o->agent.splice != n->agent.splice) {
		json_array_append_new(list,
				      json_sprintf("- splice %s", pb_splice_name(o->agent.splice)));
		json_array_append_new(list,
				      json_sprintf("+ splice %s", pb_splice_name(n->agent.splice)));
	}
	if (o->agent.splice_blind != n->agent.splice_blind) {
		json_array_append_new(list, json_sprintf("- splice_blind %s",
							 o->agent.splice_blind ? "on" : "off"));
		json_array_append_new(list, json_sprintf("+ splice_blind %s",
							 n->agent.splice_blind ? "on" : "off"));
	}
	add_services(list, '-', o, n);
	add_services(list, '+', n, o);
}

static json_t *changes(const struct pb_config_file *o, const struct pb_config_file *n)
{
	json_t *list = json_array();

	if (list && o->agent.mode != n->agent.mode) {
		json_array_append_new(list, json_sprintf("- mode %s", pb_mode_name(o->agent.mode)));
		json_array_append_new(list, json_sprintf("+ mode %s", pb_mode_name(n->agent.mode)));
	}
	if (list) {
		pb_node_changes(list, &o->agent, &n->agent);
		add_splice(list, o, n);
		add_missing(list, '-', o, n);
		add_missing(list, '+', n, o);
	}
	return list;
}

/* As the configuration that stays has it. */
static void take_back_splice(struct pb_agent *a)
{
	pb_registry_set_splice(a->registry, a->conf->agent.splice);
	if (pb_splice_services(a) || pb_publish_all(a))
		log_warn("splices: not all of the old configuration could be put back");
}

static int put_in_force(struct pb_agent *a, struct pb_config_file *next, char err[PB_ERR_LEN])
{
	struct pb_config_file *old = a->conf;
	int r;

	a->conf = next;
	pb_registry_set_splice(a->registry, next->agent.splice);
	r = pb_splice_services(a);
	if (r)
		snprintf(err, PB_ERR_LEN, "the services of [splice] cannot be written: %s",
			 strerror(-r));
	if (!r)
		r = pb_kernel_set_rules(a, err);
	if (!r)
		r = pb_registry_set_grants(a->registry, next->grants, next->n_grants);
	if (r) {
		a->conf = old;
		take_back_splice(a);
	}
	return r;
}

static bool same_cluster(const struct pb_config_cluster *o, const struct pb_config_cluster *n)
{
	return !strcmp(o->node, n->node) && pb_addr_eq(&o->address4, &n->address4) &&
	       pb_addr_eq(&o->address6, &n->address6) && o->port == n->port &&
	       !strcmp(o->device, n->device) && !strcmp(o->state_dir, n->state_dir) &&
	       o->pool == n->pool && o->profile == n->profile && o->insecure == n->insecure;
}

int pb_reload(struct pb_agent *a, json_t **ret_changed, char err[PB_ERR_LEN])
{
	struct pb_config_file *next = NULL, *old = a->conf;
	char text[PB_CONFIG_ERR_LEN] = "";
	const char *fixed;
	json_t *list;
	int r = pb_agent_load_config(a->opts, &next, text);

	if (r) {
		snprintf(err, PB_ERR_LEN, "%.*s", PB_ERR_LEN - 1, text);
		return r;
	}
	fixed = needs_restart(&old->agent, &next->agent);
	if (!fixed && !same_cluster(&old->cluster, &next->cluster))
		fixed = "[cluster]";
	if (!fixed && !pb_config_same_announces(old, next))
		fixed = "[announce]";
	if (fixed) {
		snprintf(err, PB_ERR_LEN, "%s changed: that takes a restart; nothing was changed",
			 fixed);
		pb_config_free(next);
		return -EBUSY;
	}
	r = pb_memcached_may(a, next, err);
	if (!r)
		r = put_in_force(a, next, err);
	if (r) {
		pb_config_free(next);
		return r;
	}
	pb_log_set_level((enum pb_log_level)next->agent.log);
	pb_kernel_splice(a);
	pb_node_look(a);
	pb_scope_conf_refresh(a);
	pb_resolver_look(a);
	list = changes(old, next);
	pb_memcached_reload(a, next, list);
	if (ret_changed)
		*ret_changed = list;
	else
		json_decref(list);
	pb_config_free(old);
	log_info("configuration read again: %zu rules, %zu scopes, %zu grants", next->n_rules,
		 next->n_scopes, next->n_grants);
	return 0;
}
