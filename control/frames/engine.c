// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The process, its services, and the round. */
#include "control/frames/engine_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY (256ULL << 20)
#define ROUNDS 8 /* in one turn */

/* ---- process -------------------------------------------------------------------- */

int fe_proc_new(struct fe_proc **ret, uint64_t memory)
{
	struct fe_proc *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->memory = memory ? memory : MEMORY;
	p->review_tail = &p->review;
	fe_node_init(&p->services);
	*ret = p;
	return 0;
}

void fe_proc_free(struct fe_proc *p)
{
	if (!p)
		return;
	fe_buffers_free(p);
	free(p);
}

void fe_proc_time(struct fe_proc *p, uint64_t now)
{
	p->now = now;
}

uint64_t fe_proc_memory(const struct fe_proc *p)
{
	return p->used;
}

bool fe_busy(const struct fe_proc *p)
{
	return p->n_links;
}

/* ---- the end of a round ----------------------------------------------------------- */

static void review_all(struct fe_proc *p)
{
	struct fe_client *c = p->review;

	p->review = NULL;
	p->review_tail = &p->review;
	while (c) {
		struct fe_client *next = c->next_review;

		fe_client_review(c);
		c = next;
	}
}

static void client_flushed(struct fe_client *c)
{
	if (c->s.q.bytes || c->s.error || c->stalled || c->rest || c->bye || c->eof ||
	    !c->s.reading)
		fe_review(c);
}

static void flush_clients(struct fe_proc *p)
{
	struct fe_sock *s = p->dirty[0];

	p->dirty[0] = NULL;
	while (s) {
		struct fe_sock *next = s->next_dirty;
		struct fe_client *c = fe_client_of(s);

		s->dirty = false;
		if (!c->gone) {
			fe_flush(s);
			client_flushed(c);
		}
		s = next;
	}
}

static void flush_links(struct fe_proc *p)
{
	struct fe_sock *s = p->dirty[1];

	p->dirty[1] = NULL;
	while (s) {
		struct fe_sock *next = s->next_dirty;
		struct fe_link *l = fe_link_of(s);

		s->dirty = false;
		if (!l->closed && l->up) {
			fe_flush(s);
			if (s->error)
				fe_link_close(l, PB_FRAME_W_LOST);
			else if (l->owner && (l->owner->stalled || !l->owner->s.reading))
				fe_review(l->owner);
			else
				fe_link_review(l);
		}
		s = next;
	}
}

static void sweep(struct fe_proc *p)
{
	struct fe_client **c = &p->dead_clients;
	struct fe_link **l = &p->dead_links;

	while (*c) {
		struct fe_client *at = *c;

		if (at->review || at->s.dirty) {
			c = &at->next_dead;
			continue;
		}
		*c = at->next_dead;
		fe_in_free(p, &at->in);
		fe_mem_free(p, at, sizeof(*at));
	}
	while (*l) {
		struct fe_link *at = *l;

		if (at->s.dirty) {
			l = &at->next_dead;
			continue;
		}
		*l = at->next_dead;
		fe_mem_free(p, at, sizeof(*at));
	}
}

static bool waiting(const struct fe_proc *p)
{
	return p->review || p->dirty[0] || p->dirty[1];
}

bool fe_turn(struct fe_proc *p)
{
	for (int i = 0; i < ROUNDS && waiting(p); i++) {
		review_all(p);
		flush_links(p);
		flush_clients(p);
	}
	if (p->dead_clients || p->dead_links)
		sweep(p);
	return waiting(p);
}

/* Ending one may end others: first who, then do. */
void fe_tick(struct fe_proc *p)
{
	struct fe_link *late = NULL;

	for (struct fe_node *s = p->services.next; s != &p->services; s = s->next) {
		struct fe *fe = fe_of(s, struct fe, node);

		for (struct fe_node *at = fe->links.next; at != &fe->links; at = at->next) {
			struct fe_link *l = fe_of(at, struct fe_link, node);

			if (!fe_link_late(l))
				continue;
			l->next_late = late;
			late = l;
		}
	}
	for (; late; late = late->next_late)
		fe_link_tick(late);
}

/* ---- service ---------------------------------------------------------------------- */

static void defaults(struct fe_limits *l)
{
	static const struct fe_limits std = {
		.timeout_ms = 1000,
		.own_idle_ms = 5000,
		.clients = 65536,
		.calls = 1024,
		.unread = 256 << 10,
		.flood = 16 << 20,
		.backlog = 256 << 10,
		.hold = 1 << 20,
		.large = 64 << 10,
	};

#define PB_X(field) l->field = l->field ? l->field : std.field
	PB_X(timeout_ms);
	PB_X(own_idle_ms);
	PB_X(clients);
	PB_X(calls);
	PB_X(unread);
	PB_X(flood);
	PB_X(backlog);
	PB_X(hold);
	PB_X(large);
#undef PB_X
}

int fe_new(struct fe **ret, struct fe_proc *p, const struct pb_frame_plugin *plugin,
	   const struct fe_ops *ops, void *arg, const struct fe_limits *limits)
{
	struct fe *fe;

	if (plugin->abi != PB_FRAME_ABI)
		return -EPROTO;
	fe = fe_mem(p, sizeof(*fe));
	if (!fe)
		return -ENOMEM;
	fe->p = p;
	fe->plugin = plugin;
	fe->ops = *ops;
	fe->arg = arg;
	if (limits)
		fe->lim = *limits;
	defaults(&fe->lim);
	fe->scratch_cap = plugin->max_merge > FE_SCRATCH ? plugin->max_merge : FE_SCRATCH;
	fe->scratch = fe_mem(p, fe->scratch_cap);
	fe->work = fe_mem(p, plugin->work_size + 1);
	if (!fe->scratch || !fe->work) {
		fe_mem_free(p, fe->scratch, fe->scratch_cap);
		fe_mem_free(p, fe->work, plugin->work_size + 1);
		fe_mem_free(p, fe, sizeof(*fe));
		return -ENOMEM;
	}
	fe->ens.server = fe->server;
	fe_node_init(&fe->clients);
	fe_node_init(&fe->links);
	fe_node_add(&p->services, &fe->node);
	*ret = fe;
	return 0;
}

/* What ended is in no list of the round any more. */
static void forget(struct fe_proc *p)
{
	for (int i = 0; i < 2; i++)
		for (struct fe_sock **s = &p->dirty[i]; *s;) {
			bool gone = i ? fe_link_of(*s)->closed : fe_client_of(*s)->gone;

			if (!gone) {
				s = &(*s)->next_dirty;
				continue;
			}
			(*s)->dirty = false;
			*s = (*s)->next_dirty;
		}
	for (p->review_tail = &p->review; *p->review_tail;) {
		struct fe_client *c = *p->review_tail;

		if (!c->gone) {
			p->review_tail = &c->next_review;
			continue;
		}
		c->review = false;
		*p->review_tail = c->next_review;
	}
	sweep(p);
}

void fe_free(struct fe *fe)
{
	struct fe_proc *p;

	if (!fe)
		return;
	p = fe->p;
	while (fe->clients.next != &fe->clients)
		fe_client_close(fe_of(fe->clients.next, struct fe_client, node), FE_RESET);
	while (fe->links.next != &fe->links)
		fe_link_close(fe_of(fe->links.next, struct fe_link, node), PB_FRAME_W_LOST);
	forget(p);
	fe_node_del(&fe->node);
	fe_mem_free(p, fe->scratch, fe->scratch_cap);
	fe_mem_free(p, fe->work, fe->plugin->work_size + 1);
	fe_mem_free(p, fe, sizeof(*fe));
}

/* Calls under way end on the links that they are on.  Who is only down may come back to these: a
 * client's requests stay in order. */
static void leave(struct fe *fe, uint32_t server, bool down)
{
	for (struct fe_node *at = fe->links.next, *next; at != &fe->links; at = next) {
		struct fe_link *l = fe_of(at, struct fe_link, node);

		next = at->next;
		if (l->server != server || l->retired)
			continue;
		if (!down)
			fe_link_retire(l);
		fe_link_review(l); /* nobody's call is on it, so nothing else ends by it */
	}
}

int fe_set_servers(struct fe *fe, const struct fe_server *s, uint32_t n, const void *policy,
		   bool cache)
{
	if (n > PB_FRAME_SERVERS_MAX)
		return -E2BIG;
	for (uint32_t i = 0; i < PB_FRAME_SERVERS_MAX; i++) {
		bool up = i < n && s[i].up, was = fe->server[i].flags & PB_FRAME_S_UP;
		bool other = (i < n ? s[i].id : 0) != fe->slot[i].id;

		fe->server[i].flags = up ? PB_FRAME_S_UP : 0;
		if (other || (was && !up))
			leave(fe, i, !other);
		fe->slot[i].id = i < n ? s[i].id : 0;
	}
	fe->ens.n = n;
	fe->ens.policy = policy;
	fe->ens.flags = cache ? PB_FRAME_E_CACHE : 0;
	return 0;
}

void fe_get_stats(const struct fe *fe, struct fe_stats *ret)
{
	*ret = fe->st;
	ret->memory = fe->p->used;
}
