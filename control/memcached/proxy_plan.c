/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The slow path: what is to be done with each request of a datagram. */
#include <patchbay/mc_parse.h>

#include "../util.h"
#include "proxy_internal.h"

enum { STOP, GO_ON };

static struct pb_mc_scan scan_of(struct pxy *p, const struct pxy_query *q)
{
	return pb_mc_scan_init(q->msg, q->msg + q->len, q->len, &p->work);
}

static bool is_get(uint32_t kind)
{
	return kind >= PB_MC_GET && kind <= PB_MC_GATS;
}

/* ---- quiet requests become loud -------------------------------------------- */

static void blank(struct pxy_query *q, uint32_t off, uint32_t n)
{
	memset(q->msg + off, ' ', n);
}

/* A meta command's q, which is a word that begins so. */
static void blank_q(struct pxy_query *q, const struct pb_mc_req *r)
{
	uint32_t at = r->key_off + r->key_len, n;

	while (at < q->len && q->msg[at] != '\n' && q->msg[at]) {
		if (q->msg[at] == ' ' || q->msg[at] == '\r') {
			at++;
			continue;
		}
		for (n = 0; at + n < q->len && !memchr(" \r\n", q->msg[at + n], 4); n++)
			;
		if (q->msg[at] == 'q')
			blank(q, at, n);
		at += n ? n : 1;
	}
}

static bool bin_gets(uint32_t kind)
{
	return kind == PB_MC_GET || kind == PB_MC_GAT;
}

static void make_loud(struct pxy *p, struct pxy_query *q, struct pxy_req *r)
{
	const struct pb_mc_req *req = &r->r;
	uint32_t was;

	if (!(req->flags & PB_MC_F_QUIET))
		return;
	if (req->proto == PB_MC_BINARY) {
		q->msg[r->at + 1] = (uint8_t)pb_mc_bin_loud(req->opcode, &was);
		r->hide = bin_gets(req->kind) ? PXY_HIDE_MISS : PXY_HIDE_DONE;
	} else if (req->flags & PB_MC_F_MUTE) {
		r->hide = req->error ? PXY_SILENT : PXY_HIDE_ALL;
		if (!req->error)
			blank(q, p->work.args.last_off, p->work.args.last_n);
	} else if (!req->error) {
		r->hide = req->kind == PB_MC_MGET ? PXY_HIDE_MISS : PXY_HIDE_DONE;
		blank_q(q, req);
	}
}

/* ---- kinds ----------------------------------------------------------------- */

/* From the first key on; memcached stops at one that is too long. */
static bool keys_fit(struct pxy *p, const struct pxy_query *q, struct pxy_req *r)
{
	uint32_t off, n, keys = 0;

	pxy_keys(p, q, r);
	while ((n = pxy_next_key(p, q, &off))) {
		if (n > PB_MC_KEY_MAX)
			return false;
		keys++;
	}
	r->r.keys = keys;
	if (r->r.error == PB_MC_E_LONG)
		r->r.next = p->work.state == PB_MC_AT_EOL ? p->work.at : 0;
	return true;
}

void pxy_keys(struct pxy *p, const struct pxy_query *q, const struct pxy_req *r)
{
	struct pb_mc_scan s = scan_of(p, q);

	pb_mc_line(&s, r->verb_end);
	s.w->stop = q->len; /* the line may be longer than the parser reads */
}

uint32_t pxy_next_key(struct pxy *p, const struct pxy_query *q, uint32_t *ret_off)
{
	struct pb_mc_scan s = scan_of(p, q);
	uint32_t n = pb_mc_word(&s);

	*ret_off = s.w->off;
	return n;
}

/* Where the keys begin: behind the verb, and the time of a gat. */
static void find_verb(struct pxy *p, const struct pxy_query *q, struct pxy_req *r)
{
	struct pb_mc_scan s = scan_of(p, q);

	pb_mc_line(&s, r->at);
	pb_mc_word(&s);
	r->verb = s.w->off;
	r->verb_end = s.w->off + s.w->n;
	if (r->r.kind != PB_MC_GAT && r->r.kind != PB_MC_GATS)
		return;
	pb_mc_word(&s);
	r->verb_end = s.w->off + s.w->n;
}

static int plan_get(struct pxy *p, struct pxy_query *q, struct pxy_req *r)
{
	r->step = r->r.kind >= PB_MC_GAT ? PB_MC_STEP_WRITE : PB_MC_STEP_READ;
	find_verb(p, q, r);
	if (r->r.error == PB_MC_E_ARGS) {
		r->how = PXY_ONE;
		r->step = PB_MC_STEP_NONE;
		return GO_ON;
	}
	if (!keys_fit(p, q, r)) {
		pxy_say(r, "CLIENT_ERROR bad command line format");
		return r->r.error == PB_MC_E_LONG ? STOP : GO_ON;
	}
	if (!r->r.next) {
		p->stats.drop_short++;
		q->n--;
		return STOP;
	}
	if (!r->r.keys)
		r->step = PB_MC_STEP_NONE;
	r->how = r->r.keys > 1 ? PXY_KEYS : PXY_ONE;
	return GO_ON;
}

static int plan_wrong_binary(struct pxy *p, struct pxy_query *q, struct pxy_req *r)
{
	switch (r->r.error) {
	case PB_MC_E_MAGIC: q->n--; break;
	case PB_MC_E_SHORT:
		p->stats.drop_short++;
		q->n--;
		break;
	case PB_MC_E_KEY: pxy_say_binary(r, 0x04, "Invalid arguments"); break;
	default:
		if (r->r.kind == PB_MC_UNKNOWN)
			pxy_say_binary(r, 0x81, "Unknown command");
		else
			pxy_say_binary(r, 0x04, "Invalid arguments");
	}
	return STOP;
}

static int plan_local(struct pxy_query *q, struct pxy_req *r)
{
	bool binary = r->r.proto == PB_MC_BINARY;

	r->how = PXY_LOCAL;
	if (r->r.kind == PB_MC_QUIT) {
		if (!binary || r->r.flags & PB_MC_F_QUIET)
			q->n--;
		else
			pxy_say_binary(r, 0, "");
		return STOP;
	}
	if (r->r.kind == PB_MC_NOOP) {
		if (binary)
			pxy_say_binary(r, 0, "");
		else
			pxy_say(r, "MN");
	} else if (binary) {
		pxy_say_binary(r, 0x81, "Unknown command");
	} else if (r->r.kind == PB_MC_ADMIN) {
		pxy_say(r, "SERVER_ERROR not for the address of several servers");
	} else {
		pxy_say(r, "ERROR");
	}
	return GO_ON;
}

static int plan_text_long(struct pxy_req *r)
{
	r->how = PXY_LOCAL;
	pxy_say(r, "CLIENT_ERROR line too long");
	return STOP;
}

/* "stats settings" */
static bool asks_settings(struct pxy *p, const struct pxy_query *q, const struct pxy_req *r)
{
	static const char name[] = "settings";
	struct pb_mc_scan s = scan_of(p, q);
	uint32_t off = r->at + PB_MC_BIN_HDR, n;

	if (r->r.proto == PB_MC_BINARY) {
		n = pb_mc_be16(&s, r->at + 2);
	} else {
		pb_mc_line(&s, r->at);
		pb_mc_word(&s);
		n = pb_mc_word(&s);
		off = s.w->off;
	}
	return n == sizeof(name) - 1 && !memcmp(q->msg + off, name, n);
}

static int plan_one(struct pxy *p, struct pxy_query *q, struct pxy_req *r)
{
	const struct pb_mc_req *req = &r->r;

	if (req->proto == PB_MC_BINARY && !req->next)
		return plan_wrong_binary(p, q, r);
	if (req->proto == PB_MC_TEXT && is_get(req->kind) && req->error != PB_MC_E_SHORT)
		return plan_get(p, q, r);
	if (req->error == PB_MC_E_LONG)
		return plan_text_long(r);
	if (!req->next) {
		p->stats.drop_short++;
		q->n--;
		return STOP;
	}
	r->step = req->step;
	make_loud(p, q, r);
	switch (req->kind) {
	case PB_MC_FLUSH:
	case PB_MC_VERBOSITY: r->how = PXY_ALL; break;
	case PB_MC_STATS:
		r->how = PXY_ALL;
		r->sum = true;
		r->settings = asks_settings(p, q, r);
		break;
	case PB_MC_QUIT:
	case PB_MC_NOOP:
	case PB_MC_SASL:
	case PB_MC_ADMIN:
	case PB_MC_UNKNOWN:
	case PB_MC_NONE: return plan_local(q, r);
	default: r->how = PXY_ONE;
	}
	return GO_ON;
}

/* ---- datagrams ------------------------------------------------------------- */

static struct pxy_req *more(struct pxy *p, struct pxy_query *q)
{
	uint32_t cap = q->cap ? q->cap * 2 : 1;
	struct pxy_req *req;

	if (q->n < q->cap)
		return &q->req[q->n];
	if (!pxy_hold(p, q, (cap - q->cap) * sizeof(*req)))
		return NULL;
	req = realloc(q->req, cap * sizeof(*req));
	if (!req)
		return NULL;
	q->req = req;
	q->cap = cap;
	return &q->req[q->n];
}

int pxy_plan(struct pxy *p, struct pxy_query *q)
{
	struct pb_mc_scan s = scan_of(p, q);
	uint32_t at = 0;
	struct pxy_req *r;

	q->proto = pb_mc_proto_of(&s);
	while (at < q->len) {
		r = more(p, q);
		if (!r)
			return -ENOMEM;
		*r = (struct pxy_req){ .at = at };
		q->n++;
		if (q->n > p->limits.requests) {
			r->failed = "too many requests in one datagram";
			r->r.proto = (uint8_t)q->proto;
			pxy_merge(p, q, r);
			return -E2BIG;
		}
		pb_mc_parse(&s, at, q->proto);
		r->r = p->work.req;
		if (plan_one(p, q, r) == STOP)
			break;
		r->barrier = r->step != PB_MC_STEP_NONE && r->step != PB_MC_STEP_READ;
		at = r->r.next;
	}
	return 0;
}
