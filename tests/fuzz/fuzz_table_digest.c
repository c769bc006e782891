/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Digests of push/pulls and requests of all kinds; also what has a length of its own inside. */
#include "table_again.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tbl *t = table_begin();
	uint64_t now = 1000;
	uint8_t *p, *out;
	size_t n, out_n;

	while ((p = table_message(&data, &size, &n))) {
		tbl_digest_in(t, &TABLE_PEER, p, n, now += 1000);
		if (!tbl_request_in(t, n & 1 ? &TABLE_PEER : NULL, p, n, &out, &out_n, now) &&
		    out_n)
			REQUIRE(wire_type(out, out_n) > 0);
		free(out);
		tbl_hash_seen(t, &TABLE_PEER, p, n, now);
		tbl_tick(t, now);
		free(p);
	}
	table_end(t, now);
	return 0;
}
