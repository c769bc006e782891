/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How often a key was asked for lately: a count-min sketch of four rows, a CPU's own.  A cell bears
 * the second of its last count, and is halved for each that has gone by since when it is looked at;
 * so the table ages without being swept.
 */
#ifndef PB_MC_SKETCH_BPF_H
#define PB_MC_SKETCH_BPF_H

#include "mc_maps.bpf.h"

#define PB_MC_SKETCH_SECOND 30 /* a shift of ns: 1.07 s */
#define PB_MC_SKETCH_MOST 0xffffu

/* A value of a per-CPU map has at most 32 kB: a row each. */
struct pb_mc_row {
	__u32 cell[PB_MC_SKETCH_COLS]; /* second << 16 | count */
};

PB_MC_MAP(pb_mc_sketch, BPF_MAP_TYPE_PERCPU_ARRAY, PB_MC_SKETCH_ROWS, __u32, struct pb_mc_row, 0);

static __always_inline __u32 mc_sketch_aged(__u32 cell, __u32 second)
{
	__u32 age = (second - (cell >> 16)) & 0xffff;

	return age < 16 ? (cell & PB_MC_SKETCH_MOST) >> age : 0;
}

/* Counts @add more; how many there are, or a few others' beside them. */
pb_mc_fn __u32 mc_sketch(__u64 digest, __u64 now, __u32 add)
{
	__u32 second = now >> PB_MC_SKETCH_SECOND & 0xffff, least = PB_MC_SKETCH_MOST;

	for (__u32 i = 0; i < PB_MC_SKETCH_ROWS; i++) {
		__u32 at = i, col = digest >> (12 * i) & (PB_MC_SKETCH_COLS - 1), n;
		struct pb_mc_row *row = bpf_map_lookup_elem(&pb_mc_sketch, &at);

		if (!row)
			return 0;
		n = mc_sketch_aged(row->cell[col], second) + add;
		if (n > PB_MC_SKETCH_MOST)
			n = PB_MC_SKETCH_MOST;
		if (add)
			row->cell[col] = second << 16 | n;
		if (n < least)
			least = n;
	}
	return least;
}

/* True for one call in 2^@shift.  Steps of the golden section: whatever rhythm the traffic has, each of
 * its beats is met as often as the others. */
static __always_inline int mc_sampled(struct pb_mc_job *job, __u32 shift)
{
	__u32 dice = job->dice + 0x9e3779b1u;

	job->dice = dice;
	return !shift || !(dice >> (32 - (shift & 31)));
}

#define PB_MC_NOISE_SHIFT 3 /* one miss in 8 looks, and counts for an eighth */

/*
 * What must be taken off a count: so often a key seems to be asked for that nobody asks for, when
 * the table is full of others.  Looked up for keys that are none, averaged, and halved each second as
 * the table itself.  A quarter more and 8: one key in thousands has as much by chance.
 */
static __always_inline __u32 mc_sketch_noise(struct pb_mc_job *job)
{
	__u32 second = job->now >> PB_MC_SKETCH_SECOND, age = second - job->noise_second, n;

	n = age < 16 ? job->noise >> age : 0;
	if (mc_sampled(job, PB_MC_NOISE_SHIFT))
		n += mc_sketch(job->digest ^ job->now * 0x9e3779b97f4a7c15ULL, job->now, 0) -
		     (n >> PB_MC_NOISE_SHIFT);
	job->noise = n;
	job->noise_second = second;
	n >>= PB_MC_NOISE_SHIFT;
	return n + n / 4 + (n < 4 ? 2 * n : 8);
}

#endif /* PB_MC_SKETCH_BPF_H */
