// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* UDP: nobody without an identity gets a datagram into a guarded port, and senders are who they are. */
#include "hostile.h"

TestSuite(hostile_udp, .init = world_init, .fini = world_fini, .timeout = 60);

/* The kernel hands a broadcast to every socket of the port without asking sk_lookup. */
Test(hostile_udp, broadcast_and_multicast_do_not_pass_the_guard)
{
	struct scope s = scope_new("s", "10.9.0.1", NULL, 1);
	int l = serve(&s, AF_INET, SOCK_DGRAM, "0.0.0.0", 5353),
	    u = sock_in(NULL, AF_INET, SOCK_DGRAM);
	int real = real_of(&s.app.vip4, 5353, IPPROTO_UDP);
	struct in_addr lo = { .s_addr = htonl(INADDR_LOOPBACK) };

	set_int(u, SOL_SOCKET, SO_BROADCAST, 1);
	cr_assert_eq(send_to(u, AF_INET, "127.255.255.255", real), 0, "%m");
	cr_assert(!readable(l, 200), "a broadcast got through");
	cr_assert(!setsockopt(u, IPPROTO_IP, IP_MULTICAST_IF, &lo, sizeof(lo)));
	cr_assert_eq(send_to(u, AF_INET, "224.0.0.1", real), 0, "%m");
	cr_assert(!readable(l, 200), "a multicast got through");
}

Test(hostile_udp, v6_name_does_not_open_the_v4_port)
{
	struct scope s = scope_new("s", "10.9.0.1", "fd09::1", 1);
	int l = serve(&s, AF_INET6, SOCK_DGRAM, "fd09::1", 5353);
	int t = serve(&s, AF_INET6, SOCK_STREAM, "fd09::1", 80);
	int u = sock_in(NULL, AF_INET, SOCK_DGRAM), c;

	cr_assert(l >= 0 && t >= 0);
	send_to(u, AF_INET, "127.0.0.1", real_of(&s.app.vip6, 5353, IPPROTO_UDP));
	cr_assert(!readable(l, 200), "a datagram got through");
	c = dial(NULL, AF_INET, SOCK_STREAM, "127.0.0.1", real_of(&s.app.vip6, 80, IPPROTO_TCP));
	cr_assert_eq(c, -ECONNREFUSED, "TCP: %d", c);
	close(l);
	close(t);
	cr_assert_eq(used_in("pb_ports"), 0);
}

/* The permission to answer belongs to the peer, not to whoever has its port later. */
Test(hostile_udp, answer_permission_is_not_inherited_with_the_port)
{
	struct scope s = scope_new("s", "10.9.0.1", NULL, 1),
		     c = scope_new("c", "10.9.0.2", NULL, 1);
	int l = serve(&s, AF_INET, SOCK_DGRAM, "0.0.0.0", 5353),
	    fd = sock_in(&c, AF_INET, SOCK_DGRAM);
	int real = real_of(&s.app.vip4, 5353, IPPROTO_UDP), port, u;
	struct any_addr from;

	cr_assert_eq(send_to(fd, AF_INET, "10.9.0.1", 5353), 0);
	port = port_of(fd);
	sender_at(l, &from);
	cr_assert(sendto(l, "y", 1, 0, &from.sa, from.len) == 1);
	cr_assert_str_eq(sender_at(fd, NULL), "10.9.0.1:5353");
	close(fd);
	u = serve(NULL, AF_INET, SOCK_DGRAM, "127.0.0.1", port);
	cr_assert(u >= 0);
	send_to(u, AF_INET, "127.0.0.1", real);
	cr_assert(!readable(l, 200), "the heir of the port got through");
}

/* A peer that policy would refuse may answer what it was sent, also from outside. */
Test(hostile_udp, answers_still_come_in)
{
	struct scope a = scope_new("a", "10.9.0.1", NULL, 1),
		     b = scope_new("b", "10.9.0.2", NULL, 2);
	int fa = serve(&a, AF_INET, SOCK_DGRAM, "0.0.0.0", 5353), fb, out;
	struct any_addr from;

	b.app.mode = PB_MODE_OFF; /* a reaches b, b does not reach a */
	put_app(&b);
	fb = serve(&b, AF_INET, SOCK_DGRAM, "0.0.0.0", 5353);
	out = serve(NULL, AF_INET, SOCK_DGRAM, "127.0.0.1", 7000);
	cr_assert_eq(send_to(fb, AF_INET, "10.9.0.1", 5353), -EACCES);
	cr_assert_eq(send_to(fa, AF_INET, "10.9.0.2", 5353), 0);
	cr_assert_str_eq(sender_at(fb, &from), "10.9.0.1:5353");
	/* The program's own socket names the peer: its policy refuses, unless it was asked first. */
	if (sendto(fb, "y", 1, 0, &from.sa, from.len) == 1)
		cr_assert_str_eq(sender_at(fa, NULL), "10.9.0.2:5353");
	cr_assert_eq(send_to(fa, AF_INET, "127.0.0.1", 7000), 0);
	sender_at(out, &from);
	cr_assert(sendto(out, "y", 1, 0, &from.sa, from.len) == 1);
	cr_assert_str_eq(sender_at(fa, NULL), "127.0.0.1:7000");
}

/* connect(AF_UNSPEC) gives an unbound socket's port back; its name must not stay there. */
Test(hostile_udp, name_does_not_stay_with_a_port_given_back)
{
	struct scope s = scope_new("s", "10.9.0.1", NULL, 1),
		     c = scope_new("c", "10.9.0.2", NULL, 1);
	int l = serve(&s, AF_INET, SOCK_DGRAM, "0.0.0.0", 5353);
	int fd = dial(&c, AF_INET, SOCK_DGRAM, "10.9.0.1", 5353), port = port_of(fd), u;
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	cr_assert(send(fd, "x", 1, 0) == 1);
	cr_assert(strncmp(sender_at(l, NULL), "10.9.0.2:", 9) == 0);
	cr_assert(!connect(fd, &none, sizeof(none)));
	u = serve(NULL, AF_INET, SOCK_DGRAM, "127.0.0.1", port);
	cr_assert(u >= 0, "the port is still held: %s", strerror(-u));
	send_to(u, AF_INET, "127.0.0.1", real_of(&s.app.vip4, 5353, IPPROTO_UDP));
	cr_assert(!readable(l, 200), "%s got through", sender_at(l, NULL));
}

Test(hostile_udp, sender_after_disconnect_is_not_the_old_peer)
{
	struct scope s = scope_new("s", "10.9.0.1", NULL, 1),
		     c = scope_new("c", "10.9.0.2", NULL, 1);
	int l = serve(&s, AF_INET, SOCK_DGRAM, "0.0.0.0", 5353), port;
	int fd = dial(&c, AF_INET, SOCK_DGRAM, "10.9.0.1", 5353);
	int u = serve(NULL, AF_INET, SOCK_DGRAM, "127.0.0.1", 7100);
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	cr_assert(l >= 0 && fd >= 0 && u >= 0);
	cr_assert(!connect(fd, &none, sizeof(none)));
	cr_assert_eq(send_to(fd, AF_INET, "127.0.0.1", 7100), 0);
	port = port_of(fd);
	sender_at(u, NULL);
	cr_assert_eq(send_to(u, AF_INET, "127.0.0.1", port), 0);
	cr_assert_str_eq(sender_at(fd, NULL), "127.0.0.1:7100");
}

/* A datagram that waited before connect() keeps its own sender. */
Test(hostile_udp, sender_from_before_connect_is_not_the_peer)
{
	struct scope s = scope_new("s", "10.9.0.1", NULL, 1),
		     c = scope_new("c", "10.9.0.2", NULL, 1);
	struct any_addr any = sa_of(AF_INET, "127.0.0.1", 0), to = sa_of(AF_INET, "10.9.0.1", 5353);
	int l = serve(&s, AF_INET, SOCK_DGRAM, "0.0.0.0", 5353),
	    fd = sock_in(&c, AF_INET, SOCK_DGRAM);
	int u = serve(NULL, AF_INET, SOCK_DGRAM, "127.0.0.1", 7100);

	cr_assert(l >= 0 && !bind(fd, &any.sa, any.len));
	cr_assert_eq(send_to(u, AF_INET, "127.0.0.1", port_of(fd)), 0);
	cr_assert(readable(fd, 2000));
	cr_assert(!connect(fd, &to.sa, to.len), "%m");
	cr_assert_str_eq(sender_at(fd, NULL), "127.0.0.1:7100");
}

Test(hostile_udp, sockets_spread_over_instances)
{
	struct scope a = scope_new("w", "10.9.0.1", NULL, 1),
		     b = scope_new("w", "10.9.0.1", NULL, 1);
	struct scope c = scope_new("c", "10.9.0.2", NULL, 1);
	int la = serve(&a, AF_INET, SOCK_DGRAM, "0.0.0.0", 5353);
	int lb = serve(&b, AF_INET, SOCK_DGRAM, "0.0.0.0", 5353);

	for (int i = 0; i < 40; i++)
		cr_assert_eq(send_to(sock_in(&c, AF_INET, SOCK_DGRAM), AF_INET, "10.9.0.1", 5353),
			     0);
	cr_assert(readable(la, 200) && readable(lb, 200), "one instance got everything");
}

Test(hostile_udp, closing_one_of_a_group_does_not_silence_the_other)
{
	struct scope s = scope_new("s", "10.9.0.1", NULL, 1),
		     c = scope_new("c", "10.9.0.2", NULL, 1);
	int l = serve(&s, AF_INET, SOCK_DGRAM, "0.0.0.0", 5353), fd[2];
	struct any_addr any = sa_of(AF_INET, "0.0.0.0", 7946);

	for (int i = 0; i < 2; i++) {
		fd[i] = sock_in(&c, AF_INET, SOCK_DGRAM);
		set_int(fd[i], SOL_SOCKET, SO_REUSEPORT, 1);
		cr_assert(!bind(fd[i], &any.sa, any.len));
		cr_assert_eq(send_to(fd[i], AF_INET, "10.9.0.1", 5353), 0);
		cr_assert_str_eq(sender_at(l, NULL), "10.9.0.2:7946");
	}
	close(fd[1]);
	cr_assert_eq(send_to(fd[0], AF_INET, "10.9.0.1", 5353), 0);
	cr_assert_str_eq(sender_at(l, NULL), "10.9.0.2:7946");
	close(fd[0]);
	cr_assert_eq(used_in("pb_udp_src"), 0);
	cr_assert_eq(used_in("pb_udp_virt"), 0);
}

/* One socket, both families: each has its way back, and nothing is left behind. */
Test(hostile_udp, dual_stack_sender_keeps_both_names)
{
	struct scope s = scope_new("s", "10.9.0.1", "fd09::1", 1);
	struct scope c = scope_new("c", "10.9.0.2", "fd09::2", 1);
	int l = serve(&s, AF_INET6, SOCK_DGRAM, "::", 5353), fd = sock_in(&c, AF_INET6, SOCK_DGRAM);
	struct any_addr v4, v6;

	cr_assert_eq(send_to(fd, AF_INET6, "10.9.0.1", 5353), 0);
	cr_assert(!strncmp(sender_at(l, &v4), "[::ffff:10.9.0.2]:", 18));
	cr_assert_eq(send_to(fd, AF_INET6, "fd09::1", 5353), 0);
	cr_assert(!strncmp(sender_at(l, &v6), "[fd09::2]:", 10));
	cr_assert(sendto(l, "y", 1, 0, &v4.sa, v4.len) == 1, "v4 way back: %m");
	cr_assert_str_eq(sender_at(fd, NULL), "[::ffff:10.9.0.1]:5353");
	cr_assert(sendto(l, "y", 1, 0, &v6.sa, v6.len) == 1, "v6 way back: %m");
	cr_assert_str_eq(sender_at(fd, NULL), "[fd09::1]:5353");
	close(fd);
	close(l);
	cr_assert_eq(used_in("pb_udp_src"), 0);
	cr_assert_eq(used_in("pb_udp_virt"), 0);
}

/* logger, statsd: the sender is gone when the server reads. */
Test(hostile_udp, sender_that_left_keeps_its_name)
{
	struct scope s = scope_new("s", "10.9.0.1", NULL, 1),
		     c = scope_new("c", "10.9.0.2", NULL, 1);
	int l = serve(&s, AF_INET, SOCK_DGRAM, "0.0.0.0", 514),
	    fd = sock_in(&c, AF_INET, SOCK_DGRAM);
	const char *seen;

	cr_assert_eq(send_to(fd, AF_INET, "10.9.0.1", 514), 0);
	close(fd);
	seen = sender_at(l, NULL);
	cr_assert(!strncmp(seen, "10.9.0.2:", 9), "the server saw %s", seen);
}

/* A server that connected its socket to a client: the client's port is no key either. */
Test(hostile_udp, connected_server_does_not_hear_the_heir_of_the_port)
{
	struct scope s = scope_new("s", "10.9.0.1", NULL, 1),
		     c = scope_new("c", "10.9.0.2", NULL, 1);
	int l = serve(&s, AF_INET, SOCK_DGRAM, "0.0.0.0", 5353),
	    fd = sock_in(&c, AF_INET, SOCK_DGRAM);
	int real = real_of(&s.app.vip4, 5353, IPPROTO_UDP), port, u;
	struct any_addr from;

	cr_assert_eq(send_to(fd, AF_INET, "10.9.0.1", 5353), 0);
	port = port_of(fd);
	sender_at(l, &from);
	cr_assert(!connect(l, &from.sa, from.len), "%m");
	cr_assert_eq(send_to(fd, AF_INET, "10.9.0.1", 5353), -ECONNREFUSED);
	close(fd);
	u = serve(NULL, AF_INET, SOCK_DGRAM, "127.0.0.1", port);
	send_to(u, AF_INET, "127.0.0.1", real);
	cr_assert(!readable(l, 200), "%s got through", sender_at(l, NULL));
}

/* The conversation of a socket stays with its instance when another one starts. */
Test(hostile_udp, socket_keeps_its_instance)
{
	struct scope a = scope_new("w", "10.9.0.1", NULL, 1),
		     c = scope_new("c", "10.9.0.2", NULL, 1);
	int la = serve(&a, AF_INET, SOCK_DGRAM, "0.0.0.0", 5353), fd[16];

	for (int i = 0; i < 16; i++) {
		fd[i] = sock_in(&c, AF_INET, SOCK_DGRAM);
		cr_assert_eq(send_to(fd[i], AF_INET, "10.9.0.1", 5353), 0);
		sender_at(la, NULL);
	}
	for (int i = 0; i < 3; i++) {
		struct scope b = scope_new("w", "10.9.0.1", NULL, 1);

		cr_assert(serve(&b, AF_INET, SOCK_DGRAM, "0.0.0.0", 5353) >= 0);
	}
	for (int i = 0; i < 16; i++) {
		cr_assert_eq(send_to(fd[i], AF_INET, "10.9.0.1", 5353), 0);
		cr_assert(readable(la, 500), "socket %d went elsewhere", i);
		sender_at(la, NULL);
	}
}
