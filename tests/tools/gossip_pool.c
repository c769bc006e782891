// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * gossip_pool NODES [SEED [LOSS]]: a day in the life of a simulated pool, in figures.
 * LOSS is in permille of packets; a tenth of it hits segments of streams.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gossip_figures.h"

static double cpu(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

static struct gfig halves(struct gfig_pool *p, unsigned nodes)
{
	struct gsim *g = gfig_sim(p);
	struct gfig f;

	for (unsigned i = 0; i < nodes / 2; i++)
		gsim_group(g, i, 1);
	gsim_run(g, 65000);
	for (unsigned i = 0; i < nodes / 2; i++)
		gsim_group(g, i, 0);
	f = gfig_whole(p, 600000);
	return f;
}

int main(int argc, char **argv)
{
	static const unsigned load[] = { 20, 50, 100, 200 };
	unsigned nodes = argc > 1 ? (unsigned)atoi(argv[1]) : 1000, false_deaths, missing = 0;
	uint64_t seed = argc > 2 ? (uint64_t)atoll(argv[2]) : 1;
	struct gsim_net net = { .loss = argc > 3 ? (unsigned)atoi(argv[3]) : 0, .late = 20 };
	struct gfig_pool *p;
	struct gfig f;
	char what[32];

	net.stream_loss = net.loss / 10;
	p = gfig_new(nodes, seed, net, true);
	f = gfig_whole(p, 600000);
	gfig_print("from nothing", &f);
	missing += f.of - f.reached;
	gfig_idle(p, 60000);
	f = gfig_idle(p, 30000);
	gfig_print("idle", &f);
	f = gfig_update(p, 1);
	gfig_print("update of a member", &f);
	missing += f.of - f.reached;
	f = gfig_record(p, 2);
	gfig_print("record", &f);
	for (unsigned i = 0; i < 4; i++) {
		f = gfig_load(p, load[i], 20);
		snprintf(what, sizeof(what), "%u records/s", load[i]);
		gfig_print(what, &f);
	}
	false_deaths = gfig_false_deaths(p);
	f = halves(p, nodes);
	gfig_print("65 s in halves, heals", &f);
	missing += f.of - f.reached;
	gfig_idle(p, 60000);
	f = gfig_death(p, 3);
	gfig_print("death", &f);
	missing += f.of - f.reached;
	printf("%u false deaths; %u missing; %.1f s of CPU\n", false_deaths, missing, cpu());
	gfig_free(p);
	return false_deaths || missing;
}
