/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an admission of a client on another node is good for, and for how long. */
#include "peer.h"

static int listener;

static void setup(void)
{
	far_init();
	listener = serve(&server, AF_INET6, SOCK_STREAM, "::", PORT);
	cr_assert(listener >= 0, "%s", strerror(-listener));
}

TestSuite(peer_admit, .init = setup, .fini = world_fini, .timeout = 240);

static void write_proc(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	cr_assert(f && fputs(text, f) >= 0 && !fclose(f), "%s: %m", path);
}

/* One figure of the second of two lines "TcpExt: names" and "TcpExt: numbers". */
static unsigned long netstat_of(const char *name)
{
	char names[8192], values[8192], *n = names, *v = values, *a, *b;
	FILE *f = fopen("/proc/net/netstat", "re");

	cr_assert(f && fgets(names, sizeof(names), f) && fgets(values, sizeof(values), f));
	fclose(f);
	while ((a = strsep(&n, " \n")) && (b = strsep(&v, " \n")))
		if (!strcmp(a, name))
			return strtoul(b, NULL, 10);
	cr_assert_fail("no %s", name);
	return 0;
}

/* SYN and answer, then @change, then the ACK.  The server's next number. */
static uint32_t shake_but(const struct syn *s, void (*change)(struct pb_admit *))
{
	struct pb_flow_key k = flow_of(s);
	struct pb_admit a;
	struct tcp_seg seg;

	send_syn(s, NULL);
	seg = answer(s);
	cr_assert(is_synack(&seg), "flags %#x", seg.flags);
	cr_assert(radmit(s, &a));
	if (change) {
		change(&a);
		cr_assert(!bpf_map_update_elem(map_of("pb_radmit"), &k, &a, BPF_ANY));
	} else {
		cr_assert(!bpf_map_delete_elem(map_of("pb_radmit"), &k));
	}
	send_seg(s, TH_ACK, s->isn + 1, seg.seq + 1, NULL);
	return seg.seq + 1;
}

/* The program gets a socket, and not a byte. */
static void deaf_child(const struct syn *s, uint32_t next, uint32_t reason)
{
	char c;
	int fd = taken(listener);

	cr_assert_eq(counted(reason), 1);
	send_seg(s, TH_ACK | TH_PUSH, s->isn + 1, next, "secret");
	cr_assert(recv(fd, &c, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN, "%m");
	close(fd);
}

static void grow_old(struct pb_admit *a)
{
	a->time_ns -= PB_ADMIT_NS + 1000000000ULL;
}

static void next_gen(struct pb_admit *a)
{
	a->gen++;
}

static void other_endpoint(struct pb_admit *a)
{
	a->ep++;
}

static void other_number(struct pb_admit *a)
{
	a->isn++;
}

static void refuse_it(struct pb_admit *a)
{
	a->ep = 0;
	a->gen = PB_R_DENY_RULE;
}

static void none_left(struct pb_admit *a)
{
	(void)a;
}

static void ends_deaf(void (*change)(struct pb_admit *), uint32_t reason)
{
	struct syn s = good_syn(AF_INET);

	deaf_child(&s, shake_but(&s, change), reason);
}

Test(peer_admit, is_taken_as_it_is)
{
	struct syn s = good_syn(AF_INET);

	shake_but(&s, none_left);
	cr_assert(!strncmp(peer_of(taken(listener)), "[::ffff:10.9.1.2]:", 18));
}

Test(peer_admit, an_old_one_is_void)
{
	ends_deaf(grow_old, PB_R_BAD_ADMIT);
}

Test(peer_admit, is_bound_to_the_endpoint)
{
	ends_deaf(other_endpoint, PB_R_BAD_ADMIT);
}

Test(peer_admit, is_bound_to_the_generation)
{
	ends_deaf(next_gen, PB_R_BAD_ADMIT);
}

Test(peer_admit, is_bound_to_the_number)
{
	ends_deaf(other_number, PB_R_BAD_ADMIT);
}

Test(peer_admit, a_refusal_admits_nobody)
{
	ends_deaf(refuse_it, PB_R_BAD_ADMIT);
}

Test(peer_admit, one_that_was_displaced_admits_nobody)
{
	ends_deaf(NULL, PB_R_NO_ADMIT);
}

Test(peer_admit, another_client_of_the_same_ports_is_not_the_one)
{
	struct syn s = good_syn(AF_INET), t = s;
	struct tcp_seg a;

	/* The first one gave up; its admission is still there. */
	send_syn(&s, NULL);
	a = answer(&s);
	cr_assert(is_synack(&a));
	reset(&s);
	t.isn += 1000;
	t.with = 0;
	send_syn(&t, NULL);
	a = answer(&t);
	cr_assert(is_synack(&a), "flags %#x", a.flags);
	send_seg(&t, TH_ACK, t.isn + 1, a.seq + 1, NULL);
	deaf_child(&t, a.seq + 1, PB_R_BAD_ADMIT);
}

/* The same bytes once more: whoever has the client's address gets the answer, nobody else. */
Test(peer_admit, a_repeated_syn_opens_nothing_blindly)
{
	struct syn s = good_syn(AF_INET);
	uint32_t next = shake(&s);
	int fd = taken(listener);
	struct tcp_seg a;
	char c;

	/* While the connection lasts: it goes on. */
	send_syn(&s, NULL);
	a = answer(&s);
	cr_assert(!(a.flags & (TH_SYN | TH_RST)), "flags %#x", a.flags);
	send_seg(&s, TH_ACK | TH_PUSH, s.isn + 1, next, "x");
	cr_assert(recv(fd, &c, 1, 0) == 1 && c == 'x');
	answer(&s);
	send_seg(&s, TH_RST, s.isn + 2, 0, NULL);
	/* And after it: the old number is worth nothing. */
	send_syn(&s, NULL);
	a = answer(&s);
	cr_assert(is_synack(&a) && a.seq + 1 != next);
	send_seg(&s, TH_ACK, s.isn + 1, next, NULL);
	a = answer(&s);
	cr_assert(is_reset(&a), "flags %#x", a.flags);
	cr_assert_eq(poll(&(struct pollfd){ .fd = listener, .events = POLLIN }, 1, 0), 0);
}

static void cookie(int family, const char *peer)
{
	unsigned long sent = netstat_of("SyncookiesSent"), got = netstat_of("SyncookiesRecv");
	struct syn s = good_syn(family);

	shake(&s);
	cr_assert_eq(netstat_of("SyncookiesSent"), sent + 1);
	cr_assert_eq(netstat_of("SyncookiesRecv"), got + 1);
	cr_assert(!strncmp(peer_of(taken(listener)), peer, strlen(peer)));
}

Test(peer_admit, syn_cookies_lose_nothing)
{
	struct syn s;

	write_proc("/proc/sys/net/ipv4/tcp_syncookies", "2");
	cookie(AF_INET, "[::ffff:10.9.1.2]:");
	cookie(AF_INET6, "[fd00::2]:");
	/* Without an admission the ACK finds nobody. */
	s = good_syn(AF_INET);
	shake_but(&s, grow_old);
	cr_assert(is_reset(&(struct tcp_seg){ .flags = answer(&s).flags }));
	s = good_syn(AF_INET);
	s.with = WITH_TS;
	expect_reset(&s, NULL, PB_R_NO_SYN_ID);
}

Test(peer_admit, a_full_map_takes_the_next)
{
	struct pb_flow_key k = { .lport = 1 };
	struct pb_admit a = { .time_ns = 1 };
	struct syn s;

	for (uint32_t i = 0; i < 3 * 16384; i++) {
		k.raddr.w[3] = i;
		cr_assert(!bpf_map_update_elem(map_of("pb_radmit"), &k, &a, BPF_ANY));
	}
	for (int i = 0; i < 8; i++) {
		s = good_syn(i & 1 ? AF_INET : AF_INET6);
		shake(&s);
		cr_assert_str_neq(peer_of(taken(listener)), "");
	}
	cr_assert_eq(counted(PB_R_NO_ADMIT) + counted(PB_R_BAD_ADMIT) + counted(PB_R_MAP_FULL), 0);
}

Test(peer_admit, a_program_of_this_node_is_no_stranger)
{
	struct syn s = good_syn(AF_INET);
	struct pb_flow_key k = flow_of(&s);
	struct pb_endpoint ep;
	struct pb_admit a = { .app = server.ref, .time_ns = pb_now_ns(), .isn = s.isn, .dport = 1 };
	struct tcp_seg seg;

	/* As one in another network namespace writes it; its SYN carries nothing. */
	a.ep = endpoint(&ep);
	a.gen = ep.gen;
	cr_assert(!bpf_map_update_elem(map_of("pb_admit"), &k, &a, BPF_ANY));
	s.with = WITH_TS;
	send_syn(&s, NULL);
	seg = answer(&s);
	cr_assert(is_synack(&seg));
	cr_assert_eq(counted(PB_R_NO_SYN_ID), 0);
}

Test(peer_admit, a_stale_local_one_gives_way)
{
	struct syn s = good_syn(AF_INET);
	struct pb_flow_key k = flow_of(&s);
	struct pb_admit a = { .app = server.ref, .time_ns = pb_now_ns(), .isn = 1, .dport = 1 };
	struct pb_endpoint ep;

	a.ep = endpoint(&ep);
	a.gen = ep.gen;
	cr_assert(!bpf_map_update_elem(map_of("pb_admit"), &k, &a, BPF_ANY));
	shake(&s);
	cr_assert(!strncmp(peer_of(taken(listener)), "[::ffff:10.9.1.2]:", 18));
	cr_assert(!bpf_map_lookup_elem(map_of("pb_admit"), &k, &a), "another's stays");
}
