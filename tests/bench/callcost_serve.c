// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The other side of callcost: one thread, so that it costs the same for every contender. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "callcost.h"
#include "control/util.h"

#define EVENTS 64
#define FDS_MAX 65536

static uint8_t mode[FDS_MAX]; /* by fd; 0: the first byte has not come yet */

static int listen_on(const struct cc_addr *a, int type)
{
	_cleanup_close_ int fd = socket(a->ss.ss_family, type | SOCK_NONBLOCK, 0);
	int one = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&a->ss, a->len))
		return -errno;
	if (type == SOCK_STREAM && listen(fd, CC_BACKLOG))
		return -errno;
	return TAKE_FD(fd);
}

static void accept_all(int ep, int listener)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
		struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

		if (fd < 0)
			return;
		if (fd >= FDS_MAX || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev)) {
			close(fd);
			continue;
		}
		mode[fd] = 0;
	}
}

static void serve_one(int fd)
{
	static char buf[CC_BLOCK];
	ssize_t n = read(fd, buf, sizeof(buf));
	ssize_t skip = 0;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		close(fd);
		return;
	}
	if (!mode[fd]) {
		mode[fd] = buf[0];
		skip = 1;
	}
	/* a ping-pong has one byte under way: a short write cannot happen */
	if (mode[fd] == CC_ECHO && n > skip && write(fd, buf + skip, n - skip) < 0)
		close(fd);
}

int cc_serve(const struct cc_addr *a)
{
	_cleanup_close_ int tcp = listen_on(a, SOCK_STREAM);
	_cleanup_close_ int udp = listen_on(a, SOCK_DGRAM);
	_cleanup_close_ int ep = epoll_create1(0);
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = tcp }, got[EVENTS];

	if (tcp < 0 || udp < 0)
		return tcp < 0 ? tcp : udp;
	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, tcp, &ev))
		return -errno;
	puts("listening");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(ep, got, EVENTS, -1);

		if (n < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < n; i++) {
			if (got[i].data.fd == tcp)
				accept_all(ep, tcp);
			else
				serve_one(got[i].data.fd);
		}
	}
}
