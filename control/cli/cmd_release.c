/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli.h"

#include "../util.h"

int cmd_release(const struct cli *c, const struct cli_args *a)
{
	json_auto_t *answer = NULL;
	int code;

	if (!cli_ref_valid(a->pos[0]))
		return cli_error(
			c, CLI_USAGE, EINVAL,
			"'%.80s' is not a ref: 'patchbay apps' shows them in its column REF",
			a->pos[0]);
	code = cli_ask(c, json_pack("{s:s,s:s}", "op", "release", "ref", a->pos[0]), &answer);
	if (code)
		return code;
	if (c->json)
		return cli_print_json(c, answer);
	printf("released %s\n", a->pos[0]);
	return CLI_OK;
}
