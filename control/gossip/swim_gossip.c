// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Packets.  Each one is filled from the queues, whatever it was made for.  memberlist fills it with
 * membership first, so churn starves everything else; here records have half of each packet for
 * their own when there are any, and either side gets what the other leaves.
 */
#include "swim_internal.h"

static size_t room(const struct swim *s)
{
	const struct swim_packet *k = &s->out;
	size_t used = k->used + gsp_compound_overhead(k->n + 1);

	return used < s->conf.packet_max && k->n < GSP_COMPOUND_MAX ? s->conf.packet_max - used : 0;
}

void swim_add(struct swim *s, const uint8_t *p, size_t n)
{
	if (s->out.n >= GSP_COMPOUND_MAX)
		return;
	s->out.msg[s->out.n++] = (struct gsp_bytes){ p, (uint32_t)n };
	s->out.used += n;
}

/* Messages of q in at most limit bytes of the packet. */
static void fill(struct swim *s, struct swim_queue *q, size_t limit)
{
	while (q->n) {
		size_t left = room(s);
		const struct swim_bcast *b;

		b = swim_queue_take(q, left < limit ? left : limit);
		if (!b)
			return;
		swim_add(s, b->data, b->len);
		limit -= b->len < limit ? b->len : limit;
	}
}

/* Records, at least half of the packet's room; one larger than that has every other packet. */
static void fill_records(struct swim *s, size_t left)
{
	size_t half = left / 2, before = s->out.used;
	unsigned n = s->out.n;

	fill(s, &s->q_own, half);
	fill(s, &s->q_relayed, before + half > s->out.used ? before + half - s->out.used : 0);
	if (s->out.n == n && (s->turn = !s->turn)) {
		fill(s, &s->q_own, left);
		if (s->out.n == n)
			fill(s, &s->q_relayed, left);
	}
}

static void fill_all(struct swim *s, bool ours)
{
	bool records = ours && (s->q_own.n || s->q_relayed.n);
	size_t left = room(s);
	unsigned n = s->out.n, k;

	if (records)
		fill_records(s, left);
	k = s->out.n;
	fill(s, &s->q_member, left);
	fill(s, &s->q_serf, left);
	if (!records)
		return;
	s->stats.records_out += k - n;
	k = s->out.n;
	fill(s, &s->q_own, left);
	fill(s, &s->q_relayed, left);
	s->stats.records_out += s->out.n - k;
}

static void transmit(struct swim *s, const struct swim_addr *to)
{
	struct swim_packet *k = &s->out;
	const uint8_t *p = k->n ? k->msg[0].p : NULL;
	int n = k->n ? (int)k->msg[0].n : 0;

	if (k->n > 1) {
		p = s->packet;
		n = gsp_compound_encode(k->msg, k->n, s->packet, sizeof(s->packet));
	}
	k->n = 0;
	k->used = 0;
	if (n <= 0)
		return;
	s->stats.packets_out++;
	s->stats.bytes_out += (uint64_t)n;
	s->conf.ops->send(s->conf.arg, to, p, (size_t)n);
}

unsigned swim_limit(const struct swim *s)
{
	return swim_transmits(s->conf.retransmit_mult, s->n_live);
}

/* When not all of them fit, half the copies of each: the table's hash finds who got none. */
static unsigned record_limit(const struct swim *s)
{
	unsigned limit = swim_transmits(s->conf.record_mult, s->n_live);

	return s->pressed ? (limit + 1) / 2 : limit;
}

static void taken(struct swim *s)
{
	unsigned limit = swim_limit(s), records = record_limit(s);

	swim_queue_done(&s->q_member, limit);
	swim_queue_done(&s->q_serf, limit);
	swim_queue_done(&s->q_own, records);
	swim_queue_done(&s->q_relayed, records);
}

void swim_flush(struct swim *s, const struct swim_addr *to, bool ours)
{
	fill_all(s, ours);
	transmit(s, to);
	taken(s);
}

void swim_send(struct swim *s, const struct swim_addr *to, bool ours, const uint8_t *p, size_t n)
{
	swim_add(s, p, n);
	swim_flush(s, to, ours);
}

void swim_send_bare(struct swim *s, const struct swim_addr *to, const uint8_t *p, size_t n)
{
	s->stats.packets_out++;
	s->stats.bytes_out += n;
	s->conf.ops->send(s->conf.arg, to, p, n);
}

static bool listener(const struct swim *s, const struct swim_member *m, const void *arg)
{
	(void)arg;
	return swim_is_live(m) ||
	       (m->state == GSP_STATE_DEAD && m->since + s->conf.gossip_dead > s->now);
}

static bool our_listener(const struct swim *s, const struct swim_member *m, const void *arg)
{
	(void)s;
	(void)arg;
	return m->ours && swim_is_live(m);
}

/* Several packets only while there is something this peer has not been sent in this tick. */
static void gossip_to(struct swim *s, const struct swim_member *m)
{
	bool ours = m->ours && swim_is_live(m);

	for (unsigned i = 0; i < s->conf.packets_burst; i++) {
		fill_all(s, ours);
		if (!s->out.n)
			break;
		transmit(s, &m->addr);
	}
	s->pressed = ours && (swim_queue_left(&s->q_own) || swim_queue_left(&s->q_relayed));
	taken(s);
}

void swim_gossip_tick(struct swim *s)
{
	bool common = s->q_member.n || s->q_serf.n, records = s->q_own.n || s->q_relayed.n;
	struct swim_member *m[16];
	unsigned n;

	swim_at_in(s, &s->t_gossip, s->conf.gossip_interval);
	if (!common && (!records || !s->n_ours))
		return;
	n = swim_pick(s, s->conf.gossip_fanout, common ? listener : our_listener, NULL, m);
	for (unsigned i = 0; i < n; i++)
		gossip_to(s, m[i]);
}

void swim_broadcast(struct swim *s, uint64_t key, const uint8_t *p, size_t n)
{
	if (swim_queue_put(&s->q_member, key, (struct gsp_bytes){ p, (uint32_t)n },
			   (struct gsp_bytes){ 0 }))
		s->stats.overflow++;
}

/* Serf's messages lie in memberlist's user messages. */
void swim_broadcast_serf(struct swim *s, uint64_t key, const uint8_t *p, size_t n)
{
	static const uint8_t head[] = { GSP_USER };
	struct gsp_bytes user = { head, 1 }, body = { p, (uint32_t)n };

	if (n + 1 > s->conf.packet_max || swim_queue_put(&s->q_serf, key, user, body))
		s->stats.overflow++;
}

size_t swim_record_max(const struct swim *s)
{
	return s->conf.packet_max - 2;
}

int swim_record(struct swim *s, uint64_t key, struct gsp_bytes record, bool own)
{
	static const uint8_t head[] = { GSP_USER, GSP_SERF_OURS };
	struct swim_queue *q = own ? &s->q_own : &s->q_relayed;
	struct gsp_bytes user = { head, 2 };
	int err;

	if (record.n > swim_record_max(s))
		return -EMSGSIZE;
	if (!s->n_ours)
		return 0; /* whoever comes asks for all of it */
	swim_queue_drop(own ? &s->q_relayed : &s->q_own, key);
	while (own && s->q_own.bytes + s->q_relayed.bytes + record.n > s->conf.queue_bytes &&
	       swim_queue_evict(&s->q_relayed))
		s->stats.overflow++;
	if (s->q_own.bytes + s->q_relayed.bytes + record.n > s->conf.queue_bytes)
		err = -ENOBUFS;
	else
		err = swim_queue_put(q, key, user, record);
	if (err)
		s->stats.overflow++;
	return err;
}

void swim_record_heard(struct swim *s, uint64_t key)
{
	unsigned limit = record_limit(s);

	swim_queue_heard(&s->q_own, key, limit);
	swim_queue_heard(&s->q_relayed, key, limit);
}

void swim_record_cancel(struct swim *s, uint64_t key)
{
	swim_queue_drop(&s->q_own, key);
	swim_queue_drop(&s->q_relayed, key);
}
