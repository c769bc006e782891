/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli.h"

#include "../util.h"

int cmd_check(const struct cli *c, const struct cli_args *a)
{
	const char *proto = cli_given(a, "proto") ? cli_value(a, "proto") : "tcp";
	char dest[CLI_DEST_LEN], err[CLI_ERR_LEN];
	_cleanup_free_ char *text = NULL;
	json_auto_t *answer = NULL;
	struct cli_dest d;
	bool allowed;
	int code;

	if (!cli_app_valid(a->pos[0]))
		return cli_error(c, CLI_USAGE, EINVAL, "'%.80s' is neither a name nor a ref",
				 a->pos[0]);
	if (cli_dest_parse(a->pos[1], &d, err))
		return cli_error(c, CLI_USAGE, EINVAL, "%s", err);
	cli_dest_format(&d, dest);
	code = cli_ask(c,
		       json_pack("{s:s,s:s,s:s,s:s}", "op", "check", "src", a->pos[0], "dest", dest,
				 "proto", proto),
		       &answer);
	if (code)
		return code;
	allowed = json_is_true(json_object_get(answer, "allowed"));
	if (c->json) {
		code = cli_print_json(c, answer);
	} else {
		text = strdup(cli_str(answer, "text"));
		if (!text)
			return cli_oom(c);
		cli_clean(text);
		puts(text);
	}
	return code ? code : allowed ? CLI_OK : CLI_NO;
}
