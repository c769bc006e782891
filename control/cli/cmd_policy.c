/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli.h"

#include "../util.h"
#include "table.h"

int cmd_policy(const struct cli *c, const struct cli_args *a)
{
	_cleanup_(table_freep) struct table *t = NULL;
	static const char *const heads[] = { "RULE" };
	json_auto_t *answer = NULL;
	const json_t *rule;
	size_t i;
	int code;

	(void)a;
	code = cli_ask(c, json_pack("{s:s}", "op", "policy"), &answer);
	if (code)
		return code;
	if (c->json)
		return cli_print_json(c, answer);
	if (table_new(&t, heads, ARRAY_SIZE(heads)))
		return cli_oom(c);
	json_array_foreach (json_object_get(answer, "rules"), i, rule) {
		const char *cell = json_string_value(rule);

		if (table_add(t, &cell))
			return cli_oom(c);
	}
	printf("mode %s\n", cli_str(answer, "mode"));
	table_print(t, stdout);
	return CLI_OK;
}
