/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The resolver's two ways in.  First byte: bit 0 TCP; bit 1 the input is a
 * client's stream of framed messages; bit 2 the rest is two messages, a query
 * and an answer to it, split at the second byte (x4).  What is built for an
 * inside name must be readable by ldns and within the client's limit.
 */
#include "control/names/zone.h"

#include <errno.h>
#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>

#include <patchbay/addr.h>

#include "control/names/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(x) \
	do { \
		if (!(x)) \
			abort(); \
	} while (0)

static int lookup_name(void *arg, const char *name, struct pb_names_rec *ret)
{
	(void)arg;
	if (strcmp(name, "web"))
		return -ENOENT;
	memset(ret, 0, sizeof(*ret));
	ret->vip4 = pb_addr_v4(htonl(0x0a090001));
	ret->vip6 = pb_addr_loopback(0);
	ret->n_svc = 1;
	ret->svc[0] = (struct pb_names_svc){ htons(80), PB_PROTO_TCP };
	return 0;
}

static int pool_contains(void *arg, const struct pb_addr *a)
{
	(void)arg;
	return pb_addr_is_v4(a) && (ntohl(a->w[3]) >> 24) == 10;
}

static int lookup_addr(void *arg, const struct pb_addr *a, char ret[PB_NAME_LEN])
{
	if (!pool_contains(arg, a) || ntohl(a->w[3]) & 1)
		return -ENOENT;
	strcpy(ret, "web");
	return 0;
}

static const struct pb_names_ops ops = { lookup_name, lookup_addr, NULL, pool_contains, NULL };

static void one_query(const struct pb_zone *z, const uint8_t *data, size_t size, bool tcp)
{
	struct pb_names_stats stats = { 0 };
	struct pb_msg_query q;
	uint8_t *reply = NULL;
	ldns_pkt *pkt = NULL;
	size_t len = 0;

	if (pb_zone_handle(z, data, size, tcp, &stats, &q, &reply, &len) != PB_ZONE_REPLY)
		return;
	REQUIRE(len <= (tcp ? PB_MSG_MAX : pb_msg_udp_limit(&q)));
	REQUIRE(ldns_wire2pkt(&pkt, reply, len) == LDNS_STATUS_OK);
	REQUIRE(ldns_pkt_qr(pkt) && ldns_pkt_id(pkt) == q.id);
	ldns_pkt_free(pkt);
	free(reply);
}

static void stream(const struct pb_zone *z, const uint8_t *data, size_t size)
{
	struct pb_frame f = { 0 };

	while (size) {
		char *to;
		size_t n;

		pb_frame_want(&f, &to, &n);
		REQUIRE(n);
		n = n < size ? n : size;
		memcpy(to, data, n);
		data += n;
		size -= n;
		if (pb_frame_took(&f, n) > 0) {
			one_query(z, f.msg, f.len, true);
			pb_frame_reset(&f);
		}
	}
	pb_frame_reset(&f);
}

static void relayed(const struct pb_zone *z, const uint8_t *data, size_t size)
{
	const struct pb_msg_guard guard = { z->domain, pool_contains, NULL, data[0] & 1 };
	size_t split = data[1] * 4u;
	struct pb_msg_query q;

	data += 2;
	size -= 2;
	if (split <= size && !pb_msg_read_query(data, split, &q))
		pb_msg_check_reply(&guard, &q, data + split, size - split);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pb_zone zone;

	if (!zone.ops)
		REQUIRE(!pb_zone_init(&zone, PB_NAMES_DOMAIN, &ops, NULL, 0));
	if (size < 2)
		return 0;
	if (data[0] & 4)
		relayed(&zone, data, size);
	else if (data[0] & 2)
		stream(&zone, data + 1, size - 1);
	else
		one_query(&zone, data + 1, size - 1, data[0] & 1);
	return 0;
}
