/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a node says of itself: when, how often, under which epoch. */
#include "test_table.h"

static void silent(struct tnet *net, unsigned n)
{
	begin(net, n);
	net->no_gossip = net->no_hash = net->no_sync = true;
	tnet_run(net, 6000);
	net->on_send = keep;
}

static void put_load(struct tnet *net, uint32_t live)
{
	struct tbl_record r = tnet_endpoint(1, 1, 1);

	r.endpoint.live = live;
	tnet_put(net, 0, r);
	tnet_run(net, 100);
}

Test(table_own, many_changes_are_one_delta)
{
	_cleanup_net_ struct tnet net;
	uint64_t ver;

	silent(&net, 2);
	ver = owner(&net, 0, 0).ver;
	for (uint32_t i = 0; i < 10; i++)
		tnet_put(&net, 0, tnet_endpoint(i, 1, i));
	net.now += 15;
	tbl_tick(net.node[0].t, net.now);
	cr_expect_eq(kept.count, 0, "it waits for more");
	tnet_run(&net, 60);
	cr_expect_eq(kept.count, 1);
	tnet_run(&net, 10000);
	cr_expect_eq(kept.count, 1);
	cr_expect_eq(owner(&net, 0, 0).ver, ver + 10);
	tnet_put(&net, 0, tnet_endpoint(3, 1, 3));
	tnet_run(&net, 100);
	cr_expect_eq(kept.count, 1, "nothing changed");
	cr_expect_eq(tbl_del(net.node[0].t, TBL_ENDPOINT, 99, net.now), -ENOENT);
	kept_clear();
}

static unsigned queued(const struct tnet *net, unsigned i)
{
	unsigned n = 0;

	for (const struct tnet_queued *q = net->node[i].queue; q; q = q->next)
		n++;
	return n;
}

/* What replaces a delta in the queue has all that was in it. */
Test(table_own, a_delta_covers_the_one_before)
{
	_cleanup_net_ struct tnet net;
	unsigned before;

	silent(&net, 2);
	before = queued(&net, 0);
	for (uint32_t i = 1; i <= 5; i++) {
		tnet_put(&net, 0, tnet_endpoint(i, 1, i));
		tbl_flush(net.node[0].t, TBL_OWN, net.now);
		tnet_run(&net, 200);
	}
	cr_assert_eq(kept.count, 5);
	cr_expect_eq(queued(&net, 0), before + 1);
	cr_expect_eq(delta_in(&net, 1, kept.p[4], kept.n[4]), 1);
	cr_expect_eq(tnet_seen(&net, 1, 0), 7);
	cr_expect(!owner(&net, 1, 0).behind);
	tnet_run(&net, 5000);
	tnet_put(&net, 0, tnet_endpoint(6, 1, 6));
	tbl_flush(net.node[0].t, TBL_OWN, net.now);
	cr_expect_eq(queued(&net, 0), before + 2, "it does not cover: both are sent");
	cr_expect_lt(kept.n[5], kept.n[4]);
	kept_clear();
}

Test(table_own, now_means_now)
{
	_cleanup_net_ struct tnet net;

	silent(&net, 3);
	tnet_put(&net, 0, tnet_endpoint(1, 1, 1));
	tbl_flush(net.node[0].t, TBL_OWN_NOW, net.now);
	tnet_run(&net, 60);
	cr_expect_eq(tnet_seen(&net, 1, 0), 3);
	cr_expect_eq(tnet_seen(&net, 2, 0), 3);
	kept_clear();
}

Test(table_own, load_does_not_flood)
{
	_cleanup_net_ struct tnet net;

	silent(&net, 2);
	put_load(&net, 100);
	cr_assert_eq(kept.count, 1);
	for (uint32_t live = 76; live <= 125; live++)
		put_load(&net, live);
	tnet_run(&net, 20000);
	cr_expect_eq(kept.count, 1, "by up to a quarter: not worth telling");
	put_load(&net, 126);
	cr_expect_eq(kept.count, 2);
	for (uint32_t i = 0; i < 45; i++)
		put_load(&net, 200 + 100 * (i % 7)); /* 4.5 s */
	cr_expect_eq(kept.count, 2, "not more often than every 5 s");
	tnet_run(&net, 2000);
	cr_expect_eq(kept.count, 3, "but then the last one");
	delta_in(&net, 1, kept.p[2], kept.n[2]);
	cr_expect_eq(tnet_see(&net, 1, 0, TBL_ENDPOINT, 1)->endpoint.live, 200 + 100 * (44 % 7));
	tnet_run(&net, 6000);
	put_load(&net, 9000);
	cr_expect_eq(kept.count, 4);
	put_load(&net, 1);
	put_load(&net, 9001);
	tnet_run(&net, 20000);
	cr_expect_eq(kept.count, 4, "it came back meanwhile");
	cr_expect_gt(stats(&net, 0).loads_spared, 90);
	kept_clear();
}

Test(table_own, another_change_takes_the_load_along)
{
	_cleanup_net_ struct tnet net;
	struct tbl_record r = tnet_endpoint(1, 1, 1);

	silent(&net, 2);
	put_load(&net, 100);
	r.endpoint.live = 101;
	r.endpoint.state = PB_EP_DRAIN;
	tnet_put(&net, 0, r);
	tnet_run(&net, 60);
	cr_expect_eq(kept.count, 2);
	delta_in(&net, 1, kept.p[1], kept.n[1]);
	cr_expect_eq(tnet_see(&net, 1, 0, TBL_ENDPOINT, 1)->endpoint.live, 101);
	kept_clear();
}

Test(table_own, a_full_queue_is_tried_again)
{
	_cleanup_net_ struct tnet net;

	silent(&net, 2);
	net.full = true;
	tnet_put(&net, 0, tnet_endpoint(1, 1, 1));
	tnet_run(&net, 1000);
	cr_expect_eq(kept.count, 0);
	cr_expect_geq(stats(&net, 0).send_refused, 3);
	cr_expect_leq(stats(&net, 0).send_refused, 8);
	net.full = false;
	tnet_run(&net, 300);
	cr_expect_eq(kept.count, 1);
	kept_clear();
}

/* 4,000 records at once are no matter for packets. */
Test(table_own, too_much_is_pulled)
{
	_cleanup_net_ struct tnet net;

	begin(&net, 3);
	net.on_send = keep;
	for (uint32_t i = 0; i < 4000; i++)
		tnet_put(&net, 0, tnet_endpoint(i, 1, i));
	cr_assert(tnet_settle(&net, 30000));
	cr_expect_leq(kept.count, 33);
	cr_expect_eq(tnet_seen(&net, 2, 0), 4002);
	kept_clear();
}

/* ---- epochs ----------------------------------------------------------------------------------- */

Test(table_own, epochs_only_grow)
{
	cr_expect_eq(tbl_epoch(0, 5000), 5000);
	cr_expect_eq(tbl_epoch(4000, 5000), 5000);
	cr_expect_eq(tbl_epoch(5000, 5000), 5001);
	cr_expect_eq(tbl_epoch(9000, 5000), 9001, "the clock was set back");
}

Test(table_own, an_epoch_beyond_the_time_is_refused)
{
	_cleanup_net_ struct tnet net;
	struct tbl_record node = tnet_node_rec(1);
	const uint64_t limit = TNET_UNIX + 48 * 3600000ULL;
	uint8_t buf[TBL_RECORD_MAX];
	struct wire_item it;

	silent(&net, 2);
	it = item(&node, 1, buf);
	cr_expect_eq(forge(&net, 0, tnet_id(1), limit + net.now + 100000, 0, 1, &it, 1), -ERANGE);
	cr_expect_eq(stats(&net, 0).future, 1);
	cr_expect_eq(tnet_seen(&net, 0, 1), 2);
	cr_expect_eq(forge(&net, 0, tnet_id(0), limit + net.now + 100000, 0, 1, &it, 1), -ERANGE,
		     "nor of our own");
	cr_expect_eq(forge(&net, 0, tnet_id(1), limit + net.now - 100000, 0, 1, &it, 1), 1);
}

/* A clone, or our own past after the disk was set back. */
Test(table_own, what_others_say_in_our_name_is_overtaken)
{
	_cleanup_net_ struct tnet net;
	struct tbl_record ghost = tnet_endpoint(66, 1, 1), node = tnet_node_rec(0);
	uint8_t buf[2][TBL_RECORD_MAX];
	struct wire_item it[2];
	uint64_t epoch;

	begin(&net, 3);
	epoch = owner(&net, 0, 0).epoch;
	it[0] = item(&node, 1, buf[0]);
	it[1] = item(&ghost, 2, buf[1]);
	cr_assert_eq(forge(&net, 1, tnet_id(0), epoch + 1000, 0, 2, it, 2), 1);
	tnet_run(&net, 20000);
	cr_assert(tnet_settle(&net, 20000));
	cr_expect_eq(owner(&net, 0, 0).epoch, net.node[0].epoch, "kept on disk");
	cr_expect_gt(net.node[0].epoch, epoch + 1000);
	cr_expect_null(tnet_see(&net, 1, 0, TBL_ENDPOINT, 66));
	cr_expect_null(tnet_see(&net, 2, 0, TBL_ENDPOINT, 66));
	cr_expect_eq(tnet_seen(&net, 2, 0), 2);
	cr_expect_geq(net.node[0].notes[TBL_N_CLONE], 1);
	check_same(&net);
}

Test(table_own, clones_do_not_fight_at_full_speed)
{
	_cleanup_net_ struct tnet net;
	struct tbl_record node = tnet_node_rec(0);
	uint8_t buf[TBL_RECORD_MAX];
	struct wire_item it;
	uint64_t last;
	unsigned raised = 0;

	silent(&net, 2);
	it = item(&node, 1, buf);
	last = net.node[0].epoch;
	for (unsigned s = 0; s < 300; s++) {
		forge(&net, 0, tnet_id(0), net.node[0].epoch + 1, 0, 1, &it, 1);
		tnet_run(&net, 1000);
		raised += net.node[0].epoch != last;
		last = net.node[0].epoch;
	}
	cr_expect_geq(raised, 3);
	cr_expect_leq(raised, 10);
	kept_clear();
}
