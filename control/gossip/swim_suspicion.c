// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * From suspect to dead.  The time shrinks with each further accuser (Lifeguard).  Two things more
 * than memberlist does, both against false deaths: before it declares anybody dead a node asks it
 * once more itself; and what another table calls dead, while it is alive in ours, is first told so
 * and only then suspected, so that a healed partition does not throw suspicion on everybody.
 */
#include "swim_internal.h"

static uint32_t accuser(const struct swim *s, struct gsp_bytes from)
{
	return (uint32_t)swim_hash(s, from);
}

static uint64_t patience(const struct swim *s)
{
	return (uint64_t)s->conf.probe_interval * (s->health + 1);
}

/* The deciding probe ends when the suspicion does. */
static void arm(struct swim *s, struct swim_member *m)
{
	uint64_t probe = patience(s);

	swim_timer_set(&s->heap, &m->timer, m->end > s->now + probe ? m->end - probe : s->now);
}

static void set_end(struct swim *s, struct swim_member *m)
{
	uint64_t min = swim_suspicion_min(&s->conf, s->n_live);

	m->end = m->start +
		 swim_suspicion_time(min, min * s->conf.suspicion_max_mult, m->n_from - 1u, m->k);
}

void swim_suspicion_begin(struct swim *s, struct swim_member *m, struct gsp_bytes from)
{
	unsigned k = s->conf.suspicion_mult > 2 ? s->conf.suspicion_mult - 2 : 0;

	m->k = s->n_live < k + 2 ? 0 : (uint8_t)k;
	m->from[0] = accuser(s, from);
	m->n_from = 1;
	m->start = s->now;
	m->deciding = false;
	m->verify = SWIM_VERIFY_NO;
	s->stats.suspected++;
	swim_member_state(s, m, GSP_STATE_SUSPECT);
	set_end(s, m);
	arm(s, m);
}

bool swim_suspicion_confirm(struct swim *s, struct swim_member *m, struct gsp_bytes from)
{
	uint32_t who = accuser(s, from);

	if (m->n_from > m->k)
		return false;
	for (unsigned i = 0; i < m->n_from; i++) {
		if (m->from[i] == who)
			return false;
	}
	m->from[m->n_from++] = who;
	set_end(s, m);
	if (!m->deciding)
		arm(s, m);
	else if (m->timer.pos)
		swim_timer_set(&s->heap, &m->timer, m->end);
	return true;
}

static void declare(struct swim *s, struct swim_member *m)
{
	struct gsp_dead d = { .incarnation = m->inc,
			      .node = swim_name(m),
			      .from = swim_name(s->me) };

	s->stats.declared++;
	swim_dead(s, &d);
}

/* It answered: it lives, though its refutation is not here yet.  Ask for it, and wait once more. */
void swim_suspicion_decided(struct swim *s, struct swim_member *m, bool answered)
{
	if (m->state != GSP_STATE_SUSPECT || !m->deciding)
		return;
	if (!answered) {
		/* a probe that was under way anyhow ends early: the verdict waits */
		if (m->end > s->now)
			swim_timer_set(&s->heap, &m->timer, m->end);
		else
			declare(s, m);
		return;
	}
	m->deciding = false;
	s->stats.reprieved++;
	m->start = s->now;
	m->n_from = 1;
	m->end = s->now + swim_suspicion_min(&s->conf, s->n_live);
	arm(s, m);
	swim_sync_with(s, &m->addr, false, true);
}

static void verify(struct swim *s, struct swim_member *m)
{
	struct gsp_suspect a = { .incarnation = m->verify_inc,
				 .node = swim_name(m),
				 .from = swim_name(s->me) };

	if (m->verify == SWIM_VERIFY_TELL) {
		m->verify = SWIM_VERIFY_WAIT;
		swim_tell(s, m, m->verify_inc, ++s->seq);
		swim_at_in(s, &m->timer, patience(s));
	} else if (m->verify == SWIM_VERIFY_WAIT) {
		m->verify = SWIM_VERIFY_NO;
		swim_suspect(s, &a);
	}
}

void swim_verify_begin(struct swim *s, struct swim_member *m, uint32_t inc, uint32_t spread)
{
	if (m->state != GSP_STATE_ALIVE || m->verify)
		return;
	m->verify = SWIM_VERIFY_TELL;
	m->verify_inc = inc;
	swim_at_in(s, &m->timer, swim_below(&s->rng, spread + 1));
}

void swim_suspicion_timer(struct swim *s, struct swim_member *m)
{
	if (m->state == GSP_STATE_ALIVE) {
		verify(s, m);
		return;
	}
	if (m->state != GSP_STATE_SUSPECT)
		return;
	if (m->deciding) {
		declare(s, m);
		return;
	}
	if (m->end > s->now + patience(s)) {
		arm(s, m); /* our health got better meanwhile */
		return;
	}
	m->deciding = true;
	if (!swim_probe_begin(s, m)) {
		m->deciding = false;
		swim_at_in(s, &m->timer, s->conf.probe_timeout); /* too many under way */
	}
}
