// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "control/memcached/fence.h"

#include <string.h>

#define RISE 2 /* answers in a row that bring a server back */

static void set_add(struct mcf_set *s, unsigned i)
{
	s->w[i / 64] |= 1ULL << (i % 64);
}

static void set_del(struct mcf_set *s, unsigned i)
{
	s->w[i / 64] &= ~(1ULL << (i % 64));
}

static void set_join(struct mcf_set *s, const struct mcf_set *o)
{
	for (unsigned i = 0; i < MCF_WORDS; i++)
		s->w[i] |= o->w[i];
}

static bool set_empty(const struct mcf_set *s)
{
	for (unsigned i = 0; i < MCF_WORDS; i++)
		if (s->w[i])
			return false;
	return true;
}

const char *mcf_state_name(unsigned state)
{
	static const char *const names[] = {
		"free", "up", "suspect", "down", "emptying", "drained"
	};

	return state < sizeof(names) / sizeof(*names) ? names[state] : "?";
}

static unsigned become(struct mcf *f, unsigned i, uint8_t state, uint64_t now)
{
	if (f->s[i].state == state)
		return 0;
	f->s[i].state = state;
	f->s[i].since = now;
	return MCF_STATE;
}

static bool alive(const struct mcf *f, unsigned i)
{
	return i < f->n && (f->s[i].state == MCF_UP || f->s[i].state == MCF_SUSPECT);
}

bool mcf_serves(const struct mcf *f, unsigned i)
{
	return alive(f, i) && f->s[i].joined && !f->s[i].gutter;
}

const struct mcf_set *mcf_standins(const struct mcf *f, unsigned home)
{
	return set_empty(&f->standin[home]) ? NULL : &f->standin[home];
}

/* ---- who stands in ------------------------------------------------------- */

static bool may_stand_in(const struct mcf *f, unsigned home, unsigned j, bool gutter)
{
	const struct mcf_server *s = &f->s[j];

	return j != home && s->state == MCF_UP && s->joined && s->gutter == gutter;
}

static void start_emptying(struct mcf *f, unsigned i, uint64_t now)
{
	f->s[i].flushes = 0;
	f->s[i].due = now;
}

/* All that are clean; if none is, the first one is emptied for it. */
static unsigned pick_of(struct mcf *f, unsigned home, bool gutter, uint64_t now)
{
	unsigned victim = MCF_NOBODY;
	struct mcf_set set = { { 0 } };
	bool cleaning = false;

	for (unsigned j = 0; j < f->n; j++) {
		if (!may_stand_in(f, home, j, gutter))
			continue;
		cleaning |= f->s[j].cleaning;
		if (!MCF_GUARD(MCF_G_DIRTY) || (!mcf_has(&f->dirty[home], j) && !f->s[j].cleaning))
			set_add(&set, j);
		else if (victim == MCF_NOBODY)
			victim = j;
	}
	if (!set_empty(&set)) {
		set_join(&f->dirty[home], &f->standin[home]);
		f->standin[home] = set;
		f->s[home].stale = true;
		return MCF_RING;
	}
	if (victim == MCF_NOBODY || cleaning)
		return 0;
	f->s[victim].cleaning = true;
	start_emptying(f, victim, now);
	return MCF_STATE;
}

static unsigned pick(struct mcf *f, unsigned home, uint64_t now)
{
	for (unsigned j = 0; j < f->n; j++)
		if (may_stand_in(f, home, j, true))
			return pick_of(f, home, true, now);
	return pick_of(f, home, false, now);
}

static bool is_away(const struct mcf *f, unsigned i)
{
	const struct mcf_server *s = &f->s[i];

	if (!s->joined || s->gutter)
		return false;
	return s->state == MCF_DRAINED || s->state == MCF_EMPTYING ||
	       (s->state == MCF_DOWN && (f->failover || s->stale));
}

static bool has_alive(const struct mcf *f, const struct mcf_set *s)
{
	for (unsigned i = 0; i < f->n; i++)
		if (mcf_has(s, i) && alive(f, i))
			return true;
	return false;
}

unsigned mcf_settle(struct mcf *f, uint64_t now)
{
	unsigned did = 0;

	for (unsigned i = 0; i < f->n; i++)
		if (is_away(f, i) && !has_alive(f, &f->standin[i]))
			did |= pick(f, i, now);
	return did;
}

bool mcf_lost(const struct mcf *f, unsigned home)
{
	return MCF_GUARD(MCF_G_LAST) && is_away(f, home) && f->s[home].stale &&
	       set_empty(&f->standin[home]);
}

static bool is_last(const struct mcf_set *s, unsigned i)
{
	struct mcf_set rest = *s;

	set_del(&rest, i);
	return MCF_GUARD(MCF_G_LAST) && set_empty(&rest);
}

/* It stands in for nobody any more; what it has of others gets old.  But where it is the last: it keeps
 * those keys until there is another, for nobody else has them. */
static unsigned steps_back(struct mcf *f, unsigned i, bool for_good)
{
	unsigned did = 0;

	for (unsigned h = 0; h < f->n; h++) {
		if (!mcf_has(&f->standin[h], i) || (!for_good && is_last(&f->standin[h], i)))
			continue;
		set_del(&f->standin[h], i);
		set_add(&f->dirty[h], i);
		did |= MCF_RING;
	}
	return did;
}

static unsigned leaves(struct mcf *f, unsigned i, uint8_t state, uint64_t now)
{
	unsigned did = become(f, i, state, now);

	f->s[i].cleaning = false;
	f->s[i].heard = 0;
	did |= steps_back(f, i, false);
	return did | mcf_settle(f, now);
}

/* It owns its keys again; those who stood in have old ones. */
static unsigned returns(struct mcf *f, unsigned i, uint64_t now)
{
	unsigned did = become(f, i, MCF_UP, now);

	if (!set_empty(&f->standin[i]))
		did |= MCF_RING;
	if (MCF_GUARD(MCF_G_MARK))
		set_join(&f->dirty[i], &f->standin[i]);
	memset(&f->standin[i], 0, sizeof(f->standin[i]));
	f->s[i].stale = false;
	f->s[i].missed = 0;
	if (!f->s[i].joined)
		did |= MCF_JOIN;
	f->s[i].joined = true;
	return did | mcf_settle(f, now);
}

static void is_empty(struct mcf *f, unsigned i)
{
	for (unsigned h = 0; h < f->n; h++)
		set_del(&f->dirty[h], i);
	f->s[i].cleaning = false;
}

/* ---- servers come and go ------------------------------------------------- */

void mcf_init(struct mcf *f, uint32_t threshold, uint64_t life, bool failover)
{
	memset(f, 0, sizeof(*f));
	f->threshold = threshold;
	f->life = life;
	f->failover = failover;
}

unsigned mcf_add(struct mcf *f, unsigned i, bool gutter, bool fresh, uint64_t now)
{
	struct mcf_server *s = &f->s[i];

	memset(s, 0, sizeof(*s));
	memset(&f->dirty[i], 0, sizeof(f->dirty[i]));
	memset(&f->standin[i], 0, sizeof(f->standin[i]));
	if (i >= f->n)
		f->n = i + 1;
	for (unsigned h = 0; h < f->n; h++)
		set_del(&f->dirty[h], i);
	s->gutter = gutter;
	s->state = fresh ? MCF_UP : MCF_EMPTYING;
	s->joined = fresh;
	s->stale = !fresh;
	s->since = now;
	s->due = now;
	return MCF_STATE;
}

unsigned mcf_remove(struct mcf *f, unsigned i, uint64_t now)
{
	unsigned did = steps_back(f, i, true);

	memset(&f->s[i], 0, sizeof(f->s[i]));
	memset(&f->dirty[i], 0, sizeof(f->dirty[i]));
	memset(&f->standin[i], 0, sizeof(f->standin[i]));
	for (unsigned h = 0; h < f->n; h++)
		set_del(&f->dirty[h], i);
	return did | MCF_STATE | mcf_settle(f, now);
}

/* Those of now would get keys that they may have old values of. */
static unsigned stand_ins_anew(struct mcf *f, unsigned home)
{
	if (set_empty(&f->standin[home]))
		return 0;
	set_join(&f->dirty[home], &f->standin[home]);
	memset(&f->standin[home], 0, sizeof(f->standin[home]));
	return MCF_RING;
}

static unsigned must_be_emptied(struct mcf *f, unsigned i, uint64_t now)
{
	unsigned did = stand_ins_anew(f, i);

	f->s[i].stale = true;
	if (!alive(f, i))
		return did;
	did |= become(f, i, MCF_EMPTYING, now) | steps_back(f, i, false);
	f->s[i].cleaning = false;
	start_emptying(f, i, now);
	return did | MCF_RING;
}

bool mcf_may_move(struct mcf *f, const struct mcf_moves *m, uint64_t now, unsigned *did)
{
	bool may = true;

	for (unsigned from = 0; from < f->n; from++)
		for (unsigned to = 0; to < f->n; to++) {
			if (!mcf_has(&m->to[from], to) || !mcf_has(&f->dirty[from], to) ||
			    !alive(f, to))
				continue;
			may = false;
			if (f->s[to].cleaning)
				continue;
			f->s[to].cleaning = true;
			start_emptying(f, to, now);
			*did |= MCF_STATE;
		}
	return may;
}

unsigned mcf_move(struct mcf *f, const struct mcf_moves *m, uint64_t now)
{
	struct mcf_set old[MCF_SERVERS];
	unsigned did = 0;

	for (unsigned from = 0; from < f->n; from++)
		for (unsigned to = 0; to < f->n; to++)
			if (mcf_has(&m->to[from], to) && mcf_has(&f->dirty[from], to))
				did |= must_be_emptied(f, to, now);
	for (unsigned i = 0; i < f->n; i++) { /* whoever had keys of that home, ever */
		old[i] = f->dirty[i];
		set_join(&old[i], &f->standin[i]);
		if (f->s[i].state != MCF_FREE)
			set_add(&old[i], i);
	}
	for (unsigned from = 0; from < f->n; from++)
		for (unsigned to = 0; to < f->n; to++)
			if (mcf_has(&m->to[from], to)) {
				set_join(&f->dirty[to], &old[from]);
				set_del(&f->dirty[to], to);
				did |= stand_ins_anew(f, to);
			}
	return did | mcf_settle(f, now);
}

/* ---- what is heard ------------------------------------------------------- */

unsigned mcf_answered(struct mcf *f, unsigned i, uint64_t now)
{
	struct mcf_server *s = &f->s[i];

	s->missed = 0;
	if (s->heard < RISE)
		s->heard++;
	if (s->state == MCF_SUSPECT)
		return become(f, i, MCF_UP, now) | mcf_settle(f, now);
	if (s->state != MCF_DOWN || s->heard < RISE)
		return 0;
	if (s->wish)
		return become(f, i, MCF_DRAINED, now) | mcf_settle(f, now);
	if (!MCF_GUARD(MCF_G_EMPTY) || !s->stale)
		return returns(f, i, now);
	start_emptying(f, i, now);
	return become(f, i, MCF_EMPTYING, now);
}

unsigned mcf_missed(struct mcf *f, unsigned i, uint64_t now)
{
	struct mcf_server *s = &f->s[i];

	s->heard = 0;
	if (s->missed < UINT32_MAX)
		s->missed++;
	if (s->state == MCF_DOWN || s->state == MCF_FREE)
		return 0;
	if (s->missed >= f->threshold)
		return leaves(f, i, MCF_DOWN, now);
	return s->state == MCF_UP ? become(f, i, MCF_SUSPECT, now) : 0;
}

bool mcf_wants_flush(const struct mcf *f, unsigned i, uint64_t now)
{
	const struct mcf_server *s = &f->s[i];

	return (s->state == MCF_EMPTYING || (s->cleaning && alive(f, i))) && now >= s->due;
}

unsigned mcf_flushed(struct mcf *f, unsigned i, uint64_t sent, uint64_t now)
{
	struct mcf_server *s = &f->s[i];

	if (!mcf_wants_flush(f, i, sent))
		return 0;
	s->flushes++;
	s->due = now + f->life;
	if (s->flushes < (MCF_GUARD(MCF_G_TWICE) ? MCF_FLUSHES : 1))
		return 0;
	is_empty(f, i);
	if (s->state == MCF_EMPTYING)
		return returns(f, i, now);
	return MCF_STATE | mcf_settle(f, now);
}

unsigned mcf_drain(struct mcf *f, unsigned i, bool on, uint64_t now)
{
	struct mcf_server *s = &f->s[i];

	s->wish = on;
	if (on)
		return s->state == MCF_DOWN || s->state == MCF_DRAINED
			       ? 0
			       : leaves(f, i, MCF_DRAINED, now);
	if (s->state != MCF_DRAINED)
		return 0;
	if (!s->stale)
		return returns(f, i, now);
	start_emptying(f, i, now);
	return become(f, i, MCF_EMPTYING, now);
}
