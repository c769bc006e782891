/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli.h"

#include "../util.h"

int cmd_why(const struct cli *c, const struct cli_args *a)
{
	char dest[CLI_DEST_LEN], *text = NULL;
	const json_t *event, *flow, *now;
	json_auto_t *answer = NULL;
	long long more;
	size_t i;
	int code = cli_app_dest(c, a, dest);

	if (code)
		return code;
	code = cli_ask(c, json_pack("{s:s,s:s,s:s}", "op", "why", "app", a->pos[0], "dest", dest),
		       &answer);
	if (code)
		return code;
	if (c->json)
		return cli_print_json(c, answer);
	json_array_foreach (json_object_get(answer, "decisions"), i, event)
		cli_print_event(event);
	if (!json_array_size(json_object_get(answer, "decisions")))
		puts("no decision about this destination is remembered");
	json_array_foreach (json_object_get(answer, "flows"), i, flow)
		cli_print_flow(flow);
	more = cli_int(answer, "flows_total") - (long long)i;
	if (more > 0)
		printf("live: and %lld more\n", more);
	json_array_foreach (json_object_get(answer, "memcached"), i, flow)
		puts(json_is_string(flow) ? json_string_value(flow) : "-");
	now = json_object_get(answer, "answer");
	text = strdup(json_is_string(now) ? json_string_value(now) : cli_str(now, "text"));
	if (!text)
		return cli_oom(c);
	cli_clean(text);
	printf("now: %s\n", text);
	free(text);
	return CLI_OK;
}
