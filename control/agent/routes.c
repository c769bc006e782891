/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The unreachable routes of the pools. */
#include <patchbay/addr.h>

#include "agent.h"
#include "route.h"
#include "util.h"

/* Those of an earlier start with other pools, or that are not wanted any more. */
static void remove_routes(const struct pb_agent *a, const struct pb_config *old)
{
	const struct pb_config_agent *c = &a->conf->agent;

	if (old->pool4_bits &&
	    (!c->route || old->pool4_bits != c->pool4_bits || !pb_addr_eq(&old->pool4, &c->pool4)))
		pb_route_remove(&old->pool4, old->pool4_bits);
	if (old->pool6_bits &&
	    (!c->route || old->pool6_bits != c->pool6_bits || !pb_addr_eq(&old->pool6, &c->pool6)))
		pb_route_remove(&old->pool6, old->pool6_bits);
}

static void add_routes(struct pb_agent *a)
{
	const struct pb_config_agent *c = &a->conf->agent;
	int err4 = 0, err6 = 0;

	if (!c->route)
		return;
	if (c->pool4_bits)
		err4 = pb_route_add(&c->pool4, c->pool4_bits);
	if (c->pool6_bits)
		err6 = pb_route_add(&c->pool6, c->pool6_bits);
	/* a host without IPv6 has no way to reach the pool either */
	if (err6 == -EAFNOSUPPORT || err6 == -EOPNOTSUPP)
		err6 = 0;
	if (err4 || err6)
		log_err(err4 ? err4 : err6, "cannot add the unreachable route for the pool");
	pb_agent_warn(a, PB_W_ROUTE, err4 || err6);
}

void pb_routes(struct pb_agent *a, const struct pb_config *old)
{
	remove_routes(a, old);
	add_routes(a);
}
