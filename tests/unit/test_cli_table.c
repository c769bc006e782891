/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* control/cli: aligned text, and text made safe for a terminal. */
#include <criterion/criterion.h>

#include "control/cli/cli.h"
#include "control/cli/table.h"
#include "control/util.h"

static const char *const heads[] = { "NAME", "PORT" };

/* Prints and frees @t; the caller frees the text. */
static char *text_of(struct table *t)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	cr_assert_not_null(f);
	table_print(t, f);
	fclose(f);
	table_free(t);
	return text;
}

static void add(struct table *t, const char *a, const char *b)
{
	const char *cells[] = { a, b };

	cr_assert_eq(table_add(t, cells), 0);
}

Test(cli_table, empty_has_a_header)
{
	struct table *t = NULL;
	_cleanup_free_ char *text = NULL;

	cr_assert_eq(table_new(&t, heads, 2), 0);
	text = text_of(t);
	cr_assert_str_eq(text, "NAME  PORT\n");
}

Test(cli_table, aligns_and_marks_what_is_empty)
{
	struct table *t = NULL;
	_cleanup_free_ char *text = NULL;

	cr_assert_eq(table_new(&t, heads, 2), 0);
	add(t, "a-long-name", "80");
	add(t, NULL, "");
	text = text_of(t);
	cr_assert_str_eq(text, "NAME         PORT\na-long-name  80\n-            -\n");
}

Test(cli_table, counts_code_points)
{
	struct table *t = NULL;
	_cleanup_free_ char *text = NULL;

	cr_assert_eq(table_new(&t, heads, 2), 0);
	add(t, "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xc3\xa9", "1");
	add(t, "abcde", "2");
	text = text_of(t);
	cr_assert_str_eq(text,
			 "NAME   PORT\n\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xc3\xa9  1\nabcde  2\n");
}

Test(cli_table, many_rows)
{
	struct table *t = NULL;
	_cleanup_free_ char *text = NULL;

	cr_assert_eq(table_new(&t, heads, 2), 0);
	for (int i = 0; i < 1000; i++)
		add(t, "x", "1");
	text = text_of(t);
	cr_assert_eq(strlen(text), strlen("NAME  PORT\n") + 1000 * strlen("x     1\n"));
}

Test(cli_table, clean)
{
	char text[] = "a\x1b[31m\n\x7f \xc2\x9b \xc3\xa4";

	cli_clean(text);
	cr_assert_str_eq(text, "a?[31m?? ?? \xc3\xa4");
}
