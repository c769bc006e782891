// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the outside may see. */
#include "swim_internal.h"

unsigned swim_count(const struct swim *s)
{
	return s->n;
}

const struct swim_member *swim_at(const struct swim *s, unsigned i)
{
	return i < s->n ? s->all[i] : NULL;
}

const struct swim_member *swim_find(const struct swim *s, struct gsp_bytes name)
{
	return swim_get(s, name);
}

unsigned swim_live(const struct swim *s)
{
	return s->n_live;
}

unsigned swim_health(const struct swim *s)
{
	return s->health;
}

void swim_view(const struct swim *s, const struct swim_member *m, struct swim_view *ret)
{
	*ret = (struct swim_view){
		.name = swim_name(m),
		.addr = m->addr,
		.meta = { m->meta, m->meta_len },
		.vsn = m->vsn,
		.state = (enum gsp_state)m->state,
		.incarnation = m->inc,
		.since_ms = s->now - m->since,
		.self = m == s->me,
		.leaving = m->leaving,
		.ours = m->ours,
	};
}

static bool same_ip(const struct gsp_addr *a, const struct gsp_addr *b)
{
	return a->len == b->len && !memcmp(a->ip, b->ip, a->len);
}

bool swim_sender(const struct swim *s, struct gsp_bytes name, struct swim_addr *addr)
{
	const struct swim_member *m = swim_get(s, name);

	if (!m || !same_ip(&m->addr.ip, &addr->ip))
		return false;
	*addr = m->addr;
	return true;
}

bool swim_has_ip(const struct swim *s, const struct gsp_addr *ip)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (same_ip(&s->all[i]->addr.ip, ip))
			return true;
	}
	for (unsigned i = 0; i < s->n_seeds; i++) {
		if (same_ip(&s->seed[i].ip, ip))
			return true;
	}
	return false;
}

uint64_t swim_backlog(const struct swim *s)
{
	const struct swim_conf *c = &s->conf;
	uint64_t per_tick = (uint64_t)c->gossip_fanout * c->packets_burst * c->packet_max / 2;
	uint64_t bytes = s->q_own.bytes + s->q_relayed.bytes;

	return bytes * swim_transmits(c->record_mult, s->n_live) * c->gossip_interval / per_tick;
}

void swim_stats(const struct swim *s, struct swim_stats *ret)
{
	*ret = s->stats;
	ret->queued = (uint32_t)(s->q_member.n + s->q_serf.n);
	ret->queued_records = (uint32_t)(s->q_own.n + s->q_relayed.n);
	ret->queued_peak = (uint32_t)(s->q_member.peak + s->q_serf.peak);
	ret->records_peak = (uint32_t)(s->q_own.peak + s->q_relayed.peak);
	ret->queued_bytes =
		s->q_member.bytes + s->q_serf.bytes + s->q_own.bytes + s->q_relayed.bytes;
}
