/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "test_gossip.h"

#include "control/gossip/msgpack.h"

union message {
	struct gsp_ping ping;
	struct gsp_indirect_ping indirect;
	struct gsp_ack ack;
	struct gsp_nack nack;
	struct gsp_suspect suspect;
	struct gsp_alive alive;
	struct gsp_dead dead;
	struct gsp_err err;
	struct gsp_bytes user;
	struct gsp_sync_header header;
	struct gsp_node_state node;
};

typedef int decode_fn(void *ret, const uint8_t *p, size_t n);
typedef int encode_fn(const void *m, uint8_t *buf, size_t cap);

#define CODEC(name, type) \
	static int d_##name(void *ret, const uint8_t *p, size_t n) \
	{ \
		return gsp_##name##_decode(ret, p, n); \
	} \
	static int e_##name(const void *m, uint8_t *buf, size_t cap) \
	{ \
		return gsp_##name##_encode(m, buf, cap); \
	}
CODEC(ping, gsp_ping)
CODEC(indirect_ping, gsp_indirect_ping)
CODEC(ack, gsp_ack)
CODEC(nack, gsp_nack)
CODEC(suspect, gsp_suspect)
CODEC(alive, gsp_alive)
CODEC(dead, gsp_dead)
CODEC(err, gsp_err)
CODEC(user, gsp_bytes)
CODEC(sync_header, gsp_sync_header)
CODEC(node_state, gsp_node_state)

#define ADDR4 \
	{ \
		.ip = { 10, 0, 0, 7 }, .len = 4 \
	}
#define ADDR6 \
	{ \
		.ip = { 0xfd, [15] = 7 }, .len = 16 \
	}
#define TEXT(s) \
	{ \
		(const uint8_t *)(s), sizeof(s) - 1 \
	}

/* Messages as Debian's serf sends them, key by key. */
static const struct {
	decode_fn *decode;
	encode_fn *encode;
	const char *hex;
	union message m;
} table[] = {
	{ d_ping,
	  e_ping,
	  "00 85 a44e6f6465 a462657461 a55365714e6f 07 aa536f7572636541646472 a40a000007"
	  "aa536f757263654e6f6465 a5616c706861 aa536f75726365506f7274 cd1f0a",
	  { .ping = { 7, TEXT("beta"), ADDR4, 7946, TEXT("alpha") } } },
	{ d_ping,
	  e_ping,
	  "00 82 a44e6f6465 a462657461 a55365714e6f ceffffffff",
	  { .ping = { UINT32_MAX, TEXT("beta"), { .len = 0 }, 0, { 0 } } } },
	{ d_indirect_ping,
	  e_indirect_ping,
	  "01 88 a44e61636b c3 a44e6f6465 a462657461 a4506f7274 cd1f0a a55365714e6f 08"
	  "aa536f7572636541646472 b0fd000000000000000000000000000007"
	  "aa536f757263654e6f6465 a5616c706861 aa536f75726365506f7274 cd1f0a a6546172676574"
	  "b0fd000000000000000000000000000007",
	  { .indirect = { 8, ADDR6, 7946, TEXT("beta"), true, ADDR6, 7946, TEXT("alpha") } } },
	{ d_ack,
	  e_ack,
	  "02 82 a75061796c6f6164 a301ffc0 a55365714e6f 07",
	  { .ack = { 7, TEXT("\x01\xff\xc0") } } },
	{ d_ack, e_ack, "02 82 a75061796c6f6164 c0 a55365714e6f 07", { .ack = { 7, { 0 } } } },
	{ d_nack, e_nack, "0b 81 a55365714e6f 11", { .nack = { 17 } } },
	{ d_suspect,
	  e_suspect,
	  "03 83 a446726f6d a5616c706861 ab496e6361726e6174696f6e 02 a44e6f6465 a462657461",
	  { .suspect = { 2, TEXT("beta"), TEXT("alpha") } } },
	{ d_alive,
	  e_alive,
	  "04 86 a441646472 a40a000007 ab496e6361726e6174696f6e 01 a44d657461 a2ff80"
	  "a44e6f6465 a462657461 a4506f7274 cd1f0a a356736e a6010502020505",
	  { .alive = { 1, TEXT("beta"), ADDR4, 7946, TEXT("\xff\x80"), { 1, 5, 2, 2, 5, 5 } } } },
	{ d_dead,
	  e_dead,
	  "05 83 a446726f6d a462657461 ab496e6361726e6174696f6e cd0100 a44e6f6465 a462657461",
	  { .dead = { 256, TEXT("beta"), TEXT("beta") } } },
	{ d_err, e_err, "0d 81 a54572726f72 a36e6f21", { .err = { TEXT("no!") } } },
	{ d_user, e_user, "08 81 aa557365724d73674c656e 05 68656c6c6f", { .user = TEXT("hello") } },
	{ d_sync_header,
	  e_sync_header,
	  "06 83 a44a6f696e c3 a54e6f646573 02 ac5573657253746174654c656e cd024a",
	  { .header = { 2, 586, true } } },
	{ d_node_state,
	  e_node_state,
	  "87 a441646472 a40a000007 ab496e6361726e6174696f6e 01 a44d657461 c0 a44e616d65"
	  "a462657461 a4506f7274 cd1f0a a55374617465 03 a356736e a6010502020505",
	  { .node = { TEXT("beta"), ADDR4, 7946, { 0 }, 1, 3, { 1, 5, 2, 2, 5, 5 } } } },
};

Test(gossip_message, known_bytes_both_ways)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_blob_ struct blob b = unhex(table[i].hex);
		union message m;
		uint8_t out[512];

		cr_expect_eq(table[i].encode(&table[i].m, out, sizeof(out)), (int)b.n, "row %zu",
			     i);
		cr_expect_arr_eq(out, b.p, b.n, "row %zu", i);
		memset(out, 0, sizeof(out));
		cr_expect_eq(table[i].decode(&m, b.p, b.n), (int)b.n, "row %zu", i);
		cr_expect_eq(table[i].encode(&m, out, sizeof(out)), (int)b.n, "row %zu", i);
		cr_expect_arr_eq(out, b.p, b.n, "row %zu", i);
	}
}

Test(gossip_message, fields_arrive)
{
	_cleanup_blob_ struct blob b = unhex(table[2].hex);
	struct gsp_indirect_ping m;

	cr_assert_gt(gsp_indirect_ping_decode(&m, b.p, b.n), 0);
	cr_expect_eq(m.seq, 8);
	cr_expect(m.nack);
	cr_expect(m.target.len == 16 && m.target.ip[0] == 0xfd && m.target.ip[15] == 7);
	cr_expect_eq(m.port, 7946);
	cr_expect(gsp_bytes_eq(m.node, GSP_TEXT("beta")));
	cr_expect(gsp_bytes_eq(m.source_node, GSP_TEXT("alpha")));
	cr_expect(m.node.p > b.p && m.node.p < b.p + b.n, "a view of the buffer");
}

Test(gossip_message, every_truncation)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_blob_ struct blob b = unhex(table[i].hex);

		for (size_t n = 0; n < b.n; n++) {
			_cleanup_blob_ struct blob cut = blob_copy(b.p, n);
			union message m, before;
			uint8_t out[512];

			memset(&m, 0x5a, sizeof(m));
			before = m;
			cr_expect_eq(table[i].decode(&m, cut.p, n), -ENODATA, "row %zu, %zu", i, n);
			cr_expect(!memcmp(&m, &before, sizeof(m)), "touched on failure");
			cr_expect_eq(table[i].encode(&table[i].m, out, n), -ENOBUFS);
		}
	}
}

Test(gossip_message, nothing_at_all)
{
	union message m;
	struct gsp_sync sync;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		cr_expect_eq(table[i].decode(&m, NULL, 0), -ENODATA, "row %zu", i);
	cr_expect_eq(gsp_sync_decode(&sync, NULL, 0), -ENODATA);
}

Test(gossip_message, what_follows_is_left_alone)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_blob_ struct blob b = unhex(table[i].hex);
		_cleanup_free_ uint8_t *longer = malloc(b.n + 3);
		union message m;

		memcpy(longer, b.p, b.n);
		memset(longer + b.n, 0xc1, 3);
		cr_expect_eq(table[i].decode(&m, longer, b.n + 3), (int)b.n, "row %zu", i);
	}
}

static int decode_hex(decode_fn *decode, const char *text, void *ret)
{
	_cleanup_blob_ struct blob b = unhex(text);

	return decode(ret, b.p, b.n) < 0 ? decode(ret, b.p, b.n) : 0;
}

#define NODE "a44e6f6465"
#define INC "ab496e6361726e6174696f6e"
#define ADDR "a441646472"
#define PORT "a4506f7274"
#define SEQ "a55365714e6f"
#define VSN "a356736e"
#define JOIN "a44a6f696e"
#define NODES "a54e6f646573"
#define LEN "ac5573657253746174654c656e"

Test(gossip_message, refused)
{
	static const struct {
		decode_fn *decode;
		const char *hex;
		int err;
	} t[] = {
		{ d_ping, "05 80", -EBADMSG },				/* another type */
		{ d_ping, "00 90", -EBADMSG },				/* no map */
		{ d_ping, "00 81 01 01", -EBADMSG },			/* key is no text */
		{ d_ping, "00 81" SEQ "cf0000000100000000", -EBADMSG }, /* 33 bits */
		{ d_ping, "00 81" SEQ "ff", -EBADMSG },
		{ d_ping, "00 81" SEQ "a0", -EBADMSG },
		{ d_ping, "00 81" NODE "01", -EBADMSG },
		{ d_ping, "00 81" NODE "a16100" /* rest */, 0 },
		{ d_ping, "00 81" NODE "a100", -EBADMSG }, /* control characters */
		{ d_ping, "00 81" NODE "a3611b62", -EBADMSG },
		{ d_ping, "00 81" NODE "a17f", -EBADMSG },
		{ d_ping, "00 80", 0 },		  /* everything may be missing */
		{ d_suspect, "03 80", -EBADMSG }, /* whom? */
		{ d_suspect, "03 81" NODE "a0", -EBADMSG },
		{ d_suspect, "03 81" NODE "c0", -EBADMSG },
		{ d_suspect, "03 81" NODE "a162", 0 },
		{ d_dead, "05 81" INC "01", -EBADMSG },
		{ d_alive, "04 81" INC "01", -EBADMSG },
		{ d_alive, "04 82" NODE "a162" ADDR "a0", 0 },
		{ d_alive, "04 82" NODE "a162" ADDR "a401020304", 0 },
		{ d_alive, "04 82" NODE "a162" ADDR "a3010203", -EBADMSG },
		{ d_alive, "04 82" NODE "a162" ADDR "a50102030405", -EBADMSG },
		{ d_alive, "04 82" NODE "a162" ADDR "b10102030405060708090a0b0c0d0e0f1011",
		  -E2BIG },
		{ d_alive, "04 82" NODE "a162" PORT "ce00010000", -EBADMSG },
		{ d_alive, "04 82" NODE "a162" VSN "a50102030405", -EBADMSG },
		{ d_alive, "04 82" NODE "a162" VSN "a701020304050607", -E2BIG },
		{ d_alive, "04 82" NODE "a162" VSN "c0", 0 },
		{ d_sync_header, "06 81" NODES "ce7fffffff", -EBADMSG }, /* what kills serf */
		{ d_sync_header, "06 81" NODES "ff", -EBADMSG },
		{ d_sync_header, "06 81" LEN "ce7fffffff", -EBADMSG },
		{ d_sync_header, "06 81" JOIN "01", -EBADMSG },
		{ d_user, "08 81 aa557365724d73674c656e ce7fffffff", -EBADMSG },
		{ d_node_state, "82 a44e616d65 a162 a55374617465 04", -EBADMSG },
		{ d_node_state, "81 a55374617465 00", -EBADMSG },
		{ d_node_state, "82 a44e616d65 a162 a55374617465 03", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		union message m;
		int err = decode_hex(t[i].decode, t[i].hex, &m);

		cr_expect_eq(err, t[i].err, "%s: %d", t[i].hex, err);
	}
}

/* One key with a raw of @n bytes, after a key with a good name. */
static int decode_long(decode_fn *decode, int type, const char *key, uint32_t n)
{
	_cleanup_free_ uint8_t *p = calloc(1, n + 64);
	char *at = (char *)p;
	union message m;
	size_t len;

	if (type >= 0)
		*at++ = (char)type;
	at += sprintf(at, "\x82%cNode%cb%c%s\xda%c%c", 0xa4, 0xa1, (int)(0xa0 | strlen(key)), key,
		      (int)(n >> 8), (int)(n & 0xff));
	memset(at, 'x', n);
	len = (size_t)(at - (char *)p) + n;
	return decode(&m, p, len) < 0 ? decode(&m, p, len) : 0;
}

Test(gossip_message, lengths_at_their_bounds)
{
	cr_expect_eq(decode_long(d_ping, GSP_PING, "Node", GSP_NAME_MAX), 0);
	cr_expect_eq(decode_long(d_ping, GSP_PING, "Node", GSP_NAME_MAX + 1), -E2BIG);
	cr_expect_eq(decode_long(d_alive, GSP_ALIVE, "Meta", GSP_META_MAX), 0);
	cr_expect_eq(decode_long(d_alive, GSP_ALIVE, "Meta", GSP_META_MAX + 1), -E2BIG);
	cr_expect_eq(decode_long(d_err, GSP_ERR, "Error", GSP_TEXT_MAX), 0);
	cr_expect_eq(decode_long(d_err, GSP_ERR, "Error", GSP_TEXT_MAX + 1), -E2BIG);
	cr_expect_eq(decode_long(d_ack, GSP_ACK, "Payload", GSP_PAYLOAD_MAX), 0);
	cr_expect_eq(decode_long(d_ping, GSP_PING, "Other", GSP_SKIP_MAX - 10), 0);
	cr_expect_eq(decode_long(d_ping, GSP_PING, "Other", GSP_SKIP_MAX), -E2BIG);
}

Test(gossip_message, many_keys_are_refused)
{
	_cleanup_blob_ struct blob few = unhex("00 de0040"), many = unhex("00 de0041");
	uint8_t p[4 + 2 * 65];
	struct gsp_ping m;

	for (size_t i = 4; i < sizeof(p); i++)
		p[i] = i % 2 ? 0x01 : 0xa0;
	memcpy(p, few.p, 4);
	cr_expect_gt(gsp_ping_decode(&m, p, sizeof(p)), 0);
	memcpy(p, many.p, 4);
	cr_expect_eq(gsp_ping_decode(&m, p, sizeof(p)), -E2BIG);
}

Test(gossip_message, any_order_unknown_keys_and_new_texts)
{
	_cleanup_blob_ struct blob b = unhex("00 84" SEQ "07 a55a65747461 93c0a161c0 d9044e6f6465"
					     "c40462657461 a44e6f6577 80");
	struct gsp_ping m;

	cr_assert_eq(gsp_ping_decode(&m, b.p, b.n), (int)b.n);
	cr_expect_eq(m.seq, 7);
	cr_expect(gsp_bytes_eq(m.node, GSP_TEXT("beta")));
}

Test(gossip_message, what_may_not_be_sent)
{
	char text[GSP_NAME_MAX + 2] = "";
	struct gsp_alive alive = { .node = GSP_TEXT("b") };
	struct gsp_node_state node = { .name = GSP_TEXT("b"), .state = 4 };
	struct gsp_dead dead = { .from = GSP_TEXT("b") };
	struct gsp_ping ping = { .node = GSP_TEXT("a\nb") };
	struct gsp_bytes none = { 0 };
	uint8_t out[2048];

	memset(text, 'x', GSP_NAME_MAX + 1);
	cr_expect_eq(gsp_dead_encode(&dead, out, sizeof(out)), -EINVAL);
	cr_expect_eq(gsp_ping_encode(&ping, out, sizeof(out)), -EINVAL);
	ping.node = GSP_TEXT(text);
	cr_expect_eq(gsp_ping_encode(&ping, out, sizeof(out)), -EINVAL);
	text[GSP_NAME_MAX] = '\0';
	ping.node = GSP_TEXT(text);
	cr_expect_gt(gsp_ping_encode(&ping, out, sizeof(out)), 0);
	cr_expect_eq(gsp_node_state_encode(&node, out, sizeof(out)), -EINVAL);
	alive.meta = (struct gsp_bytes){ out, GSP_META_MAX + 1 };
	cr_expect_eq(gsp_alive_encode(&alive, out, sizeof(out)), -EINVAL);
	alive.meta = none;
	alive.addr.len = 5;
	cr_expect_eq(gsp_alive_encode(&alive, out, sizeof(out)), -EINVAL);
	alive.addr.len = 0;
	cr_expect_gt(gsp_alive_encode(&alive, out, sizeof(out)), 0);
}
