/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Deltas, one after the other; said again, none of them is news. */
#include "table_again.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tbl *t = table_begin();
	uint64_t now = 1000;
	uint8_t *p;
	size_t n;

	while ((p = table_message(&data, &size, &n))) {
		tbl_delta_in(t, p, n, ++now);
		REQUIRE(tbl_delta_in(t, p, n, now) <= 0);
		tbl_tick(t, now += n & 1 ? 400 : 1);
		free(p);
	}
	table_end(t, now);
	return 0;
}
