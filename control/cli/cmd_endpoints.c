/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli.h"

#include "../util.h"

int cmd_endpoints(const struct cli *c, const struct cli_args *a)
{
	static const struct cli_col cols[] = {
		{ "ID", "id", NULL },		{ "APP", "app", NULL },
		{ "REF", "ref", NULL },		{ "NODE", "node", NULL },
		{ "ADDRESS", "address", NULL }, { "PORT", "port", NULL },
		{ "PROTO", "proto", NULL },	{ "REAL", "real", NULL },
		{ "STATE", "state", NULL },	{ "LIVE", "live", NULL },
		{ "TOTAL", "total", NULL },	{ "SOCKETS", "sockets", NULL },
		{ "WEIGHT", "weight", NULL },
	};
	static const char *const order[] = { "address", "port", "proto", "node", "id", NULL };
	json_t *req = json_pack("{s:s}", "op", "endpoints");
	char service[CLI_DEST_LEN], err[CLI_ERR_LEN];
	struct cli_dest d;

	if (req && a->n_pos) {
		if (cli_dest_parse(a->pos[0], &d, err)) {
			json_decref(req);
			return cli_error(c, CLI_USAGE, EINVAL, "%s", err);
		}
		cli_dest_format(&d, service);
		json_object_set_new(req, "service", json_string(service));
	}
	return cli_list_by(c, req, "endpoints", cols, ARRAY_SIZE(cols), order);
}
