/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* node-address = of [agent]. */
#include "../util.h"
#include "config_internal.h"

int cfg_parse_node(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	struct pb_config_agent *agent = obj;
	const struct cfg_addrs to = { &agent->node4, &agent->node6, "none", "other namespaces" };

	(void)key;
	return cfg_parse_addrs(&to, value, err);
}

int cfg_check_node(const struct pb_config_file *c, char err[PB_CONFIG_ERR_LEN])
{
	int e = cfg_check_real(c, CFG_AGENT, "node-address", &c->agent.node4, err);

	return e ? e : cfg_check_real(c, CFG_AGENT, "node-address", &c->agent.node6, err);
}
