// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The version tokens: every interleaving is linearizable, and each guard is needed: without it the
 * same search finds a history that is not. */
#include <string.h>

#include <criterion/criterion.h>
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
static const struct mc_config two_writers = { .op = { SET(1), SET(2), GET, GET, GET },
					      .ops = 5,
					      .ages = 1 };

Test(memcached_token, two_writers_three_readers, .timeout = 110)
{
	expect_right("reordering and loss", &two_writers, 1);
}

Test(memcached_token, evictions_and_other_reads, .timeout = 110)
{
	const struct mc_config c = { .op = { SET(1), SET(2), GET, GET, PASS },
				     .ops = 5,
				     .evictions = 1 };

	expect_right("eviction, a read past the cache", &c, 1);
}

Test(memcached_token, copies_of_requests, .timeout = 110)
{
	const struct mc_config c = { .op = { SET(1), SET(2), GET, GET }, .ops = 4, .copies = 1 };

	expect_right("requests twice", &c, 1);
}

Test(memcached_token, echoes_of_replies, .timeout = 110)
{
	const struct mc_config c = { .op = { SET(1), SET(2), GET, GET, GET },
				     .ops = 5,
				     .echoes = 1 };

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
	const struct mc_config c = { .op = { QUIET(1), SET(2), GET, GET, GET },
				     .ops = 5,
				     .ages = 1 };

	expect_right("noreply", &c, 1);
}

Test(memcached_token, flushes, .timeout = 110)
{
	const struct mc_config c = { .op = { FLUSH, SET(2), GET, GET, GET },
				     .ops = 5,
				     .echoes = 1 };

	expect_right("flush_all", &c, 1);
}

/* Guard by guard: what goes wrong without it.  A read past the cache tells what the server has. */
static void needs(const char *name, uint32_t guard, struct mc_config c)
{
	c.without = guard;
	expect_wrong(name, &c);
}

Test(memcached_token, needs_every_guard, .timeout = 110)
{
	const struct mc_config set = { .op = { SET(1), GET, GET, PASS }, .ops = 4 };
	const struct mc_config sets = { .op = { SET(1), SET(2), GET, GET, PASS }, .ops = 5 };
	const struct mc_config quiet = { .op = { QUIET(1), GET, GET, PASS }, .ops = 4 };
	const struct mc_config flush = { .op = { FLUSH, GET, GET, PASS }, .ops = 4 };
	struct mc_config c = sets;

	expect_right("one writer", &set, 1);
	expect_right("one quiet writer", &quiet, 1);
	expect_right("one flush", &flush, 1);
	needs("value dropped by a write", PB_MC_G_DROP, set);
	needs("version of a write", PB_MC_G_VERSION, set);
	needs("version at the fill", PB_MC_G_FILL, set);
	needs("no token while a write is pending", PB_MC_G_TOKEN, set);
	needs("writes stay pending", PB_MC_G_PENDING, set);
	needs("noreply mutes", PB_MC_G_MUTE, quiet);
	needs("flush: version at the answer", PB_MC_G_ALL_HIT, flush);
	needs("flush: no token while pending", PB_MC_G_ALL_TOKEN, flush);
	needs("flush: version at the fill", PB_MC_G_ALL_FILL, flush);
	c.echoes = 1;
	needs("a reply ends its own write", PB_MC_G_TAG, c);
	c.echoes = 0;
	c.copies = 1;
	needs("more writes than places", PB_MC_G_FULL, c);
}

/* What others do: stale, or not monotonic. */
Test(memcached_token, older_rules_are_wrong, .timeout = 110)
{
	struct mc_config c = { .op = { SET(1), SET(2), GET, GET, PASS }, .ops = 5 };

	needs("filled by any reply", PB_MC_G_FILL | PB_MC_G_TOKEN | PB_MC_G_PENDING, c);
	needs("versions, but writes are not tracked", PB_MC_G_TOKEN | PB_MC_G_PENDING, c);
	c.ops = 4; /* without the read past the cache */
	needs("filled by any reply, stale", PB_MC_G_FILL | PB_MC_G_TOKEN | PB_MC_G_PENDING, c);
}

/* The other side: without an end to pending writes a lost reply would forbid caching for ever. */
Test(memcached_token, lost_replies_age)
{
	struct pb_mc_all all = { .life = 10 };
	struct pb_mc_slot s = { .keep.valid = 0 };
	struct pb_mc_token t;

	pb_mc_write(&s, &all, 7, 100);
	pb_mc_read(&s, &all, 109, &t);
	cr_expect(!pb_mc_keep(&s, &all, &t, 1000, 109));
	pb_mc_read(&s, &all, 110, &t);
	cr_expect(pb_mc_keep(&s, &all, &t, 1000, 110));
	cr_expect_eq(pb_mc_read(&s, &all, 111, &t), PB_MC_HIT);
	pb_mc_written(&s, 7); /* later than life allows: what was kept goes */
	cr_expect_eq(pb_mc_read(&s, &all, 111, &t), PB_MC_PASS);
}

Test(memcached_token, delayed_flush)
{
	struct pb_mc_all all = { .life = 10 };
	struct pb_mc_slot s = { .keep.valid = 0 };
	struct pb_mc_token t;

	pb_mc_flush_at(&all, 1000);
	pb_mc_read(&s, &all, 500, &t);
	cr_expect(pb_mc_keep(&s, &all, &t, 5000, 501));
	cr_expect_eq(pb_mc_read(&s, &all, 989, &t), PB_MC_HIT);
	cr_expect_eq(pb_mc_read(&s, &all, 990, &t), PB_MC_PASS, "one life before it comes true");
	cr_expect(!t.good);
	pb_mc_tick(&all, 990);
	cr_expect_eq(pb_mc_read(&s, &all, 1009, &t), PB_MC_PASS);
	cr_expect(!t.good);
	pb_mc_read(&s, &all, 1010, &t);
	cr_expect(t.good && pb_mc_keep(&s, &all, &t, 5000, 1010));
	/* two at once: nothing is kept until the later one is over */
	pb_mc_flush_at(&all, 2000);
	pb_mc_flush_at(&all, 3000);
	cr_expect_eq(pb_mc_read(&s, &all, 1101, &t), PB_MC_PASS);
	pb_mc_read(&s, &all, 3009, &t);
	cr_expect(!t.good);
	pb_mc_read(&s, &all, 3010, &t);
	cr_expect(t.good);
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
