/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the agent reads from cgroup folders. */
#ifndef PB_AGENT_CGROUP_H
#define PB_AGENT_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "registry/registry.h"

/* Where cgroup2 is mounted, from /proc/self/mounts; -ENOENT. */
int pb_cgroup_mount(char *ret, size_t len);
/* Id of the cgroup at @name below @dir (AT_FDCWD allowed): its inode number on cgroup2. -ENOENT;
 * -EMEDIUMTYPE: not a cgroup2 folder. */
int pb_cgroup_id(int dir, const char *name, uint64_t *ret);
/* Does the cgroup or one below it hold a process?  Negative errno when it is gone. */
int pb_cgroup_populated(int dir, const char *name);
/* Processes in the cgroup itself (not below), counted up to @max. */
unsigned pb_cgroup_pids(int dir, const char *name, unsigned max);

/*
 * What a restart cannot read back from the maps (who started the scope and
 * when, its egress list, its own word about splices) is kept at the scope itself, as an extended
 * attribute: it lives and dies with the cgroup.  Absent or foreign: -ENODATA.
 */
int pb_cgroup_save(int dir, const char *name, const struct pb_app_rec *rec, int64_t since);
int pb_cgroup_restore(int dir, const char *name, struct pb_app_rec *rec, int64_t *ret_since);

#endif /* PB_AGENT_CGROUP_H */
