/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "ratelimit.h"

#include <string.h>

void pb_ratelimit_init(struct pb_ratelimit *rl, unsigned per_second, unsigned burst)
{
	memset(rl, 0, sizeof(*rl));
	rl->period_ns = 1000000000ULL / per_second;
	rl->burst = burst;
}

static struct pb_rate_bucket *bucket_of(struct pb_ratelimit *rl, uid_t uid, uint64_t now_ns)
{
	struct pb_rate_bucket *b = &rl->bucket[0];

	for (unsigned i = 0; i < PB_RATE_UIDS; i++) {
		struct pb_rate_bucket *t = &rl->bucket[i];

		if (t->used && t->uid == uid)
			return t;
		if (b->used && (!t->used || t->last_ns < b->last_ns))
			b = t;
	}
	*b = (struct pb_rate_bucket){
		.uid = uid, .used = true, .last_ns = now_ns, .credit_ns = rl->burst * rl->period_ns
	};
	return b;
}

bool pb_ratelimit_take(struct pb_ratelimit *rl, uid_t uid, uint64_t now_ns)
{
	struct pb_rate_bucket *b = bucket_of(rl, uid, now_ns);
	uint64_t full = rl->burst * rl->period_ns;
	uint64_t earned = now_ns > b->last_ns ? now_ns - b->last_ns : 0;

	b->credit_ns = earned >= full - b->credit_ns ? full : b->credit_ns + earned;
	b->last_ns = now_ns;
	if (b->credit_ns < rl->period_ns)
		return false;
	b->credit_ns -= rl->period_ns;
	return true;
}
