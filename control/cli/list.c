/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lists of objects as tables. */
#include "cli.h"

#include "../util.h"
#include "table.h"

#define COLS_MAX 16

static char *join(const json_t *list)
{
	char *text = NULL;
	const json_t *v;
	size_t i, len = 0;
	FILE *f;

	f = json_array_size(list) ? open_memstream(&text, &len) : NULL;
	if (!f)
		return NULL;
	json_array_foreach (list, i, v)
		fprintf(f, "%s%s", i ? "," : "", json_is_string(v) ? json_string_value(v) : "?");
	fclose(f);
	return text;
}

/* NULL shows as "-". */
static char *by_type(const json_t *v)
{
	char *text = NULL;

	switch (v ? json_typeof(v) : JSON_NULL) {
	case JSON_STRING: return strdup(json_string_value(v));
	case JSON_INTEGER:
		return asprintf(&text, "%lld", (long long)json_integer_value(v)) < 0 ? NULL : text;
	case JSON_REAL: return asprintf(&text, "%.1f", json_real_value(v)) < 0 ? NULL : text;
	case JSON_TRUE: return strdup("yes");
	case JSON_FALSE: return strdup("no");
	case JSON_ARRAY: return join(v);
	default: return NULL;
	}
}

static int add_row(struct table *t, const json_t *item, const struct cli_col *cols, size_t n)
{
	const char *cells[COLS_MAX];
	char *own[COLS_MAX];
	int err;

	for (size_t i = 0; i < n; i++) {
		own[i] = cols[i].fmt ? cols[i].fmt(item, cols[i].field)
				     : by_type(json_object_get(item, cols[i].field));
		cells[i] = own[i];
	}
	err = table_add(t, cells);
	for (size_t i = 0; i < n; i++)
		free(own[i]);
	return err;
}

int cli_print_list(const struct cli *c, const json_t *list, const struct cli_col *cols, size_t n)
{
	_cleanup_(table_freep) struct table *t = NULL;
	const char *heads[COLS_MAX];
	const json_t *item;
	size_t i;

	for (i = 0; i < n; i++)
		heads[i] = cols[i].head;
	if (table_new(&t, heads, n))
		return cli_oom(c);
	json_array_foreach (list, i, item)
		if (add_row(t, item, cols, n))
			return cli_oom(c);
	table_print(t, stdout);
	return CLI_OK;
}

int cli_list(const struct cli *c, json_t *req, const char *key, const struct cli_col *cols,
	     size_t n)
{
	json_auto_t *answer = NULL;
	int code = cli_ask(c, req, &answer);

	if (code)
		return code;
	if (c->json)
		return cli_print_json(c, answer);
	return cli_print_list(c, json_object_get(answer, key), cols, n);
}
