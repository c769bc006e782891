// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * usage: splicecost serve|client ADDR PORT
 *
 * ADDR is an IPv4 address, or a path: a Unix stream socket there.  The client takes lines
 * "rr|stream SIZE MS SERVER_CPU CLIENT_CPU" from its standard input and makes a new connection for
 * each; the programs stay on these CPUs meanwhile (-1: wherever they may).  It answers
 * "VALUE TCP ALL":
 *
 *   VALUE      rr: ns a request of SIZE bytes and an answer of SIZE bytes, one at a time
 *              stream: MB/s that the reader got by reads of 128 KB, writes being of SIZE bytes
 *   TCP ALL    bytes that TCP carried, of those both programs wrote; "0 ALL": TCP had no part
 *
 * A third of MS more is spent before, and does not count.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/util.h"
#include "splicecost.h"

#define CHUNK 1000000  /* ns, or a few round trips; rr gives the median of its chunks */
#define CHUNKS 2000    /* at most */
#define CLOCK_EVERY 16 /* round trips, or writes */

struct run {
	struct sc_order order;
	int fd;
	void *buf;
	uint64_t bytes; /* of both directions */
};

static int send_bytes(struct run *r, const void *buf, size_t size)
{
	r->bytes += size;
	return sc_write_all(r->fd, buf, size);
}

static int receive_bytes(struct run *r, void *buf, size_t size)
{
	r->bytes += size;
	return sc_read_all(r->fd, buf, size);
}

/* Round trips for that long; the time one took goes to *ret. */
static int ping(struct run *r, uint64_t ns, double *ret)
{
	uint64_t start = pb_now_ns(), now = start, n = 0;
	int err = 0;

	for (; !err && now - start < ns; now = pb_now_ns(), n += CLOCK_EVERY) {
		for (int i = 0; !err && i < CLOCK_EVERY; i++) {
			err = send_bytes(r, r->buf, r->order.size);
			if (!err)
				err = receive_bytes(r, r->buf, r->order.size);
		}
	}
	*ret = (double)(now - start) / n;
	return err;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int round_trips(struct run *r, double *ret)
{
	uint64_t end;
	double ns[CHUNKS];
	int n = 0, err = ping(r, r->order.warm, &ns[0]);

	for (end = pb_now_ns() + r->order.ns; !err && n < CHUNKS && pb_now_ns() < end; n++)
		err = ping(r, CHUNK, &ns[n]);
	if (err)
		return err;
	qsort(ns, n, sizeof(ns[0]), compare);
	*ret = ns[n / 2];
	return 0;
}

/* The reader says what it got as soon as it has counted long enough, and reads on. */
static bool result_came(const struct run *r)
{
	char c;

	return recv(r->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

static int stream(struct run *r, double *ret)
{
	uint64_t end = pb_now_ns() + r->order.warm + r->order.ns;
	struct sc_result result;
	int err = 0;

	while (!err && (pb_now_ns() < end || !result_came(r))) {
		for (int i = 0; !err && i < CLOCK_EVERY; i++)
			err = send_bytes(r, r->buf, r->order.size);
	}
	if (!err)
		err = receive_bytes(r, &result, sizeof(result));
	if (err)
		return err;
	*ret = (double)result.bytes * 1000 / result.ns;
	/* what waits is sent too, so that it is known by which way */
	if (shutdown(r->fd, SHUT_WR) || read(r->fd, r->buf, 1) != 0)
		return -EPROTO;
	return 0;
}

/* Of both directions; of a Unix socket 0. */
static uint64_t tcp_bytes(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		return 0;
	return info.tcpi_bytes_sent - info.tcpi_bytes_retrans + info.tcpi_bytes_received;
}

static int run_once(const struct sc_addr *a, struct run *r)
{
	bool rr = r->order.what == SC_ROUND_TRIP;
	double value = 0;
	int err;

	if (connect(r->fd, (const struct sockaddr *)&a->ss, a->len))
		return -errno;
	sc_nodelay(r->fd);
	err = send_bytes(r, &r->order, sizeof(r->order));
	if (!err)
		err = rr ? round_trips(r, &value) : stream(r, &value);
	if (err)
		return err;
	printf("%.1f %llu %llu\n", value, (unsigned long long)tcp_bytes(r->fd),
	       (unsigned long long)r->bytes);
	return 0;
}

/* One line of the standard input. */
static int obey(const struct sc_addr *a, const char *line)
{
	_cleanup_close_ int fd = socket(a->ss.ss_family, SOCK_STREAM, 0);
	struct run r = { .fd = fd, .buf = sc_buffer() };
	unsigned size, ms;
	char what[8];
	int cpu, err;

	if (fd < 0 || !r.buf)
		return -ENOMEM;
	if (sscanf(line, "%7s %u %u %d %d", what, &size, &ms, &r.order.cpu, &cpu) != 5 || !size ||
	    size > SC_BUF || !ms)
		return -EINVAL;
	r.order.what = strcmp(what, "rr") ? SC_STREAM : SC_ROUND_TRIP;
	r.order.size = size;
	r.order.ns = ms * 1000000ull;
	r.order.warm = r.order.ns / 3;
	err = sc_stay(cpu);
	if (!err)
		err = run_once(a, &r);
	munmap(r.buf, SC_BUF);
	return err;
}

static int client(const struct sc_addr *a)
{
	char line[64];
	int err;

	while (fgets(line, sizeof(line), stdin)) {
		err = obey(a, line);
		if (err)
			printf("error: %s\n", strerror(-err));
		fflush(stdout);
	}
	return 0;
}

static int addr_parse(const char *addr, const char *port, struct sc_addr *ret)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&ret->ss;
	struct sockaddr_un *un = (struct sockaddr_un *)&ret->ss;

	memset(ret, 0, sizeof(*ret));
	if (addr[0] == '/') {
		un->sun_family = AF_UNIX;
		ret->len = sizeof(*un);
		return snprintf(un->sun_path, sizeof(un->sun_path), "%s", addr) <
				       (int)sizeof(un->sun_path)
			       ? 0
			       : -ENAMETOOLONG;
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(atoi(port));
	ret->len = sizeof(*in);
	return inet_pton(AF_INET, addr, &in->sin_addr) == 1 ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	struct sc_addr a;
	int err;

	if (argc != 4 || addr_parse(argv[2], argv[3], &a)) {
		fprintf(stderr, "usage: splicecost serve|client ADDR PORT\n");
		return 2;
	}
	err = strcmp(argv[1], "serve") ? client(&a) : sc_serve(&a);
	if (err)
		fprintf(stderr, "splicecost: %s: %s\n", argv[1], strerror(-err));
	return err ? 1 : 0;
}
