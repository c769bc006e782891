/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TCP: bind, listen, connect, names of both ends, admission. Real sockets in scopes of their own. */
#include "world.h"

TestSuite(identity, .init = world_init, .fini = world_fini, .timeout = 60);

Test(identity, both_ends_see_virtual_addresses)
{
	struct scope web = scope_new("web", "10.9.0.1", NULL, 1);
	struct scope cli = scope_new("cli", "10.9.0.2", NULL, 1);
	int l = serve(&web, AF_INET, SOCK_STREAM, "0.0.0.0", 80);
	int c, a;
	char buf[80];

	cr_assert(l >= 0, "serve: %s", strerror(-l));
	cr_assert_str_eq(name_of(l), "0.0.0.0:80");
	c = dial(&cli, AF_INET, SOCK_STREAM, "10.9.0.1", 80);
	cr_assert(c >= 0, "dial: %s", strerror(-c));
	a = taken(l);
	cr_assert_str_eq(peer_of(c), "10.9.0.1:80");
	cr_assert_str_eq(name_of(a), "10.9.0.1:80");
	snprintf(buf, sizeof(buf), "10.9.0.2:%d", port_of(c));
	cr_assert_str_eq(name_of(c), buf);
	cr_assert_str_eq(peer_of(a), buf);
}

Test(identity, listener_is_published_by_listen_only)
{
	struct scope web = scope_new("web", "10.9.0.1", NULL, 1);
	struct any_addr any = sa_of(AF_INET, "10.9.0.1", 81);
	int fd = sock_in(&web, AF_INET, SOCK_STREAM);

	cr_assert(!bind(fd, &any.sa, any.len));
	cr_assert_eq(dial(&web, AF_INET, SOCK_STREAM, "10.9.0.1", 81), -ECONNREFUSED);
	cr_assert(!listen(fd, 1));
	cr_assert(dial(&web, AF_INET, SOCK_STREAM, "10.9.0.1", 81) >= 0);
	close(fd);
	cr_assert_eq(dial(&web, AF_INET, SOCK_STREAM, "10.9.0.1", 81), -ECONNREFUSED);
}

Test(identity, dual_stack_listener_serves_every_kind_of_client)
{
	struct scope web = scope_new("web", "10.9.0.1", "fd09::1", 1);
	struct scope cli = scope_new("cli", "10.9.0.2", "fd09::2", 1);
	int l = serve(&web, AF_INET6, SOCK_STREAM, "::", 80), c, a;

	cr_assert(l >= 0, "serve: %s", strerror(-l));
	c = dial(&cli, AF_INET6, SOCK_STREAM, "fd09::1", 80);
	cr_assert(c >= 0, "v6: %s", strerror(-c));
	a = taken(l);
	cr_assert_str_eq(peer_of(c), "[fd09::1]:80");
	cr_assert_str_eq(name_of(a), "[fd09::1]:80");
	cr_assert(!strncmp(peer_of(a), "[fd09::2]:", 10), "%s", peer_of(a));
	c = dial(&cli, AF_INET6, SOCK_STREAM, "10.9.0.1", 80);
	cr_assert(c >= 0, "mapped: %s", strerror(-c));
	a = taken(l);
	cr_assert_str_eq(peer_of(c), "[::ffff:10.9.0.1]:80");
	cr_assert(!strncmp(peer_of(a), "[::ffff:10.9.0.2]:", 18), "%s", peer_of(a));
	c = dial(&cli, AF_INET, SOCK_STREAM, "10.9.0.1", 80);
	cr_assert(c >= 0, "v4: %s", strerror(-c));
	a = taken(l);
	cr_assert_str_eq(name_of(a), "[::ffff:10.9.0.1]:80");
}

Test(identity, same_port_for_two_identities)
{
	struct scope x = scope_new("x", "10.9.0.1", NULL, 1),
		     y = scope_new("y", "10.9.0.2", NULL, 1);
	int lx = serve(&x, AF_INET, SOCK_STREAM, "0.0.0.0", 80);
	int ly = serve(&y, AF_INET, SOCK_STREAM, "10.9.0.2", 80);

	cr_assert(lx >= 0 && ly >= 0);
	cr_assert(dial(&x, AF_INET, SOCK_STREAM, "10.9.0.2", 80) >= 0);
	cr_assert(taken(ly) >= 0);
	cr_assert_str_eq(name_of(ly), "10.9.0.2:80");
}

Test(identity, second_bind_in_one_scope_is_refused)
{
	struct scope x = scope_new("x", "10.9.0.1", NULL, 1);

	cr_assert(serve(&x, AF_INET, SOCK_STREAM, "0.0.0.0", 80) >= 0);
	cr_assert_eq(serve(&x, AF_INET, SOCK_STREAM, "0.0.0.0", 80), -EADDRINUSE);
	cr_assert_eq(serve(&x, AF_INET, SOCK_STREAM, "10.9.0.1", 80), -EADDRINUSE);
	cr_assert_eq(serve(&x, AF_INET, SOCK_STREAM, "127.0.0.1", 80), -EADDRINUSE);
	cr_assert_eq(serve(&x, AF_INET6, SOCK_STREAM, "::", 80), -EADDRINUSE);
	cr_assert(serve(&x, AF_INET6, SOCK_STREAM, "::1", 80) >= 0);
}

Test(identity, port_is_free_again_after_close)
{
	struct scope x = scope_new("x", "10.9.0.1", NULL, 1);

	for (int i = 0; i < 300; i++) {
		int fd = serve(&x, AF_INET, SOCK_STREAM, "0.0.0.0", 80);

		cr_assert(fd >= 0, "round %d: %s", i, strerror(-fd));
		close(fd);
	}
}

Test(identity, foreign_addresses_cannot_be_bound)
{
	struct scope x = scope_new("x", "10.9.0.1", NULL, 1);

	scope_new("y", "10.9.0.2", NULL, 1);
	cr_assert_eq(serve(&x, AF_INET, SOCK_STREAM, "10.9.0.2", 80), -EADDRNOTAVAIL);
	cr_assert_eq(serve(&x, AF_INET, SOCK_STREAM, "10.9.0.2", 0), -EADDRNOTAVAIL);
	cr_assert_eq(serve(&x, AF_INET, SOCK_STREAM, "192.0.2.1", 80), -EADDRNOTAVAIL);
}

Test(identity, instances_share_the_load)
{
	struct scope a = scope_new("w", "10.9.0.1", NULL, 1),
		     b = scope_new("w", "10.9.0.1", NULL, 1);
	int la = serve(&a, AF_INET, SOCK_STREAM, "0.0.0.0", 80);
	int lb = serve(&b, AF_INET, SOCK_STREAM, "0.0.0.0", 80);
	struct pollfd p[2] = { { .fd = la, .events = POLLIN }, { .fd = lb, .events = POLLIN } };
	int n[2] = { 0 };

	cr_assert(la >= 0 && lb >= 0);
	for (int i = 0; i < 200; i++) {
		cr_assert(dial(&a, AF_INET, SOCK_STREAM, "10.9.0.1", 80) >= 0);
		cr_assert(poll(p, 2, 5000) == 1);
		for (int j = 0; j < 2; j++)
			if (p[j].revents) {
				n[j]++;
				cr_assert(accept(p[j].fd, NULL, NULL) >= 0);
			}
	}
	/* Two choices on live connections, all of them kept open: never more than one apart. */
	cr_assert(abs(n[0] - n[1]) <= 2, "%d and %d", n[0], n[1]);
}

Test(identity, reuseport_workers_are_one_endpoint)
{
	struct scope x = scope_new("x", "10.9.0.1", NULL, 1);
	struct pb_svc_key k = { .addr = x.app.vip4, .port = htons(80), .proto = IPPROTO_TCP };
	struct any_addr any = sa_of(AF_INET, "0.0.0.0", 80);
	struct pb_service svc;
	int one = 1, fd[4];

	for (int i = 0; i < 4; i++) {
		fd[i] = sock_in(&x, AF_INET, SOCK_STREAM);
		cr_assert(!setsockopt(fd[i], SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)));
		cr_assert(!bind(fd[i], &any.sa, any.len), "bind %d: %m", i);
		cr_assert(!listen(fd[i], 16));
	}
	cr_assert(!pb_maps_get_service(maps, &k, &svc));
	cr_assert_eq(__builtin_popcountll(svc.live[0]), 1);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	cr_assert(dial(&x, AF_INET, SOCK_STREAM, "10.9.0.1", 80) >= 0);
	close(fd[3]);
	cr_assert_eq(dial(&x, AF_INET, SOCK_STREAM, "10.9.0.1", 80), -ECONNREFUSED);
}

Test(identity, shared_identity_meets_on_loopback_and_nobody_else)
{
	struct scope a = scope_new("a", "10.9.0.1", NULL, 1),
		     b = scope_new("b", "10.9.0.1", NULL, 1);
	struct scope other = scope_new("o", "10.9.0.2", NULL, 1);
	int l = serve(&a, AF_INET, SOCK_STREAM, "127.0.0.1", 5432), c;

	cr_assert(l >= 0);
	c = dial(&b, AF_INET, SOCK_STREAM, "127.0.0.1", 5432);
	cr_assert(c >= 0, "%s", strerror(-c));
	cr_assert_str_eq(peer_of(c), "127.0.0.1:5432");
	cr_assert(!strncmp(peer_of(taken(l)), "127.0.0.1:", 10));
	cr_assert_eq(dial(&other, AF_INET, SOCK_STREAM, "127.0.0.1", 5432), -ECONNREFUSED);
	cr_assert_eq(dial(&b, AF_INET, SOCK_STREAM, "10.9.0.1", 5432), -ECONNREFUSED);
	cr_assert_eq(dial(NULL, AF_INET, SOCK_STREAM, "127.0.0.1", 5432), -ECONNREFUSED);
}

Test(identity, unmanaged_loopback_service_is_not_shadowed)
{
	struct scope a = scope_new("a", "10.9.0.1", NULL, 1),
		     b = scope_new("b", "10.9.0.2", NULL, 1);
	int real = serve(NULL, AF_INET, SOCK_STREAM, "127.0.0.1", 6000);
	int own = serve(&a, AF_INET, SOCK_STREAM, "127.0.0.1", 6000);

	cr_assert(real >= 0 && own >= 0);
	cr_assert(dial(&b, AF_INET, SOCK_STREAM, "127.0.0.1", 6000) >= 0);
	cr_assert(taken(real) >= 0);
	cr_assert(dial(&a, AF_INET, SOCK_STREAM, "127.0.0.1", 6000) >= 0);
	cr_assert(taken(own) >= 0);
	b.app.flags |= PB_APP_LOCAL_DENY;
	put_app(&b);
	cr_assert_eq(dial(&b, AF_INET, SOCK_STREAM, "127.0.0.1", 6000), -EACCES);
}

static int real_port(const struct scope *s, int port)
{
	struct pb_svc_key k = { .addr = s->app.vip4, .port = htons(port), .proto = IPPROTO_TCP };
	struct pb_endpoint ep;
	struct pb_service svc;

	cr_assert(!pb_maps_get_service(maps, &k, &svc));
	cr_assert(!pb_maps_get_endpoint(maps, svc.slot[__builtin_ctzll(svc.live[0])], &ep));
	return ntohs(ep.real);
}

Test(identity, real_port_is_closed_to_the_unidentified)
{
	struct scope web = scope_new("web", "10.9.0.1", NULL, 1);
	struct scope cli = scope_new("cli", "10.9.0.2", NULL, 1);
	int l = serve(&web, AF_INET, SOCK_STREAM, "0.0.0.0", 80), port;

	cr_assert(l >= 0);
	port = real_port(&web, 80);
	cr_assert_eq(dial(NULL, AF_INET, SOCK_STREAM, "127.0.0.1", port), -ECONNREFUSED);
	cr_assert_eq(dial(&cli, AF_INET, SOCK_STREAM, "127.0.0.1", port), -ECONNREFUSED);
	cr_assert(dial(&cli, AF_INET, SOCK_STREAM, "10.9.0.1", 80) >= 0);
}

Test(identity, admission_dies_with_the_connection)
{
	struct scope web = scope_new("web", "10.9.0.1", NULL, 1);
	struct scope cli = scope_new("cli", "10.9.0.2", NULL, 1);
	int l = serve(&web, AF_INET, SOCK_STREAM, "0.0.0.0", 80), c, a, u;
	struct linger rst = { .l_onoff = 1 };
	struct any_addr from, to;
	uint32_t used, max;

	c = dial(&cli, AF_INET, SOCK_STREAM, "10.9.0.1", 80);
	cr_assert(c >= 0);
	a = taken(l);
	from = sa_of(AF_INET, "127.0.0.1", port_of(c));
	setsockopt(c, SOL_SOCKET, SO_LINGER, &rst, sizeof(rst));
	close(c);
	close(a);
	cr_assert(!pb_maps_usage(maps, "pb_admit", &used, &max));
	cr_assert_eq(used, 0);
	to = sa_of(AF_INET, "127.0.0.1", real_port(&web, 80));
	u = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert(!bind(u, &from.sa, from.len), "bind: %m");
	cr_assert(connect(u, &to.sa, to.len) && errno == ECONNREFUSED);
}

Test(identity, policy_and_errno)
{
	struct scope web = scope_new("web", "10.9.0.1", NULL, 1),
		     none = scope_new("n", NULL, NULL, 0);
	struct scope two = scope_new("two", "10.9.0.2", NULL, 2),
		     both = scope_new("b", NULL, NULL, 3);

	cr_assert(serve(&web, AF_INET, SOCK_STREAM, "0.0.0.0", 80) >= 0);
	cr_assert_eq(dial(&two, AF_INET, SOCK_STREAM, "10.9.0.1", 80), -EACCES);
	cr_assert_eq(dial(&none, AF_INET, SOCK_STREAM, "10.9.0.1", 80), -EACCES);
	cr_assert(dial(&both, AF_INET, SOCK_STREAM, "10.9.0.1", 80) >= 0);
	cr_assert_eq(dial(&both, AF_INET, SOCK_STREAM, "10.9.0.1", 81), -ECONNREFUSED);
	cr_assert_eq(dial(&both, AF_INET, SOCK_STREAM, "10.9.7.7", 80), -EHOSTUNREACH);
	web.app.mode = PB_MODE_AUDIT;
	put_app(&web);
	cr_assert(dial(&two, AF_INET, SOCK_STREAM, "10.9.0.1", 80) >= 0);
}

Test(identity, source_bind)
{
	struct scope web = scope_new("web", "10.9.0.1", NULL, 1),
		     c = scope_new("c", "10.9.0.2", NULL, 1);
	struct any_addr src = sa_of(AF_INET, "10.9.0.2", 0), port = sa_of(AF_INET, "0.0.0.0", 5555);
	struct any_addr to = sa_of(AF_INET, "10.9.0.1", 80);
	int l = serve(&web, AF_INET, SOCK_STREAM, "0.0.0.0", 80),
	    fd = sock_in(&c, AF_INET, SOCK_STREAM);

	cr_assert(l >= 0);
	cr_assert(!bind(fd, &src.sa, src.len), "bind: %m");
	cr_assert(!strncmp(name_of(fd), "10.9.0.2:", 9), "%s", name_of(fd));
	cr_assert(!connect(fd, &to.sa, to.len), "connect: %m");
	cr_assert(!strncmp(peer_of(taken(l)), "10.9.0.2:", 9));
	fd = sock_in(&c, AF_INET, SOCK_STREAM);
	cr_assert(!bind(fd, &port.sa, port.len) && !connect(fd, &to.sa, to.len), "%m");
	cr_assert_str_eq(peer_of(taken(l)), "10.9.0.2:5555");
}

Test(identity, unnamed_is_a_client_with_a_link_local_address)
{
	struct scope web = scope_new("web", "10.9.0.1", NULL, 1),
		     anon = scope_new(NULL, NULL, NULL, 1);
	int l = serve(&web, AF_INET, SOCK_STREAM, "0.0.0.0", 80), fd;

	cr_assert(dial(&anon, AF_INET, SOCK_STREAM, "10.9.0.1", 80) >= 0);
	cr_assert(!strncmp(peer_of(taken(l)), "169.254.1.2:", 12));
	cr_assert_eq(serve(&anon, AF_INET, SOCK_STREAM, "0.0.0.0", 80), -EACCES);
	fd = serve(&anon, AF_INET, SOCK_STREAM, "127.0.0.1", 81);
	cr_assert(fd >= 0, "%s", strerror(-fd));
	cr_assert(dial(&anon, AF_INET, SOCK_STREAM, "127.0.0.1", 81) >= 0);
}

Test(identity, listen_without_bind_is_published_at_its_port)
{
	struct scope web = scope_new("web", "10.9.0.1", NULL, 1);
	int fd = sock_in(&web, AF_INET, SOCK_STREAM), port;

	cr_assert(!listen(fd, 4));
	port = port_of(fd);
	cr_assert(dial(&web, AF_INET, SOCK_STREAM, "10.9.0.1", port) >= 0);
	cr_assert_eq(dial(NULL, AF_INET, SOCK_STREAM, "127.0.0.1", port), -ECONNREFUSED);
}
