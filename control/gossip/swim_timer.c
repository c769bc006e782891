// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Timers: a binary heap of pointers, whose owners know their place in it. */
#include "swim_internal.h"

int swim_heap_reserve(struct swim_heap *h, uint32_t cap)
{
	uint32_t want = h->cap ? h->cap : 64;
	struct swim_timer **t;

	if (cap < h->cap)
		return 0;
	while (want <= cap)
		want *= 2;
	t = realloc(h->t, want * sizeof(struct swim_timer *));
	if (!t)
		return -ENOMEM;
	h->t = t;
	h->cap = want;
	return 0;
}

static void place(struct swim_heap *h, struct swim_timer *t, uint32_t pos)
{
	h->t[pos] = t;
	t->pos = pos;
}

static void rise(struct swim_heap *h, struct swim_timer *t)
{
	uint32_t pos = t->pos;

	for (; pos > 1 && h->t[pos / 2]->at > t->at; pos /= 2)
		place(h, h->t[pos / 2], pos);
	place(h, t, pos);
}

static void sink(struct swim_heap *h, struct swim_timer *t)
{
	uint32_t pos = t->pos, child;

	for (; (child = pos * 2) <= h->n; pos = child) {
		if (child < h->n && h->t[child + 1]->at < h->t[child]->at)
			child++;
		if (h->t[child]->at >= t->at)
			break;
		place(h, h->t[child], pos);
	}
	place(h, t, pos);
}

/* The heap has room for every timer there is: swim_member_add() sees to that. */
void swim_timer_set(struct swim_heap *h, struct swim_timer *t, uint64_t at)
{
	if (!t->pos)
		place(h, t, ++h->n);
	t->at = at;
	rise(h, t);
	sink(h, t);
}

void swim_timer_stop(struct swim_heap *h, struct swim_timer *t)
{
	struct swim_timer *last;

	if (!t->pos)
		return;
	last = h->t[h->n--];
	if (last != t) {
		place(h, last, t->pos);
		rise(h, last);
		sink(h, last);
	}
	t->pos = 0;
}
