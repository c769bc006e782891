/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sockets of the frame engine: listening, clients, links, by libuv.  One struct fio a process. */
#ifndef PB_FRAMES_IO_H
#define PB_FRAMES_IO_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <uv.h>

#include "control/frames/engine.h"

struct fio;
struct fio_service;

/* X(field, "help") */
#define FIO_COUNTERS(X) \
	X(accepted, "connections accepted") \
	X(accept_paused, "times that no descriptor was left for a connection") \
	X(accept_failed, "connections that went before they were accepted")

struct fio_stats {
#define PB_X(field, help) uint64_t field;
	FIO_COUNTERS(PB_X)
#undef PB_X
};

/* What of fe_ops is the host's (see there); all may be NULL. */
struct fio_host {
	int (*touch_begin)(void *arg, const struct pb_frame_send *send, uint32_t server,
			   uint64_t *handle);
	void (*touch_end)(void *arg, uint64_t handle, bool seen);
	bool (*lookup)(void *arg, const void *key, uint32_t key_len, struct pb_frame_view *ret);
	/* Before a socket is bound or connects: IP_FREEBIND, marks.  An error: it is not used. */
	int (*socket)(void *arg, int fd, bool listening);
	/* May this client?  false: its connection is reset. */
	bool (*accept)(void *arg, const struct sockaddr *from);
};

/* Where a server is; the table is copied by fio_service_servers(). */
struct fio_server {
	struct sockaddr_storage addr;
	socklen_t len;
	uint32_t up;
};

int fio_new(struct fio **ret, uv_loop_t *loop, uint64_t memory);
/* Services first.  Handles close in the loop: run it until it ends, then fio_free(). */
void fio_stop(struct fio *io);
void fio_free(struct fio *io);
struct fe_proc *fio_proc(struct fio *io);

int fio_service_new(struct fio_service **ret, struct fio *io, const struct pb_frame_plugin *plugin,
		    const struct fe_limits *limits, const struct fio_host *host, void *arg);
/* Listens at one more address; several are fine. */
int fio_service_listen(struct fio_service *s, const struct sockaddr *addr, socklen_t len);
/* Takes over a listening socket; it is closed with the service, or on error. */
int fio_service_listen_fd(struct fio_service *s, int fd);
/* No new clients; those that are there go on. */
void fio_service_unlisten(struct fio_service *s);
/* See fe_set_servers(). */
int fio_service_servers(struct fio_service *s, const struct fio_server *servers, uint32_t n,
			const void *policy, bool cache);
/* Ends it: clients when what they asked is answered, at the latest after @grace_ms; then @done is called
 * (may be NULL). */
void fio_service_end(struct fio_service *s, uint32_t grace_ms, void (*done)(void *arg), void *arg);
struct fe *fio_service_engine(struct fio_service *s);
void fio_service_stats(const struct fio_service *s, struct fio_stats *ret);

#endif /* PB_FRAMES_IO_H */
