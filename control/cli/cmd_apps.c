/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli.h"

#include "../util.h"

static char *name_or_none(const json_t *item, const char *field)
{
	if (json_is_true(json_object_get(item, "quarantined"))) {
		char *text = NULL;

		return asprintf(&text, "%s (quarantined)", cli_str(item, field)) < 0 ? NULL : text;
	}
	return strdup(cli_str(item, field));
}

int cmd_apps(const struct cli *c, const struct cli_args *a)
{
	static const struct cli_col cols[] = {
		{ "NAME", "name", name_or_none }, { "REF", "ref", NULL },
		{ "ADDRESSES", "ips", NULL },	  { "TAGS", "tags", NULL },
		{ "MODE", "mode", NULL },	  { "EGRESS", "egress", NULL },
		{ "LOCAL", "local", NULL },	  { "SPLICE", "splice", NULL },
		{ "PIDS", "pids", NULL },	  { "UID", "uid", NULL },
		{ "SINCE", "since", NULL },	  { "SCOPE", "scope", NULL },
	};

	(void)a;
	return cli_list(c, json_pack("{s:s}", "op", "apps"), "apps", cols, ARRAY_SIZE(cols));
}
