/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>

#include <patchbay/bits.h>

/* xorshift64*: the same numbers in each run */
static __u64 next(__u64 *s)
{
	*s ^= *s >> 12;
	*s ^= *s << 25;
	*s ^= *s >> 27;
	return *s * 0x2545f4914f6cdd1dULL;
}

static void check(__u64 x)
{
	unsigned n = 0;

	for (unsigned bit = 0; bit < 64; bit++) {
		if (!(x >> bit & 1))
			continue;
		if (!n)
			cr_assert_eq(pb_ctz64(x), bit, "ctz %llx", x);
		cr_assert_eq(pb_nth_bit64(x, n), bit, "nth %llx %u", x, n);
		n++;
	}
	cr_assert_eq(pb_popcount64(x), n, "popcount %llx", x);
}

Test(bits, edges)
{
	cr_assert_eq(pb_ctz64(0), 64);
	cr_assert_eq(pb_popcount64(0), 0);
	check(~0ULL);
	for (unsigned bit = 0; bit < 64; bit++) {
		check(1ULL << bit);
		check(~(1ULL << bit));
		check((1ULL << bit) - 1);
	}
}

Test(bits, random_words)
{
	__u64 s = 42;

	for (unsigned i = 0; i < 20000; i++)
		check(next(&s) & (i % 3 ? ~0ULL : next(&s)));
}
