/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The slow path: clients, their datagrams and answers, and the bounds of it all. */
#include <arpa/inet.h>

#include <patchbay/addr.h>
#include <patchbay/mc_parse.h>

#include "../util.h"
#include "proxy_internal.h"

#define DEFAULT_QUERIES 1024
#define DEFAULT_PER_SOURCE 256
#define DEFAULT_CALLS 8192
#define DEFAULT_REQUESTS 1024
#define DEFAULT_ANSWER (8u << 20)
#define DEFAULT_HELD (64u << 20)
#define DEFAULT_SOURCE_HELD (16u << 20)
#define DEFAULT_TIMEOUT_MS 1000
#define ANSWER_MAX (PB_MC_DATA_MAX * 65000u) /* their number has 16 bits */
#define PATIENCE 3 /* times the timeout: how long requests of one datagram begin */
#define NS_PER_MS 1000000ULL

/* ---- memory ---------------------------------------------------------------- */

bool pxy_put(struct pxy_buf *b, const void *data, size_t n)
{
	size_t cap = b->cap ? b->cap : 64;
	uint8_t *p;

	if (!n)
		return true;
	while (cap < b->len + n)
		cap *= 2;
	if (cap != b->cap) {
		p = realloc(b->p, cap);
		if (!p)
			return false;
		b->p = p;
		b->cap = cap;
	}
	memcpy(b->p + b->len, data, n);
	b->len += n;
	return true;
}

void pxy_drop_buf(struct pxy_buf *b)
{
	free(b->p);
	*b = (struct pxy_buf){ 0 };
}

bool pxy_hold(struct pxy *p, struct pxy_query *q, uint64_t bytes)
{
	if (q->source->held + bytes > p->limits.source_held ||
	    p->stats.held + bytes > p->limits.held)
		return false;
	q->held += bytes;
	q->source->held += bytes;
	p->stats.held += bytes;
	return true;
}

static struct pxy_sources *bucket_of(struct pxy *p, const struct pb_addr *a)
{
	uint32_t h = a->w[0] ^ a->w[1] * 3 ^ a->w[2] * 5 ^ a->w[3];

	return &p->sources[(h * 0x9e3779b1u >> 16) % PXY_BUCKETS];
}

static struct pxy_source *source_get(struct pxy *p, const struct pb_addr *a)
{
	struct pxy_sources *b = bucket_of(p, a);
	struct pxy_source *s;

	for (s = LIST_FIRST(b); s; s = LIST_NEXT(s, link))
		if (pb_addr_eq(&s->addr, a))
			break;
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return NULL;
		s->addr = *a;
		LIST_INSERT_HEAD(b, s, link);
	}
	s->queries++;
	return s;
}

static void source_put(struct pxy_source *s)
{
	if (--s->queries)
		return;
	LIST_REMOVE(s, link);
	free(s);
}

static void query_free(struct pxy *p, struct pxy_query *q)
{
	for (uint32_t i = 0; i < q->n; i++) {
		pxy_drop_calls(p, &q->req[i]);
		pxy_drop_buf(&q->req[i].answer);
	}
	if (q->source) {
		q->source->held -= q->held;
		p->stats.held -= q->held;
		source_put(q->source);
		p->stats.queries--;
	}
	pxy_drop_buf(&q->answer);
	free(q->req);
	free(q->msg);
	free(q);
}

/* ---- datagrams of clients -------------------------------------------------- */

static bool allowed(const struct pxy *p, const struct pb_addr *from)
{
	if (!(p->svc.flags & PB_MC_S_ALLOW))
		return true;
	for (size_t i = 0; i < p->n_allow; i++)
		if (pb_addr_in(from, &p->allow[i].addr, p->allow[i].bits))
			return true;
	return false;
}

static struct pxy_query *query_new(struct pxy *p, const struct pb_addr *from, const uint8_t *msg,
				   uint32_t len)
{
	struct pxy_query *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->from = *from;
	q->len = len;
	q->msg = malloc(len);
	q->source = q->msg ? source_get(p, from) : NULL;
	if (!q->source) {
		query_free(p, q);
		return NULL;
	}
	p->stats.queries++;
	memcpy(q->msg, msg, len);
	if (q->source->queries <= p->limits.per_source && pxy_hold(p, q, sizeof(*q) + len))
		return q;
	query_free(p, q);
	return NULL;
}

void pxy_client(struct pxy *p, const struct pb_addr *from, __be16 port, const void *data,
		size_t len, uint64_t now)
{
	struct pb_mc_scan s;
	struct pxy_query *q;
	struct pb_mc_udp label;

	p->stats.datagrams++;
	if (!allowed(p, from)) {
		p->stats.drop_source++;
		return;
	}
	s = pb_mc_scan_init(data, (const uint8_t *)data + len, (__u32)len, &p->work);
	if (len > PXY_DATAGRAM || !pb_mc_udp_read(&s, &label) || label.total != 1) {
		p->stats.drop_frame++;
		return;
	}
	q = p->stats.queries < p->limits.queries
		    ? query_new(p, from, (const uint8_t *)data + PB_MC_UDP_HDR,
				(uint32_t)len - PB_MC_UDP_HDR)
		    : NULL;
	if (!q) {
		p->stats.drop_full++;
		return;
	}
	q->port = port;
	q->id = label.id;
	q->until = now + PATIENCE * p->timeout;
	TAILQ_INSERT_TAIL(&p->active, q, link);
	if (pxy_plan(p, q) < 0)
		p->stats.drop_full++;
	p->stats.requests += q->n;
	pxy_advance(p, q, now);
}

/* ---- answers --------------------------------------------------------------- */

static void answer(struct pxy *p, struct pxy_query *q, uint64_t now)
{
	bool good = true;

	TAILQ_REMOVE(&p->active, q, link);
	for (uint32_t i = 0; i < q->n; i++) {
		good = good && pxy_put(&q->answer, q->req[i].answer.p, q->req[i].answer.len);
		pxy_drop_buf(&q->req[i].answer);
	}
	if (!good || !q->answer.len) {
		query_free(p, q);
		return;
	}
	q->total = (uint32_t)((q->answer.len + PB_MC_DATA_MAX - 1) / PB_MC_DATA_MAX);
	q->until = now + p->timeout;
	TAILQ_INSERT_TAIL(&p->out, q, link);
}

void pxy_advance(struct pxy *p, struct pxy_query *q, uint64_t now)
{
	while (q->next < q->n) {
		struct pxy_req *r = &q->req[q->next];

		if (q->busy && (r->barrier || q->req[q->next - 1].barrier))
			return;
		q->next++;
		q->busy++;
		pxy_begin(p, q, r, now);
	}
	if (!q->busy)
		answer(p, q, now);
}

/* One datagram; -EAGAIN as to_client(). */
static int send_part(struct pxy *p, struct pxy_query *q)
{
	size_t off = (size_t)q->seq * PB_MC_DATA_MAX, n = q->answer.len - off;
	uint16_t head[4] = { htons(q->id), htons((uint16_t)q->seq), htons((uint16_t)q->total), 0 };

	if (n > PB_MC_DATA_MAX)
		n = PB_MC_DATA_MAX;
	memcpy(p->datagram, head, sizeof(head));
	memcpy(p->datagram + sizeof(head), q->answer.p + off, n);
	return p->ops->to_client(p->arg, &q->from, q->port, p->datagram, n + sizeof(head));
}

bool pxy_flush(struct pxy *p, uint32_t max)
{
	struct pxy_query *q;
	int err;

	while ((q = TAILQ_FIRST(&p->out))) {
		if (!max--)
			return true;
		err = send_part(p, q);
		if (err == -EAGAIN)
			return true;
		if (!err && ++q->seq < q->total)
			continue;
		if (err) {
			p->stats.unsent_client++;
		} else {
			p->stats.answers++;
			p->stats.answer_bytes += q->answer.len;
		}
		TAILQ_REMOVE(&p->out, q, link);
		query_free(p, q);
	}
	return false;
}

uint64_t pxy_tick(struct pxy *p, uint64_t now)
{
	const struct pxy_call *c;
	struct pxy_query *q;
	uint64_t next = 0;

	pxy_timeouts(p, now);
	while ((q = TAILQ_FIRST(&p->out)) && q->until <= now) {
		p->stats.unsent_client++;
		TAILQ_REMOVE(&p->out, q, link);
		query_free(p, q);
	}
	c = TAILQ_FIRST(&p->ages);
	if (c)
		next = c->deadline;
	if (q && (!next || q->until < next))
		next = q->until;
	return next;
}

/* ---- the whole ------------------------------------------------------------- */

static void set_default(uint32_t *field, uint32_t value)
{
	if (!*field)
		*field = value;
}

static void set_limits(struct pxy *p, const struct pxy_limits *l)
{
	if (l)
		p->limits = *l;
	set_default(&p->limits.queries, DEFAULT_QUERIES);
	set_default(&p->limits.per_source, DEFAULT_PER_SOURCE);
	set_default(&p->limits.calls, DEFAULT_CALLS);
	set_default(&p->limits.requests, DEFAULT_REQUESTS);
	set_default(&p->limits.answer, DEFAULT_ANSWER);
	set_default(&p->limits.held, DEFAULT_HELD);
	set_default(&p->limits.source_held, DEFAULT_SOURCE_HELD);
	set_default(&p->limits.timeout_ms, DEFAULT_TIMEOUT_MS);
	p->timeout = p->limits.timeout_ms * NS_PER_MS;
	if (p->timeout > PB_MC_LIFE_NS)
		p->timeout = PB_MC_LIFE_NS;
	if (p->limits.answer > ANSWER_MAX)
		p->limits.answer = ANSWER_MAX;
}

int pxy_new(struct pxy **ret, const struct pxy_ops *ops, void *arg, const struct pxy_limits *limits,
	    uint64_t tag)
{
	struct pxy *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->ops = ops;
	p->arg = arg;
	p->tag = tag;
	set_limits(p, limits);
	TAILQ_INIT(&p->ages);
	TAILQ_INIT(&p->active);
	TAILQ_INIT(&p->out);
	*ret = p;
	return 0;
}

void pxy_free(struct pxy *p)
{
	struct pxy_query *q;

	if (!p)
		return;
	while ((q = TAILQ_FIRST(&p->active))) {
		TAILQ_REMOVE(&p->active, q, link);
		query_free(p, q);
	}
	while ((q = TAILQ_FIRST(&p->out))) {
		TAILQ_REMOVE(&p->out, q, link);
		query_free(p, q);
	}
	free(p->allow);
	free(p);
}

int pxy_set_service(struct pxy *p, uint32_t number, const struct pb_mc_service *svc,
		    const struct pxy_allow *allow, size_t n_allow)
{
	struct pxy_allow *copy = calloc(n_allow ? n_allow : 1, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	if (n_allow)
		memcpy(copy, allow, n_allow * sizeof(*copy));
	free(p->allow);
	p->allow = copy;
	p->n_allow = n_allow;
	p->number = number;
	p->svc = *svc;
	return 0;
}

void pxy_set_ring(struct pxy *p, const struct pb_mc_ring *ring,
		  const struct pb_mc_backend *backends, uint32_t n)
{
	p->ring = ring;
	p->backends = backends;
	p->n_backends = n;
}

void pxy_get_stats(const struct pxy *p, struct pxy_stats *ret)
{
	*ret = p->stats;
}
