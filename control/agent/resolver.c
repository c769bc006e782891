/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The DNS proxy's view of the agent: names, addresses, original resolvers. */
#include <patchbay/addr.h>

#include "agent.h"
#include "check.h"
#include "util.h"
#include "view.h"

#define REFRESH_MIN_NS 1000000000ULL
#define REFRESH_SHARE 50 /* the walk may take one part in that many of the time */

/* One port that a name serves. */
struct named_port {
	uint64_t id;
	struct pb_names_svc svc;
};

static struct {
	struct named_port *list;
	size_t n, room;
	uint64_t next_ns; /* earliest time of the next walk */
} ports;

static int add_port(uint32_t index, const struct pb_endpoint *ep, void *arg)
{
	struct pb_agent *a = arg;
	const struct pb_app_rec *r = pb_registry_by_ref(a->registry, ep->app);
	struct named_port p;

	(void)index;
	if (!r || ep->state != PB_EP_UP)
		return 0;
	p = (struct named_port){ .id = r->app.id, .svc = { ep->port, ep->proto } };
	/* instances of one name follow each other */
	if (ports.n && ports.list[ports.n - 1].id == p.id &&
	    ports.list[ports.n - 1].svc.port == p.svc.port &&
	    ports.list[ports.n - 1].svc.proto == p.svc.proto)
		return 0;
	if (ports.n == ports.room) {
		size_t room = ports.room ? ports.room * 2 : 256;
		struct named_port *l = realloc(ports.list, room * sizeof(*l));

		if (!l)
			return -ENOMEM;
		ports.list = l;
		ports.room = room;
	}
	ports.list[ports.n++] = p;
	return 0;
}

static int add_service(const struct pb_svc_key *k, const struct pb_service *s, void *arg)
{
	return k->ns ? 0 : pb_view_endpoints_of(arg, k, s, add_port, arg);
}

static int add_rservice(const struct pb_svc_key *k, const struct pb_rservice *s, void *arg)
{
	return k->ns ? 0 : pb_view_remotes_of(arg, k, s, add_port, arg);
}

/* SRV answers may lag by a second: their TTL says so. */
static void refresh(struct pb_agent *a)
{
	uint64_t start = pb_now_ns(), took;

	if (start < ports.next_ns)
		return;
	ports.n = 0;
	if (pb_maps_each_service(a->maps, add_service, a) ||
	    pb_maps_each_rservice(a->maps, add_rservice, a))
		log_debug("the service table could not be read for DNS");
	took = pb_now_ns() - start;
	ports.next_ns = start + (took * REFRESH_SHARE > REFRESH_MIN_NS ? took * REFRESH_SHARE
								       : REFRESH_MIN_NS);
}

/* A service may be on several nodes, and here as well. */
static bool has_svc(const struct pb_names_rec *rec, const struct pb_names_svc *s)
{
	for (unsigned i = 0; i < rec->n_svc; i++)
		if (rec->svc[i].port == s->port && rec->svc[i].proto == s->proto)
			return true;
	return false;
}

static int lookup_name(void *arg, const char *name, struct pb_names_rec *ret)
{
	struct pb_agent *a = arg;
	const struct pb_app_rec *r = pb_registry_by_name(a->registry, name);
	struct pb_names_rec rec = { .n_svc = 0 };

	if (!r || !(r->app.flags & PB_APP_NAMED))
		return -ENOENT;
	rec.vip4 = r->app.vip4;
	rec.vip6 = r->app.vip6;
	refresh(a);
	for (size_t i = 0; i < ports.n && rec.n_svc < PB_NAMES_SERVICES; i++)
		if (ports.list[i].id == r->app.id && !has_svc(&rec, &ports.list[i].svc))
			rec.svc[rec.n_svc++] = ports.list[i].svc;
	*ret = rec;
	return 0;
}

static int lookup_addr(void *arg, const struct pb_addr *addr, char ret[PB_NAME_LEN])
{
	struct pb_agent *a = arg;
	const struct pb_app_rec *r = pb_registry_by_addr(a->registry, addr);

	if (!r)
		return -ENOENT;
	memcpy(ret, r->app.name, PB_NAME_LEN);
	return 0;
}

static int resolver(void *arg, unsigned index, struct pb_addr *ret_addr, __be16 *ret_port)
{
	struct pb_agent *a = arg;
	struct pb_resolver r;
	int err = pb_maps_get_resolver(a->maps, index, &r);

	if (err)
		return err;
	if (!r.used)
		return -ENOENT;
	*ret_addr = r.addr;
	*ret_port = r.port;
	return 0;
}

static int pool_contains(void *arg, const struct pb_addr *addr)
{
	const struct pb_config *k = &((struct pb_agent *)arg)->kernel;

	return (k->pool4_bits && pb_addr_in(addr, &k->pool4, k->pool4_bits)) ||
	       (k->pool6_bits && pb_addr_in(addr, &k->pool6, k->pool6_bits));
}

/* Who asks, as the guard admitted it; NULL: nobody we know. */
static const struct pb_app_rec *asker(struct pb_agent *a, const struct pb_addr *client, __be16 port,
				      int tcp, unsigned index)
{
	struct pb_udp_key udp = { .addr = *client, .port = port };
	struct pb_flow_key flow = { .laddr = pb_addr_loopback(pb_addr_is_v4(client)),
				    .raddr = *client,
				    .lport = pb_names_port(a->names, index),
				    .rport = port };
	struct pb_udp_src src;
	struct pb_admit admit;
	int err = tcp ? pb_maps_get_admit(a->maps, &flow, &admit)
		      : pb_maps_get_udp_src(a->maps, &udp, &src);

	return err ? NULL : pb_registry_by_ref(a->registry, tcp ? admit.app : src.app);
}

/* A query is traffic to the outside that carries what the program writes into a name: it needs the
 * egress of a connection to that resolver, also where the resolver is on loopback. */
static enum pb_names_may may_forward(void *arg, const struct pb_addr *client, __be16 port, int tcp,
				     unsigned index)
{
	struct pb_agent *a = arg;
	const struct pb_app_rec *app = asker(a, client, port, tcp, index);
	struct pb_addr at;
	__be16 at_port;
	uint32_t reason;

	if (!app)
		return PB_NAMES_MAY_NOT;
	if (resolver(a, index, &at, &at_port))
		return PB_NAMES_MAY; /* nothing is known to forward to: SERVFAIL says so */
	reason = pb_check_egress(a, app, &at, at_port);
	if (reason == PB_R_ALLOW_OUTSIDE)
		return PB_NAMES_MAY;
	return pb_reason_refuses(reason) ? PB_NAMES_MAY_NOT : PB_NAMES_MAY_AUDIT;
}

static const struct pb_names_ops names_ops = { .lookup_name = lookup_name,
					       .lookup_addr = lookup_addr,
					       .resolver = resolver,
					       .pool_contains = pool_contains,
					       .may_forward = may_forward };

int pb_resolver_start(struct pb_agent *a)
{
	struct pb_names_conf conf = { .domain = a->conf->agent.domain[0] ? a->conf->agent.domain
									 : NULL,
				      .ops = &names_ops,
				      .arg = a };
	int err = pb_names_new(&a->names, &a->loop, &conf);

	if (!err)
		err = pb_resolver_publish(a);
	if (!err)
		pb_resolver_look(a);
	return err;
}
