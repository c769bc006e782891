/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What destroy.c keeps: the endpoints that are gone, and the sockets that a walk found. */
#ifndef PB_AGENT_DESTROY_LIST_H
#define PB_AGENT_DESTROY_LIST_H

#include <patchbay/stuck.h>

#include "destroy.h"

struct pb_loader;

/* An endpoint is looked for until a round that began so much later than the request. */
#define PB_GONE_LATE_NS 1000000000ULL

struct pb_gone_list {
	struct pb_gone_item {
		struct pb_gone gone;
		uint64_t until_ns;
	} * item;
	size_t n;
};

/* -ENOSPC: more than PB_GONE_MAX.  -EINVAL: not an endpoint.  All of it or nothing. */
int pb_gone_list_add(struct pb_gone_list *l, const struct pb_gone *list, size_t n, uint64_t now);
/* A round begins: the kernel gets the list. */
int pb_gone_list_begin(const struct pb_gone_list *l, struct pb_loader *loader);
/* The round of @began is over: those that were looked for long enough go. */
void pb_gone_list_end(struct pb_gone_list *l, struct pb_loader *loader, uint64_t began);
void pb_gone_list_free(struct pb_gone_list *l);

struct pb_stuck_list {
	struct pb_stuck *rec;
	size_t n, max;
};

/* Where @bytes more may be written; NULL: no memory. */
void *pb_stuck_list_room(struct pb_stuck_list *l, size_t bytes);
/* Those of the namespace @home first, then by namespace; a socket that was seen twice is in it once. */
void pb_stuck_list_sort(struct pb_stuck_list *l, uint64_t home);
void pb_stuck_list_free(struct pb_stuck_list *l);

#endif /* PB_AGENT_DESTROY_LIST_H */
