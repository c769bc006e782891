/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who is alive, the dead and their notes, strangers, the freeze rule. */
#include "test_table.h"

#define X 9

static uint8_t buf[2][TBL_RECORD_MAX];

static int say(struct tnet *net, unsigned x, uint64_t epoch)
{
	struct tbl_record node = tnet_node_rec(x), app = tnet_app(x, 1, 3);
	struct wire_item it[] = { item(&node, 1, buf[0]), item(&app, 2, buf[1]) };

	return forge(net, 0, tnet_id(x), epoch, 0, 2, it, 2);
}

static void silent(struct tnet *net, unsigned n)
{
	begin(net, n);
	net->no_gossip = net->no_hash = net->no_sync = true;
}

Test(table_member, strangers_are_parked)
{
	_cleanup_net_ struct tnet net;

	silent(&net, 2);
	cr_expect_eq(say(&net, X, TNET_UNIX), 1);
	cr_expect_eq(tnet_seen(&net, 0, X), 0);
	cr_expect_eq(stats(&net, 0).parked, 2);
	cr_expect_gt(stats(&net, 0).parked_now, 0);
	member(&net, 0, X, TBL_ALIVE);
	cr_expect_eq(tnet_seen(&net, 0, X), 2);
	cr_expect_eq(stats(&net, 0).parked_now, 0);
	cr_assert_eq(say(&net, X + 1, TNET_UNIX), 1);
	tnet_run(&net, 605000);
	cr_expect_eq(owner(&net, 0, X + 1).epoch, 0, "nobody of that id ever came");
	cr_expect_eq(stats(&net, 0).parked_now, 0);
	cr_expect_eq(owner(&net, 0, X).epoch, TNET_UNIX);
}

Test(table_member, a_flap_costs_nothing)
{
	_cleanup_net_ struct tnet net;

	silent(&net, 4);
	net.node[0].asked = net.node[1].asked = 0;
	member(&net, 0, 1, TBL_SUSPECT);
	cr_expect_eq(tnet_seen(&net, 0, 1), 2);
	member(&net, 0, 1, TBL_DEAD);
	cr_expect_eq(tnet_seen(&net, 0, 1), 0);
	cr_expect_eq(tnet_seen(&net, 0, 2), 2);
	tnet_run(&net, 500000);
	member(&net, 0, 1, TBL_ALIVE);
	cr_expect_eq(tnet_seen(&net, 0, 1), 2);
	cr_expect_eq(net.node[0].asked + net.node[1].asked, 0);
	member(&net, 0, 1, TBL_LEFT);
	cr_expect_eq(tnet_seen(&net, 0, 1), 0);
}

Test(table_member, the_dead_leave_a_note)
{
	_cleanup_net_ struct tnet net;

	silent(&net, 4);
	member(&net, 0, X, TBL_ALIVE);
	cr_assert_eq(say(&net, X, TNET_UNIX), 1);
	cr_assert_eq(tnet_seen(&net, 0, X), 2);
	member(&net, 0, X, TBL_DEAD);
	tnet_run(&net, 602000);
	cr_expect_eq(owner(&net, 0, X).epoch, 0, "its records are dropped");
	cr_expect_eq(say(&net, X, TNET_UNIX), -ESTALE, "a copy somebody still had");
	cr_expect_eq(stats(&net, 0).stale, 1);
	cr_expect_eq(say(&net, X, TNET_UNIX + 7), 1, "news of another life");
	cr_expect_eq(tnet_seen(&net, 0, X), 0);
	member(&net, 0, X, TBL_ALIVE);
	cr_expect_eq(tnet_seen(&net, 0, X), 2);
	member(&net, 0, X, TBL_DEAD);
	tnet_run(&net, 602000);
	cr_assert_eq(say(&net, X, TNET_UNIX + 7), -ESTALE);
	member(&net, 0, X, TBL_ALIVE);
	cr_expect_eq(say(&net, X, TNET_UNIX + 7), 1, "the owner itself always wins");
	cr_expect_eq(tnet_seen(&net, 0, X), 2);
}

static void hurry(struct tbl_conf *conf)
{
	conf->keep_ms = 2000;
	conf->note_ms = 20000;
}

Test(table_member, notes_do_not_stay_for_ever)
{
	_cleanup_net_ struct tnet net;
	uint32_t owners;

	tnet_init(&net, 1, 1);
	net.tune = hurry;
	tnet_start(&net, 0);
	member(&net, 0, 1, TBL_ALIVE);
	owners = stats(&net, 0).owners;
	member(&net, 0, X, TBL_ALIVE);
	cr_assert_eq(say(&net, X, TNET_UNIX), 1);
	member(&net, 0, X, TBL_DEAD);
	tnet_run(&net, 5000);
	cr_assert_eq(say(&net, X, TNET_UNIX), -ESTALE);
	tnet_run(&net, 20000);
	cr_expect_eq(stats(&net, 0).owners, owners);
}

/* ---- freeze ----------------------------------------------------------------------------------- */

static unsigned shown(struct tnet *net)
{
	unsigned n = 0;

	for (unsigned j = 1; j < net->n; j++)
		n += tnet_seen(net, 0, j) > 0;
	return n;
}

Test(table_member, a_few_deaths_are_believed)
{
	_cleanup_net_ struct tnet net;

	silent(&net, 7);
	for (unsigned j = 1; j <= 3; j++)
		member(&net, 0, j, TBL_DEAD);
	cr_expect_null(tbl_frozen(net.node[0].t));
	cr_expect_eq(shown(&net), 3);
}

Test(table_member, half_of_the_members_do_not_die_at_once)
{
	_cleanup_net_ struct tnet net;

	silent(&net, 7);
	for (unsigned j = 1; j <= 4; j++) {
		tnet_run(&net, 1000);
		member(&net, 0, j, TBL_DEAD);
	}
	cr_expect_not_null(tbl_frozen(net.node[0].t));
	cr_expect_eq(shown(&net), 6, "those who went before it was clear come back");
	member(&net, 0, 5, TBL_DEAD);
	cr_expect_eq(shown(&net), 6);
	cr_expect_eq(net.node[0].notes[TBL_N_FROZEN], 1);
	tnet_run(&net, 700000);
	cr_expect_eq(shown(&net), 6, "for as long as it lasts");
	for (unsigned j = 1; j <= 2; j++)
		member(&net, 0, j, TBL_ALIVE);
	cr_expect_null(tbl_frozen(net.node[0].t), "more than half are back");
	cr_expect_eq(shown(&net), 3, "and the others are dead indeed");
	cr_expect_eq(net.node[0].notes[TBL_N_FROZEN], 2);
}

Test(table_member, one_after_the_other_they_may)
{
	_cleanup_net_ struct tnet net;

	silent(&net, 7);
	for (unsigned j = 1; j <= 5; j++) {
		member(&net, 0, j, TBL_DEAD);
		tnet_run(&net, 11000);
	}
	cr_expect_null(tbl_frozen(net.node[0].t));
	cr_expect_eq(shown(&net), 1);
	member(&net, 0, 6, TBL_DEAD);
	cr_expect_not_null(tbl_frozen(net.node[0].t), "but the last one");
	cr_expect_eq(shown(&net), 1);
	tbl_thaw(net.node[0].t, net.now);
	cr_expect_eq(shown(&net), 0);
}

Test(table_member, who_leaves_is_not_kept)
{
	_cleanup_net_ struct tnet net;

	silent(&net, 5);
	for (unsigned j = 1; j <= 4; j++)
		member(&net, 0, j, TBL_LEFT);
	cr_expect_null(tbl_frozen(net.node[0].t));
	cr_expect_eq(shown(&net), 0);
}

/* Of two nodes the other died: it may be us.  Whoever knows better says that it has left. */
Test(table_member, force_leave_ends_it)
{
	_cleanup_net_ struct tnet net;

	silent(&net, 2);
	member(&net, 0, 1, TBL_DEAD);
	cr_expect_eq(shown(&net), 1);
	member(&net, 0, 1, TBL_LEFT);
	cr_expect_eq(shown(&net), 0);
	cr_expect_null(tbl_frozen(net.node[0].t));
}

Test(table_member, an_unwell_node_believes_nothing)
{
	_cleanup_net_ struct tnet net;

	silent(&net, 7);
	tbl_health(net.node[0].t, 4, net.now);
	cr_expect_not_null(tbl_frozen(net.node[0].t));
	member(&net, 0, 1, TBL_DEAD);
	cr_expect_eq(shown(&net), 6);
	tbl_health(net.node[0].t, 3, net.now);
	cr_expect_null(tbl_frozen(net.node[0].t));
	cr_expect_eq(shown(&net), 5);
}
