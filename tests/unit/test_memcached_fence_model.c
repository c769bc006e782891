// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Every story there is for three servers and three keys, with servers that hang and go on, writes that
 * arrive late, flushes that spare what is young.  What must never be: a key's owner holds a value older
 * than the last write that was acknowledged.
 */
enum guard { MCF_G_NONE, MCF_G_DIRTY, MCF_G_MARK, MCF_G_EMPTY, MCF_G_TWICE, MCF_G_LAST };
static enum guard off;
#define MCF_GUARD(x) (off != (x))
#define MCF_SERVERS 3
#include "control/memcached/fence.c"

#include <stdlib.h>

#include <criterion/criterion.h>

#include "control/util.h"
#include <patchbay/siphash.h>

#define LIFE 100

/* ---- every story --------------------------------------------------------- */

#define KEYS 3
#define NOW 1000

enum held { NONE, OLD, LAST };

struct world {
	struct mcf f;
	uint8_t alive[MCF_SERVERS];
	uint8_t held[MCF_SERVERS][KEYS];  /* enum held */
	uint8_t young[MCF_SERVERS][KEYS]; /* a flush may spare it */
	uint8_t way_to, way_key;	  /* a write on its way; MCF_SERVERS: none */
};

static const uint8_t home[KEYS] = { 0, 0, 1 };
static const uint8_t order[KEYS][MCF_SERVERS] = { { 1, 2, 0 }, { 2, 1, 0 }, { 2, 0, 1 } };

static unsigned owner(const struct world *w, unsigned key)
{
	const struct mcf_set *set = mcf_standins(&w->f, home[key]);

	for (unsigned i = 0; set && i < MCF_SERVERS; i++)
		if (mcf_has(set, order[key][i]))
			return order[key][i];
	return mcf_lost(&w->f, home[key]) ? MCF_SERVERS : home[key];
}

static bool wrong(const struct world *w)
{
	for (unsigned k = 0; k < KEYS; k++) {
		unsigned o = owner(w, k);

		if (o < MCF_SERVERS && w->held[o][k] == OLD)
			return true;
	}
	return false;
}

static void apply(struct world *w, unsigned server, unsigned key)
{
	w->held[server][key] = LAST;
	w->young[server][key] = 1;
}

/* Clock and counters as small as they can be: states that behave the same are one. */
static void normalize(struct world *w)
{
	for (unsigned i = 0; i < MCF_SERVERS; i++) {
		struct mcf_server *s = &w->f.s[i];

		s->since = 0;
		s->due = s->due <= NOW ? 0 : NOW + LIFE;
		if (!s->cleaning && s->state != MCF_EMPTYING)
			s->due = s->flushes = 0;
		if (s->missed > w->f.threshold)
			s->missed = w->f.threshold;
		if (s->state != MCF_DOWN)
			s->heard = 0;
	}
}

static void time_passes(struct world *w)
{
	for (unsigned i = 0; i < MCF_SERVERS; i++)
		w->f.s[i].due = 0;
	memset(w->young, 0, sizeof(w->young));
	w->way_to = MCF_SERVERS;
}

static void flush(struct world *w, unsigned i)
{
	for (unsigned k = 0; k < KEYS; k++)
		if (!w->young[i][k])
			w->held[i][k] = NONE;
	mcf_flushed(&w->f, i, NOW, NOW);
}

static bool write_key(struct world *w, unsigned k)
{
	unsigned o = owner(w, k);

	if (o == MCF_SERVERS || !w->alive[o])
		return false;
	for (unsigned i = 0; i < MCF_SERVERS; i++)
		if (w->held[i][k] == LAST)
			w->held[i][k] = OLD;
	apply(w, o, k);
	return true;
}

#define PER_SERVER 5
#define STEPS (1 + 1 + 2 * KEYS + PER_SERVER * MCF_SERVERS)

/* Fewer things happen, and the walk gets further. */
static bool calm;

static bool server_step(struct world *w, unsigned i, unsigned what)
{
	if (calm && (what == 0 || what > 3))
		return false;
	switch (what) {
	case 0: w->alive[i] = !w->alive[i]; return true; /* it hangs, it goes on */
	case 1:
		if (w->alive[i])
			mcf_answered(&w->f, i, NOW);
		else
			mcf_missed(&w->f, i, NOW);
		return true;
	case 2: /* a probe was lost */
		if (w->alive[i])
			mcf_missed(&w->f, i, NOW);
		return w->alive[i];
	case 3:
		if (!w->alive[i] || !mcf_wants_flush(&w->f, i, NOW))
			return false;
		flush(w, i);
		return true;
	default:
		if (i) /* one is enough */
			return false;
		mcf_drain(&w->f, i, !w->f.s[i].wish, NOW);
		return true;
	}
}

/* False: nothing happens that way. */
static bool step(struct world *w, unsigned n)
{
	if (n == 0) {
		time_passes(w);
		return true;
	}
	if (n == 1) {
		if (calm || w->way_to == MCF_SERVERS)
			return false;
		if (w->alive[w->way_to])
			apply(w, w->way_to, w->way_key);
		w->way_to = MCF_SERVERS;
		return true;
	}
	n -= 2;
	if (n < KEYS)
		return write_key(w, n);
	n -= KEYS;
	if (n < KEYS) {
		if (calm || w->way_to != MCF_SERVERS)
			return false;
		w->way_to = (uint8_t)owner(w, n);
		w->way_key = (uint8_t)n;
		return w->way_to != MCF_SERVERS;
	}
	n -= KEYS;
	return server_step(w, n / PER_SERVER, n % PER_SERVER);
}

#define STATES 400000
#define TABLE (1u << 20)
static uint64_t *seen;

static bool is_new(const struct world *w)
{
	static const uint8_t key[PB_SIPHASH_KEY_LEN] = { 1 };
	uint64_t h = pb_siphash24(key, w, sizeof(*w)) | 1;

	for (uint32_t i = (uint32_t)(h >> 32) & (TABLE - 1);; i = (i + 1) & (TABLE - 1)) {
		if (seen[i] == h)
			return false;
		if (!seen[i]) {
			seen[i] = h;
			return true;
		}
	}
}

/* How many states there are without a wrong one, the nearest first, at most @most; 0: there is one. */
static unsigned long walk(unsigned long most)
{
	struct world *queue = malloc((most + STEPS) * sizeof(*queue));
	unsigned long n = 1;
	bool bad = false;

	memset(&queue[0], 0, sizeof(queue[0]));
	mcf_init(&queue[0].f, 1, LIFE, true);
	for (unsigned i = 0; i < MCF_SERVERS; i++) {
		mcf_add(&queue[0].f, i, false, true, 0);
		queue[0].alive[i] = 1;
	}
	queue[0].way_to = MCF_SERVERS;
	seen = calloc(TABLE, sizeof(*seen));
	is_new(&queue[0]);
	for (unsigned long at = 0; at < n && n < most && !bad; at++)
		for (unsigned i = 0; i < STEPS && !bad; i++) {
			queue[n] = queue[at];
			if (!step(&queue[n], i))
				continue;
			mcf_settle(&queue[n].f, NOW);
			normalize(&queue[n]);
			bad = wrong(&queue[n]);
			n += !bad && is_new(&queue[n]);
		}
	free(queue);
	free(seen);
	return bad ? 0 : n;
}

Test(memcached_fence_model, no_story_ends_wrong, .timeout = 300)
{
	off = MCF_G_NONE;
	calm = false;
	cr_expect_gt(walk(STATES), STATES - 1);
	calm = true;
	cr_expect_gt(walk(STATES), 0);
}

/* Each guard taken away alone leaves a story that ends wrong. */
Test(memcached_fence_model, every_guard_counts, .timeout = 300)
{
	for (off = MCF_G_DIRTY; off <= MCF_G_LAST; off++) {
		unsigned long states;

		calm = false;
		states = walk(STATES);
		calm = true;
		cr_expect(!states || !walk(STATES), "guard %d", off);
	}
	off = MCF_G_NONE;
}
