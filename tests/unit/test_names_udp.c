/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The resolver over UDP, its ports, and its end. */
#include "test_names_live.h"

TestSuite(names_udp, .fini = stop, .timeout = 60);

Test(names_udp, inside_on_every_socket)
{
	start(NULL);
	for (int i = 0; i < 4; i++) {
		bool tcp = i & 1, six = i & 2;
		size_t len = make_query(query, "web", LDNS_RR_TYPE_A, 0);
		int fd;

		if (six && !pb_names_has_v6(names))
			continue;
		fd = client(tcp ? SOCK_STREAM : SOCK_DGRAM, six);
		if (tcp)
			put_frame(fd, query, len);
		else
			put_all(fd, query, len);
		cr_expect_gt(tcp ? (ssize_t)take_frame(fd) : take(fd), (ssize_t)len);
		cr_expect_eq(got[7], 1);
		close(fd);
	}
	cr_expect_eq(counters()->answered, pb_names_has_v6(names) ? 4 : 2);
	cr_expect_eq(stats.forwarded, 0);
}

Test(names_udp, one_number_that_nobody_else_can_take)
{
	int one = 1;

	start(NULL);
	cr_expect_neq(pb_names_port(names, 0), pb_names_port(names, 1));
	cr_expect_eq(pb_names_port(names, 3), 0);
	for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
		struct sockaddr_in sin = loop4(pb_names_port(names, 0));
		int fd = socket(AF_INET, type, 0);

		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		cr_expect_lt(bind(fd, (void *)&sin, sizeof(sin)), 0, "type %d", type);
		close(fd);
	}
}

static void relay(bool six)
{
	static const char *const records[] = { "example.com. 60 IN A 192.0.2.7", NULL };
	uint8_t answer[2048];
	struct sockaddr_in first, from;
	size_t len, n;
	int fd;

	start(NULL);
	if (six && !pb_names_has_v6(names))
		return;
	fd = client(SOCK_DGRAM, six);
	len = ask_outside(fd, "example.com");
	first = upstream_takes(len);
	n = make_answer(answer, query, len, records);
	memset(answer + n, 0xaa, 900); /* what we do not understand goes along */
	upstream_says(&first, answer, n + 900);
	cr_expect_eq(take(fd), (ssize_t)n + 900);
	cr_expect_arr_eq(got, answer, n + 900);
	from = upstream_takes(ask_outside(fd, "example.org"));
	cr_expect_neq(first.sin_port, from.sin_port, "a port of its own for each query");
	cr_expect_eq(counters()->relayed, 1);
	cr_expect_eq(stats.udp_pending, 1);
	close(fd);
}

Test(names_udp, udp_relay4)
{
	relay(false);
}

Test(names_udp, udp_relay6)
{
	relay(true);
}

Test(names_udp, udp_dead_resolver)
{
	uint64_t begin = now_ms();
	int fd;

	start(NULL);
	close(up_udp);
	up_udp = -1;
	fd = client(SOCK_DGRAM, false);
	ask_outside(fd, "example.com");
	cr_assert_gt(take(fd), 0);
	cr_expect_eq(rcode(), LDNS_RCODE_SERVFAIL);
	cr_expect_lt(now_ms() - begin, 4000, "at once, not at the deadline");
	cr_expect_eq(counters()->unreachable, 1);
	close(fd);
}

Test(names_udp, udp_slow_resolver)
{
	static const struct pb_names_limits limits = { .answer_ms = 150 };
	static const char *const records[] = { NULL };
	uint8_t answer[2048];
	struct sockaddr_in from;
	uint64_t begin;
	size_t len, n;
	int fd;

	start(&limits);
	fd = client(SOCK_DGRAM, false);
	uv_update_time(&loop);
	begin = now_ms();
	len = ask_outside(fd, "example.com");
	from = upstream_takes(len);
	n = make_answer(answer, query, len, records);
	cr_assert_gt(take(fd), 0);
	cr_expect_eq(rcode(), LDNS_RCODE_SERVFAIL);
	cr_expect_geq(now_ms() - begin, 145);
	cr_expect_eq(counters()->timeouts, 1);
	upstream_says(&from, answer, n);
	for (int i = 0; i < 4; i++)
		turn(fd);
	cr_expect_lt(recv(fd, got, sizeof(got), 0), 0, "too late is not passed on");
	close(fd);
}

Test(names_udp, udp_wrong_answers_are_ignored)
{
	static const char *const records[] = { "example.com. 60 IN A 192.0.2.7", NULL };
	uint8_t answer[2048];
	struct sockaddr_in from;
	size_t len, n;
	int fd;

	start(NULL);
	fd = client(SOCK_DGRAM, false);
	len = ask_outside(fd, "example.com");
	from = upstream_takes(len);
	n = make_answer(answer, query, len, records);
	answer[0] ^= 1;
	upstream_says(&from, answer, n);
	answer[0] ^= 1;
	answer[PB_MSG_HEADER + 1] ^= 1;
	upstream_says(&from, answer, n);
	answer[PB_MSG_HEADER + 1] ^= 1;
	upstream_says(&from, answer, 0);
	upstream_says(&from, answer, n);
	cr_expect_eq(take(fd), (ssize_t)n);
	cr_expect_arr_eq(got, answer, n);
	cr_expect_eq(counters()->mismatched, 3);
	close(fd);
}

Test(names_udp, udp_rebinding)
{
	static const char *const pool[] = { "example.com. 60 IN A 10.9.0.1", NULL };
	static const char *const ours[] = { "web.patchbay.internal. 60 IN A 192.0.2.1", NULL };
	uint8_t answer[2048];
	int fd;

	start(NULL);
	fd = client(SOCK_DGRAM, false);
	for (int i = 0; i < 2; i++) {
		size_t len = ask_outside(fd, "example.com");
		struct sockaddr_in from = upstream_takes(len);

		upstream_says(&from, answer, make_answer(answer, query, len, i ? ours : pool));
		cr_assert_gt(take(fd), 0);
		cr_expect_eq(rcode(), LDNS_RCODE_SERVFAIL);
		cr_expect_eq(got[7], 0, "no records");
	}
	cr_expect_eq(counters()->pool_answers, 1);
	cr_expect_eq(stats.zone_answers, 1);
	close(fd);
}

Test(names_udp, udp_overflow_and_no_resolver)
{
	static const struct pb_names_limits limits = { .udp_pending = 2 };
	int fd;

	start(&limits);
	fd = client(SOCK_DGRAM, false);
	for (int i = 0; i < 3; i++)
		ask_outside(fd, "example.com");
	cr_assert_gt(take(fd), 0);
	cr_expect_eq(rcode(), LDNS_RCODE_SERVFAIL);
	cr_expect_eq(counters()->overflow, 1);
	cr_expect_eq(stats.udp_pending, 2);
	has_resolver = false;
	ask_outside(fd, "example.com");
	cr_assert_gt(take(fd), 0);
	cr_expect_eq(rcode(), LDNS_RCODE_SERVFAIL);
	cr_expect_eq(counters()->no_resolver, 1);
	close(fd);
}

static __be16 port_of(int fd, bool six)
{
	struct sockaddr_in6 s;
	socklen_t len = sizeof(s);

	cr_assert(!getsockname(fd, (void *)&s, &len));
	return six ? s.sin6_port : ((struct sockaddr_in *)&s)->sin_port;
}

static void refused_outside(bool tcp, bool six)
{
	struct pb_addr self = pb_addr_loopback(!six);
	size_t len;
	int fd;

	may = PB_NAMES_MAY_NOT;
	start(NULL);
	if (six && !pb_names_has_v6(names))
		return;
	fd = client(tcp ? SOCK_STREAM : SOCK_DGRAM, six);
	for (int i = 0; i < 2; i++) {
		len = make_query(query, i ? "web" : "secret.example.com", LDNS_RR_TYPE_A, 0);
		if (tcp)
			put_frame(fd, query, len);
		else
			put_all(fd, query, len);
		cr_assert_gt(tcp ? (ssize_t)take_frame(fd) : take(fd), 0);
		cr_expect_eq(rcode(), i ? LDNS_RCODE_NOERROR : LDNS_RCODE_REFUSED);
		cr_expect_eq(got_id(), 0xbeef);
	}
	cr_expect_eq(asked.n, 1, "names inside need nothing");
	cr_expect(pb_addr_eq(&asked.client, &self));
	cr_expect_eq(asked.port, port_of(fd, six));
	cr_expect_eq(asked.tcp, tcp);
	cr_expect_eq(asked.index, 0);
	cr_expect_eq(counters()->egress_refused, 1);
	cr_expect_eq(stats.forwarded, 0);
	cr_expect_lt(recv(up_udp, got, sizeof(got), 0), 0, "nothing left");
	close(fd);
}

Test(names_udp, egress_refused_udp4)
{
	refused_outside(false, false);
}

Test(names_udp, egress_refused_udp6)
{
	refused_outside(false, true);
}

Test(names_udp, egress_refused_tcp4)
{
	refused_outside(true, false);
}

Test(names_udp, egress_refused_tcp6)
{
	refused_outside(true, true);
}

Test(names_udp, egress_audited_is_forwarded)
{
	int fd;

	may = PB_NAMES_MAY_AUDIT;
	start(NULL);
	fd = client(SOCK_DGRAM, false);
	upstream_takes(ask_outside(fd, "example.com"));
	cr_expect_eq(counters()->egress_audited, 1);
	cr_expect_eq(stats.forwarded, 1);
	close(fd);
}

Test(names_udp, freed_with_everything_open)
{
	uint8_t buf[512];
	size_t n = frame_query(buf, "one.example", LDNS_RR_TYPE_A, 1);
	int tcp, udp;

	start(NULL);
	tcp = client(SOCK_STREAM, false);
	udp = client(SOCK_DGRAM, false);
	put_all(tcp, buf, n);
	close(accept_upstream());
	put_all(tcp, buf, n);
	ask_outside(udp, "example.com");
	upstream_takes(make_query(query, "example.com", LDNS_RR_TYPE_A, 1232));
	close(tcp);
	close(udp);
}

/* ---- a port that gets another number ---------------------------------------- */

Test(names_udp, renewed_port_leaves_old_sockets_alone)
{
	uint8_t buf[512];
	int udp, tcp, up, other;
	__be16 port, kept;
	size_t n;

	start(NULL);
	port = pb_names_port(names, 0);
	kept = pb_names_port(names, 1);
	udp = client(SOCK_DGRAM, false);
	tcp = client(SOCK_STREAM, false);
	n = frame_query(buf, "one.example", LDNS_RR_TYPE_A, 1);
	put_all(tcp, buf, n);
	up = accept_upstream();
	upstream_takes(ask_outside(udp, "example.com"));
	cr_expect_neq(pb_names_used_ms(names, 0), 0);
	cr_expect_eq(pb_names_used_ms(names, 1), 0);
	cr_assert_eq(pb_names_renew(names, 0), 0);
	cr_expect_neq(pb_names_port(names, 0), port);
	cr_expect_eq(pb_names_port(names, 1), kept);
	cr_expect_eq(pb_names_used_ms(names, 0), 0);
	cr_expect_eq(counters()->udp_pending, 0);
	cr_expect_eq(stats.clients, 0);
	send(udp, query, 12, 0);
	cr_expect_eq(take(udp), -ECONNREFUSED);
	cr_expect_leq(take(tcp), 0, "closed");
	other = client(SOCK_DGRAM, false);
	put_all(other, query, make_query(query, "web", LDNS_RR_TYPE_A, 0));
	cr_expect_gt(take(other), 0, "the new one is served");
	cr_expect_eq(pb_names_renew(names, 3), -EINVAL);
	close(udp);
	close(tcp);
	close(up);
	close(other);
}
