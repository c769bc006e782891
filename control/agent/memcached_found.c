/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Servers that the service table has: a memcached started with `patchbay run` joins its ring by itself. */
#include <patchbay/addr.h>
#include <patchbay/siphash.h>

#include "memcached_internal.h"
#include "util.h"
#include "view.h"

struct finding {
	struct mc_run *r;
	const struct mcs_backend *b;
	struct mct_server *ret;
	unsigned n, max;
};

static int add(uint32_t index, const struct pb_endpoint *ep, void *arg)
{
	struct finding *f = arg;
	bool v4 = pb_addr_is_v4(&f->r->m->conf->vip);
	struct mct_server *s = &f->ret[f->n];

	(void)index;
	if (ep->state != PB_EP_UP || f->n == f->max)
		return 0;
	if (pb_addr_is_zero(v4 ? &ep->loc4 : &ep->loc6))
		return 0;
	*s = (struct mct_server){
		.used = true,
		.gutter = f->b->gutter,
		.weight = f->b->weight,
		.addr = v4 ? ep->loc4 : ep->loc6,
		.port = ep->real,
	};
	snprintf(s->of, sizeof(s->of), "%s", f->b->service);
	f->n++;
	return 0;
}

static int each(const struct pb_svc_key *k, const struct pb_service *svc, void *arg)
{
	struct finding *f = arg;
	struct pb_agent *a = f->r->all->agent;
	struct pb_target t = { .port = f->b->port };

	snprintf(t.name, sizeof(t.name), "%s", f->b->service);
	if (k->ns || k->proto != PB_PROTO_UDP || (t.port && t.port != k->port) ||
	    !pb_target_has(a, &t, &k->addr))
		return 0;
	return pb_view_endpoints_of(a, k, svc, add, f);
}

unsigned mc_found(struct mc_run *r, struct mct_server *ret, unsigned max)
{
	struct finding f = { .r = r, .ret = ret, .max = max };

	for (unsigned i = 0; i < r->m->conf->n_backends; i++) {
		f.b = &r->m->conf->backend[i];
		if (*f.b->service)
			pb_maps_each_service(r->all->agent->maps, each, &f);
	}
	return f.n;
}

bool mc_found_changed(struct mc_run *r)
{
	static const uint8_t key[PB_SIPHASH_KEY_LEN];
	_cleanup_free_ struct mct_server *found = NULL;
	bool any = false;
	unsigned n;

	for (unsigned i = 0; i < r->m->conf->n_backends; i++)
		any |= *r->m->conf->backend[i].service != '\0';
	found = any ? calloc(PB_MC_SERVERS_MAX, sizeof(*found)) : NULL;
	if (!found)
		return false;
	n = mc_found(r, found, PB_MC_SERVERS_MAX);
	return pb_siphash24(key, found, (uint32_t)(n * sizeof(*found))) != r->found;
}
