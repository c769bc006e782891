/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pieces of answers as text. */
#include "cli.h"

#include "../util.h"

const char *cli_str(const json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s && *s ? s : "-";
}

long long cli_int(const json_t *obj, const char *key)
{
	return json_integer_value(json_object_get(obj, key));
}

/* " LABEL TEXT", nothing for a missing value */
static void append(FILE *f, const json_t *event, const char *key, const char *before,
		   const char *after)
{
	const json_t *v = json_object_get(event, key);

	if (json_is_integer(v) && json_integer_value(v))
		fprintf(f, " %s%lld%s", before, (long long)json_integer_value(v), after);
	else if (json_is_string(v) && json_string_length(v))
		fprintf(f, " %s%s%s", before, json_string_value(v), after);
}

void cli_print_event(const json_t *event)
{
	_cleanup_free_ char *line = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&line, &len);

	if (!f)
		return;
	fprintf(f, "%s %-6s %-12s %s", cli_str(event, "time"), cli_str(event, "verdict"),
		cli_str(event, "reason"), cli_str(event, "app"));
	append(f, event, "peer", "-> ", "");
	append(f, event, "op", "", "");
	append(f, event, "proto", "", "");
	append(f, event, "dest", "", "");
	append(f, event, "real", "(real ", ")");
	append(f, event, "errno", "", "");
	append(f, event, "pid", "pid ", "");
	append(f, event, "comm", "", "");
	if (fclose(f) || !line)
		return;
	cli_clean(line);
	puts(line);
}
