/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What only the whole configuration shows: a trial run of it in a registry of its own. */
#include "../util.h"
#include "config_internal.h"

static void registry_freep(struct pb_registry **r)
{
	pb_registry_free(*r);
}

/* The last one set: drop-ins come after the main file. */
const struct pb_config_value *cfg_value(const struct pb_config_file *c, enum cfg_section s,
					size_t owner, const char *name)
{
	for (size_t i = c->n_values; i; i--) {
		const struct pb_config_value *v = &c->values[i - 1];

		if (v->key->section == s && v->owner == owner && !strcmp(v->key->name, name))
			return v;
	}
	return NULL;
}

void pb_config_registry(const struct pb_config_file *c, struct pb_reg_conf *ret)
{
	struct pb_reg_conf conf = {
		.pool4 = c->agent.pool4,
		.pool6 = c->agent.pool6,
		.pool4_bits = c->agent.pool4_bits,
		.pool6_bits = c->agent.pool6_bits,
		.mode = c->agent.mode,
		.splice = c->agent.splice,
	};

	snprintf(conf.cluster, sizeof(conf.cluster), "%s", c->agent.cluster);
	pb_reg_key_derive(conf.cluster, conf.key);
	*ret = conf;
}

void pb_config_claim(const struct pb_config_scope *s, uint64_t ref, struct pb_claim_req *ret)
{
	struct pb_claim_req req = {
		.ref = ref,
		.name = *s->name ? s->name : NULL,
		.n_ips = s->n_ips,
		.n_tags = s->n_tags,
		.egress = s->egress,
		.local_deny = s->local_deny,
		.mode = s->mode,
		.splice = s->splice,
	};

	memcpy(req.ips, s->ips, sizeof(req.ips));
	for (unsigned i = 0; i < s->n_tags; i++)
		req.tags[i] = s->tags[i];
	*ret = req;
}

static int check_scope(const struct pb_config_file *c, size_t at, struct pb_registry *r, char *err)
{
	const struct pb_config_scope *s = &c->scopes[at];
	const struct pb_app_rec *rec;
	struct pb_claim_req req;
	char why[PB_ERR_LEN];
	int e;

	if (!*s->cgroup)
		return cfg_fail_at(err, &s->src, -EINVAL, "[scope %s] has no cgroup =", s->label);
	for (size_t i = 0; i < at; i++)
		if (!strcmp(s->cgroup, c->scopes[i].cgroup))
			return cfg_fail_at(err, &s->src, -EEXIST,
					   "[scope %s] and [scope %s] name the "
					   "same cgroup",
					   s->label, c->scopes[i].label);
	pb_config_claim(s, at + 1, &req);
	e = pb_registry_claim(r, &req, &rec, why);
	return e ? cfg_fail_at(err, &s->src, e, "[scope %s]: %s", s->label, why) : 0;
}

int cfg_check(struct pb_config_file *c, char err[PB_CONFIG_ERR_LEN])
{
	_cleanup_(registry_freep) struct pb_registry *r = NULL;
	struct pb_reg_conf conf;
	int e = cfg_check_node(c, err);

	if (!e)
		e = cfg_check_cluster(c, err);
	if (e)
		return e;
	pb_config_registry(c, &conf);
	e = pb_registry_new(&r, &conf);
	for (size_t i = 0; !e && i < c->n_scopes; i++) {
		e = check_scope(c, i, r, err);
		if (e)
			return e;
	}
	if (e)
		snprintf(err, PB_CONFIG_ERR_LEN, "cannot check the configuration: %s",
			 strerror(-e));
	return e;
}
