// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Probing: one member each second, in shuffled turns.  No answer in probe_timeout: ask some others
 * to try, and try a stream ourselves.  Those who could not reach it either say so (nack): silence
 * of all of them means that we are the one who is unwell.
 */
#include "swim_internal.h"

#define MESSAGE_CAP 1024

static struct swim_probe *by_member(struct swim *s, const struct swim_member *m)
{
	for (unsigned i = 0; i < SWIM_PROBES; i++) {
		if (s->probe[i].m == m)
			return &s->probe[i];
	}
	return NULL;
}

static void release(struct swim *s, struct swim_probe *p)
{
	swim_timer_stop(&s->heap, &p->timer);
	p->m = NULL;
	p->exchange = 0;
}

void swim_probe_forget(struct swim *s, const struct swim_member *m)
{
	struct swim_probe *p = by_member(s, m);

	if (p)
		release(s, p);
}

static int encode_ping(const struct swim *s, const struct swim_member *m, uint32_t seq,
		       uint8_t buf[MESSAGE_CAP])
{
	struct gsp_ping ping = { .seq = seq,
				 .node = swim_name(m),
				 .source_addr = s->me->addr.ip,
				 .source_port = s->me->addr.port,
				 .source_node = swim_name(s->me) };

	return gsp_ping_encode(&ping, buf, MESSAGE_CAP);
}

void swim_tell(struct swim *s, const struct swim_member *m, uint32_t inc, uint32_t seq)
{
	struct gsp_suspect a = { .incarnation = inc,
				 .node = swim_name(m),
				 .from = swim_name(s->me) };
	uint8_t accusation[MESSAGE_CAP], ping[MESSAGE_CAP];
	int n = gsp_suspect_encode(&a, accusation, sizeof(accusation));
	int k = encode_ping(s, m, seq, ping);

	if (n <= 0 || k <= 0)
		return;
	swim_add(s, accusation, (size_t)n);
	swim_add(s, ping, (size_t)k);
	swim_flush(s, &m->addr, m->ours);
}

bool swim_probe_begin(struct swim *s, struct swim_member *m)
{
	struct swim_probe *p = by_member(s, m);
	uint8_t buf[MESSAGE_CAP];
	int n;

	if (p)
		return true;
	p = by_member(s, NULL);
	if (!p)
		return false;
	p->m = m;
	p->seq = ++s->seq;
	p->inc = m->inc;
	p->asked = false;
	p->nacks = p->nacks_expected = 0;
	p->deadline = s->now + (uint64_t)s->conf.probe_interval * (s->health + 1);
	swim_at_in(s, &p->timer, s->conf.probe_timeout);
	s->stats.probes++;
	if (m->state == GSP_STATE_SUSPECT) {
		swim_tell(s, m, m->inc, p->seq);
		return true;
	}
	n = encode_ping(s, m, p->seq, buf);
	if (n > 0)
		swim_send(s, &m->addr, m->ours, buf, (size_t)n);
	return true;
}

void swim_probe_tick(struct swim *s)
{
	struct swim_member *m = s->stage == SWIM_STAYS ? swim_next_target(s) : NULL;

	swim_at_in(s, &s->t_probe, s->conf.probe_interval);
	if (m)
		swim_probe_begin(s, m);
}

static bool helper(const struct swim *s, const struct swim_member *m, const void *target)
{
	(void)s;
	return m != target && m->state == GSP_STATE_ALIVE;
}

static void ask_others(struct swim *s, struct swim_probe *p)
{
	struct gsp_indirect_ping ask = { .seq = p->seq,
					 .target = p->m->addr.ip,
					 .port = p->m->addr.port,
					 .node = swim_name(p->m),
					 .source_addr = s->me->addr.ip,
					 .source_port = s->me->addr.port,
					 .source_node = swim_name(s->me) };
	struct swim_member *m[16];
	unsigned n = swim_pick(s, s->conf.indirect, helper, p->m, m);
	uint8_t buf[MESSAGE_CAP];

	for (unsigned i = 0; i < n; i++) {
		int len;

		ask.nack = m[i]->vsn.pmax >= 4;
		p->nacks_expected += ask.nack;
		len = gsp_indirect_ping_encode(&ask, buf, sizeof(buf));
		if (len > 0)
			swim_send(s, &m[i]->addr, m[i]->ours, buf, (size_t)len);
	}
}

static void ask_by_stream(struct swim *s, struct swim_probe *p)
{
	uint8_t buf[MESSAGE_CAP];
	int n = encode_ping(s, p->m, p->seq, buf);

	if (n <= 0)
		return;
	p->exchange = swim_exchange_begin(s, SWIM_X_PING, &p->m->addr, buf, (size_t)n);
	if (p->exchange)
		swim_exchange_get(s, p->exchange)->seq = p->seq;
}

static void over(struct swim *s, struct swim_probe *p, bool answered)
{
	/* what it refuted meanwhile is not brought up again */
	struct gsp_suspect a = { .incarnation = p->inc, .from = swim_name(s->me) };
	struct swim_member *m = p->m;

	release(s, p);
	if (m->deciding) {
		swim_suspicion_decided(s, m, answered);
		return;
	}
	if (answered)
		return;
	a.node = swim_name(m);
	swim_suspect(s, &a);
}

void swim_probe_timer(struct swim *s, struct swim_probe *p)
{
	if (!p->asked) {
		p->asked = true;
		swim_timer_set(&s->heap, &p->timer, p->deadline);
		ask_others(s, p);
		ask_by_stream(s, p);
		return;
	}
	s->stats.probes_failed++;
	if (!p->nacks_expected)
		swim_set_health(s, 1);
	else if (p->nacks < p->nacks_expected)
		swim_set_health(s, p->nacks_expected - p->nacks);
	over(s, p, false);
}

/* It lives, though no packet of ours arrives: no news about our own health. */
void swim_probe_tcp(struct swim *s, uint64_t exchange, bool answered)
{
	for (unsigned i = 0; i < SWIM_PROBES; i++) {
		struct swim_probe *p = &s->probe[i];

		if (!p->m || p->exchange != exchange)
			continue;
		p->exchange = 0;
		if (answered) {
			s->stats.probes_tcp++;
			over(s, p, true);
		}
		return;
	}
}

static struct swim_probe *by_seq(struct swim *s, uint32_t seq)
{
	for (unsigned i = 0; i < SWIM_PROBES; i++) {
		if (s->probe[i].m && s->probe[i].seq == seq)
			return &s->probe[i];
	}
	return NULL;
}

void swim_on_ack(struct swim *s, const uint8_t *p, size_t n)
{
	struct swim_probe *probe;
	struct gsp_ack ack;

	if (gsp_ack_decode(&ack, p, n) < 0) {
		s->stats.bad++;
		return;
	}
	probe = by_seq(s, ack.seq);
	if (!probe) {
		swim_relay_ack(s, ack.seq);
		return;
	}
	if (s->conf.ops->hash_seen && probe->m->ours && ack.payload.n > 1 &&
	    ack.payload.p[0] == GSP_SERF_OURS) {
		struct gsp_bytes hash = { ack.payload.p + 1, ack.payload.n - 1 };

		s->conf.ops->hash_seen(s->conf.arg, probe->m, hash);
	}
	swim_set_health(s, -1);
	over(s, probe, true);
}

void swim_on_nack(struct swim *s, const uint8_t *p, size_t n)
{
	struct swim_probe *probe;
	struct gsp_nack nack;

	if (gsp_nack_decode(&nack, p, n) < 0) {
		s->stats.bad++;
		return;
	}
	probe = by_seq(s, nack.seq);
	if (probe && probe->nacks < probe->nacks_expected)
		probe->nacks++;
}
