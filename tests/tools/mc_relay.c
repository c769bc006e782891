// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A bad network between switch and server, where the kernel has none to offer:
 *	mc_relay LISTEN SERVER
 * Of the datagrams each way every fourth takes up to 10 ms longer and so comes out of order, one in 500
 * is lost, and of replies one in 50 comes twice.  Requests never do: the switch cannot live with that
 * (docs/decisions/0022).
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/mc_addr.h"

#define WAITING 4096
#define BYTES 2048

struct late {
	uint64_t due; /* us; 0: free */
	size_t len;
	bool reply;
	uint8_t data[BYTES];
};

struct call {
	struct sockaddr_storage client;
	socklen_t len;
	uint8_t id[2];
};

static struct late waiting[WAITING];
static struct call calls[65536];
static struct mcu_addr server;
static int front, back;
static uint16_t next_id;

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void deliver(const uint8_t *data, size_t len, bool reply)
{
	const struct call *c = &calls[data[0] << 8 | data[1]];
	uint8_t out[65536];

	if (!reply) {
		sendto(back, data, len, 0, (const void *)&server.ss, server.len);
		return;
	}
	if (!c->len)
		return;
	memcpy(out, data, len);
	memcpy(out, c->id, 2);
	sendto(front, out, len, 0, (const void *)&c->client, c->len);
}

static void wait_turn(const uint8_t *data, size_t len, bool reply)
{
	for (int i = 0; i < WAITING; i++)
		if (!waiting[i].due) {
			waiting[i].due = now_us() + (uint64_t)(random() % 10000);
			waiting[i].len = len;
			waiting[i].reply = reply;
			memcpy(waiting[i].data, data, len);
			return;
		}
}

static void pass(const uint8_t *data, size_t len, bool reply)
{
	if (!(random() % 500))
		return;
	if (reply && len <= BYTES && !(random() % 50))
		wait_turn(data, len, reply); /* and now, too */
	if (len <= BYTES && !(random() % 4))
		wait_turn(data, len, reply);
	else
		deliver(data, len, reply);
}

static void from_client(void)
{
	static uint8_t buf[65536];
	struct call c = { .len = sizeof(c.client) };
	ssize_t n = recvfrom(front, buf, sizeof(buf), 0, (void *)&c.client, &c.len);

	if (n < 9)
		return;
	memcpy(c.id, buf, 2);
	calls[++next_id] = c;
	buf[0] = (uint8_t)(next_id >> 8);
	buf[1] = (uint8_t)next_id;
	pass(buf, (size_t)n, false);
}

static void from_server(void)
{
	static uint8_t buf[65536];
	ssize_t n = recv(back, buf, sizeof(buf), 0);

	if (n >= 8)
		pass(buf, (size_t)n, true);
}

static void late_ones(void)
{
	uint64_t now = now_us();

	for (int i = 0; i < WAITING; i++)
		if (waiting[i].due && waiting[i].due <= now) {
			deliver(waiting[i].data, waiting[i].len, waiting[i].reply);
			waiting[i].due = 0;
		}
}

int main(int argc, char **argv)
{
	struct pollfd p[2];

	if (argc < 3 || mcu_addr(argv[2], &server)) {
		fprintf(stderr, "usage: mc_relay LISTEN SERVER\n");
		return 2;
	}
	front = mcu_listen(argv[1], false);
	back = mcu_listen("0.0.0.0:0", true);
	if (front < 0 || back < 0) {
		fprintf(stderr, "mc_relay: %s\n", strerror(-front));
		return 1;
	}
	p[0] = (struct pollfd){ .fd = front, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = back, .events = POLLIN };
	puts("listening");
	fflush(stdout);
	while (poll(p, 2, 1) >= 0 || errno == EINTR) {
		if (p[1].revents)
			from_server();
		if (p[0].revents)
			from_client();
		late_ones();
	}
	return 0;
}
