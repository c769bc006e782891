// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* TCP: admissions open one listener for one client, ports are guarded in both families, nobody hangs. */
#include "hostile.h"

TestSuite(hostile_tcp, .init = world_init, .fini = world_fini, .timeout = 60);

/* A SYN that is repeated must not enter whoever has the port by then. */
Test(hostile_tcp, admission_is_for_one_server_only)
{
	struct scope web = scope_new("web", "10.9.0.1", NULL, 1),
		     cli = scope_new("c", "10.9.0.2", NULL, 1);
	struct scope other = scope_new("o", "10.9.0.3", NULL, 2);
	int l = sock_in(&web, AF_INET, SOCK_STREAM), m, fd, real, tries = 0;
	struct any_addr any = sa_of(AF_INET, "0.0.0.0", 80), to = sa_of(AF_INET, "10.9.0.1", 80);

	sysctl_set("ipv4/tcp_syncookies", "0");
	sysctl_set("ipv4/ip_local_port_range", "20000 20015");
	cr_assert(!bind(l, &any.sa, any.len) && !listen(l, 0));
	real = real_of(&web.app.vip4, 80, IPPROTO_TCP);
	/* Fill the accept queue, so that the next SYN is dropped and repeated after a second. */
	cr_assert(dial(&cli, AF_INET, SOCK_STREAM, "10.9.0.1", 80) >= 0);
	fd = IN_SCOPE(&cli, socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	cr_assert(connect(fd, &to.sa, to.len) && errno == EINPROGRESS, "%m");
	cr_assert_eq(used_in("pb_admit"), 1);
	close(l);
	do {
		m = serve(&other, AF_INET, SOCK_STREAM, "0.0.0.0", 81 + tries);
		cr_assert(m >= 0 && tries++ < 12, "%s", strerror(-m));
	} while (real_of(&other.app.vip4, 80 + tries, IPPROTO_TCP) != real);
	cr_assert(!readable(m, 3000), "a client of another group came in");
	close(fd);
}

Test(hostile_tcp, bindv6only_is_the_kernels_truth)
{
	struct scope web = scope_new("web", "10.9.0.1", "fd09::1", 1);
	int l, other;

	sysctl_set("ipv6/bindv6only", "1");
	l = serve(&web, AF_INET6, SOCK_STREAM, "::", 80);
	cr_assert(l >= 0);
	/* The same number is free in the IPv4 space: not ours to guard, not ours to name. */
	other = serve(NULL, AF_INET, SOCK_STREAM, "127.0.0.1",
		      real_of(&web.app.vip6, 80, IPPROTO_TCP));
	cr_assert(other >= 0);
	cr_assert_eq(dial(&web, AF_INET, SOCK_STREAM, "10.9.0.1", 80), -ECONNREFUSED);
	cr_assert(dial(&web, AF_INET6, SOCK_STREAM, "fd09::1", 80) >= 0);
	close(l);
	cr_assert_eq(used_in("pb_ports"), 0);
}

/* The option says: do not choose a port yet.  The port that is claimed has to be guarded all the same. */
Test(hostile_tcp, bind_address_no_port)
{
	struct scope web = scope_new("web", "10.9.0.1", NULL, 1);
	struct any_addr any = sa_of(AF_INET, "0.0.0.0", 80);
	int l = sock_in(&web, AF_INET, SOCK_STREAM), m = sock_in(&web, AF_INET, SOCK_DGRAM);

	set_int(l, IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, 1);
	set_int(m, IPPROTO_IP, 24, 1);
	cr_assert(!bind(l, &any.sa, any.len) && !bind(m, &any.sa, any.len), "%m");
	cr_assert_str_eq(name_of(l), "0.0.0.0:80");
	cr_assert_str_eq(name_of(m), "0.0.0.0:80");
	cr_assert(bind(l, &any.sa, any.len) && errno == EINVAL, "%m");
	cr_assert(!listen(l, 4));
	cr_assert(dial(&web, AF_INET, SOCK_STREAM, "10.9.0.1", 80) >= 0);
	cr_assert_eq(dial(NULL, AF_INET, SOCK_STREAM, "127.0.0.1",
			  real_of(&web.app.vip4, 80, IPPROTO_TCP)),
		     -ECONNREFUSED);
	close(l);
	close(m);
	cr_assert_eq(used_in("pb_ports") + used_in("pb_claims"), 0);
}

Test(hostile_tcp, listen_shutdown_listen)
{
	struct scope web = scope_new("web", "10.9.0.1", NULL, 1);
	int l = serve(&web, AF_INET, SOCK_STREAM, "0.0.0.0", 80), u;

	for (int i = 0; i < 20; i++) {
		int real = real_of(&web.app.vip4, 80, IPPROTO_TCP);

		cr_assert(dial(&web, AF_INET, SOCK_STREAM, "10.9.0.1", 80) >= 0);
		cr_assert(!shutdown(l, SHUT_RD));
		cr_assert_eq(dial(&web, AF_INET, SOCK_STREAM, "10.9.0.1", 80), -ECONNREFUSED);
		/* The kernel's port is free: who gets it now must not be guarded by us. */
		u = serve(NULL, AF_INET, SOCK_STREAM, "127.0.0.1", real);
		if (u >= 0)
			cr_assert(dial(NULL, AF_INET, SOCK_STREAM, "127.0.0.1", real) >= 0);
		close(u);
		cr_assert(!listen(l, 8));
		cr_assert_str_eq(name_of(l), "0.0.0.0:80");
	}
	close(l);
	cr_assert_eq(used_in("pb_ports") + used_in("pb_claims"), 0);
}

/* Clients that reset at once, against workers on both processors: nothing stays, nobody waits. */
static void resetting_clients(const char *cookies)
{
	struct scope web = scope_new("web", "10.9.0.1", NULL, 1),
		     cli = scope_new("c", "10.9.0.2", NULL, 1);
	int l, fd, n = 0;
	struct linger rst = { .l_onoff = 1 };
	char buf[8];

	sysctl_set("ipv4/tcp_syncookies", cookies);
	l = serve(&web, AF_INET, SOCK_STREAM, "0.0.0.0", 80);
	cr_assert(!fcntl(l, F_SETFL, O_NONBLOCK));
	for (int i = 0; i < 3000; i++) {
		struct any_addr to = sa_of(AF_INET, "10.9.0.1", 80);

		if (i == 0)
			join(cli.path);
		fd = socket(AF_INET, SOCK_STREAM | (i % 2 ? SOCK_NONBLOCK : 0), 0);
		cr_assert(fd >= 0);
		cr_assert(!connect(fd, &to.sa, to.len) || errno == EINPROGRESS, "%d: %m", i);
		if (i % 3)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &rst, sizeof(rst));
		close(fd);
		while ((fd = accept(l, NULL, NULL)) >= 0) {
			cr_assert(readable(fd, 3000), "connection %d hangs, peer %s", i,
				  peer_of(fd));
			cr_assert(recv(fd, buf, sizeof(buf), 0) <= 0);
			close(fd);
			n++;
		}
	}
	join(place.root);
	cr_assert(n > 100, "%d", n);
	cr_assert_eq(used_in("pb_admit"), 0);
	cr_assert_eq(endpoint_of(&web.app.vip4, 80, IPPROTO_TCP).live, 0);
}

Test(hostile_tcp, resetting_clients)
{
	resetting_clients("1");
}

Test(hostile_tcp, resetting_clients_with_cookies)
{
	resetting_clients("2");
}

/* Speaks first, as SSH and SMTP do: an unidentified client must not read it. */
Test(hostile_tcp, tfo_client_and_server)
{
	struct scope web = scope_new("web", "10.9.0.1", NULL, 1);
	struct any_addr to = sa_of(AF_INET, "10.9.0.1", 80);
	int l, fd, a, u;
	char buf[8];

	sysctl_set("ipv4/tcp_fastopen", "1031"); /* client, server, no cookie wanted */
	l = serve(&web, AF_INET, SOCK_STREAM, "0.0.0.0", 80);
	set_int(l, IPPROTO_TCP, TCP_FASTOPEN, 8);
	fd = sock_in(&web, AF_INET, SOCK_STREAM);
	cr_assert(sendto(fd, "fast", 4, MSG_FASTOPEN, &to.sa, to.len) == 4, "%m");
	a = taken(l);
	cr_assert_eq(recv(a, buf, 8, 0), 4);
	cr_assert(!strncmp(peer_of(a), "10.9.0.1:", 9), "%s", peer_of(a));
	to = sa_of(AF_INET, "127.0.0.1", real_of(&web.app.vip4, 80, IPPROTO_TCP));
	u = sock_in(NULL, AF_INET, SOCK_STREAM);
	cr_assert(sendto(u, "fast", 4, MSG_FASTOPEN, &to.sa, to.len) < 0 && errno == ECONNREFUSED,
		  "%m");
	cr_assert(!readable(l, 100));
	close(fd);
	close(a);
	cr_assert(eventually(endpoint_of(&web.app.vip4, 80, IPPROTO_TCP).live == 0));
}

Test(hostile_tcp, more_instances_than_slots)
{
	struct scope c = scope_new("c", "10.9.0.2", NULL, 1);
	int fd[260], m[260], ok = 0;

	for (int i = 0; i < 260; i++) {
		struct scope w = scope_new("w", "10.9.0.1", NULL, 1);
		struct any_addr any = sa_of(AF_INET, "10.9.0.1", 80);

		fd[i] = serve(&w, AF_INET, SOCK_DGRAM, "10.9.0.1", 80);
		m[i] = sock_in(&w, AF_INET, SOCK_STREAM);
		cr_assert(!bind(m[i], &any.sa, any.len) && !listen(m[i], 4), "%d: %m", i);
		ok += fd[i] >= 0;
		cr_assert(fd[i] >= 0 || fd[i] == -ENOBUFS, "%s", strerror(-fd[i]));
	}
	cr_assert_eq(ok, 256, "%d", ok);
	for (int i = 0; i < 300; i++) {
		int s = dial(&c, AF_INET, SOCK_STREAM, "10.9.0.1", 80);

		cr_assert(s >= 0, "%s", strerror(-s));
		close(s);
	}
	for (int i = 0; i < 260; i++) {
		close(m[i]);
		if (fd[i] >= 0)
			close(fd[i]);
	}
	cr_assert_eq(used_in("pb_ports") + used_in("pb_claims"), 0);
	cr_assert_eq(dial(&c, AF_INET, SOCK_STREAM, "10.9.0.1", 80), -ECONNREFUSED);
}

/* Two processes bind, listen and close one group over and over: nobody is refused, nothing leaks. */
Test(hostile_tcp, group_members_come_and_go)
{
	struct scope web = scope_new("web", "10.9.0.1", NULL, 1);
	struct any_addr any = sa_of(AF_INET, "0.0.0.0", 80);
	pid_t kid[4];
	int st;

	for (int k = 0; k < 4; k++) {
		kid[k] = fork();
		if (kid[k])
			continue;
		join(web.path);
		for (int i = 0; i < 2000; i++) {
			int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

			setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
			if (bind(fd, &any.sa, any.len))
				_exit(errno);
			if (listen(fd, 4))
				_exit(100 + errno);
			close(fd);
		}
		_exit(0);
	}
	for (int k = 0; k < 4; k++) {
		waitpid(kid[k], &st, 0);
		cr_assert(WIFEXITED(st) && !WEXITSTATUS(st), "kid %d: %d", k, WEXITSTATUS(st));
	}
	cr_assert_eq(used_in("pb_ports"), 0);
	cr_assert_eq(used_in("pb_claims"), 0);
	cr_assert_eq(endpoint_of(&web.app.vip4, 80, IPPROTO_TCP).real, 0);
	st = serve(&web, AF_INET, SOCK_STREAM, "0.0.0.0", 80);
	cr_assert(dial(&web, AF_INET, SOCK_STREAM, "10.9.0.1", 80) >= 0);
}
