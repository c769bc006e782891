// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The other side of splicecost: blocking calls in one thread, the same for every contender. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control/util.h"
#include "splicecost.h"

#define CLOCK_EVERY 16 /* reads */

int sc_stay(int cpu)
{
	static cpu_set_t all;
	cpu_set_t set;

	if (!CPU_COUNT(&all) && sched_getaffinity(0, sizeof(all), &all))
		return -errno;
	set = all;
	if (cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
	}
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

int sc_read_all(int fd, void *buf, size_t size)
{
	for (size_t got = 0; got < size;) {
		ssize_t n = read(fd, (char *)buf + got, size - got);

		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		got += n;
	}
	return 0;
}

int sc_write_all(int fd, const void *buf, size_t size)
{
	for (size_t sent = 0; sent < size;) {
		ssize_t n = write(fd, (const char *)buf + sent, size - sent);

		if (n < 0)
			return -errno;
		sent += n;
	}
	return 0;
}

void *sc_buffer(void)
{
	void *p = mmap(NULL, SC_BUF, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return p == MAP_FAILED ? NULL : memset(p, 'x', SC_BUF);
}

void sc_nodelay(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* Counts what is read within order->ns, beginning order->warm after the first bytes; tells it and
 * reads on to the end. */
static int read_stream(int fd, const struct sc_order *order, void *buf)
{
	uint64_t first = 0, start = 0, reads = 0, now;
	struct sc_result result = { 0 };
	ssize_t n;
	int err;

	while ((n = read(fd, buf, SC_BUF)) > 0) {
		result.bytes += n;
		if (reads++ % CLOCK_EVERY || result.ns)
			continue;
		now = pb_now_ns();
		if (!first)
			first = now;
		if (!start && now - first >= order->warm) {
			start = now;
			result.bytes = 0;
		} else if (start && now - start >= order->ns) {
			result.ns = now - start;
			err = sc_write_all(fd, &result, sizeof(result));
			if (err)
				return err;
		}
	}
	return n < 0 ? -errno : 0;
}

static int answer_requests(int fd, uint32_t size, void *buf)
{
	int err;

	do {
		err = sc_read_all(fd, buf, size);
		if (!err)
			err = sc_write_all(fd, buf, size);
	} while (!err);
	return err;
}

static int serve_one(int fd)
{
	struct sc_order order;
	void *buf = sc_buffer();
	int err;

	if (!buf)
		return -ENOMEM;
	sc_nodelay(fd);
	err = sc_read_all(fd, &order, sizeof(order));
	if (!err && order.size > SC_BUF)
		err = -EMSGSIZE;
	if (!err)
		err = sc_stay(order.cpu);
	if (!err && order.what == SC_ROUND_TRIP)
		err = answer_requests(fd, order.size, buf);
	else if (!err)
		err = read_stream(fd, &order, buf);
	munmap(buf, SC_BUF);
	return err;
}

int sc_serve(const struct sc_addr *a)
{
	_cleanup_close_ int fd = socket(a->ss.ss_family, SOCK_STREAM, 0);
	int one = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&a->ss, a->len) || listen(fd, 16))
		return -errno;
	puts("listening");
	fflush(stdout);
	for (;;) {
		_cleanup_close_ int conn = accept(fd, NULL, NULL);
		int err = conn < 0 ? -errno : serve_one(conn);

		if (err && err != -ECONNRESET)
			fprintf(stderr, "splicecost: serve: %s\n", strerror(-err));
		if (conn < 0)
			return err;
	}
}
