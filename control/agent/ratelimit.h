/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A token bucket per uid.  Pure: the caller brings the clock. */
#ifndef PB_AGENT_RATELIMIT_H
#define PB_AGENT_RATELIMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PB_RATE_UIDS 256 /* the bucket used least recently makes room for a new uid */

struct pb_rate_bucket {
	uid_t uid;
	bool used;
	uint64_t last_ns;
	uint64_t credit_ns; /* one token = period_ns of it */
};

struct pb_ratelimit {
	uint64_t period_ns; /* time that earns one token */
	uint64_t burst;	    /* tokens a rested uid has */
	struct pb_rate_bucket bucket[PB_RATE_UIDS];
};

void pb_ratelimit_init(struct pb_ratelimit *rl, unsigned per_second, unsigned burst);
/* Takes one token of @uid; false: none left. */
bool pb_ratelimit_take(struct pb_ratelimit *rl, uid_t uid, uint64_t now_ns);

#endif /* PB_AGENT_RATELIMIT_H */
