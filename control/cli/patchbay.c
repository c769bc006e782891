/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli.h"

#include <locale.h>

#include "../util.h"

static int dispatch(struct cli *c, int argc, char **argv)
{
	char err[CLI_ERR_LEN];
	struct cli_args a;

	if (cli_parse(c, &a, argc, argv, err))
		return cli_error(c, CLI_USAGE, EINVAL, "%s", err);
	if (a.version)
		return cmd_version(c, NULL);
	if (a.help && c->verb)
		cli_help_verb(c->verb);
	else if (a.help)
		cli_help();
	else
		return c->verb->run(c, &a);
	return CLI_OK;
}

int main(int argc, char **argv)
{
	struct cli c;
	int code;

	setlocale(LC_CTYPE, "");
	cli_init(&c, getenv("PATCHBAY_RUN_DIR"), getenv("PATCHBAY_BPFFS"));
	code = dispatch(&c, argc, argv);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "patchbay: cannot write the answer: %s\n", strerror(errno));
		return code ? code : CLI_NO;
	}
	return code;
}
