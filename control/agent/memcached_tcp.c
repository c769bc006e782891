/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The TCP half of a service: what patchbay-frames is told of it. */
#include "frames.h"
#include "loader/memcached.h"
#include "memcached_internal.h"
#include "util.h"

static void describe(const struct mc_run *r, bool cache, struct frw_service *ret)
{
	const struct mca *m = r->m;

	memset(ret, 0, sizeof(*ret));
	memcpy(ret->name, m->conf->name, sizeof(ret->name));
	snprintf(ret->plugin, sizeof(ret->plugin), "memcached");
	ret->vip = m->conf->vip;
	ret->port = m->conf->port;
	ret->number = m->index;
	ret->cache = cache;
	memcpy(ret->key, m->digest_key, sizeof(ret->key));
	for (unsigned i = 0; i < m->place.n_allow; i++)
		ret->allow[ret->n_allow++] =
			(struct frw_net){ m->place.allow[i].net, m->place.allow[i].bits };
	ret->n_servers = m->n_servers;
	/* One that is down may still hold values that a flush must not spare: it counts. */
	for (unsigned i = 0; i < m->n_servers; i++)
		if (m->server[i].used)
			ret->server[i] = (struct frw_server){ .addr = m->server[i].addr,
							      .port = m->server[i].port,
							      .up = true };
}

static void put(struct mc_run *r, bool cache, const struct pb_mc_ring *ring)
{
	_cleanup_free_ struct frw_service *s = calloc(1, sizeof(*s));
	bool said = *r->tcp.why != '\0';
	int err;

	if (!s)
		return;
	describe(r, cache, s);
	err = pb_frames_put(r->all->agent, s, ring, pb_mcl_prog_fd(r->all->mcl, "pb_mc_do"),
			    r->tcp.why);
	explicit_bzero(s->key, sizeof(s->key));
	r->tcp.put = !err;
	r->tcp.cache = !err && cache;
	if (err && !said)
		log_warn("memcached %s: its TCP half is not served: %s", r->m->conf->name,
			 r->tcp.why);
	else if (!err && said)
		log_info("memcached %s: its TCP half is served", r->m->conf->name);
}

void mc_tcp_before(struct mc_run *r)
{
	if (r->tcp.put && r->m->conf->tcp && mcs_cache_bytes(r->m->conf) && !r->tcp.cache)
		put(r, true, NULL);
}

void mc_tcp(struct mc_run *r)
{
	if (!r->m->conf->tcp) {
		if (r->tcp.put)
			pb_frames_remove(r->all->agent, r->m->conf->name);
		r->tcp.put = false;
		r->tcp.why[0] = '\0';
		return;
	}
	if (r->put && r->all->mcl)
		put(r, r->m->sets != 0, r->m->ring);
}

void pb_memcached_frames(struct pb_agent *a, bool all)
{
	for (unsigned i = 0; a->memcached && i < PB_MC_SERVICES; i++) {
		struct mc_run *r = a->memcached->run[i];

		if (r && r->m->conf->tcp && (all || *r->tcp.why))
			mc_tcp(r);
	}
}

void pb_memcached_frames_lost(struct pb_agent *a)
{
	for (unsigned i = 0; a->memcached && i < PB_MC_SERVICES; i++) {
		struct mc_run *r = a->memcached->run[i];

		if (!r || !r->tcp.put)
			continue;
		r->tcp.put = r->tcp.cache = false;
		snprintf(r->tcp.why, sizeof(r->tcp.why), "patchbay-frames ended");
		if (r->m->sets && a->memcached->mcl && mca_write_all(a->memcached->mcl, i))
			log_warn("memcached %s: the cache cannot be told", r->m->conf->name);
	}
}

bool pb_memcached_tcp(struct pb_agent *a, const char *name)
{
	for (unsigned i = 0; a->memcached && i < PB_MC_SERVICES; i++) {
		const struct mc_run *r = a->memcached->run[i];

		if (r && r->m->conf->tcp && (!name || !strcmp(r->m->conf->name, name)))
			return true;
	}
	return false;
}
