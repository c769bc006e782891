/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Shared by server.c and conn.c only. */
#ifndef PB_AGENT_CONN_H
#define PB_AGENT_CONN_H

#include <stdint.h>

#include "server.h"

struct pb_conn {
	struct pb_server *srv;
	struct pb_conn *next, **link;
	uv_poll_t poll;
	int fd;
	int passed_fd;
	struct pb_caller peer;
	uint64_t since_ns; /* last progress: connected, request completed, output taken */
	char *in;
	size_t in_len;
	char *out;
	size_t out_off, out_len, out_room;
	bool following, finishing, closing, held;
};

struct pb_server {
	uv_loop_t *loop;
	uv_poll_t poll;
	uv_timer_t timer;
	int fd;
	char path[108];
	const struct pb_server_ops *ops;
	void *arg;
	struct pb_conn *conns;
	unsigned n_conns;
	unsigned handles; /* not yet closed */
	size_t out_bytes; /* queued on all connections */
	bool paused;	  /* out of file descriptors: accept again at the next tick */
	bool stopping;
};

int pb_conn_new(struct pb_server *s, int fd, const struct pb_caller *peer);
void pb_conn_close(struct pb_conn *c);
/* Takes up what waits: flushes, and handles buffered requests while there is room. */
void pb_conn_work(struct pb_conn *c);

#endif /* PB_AGENT_CONN_H */
