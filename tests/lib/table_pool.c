/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "table_pool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <patchbay/addr.h>
#include <string.h>

#include "gossip_sim_internal.h"
#include "table_pool_internal.h"

static struct swim_ops pool_ops; /* gossip's, with the table's */

struct tbl_id tpool_id(unsigned i)
{
	struct tbl_id id = { { 0 } };
	uint64_t x = (i + 1) * 0x9e3779b97f4a7c15ULL;

	for (unsigned k = 0; k < TBL_ID_LEN; k++)
		id.b[k] = (uint8_t)(x >> (3 * k));
	id.b[12] = (uint8_t)(i >> 16);
	id.b[13] = (uint8_t)(i >> 8);
	id.b[14] = (uint8_t)i;
	return id;
}

static unsigned index_of(const struct tbl_id *id)
{
	return (unsigned)id->b[12] << 16 | (unsigned)id->b[13] << 8 | id->b[14];
}

static unsigned index_at(const struct swim_addr *a)
{
	return (unsigned)a->ip.ip[1] << 16 | (unsigned)a->ip.ip[2] << 8 | a->ip.ip[3];
}

/* ---- what the table asks for ------------------------------------------------------------------ */

static int table_send(void *arg, uint64_t key, const uint8_t *p, size_t n, enum tbl_how how)
{
	struct tpool_node *k = arg;
	struct tpool *pool = k->pool;
	int err;

	if (!pool->ready) { /* everybody has it from the beginning */
		for (unsigned j = 0; j < pool->n && how != TBL_RELAY; j++)
			if (j != k->i)
				tbl_delta_in(pool->node[j].t, p, n, 0);
		return 0;
	}
	err = swim_record(gsim_node(pool->g, k->i), key, (struct gsp_bytes){ p, (uint32_t)n },
			  how != TBL_RELAY);
	if (how != TBL_RELAY) {
		pool->deltas++;
		pool->delta_bytes += n;
	}
	return err;
}

static void table_heard(void *arg, uint64_t key)
{
	struct tpool_node *k = arg;

	swim_record_heard(gsim_node(k->pool->g, k->i), key);
}

/* A stream: one way there, one back. */
static int table_ask(void *arg, uint32_t id, const struct tbl_id *to, const uint8_t *p, size_t n)
{
	struct tpool_node *k = arg;
	struct tpool_ask *a = malloc(sizeof(*a) + n), **at = &k->pool->asks;

	if (!a)
		abort();
	*a = (struct tpool_ask){ .at = gsim_ms(k->pool->g) + 2 + gsim_below(k->pool->g, 4),
				 .id = id,
				 .n = n };
	a->from = k->i;
	a->to = index_of(to);
	memcpy(a->p, p, n);
	k->pool->ask_bytes += n;
	k->pool->n_asks++;
	while (*at && (*at)->at <= a->at)
		at = &(*at)->next;
	a->next = *at;
	*at = a;
	return 0;
}

static uint32_t table_random(void *arg)
{
	struct tpool_node *k = arg;

	return (uint32_t)gsim_random(k->pool->g);
}

static const struct tbl_ops table_ops = {
	.send = table_send,
	.heard = table_heard,
	.ask = table_ask,
	.random = table_random,
	.change = tpool_change,
};

/* ---- what gossip asks for --------------------------------------------------------------------- */

static void on_record(void *arg, unsigned i, struct gsp_bytes record)
{
	struct tpool *p = arg;

	tbl_delta_in(p->node[i].t, record.p, record.n, gsim_ms(p->g));
}

static void on_event(void *arg, unsigned i, const struct swim_event *ev,
		     const struct swim_view *view)
{
	struct tpool *p = arg;
	unsigned j = ev->member ? gsim_index(view->name) : UINT32_MAX;
	struct tbl_id id;

	if (!p->ready || j >= p->n || j == i || !p->node[i].t)
		return;
	id = tpool_id(j);
	switch (ev->type) {
	case SWIM_EV_JOIN:
	case SWIM_EV_REFUTED: tbl_member(p->node[i].t, &id, NULL, TBL_ALIVE, gsim_ms(p->g)); break;
	case SWIM_EV_SUSPECT:
		tbl_member(p->node[i].t, &id, NULL, TBL_SUSPECT, gsim_ms(p->g));
		break;
	case SWIM_EV_DEAD: tbl_member(p->node[i].t, &id, NULL, TBL_DEAD, gsim_ms(p->g)); break;
	case SWIM_EV_LEFT: tbl_member(p->node[i].t, &id, NULL, TBL_LEFT, gsim_ms(p->g)); break;
	default: break;
	}
}

static struct tpool_node *of(void *arg)
{
	struct gnode *k = arg;
	struct tpool *p = k->g->conf.arg;

	return &p->node[k->i];
}

static size_t swim_hash(void *arg, uint8_t *buf, size_t cap)
{
	return tbl_hash(of(arg)->t, buf, cap);
}

static void swim_hash_seen(void *arg, const struct swim_member *m, struct gsp_bytes hash)
{
	struct tpool_node *k = of(arg);
	struct swim_view v;
	struct tbl_id id;

	swim_view(gsim_node(k->pool->g, k->i), m, &v);
	id = tpool_id(gsim_index(v.name));
	tbl_hash_seen(k->t, &id, hash.p, hash.n, gsim_ms(k->pool->g));
}

static size_t swim_digest(void *arg, uint8_t *buf, size_t cap)
{
	return tbl_digest_out(of(arg)->t, buf, cap);
}

static void swim_merge(void *arg, const struct swim_addr *from, struct gsp_bytes digest)
{
	struct tpool_node *k = of(arg);
	struct tbl_id id = tpool_id(index_at(from));

	tbl_digest_in(k->t, &id, digest.p, digest.n, gsim_ms(k->pool->g));
}

static void tune(struct swim_conf *conf, void *arg)
{
	(void)arg;
	conf->ops = &pool_ops;
}

/* ---- time ------------------------------------------------------------------------------------- */

static void answer(struct tpool *p, struct tpool_ask *a)
{
	uint64_t now = gsim_ms(p->g);
	struct tbl_id id = tpool_id(a->from);
	uint8_t *out = NULL;
	size_t n = 0;
	int err = -ECONNREFUSED;

	if (!gsim_up(p->g, a->from))
		return;
	if (gsim_up(p->g, a->to) && !gsim_paused(p->g, a->to)) {
		err = tbl_request_in(p->node[a->to].t, &id, a->p, a->n, &out, &n, now);
		gsim_poke(p->g, a->to);
	}
	p->ask_bytes += n;
	tbl_answer_in(p->node[a->from].t, a->id, err, out, n, now);
	free(out);
	gsim_poke(p->g, a->from);
}

void tpool_run(struct tpool *p, uint64_t ms)
{
	for (uint64_t end = gsim_ms(p->g) + ms; gsim_ms(p->g) < end;) {
		struct tpool_ask *a;

		gsim_run(p->g, 5);
		while ((a = p->asks) && a->at <= gsim_ms(p->g)) {
			p->asks = a->next;
			answer(p, a);
			free(a);
		}
		for (unsigned i = 0; i < p->n; i++) {
			if (!gsim_up(p->g, i) || tbl_next(p->node[i].t) > gsim_ms(p->g))
				continue;
			tbl_tick(p->node[i].t, gsim_ms(p->g));
			gsim_poke(p->g, i);
		}
	}
}

/* ---- a pool ----------------------------------------------------------------------------------- */

static void new_table(struct tpool *p, unsigned i)
{
	struct tpool_node *k = &p->node[i];
	struct tbl_conf conf;

	tbl_conf_default(&conf);
	conf.id = tpool_id(i);
	conf.unix_ms = GSIM_UNIX * 1000ULL;
	conf.epoch = tbl_epoch(0, conf.unix_ms);
	conf.ops = &table_ops;
	conf.arg = k;
	k->pool = p;
	k->i = i;
	if (tbl_new(&k->t, &conf, 0))
		abort();
}

void tpool_put(struct tpool *p, unsigned i, uint8_t kind, uint32_t seq)
{
	struct tbl_record r;

	memset(&r, 0, sizeof(r));
	r.kind = kind;
	if (kind == TBL_NODE) {
		r.node.loc4 = pb_addr_v4(htonl(0x0a010000 + i));
		strcpy(r.node.version, "1.0.0");
	} else if (kind == TBL_APP) {
		snprintf(r.app.name, sizeof(r.app.name), "application-%u", i);
		r.app.id64 = i + 1;
		r.app.vip4 = pb_addr_v4(htonl(0x0a800001 + i));
		r.app.since_ms = GSIM_UNIX * 1000ULL;
		r.app.tags.n = 1;
		snprintf(r.app.tags.tag[0], PB_TAG_LEN, "grp=%u", i % 16);
	} else {
		r.endpoint = (struct tbl_endpoint){ .app = 0,
						    .port = 80,
						    .real = (uint16_t)seq,
						    .proto = PB_PROTO_TCP,
						    .cls = PB_CLS_V4_VIP,
						    .weight = 10,
						    .state = PB_EP_UP };
	}
	if (tbl_put(p->node[i].t, &r, gsim_ms(p->g)))
		abort();
}

struct tpool *tpool_new(unsigned nodes, uint64_t seed, struct gsim_net net)
{
	struct tpool *p = calloc(1, sizeof(*p));
	struct gsim_conf conf = { .nodes = nodes,
				  .seed = seed,
				  .net = net,
				  .tune = tune,
				  .event = on_event,
				  .record = on_record,
				  .arg = p };

	if (!p || !(p->node = calloc(nodes, sizeof(*p->node))) ||
	    !(p->seen = calloc((size_t)nodes * nodes, sizeof(*p->seen))))
		abort();
	pool_ops = gsim_ops;
	pool_ops.hash = swim_hash;
	pool_ops.hash_seen = swim_hash_seen;
	pool_ops.digest = swim_digest;
	pool_ops.merge = swim_merge;
	p->n = nodes;
	for (unsigned i = 0; i < nodes; i++)
		new_table(p, i);
	p->g = gsim_new(&conf);
	gsim_acquaint(p->g);
	for (unsigned i = 0; i < nodes; i++)
		for (unsigned j = 0; j < nodes; j++) {
			struct tbl_id id = tpool_id(j);

			if (i != j)
				tbl_member(p->node[i].t, &id, NULL, TBL_ALIVE, 0);
		}
	for (unsigned i = 0; i < nodes; i++) {
		tpool_put(p, i, TBL_NODE, 0);
		tpool_put(p, i, TBL_APP, 0);
		tpool_put(p, i, TBL_ENDPOINT, 1);
		tbl_flush(p->node[i].t, TBL_OWN, gsim_ms(p->g));
		tbl_set_delta_max(p->node[i].t, (uint32_t)swim_record_max(gsim_node(p->g, i)));
	}
	p->ready = true;
	return p;
}

void tpool_free(struct tpool *p)
{
	for (struct tpool_ask *a = p->asks, *next; a; a = next) {
		next = a->next;
		free(a);
	}
	for (unsigned i = 0; i < p->n; i++)
		tbl_free(p->node[i].t);
	gsim_free(p->g);
	free(p->node);
	free(p->seen);
	free(p->lat);
	free(p->born);
	free(p);
}

struct tbl *tpool_table(struct tpool *p, unsigned i)
{
	return p->node[i].t;
}

struct gsim *tpool_sim(struct tpool *p)
{
	return p->g;
}
