/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the tests of streams share. */
#ifndef PB_TEST_GOSSIP_STREAM_H
#define PB_TEST_GOSSIP_STREAM_H

#include "test_gossip.h"

#include "control/gossip/stream.h"

#define PING "0082a44e6f6465a462657461a55365714e6f07"

static const uint8_t nonce[GSP_NONCE_LEN] = "0123456789a";

/* The result of the last step; *ret_used: bytes taken until then. */
static inline int feed(struct gsp_stream *s, const uint8_t *p, size_t n, size_t step,
		       size_t *ret_used)
{
	size_t used = 0, room;
	uint8_t *to;
	int r = 0;

	while (!r && used < n) {
		size_t len = n - used < step ? n - used : step;

		r = gsp_stream_want(s, &to, &room);
		if (r)
			break;
		cr_assert_gt(room, 0u);
		len = len < room ? len : room;
		memcpy(to, p + used, len);
		used += len;
		r = gsp_stream_took(s, len);
		cr_assert_leq(s->cap, s->len < 2048 ? 4096 : 2 * s->len, "%zu kept for %zu", s->cap,
			      s->len);
	}
	if (ret_used)
		*ret_used = used;
	return r;
}

static inline int feed_blob(const struct gsp_layers *pool, bool dialled, const struct blob *b,
			    size_t step)
{
	struct gsp_stream s;
	int r;

	gsp_stream_init(&s, pool, dialled);
	r = feed(&s, b->p, b->n, step, NULL);
	if (r == 1) {
		_cleanup_blob_ struct blob msg = blob_copy(s.msg, s.msg_len);
	}
	gsp_stream_fini(&s);
	return r;
}

#endif /* PB_TEST_GOSSIP_STREAM_H */
