/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli.h"

#include "../util.h"

int cmd_services(const struct cli *c, const struct cli_args *a)
{
	static const struct cli_col cols[] = {
		{ "ADDRESS", "address", NULL },	    { "PORT", "port", NULL },
		{ "PROTO", "proto", NULL },	    { "NAMES", "names", NULL },
		{ "ENDPOINTS", "endpoints", NULL }, { "LOOPBACK-OF", "loopback_of", NULL },
		{ "NODES", "nodes", NULL },
	};

	static const char *const order[] = { "loopback_of", "address", "port", "proto", NULL };

	(void)a;
	return cli_list_by(c, json_pack("{s:s}", "op", "services"), "services", cols,
			   ARRAY_SIZE(cols), order);
}
