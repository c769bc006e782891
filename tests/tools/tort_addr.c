// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Addresses, the clock and the names of errors. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tort.h"

bool tt_parse(const char *addr, int port, bool mapped, struct tt_addr *ret)
{
	struct sockaddr_in *in = (void *)&ret->ss;
	struct sockaddr_in6 *in6 = (void *)&ret->ss;
	char text[INET6_ADDRSTRLEN + 8];

	memset(&ret->ss, 0, sizeof(ret->ss));
	if (!mapped && inet_pton(AF_INET, addr, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		ret->len = sizeof(*in);
		return port > 0;
	}
	snprintf(text, sizeof(text), "%s%.46s", strchr(addr, ':') ? "" : "::ffff:", addr);
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	ret->len = sizeof(*in6);
	return port > 0 && inet_pton(AF_INET6, text, &in6->sin6_addr) == 1;
}

const char *tt_errname(int err)
{
	const char *name = err ? strerrorname_np(err) : "none";

	return name ? name : "unknown";
}

long tt_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000L + ts.tv_nsec / 1000;
}

void wait_us(long us)
{
	struct timespec ts = { us / 1000000, us % 1000000 * 1000 };

	if (us > 0)
		nanosleep(&ts, NULL);
}

int tt_listener(const char *addr, int port)
{
	struct tt_addr a;
	int fd, one = 1;

	if (!tt_parse(addr, port, false, &a)) {
		printf("no address: %s port %d\n", addr, port);
		return -1;
	}
	fd = socket(a.ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&a.ss, a.len) || listen(fd, 512)) {
		printf("listen at %s port %d: errno=%s\n", addr, port, tt_errname(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}
