/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "table.h"

#include "../util.h"
#include "cli.h"

#define GAP 2 /* blanks between columns */

struct table {
	size_t cols, cells, room;
	char **cell; /* row by row, the heads first */
};

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->cells; i++)
		free(t->cell[i]);
	free(t->cell);
	free(t);
}

int table_new(struct table **ret, const char *const *heads, size_t cols)
{
	_cleanup_(table_freep) struct table *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	t->cols = cols;
	err = table_add(t, heads);
	if (err)
		return err;
	*ret = TAKE_PTR(t);
	return 0;
}

static int reserve(struct table *t)
{
	size_t room = t->room ? t->room * 2 : t->cols * 16;
	char **cell;

	if (t->cells + t->cols <= t->room)
		return 0;
	cell = reallocarray(t->cell, room, sizeof(*cell));
	if (!cell)
		return -ENOMEM;
	t->cell = cell;
	t->room = room;
	return 0;
}

int table_add(struct table *t, const char *const *cells)
{
	size_t before = t->cells;
	int err = reserve(t);

	if (err)
		return err;
	for (size_t i = 0; i < t->cols; i++) {
		char *text = strdup(cells[i] && *cells[i] ? cells[i] : "-");

		if (!text) {
			while (t->cells > before)
				free(t->cell[--t->cells]);
			return -ENOMEM;
		}
		cli_clean(text);
		t->cell[t->cells++] = text;
	}
	return 0;
}

/* Columns a terminal needs, taking every code point as one. */
static size_t width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static size_t column_width(const struct table *t, size_t col)
{
	size_t most = 0;

	for (size_t i = col; i < t->cells; i += t->cols) {
		size_t w = width(t->cell[i]);

		if (w > most)
			most = w;
	}
	return most;
}

void table_print(const struct table *t, FILE *f)
{
	_cleanup_free_ size_t *wide = calloc(t->cols, sizeof(*wide));

	/* Out of memory costs the alignment, not the content. */
	for (size_t c = 0; wide && c < t->cols; c++)
		wide[c] = column_width(t, c);
	for (size_t i = 0; i < t->cells; i++) {
		size_t col = i % t->cols, w = width(t->cell[i]);

		fputs(t->cell[i], f);
		if (col + 1 == t->cols)
			fputc('\n', f);
		else
			fprintf(f, "%*s", (int)((wide ? wide[col] - w : 0) + GAP), "");
	}
}
