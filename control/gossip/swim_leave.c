// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What this node says of itself: new tags, and good-bye, first in Serf's way, then in memberlist's. */
#include "swim_internal.h"

#define MESSAGE_CAP 1024

int swim_set_meta(struct swim *s, uint64_t now, struct gsp_bytes meta)
{
	int err;

	swim_clock(s, now);
	if (s->stage != SWIM_STAYS)
		return -ESHUTDOWN;
	err = swim_member_set_meta(s, s->me, meta);
	if (err)
		return err;
	s->me->inc++;
	swim_say_alive(s, s->me);
	return 0;
}

static void gone(struct swim *s)
{
	struct swim_timer *t;

	s->stage = SWIM_IS_GONE;
	while ((t = swim_timer_first(&s->heap)))
		swim_timer_stop(&s->heap, t);
	swim_emit(s, SWIM_EV_GONE, s->me);
}

static void say_dead(struct swim *s)
{
	struct gsp_dead d = { .incarnation = s->me->inc,
			      .node = swim_name(s->me),
			      .from = swim_name(s->me) };
	uint8_t buf[MESSAGE_CAP];
	int n = gsp_dead_encode(&d, buf, sizeof(buf));

	swim_member_state(s, s->me, GSP_STATE_LEFT);
	if (n > 0)
		swim_broadcast(s, s->me->node.hash, buf, (size_t)n);
}

void swim_leave(struct swim *s, uint64_t now)
{
	swim_clock(s, now);
	if (s->stage != SWIM_STAYS)
		return;
	if (s->n_live < 2) {
		gone(s);
		return;
	}
	s->stage = SWIM_SAYS_LEAVE;
	s->stage_end = s->now + s->conf.leave_wait;
	s->me->leaving = true;
	swim_say_leave(s, swim_name(s->me), false);
	swim_at_in(s, &s->t_leave, s->conf.gossip_interval);
}

/* Each stage lasts until its message has been sent as often as it should, within bounds. */
void swim_leave_tick(struct swim *s)
{
	uint64_t next = s->conf.gossip_interval;

	if (s->stage == SWIM_SAYS_LEAVE &&
	    (s->now >= s->stage_end ||
	     !swim_queue_has(&s->q_serf, swim_intent_key(s, swim_name(s->me))))) {
		s->stage = SWIM_SAYS_DEAD;
		s->stage_end = s->now + s->conf.leave_wait;
		say_dead(s);
	} else if (s->stage == SWIM_SAYS_DEAD &&
		   (s->now >= s->stage_end || !swim_queue_has(&s->q_member, s->me->node.hash))) {
		s->stage = SWIM_LINGERS;
		next = s->conf.leave_linger;
	} else if (s->stage == SWIM_LINGERS) {
		gone(s);
		return;
	}
	swim_at_in(s, &s->t_leave, next);
}
