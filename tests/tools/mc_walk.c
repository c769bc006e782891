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
	{ "loss", { .op = { SET(1), SET(2), GET, GET, GET }, .ops = 5, .ages = 1, .fetches = 1 } },
	{ "loss-two-fetches",
	  { .op = { SET(1), SET(2), GET, GET }, .ops = 4, .ages = 2, .fetches = 2 } },
	{ "requests-twice",
	  { .op = { SET(1), SET(2), GET, GET }, .ops = 4, .copies = 1, .fetches = 1 } },
	{ "requests-twice-and-loss",
	  { .op = { SET(1), GET, GET }, .ops = 3, .copies = 2, .ages = 1, .fetches = 1 } },
	{ "replies-twice",
	  { .op = { SET(1), SET(2), GET, GET, GET }, .ops = 5, .echoes = 1, .fetches = 1 } },
	{ "evictions-and-other-reads",
	  { .op = { SET(1), SET(2), GET, GET, PASS }, .ops = 5, .evictions = 1, .fetches = 1 } },
	{ "noreply",
	  { .op = { QUIET(1), SET(2), GET, GET, GET }, .ops = 5, .ages = 1, .fetches = 1 } },
	{ "flush", { .op = { FLUSH, SET(2), GET, GET, GET }, .ops = 5, .fetches = 1 } },
	{ "flush-and-loss",
	  { .op = { FLUSH, SET(2), GET, GET }, .ops = 4, .echoes = 1, .ages = 1, .fetches = 1 } },
	{ "direct-writes",
	  { .op = { SET(1), SET(2), GET, GET, GET },
	    .ops = 5,
	    .ages = 1,
	    .direct = 1,
	    .fetches = 1 } },
	{ "three-writers", { .op = { SET(1), SET(2), SET(3), GET, GET }, .ops = 5, .fetches = 1 } },
	{ "two-keys", { .op = { SET(1), SET_OF(2), GET, GET, GET_OF }, .ops = 5, .fetches = 2 } },
	{ "two-keys-flush", { .op = { FLUSH, GET, GET, GET_OF }, .ops = 4, .fetches = 2 } },
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
