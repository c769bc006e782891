/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the iterator tells of real sockets: names, states, and the splice. */
#include <patchbay/flow.h>

#include "control/agent/caps.h"
#include "hostile.h"
#include "loader/internal.h"
#include "splice.h"

TestSuite(flows, .init = splice_init, .fini = world_fini, .timeout = 60);

#define MANY 350 /* connections: three times what the kernel hands out in one read */

static struct pb_flow *flows;
static size_t n_flows;

static void read_flows(void)
{
	int err;

	free(flows);
	flows = NULL;
	err = pb_loader_flows(loader, &flows, &n_flows);
	cr_assert_eq(err, 0, "pb_loader_flows: %s", strerror(-err));
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie;
	socklen_t len = sizeof(cookie);

	cr_assert(!getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len));
	return cookie;
}

static const struct pb_flow *find(int fd)
{
	uint64_t cookie = cookie_of(fd);

	for (size_t i = 0; i < n_flows; i++)
		if (flows[i].cookie == cookie)
			return &flows[i];
	return NULL;
}

static const struct pb_flow *must_find(int fd)
{
	const struct pb_flow *f = find(fd);

	cr_assert_not_null(f, "no record among %zu", n_flows);
	return f;
}

#define expect_addr(a, text) \
	({ \
		struct pb_addr _want = addr_of(text); \
		cr_expect(pb_addr_eq(&(a), &_want), #a " is not %s", text); \
	})

/* Both records of a connection, against what the sockets themselves say. */
static void expect_pair(const struct pair *p, const char *s_ip, const char *c_ip, const char *real)
{
	const struct pb_flow *c = must_find(p->client), *s = must_find(p->server);

	cr_expect_eq(c->role, PB_SPL_CLIENT);
	cr_expect_eq(s->role, PB_SPL_SERVER);
	cr_expect_eq(c->app, app_c.ref);
	cr_expect_eq(s->app, app_s.ref);
	cr_expect_eq(c->peer, app_s.ref);
	cr_expect_eq(s->peer, 0);
	cr_expect_eq(c->netns, s->netns);
	cr_expect_eq(c->state, PB_FLOW_ESTABLISHED);
	cr_expect_eq(s->state, PB_FLOW_ESTABLISHED);
	cr_expect_eq(c->flags & s->flags & (PB_FLOW_VLOCAL | PB_FLOW_VPEER),
		     PB_FLOW_VLOCAL | PB_FLOW_VPEER);
	expect_addr(c->vpeer, s_ip);
	expect_addr(s->vlocal, s_ip);
	expect_addr(c->vlocal, c_ip);
	expect_addr(s->vpeer, c_ip);
	cr_expect_eq(ntohs(c->vpport), SPLICE_PORT);
	cr_expect_eq(ntohs(s->vlport), SPLICE_PORT);
	cr_expect_eq(ntohs(c->vlport), port_of(p->client));
	cr_expect_eq(s->vpport, c->vlport);
	expect_addr(c->local, real);
	expect_addr(c->remote, real);
	cr_expect(pb_addr_eq(&c->local, &s->remote) && pb_addr_eq(&c->remote, &s->local));
	cr_expect(c->lport == s->rport && c->rport == s->lport && c->lport != c->rport);
}

Test(flows, ipv4)
{
	struct pair p = pair_new();

	read_flows();
	cr_expect_eq(n_flows, 2);
	expect_pair(&p, "10.9.0.1", "10.9.0.2", "127.0.0.1");
	cr_expect_eq(must_find(p.client)->family, AF_INET);
}

Test(flows, ipv6_and_mapped)
{
	int l = serve(&app_s, AF_INET6, SOCK_STREAM, "::", SPLICE_PORT);
	struct pair p6, pm;

	cr_assert(l >= 0);
	p6 = pair_via(l, AF_INET6, "fd09::1");
	pm = pair_via(l, AF_INET6, "10.9.0.1");
	read_flows();
	cr_expect_eq(n_flows, 4);
	expect_pair(&p6, "fd09::1", "fd09::2", "::1");
	expect_pair(&pm, "10.9.0.1", "10.9.0.2", "127.0.0.1");
	cr_expect_eq(must_find(pm.client)->family, AF_INET6);
	cr_expect_eq(must_find(pm.server)->family, AF_INET6);
}

/* An IPv4 client at a dual-stack listener: the two ends are of different families. */
Test(flows, families_meet)
{
	int l = serve(&app_s, AF_INET6, SOCK_STREAM, "::", SPLICE_PORT);
	struct pair p = pair_via(l, AF_INET, "10.9.0.1");

	read_flows();
	expect_pair(&p, "10.9.0.1", "10.9.0.2", "127.0.0.1");
	cr_expect_eq(must_find(p.client)->family, AF_INET);
	cr_expect_eq(must_find(p.server)->family, AF_INET6);
}

Test(flows, only_connections_of_managed_programs)
{
	int l = serve(NULL, AF_INET, SOCK_STREAM, "127.0.0.1", 9000), c, a;
	struct any_addr to = sa_of(AF_INET, "10.9.0.1", 53);
	int u;

	cr_assert(serve(&app_s, AF_INET, SOCK_STREAM, "10.9.0.1", SPLICE_PORT) >= 0);
	cr_assert(serve(&app_s, AF_INET, SOCK_DGRAM, "10.9.0.1", 53) >= 0);
	u = sock_in(&app_c, AF_INET, SOCK_DGRAM);
	cr_assert(!connect(u, &to.sa, to.len));
	c = dial(NULL, AF_INET, SOCK_STREAM, "127.0.0.1", 9000);
	cr_assert(c >= 0);
	a = taken(l);
	read_flows();
	cr_expect_eq(n_flows, 0, "%zu records: listeners, datagram or unmanaged sockets", n_flows);
	close(a);
	close(c);
}

/* A managed client of an unmanaged server: real names, one record. */
Test(flows, a_peer_that_is_not_managed)
{
	int l = serve(NULL, AF_INET, SOCK_STREAM, "127.0.0.1", 9000), c;
	const struct pb_flow *f;

	c = dial(&app_c, AF_INET, SOCK_STREAM, "127.0.0.1", 9000);
	cr_assert(c >= 0, "%s", strerror(-c));
	taken(l);
	read_flows();
	cr_expect_eq(n_flows, 1);
	f = must_find(c);
	cr_expect_eq(f->app, app_c.ref);
	cr_expect_eq(f->peer, 0);
	cr_expect_eq(f->flags & (PB_FLOW_VLOCAL | PB_FLOW_VPEER | PB_FLOW_TAKEN), 0);
	cr_expect_eq(ntohs(f->rport), 9000);
}

/* In audit mode everybody gets in: the client is an address. */
Test(flows, a_client_that_is_not_managed)
{
	const struct pb_flow *f;
	int l, c, a;

	app_s.app.mode = PB_MODE_AUDIT;
	put_app(&app_s);
	l = serve(&app_s, AF_INET, SOCK_STREAM, "10.9.0.1", SPLICE_PORT);
	cr_assert(l >= 0);
	c = dial(NULL, AF_INET, SOCK_STREAM, "127.0.0.1", real_of(&app_s.app.vip4, SPLICE_PORT, 6));
	cr_assert(c >= 0, "%s", strerror(-c));
	a = taken(l);
	read_flows();
	cr_expect_eq(n_flows, 1);
	f = must_find(a);
	cr_expect_eq(f->role, PB_SPL_SERVER);
	cr_expect_eq(f->app, app_s.ref);
	cr_expect_eq(f->flags & (PB_FLOW_VLOCAL | PB_FLOW_VPEER), 0);
	cr_expect_eq(ntohs(f->rport), port_of(c));
}

static uint32_t index_of(const struct pb_addr *vip)
{
	struct pb_svc_key k = { .addr = *vip, .port = htons(SPLICE_PORT), .proto = 6 };
	struct pb_service svc;

	cr_assert(!pb_maps_get_service(maps, &k, &svc) && svc.live[0]);
	return svc.slot[__builtin_ctzll(svc.live[0])];
}

/* An admission of another connection: the kernel accepts, but nothing passes that socket. */
Test(flows, a_child_that_was_refused)
{
	struct any_addr from = sa_of(AF_INET, "127.0.0.1", 0), to;
	struct pb_flow_key k = { .laddr = addr_of("127.0.0.1"), .raddr = addr_of("127.0.0.1") };
	struct pb_admit forged = { .cookie = 1, .app = app_c.ref, .time_ns = pb_now_ns() };
	int c = sock_in(NULL, AF_INET, SOCK_STREAM), l, a;
	struct pb_sock s;

	l = serve(&app_s, AF_INET, SOCK_STREAM, "10.9.0.1", SPLICE_PORT);
	cr_assert(l >= 0);
	to = sa_of(AF_INET, "127.0.0.1", real_of(&app_s.app.vip4, SPLICE_PORT, 6));
	cr_assert(!bind(c, &from.sa, from.len));
	k.lport = to.in.sin_port;
	k.rport = htons(port_of(c));
	forged.ep = index_of(&app_s.app.vip4);
	forged.gen = endpoint_of(&app_s.app.vip4, SPLICE_PORT, 6).gen;
	cr_assert(!bpf_map_update_elem(map_fd("pb_admit"), &k, &forged, BPF_ANY));
	cr_assert(!connect(c, &to.sa, to.len), "%m");
	a = taken(l);
	cr_assert(!bpf_map_lookup_elem(map_fd("pb_socks"), &a, &s));
	cr_assert(s.flags & PB_SK_REFUSED, "it was not refused: nothing is tested");
	read_flows();
	cr_expect_eq(n_flows, 0);
}

static bool in_states(const struct pair *p, unsigned client, unsigned server)
{
	read_flows();
	return must_find(p->client)->state == client && must_find(p->server)->state == server;
}

Test(flows, half_closed)
{
	struct pair p = pair_new();

	cr_assert(!shutdown(p.client, SHUT_WR));
	cr_expect(eventually(in_states(&p, PB_FLOW_FIN_WAIT2, PB_FLOW_CLOSE_WAIT)));
	close(p.server);
	read_flows();
	cr_expect_null(find(p.client), "it is closed on both sides");
	cr_expect_eq(n_flows, 0);
}

Test(flows, splice_as_it_is)
{
	struct pair p = pair_new();
	const struct pb_flow *f;

	read_flows();
	f = must_find(p.client);
	cr_expect_eq(f->flags & (PB_FLOW_ON | PB_FLOW_WANTS | PB_FLOW_TAKEN),
		     PB_FLOW_ON | PB_FLOW_WANTS | PB_FLOW_TAKEN);
	cr_expect_eq(f->spl, PB_SPL_OPEN);
	cr_expect_eq(f->pair & PB_SPL_BOTH, PB_SPL_BOTH);
	cr_expect_eq(f->msgs, 0);
	exchange(&p);
	read_flows();
	f = must_find(p.client);
	cr_expect_eq(f->reason, PB_R_SPLICED);
	cr_expect_eq(f->bytes, strlen("question"));
	cr_expect_eq(f->msgs, 1);
	cr_expect_eq(must_find(p.server)->bytes, strlen("answer"));
	set_splice_allowed(false);
	read_flows();
	cr_expect_eq(must_find(p.client)->flags & PB_FLOW_ON, 0);
}

Test(flows, splice_that_was_not_asked_for)
{
	struct pair p;

	app_c.app.flags &= ~PB_APP_SPLICE;
	put_app(&app_c);
	p = pair_new();
	read_flows();
	cr_expect_eq(must_find(p.client)->flags & (PB_FLOW_WANTS | PB_FLOW_TAKEN), 0);
	cr_expect_neq(must_find(p.server)->flags & PB_FLOW_WANTS, 0);
}

/* The setting of a service comes before that of its application. */
Test(flows, splice_by_service)
{
	struct pb_spl_rule_key k = { .id = app_s.app.id, .port = htons(SPLICE_PORT) };
	struct pb_spl_rule off = { .on = 0 };
	struct pair p;

	cr_assert(!bpf_map_update_elem(map_fd("pb_spl_rules"), &k, &off, BPF_ANY));
	p = pair_new();
	read_flows();
	cr_expect_neq(must_find(p.client)->flags & PB_FLOW_WANTS, 0);
	cr_expect_eq(must_find(p.client)->reason, PB_R_SPLICE_PEER);
	cr_expect_eq(must_find(p.server)->flags & PB_FLOW_WANTS, 0);
}

/* Each socket once, whatever the number. */
Test(flows, many)
{
	int l = serve(&app_s, AF_INET, SOCK_STREAM, "10.9.0.1", SPLICE_PORT);
	static struct pair p[MANY];
	uint64_t sum = 0, want = 0;

	for (unsigned i = 0; i < MANY; i++) {
		p[i] = pair_via(l, AF_INET, "10.9.0.1");
		want += cookie_of(p[i].client) + cookie_of(p[i].server);
	}
	read_flows();
	cr_assert_eq(n_flows, 2 * MANY);
	for (size_t i = 0; i < n_flows; i++)
		sum += flows[i].cookie;
	cr_expect_eq(sum, want);
}

/* What the agent keeps is enough. */
Test(flows, with_the_capabilities_of_the_agent)
{
	struct pair p = pair_new();

	cr_assert(!pb_caps_drop());
	read_flows();
	must_find(p.client);
}

/* A kernel that did not take the object: that answer, and identities go on. */
Test(flows, without_the_object)
{
	struct pb_flow *f;
	struct pair p;
	size_t n;

	bpf_object__close(loader->obj[PB_OBJ_flows]);
	loader->obj[PB_OBJ_flows] = NULL;
	cr_expect_eq(pb_loader_flows(loader, &f, &n), -EOPNOTSUPP);
	p = pair_new();
	exchange(&p);
}
