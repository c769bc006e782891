// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* See gossip_figures.h. */
#include "gossip_figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD 150
#define LOAD_MAX 65536 /* records of one run under load */

enum news { NOTHING, UPDATE, RECORD_NEWS, DEATH };

struct gfig_pool {
	struct gsim *g;
	unsigned n;
	enum news news;
	unsigned about; /* which node */
	uint64_t start;
	uint64_t *seen; /* ms after start, by node; UINT64_MAX: not yet */
	unsigned missing;
	unsigned false_deaths;
	/* under load */
	uint8_t *had; /* bit: node has record */
	uint64_t *born;
	uint64_t arrivals, slowest;
};

static void saw(struct gfig_pool *p, unsigned i)
{
	if (p->seen[i] != UINT64_MAX || i == p->about)
		return;
	p->seen[i] = gsim_ms(p->g) - p->start;
	p->missing--;
}

static void on_event(void *arg, unsigned i, const struct swim_event *ev,
		     const struct swim_view *view)
{
	unsigned about = ev->member ? gsim_index(view->name) : UINT32_MAX;
	struct gfig_pool *p = arg;

	if (ev->type == SWIM_EV_DEAD && gsim_up(p->g, about))
		p->false_deaths++;
	if (about == p->about && ((ev->type == SWIM_EV_DEAD && p->news == DEATH) ||
				  (ev->type == SWIM_EV_UPDATE && p->news == UPDATE)))
		saw(p, i);
}

/* The node is the table here: a record it has not seen is relayed. */
static void on_record(void *arg, unsigned i, struct gsp_bytes record)
{
	struct gfig_pool *p = arg;
	size_t bit;
	uint64_t key;

	memcpy(&key, record.p, sizeof(key));
	if (p->had) {
		bit = key * p->n + i;
		if (p->had[bit / 8] & (1u << bit % 8)) {
			swim_record_heard(gsim_node(p->g, i), key + 1);
			return;
		}
		p->had[bit / 8] |= (uint8_t)(1u << bit % 8);
		p->arrivals++;
		if (gsim_ms(p->g) - p->born[key] > p->slowest)
			p->slowest = gsim_ms(p->g) - p->born[key];
	} else if (p->seen[i] != UINT64_MAX || i == p->about) {
		swim_record_heard(gsim_node(p->g, i), key + 1);
		return;
	} else {
		saw(p, i);
	}
	swim_record(gsim_node(p->g, i), key + 1, record, false);
}

struct gfig_pool *gfig_new(unsigned nodes, uint64_t seed, struct gsim_net net, bool boot)
{
	struct gfig_pool *p = calloc(1, sizeof(*p));
	struct gsim_conf conf = { .nodes = nodes,
				  .seed = seed,
				  .net = net,
				  .event = on_event,
				  .record = on_record,
				  .arg = p };

	if (!p || !(p->seen = calloc(nodes, sizeof(*p->seen))))
		abort();
	p->n = nodes;
	p->about = UINT32_MAX;
	p->g = gsim_new(&conf);
	for (unsigned i = 0; boot && i < nodes; i++)
		gsim_start(p->g, i);
	if (!boot)
		gsim_acquaint(p->g);
	return p;
}

void gfig_free(struct gfig_pool *p)
{
	gsim_free(p->g);
	free(p->seen);
	free(p);
}

struct gsim *gfig_sim(struct gfig_pool *p)
{
	return p->g;
}

unsigned gfig_false_deaths(const struct gfig_pool *p)
{
	return p->false_deaths;
}

struct sum {
	uint64_t packets, bytes, sync;
	uint32_t queued, records;
};

/* Over those that are up before and after. */
static struct sum add_up(struct gfig_pool *p)
{
	struct sum sum = { 0 };

	for (unsigned i = 0; i < p->n; i++) {
		struct swim_stats st;

		if (!gsim_up(p->g, i) || (p->news == DEATH && i == p->about))
			continue;
		swim_stats(gsim_node(p->g, i), &st);
		sum.packets += st.packets_out;
		sum.bytes += st.bytes_out;
		sum.sync += st.sync_bytes;
		sum.queued = st.queued_peak > sum.queued ? st.queued_peak : sum.queued;
		sum.records = st.records_peak > sum.records ? st.records_peak : sum.records;
	}
	return sum;
}

static void cost(struct gfig_pool *p, struct gfig *f, struct sum before)
{
	struct sum now = add_up(p);
	uint64_t ms = gsim_ms(p->g) - p->start;
	double s = (double)(ms ? ms : 1) / 1000 * p->n;

	f->packets = (double)(now.packets - before.packets) / s;
	f->bytes = (double)(now.bytes - before.bytes) / s;
	f->streams = (double)(now.sync - before.sync) / s;
	f->queued = now.queued;
	f->records_queued = now.records;
}

static int by_time(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static struct sum begin(struct gfig_pool *p, enum news news, unsigned about)
{
	p->news = news;
	p->about = about;
	p->start = gsim_ms(p->g);
	p->missing = p->n - 1;
	for (unsigned i = 0; i < p->n; i++)
		p->seen[i] = UINT64_MAX;
	return add_up(p);
}

static bool all_saw(struct gsim *g, void *arg)
{
	(void)g;
	return !((struct gfig_pool *)arg)->missing;
}

/* Then a while of nothing, so that the next one finds empty queues. */
static struct gfig spread(struct gfig_pool *p, struct sum before, uint64_t limit)
{
	struct gfig f = { .of = p->n - 1 };

	gsim_until(p->g, limit, all_saw, p);
	f.reached = p->n - 1 - p->missing;
	cost(p, &f, before);
	qsort(p->seen, p->n, sizeof(*p->seen), by_time);
	if (f.reached) {
		f.p50 = p->seen[f.reached / 2];
		f.p99 = p->seen[f.reached * 99 / 100];
		f.max = p->seen[f.reached - 1];
	}
	p->news = NOTHING;
	gsim_run(p->g, 5000);
	return f;
}

struct gfig gfig_idle(struct gfig_pool *p, uint64_t ms)
{
	struct sum before = begin(p, NOTHING, UINT32_MAX);
	struct gfig f = { 0 };

	gsim_run(p->g, ms);
	cost(p, &f, before);
	return f;
}

struct gfig gfig_update(struct gfig_pool *p, unsigned i)
{
	static const uint8_t tags[] = "\xff\x81\xa8patchbay\xa1"
				      "2";
	struct sum before = begin(p, UPDATE, i);

	swim_set_meta(gsim_node(p->g, i), gsim_now(p->g, i),
		      (struct gsp_bytes){ tags, sizeof(tags) - 1 });
	gsim_poke(p->g, i);
	return spread(p, before, 60000);
}

static void publish(struct gfig_pool *p, unsigned i, uint64_t key)
{
	uint8_t record[RECORD] = { 0 };

	memcpy(record, &key, sizeof(key));
	swim_record(gsim_node(p->g, i), key + 1, (struct gsp_bytes){ record, sizeof(record) },
		    true);
}

struct gfig gfig_record(struct gfig_pool *p, unsigned i)
{
	struct sum before = begin(p, RECORD_NEWS, i);

	publish(p, i, 0);
	return spread(p, before, 10000);
}

struct gfig gfig_death(struct gfig_pool *p, unsigned i)
{
	struct sum before = begin(p, DEATH, i);

	gsim_crash(p->g, i);
	return spread(p, before, 300000);
}

static bool whole(struct gsim *g, void *arg)
{
	struct gfig_pool *p = arg;

	for (unsigned i = 0; i < p->n; i++) {
		if (gsim_up(g, i) && swim_live(gsim_node(g, i)) != p->n)
			return false;
	}
	return true;
}

struct gfig gfig_whole(struct gfig_pool *p, uint64_t ms)
{
	struct sum before = begin(p, NOTHING, UINT32_MAX);
	struct gfig f = { .of = p->n };

	f.max = gsim_until(p->g, ms, whole, p);
	for (unsigned i = 0; i < p->n; i++)
		f.reached += gsim_up(p->g, i) && swim_live(gsim_node(p->g, i)) == p->n;
	cost(p, &f, before);
	return f;
}

struct gfig gfig_load(struct gfig_pool *p, unsigned per_s, unsigned s)
{
	unsigned total = per_s * s < LOAD_MAX ? per_s * s : LOAD_MAX;
	struct sum before = begin(p, NOTHING, UINT32_MAX);
	struct gfig f = { .of = 1000 };

	p->had = calloc((size_t)total * p->n / 8 + 1, 1);
	p->born = calloc(total, sizeof(*p->born));
	if (!p->had || !p->born)
		abort();
	p->arrivals = p->slowest = 0;
	for (unsigned k = 0; k < total; k++) {
		p->born[k] = gsim_ms(p->g);
		publish(p, gsim_below(p->g, p->n), k);
		gsim_run(p->g, (uint64_t)(k + 1) * 1000 / per_s - (uint64_t)k * 1000 / per_s);
	}
	cost(p, &f, before);
	gsim_run(p->g, 30000);
	/* its own node never gets it, or by a detour */
	f.reached = (unsigned)(p->arrivals * 1000 / ((uint64_t)total * (p->n - 1)));
	f.max = p->slowest;
	free(p->had);
	free(p->born);
	p->had = NULL;
	return f;
}

void gfig_print(const char *what, const struct gfig *f)
{
	printf("%-22s %4u/%-4u p50 %6.2f p99 %6.2f max %6.2f s  "
	       "per node %5.1f packets/s %6.0f B/s, streams %6.0f B/s  queue %u, records %u\n",
	       what, f->reached, f->of, (double)f->p50 / 1000, (double)f->p99 / 1000,
	       f->max == UINT64_MAX ? -1.0 : (double)f->max / 1000, f->packets, f->bytes,
	       f->streams, f->queued, f->records_queued);
}
