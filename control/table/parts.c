/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Deltas and snapshots, out. */
#include "internal.h"

int buf_grow(struct buf *b, size_t cap)
{
	uint8_t *p;

	if (cap <= b->cap)
		return 0;
	p = realloc(b->p, cap);
	if (!p)
		return -ENOMEM;
	b->p = p;
	b->cap = cap;
	return 0;
}

/* Records from r on, up to @upto; how far that is. */
static uint64_t add_items(struct rec *r, uint64_t base, uint64_t upto, bool all, struct gsp_list *l,
			  bool *ret_more)
{
	uint64_t last = base;

	*ret_more = false;
	for (; r && r->ver <= upto; r = TAILQ_NEXT(r, link)) {
		struct wire_item it = { .kind = r->kind, .id = r->id, .ver = r->ver };

		if (!r->cur && all)
			continue;
		if (r->cur)
			it.data = (struct gsp_bytes){ r->cur->p, r->cur->n };
		if (wire_add(l, base, &it)) {
			*ret_more = true;
			return last;
		}
		last = r->ver;
	}
	return upto;
}

/* The first record later than ver. */
static struct rec *later_than(struct owner *o, uint64_t ver)
{
	struct rec *r = TAILQ_LAST(&o->by_ver, rec_list), *first = NULL;

	for (; r && r->ver > ver; r = TAILQ_PREV(r, rec_list, link))
		first = r;
	return first;
}

size_t part_build(struct tbl *t, struct owner *o, uint64_t epoch, uint64_t ver, size_t limit,
		  uint64_t *ret_ver, bool *ret_more)
{
	bool whole = epoch != o->epoch || ver < o->floor, more;
	struct wire_part m = { .type = whole ? WIRE_SNAPSHOT : WIRE_DELTA,
			       .owner = o->id,
			       .epoch = o->epoch,
			       .base = whole ? 0 : ver };
	size_t room = o->bytes + 40 * (size_t)(o->records + o->deletes) + 64;
	size_t head = WIRE_HEAD_MAX + (o->sig_epoch ? WIRE_SIG_MAX : 0);
	int n;

	*ret_more = true;
	if (limit <= head)
		return 0;
	room = room < limit - head ? room : limit - head;
	if (buf_grow(&t->items, room) || buf_grow(&t->part, room + head))
		return 0;
	m.items = GSP_LIST(t->items.p, (uint32_t)room);
	m.ver = add_items(later_than(o, m.base), m.base, o->have, whole, &m.items, &more);
	if (more && (whole || m.ver == m.base))
		return 0;
	if (more || o->more || o->head > o->have)
		m.flags |= WIRE_MORE;
	m.items.cap = 0;
	if (m.ver == o->sig_ver && o->epoch == o->sig_epoch && !o->unproven)
		m.sig = (struct gsp_bytes){ o->sig, TBL_SIG_LEN };
	n = wire_part_encode(&m, t->part.p, t->part.cap);
	if (n < 0)
		return 0;
	*ret_ver = m.ver;
	*ret_more = more;
	t->stats.snapshots_out += whole;
	return (size_t)n;
}

uint64_t delta_key(const struct owner *o)
{
	uint64_t key = tbl_number(&o->id) + o->sent_key * 0x9e3779b97f4a7c15ULL;

	return key ? key : 1;
}

/* A delta that covers the one before replaces it in the queue; else both must go. */
int send_delta(struct tbl *t, struct owner *o, const uint8_t *p, size_t n, uint64_t base,
	       uint64_t ver, enum tbl_how how)
{
	int err;

	if (o->sent_ver != UINT64_MAX && (base > o->sent_base || ver < o->sent_ver))
		o->sent_key++;
	err = t->conf.ops->send(t->conf.arg, delta_key(o), p, n, how);
	if (err < 0) {
		t->stats.send_refused++;
		return err;
	}
	o->sent_base = base;
	o->sent_ver = ver;
	return 0;
}
