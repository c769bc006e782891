/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A client's TCP connection (tcp.c) and the one behind it to the original resolver (upstream.c). */
#ifndef PB_NAMES_STREAM_H
#define PB_NAMES_STREAM_H

#include "frame.h"
#include "internal.h"

#define PB_STREAM_QUEUE_MAX (128 * 1024) /* unsent bytes from which on nothing more is read */

/* A query that went to the original resolver. */
struct pb_pending {
	TAILQ_ENTRY(pb_pending) link;
	struct pb_msg_query query;
	uint64_t deadline_ms;
	bool transfer; /* AXFR, IXFR: any number of answers */
	bool started;  /* the first of them was passed on */
};

struct pb_upstream;

struct pb_client {
	TAILQ_ENTRY(pb_client) link;
	struct pb_names *names;
	struct pb_listener *listener; /* outlives the client */
	uv_tcp_t tcp;
	uv_timer_t timer;
	struct pb_frame in;
	struct pb_upstream *up; /* NULL until something is forwarded */
	TAILQ_HEAD(, pb_pending) pending;
	unsigned n_pending;
	uint64_t active_ms;
	unsigned handles;
	bool eof;    /* the client sends no more: close after the last answer */
	bool paused; /* reading stopped until the client takes its answers */
	bool closing;
};

/* ---- tcp.c ---- */
void pb_client_send(struct pb_client *c, const uint8_t *data, size_t len);
void pb_client_error(struct pb_client *c, const struct pb_msg_query *q, unsigned rcode);
void pb_client_fail(struct pb_client *c, const struct pb_msg_query *q); /* SERVFAIL */
bool pb_client_congested(const struct pb_client *c);
void pb_client_close(struct pb_client *c);
/* Something was done: closes the connection if it was the last thing, else sets its timer. */
void pb_client_settle(struct pb_client *c);
/* Writes a message with its length in front; cb gets req->data = @arg and must free req. */
int pb_stream_write(uv_tcp_t *tcp, const uint8_t *data, size_t len, uv_write_cb cb, void *arg);

/* ---- upstream.c ---- */
void pb_upstream_forward(struct pb_client *c, const struct pb_msg_query *q, const uint8_t *data,
			 size_t len);
void pb_upstream_resume(struct pb_client *c);
/* Answers what is overdue with SERVFAIL; returns when the next one is due, UINT64_MAX: none. */
uint64_t pb_upstream_expire(struct pb_client *c, uint64_t now);
/* Is there a query whose answer the client still waits for? */
bool pb_upstream_busy(const struct pb_client *c);
void pb_upstream_close(struct pb_client *c);

#endif /* PB_NAMES_STREAM_H */
