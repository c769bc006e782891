// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Connecting to endpoints on other nodes: where it goes, what the SYN says, what both ends see. */
#include "remote.h"

TestSuite(remote, .init = remote_init, .fini = world_fini, .timeout = 60);

static struct scope client(void)
{
	return client_new("c", "10.9.0.2", "fd09::2");
}

static void goes_there(int family, const char *dial_ip, const char *there, const char *shows,
		       const char *name)
{
	struct scope c = client();
	int l = listen_there(strchr(there, ':') ? AF_INET6 : AF_INET, there, 5080), fd, got;
	struct syn_seen s;
	char buf[8];

	web_there();
	fd = dial(&c, family, SOCK_STREAM, dial_ip, 80);
	cr_assert(fd >= 0, "%s", strerror(-fd));
	got = taken(l);
	cr_assert(got >= 0);
	s = syn_of(got);
	check_syn(&s, &c, 2, 0);
	cr_assert_str_eq(peer_of(fd), shows);
	cr_assert(!strncmp(name_of(fd), name, strlen(name)), "%s", name_of(fd));
	cr_assert(write(fd, "ping", 4) == 4 && read(got, buf, 8) == 4 && write(got, "po", 2) == 2);
	cr_assert_eq(read(fd, buf, 8), 2);
	cr_assert(far_get(1).live == 1 && far_get(1).total == 1);
	close(got);
	close(fd);
	cr_assert(eventually(far_get(1).live == 0));
	cr_assert_eq(far_get(1).total, 1);
	cr_assert_eq(eject_of(1).fails, 0);
}

Test(remote, ipv4)
{
	goes_there(AF_INET, "10.9.0.1", THERE4, "10.9.0.1:80", "10.9.0.2:");
}

Test(remote, ipv6)
{
	goes_there(AF_INET6, "fd09::1", THERE6, "[fd09::1]:80", "[fd09::2]:");
}

Test(remote, mapped)
{
	goes_there(AF_INET6, "10.9.0.1", THERE4, "[::ffff:10.9.0.1]:80", "[::ffff:10.9.0.2]:");
}

/* ---- where it goes ---- */

/* The state of this node's endpoint behind 10.9.0.1. */
static void drain_here(int port, uint8_t state)
{
	struct pb_svc_key k = { .addr = addr_of("10.9.0.1"),
				.port = htons(port),
				.proto = IPPROTO_TCP };
	struct pb_service svc;

	cr_assert(!pb_maps_get_service(maps, &k, &svc) && svc.live[0]);
	cr_assert(!pb_maps_set_endpoint_state(maps, svc.slot[__builtin_ctzll(svc.live[0])], state));
}

Test(remote, a_local_one_is_taken_first)
{
	struct scope c = client(), here = scope_new("w", "10.9.0.1", NULL, 1);
	int l = listen_there(AF_INET, THERE4, 5080), mine, fd;

	web_there();
	mine = serve(&here, AF_INET, SOCK_STREAM, "0.0.0.0", 80);
	cr_assert(mine >= 0);
	for (int i = 0; i < 20; i++) {
		fd = dial(&c, AF_INET, SOCK_STREAM, "10.9.0.1", 80);
		cr_assert(fd >= 0);
		close(taken(mine));
		close(fd);
	}
	cr_assert(!readable(l, 0));
	/* It drains, may not be reached, or is gone: the other one is taken. */
	drain_here(80, PB_EP_DRAIN);
	cr_assert_eq(attempt(&c, "10.9.0.1", 80), 0);
	close(taken(l));
	drain_here(80, PB_EP_UP);
	cr_assert_eq(attempt(&c, "10.9.0.1", 80), 0);
	close(taken(mine));
	here.app.grp[0] = 2;
	put_app(&here);
	fd = dial(&c, AF_INET, SOCK_STREAM, "10.9.0.1", 80);
	cr_assert(fd >= 0, "%s", strerror(-fd));
	close(taken(l));
	close(fd);
	close(mine);
	fd = dial(&c, AF_INET, SOCK_STREAM, "10.9.0.1", 80);
	cr_assert(fd >= 0, "%s", strerror(-fd));
	close(taken(l));
	close(fd);
}

Test(remote, weights)
{
	struct scope c = client();
	uint32_t index[10] = { 1, 2, 2, 2, 2, 2, 2, 2, 2, 2 };
	struct pb_endpoint ep;
	int l1, l2;
	unsigned n;

	pair_there(&l1, &l2);
	ep = far_get(1);
	ep.weight = 10;
	cr_assert(!pb_maps_set_remote(maps, 1, &ep));
	ep = far_get(2);
	ep.weight = 90;
	cr_assert(!pb_maps_set_remote(maps, 2, &ep));
	far_service_of("10.9.0.1", 0, 80, IPPROTO_TCP, 10, index);
	/* 1 in 10; without connections of which more would be held by one, at random. */
	n = share_of(&c, l1, l2, 400);
	cr_assert(n > 5 && n < 120, "%u of 400", n);
}

Test(remote, the_one_with_fewer_connections)
{
	struct scope c = client();
	int l1, l2, held[20];
	unsigned one = 0;

	pair_there(&l1, &l2);
	for (int i = 0; i < 20; i++) {
		held[i] = dial(&c, AF_INET, SOCK_STREAM, "10.9.0.1", 80);
		cr_assert(held[i] >= 0);
		one += which(l1, l2) == 1;
		cr_assert_leq(abs(far_get(1).live - far_get(2).live), 1, "at %d", i);
	}
	/* Two entries, two draws without repetition: always the one with fewer. */
	cr_assert_eq(one, 10, "%u of 20", one);
	cr_assert(far_get(1).live == 10 && far_get(2).live == 10);
	for (int i = 0; i < 20; i++)
		close(held[i]);
	cr_assert(eventually(!far_get(1).live && !far_get(2).live));
}

Test(remote, draining_ones_get_nothing)
{
	struct scope c = client();
	int l1, l2;

	pair_there(&l1, &l2);
	far_set(1, PB_EP_DRAIN, 0);
	cr_assert_eq(share_of(&c, l1, l2, 30), 0);
	far_set(2, PB_EP_DRAIN, 0);
	cr_assert_eq(attempt(&c, "10.9.0.1", 80), -ECONNREFUSED);
	far_set(1, PB_EP_UP, 0);
	cr_assert_eq(share_of(&c, l1, l2, 5), 5);
}

Test(remote, suspect_ones_are_the_last_choice)
{
	struct scope c = client();
	int l1, l2;

	pair_there(&l1, &l2);
	far_set(1, PB_EP_UP, PB_EP_SUSPECT);
	cr_assert_eq(share_of(&c, l1, l2, 30), 0);
	far_set(2, PB_EP_DRAIN, 0);
	cr_assert_eq(share_of(&c, l1, l2, 5), 5);
}

/* ---- who may, and who cannot ---- */

Test(remote, refusals)
{
	struct scope c = client(), other = scope_new("o", "10.9.0.9", NULL, 2);
	struct pb_addr loc = addr_of(THERE4);
	struct pb_endpoint ep;
	struct scope w;
	uint32_t one = 1;

	cr_assert(listen_there(AF_INET, THERE4, 5080) >= 0);
	w = web_there();
	cr_assert_eq(attempt(&other, "10.9.0.1", 80), -EACCES);
	cr_assert_eq(stat_of(PB_R_DENY_GROUP), 1);
	cr_assert_eq(attempt(&c, "10.9.0.1", 81), -ECONNREFUSED);
	cr_assert_eq(attempt(&c, "10.9.0.1", 80), 0);
	/* Datagrams have no path yet. */
	far_service_of("10.9.0.1", 0, 80, IPPROTO_UDP, 1, &one);
	cr_assert_eq(dial(&c, AF_INET, SOCK_DGRAM, "10.9.0.1", 80), -EHOSTUNREACH);
	cr_assert_eq(send_to(sock_in(&c, AF_INET, SOCK_DGRAM), AF_INET, "10.9.0.1", 80),
		     -EHOSTUNREACH);
	cr_assert_eq(stat_of(PB_R_WRONG_NETNS), 2);
	/* The node is not known. */
	cr_assert(!pb_maps_del_peer(maps, &loc));
	cr_assert_eq(attempt(&c, "10.9.0.1", 80), -EHOSTUNREACH);
	cr_assert_eq(stat_of(PB_R_NO_PEER), 1);
	/* No address of that family. */
	peer_put(THERE4, 2);
	far_service("10.9.0.1", 80, 2);
	ep = far_ep(&w, NULL, THERE6, 80, 5080);
	far_put(2, &ep);
	cr_assert_eq(attempt(&c, "10.9.0.1", 80), -EHOSTUNREACH);
	cr_assert_eq(stat_of(PB_R_WRONG_FAMILY), 1);
	/* The index is another's by now. */
	ep = far_ep(&w, THERE4, NULL, 82, 5080);
	cr_assert(!pb_maps_free_remote(maps, 2));
	far_put(2, &ep);
	cr_assert_eq(attempt(&c, "10.9.0.1", 80), -ECONNREFUSED);
	/* Alone, the node looks at no other. */
	far_service("10.9.0.1", 80, 1);
	config_flags(0, PB_CFG_PEERS);
	cr_assert_eq(attempt(&c, "10.9.0.1", 80), -ECONNREFUSED);
}

Test(remote, the_reason_of_the_local_one_stays)
{
	struct scope c = client(), here = scope_new("w", "10.9.0.1", NULL, 2);
	struct pb_addr loc = addr_of(THERE4);

	web_there();
	cr_assert(serve(&here, AF_INET, SOCK_STREAM, "0.0.0.0", 80) >= 0);
	cr_assert(!pb_maps_del_peer(maps, &loc));
	cr_assert_eq(attempt(&c, "10.9.0.1", 80), -EACCES);
	cr_assert(stat_of(PB_R_DENY_GROUP) == 1 && !stat_of(PB_R_NO_PEER));
}

static int from_elsewhere(const struct scope *c)
{
	int fd;

	join(c->path);
	fd = THERE(socket(AF_INET, SOCK_STREAM, 0));
	join(place.root);
	return fd;
}

Test(remote, clients_of_another_namespace_are_refused)
{
	struct scope c = client();
	struct any_addr to = sa_of(AF_INET, "10.9.0.1", 80);
	int fd;

	web_there();
	fd = from_elsewhere(&c);
	cr_assert(fd >= 0);
	cr_assert(connect(fd, &to.sa, to.len) && errno == EHOSTUNREACH, "%m");
	cr_assert_eq(stat_of(PB_R_WRONG_NETNS), 1);
}

Test(remote, mptcp_is_no_way_round)
{
	struct scope c = client();
	int fd = IN_SCOPE(&c, socket(AF_INET, SOCK_STREAM, 262 /* IPPROTO_MPTCP */));

	cr_assert(fd < 0 && (errno == EPROTONOSUPPORT || errno == ENOPROTOOPT), "%m");
}
