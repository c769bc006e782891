// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Clients: what they send becomes frames; when they are read, and when they end. */
#include "control/frames/engine_internal.h"

#include <errno.h>
#include <string.h>

/* ---- bodies ------------------------------------------------------------------- */

/* The next @n bytes of the frame, to whom they belong. */
static void feed(struct fe_client *c, const uint8_t *data, uint64_t n)
{
	uint64_t from = c->body_pos, to = from + n;

	for (struct fe_node *at = c->links.next; at != &c->links; at = at->next) {
		struct fe_link *l = fe_of(at, struct fe_link, own);
		uint64_t a, b;

		if (!l->feeding)
			continue;
		a = l->feed_off > from ? l->feed_off : from;
		b = l->feed_end < to ? l->feed_end : to;
		if (a < b)
			fe_put(&l->s, data + (a - from), b - a);
		if (to < l->feed_end)
			continue;
		l->feeding = false;
		l->progress = c->s.fe->p->now;
		if (l->feed_call)
			l->feed_call->end = l->s.queued;
		l->feed_call = NULL;
	}
	c->body_pos = to;
}

static bool choked(const struct fe_client *c)
{
	const struct fe *fe = c->s.fe;

	for (struct fe_node *at = c->links.next; at != &c->links; at = at->next)
		if (fe_of(at, struct fe_link, own)->s.q.bytes >= fe->lim.backlog)
			return true;
	return false;
}

/* ---- frames -------------------------------------------------------------------- */

static bool may_start(struct fe_client *c)
{
	const struct fe *fe = c->s.fe;

	if (!c->n_calls)
		return c->s.q.bytes < fe_unread(fe) && !choked(c);
	if (!c->own || c->n_shared) {
		c->wish = true;
		return false;
	}
	return c->n_calls < fe->lim.calls && c->s.q.bytes + c->early < fe_unread(fe) && !choked(c);
}

/* With nothing under way: does it send more than one at a time, or something long? */
static void choose(struct fe_client *c, bool more)
{
	c->wish = false;
	c->single = more ? 0 : c->single + 1;
	if (more)
		c->own = true;
	else if (c->single >= FE_SINGLE && !c->pinned)
		c->own = false;
}

enum { STEP_DONE, STEP_MORE, STEP_LATER };

/* One frame, or the head of one. */
static int step(struct fe_client *c, const struct pb_frame_view *v)
{
	struct fe *fe = c->s.fe;
	size_t have = (size_t)(v->end - v->data);
	struct pb_frame f = { 0 };
	int r;

	if (!may_start(c))
		return STEP_LATER;
	r = fe->plugin->parse(v, &c->conn, fe->work, &f);
	if (r == PB_FRAME_MORE || (r > 0 && f.head > have)) {
		if (have <= fe->plugin->max_head && f.head <= fe->plugin->max_head)
			return STEP_MORE;
		r = -EMSGSIZE;
	}
	if (r < 0 || !f.len) {
		if (c->n_calls) /* it has its turn, too */
			return STEP_LATER;
		fe_refuse(c, v);
		return STEP_DONE;
	}
	if (!c->n_calls)
		choose(c, c->wish || f.len < have || f.len > fe->lim.large);
	if (!c->own && f.len > have)
		return STEP_MORE;
	fe_start(c, v, &f);
	return STEP_DONE;
}

/* How many bytes need not come again. */
static size_t work(struct fe_client *c, const uint8_t *data, size_t len)
{
	size_t pos = 0;

	c->stalled = false;
	while (pos < len && !c->gone) {
		struct pb_frame_view v = { data + pos, data + len };
		uint64_t n = c->body_len - c->body_pos;
		int r;

		if (n) {
			n = n < len - pos ? n : len - pos;
			feed(c, data + pos, n);
			pos += n;
			continue;
		}
		if (c->bye)
			return len;
		r = step(c, &v);
		if (r != STEP_DONE) {
			c->stalled = r == STEP_LATER;
			break;
		}
		if (c->bye)
			return len;
		pos += c->body_pos;
	}
	return c->gone ? len : pos;
}

static void work_kept(struct fe_client *c)
{
	struct fe_proc *p = c->s.fe->p;
	size_t n = work(c, c->in.data + c->in.off, c->in.len);

	if (!c->gone)
		fe_in_skip(p, &c->in, n);
}

void fe_client_data(struct fe_client *c, const void *data, size_t len)
{
	struct fe *fe = c->s.fe;
	size_t n = 0;

	fe->st.client_bytes += len;
	if (!c->in.len && !c->stalled)
		n = work(c, data, len);
	if (c->gone)
		return;
	if (n < len) {
		bool kept = c->in.len;

		if (fe_in_add(fe->p, &c->in, (const uint8_t *)data + n, len - n)) {
			fe_client_close(c, FE_RESET);
			return;
		}
		if (kept && !c->stalled)
			work_kept(c);
	}
	fe_review(c);
}

/* ---- the end of the round ------------------------------------------------------- */

void fe_review(struct fe_client *c)
{
	struct fe_proc *p = c->s.fe->p;

	if (c->review || c->gone)
		return;
	c->review = true;
	c->next_review = NULL;
	*p->review_tail = c;
	p->review_tail = &c->next_review;
}

/* Half a frame is all that will ever come of it. */
static void cut_body(struct fe_client *c)
{
	for (struct fe_node *at = c->links.next, *next; at != &c->links; at = next) {
		next = at->next;
		fe_link_cut(fe_of(at, struct fe_link, own));
	}
	c->body_len = c->body_pos = 0;
}

/* Whose answers are not taken: its own links rest. */
static void links_rest(struct fe_client *c)
{
	struct fe *fe = c->s.fe;
	size_t bound = fe_unread(fe);

	c->rest = false;
	for (struct fe_node *at = c->links.next; at != &c->links; at = at->next) {
		struct fe_link *l = fe_of(at, struct fe_link, own);
		bool rest = false;

		if (l->head && !l->foreign)
			rest = l->head == c->turn ? c->s.q.bytes >= bound : c->early >= bound;
		c->rest |= rest;
		if (!l->up || l->s.reading == !rest)
			continue;
		if (!rest)
			l->progress = fe->p->now;
		fe_want(&l->s, !rest);
	}
}

static bool over(struct fe_client *c)
{
	struct fe *fe = c->s.fe;

	if (c->s.error) {
		fe_client_close(c, FE_RESET);
		return true;
	}
	if (c->s.q.bytes + c->early > fe->lim.flood) {
		fe->st.floods++;
		fe_client_close(c, FE_RESET);
		return true;
	}
	if (c->body_len > c->body_pos && !c->eof)
		return false;
	if (!c->bye && !(c->eof && !c->stalled))
		return false;
	if (c->body_len > c->body_pos)
		cut_body(c);
	fe_in_free(fe->p, &c->in);
	if (c->gone || c->n_calls || c->s.q.bytes)
		return c->gone;
	fe_client_close(c, c->eof ? FE_CLOSE : FE_BYE);
	return true;
}

void fe_client_review(struct fe_client *c)
{
	struct fe *fe = c->s.fe;
	bool read;

	c->review = false;
	if (c->gone)
		return;
	if (c->stalled && !c->s.error)
		work_kept(c);
	if (c->gone || over(c))
		return;
	links_rest(c);
	read = !c->eof && (!c->bye || c->body_len > c->body_pos) &&
	       !(c->stalled && c->in.len >= FE_IN_MAX) && !(c->body_len > c->body_pos && choked(c));
	fe->st.rests += !read && c->s.reading;
	fe_want(&c->s, read);
}

void fe_client_eof(struct fe_client *c)
{
	c->eof = true;
	fe_review(c);
}

void fe_client_error(struct fe_client *c)
{
	fe_client_close(c, FE_RESET);
}

void fe_client_finish(struct fe_client *c)
{
	c->bye = true;
	fe_review(c);
}

void fe_client_writable(struct fe_client *c)
{
	c->s.blocked = false;
	fe_dirty(&c->s);
	fe_review(c);
}

/* ---- life ----------------------------------------------------------------------- */

/* The protocol's words for it, as far as they can be said to somebody who did not ask yet. */
static void turn_away(struct fe *fe, void *sock)
{
	struct pb_frame_out o = { .data = fe->scratch, .cap = fe->scratch_cap };
	struct pb_frame_conn conn = { 0 };
	struct pb_frame_rtx rtx = { 0 };
	struct iovec iov;

	fe->st.refused++;
	fe->plugin->fail(&conn, &rtx, PB_FRAME_W_FULL, 0, &o);
	iov = (struct iovec){ o.data, o.len };
	if (o.len && fe->ops.send(sock, &iov, 1) > 0)
		fe->st.answer_bytes += o.len;
}

int fe_client_new(struct fe *fe, void *sock, struct fe_client **ret)
{
	struct fe_proc *p = fe->p;
	struct fe_client *c = NULL;

	if (fe->st.now_clients < fe->lim.clients && p->used + sizeof(*c) <= p->memory)
		c = fe_mem(p, sizeof(*c));
	if (!c) {
		turn_away(fe, sock);
		return -EBUSY;
	}
	c->s.fe = fe;
	c->s.sock = sock;
	c->conn.id = ++p->conns;
	if (fe->plugin->add_conn && fe->plugin->add_conn(&c->conn)) {
		fe_mem_free(p, c, sizeof(*c));
		fe->st.refused++;
		return -EACCES;
	}
	fe_node_add(&fe->clients, &c->node);
	fe_node_init(&c->links);
	fe->st.clients++;
	fe->st.now_clients++;
	fe_want(&c->s, true);
	*ret = c;
	return 0;
}

void fe_client_close(struct fe_client *c, enum fe_end how)
{
	struct fe *fe = c->s.fe;
	struct fe_proc *p = fe->p;

	if (c->gone)
		return;
	c->gone = true;
	fe->st.now_clients--;
	fe_node_del(&c->node);
	fe->ops.close(c->s.sock, how);
	fe_q_free(p, &c->s.q);
	if (c->body_len > c->body_pos)
		cut_body(c);
	while (c->turn) {
		struct fe_call *k = c->turn;

		c->turn = k->turn_next;
		fe_call_leave(k);
	}
	while (c->links.next != &c->links)
		fe_link_orphan(fe_of(c->links.next, struct fe_link, own));
	if (fe->plugin->rm_conn)
		fe->plugin->rm_conn(&c->conn);
	c->next_dead = p->dead_clients;
	p->dead_clients = c;
}
