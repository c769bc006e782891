/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From the ends of connections to connections, and why each is spliced or not.  Pure. */
#ifndef PB_AGENT_FLOWS_H
#define PB_AGENT_FLOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include <patchbay/flow.h>

#include "registry/registry.h"

/* One connection.  One end is NULL when its socket is not a managed one of this node, or gone. */
struct pb_flow_pair {
	const struct pb_flow *end[_PB_SPL_SIDES]; /* into the records that were joined */
};

/* Sorts @recs, and finds the ends that belong together; free(*ret).  A socket that was seen twice
 * counts once.  The result is sorted by the server's address as programs see it, then the client's. */
int pb_flows_join(struct pb_flow *recs, size_t n, struct pb_flow_pair **ret, size_t *ret_n);

/* One direction, named by its sender. */
struct pb_flow_way {
	bool known;   /* the sender's socket was seen: bytes and msgs are valid */
	bool spliced; /* what it sends bypasses the stack */
	bool ready;   /* in the splice, and has sent nothing yet */
	uint32_t reason;
	const char *text; /* the reason in words */
	uint64_t bytes, msgs;
};
struct pb_flow_way pb_flow_way(const struct pb_flow_pair *p, enum pb_spl_side from);

/* "established", "client-closed" (it sends no more), "server-closed", "closing" (both). */
const char *pb_flow_state(const struct pb_flow_pair *p);

/* An end as programs see it; its real name where there is no other. */
void pb_flow_shown(const struct pb_flow_pair *p, enum pb_spl_side side, struct pb_addr *ret_addr,
		   __be16 *ret_port);
/* Scope of an end; 0: not known. */
uint64_t pb_flow_ref(const struct pb_flow_pair *p, enum pb_spl_side side);

/* As the protocol shows it; @reg gives names to refs. */
json_t *pb_flow_json(const struct pb_flow_pair *p, const struct pb_registry *reg);

#endif /* PB_AGENT_FLOWS_H */
