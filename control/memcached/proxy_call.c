/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The slow path: requests to servers, their ids, and the steps of the cache's tokens. */
#include <arpa/inet.h>

#include <patchbay/mc_digest.h>
#include <patchbay/mc_parse.h>
#include <patchbay/mc_ring.h>

#include "../util.h"
#include "proxy_internal.h"

#define TAG_BIT (1ULL << 63) /* the kernel programs' own tags have it clear */
#define WINDOW_FIRST 4
#define WINDOW_MAX 64u
#define WINDOW_BYTES (1u << 20)

static const char *const FULL = "too many requests under way";
static const char *const LATE = "the server did not answer";
static const char *const NOBODY = "no server owns the key";

/* ---- ids ------------------------------------------------------------------- */

/* An id that no reply on its way can bear: it comes round again after the life of a datagram. */
static bool take_id(struct pxy *p, uint64_t now, uint16_t *ret)
{
	uint64_t *used = &p->id_used[p->id / PXY_ID_BLOCK];

	if (p->id % PXY_ID_BLOCK == 0 && *used && now < *used + p->timeout + PB_MC_LIFE_NS)
		return false;
	*used = now;
	*ret = (uint16_t)p->id;
	p->id = (p->id + 1) % PXY_IDS;
	return true;
}

/* ---- tokens ---------------------------------------------------------------- */

static int step(struct pxy *p, uint32_t what, uint64_t tag, uint64_t digest, uint64_t when)
{
	struct pb_mc_cmd cmd = {
		.what = what, .service = p->number, .tag = tag, .digest = digest, .when = when
	};

	return p->ops->token ? p->ops->token(p->arg, &cmd) : 0;
}

static uint64_t new_tag(struct pxy *p)
{
	return ++p->tag | TAG_BIT;
}

/* Told before anything is sent; an error: it may not be. */
static int tell_all(struct pxy *p, struct pxy_req *r, uint64_t now)
{
	int err;

	if (r->step != PB_MC_STEP_FLUSH && r->step != PB_MC_STEP_UNKNOWN)
		return 0;
	p->stats.flushes += r->step == PB_MC_STEP_FLUSH;
	if (r->step == PB_MC_STEP_FLUSH && r->hide != PXY_SILENT)
		r->tag = new_tag(p);
	err = step(p, PB_MC_DO_WRITE_ALL, r->tag, 0, 0);
	if (!err && r->r.delay > 0)
		err = step(p, PB_MC_DO_FLUSH_AT, 0, 0,
			   pb_mc_flush_time((__u32)r->r.delay, now,
					    p->ops->wall ? p->ops->wall(p->arg) : 0));
	return err;
}

static int tell(struct pxy *p, const struct pxy_req *r, struct pxy_call *c)
{
	if (r->step != PB_MC_STEP_WRITE && r->step != PB_MC_STEP_MUTE)
		return 0;
	p->stats.writes++;
	if (r->hide != PXY_SILENT)
		c->tag = new_tag(p);
	return step(p, PB_MC_DO_WRITE, c->tag, c->digest, 0);
}

/* ---- whom to ask ----------------------------------------------------------- */

static const struct pb_mc_backend *backend(const struct pxy *p, uint32_t i)
{
	return i < p->n_backends && p->backends[i].flags & PB_MC_B_UP ? &p->backends[i] : NULL;
}

static const struct pb_mc_backend *first_backend(const struct pxy *p)
{
	const struct pb_mc_backend *b = NULL;

	for (uint32_t i = 0; i < p->n_backends && !b; i++)
		b = backend(p, i);
	return b;
}

/* The server of the key, and its digest: of the item's key, if that is base64. */
static const struct pb_mc_backend *owner(struct pxy *p, const struct pxy_query *q,
					 const struct pxy_req *r, struct pxy_call *c)
{
	struct pb_mc_scan s = pb_mc_scan_init(q->msg, q->msg + q->len, q->len, &p->work);
	uint8_t key[PB_MC_B64_OUT];
	uint32_t off = c->key_off, n = c->key_len;

	if (!n)
		return first_backend(p);
	if (r->r.flags & PB_MC_F_B64) {
		p->work.req = r->r;
		n = pb_mc_b64_key(&s);
		memcpy(key, p->work.key, sizeof(key));
		s = pb_mc_scan_init(key, key + n, n, &p->work);
		off = 0;
	}
	if (!n || !p->ring)
		return n ? NULL : first_backend(p);
	c->digest = pb_mc_key_digest(p->svc.key, s.data + off, n);
	return backend(p, pb_mc_owner(&s, p->ring, off, n));
}

/* ---- calls ----------------------------------------------------------------- */

static void unlink_call(struct pxy *p, struct pxy_call *c)
{
	if (!c->waiting)
		return;
	c->waiting = false;
	LIST_REMOVE(c, by_id);
	TAILQ_REMOVE(&p->ages, c, by_age);
	p->stats.calls--;
}

void pxy_drop_calls(struct pxy *p, struct pxy_req *r)
{
	for (uint32_t i = 0; i < r->n_calls; i++) {
		unlink_call(p, &r->calls[i]);
		pxy_drop_parts(&r->calls[i].parts);
		pxy_drop_buf(&r->calls[i].reply);
	}
	free(r->calls);
	r->calls = NULL;
	r->n_calls = 0;
}

static void req_done(struct pxy *p, struct pxy_query *q, struct pxy_req *r)
{
	if (r->tag && !r->lost)
		step(p, PB_MC_DO_WRITTEN_ALL, r->tag, 0, 0);
	if (r->how != PXY_LOCAL)
		pxy_merge(p, q, r);
	pxy_drop_calls(p, r);
	q->busy--;
}

/* The message of one key's get, or the client's own bytes. */
static size_t compose(struct pxy *p, const struct pxy_query *q, const struct pxy_req *r,
		      const struct pxy_call *c)
{
	uint16_t head[4] = { htons(c->id), 0, htons(1), 0 };
	uint8_t *to = p->datagram;
	uint32_t n;

	memcpy(to, head, sizeof(head));
	to += sizeof(head);
	if (r->how != PXY_KEYS) {
		n = r->r.next - r->at;
		memcpy(to, q->msg + r->at, n);
		return sizeof(head) + n;
	}
	n = r->verb_end - r->verb;
	memcpy(to, q->msg + r->verb, n);
	to += n;
	*to++ = ' ';
	memcpy(to, q->msg + c->key_off, c->key_len);
	to += c->key_len;
	*to++ = '\r';
	*to++ = '\n';
	return (size_t)(to - p->datagram);
}

static const char *launch(struct pxy *p, struct pxy_query *q, struct pxy_req *r, struct pxy_call *c,
			  uint64_t now)
{
	size_t n;

	if (!take_id(p, now, &c->id)) {
		p->stats.drop_full++;
		return FULL;
	}
	if (tell(p, r, c)) {
		p->stats.token_failed++;
		return "the cache could not be told";
	}
	n = compose(p, q, r, c);
	if (p->ops->to_server(p->arg, &c->server, c->port, p->datagram, n)) {
		p->stats.unsent_server++;
		/* it never left: nothing is pending */
		if (c->tag)
			step(p, PB_MC_DO_WRITTEN, c->tag, c->digest, 0);
		return "no way to the server";
	}
	p->stats.sent++;
	if (r->hide == PXY_SILENT)
		return NULL;
	c->waiting = true;
	c->deadline = now + p->timeout;
	LIST_INSERT_HEAD(&p->calls[c->id % PXY_BUCKETS], c, by_id);
	TAILQ_INSERT_TAIL(&p->ages, c, by_age);
	p->stats.calls++;
	r->left++;
	return NULL;
}

/*
 * How many of a request's calls may wait at a time.  Sockets' buffers bound it, the server's for small
 * requests, ours for large replies: it grows with what came.
 */
static uint32_t window(const struct pxy_req *r)
{
	uint32_t n = WINDOW_FIRST + (r->sent - r->left), room;

	if (r->how != PXY_KEYS)
		return r->n_calls;
	room = r->largest ? WINDOW_BYTES / r->largest : n;
	n = n < room ? n : room;
	return n > WINDOW_MAX ? WINDOW_MAX : n ? n : 1;
}

static void launch_more(struct pxy *p, struct pxy_query *q, struct pxy_req *r, uint64_t now)
{
	while (!r->failed && r->sent < r->n_calls && r->left < window(r)) {
		r->failed = launch(p, q, r, &r->calls[r->sent++], now);
		r->lost = r->lost || r->failed;
	}
	if (!r->left && (r->failed || r->sent == r->n_calls))
		req_done(p, q, r);
}

void pxy_call_done(struct pxy *p, struct pxy_call *c, const char *failed, uint64_t now)
{
	struct pxy_req *r = c->req;

	unlink_call(p, c);
	if (failed) {
		r->failed = failed;
		r->lost = true;
	} else if (c->tag) {
		step(p, PB_MC_DO_WRITTEN, c->tag, c->digest, 0);
	}
	if (c->reply.len > r->largest)
		r->largest = (uint32_t)c->reply.len;
	r->left--;
	launch_more(p, c->query, r, now);
}

/* Room for @n calls. */
static const char *make_calls(struct pxy *p, struct pxy_query *q, struct pxy_req *r, uint32_t n)
{
	if (p->stats.calls + n > p->limits.calls || !pxy_hold(p, q, n * sizeof(*r->calls))) {
		p->stats.drop_full++;
		return FULL;
	}
	r->calls = calloc(n, sizeof(*r->calls));
	if (!r->calls)
		return FULL;
	r->n_calls = n;
	for (uint32_t i = 0; i < n; i++) {
		r->calls[i].query = q;
		r->calls[i].req = r;
	}
	return NULL;
}

static const char *aim(struct pxy *p, struct pxy_call *c, const struct pb_mc_backend *b)
{
	if (!b) {
		p->stats.no_server++;
		return NOBODY;
	}
	c->server = b->addr;
	c->port = b->port;
	return NULL;
}

static const char *aim_keys(struct pxy *p, struct pxy_query *q, struct pxy_req *r)
{
	const char *why = NULL;
	uint32_t off;

	pxy_keys(p, q, r);
	for (uint32_t i = 0; i < r->n_calls && !why; i++) {
		r->calls[i].key_len = (uint16_t)pxy_next_key(p, q, &off);
		r->calls[i].key_off = off;
		why = aim(p, &r->calls[i], owner(p, q, r, &r->calls[i]));
	}
	return why;
}

static const char *aim_all(struct pxy *p, struct pxy_req *r)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->n_backends && n < r->n_calls; i++)
		if (backend(p, i))
			aim(p, &r->calls[n++], backend(p, i));
	return NULL;
}

static const char *prepare(struct pxy *p, struct pxy_query *q, struct pxy_req *r)
{
	uint32_t n = 1;
	const char *why;

	if (r->how == PXY_KEYS) {
		n = r->r.keys;
	} else if (r->how == PXY_ALL) {
		n = 0;
		for (uint32_t i = 0; i < p->n_backends; i++)
			n += !!backend(p, i);
		if (!n) {
			p->stats.no_server++;
			return NOBODY;
		}
	}
	why = make_calls(p, q, r, n);
	if (why)
		return why;
	if (r->how == PXY_KEYS)
		return aim_keys(p, q, r);
	if (r->how == PXY_ALL)
		return aim_all(p, r);
	r->calls->key_off = r->r.key_off;
	r->calls->key_len = (uint16_t)r->r.key_len;
	return aim(p, r->calls, owner(p, q, r, r->calls));
}

void pxy_begin(struct pxy *p, struct pxy_query *q, struct pxy_req *r, uint64_t now)
{
	if (r->how != PXY_LOCAL)
		r->failed = now < q->until ? prepare(p, q, r) : LATE;
	if (r->how != PXY_LOCAL && !r->failed && tell_all(p, r, now)) {
		p->stats.token_failed++;
		r->failed = "the cache could not be told";
		r->lost = true;
	}
	launch_more(p, q, r, now);
}

void pxy_timeouts(struct pxy *p, uint64_t now)
{
	struct pxy_call *c;

	while ((c = TAILQ_FIRST(&p->ages)) && c->deadline <= now) {
		struct pxy_query *q = c->query;

		p->stats.timeouts++;
		q->until = 0; /* what stands behind it is not sent: its order would be lost */
		pxy_call_done(p, c, LATE, now);
		pxy_advance(p, q, now);
	}
}
