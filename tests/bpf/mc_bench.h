/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef PB_TEST_MC_BENCH_H
#define PB_TEST_MC_BENCH_H

#include <linux/types.h>

#define MC_BENCH_FRAME 128 /* the template's room */
/* Ethernet, IPv4, UDP, frame header, "get " */
#define MC_BENCH_AT 54
#define MC_BENCH_DIGITS 8

/* What the generator sends: a get of "load-key-NNNNNNNN" or "load-cold-NNNNNNN". */
struct mc_bench_conf {
	__u8 frame[2][MC_BENCH_FRAME]; /* of a hot key, of a cold one */
	__u32 len[2];
	__u32 digits[2]; /* where the number stands */
	__u32 keys[2];
	__u32 cold; /* of 1,000 gets */
	__u32 pad;
};

enum mc_bench_count {
	MC_BENCH_SENT,
	MC_BENCH_BACK,
	MC_BENCH_BYTES,
	MC_BENCH_COLD,
	MC_BENCH_COUNTS
};

#endif /* PB_TEST_MC_BENCH_H */
