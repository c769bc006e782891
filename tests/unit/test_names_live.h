/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The resolver on real sockets, with a fake original resolver in the same process. */
#ifndef TEST_NAMES_LIVE_H
#define TEST_NAMES_LIVE_H

#include "test_names.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "control/util.h"

#define DEADLINE_MS 10000

static uv_loop_t loop;
static struct pb_names *names;
static struct pb_names_stats stats;
static int up_udp = -1, up_tcp = -1; /* the fake resolver */
static __be16 up_port;
static bool has_resolver = true;
UNUSED static uint8_t query[PB_MSG_MAX], got[PB_MSG_MAX + 1], big[PB_MSG_MAX + 2];

UNUSED static int t_resolver(void *arg, unsigned index, struct pb_addr *ret_addr, __be16 *ret_port)
{
	(void)arg;
	if (index || !has_resolver)
		return -ENOENT;
	*ret_addr = v4(INADDR_LOOPBACK);
	*ret_port = up_port;
	return 0;
}

static enum pb_names_may may = PB_NAMES_MAY;
static struct {
	struct pb_addr client;
	__be16 port;
	int tcp;
	unsigned index, n;
} asked; /* the last call of may_forward */

UNUSED static enum pb_names_may t_may_forward(void *arg, const struct pb_addr *client, __be16 port,
					      int tcp, unsigned index)
{
	(void)arg;
	asked.client = *client;
	asked.port = port;
	asked.tcp = tcp;
	asked.index = index;
	asked.n++;
	return may;
}

static const struct pb_names_ops ops = { .lookup_name = t_lookup_name,
					 .lookup_addr = t_lookup_addr,
					 .resolver = t_resolver,
					 .pool_contains = t_pool_contains,
					 .may_forward = t_may_forward };

UNUSED static uint64_t now_ms(void)
{
	return pb_now_ns() / 1000000;
}

/* ---- sockets ------------------------------------------------------------- */

UNUSED static struct sockaddr_in loop4(__be16 port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = port,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

UNUSED static void open_upstream(void)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	for (int try = 0; try < 50; try++) {
		sin = loop4(0);
		up_udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		up_tcp = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		cr_assert(!bind(up_udp, (void *)&sin, sizeof(sin)));
		getsockname(up_udp, (void *)&sin, &len);
		if (!bind(up_tcp, (void *)&sin, sizeof(sin)) && !listen(up_tcp, 16))
			break;
		close(up_udp);
		close(up_tcp);
	}
	up_port = sin.sin_port;
}

UNUSED static int client(int type, bool v6)
{
	struct sockaddr_in sin = loop4(pb_names_port(names, 0));
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
				     .sin6_port = sin.sin_port,
				     .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(v6 ? AF_INET6 : AF_INET, type, 0), size = 8192;

	if (type == SOCK_STREAM) /* so that it is soon full */
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	cr_assert(!connect(fd, v6 ? (void *)&sin6 : (void *)&sin, v6 ? sizeof(sin6) : sizeof(sin)));
	cr_assert(!fcntl(fd, F_SETFL, O_NONBLOCK));
	return fd;
}

/* Runs the loop once, waiting at most a moment for @fd or something of the loop's. */
UNUSED static void turn(int fd)
{
	struct pollfd p[] = { { fd, POLLIN, 0 }, { uv_backend_fd(&loop), POLLIN, 0 } };

	uv_run(&loop, UV_RUN_NOWAIT);
	poll(p, 2, 5);
	uv_run(&loop, UV_RUN_NOWAIT);
}

/* recvfrom() with the loop running meanwhile. */
UNUSED static ssize_t take_from(int fd, void *buf, size_t size, struct sockaddr_in *from)
{
	uint64_t end = now_ms() + DEADLINE_MS;
	socklen_t len = sizeof(*from);

	while (now_ms() < end) {
		ssize_t n = recvfrom(fd, buf, size, 0, (void *)from, from ? &len : NULL);

		if (n >= 0 || errno != EAGAIN)
			return n < 0 ? -errno : n;
		turn(fd);
	}
	return -ETIMEDOUT;
}

UNUSED static ssize_t take(int fd)
{
	return take_from(fd, got, sizeof(got), NULL);
}

UNUSED static int accept_upstream(void)
{
	uint64_t end = now_ms() + DEADLINE_MS;
	int fd = -1;

	while (fd < 0 && now_ms() < end) {
		fd = accept4(up_tcp, NULL, NULL, SOCK_NONBLOCK);
		if (fd < 0)
			turn(up_tcp);
	}
	cr_assert_geq(fd, 0);
	return fd;
}

UNUSED static void put_all(int fd, const uint8_t *data, size_t len)
{
	uint64_t end = now_ms() + DEADLINE_MS;

	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		cr_assert(n >= 0 || errno == EAGAIN);
		cr_assert_lt(now_ms(), end);
		if (n < 0) {
			turn(-1);
			continue;
		}
		data += n;
		len -= (size_t)n;
	}
}

UNUSED static void put_frame(int fd, const uint8_t *data, size_t len)
{
	uint8_t head[] = { (uint8_t)(len >> 8), (uint8_t)len };

	put_all(fd, head, sizeof(head));
	put_all(fd, data, len);
}

/* A whole message into got; 0 at the end of the stream. */
UNUSED static size_t take_frame(int fd)
{
	uint8_t head[2];
	size_t have = 0, len = sizeof(head);

	for (int part = 0; part < 2; part++) {
		for (have = 0; have < len;) {
			ssize_t n =
				take_from(fd, part ? got + have : head + have, len - have, NULL);

			if (n == 0 || n == -ECONNRESET)
				return 0;
			cr_assert_gt(n, 0, "%s", strerror((int)-n));
			have += (size_t)n;
		}
		len = (size_t)head[0] << 8 | head[1];
	}
	return len;
}

UNUSED static unsigned rcode(void)
{
	return got[3] & 15;
}

UNUSED static const struct pb_names_stats *counters(void)
{
	pb_names_stats(names, &stats);
	return &stats;
}

/* ---- life ---------------------------------------------------------------- */

UNUSED static void start(const struct pb_names_limits *limits)
{
	struct pb_names_conf conf = { .ops = &ops, .n_resolvers = 3 };

	if (limits)
		conf.limits = *limits;
	cr_assert(!uv_loop_init(&loop));
	open_upstream();
	cr_assert(!pb_names_new(&names, &loop, &conf));
}

UNUSED static void stop(void)
{
	pb_names_free(names);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&loop), 0, "every handle is closed");
	close(up_udp);
	close(up_tcp);
}

/* ---- queries ------------------------------------------------------------- */

UNUSED static struct sockaddr_in upstream_takes(size_t len)
{
	struct sockaddr_in from;
	ssize_t n = take_from(up_udp, got, sizeof(got), &from);

	cr_assert_eq(n, (ssize_t)len);
	cr_assert_arr_eq(got, query, len, "byte for byte");
	return from;
}

UNUSED static size_t ask_outside(int fd, const char *name)
{
	size_t len = make_query(query, name, LDNS_RR_TYPE_A, 1232);

	put_all(fd, query, len);
	return len;
}

UNUSED static void upstream_says(const struct sockaddr_in *to, const uint8_t *data, size_t len)
{
	cr_assert_eq(sendto(up_udp, data, len, 0, (const void *)to, sizeof(*to)), (ssize_t)len);
}

UNUSED static size_t frame_query(uint8_t *out, const char *name, unsigned type, uint16_t id)
{
	size_t len = make_query(out + 2, name, type, 0);

	out[0] = (uint8_t)(len >> 8);
	out[1] = (uint8_t)len;
	out[2] = (uint8_t)(id >> 8);
	out[3] = (uint8_t)id;
	return len + 2;
}

UNUSED static unsigned got_id(void)
{
	return (unsigned)got[0] << 8 | got[1];
}

#endif /* TEST_NAMES_LIVE_H */
