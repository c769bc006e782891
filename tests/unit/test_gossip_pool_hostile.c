// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What strangers get from a pool: nothing, and they cannot hold it up. */
#include "test_gossip_pool.h"

#define STRANGER 0x7f000002 /* no member has it */
#define MANY 40

static int fds[MANY];

static int stranger(int type, unsigned to)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr = { htonl(STRANGER) } };
	struct sockaddr_in peer = { .sin_family = AF_INET,
				    .sin_port = htons(gsp_pool_addr(node[to].p).port),
				    .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&peer, sizeof(peer)), 0);
	return fd;
}

/* Closed by the other side, and nothing came. */
static bool closed(int fd)
{
	char c;
	ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT);

	cr_assert_leq(n, 0, "an answer");
	return !n || (errno != EAGAIN && errno != EINTR);
}
static bool first_closed(void)
{
	return closed(fds[0]);
}

static int packet(const char *label, const char *key, uint8_t *buf, size_t cap)
{
	static const uint8_t nonce[GSP_NONCE_LEN] = { 1 };
	struct gsp_layers layers = { 0 };
	struct gsp_ping ping = { .seq = 7 };
	uint8_t msg[64];
	int n = gsp_ping_encode(&ping, msg, sizeof(msg));

	cr_assert_eq(gsp_layers_set_label(&layers, label), 0);
	if (key)
		cr_assert_eq(gsp_keyring_add(&layers.keys, (const uint8_t *)key, strlen(key)), 0);
	n = gsp_packet_seal(&layers, nonce, false, msg, (size_t)n, buf, cap);
	gsp_keyring_fini(&layers.keys);
	cr_assert_gt(n, 0);
	return n;
}

static unsigned want_in;
static bool packets_in(void)
{
	return stats(0).udp_in >= want_in;
}

Test(gossip_hostile, packets_of_strangers_are_not_answered, .fini = stop)
{
	uint8_t buf[20000] = { 0 };
	struct gsp_pool_stats st;
	int fd, n;

	start(0);
	fd = stranger(SOCK_DGRAM, 0);
	n = packet("test", NULL, buf, sizeof(buf));
	send(fd, buf, (size_t)n, 0);
	n = packet("other", KEY1, buf, sizeof(buf));
	send(fd, buf, (size_t)n, 0);
	n = packet("", KEY1, buf, sizeof(buf));
	send(fd, buf, (size_t)n, 0);
	n = packet("test", KEY2, buf, sizeof(buf));
	send(fd, buf, (size_t)n, 0);
	send(fd, "", 1, 0);
	want_in = 5;
	cr_assert(until(packets_in));
	st = stats(0);
	cr_expect_eq(st.udp_label, 3);
	cr_expect_eq(st.udp_key, 2);
	cr_expect_eq(st.udp_out, 0);
	cr_expect_eq(node[0].refused, 1, "told once a second");
	n = packet("test", KEY1, buf, sizeof(buf));
	send(fd, buf, (size_t)n, 0);
	want_in = 6;
	cr_assert(until(packets_in));
	cr_expect_eq(stats(0).udp_out, 1, "who has the key is");
	close(fd);
}

static bool one_big(void)
{
	return stats(0).udp_big;
}
static bool record_came(void)
{
	return node[0].records;
}

Test(gossip_hostile, a_flood_of_packets, .fini = stop)
{
	struct gsp_pool_conf c = conf_of(0);
	uint8_t buf[20000] = { 0 };
	int fd;

	c.strangers = 10;
	start_with(0, &c);
	start(1);
	join(1, 0);
	cr_assert(until(all_alive));
	fd = stranger(SOCK_DGRAM, 0);
	want_in = (unsigned)stats(0).udp_in + 100;
	for (unsigned i = 0; i < 100; i++)
		send(fd, buf, 100, 0);
	cr_assert(until(packets_in));
	cr_expect_gt(stats(0).udp_flood, 50);
	gsp_pool_record(node[1].p, 1, GSP_TEXT("still"), true);
	cr_expect(until(record_came), "members are heard");
	send(fd, buf, sizeof(buf), 0);
	cr_expect(until(one_big));
	close(fd);
}

Test(gossip_hostile, only_who_is_allowed, .fini = stop)
{
	struct gsp_pool_conf c = conf_of(0);
	uint8_t buf[256];
	int n, fd;

	c.n_allow = 1;
	c.allow[0] = (struct gsp_pool_net){ { { 127, 0, 0, 1 }, 4 }, 31 };
	start_with(0, &c);
	start(1);
	join(1, 0);
	cr_expect(until(all_alive));
	fd = stranger(SOCK_DGRAM, 0);
	fds[0] = stranger(SOCK_STREAM, 0);
	n = packet("test", KEY1, buf, sizeof(buf));
	send(fd, buf, (size_t)n, 0);
	cr_expect(until(first_closed));
	want_in = (unsigned)stats(0).udp_in + 1;
	cr_expect(until(packets_in));
	cr_expect_eq(stats(0).source, 2);
	close(fd);
	close(fds[0]);
}

Test(gossip_hostile, a_table_of_two_billion, .fini = stop)
{
	static const uint8_t evil[] = "\x06\x83\xa4Join\xc3\xa5Nodes\xce\x7f\xff\xff\xff\xac"
				      "UserStateLen\x00";
	struct gsp_pool_conf c = conf_of(0);

	c.n_keys = 0;
	c.label = NULL;
	c.insecure = true;
	start_with(0, &c);
	fds[0] = stranger(SOCK_STREAM, 0);
	send(fds[0], evil, sizeof(evil) - 1, 0);
	cr_expect(until(first_closed));
	cr_expect_eq(stats(0).tcp_bad, 1);
	cr_expect_eq(node[0].refused_err, -EBADMSG);
	close(fds[0]);
}

static struct gsp_pool_conf hasty(void)
{
	struct gsp_pool_conf c = conf_of(0);

	c.idle_ms = 500;
	c.total_ms = 1000;
	c.conns = 16;
	c.conns_source = 12;
	c.stranger_bytes = 10000;
	return c;
}

static bool dribble(void)
{
	static uint64_t next;
	uint64_t now = pool_ms();

	if (now > next) {
		next = now + 100;
		send(fds[0], "\xf4\x04test\x0a\x00", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	return closed(fds[0]);
}

Test(gossip_hostile, the_slow_and_the_silent, .fini = stop)
{
	struct gsp_pool_conf c = hasty();
	uint64_t then = pool_ms();

	c.total_ms = 60000;
	start_with(0, &c);
	fds[0] = stranger(SOCK_STREAM, 0);
	cr_expect(until(first_closed));
	cr_expect_geq(pool_ms() - then, 500);
	close(fds[0]);
	fds[0] = stranger(SOCK_STREAM, 0);
	send(fds[0], "\xf4\x04test\x0a\x00\x10", 9, 0); /* a megabyte is announced */
	cr_expect(until(first_closed));
	cr_expect_eq(stats(0).tcp_slow, 2);
	close(fds[0]);
}

Test(gossip_hostile, a_byte_now_and_then, .fini = stop)
{
	struct gsp_pool_conf c = hasty();
	uint64_t then = pool_ms();

	c.label = NULL;
	start_with(0, &c);
	fds[0] = stranger(SOCK_STREAM, 0);
	send(fds[0], "\x0a\x00\x10\x00\x00", 5, 0);
	cr_expect(until(dribble));
	cr_expect_geq(pool_ms() - then, 1000, "it moved, but that ends, too");
	cr_expect_eq(stats(0).tcp_slow, 1);
	cr_expect_eq(stats(0).stream_bytes, 0);
	close(fds[0]);
}

static bool pour(void)
{
	static const uint8_t zeros[4096];

	send(fds[0], zeros, sizeof(zeros), MSG_NOSIGNAL | MSG_DONTWAIT);
	return closed(fds[0]);
}

Test(gossip_hostile, more_than_a_stranger_may_say, .fini = stop)
{
	struct gsp_pool_conf c = hasty();

	c.label = NULL;
	start_with(0, &c);
	fds[0] = stranger(SOCK_STREAM, 0);
	send(fds[0], "\x0a\x00\x10\x00\x00", 5, 0);
	cr_expect(until(pour));
	cr_expect_eq(stats(0).tcp_big, 1);
	cr_expect_lt(stats(0).tcp_in_bytes, 10000 + 65536);
	close(fds[0]);
}

static unsigned open_ones(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MANY; i++)
		n += !closed(fds[i]);
	return n;
}
static bool eight_left(void)
{
	return open_ones() <= 8 && stats(0).tcp_many >= MANY - 8;
}

Test(gossip_hostile, many_connections, .fini = stop)
{
	struct gsp_pool_conf c = hasty();

	c.idle_ms = c.total_ms = 60000;
	start_with(0, &c);
	start(1);
	join(1, 0);
	cr_assert(until(all_alive));
	for (unsigned i = 0; i < MANY; i++)
		fds[i] = stranger(SOCK_STREAM, 0);
	cr_expect(until(eight_left), "half of 16");
	cr_expect_eq(open_ones(), 8);
	for (unsigned i = 0; i < 20; i++) {
		struct swim_addr to = gsp_pool_addr(node[0].p);

		node[1].answers = 0;
		cr_assert_eq(gsp_pool_ask(node[1].p, &to, GSP_TEXT("x"), on_answered, &node[0]), 0);
		node[0].answers = 0;
		cr_assert(until(answered));
		cr_expect_eq(node[0].answer_err, 0, "members are served");
	}
	for (unsigned i = 0; i < MANY; i++)
		close(fds[i]);
}

static bool source_bound(void)
{
	return open_ones() <= 3 && stats(0).tcp_many >= MANY - 3;
}

Test(gossip_hostile, so_many_of_one_source, .fini = stop)
{
	struct gsp_pool_conf c = hasty();

	c.idle_ms = c.total_ms = 60000;
	c.conns_source = 3;
	start_with(0, &c);
	for (unsigned i = 0; i < MANY; i++)
		fds[i] = stranger(SOCK_STREAM, 0);
	cr_expect(until(source_bound));
	cr_expect_eq(open_ones(), 3);
	for (unsigned i = 0; i < MANY; i++)
		close(fds[i]);
}

static bool tried_again(void)
{
	return stats(0).dials >= 3 && stats(0).dials_failed >= 2;
}

/* One who listens and says nothing. */
Test(gossip_hostile, a_seed_that_does_not_answer, .fini = stop)
{
	struct gsp_pool_conf c = hasty();
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr = { htonl(STRANGER) } };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct swim_addr to = { .ip = { { 127, 0, 0, 2 }, 4 } };

	cr_assert_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	cr_assert_eq(listen(fd, 5), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	to.port = ntohs(sa.sin_port);
	start_with(0, &c);
	cr_assert_eq(gsp_pool_ask(node[0].p, &to, GSP_TEXT("x"), on_answered, &node[0]), 0);
	cr_expect(until(answered));
	cr_expect_eq(node[0].answer_err, -ETIMEDOUT);
	cr_expect_eq(gsp_pool_seed(node[0].p, &to), 0);
	cr_expect(until(tried_again));
	close(fd);
}

Test(gossip_hostile, networks_and_sources)
{
	static struct gsp_pool p;
	struct gsp_addr a = { { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 7 }, 16 }, b = a;

	p.conf.n_allow = 1;
	p.conf.allow[0] = (struct gsp_pool_net){ a, 61 };
	cr_expect(pool_allowed(&p, &a));
	b.ip[7] = 7;
	cr_expect(pool_allowed(&p, &b));
	b.ip[7] = 8;
	cr_expect_not(pool_allowed(&p, &b));
	p.conf.allow[0].bits = 0;
	cr_expect(pool_allowed(&p, &b));
	cr_expect_not(pool_allowed(&p, &(struct gsp_addr){ { 10, 0, 0, 1 }, 4 }), "another family");
	b = a;
	b.ip[15] = 1;
	cr_expect(pool_same_source(&a, &b, true));
	cr_expect_not(pool_same_source(&a, &b, false));
	b.ip[7] = 2;
	cr_expect_not(pool_same_source(&a, &b, true));
}
