/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every message of gossip, without the layers around it; and the reader: passing over a value ends
 * where reading it piece by piece does.
 */
#include "gossip_again.h"

#include "control/gossip/msgpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DEPTH_MAX 64

static void walk(struct gsp_rd *r, unsigned depth);

static void walk_many(struct gsp_rd *r, uint64_t n, unsigned depth)
{
	if (depth == DEPTH_MAX)
		gsp_rd_fail(r, -E2BIG);
	for (uint64_t i = 0; i < n && !r->err; i++)
		walk(r, depth + 1);
}

/* ca to d8 but the numbers: what only the function that skips knows. */
static bool only_skipped(uint8_t tag)
{
	return tag == 0xc1 || (tag >= 0xc7 && tag <= 0xcb) || (tag >= 0xd4 && tag <= 0xd8);
}

static void walk(struct gsp_rd *r, unsigned depth)
{
	uint8_t tag = r->p < r->end ? *r->p : 0xc0;

	if ((tag & 0xf0) == 0x80 || tag == 0xde || tag == 0xdf)
		walk_many(r, 2 * (uint64_t)gsp_rd_map(r, NULL), depth);
	else if ((tag & 0xf0) == 0x90 || tag == 0xdc || tag == 0xdd)
		walk_many(r, gsp_rd_array(r, NULL), depth);
	else if ((tag & 0xe0) == 0xa0 || (tag >= 0xc4 && tag <= 0xc6) ||
		 (tag >= 0xd9 && tag <= 0xdb))
		gsp_rd_raw(r, UINT32_MAX);
	else if (tag == 0xc2 || tag == 0xc3)
		gsp_rd_bool(r);
	else if (tag == 0xcf)
		gsp_rd_uint(r, UINT64_MAX);
	else if (only_skipped(tag))
		gsp_rd_skip(r);
	else
		gsp_rd_int(r);
}

static void reader(const uint8_t *data, size_t size)
{
	uint8_t *copy = gossip_copy(data, size);
	struct gsp_rd skipping = GSP_RD(copy, size), walking = GSP_RD(copy, size);

	skipping.skip = walking.skip = UINT32_MAX;
	gsp_rd_skip(&skipping);
	walk(&walking, 0);
	REQUIRE(skipping.p <= skipping.end && walking.p <= walking.end);
	REQUIRE(walking.err == -E2BIG || !skipping.err == !walking.err);
	REQUIRE(skipping.err || walking.err || skipping.p == walking.p);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > GSP_DATAGRAM_MAX)
		return 0;
	reader(data, size);
	gossip_message(data, size);
	gossip_serf(data, size);
	if (size && size < GSP_FILTER_MAX / 2)
		AGAIN(filter, data, size);
	gossip_meta((struct gsp_bytes){ data, (uint32_t)size });
	return 0;
}
