/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli.h"

#include "../util.h"

int cmd_help(const struct cli *c, const struct cli_args *a)
{
	const char *list[CLI_OPTS_MAX], *near;
	size_t n = 0;

	if (cli_given(a, "man")) {
		cli_man();
		return CLI_OK;
	}
	if (cli_given(a, "complete")) {
		cli_complete();
		return CLI_OK;
	}
	if (!a->n_pos) {
		cli_help();
		return CLI_OK;
	}
	for (const struct cli_verb *v = cli_verbs; v->name; v++) {
		if (!strcmp(v->name, a->pos[0])) {
			cli_help_verb(v);
			return CLI_OK;
		}
		list[n++] = v->name;
	}
	near = cli_nearest(a->pos[0], list, n);
	return cli_error(c, CLI_USAGE, EINVAL, "there is no verb '%.60s'%s%s%s", a->pos[0],
			 near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}
