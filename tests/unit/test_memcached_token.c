// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The version tokens: every interleaving is linearizable, and each guard is needed: without it the
 * same search finds a history that is not. */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>
#include <patchbay/mc_digest.h>
#include <patchbay/mc_proto.h>
#include <patchbay/mc_token.h>

#include "tests/lib/mc_model.h"

static struct mc_found found;

static void expect_right(const char *name, const struct mc_config *c, int cached)
{
	mc_model_run(c, &found);
	cr_log_info("%s: %lu states, %lu fills, %lu hits\n", name, (unsigned long)found.states,
		    (unsigned long)found.fills, (unsigned long)found.hits);
	cr_expect(!found.wrong, "%s: %s", name, found.trace);
	cr_expect(!found.full, "%s: too many states", name);
	cr_expect_eq(found.hits > 0, cached, "%s: %lu hits", name, (unsigned long)found.hits);
}

static void expect_wrong(const char *name, const struct mc_config *c)
{
	mc_model_run(c, &found);
	cr_log_info("%s: %s\n", name, found.trace);
	cr_expect(found.wrong, "%s: nothing found in %lu states", name,
		  (unsigned long)found.states);
}

/* A history of one register, by hand: the checker itself can tell. */
Test(memcached_token, the_judge)
{
	struct mc_event e[] = {
		{ .write = 1, .ended = 1, .value = 1 },
		{ .ended = 1, .value = 1 },
		{ .ended = 1, .value = 0, .pred = 2 },
	};

	cr_expect(!mc_linearizable(e, 3, 0), "1 and then 0");
	e[2].pred = 0;
	cr_expect(mc_linearizable(e, 3, 0));
	e[2].pred = 1;
	cr_expect(!mc_linearizable(e, 3, 0), "0 after the write");
	e[0].ended = 0;
	cr_expect(mc_linearizable(e, 2, 0), "a write without an answer may have happened");
	e[1].value = 0;
	cr_expect(mc_linearizable(e, 2, 0), "or not");
}

/* Larger ones, and all of these together: build/tests/mc_walk (tests/soak/memcached_tokens.sh). */
static const struct mc_config two_writers = {
	.op = { SET(1), SET(2), GET, GET }, .ops = 4, .ages = 1, .fetches = 1
};

Test(memcached_token, two_writers_two_readers, .timeout = 110)
{
	expect_right("reordering and loss", &two_writers, 1);
}

Test(memcached_token, evictions_and_other_reads, .timeout = 110)
{
	const struct mc_config c = {
		.op = { SET(1), GET, GET, PASS }, .ops = 4, .evictions = 1, .fetches = 2
	};

	expect_right("eviction, a read past the cache", &c, 1);
}

Test(memcached_token, copies_of_requests, .timeout = 110)
{
	const struct mc_config c = {
		.op = { SET(1), GET, GET }, .ops = 3, .copies = 1, .fetches = 2
	};

	expect_right("requests twice", &c, 1);
}

Test(memcached_token, echoes_of_replies, .timeout = 110)
{
	const struct mc_config c = {
		.op = { SET(1), SET(2), GET, GET }, .ops = 4, .echoes = 1, .fetches = 1
	};

	expect_right("replies twice", &c, 1);
}

Test(memcached_token, direct_return, .timeout = 110)
{
	struct mc_config c = two_writers;

	c.direct = 1;
	expect_right("writes return directly", &c, 1);
	c.direct = 2;
	expect_right("all returns directly", &c, 0);
}

Test(memcached_token, quiet_writes, .timeout = 110)
{
	const struct mc_config c = {
		.op = { QUIET(1), SET(2), GET, GET }, .ops = 4, .ages = 1, .fetches = 1
	};

	expect_right("noreply", &c, 1);
}

Test(memcached_token, flushes, .timeout = 110)
{
	const struct mc_config c = {
		.op = { FLUSH, SET(2), GET, GET }, .ops = 4, .echoes = 1, .fetches = 1
	};

	expect_right("flush_all", &c, 1);
}

/* They share versions and the way. */
Test(memcached_token, two_keys_of_one_set, .timeout = 110)
{
	const struct mc_config c = { .op = { SET(1), GET, GET, GET_OF }, .ops = 4, .fetches = 2 };
	const struct mc_config d = { .op = { SET_OF(1), GET, GET, GET_OF },
				     .ops = 4,
				     .fetches = 2 };

	expect_right("a written key and another one", &c, 1);
	expect_right("the other way round", &d, 1);
}

/* Guard by guard: what goes wrong without it.  A read past the cache tells what the server has. */
static void needs(const char *name, uint32_t guard, struct mc_config c)
{
	c.without = guard;
	expect_wrong(name, &c);
}

Test(memcached_token, needs_every_guard, .timeout = 110)
{
	const struct mc_config set = { .op = { SET(1), GET, GET, PASS }, .ops = 4, .fetches = 1 };
	const struct mc_config quiet = { .op = { QUIET(1), GET, GET, PASS },
					 .ops = 4,
					 .fetches = 1 };
	struct mc_config c = { .op = { SET(1), SET(2), GET, GET, PASS }, .ops = 5, .fetches = 1 };

	expect_right("one writer", &set, 1);
	expect_right("one quiet writer", &quiet, 1);
	needs("value dropped by a write", PB_MC_G_DROP, set);
	needs("version of a write", PB_MC_G_VERSION, set);
	needs("version at the fill", PB_MC_G_FILL, set);
	needs("no token while a write is pending", PB_MC_G_TOKEN, set);
	needs("writes stay pending", PB_MC_G_PENDING, set);
	needs("noreply mutes", PB_MC_G_MUTE, quiet);
	needs("the token again when the bytes are there", MC_G_LAST, set);
	c.echoes = 1;
	needs("a reply ends its own write", PB_MC_G_TAG, c);
	c.echoes = 0;
	c.copies = 1;
	needs("more writes than places", PB_MC_G_FULL, c);
}

Test(memcached_token, needs_every_guard_of_flushes, .timeout = 110)
{
	const struct mc_config flush = { .op = { FLUSH, GET, GET, PASS }, .ops = 4, .fetches = 1 };

	expect_right("one flush", &flush, 1);
	needs("flush: version at the answer", PB_MC_G_ALL_HIT, flush);
	needs("flush: no token while pending", PB_MC_G_ALL_TOKEN, flush);
	/* each of the two is enough, as long as it and what it guards are one step */
	needs("flush: version of the token", PB_MC_G_ALL_FILL | PB_MC_G_SNAPSHOT, flush);
}

Test(memcached_token, readers_without_a_lock, .timeout = 110)
{
	const struct mc_config c = { .op = { GET, GET, GET_OF }, .ops = 3, .fetches = 2 };

	expect_right("another key's value comes in between", &c, 1);
	needs("sequence number after the copy", MC_G_SEQ, c);
}

/* What others do: stale, or not monotonic. */
Test(memcached_token, older_rules_are_wrong, .timeout = 110)
{
	struct mc_config c = { .op = { SET(1), SET(2), GET, GET, PASS }, .ops = 5, .fetches = 1 };

	needs("filled by any reply", PB_MC_G_FILL | PB_MC_G_TOKEN | PB_MC_G_PENDING, c);
	needs("versions, but writes are not tracked", PB_MC_G_TOKEN | PB_MC_G_PENDING, c);
	c.ops = 4; /* without the read past the cache */
	needs("filled by any reply, stale", PB_MC_G_FILL | PB_MC_G_TOKEN | PB_MC_G_PENDING, c);
}

struct one {
	struct pb_mc_gen gen;
	struct pb_mc_keep keep;
	struct pb_mc_all all;
	struct pb_mc_token token;
};

static int hit(const struct one *s, uint64_t now)
{
	return pb_mc_fresh(&s->keep, &s->all, now);
}

/* A miss: is there a token for a fetch?  And may be kept what it brings? */
static int ask(struct one *s, uint64_t now)
{
	pb_mc_take_all(&s->all, now, &s->token);
	pb_mc_take(&s->gen, now, &s->token);
	return (int)s->token.good;
}

static int keep(struct one *s, uint64_t expires, uint64_t now)
{
	return pb_mc_keep(&s->gen, &s->keep, &s->all, &s->token, expires, now);
}

/* The other side: without an end to pending writes a lost reply would forbid caching for ever. */
Test(memcached_token, lost_replies_age)
{
	struct one s = { .all.life = 10 };

	pb_mc_write(&s.gen, &s.keep, &s.all, 7, 100);
	cr_expect(!ask(&s, 109));
	cr_expect(!keep(&s, 1000, 109));
	cr_expect(ask(&s, 110) && keep(&s, 1000, 110));
	cr_expect(hit(&s, 111));
	pb_mc_written(&s.gen, &s.keep, 7); /* later than life allows: what was kept goes */
	cr_expect(!hit(&s, 111));
}

/* A key without a value: its writes count for the set all the same. */
Test(memcached_token, keys_that_are_not_cached)
{
	struct one s = { .all.life = 10 };

	cr_expect(ask(&s, 50) && keep(&s, 1000, 50));
	cr_expect(ask(&s, 60));
	pb_mc_write(&s.gen, NULL, &s.all, 7, 100);
	cr_expect(hit(&s, 101), "another key's value stays");
	cr_expect(!keep(&s, 1000, 101), "what was asked for before does not come in");
	cr_expect(!ask(&s, 101));
	pb_mc_written(&s.gen, NULL, 7);
	cr_expect(hit(&s, 102));
	cr_expect(ask(&s, 102) && keep(&s, 1000, 103));
}

Test(memcached_token, delayed_flush)
{
	struct one s = { .all.life = 10 };

	pb_mc_flush_at(&s.all, 1000);
	cr_expect(ask(&s, 500) && keep(&s, 5000, 501));
	cr_expect(hit(&s, 989));
	cr_expect(!hit(&s, 990), "one life before it comes true");
	cr_expect(!ask(&s, 990));
	pb_mc_tick(&s.all, 990);
	cr_expect(!hit(&s, 1009));
	cr_expect(!ask(&s, 1009));
	cr_expect(ask(&s, 1010) && keep(&s, 5000, 1010));
	/* two at once: nothing is kept until the later one is over */
	pb_mc_flush_at(&s.all, 2000);
	pb_mc_flush_at(&s.all, 3000);
	cr_expect(!hit(&s, 1101));
	cr_expect(!ask(&s, 3009));
	cr_expect(ask(&s, 3010));
}

Test(memcached_token, expiry)
{
	const uint64_t sec = 1000000000;

	cr_expect_eq(pb_mc_expiry(-1, sec, 5), 5 + sec);
	cr_expect_eq(pb_mc_expiry(PB_MC_TTL_NONE, sec, 5), 5 + sec);
	cr_expect_eq(pb_mc_expiry(0, sec, 5), 5);
	cr_expect_eq(pb_mc_expiry(1, sec, 5), 5);
	cr_expect_eq(pb_mc_expiry(2, 10 * sec, 5), 5 + sec);
	cr_expect_eq(pb_mc_expiry(100, 10 * sec, 5), 5 + 10 * sec);
}

/* Keys as they are given out: no two of a million have one digest, and sets get even shares. */
static void no_two_alike(const __u64 secret[2])
{
	static uint64_t seen[1 << 21];
	static uint32_t share[256];
	const uint32_t n = 1000000;

	memset(seen, 0, sizeof(seen));
	memset(share, 0, sizeof(share));
	for (uint32_t i = 0; i < n; i++) {
		char key[32];
		int len = snprintf(key, sizeof(key), i & 1 ? "user:%u" : "session-%010u:x", i);
		uint64_t d = pb_mc_key_digest(secret, key, (__u32)len);
		size_t at = d % (sizeof(seen) / sizeof(*seen));

		while (seen[at] && seen[at] != d)
			at = (at + 1) % (sizeof(seen) / sizeof(*seen));
		cr_assert_neq(seen[at], d, "%s", key);
		seen[at] = d;
		share[pb_mc_set_of(d, 256)]++;
	}
	for (size_t i = 0; i < 256; i++) /* 3906, with a deviation of 62 */
		cr_expect(share[i] > 3500 && share[i] < 4300, "set %zu: %u", i, share[i]);
	cr_expect_neq(pb_mc_key_digest(secret, "a", 1), pb_mc_key_digest(secret, "a\0", 2));
}

Test(memcached_token, digests, .timeout = 110)
{
	const __u64 secrets[][2] = {
		{ 0x0123456789abcdef, 0xfedcba9876543210 }, /* their sum is all ones */
		{ 0x5bd1e9955bd1e995, 0x0000000100000001 },
		{ 0x8000000000000001, 0x9d39247e33776d41 },
		{ 0x2af7398005aaa5c7, 0x44db015024623547 },
	};

	for (size_t i = 0; i < sizeof(secrets) / sizeof(*secrets); i++)
		no_two_alike(secrets[i]);
}
