/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The service table as the readers see it. */
#ifndef PB_AGENT_VIEW_H
#define PB_AGENT_VIEW_H

#include <patchbay/peer.h>

#include "agent.h"

/* Calls back for each endpoint of a service that is up or drains; non-zero stops and comes back.
 * The kernel may withdraw one meanwhile: what was read then no longer fits and is left out. */
int pb_view_endpoints_of(struct pb_agent *a, const struct pb_svc_key *k, const struct pb_service *s,
			 int (*fn)(uint32_t index, const struct pb_endpoint *ep, void *arg),
			 void *arg);

/* "NAME", "ADDR", "[ADDR6]", each with an optional ":PORT". */
struct pb_target {
	char name[PB_NAME_LEN]; /* empty: an address */
	struct pb_addr addr;
	__be16 port; /* 0: none given */
};
int pb_target_parse(const char *text, struct pb_target *ret);

/* Does the address belong to the target?  For a name: one of its applications has it. */
bool pb_target_has(const struct pb_agent *a, const struct pb_target *t, const struct pb_addr *addr);

/* The same of a service of other nodes (view_remote.c): indices of pb_remotes, each once. */
int pb_view_remotes_of(struct pb_agent *a, const struct pb_svc_key *k, const struct pb_rservice *s,
		       int (*fn)(uint32_t index, const struct pb_endpoint *ep, void *arg),
		       void *arg);
/* "up", "drain", "suspect" (its node may be dead), "ejected" (a connect to it failed): the worst. */
const char *pb_view_remote_state(struct pb_agent *a, uint32_t index, const struct pb_endpoint *ep);
/* Name of the node an endpoint is on; "?": not known. */
const char *pb_view_node_of(struct pb_agent *a, uint32_t index, const struct pb_endpoint *ep);
/* Name of this one. */
void pb_view_self(struct pb_agent *a, char *buf, size_t len);

json_t *pb_view_services(struct pb_agent *a);
/* @t NULL: all. */
json_t *pb_view_service_endpoints(struct pb_agent *a, const struct pb_target *t);
json_t *pb_view_apps(struct pb_agent *a);
json_t *pb_view_status(struct pb_agent *a);
json_t *pb_view_nodes(struct pb_agent *a);   /* view_nodes.c */
json_t *pb_view_cluster(struct pb_agent *a); /* view_nodes.c */
json_t *pb_view_keys(struct pb_agent *a);    /* view_nodes.c */

/* Which connections: of any application (name NULL and ref 0), or of one, as either end; with dest
 * as client only, and only those that go there. */
struct pb_flow_ask {
	const char *name;
	uint64_t ref; /* not 0: name does not count */
	const struct pb_target *dest;
	bool spliced; /* only those of which a direction is spliced */
	size_t limit;
};
/* Sets "flows", "total" and "truncated".  -EOPNOTSUPP: this kernel did not take the iterator. */
int pb_view_flows(struct pb_agent *a, const struct pb_flow_ask *q, json_t *into);

json_t *pb_view_ips(const struct pb_app *app);
const char *pb_mode_name(unsigned mode); /* enum pb_mode */
int pb_mode_parse(const char *text);	 /* enum pb_mode or -EINVAL */

/* Hex text of a ref; returns buf. */
char *pb_ref_format(uint64_t ref, char buf[20]);

#endif /* PB_AGENT_VIEW_H */
