// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/tools/mc_tcp.h"

uint64_t mct_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

unsigned mct_slow(void)
{
	const char *s = getenv("PB_SLOW");

	return s && atoi(s) > 0 ? (unsigned)atoi(s) : 1;
}

void mct_wait_ms(int ms)
{
	poll(NULL, 0, ms);
}

int mct_dial(struct mct_conn *c, const struct mcu_addr *a)
{
	int fd = socket(a->ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, err;

	memset(c, 0, sizeof(*c));
	c->fd = -1;
	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (const struct sockaddr *)&a->ss, a->len)) {
		err = -errno;
		close(fd);
		return err;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	c->fd = fd;
	return 0;
}

void mct_close(struct mct_conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->in.p);
	memset(c, 0, sizeof(*c));
	c->fd = -1;
}

void mct_take(struct mct_conn *c)
{
	ssize_t n;

	mct_room(&c->in, 65536);
	n = recv(c->fd, c->in.p + c->in.len, c->in.cap - c->in.len, 0);
	if (n > 0)
		c->in.len += (size_t)n;
	else if (!n || (errno != EAGAIN && errno != EINTR)) {
		c->eof = true;
		c->reset = n < 0;
	}
}

/* How much of a request goes out at once, and whether the rest waits a little. */
static size_t piece(struct mct_conn *c, size_t len)
{
	size_t n = len;

	if (c->cut == MCT_BYTES && len)
		n = 1;
	if (c->cut == MCT_RANDOM && len) {
		uint64_t r = mct_rnd(&c->rnd);

		n = 1 + (r >> 8) % (r & 1 ? 12 : r & 2 ? 300 : 70000);
		if (!(r >> 40 & 7))
			mct_wait_ms(1);
	}
	return n < len ? n : len;
}

static void give(struct mct_conn *c, const uint8_t *req, size_t len, size_t *sent)
{
	ssize_t n = send(c->fd, req + *sent, piece(c, len - *sent), MSG_NOSIGNAL);

	if (n > 0)
		*sent += (size_t)n;
	else if (errno != EAGAIN && errno != EINTR)
		*sent = len; /* nobody listens: what was answered is still to be read */
}

int mct_talk(struct mct_conn *c, const uint8_t *req, size_t len, int answers, int ms)
{
	uint64_t end = mct_now_us() + (uint64_t)ms * 1000 * mct_slow();
	size_t sent = 0;
	bool shut = false;

	for (int got = 0;;) {
		struct pollfd p = { .fd = c->fd, .events = POLLIN };

		if (sent < len)
			p.events |= POLLOUT;
		else if (answers < 0 && !shut)
			shut = !shutdown(c->fd, SHUT_WR) || true;
		while (answers >= 0 && got < answers && mct_whole(c->in.p, c->in.len, &c->off))
			got++;
		if (sent == len && (c->eof || (answers >= 0 && got == answers)))
			return c->eof && answers >= 0 && got < answers ? -EPIPE : 0;
		if (c->eof && answers >= 0)
			return -EPIPE;
		if (mct_now_us() > end)
			return -ETIMEDOUT;
		if (poll(&p, 1, 100) <= 0)
			continue;
		if (p.revents & POLLOUT)
			give(c, req, len, &sent);
		if (p.revents & (POLLIN | POLLHUP | POLLERR) && !c->eof)
			mct_take(c);
		if (c->eof)
			sent = len;
	}
}

size_t mct_stuff(struct mct_conn *c, const uint8_t *req, size_t len, int still)
{
	struct pollfd p = { .fd = c->fd, .events = POLLOUT };
	size_t sent = 0;

	while (sent < len && poll(&p, 1, still) > 0 && !(p.revents & (POLLERR | POLLHUP)))
		give(c, req, len, &sent);
	return sent;
}

int mct_ask(struct mct_conn *c, const struct mct_buf *req, size_t *at)
{
	*at = c->off;
	return mct_talk(c, req->p, req->len, 1, MCT_MS);
}

int mct_say(struct mct_conn *c, const char *text, size_t *at)
{
	*at = c->off;
	return mct_talk(c, (const uint8_t *)text, strlen(text), 1, MCT_MS);
}

int mct_fill(const struct mcu_addr *a, const char *kind, int keys, size_t value)
{
	struct mct_buf req = { 0 };
	struct mct_conn c;
	size_t at;
	int rc = mct_dial(&c, a);

	for (int i = 0; !rc && i < keys; i++) {
		char key[64];

		snprintf(key, sizeof(key), "%s-%d", kind, i);
		req.len = 0;
		mct_print(&req, "set %s 0 0 %zu\r\n", key, value);
		mct_room(&req, value + 2);
		mct_value(key, value, req.p + req.len);
		req.len += value;
		mct_put(&req, "\r\n", 2);
		rc = mct_ask(&c, &req, &at);
		if (!rc && !mct_starts(c.in.p + at, c.in.len - at, "STORED"))
			rc = -EIO;
	}
	mct_close(&c);
	free(req.p);
	return rc;
}

long mct_rss_mb(int pid)
{
	char path[64], line[256];
	long kb = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb < 0 ? -1 : kb / 1024;
}
