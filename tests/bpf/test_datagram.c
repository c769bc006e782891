/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* UDP: services, replies from the address that was asked, the client's virtual source, the guard. */
#include "world.h"

TestSuite(datagram, .init = world_init, .fini = world_fini, .timeout = 60);

static ssize_t wait_recv(int fd, char *buf, size_t len, struct any_addr *from)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (poll(&p, 1, 3000) != 1)
		return -ETIMEDOUT;
	from->len = sizeof(struct sockaddr_in6);
	return recvfrom(fd, buf, len, 0, &from->sa, &from->len);
}

/* One datagram each way: what the server saw as sender, what the client saw as sender. */
static void round_trip(int server, int client, struct any_addr *to, const char **seen,
		       const char **answered)
{
	struct any_addr from = { 0 };
	char buf[64];

	if (to)
		cr_assert(sendto(client, "ping", 4, 0, &to->sa, to->len) == 4, "sendto: %m");
	else
		cr_assert(send(client, "ping", 4, 0) == 4, "send: %m");
	cr_assert_eq(wait_recv(server, buf, sizeof(buf), &from), 4, "nothing came");
	*seen = show(&from);
	cr_assert(sendto(server, "pong!", 5, 0, &from.sa, from.len) == 5, "reply: %m");
	cr_assert_eq(wait_recv(client, buf, sizeof(buf), &from), 5, "no reply");
	*answered = show(&from);
}

static void both_ways(int family, const char *bind_ip, const char *vip, const char *client_prefix,
		      const char *want)
{
	struct scope s = scope_new("s", "10.9.0.1", "fd09::1", 1);
	struct scope c = scope_new("c", "10.9.0.2", "fd09::2", 1);
	struct any_addr to = sa_of(family, vip, 5353);
	int l = serve(&s, family, SOCK_DGRAM, bind_ip, 5353);
	int free_one = sock_in(&c, family, SOCK_DGRAM);
	int fixed = dial(&c, family, SOCK_DGRAM, vip, 5353);
	const char *seen, *answered;

	cr_assert(l >= 0 && fixed >= 0, "%s", strerror(-(l < 0 ? l : fixed)));
	for (int i = 0; i < 3; i++) {
		round_trip(l, free_one, &to, &seen, &answered);
		cr_assert(!strncmp(seen, client_prefix, strlen(client_prefix)), "server saw %s",
			  seen);
		cr_assert_str_eq(answered, want);
		round_trip(l, fixed, NULL, &seen, &answered);
		cr_assert(!strncmp(seen, client_prefix, strlen(client_prefix)), "server saw %s",
			  seen);
		cr_assert_str_eq(answered, want);
	}
	cr_assert_str_eq(peer_of(fixed), want);
}

Test(datagram, v4)
{
	both_ways(AF_INET, "0.0.0.0", "10.9.0.1", "10.9.0.2:", "10.9.0.1:5353");
}

Test(datagram, v6)
{
	both_ways(AF_INET6, "::", "fd09::1", "[fd09::2]:", "[fd09::1]:5353");
}

Test(datagram, mapped)
{
	both_ways(AF_INET6, "::", "10.9.0.1", "[::ffff:10.9.0.2]:", "[::ffff:10.9.0.1]:5353");
}

Test(datagram, several_services_on_one_socket)
{
	struct scope c = scope_new("c", "10.9.0.9", NULL, 1), s[6];
	int fd = sock_in(&c, AF_INET, SOCK_DGRAM), l[6];
	const char *seen, *answered;
	char ip[32], want[40];

	for (int i = 0; i < 6; i++) {
		snprintf(ip, sizeof(ip), "10.9.0.%d", i + 1);
		s[i] = scope_new("s", ip, NULL, 1);
		l[i] = serve(&s[i], AF_INET, SOCK_DGRAM, "0.0.0.0", 5353);
		cr_assert(l[i] >= 0);
	}
	for (int i = 0; i < 18; i++) {
		struct any_addr to;

		snprintf(ip, sizeof(ip), "10.9.0.%d", i % 6 + 1);
		to = sa_of(AF_INET, ip, 5353);
		round_trip(l[i % 6], fd, &to, &seen, &answered);
		snprintf(want, sizeof(want), "%s:5353", ip);
		cr_assert_str_eq(answered, want);
	}
}

Test(datagram, policy_refuses_at_once)
{
	struct scope s = scope_new("s", "10.9.0.1", NULL, 1),
		     c = scope_new("c", "10.9.0.2", NULL, 2);
	struct any_addr to = sa_of(AF_INET, "10.9.0.1", 5353);
	int l = serve(&s, AF_INET, SOCK_DGRAM, "0.0.0.0", 5353),
	    fd = sock_in(&c, AF_INET, SOCK_DGRAM);

	cr_assert(l >= 0);
	cr_assert(sendto(fd, "x", 1, 0, &to.sa, to.len) < 0 && errno == EACCES, "%m");
	cr_assert_eq(dial(&c, AF_INET, SOCK_DGRAM, "10.9.0.1", 5353), -EACCES);
	cr_assert_eq(dial(&s, AF_INET, SOCK_DGRAM, "10.9.0.1", 5354), -ECONNREFUSED);
}

Test(datagram, real_port_refuses_the_unidentified)
{
	struct scope s = scope_new("s", "10.9.0.1", NULL, 1);
	struct pb_svc_key k = { .addr = s.app.vip4, .port = htons(5353), .proto = IPPROTO_UDP };
	int l = serve(&s, AF_INET, SOCK_DGRAM, "0.0.0.0", 5353), fd;
	struct pollfd p = { .events = POLLIN };
	struct pb_service svc;
	struct pb_endpoint ep;
	char c;

	cr_assert(l >= 0);
	cr_assert(!pb_maps_get_service(maps, &k, &svc));
	cr_assert(!pb_maps_get_endpoint(maps, svc.slot[__builtin_ctzll(svc.live[0])], &ep));
	fd = dial(NULL, AF_INET, SOCK_DGRAM, "127.0.0.1", ntohs(ep.real));
	cr_assert(fd >= 0);
	cr_assert(send(fd, "x", 1, 0) == 1);
	p.fd = fd;
	cr_assert(poll(&p, 1, 3000) == 1, "no refusal came");
	cr_assert(recv(fd, &c, 1, 0) < 0 && errno == ECONNREFUSED, "%m");
	p.fd = l;
	cr_assert_eq(poll(&p, 1, 0), 0, "the datagram got through");
}

Test(datagram, sources_are_forgotten_with_the_socket)
{
	struct scope s = scope_new("s", "10.9.0.1", NULL, 1),
		     c = scope_new("c", "10.9.0.2", NULL, 1);
	struct any_addr to = sa_of(AF_INET, "10.9.0.1", 5353);
	int l = serve(&s, AF_INET, SOCK_DGRAM, "0.0.0.0", 5353),
	    fd = sock_in(&c, AF_INET, SOCK_DGRAM);
	const char *seen, *answered;
	uint32_t used, max;

	round_trip(l, fd, &to, &seen, &answered);
	close(fd);
	close(l);
	cr_assert(!pb_maps_usage(maps, "pb_udp_src", &used, &max) && used == 0, "%u left", used);
	cr_assert(!pb_maps_usage(maps, "pb_udp_virt", &used, &max) && used == 0, "%u left", used);
	cr_assert(!pb_maps_usage(maps, "pb_ports", &used, &max) && used == 0, "%u left", used);
	cr_assert(!pb_maps_usage(maps, "pb_claims", &used, &max) && used == 0, "%u left", used);
}

Test(datagram, service_socket_talks_to_the_outside)
{
	struct scope s = scope_new("s", "10.9.0.1", NULL, 1);
	int out = serve(NULL, AF_INET, SOCK_DGRAM, "127.0.0.1", 7000);
	int fd = serve(&s, AF_INET, SOCK_DGRAM, "0.0.0.0", 5353);
	struct any_addr to = sa_of(AF_INET, "127.0.0.1", 7000);
	const char *seen, *answered;

	cr_assert(out >= 0 && fd >= 0);
	round_trip(out, fd, &to, &seen, &answered);
	cr_assert_str_eq(answered, "127.0.0.1:7000");
}

Test(datagram, connected_pair_of_services)
{
	struct scope a = scope_new("a", "10.9.0.1", NULL, 1),
		     b = scope_new("b", "10.9.0.2", NULL, 1);
	int fa = serve(&a, AF_INET, SOCK_DGRAM, "0.0.0.0", 7946);
	int fb = serve(&b, AF_INET, SOCK_DGRAM, "0.0.0.0", 7946);
	struct any_addr to = sa_of(AF_INET, "10.9.0.2", 7946);
	const char *seen, *answered;

	cr_assert(fa >= 0 && fb >= 0);
	round_trip(fb, fa, &to, &seen, &answered);
	cr_assert_str_eq(seen, "10.9.0.1:7946");
	cr_assert_str_eq(answered, "10.9.0.2:7946");
}

Test(datagram, unmanaged_sockets_keep_working)
{
	int l = serve(NULL, AF_INET, SOCK_DGRAM, "127.0.0.1", 7001);
	int fd = dial(NULL, AF_INET, SOCK_DGRAM, "127.0.0.1", 7001);
	const char *seen, *answered;

	cr_assert(l >= 0 && fd >= 0);
	round_trip(l, fd, NULL, &seen, &answered);
	cr_assert_str_eq(answered, "127.0.0.1:7001");
}
