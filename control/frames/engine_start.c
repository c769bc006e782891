// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What becomes of a frame: calls are made and sent, or it is answered here. */
#include "control/frames/engine_internal.h"

#include <errno.h>
#include <string.h>

/* One frame on its way. */
struct start {
	struct fe *fe;
	struct fe_client *c;
	const struct pb_frame_view *v;
	const struct pb_frame *f;
	struct pb_frame_send send;
	uint64_t there; /* bytes of the frame in the view */
};

static struct fe_call *call_new(struct start *s)
{
	struct fe_call *k = fe_call_add(s->c);

	if (!k) {
		s->c->s.error = true;
		fe_dirty(&s->c->s);
		return NULL;
	}
	k->rtx = s->send.rtx;
	return k;
}

/* ---- answers ----------------------------------------------------------------- */

static struct pb_frame_out scratch(struct fe *fe)
{
	return (struct pb_frame_out){ .data = fe->scratch, .cap = fe->scratch_cap };
}

static void answer(struct start *s, bool bye)
{
	struct fe_call *k = call_new(s);

	s->fe->st.answers++;
	s->c->bye |= bye;
	if (!k)
		return;
	k->say = true;
	fe_call_done(k);
}

void fe_refuse(struct fe_client *c, const struct pb_frame_view *v)
{
	struct fe *fe = c->s.fe;
	struct pb_frame_out o = { .data = fe->scratch, .cap = fe->scratch_cap };
	struct pb_frame_rtx rtx = { 0 };

	fe->st.bad_frames++;
	fe->plugin->answer(v, NULL, &c->conn, &rtx, &o);
	fe_put(&c->s, o.data, o.len);
	c->bye = true;
}

static bool hit(struct start *s)
{
	struct fe *fe = s->fe;
	struct pb_frame_view value;
	struct fe_call *k;
	struct pb_frame_out o = scratch(fe);

	if (s->send.touch != PB_FRAME_T_READ || !(fe->ens.flags & PB_FRAME_E_CACHE) ||
	    !fe->ops.lookup || !fe->plugin->hit || !s->send.key_len ||
	    !fe->ops.lookup(fe->arg, s->send.key, s->send.key_len, &value))
		return false;
	fe->plugin->hit(&value, &s->send.rtx, &o);
	if (o.lost)
		return false;
	k = call_new(s);
	if (!k)
		return true;
	fe->st.hits++;
	fe_call_put(k, o.data, o.len);
	fe_call_done(k);
	return true;
}

static void refuse(struct start *s, enum pb_frame_why why)
{
	struct fe_call *k = call_new(s);

	if (!k)
		return;
	if (why == PB_FRAME_W_NO_SERVER)
		s->fe->st.no_server++;
	else if (why == PB_FRAME_W_FULL)
		s->fe->st.full++;
	else if (why == PB_FRAME_W_CACHE)
		s->fe->st.cache_failed++;
	fe_call_fail(k, why);
}

/* ---- a call ------------------------------------------------------------------- */

static const struct pb_frame_range *last_range(const struct start *s, struct pb_frame_range *all)
{
	const struct pb_frame_cut *cut = &s->send.cut;

	*all = (struct pb_frame_range){ .len = s->f->len, .kind = PB_FRAME_SRC };
	return cut->n ? &cut->range[cut->n - 1] : all;
}

/* What the plugin wants to be sent is there, or may come behind. */
static bool cut_fits(const struct start *s)
{
	const struct pb_frame_cut *cut = &s->send.cut;

	if (cut->n > PB_FRAME_RANGES)
		return false;
	for (uint32_t i = 0; i < cut->n; i++) {
		const struct pb_frame_range *r = &cut->range[i];
		uint64_t end = r->kind == PB_FRAME_LITERAL ? PB_FRAME_LIT
			       : i + 1 < cut->n		   ? s->there
							   : s->f->len;

		if (r->off > end || r->len > end - r->off)
			return false;
	}
	return true;
}

static bool feeds(const struct start *s)
{
	struct pb_frame_range all;
	const struct pb_frame_range *r = last_range(s, &all);

	return r->kind == PB_FRAME_SRC && r->len && r->off + r->len > s->there;
}

static void put_cut(struct start *s, struct fe_call *k)
{
	const struct pb_frame_cut *cut = &s->send.cut;
	struct fe_link *l = k->l;
	struct pb_frame_range all;
	const struct pb_frame_range *r = last_range(s, &all);

	for (uint32_t i = 0; i < (cut->n ? cut->n : 1); i++) {
		const struct pb_frame_range *at = cut->n ? &cut->range[i] : r;

		if (at->kind == PB_FRAME_LITERAL)
			fe_put(&l->s, cut->lit + at->off, at->len);
		else if (at->off < s->there)
			fe_put(&l->s, s->v->data + at->off,
			       at->len < s->there - at->off ? at->len : s->there - at->off);
	}
	if (!feeds(s)) {
		k->end = l->s.queued;
		return;
	}
	l->feeding = true;
	l->feed_call = k;
	l->feed_off = r->off;
	l->feed_end = r->off + r->len;
}

/* To one server; @k has its turn, or is one of a call to all. */
static void go(struct start *s, struct fe_call *k, uint32_t server)
{
	struct fe *fe = s->fe;
	struct fe_link *l;

	k->server = server;
	if (!cut_fits(s)) {
		fe_call_fail(k, PB_FRAME_W_FULL);
		return;
	}
	l = s->send.lane < PB_FRAME_LANES ? fe_link_get(s->c, server, s->send.lane) : NULL;
	if (!l) {
		fe_call_fail(k, PB_FRAME_W_CONNECT);
		return;
	}
	if (feeds(s) && (l->owner != s->c || l->feeding)) {
		fe->st.full++;
		fe_call_fail(k, PB_FRAME_W_FULL);
		return;
	}
	fe->st.calls++;
	k->l = l;
	if (s->send.mute) {
		put_cut(s, k);
		if (l->feed_call == k)
			l->feed_call = NULL;
		k->unseen = true;
		fe_call_done(k);
		return;
	}
	fe_link_add(l, k);
	put_cut(s, k);
}

static bool is_write(const struct pb_frame_send *send)
{
	return send->touch >= PB_FRAME_T_WRITE;
}

/* False: the cache could not be told. */
static bool touch(struct start *s, struct fe_call *k, uint32_t server)
{
	struct fe *fe = s->fe;

	if (!is_write(&s->send))
		return true;
	fe->st.writes++;
	k->writes = true;
	if (!fe->ops.touch_begin)
		return true;
	if (fe->ops.touch_begin(fe->arg, &s->send, server, &k->touch)) {
		fe->st.cache_failed++;
		return false;
	}
	k->touched = true;
	return true;
}

static void to_one(struct start *s, uint32_t server)
{
	struct fe *fe = s->fe;
	struct fe_call *k;

	if (server >= fe->ens.n || !(fe->server[server].flags & PB_FRAME_S_UP)) {
		refuse(s, PB_FRAME_W_NO_SERVER);
		return;
	}
	if (hit(s))
		return;
	if (s->send.mute)
		s->c->own = s->c->pinned = true;
	k = call_new(s);
	if (!k)
		return;
	if (!touch(s, k, server))
		fe_call_fail(k, PB_FRAME_W_CACHE);
	else
		go(s, k, server);
}

static uint32_t count_up(const struct fe *fe)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < fe->ens.n; i++)
		n += fe->server[i].flags & PB_FRAME_S_UP;
	return n;
}

static bool make_children(struct fe *fe, struct fe_call *top, uint32_t n)
{
	top->child = fe_mem(fe->p, n * sizeof(*top->child));
	if (!top->child)
		return false;
	top->n = top->left = n;
	for (uint32_t i = 0; i < n; i++) {
		struct fe_call *k = fe_call_new(fe->p);

		if (!k)
			return false;
		top->child[i] = k;
		k->fe = fe;
		k->parent = top;
		k->rtx = top->rtx;
		k->plain = true;
	}
	return true;
}

static void to_all(struct start *s)
{
	struct fe *fe = s->fe;
	uint32_t n = count_up(fe), at = 0;
	struct fe_call *top;

	if (!n) {
		refuse(s, PB_FRAME_W_NO_SERVER);
		return;
	}
	top = call_new(s);
	if (!top)
		return;
	fe->st.alls++;
	s->send.mute = 0; /* all are to say that it is done */
	if (!touch(s, top, PB_FRAME_SERVERS_MAX)) {
		fe_call_fail(top, PB_FRAME_W_CACHE);
		return;
	}
	if (!make_children(fe, top, n)) {
		fe_call_fail(top, PB_FRAME_W_FULL);
		return;
	}
	/* the last one may end the call, and free it */
	for (uint32_t i = 0; i < fe->ens.n && at < n; i++)
		if (fe->server[i].flags & PB_FRAME_S_UP) {
			bool last = ++at == n;

			go(s, top->child[at - 1], i);
			if (last)
				return;
		}
}

/* ---- a frame ------------------------------------------------------------------ */

/* What redirect() or split() said. */
static void make(struct start *s, int r)
{
	if (r >= 0)
		to_one(s, (uint32_t)r);
	else if (r == PB_FRAME_ALL)
		to_all(s);
	else if (r == PB_FRAME_ANSWER || r == PB_FRAME_BYE)
		answer(s, r == PB_FRAME_BYE);
	else if (r == PB_FRAME_DROP)
		s->fe->st.dropped++;
	else
		refuse(s, PB_FRAME_W_NO_SERVER);
}

void fe_start(struct fe_client *c, const struct pb_frame_view *v, const struct pb_frame *f)
{
	struct fe *fe = c->s.fe;
	const struct pb_frame_plugin *pl = fe->plugin;
	struct start s = { .fe = fe, .c = c, .v = v, .f = f };
	uint64_t have = (uint64_t)(v->end - v->data);
	int r;

	s.there = have < f->len ? have : f->len;
	fe->st.frames++;
	r = pl->redirect(v, f, &c->conn, &fe->ens, fe->work, &s.send);
	if (fe->p->used > fe->p->memory && r != PB_FRAME_BYE && r != PB_FRAME_DROP) {
		refuse(&s, PB_FRAME_W_FULL);
	} else if (r != PB_FRAME_SPLIT) {
		make(&s, r);
	} else {
		fe->st.splits++;
		for (uint32_t i = 0; !c->gone && !c->bye; i++) {
			memset(&s.send, 0, sizeof(s.send));
			r = pl->split(v, f, &c->conn, &fe->ens, fe->work, i, &s.send);
			if (r == PB_FRAME_END || r == PB_FRAME_SPLIT)
				break;
			make(&s, r);
		}
	}
	c->body_pos = s.there;
	c->body_len = c->bye ? s.there : f->len;
}
