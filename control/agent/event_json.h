/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One kernel event as the protocol shows it.  Pure. */
#ifndef PB_AGENT_EVENT_JSON_H
#define PB_AGENT_EVENT_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include <patchbay/event.h>

/* An event with the names its refs had at the time. */
struct pb_event_rec {
	struct pb_event ev;
	char app[PB_NAME_LEN]; /* empty: unknown */
	char peer[PB_NAME_LEN];
};

/* @wall_ns: CLOCK_REALTIME minus CLOCK_MONOTONIC.  NULL: out of memory. */
json_t *pb_event_json(const struct pb_event_rec *r, int64_t wall_ns);

/* "2026-11-21T03:00:00.123456Z"; buf holds at least 32 bytes; returns buf. */
char *pb_time_format(int64_t ns, char *buf, size_t len);

const char *pb_reason_name(unsigned reason); /* "?" beyond the list */
const char *pb_reason_text(unsigned reason);
const char *pb_verdict_name(unsigned reason); /* "allow", "refuse", "note" */
const char *pb_proto_name(unsigned proto);    /* "tcp", "udp", else the number as text */
const char *pb_op_name(unsigned op);

/* Which events a reader wants. */
struct pb_event_filter {
	bool refused; /* only refusals */
	bool by_app;
	uint64_t ref;		/* with by_app: this scope, */
	char name[PB_NAME_LEN]; /* or any of this name; empty: by ref only */
};
bool pb_event_wanted(const struct pb_event_filter *f, const struct pb_event_rec *r);

#endif /* PB_AGENT_EVENT_JSON_H */
