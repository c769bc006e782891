/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the maps*.c files share among themselves. */
#ifndef PB_MAPS_INTERNAL_H
#define PB_MAPS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include <patchbay/names.h>

#include "maps.h"

enum pb_map_index {
#define PB_X(name, max) PB_M_##name,
	PB_MAPS(PB_X)
#undef PB_X
		_PB_M_MAX,
};

struct pb_maps {
	bool own; /* fds are ours to close */
	int fd[_PB_M_MAX];
	/* Shared memory of the arrays of which the kernel and the agent each write a part: an
	 * update of the whole value would undo what the kernel wrote meanwhile.  NULL: read-only. */
	struct pb_endpoint *endpoints;
	struct pb_resolver *resolvers;
	/* The same, from the first writing on: a host that is alone needs no memory for others. */
	struct pb_endpoint *remotes;
	struct pb_eject *ejects;
};

#define PB_FD(m, name) ((m)->fd[PB_M_##name])

/* Update with the errors of the contract: -ENOSPC for a full map. */
int pb_map_put(int fd, const void *key, const void *value, uint64_t flags);
/* The shared memory of an array. */
int pb_map_array(int fd, size_t size, void *ret);
/* Absent is no error. */
int pb_map_del(int fd, const void *key);

/* Walks a hash map in batches, so that a concurrent change neither restarts nor ends the walk. */
int pb_map_walk(int fd, int (*fn)(const void *key, const void *value, void *arg), void *arg);

/*
 * Slots readable in @from are added to @to at the same position, for there
 * their endpoints look for them; returns how many found it occupied.  Pure.
 */
unsigned pb_service_merge(struct pb_service *to, const struct pb_service *from);
/* Does anybody hold a slot?  Pure. */
bool pb_service_empty(const struct pb_service *s);

#endif /* PB_MAPS_INTERNAL_H */
