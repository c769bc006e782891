// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Memory: chunks and calls from free lists, all of it counted; queues of bytes and their sending. */
#include "control/frames/engine_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CALLS_KEPT 16384

static const uint32_t chunk_size[FE_CLASSES] = { 512, 4 << 10, 64 << 10 };
static const uint32_t chunks_kept[FE_CLASSES] = { 4096, 1024, 64 };

void *fe_mem(struct fe_proc *p, size_t size)
{
	void *m = calloc(1, size);

	if (m)
		p->used += size;
	return m;
}

void fe_mem_free(struct fe_proc *p, void *m, size_t size)
{
	if (m)
		p->used -= size;
	free(m);
}

/* ---- bytes that came --------------------------------------------------------- */

void fe_in_free(struct fe_proc *p, struct fe_in *in)
{
	fe_mem_free(p, in->data, in->cap);
	memset(in, 0, sizeof(*in));
}

int fe_in_add(struct fe_proc *p, struct fe_in *in, const void *data, size_t len)
{
	size_t cap = in->cap ? in->cap : 512;
	uint8_t *m;

	if (in->off + in->len + len > in->cap) {
		while (cap < in->len + len)
			cap *= 2;
		if (cap == in->cap && in->off >= in->len) {
			memcpy(in->data, in->data + in->off, in->len);
		} else {
			m = malloc(cap);
			if (!m)
				return -ENOMEM;
			if (in->len)
				memcpy(m, in->data + in->off, in->len);
			free(in->data);
			p->used += cap - in->cap;
			in->data = m;
			in->cap = (uint32_t)cap;
		}
		in->off = 0;
	}
	memcpy(in->data + in->off + in->len, data, len);
	in->len += (uint32_t)len;
	return 0;
}

void fe_in_skip(struct fe_proc *p, struct fe_in *in, size_t n)
{
	in->off += (uint32_t)n;
	in->len -= (uint32_t)n;
	if (!in->len)
		fe_in_free(p, in);
}

/* ---- queues ------------------------------------------------------------------ */

static struct fe_chunk *chunk_new(struct fe_proc *p, uint32_t cls)
{
	struct fe_chunk *k = p->free_chunks[cls];

	if (k) {
		p->free_chunks[cls] = k->next;
		p->n_free[cls]--;
	} else {
		k = malloc(sizeof(*k) + chunk_size[cls]);
		if (!k)
			return NULL;
		k->cls = cls;
		k->cap = chunk_size[cls];
	}
	p->used += sizeof(*k) + k->cap;
	k->next = NULL;
	k->off = k->len = 0;
	return k;
}

static void chunk_free(struct fe_proc *p, struct fe_chunk *k)
{
	p->used -= sizeof(*k) + k->cap;
	if (p->n_free[k->cls] >= chunks_kept[k->cls]) {
		free(k);
		return;
	}
	k->next = p->free_chunks[k->cls];
	p->free_chunks[k->cls] = k;
	p->n_free[k->cls]++;
}

static uint32_t class_of(const struct fe_q *q, size_t len)
{
	size_t n = q->bytes + len;

	return n <= chunk_size[0] ? 0 : n <= 4 * chunk_size[1] ? 1 : 2;
}

int fe_q_put(struct fe_proc *p, struct fe_q *q, const void *data, size_t len)
{
	const uint8_t *d = data;

	while (len) {
		struct fe_chunk *k = q->tail;
		size_t n = k ? k->cap - k->off - k->len : 0;

		if (!n) {
			k = chunk_new(p, class_of(q, len));
			if (!k)
				return -ENOMEM;
			if (q->tail)
				q->tail->next = k;
			else
				q->head = k;
			q->tail = k;
			n = k->cap;
		}
		n = n < len ? n : len;
		memcpy(k->data + k->off + k->len, d, n);
		k->len += (uint32_t)n;
		q->bytes += n;
		d += n;
		len -= n;
	}
	return 0;
}

void fe_q_move(struct fe_q *to, struct fe_q *from)
{
	if (!from->head)
		return;
	if (to->tail)
		to->tail->next = from->head;
	else
		to->head = from->head;
	to->tail = from->tail;
	to->bytes += from->bytes;
	memset(from, 0, sizeof(*from));
}

static void q_skip(struct fe_proc *p, struct fe_q *q, size_t n)
{
	q->bytes -= n;
	while (q->head && n >= q->head->len) {
		struct fe_chunk *k = q->head;

		n -= k->len;
		q->head = k->next;
		if (!q->head)
			q->tail = NULL;
		chunk_free(p, k);
	}
	if (n) {
		q->head->off += (uint32_t)n;
		q->head->len -= (uint32_t)n;
	}
}

void fe_q_free(struct fe_proc *p, struct fe_q *q)
{
	while (q->head) {
		struct fe_chunk *k = q->head;

		q->head = k->next;
		chunk_free(p, k);
	}
	memset(q, 0, sizeof(*q));
}

/* ---- sending ----------------------------------------------------------------- */

void fe_dirty(struct fe_sock *s)
{
	if (s->dirty)
		return;
	s->dirty = true;
	s->next_dirty = s->fe->p->dirty[s->link];
	s->fe->p->dirty[s->link] = s;
}

void fe_want(struct fe_sock *s, bool read)
{
	bool write = s->blocked;

	if (s->reading == read && s->writing == write)
		return;
	s->reading = read;
	s->writing = write;
	s->fe->ops.want(s->sock, read, write);
}

static void backlog(struct fe_sock *s, int64_t n)
{
	if (s->link && !fe_link_of(s)->retired)
		s->fe->server[fe_link_of(s)->server].backlog += (uint64_t)n;
}

static void sent(struct fe_sock *s, size_t n)
{
	struct fe *fe = s->fe;

	if (s->link) {
		struct fe_link *l = fe_link_of(s);

		fe->st.call_bytes += n;
		/* who was sent all of a request owes the answer, whatever else it still takes */
		if (n && !(l->head && l->head->end && s->sent >= l->head->end))
			l->progress = fe->p->now;
	} else {
		fe->st.answer_bytes += n;
	}
	s->sent += n;
}

/* All of the queue, and @data behind it.  How much of @data went. */
static size_t push(struct fe_sock *s, const void *data, size_t len)
{
	struct fe_proc *p = s->fe->p;

	while (!s->blocked && !s->error) {
		struct iovec iov[FE_VEC + 1];
		size_t total = 0, queued = 0;
		ssize_t r;
		int n = 0;

		for (struct fe_chunk *k = s->q.head; k && n < FE_VEC; k = k->next) {
			iov[n++] = (struct iovec){ k->data + k->off, k->len };
			queued += k->len;
		}
		total = queued;
		if (len && queued == s->q.bytes) {
			iov[n++] = (struct iovec){ (void *)(uintptr_t)data, len };
			total += len;
		}
		if (!n)
			return 0;
		r = s->fe->ops.send(s->sock, iov, n);
		if (r < 0 && r != -EAGAIN) {
			s->error = true;
			return 0;
		}
		s->blocked = r < (ssize_t)total;
		if (r <= 0)
			break;
		queued = (size_t)r < queued ? (size_t)r : queued;
		q_skip(p, &s->q, queued);
		backlog(s, -(int64_t)queued);
		sent(s, (size_t)r);
		if (len && total > (size_t)queued && (size_t)r > queued)
			return (size_t)r - queued;
		if (!s->q.bytes && !len)
			break;
	}
	return 0;
}

void fe_put(struct fe_sock *s, const void *data, size_t len)
{
	size_t n = 0;

	if (s->error)
		return;
	s->queued += len;
	if (len >= FE_DIRECT && !s->blocked)
		n = push(s, data, len);
	if (fe_q_put(s->fe->p, &s->q, (const uint8_t *)data + n, len - n))
		s->error = true;
	backlog(s, (int64_t)(len - n));
	fe_dirty(s);
}

void fe_flush(struct fe_sock *s)
{
	push(s, NULL, 0);
	if (s->error)
		fe_q_free(s->fe->p, &s->q);
	else
		fe_want(s, s->reading);
}

/* ---- calls ------------------------------------------------------------------- */

struct fe_call *fe_call_new(struct fe_proc *p)
{
	struct fe_call *k = p->free_calls;

	if (k) {
		p->free_calls = k->turn_next;
		p->n_free_calls--;
		memset(k, 0, sizeof(*k));
	} else {
		k = calloc(1, sizeof(*k));
	}
	if (k)
		p->used += sizeof(*k);
	return k;
}

void fe_call_free(struct fe_proc *p, struct fe_call *k)
{
	fe_q_free(p, &k->early);
	fe_in_free(p, &k->hold);
	fe_mem_free(p, k->child, k->n * sizeof(struct fe_call *));
	p->used -= sizeof(*k);
	if (p->n_free_calls >= CALLS_KEPT) {
		free(k);
		return;
	}
	k->turn_next = p->free_calls;
	p->free_calls = k;
	p->n_free_calls++;
}

void fe_buffers_free(struct fe_proc *p)
{
	while (p->free_calls) {
		struct fe_call *k = p->free_calls;

		p->free_calls = k->turn_next;
		free(k);
	}
	for (int i = 0; i < FE_CLASSES; i++) {
		while (p->free_chunks[i]) {
			struct fe_chunk *k = p->free_chunks[i];

			p->free_chunks[i] = k->next;
			free(k);
		}
	}
}
