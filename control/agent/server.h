/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The control socket: connections, lines in, lines out, limits.  What a line
 * means is the business of ops.h.
 */
#ifndef PB_AGENT_SERVER_H
#define PB_AGENT_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <jansson.h>
#include <uv.h>

#include "peer.h"

#define PB_CONN_MAX 1024
#define PB_CONN_PER_UID 256	       /* of one uid other than root */
#define PB_CONN_IDLE_S 60	       /* without a complete request, or without taking output */
#define PB_CONN_FOLLOW_BYTES (1 << 18) /* output a follower of events may leave unread */
#define PB_OUT_MAX (64u << 20)	       /* output of all connections; beyond it requests wait */

struct pb_conn;
struct pb_server;

struct pb_server_ops {
	/* One line without its newline; the answer goes out by pb_conn_send(). */
	void (*line)(void *arg, struct pb_conn *c, const char *line, size_t len);
	/* The connection is about to go; @c is not to be used afterwards. */
	void (*closed)(void *arg, struct pb_conn *c);
};

/* Binds @path (0660, group @gid), removing a stale socket first. */
int pb_server_start(struct pb_server **ret, uv_loop_t *loop, const char *path, gid_t gid,
		    const struct pb_server_ops *ops, void *arg);
/* Closes everything and unlinks the socket; memory goes when the loop ran the callbacks. */
void pb_server_stop(struct pb_server *s);

const struct pb_caller *pb_conn_peer(const struct pb_conn *c);
/* The fd that came with the request, now the caller's; -1: none. */
int pb_conn_take_fd(struct pb_conn *c);
/* Queues @json as one line; steals no reference.  -ENOMEM. */
int pb_conn_send(struct pb_conn *c, const json_t *json);
/* Bytes not yet taken by the peer. */
size_t pb_conn_pending(const struct pb_conn *c);
/* From now on the connection only carries output; input ends it. */
void pb_conn_follow(struct pb_conn *c);
/* Nothing more is read before pb_conn_answer(). */
void pb_conn_hold(struct pb_conn *c);
void pb_conn_answer(struct pb_conn *c, const json_t *json);
/* After the output queued so far, close. */
void pb_conn_finish(struct pb_conn *c);

#endif /* PB_AGENT_SERVER_H */
