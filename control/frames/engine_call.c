// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Calls: their turns, what waits for them, how they end. */
#include "control/frames/engine_internal.h"

#include <string.h>

/* ---- turns ------------------------------------------------------------------- */

struct fe_call *fe_call_add(struct fe_client *c)
{
	struct fe_call *k = fe_call_new(c->s.fe->p);

	if (!k)
		return NULL;
	k->fe = c->s.fe;
	k->c = c;
	if (c->turn_tail)
		c->turn_tail->turn_next = k;
	else
		c->turn = k;
	c->turn_tail = k;
	c->n_calls++;
	return k;
}

static void retire(struct fe *fe, struct fe_call *k)
{
	if (!k->plain && fe->plugin->retire)
		fe->plugin->retire(&k->rtx);
	k->plain = true;
}

static void call_gone(struct fe *fe, struct fe_call *k)
{
	retire(fe, k);
	for (uint32_t i = 0; i < k->n; i++)
		if (k->child[i])
			fe_call_free(fe->p, k->child[i]);
	fe_call_free(fe->p, k);
}

/* What waited for its turn goes. */
static void in_turn(struct fe_client *c)
{
	struct fe_call *k = c->turn;

	if (!k || !k->early.bytes)
		return;
	c->early -= k->early.bytes;
	c->s.queued += k->early.bytes;
	fe_q_move(&c->s.q, &k->early);
	fe_dirty(&c->s);
}

/* What can be said only when all before it is said. */
static void speak(struct fe *fe, struct fe_client *c, struct fe_call *k)
{
	struct pb_frame_view none = { NULL, NULL };
	struct pb_frame_out o = { .data = fe->scratch, .cap = fe->scratch_cap };
	struct pb_frame empty = { 0 };
	int ends = 0;

	if (k->why)
		ends = fe->plugin->fail(&c->conn, &k->rtx, k->why - 1U, k->begun ? 1 + k->half : 0,
					&o);
	else if (k->say)
		fe->plugin->answer(&none, &empty, &c->conn, &k->rtx, &o);
	k->drop = false;
	k->reset |= ends || o.lost;
	if (!k->reset)
		fe_call_put(k, o.data, o.len);
}

static void turns(struct fe_client *c)
{
	struct fe *fe = c->s.fe;

	while (!c->gone && c->turn && c->turn->done) {
		struct fe_call *k = c->turn;
		bool reset;

		speak(fe, c, k);
		reset = k->reset;
		c->turn = k->turn_next;
		if (!c->turn)
			c->turn_tail = NULL;
		c->n_calls--;
		call_gone(fe, k);
		if (reset) {
			fe->st.cut_off++;
			fe_client_close(c, FE_RESET);
			return;
		}
		in_turn(c);
	}
	fe_review(c);
}

/* A protocol whose replies may overtake each other: who speaks first has the turn. */
static void overtake(struct fe_client *c, struct fe_call *k)
{
	struct fe_call *at = c->turn;

	if (!(c->s.fe->plugin->flags & PB_FRAME_P_UNORDERED) || at == k || at->begun)
		return;
	while (at->turn_next != k)
		at = at->turn_next;
	at->turn_next = k->turn_next;
	if (c->turn_tail == k)
		c->turn_tail = at;
	k->turn_next = c->turn;
	c->turn = k;
	in_turn(c);
}

/* ---- what is passed on --------------------------------------------------------- */

void fe_call_put(struct fe_call *k, const void *data, size_t len)
{
	struct fe_client *c = k->c;

	if (!c || k->drop || !len || c->gone)
		return;
	overtake(c, k);
	k->begun = true;
	if (c->turn == k) {
		fe_put(&c->s, data, len);
		return;
	}
	if (fe_q_put(c->s.fe->p, &k->early, data, len))
		c->s.error = true;
	c->early += len;
	fe_review(c);
}

void fe_call_hold(struct fe_call *k, const void *data, size_t len)
{
	struct fe_call *top = k->parent ? k->parent : k;
	struct fe *fe = k->fe;

	k->held = true;
	if (k->drop || !top->c)
		return;
	if (k->hold.len + len > fe->lim.hold || fe_in_add(fe->p, &k->hold, data, len)) {
		fe_in_free(fe->p, &k->hold);
		k->failed = 1 + PB_FRAME_W_FULL;
		k->drop = true;
		fe->st.full++;
	}
}

/* ---- ends -------------------------------------------------------------------- */

static void touch_end(struct fe *fe, struct fe_call *k, bool seen)
{
	if (k->touched && fe->ops.touch_end)
		fe->ops.touch_end(fe->arg, k->touch, seen);
	k->touched = false;
}

/* The server's answer is complete, and not with the client yet. */
void fe_call_seen(struct fe_call *k)
{
	if (!k->parent)
		touch_end(k->fe, k, true);
}

static void ended(struct fe *fe, struct fe_call *k)
{
	k->done = true;
	if (!k->c)
		call_gone(fe, k);
	else if (k->c->turn == k)
		turns(k->c);
	else
		fe_review(k->c);
}

/* Its error has its turn; what it had said before then, the client never sees. */
static void give_error(struct fe *fe, struct fe_call *k, enum pb_frame_why why)
{
	struct fe_client *c = k->c;

	k->why = (uint8_t)(1 + why);
	if (c->turn == k)
		return;
	c->early -= k->early.bytes;
	fe_q_free(fe->p, &k->early);
	k->begun = k->half = false;
}

/* Out of n held replies one answer. */
static void merge(struct fe *fe, struct fe_call *k)
{
	struct fe_call *one[1] = { k }, **child = k->n ? k->child : one;
	uint32_t n = k->n ? k->n : 1;
	struct pb_frame_held *h = fe_mem(fe->p, n * sizeof(*h));
	struct pb_frame_out o = { .data = fe->scratch, .cap = fe->scratch_cap };

	for (uint32_t i = 0; h && i < n; i++) {
		const struct fe_in *in = &child[i]->hold;
		const uint8_t *at = in->data ? in->data + in->off : NULL;

		h[i].view = (struct pb_frame_view){ at, at ? at + in->len : at };
		h[i].server = child[i]->server;
		h[i].failed = child[i]->failed;
	}
	if (h)
		fe->plugin->merge(&k->rtx, h, n, fe->work, &o);
	fe_mem_free(fe->p, h, n * sizeof(*h));
	k->drop = false;
	fe->st.merges++;
	if (!h || o.lost)
		give_error(fe, k, PB_FRAME_W_FULL);
	else
		fe_call_put(k, o.data, o.len);
}

static void child_done(struct fe *fe, struct fe_call *k)
{
	struct fe_call *top = k->parent;

	k->done = true;
	top->unseen |= k->failed && k->failed != 1 + PB_FRAME_W_REFUSED;
	if (--top->left)
		return;
	touch_end(fe, top, !top->unseen);
	if (top->c && !top->c->gone)
		merge(fe, top);
	ended(fe, top);
}

/* Off its link, with its answer. */
void fe_call_done(struct fe_call *k)
{
	struct fe *fe = k->fe;

	if (k->parent) {
		child_done(fe, k);
		return;
	}
	touch_end(fe, k, !k->unseen);
	if (k->held && k->c && !k->c->gone)
		merge(fe, k);
	ended(fe, k);
}

/* Off its link, or never on one, without. */
void fe_call_fail(struct fe_call *k, enum pb_frame_why why)
{
	struct fe *fe = k->fe;

	fe->st.failed++;
	if (k->parent) {
		fe_in_free(fe->p, &k->hold);
		k->failed = (uint8_t)(1 + why);
		child_done(fe, k);
		return;
	}
	touch_end(fe, k, false);
	if (k->c && !k->c->gone && !k->drop)
		give_error(fe, k, why);
	ended(fe, k);
}

void fe_call_leave(struct fe_call *k)
{
	struct fe *fe = k->fe;

	k->c->early -= k->early.bytes;
	fe_q_free(fe->p, &k->early);
	k->drop = true;
	k->c = NULL;
	k->turn_next = NULL;
	if (k->done)
		call_gone(fe, k);
}
