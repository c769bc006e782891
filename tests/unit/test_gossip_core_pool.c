// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Pools of fifty simulated nodes: what happens to all of them, and when. */
#include <criterion/criterion.h>

#include "gossip_sim.h"

#define NODES 50

static struct gsim *g;
static unsigned deaths[NODES]; /* events that say so, by whom they are about */
static unsigned suspects[NODES];
static unsigned conflicts, forged;

static void on_event(void *arg, unsigned i, const struct swim_event *ev,
		     const struct swim_view *view)
{
	unsigned about = ev->member ? gsim_index(view->name) : UINT32_MAX;

	(void)arg;
	(void)i;
	if (ev->type == SWIM_EV_DEAD && about < NODES)
		deaths[about]++;
	if (ev->type == SWIM_EV_SUSPECT && about < NODES)
		suspects[about]++;
	conflicts += ev->type == SWIM_EV_CONFLICT;
	forged += ev->type == SWIM_EV_FORGED;
}

static void start(uint64_t seed, struct gsim_net net)
{
	struct gsim_conf conf = { .nodes = NODES, .seed = seed, .net = net, .event = on_event };

	g = gsim_new(&conf);
	gsim_acquaint(g);
	gsim_run(g, 3000);
}

static void stop(void)
{
	gsim_free(g);
}

/* Every node that is up has the others as alive, if they are up, else as not. */
static bool settled(struct gsim *sim, void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < NODES; i++) {
		if (!gsim_up(sim, i) || gsim_paused(sim, i))
			continue;
		for (unsigned j = 0; j < NODES; j++) {
			int st = gsim_state(sim, i, j);

			if ((st == GSP_STATE_ALIVE) != gsim_up(sim, j) || st == GSP_STATE_SUSPECT)
				return false;
		}
	}
	return true;
}

Test(gossip_pool, nodes_that_start_alone_find_each_other, .fini = stop)
{
	struct gsim_conf conf = { .nodes = NODES, .seed = 5, .event = on_event };
	uint64_t ms;

	g = gsim_new(&conf);
	for (unsigned i = 0; i < NODES; i++)
		gsim_start(g, i);
	ms = gsim_until(g, 60000, settled, NULL);
	cr_assert_neq(ms, UINT64_MAX);
	cr_log_info("50 nodes at once: %llu ms", (unsigned long long)ms);
	for (unsigned i = 0; i < NODES; i++)
		cr_assert_eq(deaths[i], 0);
}

Test(gossip_pool, a_crash_is_seen_by_all, .fini = stop)
{
	uint64_t ms;

	start(1, (struct gsim_net){ .loss = 50, .late = 20 });
	gsim_crash(g, 7);
	ms = gsim_until(g, 60000, settled, NULL);
	cr_assert_neq(ms, UINT64_MAX);
	cr_log_info("death known to all: %llu ms", (unsigned long long)ms);
	for (unsigned i = 0; i < NODES; i++)
		cr_assert_eq(deaths[i], i == 7 ? NODES - 1 : 0, "n%u: %u", i, deaths[i]);
}

/* Six of fifty are stopped for 12 s: those may be buried, for a while.  Nobody else. */
Test(gossip_pool, stopped_nodes_accuse_nobody, .fini = stop)
{
	for (uint64_t seed = 1; seed <= 5; seed++) {
		start(seed, (struct gsim_net){ .late = 20 });
		for (unsigned i = 0; i < 6; i++)
			gsim_pause(g, i);
		gsim_run(g, 12000);
		for (unsigned i = 0; i < 6; i++)
			gsim_resume(g, i);
		gsim_run(g, 40000);
		cr_assert(settled(g, NULL));
		for (unsigned i = 6; i < NODES; i++) {
			cr_assert_eq(deaths[i], 0, "seed %u n%u", (unsigned)seed, i);
			cr_assert_eq(suspects[i], 0, "seed %u n%u", (unsigned)seed, i);
		}
		if (seed < 5)
			stop();
	}
}

/* The same seen from one machine whose clock jumps: a suspended virtual machine. */
Test(gossip_pool, a_jump_of_the_clock_accuses_nobody, .fini = stop)
{
	start(2, (struct gsim_net){ .loss = 20 });
	for (unsigned i = 0; i < 10; i++) {
		gsim_jump(g, i, i % 2 ? 3600000 : -3600000);
		gsim_run(g, 500);
	}
	gsim_run(g, 30000);
	cr_assert(settled(g, NULL));
	for (unsigned i = 0; i < NODES; i++)
		cr_assert_eq(deaths[i], 0, "n%u", i);
}

Test(gossip_pool, lost_packets_kill_nobody, .fini = stop)
{
	static const unsigned loss[] = { 50, 100, 300, 500 };

	for (unsigned k = 0; k < 4; k++) {
		start(k, (struct gsim_net){ .loss = loss[k], .twice = 50, .late = 50 });
		gsim_run(g, 60000);
		for (unsigned i = 0; i < NODES; i++)
			cr_assert_eq(deaths[i], 0, "n%u", i);
		if (k < 3)
			stop();
	}
}

static void split(unsigned first, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		gsim_group(g, first + i, 1);
}

static void heal(void)
{
	for (unsigned i = 0; i < NODES; i++)
		gsim_group(g, i, 0);
}

Test(gossip_pool, halves_find_each_other_again, .fini = stop)
{
	uint64_t ms;

	start(3, (struct gsim_net){ .late = 20 });
	split(0, NODES / 2);
	gsim_run(g, 65000);
	for (unsigned i = 0; i < NODES; i++)
		cr_assert_eq(gsim_state(g, i, (i + NODES / 2) % NODES), GSP_STATE_DEAD);
	memset(deaths, 0, sizeof(deaths));
	memset(suspects, 0, sizeof(suspects));
	heal();
	ms = gsim_until(g, 60000, settled, NULL);
	cr_assert_neq(ms, UINT64_MAX);
	cr_log_info("halves healed: %llu ms", (unsigned long long)ms);
	for (unsigned i = 0; i < NODES; i++) {
		cr_assert_eq(deaths[i], 0, "n%u died of the healing", i);
		cr_assert_leq(suspects[i], 5, "n%u suspected %u times", i, suspects[i]);
	}
}

/* memberlist forgets after half a minute; one that was cut off alone never comes back there. */
Test(gossip_pool, one_cut_off_for_long_comes_back, .fini = stop)
{
	uint64_t ms;

	start(4, (struct gsim_net){ .late = 20 });
	split(9, 1);
	gsim_run(g, 600000);
	heal();
	ms = gsim_until(g, 120000, settled, NULL);
	cr_assert_neq(ms, UINT64_MAX);
	cr_log_info("one healed: %llu ms", (unsigned long long)ms);
}

static void shout(const uint8_t *p, int n)
{
	struct swim_addr from = { .ip = { { 192, 0, 2, 1 }, 4 }, .port = 9 };

	for (unsigned i = 0; i < NODES; i++) {
		if (gsim_up(g, i))
			swim_message(gsim_node(g, i), gsim_now(g, i), &from, p, (size_t)n);
		gsim_poke(g, i);
	}
}

/* With memberlist one such packet keeps a live node out for good: the refutation wraps to 0. */
Test(gossip_pool, no_accusation_is_beyond_refutation, .fini = stop)
{
	static const uint32_t inc[] = { UINT32_MAX, UINT32_MAX - 1, 1u << 31, GSIM_UNIX + 86400,
					GSIM_UNIX + 100 };
	uint8_t buf[256];

	start(6, (struct gsim_net){ .late = 20 });
	for (unsigned k = 0; k < 5; k++) {
		struct gsp_dead d = { inc[k], GSP_TEXT("n4"), GSP_TEXT("n5") };
		struct gsp_suspect s = { inc[k], GSP_TEXT("n4"), GSP_TEXT("n5") };
		struct gsp_alive a = { .incarnation = inc[k],
				       .node = GSP_TEXT("n4"),
				       .addr = { { 10, 0, 0, 4 }, 4 },
				       .port = 7946,
				       .vsn = GSP_VSN_OURS };

		shout(buf, gsp_dead_encode(&d, buf, sizeof(buf)));
		gsim_run(g, 500);
		shout(buf, gsp_alive_encode(&a, buf, sizeof(buf)));
		gsim_run(g, 500);
		shout(buf, gsp_suspect_encode(&s, buf, sizeof(buf)));
		cr_assert_neq(gsim_until(g, 10000, settled, NULL), UINT64_MAX, "%u", inc[k]);
	}
	cr_assert_geq(forged, NODES);
	/* and it can still die, and return */
	gsim_run(g, 5000);
	gsim_crash(g, 4);
	cr_assert_neq(gsim_until(g, 60000, settled, NULL), UINT64_MAX);
	gsim_start(g, 4);
	cr_assert_neq(gsim_until(g, 60000, settled, NULL), UINT64_MAX);
}

Test(gossip_pool, leaving_is_not_dying, .fini = stop)
{
	start(7, (struct gsim_net){ .loss = 50, .late = 20 });
	gsim_leave(g, 3);
	gsim_run(g, 20000);
	for (unsigned i = 0; i < NODES; i++)
		cr_assert_eq(gsim_state(g, i, 3), GSP_STATE_LEFT, "n%u", i);
	cr_assert_eq(deaths[3], 0);
	gsim_crash(g, 3);
	gsim_start(g, 3);
	cr_assert_neq(gsim_until(g, 30000, settled, NULL), UINT64_MAX);
}
