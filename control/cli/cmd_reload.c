/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli.h"

#include "../util.h"

int cmd_reload(const struct cli *c, const struct cli_args *a)
{
	json_auto_t *answer = NULL;
	const json_t *line, *changed;
	size_t i;
	int code;

	(void)a;
	code = cli_ask(c, json_pack("{s:s}", "op", "reload"), &answer);
	if (code)
		return code;
	if (c->json)
		return cli_print_json(c, answer);
	changed = json_object_get(answer, "changed");
	json_array_foreach (changed, i, line) {
		_cleanup_free_ char *text =
			strdup(json_is_string(line) ? json_string_value(line) : "-");

		if (!text)
			return cli_oom(c);
		cli_clean(text);
		puts(text);
		if (*text == '!') /* it stands in the configuration, and is not in force */
			code = CLI_PARTLY;
	}
	if (!json_array_size(changed))
		puts("nothing changed");
	return code;
}
