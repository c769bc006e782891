/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Figures of a pool under load.  The real port of an endpoint is the number of its update. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table_pool_internal.h"

static unsigned owner_index(const struct tbl_id *id)
{
	return (unsigned)id->b[12] << 16 | (unsigned)id->b[13] << 8 | id->b[14];
}

void tpool_change(void *arg, const struct tbl_owner *o, enum tbl_change what,
		  const struct tbl_record *r, const struct tbl_record *was)
{
	struct tpool_node *k = arg;
	struct tpool *p = k->pool;
	unsigned owner = owner_index(&o->id);
	uint16_t *seen = &p->seen[(size_t)k->i * p->n + owner];

	(void)was;
	if (r->kind != TBL_ENDPOINT || what == TBL_REMOVED)
		return;
	for (; *seen < r->endpoint.real; (*seen)++) { /* what it replaces has come, too */
		uint64_t ms, born;

		if (!p->lat || *seen + 1u >= p->max_seq)
			continue;
		born = p->born[(size_t)owner * p->max_seq + *seen + 1];
		if (!born)
			continue;
		ms = gsim_ms(p->g) - born;
		p->lat[ms < TPOOL_LATEST ? ms : TPOOL_LATEST]++;
		p->arrived++;
	}
}

static uint64_t at(const struct tpool *p, double part)
{
	uint64_t sum = 0, want = (uint64_t)(part * (double)p->arrived);

	for (uint64_t ms = 0; ms <= TPOOL_LATEST; ms++) {
		sum += p->lat[ms];
		if (sum && sum >= want)
			return ms;
	}
	return UINT64_MAX;
}

static unsigned queued(struct tpool *p, unsigned *ret_peak)
{
	unsigned most = 0;

	for (unsigned i = 0; i < p->n; i++) {
		struct swim_stats st;

		if (!gsim_up(p->g, i))
			continue;
		swim_stats(gsim_node(p->g, i), &st);
		most = st.queued_records > most ? st.queued_records : most;
		if (ret_peak && st.records_peak > *ret_peak)
			*ret_peak = st.records_peak;
	}
	return most;
}

static void add_up(struct tpool *p, double sign, struct tpool_fig *f)
{
	for (unsigned i = 0; i < p->n; i++) {
		struct swim_stats st;

		if (!gsim_up(p->g, i))
			continue;
		swim_stats(gsim_node(p->g, i), &st);
		f->packets += sign * (double)st.packets_out;
		f->bytes += sign * (double)st.bytes_out;
		f->streams += sign * (double)st.sync_bytes;
	}
	f->streams += sign * (double)p->ask_bytes;
	f->asks += sign * (double)p->n_asks;
}

static void prepare(struct tpool *p, unsigned updates)
{
	uint32_t most = 0;

	for (unsigned i = 0; i < p->n; i++)
		most = p->node[i].seq > most ? p->node[i].seq : most;
	free(p->born);
	free(p->lat);
	p->max_seq = most + updates + 2;
	p->max_seq = p->max_seq < 4096 ? p->max_seq : 4096;
	p->born = calloc((size_t)p->n * p->max_seq, sizeof(*p->born));
	p->lat = calloc(TPOOL_LATEST + 1, sizeof(*p->lat));
	if (!p->born || !p->lat)
		abort();
	p->arrived = p->deltas = p->delta_bytes = 0;
}

static void update(struct tpool *p)
{
	unsigned i = gsim_below(p->g, p->n);
	struct tpool_node *k = &p->node[i];

	while (!gsim_up(p->g, i) || p->node[i].seq + 3 >= p->max_seq)
		i = gsim_below(p->g, p->n);
	k = &p->node[i];
	k->seq = k->seq ? k->seq + 1 : 2;
	p->born[(size_t)i * p->max_seq + k->seq] = gsim_ms(p->g);
	tpool_put(p, i, TBL_ENDPOINT, k->seq);
}

struct tpool_fig tpool_load(struct tpool *p, unsigned per_s, unsigned s, uint64_t grace)
{
	struct tpool_fig f = { .updates = 0 };
	uint64_t begun = gsim_ms(p->g), up = 0;
	double span;

	prepare(p, per_s * s);
	add_up(p, -1, &f);
	for (unsigned i = 0; i < p->n; i++)
		up += gsim_up(p->g, i);
	for (unsigned tick = 0; tick < s * 100; tick++) {
		unsigned due = (tick + 1) * per_s / 100 - tick * per_s / 100;

		for (; due; due--, f.updates++)
			update(p);
		tpool_run(p, 10);
		if (tick == 500 || (s <= 5 && tick == 0))
			f.queue_first = queued(p, NULL);
	}
	f.queue_last = queued(p, &f.queue_peak);
	f.pairs = (up - 1) * f.updates;
	span = (double)(gsim_ms(p->g) - begun) / 1000 * (double)up;
	add_up(p, 1, &f);
	f.packets /= span;
	f.bytes /= span;
	f.streams /= span;
	f.asks /= span;
	for (uint64_t end = gsim_ms(p->g) + grace; gsim_ms(p->g) < end && p->arrived < f.pairs;)
		tpool_run(p, 50);
	f.arrived = p->arrived;
	f.p50 = f.arrived ? at(p, 0.5) : 0;
	f.p99 = f.arrived ? at(p, 0.99) : 0;
	f.max = f.arrived ? at(p, 1) : 0;
	f.bytes_delta = p->deltas ? p->delta_bytes / p->deltas : 0;
	return f;
}

bool tpool_alike(struct tpool *p)
{
	uint8_t first[TBL_HASH_LEN] = { 0 }, other[TBL_HASH_LEN] = { 0 };
	bool any = false;

	for (unsigned i = 0; i < p->n; i++) {
		if (!gsim_up(p->g, i))
			continue;
		tbl_hash(p->node[i].t, any ? other : first, TBL_HASH_LEN);
		if (any && memcmp(first, other, TBL_HASH_LEN))
			return false;
		any = true;
	}
	return true;
}

unsigned tpool_showing(struct tpool *p, unsigned i)
{
	struct tbl_id id = tpool_id(i);
	unsigned n = 0;

	for (unsigned j = 0; j < p->n; j++) {
		struct tbl_owner o;

		n += j != i && gsim_up(p->g, j) && tbl_owner(p->node[j].t, &id, &o) && o.shown;
	}
	return n;
}

void tpool_print(const char *what, const struct tpool_fig *f)
{
	printf("%s: %u updates, %llu of %llu arrived, p50 %llu p99 %llu max %llu ms; a node sends "
	       "%.1f packets/s %.0f B/s, streams %.0f B/s, %.2f requests/s; delta %llu B; queue "
	       "%u then %u, at most %u\n",
	       what, f->updates, (unsigned long long)f->arrived, (unsigned long long)f->pairs,
	       (unsigned long long)f->p50, (unsigned long long)f->p99, (unsigned long long)f->max,
	       f->packets, f->bytes, f->streams, f->asks, (unsigned long long)f->bytes_delta,
	       f->queue_first, f->queue_last, f->queue_peak);
}
