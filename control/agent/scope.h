/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Scopes: the cgroups that have an identity, from their making to their end. */
#ifndef PB_AGENT_SCOPE_H
#define PB_AGENT_SCOPE_H

#include "agent.h"

struct pb_scope {
	uint64_t ref;
	int64_t since;	 /* seconds since the epoch */
	int wd;		 /* inotify watch of cgroup.events, -1: none */
	bool configured; /* of a [scope] section: not ours to remove */
	char *name;	 /* folder below the managed cgroup; configured: absolute path */
};

int pb_scopes_start(struct pb_agent *a);
void pb_scopes_stop(struct pb_agent *a);

/* Remembers and watches a scope; @name is copied. */
int pb_scope_add(struct pb_agent *a, uint64_t ref, const char *name, bool configured,
		 int64_t since);
struct pb_scope *pb_scope_find(const struct pb_agent *a, uint64_t ref);
/* All of them: @i from 0; NULL ends. */
struct pb_scope *pb_scope_at(const struct pb_agent *a, size_t i);

/*
 * Ends a scope: the cgroup is removed first, which the kernel refuses while it
 * holds a process (-EBUSY), then its record goes.
 */
int pb_scope_release(struct pb_agent *a, uint64_t ref);
/* Forgets scope and record whatever the cgroup does. */
void pb_scope_forget(struct pb_agent *a, uint64_t ref);
/* Watches the folders above the [scope] cgroups; again after a reload. */
void pb_scopes_watch_parents(struct pb_agent *a);
/* Releases every scope that is empty or gone, and applies the [scope] sections. */
void pb_scopes_reconcile(struct pb_agent *a);

/* ---- scope_conf.c ---- */
/* Gives identities to the [scope] cgroups that exist; takes them from those that do not. */
void pb_scope_conf_apply(struct pb_agent *a);
/* After a reload or restart: drops those no longer configured, claims the others anew. */
void pb_scope_conf_refresh(struct pb_agent *a);
/* Calls back for each folder whose changes may make or end a [scope]. */
void pb_scope_conf_parents(struct pb_agent *a, void (*fn)(struct pb_agent *a, const char *dir));

#endif /* PB_AGENT_SCOPE_H */
