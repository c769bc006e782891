/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A datagram.  First byte: bit 0 the pool has a label, bits 1 and 2 its key; bit 3: the rest is not
 * the datagram but what is in it, which must be the same as if it came plain.
 */
#include "gossip_again.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const keys[] = { NULL, "0123456789abcdef", "0123456789abcdef01234567",
				    "0123456789abcdef0123456789ABCDEF" };
static struct gsp_packet_scratch scratch;

struct seen {
	size_t n;
	size_t bytes;
};

static void see(void *arg, const uint8_t *msg, size_t n)
{
	struct seen *s = arg;

	REQUIRE(n);
	s->n++;
	s->bytes += n;
	gossip_message(msg, n);
}

static int open_copy(const struct gsp_layers *pool, const uint8_t *p, size_t n, struct seen *ret)
{
	uint8_t *copy = gossip_copy(p, n);
	int err = gsp_packet_open(pool, &scratch, copy, n, see, ret);

	REQUIRE(err <= 0);
	REQUIRE(ret->bytes <= GSP_DATAGRAM_MAX + GSP_PACKET_INFLATE_MAX);
	free(copy);
	return err;
}

static void inside(const struct gsp_layers *pool, const uint8_t *p, size_t n)
{
	static const struct gsp_layers plain;
	static const uint8_t nonce[GSP_NONCE_LEN] = "0123456789a";
	struct seen a = { .n = 0 }, b = { .n = 0 };
	size_t room = n + gsp_packet_overhead(pool, true);
	uint8_t *out = gossip_copy(NULL, room);
	bool crc = n && *p != GSP_CRC && n % 2;
	int len = gsp_packet_seal(pool, nonce, crc, p, n, out, room);

	if (len > 0 && len <= GSP_DATAGRAM_MAX && n && *p != GSP_LABEL)
		REQUIRE(open_copy(pool, out, (size_t)len, &a) == open_copy(&plain, p, n, &b) &&
			a.n == b.n && a.bytes == b.bytes);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gsp_layers pool = { .label_len = 0 };
	struct seen seen = { .n = 0 };
	const char *key;

	if (!size)
		return 0;
	key = keys[data[0] >> 1 & 3];
	if (key)
		REQUIRE(!gsp_keyring_add(&pool.keys, (const uint8_t *)key, strlen(key)));
	REQUIRE(!gsp_layers_set_label(&pool, data[0] & 1 ? "blue" : ""));
	if (data[0] & 8)
		inside(&pool, data + 1, size - 1);
	else
		open_copy(&pool, data + 1, size - 1, &seen);
	gsp_keyring_fini(&pool.keys);
	return 0;
}
