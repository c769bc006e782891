/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What mc_parse.bpf.c is asked, and what it found. */
#ifndef PB_TEST_MC_JOB_H
#define PB_TEST_MC_JOB_H

#include <patchbay/mc_meta.h>
#include <patchbay/mc_proto.h>
#include <patchbay/mc_reply.h>

#define MC_JOB_BAD 100

/* In place of an Ethernet header. */
struct mc_job {
	__u16 len; /* of the message; the packet may be longer */
	__u16 at;
	__u16 proto;
	__u16 pad[4];
};

struct mc_result {
	struct pb_mc_work work; /* first: also the parsers' state */
	__u32 more;		/* hash over the further keys */
	__u32 key_len;		/* the decoded key */
};

_Static_assert(sizeof(struct mc_job) == 14, "an Ethernet header");

#endif /* PB_TEST_MC_JOB_H */
