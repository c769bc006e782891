// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What servers say: parts of replies, to the call that is first on the link. */
#include "control/frames/engine_internal.h"

#include <string.h>

#define LAST (PB_FRAME_PART_LAST | PB_FRAME_PART_FAILED)

static struct fe_client *client_of(const struct fe_call *k)
{
	return k->parent ? k->parent->c : k->c;
}

static void pass(struct fe_link *l, struct fe_call *k, const void *data, size_t len)
{
	struct fe_client *c;

	if (!len || (l->part_flags & (PB_FRAME_PART_SKIP | PB_FRAME_PART_FAILED)))
		return;
	if (l->part_flags & PB_FRAME_PART_HOLD) {
		fe_call_hold(k, data, len);
		return;
	}
	c = k->c;
	if (!c)
		return;
	fe_call_put(k, data, len);
	if (!l->owner && c->s.q.bytes + c->early >= fe_unread(l->s.fe))
		fe_link_detach(l, c);
}

static void part_end(struct fe_link *l)
{
	if (!(l->part_flags & LAST))
		return;
	l->s.fe->st.replies++;
	if (l->part_flags & PB_FRAME_PART_FAILED)
		fe_call_fail(fe_link_pop(l), PB_FRAME_W_REFUSED);
	else
		fe_call_done(fe_link_pop(l));
	fe_link_review(l);
}

/* The next @n bytes of the part. */
static void part_bytes(struct fe_link *l, const uint8_t *data, uint64_t n)
{
	struct fe_call *k = l->head;
	uint64_t from = l->part_pos, to = from + n;
	uint64_t a = l->tail_off > from ? l->tail_off : from;
	uint64_t b = l->tail_end < to ? l->tail_end : to;

	l->part_pos = to;
	l->part_left -= n;
	if (!l->part_left && (l->part_flags & LAST))
		fe_call_seen(k);
	if (a < b)
		pass(l, k, data + (a - from), b - a);
	k->half = l->part_left && k->begun;
	if (!l->part_left)
		part_end(l);
}

static void confused(struct fe_link *l)
{
	l->s.fe->st.confused++;
	fe_link_close(l, PB_FRAME_W_CONFUSED);
}

static bool ranges_fit(const struct pb_frame_cut *cut, const struct pb_frame *part, uint64_t have)
{
	uint64_t there = have < part->len ? have : part->len;

	if (cut->n > PB_FRAME_RANGES)
		return false;
	for (uint32_t i = 0; i < cut->n; i++) {
		const struct pb_frame_range *r = &cut->range[i];
		uint64_t end = r->kind == PB_FRAME_LITERAL ? PB_FRAME_LIT
			       : i + 1 < cut->n		   ? there
							   : part->len;

		if (r->off > end || r->len > end - r->off)
			return false;
	}
	return true;
}

static void part_begin(struct fe_link *l, const struct pb_frame_view *v,
		       const struct pb_frame *part, const struct pb_frame_cut *cut)
{
	struct fe_client *c = client_of(l->head);

	l->part_left = part->len;
	l->part_pos = 0;
	l->part_flags = part->flags;
	l->tail_off = 0;
	l->tail_end = cut->n ? 0 : part->len;
	if (part->len > l->s.fe->lim.large && !l->owner && c &&
	    !(part->flags & (PB_FRAME_PART_SKIP | PB_FRAME_PART_HOLD)))
		fe_link_detach(l, c);
	if ((part->flags & LAST) && part->len <= (uint64_t)(v->end - v->data))
		fe_call_seen(l->head);
	for (uint32_t i = 0; i < cut->n; i++) {
		const struct pb_frame_range *r = &cut->range[i];

		l->head->half = true;
		if (r->kind == PB_FRAME_LITERAL) {
			pass(l, l->head, cut->lit + r->off, r->len);
		} else if (i + 1 < cut->n) {
			pass(l, l->head, v->data + r->off, r->len);
		} else {
			l->tail_off = r->off;
			l->tail_end = r->off + r->len;
		}
	}
	if (!part->len)
		part_end(l);
}

/* False: more bytes are needed. */
static bool next_part(struct fe_link *l, const struct pb_frame_view *v)
{
	struct fe *fe = l->s.fe;
	size_t have = (size_t)(v->end - v->data);
	struct pb_frame part = { 0 };
	struct pb_frame_cut cut;
	int r;

	if (!l->head) {
		fe->st.stray++;
		fe_link_close(l, PB_FRAME_W_CONFUSED);
		return true;
	}
	cut.n = 0;
	r = fe->plugin->reply(v, &l->head->rtx, fe->work, &part, &cut);
	if (r == PB_FRAME_MORE && have <= FE_REPLY_HEAD)
		return false;
	if (r <= 0 || (!part.len && !(part.flags & LAST)) || !ranges_fit(&cut, &part, have))
		confused(l);
	else
		part_begin(l, v, &part, &cut);
	return true;
}

/* How many bytes need not come again. */
static size_t eat(struct fe_link *l, const uint8_t *data, size_t len)
{
	size_t pos = 0;

	while (pos < len && !l->closed) {
		struct pb_frame_view v = { data + pos, data + len };

		if (l->part_left) {
			uint64_t n = l->part_left < len - pos ? l->part_left : len - pos;

			part_bytes(l, data + pos, n);
			pos += n;
		} else if (!next_part(l, &v)) {
			break;
		}
	}
	return l->closed ? len : pos;
}

void fe_link_data(struct fe_link *l, const void *data, size_t len)
{
	struct fe *fe = l->s.fe;
	size_t n;

	fe->st.server_bytes += len;
	l->progress = fe->p->now;
	if (!l->in.len) {
		n = eat(l, data, len);
		if (n < len && fe_in_add(fe->p, &l->in, (const uint8_t *)data + n, len - n))
			fe_link_close(l, PB_FRAME_W_LOST);
		return;
	}
	if (fe_in_add(fe->p, &l->in, data, len)) {
		fe_link_close(l, PB_FRAME_W_LOST);
		return;
	}
	n = eat(l, l->in.data + l->in.off, l->in.len);
	if (!l->closed)
		fe_in_skip(fe->p, &l->in, n);
}

void fe_link_connected(struct fe_link *l)
{
	l->up = true;
	l->s.blocked = false;
	l->progress = l->s.fe->p->now;
	fe_want(&l->s, true);
	fe_dirty(&l->s);
}

void fe_link_eof(struct fe_link *l)
{
	fe_link_close(l, PB_FRAME_W_LOST);
}

void fe_link_error(struct fe_link *l)
{
	l->s.fe->st.connect_failed += !l->up;
	fe_link_close(l, l->up ? PB_FRAME_W_LOST : PB_FRAME_W_CONNECT);
}

void fe_link_writable(struct fe_link *l)
{
	l->s.blocked = false;
	fe_dirty(&l->s);
	if (l->owner)
		fe_review(l->owner);
}
