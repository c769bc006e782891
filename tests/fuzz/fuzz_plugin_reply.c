/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A server's stream for the memcached plugin: its parts do not depend on how much of it is shown.  The
 * first four bytes say what was asked. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/plugins/memcached.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(x) \
	do { \
		if (!(x)) \
			abort(); \
	} while (0)

static struct pb_fmc_work work;

static void check_cut(const struct pb_frame_cut *cut, const struct pb_frame *f)
{
	REQUIRE(cut->n <= PB_FRAME_RANGES);
	for (uint32_t i = 0; i < cut->n; i++) {
		const struct pb_frame_range *r = &cut->range[i];

		if (r->kind == PB_FRAME_LITERAL)
			REQUIRE(r->off + r->len <= PB_FRAME_LIT);
		else
			REQUIRE(r->off + r->len <= f->len &&
				(i + 1 == cut->n || r->off + r->len <= f->head));
	}
}

/* The part that a view of @n bytes shows; the bytes are in a block of their own. */
static int show(const uint8_t *data, size_t n, struct pb_frame_rtx *rtx, struct pb_frame *f)
{
	uint8_t *copy = malloc(n ? n : 1);
	struct pb_frame_view v = { copy, copy + n };
	struct pb_frame_cut cut;
	int rc;

	REQUIRE(copy);
	memcpy(copy, data, n);
	rc = pb_frame_memcached.reply(&v, rtx, &work, f, &cut);
	if (rc == PB_FRAME_WHOLE)
		check_cut(&cut, f);
	free(copy);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pb_fmc_rtx x = { 0 };
	struct pb_frame_rtx rtx, again;
	struct pb_frame f, g;
	int rc, more;

	if (size < 5 || size > 65536)
		return 0;
	x.class = data[0] % PB_FMC_C_SAY;
	x.proto = x.class >= PB_FMC_C_BINARY;
	x.hide = data[1] % (PB_FMC_HIDE_ALL + 1);
	x.flags = data[1] >> 4;
	x.keys = data[2];
	x.loud = x.opcode = data[3];
	x.opcode ^= data[2] & 1;
	memcpy(&rtx, &x, sizeof(rtx));
	for (data += 4, size -= 4; size; data += f.len, size -= f.len) {
		again = rtx;
		rc = show(data, size, &rtx, &f);
		for (size_t n = 1; n <= size && n < 300; n++) {
			struct pb_frame_rtx r = again;

			more = show(data, n, &r, &g);
			REQUIRE(more == PB_FRAME_MORE || more == rc);
			if (more == PB_FRAME_WHOLE)
				REQUIRE(f.len == g.len && f.head == g.head && f.flags == g.flags &&
					!memcmp(&r, &rtx, sizeof(r)));
			if (more != PB_FRAME_MORE)
				break;
		}
		if (rc != PB_FRAME_WHOLE)
			return 0;
		REQUIRE(f.head && f.head <= f.len && f.head <= size && f.head <= PB_FMC_LINE);
		if (f.flags & (PB_FRAME_PART_LAST | PB_FRAME_PART_FAILED) || f.len >= size)
			return 0;
	}
	return 0;
}
