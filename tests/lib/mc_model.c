// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the switch and the server do, step by step. */
#include <string.h>

#include "tests/lib/mc_model_internal.h"

uint32_t mc_without;

static uint16_t ended_mask(const struct model *m, const struct state *s)
{
	uint16_t mask = 0;

	for (int i = 0; i < m->c->ops; i++)
		mask |= (uint16_t)(s->ended[i] << i);
	return mask;
}

/* The client of @i has its answer. */
static void end(struct model *m, struct state *s, int i, uint8_t value)
{
	if (s->ended[i])
		return;
	s->ended[i] = 1;
	s->result[i] = value;
	if (!mc_is_write(m, i))
		mc_judge(m, s, m->c->op[i].key);
}

static uint64_t tag_of(int i, int copy)
{
	return (uint64_t)(1 + 2 * i + copy);
}

static struct pb_mc_keep *keep_of(struct state *s, int key)
{
	return s->owner == key ? &s->keep : NULL;
}

/* A get: no lock.  It sees that the value is fresh and its key's, and will copy later; or it goes
 * to the server, and a fetch may come with it. */
static void pass_get(struct model *m, struct state *s, int i, int copy, int fetch)
{
	int key = m->c->op[i].key;

	if (s->owner == key && s->bytes_key == key && pb_mc_fresh(&s->keep, &s->all, s->now)) {
		s->msg[i][copy] = READING;
		s->same[i][copy] = 1;
		return;
	}
	if (!fetch)
		return;
	pb_mc_take_all(&s->all, s->now, &s->token[i]);
	s->fetches++;
	s->fetch[i] = ASKING;
	if (m->split)
		return;
	pb_mc_take(&s->gen, s->now, &s->token[i]);
	s->fetch[i] = ASKED;
}

/* A copy of request @i reaches the switch. */
void mc_pass(struct model *m, struct state *s, int i, int fetch)
{
	int copy = s->passed[i]++, key = m->c->op[i].key;
	uint64_t tag = m->c->direct ? 0 : tag_of(i, copy);

	s->pred[i][copy] = ended_mask(m, s);
	s->msg[i][copy] = REQUEST;
	switch (m->c->op[i].kind) {
	case MC_OP_GET: pass_get(m, s, i, copy, fetch); break;
	case MC_OP_SET: pb_mc_write(&s->gen, keep_of(s, key), &s->all, tag, s->now); break;
	case MC_OP_QUIET: pb_mc_write(&s->gen, keep_of(s, key), &s->all, 0, s->now); break;
	case MC_OP_FLUSH: pb_mc_write_all(&s->all, tag, s->now); break;
	}
}

/* The server takes it. */
void mc_serve(struct model *m, struct state *s, int i, int copy)
{
	const struct mc_op *op = &m->c->op[i];
	int direct = m->c->direct == 2 || (m->c->direct && mc_is_write(m, i));

	s->msg[i][copy] = op->kind == MC_OP_QUIET || direct ? NOWHERE : REPLY;
	if (op->kind == MC_OP_FLUSH)
		s->server[0] = s->server[1] = op->value;
	else if (mc_is_write(m, i))
		s->server[op->key] = op->value;
	else
		s->read[i][copy] = s->server[op->key];
	if (direct && op->kind != MC_OP_QUIET)
		end(m, s, i, s->server[op->key]);
}

/* Its reply passes the switch; an echo of it may come later. */
void mc_reply(struct model *m, struct state *s, int i, int copy, int echo)
{
	int key = m->c->op[i].key;

	if (!echo)
		s->msg[i][copy] = NOWHERE;
	s->echoes += (uint8_t)echo;
	if (m->c->op[i].kind == MC_OP_SET)
		pb_mc_written(&s->gen, keep_of(s, key), tag_of(i, copy));
	if (m->c->op[i].kind == MC_OP_FLUSH)
		pb_mc_written_all(&s->all, tag_of(i, copy));
	end(m, s, i, s->read[i][copy]);
}

/* A get that is answered from the cache copies the bytes. */
void mc_copy_out(struct model *m, struct state *s, int i, int copy)
{
	s->msg[i][copy] = NOWHERE;
	if (PB_MC_GUARD(MC_G_SEQ) && !s->same[i][copy])
		return;
	m->found->hits++;
	end(m, s, i, s->bytes);
}

/* A fill takes the way, if its token is good. */
static void take(struct state *s, int i)
{
	s->fetch[i] = NONE;
	if (s->taken || !pb_mc_same(&s->gen, &s->token[i]) ||
	    !pb_mc_same_all(&s->all, &s->token[i], s->now))
		return;
	pb_mc_drop(&s->keep);
	s->owner = MC_NO_KEY;
	s->taken = 1;
	s->fetch[i] = TAKEN;
}

static void give(struct model *m, struct state *s, int i)
{
	s->taken = s->locked = 0;
	s->fetch[i] = NONE;
	s->owner = m->c->op[i].key;
	s->keep = s->next;
	memset(&s->next, 0, sizeof(s->next));
	m->found->fills++;
}

/* The last look at the token, with the set's lock, which give() ends. */
static void look(struct model *m, struct state *s, int i)
{
	int kept;

	s->next = s->keep;
	s->locked = 1;
	s->fetch[i] = LOCKED;
	kept = pb_mc_keep(&s->gen, &s->next, &s->all, &s->token[i], MC_EVER, s->now);
	if (!kept && !PB_MC_GUARD(MC_G_LAST)) {
		kept = 1;
		s->next = (struct pb_mc_keep){ .all = s->token[i].all, MC_EVER, 1, 0 };
	}
	if (!kept) {
		s->taken = s->locked = 0;
		s->fetch[i] = NONE;
		memset(&s->next, 0, sizeof(s->next));
	} else if (!m->split) {
		give(m, s, i);
	}
}

/* The next step of a fetch. */
void mc_fetch_step(struct model *m, struct state *s, int i)
{
	int key = m->c->op[i].key;

	switch (s->fetch[i]) {
	case ASKING:
		pb_mc_take(&s->gen, s->now, &s->token[i]);
		s->fetch[i] = ASKED;
		break;
	case ASKED:
		s->got[i] = s->server[key];
		s->fetch[i] = ANSWERED;
		break;
	case ANSWERED: take(s, i); break;
	case TAKEN:
		memset(s->same, 0, sizeof(s->same));
		s->bytes_key = (uint8_t)key;
		s->bytes = s->got[i];
		s->fetch[i] = WRITTEN;
		break;
	case WRITTEN:
		s->next = s->keep;
		s->locked = 1;
		s->fetch[i] = LOCKED;
		look(m, s, i);
		break;
	case LOCKED: give(m, s, i); break;
	}
}
