/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Push/pulls to hand to a node. */
#ifndef TEST_GOSSIP_CORE_SYNC_H
#define TEST_GOSSIP_CORE_SYNC_H

#include "test_gossip_core.h"

struct node {
	unsigned i;
	uint8_t state;
	uint32_t inc;
};

/* A push/pull message of such nodes; user may be empty. */
static size_t build(const struct node *node, size_t n, struct gsp_bytes user, uint8_t *buf,
		    size_t cap)
{
	struct gsp_sync_header h = { (uint32_t)n, user.n, true };
	int used = gsp_sync_header_encode(&h, buf, cap), k;

	cr_assert_gt(used, 0);
	for (size_t i = 0; i < n; i++) {
		struct gsp_node_state st = { .name = GSP_TEXT(name_of(node[i].i)),
					     .addr = at(node[i].i).ip,
					     .port = 7946,
					     .meta = GSP_TEXT(OURS),
					     .incarnation = node[i].inc,
					     .state = node[i].state,
					     .vsn = GSP_VSN_OURS };

		k = gsp_node_state_encode(&st, buf + used, cap - (size_t)used);
		cr_assert_gt(k, 0);
		used += k;
	}
	memcpy(buf + used, user.p, user.n);
	return (size_t)used + user.n;
}

__attribute__((unused)) static struct gsp_bytes state_of_serf(uint64_t ltime, bool ours)
{
	static uint8_t buf[256];
	struct gsp_serf_sync sync = { .ltime = ltime, .event_ltime = ltime, .query_ltime = ltime };
	int n;

	if (ours)
		sync.digest = GSP_TEXT("\x02n1digest");
	n = gsp_serf_sync_encode(&sync, buf, sizeof(buf));
	cr_assert_gt(n, 0);
	return (struct gsp_bytes){ buf, (uint32_t)n };
}

/* What a push/pull says of member i; -1: nothing. */
__attribute__((unused)) static int says(const uint8_t *p, size_t n, unsigned i, uint32_t *ret_inc)
{
	struct gsp_node_state st;
	struct gsp_sync sync;

	cr_assert_gt(gsp_sync_decode(&sync, p, n), 0);
	for (struct gsp_bytes rest = sync.nodes; gsp_sync_next(&rest, &st);) {
		if (gsp_bytes_eq(st.name, GSP_TEXT(name_of(i)))) {
			if (ret_inc)
				*ret_inc = st.incarnation;
			return st.state;
		}
	}
	return -1;
}

#endif /* TEST_GOSSIP_CORE_SYNC_H */
