/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The resolver over TCP. */
#include "test_names_live.h"

TestSuite(names_tcp, .fini = stop, .timeout = 60);

Test(names_tcp, tcp_byte_by_byte_then_two_at_once)
{
	uint8_t buf[1024];
	size_t n, m;
	int fd;

	start(NULL);
	fd = client(SOCK_STREAM, false);
	n = frame_query(buf, "web", LDNS_RR_TYPE_A, 1);
	for (size_t i = 0; i < n; i++) {
		put_all(fd, buf + i, 1);
		turn(fd);
	}
	cr_assert_gt(take_frame(fd), 0);
	cr_expect_eq(got_id(), 1);
	m = frame_query(buf + n, "cache", LDNS_RR_TYPE_A, 2);
	put_all(fd, buf, n + m);
	cr_assert_gt(take_frame(fd), 0);
	cr_expect_eq(got_id(), 1);
	cr_assert_gt(take_frame(fd), 0);
	cr_expect_eq(got_id(), 2);
	close(fd);
}

Test(names_tcp, tcp_pipelined_and_half_closed)
{
	static const char *const records[] = { NULL };
	uint8_t buf[1024], one[512], two[512];
	size_t n, n1, n2;
	int fd, up;

	start(NULL);
	fd = client(SOCK_STREAM, false);
	n = frame_query(buf, "one.example", LDNS_RR_TYPE_A, 1);
	n += frame_query(buf + n, "two.example", LDNS_RR_TYPE_A, 2);
	n += frame_query(buf + n, "web", LDNS_RR_TYPE_A, 3);
	put_all(fd, buf, n);
	shutdown(fd, SHUT_WR);
	cr_assert_gt(take_frame(fd), 0);
	cr_expect_eq(got_id(), 3, "inside does not wait for outside");
	up = accept_upstream();
	n1 = make_answer(one, got, take_frame(up), records);
	cr_expect_eq(got_id(), 1);
	n2 = make_answer(two, got, take_frame(up), records);
	cr_expect_eq(got_id(), 2);
	put_frame(up, two, n2);
	cr_expect_eq(take_frame(fd), n2);
	cr_expect_arr_eq(got, two, n2);
	put_frame(up, one, n1);
	cr_expect_eq(take_frame(fd), n1);
	cr_expect_arr_eq(got, one, n1);
	cr_expect_eq(take_frame(fd), 0, "closed after the last answer");
	close(fd);
	close(up);
}

Test(names_tcp, tcp_same_id_twice)
{
	static const char *const records[] = { NULL };
	uint8_t buf[1024], one[512], two[512];
	size_t n, n1, n2;
	int fd, up;

	start(NULL);
	fd = client(SOCK_STREAM, false);
	n = frame_query(buf, "one.example", LDNS_RR_TYPE_A, 7);
	n += frame_query(buf + n, "two.example", LDNS_RR_TYPE_A, 7);
	put_all(fd, buf, n);
	up = accept_upstream();
	n1 = make_answer(one, got, take_frame(up), records);
	n2 = make_answer(two, got, take_frame(up), records);
	put_frame(up, two, n2);
	cr_expect_eq(take_frame(fd), n2);
	put_frame(up, two, n2);
	put_frame(up, one, n1);
	cr_expect_eq(take_frame(fd), n1);
	cr_expect_arr_eq(got, one, n1);
	cr_expect_eq(counters()->mismatched, 1, "an answer counts once");
	close(fd);
	close(up);
}

Test(names_tcp, tcp_dead_and_dying_resolver)
{
	uint8_t buf[512];
	size_t n = frame_query(buf, "one.example", LDNS_RR_TYPE_A, 1);
	int fd, up;

	start(NULL);
	fd = client(SOCK_STREAM, false);
	put_all(fd, buf, n);
	up = accept_upstream();
	cr_assert_gt(take_frame(up), 0);
	close(up);
	cr_assert_gt(take_frame(fd), 0);
	cr_expect_eq(rcode(), LDNS_RCODE_SERVFAIL);
	close(up_tcp);
	up_tcp = -1;
	put_all(fd, buf, n);
	cr_assert_gt(take_frame(fd), 0);
	cr_expect_eq(rcode(), LDNS_RCODE_SERVFAIL);
	cr_expect_eq(counters()->unreachable, 2);
	close(fd);
}

Test(names_tcp, tcp_slow_resolver_and_idle_client)
{
	static const struct pb_names_limits limits = { .answer_ms = 100, .idle_ms = 300 };
	uint8_t buf[512];
	size_t n = frame_query(buf, "one.example", LDNS_RR_TYPE_A, 1);
	int fd;

	start(&limits);
	fd = client(SOCK_STREAM, false);
	put_all(fd, buf, n);
	cr_assert_gt(take_frame(fd), 0);
	cr_expect_eq(rcode(), LDNS_RCODE_SERVFAIL);
	cr_expect_eq(counters()->timeouts, 1);
	put_all(fd, buf, 5); /* half a message is no life sign */
	cr_expect_eq(take_frame(fd), 0);
	cr_expect_eq(counters()->clients_idle, 1);
	cr_expect_eq(stats.clients, 0);
	close(fd);
}

Test(names_tcp, tcp_limits)
{
	static const struct pb_names_limits limits = { .clients = 1, .tcp_pending = 1 };
	uint8_t buf[1024];
	size_t n;
	int fd, other;

	start(&limits);
	fd = client(SOCK_STREAM, false);
	n = frame_query(buf, "one.example", LDNS_RR_TYPE_A, 1);
	n += frame_query(buf + n, "two.example", LDNS_RR_TYPE_A, 2);
	put_all(fd, buf, n);
	cr_assert_gt(take_frame(fd), 0);
	cr_expect_eq(got_id(), 2);
	cr_expect_eq(rcode(), LDNS_RCODE_SERVFAIL);
	cr_expect_eq(counters()->overflow, 1);
	other = client(SOCK_STREAM, false);
	cr_expect_eq(take_frame(other), 0);
	cr_expect_eq(counters()->clients_refused, 1);
	cr_expect_eq(stats.clients, 1);
	close(fd);
	close(other);
}

Test(names_tcp, tcp_malformed)
{
	static const uint8_t junk[] = { 0, 0, 0, 3, 1, 2, 3, 0, 12, 0, 9,
					1, 0, 0, 0, 0, 0, 0, 0, 0,  0 };
	int fd;

	start(NULL);
	fd = client(SOCK_STREAM, false);
	put_all(fd, junk, sizeof(junk));
	cr_expect_eq(take_frame(fd), PB_MSG_HEADER, "only the third can be answered");
	cr_expect_eq(got_id(), 9);
	cr_expect_eq(rcode(), LDNS_RCODE_FORMERR);
	cr_expect_eq(counters()->dropped, 2);
	close(fd);
}

Test(names_tcp, tcp_largest_answer)
{
	static const char *const records[] = { NULL };
	uint8_t buf[512];
	size_t n = frame_query(buf, "one.example", LDNS_RR_TYPE_A, 1);
	int fd, up;

	start(NULL);
	fd = client(SOCK_STREAM, false);
	put_all(fd, buf, n);
	up = accept_upstream();
	make_answer(big, got, take_frame(up), records);
	put_frame(up, big, PB_MSG_MAX);
	cr_expect_eq(take_frame(fd), PB_MSG_MAX);
	cr_expect(!memcmp(got, big, PB_MSG_MAX));
	close(fd);
	close(up);
}

/* A client that asks without reading answers is not read from; nothing is lost. */
Test(names_tcp, tcp_backpressure)
{
	enum { QUERIES = 80000, ROUND = 500 };
	uint8_t buf[512], *round;
	size_t n = frame_query(buf, "_80._tcp.web", LDNS_RR_TYPE_SRV, 1);
	unsigned sent = 0;
	int fd;

	start(NULL);
	fd = client(SOCK_STREAM, false);
	round = malloc(n * ROUND);
	for (unsigned i = 0; i < ROUND; i++)
		memcpy(round + i * n, buf, n);
	/* until it lags behind by far more than one round */
	while (sent < QUERIES && sent - counters()->queries_tcp < 4 * ROUND) {
		put_all(fd, round, n * ROUND);
		sent += ROUND;
		for (int i = 0; i < 20 && stats.queries_tcp < sent; i++, counters())
			uv_run(&loop, UV_RUN_NOWAIT);
	}
	cr_expect_lt(sent, QUERIES, "reading must have stopped");
	for (unsigned i = 0; i < sent; i++)
		cr_assert_gt(take_frame(fd), 0);
	cr_expect_eq(counters()->queries_tcp, sent);
	free(round);
	close(fd);
}

static void transfer(bool dies)
{
	static const char *const records[] = { "example. 60 IN A 192.0.2.1", NULL };
	uint8_t buf[512], part[512];
	size_t n = frame_query(buf, "example", LDNS_RR_TYPE_AXFR, 1);
	int fd, up;

	start(NULL);
	fd = client(SOCK_STREAM, false);
	put_all(fd, buf, n);
	up = accept_upstream();
	n = make_answer(part, got, take_frame(up), records);
	for (int i = 0; i < 3; i++) {
		put_frame(up, part, n);
		cr_expect_eq(take_frame(fd), n, "message %d of the transfer", i);
	}
	if (dies) {
		close(up);
		cr_expect_eq(take_frame(fd), 0, "half a transfer is no transfer");
	} else {
		close(up);
	}
	close(fd);
}

Test(names_tcp, tcp_transfer)
{
	transfer(false);
}

Test(names_tcp, tcp_transfer_breaks)
{
	transfer(true);
}
