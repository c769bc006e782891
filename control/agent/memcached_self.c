/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A service as an application of its own, a client without a name: who guards its servers lets its
 * datagrams in where policy says so, on this node and on others (docs/decisions/0023).
 *
 * It sends from sockets of the agent, and from the ports that the agent holds for the programs at the
 * devices.  Record and sources outlive the agent as those programs do.  The sockets themselves are
 * marked: whoever takes such a port when the agent is away is told apart from it.
 */
#include <sys/socket.h>

#include <patchbay/addr.h>
#include <patchbay/siphash.h>

#include "cluster.h"
#include "memcached_internal.h"
#include "sockaddr.h"
#include "util.h"

/* By the name of the service: the number may change. */
static uint64_t ref_of(const struct mcs_service *c)
{
	static const uint8_t key[PB_SIPHASH_KEY_LEN] = "memcached self";

	return pb_siphash24(key, c->name, (uint32_t)strlen(c->name)) >> 2 | PB_REF_SWITCH;
}

static bool wanted(const struct mcs_service *c)
{
	bool any = c->n_tags != 0;

	for (unsigned i = 0; i < c->n_backends; i++)
		any |= *c->backend[i].service != '\0';
	return any;
}

static bool same_tags(const struct pb_app_rec *rec, const struct mcs_service *c)
{
	if (rec->tags.n != c->n_tags)
		return false;
	for (unsigned i = 0; i < c->n_tags; i++)
		if (strcmp(rec->tags.tag[i], c->tag[i]) != 0)
			return false;
	return true;
}

const struct pb_app_rec *mc_self_rec(const struct mc_run *r)
{
	return r->self.ref ? pb_registry_by_ref(r->all->agent->registry, r->self.ref) : NULL;
}

static int claim(struct mc_run *r, uint64_t ref)
{
	const struct mcs_service *c = r->m->conf;
	struct pb_agent *a = r->all->agent;
	struct pb_claim_req req = { .ref = ref, .mode = PB_MODE_ENFORCE, .n_tags = c->n_tags };
	const struct pb_app_rec *rec;
	char label[PB_NAME_LEN], err[PB_ERR_LEN] = "";
	int e;

	snprintf(label, sizeof(label), "memcached-%.*s", PB_NAME_LEN - 12, c->name);
	req.label = label;
	for (unsigned i = 0; i < c->n_tags; i++)
		req.tags[i] = c->tag[i];
	e = pb_registry_claim(a->registry, &req, &rec, err);
	if (e)
		snprintf(r->why, sizeof(r->why), "it gets no identity: %.200s", err);
	if (!e) {
		e = pb_publish(a, rec);
		if (e)
			pb_withdraw(a, ref);
		else
			pb_cluster_changed(a, true);
	}
	return e;
}

int mc_self(struct mc_run *r)
{
	struct pb_agent *a = r->all->agent;
	uint64_t ref = ref_of(r->m->conf);
	const struct pb_app_rec *rec = pb_registry_by_ref(a->registry, ref);
	int err;

	if (!wanted(r->m->conf)) {
		mc_self_end(r);
		return 0;
	}
	r->self.ref = ref;
	if (rec && same_tags(rec, r->m->conf))
		return 0;
	if (rec)
		pb_withdraw(a, ref);
	err = claim(r, ref);
	if (err)
		r->self.ref = 0;
	return err;
}

/* ---- where it sends from ------------------------------------------------- */

static bool has(const struct mc_source *list, unsigned n, const struct pb_udp_key *real)
{
	for (unsigned i = 0; i < n; i++)
		if (!memcmp(&list[i].real, real, sizeof(*real)))
			return true;
	return false;
}

static void forget(struct mc_run *r, const struct mc_source *next, unsigned n)
{
	for (unsigned i = 0; i < r->self.n; i++)
		if (!has(next, n, &r->self.source[i].real))
			pb_maps_del_source(r->all->agent->maps, &r->self.source[i].real,
					   &r->self.source[i].shown);
}

/* As pb_shown() of the kernel programs, of an application without a name. */
static int source_of(struct mc_run *r, const struct pb_app_rec *rec, int fd, struct mc_source *ret)
{
	struct pb_agent *a = r->all->agent;
	struct sockaddr_storage s;
	socklen_t len = sizeof(s);

	memset(ret, 0, sizeof(*ret));
	if (getsockname(fd, (struct sockaddr *)&s, &len))
		return -errno;
	ret->real.addr = r->m->place.source;
	ret->real.port = s.ss_family == AF_INET ? ((struct sockaddr_in *)&s)->sin_port
						: ((struct sockaddr_in6 *)&s)->sin6_port;
	ret->shown.addr = s.ss_family == AF_INET ? rec->app.ll4 : rec->app.ll6;
	ret->shown.port = ret->real.port;
	return pb_maps_own_socket(a->maps, fd, rec->ref, a->kernel.netns);
}

static int add(struct mc_run *r, const struct pb_app_rec *rec, int fd, struct mc_source *list,
	       unsigned *n)
{
	int err = source_of(r, rec, fd, &list[*n]);

	if (!err && !has(r->self.source, r->self.n, &list[*n].real))
		err = pb_maps_put_source(r->all->agent->maps, &list[*n].real, &list[*n].shown,
					 rec->ref);
	*n += !err;
	return err;
}

static bool keep(const struct pb_udp_key *real, uint64_t ref, void *arg)
{
	const struct pb_memcached *all = arg;

	for (unsigned i = 0; i < PB_MC_SERVICES; i++) {
		const struct mc_run *r = all->run[i];

		/* what an earlier agent left counts until this one's sockets are open */
		if (r && r->self.ref == ref)
			return !r->self.n || has(r->self.source, r->self.n, real);
	}
	return false;
}

void mc_self_sources(struct mc_run *r)
{
	const struct pb_app_rec *rec = mc_self_rec(r);
	struct mc_source list[MC_SOURCES];
	bool first = !r->self.n;
	unsigned n = 0;
	int err = 0;

	if (!rec)
		return;
	for (unsigned i = 0; i < PB_MC_PORTS && !err; i++)
		if (r->port[i] >= 0)
			err = add(r, rec, r->port[i], list, &n);
	if (!err && r->proxy)
		err = add(r, rec, pb_mcp_back(r->proxy), list, &n);
	if (!err && r->health)
		err = add(r, rec, mch_fd(r->health), list, &n);
	if (err)
		log_err(err, "memcached %s: its datagrams cannot be told from others",
			r->m->conf->name);
	forget(r, list, n);
	memcpy(r->self.source, list, n * sizeof(*list));
	r->self.n = n;
	if (first && n)
		pb_maps_sweep_sources(r->all->agent->maps, keep, r->all);
}

void mc_self_end(struct mc_run *r)
{
	if (!r->self.ref)
		return;
	forget(r, NULL, 0);
	pb_withdraw(r->all->agent, r->self.ref);
	r->self.ref = 0;
	r->self.n = 0;
}

/* ---- a restart ----------------------------------------------------------- */

void mc_self_sweep(struct pb_memcached *all)
{
	struct pb_agent *a = all->agent;
	const struct pb_app_rec *rec;
	size_t pos = 0;

	while ((rec = pb_registry_next(a->registry, &pos))) {
		bool used = rec->ref >> 63 || !(rec->ref & PB_REF_SWITCH);

		for (unsigned i = 0; i < PB_MC_SERVICES; i++)
			used |= all->run[i] && all->run[i]->self.ref == rec->ref;
		if (!used)
			pb_withdraw(a, rec->ref);
	}
	pb_maps_sweep_sources(a->maps, keep, all);
}
