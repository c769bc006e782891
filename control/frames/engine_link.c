// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Links: whose calls they carry, and how they end.  What comes on them: engine_reply.c. */
#include "control/frames/engine_internal.h"

#include <string.h>

/* ---- life ----------------------------------------------------------------------- */

static struct fe_link *link_new(struct fe *fe, struct fe_client *owner, uint32_t server,
				uint32_t lane)
{
	struct fe_link *l = fe_mem(fe->p, sizeof(*l));

	if (!l)
		return NULL;
	l->s.fe = fe;
	l->s.link = true;
	l->s.blocked = true;
	l->owner = owner;
	l->server = server;
	l->lane = lane;
	l->id = fe->slot[server].id;
	l->progress = fe->p->now;
	fe->st.connects++;
	fe->st.own_links += owner != NULL;
	if (fe->ops.connect(fe->arg, l, server, l->id, &l->s.sock)) {
		fe->st.connect_failed++;
		fe_mem_free(fe->p, l, sizeof(*l));
		return NULL;
	}
	fe->st.now_links++;
	fe->p->n_links++;
	fe_node_init(&l->own);
	fe_node_add(&fe->links, &l->node);
	if (owner)
		fe_node_add(&owner->links, &l->own);
	else
		fe->slot[server].shared[lane] = l;
	return l;
}

struct fe_link *fe_link_get(struct fe_client *c, uint32_t server, uint32_t lane)
{
	struct fe *fe = c->s.fe;

	if (!c->own) {
		struct fe_link *l = fe->slot[server].shared[lane];

		return l ? l : link_new(fe, NULL, server, lane);
	}
	for (struct fe_node *at = c->links.next; at != &c->links; at = at->next) {
		struct fe_link *l = fe_of(at, struct fe_link, own);

		if (l->server == server && l->lane == lane && !l->retired)
			return l;
	}
	return link_new(fe, c, server, lane);
}

void fe_link_add(struct fe_link *l, struct fe_call *k)
{
	struct fe *fe = l->s.fe;
	struct fe_client *c = k->parent ? k->parent->c : k->c;

	if (l->tail)
		l->tail->link_next = k;
	else
		l->head = k;
	if (!l->tail)
		l->progress = fe->p->now;
	l->tail = k;
	if (l->owner != c) {
		l->foreign++;
		c->n_shared++;
		k->shared = true;
	}
	if (!l->retired)
		fe->server[l->server].outstanding++;
	fe->st.now_calls++;
	fe->p->calls++;
}

/* The first call leaves the link. */
struct fe_call *fe_link_pop(struct fe_link *l)
{
	struct fe *fe = l->s.fe;
	struct fe_call *k = l->head;
	struct fe_client *c = k->parent ? k->parent->c : k->c;

	l->head = k->link_next;
	if (!l->head)
		l->tail = NULL;
	if (l->feed_call == k)
		l->feed_call = NULL;
	if (k->shared) {
		l->foreign--;
		if (c)
			c->n_shared--;
	}
	if (!l->retired)
		fe->server[l->server].outstanding--;
	fe->st.now_calls--;
	fe->p->calls--;
	return k;
}

/* No new calls. */
void fe_link_retire(struct fe_link *l)
{
	struct fe *fe = l->s.fe;
	struct fe_link **shared = &fe->slot[l->server].shared[l->lane];

	if (l->retired)
		return;
	l->retired = true;
	if (*shared == l)
		*shared = NULL;
	fe->server[l->server].backlog -= l->s.q.bytes;
	for (struct fe_call *k = l->head; k; k = k->link_next)
		fe->server[l->server].outstanding--;
}

void fe_link_close(struct fe_link *l, enum pb_frame_why why)
{
	struct fe *fe = l->s.fe;
	struct fe_client *owner = l->owner;

	if (l->closed)
		return;
	fe_link_retire(l);
	l->closed = true;
	fe->st.now_links--;
	fe->p->n_links--;
	fe_node_del(&l->node);
	fe_node_del(&l->own);
	l->owner = NULL;
	l->feeding = false;
	fe->ops.close(l->s.sock, l->s.q.bytes || l->head ? FE_RESET : FE_CLOSE);
	fe_q_free(fe->p, &l->s.q);
	fe_in_free(fe->p, &l->in);
	if (l->head)
		fe->st.lost++;
	while (l->head)
		fe_call_fail(fe_link_pop(l), why);
	if (owner && !owner->gone) {
		if (owner->links.next == &owner->links && !owner->n_calls && !owner->pinned)
			owner->own = false;
		fe_review(owner);
	}
	l->next_dead = fe->p->dead_links;
	fe->p->dead_links = l;
}

/* Ends, if nothing holds it any more. */
void fe_link_review(struct fe_link *l)
{
	const struct fe *fe = l->s.fe;
	bool leaves = l->retired || !(fe->server[l->server].flags & PB_FRAME_S_UP);

	if (l->closed)
		return;
	if (l->broken && (!l->head || l->head == l->feed_call))
		fe_link_close(l, PB_FRAME_W_LOST);
	else if (leaves && !l->head && !l->feeding && !l->s.q.bytes)
		fe_link_close(l, PB_FRAME_W_LOST);
}

/* ---- whose it is ------------------------------------------------------------------ */

/* A shared link has something long for @c: it becomes @c's, others get another. */
void fe_link_detach(struct fe_link *l, struct fe_client *c)
{
	struct fe *fe = l->s.fe;

	if (l->owner || l->retired || c->gone || fe->slot[l->server].shared[l->lane] != l)
		return;
	fe->slot[l->server].shared[l->lane] = NULL;
	l->owner = c;
	l->foreign = 0;
	c->own = true;
	fe_node_add(&c->links, &l->own);
	for (struct fe_call *k = l->head; k; k = k->link_next) {
		struct fe_client *of = k->parent ? k->parent->c : k->c;

		if (of == c) {
			c->n_shared--;
			k->shared = false;
		} else {
			l->foreign++;
			k->shared = true;
		}
	}
	fe_review(c);
}

static bool writes(const struct fe_link *l)
{
	for (const struct fe_call *k = l->head; k; k = k->link_next)
		if (k->writes)
			return true;
	return false;
}

/* Its owner is gone: what it wrote is seen to its end, what it asked for nobody reads; what others asked
 * for before the link became its own is theirs. */
void fe_link_orphan(struct fe_link *l)
{
	if (l->head && !l->foreign && !l->feeding && !writes(l)) {
		fe_link_close(l, PB_FRAME_W_LOST);
		return;
	}
	fe_node_del(&l->own);
	l->owner = NULL;
	l->foreign = 0;
	for (struct fe_call *k = l->head; k; k = k->link_next) {
		k->shared = true;
		l->foreign++;
	}
	fe_link_retire(l);
	if (l->up && !l->s.reading) {
		l->progress = l->s.fe->p->now;
		fe_want(&l->s, true);
	}
	fe_link_review(l);
}

/* Calls before that half of one are answered yet. */
void fe_link_cut(struct fe_link *l)
{
	if (!l->feeding)
		return;
	l->feeding = false;
	l->broken = true;
	fe_link_retire(l);
	if (l->feed_call)
		l->feed_call->drop = true;
	fe_link_review(l);
}

/* ---- time ------------------------------------------------------------------------ */

/* The server has to do something. */
static bool owes(const struct fe_link *l)
{
	const struct fe_call *k = l->head;

	if (!l->up)
		return true;
	if (!l->s.reading)
		return false;
	return l->s.q.bytes || (k && k->end && l->s.sent >= k->end);
}

static bool idle(const struct fe_link *l)
{
	return l->owner && !l->head && !l->feeding && !l->owner->pinned;
}

bool fe_link_late(const struct fe_link *l)
{
	const struct fe *fe = l->s.fe;
	uint64_t since = fe->p->now - l->progress;

	if (!l->up || l->head || l->s.q.bytes)
		return owes(l) && since >= fe->lim.timeout_ms * 1000000ULL;
	return idle(l) && since >= fe->lim.own_idle_ms * 1000000ULL;
}

void fe_link_tick(struct fe_link *l)
{
	struct fe *fe = l->s.fe;

	if (l->closed || !fe_link_late(l))
		return;
	if (!l->up)
		fe->st.connect_failed++;
	else if (l->head || l->s.q.bytes)
		fe->st.timeouts++;
	fe_link_close(l, l->up ? PB_FRAME_W_TIMEOUT : PB_FRAME_W_CONNECT);
}
