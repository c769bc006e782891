/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The slow path: what servers say. */
#include <arpa/inet.h>

#include <patchbay/addr.h>
#include <patchbay/mc_reply.h>

#include "../util.h"
#include "proxy_internal.h"

static const char *const LARGE = "the answer is too large";

/* ---- answers of several datagrams ------------------------------------------ */

void pxy_drop_parts(struct pxy_parts *m)
{
	for (uint32_t i = 0; m->part && i < m->total; i++)
		pxy_drop_buf(&m->part[i]);
	free(m->part);
	*m = (struct pxy_parts){ 0 };
}

static bool room(struct pxy *p, struct pxy_query *q, size_t n)
{
	if (q->replies + n > p->limits.answer || !pxy_hold(p, q, n))
		return false;
	q->replies += n;
	return true;
}

/* 1: the message is whole; 0: not yet; -E2BIG: too much for us; -EBADMSG: not part of it. */
static int collect(struct pxy *p, struct pxy_call *c, uint32_t seq, uint32_t total,
		   const uint8_t *data, size_t n)
{
	struct pxy_parts *m = &c->parts;

	if (!m->part) {
		if (!room(p, c->query, total * sizeof(*m->part)))
			return -E2BIG;
		m->part = calloc(total, sizeof(*m->part));
		if (!m->part)
			return -E2BIG;
		m->total = total;
	}
	if (m->total != total || seq >= total)
		return -EBADMSG;
	if (m->part[seq].p || !n)
		return 0;
	if (!room(p, c->query, n) || !pxy_put(&m->part[seq], data, n))
		return -E2BIG;
	return ++m->have == total;
}

/* The message goes behind what is there of the reply. */
static bool join(struct pxy_call *c)
{
	bool good = true;

	for (uint32_t i = 0; i < c->parts.total; i++)
		good = good && pxy_put(&c->reply, c->parts.part[i].p, c->parts.part[i].len);
	pxy_drop_parts(&c->parts);
	return good;
}

/* ---- does it belong to the request, and is it all? ------------------------- */

enum { FITS, NOT_ALL, MISFIT };

static int judge_binary(const struct pxy_call *c, struct pb_mc_scan *s)
{
	const struct pxy_req *r = c->req;
	uint32_t quiet;

	if (s->w->len < PB_MC_BIN_HDR || pb_mc_byte(s, 0) != PB_MC_BIN_RES)
		return MISFIT;
	if (pb_mc_byte(s, 1) != pb_mc_bin_loud(r->r.opcode, &quiet) ||
	    pb_mc_be32(s, 12) != r->r.opaque)
		return MISFIT;
	return FITS;
}

static bool same_key(const struct pxy_call *c, const struct pb_mc_scan *s)
{
	const struct pb_mc_rep *rep = &s->w->rep;

	return rep->key_len == c->key_len &&
	       !memcmp(s->data + rep->key_off, c->query->msg + c->key_off, c->key_len);
}

/* A get of one key: VALUE and END, or END, or an error. */
static int judge_get(const struct pxy_call *c, struct pb_mc_scan *s)
{
	const struct pb_mc_rep *rep = &s->w->rep;

	pb_mc_reply(s, 0, PB_MC_TEXT);
	if (rep->kind != PB_MC_R_VALUE)
		return rep->error == PB_MC_E_SHORT ? NOT_ALL : FITS;
	if (!same_key(c, s))
		return MISFIT;
	if (rep->error)
		return rep->error == PB_MC_E_SHORT ? NOT_ALL : MISFIT;
	if (rep->next == s->w->len)
		return NOT_ALL;
	return pb_mc_only_end(s, rep->next) ? FITS : MISFIT;
}

static int judge(struct pxy *p, const struct pxy_call *c)
{
	struct pb_mc_scan s = pb_mc_scan_init(c->reply.p, c->reply.p + c->reply.len,
					      (__u32)c->reply.len, &p->work);

	if (c->req->r.proto == PB_MC_BINARY)
		return judge_binary(c, &s);
	if (pb_mc_byte(&s, 0) == PB_MC_BIN_RES)
		return MISFIT;
	if (c->req->r.kind >= PB_MC_GET && c->req->r.kind <= PB_MC_GATS && c->key_len)
		return judge_get(c, &s);
	return FITS;
}

/* ---- datagrams ------------------------------------------------------------- */

static struct pxy_call *find(struct pxy *p, uint16_t id, const struct pb_addr *from, __be16 port)
{
	struct pxy_call *c;

	for (c = LIST_FIRST(&p->calls[id % PXY_BUCKETS]); c; c = LIST_NEXT(c, by_id))
		if (c->id == id && c->port == port && pb_addr_eq(&c->server, from))
			return c;
	return NULL;
}

static void take(struct pxy *p, struct pxy_call *c, uint32_t seq, uint32_t total,
		 const uint8_t *data, size_t n, uint64_t now)
{
	struct pxy_query *q = c->query;
	int whole = collect(p, c, seq, total, data, n), fits;

	if (whole == -EBADMSG)
		p->stats.bad_reply++;
	if (whole == 0 || whole == -EBADMSG)
		return;
	if (whole < 0 || !join(c)) {
		p->stats.drop_full++;
		pxy_call_done(p, c, LARGE, now);
		pxy_advance(p, q, now);
		return;
	}
	fits = judge(p, c);
	if (fits == MISFIT) {
		p->stats.bad_reply++;
		pxy_drop_buf(&c->reply);
	}
	if (fits != FITS)
		return;
	pxy_call_done(p, c, NULL, now);
	pxy_advance(p, q, now);
}

void pxy_server(struct pxy *p, const struct pb_addr *from, __be16 port, const void *data,
		size_t len, uint64_t now)
{
	struct pb_mc_scan s =
		pb_mc_scan_init(data, (const uint8_t *)data + len, (__u32)len, &p->work);
	struct pb_mc_udp label;
	struct pxy_call *c = NULL;

	if (len >= PB_MC_UDP_HDR) {
		pb_mc_udp_read(&s, &label);
		c = find(p, label.id, from, port);
	}
	if (!c) {
		p->stats.stray++;
		return;
	}
	p->stats.replies++;
	/* memcached 1.6 sends an empty one, "0 of 0", for an answer that it keeps back */
	if (label.total && len > PB_MC_UDP_HDR)
		take(p, c, label.seq, label.total, (const uint8_t *)data + PB_MC_UDP_HDR,
		     len - PB_MC_UDP_HDR, now);
}
