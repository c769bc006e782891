// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Answering probes, and probing for others. */
#include "swim_internal.h"

#define MESSAGE_CAP 1024

const struct swim_member *swim_asker(const struct swim *s, struct gsp_bytes name,
				     const struct gsp_addr *ip, uint16_t port, struct swim_addr *to)
{
	struct swim_addr said = swim_addr(ip, port);
	const struct swim_member *m = name.n ? swim_get(s, name) : NULL;

	if (!m || m == s->me)
		return NULL;
	/* said, or sent from: either must be the address of the member it says it is */
	if (!ip->len)
		said = *to;
	if (!swim_addr_eq(&m->addr, &said))
		return NULL;
	*to = said;
	return m;
}

/* To a live member with what is queued, to anybody else alone. */
static void answer(struct swim *s, const struct swim_addr *to, const uint8_t *p, int n)
{
	const struct swim_member *m = swim_by_addr(s, to);

	if (n <= 0)
		return;
	if (m && swim_is_live(m))
		swim_send(s, to, m->ours, p, (size_t)n);
	else
		swim_send_bare(s, to, p, (size_t)n);
}

static void send_ack(struct swim *s, const struct swim_addr *to, uint32_t seq, bool ours)
{
	uint8_t hash[1 + SWIM_HASH_MAX], buf[MESSAGE_CAP];
	struct gsp_ack ack = { .seq = seq };
	int n;

	if (ours && s->conf.ops->hash) {
		size_t len = s->conf.ops->hash(s->conf.arg, hash + 1, SWIM_HASH_MAX);

		hash[0] = GSP_SERF_OURS;
		if (len && len <= SWIM_HASH_MAX)
			ack.payload = (struct gsp_bytes){ hash, (uint32_t)len + 1 };
	}
	n = gsp_ack_encode(&ack, buf, sizeof(buf));
	answer(s, to, buf, n);
}

void swim_on_ping(struct swim *s, const struct swim_addr *from, const uint8_t *p, size_t n)
{
	const struct swim_member *asker;
	struct swim_addr to = *from;
	struct gsp_ping ping;

	if (gsp_ping_decode(&ping, p, n) < 0) {
		s->stats.bad++;
		return;
	}
	if (ping.node.n && !gsp_bytes_eq(ping.node, swim_name(s->me)))
		return;
	asker = swim_asker(s, ping.source_node, &ping.source_addr, ping.source_port, &to);
	send_ack(s, &to, ping.seq, asker && asker->ours);
	if (asker && !swim_is_live(asker))
		swim_tell_dead(s, swim_get(s, ping.source_node), &to);
}

static struct swim_relay *free_relay(struct swim *s)
{
	for (unsigned i = 0; i < SWIM_RELAYS; i++) {
		if (!s->relay[i].used)
			return &s->relay[i];
	}
	return NULL;
}

/* Only members may be asked about: else anybody could have us send packets anywhere. */
void swim_on_indirect(struct swim *s, const struct swim_addr *from, const uint8_t *p, size_t n)
{
	struct gsp_indirect_ping ask;
	struct swim_addr target;
	struct gsp_ping ping;
	struct swim_relay *r;
	uint8_t buf[MESSAGE_CAP];
	const struct swim_member *m;
	int len;

	if (gsp_indirect_ping_decode(&ask, p, n) < 0) {
		s->stats.bad++;
		return;
	}
	target = swim_addr(&ask.target, ask.port);
	m = ask.node.n ? swim_get(s, ask.node) : swim_by_addr(s, &target);
	if (!m || m == s->me || !swim_addr_eq(&m->addr, &target))
		return;
	r = free_relay(s);
	if (!r) {
		s->stats.relay_full++;
		return;
	}
	*r = (struct swim_relay){ .timer = r->timer,
				  .used = true,
				  .nack = ask.nack,
				  .seq = ++s->seq,
				  .their_seq = ask.seq,
				  .to = *from };
	swim_asker(s, ask.source_node, &ask.source_addr, ask.source_port, &r->to);
	swim_at_in(s, &r->timer, s->conf.probe_timeout);
	ping = (struct gsp_ping){ .seq = r->seq,
				  .node = swim_name(m),
				  .source_addr = s->me->addr.ip,
				  .source_port = s->me->addr.port,
				  .source_node = swim_name(s->me) };
	len = gsp_ping_encode(&ping, buf, sizeof(buf));
	if (len > 0)
		swim_send(s, &m->addr, m->ours, buf, (size_t)len);
}

void swim_relay_timer(struct swim *s, struct swim_relay *r)
{
	struct gsp_nack nack = { .seq = r->their_seq };
	uint8_t buf[MESSAGE_CAP];
	int n = gsp_nack_encode(&nack, buf, sizeof(buf));

	r->used = false;
	if (r->nack)
		answer(s, &r->to, buf, n);
}

bool swim_relay_ack(struct swim *s, uint32_t seq)
{
	for (unsigned i = 0; i < SWIM_RELAYS; i++) {
		struct swim_relay *r = &s->relay[i];

		if (!r->used || r->seq != seq)
			continue;
		r->used = false;
		swim_timer_stop(&s->heap, &r->timer);
		send_ack(s, &r->to, r->their_seq, false);
		return true;
	}
	return false;
}
