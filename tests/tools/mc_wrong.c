// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A caching proxy for memcached's datagrams that is wrong on purpose, to show that the tests see it:
 *	mc_wrong LISTEN SERVER none|fill|verbs|source [COUNTER-FILE]
 * none: it caches nothing, and is right.  fill: a set drops the value when it passes, and any reply
 * fills, which is what caches in the path do; now and then a reply takes 2 ms longer, as on any network.  verbs: fills that overtake a set are refused, but of all verbs
 * only set counts.  source: replies are taken from everybody.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/mc_addr.h"

#define SLOTS 4096

enum mistake { NONE, FILL, VERBS, SOURCE, MISTAKES };

struct slot {
	char key[256];
	uint32_t version; /* of writes that passed */
	size_t len;	  /* 0: nothing is kept */
	uint8_t data[1500];
};

struct call {
	struct sockaddr_storage client;
	socklen_t len;
	uint8_t id[2];
	char key[256]; /* of a get */
	uint32_t version;
};

static struct slot slots[SLOTS];
static struct call calls[65536];
static enum mistake mistake;
static struct mcu_addr server;
static int front, back, counter = -1;
static uint16_t next_id;
static unsigned long hits;
static uint8_t parked[1600]; /* a reply on its longer way */
static size_t parked_len;
static unsigned replies;
static uint64_t alarm_at;

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static struct slot *slot_of(const char *key)
{
	uint32_t h = 5381;

	for (const char *p = key; *p; p++)
		h = h * 33 + (uint8_t)*p;
	return &slots[h % SLOTS];
}

static void count_hit(void)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%lu\n", ++hits);

	if (counter >= 0 && pwrite(counter, text, (size_t)n, 0) < 0)
		hits--;
}

/* The first key of a request that begins with the word. */
static bool request_is(const uint8_t *p, size_t len, const char *word, char *key)
{
	size_t n = strlen(word), i = 0;

	if (len < n || memcmp(p, word, n))
		return false;
	while (n < len && p[n] > ' ' && i < 250)
		key[i++] = (char)p[n++];
	key[i] = 0;
	return i && n < len;
}

static bool served(const uint8_t *buf, const char *key, const struct call *c)
{
	struct slot *s = slot_of(key);
	uint8_t out[1600];

	if (!s->len || strcmp(s->key, key))
		return false;
	memcpy(out, buf, 8);
	memcpy(out + 8, s->data, s->len);
	count_hit();
	return sendto(front, out, s->len + 8, 0, (const void *)&c->client, c->len) >= 0;
}

static void from_client(void)
{
	static uint8_t buf[65536];
	struct call c = { .len = sizeof(c.client) };
	ssize_t n = recvfrom(front, buf, sizeof(buf), 0, (void *)&c.client, &c.len);
	char key[256];

	if (n < 9)
		return;
	memcpy(c.id, buf, 2);
	if (mistake != NONE && request_is(buf + 8, (size_t)n - 8, "get ", key) &&
	    !memchr(buf + 12, ' ', (size_t)n - 12)) {
		if (served(buf, key, &c))
			return;
		strcpy(c.key, key);
		c.version = slot_of(key)->version;
	} else if (request_is(buf + 8, (size_t)n - 8, "set ", key)) {
		slot_of(key)->len = 0;
		slot_of(key)->version++;
	}
	next_id++;
	calls[next_id] = c;
	buf[0] = (uint8_t)(next_id >> 8);
	buf[1] = (uint8_t)next_id;
	sendto(back, buf, (size_t)n, 0, (const void *)&server.ss, server.len);
}

static void fill(const struct call *c, const uint8_t *data, size_t len)
{
	struct slot *s = slot_of(c->key);

	if (!c->key[0] || len > sizeof(s->data) || len < 6 || memcmp(data, "VALUE", 5))
		return;
	if (mistake == VERBS && s->version != c->version)
		return;
	strcpy(s->key, c->key);
	memcpy(s->data, data, len);
	s->len = len;
}

static void to_client(uint8_t *buf, size_t n)
{
	struct call *c = &calls[buf[0] << 8 | buf[1]];

	if (!c->len)
		return;
	if (buf[5] == 1)
		fill(c, buf + 8, n - 8);
	memcpy(buf, c->id, 2);
	sendto(front, buf, n, 0, (const void *)&c->client, c->len);
}

static void from_server(void)
{
	static uint8_t buf[65536];
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(back, buf, sizeof(buf), 0, (void *)&from, &len);

	if (n < 9 || (mistake != SOURCE && memcmp(&from, &server.ss, server.len)))
		return;
	if (mistake == FILL && !parked_len && n < (ssize_t)sizeof(parked) && !(++replies % 32)) {
		memcpy(parked, buf, (size_t)n);
		parked_len = (size_t)n;
		alarm_at = now_us() + 2000;
	} else {
		to_client(buf, (size_t)n);
	}
}

static void unpark(void)
{
	if (!parked_len || now_us() < alarm_at)
		return;
	to_client(parked, parked_len);
	parked_len = 0;
}

int main(int argc, char **argv)
{
	static const char *const names[MISTAKES] = { "none", "fill", "verbs", "source" };
	struct pollfd p[2];

	if (argc < 4 || mcu_addr(argv[2], &server)) {
		fprintf(stderr, "usage: mc_wrong LISTEN SERVER none|fill|verbs|source [FILE]\n");
		return 2;
	}
	while (mistake < MISTAKES && strcmp(argv[3], names[mistake]))
		mistake++;
	front = mcu_listen(argv[1], false);
	back = mcu_listen(argv[1], true);
	if (argc > 4)
		counter = open(argv[4], O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (front < 0 || back < 0 || mistake == MISTAKES) {
		fprintf(stderr, "mc_wrong: %s\n", strerror(-front));
		return 1;
	}
	p[0] = (struct pollfd){ .fd = front, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = back, .events = POLLIN };
	puts("listening");
	fflush(stdout);
	while (poll(p, 2, parked_len ? 1 : -1) >= 0) {
		unpark();
		if (p[1].revents)
			from_server();
		if (p[0].revents)
			from_client();
	}
	return 0;
}
