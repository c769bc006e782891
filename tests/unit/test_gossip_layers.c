/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Layers within a packet, and attacks by them. */
#include "test_gossip.h"

#define PING "0082a44e6f6465a462657461a55365714e6f07" /* 19 bytes */
#define NACK "0b81a55365714e6f11"		      /* 9 bytes */
/* LZW of a NACK by Debian's serf, and of the compound of nothing */
#define COMPRESS "0982a4416c676f00a3427566"

static struct gsp_packet_scratch scratch;

struct seen {
	unsigned n;
	uint8_t last;
};

static void see(void *arg, const uint8_t *msg, size_t n)
{
	struct seen *s = arg;

	s->n++;
	s->last = msg[n - 1];
}

static int open_plain(const void *p, size_t n, struct seen *ret)
{
	static const struct gsp_layers plain;
	_cleanup_blob_ struct blob b = blob_copy(p, n);

	*ret = (struct seen){ .n = 0 };
	return gsp_packet_open(&plain, &scratch, b.p, b.n, see, ret);
}

Test(gossip_layers, by_hand)
{
	static const struct {
		const char *hex;
		int err;
		unsigned n;
	} t[] = {
		{ "", -EBADMSG, 0 },
		{ PING, 0, 1 },
		{ "08", 0, 1 }, /* what is in a message is not looked at here */
		{ "f3", 0, 1 },
		{ "0a", -EBADMSG, 0 }, /* of streams only */
		{ "f4026162" PING, -EPERM, 0 },
		{ "0c", -EBADMSG, 0 },
		{ "0c00000000", -EBADMSG, 0 },	    /* right, of nothing */
		{ "0c00000000" NACK, -EBADMSG, 0 }, /* wrong */
		{ "07", -EBADMSG, 0 },
		{ "0700", 0, 0 },
		{ "0701", -EBADMSG, 0 },
		{ "07010009" NACK, 0, 1 },
		{ "07010008" NACK, 0, 1 }, /* what follows is ignored */
		{ "0701000a" NACK, -EBADMSG, 0 },
		{ "070200090013" NACK PING, 0, 2 },
		{ "070200090014" NACK PING, -EBADMSG, 0 }, /* all or nothing */
		{ "0702ffffffff" NACK, -EBADMSG, 0 },
		{ "070200000009" NACK, -EBADMSG, 1 }, /* an empty one beside a good one */
		{ "070200090001" NACK "0a", -EBADMSG, 1 },
		{ "07020001000a"
		  "0a" NACK,
		  -EBADMSG, 0 },
		{ "0702000a0009"
		  "f4" NACK NACK,
		  -EBADMSG, 1 },
		{ "0701000e"
		  "0c00000000" NACK,
		  -EBADMSG, 0 }, /* a CRC is outermost */
		{ "0701000d07010009" NACK, 0, 1 },
		{ COMPRESS "c0", -EBADMSG, 0 },
		{ COMPRESS "a0", -EBADMSG, 0 },
		{ "0981a4416c676f00", -EBADMSG, 0 },
		{ COMPRESS "a3000203", -EBADMSG, 0 }, /* clear, end */
		{ COMPRESS "da", -EBADMSG, 0 },
		{ "0982a4416c676f01a3427566a100", -EOPNOTSUPP, 0 }, /* snappy of a fork */
		{ "0980", -EBADMSG, 0 },
		{ "0990", -EBADMSG, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_blob_ struct blob b = unhex(t[i].hex);
		struct seen seen;
		int err = open_plain(b.p, b.n, &seen);

		cr_expect_eq(err, t[i].err, "%s: %d", t[i].hex, err);
		cr_expect_eq(seen.n, t[i].n, "%s: %u", t[i].hex, seen.n);
	}
}

Test(gossip_layers, depth_is_bounded)
{
	_cleanup_blob_ struct blob nack = unhex(NACK);
	uint8_t a[64];
	size_t n = nack.n;
	struct seen seen;

	memcpy(a, nack.p, n);
	for (unsigned depth = 1; depth < 9; depth++) {
		memmove(a + 4, a, n);
		a[0] = GSP_COMPOUND;
		a[1] = 1;
		a[2] = 0;
		a[3] = (uint8_t)n;
		n += 4;
		cr_expect_eq(open_plain(a, n, &seen), depth <= GSP_PACKET_DEPTH ? 0 : -EBADMSG);
		cr_expect_eq(seen.n, depth <= GSP_PACKET_DEPTH);
	}
}

Test(gossip_layers, compound_there_and_back)
{
	static const unsigned counts[] = { 1, 2, 127, 128, 255 };
	uint8_t out[GSP_DATAGRAM_MAX];
	struct gsp_bytes msgs[GSP_COMPOUND_MAX + 1];
	_cleanup_blob_ struct blob nack = unhex(NACK);
	struct seen seen;

	for (unsigned i = 0; i <= GSP_COMPOUND_MAX; i++)
		msgs[i] = (struct gsp_bytes){ nack.p, (uint32_t)nack.n };
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		size_t n = gsp_compound_overhead(counts[i]) + counts[i] * nack.n;

		cr_expect_eq(gsp_compound_encode(msgs, counts[i], out, n), (int)n);
		cr_expect_eq(open_plain(out, n, &seen), 0);
		cr_expect_eq(seen.n, counts[i]);
		cr_expect_eq(gsp_compound_encode(msgs, counts[i], out, n - 1), -ENOBUFS);
	}
	cr_expect_eq(*out, GSP_COMPOUND);
	cr_expect_eq(gsp_compound_encode(msgs, 0, out, sizeof(out)), -EINVAL);
	cr_expect_eq(gsp_compound_encode(msgs, GSP_COMPOUND_MAX + 1, out, sizeof(out)), -EINVAL);
	msgs[1].n = 0;
	cr_expect_eq(gsp_compound_encode(msgs, 2, out, sizeof(out)), -EINVAL);
	msgs[1].n = 65536;
	cr_expect_eq(gsp_compound_encode(msgs, 2, out, sizeof(out)), -EINVAL);
}

/* Codes of nine bits as long as the table is not full; 256 keeps it so. */
struct codes {
	uint8_t p[16384];
	size_t n;
	uint32_t acc;
	unsigned bits;
};

static void put(struct codes *c, unsigned code)
{
	c->acc |= code << c->bits;
	for (c->bits += 9; c->bits >= 8; c->bits -= 8, c->acc >>= 8)
		c->p[c->n++] = (uint8_t)c->acc;
}

/* A compressed message of @n bytes, all GSP_USER: literals only, or such that codes grow. */
static struct blob bomb(size_t n, bool literal)
{
	_cleanup_blob_ struct blob head = unhex(COMPRESS "da0000");
	struct codes c = { .n = 0 };
	struct blob b;

	for (size_t len = 1, left = n; left;) {
		if (literal || len == 1 || len > left) {
			put(&c, 256);
			put(&c, GSP_USER);
			len = 2;
			left--;
		} else {
			put(&c, (unsigned)(256 + len)); /* the code being learned */
			left -= len++;
		}
		if (len > 200)
			len = 1;
	}
	put(&c, 257);
	c.p[c.n++] = (uint8_t)c.acc;
	head.p[head.n - 2] = (uint8_t)(c.n >> 8);
	head.p[head.n - 1] = (uint8_t)c.n;
	b = (struct blob){ malloc(head.n + c.n), head.n + c.n };
	memcpy(b.p, head.p, head.n);
	memcpy(b.p + head.n, c.p, c.n);
	return b;
}

Test(gossip_layers, decompression_is_bounded)
{
	static const struct {
		size_t n;
		int err;
	} t[] = { { 1, 0 },
		  { 1000, 0 },
		  { GSP_PACKET_INFLATE_MAX, 0 },
		  { GSP_PACKET_INFLATE_MAX + 1, -E2BIG },
		  { 1000000, -E2BIG } };

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_blob_ struct blob b = bomb(t[i].n, false);
		struct seen seen;

		cr_expect_eq(open_plain(b.p, b.n, &seen), t[i].err, "%zu", t[i].n);
		cr_expect_eq(seen.n, !t[i].err);
	}
}

/* Many small bombs in one packet share the bound of one. */
Test(gossip_layers, decompression_is_bounded_as_a_whole)
{
	_cleanup_blob_ struct blob b = bomb(10000, false);
	struct gsp_bytes msgs[20];
	uint8_t out[GSP_DATAGRAM_MAX];
	struct seen seen;
	int n;

	for (size_t i = 0; i < ARRAY_SIZE(msgs); i++)
		msgs[i] = (struct gsp_bytes){ b.p, (uint32_t)b.n };
	n = gsp_compound_encode(msgs, ARRAY_SIZE(msgs), out, sizeof(out));
	cr_assert_gt(n, 0);
	cr_expect_eq(open_plain(out, (size_t)n, &seen), -E2BIG);
	cr_expect_eq(seen.n, GSP_PACKET_INFLATE_MAX / 10000);
}

Test(gossip_layers, compound_within_compress)
{
	_cleanup_blob_ struct blob head = unhex(COMPRESS "da0000");
	_cleanup_blob_ struct blob inner = unhex("070200090009" NACK NACK);
	struct codes c = { .n = 0 };
	struct seen seen;

	memcpy(c.p, head.p, head.n);
	c.n = head.n;
	for (size_t i = 0; i < inner.n; i++)
		put(&c, inner.p[i]);
	put(&c, 257);
	c.p[c.n++] = (uint8_t)c.acc;
	c.p[head.n - 1] = (uint8_t)(c.n - head.n);
	cr_expect_eq(open_plain(c.p, c.n, &seen), 0);
	cr_expect_eq(seen.n, 2u);
	cr_expect_eq(seen.last, 0x11);
}

Test(gossip_layers, nothing_is_neither_sent_nor_taken)
{
	static const struct gsp_layers plain;
	struct seen seen = { .n = 0 };
	uint8_t out[GSP_NONCE_LEN];

	cr_expect_eq(gsp_packet_open(&plain, &scratch, NULL, 0, see, &seen), -EBADMSG);
	cr_expect_eq(gsp_packet_seal(&plain, out, true, NULL, 0, out, sizeof(out)), -EINVAL);
}

Test(gossip_layers, larger_than_a_datagram)
{
	_cleanup_free_ uint8_t *p = calloc(1, GSP_DATAGRAM_MAX + 1);
	struct seen seen;

	cr_expect_eq(open_plain(p, GSP_DATAGRAM_MAX, &seen), 0);
	cr_expect_eq(open_plain(p, GSP_DATAGRAM_MAX + 1, &seen), -E2BIG);
}
