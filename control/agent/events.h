/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel's event ring: read, named, remembered, passed on to followers. */
#ifndef PB_AGENT_EVENTS_H
#define PB_AGENT_EVENTS_H

#include "agent.h"
#include "event_json.h"

#define PB_HISTORY 8192 /* events remembered for `why` and `events` */

int pb_events_start(struct pb_agent *a);
void pb_events_stop(struct pb_agent *a);

/* The newest event is number 0; NULL beyond the oldest. */
const struct pb_event_rec *pb_events_at(const struct pb_agent *a, unsigned back);
/* On: news are read soon, also when there were none for a while: other nodes wait for them. */
void pb_events_quick(struct pb_agent *a, bool on);
/* Reads what the ring holds now. */
void pb_events_drain(struct pb_agent *a);
/* An event of the agent's own, as if the kernel had told it. */
void pb_events_note(struct pb_agent *a, const struct pb_event *ev);
/* Now CLOCK_REALTIME minus CLOCK_MONOTONIC. */
int64_t pb_wall_offset_ns(void);

/* Passes on every further event that @f wants, until the connection closes. */
int pb_events_follow(struct pb_agent *a, struct pb_conn *c, const struct pb_event_filter *f);
void pb_events_unfollow(struct pb_agent *a, struct pb_conn *c);

#endif /* PB_AGENT_EVENTS_H */
