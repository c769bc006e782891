/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The memcached plugin in the simplest engine, with servers that say what the test told them to. */
#ifndef PB_TEST_PLUGIN_H
#define PB_TEST_PLUGIN_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "bpf/plugins/memcached.h"
#include "control/memcached/ring.h"
#include "tests/lib/frame_drive.h"

#define SERVERS 3u

static struct pb_mc_ring ring;
static struct fdr drive;
static struct fdr_buf says[SERVERS]; /* what a server will answer */
static struct fdr_buf asked;	     /* "SERVER:REQUEST|" each */
static struct pb_frame_send sends[64];
static uint32_t n_sends;
static const char *cached; /* the value of every key */

__attribute__((unused)) static bool t_send(void *arg, uint32_t server, const void *data, size_t n)
{
	char head[8];

	(void)arg;
	fdr_put(&asked, head, (size_t)snprintf(head, sizeof(head), "%u:", server));
	fdr_put(&asked, data, n);
	fdr_put(&asked, "|", 1);
	return true;
}

__attribute__((unused)) static ssize_t t_recv(void *arg, uint32_t server, void *data, size_t cap)
{
	size_t n = says[server].len < cap ? says[server].len : cap;
	const uint8_t *end = n ? memmem(says[server].p, n, "END\r\n", 5) : NULL;

	(void)arg;
	if (!n)
		return -1;
	if (end) /* what comes behind it answers the next call */
		n = (size_t)(end + 5 - says[server].p);
	memcpy(data, says[server].p, n);
	fdr_drop(&says[server], n);
	return (ssize_t)n;
}

__attribute__((unused)) static void t_call(void *arg, uint32_t server,
					   const struct pb_frame_send *s)
{
	(void)arg;
	(void)server;
	if (n_sends < 64)
		sends[n_sends++] = *s;
}

__attribute__((unused)) static bool t_lookup(void *arg, const struct pb_frame_send *s,
					     struct pb_frame_view *ret)
{
	(void)arg;
	(void)s;
	if (!cached)
		return false;
	ret->data = (const uint8_t *)cached;
	ret->end = ret->data + strlen(cached);
	return true;
}

static const struct fdr_ops t_ops = { t_send, t_recv, t_call, t_lookup };

/* A client's connection; the old one's end. */
__attribute__((unused)) static void client(uint64_t seed)
{
	if (drive.plugin)
		fdr_free(&drive);
	fdr_init(&drive, &pb_frame_memcached, &t_ops, NULL, SERVERS, &ring);
	drive.seed = seed;
	for (uint32_t i = 0; i < SERVERS; i++)
		says[i].len = 0;
	asked.len = 0;
	n_sends = 0;
	cached = NULL;
}

__attribute__((unused)) static void begin(void)
{
	static const struct mcr_server list[SERVERS] = {
		{ .host = "a", .port = 1, .weight = 1 },
		{ .host = "b", .port = 1, .weight = 1 },
		{ .host = "c", .port = 1, .weight = 1 },
	};
	const __u64 key[2] = { 3, 4 };

	cr_assert_eq(mcr_build_maglev(&ring, key, list, SERVERS), 0);
	client(0);
}

__attribute__((unused)) static void end(void)
{
	fdr_free(&drive);
	for (uint32_t i = 0; i < SERVERS; i++)
		free(says[i].p);
	free(asked.p);
}

/* The @nth key that server @i owns. */
__attribute__((unused)) static const char *key_of(uint32_t i, int nth)
{
	static char keys[16][12];
	static uint32_t at;
	static struct pb_mc_work w;
	char *k = keys[at++ % 16];

	for (int n = 0;; n++) {
		struct pb_mc_scan s;

		sprintf(k, "k%d", n);
		s = pb_mc_scan_init(k, k + strlen(k), (__u32)strlen(k), &w);
		if (pb_mc_owner(&s, &ring, 0, (__u32)strlen(k)) == i && !nth--)
			return k;
	}
}

__attribute__((unused)) static void say(uint32_t server, const char *text)
{
	fdr_put(&says[server], text, strlen(text));
}

#define same_bytes(buf, want, n) \
	cr_expect((buf)->len == (n) && !((n) && memcmp((buf)->p, want, n)), #buf ": %.*s", \
		  (int)(buf)->len, (const char *)(buf)->p)

/* What the servers were asked, and what the client heard, since the last time. */
#define expect_asked(want) \
	do { \
		same_bytes(&asked, want, strlen(want)); \
		asked.len = 0; \
	} while (0)
#define expect_told(want) \
	do { \
		same_bytes(&drive.out, want, strlen(want)); \
		cr_expect(!drive.wrong[0], "%s", drive.wrong); \
		drive.out.len = 0; \
	} while (0)

__attribute__((unused)) static void ask(const char *text)
{
	fdr_feed(&drive, text, strlen(text));
}

#endif /* PB_TEST_PLUGIN_H */
