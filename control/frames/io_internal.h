/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* io.c: the process and its sockets; io_service.c: services, listening. */
#ifndef PB_FRAMES_IO_INTERNAL_H
#define PB_FRAMES_IO_INTERNAL_H

#include "control/frames/io.h"

#define FIO_TICK_MS 50
#define FIO_RECV (128 << 10)
#define FIO_BACKLOG 4096
#define FIO_ACCEPTS 64	      /* at once */
#define FIO_PAUSE_MS 100      /* no descriptor was left */
#define FIO_COMPLAIN_MS 10000 /* not more often */
#define FIO_BYE_MS 1000	      /* for the other to take what was said last */

struct fio_listener {
	uv_poll_t poll;
	struct fio_service *service;
	struct fio_listener *next;
	uint64_t paused_until; /* ms */
	int fd;
};

struct fio_conn {
	uv_poll_t poll;
	struct fio *io;
	struct fio_service *service;
	union {
		struct fe_client *client;
		struct fe_link *link;
	};
	struct fio_conn *prev, *next; /* clients, those that said good-bye */
	uint64_t bye_until;	      /* ms */
	int fd;
	bool is_link;
	bool connecting;
	bool closed;
};

struct fio_service {
	struct fio *io;
	struct fio_service *next;
	struct fe *fe;
	struct fio_listener *listeners;
	struct fio_conn *clients;
	struct fio_host host;
	void *arg;
	struct fio_stats st;
	uint32_t refs;	 /* handles that close */
	uint64_t end_at; /* ms; 0: it goes on */
	void (*done)(void *arg);
	void *done_arg;
	uint64_t ids;
	uint32_t n_servers;
	struct fio_server server[PB_FRAME_SERVERS_MAX];
	uint64_t id[PB_FRAME_SERVERS_MAX];
};

struct fio {
	uv_loop_t *loop;
	struct fe_proc *proc;
	uv_check_t check;
	uv_prepare_t prepare;
	uv_idle_t idle; /* runs when a round left something to do */
	uv_timer_t tick;
	struct fio_service *services;
	struct fio_conn *byes;
	uint64_t complained;
	uint32_t fds, max_fds;
	uint32_t paused; /* listeners */
	bool idling;
	bool ticking;
	bool stopped;
	uint8_t buf[FIO_RECV];
};

extern const struct fe_ops fio_ops;

void fio_time(struct fio *io);
void fio_tick_on(struct fio *io);
void fio_list_add(struct fio_conn **list, struct fio_conn *n);
void fio_list_del(struct fio_conn **list, struct fio_conn *n);
void fio_conn_close(struct fio_conn *n);
/* Takes @fd; false: there is no memory, or it was not let in. */
bool fio_client(struct fio_service *s, int fd);
void fio_unref(struct fio_service *s);
void fio_services_tick(struct fio *io, uint64_t now_ms);

#endif /* PB_FRAMES_IO_INTERNAL_H */
