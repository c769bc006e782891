/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * LZW as in GIF with literals of 8 bits: codes of 9 to 12 bits, least significant bit first, 256
 * clears the table, 257 ends.  Decoder only: nothing of ours is compressed.
 */
#ifndef PB_GOSSIP_LZW_H
#define PB_GOSSIP_LZW_H

#include <stddef.h>
#include <stdint.h>

/* Where the output goes: it grows up to max, and only as it fills. */
struct gsp_out {
	uint8_t *p;
	size_t n;
	size_t cap;
	size_t max; /* == cap: p is the caller's buffer and is never moved */
};

void gsp_out_fini(struct gsp_out *o); /* only of one that grew */

/* Appends to *o.  0; -EBADMSG: malformed, or without an end; -E2BIG: more than o->max; -ENOMEM. */
int gsp_lzw_decode(const uint8_t *p, size_t n, struct gsp_out *o);

#endif /* PB_GOSSIP_LZW_H */
