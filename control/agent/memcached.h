/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The memcached services of this node: those of services.d, and those that were added while running. */
#ifndef PB_AGENT_MEMCACHED_H
#define PB_AGENT_MEMCACHED_H

#include "agent.h"

/* Takes up what an earlier agent left, and what is configured.  Never fails: what cannot be served says
 * why (`patchbay memcached show`). */
void pb_memcached_start(struct pb_agent *a);
void pb_memcached_stop(struct pb_agent *a);
void pb_memcached_free(struct pb_agent *a);
/* Puts their TCP halves into patchbay-frames: all, or those that it did not take yet. */
void pb_memcached_frames(struct pb_agent *a, bool all);
/* It ended: of writes that it had under way nobody will see the end. */
void pb_memcached_frames_lost(struct pb_agent *a);
/* Is there a service of that name (NULL: any) with a TCP half? */
bool pb_memcached_tcp(struct pb_agent *a, const char *name);
/* Devices, addresses and endpoints that came or went. */
void pb_memcached_heal(struct pb_agent *a);

/* Of a reload: is it possible beside the services that were added while running?  Then do it. */
int pb_memcached_may(struct pb_agent *a, const struct pb_config_file *next, char err[PB_ERR_LEN]);
void pb_memcached_reload(struct pb_agent *a, const struct pb_config_file *next, json_t *lines);

int pb_memcached_add(struct pb_agent *a, const json_t *o, char err[PB_ERR_LEN]);
/* After -EINPROGRESS of pb_memcached_add() or _set(), and of a reload (@name "") while programs are
 * loading: @answer, or an error, is given when they are. */
bool pb_memcached_loading(const struct pb_agent *a);
int pb_memcached_wait(struct pb_agent *a, const char *name, bool added, struct pb_conn *conn,
		      json_t *answer);
void pb_memcached_unwait(struct pb_agent *a, const struct pb_conn *conn);
/* @words: KEY=VALUE; *lines: what changed. */
int pb_memcached_set(struct pb_agent *a, const char *name, const char *const *words, unsigned n,
		     json_t *lines, char err[PB_ERR_LEN]);
int pb_memcached_remove(struct pb_agent *a, const char *name, char err[PB_ERR_LEN]);
int pb_memcached_drain(struct pb_agent *a, const char *name, const char *server, bool on,
		       char err[PB_ERR_LEN]);

/* name NULL: all. -ENOENT */
json_t *pb_view_memcached(struct pb_agent *a, const char *name);
json_t *pb_view_memcached_stats(struct pb_agent *a, const char *name);
json_t *pb_view_memcached_top(struct pb_agent *a, const char *name, unsigned limit, bool by_bytes);
struct pb_target;
/* Sentences about the services at that address. */
json_t *pb_view_memcached_at(struct pb_agent *a, const struct pb_target *t);
/* For `status`: {"services","up","servers","down","cached"}. */
json_t *pb_view_memcached_sum(struct pb_agent *a);

#endif /* PB_AGENT_MEMCACHED_H */
