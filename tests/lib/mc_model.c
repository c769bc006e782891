// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/mc_model.h"

static uint32_t without;
#define PB_MC_GUARD(x) (!(without & (x)))
#define PB_MC_PENDING 2 /* so that it overflows */
#include <patchbay/mc_token.h>

#include <patchbay/siphash.h>

#define LIFE 10
#define EVER (1ULL << 60)
#define SEEN_MAX (1u << 24)
#define TRACE_MAX 64

enum msg { NOWHERE, REQUEST, REPLY };

/* Everything there is, without padding that is not zero: it is hashed. */
struct state {
	struct pb_mc_slot slot;
	struct pb_mc_all all;
	struct pb_mc_token token[MC_OPS][2];
	uint64_t now;
	uint8_t server;
	uint8_t cached;
	uint8_t copies, echoes, ages, evictions; /* used up */
	uint8_t passed[MC_OPS];
	uint8_t msg[MC_OPS][2];	 /* where the copies are */
	uint8_t read[MC_OPS][2]; /* in their replies */
	uint8_t ended[MC_OPS];
	uint8_t result[MC_OPS];
	uint16_t pred[MC_OPS][2];
};

struct model {
	const struct mc_config *c;
	struct mc_found *found;
	uint64_t *seen;
	char trace[TRACE_MAX][24];
	int depth;
};

static int is_write(const struct model *m, int i)
{
	return m->c->op[i].kind >= MC_OP_SET;
}

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

static void tidy(const struct model *m, struct state *s)
{
	for (int i = 0; i < m->c->ops; i++)
		for (int k = 0; k < 2; k++) {
			struct pb_mc_token *t = &s->token[i][k];

			if (s->msg[i][k] != REPLY)
				s->read[i][k] = 0;
			t->good &= s->msg[i][k] != NOWHERE;
			t->slot = t->good && t->slot == s->slot.gen.version;
			t->all = t->good && t->all == s->all.gen.version;
		}
	if (!s->slot.keep.valid)
		s->slot.keep.all = s->slot.keep.expires = s->cached = 0;
	else
		s->slot.keep.all = s->slot.keep.all == s->all.gen.version;
	tidy_gen(&s->slot.gen, s->now);
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

static uint16_t ended_mask(const struct model *m, const struct state *s)
{
	uint16_t mask = 0;

	for (int i = 0; i < m->c->ops; i++)
		mask |= (uint16_t)(s->ended[i] << i);
	return mask;
}

static void judge(struct model *m, const struct state *s)
{
	struct mc_event e[2 * MC_OPS];
	size_t at = 0;
	int n = m->c->ops;

	for (int i = 0; i < m->c->ops; i++)
		e[i] = (struct mc_event){ .write = (uint8_t)is_write(m, i),
					  .ended = s->ended[i],
					  .value =
						  is_write(m, i) ? m->c->op[i].value : s->result[i],
					  .pred = s->passed[i] ? s->pred[i][0] : 0xffff };
	for (int i = 0; i < m->c->ops; i++) {
		/* not yet begun */
		if (!s->passed[i])
			e[i] = (struct mc_event){ .write = 0 };
		if (is_write(m, i) && s->passed[i] == 2)
			e[n++] = (struct mc_event){ .write = 1,
						    .value = m->c->op[i].value,
						    .pred = s->pred[i][1] };
	}
	if (mc_linearizable(e, n, 0))
		return;
	m->found->wrong = 1;
	for (int i = 0; i < m->depth; i++)
		at += (size_t)snprintf(m->found->trace + at, sizeof(m->found->trace) - at, "%s ",
				       m->trace[i]);
}

/* The client of @i has its answer. */
static void end(struct model *m, struct state *s, int i, uint8_t value)
{
	if (s->ended[i])
		return;
	s->ended[i] = 1;
	s->result[i] = value;
	if (!is_write(m, i))
		judge(m, s);
}

static uint64_t tag_of(int i, int copy)
{
	return (uint64_t)(1 + 2 * i + copy);
}

/* A copy of request @i reaches the switch. */
static void pass(struct model *m, struct state *s, int i)
{
	int copy = s->passed[i]++;
	uint64_t tag = m->c->direct ? 0 : tag_of(i, copy);

	s->pred[i][copy] = ended_mask(m, s);
	s->msg[i][copy] = REQUEST;
	switch (m->c->op[i].kind) {
	case MC_OP_GET:
		if (pb_mc_read(&s->slot, &s->all, s->now, &s->token[i][copy]) == PB_MC_HIT) {
			s->msg[i][copy] = NOWHERE;
			m->found->hits++;
			end(m, s, i, s->cached);
		}
		break;
	case MC_OP_SET: pb_mc_write(&s->slot, &s->all, tag, s->now); break;
	case MC_OP_QUIET: pb_mc_write(&s->slot, &s->all, 0, s->now); break;
	case MC_OP_FLUSH: pb_mc_write_all(&s->all, tag, s->now); break;
	}
}

/* The server takes it. */
static void serve(struct model *m, struct state *s, int i, int copy)
{
	int direct = m->c->direct == 2 || (m->c->direct && is_write(m, i));

	s->msg[i][copy] = m->c->op[i].kind == MC_OP_QUIET || direct ? NOWHERE : REPLY;
	if (is_write(m, i))
		s->server = m->c->op[i].value;
	else
		s->read[i][copy] = s->server;
	if (direct && m->c->op[i].kind != MC_OP_QUIET)
		end(m, s, i, s->server);
}

/* Its reply passes the switch; an echo of it may come later. */
static void reply(struct model *m, struct state *s, int i, int copy, int echo)
{
	if (!echo)
		s->msg[i][copy] = NOWHERE;
	s->echoes += (uint8_t)echo;
	switch (m->c->op[i].kind) {
	case MC_OP_GET:
		if (pb_mc_keep(&s->slot, &s->all, &s->token[i][copy], EVER, s->now)) {
			s->cached = s->read[i][copy];
			m->found->fills++;
		}
		break;
	case MC_OP_SET: pb_mc_written(&s->slot, tag_of(i, copy)); break;
	case MC_OP_FLUSH: pb_mc_written_all(&s->all, tag_of(i, copy)); break;
	}
	end(m, s, i, s->read[i][copy]);
}

static void walk(struct model *m, const struct state *s);

/* Twins: only the first of them that has not begun begins. */
static int may_pass(const struct model *m, const struct state *s, int i)
{
	if (s->passed[i])
		return s->passed[i] < 2 && s->copies < m->c->copies;
	for (int j = 0; j < i; j++)
		if (!s->passed[j] && !memcmp(&m->c->op[j], &m->c->op[i], sizeof(m->c->op[i])))
			return 0;
	return 1;
}

static void say(struct model *m, const char *what, int i, int copy)
{
	if (m->depth < TRACE_MAX)
		snprintf(m->trace[m->depth], sizeof(m->trace[0]), "%s%d%s", what, i,
			 copy ? "'" : "");
	m->depth++;
}

static void follow(struct model *m, const struct state *n)
{
	walk(m, n);
	m->depth--;
}

static void walk_messages(struct model *m, const struct state *s, int i, int copy)
{
	struct state n = *s;

	if (s->msg[i][copy] == REQUEST) {
		say(m, "serve", i, copy);
		serve(m, &n, i, copy);
		follow(m, &n);
	}
	if (s->msg[i][copy] != REPLY)
		return;
	say(m, "reply", i, copy);
	reply(m, &n, i, copy, 0);
	follow(m, &n);
	if (s->echoes < m->c->echoes) {
		n = *s;
		say(m, "echo", i, copy);
		reply(m, &n, i, copy, 1);
		follow(m, &n);
	}
}

static void walk_time(struct model *m, const struct state *s)
{
	struct state n = *s;

	if (s->ages < m->c->ages) {
		say(m, "age", s->ages, 0);
		n.ages++;
		n.now += LIFE + 1;
		memset(n.msg, NOWHERE, sizeof(n.msg));
		follow(m, &n);
	}
	if (s->slot.keep.valid && s->evictions < m->c->evictions) {
		n = *s;
		say(m, "evict", s->evictions, 0);
		n.evictions++;
		n.slot.keep.valid = 0;
		follow(m, &n);
	}
}

static void walk(struct model *m, const struct state *s)
{
	if (m->found->wrong || !reads_left(m, s) || !remember(m, s))
		return;
	for (int i = 0; i < m->c->ops; i++) {
		if (may_pass(m, s, i)) {
			struct state n = *s;

			say(m, "pass", i, s->passed[i]);
			n.copies += s->passed[i];
			pass(m, &n, i);
			follow(m, &n);
		}
		walk_messages(m, s, i, 0);
		walk_messages(m, s, i, 1);
	}
	walk_time(m, s);
}

void mc_model_run(const struct mc_config *c, struct mc_found *ret)
{
	struct model m = { .c = c, .found = ret };
	struct state s;

	memset(ret, 0, sizeof(*ret));
	memset(&s, 0, sizeof(s));
	s.all.life = LIFE;
	s.now = 1;
	without = c->without;
	m.seen = calloc(SEEN_MAX, sizeof(*m.seen));
	if (!m.seen) {
		ret->full = 1;
		return;
	}
	walk(&m, &s);
	free(m.seen);
}
