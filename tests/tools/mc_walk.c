// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The larger walks of tests/lib/mc_model.h:
 *	mc_walk [NUMBER...]	all, or those
 * One line each: "ok NAME STATES states FILLS fills HITS hits", or FAIL and the way to it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/mc_model.h"

static const struct {
	const char *name;
	struct mc_config c;
} walks[] = {
	{ "loss", { .op = { SET(1), SET(2), GET, GET, GET }, .ops = 5, .ages = 2 } },
	{ "requests-twice", { .op = { SET(1), SET(2), GET, PASS }, .ops = 4, .copies = 2 } },
	{ "requests-twice-and-loss",
	  { .op = { SET(1), SET(2), GET, GET }, .ops = 4, .copies = 1, .ages = 1 } },
	{ "replies-twice", { .op = { SET(1), SET(2), GET, GET, GET }, .ops = 5, .echoes = 2 } },
	{ "replies-twice-and-other-reads",
	  { .op = { SET(1), SET(2), GET, GET, PASS }, .ops = 5, .echoes = 1, .ages = 1 } },
	{ "noreply-twice", { .op = { QUIET(1), SET(2), GET, PASS }, .ops = 4, .copies = 2 } },
	{ "flush-and-loss",
	  { .op = { FLUSH, SET(2), GET, GET, PASS }, .ops = 5, .echoes = 1, .ages = 1 } },
	{ "direct-writes-twice",
	  { .op = { SET(1), SET(2), GET, PASS }, .ops = 4, .copies = 2, .direct = 1 } },
	{ "three-writers", { .op = { SET(1), SET(2), SET(3), GET, GET }, .ops = 5 } },
};

static int walk(size_t i)
{
	struct mc_found f;

	mc_model_run(&walks[i].c, &f);
	if (f.wrong || f.full)
		printf("FAIL %s: %s\n", walks[i].name, f.wrong ? f.trace : "too many states");
	else
		printf("ok %s %lu states %lu fills %lu hits\n", walks[i].name,
		       (unsigned long)f.states, (unsigned long)f.fills, (unsigned long)f.hits);
	fflush(stdout);
	return f.wrong || f.full;
}

int main(int argc, char **argv)
{
	size_t n = sizeof(walks) / sizeof(*walks);
	int bad = 0;

	for (int i = 1; i < argc; i++) {
		size_t which = strtoul(argv[i], NULL, 10);

		if (which >= n)
			return 2;
		bad += walk(which);
	}
	for (size_t i = 0; i < n && argc == 1; i++)
		bad += walk(i);
	return bad ? 1 : 0;
}
