/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the cache keeps while it looks at one packet: a part of struct pb_mc_job. */
#ifndef PB_MC_SEEK_BPF_H
#define PB_MC_SEEK_BPF_H

#include <patchbay/mc_switch.h>

#define PB_MC_KEY_WORDS 32u /* PB_MC_KEY_MAX bytes fit, and a read behind the last one */
#define PB_MC_TEXT_SIZE 288u

struct pb_mc_seek {
	__u64 key[PB_MC_KEY_WORDS]; /* the bytes of the key, zeros behind it in the last word */
	__u32 key_len;
	__u32 at;
	__u32 unit;
	__u32 pad;
	__u64 sum;
	__u8 text[PB_MC_TEXT_SIZE]; /* of a fetch */
	struct pb_mc_top top;
};

#endif /* PB_MC_SEEK_BPF_H */
