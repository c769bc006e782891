/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Each message is an answer to a request of this node, then a request to it. */
#include "table_again.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t hash[TBL_HASH_LEN] = { 1 };
	struct tbl *t = table_begin();
	uint64_t now = 10000;
	uint8_t *p, *out;
	size_t n, out_n;

	while ((p = table_message(&data, &size, &n))) {
		table_asked = 0;
		tbl_hash_seen(t, &TABLE_PEER, hash, sizeof(hash), now);
		tbl_hash_seen(t, &TABLE_PEER, hash, sizeof(hash), now += 11000);
		tbl_answer_in(t, table_asked, 0, p, n, ++now);
		if (!tbl_request_in(t, &TABLE_PEER, p, n, &out, &out_n, ++now) && out_n)
			REQUIRE(wire_type(out, out_n) > 0);
		free(out);
		tbl_tick(t, ++now);
		free(p);
	}
	table_end(t, now);
	return 0;
}
