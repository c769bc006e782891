/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What one side of a TCP connection sends.  First byte: bit 0 the pool has a label, bits 1 and 2
 * its key, bit 3 we dialled, bit 4: the rest is what is in the stream; second byte: how much of it
 * comes at once.  However it comes, the result is the same.
 */
#include "gossip_again.h"

#include "control/gossip/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const keys[] = { NULL, "0123456789abcdef", "0123456789abcdef01234567",
				    "0123456789abcdef0123456789ABCDEF" };

static int feed(struct gsp_stream *s, const uint8_t *p, size_t n, size_t step)
{
	size_t room, len;
	uint8_t *to;
	int r = 0;

	for (; !r && n; p += len, n -= len) {
		r = gsp_stream_want(s, &to, &room);
		if (r)
			return r;
		REQUIRE(room);
		len = n < step ? n : step;
		len = len < room ? len : room;
		memcpy(to, p, len);
		r = gsp_stream_took(s, len);
		REQUIRE(r <= 1);
	}
	return r;
}

static void both_ways(const struct gsp_layers *pool, bool dialled, const uint8_t *p, size_t n,
		      size_t step)
{
	struct gsp_stream a, b;
	int ra, rb;

	gsp_stream_init(&a, pool, dialled);
	gsp_stream_init(&b, pool, dialled);
	ra = feed(&a, p, n, SIZE_MAX);
	rb = feed(&b, p, n, step);
	REQUIRE(ra == rb);
	if (ra == 1) {
		REQUIRE(a.msg_len && a.msg_len == b.msg_len && !memcmp(a.msg, b.msg, a.msg_len));
		gossip_message(a.msg, a.msg_len);
	}
	gsp_stream_fini(&a);
	gsp_stream_fini(&b);
}

static void inside(const struct gsp_layers *pool, const uint8_t *p, size_t n, size_t step)
{
	static const uint8_t nonce[GSP_NONCE_LEN] = "0123456789a";
	size_t room = n + gsp_stream_overhead(pool, true);
	uint8_t *out = gossip_copy(NULL, room);
	int len = gsp_stream_seal(pool, nonce, true, p, n, out, room);

	REQUIRE(len == (int)room);
	both_ways(pool, false, out, (size_t)len, step);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gsp_layers pool = { .label_len = 0 };
	const char *key;
	size_t step;

	if (size < 2)
		return 0;
	key = keys[data[0] >> 1 & 3];
	step = data[1] ? data[1] : 1;
	if (step < size / 2048) /* for speed */
		step = size / 2048;
	if (key)
		REQUIRE(!gsp_keyring_add(&pool.keys, (const uint8_t *)key, strlen(key)));
	REQUIRE(!gsp_layers_set_label(&pool, data[0] & 1 ? "blue" : ""));
	if (data[0] & 16 && size > 2)
		inside(&pool, data + 2, size - 2, step);
	else
		both_ways(&pool, data[0] & 8, data + 2, size - 2, step);
	gsp_keyring_fini(&pool.keys);
	return 0;
}
