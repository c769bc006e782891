/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Figures of the table on a simulated pool: table_pool NODES PER_SECOND SECONDS LOSS(permille).
 * Fails when an update is lost, p99 is above the bar, or queues grow.
 */
#include <stdio.h>
#include <stdlib.h>

#include "table_pool.h"

#define P99_BAR 1500 /* ms */

static unsigned number(int argc, char **argv, int i, unsigned def)
{
	return argc > i ? (unsigned)strtoul(argv[i], NULL, 0) : def;
}

static bool one(struct tpool *p)
{
	struct tpool_fig f = tpool_load(p, 1, 10, 20000);

	tpool_print("single updates", &f);
	return f.arrived == f.pairs && f.p99 <= P99_BAR;
}

static bool load(struct tpool *p, unsigned per_s, unsigned s)
{
	struct tpool_fig f = tpool_load(p, per_s, s, 20000);

	tpool_print("load", &f);
	return f.arrived == f.pairs && f.p99 <= P99_BAR && f.queue_last <= 2 * f.queue_first + 64;
}

static bool withdrawn(struct tpool *p)
{
	uint64_t start = gsim_ms(tpool_sim(p)), half = 0, all = 0;
	unsigned before = tpool_showing(p, 3), left = before;

	gsim_crash(tpool_sim(p), 3);
	while (left && gsim_ms(tpool_sim(p)) - start < 60000) {
		tpool_run(p, 50);
		left = tpool_showing(p, 3);
		all = gsim_ms(tpool_sim(p)) - start;
		half = left > before / 2 ? all : half;
	}
	printf("death: withdrawn from half of the views after %llu ms, from all after %llu ms, "
	       "%u left\n",
	       (unsigned long long)half, (unsigned long long)all, left);
	return !left;
}

int main(int argc, char **argv)
{
	unsigned n = number(argc, argv, 1, 1000), per_s = number(argc, argv, 2, 200);
	unsigned s = number(argc, argv, 3, 30), loss = number(argc, argv, 4, 0);
	struct tpool *p = tpool_new(n, number(argc, argv, 5, 1),
				    (struct gsim_net){ .late = 20, .loss = loss });
	struct tpool_fig idle = tpool_load(p, 0, 10, 0);
	bool ok = true;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("%u nodes, %u/1000 of the packets lost\n", n, loss);
	tpool_print("idle", &idle);
	ok &= one(p);
	ok &= load(p, per_s, s);
	tpool_run(p, 20000);
	printf("hashes %s\n", tpool_alike(p) ? "equal" : "differ");
	ok &= tpool_alike(p);
	ok &= withdrawn(p);
	tpool_free(p);
	puts(ok ? "ok table_pool" : "FAIL table_pool: see above");
	return ok ? 0 : 1;
}
