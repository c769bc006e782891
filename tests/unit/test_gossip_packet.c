/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "test_gossip.h"
#include "gossip_vectors.h"

#define TYPES_MAX 2048
#define PING "0082a44e6f6465a462657461a55365714e6f07" /* 19 bytes */
#define PING_LEN 19

static struct gsp_packet_scratch scratch;

/* First bytes of the messages, in hex. */
struct seen {
	char types[TYPES_MAX];
	unsigned n;
	size_t bytes;
};

static void see(void *arg, const uint8_t *msg, size_t n)
{
	struct seen *s = arg;

	cr_assert_geq(n, 1u);
	if (2 * s->n + 2 < TYPES_MAX)
		sprintf(s->types + (size_t)2 * s->n, "%02x", *msg);
	s->n++;
	s->bytes += n;
	for (size_t i = 0; i < n; i++) /* ASan sees all of it */
		s->bytes += !(msg[i] + 1);
}

static int open_blob(const struct gsp_layers *pool, const struct blob *b, struct seen *ret)
{
	*ret = (struct seen){ .n = 0 };
	return gsp_packet_open(pool, &scratch, b->p, b->n, see, ret);
}

/* ---- what others sent ------------------------------------------------------------------------ */

#define EACH_PACKET(v) \
	for (const struct gossip_vector *v = gossip_vectors; \
	     v < gossip_vectors + ARRAY_SIZE(gossip_vectors); v++) \
		if (!strcmp(v->from, "udp"))

Test(gossip_packet, vectors_open)
{
	unsigned n = 0;

	EACH_PACKET(v)
	{
		_cleanup_pool_ struct gsp_layers pool = make_pool(v->key, v->label);
		_cleanup_blob_ struct blob b = unhex(v->hex);
		struct seen seen;

		cr_expect_eq(open_blob(&pool, &b, &seen), 0, "%s", v->hex);
		cr_expect_str_eq(seen.types, v->types, "%s", v->hex);
		n++;
	}
	cr_expect_geq(n, 30u);
}

/* Encrypted ones are refused as a whole; plain ones may lose their end, but not their bounds. */
Test(gossip_packet, vectors_cut_anywhere)
{
	EACH_PACKET(v)
	{
		_cleanup_pool_ struct gsp_layers pool = make_pool(v->key, v->label);
		_cleanup_blob_ struct blob b = unhex(v->hex);
		struct seen seen;

		for (size_t n = 0; n < b.n; n++) {
			_cleanup_blob_ struct blob cut = blob_copy(b.p, n);
			int err = open_blob(&pool, &cut, &seen);

			cr_expect(err <= 0);
			cr_expect(!v->key || (err < 0 && !seen.n), "%zu of %s", n, v->hex);
		}
	}
}

Test(gossip_packet, vectors_with_one_bit_turned)
{
	EACH_PACKET(v)
	{
		_cleanup_pool_ struct gsp_layers pool = make_pool(v->key, v->label);
		_cleanup_blob_ struct blob b = unhex(v->hex);
		size_t version = v->label ? 8 * (2 + strlen(v->label)) : 0;
		bool guarded = v->key || !strncmp(v->hex, "0c", 2); /* or has a CRC */
		struct seen seen;

		for (size_t i = 0; i < 8 * b.n; i++) {
			int err;

			b.p[i / 8] ^= (uint8_t)(1 << i % 8);
			err = open_blob(&pool, &b, &seen);
			b.p[i / 8] ^= (uint8_t)(1 << i % 8);
			/* a CRC's type byte may turn into one nobody knows; version 0 into 1 */
			cr_expect(!guarded || err < 0 || i == version || (!v->key && i < 8),
				  "bit %zu of %s", i, v->hex);
		}
	}
}

/* Opened and sealed again with the same nonce: the same bytes. */
Test(gossip_packet, vectors_seal_again)
{
	unsigned n = 0;

	EACH_PACKET(v)
	{
		_cleanup_pool_ struct gsp_layers pool = make_pool(v->key, v->label);
		_cleanup_blob_ struct blob b = unhex(v->hex);
		size_t head = v->label ? 2 + strlen(v->label) : 0;
		uint8_t text[1500], out[1500], *msg = text;
		int len;
		bool crc;

		if (!v->key || b.p[head] == 0) /* version 0 is never sent */
			continue;
		len = gsp_unseal(&pool.keys, pool.label, pool.label_len, b.p + head, b.n - head,
				 text);
		cr_assert_gt(len, 0);
		crc = *msg == GSP_CRC;
		if (crc)
			msg += 5, len -= 5;
		cr_expect_eq(gsp_packet_overhead(&pool, crc) + (size_t)len, b.n);
		cr_expect_eq(gsp_packet_seal(&pool, b.p + head + 1, crc, msg, (size_t)len, out,
					     sizeof(out)),
			     (int)b.n);
		cr_expect_arr_eq(out, b.p, b.n);
		n++;
	}
	cr_expect_geq(n, 15u);
}

/* ---- label and key --------------------------------------------------------------------------- */

static const char *const keys[] = { NULL, KEY16, KEY24, KEY32 };
static const char *const labels[] = { NULL, "blue", "green", "bluf" };
enum { POOLS = ARRAY_SIZE(keys) * ARRAY_SIZE(labels) };

static int wanted(unsigned from, unsigned to)
{
	if (from / 4 != to / 4)
		return -EPERM;
	return from % 4 == to % 4 ? 0 : -EKEYREJECTED;
}

Test(gossip_packet, only_the_same_pool_is_heard)
{
	_cleanup_blob_ struct blob ping = unhex(PING);
	static const uint8_t nonce[GSP_NONCE_LEN] = "0123456789a";
	uint8_t out[100];

	for (unsigned i = 0; i < 2 * POOLS * POOLS; i++) {
		unsigned a = i / 2 % POOLS, b = i / 2 / POOLS;
		_cleanup_pool_ struct gsp_layers from = make_pool(keys[a % 4], labels[a / 4]);
		_cleanup_pool_ struct gsp_layers to = make_pool(keys[b % 4], labels[b / 4]);
		int len = gsp_packet_seal(&from, nonce, i % 2, ping.p, ping.n, out, sizeof(out));
		_cleanup_blob_ struct blob sealed = blob_copy(out, (size_t)len);
		struct seen seen;
		int err = open_blob(&to, &sealed, &seen);

		cr_expect_eq((size_t)len, gsp_packet_overhead(&from, i % 2) + ping.n);
		/* to a pool without a key an encrypted packet looks like a ping or an indirect one */
		if (a / 4 == b / 4 && a % 4 && !(b % 4))
			continue;
		cr_expect_eq(err, wanted(a, b), "from %u to %u: %d", a, b, err);
		cr_expect_eq(seen.n, !err);
		cr_expect_eq(gsp_packet_seal(&from, nonce, i % 2, ping.p, ping.n, out,
					     (size_t)len - 1),
			     -ENOBUFS);
	}
}

Test(gossip_packet, rotation_of_keys)
{
	static const uint8_t nonce[GSP_NONCE_LEN] = "0123456789a";
	const uint8_t *old = (const uint8_t *)KEY16, *new = (const uint8_t *)KEY32;
	_cleanup_pool_ struct gsp_layers a = make_pool(KEY16, "p"), b = make_pool(KEY16, "p");
	_cleanup_blob_ struct blob ping = unhex(PING);
	uint8_t out[100];
	struct blob sealed = { out, 0 };
	struct seen seen;

	cr_expect_eq(gsp_keyring_add(&a.keys, new, 32), 0);
	cr_expect_eq(gsp_keyring_add(&a.keys, new, 32), 0, "twice is once");
	cr_expect_eq(a.keys.n, 2u);
	sealed.n = (size_t)gsp_packet_seal(&a, nonce, false, ping.p, ping.n, out, sizeof(out));
	cr_expect_eq(open_blob(&b, &sealed, &seen), 0, "the first still encrypts");
	cr_expect_eq(gsp_keyring_use(&a.keys, new, 32), 0);
	sealed.n = (size_t)gsp_packet_seal(&a, nonce, false, ping.p, ping.n, out, sizeof(out));
	cr_expect_eq(open_blob(&b, &sealed, &seen), -EKEYREJECTED);
	cr_expect_eq(gsp_keyring_add(&b.keys, new, 32), 0);
	cr_expect_eq(open_blob(&b, &sealed, &seen), 0, "all decrypt");
	cr_expect_eq(gsp_keyring_remove(&b.keys, old, 16), -EBUSY);
	cr_expect_eq(gsp_keyring_use(&b.keys, new, 32), 0);
	cr_expect_eq(gsp_keyring_remove(&b.keys, old, 16), 0);
	cr_expect_eq(gsp_keyring_remove(&b.keys, old, 16), -ENOENT);
	cr_expect_eq(open_blob(&b, &sealed, &seen), 0);
	cr_expect_eq(gsp_keyring_use(&a.keys, old, 16), 0);
	sealed.n = (size_t)gsp_packet_seal(&a, nonce, false, ping.p, ping.n, out, sizeof(out));
	cr_expect_eq(open_blob(&b, &sealed, &seen), -EKEYREJECTED, "removed");
}

/* The version is not authenticated, so a sealed text can be declared padded. */
Test(gossip_packet, padding_of_version_0)
{
	static const struct {
		const char *text;
		int len;
	} t[] = {
		{ "78787878787878787878787878787801", 15 },
		{ "78787878787878787878787878780202", 14 },
		{ "780f0f0f0f0f0f0f0f0f0f0f0f0f0f0f", 1 },
		{ "7878787878787878787878787878787810101010101010101010101010101010", 16 },
		{ "10101010101010101010101010101010", -EBADMSG }, /* nothing left */
		{ "78787878787878787878787878780302", -EBADMSG },
		{ "780e0f0f0f0f0f0f0f0f0f0f0f0f0f0f", -EBADMSG },
		{ "78787878787878787878787878787800", -EBADMSG },
		{ "7811111111111111111111111111111111111111111111111111111111111111", -EBADMSG },
		{ "787878787878787878787878787801", -EBADMSG }, /* no whole block */
		{ "7878787878787878787878787878787801", -EBADMSG },
	};
	_cleanup_pool_ struct gsp_layers pool = make_pool(KEY24, NULL);
	uint8_t sealed[100], out[100];

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_blob_ struct blob b = unhex(t[i].text);
		int n = gsp_seal(&pool.keys, b.p, NULL, 0, b.p, b.n, sealed, sizeof(sealed));

		sealed[0] = 0;
		cr_expect_eq(gsp_unseal(&pool.keys, NULL, 0, sealed, (size_t)n, out), t[i].len,
			     "%s", t[i].text);
	}
}

Test(gossip_packet, keyring_bounds)
{
	struct gsp_keyring k = { .n = 0 };
	uint8_t key[64] = "";

	for (size_t len = 0; len <= sizeof(key); len++)
		cr_expect_eq(gsp_keyring_add(&k, key, len),
			     len == 16 || len == 24 || len == 32 ? 0 : -EINVAL);
	for (; k.n < GSP_KEYS_MAX; key[0]++)
		cr_assert_eq(gsp_keyring_add(&k, key, 16), 0);
	key[1] = 1;
	cr_expect_eq(gsp_keyring_add(&k, key, 16), -ENOSPC);
	cr_expect_eq(gsp_keyring_use(&k, key, 16), -ENOENT);
	cr_expect_eq(gsp_keyring_use(&k, key, 17), -EINVAL);
	gsp_keyring_fini(&k);
	cr_expect_eq(k.n, 0u);
}

Test(gossip_packet, long_labels)
{
	char text[GSP_LABEL_MAX + 2] = "";
	_cleanup_pool_ struct gsp_layers pool = make_pool(KEY16, NULL);
	_cleanup_blob_ struct blob ping = unhex(PING);
	uint8_t out[512];
	struct blob sealed = { out, 0 };
	struct seen seen;

	memset(text, 'l', GSP_LABEL_MAX + 1);
	cr_expect_eq(gsp_layers_set_label(&pool, text), -EINVAL);
	text[GSP_LABEL_MAX] = '\0';
	cr_expect_eq(gsp_layers_set_label(&pool, text), 0);
	sealed.n = (size_t)gsp_packet_seal(&pool, (uint8_t *)text, true, ping.p, ping.n, out,
					   sizeof(out));
	cr_expect_eq(sealed.n, 2u + GSP_LABEL_MAX + GSP_SEAL_OVERHEAD + 5 + PING_LEN);
	cr_expect_eq(open_blob(&pool, &sealed, &seen), 0);
}
