/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lists of objects as tables. */
#include "cli.h"

#include <stdlib.h>

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

/* ---- order ---- */

static const char *const *sort_by; /* names of fields; set for the time of one qsort() */

static int compare(const void *x, const void *y)
{
	const json_t *const *a = x, *const *b = y;
	int d = 0;

	for (const char *const *f = sort_by; *f && !d; f++) {
		const json_t *u = json_object_get(*a, *f), *v = json_object_get(*b, *f);

		if (json_is_integer(u) && json_is_integer(v))
			d = json_integer_value(u) < json_integer_value(v)
				    ? -1
				    : json_integer_value(u) > json_integer_value(v);
		else
			d = strcmp(json_is_string(u) ? json_string_value(u) : "",
				   json_is_string(v) ? json_string_value(v) : "");
	}
	return d;
}

/* A new array; NULL: out of memory. */
static json_t *sorted(const json_t *list, const char *const *fields)
{
	size_t n = json_array_size(list);
	_cleanup_free_ json_t **items = calloc(n + 1, sizeof(*items));
	json_t *out = json_array();

	if (!items || !out) {
		json_decref(out);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		items[i] = json_array_get(list, i);
	sort_by = fields;
	qsort(items, n, sizeof(*items), compare);
	for (size_t i = 0; i < n; i++)
		json_array_append(out, items[i]);
	return out;
}

int cli_list_by(const struct cli *c, json_t *req, const char *key, const struct cli_col *cols,
		size_t n, const char *const *fields)
{
	json_auto_t *answer = NULL, *list = NULL;
	int code = cli_ask(c, req, &answer);

	if (code)
		return code;
	if (c->json)
		return cli_print_json(c, answer);
	list = sorted(json_object_get(answer, key), fields);
	return list ? cli_print_list(c, list, cols, n) : cli_oom(c);
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

int cli_print_counts(const struct cli *c, const char *head, const json_t *counts)
{
	_cleanup_(table_freep) struct table *t = NULL;
	const char *const heads[] = { head, "COUNT" };
	const char *name;
	json_t *count;

	if (table_new(&t, heads, ARRAY_SIZE(heads)))
		return cli_oom(c);
	json_object_foreach ((json_t *)counts, name, count) {
		char number[24];
		const char *cells[] = { name, number };

		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(count));
		if (json_integer_value(count) && table_add(t, cells))
			return cli_oom(c);
	}
	table_print(t, stdout);
	return CLI_OK;
}

void cli_line(const char *what, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cli_clean(text);
	printf("%-12s %s\n", what, text);
}
