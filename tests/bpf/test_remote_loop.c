// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* One loopback for a private host that is spread over nodes: dialled across, and bound so that it can
 * be. */
#include "remote.h"

TestSuite(remote_loop, .init = remote_init, .fini = world_fini, .timeout = 60);

/* The application of web_there(), here. */
static struct scope same(void)
{
	return client_new("w", "10.9.0.1", "fd09::1");
}

/* The published endpoint of @s at a loopback address; .real 0: none. */
static struct pb_endpoint loop_ep(const struct scope *s, const char *ip, int port, int proto)
{
	struct pb_svc_key k = {
		.addr = addr_of(ip), .ns = s->app.ns, .port = htons(port), .proto = proto
	};
	struct pb_endpoint ep = { 0 };
	struct pb_service svc;

	if (pb_maps_get_service(maps, &k, &svc) || !svc.live[0])
		return ep;
	cr_assert(!pb_maps_get_endpoint(maps, svc.slot[__builtin_ctzll(svc.live[0])], &ep));
	return ep;
}

/* The address the kernel has bound port @port to, as /proc/net/@table writes it; "" none. */
static const char *bound_to(const char *table, int port)
{
	static char addr[40];
	char path[64], line[256];
	unsigned p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/thread-self/net/%s", table);
	f = fopen(path, "re");
	cr_assert_not_null(f, "%s: %m", path);
	addr[0] = '\0';
	while (fgets(line, sizeof(line), f)) {
		char a[40];

		if (sscanf(line, " %*d: %39[0-9A-F]:%X", a, &p) == 2 && (int)p == port)
			snprintf(addr, sizeof(addr), "%s", a);
	}
	fclose(f);
	return addr;
}

#define ALL4 "00000000"
#define LOOP4 "0100007F"
#define ALL6 "00000000000000000000000000000000"
#define LOOP6 "00000000000000000000000001000000"

/* ---- dialled ---- */

static void dialled(int family, const char *ip, const char *there, const char *peer)
{
	struct scope c = same(), other = client_new("o", "10.9.0.7", "fd09::7");
	int l = listen_there(strchr(there, ':') ? AF_INET6 : AF_INET, there, 5080), fd, got;
	const uint32_t one = 1;
	struct syn_seen s;

	web_there();
	far_service_of(strchr(there, ':') ? "::1" : "127.0.0.1", c.app.ns, 80, IPPROTO_TCP, 1,
		       &one);
	fd = dial(&c, family, SOCK_STREAM, ip, 80);
	cr_assert(fd >= 0, "%s", strerror(-fd));
	got = taken(l);
	s = syn_of(got);
	check_syn(&s, &c, 2, PB_SYN_F_LOOP);
	cr_assert_str_eq(peer_of(fd), peer);
	cr_assert(!strncmp(name_of(fd), peer, strlen(peer) - 2), "%s", name_of(fd));
	/* Another's loopback is another one. */
	cr_assert(dial(&other, family, SOCK_STREAM, ip, 80) == -ECONNREFUSED);
	close(fd);
	close(got);
	cr_assert(eventually(!far_get(1).live));
}

Test(remote_loop, dialled_over_ipv4)
{
	dialled(AF_INET, "127.0.0.1", THERE4, "127.0.0.1:80");
}

Test(remote_loop, dialled_over_ipv6)
{
	dialled(AF_INET6, "::1", THERE6, "[::1]:80");
}

Test(remote_loop, dialled_mapped)
{
	dialled(AF_INET6, "127.0.0.1", THERE4, "[::ffff:127.0.0.1]:80");
}

/* A client that has bound itself to loopback leaves by the node's address all the same. */
Test(remote_loop, dialled_from_a_bound_socket)
{
	struct scope c = same();
	struct any_addr me = sa_of(AF_INET, "127.0.0.1", 0), to = sa_of(AF_INET, "127.0.0.1", 80);
	int l = listen_there(AF_INET, THERE4, 5080), fd = sock_in(&c, AF_INET, SOCK_STREAM);
	const uint32_t one = 1;
	char name[64];

	web_there();
	far_service_of("127.0.0.1", c.app.ns, 80, IPPROTO_TCP, 1, &one);
	cr_assert(!bind(fd, &me.sa, me.len));
	snprintf(name, sizeof(name), "%s", name_of(fd));
	cr_assert(!strncmp(name, "127.0.0.1:", 10), "%s", name);
	cr_assert(!connect(fd, &to.sa, to.len), "%m");
	cr_assert_str_eq(name_of(fd), name);
	close(taken(l));
}

/* ---- bound ---- */

/* Bound to @ip it is @kernel for the kernel; clients of this node find it. */
static void bound(const struct scope *s, int family, const char *ip, const char *kernel, bool local)
{
	bool v6 = strchr(ip, ':');
	int fd = serve(s, family, SOCK_STREAM, ip, 90), in, c;
	struct pb_endpoint ep;
	char want[64];

	cr_assert(fd >= 0, "%s", strerror(-fd));
	ep = loop_ep(s, ip, 90, IPPROTO_TCP);
	cr_assert(ep.real && ep.cls == (v6 ? PB_CLS_V6_LOOP : PB_CLS_V4_LOOP));
	cr_assert_str_eq(bound_to(family == AF_INET6 ? "tcp6" : "tcp", ntohs(ep.real)), kernel);
	cr_assert_eq(!!(ep.hints & PB_EP_LOCAL), local);
	snprintf(want, sizeof(want), v6 ? "[%s]:90" : "%s:90", ip);
	cr_assert_str_eq(name_of(fd), want);
	c = dial(s, family, SOCK_STREAM, ip, 90);
	cr_assert(c >= 0, "%s", strerror(-c));
	in = taken(fd);
	cr_assert_str_eq(name_of(in), want);
	cr_assert_str_eq(peer_of(c), want);
	/* No service of its address, and nothing for strangers, from wherever. */
	cr_assert_lt(dial(s, AF_INET, SOCK_STREAM, "10.9.0.1", 90), 0);
	cr_assert_eq(dial(NULL, family, SOCK_STREAM, ip, ntohs(ep.real)), -ECONNREFUSED);
	cr_assert_eq(dial(NULL, AF_INET, SOCK_STREAM, "127.0.0.1", ntohs(ep.real)), -ECONNREFUSED);
	cr_assert_eq(THERE(dial(NULL, AF_INET, SOCK_STREAM, "192.0.2.1", ntohs(ep.real))),
		     -ECONNREFUSED);
	if (v6)
		cr_assert_eq(
			THERE(dial(NULL, AF_INET6, SOCK_STREAM, "2001:db8::1", ntohs(ep.real))),
			-ECONNREFUSED);
	close(c);
	close(in);
	close(fd);
	cr_assert_eq(used_in("pb_ports"), 0);
}

Test(remote_loop, bound_to_all_addresses)
{
	struct scope s = same();

	bound(&s, AF_INET, "127.0.0.1", ALL4, false);
	bound(&s, AF_INET6, "::1", ALL6, false);
}

Test(remote_loop, bound_to_loopback_without_other_nodes)
{
	struct scope s = same();

	config_flags(0, PB_CFG_PEERS);
	bound(&s, AF_INET, "127.0.0.1", LOOP4, true);
	bound(&s, AF_INET6, "::1", LOOP6, true);
}

/* Nobody elsewhere has its loopback. */
Test(remote_loop, bound_to_loopback_without_a_name)
{
	struct scope s = client_new(NULL, NULL, NULL);

	bound(&s, AF_INET, "127.0.0.1", LOOP4, true);
}

/* A listener that chose no port. */
Test(remote_loop, a_port_of_its_own)
{
	struct scope s = same();
	int fd = serve(&s, AF_INET, SOCK_STREAM, "127.0.0.1", 0);

	cr_assert(fd >= 0);
	cr_assert_str_eq(bound_to("tcp", port_of(fd)), ALL4);
	cr_assert(loop_ep(&s, "127.0.0.1", port_of(fd), IPPROTO_TCP).real);
	cr_assert(!loop_ep(&s, "127.0.0.1", port_of(fd), IPPROTO_TCP).hints);
	cr_assert(dial(&s, AF_INET, SOCK_STREAM, "127.0.0.1", port_of(fd)) >= 0);
	cr_assert_eq(THERE(dial(NULL, AF_INET, SOCK_STREAM, "192.0.2.1", port_of(fd))),
		     -ECONNREFUSED);
}

static int worker(const struct scope *s)
{
	struct any_addr a = sa_of(AF_INET, "127.0.0.1", 90);
	int fd = sock_in(s, AF_INET, SOCK_STREAM);

	set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	cr_assert(!bind(fd, &a.sa, a.len) && !listen(fd, 8), "%m");
	return fd;
}

/* Workers share a port, and so they share what the kernel made of the first one's. */
Test(remote_loop, a_group_stays_as_it_began)
{
	struct scope s = same();
	int a, b, real;

	config_flags(0, PB_CFG_PEERS);
	a = worker(&s);
	config_flags(PB_CFG_PEERS, 0);
	b = worker(&s);
	real = ntohs(loop_ep(&s, "127.0.0.1", 90, IPPROTO_TCP).real);
	close(a);
	cr_assert_str_eq(bound_to("tcp", real), LOOP4);
	cr_assert(loop_ep(&s, "127.0.0.1", 90, IPPROTO_TCP).hints & PB_EP_LOCAL);
	close(b);
	/* The next one begins anew. */
	a = worker(&s);
	config_flags(0, PB_CFG_PEERS);
	b = worker(&s);
	real = ntohs(loop_ep(&s, "127.0.0.1", 90, IPPROTO_TCP).real);
	close(a);
	cr_assert_str_eq(bound_to("tcp", real), ALL4);
	close(b);
}

/* Datagram sockets that serve nothing are not guarded: they stay where they asked to be. */
Test(remote_loop, datagrams)
{
	struct scope s = same();
	int src = serve(&s, AF_INET, SOCK_DGRAM, "127.0.0.1", 0), svc;

	cr_assert(src >= 0);
	cr_assert_str_eq(bound_to("udp", port_of(src)), LOOP4);
	svc = serve(&s, AF_INET, SOCK_DGRAM, "127.0.0.1", 90);
	cr_assert(svc >= 0);
	cr_assert(loop_ep(&s, "127.0.0.1", 90, IPPROTO_UDP).hints & PB_EP_LOCAL);
	config_flags(PB_CFG_PEERS_UDP, 0);
	close(svc);
	svc = serve(&s, AF_INET, SOCK_DGRAM, "127.0.0.1", 90);
	cr_assert(svc >= 0);
	cr_assert(!(loop_ep(&s, "127.0.0.1", 90, IPPROTO_UDP).hints & PB_EP_LOCAL));
	close(src);
	src = serve(&s, AF_INET, SOCK_DGRAM, "127.0.0.1", 0);
	cr_assert_str_eq(bound_to("udp", port_of(src)), LOOP4);
}
