/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Clients on other nodes: who is let in under which name, and who is not. */
#include "peer.h"

TestSuite(peer, .init = far_init, .fini = world_fini, .timeout = 240);

static int listener;

static void listen_on(const char *ip, int family)
{
	listener = serve(&server, family, SOCK_STREAM, ip, PORT);
	cr_assert(listener >= 0, "%s", strerror(-listener));
}

static void accepted_as(int family, const char *peer, const char *name)
{
	struct syn s = good_syn(family);
	struct pb_endpoint ep;
	struct pb_admit a;
	char want[80];
	int fd;

	shake(&s);
	fd = taken(listener);
	snprintf(want, sizeof(want), "%s:%d", peer, ntohs(s.sport));
	cr_assert_str_eq(peer_of(fd), want);
	cr_assert_str_eq(name_of(fd), name);
	cr_assert_not(radmit(&s, &a), "an admission is used once");
	endpoint(&ep);
	cr_assert(ep.live == 1 && ep.total, "live %d total %llu", ep.live, ep.total);
	reset(&s);
	endpoint(&ep);
	cr_assert_eq(ep.live, 0);
	close(fd);
}

Test(peer, is_accepted_under_its_own_name_ipv4)
{
	listen_on("0.0.0.0", AF_INET);
	accepted_as(AF_INET, "10.9.1.2", "10.9.0.1:8080");
}

Test(peer, is_accepted_under_its_own_name_ipv6)
{
	listen_on("::", AF_INET6);
	accepted_as(AF_INET6, "[fd00::2]", "[fd00::1]:8080");
}

Test(peer, ipv4_reaches_a_listener_of_both)
{
	listen_on("::", AF_INET6);
	accepted_as(AF_INET, "[::ffff:10.9.1.2]", "[::ffff:10.9.0.1]:8080");
}

Test(peer, accept_itself_tells_the_name)
{
	struct any_addr a = { .len = sizeof(a) - sizeof(a.len) };
	struct syn s;

	listen_on("10.9.0.1", AF_INET);
	s = good_syn(AF_INET);
	shake(&s);
	cr_assert(poll(&(struct pollfd){ .fd = listener, .events = POLLIN }, 1, 5000) == 1);
	cr_assert_geq(accept(listener, &a.sa, &a.len), 0);
	cr_assert(!strncmp(show(&a), "10.9.1.2:", 9), "%s", show(&a));
}

/* ---- wrong ones ---------------------------------------------------------- */

static void flip_mac(struct syn *s, struct pb_syn_opt *o)
{
	(void)s;
	o->mac[7] ^= 1;
}

static void other_id(struct syn *s, struct pb_syn_opt *o)
{
	(void)s;
	o->id[0] ^= 1;
}

static void other_source(struct syn *s, struct pb_syn_opt *o)
{
	(void)o;
	s->src.b[15] = 9;
}

static void other_isn(struct syn *s, struct pb_syn_opt *o)
{
	(void)o;
	s->isn++;
}

static void other_client_port(struct syn *s, struct pb_syn_opt *o)
{
	(void)o;
	s->sport ^= htons(0x100);
}

static void other_flags(struct syn *s, struct pb_syn_opt *o)
{
	(void)s;
	o->magic[1] |= PB_SYN_F_LOOP;
}

static void refused(int family, forge_fn forge)
{
	struct syn s = good_syn(family), sent = s;
	struct pb_syn_opt unused;
	uint64_t before = counted(PB_R_BAD_MAC), silent = counted(PB_R_NO_ADMIT);
	struct pb_admit a;
	struct tcp_seg seg;

	forge(&sent, &unused);
	send_syn(&s, forge);
	seg = answer(&sent);
	cr_assert(is_reset(&seg), "flags %#x", seg.flags);
	cr_assert_eq(counted(PB_R_BAD_MAC), before + 1);
	cr_assert_eq(counted(PB_R_NO_ADMIT), silent + 1, "the guard refuses it");
	cr_assert_not(radmit(&sent, &a), "nothing is written for it");
}

Test(peer, forged_ones_are_refused)
{
	static const forge_fn forge[] = { flip_mac,  other_id,		other_source,
					  other_isn, other_client_port, other_flags };

	listen_on("::", AF_INET6);
	put_peer("192.0.2.9", NODE + 1, key_old, NULL);
	put_peer("2001:db8::9", NODE + 1, key_old, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(forge); i++) {
		refused(AF_INET, forge[i]);
		refused(AF_INET6, forge[i]);
	}
}

static __be16 elsewhere;

static void other_server_port(struct syn *s, struct pb_syn_opt *o)
{
	(void)o;
	s->dport = elsewhere;
}

Test(peer, a_proof_for_one_listener_is_none_for_another)
{
	struct pb_endpoint ep;
	struct syn s;

	cr_assert_geq(serve(&server, AF_INET, SOCK_STREAM, "0.0.0.0", PORT + 1), 0);
	endpoint(&ep);
	elsewhere = ep.real;
	listen_on("0.0.0.0", AF_INET);
	s = good_syn(AF_INET);
	for (uint32_t i = 1; elsewhere == s.dport; i++) {
		cr_assert(!bpf_map_lookup_elem(map_of("pb_endpoints"), &i, &ep));
		if (ep.state == PB_EP_UP)
			elsewhere = ep.real;
	}
	refused(AF_INET, other_server_port);
	s = good_syn(AF_INET);
	shake(&s);
}

Test(peer, a_stranger_is_refused)
{
	struct pb_admit a;
	struct syn s;

	listen_on("::", AF_INET6);
	s = good_syn(AF_INET6);
	s.with = WITH_TS;
	expect_reset(&s, NULL, PB_R_NO_SYN_ID);
	cr_assert_not(radmit(&s, &a));
	s = good_syn(AF_INET);
	s.with = 0;
	expect_reset(&s, NULL, PB_R_NO_SYN_ID);
}

/* Of a node that nobody has told us of: it may have joined this moment. */
Test(peer, a_node_that_is_not_known_is_refused_the_second_time)
{
	struct syn s, probe;
	struct pb_admit a;

	listen_on("::", AF_INET6);
	s = good_syn(AF_INET);
	s.src = addr_of("192.0.2.7");
	send_syn(&s, NULL);
	cr_assert_eq(counted(PB_R_NO_MEMBER), 1);
	probe = good_syn(AF_INET);
	probe.with = 0;
	expect_reset(&probe, NULL, PB_R_NO_SYN_ID);
	expect_reset(&s, NULL, PB_R_BAD_MAC);
	cr_assert_not(radmit(&s, &a));
	s = good_syn(AF_INET);
	s.src = addr_of("192.0.2.7");
	send_syn(&s, NULL);
	put_peer("192.0.2.7", NODE, key_now, NULL);
	shake(&s);
	cr_assert(strstr(peer_of(taken(listener)), "10.9.1.2"));
}

Test(peer, the_key_before_is_good_and_none_is_not)
{
	static const __u64 none[2];
	struct syn s;

	listen_on("0.0.0.0", AF_INET);
	s = good_syn(AF_INET);
	s.key = key_old;
	expect_reset(&s, NULL, PB_R_BAD_MAC);
	put_peer(THERE4, NODE, key_now, key_old);
	s = good_syn(AF_INET);
	s.key = key_old;
	shake(&s);
	cr_assert_geq(taken(listener), 0);
	s = good_syn(AF_INET);
	s.key = none;
	expect_reset(&s, NULL, PB_R_BAD_MAC);
	put_peer(THERE4, NODE, NULL, NULL);
	s = good_syn(AF_INET);
	s.key = none;
	expect_reset(&s, NULL, PB_R_BAD_MAC);
}

/* ---- known, but not yet, or not here ------------------------------------- */

Test(peer, one_not_announced_waits_for_the_news)
{
	struct syn s, probe;
	struct tcp_seg a;

	listen_on("0.0.0.0", AF_INET);
	s = good_syn(AF_INET);
	s.id = ID + 1;
	send_syn(&s, NULL);
	cr_assert_eq(counted(PB_R_NO_MEMBER), 1);
	/* Nothing came for it: the first answer is another's. */
	probe = good_syn(AF_INET);
	probe.with = 0;
	expect_reset(&probe, NULL, PB_R_NO_SYN_ID);

	client_app.id = ID + 1;
	cr_assert(!pb_maps_put_app(maps, REF + 1, &client_app, &(struct pb_tags){ 0 }));
	put_member(NODE, ID + 1, REF + 1);
	send_syn(&s, NULL);
	a = answer(&s);
	cr_assert(is_synack(&a), "flags %#x", a.flags);
	send_seg(&s, TH_ACK, s.isn + 1, a.seq + 1, NULL);
	cr_assert_geq(taken(listener), 0);
}

Test(peer, an_application_of_another_node_is_not_vouched_for)
{
	struct syn s, probe;

	listen_on("0.0.0.0", AF_INET);
	put_member(NODE + 1, ID + 2, REF);
	s = good_syn(AF_INET);
	s.id = ID + 2;
	send_syn(&s, NULL);
	/* A record that has become another's. */
	put_member(NODE, ID + 3, REF);
	s.id = ID + 3;
	send_syn(&s, NULL);
	probe = good_syn(AF_INET);
	shake(&probe);
	cr_assert_eq(counted(PB_R_NO_MEMBER), 2);
}

static void policy_says(uint32_t reason)
{
	struct syn s = good_syn(AF_INET);
	struct pb_admit a;

	expect_reset(&s, NULL, reason);
	cr_assert(radmit(&s, &a) && !a.ep && a.gen == reason && a.app == REF);
}

Test(peer, policy_refuses_with_its_reason)
{
	listen_on("0.0.0.0", AF_INET);
	put_client(GRP << 1);
	policy_says(PB_R_DENY_GROUP);
	put_client(0);
	policy_says(PB_R_DENY_UNTAGGED);
	client_app.flags |= PB_APP_QUARANTINED;
	cr_assert(!pb_maps_put_app(maps, REF, &client_app, &(struct pb_tags){ 0 }));
	policy_says(PB_R_QUARANTINED);
	set_config(PB_CFG_GUARD | PB_CFG_PEERS, PB_MODE_OFF);
	policy_says(PB_R_QUARANTINED);
}

Test(peer, audit_lets_in_under_the_name)
{
	listen_on("0.0.0.0", AF_INET);
	put_client(GRP << 1);
	set_config(PB_CFG_GUARD | PB_CFG_PEERS, PB_MODE_AUDIT);
	accepted_as(AF_INET, "10.9.1.2", "10.9.0.1:8080");
	cr_assert_eq(counted(PB_R_AUDIT), 1);
	set_config(PB_CFG_GUARD | PB_CFG_PEERS, PB_MODE_OFF);
	accepted_as(AF_INET, "10.9.1.2", "10.9.0.1:8080");
}

Test(peer, audit_does_not_wait_for_news)
{
	struct syn s;

	listen_on("0.0.0.0", AF_INET);
	set_config(PB_CFG_GUARD | PB_CFG_PEERS, PB_MODE_AUDIT);
	s = good_syn(AF_INET);
	s.id = ID + 1;
	shake(&s);
	cr_assert_eq(counted(PB_R_NO_MEMBER), 1);
	cr_assert_str_neq(peer_of(taken(listener)), "10.9.1.2:40000");
}

/* ---- loopback of a shared private host ----------------------------------- */

Test(peer, loopback_of_the_same_application)
{
	struct syn s;
	int fd;

	listen_on("::", AF_INET6);
	s = good_syn(AF_INET);
	s.flags = PB_SYN_F_LOOP;
	expect_reset(&s, NULL, PB_R_BAD_ADMIT);
	client_app.ns = server.app.ns;
	put_client(GRP);
	s = good_syn(AF_INET);
	s.flags = PB_SYN_F_LOOP;
	shake(&s);
	fd = taken(listener);
	cr_assert(!strncmp(peer_of(fd), "[::ffff:127.0.0.1]:", 19), "%s", peer_of(fd));
	cr_assert_str_eq(name_of(fd), "[::ffff:127.0.0.1]:8080");
	s = good_syn(AF_INET6);
	s.flags = PB_SYN_F_LOOP;
	shake(&s);
	fd = taken(listener);
	cr_assert(!strncmp(peer_of(fd), "[::1]:", 6), "%s", peer_of(fd));
}

Test(peer, the_address_dialled_must_be_served)
{
	struct syn s;

	/* The name only, not loopback. */
	listen_on("10.9.0.1", AF_INET);
	client_app.ns = server.app.ns;
	put_client(GRP);
	s = good_syn(AF_INET);
	s.flags = PB_SYN_F_LOOP;
	expect_reset(&s, NULL, PB_R_BAD_ADMIT);
	s = good_syn(AF_INET);
	shake(&s);
}

/* ---- without us ---------------------------------------------------------- */

Test(peer, no_cluster_and_no_device_means_nobody)
{
	struct syn s;

	listen_on("0.0.0.0", AF_INET);
	s = good_syn(AF_INET);
	set_config(PB_CFG_GUARD, PB_MODE_ENFORCE);
	expect_reset(&s, NULL, PB_R_NO_ADMIT);
	set_config(PB_CFG_GUARD | PB_CFG_PEERS, PB_MODE_ENFORCE);
	attach(false);
	s = good_syn(AF_INET);
	expect_reset(&s, NULL, PB_R_NO_ADMIT);
	cr_assert_eq(counted(PB_R_NO_SYN_ID) + counted(PB_R_BAD_MAC), 0);
	attach(true);
	s = good_syn(AF_INET);
	shake(&s);
}
