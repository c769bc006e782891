// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * usage: callcost serve ADDR PORT
 *        callcost client ADDR PORT [PERCENT [NAME...]]
 *
 * The client prints "name ns" a test: the median over chunks of the time one operation took.
 * PERCENT scales the number of operations.  The same binary runs managed and unmanaged.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "callcost.h"
#include "control/util.h"

#define CHUNKS 7

uint64_t cc_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

int cc_addr_parse(const char *addr, const char *port, struct cc_addr *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&ret->ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ret->ss;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, addr, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(atoi(port));
		ret->len = sizeof(*v4);
		return 0;
	}
	if (inet_pton(AF_INET6, addr, &v6->sin6_addr) != 1)
		return -EINVAL;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(atoi(port));
	ret->len = sizeof(*v6);
	return 0;
}

static void die(const char *what)
{
	fprintf(stderr, "callcost: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int new_socket(const struct cc_addr *a, int type)
{
	int fd = socket(a->ss.ss_family, type, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

static void dial(int fd, const struct cc_addr *a)
{
	if (connect(fd, (const struct sockaddr *)&a->ss, a->len))
		die("connect");
}

/* An established connection in that mode. */
static int open_stream(const struct cc_addr *a, char mode)
{
	int fd = new_socket(a, SOCK_STREAM), one = 1;

	dial(fd, a);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (write(fd, &mode, 1) != 1)
		die("write");
	return fd;
}

static void ping(int fd)
{
	char c = 'x';

	if (write(fd, &c, 1) != 1 || read(fd, &c, 1) != 1)
		die("ping");
}

/* The server accepts in order: an answer means that its queue is drained. */
static void drain(const struct cc_addr *a)
{
	int fd = open_stream(a, CC_ECHO);

	ping(fd);
	close(fd);
}

static uint64_t connect_warm_udp(const struct cc_addr *a, unsigned n)
{
	int fd = new_socket(a, SOCK_DGRAM);
	uint64_t start;

	dial(fd, a);
	start = cc_now_ns();
	for (unsigned i = 0; i < n; i++)
		dial(fd, a);
	start = cc_now_ns() - start;
	close(fd);
	return start;
}

static uint64_t socket_connect_close_udp(const struct cc_addr *a, unsigned n)
{
	uint64_t start = cc_now_ns();

	for (unsigned i = 0; i < n; i++) {
		int fd = new_socket(a, SOCK_DGRAM);

		dial(fd, a);
		close(fd);
	}
	return cc_now_ns() - start;
}

/* Reset on close, so that no port is kept in TIME_WAIT. */
static int new_tcp(const struct cc_addr *a)
{
	struct linger now = { .l_onoff = 1 };
	int fd = new_socket(a, SOCK_STREAM);

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	return fd;
}

static uint64_t socket_connect_close_tcp(const struct cc_addr *a, unsigned n)
{
	uint64_t start;

	drain(a);
	start = cc_now_ns();
	for (unsigned i = 0; i < n; i++) {
		int fd = new_tcp(a);

		dial(fd, a);
		close(fd);
	}
	return cc_now_ns() - start;
}

static uint64_t connect_tcp(const struct cc_addr *a, unsigned n)
{
	uint64_t sum = 0;

	drain(a);
	for (unsigned i = 0; i < n; i++) {
		int fd = new_tcp(a);
		uint64_t start = cc_now_ns();

		dial(fd, a);
		sum += cc_now_ns() - start;
		close(fd);
	}
	return sum;
}

static uint64_t getpeername_tcp(const struct cc_addr *a, unsigned n)
{
	struct sockaddr_storage ss;
	int fd = open_stream(a, CC_ECHO);
	uint64_t start = cc_now_ns();

	for (unsigned i = 0; i < n; i++) {
		socklen_t len = sizeof(ss);

		if (getpeername(fd, (struct sockaddr *)&ss, &len))
			die("getpeername");
	}
	start = cc_now_ns() - start;
	close(fd);
	return start;
}

static uint64_t socket_close_udp(const struct cc_addr *a, unsigned n)
{
	uint64_t start = cc_now_ns();

	for (unsigned i = 0; i < n; i++)
		close(new_socket(a, SOCK_DGRAM));
	return cc_now_ns() - start;
}

/* One operation is CC_BLOCK bytes, all read by the server: its EOF says so. */
static uint64_t stream(const struct cc_addr *a, unsigned n)
{
	static char buf[CC_BLOCK];
	int fd = open_stream(a, CC_DISCARD);
	uint64_t start = cc_now_ns();

	for (size_t left = (size_t)n * CC_BLOCK; left;) {
		ssize_t sent = write(fd, buf, left < CC_BLOCK ? left : CC_BLOCK);

		if (sent <= 0)
			die("write");
		left -= sent;
	}
	if (shutdown(fd, SHUT_WR) || read(fd, buf, 1) != 0)
		die("shutdown");
	start = cc_now_ns() - start;
	close(fd);
	return start;
}

static uint64_t rr(const struct cc_addr *a, unsigned n)
{
	int fd = open_stream(a, CC_ECHO);
	uint64_t start;

	ping(fd);
	start = cc_now_ns();
	for (unsigned i = 0; i < n; i++)
		ping(fd);
	start = cc_now_ns() - start;
	close(fd);
	return start;
}

static const struct {
	const char *name;
	uint64_t (*run)(const struct cc_addr *a, unsigned n);
	unsigned n; /* operations a chunk */
} tests[] = {
	{ "connect_warm_udp", connect_warm_udp, 20000 },
	{ "socket_connect_close_udp", socket_connect_close_udp, 4000 },
	{ "socket_close_udp", socket_close_udp, 4000 },
	{ "getpeername_tcp", getpeername_tcp, 40000 },
	{ "connect_tcp", connect_tcp, 600 },
	{ "socket_connect_close_tcp", socket_connect_close_tcp, 600 },
	{ "rr", rr, 1500 },
	{ "stream", stream, 1000 },
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void run_test(size_t t, const struct cc_addr *a, unsigned percent)
{
	unsigned n = tests[t].n * percent / 100;
	double ns[CHUNKS];

	tests[t].run(a, n / 10 + 1); /* warm */
	for (unsigned i = 0; i < CHUNKS; i++)
		ns[i] = (double)tests[t].run(a, n) / n;
	qsort(ns, CHUNKS, sizeof(ns[0]), compare);
	printf("%s %.1f\n", tests[t].name, ns[CHUNKS / 2]);
	fflush(stdout);
}

static bool wanted(const char *name, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (!strcmp(argv[i], name))
			return true;
	}
	return argc <= 0;
}

int main(int argc, char **argv)
{
	struct cc_addr a;
	int percent = argc > 4 ? atoi(argv[4]) : 100;
	int err;

	if (argc < 4 || percent < 1 || cc_addr_parse(argv[2], argv[3], &a)) {
		fprintf(stderr, "usage: callcost serve|client ADDR PORT [PERCENT [NAME...]]\n");
		return 2;
	}
	if (!strcmp(argv[1], "serve")) {
		err = cc_serve(&a);
		fprintf(stderr, "callcost: serve: %s\n", strerror(-err));
		return 1;
	}
	for (size_t t = 0; t < ARRAY_SIZE(tests); t++) {
		if (wanted(tests[t].name, argc - 5, argv + 5))
			run_test(t, &a, percent);
	}
	return 0;
}
