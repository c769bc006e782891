/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Memcached requests, as a datagram behind its frame header. */
#include <stdint.h>
#include <stdlib.h>

#include <patchbay/mc_parse.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(x) \
	do { \
		if (!(x)) \
			abort(); \
	} while (0)

static void keys(struct pb_mc_scan *s)
{
	const struct pb_mc_req r = s->w->req;
	uint32_t n, at = r.key_off, count = !!r.key_len;

	if (r.flags & PB_MC_F_B64)
		REQUIRE(pb_mc_b64_key(s) <= PB_MC_KEY_MAX * 3 / 4);
	pb_mc_more_keys(s);
	while ((n = pb_mc_next_key(s))) {
		REQUIRE(s->w->off > at && s->w->off + n <= s->w->len);
		at = s->w->off;
		count++;
	}
	if (r.flags & PB_MC_F_MULTI && r.key_len)
		REQUIRE(count == r.keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pb_mc_work w;
	struct pb_mc_scan s = pb_mc_scan_init(data, data + size, (uint32_t)size, &w);
	struct pb_mc_udp label;
	uint32_t at = 0, proto;

	if (size > 65535 || !pb_mc_udp_read(&s, &label))
		return 0;
	s = pb_mc_scan_init(data + PB_MC_UDP_HDR, data + size, (uint32_t)size - PB_MC_UDP_HDR, &w);
	proto = pb_mc_proto_of(&s);
	do {
		struct pb_mc_req r;

		pb_mc_parse(&s, at, proto);
		r = w.req;
		REQUIRE(r.kind < PB_MC_KINDS && r.error < PB_MC_ERRORS);
		REQUIRE(r.key_len <= PB_MC_KEY_MAX && r.key_off + r.key_len <= w.len);
		REQUIRE(!r.next || (r.next > at && r.next <= w.len));
		REQUIRE(r.next || r.error);
		if (r.error == PB_MC_OK && r.flags & PB_MC_F_VALUE)
			REQUIRE(r.val_off + r.val_len <= r.next);
		keys(&s);
		at = r.next;
	} while (at && at < w.len);
	return 0;
}
