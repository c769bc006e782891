/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the agent and patchbay-frames say to each other: RUN_DIR/frames.sock, SOCK_SEQPACKET, one JSON
 * object a message, descriptors beside it that the member "fds" names in their order.
 *
 *   asked                                         answered, with the same "seq"
 *   {"op":"hello","version":1}                    {"ok":true,"version":1,"pid","build","services":[...]}
 *   {"op":"service","service":{...}}  ring, do    {"ok":true}: from now on that is in force
 *   {"op":"remove","name":"mc"}                   {"ok":true}: listener and connections are gone
 *   {"op":"stats"}                                {"ok":true,"services":[...],...}
 *   {"op":"ping"}                                 {"ok":true}
 *   {"op":"handover"}                             {"ok":true,"services":[...]}  the listeners
 *   {"op":"stop"}                                 {"ok":true}, then the process ends
 * or {"ok":false,"error":{"errno":"EADDRINUSE","message":"..."}}.
 *
 * Members that one side does not know it leaves alone, operations it does not know it answers with
 * EOPNOTSUPP: so an older one and a newer one get on.  "service" says everything of it each time, so
 * that it may be said again.  What cannot be said in this way gets another "version".
 */
#ifndef PB_FRAMES_WIRE_H
#define PB_FRAMES_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include <patchbay/mc_ring.h>

#include "control/registry/registry.h"

#define FRW_VERSION 1
#define FRW_SOCKET "frames.sock" /* in the agent's run directory */
#define FRW_MSG_MAX 65536	 /* bytes of a message */
#define FRW_DEPTH_MAX 8
#define FRW_FDS_MAX 128 /* beside a message; the kernel takes 253 */
#define FRW_ALLOW_MAX 64
#define FRW_PLUGIN_LEN 32

struct frw_msg {
	json_t *json;
	unsigned n_fds;
	int fd[FRW_FDS_MAX]; /* -1: taken */
};

/* A whole message or nothing.  -EAGAIN: the socket is full; -EPIPE: the other side is gone; -EMSGSIZE. */
int frw_send(int sock, const json_t *o, const int *fds, unsigned n_fds);
/* -EAGAIN: there is none; -EPIPE: the other side is gone; -EBADMSG: it makes no sense. */
int frw_recv(int sock, struct frw_msg *ret);
/* A socket to the process that listens in @run_dir, which must be this user's, or root's. */
int frw_connect(const char *run_dir, pid_t *ret_pid);
/* Ends that process, if there is one: detach. */
int frw_stop(const char *run_dir);
/* The text of a message; NULL: it is none. */
json_t *frw_parse(const char *text, size_t len);
void frw_msg_free(struct frw_msg *m);
/* The descriptor of that name, now the caller's; -1: there is none. */
int frw_take_fd(struct frw_msg *m, const char *name);
json_t *frw_error(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* An answer's own errno (by its name; unknown: -EIO), and its text. */
int frw_answer(const json_t *answer, const char **ret_text);

/* ---- a service ----------------------------------------------------------- */

struct frw_net {
	struct pb_addr net;
	uint32_t bits; /* of the 128-bit form */
};

struct frw_server {
	struct pb_addr addr; /* zero: nobody has this number */
	__be16 port;
	bool up;
};

struct frw_service {
	char name[PB_NAME_LEN];
	char plugin[FRW_PLUGIN_LEN];
	struct pb_addr vip;
	__be16 port;
	uint32_t number; /* in the kernel's arrays */
	bool cache;	 /* token steps are taken */
	uint64_t key[2]; /* of the digests; a secret */
	unsigned n_allow;
	struct frw_net allow[FRW_ALLOW_MAX];
	unsigned n_servers; /* numbers in use are below */
	struct frw_server server[PB_MC_SERVERS_MAX];
};

json_t *frw_service_json(const struct frw_service *s);
int frw_service_parse(const json_t *o, struct frw_service *ret, char err[PB_ERR_LEN]);
bool frw_allowed(const struct frw_service *s, const struct pb_addr *from);

/* ---- its table, as a sealed file in memory -------------------------------- */

int frw_ring_fd(const struct pb_mc_ring *ring);
/* A copy that can be relied on: kind, sizes and servers are looked at.  -EBADMSG. */
int frw_ring_read(int fd, unsigned n_servers, struct pb_mc_ring **ret);
bool frw_ring_sound(const struct pb_mc_ring *ring, unsigned n_servers);

static inline void frw_msg_freep(struct frw_msg *m)
{
	frw_msg_free(m);
}

#endif /* PB_FRAMES_WIRE_H */
