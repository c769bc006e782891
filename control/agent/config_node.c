/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* node-address = of [agent]. */
#include <patchbay/addr.h>

#include "../util.h"
#include "config_internal.h"

#define KEY "node-address"

static int add(struct pb_config_agent *agent, const char *part, char *err)
{
	struct pb_addr a, *slot;

	if (pb_addr_parse(part, &a))
		return pb_fail(err, -EINVAL, "'%.60s' is not an IP address", part);
	if (pb_addr_unfit(&a))
		return pb_fail(err, -EINVAL, "%s %s: other namespaces cannot reach it", part,
			       pb_addr_unfit(&a));
	slot = pb_addr_is_v4(&a) ? &agent->node4 : &agent->node6;
	if (!pb_addr_is_zero(slot))
		return pb_fail(err, -EINVAL, "at most one address of each family is possible");
	*slot = a;
	return 0;
}

/* "none", or ADDR[,ADDR] with spaces around the comma. */
int cfg_parse_node(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	static const struct pb_addr none;
	struct pb_config_agent *agent = obj;
	_cleanup_free_ char *copy = strdup(value);
	char *p = copy, *part;
	int e = 0;

	(void)key;
	if (!copy)
		return pb_fail(err, -ENOMEM, "no memory");
	agent->node4 = agent->node6 = none; /* a later file overrides the whole key */
	if (!strcmp(value, "none"))
		return 0;
	while (!e && (part = strsep(&p, ","))) {
		part += strspn(part, " \t");
		part[strcspn(part, " \t")] = '\0';
		e = add(agent, part, err);
	}
	return e;
}

static int check(const struct pb_config_file *c, const struct pb_addr *a, char *err)
{
	const struct pb_config_agent *agent = &c->agent;
	const struct pb_config_value *v = cfg_value(c, CFG_AGENT, 0, KEY);
	bool in4 = agent->pool4_bits && pb_addr_in(a, &agent->pool4, agent->pool4_bits);
	bool in6 = agent->pool6_bits && pb_addr_in(a, &agent->pool6, agent->pool6_bits);
	char text[48];

	if (pb_addr_is_zero(a) || !v || (!in4 && !in6))
		return 0;
	return cfg_fail_at(err, &v->src, -EINVAL,
			   KEY ": %s lies in %s, whose addresses are virtual",
			   pb_addr_format(a, text, sizeof(text)), in4 ? "pool4" : "pool6");
}

int cfg_check_node(const struct pb_config_file *c, char err[PB_CONFIG_ERR_LEN])
{
	int e = check(c, &c->agent.node4, err);

	return e ? e : check(c, &c->agent.node6, err);
}
