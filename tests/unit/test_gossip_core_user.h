/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A node that knows two others, with nothing queued, and user messages to it. */
#ifndef TEST_GOSSIP_CORE_USER_H
#define TEST_GOSSIP_CORE_USER_H

#include "test_gossip_core.h"

static void bring(void)
{
	struct swim_conf c = quiet();

	start(&c);
	alive(1, 10);
	alive(2, 10);
	while (t.s->q_member.n)
		swim_queue_evict(&t.s->q_member);
	forget();
}

static void user(const uint8_t *p, int n)
{
	uint8_t buf[4096] = { GSP_USER };

	cr_assert_gt(n, 0);
	memcpy(buf + 1, p, (size_t)n);
	hear(1, buf, n + 1);
}

#endif /* TEST_GOSSIP_CORE_USER_H */
