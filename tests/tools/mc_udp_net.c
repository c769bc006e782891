// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/tools/mc_udp.h"

uint64_t mcu_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

unsigned mcu_slow(void)
{
	static unsigned slow;
	const char *s = slow ? NULL : getenv("PB_SLOW");

	if (!slow)
		slow = s && atoi(s) > 0 ? (unsigned)atoi(s) : 1;
	return slow;
}

void mcu_wait_ms(int ms)
{
	poll(NULL, 0, ms);
}

int mcu_dial(const struct mcu_addr *a, int type)
{
	int fd = socket(a->ss.ss_family, type | SOCK_CLOEXEC, 0), size = 4 << 20;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (!connect(fd, (const struct sockaddr *)&a->ss, a->len))
		return fd;
	size = -errno;
	close(fd);
	return size;
}

int mcu_target(struct mcu_target *t, const char *text)
{
	int err = mcu_addr(text, &t->addr);

	if (err)
		return err;
	t->fd = mcu_dial(&t->addr, SOCK_DGRAM);
	t->id = (uint16_t)getpid();
	return t->fd < 0 ? t->fd : 0;
}

static bool line_is(const uint8_t *p, size_t len, const char *word)
{
	return len >= strlen(word) && !memcmp(p, word, strlen(word));
}

/* The number behind so many words of a line. */
static size_t word_number(const uint8_t *p, size_t len, int words)
{
	size_t i = 0, n = 0;

	for (; words; words--) {
		while (i < len && p[i] != ' ')
			i++;
		i++;
	}
	for (; i < len && p[i] >= '0' && p[i] <= '9'; i++)
		n = n * 10 + (size_t)(p[i] - '0');
	return n;
}

static bool whole_binary(const uint8_t *p, size_t len, size_t *off)
{
	size_t body;

	if (len - *off < 24)
		return false;
	p += *off;
	body = (size_t)p[8] << 24 | (size_t)p[9] << 16 | (size_t)p[10] << 8 | p[11];
	if (len - *off - 24 < body)
		return false;
	*off += 24 + body;
	return true;
}

bool mcu_whole(const uint8_t *p, size_t len, size_t *off)
{
	size_t at = *off;

	if (at < len && p[at] == 0x81)
		return whole_binary(p, len, off);
	for (;;) {
		const uint8_t *line = p + at, *nl = at < len ? memchr(line, '\n', len - at) : NULL;
		size_t n;

		if (!nl)
			return false;
		n = (size_t)(nl - line);
		at += n + 1;
		if (line_is(line, n, "VALUE ")) {
			at += word_number(line, n, 3) + 2;
		} else if (line_is(line, n, "VA ")) {
			*off = at + word_number(line, n, 1) + 2;
			return *off <= len;
		} else if (!line_is(line, n, "STAT ")) {
			*off = at;
			return true;
		}
		if (at > len)
			return false;
	}
}

int mcu_send(struct mcu_target *t, const void *req, size_t len)
{
	uint8_t frame[MCU_FRAME] = { 0, 0, 0, 0, 0, 1, 0, 0 };
	struct iovec iov[2] = { { frame, sizeof(frame) }, { (void *)(uintptr_t)req, len } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };

	t->id++;
	frame[0] = (uint8_t)(t->id >> 8);
	frame[1] = (uint8_t)t->id;
	return sendmsg(t->fd, &m, 0) == (ssize_t)(len + sizeof(frame)) ? 0 : -errno;
}

/* 1: one more datagram of the answer, 0: something else, < 0: nothing came. */
static int take(struct mcu_target *t, struct mcu_reply *r, int ms)
{
	struct pollfd p = { .fd = t->fd, .events = POLLIN };
	uint8_t h[MCU_FRAME];
	struct iovec iov[2] = { { h, sizeof(h) }, { r->buf + r->len, sizeof(r->buf) - r->len } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if (poll(&p, 1, ms < 0 ? 0 : ms) <= 0)
		return -ETIMEDOUT;
	n = recvmsg(t->fd, &m, 0);
	if (n < 0)
		return errno == ECONNREFUSED ? 0 : -errno;
	if (n < MCU_FRAME || (h[0] << 8 | h[1]) != t->id || r->parts == MCU_PARTS)
		return 0; /* an answer that came too late for an earlier one */
	n -= MCU_FRAME;
	r->part[r->parts].off = (uint32_t)r->len;
	r->part[r->parts].len = (uint32_t)n;
	r->part[r->parts].seq = (uint16_t)(h[2] << 8 | h[3]);
	r->part[r->parts].total = (uint16_t)(h[4] << 8 | h[5]);
	r->parts++;
	if (h[6] || h[7])
		r->wrong = "reserved field of the frame header";
	r->len += (size_t)n;
	return 1;
}

/* Labelled datagrams into their order; false: some have not come. */
static bool in_order(struct mcu_reply *r)
{
	static __thread uint8_t copy[1 << 20];
	size_t len = 0;

	if (r->part[0].total < 2)
		return true;
	if (r->parts < r->part[0].total)
		return false;
	for (int seq = 0; seq < r->part[0].total; seq++)
		for (int i = 0; i < r->parts; i++)
			if (r->part[i].seq == seq) {
				memcpy(copy + len, r->buf + r->part[i].off, r->part[i].len);
				len += r->part[i].len;
				break;
			}
	memcpy(r->buf, copy, len);
	r->len = len;
	return true;
}

int mcu_recv(struct mcu_target *t, struct mcu_reply *r, int answers, int ms)
{
	uint64_t end = mcu_now_us() + (uint64_t)ms * 1000 * mcu_slow();

	if (!r->keep) {
		r->len = 0;
		r->parts = 0;
		r->wrong = NULL;
	}
	for (;;) {
		int64_t left = (int64_t)(end - mcu_now_us());
		int rc = take(t, r, (int)(left / 1000)), n = 0;
		size_t off = 0;

		if (rc < 0)
			return rc;
		if (!rc || !in_order(r))
			continue;
		while (n < answers && mcu_whole(r->buf, r->len, &off))
			n++;
		if (n == answers)
			return 0;
	}
}
