/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of this folder share.  All of it runs on the loop's thread. */
#ifndef PB_NAMES_INTERNAL_H
#define PB_NAMES_INTERNAL_H

#include <stdbool.h>
#include <sys/queue.h>

#include "names.h"
#include "zone.h"

enum { PB_LOOP4, PB_LOOP6, _PB_LOOP_MAX };

/* The sockets that stand for one original resolver. */
struct pb_listener {
	struct pb_names *names;
	unsigned index;
	__be16 port;
	uint64_t used_ms; /* of the last query, by the loop's clock; 0: none yet */
	unsigned handles; /* open ones; the last one frees this */
	uv_udp_t udp[_PB_LOOP_MAX];
	uv_tcp_t tcp[_PB_LOOP_MAX];
};

struct pb_udp_query;
struct pb_client;

struct pb_names {
	uv_loop_t *loop;
	struct pb_zone zone;
	struct pb_names_limits limits;
	struct pb_names_stats stats;
	struct pb_listener **listener; /* of each index */
	unsigned n_listeners;
	bool v6;
	bool closing;
	unsigned handles; /* open libuv handles; the last one frees this */
	uv_timer_t deadline;
	TAILQ_HEAD(, pb_udp_query) queries; /* oldest first */
	TAILQ_HEAD(, pb_client) clients;
	uint64_t warned_ms;
	uint64_t unwarned;	  /* warnings held back since */
	char buf[PB_MSG_MAX + 1]; /* of the datagram being received */
};

/* ---- names.c ---- */
/* Every handle is counted from its init to its close callback. */
void pb_names_hold(struct pb_names *n);
void pb_names_drop(struct pb_names *n);
int pb_names_resolver(struct pb_names *n, unsigned index, struct sockaddr_storage *ret);

/* Counts; false: the client gets REFUSED. */
bool pb_names_may_forward(struct pb_names *n, unsigned index, const struct sockaddr *client,
			  bool tcp);

enum pb_relay {
	PB_RELAY_PASS,	 /* to the client, byte for byte */
	PB_RELAY_IGNORE, /* not the answer: keep waiting */
	PB_RELAY_REFUSE, /* SERVFAIL in its place */
};
enum pb_relay pb_names_check(struct pb_names *n, const struct pb_msg_query *q, bool more,
			     const uint8_t *data, size_t len);

/* ---- ports.c ---- */
int pb_listener_open(struct pb_names *n, unsigned index, struct pb_listener **ret);
/* The ports close at once.  No query and no client may refer to it any more; NULL is fine. */
void pb_listener_close(struct pb_listener *l);
/* Counts a handle of it that was initialised. */
void pb_listener_hold(struct pb_listener *l);

/* ---- udp.c ---- */
/* Takes the bound socket over, also on failure. */
int pb_udp_listen(struct pb_listener *l, unsigned family, int fd);
void pb_udp_reply(uv_udp_t *listener, const struct sockaddr *to, const uint8_t *data, size_t len);

/* ---- proxy.c: UDP to the original resolver ---- */
void pb_proxy_forward(uv_udp_t *listener, const struct sockaddr *from, const struct pb_msg_query *q,
		      const uint8_t *data, size_t len);
void pb_proxy_deadline(uv_timer_t *timer);
/* Ends the queries of @l, without an answer; NULL: all. */
void pb_proxy_close(struct pb_names *n, const struct pb_listener *l);

/* ---- tcp.c: connections of clients ---- */
int pb_tcp_listen(struct pb_listener *l, unsigned family, int fd);
/* Closes the connections to @l; NULL: all. */
void pb_tcp_close(struct pb_names *n, const struct pb_listener *l);

#endif /* PB_NAMES_INTERNAL_H */
