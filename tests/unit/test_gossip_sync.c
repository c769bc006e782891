/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The body of a push/pull as a whole; its parts are in test_gossip_message.c. */
#include "test_gossip.h"

static struct blob make_sync(uint32_t nodes, uint32_t announced, const char *user)
{
	struct gsp_sync_header h = { announced, (uint32_t)strlen(user), true };
	struct blob b = { malloc(64 + nodes * 128 + strlen(user)), 0 };
	char name[16];
	int n;

	n = gsp_sync_header_encode(&h, b.p, 64);
	cr_assert_gt(n, 0);
	b.n = (size_t)n;
	for (uint32_t i = 0; i < nodes; i++) {
		struct gsp_node_state node = { .addr = { .ip = { 10, 0, 0, 7 }, .len = 4 },
					       .port = 7946,
					       .incarnation = i };

		sprintf(name, "node-%u", i);
		node.name = GSP_TEXT(name);
		n = gsp_node_state_encode(&node, b.p + b.n, 128);
		cr_assert_gt(n, 0);
		b.n += (size_t)n;
	}
	memcpy(b.p + b.n, user, strlen(user));
	b.n += strlen(user);
	b.p = realloc(b.p, b.n);
	return b;
}

Test(gossip_sync, sync_of_many)
{
	_cleanup_blob_ struct blob b = make_sync(100, 100, "user state");
	struct gsp_node_state node;
	struct gsp_bytes rest;
	struct gsp_sync sync;
	uint32_t n = 0;

	cr_assert_eq(gsp_sync_decode(&sync, b.p, b.n), (int)b.n);
	cr_expect(sync.header.nodes == 100 && sync.header.join);
	cr_expect(gsp_bytes_eq(sync.user, GSP_TEXT("user state")));
	for (rest = sync.nodes; gsp_sync_next(&rest, &node); n++)
		cr_expect_eq(node.incarnation, n);
	cr_expect_eq(n, 100);
	for (size_t len = 0; len < b.n; len++) {
		_cleanup_blob_ struct blob cut = blob_copy(b.p, len);

		cr_assert_eq(gsp_sync_decode(&sync, cut.p, len), -ENODATA, "cut at %zu", len);
	}
}

Test(gossip_sync, sync_announcing_more_than_it_has)
{
	_cleanup_blob_ struct blob b = make_sync(3, GSP_STREAM_MAX / 8, "");
	_cleanup_blob_ struct blob less = make_sync(3, 2, "u");
	struct gsp_sync sync;

	cr_expect_eq(gsp_sync_decode(&sync, b.p, b.n), -ENODATA);
	cr_assert_gt(gsp_sync_decode(&sync, less.p, less.n), 0);
	cr_expect(!gsp_bytes_eq(sync.user, GSP_TEXT("u")), "it takes the announced ones");
}

/* One in a foreign pool must not cost us the others. */
Test(gossip_sync, bad_nodes_are_passed_over)
{
	_cleanup_blob_ struct blob b = make_sync(5, 5, "user");
	struct gsp_node_state node;
	struct gsp_bytes rest;
	struct gsp_sync sync;
	uint32_t n = 0;

	for (size_t i = 40; i + 6 < b.n; i++) /* the states of all but the second */
		if (!memcmp(b.p + i, "\xa5State", 6) && n++ != 1)
			b.p[i + 6] = 9;
	cr_assert_eq(n, 5);
	cr_assert_eq(gsp_sync_decode(&sync, b.p, b.n), (int)b.n);
	cr_expect(gsp_bytes_eq(sync.user, GSP_TEXT("user")));
	rest = sync.nodes;
	cr_assert(gsp_sync_next(&rest, &node));
	cr_expect(gsp_bytes_eq(node.name, GSP_TEXT("node-1")));
	cr_expect(!gsp_sync_next(&rest, &node));
}

Test(gossip_sync, nodes_that_are_no_msgpack)
{
	_cleanup_blob_ struct blob b = make_sync(3, 3, "");
	struct gsp_sync sync;

	b.p[b.n - 20] = 0xc1; /* within a key */
	cr_expect_gt(gsp_sync_decode(&sync, b.p, b.n), 0);
	for (size_t i = b.n - 30; i < b.n; i++)
		b.p[i] = 0xc1;
	cr_expect_lt(gsp_sync_decode(&sync, b.p, b.n), 0);
}
