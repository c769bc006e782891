// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A server that answers gets with the value that belongs to the key, and errs in every 50th answer:
 *	right	never
 *	bytes	each answer comes byte by byte
 *	half	the answer is cut, and the connection ends
 *	garbage	something that is no answer
 *	late	it comes three seconds later
 *	extra	another answer comes right behind, which nobody asked for
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/tools/mc_tcp.h"

#define EVERY 50
#define VALUE 64

static atomic_uint answers;

static bool say(int fd, const void *p, size_t n)
{
	return send(fd, p, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static bool bytes(int fd, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!say(fd, p + i, 1))
			return false;
	return true;
}

/* false: the connection ends. */
static bool answer_get(int fd, const char *keys)
{
	bool err = !(++answers % EVERY), good = true;
	struct mct_buf b = { 0 };
	char key[256];
	int n;

	for (; sscanf(keys, "%255s%n", key, &n) == 1; keys += n) {
		mct_print(&b, "VALUE %s 0 %d\r\n", key, VALUE);
		mct_room(&b, VALUE + 16);
		mct_value(key, VALUE, b.p + b.len);
		b.len += VALUE;
		mct_put(&b, "\r\n", 2);
	}
	mct_print(&b, "END\r\n");
	if (!strcmp(mct.script, "bytes")) {
		good = bytes(fd, b.p, b.len);
	} else if (err && !strcmp(mct.script, "half")) {
		say(fd, b.p, b.len / 2);
		good = false;
	} else if (err && !strcmp(mct.script, "garbage")) {
		good = say(fd, "\1\2 what is this?\r\n", 18);
	} else {
		if (err && !strcmp(mct.script, "late"))
			mct_wait_ms(3000);
		if (err && !strcmp(mct.script, "extra"))
			mct_print(&b, "VALUE evil 0 4\r\nEVIL\r\nEND\r\n");
		good = say(fd, b.p, b.len);
	}
	free(b.p);
	return good;
}

static bool answer(int fd, char *line)
{
	if (!strncmp(line, "get ", 4))
		return answer_get(fd, line + 4);
	if (!strncmp(line, "mn", 2))
		return say(fd, "MN\r\n", 4);
	if (!strncmp(line, "version", 7))
		return say(fd, "VERSION 1.6.18\r\n", 16);
	return say(fd, "ERROR\r\n", 7);
}

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char in[65536], *nl;
	size_t len = 0;
	ssize_t n;

	while ((n = recv(fd, in + len, sizeof(in) - len, 0)) > 0) {
		char *at = in;

		len += (size_t)n;
		while ((nl = memchr(at, '\n', len - (size_t)(at - in)))) {
			*nl = 0;
			if (!answer(fd, at))
				goto out;
			at = nl + 1;
		}
		len -= (size_t)(at - in);
		memmove(in, at, len);
	}
out:
	close(fd);
	return NULL;
}

int mct_fake(void)
{
	int fd = socket(mct.vip.ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (!mct.script)
		return 2;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (void *)&mct.vip.ss, mct.vip.len) || listen(fd, 1024)) {
		fprintf(stderr, "mc_tcp: %s\n", strerror(errno));
		return 1;
	}
	puts("listening");
	for (;;) {
		int c = accept(fd, NULL, NULL);
		pthread_t t;

		if (c < 0)
			return 1;
		setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (pthread_create(&t, NULL, serve, (void *)(intptr_t)c))
			close(c);
		else
			pthread_detach(t);
	}
}
