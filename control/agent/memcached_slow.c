/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The slow path of a service: its sockets are the agent's, its tokens the kernel's. */
#include <patchbay/addr.h>

#include "loader/memcached.h"
#include "memcached_internal.h"
#include "util.h"

static int token(void *arg, const struct pb_mc_cmd *cmd)
{
	struct mc_run *r = arg;

	return pb_mcl_do(r->all->mcl, cmd);
}

static int open_or_tell(struct mc_run *r, const struct pb_mcp_conf *conf)
{
	bool moved = !pb_addr_eq(&r->slow_source, &conf->svc->source);
	int err = r->proxy && !moved ? pb_mcp_update(r->proxy, conf) : -EINVAL;

	if (err != -EINVAL)
		return err;
	mc_slow_stop(r); /* it was at another address */
	r->slow_source = conf->svc->source;
	return pb_mcp_start(&r->proxy, &r->all->agent->loop, conf);
}

void mc_slow(struct mc_run *r)
{
	const struct mca_place *p = &r->m->place;
	struct pxy_allow allow[MCS_ALLOW_MAX];
	struct pb_mc_service svc;
	struct pb_mcp_conf conf = {
		.service = r->m->index,
		.svc = &svc,
		.allow = allow,
		.n_allow = p->n_allow,
		.ring = r->m->ring,
		.backends = r->backend,
		.n = r->m->n_servers,
		.token = token,
		.arg = r,
	};
	int err;

	mca_record(r->m, &svc);
	for (unsigned i = 0; i < p->n_allow; i++)
		allow[i] = (struct pxy_allow){ p->allow[i].net, p->allow[i].bits };
	for (unsigned i = 0; i < PB_MC_SERVERS_MAX; i++)
		mca_backend(r->m, i, &r->backend[i]);
	err = open_or_tell(r, &conf);
	r->m->proxy = !err;
	if (err && !r->slow_said)
		log_err(err, "memcached %s: the slow path is not open", r->m->conf->name);
	r->slow_said = err != 0;
	mc_self_sources(r);
}

void mc_slow_stop(struct mc_run *r)
{
	pb_mcp_stop(r->proxy);
	r->proxy = NULL;
	r->m->proxy = false;
}
