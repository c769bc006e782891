// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Messages to spread.  Lists by how often a message was sent and by size, so that the next one is
 * found without sorting; bounded by number and bytes.
 */
#include "swim_internal.h"

int swim_queue_init(struct swim_queue *q, size_t max_n, size_t max_bytes)
{
	q->max_n = max_n;
	q->max_bytes = max_bytes;
	return pb_htab_init(&q->keys);
}

static void link_in(struct swim_queue *q, struct swim_bcast *b)
{
	struct swim_bcast **head = &q->list[b->sent][b->size];

	b->next = *head;
	if (b->next)
		b->next->link = &b->next;
	b->link = head;
	*head = b;
	q->used[b->sent] |= 1u << b->size;
}

static void link_out(struct swim_queue *q, struct swim_bcast *b)
{
	*b->link = b->next;
	if (b->next)
		b->next->link = b->link;
	if (!q->list[b->sent][b->size])
		q->used[b->sent] &= ~(1u << b->size);
}

static void destroy(struct swim_queue *q, struct swim_bcast *b)
{
	if (b->node.hash)
		pb_htab_del(&q->keys, &b->node);
	q->n--;
	q->bytes -= b->len;
	free(b);
}

/* Sent once more. */
static void again(struct swim_queue *q, struct swim_bcast *b, unsigned limit)
{
	if (++b->sent >= limit || b->sent >= SWIM_SENT_MAX)
		destroy(q, b);
	else
		link_in(q, b);
}

void swim_queue_fini(struct swim_queue *q)
{
	if (!q->keys.bucket)
		return;
	swim_queue_done(q, 0);
	while (swim_queue_evict(q))
		;
	pb_htab_fini(&q->keys);
}

static struct swim_bcast *by_key(const struct swim_queue *q, uint64_t key)
{
	struct pb_hnode *h = key ? pb_htab_first(&q->keys, key) : NULL;

	return h ? pb_container_of(h, struct swim_bcast, node) : NULL;
}

bool swim_queue_has(const struct swim_queue *q, uint64_t key)
{
	return by_key(q, key);
}

void swim_queue_drop(struct swim_queue *q, uint64_t key)
{
	struct swim_bcast *b = by_key(q, key);

	if (!b)
		return;
	link_out(q, b);
	destroy(q, b);
}

void swim_queue_heard(struct swim_queue *q, uint64_t key, unsigned limit)
{
	struct swim_bcast *b = by_key(q, key);

	if (!b)
		return;
	link_out(q, b);
	again(q, b, limit);
}

bool swim_queue_left(const struct swim_queue *q)
{
	for (unsigned i = 0; i < SWIM_SENT_MAX; i++) {
		if (q->used[i])
			return true;
	}
	return false;
}

/* Every list a message was on may be the longest sent one: from the end. */
bool swim_queue_evict(struct swim_queue *q)
{
	for (int i = SWIM_SENT_MAX - 1; i >= 0; i--) {
		struct swim_bcast *b;

		if (!q->used[i])
			continue;
		b = q->list[i][31 - __builtin_clz(q->used[i])];
		link_out(q, b);
		destroy(q, b);
		return true;
	}
	return false;
}

int swim_queue_put(struct swim_queue *q, uint64_t key, struct gsp_bytes head, struct gsp_bytes body)
{
	size_t len = (size_t)head.n + body.n;
	struct swim_bcast *old = by_key(q, key), *b;

	if (len > UINT16_MAX)
		return -EMSGSIZE;
	if (q->n - !!old >= q->max_n || q->bytes - (old ? old->len : 0) + len > q->max_bytes)
		return -ENOBUFS;
	b = malloc(sizeof(*b) + len);
	if (!b)
		return -ENOMEM;
	swim_queue_drop(q, key);
	b->len = (uint16_t)len;
	b->sent = 0;
	b->size = len / SWIM_SIZE_STEP < SWIM_SIZES ? len / SWIM_SIZE_STEP : SWIM_SIZES - 1;
	b->node.hash = 0;
	memcpy(b->data, head.p, head.n);
	if (body.n)
		memcpy(b->data + head.n, body.p, body.n);
	if (key)
		pb_htab_add(&q->keys, &b->node, key);
	link_in(q, b);
	q->n++;
	q->bytes += len;
	if (q->n > q->peak)
		q->peak = q->n;
	return 0;
}

/* In the class where room ends, and in the last one, not everything fits. */
static struct swim_bcast *fits(struct swim_bcast *b, size_t room)
{
	while (b && b->len > room)
		b = b->next;
	return b;
}

const struct swim_bcast *swim_queue_take(struct swim_queue *q, size_t room)
{
	size_t top = room / SWIM_SIZE_STEP < SWIM_SIZES ? room / SWIM_SIZE_STEP : SWIM_SIZES - 1;

	for (int i = 0; i < SWIM_SENT_MAX; i++) {
		uint32_t sizes = q->used[i] & (uint32_t)((2ULL << top) - 1);

		for (; sizes; sizes &= ~(1u << (31 - __builtin_clz(sizes)))) {
			struct swim_bcast *b = fits(q->list[i][31 - __builtin_clz(sizes)], room);

			if (!b)
				continue;
			link_out(q, b);
			b->next = q->out;
			if (b->next)
				b->next->link = &b->next;
			b->link = &q->out;
			q->out = b;
			return b;
		}
	}
	return NULL;
}

void swim_queue_done(struct swim_queue *q, unsigned limit)
{
	struct swim_bcast *b, *next;

	for (b = q->out, q->out = NULL; b; b = next) {
		next = b->next;
		again(q, b, limit);
	}
}
