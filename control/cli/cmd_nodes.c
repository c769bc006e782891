/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli.h"

#include "../util.h"

static char *name_of(const json_t *item, const char *field)
{
	bool self = json_is_true(json_object_get(item, "self"));
	char *text = NULL;

	return asprintf(&text, "%s%s", cli_str(item, field), self ? " (self)" : "") < 0 ? NULL
											: text;
}

static char *note_of(const json_t *item, const char *field)
{
	const char *why = cli_str(item, field);

	if (strcmp(why, "-"))
		return strdup(why);
	return json_is_true(json_object_get(item, "behind")) ? strdup("records are missing") : NULL;
}

int cmd_nodes(const struct cli *c, const struct cli_args *a)
{
	static const struct cli_col cols[] = {
		{ "NAME", "name", name_of },	    { "STATE", "state", NULL },
		{ "ADDRESS", "addresses", NULL },   { "APPS", "apps", NULL },
		{ "ENDPOINTS", "endpoints", NULL }, { "SINCE", "since", NULL },
		{ "VERSION", "version", NULL },	    { "NOTE", "quarantine", note_of },
	};

	(void)a;
	return cli_list(c, json_pack("{s:s}", "op", "nodes"), "nodes", cols, ARRAY_SIZE(cols));
}
