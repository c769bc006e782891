// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A guard that fails, and calls that are made in an order nobody expects. */
#include <bpf/bpf.h>
#include <netinet/udp.h>

#include "hostile.h"

TestSuite(hostile_more, .init = world_init, .fini = world_fini, .timeout = 60);

static void unguard(int port)
{
	struct pb_port_key k = { .port = htons(port), .proto = IPPROTO_TCP };
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/patchbay/v1/pb_ports", place.bpffs);
	fd = bpf_obj_get(path);
	cr_assert(fd >= 0 && !bpf_map_delete_elem(fd, &k), "%m");
	close(fd);
}

/* The second line: no byte goes either way, and neither end waits for ever. */
Test(hostile_more, refused_child_is_mute_and_short_lived)
{
	struct scope web = scope_new("web", "10.9.0.1", NULL, 1);
	int l = serve(&web, AF_INET, SOCK_STREAM, "0.0.0.0", 25), u, a;
	int real = real_of(&web.app.vip4, 25, IPPROTO_TCP);
	char c;

	unguard(real);
	u = dial(NULL, AF_INET, SOCK_STREAM, "127.0.0.1", real);
	cr_assert(u >= 0);
	a = taken(l);
	send(u, "HELO", 4, 0);
	send(a, "220 banner", 10, MSG_NOSIGNAL);
	cr_assert(readable(a, 8000), "the server waits for ever");
	cr_assert(recv(a, &c, 1, 0) <= 0);
	close(a);
	cr_assert(readable(u, 8000), "the client waits for ever");
	cr_assert(recv(u, &c, 1, 0) <= 0, "the client read the banner");
}

Test(hostile_more, corked_datagrams)
{
	struct scope s = scope_new("s", "10.9.0.1", NULL, 1),
		     c = scope_new("c", "10.9.0.2", NULL, 1);
	struct any_addr to = sa_of(AF_INET, "10.9.0.1", 5353),
			bad = sa_of(AF_INET, "10.9.0.1", 5354);
	int l = serve(&s, AF_INET, SOCK_DGRAM, "0.0.0.0", 5353),
	    fd = sock_in(&c, AF_INET, SOCK_DGRAM);
	char buf[16];

	for (int i = 0; i < 3; i++) {
		cr_assert(sendto(fd, "ab", 2, MSG_MORE, &to.sa, to.len) == 2);
		cr_assert(sendto(fd, "cd", 2, MSG_MORE, &to.sa, to.len) == 2);
		/* The destination of a corked datagram is the first one's. */
		cr_assert(sendto(fd, "ef", 2, 0, &bad.sa, bad.len) == 2, "%m");
		cr_assert(readable(l, 2000) && recv(l, buf, sizeof(buf), 0) == 6);
	}
}

Test(hostile_more, segmented_datagrams)
{
	struct scope s = scope_new("s", "10.9.0.1", NULL, 1),
		     c = scope_new("c", "10.9.0.2", NULL, 1);
	int l = serve(&s, AF_INET, SOCK_DGRAM, "0.0.0.0", 5353), n = 0;
	int fd = dial(&c, AF_INET, SOCK_DGRAM, "10.9.0.1", 5353);
	char buf[20000] = { 0 };

	set_int(fd, IPPROTO_UDP, 103 /* UDP_SEGMENT */, 1000);
	cr_assert(send(fd, buf, sizeof(buf), 0) == sizeof(buf), "%m");
	while (n < 20 && readable(l, 2000)) {
		cr_assert(recv(l, buf, sizeof(buf), 0) == 1000);
		n++;
	}
	cr_assert_eq(n, 20);
}

/* connect() that policy refuses leaves a datagram socket as it was. */
Test(hostile_more, refused_connect_keeps_the_peer)
{
	struct scope s = scope_new("s", "10.9.0.1", NULL, 1),
		     c = scope_new("c", "10.9.0.2", NULL, 1);
	struct any_addr no = sa_of(AF_INET, "10.9.0.1", 9999);
	int l = serve(&s, AF_INET, SOCK_DGRAM, "0.0.0.0", 5353);
	int fd = dial(&c, AF_INET, SOCK_DGRAM, "10.9.0.1", 5353);
	struct any_addr from;

	cr_assert(connect(fd, &no.sa, no.len) && errno == ECONNREFUSED);
	cr_assert_str_eq(peer_of(fd), "10.9.0.1:5353");
	cr_assert(send(fd, "x", 1, 0) == 1);
	cr_assert(!strncmp(sender_at(l, &from), "10.9.0.2:", 9));
	cr_assert(sendto(l, "y", 1, 0, &from.sa, from.len) == 1);
	cr_assert_str_eq(sender_at(fd, NULL), "10.9.0.1:5353");
}

Test(hostile_more, tcp_states_and_errnos)
{
	struct scope web = scope_new("web", "10.9.0.1", NULL, 1);
	struct any_addr to = sa_of(AF_INET, "10.9.0.1", 80), any = sa_of(AF_INET, "0.0.0.0", 80);
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int fd = sock_in(&web, AF_INET, SOCK_STREAM), l, e = 0, a;
	socklen_t len = sizeof(e);
	char c;

	cr_assert_str_eq(name_of(fd), "0.0.0.0:0");
	cr_assert(getpeername(fd, &any.sa, &any.len) && errno == ENOTCONN);
	any = sa_of(AF_INET, "0.0.0.0", 80);
	cr_assert(connect(fd, &to.sa, to.len) && errno == ECONNREFUSED);
	l = serve(&web, AF_INET, SOCK_STREAM, "0.0.0.0", 80);
	cr_assert(bind(l, &any.sa, any.len) && errno == EINVAL);
	cr_assert(connect(l, &to.sa, to.len) && errno == EISCONN);
	cr_assert(!fcntl(fd, F_SETFL, O_NONBLOCK));
	cr_assert(connect(fd, &to.sa, to.len) && errno == EINPROGRESS, "%m");
	a = taken(l);
	cr_assert(!connect(fd, &to.sa, to.len) || errno == EISCONN, "%m");
	cr_assert(connect(fd, &to.sa, to.len) && errno == EISCONN);
	cr_assert(!getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) && !e);
	/* Half open: what was sent before the end arrives after it, the other way stays open. */
	cr_assert(send(fd, "x", 1, 0) == 1 && !shutdown(fd, SHUT_WR));
	cr_assert(recv(a, &c, 1, 0) == 1 && recv(a, &c, 1, 0) == 0);
	cr_assert(send(a, "y", 1, 0) == 1 && readable(fd, 1000) && recv(fd, &c, 1, 0) == 1);
	cr_assert(!connect(fd, &none, sizeof(none)));
	cr_assert(getpeername(fd, &to.sa, &to.len) && errno == ENOTCONN);
	to = sa_of(AF_INET, "10.9.0.1", 80);
	cr_assert(connect(fd, &to.sa, to.len) && errno == EINPROGRESS, "%m");
	cr_assert(taken(l) >= 0);
	cr_assert_str_eq(peer_of(fd), "10.9.0.1:80");
}
