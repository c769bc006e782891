// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What alive, suspect and dead do to a member.  Incarnations order what is said about it: only the
 * member itself raises its own, to refute; at the same incarnation dead beats suspect beats alive.
 *
 * Incarnations start at unix seconds and are bounded by the clock, else one accusation with the
 * greatest number could never be refuted.  Accusations get a day, refutations two, so that there
 * is always room above the worst accusation.
 */
#include "swim_internal.h"

#define MESSAGE_CAP 1024 /* alive is the largest: a name, a meta, and some 70 bytes */

bool swim_forged(struct swim *s, const struct swim_member *m, struct gsp_bytes name, uint32_t inc,
		 uint64_t days)
{
	struct swim_event ev = {
		.type = SWIM_EV_FORGED, .member = m, .name = name, .incarnation = inc
	};

	if (inc <= swim_unix(s) + days * SWIM_DAY)
		return false;
	s->stats.forged++;
	if (s->conf.ops->event)
		s->conf.ops->event(s->conf.arg, &ev);
	return true;
}

void swim_say_alive(struct swim *s, const struct swim_member *m)
{
	struct gsp_alive a = { .incarnation = m->inc,
			       .node = swim_name(m),
			       .addr = m->addr.ip,
			       .port = m->addr.port,
			       .meta = { m->meta, m->meta_len },
			       .vsn = m->vsn };
	uint8_t buf[MESSAGE_CAP];
	int n;

	if (s->quiet && m != s->me)
		return;
	n = gsp_alive_encode(&a, buf, sizeof(buf));
	if (n > 0)
		swim_broadcast(s, m->node.hash, buf, (size_t)n);
}

static void say_suspect(struct swim *s, const struct swim_member *m, const struct gsp_suspect *a)
{
	uint8_t buf[MESSAGE_CAP];
	int n = s->quiet ? 0 : gsp_suspect_encode(a, buf, sizeof(buf));

	if (n > 0)
		swim_broadcast(s, m->node.hash, buf, (size_t)n);
}

static void say_dead(struct swim *s, const struct swim_member *m, const struct gsp_dead *d)
{
	uint8_t buf[MESSAGE_CAP];
	int n = s->quiet ? 0 : gsp_dead_encode(d, buf, sizeof(buf));

	if (n > 0)
		swim_broadcast(s, m->node.hash, buf, (size_t)n);
}

void swim_refute(struct swim *s, uint32_t accused)
{
	struct swim_member *me = s->me;

	me->inc = (accused > me->inc ? accused : me->inc) + 1;
	s->stats.refutes++;
	s->refuted = true;
	swim_set_health(s, 1);
	swim_say_alive(s, me);
}

/* Somebody missed what we said last, and no refutation is due to tell it. */
static void repeat(struct swim *s)
{
	struct swim_member *me = s->me;

	if (s->stage != SWIM_STAYS || (me->told && me->told + s->conf.probe_interval > s->now))
		return;
	me->told = s->now;
	if (!swim_queue_has(&s->q_member, me->node.hash))
		swim_say_alive(s, me);
}

static bool version_fits(const struct gsp_vsn *v)
{
	const struct gsp_vsn us = GSP_VSN_OURS;

	return v->pmin <= us.pcur && us.pcur <= v->pmax && us.pmin <= v->pcur &&
	       v->pcur <= us.pmax && v->dmin <= us.dcur && us.dcur <= v->dmax &&
	       us.dmin <= v->dcur && v->dcur <= us.dmax;
}

static void conflict(struct swim *s, const struct swim_member *m, const struct swim_addr *addr)
{
	struct swim_event ev = { .type = SWIM_EV_CONFLICT, .member = m, .addr = *addr };

	s->stats.conflicts++;
	if (s->conf.ops->event)
		s->conf.ops->event(s->conf.arg, &ev);
}

/* One that we buried speaks, or somebody believes so.  If it does live, it will refute this; we
 * remember the dead for longer than memberlist does, so nobody else may be left to tell it. */
void swim_tell_dead(struct swim *s, struct swim_member *m, const struct swim_addr *addr)
{
	struct gsp_dead d = { .incarnation = m->inc,
			      .node = swim_name(m),
			      .from = swim_name(m->state == GSP_STATE_LEFT ? m : s->me) };
	uint8_t buf[MESSAGE_CAP];
	int n;

	if (m->told && m->told + s->conf.probe_interval > s->now)
		return;
	m->told = s->now;
	n = gsp_dead_encode(&d, buf, sizeof(buf));
	if (n > 0)
		swim_send_bare(s, addr, buf, (size_t)n);
}

static void alive_me(struct swim *s, const struct gsp_alive *a)
{
	struct swim_member *me = s->me;
	struct gsp_bytes meta = { me->meta, me->meta_len };

	if (a->incarnation < me->inc)
		return;
	if (a->incarnation == me->inc && gsp_bytes_eq(a->meta, meta) &&
	    !memcmp(&a->vsn, &me->vsn, sizeof(me->vsn)))
		return;
	swim_refute(s, a->incarnation);
}

static void accept(struct swim *s, struct swim_member *m, const struct gsp_alive *a,
		   const struct swim_addr *addr)
{
	enum gsp_state was = (enum gsp_state)m->state;
	bool changed = !gsp_bytes_eq(a->meta, (struct gsp_bytes){ m->meta, m->meta_len }) ||
		       !swim_addr_eq(&m->addr, addr);

	if (swim_member_set_meta(s, m, a->meta))
		return;
	m->inc = a->incarnation;
	m->addr = *addr;
	m->vsn = a->vsn;
	m->verify = SWIM_VERIFY_NO;
	m->deciding = false;
	m->leaving = false; /* it would not trouble to say so: it is another life */
	swim_timer_stop(&s->heap, &m->timer);
	swim_member_state(s, m, GSP_STATE_ALIVE);
	swim_say_alive(s, m);
	if (was == GSP_STATE_DEAD || was == GSP_STATE_LEFT) {
		swim_emit(s, SWIM_EV_JOIN, m);
		swim_intents_apply(s, m);
		return;
	}
	if (was == GSP_STATE_SUSPECT)
		swim_emit(s, SWIM_EV_REFUTED, m);
	if (changed)
		swim_emit(s, SWIM_EV_UPDATE, m);
}

/* A name known by another address: whose may it be? */
static bool may_move(const struct swim *s, const struct swim_member *m)
{
	return m->state == GSP_STATE_LEFT || (m->state == GSP_STATE_DEAD && s->conf.reclaim &&
					      m->since + s->conf.reclaim <= s->now);
}

static struct swim_member *newcomer(struct swim *s, struct gsp_bytes name)
{
	struct swim_event ev = { .type = SWIM_EV_FULL, .name = name };
	struct swim_member *m = swim_member_add(s, name);

	if (m)
		return m;
	s->stats.full++;
	if (s->conf.ops->event)
		s->conf.ops->event(s->conf.arg, &ev);
	return NULL;
}

void swim_alive(struct swim *s, const struct gsp_alive *a)
{
	struct swim_addr addr = swim_addr(&a->addr, a->port);
	struct swim_member *m = swim_get(s, a->node);
	bool fresh = !m;

	if ((m == s->me && s->stage != SWIM_STAYS) || !addr.ip.len || !addr.port)
		return;
	if (!version_fits(&a->vsn)) {
		s->stats.version++;
		return;
	}
	if (swim_forged(s, m, a->node, a->incarnation, 2))
		return;
	if (fresh && !(m = newcomer(s, a->node)))
		return;
	if (fresh)
		m->addr = addr;
	if (!fresh && !swim_is_live(m) && a->incarnation <= m->inc) {
		swim_tell_dead(s, m, &addr);
		return;
	}
	if (!swim_addr_eq(&m->addr, &addr) && !may_move(s, m)) {
		conflict(s, m, &addr);
		return;
	}
	if (m == s->me)
		alive_me(s, a);
	else if (fresh || a->incarnation > m->inc)
		accept(s, m, a, &addr);
}

void swim_suspect(struct swim *s, const struct gsp_suspect *a)
{
	struct swim_member *m = swim_get(s, a->node);

	if (m == s->me && a->incarnation < m->inc)
		repeat(s);
	if (!m || a->incarnation < m->inc)
		return;
	if (a->incarnation > m->inc && swim_forged(s, m, a->node, a->incarnation, 1))
		return;
	if (m->state == GSP_STATE_SUSPECT && swim_suspicion_confirm(s, m, a->from))
		say_suspect(s, m, a);
	if (m->state != GSP_STATE_ALIVE)
		return;
	if (m == s->me) {
		if (s->stage == SWIM_STAYS)
			swim_refute(s, a->incarnation);
		return;
	}
	m->inc = a->incarnation;
	swim_suspicion_begin(s, m, a->from);
	say_suspect(s, m, a);
	swim_emit(s, SWIM_EV_SUSPECT, m);
}

void swim_dead(struct swim *s, const struct gsp_dead *d)
{
	struct swim_member *m = swim_get(s, d->node);
	bool left = gsp_bytes_eq(d->node, d->from);

	if (m == s->me && d->incarnation < m->inc)
		repeat(s);
	if (!m || d->incarnation < m->inc)
		return;
	if (d->incarnation > m->inc && swim_forged(s, m, d->node, d->incarnation, 1))
		return;
	if (m == s->me) {
		if (s->stage == SWIM_STAYS)
			swim_refute(s, d->incarnation);
		return;
	}
	/* One declared dead while its good-bye was under way did leave; else nothing is new. */
	if (!swim_is_live(m) && (m->state == GSP_STATE_LEFT || !left))
		return;
	left = left || m->leaving;
	m->inc = d->incarnation;
	m->leaving = false;
	m->deciding = false;
	m->verify = SWIM_VERIFY_NO;
	swim_timer_stop(&s->heap, &m->timer);
	swim_probe_forget(s, m);
	swim_member_state(s, m, left ? GSP_STATE_LEFT : GSP_STATE_DEAD);
	say_dead(s, m, d);
	swim_emit(s, left ? SWIM_EV_LEFT : SWIM_EV_DEAD, m);
}
