// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A node: its clock, its timers, what others may ask it. */
#include "swim_internal.h"

/* memberlist's profile of that name, and what it has no setting for. */
static const struct swim_conf lan = {
	.probe_interval = 1000,
	.probe_timeout = 500,
	.indirect = 3,
	.suspicion_mult = 4,
	.suspicion_max_mult = 6,
	.gossip_interval = 200,
	.gossip_fanout = 3,
	.gossip_dead = 30000,
	.retransmit_mult = 4,
	.record_mult = 3,
	.sync_interval = 30000,
	.rejoin_min = 10000,
	.rejoin_max = 30000,
	.leave_wait = 5000,
	.leave_linger = 1000,
	.reclaim = 30000,
	.keep = 86400000,
	.pause = 500,
	.packet_max = 1150,
	.packets_burst = 8,
	.members = SWIM_MEMBERS_MAX,
	.queue_bytes = 4 << 20,
};

void swim_conf_default(struct swim_conf *conf, enum swim_profile profile)
{
	*conf = lan;
	if (profile == SWIM_WAN) {
		conf->probe_interval = 5000;
		conf->probe_timeout = 3000;
		conf->suspicion_mult = 6;
		conf->gossip_interval = 500;
		conf->gossip_fanout = 4;
		conf->gossip_dead = 60000;
		conf->sync_interval = 60000;
		conf->pause = 3000;
	} else if (profile == SWIM_FAST) {
		conf->probe_interval = 300;
		conf->probe_timeout = 150;
		conf->gossip_interval = 100;
		conf->pause = 300;
	}
}

static bool conf_ok(const struct swim_conf *c)
{
	return c->name.n && c->name.n <= GSP_NAME_MAX && c->addr.ip.len && c->addr.port &&
	       c->meta.n <= GSP_META_MAX && c->ops && c->ops->send && c->ops->exchange &&
	       c->probe_interval && c->probe_timeout < c->probe_interval && c->gossip_interval &&
	       c->gossip_fanout && c->gossip_fanout <= 16 && c->indirect <= 16 &&
	       c->suspicion_mult && c->suspicion_mult <= SWIM_FROM_MAX && c->suspicion_max_mult &&
	       c->retransmit_mult && c->record_mult && c->sync_interval && c->rejoin_min &&
	       c->rejoin_max >= c->rejoin_min && c->packet_max >= 700 &&
	       c->packet_max <= SWIM_PACKET_CAP && c->packets_burst && c->members >= 2 &&
	       c->members <= SWIM_MEMBERS_MAX && c->queue_bytes && c->pause;
}

static int init_me(struct swim *s)
{
	struct swim_member *m = swim_member_add(s, s->conf.name);
	int err;

	if (!m)
		return -ENOMEM;
	s->me = m;
	s->conf.name = swim_name(m);
	err = swim_member_set_meta(s, m, s->conf.meta);
	if (err)
		return err;
	s->conf.meta = (struct gsp_bytes){ m->meta, m->meta_len };
	m->addr = s->conf.addr;
	m->vsn = GSP_VSN_OURS;
	m->inc = s->conf.unix_s ? s->conf.unix_s : 1;
	swim_member_state(s, m, GSP_STATE_ALIVE);
	swim_say_alive(s, m);
	return 0;
}

static int init_queues(struct swim *s)
{
	const struct swim_conf *c = &s->conf;
	int err = swim_queue_init(&s->q_member, c->members, SIZE_MAX);

	err = err ? err : swim_queue_init(&s->q_serf, SWIM_QUEUE_MESSAGES, c->queue_bytes);
	err = err ? err : swim_queue_init(&s->q_own, SIZE_MAX, c->queue_bytes);
	return err ? err : swim_queue_init(&s->q_relayed, SIZE_MAX, c->queue_bytes);
}

static void init_timers(struct swim *s)
{
	const struct swim_conf *c = &s->conf;

	s->t_probe.kind = SWIM_T_PROBE;
	s->t_gossip.kind = SWIM_T_GOSSIP;
	s->t_sync.kind = SWIM_T_SYNC;
	s->t_rejoin.kind = SWIM_T_REJOIN;
	s->t_reap.kind = SWIM_T_REAP;
	s->t_leave.kind = SWIM_T_LEAVE;
	for (unsigned i = 0; i < SWIM_PROBES; i++)
		s->probe[i].timer.kind = SWIM_T_PING;
	for (unsigned i = 0; i < SWIM_RELAYS; i++)
		s->relay[i].timer.kind = SWIM_T_RELAY;
	/* nodes started together must not act together */
	swim_at_in(s, &s->t_probe, swim_below(&s->rng, c->probe_interval));
	swim_at_in(s, &s->t_gossip, swim_below(&s->rng, c->gossip_interval));
	swim_at_in(s, &s->t_sync, swim_below(&s->rng, c->sync_interval));
	swim_at_in(s, &s->t_rejoin,
		   c->rejoin_min + swim_below(&s->rng, c->rejoin_max - c->rejoin_min));
	swim_at_in(s, &s->t_reap, c->gossip_dead);
}

int swim_new(struct swim **ret, const struct swim_conf *conf, uint64_t now)
{
	struct swim *s;
	int err;

	if (!conf_ok(conf))
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->conf = *conf;
	s->rng = conf->seed;
	s->called = s->unix_at = now;
	s->now = 1000000; /* "long ago" can be said without going below 0 */
	s->unix_s = conf->unix_s;
	s->seq = (uint32_t)swim_random(&s->rng);
	s->exchange_next = SWIM_EXCHANGES;
	s->serf.clock = s->serf.event_clock = s->serf.query_clock = 1;
	for (unsigned i = 0; i < sizeof(s->hash_key); i++)
		s->hash_key[i] = (uint8_t)swim_random(&s->rng);
	err = init_queues(s);
	err = err ? err : pb_htab_init(&s->names);
	err = err ? err : init_me(s);
	if (err) {
		swim_free(s);
		return err;
	}
	init_timers(s);
	*ret = s;
	return 0;
}

void swim_free(struct swim *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->n; i++) {
		free(s->all[i]->meta);
		free(s->all[i]);
	}
	swim_queue_fini(&s->q_member);
	swim_queue_fini(&s->q_serf);
	swim_queue_fini(&s->q_own);
	swim_queue_fini(&s->q_relayed);
	pb_htab_fini(&s->names);
	free(s->all);
	free(s->order);
	free(s->heap.t);
	free(s);
}

/* A process that stood still knows nothing about the others: it trusts its own table less, and asks
 * one of them for theirs. */
static void after_pause(struct swim *s, uint64_t ms)
{
	struct swim_event ev = { .type = SWIM_EV_PAUSE, .ms = ms };

	s->stats.pauses++;
	swim_set_health(s, 1);
	if (s->t_sync.pos && s->t_sync.at > s->now + s->conf.gossip_interval)
		swim_at_in(s, &s->t_sync, swim_below(&s->rng, s->conf.gossip_interval));
	if (s->conf.ops->event)
		s->conf.ops->event(s->conf.arg, &ev);
}

/*
 * Own time goes on with the caller's, except for the part nobody can have noticed anything in: from
 * the first timer that should have run to the call that comes too late.  So after a SIGSTOP no
 * timer has expired, and what waits in the sockets is read before anybody is accused.
 */
void swim_clock(struct swim *s, uint64_t called)
{
	const struct swim_timer *t = swim_timer_first(&s->heap);
	uint64_t then = s->now, late;

	if ((int64_t)(called - s->called) <= 0) {
		s->called = called; /* it went back: from here on, then */
		return;
	}
	then += called - s->called;
	s->called = called;
	if (t && then > t->at && then - t->at > s->conf.pause) {
		late = then - (t->at > s->now ? t->at : s->now);
		s->now = then - late;
		after_pause(s, late);
	} else {
		s->now = then;
	}
}

/* The wall clock counts pauses. */
uint32_t swim_unix(const struct swim *s)
{
	uint64_t t = s->unix_s;

	if (s->called > s->unix_at)
		t += (s->called - s->unix_at) / 1000;
	return t < UINT32_MAX ? (uint32_t)t : UINT32_MAX;
}

void swim_set_unix(struct swim *s, uint64_t now, uint32_t unix_s)
{
	s->unix_s = unix_s;
	s->unix_at = now;
}

uint64_t swim_next(const struct swim *s)
{
	const struct swim_timer *t = swim_timer_first(&s->heap);

	if (!t)
		return SWIM_NEVER;
	return s->called + (t->at > s->now ? t->at - s->now : 0);
}

static void run(struct swim *s, struct swim_timer *t)
{
	switch ((enum swim_timer_kind)t->kind) {
	case SWIM_T_PROBE: swim_probe_tick(s); break;
	case SWIM_T_GOSSIP: swim_gossip_tick(s); break;
	case SWIM_T_SYNC: swim_sync_tick(s); break;
	case SWIM_T_REJOIN: swim_rejoin_tick(s); break;
	case SWIM_T_REAP:
		swim_reap(s);
		swim_at_in(s, t, s->conf.gossip_dead);
		break;
	case SWIM_T_LEAVE: swim_leave_tick(s); break;
	case SWIM_T_MEMBER:
		swim_suspicion_timer(s, pb_container_of(t, struct swim_member, timer));
		break;
	case SWIM_T_PING: swim_probe_timer(s, pb_container_of(t, struct swim_probe, timer)); break;
	case SWIM_T_RELAY: swim_relay_timer(s, pb_container_of(t, struct swim_relay, timer)); break;
	}
}

void swim_tick(struct swim *s, uint64_t now)
{
	struct swim_timer *t;

	swim_clock(s, now);
	while ((t = swim_timer_first(&s->heap)) && t->at <= s->now) {
		swim_timer_stop(&s->heap, t);
		run(s, t);
	}
}

void swim_set_health(struct swim *s, int delta)
{
	int h = (int)s->health + delta;

	s->health = h < 0 ? 0 : h > SWIM_HEALTH_MAX ? SWIM_HEALTH_MAX : (unsigned)h;
}

void swim_emit(struct swim *s, enum swim_event_type type, const struct swim_member *m)
{
	struct swim_event ev = { .type = type, .member = m };

	if (s->conf.ops->event)
		s->conf.ops->event(s->conf.arg, &ev);
}
