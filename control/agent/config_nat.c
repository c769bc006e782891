/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* [cluster] nat. */
#include "../util.h"
#include "config_internal.h"

static int add(struct pb_config_cluster *c, const char *part, char *err)
{
	struct pb_config_nat *n = &c->nat[c->n_nat];

	if (c->n_nat == ARRAY_SIZE(c->nat))
		return pb_fail(err, -EINVAL, "more than %zu networks", ARRAY_SIZE(c->nat));
	if (pb_cidr_parse(part, &n->net, &n->bits))
		return pb_fail(err, -EINVAL,
			       "'%.60s' is not an address or ADDRESS/BITS without bits set behind "
			       "the prefix",
			       part);
	c->n_nat++;
	return 0;
}

int cfg_parse_nat(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	_cleanup_free_ char *copy = strdup(value);
	struct pb_config_cluster *c = obj;
	char *save = NULL;
	int e = copy ? 0 : -ENOMEM;

	(void)key;
	c->n_nat = 0;
	for (char *p = copy ? strtok_r(copy, ", \t", &save) : NULL; p && !e;
	     p = strtok_r(NULL, ", \t", &save))
		e = add(c, p, err);
	return e;
}
