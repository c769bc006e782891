/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The slow path with scripted clients and servers, and a clock of our own. */
#ifndef PB_TEST_MEMCACHED_PROXY_H
#define PB_TEST_MEMCACHED_PROXY_H

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <patchbay/addr.h>
#include <patchbay/mc_digest.h>
#include <patchbay/mc_parse.h>

#include "control/memcached/proxy.h"
#include "control/memcached/ring.h"

#define SERVERS 3
#define MAX 4096
#define S_NS 1000000000ULL

struct datagram {
	struct pb_addr addr;
	__be16 port;
	uint16_t id, seq, total;
	size_t len; /* behind the frame header */
	uint8_t *msg;
};

static struct pxy *pxy;
static struct pb_mc_ring ring;
static struct pb_mc_backend backends[SERVERS];
static struct pb_mc_service service;
static uint64_t now;
static struct datagram asked[MAX], told[MAX]; /* servers, clients */
static unsigned n_asked, n_told;
static struct pb_mc_cmd cmds[MAX];
static unsigned n_cmds, cmds_at_send; /* steps taken before the last request went out */
static int fail_token, fail_server, fail_client;

static struct pb_addr address(unsigned last)
{
	return pb_addr_v4(htonl(0x0a000000 | last));
}

static void keep(struct datagram *d, const struct pb_addr *to, __be16 port, const void *data,
		 size_t len)
{
	const uint8_t *p = data;

	cr_assert_geq(len, PB_MC_UDP_HDR);
	d->addr = *to;
	d->port = port;
	d->id = (uint16_t)(p[0] << 8 | p[1]);
	d->seq = (uint16_t)(p[2] << 8 | p[3]);
	d->total = (uint16_t)(p[4] << 8 | p[5]);
	d->len = len - PB_MC_UDP_HDR;
	d->msg = malloc(d->len + 1);
	memcpy(d->msg, p + PB_MC_UDP_HDR, d->len);
	d->msg[d->len] = 0;
}

static int to_client(void *arg, const struct pb_addr *to, __be16 port, const void *data, size_t len)
{
	(void)arg;
	if (fail_client)
		return fail_client;
	cr_assert_leq(len, 1400u);
	cr_assert_lt(n_told, MAX);
	keep(&told[n_told++], to, port, data, len);
	return 0;
}

static int to_server(void *arg, const struct pb_addr *to, __be16 port, const void *data, size_t len)
{
	(void)arg;
	if (fail_server)
		return fail_server;
	cr_assert_lt(n_asked, MAX);
	keep(&asked[n_asked++], to, port, data, len);
	cmds_at_send = n_cmds;
	return 0;
}

static int token(void *arg, const struct pb_mc_cmd *cmd)
{
	(void)arg;
	if (fail_token)
		return fail_token;
	cmds[n_cmds++ % MAX] = *cmd;
	return 0;
}

static uint64_t wall(void *arg)
{
	(void)arg;
	return 1700000000;
}

static const struct pxy_ops ops = {
	.to_client = to_client, .to_server = to_server, .token = token, .wall = wall
};

static void forget(void)
{
	while (n_asked)
		free(asked[--n_asked].msg);
	while (n_told)
		free(told[--n_told].msg);
	n_cmds = 0;
}

static void begin_with(const struct pxy_limits *limits)
{
	static const __u64 key[2] = { 1, 2 };
	struct mcr_server s[SERVERS] = { { 0 } };

	for (unsigned i = 0; i < SERVERS; i++) {
		char *host = malloc(16);

		snprintf(host, 16, "server%u", i);
		s[i].host = host;
		s[i].port = 11211;
		s[i].weight = 1;
		backends[i] = (struct pb_mc_backend){ .addr = address(100 + i),
						      .port = htons(11211),
						      .flags = PB_MC_B_UP };
	}
	cr_assert_eq(mcr_build_maglev(&ring, key, s, SERVERS), 0);
	for (unsigned i = 0; i < SERVERS; i++)
		free((char *)s[i].host);
	service.key[0] = 3;
	now = 1000 * S_NS;
	cr_assert_eq(pxy_new(&pxy, &ops, NULL, limits, now), 0);
	cr_assert_eq(pxy_set_service(pxy, 7, &service, NULL, 0), 0);
	pxy_set_ring(pxy, &ring, backends, SERVERS);
}

static void begin(void)
{
	begin_with(NULL);
}

static struct pxy_stats stats(void)
{
	struct pxy_stats s;

	pxy_get_stats(pxy, &s);
	return s;
}

/* Nothing may be left of what was under way. */
static void end(void)
{
	struct pxy_stats s;

	now += 10 * S_NS;
	pxy_tick(pxy, now);
	pxy_flush(pxy, ~0u);
	s = stats();
	cr_expect_eq(s.queries, 0);
	cr_expect_eq(s.calls, 0);
	cr_expect_eq(s.held, 0);
	forget();
	pxy_free(pxy);
}

static void ask_raw(unsigned client, uint16_t id, const void *msg, size_t n, uint16_t total)
{
	uint8_t *d = malloc(n + PB_MC_UDP_HDR);
	uint16_t head[4] = { htons(id), 0, htons(total), 0x100 };
	struct pb_addr from = address(client);

	memcpy(d, head, sizeof(head));
	if (n)
		memcpy(d + sizeof(head), msg, n);
	pxy_client(pxy, &from, htons(4000), d, n + sizeof(head), now);
	pxy_flush(pxy, ~0u);
	free(d);
}

static void ask(const char *msg)
{
	ask_raw(1, 0x55, msg, strlen(msg), 1);
}

static void reply_raw(unsigned i, const void *msg, size_t n, uint16_t seq, uint16_t total)
{
	uint8_t *d = malloc(n + PB_MC_UDP_HDR);
	uint16_t head[4] = { htons(asked[i].id), htons(seq), htons(total), 0 };

	memcpy(d, head, sizeof(head));
	if (n)
		memcpy(d + sizeof(head), msg, n);
	pxy_server(pxy, &asked[i].addr, asked[i].port, d, n + sizeof(head), now);
	pxy_flush(pxy, ~0u);
	free(d);
}

/* The server that got request @i says @msg. */
static void reply(unsigned i, const char *msg)
{
	reply_raw(i, msg, strlen(msg), 0, 1);
}

static unsigned owner(const char *key)
{
	static struct pb_mc_work w;
	uint32_t n = (uint32_t)strlen(key);
	struct pb_mc_scan s = pb_mc_scan_init(key, key + n, n, &w);

	return pb_mc_owner(&s, &ring, 0, n);
}

/* A key of that server's; they differ by @salt. */
static inline const char *key_of(unsigned server, unsigned salt)
{
	static char keys[16][32];
	static unsigned at;
	char *k = keys[at++ % 16];

	for (unsigned i = 0;; i++) {
		snprintf(k, sizeof(keys[0]), "k%u.%u.%u", server, salt, i);
		if (owner(k) == server)
			return k;
	}
}

static inline uint64_t digest(const char *key)
{
	return pb_mc_key_digest(service.key, key, (__u32)strlen(key));
}

#define expect_asked(i, server, text) \
	do { \
		cr_assert_lt((unsigned)(i), n_asked, "request %u was not sent", (unsigned)(i)); \
		cr_expect(pb_addr_eq(&asked[i].addr, &backends[server].addr)); \
		cr_expect_str_eq((char *)asked[i].msg, text); \
		cr_expect_eq(asked[i].seq, 0); \
		cr_expect_eq(asked[i].total, 1); \
	} while (0)

#define expect_told(i, text) \
	do { \
		cr_assert_lt((unsigned)(i), n_told, "answer %u did not come", (unsigned)(i)); \
		cr_expect_str_eq((char *)told[i].msg, text); \
		cr_expect_eq(told[i].id, 0x55); \
		cr_expect_eq(told[i].port, htons(4000)); \
	} while (0)

#define expect_cmd(i, w, d) \
	do { \
		cr_assert_lt((unsigned)(i), n_cmds, "step %u was not taken", (unsigned)(i)); \
		cr_expect_eq(cmds[i].what, (unsigned)(w), "step %u: %u", (unsigned)(i), \
			     cmds[i].what); \
		cr_expect_eq(cmds[i].service, 7); \
		cr_expect_eq(cmds[i].digest, d); \
	} while (0)

#endif /* PB_TEST_MEMCACHED_PROXY_H */
