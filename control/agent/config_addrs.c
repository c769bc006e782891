/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keys that take a real address of each family: node-address of [agent], address of [cluster]. */
#include <patchbay/addr.h>

#include "../util.h"
#include "config_internal.h"

static int add(const struct cfg_addrs *to, const char *part, char *err)
{
	struct pb_addr a, *slot;

	if (pb_addr_parse(part, &a))
		return pb_fail(err, -EINVAL, "'%.60s' is not an IP address", part);
	if (pb_addr_unfit(&a))
		return pb_fail(err, -EINVAL, "%s %s: %s cannot reach it", part, pb_addr_unfit(&a),
			       to->others);
	slot = pb_addr_is_v4(&a) ? to->v4 : to->v6;
	if (!pb_addr_is_zero(slot))
		return pb_fail(err, -EINVAL, "at most one address of each family is possible");
	*slot = a;
	return 0;
}

int cfg_parse_addrs(const struct cfg_addrs *to, const char *value, char *err)
{
	static const struct pb_addr none;
	_cleanup_free_ char *copy = strdup(value);
	char *p = copy, *part;
	int e = 0;

	if (!copy)
		return pb_fail(err, -ENOMEM, "no memory");
	*to->v4 = *to->v6 = none; /* a later file overrides the whole key */
	if (!strcmp(value, to->unset))
		return 0;
	while (!e && (part = strsep(&p, ","))) {
		part += strspn(part, " \t");
		part[strcspn(part, " \t")] = '\0';
		e = add(to, part, err);
	}
	return e;
}

int cfg_check_real(const struct pb_config_file *c, enum cfg_section s, const char *name,
		   const struct pb_addr *a, char *err)
{
	const struct pb_config_agent *agent = &c->agent;
	const struct pb_config_value *v = cfg_value(c, s, 0, name);
	bool in4 = agent->pool4_bits && pb_addr_in(a, &agent->pool4, agent->pool4_bits);
	bool in6 = agent->pool6_bits && pb_addr_in(a, &agent->pool6, agent->pool6_bits);
	char text[48];

	if (pb_addr_is_zero(a) || !v || (!in4 && !in6))
		return 0;
	return cfg_fail_at(err, &v->src, -EINVAL, "%s: %s lies in %s, whose addresses are virtual",
			   name, pb_addr_format(a, text, sizeof(text)), in4 ? "pool4" : "pool6");
}
