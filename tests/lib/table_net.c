/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "table_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <patchbay/addr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table_net_internal.h"

#define ROUNDS 4
#define FANOUT 2
#define GOSSIP_MS 200
#define PROBE_MS 1000
#define SYNC_MS 15000

uint32_t tnet_below(struct tnet *net, uint32_t n)
{
	net->rng ^= net->rng << 13;
	net->rng ^= net->rng >> 7;
	net->rng ^= net->rng << 17;
	return (uint32_t)((net->rng >> 11) % n);
}

static bool chance(struct tnet *net, unsigned permille)
{
	return permille && tnet_below(net, 1000) < permille;
}

struct tbl_id tnet_id(unsigned i)
{
	struct tbl_id id = { { 0 } };

	for (unsigned k = 0; k < TBL_ID_LEN; k++)
		id.b[k] = (uint8_t)(37 * k + 101 * (i + 1) + (k == 3 ? i : 0));
	id.b[5] = (uint8_t)i;
	return id;
}

static unsigned index_of(const struct tbl_id *id)
{
	return id->b[5];
}

static struct tnet_msg *fly(struct tnet_node *from, unsigned to, uint8_t kind, uint32_t id,
			    const uint8_t *p, size_t n)
{
	struct tnet *net = from->net;
	struct tnet_msg *m = malloc(sizeof(*m) + n), **at = &net->flying;

	if (!m)
		abort();
	*m = (struct tnet_msg){ .at = net->now + 1 + tnet_below(net, 30), .n = n };
	if (kind == DELTA && chance(net, net->late))
		m->at += tnet_below(net, 2000);
	m->kind = kind;
	m->id = id;
	m->from = from->i;
	m->to = to;
	m->gen = net->node[to].gen;
	if (n)
		memcpy(m->p, p, n);
	net->bytes += n;
	while (*at && (*at)->at <= m->at)
		at = &(*at)->next;
	m->next = *at;
	*at = m;
	return m;
}

/* ---- what tables ask for ---------------------------------------------------------------------- */

static int net_send(void *arg, uint64_t key, const uint8_t *p, size_t n, enum tbl_how how)
{
	struct tnet_node *k = arg;
	struct tnet_queued **at = &k->queue, *q;

	if (k->net->full)
		return -ENOBUFS;
	q = malloc(sizeof(*q) + n);
	if (!q)
		abort();
	q->key = key;
	q->left = ROUNDS;
	q->n = n;
	memcpy(q->p, p, n);
	while (*at && (*at)->key != key)
		at = &(*at)->next;
	q->next = NULL;
	if (*at) {
		q->next = (*at)->next;
		free(*at);
	}
	*at = q;
	k->sent++;
	if (k->net->on_send)
		k->net->on_send(k, p, n, how);
	if (how == TBL_OWN_NOW)
		for (unsigned j = 0; j < k->net->n; j++)
			if (j != k->i)
				fly(k, j, DELTA, 0, p, n);
	return 0;
}

static void net_heard(void *arg, uint64_t key)
{
	struct tnet_node *k = arg;

	(void)key;
	k->heard++;
}

static int net_ask(void *arg, uint32_t id, const struct tbl_id *to, const uint8_t *p, size_t n)
{
	struct tnet_node *k = arg;

	k->asked++;
	fly(k, index_of(to), REQUEST, id, p, n);
	return 0;
}

static uint32_t net_random(void *arg)
{
	struct tnet_node *k = arg;

	return tnet_below(k->net, UINT32_MAX);
}

static void net_epoch(void *arg, uint64_t epoch)
{
	struct tnet_node *k = arg;

	k->epoch = epoch;
}

static const char *net_allowed(void *arg, const struct tbl_owner *o, const struct tbl_record *r)
{
	struct tnet_node *k = arg;

	return k->allowed ? k->allowed(o, r) : NULL;
}

static void net_note(void *arg, const struct tbl_note *n)
{
	struct tnet_node *k = arg;

	k->notes[n->kind]++;
	snprintf(k->why, sizeof(k->why), "%s", n->why ? n->why : "");
}

static const struct tbl_ops net_ops = {
	.send = net_send,
	.heard = net_heard,
	.ask = net_ask,
	.random = net_random,
	.change = tnet_mirror_change,
	.allowed = net_allowed,
	.note = net_note,
	.epoch = net_epoch,
};

/* ---- nodes ------------------------------------------------------------------------------------ */

void tnet_init(struct tnet *net, unsigned n, uint64_t seed)
{
	*net = (struct tnet){ .n = n, .now = 1000, .rng = seed * 0x9e3779b97f4a7c15ULL + 1 };
	for (unsigned i = 0; i < n; i++)
		net->node[i] = (struct tnet_node){ .net = net, .i = i };
	for (unsigned i = 0; i < 8; i++)
		tnet_below(net, 2);
}

static void node_clear(struct tnet_node *k)
{
	for (struct tnet_queued *q = k->queue, *next; q; q = next) {
		next = q->next;
		free(q);
	}
	k->queue = NULL;
	free(k->mirror);
	k->mirror = NULL;
	k->n_mirror = k->cap_mirror = 0;
	tbl_free(k->t);
	k->t = NULL;
	k->gen++;
}

void tnet_fini(struct tnet *net)
{
	for (unsigned i = 0; i < net->n; i++)
		node_clear(&net->node[i]);
	for (struct tnet_msg *m = net->flying, *next; m; m = next) {
		next = m->next;
		free(m);
	}
}

/* Both hear of each other, as far as they are up. */
static void acquaint(struct tnet *net, unsigned i, unsigned j)
{
	struct tnet_node *a = &net->node[i], *b = &net->node[j];
	bool reach = a->t && b->t && a->group == b->group;
	struct tbl_id ia = tnet_id(i), ib = tnet_id(j);

	if (i == j)
		return;
	if (a->t)
		tbl_member(a->t, &ib, NULL, reach ? TBL_ALIVE : TBL_DEAD, net->now);
	if (b->t)
		tbl_member(b->t, &ia, NULL, reach ? TBL_ALIVE : TBL_DEAD, net->now);
}

void tnet_start(struct tnet *net, unsigned i)
{
	struct tnet_node *k = &net->node[i];
	struct tbl_conf conf;

	tbl_conf_default(&conf);
	conf.id = tnet_id(i);
	if (net->tune)
		net->tune(&conf);
	conf.name = "node";
	conf.unix_ms = TNET_UNIX + net->now + (uint64_t)k->clock;
	k->epoch = conf.epoch = tbl_epoch(k->epoch, conf.unix_ms);
	conf.ops = &net_ops;
	conf.arg = k;
	if (tbl_new(&k->t, &conf, net->now))
		abort();
	for (unsigned j = 0; j < net->n; j++)
		if (net->node[j].t)
			acquaint(net, i, j);
}

void tnet_crash(struct tnet *net, unsigned i)
{
	node_clear(&net->node[i]);
	for (unsigned j = 0; j < net->n; j++)
		acquaint(net, i, j);
}

void tnet_group(struct tnet *net, unsigned i, unsigned group)
{
	net->node[i].group = group;
	for (unsigned j = 0; j < net->n; j++)
		if (net->node[i].t && net->node[j].t)
			acquaint(net, i, j);
}

/* ---- time ------------------------------------------------------------------------------------- */

static bool reaches(const struct tnet *net, const struct tnet_msg *m)
{
	return net->node[m->to].t && net->node[m->to].gen == m->gen && net->node[m->from].t &&
	       net->node[m->from].group == net->node[m->to].group;
}

static void land(struct tnet *net, struct tnet_msg *m)
{
	struct tnet_node *to = &net->node[m->to], *from = &net->node[m->from];
	bool ok = reaches(net, m) && !chance(net, net->loss);
	struct tbl_id id = tnet_id(m->from);
	uint8_t *out = NULL;
	size_t n = 0;

	if (m->kind == DELTA && ok) {
		tbl_delta_in(to->t, m->p, m->n, net->now);
		if (chance(net, net->twice))
			tbl_delta_in(to->t, m->p, m->n, net->now);
	} else if (m->kind == REQUEST) {
		int err = ok ? tbl_request_in(to->t, &id, m->p, m->n, &out, &n, net->now)
			     : -ETIMEDOUT;

		if (from->t)
			fly(to, m->from, ANSWER, m->id, out, n)->err = err;
		free(out);
	} else if (m->kind == ANSWER && to->t && to->gen == m->gen) {
		tbl_answer_in(to->t, m->id, ok ? m->err : -ETIMEDOUT, m->p, ok ? m->n : 0,
			      net->now);
	}
}

static void gossip(struct tnet_node *k)
{
	struct tnet_queued **at = &k->queue, *q;

	while ((q = *at)) {
		for (unsigned f = 0; f < FANOUT && k->net->n > 1; f++) {
			unsigned j = tnet_below(k->net, k->net->n);

			if (j != k->i)
				fly(k, j, DELTA, 0, q->p, q->n);
		}
		if (--q->left) {
			at = &q->next;
			continue;
		}
		*at = q->next;
		free(q);
	}
}

static void probe(struct tnet_node *k, struct tnet_node *peer)
{
	struct tbl_id id = tnet_id(peer->i);
	uint8_t hash[TBL_HASH_LEN];

	if (peer == k || !peer->t || peer->group != k->group || chance(k->net, k->net->loss))
		return;
	tbl_hash(peer->t, hash, sizeof(hash));
	tbl_hash_seen(k->t, &id, hash, sizeof(hash), k->net->now);
}

static void sync_with(struct tnet_node *k, struct tnet_node *peer)
{
	static uint8_t a[65536], b[65536];
	struct tbl_id ik = tnet_id(k->i), ip = tnet_id(peer->i);
	size_t na, nb;

	if (peer == k || !peer->t || peer->group != k->group)
		return;
	na = tbl_digest_out(k->t, a, sizeof(a));
	nb = tbl_digest_out(peer->t, b, sizeof(b));
	tbl_digest_in(peer->t, &ik, a, na, k->net->now);
	tbl_digest_in(k->t, &ip, b, nb, k->net->now);
}

/* Every so many ms, whatever the clock was set to. */
static bool due(uint64_t at, uint64_t every)
{
	return at / every != (at - TNET_STEP) / every;
}

static void step(struct tnet *net)
{
	struct tnet_msg *m;

	net->now += TNET_STEP;
	while ((m = net->flying) && m->at <= net->now) {
		net->flying = m->next;
		land(net, m);
		free(m);
	}
	for (unsigned i = 0; i < net->n; i++) {
		struct tnet_node *k = &net->node[i];
		uint64_t at = net->now + i * TNET_STEP;

		if (!k->t)
			continue;
		if (tbl_next(k->t) <= net->now)
			tbl_tick(k->t, net->now);
		if (!net->no_gossip && due(at, GOSSIP_MS))
			gossip(k);
		if (!net->no_hash && due(at, PROBE_MS))
			probe(k, &net->node[tnet_below(net, net->n)]);
		if (!net->no_sync && due(at, SYNC_MS))
			sync_with(k, &net->node[tnet_below(net, net->n)]);
	}
}

void tnet_run(struct tnet *net, uint64_t ms)
{
	for (uint64_t end = net->now + ms; net->now < end;)
		step(net);
}
