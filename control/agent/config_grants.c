/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* identity.d: who may claim what. */
#include <grp.h>
#include <pwd.h>

#include "../util.h"
#include "config_internal.h"

static int system_user(const char *name, uint32_t *ret)
{
	const struct passwd *pw = getpwnam(name);

	if (!pw)
		return -ENOENT;
	*ret = pw->pw_uid;
	return 0;
}

static int system_group(const char *name, uint32_t *ret)
{
	const struct group *gr = getgrnam(name);

	if (!gr)
		return -ENOENT;
	*ret = gr->gr_gid;
	return 0;
}

const struct pb_config_lookup cfg_system_lookup = { system_user, system_group };

/* Calls @add for each part of a comma list; spaces around a part do not count. */
static int each_part(struct pb_grant *g, const char *value, char *err,
		     int (*add)(struct pb_grant *, const char *, char *))
{
	_cleanup_free_ char *copy = strdup(value);
	char *p = copy, *part;

	if (!copy)
		return pb_fail(err, -ENOMEM, "no memory");
	while ((part = strsep(&p, ","))) {
		size_t len;

		part += strspn(part, " \t");
		for (len = strlen(part); len && strchr(" \t", part[len - 1]);)
			part[--len] = '\0';
		if (!len)
			return pb_fail(err, -EINVAL, "an empty item");
		if (add(g, part, err))
			return -EINVAL;
	}
	return 0;
}

static int add_name(struct pb_grant *g, const char *part, char *err)
{
	if (strlen(part) >= PB_NAME_LEN)
		return pb_fail(err, -EINVAL, "the pattern '%.30s...' is longer than %d characters",
			       part, PB_NAME_LEN - 1);
	if (g->n_names == ARRAY_SIZE(g->names))
		return pb_fail(err, -EINVAL, "more than %zu items", ARRAY_SIZE(g->names));
	snprintf(g->names[g->n_names++], PB_NAME_LEN, "%s", part);
	return 0;
}

static int add_ip(struct pb_grant *g, const char *part, char *err)
{
	if (g->n_ips == ARRAY_SIZE(g->ips))
		return pb_fail(err, -EINVAL, "more than %zu items", ARRAY_SIZE(g->ips));
	if (pb_cidr_parse(part, &g->ips[g->n_ips].net, &g->ips[g->n_ips].bits))
		return pb_fail(err, -EINVAL,
			       "'%.60s' is not an address or ADDRESS/BITS without bits "
			       "set behind the prefix",
			       part);
	g->n_ips++;
	return 0;
}

static int add_tag(struct pb_grant *g, const char *part, char *err)
{
	if (strlen(part) >= PB_TAG_LEN || !strchr(part, '='))
		return pb_fail(err, -EINVAL,
			       "'%.40s' is not a pattern key=value of at most %d "
			       "characters",
			       part, PB_TAG_LEN - 1);
	if (g->n_tags == ARRAY_SIZE(g->tags))
		return pb_fail(err, -EINVAL, "more than %zu items", ARRAY_SIZE(g->tags));
	snprintf(g->tags[g->n_tags++], PB_TAG_LEN, "%s", part);
	return 0;
}

int cfg_parse_names(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	(void)key;
	return each_part(obj, value, err, add_name);
}

int cfg_parse_ips(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	(void)key;
	return each_part(obj, value, err, add_ip);
}

int cfg_parse_tags(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	(void)key;
	return each_part(obj, value, err, add_tag);
}

static int resolve(const struct pb_config_value *v, int (*by_name)(const char *, uint32_t *),
		   uint32_t *ret, char *err)
{
	/* -1 means "no user" to every kernel interface. */
	if (!pb_number_parse(v->text, UINT32_MAX - 1, ret) || !by_name(v->text, ret))
		return 0;
	return cfg_fail_at(err, &v->src, -ENOENT, "%s: there is no %s '%.60s'", v->key->name,
			   v->key->name, v->text);
}

static int resolve_grant(struct pb_config_file *c, size_t i, const struct pb_config_lookup *lookup,
			 char *err)
{
	const struct pb_config_value *user = cfg_value(c, CFG_GRANT, i, "user");
	const struct pb_config_value *group = cfg_value(c, CFG_GRANT, i, "group");

	if (!user == !group)
		return cfg_fail_at(err, &c->grant_src[i], -EINVAL,
				   "a grant needs either user = or group =");
	c->grants[i].is_gid = group;
	return group ? resolve(group, lookup->group, &c->grants[i].id, err)
		     : resolve(user, lookup->user, &c->grants[i].id, err);
}

int cfg_resolve(struct pb_config_file *c, const struct pb_config_lookup *lookup,
		char err[PB_CONFIG_ERR_LEN])
{
	const struct pb_config_value *v = cfg_value(c, CFG_AGENT, 0, "group");
	uint32_t gid = 0;
	int e = v && *v->text ? resolve(v, lookup->group, &gid, err) : 0;

	if (e)
		return e;
	c->agent.gid = gid;
	for (size_t i = 0; i < c->n_grants; i++) {
		e = resolve_grant(c, i, lookup, err);
		if (e)
			return e;
	}
	return 0;
}
