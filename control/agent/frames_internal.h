/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Shared by frames*.c only. */
#ifndef PB_AGENT_FRAMES_INTERNAL_H
#define PB_AGENT_FRAMES_INTERNAL_H

#include <patchbay/mc_switch.h>

#include "frames.h"

#define FR_BUILD_LEN 64

/* One process.  Freed when its handle is closed. */
struct fr_peer {
	struct pb_frames *all;
	uv_poll_t poll;
	int fd;
	int pidfd;
	pid_t pid;
	bool child; /* ours: it is to be waited for */
	bool gone;
	json_int_t seq;
	uint64_t asked_ns; /* a ping that was not answered yet; 0: none */
	uint64_t since_ns;
	char build[FR_BUILD_LEN];
};

struct pb_frames {
	struct pb_agent *agent;
	struct fr_peer *cur; /* NULL: there is none */
	struct fr_peer *old; /* another build, which serves the connections that it has */
	uv_timer_t timer;
	bool timing;
	bool wanted;	  /* some service has a TCP half */
	uint64_t next_ns; /* no start before */
	unsigned backoff_ms;
	unsigned starts;
	pid_t zombie[8];
	char path[PATH_MAX];
	char why[PB_ERR_LEN]; /* the last one ended; empty: it runs, or none is wanted */
	unsigned n_listen;    /* of an old one, until the new one has them */
	struct {
		char name[PB_NAME_LEN];
		int fd;
	} listen[PB_MC_SERVICES];
};

/* ---- frames_link.c ---- */
/* Asks and waits; *ret is the answer.  On error the process is taken for lost. */
int fr_ask(struct fr_peer *p, json_t *o, const int *fds, unsigned n_fds, struct frw_msg *ret);
/* Not waiting: what comes is taken up by the loop. */
void fr_ping(struct fr_peer *p);
/* Ends what this knows of it; @kill: the process, too. */
void fr_lose(struct fr_peer *p, bool kill, const char *why);
int fr_connect(struct pb_frames *f, struct fr_peer **ret);
int fr_spawn(struct pb_frames *f, struct fr_peer **ret);
int fr_hello(struct fr_peer *p, json_t **ret_services);
void fr_reap(struct pb_frames *f);
/* Names the file that would be started. */
void fr_build(const char *path, char ret[FR_BUILD_LEN]);

/* ---- frames.c ---- */
void fr_lost(struct pb_frames *f, struct fr_peer *p, const char *why);

#endif /* PB_AGENT_FRAMES_INTERNAL_H */
