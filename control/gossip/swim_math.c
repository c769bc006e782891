// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Random numbers and the formulas that depend on the size of the pool. */
#include "swim_internal.h"

/* splitmix64 (Steele, Lea, Flood, 2014): small, and any seed will do. */
uint64_t swim_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

uint32_t swim_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)(((swim_random(state) >> 32) * n) >> 32);
}

/* Bit by bit: squaring the mantissa doubles the logarithm. */
uint32_t swim_log2_fix(uint32_t n)
{
	uint32_t whole = 31 - (uint32_t)__builtin_clz(n | 1), ret = whole << 16;
	uint64_t x = ((uint64_t)n << 31) >> whole; /* 1.0 .. 2.0, 31 bits after the point */

	for (uint32_t bit = 1u << 15; bit; bit >>= 1) {
		x = (x * x) >> 31;
		if (x >> 32) {
			x >>= 1;
			ret |= bit;
		}
	}
	return ret;
}

/* mult * ceil(log10(n + 1)) */
unsigned swim_transmits(unsigned mult, unsigned n)
{
	unsigned digits = 0, t;

	for (uint64_t p = 1; p < (uint64_t)n + 1; p *= 10)
		digits++;
	t = mult * digits;
	return t < 1 ? 1 : t < SWIM_SENT_MAX ? t : SWIM_SENT_MAX;
}

/* suspicion_mult * max(1, log10(n)) * probe_interval */
uint64_t swim_suspicion_min(const struct swim_conf *c, unsigned n)
{
	uint64_t base = (uint64_t)c->suspicion_mult * c->probe_interval;

	return n <= 10 ? base : base * swim_log2_fix(n) / swim_log2_fix(10);
}

/* max - (max - min) * ln(confirmed + 1) / ln(k + 1), not below min */
uint64_t swim_suspicion_time(uint64_t min, uint64_t max, unsigned confirmed, unsigned k)
{
	if (confirmed >= k)
		return min;
	return max - (max - min) * swim_log2_fix(confirmed + 1) / swim_log2_fix(k + 1);
}

/* Full exchanges get rarer as the pool grows: 30 s up to 32 members, then one more factor for each
 * doubling begun. */
uint64_t swim_sync_time(uint32_t interval, unsigned n)
{
	unsigned factor = 1;

	for (uint64_t p = 32; p < n; p *= 2)
		factor++;
	return (uint64_t)interval * factor;
}
