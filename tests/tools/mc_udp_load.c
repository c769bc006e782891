// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A closed loop: each connection has so many requests on their way and sends the next one when an
 * answer comes.  By datagrams, or by TCP for proxies that know nothing else.  --rate: so many requests a
 * second in all instead, one on its way: for latency.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/tools/mc_udp.h"

#define CONNS 256
#define WINDOW 64
#define BUCKETS 100000 /* of a microsecond */

struct conn {
	int fd;
	int open;	       /* requests on their way */
	uint64_t sent[WINDOW]; /* by id (datagrams), or in order (TCP) */
	uint16_t next, first;
	uint8_t *buf; /* TCP: what has come of an answer */
	size_t len;
};

static struct {
	struct mcu_addr addr;
	int tcp, conns, window, ms, keys, value, cold, misses, rate, fill;
	struct conn c[CONNS];
	uint32_t hist[BUCKETS];
	unsigned long answers, empty, lost;
	uint64_t rnd;
} ld = {
	.conns = 50, .window = 1, .ms = 1000, .keys = 100, .value = 32, .rnd = 88172645463325252ULL
};

static uint32_t rnd(void)
{
	ld.rnd ^= ld.rnd << 13;
	ld.rnd ^= ld.rnd >> 7;
	ld.rnd ^= ld.rnd << 17;
	return (uint32_t)(ld.rnd >> 20);
}

static size_t request(char *out, size_t room)
{
	bool cold = ld.cold && rnd() % 1000 < (uint32_t)ld.misses * 10;

	return (size_t)snprintf(out, room, "get load-%s-%08u\r\n", cold ? "cold" : "key",
				rnd() % (uint32_t)(cold ? ld.cold : ld.keys));
}

static int send_one(struct conn *c)
{
	uint8_t b[128] = { (uint8_t)(c->next >> 8), (uint8_t)c->next, 0, 0, 0, 1, 0, 0 };
	size_t head = ld.tcp ? 0 : 8, n = request((char *)b + head, sizeof(b) - head);

	c->sent[c->next % WINDOW] = mcu_now_us();
	c->next++;
	c->open++;
	return send(c->fd, b, n + head, MSG_NOSIGNAL) == (ssize_t)(n + head) ? 0 : -errno;
}

static void book(uint64_t since, const uint8_t *p)
{
	uint64_t us = mcu_now_us() - since;

	ld.hist[us < BUCKETS ? us : BUCKETS - 1]++;
	ld.answers++;
	ld.empty += !memcmp(p, "END", 3);
}

static int answered_udp(struct conn *c)
{
	static uint8_t b[65536];
	ssize_t n;
	int got = 0;

	while ((n = recv(c->fd, b, sizeof(b), MSG_DONTWAIT)) >= 13) {
		/* of a value in several datagrams the last one counts */
		if ((b[2] << 8 | b[3]) + 1 < (b[4] << 8 | b[5]))
			continue;
		book(c->sent[(b[0] << 8 | b[1]) % WINDOW], b + 8);
		c->open--;
		got++;
	}
	return got;
}

static int answered_tcp(struct conn *c)
{
	size_t off = 0, was = 0;
	ssize_t n = recv(c->fd, c->buf + c->len, MCU_MAX - c->len, MSG_DONTWAIT);
	int got = 0;

	if (n <= 0)
		return 0;
	c->len += (size_t)n;
	while (mcu_whole(c->buf, c->len, &off)) {
		book(c->sent[c->first++ % WINDOW], c->buf + was);
		was = off;
		c->open--;
		got++;
	}
	memmove(c->buf, c->buf + was, c->len - was);
	c->len -= was;
	return got;
}

static int answered(struct conn *c)
{
	return ld.tcp ? answered_tcp(c) : answered_udp(c);
}

/* Datagrams that are lost would stop their connection for good. */
static void again(void)
{
	uint64_t now = mcu_now_us();

	for (int i = 0; i < ld.conns; i++) {
		struct conn *c = &ld.c[i];

		if (ld.tcp || now - c->sent[(uint16_t)(c->next - 1) % WINDOW] < 200000)
			continue;
		ld.lost += (unsigned long)c->open;
		c->open = 0;
		while (c->open < ld.window && !send_one(c))
			;
	}
}

static int closed_loop(uint64_t end)
{
	struct epoll_event ev[CONNS];
	int ep = epoll_create1(EPOLL_CLOEXEC);

	for (int i = 0; i < ld.conns; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = &ld.c[i] };

		if (epoll_ctl(ep, EPOLL_CTL_ADD, ld.c[i].fd, &e))
			return -errno;
		while (ld.c[i].open < ld.window)
			send_one(&ld.c[i]);
	}
	while (mcu_now_us() < end) {
		int n = epoll_wait(ep, ev, CONNS, 100);

		for (int i = 0; i < n; i++) {
			struct conn *c = ev[i].data.ptr;

			for (int got = answered(c); got > 0 && c->open < ld.window; got--)
				send_one(c);
		}
		if (n <= 0)
			again();
	}
	close(ep);
	return 0;
}

static int at_rate(uint64_t end)
{
	struct conn *c = &ld.c[0];
	struct pollfd p = { .fd = c->fd, .events = POLLIN };

	for (uint64_t due = mcu_now_us(); due < end; due += 1000000 / (uint64_t)ld.rate) {
		if (due > mcu_now_us())
			mcu_wait_ms((int)((due - mcu_now_us()) / 1000));
		send_one(c);
		while (c->open && poll(&p, 1, 200) > 0)
			answered(c);
		ld.lost += (unsigned long)c->open;
		c->open = 0;
	}
	return 0;
}

/* Every key, by a request of its own. */
static int fill(const char *kind, int keys)
{
	static uint8_t b[MCU_MAX], in[MCU_MAX];
	struct pollfd p = { .fd = ld.c[0].fd, .events = POLLIN };

	for (int i = 0; i < keys; i++) {
		size_t head = ld.tcp ? 0 : 8, n = head;
		int tries = 0;

		memcpy(b, (uint8_t[]){ 0, 1, 0, 0, 0, 1, 0, 0 }, 8);
		n += (size_t)sprintf((char *)b + head, "set load-%s-%08u 0 0 %d\r\n", kind,
				     (unsigned)i, ld.value);
		memset(b + n, 'v', (size_t)ld.value);
		memcpy(b + n + ld.value, "\r\n", 2);
		n += (size_t)ld.value + 2;
		do {
			if (tries++ > 5 || send(p.fd, b, n, MSG_NOSIGNAL) != (ssize_t)n)
				return -EIO;
		} while (poll(&p, 1, 500) <= 0);
		if (recv(p.fd, in, sizeof(in), 0) < (ssize_t)head + 6 ||
		    memcmp(in + head, "STORED", 6))
			return -EIO;
	}
	return 0;
}

static double percentile(double share)
{
	unsigned long want = (unsigned long)((double)ld.answers * share), n = 0;

	for (int i = 0; i < BUCKETS; i++)
		if ((n += ld.hist[i]) > want)
			return i;
	return BUCKETS;
}

static double mean(void)
{
	double sum = 0;

	for (int i = 0; i < BUCKETS; i++)
		sum += (double)ld.hist[i] * i;
	return ld.answers ? sum / (double)ld.answers : 0;
}

static int options(int argc, char **argv)
{
	const struct {
		const char *name;
		int *to;
	} o[] = { { "--conns", &ld.conns },   { "--window", &ld.window }, { "--ms", &ld.ms },
		  { "--keys", &ld.keys },     { "--value", &ld.value },	  { "--cold", &ld.cold },
		  { "--misses", &ld.misses }, { "--rate", &ld.rate } };
	size_t k;

	for (int i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "--tcp")) {
			ld.tcp = 1;
			continue;
		}
		if (!strcmp(argv[i], "--fill")) {
			ld.fill = 1;
			continue;
		}
		for (k = 0; k < sizeof(o) / sizeof(o[0]) && strcmp(argv[i], o[k].name); k++)
			;
		if (k == sizeof(o) / sizeof(o[0]) || ++i == argc)
			return 2;
		*o[k].to = atoi(argv[i]);
	}
	return ld.conns < 1 || ld.conns > CONNS || ld.window < 1 || ld.window > WINDOW ||
			       ld.keys < 1 || ld.value < 0 || ld.value > 60000
		       ? 2
		       : 0;
}

int mcu_load(int argc, char **argv)
{
	uint64_t start;
	double secs;
	int err;

	if (argc < 2 || mcu_addr(argv[1], &ld.addr) || options(argc, argv))
		return 2;
	for (int i = 0; i < ld.conns; i++) {
		ld.c[i].fd = mcu_dial(&ld.addr, ld.tcp ? SOCK_STREAM : SOCK_DGRAM);
		ld.c[i].buf = ld.tcp ? malloc(MCU_MAX) : NULL;
		if (ld.c[i].fd < 0 || (ld.tcp && !ld.c[i].buf))
			return 1;
	}
	if (ld.fill) {
		err = fill("key", ld.keys);
		return err || fill("cold", ld.cold) ? 1 : 0;
	}
	start = mcu_now_us();
	err = ld.rate ? at_rate(start + (uint64_t)ld.ms * 1000)
		      : closed_loop(start + (uint64_t)ld.ms * 1000);
	secs = (double)(mcu_now_us() - start) / 1e6;
	printf("rps %.0f avg %.1f p50 %.0f p99 %.0f p999 %.0f lost %lu empty %lu\n",
	       (double)ld.answers / secs, mean(), percentile(0.5), percentile(0.99),
	       percentile(0.999), ld.lost, ld.empty);
	return err || !ld.answers;
}
