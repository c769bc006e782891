/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame_drive.h"

#define SAY_MAX 4096u

static void wrong(struct fdr *d, const char *fmt, ...)
{
	va_list ap;

	if (d->wrong[0])
		return;
	va_start(ap, fmt);
	vsnprintf(d->wrong, sizeof(d->wrong), fmt, ap);
	va_end(ap);
}

static uint32_t rnd(struct fdr *d)
{
	d->seed ^= d->seed << 13;
	d->seed ^= d->seed >> 7;
	d->seed ^= d->seed << 17;
	return (uint32_t)(d->seed >> 16);
}

/* How many more bytes are shown. */
static size_t grow(struct fdr *d, size_t have, size_t all)
{
	size_t n = all - have;

	if (d->seed && n)
		n = 1 + rnd(d) % (n < 64 || rnd(d) % 4 ? (n < 16 ? n : 16) : n);
	return have + n;
}

/* A copy that ends where the view ends, so that a sanitizer sees who reads behind it. */
static struct pb_frame_view show(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	if (!copy)
		abort();
	if (n)
		memcpy(copy, p, n);
	return (struct pb_frame_view){ .data = copy, .end = copy + n };
}

static void unshow(struct pb_frame_view *v)
{
	free((void *)(uintptr_t)v->data);
}

void fdr_cut(struct fdr_buf *to, const struct pb_frame_cut *cut, const uint8_t *src, size_t len)
{
	if (!cut->n)
		fdr_put(to, src, len);
	for (uint32_t i = 0; i < cut->n; i++) {
		const struct pb_frame_range *r = &cut->range[i];

		if (r->kind == PB_FRAME_LITERAL && r->off + r->len <= sizeof(cut->lit))
			fdr_put(to, cut->lit + r->off, r->len);
		else if (r->kind == PB_FRAME_SRC && r->off + r->len <= len)
			fdr_put(to, src + r->off, r->len);
		else
			abort();
	}
}

/* ---- replies --------------------------------------------------------------- */

/* More of the stream @b: true, or why not. */
static bool receive(struct fdr *d, uint32_t server, int *why)
{
	uint8_t data[65536];
	ssize_t n = d->ops->recv(d->arg, server, data, sizeof(data));

	if (n > 0)
		fdr_put(&d->link[server], data, (size_t)n);
	else
		*why = n ? PB_FRAME_W_TIMEOUT : PB_FRAME_W_LOST;
	return n > 0;
}

/* The next part of a reply at the link's beginning: 0, or why there is none. */
static int next_part(struct fdr *d, uint32_t server, struct pb_frame_rtx *rtx,
		     struct pb_frame *part, struct pb_frame_cut *cut)
{
	struct fdr_buf *b = &d->link[server];
	struct pb_frame_view v;
	size_t have = 0;
	int rc, why = 0;

	for (;;) {
		if (have == b->len && !receive(d, server, &why))
			return 1 + why;
		have = grow(d, have, b->len);
		v = show(b->p, have);
		memset(part, 0xee, sizeof(*part));
		memset(cut, 0xee, sizeof(*cut));
		rc = d->plugin->reply(&v, rtx, d->work, part, cut);
		unshow(&v);
		if (rc < 0)
			return 1 + PB_FRAME_W_CONFUSED;
		if (rc == PB_FRAME_WHOLE)
			break;
	}
	if (part->head > have)
		wrong(d, "a part's head of %u bytes, %zu shown", part->head, have);
	while (b->len < part->len)
		if (!receive(d, server, &why))
			return 1 + why;
	return 0;
}

struct outcome {
	struct fdr_buf held;
	int failed; /* 1 + PB_FRAME_W_* */
	int begun;
};

static void take_reply(struct fdr *d, uint32_t server, struct pb_frame_rtx *rtx, struct outcome *o)
{
	struct pb_frame_cut cut;
	struct pb_frame part;

	do {
		o->failed = next_part(d, server, rtx, &part, &cut);
		if (o->failed)
			return;
		if (part.flags & PB_FRAME_PART_FAILED) {
			o->failed = 1 + PB_FRAME_W_REFUSED;
		} else if (!(part.flags & PB_FRAME_PART_SKIP)) {
			fdr_cut(part.flags & PB_FRAME_PART_HOLD ? &o->held : &d->out, &cut,
				d->link[server].p, part.len);
			o->begun = !(part.flags & PB_FRAME_PART_HOLD);
		}
		fdr_drop(&d->link[server], part.len);
	} while (!(part.flags & (PB_FRAME_PART_LAST | PB_FRAME_PART_FAILED)));
}

static void make_call(struct fdr *d, uint32_t server, struct pb_frame_send *s,
		      struct pb_frame_rtx *rtx, const uint8_t *src, size_t len, struct outcome *o)
{
	struct fdr_buf req = { 0 };

	d->calls++;
	if (d->ops->call)
		d->ops->call(d->arg, server, s);
	fdr_cut(&req, &s->cut, src, len);
	if (d->link[server].len)
		wrong(d, "bytes behind a server's reply");
	if (d->ops->send(d->arg, server, req.p, req.len))
		take_reply(d, server, rtx, o);
	else
		o->failed = 1 + PB_FRAME_W_CONNECT;
	free(req.p);
}

/* ---- what redirect() and split() say --------------------------------------- */

static struct pb_frame_out out_new(uint32_t cap)
{
	return (struct pb_frame_out){ .data = malloc(cap), .cap = cap };
}

static void out_done(struct fdr *d, struct pb_frame_out *o)
{
	if (o->lost)
		wrong(d, "%u bytes had no room", o->lost);
	fdr_put(&d->out, o->data, o->len);
	free(o->data);
}

static void say(struct fdr *d, const struct pb_frame_view *v, const struct pb_frame *f,
		struct pb_frame_rtx *rtx)
{
	struct pb_frame_out o = out_new(SAY_MAX);

	d->plugin->answer(v, f, &d->conn, rtx, &o);
	out_done(d, &o);
}

static void failed(struct fdr *d, struct pb_frame_rtx *rtx, int why, int begun)
{
	struct pb_frame_out o = out_new(SAY_MAX);

	if (d->plugin->fail(&d->conn, rtx, (enum pb_frame_why)why, begun, &o))
		d->ended = true;
	out_done(d, &o);
}

static void call_all(struct fdr *d, struct pb_frame_send *s, const uint8_t *src, size_t len)
{
	struct pb_frame_held held[PB_FRAME_SERVERS_MAX] = { 0 };
	struct outcome got[PB_FRAME_SERVERS_MAX] = { 0 };
	struct pb_frame_out o = out_new(d->plugin->max_merge);
	uint32_t n = 0;

	for (uint32_t i = 0; i < d->ens.n; i++) {
		struct pb_frame_rtx rtx = s->rtx;

		if (!(d->server[i].flags & PB_FRAME_S_UP))
			continue;
		make_call(d, i, s, &rtx, src, len, &got[n]);
		held[n].server = i;
		held[n].failed = (uint32_t)got[n].failed;
		held[n].view = show(got[n].held.p, got[n].held.len);
		n++;
	}
	if (n) {
		d->plugin->merge(&s->rtx, held, n, d->work, &o);
		out_done(d, &o);
	} else {
		free(o.data);
		failed(d, &s->rtx, PB_FRAME_W_NO_SERVER, 0);
	}
	while (n--) {
		unshow(&held[n].view);
		free(got[n].held.p);
	}
}

static void call_one(struct fdr *d, uint32_t server, struct pb_frame_send *s, const uint8_t *src,
		     size_t len)
{
	struct outcome got = { 0 };
	struct pb_frame_out o;
	struct pb_frame_view v;

	if (s->touch == PB_FRAME_T_READ && d->ops->lookup && d->ops->lookup(d->arg, s, &v)) {
		o = out_new(1 << 16);
		d->plugin->hit(&v, &s->rtx, &o);
		out_done(d, &o);
		return;
	}
	make_call(d, server, s, &s->rtx, src, len, &got);
	if (got.failed)
		failed(d, &s->rtx, got.failed - 1, got.begun);
	free(got.held.p);
}

static void carry_out(struct fdr *d, int to, const struct pb_frame *f, struct pb_frame_send *s)
{
	const struct pb_frame_view none = { 0 };

	switch (to) {
	case PB_FRAME_ALL: call_all(d, s, d->in.p, f->len); return;
	case PB_FRAME_BYE: d->ended = true; /* fall through */
	case PB_FRAME_ANSWER: say(d, &none, NULL, &s->rtx); return;
	case PB_FRAME_DROP: return;
	case PB_FRAME_NONE: failed(d, &s->rtx, PB_FRAME_W_NO_SERVER, 0); return;
	}
	if (to < 0 || (uint32_t)to >= d->ens.n || !(d->server[to].flags & PB_FRAME_S_UP))
		wrong(d, "%d is no server", to);
	else
		call_one(d, (uint32_t)to, s, d->in.p, f->len);
}

struct plan {
	struct pb_frame_send send;
	int to;
};

/* All calls of a frame are known before the first of them is made: nothing else uses the work then. */
static uint32_t split(struct fdr *d, const struct pb_frame_view *v, const struct pb_frame *f,
		      struct plan **ret)
{
	struct plan *p = NULL;
	uint32_t n = 0;

	for (;; n++) {
		p = realloc(p, (n + 1) * sizeof(*p));
		if (!p)
			abort();
		memset(&p[n], 0xee, sizeof(*p));
		p[n].to = d->plugin->split(v, f, &d->conn, &d->ens, d->work, n, &p[n].send);
		if (p[n].to == PB_FRAME_END)
			break;
	}
	*ret = p;
	return n;
}

static void do_frame(struct fdr *d, const struct pb_frame *f)
{
	struct pb_frame_view v = show(d->in.p, d->seed && rnd(d) % 2 ? f->head : f->len);
	struct pb_frame_send s;
	struct plan *p = NULL;
	uint32_t n = 0;
	int to;

	d->frames++;
	memset(&s, 0xee, sizeof(s));
	to = d->plugin->redirect(&v, f, &d->conn, &d->ens, d->work, &s);
	if (to != PB_FRAME_SPLIT)
		carry_out(d, to, f, &s);
	else
		n = split(d, &v, f, &p);
	for (uint32_t i = 0; i < n && !d->ended; i++)
		carry_out(d, p[i].to, f, &p[i].send);
	free(p);
	unshow(&v);
}

/* ---- the client ------------------------------------------------------------ */

static void refuse(struct fdr *d)
{
	struct pb_frame_view v = show(d->in.p, d->in.len);
	struct pb_frame_rtx rtx = { 0 };

	say(d, &v, NULL, &rtx);
	unshow(&v);
	d->ended = true;
}

/* 1: a frame was done; 0: there is none yet. */
static int one_frame(struct fdr *d)
{
	struct pb_frame f, again;
	struct pb_frame_view v;
	size_t have = 0;
	int rc = PB_FRAME_MORE;

	while (rc == PB_FRAME_MORE && have < d->in.len) {
		have = grow(d, have, d->in.len);
		v = show(d->in.p, have);
		rc = d->plugin->parse(&v, &d->conn, d->work, &f);
		unshow(&v);
	}
	if (rc < 0)
		refuse(d);
	if (rc != PB_FRAME_WHOLE)
		return 0;
	v = show(d->in.p, d->in.len);
	rc = d->plugin->parse(&v, &d->conn, d->work, &again);
	unshow(&v);
	if (rc != PB_FRAME_WHOLE || again.len != f.len || again.head != f.head)
		wrong(d, "another frame when more is shown");
	if (!f.head || f.head > d->plugin->max_head || f.head > f.len || f.head > have)
		wrong(d, "a head of %u bytes, %zu shown", f.head, have);
	if (f.len > d->in.len || d->wrong[0])
		return 0;
	do_frame(d, &f);
	fdr_drop(&d->in, f.len);
	return 1;
}

void fdr_feed(struct fdr *d, const void *data, size_t n)
{
	fdr_put(&d->in, data, n);
	while (!d->ended && !d->wrong[0] && d->in.len && one_frame(d))
		;
}

void fdr_init(struct fdr *d, const struct pb_frame_plugin *plugin, const struct fdr_ops *ops,
	      void *arg, uint32_t servers, const void *policy)
{
	*d = (struct fdr){ .plugin = plugin, .ops = ops, .arg = arg };
	d->work = calloc(1, plugin->work_size + 1);
	d->ens = (struct pb_frame_ens){ .n = servers, .server = d->server, .policy = policy };
	for (uint32_t i = 0; i < servers; i++)
		d->server[i].flags = PB_FRAME_S_UP;
	if (plugin->add_conn)
		plugin->add_conn(&d->conn);
}

void fdr_free(struct fdr *d)
{
	if (d->plugin->rm_conn)
		d->plugin->rm_conn(&d->conn);
	for (uint32_t i = 0; i < PB_FRAME_SERVERS_MAX; i++)
		free(d->link[i].p);
	free(d->work);
	free(d->in.p);
	free(d->out.p);
}
