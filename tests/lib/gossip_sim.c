// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a scenario does with the nodes: see gossip_sim.h. */
#include "gossip_sim_internal.h"

#include "control/gossip/swim_internal.h"

uint64_t gsim_random(struct gsim *g)
{
	uint64_t x = g->rng += 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

unsigned gsim_below(struct gsim *g, unsigned n)
{
	return (unsigned)(((gsim_random(g) >> 32) * n) >> 32);
}

struct gsim *gsim_new(const struct gsim_conf *conf)
{
	struct gsim *g = calloc(1, sizeof(*g));

	if (!g || !(g->node = calloc(conf->nodes, sizeof(*g->node))))
		abort();
	g->conf = *conf;
	g->rng = conf->seed;
	g->now = 1000 * GSIM_MS;
	for (unsigned i = 0; i < conf->nodes; i++) {
		g->node[i].g = g;
		g->node[i].i = i;
		g->node[i].inbox_end = &g->node[i].inbox;
	}
	return g;
}

static void stop(struct gnode *k)
{
	swim_free(k->s);
	k->s = NULL;
	k->paused = false;
	k->gen++;
	gsim_clear_inbox(k);
}

void gsim_free(struct gsim *g)
{
	while (g->n)
		free(g->heap[--g->n]);
	for (unsigned i = 0; i < g->conf.nodes; i++)
		stop(&g->node[i]);
	free(g->heap);
	free(g->node);
	free(g);
}

struct gsim_net *gsim_net(struct gsim *g)
{
	return &g->conf.net;
}

uint64_t gsim_ms(const struct gsim *g)
{
	return g->now / GSIM_MS;
}

uint64_t gsim_now(const struct gsim *g, unsigned i)
{
	return (uint64_t)((int64_t)(g->now / GSIM_MS) + g->node[i].clock);
}

void gsim_poke(struct gsim *g, unsigned i)
{
	gsim_poke_node(g, &g->node[i]);
}

static void begin(struct gsim *g, unsigned i)
{
	/* {"patchbay": "1"} */
	static const uint8_t tags[] = "\xff\x81\xa8patchbay\xa1"
				      "1";
	struct gnode *k = &g->node[i];
	struct swim_conf c;
	char name[16];

	swim_conf_default(&c, g->conf.profile);
	snprintf(name, sizeof(name), "n%u", i);
	c.name = GSP_TEXT(name);
	c.addr = gsim_addr(i);
	c.meta = (struct gsp_bytes){ tags, sizeof(tags) - 1 };
	c.unix_s = GSIM_UNIX + (uint32_t)(g->now / GSIM_MS / 1000);
	c.seed = gsim_random(g);
	c.ops = &gsim_ops;
	c.arg = k;
	if (g->conf.tune)
		g->conf.tune(&c, g->conf.arg);
	k->clock = (int64_t)gsim_below(g, 1000000);
	k->wake = UINT64_MAX;
	k->gen++;
	if (swim_new(&k->s, &c, gsim_now(g, i)))
		abort();
}

void gsim_start(struct gsim *g, unsigned i)
{
	unsigned n = 0, first = gsim_below(g, g->conf.nodes);
	bool all = g->conf.nodes <= 8;

	begin(g, i);
	for (unsigned j = 0; j < g->conf.nodes && (n < 2 || all); j++) {
		unsigned other = (first + j) % g->conf.nodes;
		struct swim_addr a = gsim_addr(other);

		if (other == i || (!all && !g->node[other].s))
			continue;
		swim_seed(g->node[i].s, gsim_now(g, i), &a);
		n++;
	}
	gsim_poke(g, i);
}

/* As if each had been told by an exchange with all of them long ago. */
void gsim_acquaint(struct gsim *g)
{
	for (unsigned i = 0; i < g->conf.nodes; i++)
		begin(g, i);
	for (unsigned i = 0; i < g->conf.nodes; i++)
		g->node[i].s->quiet = true;
	for (unsigned i = 0; i < g->conf.nodes; i++) {
		struct swim_view v;

		swim_view(g->node[i].s, swim_at(g->node[i].s, 0), &v);
		for (unsigned j = 0; j < g->conf.nodes; j++) {
			struct gsp_alive a = { v.incarnation, v.name, v.addr.ip,
					       v.addr.port,   v.meta, v.vsn };
			uint8_t buf[1024];
			int n = gsp_alive_encode(&a, buf, sizeof(buf));

			if (j != i)
				swim_message(g->node[j].s, gsim_now(g, j), &v.addr, buf, (size_t)n);
		}
	}
	for (unsigned i = 0; i < g->conf.nodes; i++) {
		g->node[i].s->quiet = false;
		g->node[i].s->joined = true;
		swim_at_in(g->node[i].s, &g->node[i].s->t_sync,
			   gsim_below(g, (unsigned)swim_sync_time(30000, g->conf.nodes)));
		swim_queue_drop(&g->node[i].s->q_member, g->node[i].s->me->node.hash);
		gsim_poke(g, i);
	}
}

void gsim_crash(struct gsim *g, unsigned i)
{
	stop(&g->node[i]);
}

void gsim_pause(struct gsim *g, unsigned i)
{
	g->node[i].paused = true;
}

/* The timer may run before what waits in the sockets is read, or after. */
void gsim_resume(struct gsim *g, unsigned i)
{
	struct gnode *k = &g->node[i];
	struct gev *e, *next;

	if (!k->paused)
		return;
	k->paused = false;
	e = k->inbox;
	k->inbox = NULL;
	gsim_clear_inbox(k);
	if (gsim_below(g, 2))
		swim_tick(k->s, gsim_now(g, i));
	for (; e; e = next) {
		next = e->next;
		gsim_deliver(g, k, e);
	}
	k->wake = UINT64_MAX;
	gsim_poke(g, i);
}

void gsim_jump(struct gsim *g, unsigned i, int64_t ms)
{
	struct gnode *k = &g->node[i];

	k->clock += ms;
	k->wake = UINT64_MAX;
	if (k->s && !k->paused)
		swim_tick(k->s, gsim_now(g, i));
	gsim_poke(g, i);
}

void gsim_group(struct gsim *g, unsigned i, unsigned group)
{
	g->node[i].group = group;
}

void gsim_leave(struct gsim *g, unsigned i)
{
	swim_leave(g->node[i].s, gsim_now(g, i));
	gsim_poke(g, i);
}

bool gsim_up(const struct gsim *g, unsigned i)
{
	return g->node[i].s;
}

bool gsim_paused(const struct gsim *g, unsigned i)
{
	return g->node[i].paused;
}

struct swim *gsim_node(const struct gsim *g, unsigned i)
{
	return g->node[i].s;
}

int gsim_state(const struct gsim *g, unsigned i, unsigned j)
{
	const struct swim_member *m;
	struct swim_view v;
	char name[16];

	snprintf(name, sizeof(name), "n%u", j);
	m = swim_find(g->node[i].s, GSP_TEXT(name));
	if (!m)
		return -1;
	swim_view(g->node[i].s, m, &v);
	return (int)v.state;
}

unsigned gsim_index(struct gsp_bytes name)
{
	unsigned i = 0;

	if (name.n < 2 || name.p[0] != 'n')
		return UINT32_MAX;
	for (uint32_t k = 1; k < name.n; k++)
		i = i * 10 + (name.p[k] - '0');
	return i;
}

void gsim_run(struct gsim *g, uint64_t ms)
{
	uint64_t until = g->now + ms * GSIM_MS;

	while (gsim_step(g, until))
		;
	g->now = until;
}

/* Looked at every 10 ms. */
uint64_t gsim_until(struct gsim *g, uint64_t ms, bool (*done)(struct gsim *g, void *arg), void *arg)
{
	uint64_t start = g->now;

	while (!done(g, arg)) {
		if (g->now - start >= ms * GSIM_MS)
			return UINT64_MAX;
		gsim_run(g, 10);
	}
	return (g->now - start) / GSIM_MS;
}
