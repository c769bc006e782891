/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What was lost is found: gaps, hashes, digests, snapshots. */
#include "test_table.h"

static void quiet(struct tnet *net)
{
	net->no_gossip = net->no_hash = net->no_sync = true;
	tnet_run(net, 3000);
}

Test(table_sync, a_gap_is_pulled_without_any_hash)
{
	_cleanup_net_ struct tnet net;

	begin(&net, 3);
	quiet(&net);
	net.tune = NULL;
	net.on_send = keep;
	tnet_put(&net, 0, tnet_endpoint(1, 1, 1));
	tbl_flush(net.node[0].t, TBL_OWN, net.now);
	net.now += 5000; /* so that the next delta does not repeat it */
	tnet_put(&net, 0, tnet_endpoint(2, 1, 2));
	tbl_flush(net.node[0].t, TBL_OWN, net.now);
	cr_assert_eq(kept.count, 2);
	cr_assert_eq(delta_in(&net, 1, kept.p[1], kept.n[1]), 1);
	cr_expect(owner(&net, 1, 0).behind);
	cr_expect_null(tnet_see(&net, 1, 0, TBL_ENDPOINT, 1));
	cr_expect_not_null(tnet_see(&net, 1, 0, TBL_ENDPOINT, 2), "what came is used at once");
	tnet_run(&net, 5000);
	cr_expect(!owner(&net, 1, 0).behind);
	cr_expect_not_null(tnet_see(&net, 1, 0, TBL_ENDPOINT, 1));
	cr_expect_null(tnet_see(&net, 2, 0, TBL_ENDPOINT, 1), "nobody told it anything");
	kept_clear();
}

Test(table_sync, reordered_deltas_need_no_pull)
{
	_cleanup_net_ struct tnet net;

	begin(&net, 2);
	quiet(&net);
	net.on_send = keep;
	for (uint32_t i = 1; i <= 3; i++) {
		net.now += 5000;
		tnet_put(&net, 0, tnet_endpoint(i, 1, i));
		tbl_flush(net.node[0].t, TBL_OWN, net.now);
	}
	net.node[1].asked = 0;
	delta_in(&net, 1, kept.p[2], kept.n[2]);
	delta_in(&net, 1, kept.p[1], kept.n[1]);
	delta_in(&net, 1, kept.p[0], kept.n[0]);
	cr_expect(!owner(&net, 1, 0).behind);
	tnet_run(&net, 3000);
	cr_expect_eq(net.node[1].asked, 0);
	check_same(&net);
	kept_clear();
}

/* Else two that stand before a gap pass them on to each other for ever. */
Test(table_sync, what_is_above_a_gap_is_news_once)
{
	_cleanup_net_ struct tnet net;

	begin(&net, 2);
	quiet(&net);
	net.on_send = keep;
	for (uint32_t i = 0; i < 5; i++) {
		net.now += 5000;
		tnet_put(&net, 0, tnet_endpoint(i, 1, i));
		tbl_flush(net.node[0].t, TBL_OWN, net.now);
	}
	cr_expect_eq(delta_in(&net, 1, kept.p[4], kept.n[4]), 1);
	cr_expect_eq(delta_in(&net, 1, kept.p[2], kept.n[2]), 1);
	net.node[1].sent = 0;
	for (unsigned i = 0; i < 5; i++) {
		cr_expect_eq(delta_in(&net, 1, kept.p[4], kept.n[4]), 0);
		cr_expect_eq(delta_in(&net, 1, kept.p[2], kept.n[2]), 0);
	}
	cr_expect_eq(net.node[1].sent, 0);
	kept_clear();
}

/* Nothing tells of the last delta but the hash in an ack. */
Test(table_sync, a_lost_delta_is_found_by_the_hash)
{
	_cleanup_net_ struct tnet net;

	begin(&net, 4);
	net.no_gossip = net.no_sync = true;
	tnet_put(&net, 2, tnet_endpoint(1, 1, 1));
	tbl_flush(net.node[2].t, TBL_OWN, net.now);
	tnet_run(&net, 100);
	cr_assert_null(tnet_see(&net, 0, 2, TBL_ENDPOINT, 1));
	cr_assert(tnet_settle(&net, 30000));
	check_same(&net);
	net.no_hash = true;
	tnet_put(&net, 2, tnet_endpoint(2, 1, 1));
	cr_expect(!tnet_settle(&net, 10000), "else the test shows nothing");
}

static void buckets(struct tbl_conf *conf)
{
	conf->bucket_owners = 2;
}

Test(table_sync, the_same_by_buckets)
{
	_cleanup_net_ struct tnet net;

	tnet_init(&net, 6, 5);
	net.tune = buckets;
	for (unsigned i = 0; i < 6; i++) {
		tnet_start(&net, i);
		tnet_put(&net, i, tnet_node_rec(i));
	}
	net.no_gossip = net.no_sync = true;
	tbl_flush(net.node[2].t, TBL_OWN, net.now);
	cr_assert(tnet_settle(&net, 60000));
	check_same(&net);
}

Test(table_sync, a_push_pull_brings_a_newcomer_everything)
{
	_cleanup_net_ struct tnet net;

	begin(&net, 4);
	net.no_gossip = net.no_hash = true;
	tnet_crash(&net, 3);
	tnet_run(&net, 1000);
	tnet_start(&net, 3);
	tnet_put(&net, 3, tnet_node_rec(3));
	cr_assert(tnet_settle(&net, 300000));
	cr_expect_eq(tnet_seen(&net, 3, 0), 2);
	cr_expect_eq(tnet_seen(&net, 3, 2), 2);
	check_same(&net);
}

static void forgetful(struct tbl_conf *conf)
{
	conf->deletes = 4;
}

Test(table_sync, behind_the_floor_a_snapshot_deletes)
{
	_cleanup_net_ struct tnet net;

	tnet_init(&net, 2, 1);
	net.tune = forgetful;
	for (unsigned i = 0; i < 2; i++) {
		tnet_start(&net, i);
		tnet_put(&net, i, tnet_node_rec(i));
		tnet_put(&net, i, tnet_app(i, 1, 3));
	}
	for (uint32_t i = 0; i < 40; i++)
		tnet_put(&net, 0, tnet_endpoint(i, 1, i));
	cr_assert(tnet_settle(&net, 20000));
	cr_assert_eq(tnet_seen(&net, 1, 0), 42);
	tnet_group(&net, 1, 1);
	for (uint32_t i = 0; i < 39; i++)
		tnet_del(&net, 0, TBL_ENDPOINT, i);
	tnet_run(&net, 10000);
	tnet_group(&net, 1, 0);
	cr_assert_eq(stats(&net, 1).snapshots_in, 0);
	cr_assert(tnet_settle(&net, 30000));
	cr_expect_gt(stats(&net, 1).snapshots_in, 0);
	cr_expect_eq(tnet_seen(&net, 1, 0), 3);
	check_same(&net);
}

static void small_answers(struct tbl_conf *conf)
{
	conf->records_owner = 500;
	conf->bytes_owner = 16000;
	conf->answer_max = 40096;
}

/* What does not fit one answer comes with the next ones. */
Test(table_sync, many_answers)
{
	_cleanup_net_ struct tnet net;

	tnet_init(&net, 7, 1);
	net.tune = small_answers;
	for (unsigned i = 0; i < 6; i++) {
		tnet_start(&net, i);
		tnet_put(&net, i, tnet_node_rec(i));
		tnet_put(&net, i, tnet_app(i, 1, 3));
		for (uint32_t e = 0; e < 400; e++)
			tnet_put(&net, i, tnet_endpoint(e, 1, e));
	}
	cr_assert(tnet_settle(&net, 60000));
	net.no_gossip = net.no_sync = true;
	tnet_start(&net, 6);
	tnet_put(&net, 6, tnet_node_rec(6));
	net.node[6].asked = 0;
	cr_assert(tnet_settle(&net, 120000));
	cr_expect_geq(net.node[6].asked, 2);
	check_same(&net);
}

static void seldom(struct tbl_conf *conf)
{
	conf->peer_ms = 4000;
}

Test(table_sync, one_pull_at_a_time_and_a_peer_seldom)
{
	_cleanup_net_ struct tnet net;
	struct tbl_id id = tnet_id(1);
	uint8_t other[TBL_HASH_LEN] = { 1 };

	tnet_init(&net, 2, 1);
	net.tune = seldom;
	for (unsigned i = 0; i < 2; i++) {
		tnet_start(&net, i);
		tnet_put(&net, i, tnet_node_rec(i));
	}
	cr_assert(tnet_settle(&net, 20000));
	quiet(&net);
	net.node[0].asked = 0;
	for (unsigned ms = 0; ms < 10000; ms += 20) {
		tnet_run(&net, 20);
		tbl_hash_seen(net.node[0].t, &id, other, sizeof(other), net.now);
	}
	cr_expect_geq(net.node[0].asked, 2);
	cr_expect_leq(net.node[0].asked, 3);
}

Test(table_sync, who_asks_too_often_is_refused)
{
	_cleanup_net_ struct tnet net;
	struct tbl_id id = tnet_id(1);
	uint8_t digest[4096], *out;
	size_t n, out_n;
	unsigned refused = 0;

	begin(&net, 2);
	n = tbl_digest_out(net.node[1].t, digest, sizeof(digest));
	cr_assert_gt(n, 0);
	for (unsigned i = 0; i < 100; i++) {
		int err = tbl_request_in(net.node[0].t, &id, digest, n, &out, &out_n, net.now);

		refused += err == -EAGAIN;
		free(out);
	}
	cr_expect_gt(refused, 90);
	cr_expect_eq(stats(&net, 0).asked_often, refused);
	cr_expect_eq(tbl_digest_out(net.node[1].t, digest, 10), 0);
}

Test(table_sync, duplicates_are_told_to_the_queue)
{
	_cleanup_net_ struct tnet net;

	begin(&net, 2);
	quiet(&net);
	net.on_send = keep;
	tnet_put(&net, 0, tnet_endpoint(1, 1, 1));
	tbl_flush(net.node[0].t, TBL_OWN, net.now);
	net.node[1].heard = net.node[1].sent = 0;
	cr_expect_eq(delta_in(&net, 1, kept.p[0], kept.n[0]), 1);
	cr_expect_eq(net.node[1].sent, 1, "relayed");
	cr_expect_eq(delta_in(&net, 1, kept.p[0], kept.n[0]), 0);
	cr_expect(net.node[1].sent == 1 && net.node[1].heard == 1, "once");
	kept_clear();
}
