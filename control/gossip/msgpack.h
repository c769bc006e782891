/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * msgpack as Go's old codec speaks it: a pull reader without a tree, and a packer.  Texts and bytes
 * are "old raw" (fixraw, raw16, raw32); the reader takes str8 and bin, too.  The first error stays:
 * after it everything reads as 0, so that only the end has to be checked.
 *
 * Bounds: nothing is allocated; a length or a count is never more than the bytes that are left;
 * a value of unknown meaning is passed over without recursion and at the cost of a budget.
 */
#ifndef PB_GOSSIP_MSGPACK_H
#define PB_GOSSIP_MSGPACK_H

#include "message.h"

#define GSP_SKIP_MAX 4096 /* bytes of unknown keys and values in one message */

struct gsp_rd {
	const uint8_t *p;
	const uint8_t *end;
	uint32_t skip; /* what is left of the budget */
	int err;       /* 0, -EBADMSG: malformed, -ENODATA: ends too early, -E2BIG: over a bound */
};

#define GSP_RD(data, len) \
	((struct gsp_rd){ .p = (data), .end = (data) + (len), .skip = GSP_SKIP_MAX })

void gsp_rd_fail(struct gsp_rd *r, int err); /* the first one wins */

/* nil reads as 0, false, { NULL, 0 }, as Go does. */
uint64_t gsp_rd_uint(struct gsp_rd *r, uint64_t max); /* above max: -EBADMSG */
int64_t gsp_rd_int(struct gsp_rd *r);
bool gsp_rd_bool(struct gsp_rd *r);
struct gsp_bytes gsp_rd_raw(struct gsp_rd *r, uint32_t max); /* above max: -E2BIG */
/* How many elements, or pairs, follow; *ret_nil may be NULL. */
uint32_t gsp_rd_array(struct gsp_rd *r, bool *ret_nil);
uint32_t gsp_rd_map(struct gsp_rd *r, bool *ret_nil);
void gsp_rd_skip(struct gsp_rd *r); /* one value of unknown meaning; -E2BIG: over the budget */
/*
 * Passes over *values values, whatever is in them, without a budget: for what is looked at later.
 * After -ENODATA r->p and *values tell where to go on when more bytes are there.
 */
void gsp_rd_pass(struct gsp_rd *r, uint64_t *values);

struct gsp_wr {
	uint8_t *p;
	const uint8_t *end;
	int err; /* 0, -ENOBUFS, or what the user of it sets */
};

#define GSP_WR(buf, cap) ((struct gsp_wr){ .p = (buf), .end = (buf) + (cap) })

void gsp_wr_put(struct gsp_wr *w, const void *data, size_t n); /* as it is */
void gsp_wr_byte(struct gsp_wr *w, uint8_t b);
void gsp_wr_nil(struct gsp_wr *w);
void gsp_wr_uint(struct gsp_wr *w, uint64_t v);
void gsp_wr_int(struct gsp_wr *w, int64_t v);
void gsp_wr_bool(struct gsp_wr *w, bool v);
void gsp_wr_raw(struct gsp_wr *w, const void *data, uint32_t n);
void gsp_wr_text(struct gsp_wr *w, const char *s);
void gsp_wr_array(struct gsp_wr *w, uint32_t n);
void gsp_wr_map(struct gsp_wr *w, uint32_t n);

#endif /* PB_GOSSIP_MSGPACK_H */
