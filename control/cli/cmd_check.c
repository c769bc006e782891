/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli.h"

#include "../util.h"

int cmd_check(const struct cli *c, const struct cli_args *a)
{
	const char *proto = cli_given(a, "proto") ? cli_value(a, "proto") : "tcp";
	char dest[CLI_DEST_LEN];
	_cleanup_free_ char *text = NULL;
	json_auto_t *answer = NULL;
	bool allowed;
	int code = cli_app_dest(c, a, dest);

	if (code)
		return code;
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
