/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What mc_cache.bpf.c is asked, and what it says. */
#ifndef PB_TEST_MC_ASK_H
#define PB_TEST_MC_ASK_H

#include <patchbay/mc_switch.h>

#define MC_ASK_BAD 100

enum mc_ask_what {
	MC_ASK_WRITTEN,
	MC_ASK_WRITE_ALL,
	MC_ASK_WRITTEN_ALL,
	MC_ASK_FLUSH_AT,
	MC_ASK_LIMIT,
	MC_ASK_SKETCH,
	MC_ASK_TOP,
	MC_ASK_B64,
	MC_ASK_BUILD, /* the fetch of the miss before */
};

struct mc_ask {
	__u64 now; /* 0: the kernel's */
	__u64 tag;
	__u64 when;
	__u32 service;
	__u32 len; /* of the message */
	__u32 key_off;
	__u32 key_len;
	__u32 what; /* MC_ASK_* */
	__u32 whole;
	__u32 bytes;
	__u32 pad;
	struct pb_addr addr;
	struct pb_mc_call call;
};

struct mc_said {
	__u32 hit;
	__u32 torn;
	__u32 want_fetch;
	__u32 filled; /* enum pb_mc_filled */
	__u32 value_len;
	__u32 value_sum;
	__u32 set;
	__u32 text_len;
	__u64 digest;
	struct pb_mc_token token;
	struct pb_mc_req req;
	/* sums of pb_mct_hammer() */
	__u64 gets;
	__u64 taken; /* whole values */
	__u64 tears; /* refused: rewritten meanwhile */
	__u64 mixed; /* words of another letter in a value that was taken */
	__u64 alien; /* values of another key */
	__u64 letter;
	__u8 data[PB_MC_VALUE_SIZE];
};

#endif /* PB_TEST_MC_ASK_H */
