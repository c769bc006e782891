/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "control/agent/ratelimit.h"

#define MS 1000000ULL

static struct pb_ratelimit rl;

static unsigned take(uid_t uid, uint64_t now_ns, unsigned tries)
{
	unsigned got = 0;

	while (tries--)
		got += pb_ratelimit_take(&rl, uid, now_ns);
	return got;
}

Test(ratelimit, burst_then_rate)
{
	uint64_t now = 1000 * MS;

	pb_ratelimit_init(&rl, 20, 100);
	cr_expect(eq(u32, take(1, now, 200), 100));
	cr_expect(eq(u32, take(1, now + 49 * MS, 5), 0));
	cr_expect(eq(u32, take(1, now + 50 * MS, 5), 1));
	cr_expect(eq(u32, take(1, now + 1050 * MS, 50), 20));
	cr_expect(eq(u32, take(1, now + 100000 * MS, 200), 100));
}

Test(ratelimit, users_do_not_share)
{
	pb_ratelimit_init(&rl, 1, 2);
	cr_expect(eq(u32, take(1, 0, 9), 2));
	cr_expect(eq(u32, take(2, 0, 9), 2));
	cr_expect(eq(u32, take(1, 1000 * MS, 9), 1));
}

Test(ratelimit, a_clock_that_stands_or_runs_back_earns_nothing)
{
	pb_ratelimit_init(&rl, 1, 1);
	cr_expect(eq(u32, take(1, 5000 * MS, 2), 1));
	cr_expect(eq(u32, take(1, 5000 * MS, 2), 0));
	cr_expect(eq(u32, take(1, 1000 * MS, 2), 0));
}

Test(ratelimit, long_rest_does_not_overflow)
{
	pb_ratelimit_init(&rl, 20, 100);
	take(1, 0, 100);
	cr_expect(eq(u32, take(1, ~0ULL, 200), 100));
}

/* With more users than buckets the one that rested longest is forgotten, no other. */
Test(ratelimit, least_recent_makes_room)
{
	pb_ratelimit_init(&rl, 1, 1);
	for (unsigned i = 0; i < PB_RATE_UIDS; i++)
		cr_expect(eq(u32, take(i, i, 2), 1));
	cr_expect(eq(u32, take(5000, 1000, 2), 1));
	cr_expect(eq(u32, take(1, 1001, 1), 0));
	cr_expect(eq(u32, take(PB_RATE_UIDS - 1, 1001, 1), 0));
	cr_expect(eq(u32, take(0, 1002, 1), 1));
}
