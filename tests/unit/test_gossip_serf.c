/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "test_gossip.h"

#include "control/gossip/serf.h"

union message {
	struct gsp_serf_leave leave;
	struct gsp_serf_join join;
	struct gsp_serf_event event;
	struct gsp_serf_query query;
	struct gsp_serf_response response;
	struct gsp_serf_conflict conflict;
	struct gsp_serf_key key;
	struct gsp_serf_keys keys;
	struct gsp_serf_relay relay;
	struct gsp_serf_sync sync;
	struct gsp_filter filter;
	struct gsp_list tags;
};

typedef int decode_fn(void *ret, const uint8_t *p, size_t n);
typedef int encode_fn(const void *m, uint8_t *buf, size_t cap);

#define CODEC(name) \
	static int d_##name(void *ret, const uint8_t *p, size_t n) \
	{ \
		return gsp_##name##_decode(ret, p, n); \
	} \
	static int e_##name(const void *m, uint8_t *buf, size_t cap) \
	{ \
		return gsp_##name##_encode(m, buf, cap); \
	}
CODEC(serf_leave)
CODEC(serf_join)
CODEC(serf_event)
CODEC(serf_query)
CODEC(serf_response)
CODEC(serf_conflict)
CODEC(serf_key)
CODEC(serf_keys)
CODEC(serf_relay)
CODEC(serf_sync)
CODEC(serf_tags)
CODEC(filter)

#define LTIME "a54c54696d65"
#define NAME "a44e616d65"
#define PAYLOAD "a75061796c6f6164"
#define FLAGS "a5466c616773"
#define ADDR "a441646472"
#define PORT "a4506f7274"
#define SIXTEEN "78787878787878787878787878787878"
#define HALF SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN
#define LONG HALF HALF HALF HALF "78" /* 513 bytes */

/* Messages as Debian's serf sends them, key by key. */
static const struct {
	decode_fn *decode;
	encode_fn *encode;
	const char *hex;
} table[] = {
	{ d_serf_leave, e_serf_leave, "00 83" LTIME "04 a44e6f6465 a462657461 a55072756e65 c2" },
	{ d_serf_join, e_serf_join, "01 82" LTIME "cfffffffffffffffff a44e6f6465 a462657461" },
	{ d_serf_event, e_serf_event,
	  "03 84 a24343 c3" LTIME "02" NAME "a66465706c6f79" PAYLOAD "c0" },
	{ d_serf_query, e_serf_query,
	  "04 8a" ADDR
	  "a47f000001 a746696c74657273 92 a700 92 a162 a2 6363 aa 01 82 a1 45 a178 a154 a1"
	  "79" FLAGS "01 a24944 ce26070c0d" LTIME "02" NAME "a4 66696c74" PAYLOAD "a170" PORT
	  "cd1f0a"
	  "ab52656c6179466163746f72 02 a754696d656f7574 ce77359400" },
	{ d_serf_query, e_serf_query,
	  "04 8b" ADDR "a47f000001 a746696c74657273 c0" FLAGS "01 a24944 05" LTIME "02" NAME
	  "a178" PAYLOAD "c0" PORT "cd1f0a ab52656c6179466163746f72 00 aa536f757263654e6f6465 a161"
	  "a754696d656f7574 e0" },
	{ d_serf_response, e_serf_response,
	  "05 85" FLAGS "01 a446726f6d a462657461 a24944 ce26070c0d" LTIME "02" PAYLOAD "c0" },
	{ d_serf_conflict, e_serf_conflict,
	  "06 8b" ADDR "a47f000002 ab44656c6567617465437572 05 ab44656c65676174654d6178 05"
	  "ab44656c65676174654d696e 02" NAME "a462657461" PORT "cd1f0a"
	  "ab50726f746f636f6c437572 02 ab50726f746f636f6c4d6178 05 ab50726f746f636f6c4d696e 01"
	  "a6537461747573 01 a454616773 82 a26463 a36f6e65 a4726f6c65 a3776562" },
	{ d_serf_key, e_serf_key, "07 81 a34b6579 b000000000000000000000000000000000" },
	{ d_serf_keys, e_serf_keys,
	  "08 84 a44b657973 92 a161 a162 a74d657373616765 a0 aa5072696d6172794b6579 a161"
	  "a6526573756c74 c3" },
	{ d_serf_relay, e_serf_relay,
	  "09 82 a84465737441646472 83 a24950 a47f000001 a4506f7274 cd1f0a a45a6f6e65 a0"
	  "a8446573744e616d65 a5616c706861 0580" },
	{ d_serf_sync, e_serf_sync,
	  "02 86 aa4576656e744c54696d65 03 a64576656e7473 94 c0 82 a64576656e7473 92"
	  "82" NAME "a161" PAYLOAD "c0 82" NAME "a162" PAYLOAD "a178" LTIME
	  "01 82 a64576656e7473 90" LTIME "02 c0" LTIME
	  "07 ab4c6566744d656d62657273 91 a567616d6d61"
	  "aa51756572794c54696d65 01 ac5374617475734c54696d6573 82 a5616c706861 01 a462657461 cc80" },
	{ d_serf_sync, e_serf_sync,
	  "02 87 aa4576656e744c54696d65 03 a64576656e7473 90" LTIME "07 ab4c6566744d656d62657273 90"
	  "a85061746368626179 a3010203"
	  "aa51756572794c54696d65 01 ac5374617475734c54696d6573 80" },
	{ d_serf_tags, e_serf_tags, "ff 82 a26463 a36f6e65 a4726f6c65 a3776562" },
	{ d_serf_tags, e_serf_tags, "ff 80" },
	{ d_filter, e_filter, "00 92 a162 a26363" },
	{ d_filter, e_filter, "01 82 a445787072 a2772a a3546167 a4726f6c65" },
};

Test(gossip_serf, known_bytes_both_ways)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_blob_ struct blob b = unhex(table[i].hex);
		union message m;
		uint8_t out[512];

		cr_expect_eq(table[i].decode(&m, b.p, b.n), (int)b.n, "row %zu", i);
		cr_expect_eq(table[i].encode(&m, out, sizeof(out)), (int)b.n, "row %zu", i);
		cr_expect_arr_eq(out, b.p, b.n, "row %zu", i);
	}
}

Test(gossip_serf, every_truncation)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_blob_ struct blob b = unhex(table[i].hex);
		bool open = table[i].decode == d_serf_relay; /* its end is that of the packet */
		union message whole;

		cr_assert_gt(table[i].decode(&whole, b.p, b.n), 0);
		for (size_t n = 0; n < b.n - open; n++) {
			_cleanup_blob_ struct blob cut = blob_copy(b.p, n);
			union message m, before;
			uint8_t out[512];

			memset(&m, 0x5a, sizeof(m));
			before = m;
			cr_expect_eq(table[i].decode(&m, cut.p, n) < 0, n < b.n - 1 || !open);
			cr_expect(n == b.n - 1 || table[i].decode(&m, cut.p, n) == -ENODATA,
				  "row %zu, %zu", i, n);
			cr_expect(!memcmp(&m, &before, sizeof(m)), "touched on failure");
			cr_expect_eq(table[i].encode(&whole, out, n), -ENOBUFS, "row %zu, %zu", i,
				     n);
		}
	}
}

Test(gossip_serf, nothing_at_all)
{
	uint8_t out[64];
	struct gsp_serf_relay nothing = { .port = 1 };
	union message m;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		cr_expect_eq(table[i].decode(&m, NULL, 0), -ENODATA, "row %zu", i);
	cr_expect_eq(gsp_serf_relay_encode(&nothing, out, sizeof(out)), -EINVAL);
}

static const char *text_of(struct gsp_bytes b)
{
	static char text[64];

	snprintf(text, sizeof(text), "%.*s", (int)b.n, (const char *)b.p);
	return text;
}

Test(gossip_serf, lists_are_read)
{
	_cleanup_blob_ struct blob b = unhex(table[10].hex);
	struct gsp_serf_events events;
	struct gsp_serf_event_id id;
	struct gsp_serf_status status;
	struct gsp_serf_sync m;
	struct gsp_bytes name;

	cr_assert_gt(gsp_serf_sync_decode(&m, b.p, b.n), 0);
	cr_expect(m.ltime == 7 && m.event_ltime == 3 && m.query_ltime == 1 && !m.digest.p);
	cr_assert(gsp_list_take_events(&m.events, &events) && events.nil);
	cr_assert(gsp_list_take_events(&m.events, &events) && !events.nil && events.ltime == 1);
	cr_assert(gsp_list_take_event(&events.events, &id));
	cr_expect_str_eq(text_of(id.name), "a");
	cr_assert(gsp_list_take_event(&events.events, &id));
	cr_expect_str_eq(text_of(id.payload), "x");
	cr_expect(!gsp_list_take_event(&events.events, &id));
	cr_assert(gsp_list_take_events(&m.events, &events) && events.ltime == 2);
	cr_expect(!gsp_list_take_event(&events.events, &id));
	cr_assert(gsp_list_take_events(&m.events, &events) && events.nil);
	cr_expect(!gsp_list_take_events(&m.events, &events));
	cr_assert(gsp_list_take_bytes(&m.left, &name) && !gsp_list_take_bytes(&m.left, &name));
	cr_expect_str_eq(text_of(name), "gamma");
	cr_assert(gsp_list_take_status(&m.status, &status) && status.ltime == 1);
	cr_assert(gsp_list_take_status(&m.status, &status) && status.ltime == 128);
	cr_expect_str_eq(text_of(status.node), "beta");
	cr_expect(!gsp_list_take_status(&m.status, &status));
}

/* The same bytes as the recorded ones, built element by element. */
Test(gossip_serf, lists_are_built)
{
	_cleanup_blob_ struct blob b = unhex(table[10].hex);
	uint8_t ids[64], slots[128], left[16], status[64], out[256];
	struct gsp_serf_events nil = { .nil = true }, two = { .ltime = 2 },
			       one = { .ltime = 1, .events = GSP_LIST(ids, sizeof(ids)) };
	struct gsp_serf_sync m = { .ltime = 7,
				   .event_ltime = 3,
				   .query_ltime = 1,
				   .status = GSP_LIST(status, sizeof(status)),
				   .left = GSP_LIST(left, sizeof(left)),
				   .events = GSP_LIST(slots, sizeof(slots)) };
	struct gsp_serf_event_id a = { .name = GSP_TEXT("a") },
				 bx = { GSP_TEXT("b"), GSP_TEXT("x") };

	two.events = GSP_LIST(out, sizeof(out));
	cr_expect_eq(gsp_list_add_event(&one.events, &a), 0);
	cr_expect_eq(gsp_list_add_event(&one.events, &bx), 0);
	cr_expect_eq(gsp_list_add_events(&m.events, &nil), 0);
	cr_expect_eq(gsp_list_add_events(&m.events, &one), 0);
	cr_expect_eq(gsp_list_add_events(&m.events, &two), 0);
	cr_expect_eq(gsp_list_add_events(&m.events, &nil), 0);
	cr_expect_eq(gsp_list_add_bytes(&m.left, GSP_TEXT("gamma")), 0);
	cr_expect_eq(gsp_list_add_status(&m.status,
					 &(struct gsp_serf_status){ GSP_TEXT("alpha"), 1 }),
		     0);
	cr_expect_eq(gsp_list_add_status(&m.status,
					 &(struct gsp_serf_status){ GSP_TEXT("beta"), 128 }),
		     0);
	cr_expect_eq(gsp_serf_sync_encode(&m, out, sizeof(out)), (int)b.n);
	cr_expect_arr_eq(out, b.p, b.n);
}

Test(gossip_serf, full_lists_keep_what_they_have)
{
	_cleanup_blob_ struct blob b = unhex(table[10].hex);
	uint8_t buf[8];
	struct gsp_list l = GSP_LIST(buf, sizeof(buf)), none = { 0 };
	struct gsp_serf_sync m;

	cr_expect_eq(gsp_list_add_bytes(&l, GSP_TEXT("abc")), 0);
	cr_expect_eq(gsp_list_add_bytes(&l, GSP_TEXT("defg")), -ENOBUFS);
	cr_expect(l.n == 4 && l.count == 1);
	cr_expect_eq(gsp_list_add_bytes(&l, GSP_TEXT("def")), 0);
	cr_expect_eq(gsp_list_add_bytes(&l, GSP_TEXT("")), -ENOBUFS);
	cr_expect_eq(gsp_list_add_bytes(&none, GSP_TEXT("")), -ENOBUFS);
	cr_assert_gt(gsp_serf_sync_decode(&m, b.p, b.n), 0);
	cr_expect_eq(gsp_list_add_bytes(&m.left, GSP_TEXT("x")), -ENOBUFS, "it is not ours");
}

Test(gossip_serf, filters_and_tags_are_read)
{
	_cleanup_blob_ struct blob b = unhex(table[3].hex), c = unhex(table[6].hex);
	struct gsp_serf_conflict conflict;
	struct gsp_serf_query q;
	struct gsp_serf_tag tag;
	struct gsp_bytes name, filter;
	struct gsp_filter f;

	cr_assert_gt(gsp_serf_query_decode(&q, b.p, b.n), 0);
	cr_expect(q.flags == GSP_QUERY_ACK && q.relay_factor == 2 && q.timeout_ns == 2000000000);
	cr_assert(gsp_list_take_bytes(&q.filters, &filter));
	cr_assert_gt(gsp_filter_decode(&f, filter.p, filter.n), 0);
	cr_expect(f.type == GSP_FILTER_NODE && f.nodes.count == 2);
	cr_expect(gsp_list_take_bytes(&f.nodes, &name) && gsp_list_take_bytes(&f.nodes, &name));
	cr_expect_str_eq(text_of(name), "cc");
	cr_assert(gsp_list_take_bytes(&q.filters, &filter));
	cr_assert_gt(gsp_filter_decode(&f, filter.p, filter.n), 0);
	cr_expect(f.type == GSP_FILTER_TAG && !f.tag.p, "its keys here are T and E");
	cr_assert_gt(gsp_serf_conflict_decode(&conflict, c.p, c.n), 0);
	cr_expect(conflict.vsn.pmin == 1 && conflict.vsn.dcur == 5 && conflict.status == 1);
	cr_assert(gsp_list_take_tag(&conflict.tags, &tag) &&
		  gsp_list_take_tag(&conflict.tags, &tag));
	cr_expect_str_eq(text_of(tag.key), "role");
	cr_expect_str_eq(text_of(tag.value), "web");
}

Test(gossip_serf, refused)
{
	static const struct {
		decode_fn *decode;
		const char *hex;
		int err;
	} t[] = {
		{ d_serf_join, "01 81" LTIME "01", -EBADMSG }, /* who? */
		{ d_serf_join, "00 81" LTIME "01", -EBADMSG },
		{ d_serf_leave, "00 82" LTIME "ff a44e6f6465 a162", -EBADMSG },
		{ d_serf_event, "03 81" NAME "da0201", -E2BIG },
		{ d_serf_query, "04 81 a746696c74657273 ddffffffff", -ENODATA },
		{ d_serf_query, "04 81" ADDR "a3000000", -EBADMSG },
		{ d_serf_query, "04 81 a754696d656f7574 cfffffffffffffffff", -EBADMSG },
		{ d_serf_key, "07 81 a34b6579 da0021", -E2BIG },
		{ d_serf_conflict, "06 81 a454616773 90", -EBADMSG },
		{ d_serf_sync, "02 81 a64576656e7473 91 c1", -EBADMSG },
		{ d_serf_sync, "02 81 a64576656e7473 80", -EBADMSG },
		{ d_serf_sync, "02 81 ac5374617475734c54696d6573 90", -EBADMSG },
		{ d_serf_sync, "02 81 ac5374617475734c54696d6573 dfffffffff", -ENODATA },
		{ d_serf_tags, "fe 80", -EBADMSG },
		{ d_serf_tags, "ff a0", -EBADMSG },
		{ d_filter, "02 90", -EBADMSG },
		{ d_filter, "00 80", -EBADMSG },
		{ d_filter, "01 90", -EBADMSG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_blob_ struct blob b = unhex(t[i].hex);
		union message m;

		cr_expect_eq(t[i].decode(&m, b.p, b.n), t[i].err, "%s: %d", t[i].hex,
			     t[i].decode(&m, b.p, b.n));
	}
}

/* What one member of a foreign pool keeps must not cost us what the others have. */
Test(gossip_serf, odd_elements_are_passed_over)
{
	_cleanup_blob_ struct blob b = unhex(
		"02 83 a64576656e7473 95 01 82 a64576656e7473 93 02 82" NAME "da0201" LONG PAYLOAD
		"c0 82" NAME "a162" PAYLOAD "c0" LTIME "05 90 c0 81" LTIME "ff"
		"ab4c6566744d656d62657273 93 a10a 05 a567616d6d61"
		"ac5374617475734c54696d6573 83 05 01 a162 ff a163 03");
	struct gsp_serf_events events;
	struct gsp_serf_event_id id;
	struct gsp_serf_status status;
	struct gsp_serf_sync m;
	struct gsp_bytes name;

	cr_assert_eq(gsp_serf_sync_decode(&m, b.p, b.n), (int)b.n);
	cr_expect(m.events.count == 5 && m.left.count == 3 && m.status.count == 3);
	cr_assert(gsp_list_take_events(&m.events, &events) && events.ltime == 5);
	cr_assert(gsp_list_take_event(&events.events, &id));
	cr_expect_str_eq(text_of(id.name), "b");
	cr_expect(!gsp_list_take_event(&events.events, &id));
	cr_expect(gsp_list_take_events(&m.events, &events) && events.nil);
	cr_expect(!gsp_list_take_events(&m.events, &events));
	cr_assert(gsp_list_take_name(&m.left, &name));
	cr_expect_str_eq(text_of(name), "gamma");
	cr_expect(!gsp_list_take_name(&m.left, &name));
	cr_assert(gsp_list_take_status(&m.status, &status) && status.ltime == 3);
	cr_expect(!gsp_list_take_status(&m.status, &status));
}

Test(gossip_serf, a_sync_may_have_large_unknown_keys)
{
	_cleanup_blob_ struct blob b = unhex("02 82" LTIME "05 a45a5a5a5a da4000");
	_cleanup_free_ uint8_t *p = calloc(1, b.n + 0x4000);
	struct gsp_serf_sync m;
	struct gsp_serf_join j;

	memcpy(p, b.p, b.n);
	cr_expect_eq(gsp_serf_sync_decode(&m, p, b.n + 0x4000), (int)b.n + 0x4000);
	*p = GSP_SERF_JOIN;
	cr_expect_eq(gsp_serf_join_decode(&j, p, b.n + 0x4000), -E2BIG);
}

Test(gossip_serf, tags_fit_into_meta)
{
	uint8_t buf[600], out[600];
	struct gsp_list l = GSP_LIST(buf, sizeof(buf));
	char value[512];
	struct gsp_serf_tag tag = { GSP_TEXT("k"), GSP_TEXT(value) };

	memset(value, 'v', sizeof(value));
	tag.value.n = GSP_META_MAX - 1 - 1 - 2 - 3; /* ff, map, key, raw16 */
	cr_expect_eq(gsp_list_add_tag(&l, &tag), 0);
	cr_expect_eq(gsp_serf_tags_encode(&l, out, sizeof(out)), GSP_META_MAX);
	l = GSP_LIST(buf, sizeof(buf));
	tag.value.n++;
	cr_expect_eq(gsp_list_add_tag(&l, &tag), 0);
	cr_expect_eq(gsp_serf_tags_encode(&l, out, sizeof(out)), -ENOBUFS);
	cr_expect_eq(gsp_serf_tags_decode(&l, out, GSP_META_MAX + 1), -E2BIG);
}
