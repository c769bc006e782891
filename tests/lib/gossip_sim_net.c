// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The simulated network: see gossip_sim.h. */
#include "gossip_sim_internal.h"

#define PORT 7946
#define STREAM_TIMEOUT (10000 * GSIM_MS)
/* What the kernel keeps for a node that does not read; it counts its own part of each packet. */
#define INBOX_BYTES (2 * 65536)
#define INBOX_PACKET 1280

static bool chance(struct gsim *g, unsigned per_mille)
{
	return per_mille && gsim_below(g, 1000) < per_mille;
}

/* ---- events ---------------------------------------------------------------------------------- */

static bool before(const struct gev *a, const struct gev *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void push(struct gsim *g, struct gev *e, uint64_t at)
{
	size_t i = g->n++;

	if (g->n >= g->cap) {
		g->cap = g->cap ? g->cap * 2 : 1024;
		g->heap = realloc(g->heap, g->cap * sizeof(struct gev *));
		if (!g->heap)
			abort();
	}
	e->at = at;
	e->order = g->order++;
	for (; i && before(e, g->heap[(i - 1) / 2]); i = (i - 1) / 2)
		g->heap[i] = g->heap[(i - 1) / 2];
	g->heap[i] = e;
}

static struct gev *pop(struct gsim *g)
{
	struct gev *first = g->heap[0], *last = g->heap[--g->n];
	size_t i = 0, c;

	for (; (c = 2 * i + 1) < g->n; i = c) {
		if (c + 1 < g->n && before(g->heap[c + 1], g->heap[c]))
			c++;
		if (!before(g->heap[c], last))
			break;
		g->heap[i] = g->heap[c];
	}
	g->heap[i] = last;
	return first;
}

static struct gev *event(enum gsim_kind kind, const struct gnode *from, const struct gnode *to,
			 const uint8_t *p, size_t n)
{
	struct gev *e = malloc(sizeof(*e) + n);

	if (!e)
		abort();
	*e = (struct gev){ .kind = (uint8_t)kind,
			   .from = from->i,
			   .to = to->i,
			   .from_gen = from->gen,
			   .to_gen = to->gen,
			   .n = (uint32_t)n };
	if (n)
		memcpy(e->data, p, n);
	return e;
}

/* ---- nodes as seen by the network ------------------------------------------------------------ */

struct swim_addr gsim_addr(unsigned i)
{
	return (struct swim_addr){
		.ip = { { 10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i }, 4 }, .port = PORT
	};
}

static struct gnode *node_at(struct gsim *g, const struct swim_addr *a)
{
	unsigned i = (unsigned)a->ip.ip[1] << 16 | (unsigned)a->ip.ip[2] << 8 | a->ip.ip[3];

	return i < g->conf.nodes && a->port == PORT ? &g->node[i] : NULL;
}

void gsim_poke_node(struct gsim *g, struct gnode *k)
{
	uint64_t next;

	if (!k->s || k->paused)
		return;
	next = swim_next(k->s);
	if (next == UINT64_MAX)
		return;
	next = (uint64_t)((int64_t)next - k->clock) * GSIM_MS;
	if (next < g->now)
		next = g->now;
	if (next >= k->wake)
		return;
	k->wake = next;
	push(g, event(WAKE, k, k, NULL, 0), next);
}

static uint64_t latency(struct gsim *g)
{
	return 200 + gsim_below(g, 1300);
}

static bool reach(const struct gnode *a, const struct gnode *b)
{
	return a->group == b->group;
}

static void on_send(void *arg, const struct swim_addr *to, const uint8_t *p, size_t n)
{
	struct gnode *k = arg, *t = node_at(k->g, to);
	struct gsim *g = k->g;

	if (!t || !t->s || !reach(k, t))
		return;
	for (int copies = 1 + chance(g, g->conf.net.twice); copies; copies--) {
		uint64_t wait = latency(g);

		if (chance(g, g->conf.net.loss))
			continue;
		if (chance(g, g->conf.net.late))
			wait += gsim_below(g, 50000);
		push(g, event(PACKET, k, t, p, n), g->now + wait);
	}
}

static uint64_t stream_latency(struct gsim *g)
{
	uint64_t wait = latency(g);

	while (chance(g, g->conf.net.stream_loss))
		wait += 200 * GSIM_MS;
	return wait;
}

static int on_exchange(void *arg, uint64_t id, const struct swim_addr *to, const uint8_t *p,
		       size_t n)
{
	struct gnode *k = arg, *t = node_at(k->g, to);
	struct gsim *g = k->g;
	struct gev *e = event(REPLY, k, k, NULL, 0);

	e->id = id;
	e->none = true;
	if (!t || (!t->s && reach(k, t))) {
		push(g, e, g->now + latency(g)); /* refused */
		return 0;
	}
	push(g, e, g->now + STREAM_TIMEOUT);
	if (!reach(k, t))
		return 0;
	e = event(REQUEST, k, t, p, n);
	e->id = id;
	push(g, e, g->now + stream_latency(g));
	return 0;
}

static void on_event(void *arg, const struct swim_event *ev)
{
	struct gnode *k = arg;
	struct swim_view view = { 0 };

	if (!k->g->conf.event)
		return;
	if (ev->member && k->s)
		swim_view(k->s, ev->member, &view);
	k->g->conf.event(k->g->conf.arg, k->i, ev, &view);
}

static void on_record(void *arg, const struct swim_addr *from, struct gsp_bytes record)
{
	struct gnode *k = arg;

	(void)from;
	if (k->g->conf.record)
		k->g->conf.record(k->g->conf.arg, k->i, record);
}

const struct swim_ops gsim_ops = {
	.send = on_send,
	.exchange = on_exchange,
	.event = on_event,
	.record = on_record,
};

/* ---- delivery -------------------------------------------------------------------------------- */

static void on_message(void *arg, const uint8_t *msg, size_t n)
{
	struct gsim *g = arg;

	swim_message(g->reader->s, gsim_now(g, g->reader->i), &g->from, msg, n);
}

static void request(struct gsim *g, struct gnode *k, const struct gev *e)
{
	struct swim_addr from = gsim_addr(e->from);
	struct gnode *client = &g->node[e->from];
	struct gev *answer;
	uint8_t *p;
	size_t n;
	int err = swim_request(k->s, gsim_now(g, k->i), &from, e->data, e->n, &p, &n);

	if (!reach(client, k)) {
		free(p);
		return;
	}
	answer = event(REPLY, client, client, p, err ? 0 : n);
	answer->from_gen = answer->to_gen = e->from_gen;
	answer->id = e->id;
	answer->none = err || !n;
	free(p);
	push(g, answer, g->now + stream_latency(g));
}

void gsim_deliver(struct gsim *g, struct gnode *k, struct gev *e)
{
	if (e->kind == PACKET) {
		g->reader = k;
		g->from = gsim_addr(e->from);
		if (gsp_packet_open(&g->pool, &g->scratch, e->data, e->n, on_message, g))
			abort();
	} else if (e->kind == REQUEST) {
		request(g, k, e);
	} else if (e->kind == REPLY) {
		swim_exchange_end(k->s, gsim_now(g, k->i), e->id, e->none ? NULL : e->data, e->n);
	}
	gsim_poke_node(g, k);
	free(e);
}

/* Packets beyond the socket's buffer are lost; streams wait. */
static void hold(struct gnode *k, struct gev *e)
{
	if (e->kind == PACKET) {
		if (k->inbox_bytes + e->n + INBOX_PACKET > INBOX_BYTES) {
			free(e);
			return;
		}
		k->inbox_bytes += e->n + INBOX_PACKET;
	}
	e->next = NULL;
	*k->inbox_end = e;
	k->inbox_end = &e->next;
}

static void handle(struct gsim *g, struct gev *e)
{
	struct gnode *k = &g->node[e->to];

	if (!k->s || k->gen != e->to_gen) {
		free(e);
	} else if (e->kind == WAKE) {
		if (k->wake == e->at && !k->paused) {
			k->wake = UINT64_MAX;
			swim_tick(k->s, gsim_now(g, k->i));
			gsim_poke_node(g, k);
		}
		free(e);
	} else if (k->paused) {
		hold(k, e);
	} else {
		gsim_deliver(g, k, e);
	}
}

void gsim_clear_inbox(struct gnode *k)
{
	for (struct gev *e = k->inbox, *next; e; e = next) {
		next = e->next;
		free(e);
	}
	k->inbox = NULL;
	k->inbox_end = &k->inbox;
	k->inbox_bytes = 0;
}

bool gsim_step(struct gsim *g, uint64_t until)
{
	if (!g->n || g->heap[0]->at > until)
		return false;
	g->now = g->heap[0]->at;
	handle(g, pop(g));
	return true;
}
