// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Small pools in which anything happens, a thousand times; then peace, and everybody must agree.
 * A seed that fails is printed: PB_SEED=n runs that one alone and tells what happens, PB_SEEDS=n
 * runs that many of each kind.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "control/gossip/swim_internal.h"
#include "gossip_sim.h"

#define MAX_NODES 6
#define SEEDS 500 /* of each of the two kinds */

enum fate { UP, CRASHED, LEAVING, LEFT };

static struct {
	struct gsim *g;
	uint64_t seed;
	unsigned nodes;
	bool trace;
	bool rough; /* partitions and long pauses, too */
	enum fate fate[MAX_NODES];
	uint32_t born[MAX_NODES];	   /* its first incarnation */
	uint64_t excused[MAX_NODES];	   /* until then it may be called dead */
	bool buried[MAX_NODES][MAX_NODES]; /* [i][j]: i has seen j leave */
	unsigned events[MAX_NODES], events_sent;
} w;

#define check(cond, fmt, ...) \
	cr_assert(cond, "seed %llu%s at %llu ms: " fmt, (unsigned long long)w.seed, \
		  w.rough ? " rough" : "", (unsigned long long)gsim_ms(w.g), ##__VA_ARGS__)

/* With PB_SEED: what happens. */
#define told(fmt, ...) \
	do { \
		if (w.trace) \
			fprintf(stderr, "%8llu " fmt "\n", (unsigned long long)gsim_ms(w.g), \
				##__VA_ARGS__); \
	} while (0)

static void on_event(void *arg, unsigned i, const struct swim_event *ev,
		     const struct swim_view *view)
{
	unsigned j = ev->member ? gsim_index(view->name) : UINT32_MAX;

	(void)arg;
	told("n%u: event %d n%u inc %u", i, (int)ev->type, j, view->incarnation);
	if (ev->type == SWIM_EV_USER)
		w.events[i]++;
	if (j >= w.nodes || view->incarnation < w.born[j])
		return; /* news of an earlier life, read late */
	switch (ev->type) {
	case SWIM_EV_DEAD:
		check(w.fate[j] != UP || w.excused[j] > gsim_ms(w.g), "n%u buries n%u", i, j);
		break;
	case SWIM_EV_LEFT:
		if (w.excused[j] > gsim_ms(w.g))
			break; /* in its last life */
		check(w.fate[j] == LEAVING || w.fate[j] == LEFT, "n%u says n%u left", i, j);
		w.buried[i][j] = true;
		break;
	case SWIM_EV_JOIN: check(!w.buried[i][j], "n%u resurrects n%u", i, j); break;
	case SWIM_EV_GONE: w.fate[i] = LEFT; break;
	case SWIM_EV_CONFLICT:
	case SWIM_EV_FORGED:
	case SWIM_EV_FULL: check(false, "event %d of n%u about n%u", (int)ev->type, i, j); break;
	default: break;
	}
}

static void tune(struct swim_conf *c, void *arg)
{
	(void)arg;
	c->sync_interval = 5000;
	c->rejoin_min = 1000;
	c->rejoin_max = 3000;
	c->members = 32;
	c->queue_bytes = 1 << 16;
}

static void excuse(unsigned i, uint64_t ms)
{
	uint64_t until = gsim_ms(w.g) + ms;

	w.excused[i] = w.excused[i] > until ? w.excused[i] : until;
}

static void start(unsigned i)
{
	for (unsigned k = 0; k < w.nodes; k++)
		w.buried[i][k] = w.buried[k][i] = false;
	w.fate[i] = UP;
	w.born[i] = GSIM_UNIX + (uint32_t)(gsim_ms(w.g) / 1000);
	excuse(i, 20000); /* news of its last life may still be about */
	gsim_start(w.g, i);
}

static void set_meta(unsigned i)
{
	uint8_t meta[] = "\xff\x81\xa8patchbay\xa1"
			 "x";
	struct swim *s = gsim_node(w.g, i);

	meta[sizeof(meta) - 2] = (uint8_t)('0' + gsim_below(w.g, 10));
	swim_set_meta(s, gsim_now(w.g, i), (struct gsp_bytes){ meta, sizeof(meta) - 1 });
	gsim_poke(w.g, i);
}

static void user_event(unsigned i)
{
	char name[16];

	snprintf(name, sizeof(name), "e%u", w.events_sent++);
	swim_user_event(gsim_node(w.g, i), gsim_now(w.g, i), GSP_TEXT(name), GSP_TEXT("x"), false);
	gsim_poke(w.g, i);
}

static void rough(unsigned i, unsigned what)
{
	if (what < 2) {
		for (unsigned k = 0; k < w.nodes; k++) {
			gsim_group(w.g, k, gsim_below(w.g, 2));
			excuse(k, UINT32_MAX);
		}
	} else if (what < 4) {
		for (unsigned k = 0; k < w.nodes; k++)
			gsim_group(w.g, k, 0);
	} else if (gsim_paused(w.g, i)) {
		gsim_resume(w.g, i);
	} else {
		excuse(i, UINT32_MAX);
		gsim_pause(w.g, i);
	}
}

static void something(void)
{
	unsigned i = gsim_below(w.g, w.nodes), what = gsim_below(w.g, w.rough ? 20 : 14);

	told("n%u, fate %d: do %u", i, (int)w.fate[i], what);
	if (what >= 14) {
		if (what < 18 || w.fate[i] == UP)
			rough(i, what - 14);
		return;
	}
	if (w.fate[i] == CRASHED || w.fate[i] == LEFT) {
		if (w.fate[i] == LEFT)
			gsim_crash(w.g, i); /* the process of one that left ends */
		if (what < 8)
			start(i);
		else
			w.fate[i] = w.fate[i] == LEFT ? LEFT : CRASHED;
		return;
	}
	if (w.fate[i] == LEAVING || gsim_paused(w.g, i))
		return;
	if (what < 2) {
		gsim_crash(w.g, i);
		w.fate[i] = CRASHED;
	} else if (what < 3) {
		w.fate[i] = LEAVING;
		gsim_leave(w.g, i);
	} else if (what < 7) {
		set_meta(i);
	} else if (what < 10) {
		user_event(i);
	} else if (what < 12) {
		gsim_jump(w.g, i, (int64_t)gsim_below(w.g, 4000000) - 2000000);
	} else if (what < 13) {
		gsim_pause(w.g, i);
		gsim_run(w.g, gsim_below(w.g, 1000));
		gsim_resume(w.g, i);
	}
}

static bool agrees(unsigned i, unsigned j)
{
	int st = gsim_state(w.g, i, j);
	struct swim_view seen, is;

	if (w.fate[j] != UP)
		return st == -1 || st == GSP_STATE_DEAD || st == GSP_STATE_LEFT;
	if (st != GSP_STATE_ALIVE)
		return false;
	swim_view(gsim_node(w.g, j), gsim_node(w.g, j)->me, &is);
	swim_view(gsim_node(w.g, i), swim_find(gsim_node(w.g, i), is.name), &seen);
	return seen.incarnation == is.incarnation && gsp_bytes_eq(seen.meta, is.meta);
}

static bool all_agree(struct gsim *g, void *arg)
{
	(void)g;
	(void)arg;
	for (unsigned i = 0; i < w.nodes; i++) {
		for (unsigned j = 0; w.fate[i] == UP && j < w.nodes; j++) {
			if (!agrees(i, j))
				return false;
		}
	}
	return true;
}

static void bounded(unsigned i)
{
	struct swim *s = gsim_node(w.g, i);
	struct swim_stats st;

	swim_stats(s, &st);
	check(s->n <= w.nodes && s->q_member.peak <= w.nodes + 1, "n%u: %u members, queue %zu", i,
	      s->n, s->q_member.peak);
	check(s->heap.n <= s->n + 6 + SWIM_PROBES + SWIM_RELAYS, "n%u: %u timers", i, s->heap.n);
	check(!st.overflow && !st.bad && !st.unknown && !st.full, "n%u: overflow, or cannot read",
	      i);
}

/* Nothing is left to say once everybody agrees, however long it is repeated. */
static bool quiet(struct gsim *g, void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < w.nodes; i++) {
		struct swim_stats st;

		if (w.fate[i] != UP)
			continue;
		swim_stats(gsim_node(g, i), &st);
		if (st.queued && swim_live(gsim_node(g, i)) > 1)
			return false;
	}
	return true;
}

static void dump(void)
{
	for (unsigned i = 0; i < w.nodes; i++) {
		fprintf(stderr, "n%u fate %d:", i, (int)w.fate[i]);
		for (unsigned j = 0; w.fate[i] == UP && j < swim_count(gsim_node(w.g, i)); j++) {
			struct swim_view v;

			swim_view(gsim_node(w.g, i), swim_at(gsim_node(w.g, i), j), &v);
			fprintf(stderr, "  %.*s %d inc %u for %llu ms", (int)v.name.n, v.name.p,
				(int)v.state, v.incarnation, (unsigned long long)v.since_ms);
		}
		fprintf(stderr, "\n");
	}
}

static void peace(void)
{
	for (unsigned i = 0; i < w.nodes; i++) {
		gsim_group(w.g, i, 0);
		if (gsim_paused(w.g, i))
			gsim_resume(w.g, i);
	}
	gsim_run(w.g, 15000); /* who is leaving goes */
	for (unsigned i = 0; i < w.nodes; i++)
		excuse(i, 40000);
	if (gsim_until(w.g, 120000, all_agree, NULL) == UINT64_MAX) {
		dump();
		check(false, "no agreement");
	}
	check(gsim_until(w.g, 60000, quiet, NULL) != UINT64_MAX, "they talk for ever");
	for (unsigned i = 0; i < w.nodes; i++) {
		if (w.fate[i] == UP)
			bounded(i);
	}
}

static void run(uint64_t seed, bool is_rough)
{
	struct gsim_conf conf = {
		.seed = seed * 2 + is_rough, .profile = SWIM_FAST, .tune = tune, .event = on_event
	};

	memset(&w, 0, sizeof(w));
	w.seed = seed;
	w.rough = is_rough;
	w.trace = getenv("PB_SEED");
	w.nodes = conf.nodes = 2 + (unsigned)(seed % (MAX_NODES - 1));
	conf.net = (struct gsim_net){ .loss = (unsigned)(seed * 7 % 101),
				      .twice = 50,
				      .late = 50,
				      .stream_loss = (unsigned)(seed * 3 % 101) };
	w.g = gsim_new(&conf);
	for (unsigned i = 0; i < w.nodes; i++)
		start(i);
	for (unsigned k = 0; k < 25; k++) {
		something();
		gsim_run(w.g, gsim_below(w.g, gsim_below(w.g, 4) ? 500 : 8000));
	}
	peace();
	gsim_free(w.g);
}

static void seeds(bool is_rough)
{
	const char *one = getenv("PB_SEED"), *many = getenv("PB_SEEDS");
	uint64_t n = many ? strtoull(many, NULL, 10) : SEEDS;

	for (uint64_t seed = 1; seed <= n; seed++) {
		if (!one || strtoull(one, NULL, 10) == seed)
			run(seed, is_rough);
	}
}

Test(gossip_random, loss_and_clocks_kill_nobody)
{
	seeds(false);
}

Test(gossip_random, partitions_and_pauses_heal)
{
	seeds(true);
}
