/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel would decide: the same evaluator (patchbay/policy.h), run over
 * the agent's own records.
 */
#ifndef PB_AGENT_CHECK_H
#define PB_AGENT_CHECK_H

#include "agent.h"
#include "view.h"

struct pb_verdict {
	uint32_t reason;		 /* enum pb_reason */
	uint32_t endpoint;		 /* 0 none; with PB_EP_REMOTE: of another node */
	const char *node;		 /* whose endpoint or record decided; NULL: this node's */
	const char *state;		 /* of an endpoint of another node; NULL: none is */
	const char *rule;		 /* text of the rule that decided, or NULL */
	const struct pb_app_rec *server; /* whose endpoint or record decided, or NULL */
};

/* The record of a name or of a ref in hex; NULL. */
const struct pb_app_rec *pb_check_source(const struct pb_agent *a, const char *text);
int pb_check(struct pb_agent *a, const struct pb_app_rec *src, const struct pb_target *dest,
	     uint8_t proto, struct pb_verdict *ret);
/* May @c reach @s?  A reason. */
uint32_t pb_check_pair(const struct pb_agent *a, const struct pb_app_rec *c,
		       const struct pb_app_rec *s, __be16 port, uint8_t proto);
/* May @c send to @addr:@port as to the outside, loopback or not?  A reason. */
uint32_t pb_check_egress(const struct pb_agent *a, const struct pb_app_rec *c,
			 const struct pb_addr *addr, __be16 port);
/* -ENOENT: err says which name is not known. */
int pb_check_json(struct pb_agent *a, const char *src, const char *dest, uint8_t proto,
		  json_t *into, char err[PB_ERR_LEN]);

/* Does it lie in a pool, as the kernel programs have them? */
bool pb_agent_in_pool(const struct pb_agent *a, const struct pb_addr *addr);

#endif /* PB_AGENT_CHECK_H */
