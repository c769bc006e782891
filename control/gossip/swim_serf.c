// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Serf's intents, user events and Lamport clocks. */
#include "swim_internal.h"

#include <patchbay/siphash.h>

#define MESSAGE_CAP 1024
#define INTENT_KEY 0x696e74656e74ULL
#define INTENT_KEEP 300000 /* ms */
#define SEEN_SPAN 512	   /* Lamport times; what is older is not told apart */

/*
 * A clock never goes back, so one message with the greatest time would stop it for good.  Beyond
 * 2^62, which no pool reaches by counting, only small steps are believed.
 */
bool swim_witness(uint64_t *clock, uint64_t ltime)
{
	if (ltime > 1ULL << 62 && ltime > *clock && ltime - *clock > 1u << 20)
		return false;
	if (ltime >= *clock)
		*clock = ltime + 1;
	return true;
}

bool swim_seen_add(struct swim *s, struct swim_seen *seen, uint64_t clock, uint64_t ltime,
		   uint64_t hash)
{
	unsigned set = hash % SWIM_SEEN_SETS, oldest = 0;

	for (unsigned i = 0; i < 4; i++) {
		if (seen->e[set][i].hash == hash && seen->e[set][i].ltime == ltime)
			return false;
		if (seen->e[set][i].ltime < seen->e[set][oldest].ltime)
			oldest = i;
	}
	if ((clock > SEEN_SPAN && ltime < clock - SEEN_SPAN) ||
	    (seen->floor && ltime <= seen->floor) ||
	    (seen->e[set][oldest].hash && ltime < seen->e[set][oldest].ltime)) {
		s->stats.stale++;
		return false;
	}
	if (seen->e[set][oldest].hash && seen->e[set][oldest].ltime > seen->floor)
		seen->floor = seen->e[set][oldest].ltime;
	seen->e[set][oldest].hash = hash;
	seen->e[set][oldest].ltime = ltime;
	return true;
}

/* ---- intents --------------------------------------------------------------------------------- */

uint64_t swim_intent_key(const struct swim *s, struct gsp_bytes node)
{
	return swim_hash(s, node) ^ INTENT_KEY;
}

static void say_intent(struct swim *s, uint64_t ltime, struct gsp_bytes node, bool leave,
		       bool prune)
{
	struct gsp_serf_leave l = { .ltime = ltime, .node = node, .prune = prune };
	struct gsp_serf_join j = { .ltime = ltime, .node = node };
	uint8_t buf[MESSAGE_CAP];
	int n = leave ? gsp_serf_leave_encode(&l, buf, sizeof(buf))
		      : gsp_serf_join_encode(&j, buf, sizeof(buf));

	if (n > 0)
		swim_broadcast_serf(s, swim_intent_key(s, node), buf, (size_t)n);
}

void swim_say_join(struct swim *s)
{
	s->me->ltime = s->serf.clock++;
	say_intent(s, s->me->ltime, swim_name(s->me), false, false);
}

void swim_say_leave(struct swim *s, struct gsp_bytes node, bool prune)
{
	struct swim_member *m = swim_get(s, node);
	uint64_t ltime = s->serf.clock++;

	if (m == s->me)
		m->ltime = ltime;
	else
		swim_on_intent(s, ltime, node, true, prune, false);
	say_intent(s, ltime, node, true, prune);
}

/* About somebody who is not known yet; true: news. */
static bool remember(struct swim *s, uint64_t ltime, struct gsp_bytes node, bool leave)
{
	uint64_t name = swim_hash(s, node);
	struct swim_intent *at = &s->serf.intent[0];

	for (unsigned i = 0; i < SWIM_INTENTS; i++) {
		struct swim_intent *k = &s->serf.intent[i];

		if (k->name == name) {
			if (ltime <= k->ltime)
				return false;
			at = k;
			break;
		}
		if (k->at < at->at)
			at = k;
	}
	*at = (struct swim_intent){ .name = name, .ltime = ltime, .at = s->now, .leave = leave };
	return true;
}

void swim_intents_apply(struct swim *s, struct swim_member *m)
{
	for (unsigned i = 0; i < SWIM_INTENTS; i++) {
		struct swim_intent *k = &s->serf.intent[i];

		if (k->name != m->node.hash)
			continue;
		if (k->at + INTENT_KEEP > s->now && k->ltime > m->ltime) {
			m->ltime = k->ltime;
			m->leaving = k->leave;
		}
		*k = (struct swim_intent){ 0 };
		return;
	}
}

/* True: it says something new. */
static bool apply(struct swim *s, struct swim_member *m, uint64_t ltime, bool leave)
{
	if (ltime <= m->ltime)
		return false;
	if (leave && m == s->me) {
		if (s->stage == SWIM_STAYS)
			swim_say_join(s); /* we do not */
		return false;
	}
	m->ltime = ltime;
	if (swim_is_live(m)) {
		m->leaving = leave;
	} else if (leave && m->state == GSP_STATE_DEAD) {
		swim_member_state(s, m, GSP_STATE_LEFT);
		swim_emit(s, SWIM_EV_LEFT, m);
	}
	return true;
}

void swim_on_intent(struct swim *s, uint64_t ltime, struct gsp_bytes node, bool leave, bool prune,
		    bool relay)
{
	struct swim_member *m = swim_get(s, node);
	bool news;

	if (!swim_witness(&s->serf.clock, ltime))
		return;
	news = m ? apply(s, m, ltime, leave) : remember(s, ltime, node, leave);
	if (news && relay)
		say_intent(s, ltime, node, leave, prune);
	if (news && leave && prune && m && !swim_is_live(m)) {
		swim_emit(s, SWIM_EV_FORGOTTEN, m);
		swim_member_remove(s, m);
	}
}

int swim_force_leave(struct swim *s, uint64_t now, struct gsp_bytes name, bool prune)
{
	struct swim_member *m;

	swim_clock(s, now);
	m = swim_get(s, name);
	if (!m)
		return -ENOENT;
	if (m == s->me)
		return -EINVAL;
	if (swim_is_gone(s))
		return -ESHUTDOWN;
	swim_say_leave(s, name, prune);
	return 0;
}

/* ---- user events ----------------------------------------------------------------------------- */

static uint64_t event_hash(const struct swim *s, const struct gsp_serf_event *e)
{
	return swim_hash(s, e->name) ^ pb_rotl64(swim_hash(s, e->payload), 1);
}

/* New ones are spread as they came, with whatever else they hold. */
static void on_event(struct swim *s, const struct gsp_serf_event *e, struct gsp_bytes raw)
{
	struct swim_event ev = {
		.type = SWIM_EV_USER, .name = e->name, .payload = e->payload, .ltime = e->ltime
	};

	if (!swim_witness(&s->serf.event_clock, e->ltime) ||
	    !swim_seen_add(s, &s->serf.events, s->serf.event_clock, e->ltime, event_hash(s, e)))
		return;
	s->stats.events++;
	swim_broadcast_serf(s, 0, raw.p, raw.n);
	if (s->conf.ops->event)
		s->conf.ops->event(s->conf.arg, &ev);
}

int swim_user_event(struct swim *s, uint64_t now, struct gsp_bytes name, struct gsp_bytes payload,
		    bool coalesce)
{
	struct gsp_serf_event e = { .name = name, .payload = payload, .coalesce = coalesce };
	int n;

	swim_clock(s, now);
	if (swim_is_gone(s))
		return -ESHUTDOWN;
	e.ltime = s->serf.event_clock;
	n = gsp_serf_event_encode(&e, s->scratch, s->conf.packet_max - 1);
	if (n < 0)
		return n == -ENOBUFS ? -EMSGSIZE : n;
	on_event(s, &e, (struct gsp_bytes){ s->scratch, (uint32_t)n });
	return 0;
}

void swim_serf_message(struct swim *s, const struct swim_addr *from, struct gsp_bytes m)
{
	struct gsp_serf_event event;
	struct gsp_serf_leave leave;
	struct gsp_serf_join join;
	int err = 0;

	(void)from;
	switch (m.p[0]) {
	case GSP_SERF_LEAVE:
		err = gsp_serf_leave_decode(&leave, m.p, m.n);
		if (err >= 0)
			swim_on_intent(s, leave.ltime, leave.node, true, leave.prune, true);
		break;
	case GSP_SERF_JOIN:
		err = gsp_serf_join_decode(&join, m.p, m.n);
		if (err >= 0)
			swim_on_intent(s, join.ltime, join.node, false, false, true);
		break;
	case GSP_SERF_EVENT:
		err = gsp_serf_event_decode(&event, m.p, m.n);
		if (err >= 0)
			on_event(s, &event, m);
		break;
	case GSP_SERF_QUERY: swim_on_query(s, m); break;
	case GSP_SERF_RESPONSE: /* we ask nothing, and carry nothing for others */
	case GSP_SERF_CONFLICT:
	case GSP_SERF_KEY:
	case GSP_SERF_KEYS:
	case GSP_SERF_RELAY: break;
	default: s->stats.unknown++;
	}
	if (err < 0)
		s->stats.bad++;
}
