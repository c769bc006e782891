// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Servers that go and come back, story by story; test_memcached_fence_model.c walks all there are. */
#define MCF_SERVERS 3
#include "control/memcached/fence.c"

#include <criterion/criterion.h>

#define LIFE 100

static struct mcf f;

static void begin(unsigned servers, bool gutter)
{
	mcf_init(&f, 2, LIFE, true);
	for (unsigned i = 0; i < servers; i++)
		mcf_add(&f, i, gutter && i == servers - 1, true, 0);
}

static unsigned down(unsigned i, uint64_t now)
{
	return mcf_missed(&f, i, now) | mcf_missed(&f, i, now);
}

static unsigned back(unsigned i, uint64_t now)
{
	return mcf_answered(&f, i, now) | mcf_answered(&f, i, now);
}

static unsigned emptied(unsigned i, uint64_t now)
{
	return mcf_flushed(&f, i, now, now) | mcf_flushed(&f, i, now + LIFE, now + LIFE);
}

Test(memcached_fence, one_probe_is_suspicion)
{
	begin(2, false);
	cr_expect_eq(mcf_missed(&f, 0, 1), MCF_STATE);
	cr_expect_eq(f.s[0].state, MCF_SUSPECT);
	cr_expect(mcf_serves(&f, 0));
	cr_expect_null(mcf_standins(&f, 0));
	cr_expect_eq(mcf_answered(&f, 0, 2), MCF_STATE);
	cr_expect_eq(f.s[0].state, MCF_UP);
}

Test(memcached_fence, goes_is_emptied_comes_back)
{
	begin(3, false);
	cr_expect(down(0, 1) & MCF_RING);
	cr_expect_not(mcf_serves(&f, 0));
	cr_assert(mcf_standins(&f, 0));
	cr_expect(mcf_has(mcf_standins(&f, 0), 1) && mcf_has(mcf_standins(&f, 0), 2));
	cr_expect_eq(back(0, 5), MCF_STATE);
	cr_expect_eq(f.s[0].state, MCF_EMPTYING);
	cr_expect(mcf_wants_flush(&f, 0, 5));
	cr_expect_eq(mcf_flushed(&f, 0, 5, 6), 0);
	cr_expect_not(mcf_wants_flush(&f, 0, 6 + LIFE - 1));
	cr_expect_eq(mcf_flushed(&f, 0, 6 + LIFE - 1, 6 + LIFE), 0, "sent too early");
	cr_expect(mcf_flushed(&f, 0, 6 + LIFE, 7 + LIFE) & MCF_RING);
	cr_expect(mcf_serves(&f, 0));
	cr_expect_null(mcf_standins(&f, 0));
}

/* Who stood in once has old values: at the next failure one of them is emptied, and it alone. */
Test(memcached_fence, the_next_failure)
{
	begin(3, false);
	down(0, 1);
	back(0, 5);
	emptied(0, 5);
	cr_expect_not(down(0, 300) & MCF_RING);
	cr_expect_null(mcf_standins(&f, 0));
	cr_expect(f.s[1].cleaning && !f.s[2].cleaning);
	cr_expect(mcf_serves(&f, 1));
	cr_expect(emptied(1, 300) & MCF_RING);
	cr_assert(mcf_standins(&f, 0));
	cr_expect(mcf_has(mcf_standins(&f, 0), 1) && !mcf_has(mcf_standins(&f, 0), 2));
}

/* Nobody stood in: what it has is what there is. */
Test(memcached_fence, alone)
{
	begin(1, false);
	cr_expect_eq(down(0, 1), MCF_STATE);
	cr_expect_null(mcf_standins(&f, 0));
	cr_expect_eq(back(0, 5), MCF_STATE);
	cr_expect_eq(f.s[0].state, MCF_UP);
}

Test(memcached_fence, without_failover)
{
	begin(2, false);
	f.failover = false;
	cr_expect_eq(down(0, 1), MCF_STATE);
	cr_expect_null(mcf_standins(&f, 0));
	back(0, 5);
	cr_expect_eq(f.s[0].state, MCF_UP);
}

Test(memcached_fence, gutter)
{
	begin(3, true);
	cr_expect_not(mcf_serves(&f, 2));
	down(0, 1);
	cr_assert(mcf_standins(&f, 0));
	cr_expect(mcf_has(mcf_standins(&f, 0), 2) && !mcf_has(mcf_standins(&f, 0), 1));
	back(0, 5);
	emptied(0, 5);
	/* the second time the gutter is emptied first; the other server is left in peace */
	down(0, 300);
	cr_expect(f.s[2].cleaning && !f.s[1].cleaning);
	emptied(2, 300);
	cr_assert(mcf_standins(&f, 0));
	cr_expect(mcf_has(mcf_standins(&f, 0), 2));
}

Test(memcached_fence, drained)
{
	begin(2, false);
	cr_expect(mcf_drain(&f, 0, true, 1) & MCF_RING);
	cr_expect_eq(f.s[0].state, MCF_DRAINED);
	mcf_answered(&f, 0, 2);
	cr_expect_eq(f.s[0].state, MCF_DRAINED);
	mcf_drain(&f, 0, false, 3);
	cr_expect_eq(f.s[0].state, MCF_EMPTYING);
	cr_expect(emptied(0, 3) & MCF_RING);
	cr_expect_eq(f.s[0].state, MCF_UP);
}

/* A server that is added counts when it is empty; keys that move make whoever had them old. */
Test(memcached_fence, joins)
{
	struct mcf_moves m = { 0 };
	unsigned did;

	begin(2, false);
	mcf_add(&f, 2, false, false, 1);
	cr_expect_eq(f.s[2].state, MCF_EMPTYING);
	cr_expect_not(mcf_serves(&f, 2));
	cr_expect(emptied(2, 1) & MCF_JOIN);
	cr_expect(mcf_serves(&f, 2));
	set_add(&m.to[0], 2);
	mcf_move(&f, &m, 300);
	cr_expect(mcf_has(&f.dirty[2], 0) && !mcf_has(&f.dirty[2], 1));
	/* and back: the first one has old values, and is emptied while it serves */
	memset(&m, 0, sizeof(m));
	set_add(&m.to[2], 0);
	did = 0;
	cr_expect_not(mcf_may_move(&f, &m, 400, &did));
	cr_expect_eq(did, MCF_STATE);
	cr_expect(f.s[0].cleaning && mcf_serves(&f, 0));
	emptied(0, 400);
	cr_expect(mcf_may_move(&f, &m, 600, &did));
	mcf_move(&f, &m, 600);
	cr_expect(mcf_serves(&f, 0) && mcf_has(&f.dirty[0], 2));
}

/* Who is to get keys while it is away, and has old ones, is emptied when it comes back. */
Test(memcached_fence, moves_to_one_that_is_away)
{
	struct mcf_moves m = { 0 };
	unsigned did = 0;

	begin(3, false);
	set_add(&f.dirty[1], 0);
	f.failover = false;
	down(0, 1);
	set_add(&m.to[1], 0);
	cr_expect(mcf_may_move(&f, &m, 2, &did));
	mcf_move(&f, &m, 2);
	cr_expect(f.s[0].stale);
	back(0, 5);
	cr_expect_eq(f.s[0].state, MCF_EMPTYING);
}
