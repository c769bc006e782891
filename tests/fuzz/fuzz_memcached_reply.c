/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Memcached replies, as a datagram behind its frame header. */
#include <stdint.h>
#include <stdlib.h>

#include <patchbay/mc_reply.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(x) \
	do { \
		if (!(x)) \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pb_mc_work w;
	struct pb_mc_scan s = pb_mc_scan_init(data, data + size, (uint32_t)size, &w);
	struct pb_mc_udp label;
	uint32_t at = 0, proto;

	if (size > 65535 || !pb_mc_udp_read(&s, &label))
		return 0;
	s = pb_mc_scan_init(data + PB_MC_UDP_HDR, data + size, (uint32_t)size - PB_MC_UDP_HDR, &w);
	if (pb_mc_fill(&s, &label)) {
		REQUIRE(label.total == 1 && !label.seq && w.rep.kind == PB_MC_R_VALUE);
		REQUIRE(w.rep.val_off + w.rep.val_len <= w.len);
	}
	proto = pb_mc_reply_proto(&s);
	do {
		const struct pb_mc_rep *r = &w.rep;

		pb_mc_reply(&s, at, proto);
		REQUIRE(r->kind <= PB_MC_R_OTHER && r->error < PB_MC_ERRORS);
		REQUIRE(r->key_off + r->key_len <= w.len);
		REQUIRE(!r->next || (r->next > at && r->next <= w.len));
		REQUIRE(r->next || r->error);
		if (!r->error && r->flags & PB_MC_F_VALUE)
			REQUIRE(r->val_off + r->val_len <= r->next);
		at = r->next;
	} while (at && at < w.len);
	return 0;
}
