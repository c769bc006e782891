/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The slow path of the memcached switch: clients that say anything, servers that answer anything, a
 * clock that leaps.  An answer must go to a client that asked, under the id it asked with and no more
 * often than it did; requests go to servers only, each with an id that is not under way; what is held
 * stays within its bounds, and is given back in the end.
 *
 * Input: records of a kind, a selector, a length of 16 bits and that many bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <patchbay/addr.h>

#include "control/memcached/proxy.h"
#include "control/memcached/ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(x) \
	do { \
		if (!(x)) \
			abort(); \
	} while (0)

#define CLIENTS 4
#define SERVERS 3
#define LAST 16 /* requests at servers that may be answered */
#define HELD (1u << 20)

enum { CLIENT, REPLY, PART, WRONG, TIME, DOWN, BLOCK, KINDS };

static struct pxy *proxy;
static uint64_t now;
static uint32_t owed[CLIENTS][256]; /* datagrams asked, by client and the id's low byte */
static struct {
	struct pb_addr addr;
	__be16 port;
	uint8_t id[2];
} asked[LAST];
static uint32_t n_asked;
static int blocked;
static uint64_t tags[2]; /* begun, ended */
static struct pb_mc_backend backends[SERVERS];

static struct pb_addr address(uint32_t i)
{
	return pb_addr_v4(pb_htonl(0x0a000000 + i));
}

static int to_client(void *arg, const struct pb_addr *to, __be16 port, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t c = pb_ntohl(to->w[3]) - 0x0a000000;

	(void)arg;
	if (blocked)
		return -11;
	REQUIRE(c < CLIENTS && port == pb_htons((uint16_t)(4000 + c)));
	REQUIRE(len > PB_MC_UDP_HDR && len <= 1400);
	REQUIRE(p[0] == (uint8_t)c && owed[c][p[1]]);
	/* the last datagram of an answer */
	if ((p[2] << 8 | p[3]) + 1 == (p[4] << 8 | p[5]))
		owed[c][p[1]]--;
	else
		REQUIRE(len == 1400);
	return 0;
}

static int to_server(void *arg, const struct pb_addr *to, __be16 port, const void *data, size_t len)
{
	uint32_t s = pb_ntohl(to->w[3]) - 0x0a000064, i = n_asked++ % LAST;
	const uint8_t *p = data;

	(void)arg;
	REQUIRE(s < SERVERS && backends[s].flags & PB_MC_B_UP && port == backends[s].port);
	REQUIRE(len > PB_MC_UDP_HDR && !p[2] && !p[3] && !p[4] && p[5] == 1);
	asked[i].addr = *to;
	asked[i].port = port;
	memcpy(asked[i].id, p, 2);
	return 0;
}

static int token(void *arg, const struct pb_mc_cmd *cmd)
{
	(void)arg;
	REQUIRE(!cmd->tag || cmd->tag >> 63);
	REQUIRE(cmd->what <= PB_MC_DO_FLUSH_AT && cmd->service == 5);
	tags[cmd->what == PB_MC_DO_WRITTEN || cmd->what == PB_MC_DO_WRITTEN_ALL] += !!cmd->tag;
	REQUIRE(tags[1] <= tags[0]);
	return 0;
}

static const struct pxy_ops ops = { .to_client = to_client,
				    .to_server = to_server,
				    .token = token };

static void from_client(const uint8_t *p, size_t n, uint32_t which)
{
	uint32_t c = which % CLIENTS;
	struct pb_addr from = address(c);
	uint8_t *d = malloc(n + 8);

	REQUIRE(d);
	memcpy(d, (uint8_t[8]){ (uint8_t)c, (uint8_t)(which >> 2), 0, 0, 0, 1 }, 8);
	if (n)
		memcpy(d + 8, p, n);
	owed[c][d[1]]++;
	pxy_client(proxy, &from, pb_htons((uint16_t)(4000 + c)), d, n + 8, now);
	free(d);
}

/* PART: the first two bytes say which of how many. */
static void from_server(const uint8_t *p, size_t n, uint32_t which, uint32_t kind)
{
	uint32_t i = which % LAST, part = kind == PART && n > 1;
	uint8_t *d = malloc(n + 8);

	REQUIRE(d);
	memcpy(d, (uint8_t[8]){ asked[i].id[0], asked[i].id[1], 0, 0, 0, 1 }, 8);
	if (part) {
		d[3] = p[0];
		d[5] = p[1];
	}
	if (n)
		memcpy(d + 8, p + 2 * part, n - 2 * part);
	if (kind == WRONG)
		d[which & 7] ^= (uint8_t)(1 << (which >> 5));
	pxy_server(proxy, &asked[i].addr, kind == WRONG && which & 8 ? 1 : asked[i].port, d,
		   n + 8 - 2 * part, now);
	free(d);
}

static void begin(struct pb_mc_ring *ring)
{
	static const struct pxy_limits limits = { .queries = 32,
						  .per_source = 16,
						  .calls = 64,
						  .requests = 32,
						  .answer = 1 << 18,
						  .held = HELD,
						  .source_held = HELD / 2 };
	static const struct mcr_server servers[SERVERS] = { { "a", NULL, 1, 0, 1 },
							    { "b", NULL, 1, 0, 1 },
							    { "c", NULL, 1, 0, 1 } };
	struct pb_mc_service svc = { .key = { 1, 2 } };

	if (!ring->n)
		mcr_build_maglev(ring, (__u64[2]){ 3, 4 }, servers, SERVERS);
	for (uint32_t i = 0; i < SERVERS; i++)
		backends[i] = (struct pb_mc_backend){ .addr = address(100 + i),
						      .port = pb_htons(11211),
						      .flags = PB_MC_B_UP };
	memset(owed, 0, sizeof(owed));
	memset(asked, 0, sizeof(asked));
	memset(tags, 0, sizeof(tags));
	n_asked = 0;
	blocked = 0;
	now = 1000000000000ULL;
	REQUIRE(!pxy_new(&proxy, &ops, NULL, &limits, now));
	REQUIRE(!pxy_set_service(proxy, 5, &svc, NULL, 0));
	pxy_set_ring(proxy, ring, backends, SERVERS);
}

static void finish(void)
{
	struct pxy_stats s;

	blocked = 0;
	now += 10000000000ULL;
	REQUIRE(!pxy_tick(proxy, now) || !pxy_flush(proxy, ~0u));
	pxy_get_stats(proxy, &s);
	REQUIRE(!s.queries && !s.calls && !s.held);
	pxy_free(proxy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pb_mc_ring ring;
	struct pxy_stats s;
	size_t n;

	begin(&ring);
	while (size >= 4) {
		uint32_t kind = data[0] % KINDS, which = data[1];

		n = (size_t)(data[2] << 8 | data[3]);
		data += 4;
		size -= 4;
		n = n < size ? n : size;
		if (kind == CLIENT)
			from_client(data, n, which);
		else if (kind <= WRONG)
			from_server(data, n, which, kind);
		else if (kind == TIME)
			pxy_tick(proxy, now += which * 20000000ULL);
		else if (kind == DOWN)
			backends[which % SERVERS].flags ^= PB_MC_B_UP;
		else
			blocked = which & 1;
		pxy_flush(proxy, which);
		pxy_get_stats(proxy, &s);
		REQUIRE(s.held <= HELD && s.calls <= 64 && s.queries <= 32);
		data += n;
		size -= n;
	}
	finish();
	return 0;
}
