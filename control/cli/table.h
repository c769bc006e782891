/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Text in aligned columns.  Cells are copied, cleaned for terminals; "-" when empty. */
#ifndef PB_CLI_TABLE_H
#define PB_CLI_TABLE_H

#include <stddef.h>
#include <stdio.h>

struct table;

int table_new(struct table **ret, const char *const *heads, size_t cols);
void table_free(struct table *t);
/* @cells has one entry a column, NULL for an empty one. */
int table_add(struct table *t, const char *const *cells);
void table_print(const struct table *t, FILE *f);

static inline void table_freep(struct table **t)
{
	table_free(*t);
}

#endif /* PB_CLI_TABLE_H */
