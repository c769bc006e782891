/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Shared by frames_host*.c only. */
#ifndef PB_FRAMES_HOST_INTERNAL_H
#define PB_FRAMES_HOST_INTERNAL_H

#include <limits.h>
#include <sys/un.h>

#include <patchbay/mc_switch.h>

#include "control/frames/frames_host.h"
#include "control/frames/frames_wire.h"
#include "control/frames/io.h"

#define FRH_CONNS 16	  /* on the control socket */
#define FRH_END_MS 1000	  /* what was asked may take so long when a service ends */
#define FRH_DRAIN_S 600	  /* connections of a build that was replaced */
#define FRH_GET_ROOM 1408 /* a key, then its value, behind a command */

/* X(field, "help") */
#define FRH_COUNTERS(X) \
	X(refused_source, "connections refused: the source is not allowed") \
	X(tokens, "steps of the cache's protocol") \
	X(tokens_failed, "of these, refused by the kernel: the write was not sent") \
	X(lookups, "keys looked up in the cache") \
	X(unseen, "writes whose end was not seen: nothing of their keys is kept for a while")

struct frh_stats {
#define PB_X(field, help) uint64_t field;
	FRH_COUNTERS(PB_X)
#undef PB_X
};

struct frh;

struct frh_service {
	struct frh_service *next;
	struct frh *host;
	struct fio_service *fio;
	struct frw_service conf;
	struct pb_mc_ring *ring;
	int listen_fd; /* a copy, for who takes over; -1: it does not listen */
	int do_fd;     /* pb_mc_do; -1: no cache */
	struct frh_stats stats;
	struct {
		struct pb_mc_cmd cmd;
		uint8_t room[FRH_GET_ROOM];
	} get;
};

struct frh_conn {
	struct frh *host;
	uv_poll_t poll;
	int fd;
	bool closing;
};

struct frh {
	uv_loop_t loop;
	uv_poll_t poll; /* of the control socket */
	uv_timer_t timer;
	uv_signal_t term;
	int fd; /* -1: it has none */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct fio *io;
	struct frh_service *services;
	struct frh_conn *conn[FRH_CONNS];
	unsigned ending; /* services that are on their way out */
	uint64_t tag;
	uint64_t drain_until; /* another build took over; 0: none did */
	bool stopping;
};

/* ---- frames_host_control.c ---- */
int frh_control_start(struct frh *h, const char *run_dir, int control_fd);
void frh_control_stop(struct frh *h);
bool frh_controlled(const struct frh *h); /* somebody is there */

/* ---- frames_host_service.c ---- */
/* Fds of @m are taken as they are needed. */
int frh_put(struct frh *h, struct frw_msg *m, char err[PB_ERR_LEN]);
int frh_remove(struct frh *h, const char *name);
void frh_remove_all(struct frh *h);
struct frh_service *frh_find(struct frh *h, const char *name);
json_t *frh_stats(struct frh *h);
/* Copies of the listeners, with names; from now on this process takes no clients. */
json_t *frh_handover(struct frh *h, int *fds, unsigned *n);
uint64_t frh_clients(struct frh *h);

/* ---- frames_host_cache.c ---- */
extern const struct fio_host frh_hooks;

/* ---- frames_host.c ---- */
void frh_stop(struct frh *h);

#endif /* PB_FRAMES_HOST_INTERNAL_H */
