// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Every interleaving of the steps, each state once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/mc_model_internal.h"

#include <patchbay/siphash.h>

#define SEEN_MAX (1u << 24)

/* One record for all states that cannot be told apart from here on: versions matter only where they
 * are equal, times only where they are over, and nothing of what is gone. */
static void tidy_gen(struct pb_mc_gen *g, uint64_t now)
{
	for (int i = 0; i < PB_MC_PENDING; i++) {
		if (g->until[i] <= now)
			g->tag[i] = 0;
		g->until[i] = 0;
	}
	if (g->tag[0] < g->tag[1]) {
		uint64_t tag = g->tag[0];

		g->tag[0] = g->tag[1];
		g->tag[1] = tag;
	}
	g->muted = g->muted > now;
	g->version = 0;
}

static void tidy_keep(struct pb_mc_keep *k, uint64_t version)
{
	if (!k->valid)
		k->all = k->expires = 0;
	else
		k->all = k->all == version;
}

static void tidy_fetch(struct state *s, int i)
{
	struct pb_mc_token *t = &s->token[i];

	t->good &= s->fetch[i] != NONE;
	t->all = t->good && t->all == s->all.gen.version;
	t->set = t->good && s->fetch[i] > ASKING && t->set == s->gen.version;
	if (s->fetch[i] < TAKEN && !t->good)
		s->fetch[i] = NONE;
	if (s->fetch[i] < ANSWERED || s->fetch[i] >= WRITTEN)
		s->got[i] = 0;
}

static void tidy(const struct model *m, struct state *s)
{
	for (int i = 0; i < m->c->ops; i++) {
		for (int k = 0; k < 2; k++) {
			if (s->msg[i][k] != REPLY)
				s->read[i][k] = 0;
			if (s->msg[i][k] != READING)
				s->same[i][k] = 0;
		}
		tidy_fetch(s, i);
	}
	tidy_keep(&s->keep, s->all.gen.version);
	tidy_keep(&s->next, s->all.gen.version);
	tidy_gen(&s->gen, s->now);
	tidy_gen(&s->all.gen, s->now);
	s->now = 0;
}

static int remember(struct model *m, const struct state *s)
{
	static const uint8_t key[PB_SIPHASH_KEY_LEN] = "every state once";
	struct state t = *s;
	uint64_t h;
	uint32_t at;

	tidy(m, &t);
	h = pb_siphash24(key, &t, sizeof(t)) | 1;
	at = (uint32_t)(h >> 32) % SEEN_MAX;
	while (m->seen[at] && m->seen[at] != h)
		at = (at + 1) % SEEN_MAX;
	if (m->seen[at])
		return 0;
	if (m->found->states > SEEN_MAX / 4 * 3) {
		m->found->full = 1;
		return 0;
	}
	m->seen[at] = h;
	m->found->states++;
	return 1;
}

/* Is there a read left that could be wrong? */
static int reads_left(const struct model *m, const struct state *s)
{
	for (int i = 0; i < m->c->ops; i++)
		if (m->c->op[i].kind < MC_OP_SET && !s->ended[i])
			return 1;
	return 0;
}

static int concerns(const struct mc_op *op, int key)
{
	return op->kind == MC_OP_FLUSH || op->key == key;
}

/* The history of @key: others' operations are none in it. */
void mc_judge(struct model *m, const struct state *s, int key)
{
	struct mc_event e[2 * MC_OPS];
	size_t at = 0;
	int n = m->c->ops;

	for (int i = 0; i < m->c->ops; i++) {
		const struct mc_op *op = &m->c->op[i];
		struct mc_event ev = { .write = (uint8_t)mc_is_write(m, i),
				       .value = mc_is_write(m, i) ? op->value : s->result[i] };

		e[i] = (struct mc_event){ .write = 0 };
		if (!s->passed[i] || !concerns(op, key))
			continue;
		e[i] = ev;
		e[i].ended = s->ended[i];
		e[i].pred = s->pred[i][0];
		if (mc_is_write(m, i) && s->passed[i] == 2) {
			e[n] = ev;
			e[n++].pred = s->pred[i][1];
		}
	}
	if (mc_linearizable(e, n, (uint8_t)MC_INITIAL(key)))
		return;
	m->found->wrong = 1;
	for (int i = 0; i < m->depth; i++)
		at += (size_t)snprintf(m->found->trace + at, sizeof(m->found->trace) - at, "%s ",
				       m->trace[i]);
}

static void walk(struct model *m, const struct state *s);

/* Twins: only the first of them that has not begun begins. */
static int may_pass(const struct model *m, const struct state *s, int i)
{
	if (s->locked && m->c->op[i].kind != MC_OP_FLUSH && m->c->op[i].kind != MC_OP_GET)
		return 0;
	if (s->passed[i])
		return s->passed[i] < 2 && s->copies < m->c->copies;
	for (int j = 0; j < i; j++)
		if (!s->passed[j] && !memcmp(&m->c->op[j], &m->c->op[i], sizeof(m->c->op[i])))
			return 0;
	return 1;
}

static void say(struct model *m, const char *what, int i, int copy)
{
	if (m->depth < MC_TRACE_MAX)
		snprintf(m->trace[m->depth], sizeof(m->trace[0]), "%s%d%s", what, i,
			 copy ? "'" : "");
	m->depth++;
}

static void follow(struct model *m, const struct state *n)
{
	walk(m, n);
	m->depth--;
}

/* @i passes, for a get that misses without and with a fetch. */
static void walk_pass(struct model *m, const struct state *s, int i)
{
	for (int fetch = 0; fetch < 2; fetch++) {
		struct state n = *s;

		if (fetch && (m->c->op[i].kind != MC_OP_GET || s->fetches == m->c->fetches ||
			      s->passed[i] || m->c->direct == 2))
			break;
		say(m, fetch ? "ask" : "pass", i, s->passed[i]);
		n.copies += s->passed[i];
		mc_pass(m, &n, i, fetch);
		follow(m, &n);
	}
}

static void walk_messages(struct model *m, const struct state *s, int i, int copy)
{
	struct state n = *s;

	if (s->msg[i][copy] == REQUEST) {
		say(m, "serve", i, copy);
		mc_serve(m, &n, i, copy);
		follow(m, &n);
	}
	if (s->msg[i][copy] == READING) {
		say(m, "copy", i, copy);
		mc_copy_out(m, &n, i, copy);
		follow(m, &n);
	}
	if (s->msg[i][copy] != REPLY || (s->locked && m->c->op[i].kind == MC_OP_SET))
		return;
	say(m, "reply", i, copy);
	mc_reply(m, &n, i, copy, 0);
	follow(m, &n);
	if (s->echoes < m->c->echoes && mc_is_write(m, i)) {
		n = *s;
		say(m, "echo", i, copy);
		mc_reply(m, &n, i, copy, 1);
		follow(m, &n);
	}
}

/* While a fill has the set's lock no other step that needs it is taken. */
static void walk_fetch(struct model *m, const struct state *s, int i)
{
	static const char *const name[] = { "", "token", "fetch", "take", "write", "look", "give" };
	struct state n = *s;

	if (s->fetch[i] == NONE ||
	    (s->locked && s->fetch[i] != LOCKED && s->fetch[i] != ASKED && s->fetch[i] != TAKEN))
		return;
	say(m, name[s->fetch[i]], i, 0);
	mc_fetch_step(m, &n, i);
	follow(m, &n);
	if (s->fetch[i] == ANSWERED && s->echoes < m->c->echoes) {
		n = *s;
		n.echoes++;
		say(m, "again", i, 0);
		n.fetch[i] = ASKED; /* its request, or its reply, has a second copy */
		follow(m, &n);
	}
}

static void walk_time(struct model *m, const struct state *s)
{
	struct state n = *s;

	if (s->ages < m->c->ages) {
		say(m, "age", s->ages, 0);
		n.ages++;
		n.now += MC_LIFE + 1;
		for (int i = 0; i < m->c->ops; i++) {
			for (int k = 0; k < 2; k++)
				if (n.msg[i][k] != READING)
					n.msg[i][k] = NOWHERE;
			if (n.fetch[i] == ASKED || n.fetch[i] == ANSWERED)
				n.fetch[i] = NONE;
		}
		follow(m, &n);
	}
	if (s->keep.valid && s->evictions < m->c->evictions) {
		n = *s;
		say(m, "evict", s->evictions, 0);
		n.evictions++;
		n.keep.valid = 0;
		follow(m, &n);
	}
}

static void walk(struct model *m, const struct state *s)
{
	if (m->found->wrong || !reads_left(m, s) || !remember(m, s))
		return;
	for (int i = 0; i < m->c->ops; i++) {
		if (may_pass(m, s, i))
			walk_pass(m, s, i);
		walk_messages(m, s, i, 0);
		walk_messages(m, s, i, 1);
		walk_fetch(m, s, i);
	}
	if (!s->locked)
		walk_time(m, s);
}

void mc_model_run(const struct mc_config *c, struct mc_found *ret)
{
	struct model m = { .c = c, .found = ret };
	struct state s;

	memset(ret, 0, sizeof(*ret));
	memset(&s, 0, sizeof(s));
	s.all.life = MC_LIFE;
	s.now = 1;
	s.owner = MC_NO_KEY;
	for (int k = 0; k < MC_KEYS; k++)
		s.server[k] = (uint8_t)MC_INITIAL(k);
	for (int i = 0; i < c->ops; i++)
		m.split |= c->op[i].kind == MC_OP_FLUSH;
	mc_without = c->without;
	m.seen = calloc(SEEN_MAX, sizeof(*m.seen));
	if (!m.seen) {
		ret->full = 1;
		return;
	}
	walk(&m, &s);
	free(m.seen);
}
