// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The memcached cache: what comes in and what goes, how much a source gets, and which keys are hot. */
#include "mc_cache.h"
#include "tests/lib/mc_gen.h"

#include <patchbay/mc_parse.h>

static void setup(void)
{
	load(0, 0);
	cache_of(1);
}

static void teardown(void)
{
	mc_cache__destroy(skel);
}

TestSuite(memcached_admit, .init = setup, .fini = teardown, .timeout = 240);

static uint32_t sketch(uint64_t digest, uint32_t add)
{
	run_rest(MC_ASK_SKETCH, (struct mc_ask){ .tag = digest, .bytes = add });
	return said.hit;
}

Test(memcached_admit, the_sketch_counts_and_forgets)
{
	const uint64_t one = 0x123456789abcdef0, other = 0xfedcba9876543211;
	uint32_t wrong = 0;

	now = 5000ULL << 30;
	for (int i = 0; i < 100; i++)
		sketch(one, 1);
	cr_expect_eq(sketch(one, 0), 100);
	cr_expect_eq(sketch(other, 0), 0);
	now += 1ULL << 30;
	cr_expect_eq(sketch(one, 0), 50, "halved each second");
	cr_expect_eq(sketch(one, 2), 52);
	now += 3ULL << 30;
	cr_expect_eq(sketch(one, 0), 6);
	now += 16ULL << 30;
	cr_expect_eq(sketch(one, 0), 0);
	now += 65536ULL << 30; /* the second is kept in 16 bits */
	cr_expect_eq(sketch(one, 1), 1);
	cr_expect_eq(sketch(one, 0xffff), 0xffff, "no overflow");
	now += 30ULL << 30;
	for (uint64_t i = 0; i < 1000; i++)
		sketch(i * 0x9e3779b97f4a7c15ULL, 1);
	for (uint64_t i = 0; i < 1000; i++)
		wrong += sketch(i * 0x9e3779b97f4a7c15ULL, 0) != 1;
	cr_expect_lt(wrong, 20, "%u of 1000 counted with another key", wrong);
}

/* A key is fetched when it was missed `admit` times in a second, by one at a time. */
Test(memcached_admit, threshold_and_one_fetch)
{
	struct pb_mc_call call, w;

	svc.admit = 5;
	service();
	for (int i = 0; i < 4; i++) {
		cr_expect(!get("key") && said.token.good);
		cr_expect(!said.want_fetch, "miss %d", i + 1);
	}
	cr_expect(!get("key") && said.want_fetch);
	run_rest(MC_ASK_BUILD, (struct mc_ask){ .now = 0 });
	cr_expect(said.text_len);
	run_rest(MC_ASK_BUILD, (struct mc_ask){ .now = 0 });
	cr_expect(!said.text_len, "two CPUs missed at once: one asks");
	now += 250 * MSEC;
	cr_expect(ask_for("key", &call));
	cr_expect(!get("key") && !said.want_fetch, "a fetch is on its way");
	cr_expect(!ask_for("key", &call));
	now += 250 * MSEC;
	cr_expect(ask_for("key", &call), "it got lost");
	set_begins("key", 1, &w);
	set_ends(&w, 1);
	cr_expect(ask_for("key", &call), "it is in vain");
	now += 20ULL << 30;
	cr_expect(!get("key") && !said.want_fetch, "long ago");
}

/* Who is asked for less than what it would push out does not come in. */
Test(memcached_admit, candidates_must_be_better)
{
	char key[16];
	struct pb_mc_call call;

	for (int i = 0; i < 4; i++) {
		snprintf(key, sizeof(key), "hot%d", i);
		for (int k = 0; k < 20; k++)
			cr_assert(!get(key));
		cr_assert(ask_for(key, &call));
		cr_assert_eq(fill_with(&call, key, 0, -1, key, 4), 3);
	}
	for (int i = 0; i < 20; i++)
		cr_expect(!get("cold") && !said.want_fetch, "%d", i);
	for (int i = 0; i < 20; i++)
		get("cold");
	cr_assert(said.want_fetch);
	cr_assert(ask_for("cold", &call));
	cr_expect_eq(fill_with(&call, "cold", 0, -1, "x", 1), 3);
	cr_expect_eq(counter(PB_MC_C_EVICTED), 1);
	cr_expect(get("cold"));
}

/* Keys that are asked for once, so many that they fill the sketch, are not taken for keys that are
 * wanted; one that is stands out. */
Test(memcached_admit, once_is_not_often)
{
	uint32_t wanted = 0, asked = 0;
	char key[16];

	svc.admit = 2;
	service();
	for (int i = 0; i < 30000; i++) {
		snprintf(key, sizeof(key), "once%d", i);
		get(key);
		wanted += i >= 10000 && said.want_fetch;
	}
	cr_expect_lt(wanted, 100, "%u of 20000", wanted);
	do
		get("often");
	while (!said.want_fetch && ++asked < 100);
	cr_expect_lt(asked, 40);
	/* the noise goes with the counts */
	now += 16ULL << 30;
	cr_expect(!get("again") && !said.want_fetch);
	cr_expect(!get("again") && said.want_fetch);
}

/* The clock: what was asked for since the hand passed stays. */
Test(memcached_admit, what_is_used_stays)
{
	char key[16];
	struct pb_mc_call call;

	for (int i = 0; i < 40; i++) {
		snprintf(key, sizeof(key), "new%d", i);
		for (int k = 0; k < 60; k++)
			get(key);
		cr_assert(ask_for(key, &call), "%d", i);
		cr_assert_eq(fill_with(&call, key, 0, -1, key, 4), 3);
		if (!i)
			warm("used", "value");
		cr_assert(get("used"), "%d", i);
		now += 2 * SEC; /* earlier ones are asked for less */
	}
	cr_expect_eq(counter(PB_MC_C_EVICTED), 37);
}

static uint32_t limit(uint32_t host, uint32_t bytes)
{
	struct mc_ask ask = { .bytes = bytes };

	ask.addr.b[10] = ask.addr.b[11] = 0xff;
	memcpy(&ask.addr.w[3], &host, 4);
	run_rest(MC_ASK_LIMIT, ask);
	return said.hit;
}

Test(memcached_admit, sources_get_their_share)
{
	uint32_t others = 0;

	for (int i = 0; i < 100; i++)
		cr_expect(limit(1, 1400), "no limit");
	svc.rate = 10000;
	svc.burst = 3000;
	service();
	cr_expect(limit(1, 1000) && limit(1, 1000) && limit(1, 1000));
	cr_expect(!limit(1, 1));
	for (uint32_t i = 2; i < 102; i++)
		others += limit(i, 3000);
	cr_expect_gt(others, 90, "a few may share a bucket: %u", others);
	now += 100 * MSEC;
	cr_expect(limit(1, 1000));
	cr_expect(!limit(1, 10));
	now += 100 * SEC;
	cr_expect(limit(1, 3000), "what is not used is lost");
	cr_expect(!limit(1, 10));
	now += SEC;
	svc.burst = ~0ULL;
	svc.rate = ~0ULL;
	service();
	cr_expect(limit(1, 1400));
}

Test(memcached_admit, hot_keys)
{
	struct pb_mc_top_key at = { .service = SERVICE };
	char key[PB_MC_KEY_MAX + 1];
	struct pb_mc_top top;

	for (size_t n = 1; n <= PB_MC_KEY_MAX; n += 3) {
		memset(key, 'h', n);
		key[n] = 0;
		for (uint32_t i = 0; i < 3; i++)
			run_key(skel->progs.pb_mct_rest,
				(struct mc_ask){ .what = MC_ASK_TOP, .bytes = 100, .whole = !i },
				key, 1);
		at.digest = pb_mc_key_digest(svc.key, key, (__u32)n);
		cr_assert_eq(bpf_map_lookup_elem(bpf_map__fd(skel->maps.pb_mc_top), &at, &top), 0);
		cr_expect(top.requests == 3 && top.bytes == 300 && top.writes == 1, "%zu", n);
		cr_expect_eq(top.key_len, n);
		cr_expect_eq(memcmp(top.key, key, n), 0, "%.*s", (int)n, top.key);
		cr_expect_eq(top.key[n], 0);
	}
}

/* One in 64 counts as 64. */
Test(memcached_admit, hot_keys_are_sampled, .init = NULL)
{
	struct pb_mc_top_key at = { .service = SERVICE };
	struct pb_mc_top top = { .requests = 0 };

	load(0, 6);
	cache_of(1);
	for (int i = 0; i < 20000; i++, now += 777)
		run_key(skel->progs.pb_mct_rest, (struct mc_ask){ .what = MC_ASK_TOP }, "key", 1);
	at.digest = pb_mc_key_digest(svc.key, "key", 3);
	bpf_map_lookup_elem(bpf_map__fd(skel->maps.pb_mc_top), &at, &top);
	cr_expect(top.requests > 10000 && top.requests < 40000, "%llu", top.requests);
}

/* The fast parser says what the whole one says, or nothing. */
static void same_plain(const uint8_t *msg, size_t len)
{
	static struct pb_mc_work work;
	struct pb_mc_scan s = pb_mc_scan_init(msg, msg + len, (__u32)len, &work);
	int plain = pb_mc_plain_get(&s), control = 0;

	run_message(skel->progs.pb_mct_plain, (struct mc_ask){ .now = now }, msg, len, 1);
	for (size_t i = 4; i + 2 < len; i++)
		control |= msg[i] < ' ';
	cr_assert_eq(said.hit, plain && !control, "%.*s", (int)len, msg);
	if (!said.hit)
		return;
	cr_assert_eq(memcmp(&said.req, &work.req, sizeof(work.req)), 0, "%.*s", (int)len, msg);
	cr_assert_eq(said.digest, pb_mc_key_digest(svc.key, msg + 4, (__u32)len - 6));
}

Test(memcached_admit, the_fast_parser)
{
	struct mc_gen g = { .state = 5 };
	uint8_t msg[300];

	for (int i = 0; i < 20000; i++) {
		mc_gen_message(&g);
		if (g.len && g.len <= MESSAGE_MAX)
			same_plain(g.buf, g.len);
	}
	for (size_t n = 0; n < 256; n++) {
		memcpy(msg, "get ", 4);
		for (size_t i = 0; i < n; i++)
			msg[4 + i] = (uint8_t)(33 + (i * 11 + n) % 223);
		memcpy(msg + 4 + n, "\r\n", 2);
		same_plain(msg, n + 6);
		for (size_t i = 0; i < n + 6; i++) { /* one byte is another one */
			uint8_t was = msg[i];

			msg[i] = (uint8_t) "\r\n \0\x1f\x7f\xa0g"[(i + n) % 8];
			same_plain(msg, n + 6);
			msg[i] = was;
		}
	}
}

/* The key that is meant, not the letters that it came in. */
Test(memcached_admit, keys_in_base64)
{
	static const char *const key[][2] = {
		{ "Zm9v", "foo" },
		{ "Zg==", "f" },
		{ "Zm9vYmFyMDEyMzQ1Njc4OWFiY2RlZmdo", "foobar0123456789abcdefgh" },
	};

	for (size_t i = 0; i < 3; i++) {
		char msg[128];
		int n = snprintf(msg, sizeof(msg), "mg %s b v\r\n", key[i][0]);

		run_message(skel->progs.pb_mct_rest, (struct mc_ask){ .what = MC_ASK_B64 }, msg,
			    (size_t)n, 1);
		cr_expect(said.hit);
		cr_expect_eq(said.digest,
			     pb_mc_key_digest(svc.key, key[i][1], (__u32)strlen(key[i][1])), "%s",
			     key[i][1]);
	}
}
