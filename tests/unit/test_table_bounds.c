/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every bound refuses, counts, and costs nobody else anything. */
#include "test_table.h"

#define X 9

static void few(struct tbl_conf *conf)
{
	conf->records_owner = 10;
	conf->bytes_owner = 1900;
	conf->records_max = 24;
	conf->owners_max = 6;
	conf->parked_bytes = 300;
}

static void small(struct tnet *net, unsigned n)
{
	tnet_init(net, n, 1);
	net->tune = few;
	for (unsigned i = 0; i < n; i++) {
		tnet_start(net, i);
		tnet_put(net, i, tnet_node_rec(i));
		tnet_put(net, i, tnet_app(i, 1, 3));
	}
	cr_assert(tnet_settle(net, 20000));
}

/* Endpoints from..to of X. */
static int endpoints(struct tnet *net, unsigned x, unsigned from, unsigned to)
{
	static uint8_t buf[64][TBL_RECORD_MAX];
	struct wire_item it[64];

	for (unsigned i = from; i <= to; i++) {
		struct tbl_record r = tnet_endpoint(i, 1, i);

		it[i - from] = item(&r, i, buf[i - from]);
	}
	return forge(net, 0, tnet_id(x), TNET_UNIX, from - 1, to, it, to - from + 1);
}

Test(table_bounds, records_of_an_owner)
{
	_cleanup_net_ struct tnet net;
	struct tbl_record r = tnet_endpoint(99, 1, 1);

	small(&net, 2);
	for (uint32_t i = 0; i < 8; i++)
		tnet_put(&net, 0, tnet_endpoint(i, 1, i));
	cr_expect_eq(tbl_put(net.node[0].t, &r, net.now), -ENOSPC, "own ones");
	cr_expect_eq(stats(&net, 0).full_owner, 1);
	cr_expect_eq(net.node[0].notes[TBL_N_FULL], 1);
	cr_assert(tnet_settle(&net, 20000));
	cr_expect_eq(tnet_seen(&net, 1, 0), 10);

	member(&net, 0, X, TBL_ALIVE);
	member(&net, 1, X, TBL_ALIVE);
	net.no_gossip = true;
	cr_expect_eq(endpoints(&net, X, 1, 12), 1);
	cr_expect_eq(owner(&net, 0, X).records, 10);
	cr_expect_eq(owner(&net, 0, X).ver, 12);
	cr_expect_not_null(owner(&net, 0, X).why);
	cr_expect_eq(stats(&net, 0).full_owner, 3);
	tnet_run(&net, 10000);
	cr_expect_eq(owner(&net, 1, X).epoch, 0, "what is not whole is not passed on");
	cr_expect_eq(tnet_seen(&net, 0, 1), 2, "others do not notice");
}

Test(table_bounds, bytes_of_an_owner)
{
	_cleanup_net_ struct tnet net;
	struct tbl_record r;

	small(&net, 1);
	for (uint32_t i = 2; i <= 5; i++) {
		r = tnet_app(0, i, 3);
		r.app.tags.n = PB_TAGS_MAX;
		for (unsigned k = 0; k < PB_TAGS_MAX; k++)
			snprintf(r.app.tags.tag[k], PB_TAG_LEN, "grp=%023u", k);
		cr_assert_eq(tbl_put(net.node[0].t, &r, net.now), i < 5 ? 0 : -ENOSPC, "%u: %lu", i,
			     (unsigned long)stats(&net, 0).bytes);
	}
	cr_expect_leq(stats(&net, 0).bytes, 1900);
}

Test(table_bounds, records_of_all)
{
	_cleanup_net_ struct tnet net;

	small(&net, 1);
	for (unsigned x = X; x < X + 3; x++) {
		member(&net, 0, x, TBL_ALIVE);
		endpoints(&net, x, 1, 10);
	}
	cr_expect_eq(stats(&net, 0).records, 24);
	cr_expect_eq(stats(&net, 0).full_table, 8);
	cr_expect_null(owner(&net, 0, X).why);
	cr_expect_not_null(owner(&net, 0, X + 2).why);
}

Test(table_bounds, owners)
{
	_cleanup_net_ struct tnet net;
	struct tbl_id id = tnet_id(30);

	small(&net, 1);
	for (unsigned x = X; x < X + 5; x++)
		member(&net, 0, x, TBL_ALIVE);
	cr_expect_eq(tbl_member(net.node[0].t, &id, NULL, TBL_ALIVE, net.now), -ENOSPC);
	cr_expect_eq(stats(&net, 0).full_owners, 1);
	cr_expect_eq(endpoints(&net, 31, 1, 1), -ENOSPC);
}

Test(table_bounds, strangers_make_room_for_members)
{
	_cleanup_net_ struct tnet net;

	small(&net, 1);
	for (unsigned x = X; x < X + 5; x++)
		cr_assert_eq(endpoints(&net, x, 1, 1), 1);
	member(&net, 0, 40, TBL_ALIVE);
	cr_expect_eq(owner(&net, 0, X).epoch, 0, "the oldest");
	cr_expect_eq(owner(&net, 0, X + 1).epoch, TNET_UNIX);
	cr_expect_eq(stats(&net, 0).full_parked, 1);
}

Test(table_bounds, bytes_of_strangers)
{
	_cleanup_net_ struct tnet net;

	small(&net, 1);
	for (unsigned x = X; x < X + 4; x++)
		cr_assert_eq(endpoints(&net, x, 1, 5), 1);
	cr_expect_leq(stats(&net, 0).parked_now, 300);
	cr_expect_gt(stats(&net, 0).full_parked, 0);
	cr_expect_eq(owner(&net, 0, X).records, 0);
	cr_expect_eq(owner(&net, 0, X + 3).records, 5, "the newest stay");
}

Test(table_bounds, a_record_that_is_too_long)
{
	_cleanup_net_ struct tnet net;
	static uint8_t long_one[TBL_RECORD_MAX + 1];
	struct wire_item it = { TBL_APP, 1, 1, { long_one, sizeof(long_one) } };

	small(&net, 2);
	member(&net, 0, X, TBL_ALIVE);
	cr_expect_eq(forge(&net, 0, tnet_id(X), TNET_UNIX, 0, 1, &it, 1), 1);
	cr_expect_not_null(owner(&net, 0, X).why);
	cr_expect_eq(owner(&net, 0, X).records, 0);
	it = (struct wire_item){ 77, 1, 2, { long_one, TBL_RECORD_MAX } };
	cr_expect_eq(forge(&net, 0, tnet_id(X), TNET_UNIX + 1, 0, 2, &it, 1), 1);
	cr_expect_eq(owner(&net, 0, X).records, 1);
	cr_expect_null(owner(&net, 0, X).why);
}

Test(table_bounds, numbers_are_one_owners)
{
	_cleanup_net_ struct tnet net;
	struct tbl_id id = tnet_id(0), twin = id;

	small(&net, 2);
	twin.b[15] ^= 1;
	cr_expect_eq(tbl_member(net.node[1].t, &twin, NULL, TBL_ALIVE, net.now), -EEXIST);
	cr_expect_eq(forge(&net, 1, twin, TNET_UNIX + 99, 0, 0, NULL, 0), -EEXIST);
	cr_expect_eq(stats(&net, 1).clashed_number, 2);
	cr_expect_eq(tnet_seen(&net, 1, 0), 2);
	cr_expect_eq(tbl_member(net.node[0].t, &id, NULL, TBL_ALIVE, net.now), -EINVAL);
}

Test(table_bounds, versions_of_the_wire)
{
	_cleanup_net_ struct tnet net;

	small(&net, 2);
	net.no_gossip = net.no_hash = net.no_sync = true;
	tnet_run(&net, 3000);
	net.on_send = keep;
	tnet_put(&net, 0, tnet_endpoint(1, 1, 1));
	tbl_flush(net.node[0].t, TBL_OWN, net.now);
	kept.p[0][0] = 0x20;
	cr_expect_eq(delta_in(&net, 1, kept.p[0], kept.n[0]), -EPROTONOSUPPORT);
	cr_expect_eq(stats(&net, 1).incompatible, 1);
	kept.p[0][0] = 0x17;
	cr_expect_eq(delta_in(&net, 1, kept.p[0], kept.n[0]), 1, "one that only adds");
	for (size_t n = 0; n < kept.n[0]; n++)
		cr_expect_lt(delta_in(&net, 1, kept.p[0], n), 0, "cut at %zu", n);
	cr_expect_eq(stats(&net, 1).bad, kept.n[0]);
	kept_clear();
}
