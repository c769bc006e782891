/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What of the partitions is shown. */
#include "test_table.h"

#define X 9 /* a member that is no replica: what it says is forged */

static uint8_t buf[4][TBL_RECORD_MAX];

static void alone(struct tnet *net)
{
	tnet_init(net, 2, 1);
	tnet_start(net, 0);
	member(net, 0, X, TBL_ALIVE);
}

static int say(struct tnet *net, uint64_t base, uint64_t ver, const struct wire_item *items,
	       unsigned n)
{
	return forge(net, 0, tnet_id(X), TNET_UNIX, base, ver, items, n);
}

static void say_who(struct tnet *net)
{
	struct tbl_record node = tnet_node_rec(X), app = tnet_app(X, 1, 3);
	struct wire_item it[] = { item(&node, 1, buf[0]), item(&app, 2, buf[1]) };

	cr_assert_eq(say(net, 0, 2, it, 2), 1);
}

Test(table_view, parts_are_held_back_until_what_they_belong_to_is_there)
{
	_cleanup_net_ struct tnet net;
	struct tbl_record node = tnet_node_rec(X), app = tnet_app(X, 1, 3),
			  ep = tnet_endpoint(7, 1, 1);
	struct wire_item it;

	alone(&net);
	it = item(&ep, 1, buf[0]);
	cr_assert_eq(say(&net, 0, 1, &it, 1), 1);
	cr_expect_eq(tnet_seen(&net, 0, X), 0);
	it = item(&app, 2, buf[0]);
	cr_assert_eq(say(&net, 1, 2, &it, 1), 1);
	cr_expect_eq(tnet_seen(&net, 0, X), 0);
	it = item(&node, 3, buf[0]);
	cr_assert_eq(say(&net, 2, 3, &it, 1), 1);
	cr_expect_eq(tnet_seen(&net, 0, X), 3);
	it = (struct wire_item){ TBL_APP, 1, 4, { NULL, 0 } };
	cr_assert_eq(say(&net, 3, 4, &it, 1), 1);
	cr_expect_eq(tnet_seen(&net, 0, X), 1, "the endpoint goes with its application");
	it = item(&app, 5, buf[0]);
	cr_assert_eq(say(&net, 4, 5, &it, 1), 1);
	cr_expect_eq(tnet_seen(&net, 0, X), 3);
	cr_expect_eq(net.node[0].broken, 0, "%s", net.node[0].broken_why);
}

Test(table_view, a_bad_record_quarantines_its_owner_alone)
{
	_cleanup_net_ struct tnet net;
	struct tbl_record ep = tnet_endpoint(7, 1, 1), other = tnet_endpoint(8, 1, 1);
	struct wire_item it[2];

	begin(&net, 2);
	member(&net, 0, X, TBL_ALIVE);
	say_who(&net);
	it[0] = item(&ep, 3, buf[0]);
	cr_assert_eq(say(&net, 2, 3, it, 1), 1);
	it[0] = item(&other, 4, buf[0]);
	it[1] = (struct wire_item){ TBL_ENDPOINT, 7, 5, { (const uint8_t *)"\x81\xc1", 2 } };
	cr_assert_eq(say(&net, 3, 5, it, 2), 1);
	cr_expect_eq(tnet_seen(&net, 0, X), 3, "its last good records stay in force");
	cr_expect_not_null(tnet_see(&net, 0, X, TBL_ENDPOINT, 7));
	cr_expect_not_null(owner(&net, 0, X).why);
	cr_expect_eq(owner(&net, 0, X).ver, 5, "the merge goes on");
	cr_expect_eq(net.node[0].notes[TBL_N_QUARANTINE], 1);
	cr_expect_eq(stats(&net, 0).quarantined, 1);
	cr_expect_eq(stats(&net, 0).bad_records, 1);
	cr_expect_not_null(strstr(net.node[0].why, "record 7"), "%s", net.node[0].why);
	tnet_put(&net, 1, tnet_endpoint(1, 1, 1));
	cr_assert_eq((tnet_run(&net, 3000), tnet_seen(&net, 0, 1)), 3, "others go on");

	member(&net, 0, X, TBL_DEAD);
	cr_expect_eq(tnet_seen(&net, 0, X), 0);
	member(&net, 0, X, TBL_ALIVE);
	cr_expect_eq(tnet_seen(&net, 0, X), 3, "the good ones again");
	it[0] = (struct wire_item){ TBL_ENDPOINT, 7, 6, { NULL, 0 } };
	cr_assert_eq(say(&net, 5, 6, it, 1), 1);
	cr_expect_null(owner(&net, 0, X).why);
	cr_expect_null(tnet_see(&net, 0, X, TBL_ENDPOINT, 7));
	cr_expect_not_null(tnet_see(&net, 0, X, TBL_ENDPOINT, 8));
	cr_expect_eq(stats(&net, 0).quarantined, 0);
}

static bool later(void *arg, const struct tbl_owner *o, const struct tbl_record *r,
		  enum tbl_fate fate)
{
	unsigned *n = arg;

	*n += !o->self && (r->kind == 77 || r->id == 8) && fate == TBL_LATER;
	return true;
}

/* A kind and a protocol of tomorrow: kept, passed on, not shown. */
Test(table_view, later_versions_are_passed_on)
{
	_cleanup_net_ struct tnet net;
	/* application, class, state, protocol 132, real, port, weight */
	static const uint8_t sctp[] = "\x87\xa1"
				      "a\x01\xa1"
				      "c\x01\xa1k\x01\xa1p\xcc\x84\xa1r\x50\xa1v\x50\xa1w\x01";
	struct wire_item it[2] = { { 77, 3, 3, { (const uint8_t *)"\x80", 1 } },
				   { TBL_ENDPOINT, 8, 4, { sctp, sizeof(sctp) - 1 } } };
	struct tbl_id id = tnet_id(X);
	unsigned n = 0;

	begin(&net, 2);
	member(&net, 0, X, TBL_ALIVE);
	member(&net, 1, X, TBL_ALIVE);
	net.no_gossip = true;
	say_who(&net);
	cr_assert_eq(say(&net, 2, 4, it, 2), 1);
	cr_expect_null(owner(&net, 0, X).why);
	cr_expect_eq(stats(&net, 0).later_records, 2);
	cr_expect_eq(tnet_seen(&net, 0, X), 2);
	cr_assert(tnet_settle(&net, 20000));
	tbl_each(net.node[1].t, &id, true, later, &n);
	cr_expect_eq(n, 2, "also what nobody on the way understands arrives");
}

static const char *no_nodes(const struct tbl_owner *o, const struct tbl_record *r)
{
	(void)o;
	return r->kind == TBL_NODE ? "not here" : NULL;
}

static const char *no_endpoints(const struct tbl_owner *o, const struct tbl_record *r)
{
	(void)o;
	return r->kind == TBL_ENDPOINT && r->id == 2 ? "not that" : NULL;
}

Test(table_view, policy)
{
	_cleanup_net_ struct tnet net;

	begin(&net, 2);
	net.node[0].allowed = no_endpoints;
	tnet_put(&net, 1, tnet_endpoint(1, 1, 1));
	tnet_put(&net, 1, tnet_endpoint(2, 1, 1));
	cr_assert(tnet_settle(&net, 10000));
	cr_expect_eq(tnet_seen(&net, 0, 1), 3);
	cr_expect_eq(net.node[0].notes[TBL_N_REFUSED], 1);
	cr_expect_str_eq(net.node[0].why, "not that");
	net.node[0].allowed = no_nodes;
	tbl_policy_changed(net.node[0].t, net.now);
	cr_expect_eq(tnet_seen(&net, 0, 1), 0, "nothing without its node");
	net.node[0].allowed = NULL;
	tbl_policy_changed(net.node[0].t, net.now);
	cr_expect_eq(tnet_seen(&net, 0, 1), 4);
}

static struct tbl_record claim(unsigned i, const char *name, uint64_t since)
{
	struct tbl_record r = tnet_app(i, 5, 2 * i + 1); /* automatic, an address of its own */

	strcpy(r.app.name, name);
	r.app.since_ms = since;
	return r;
}

Test(table_view, of_two_claims_the_earlier_is_shown_everywhere)
{
	_cleanup_net_ struct tnet net;

	begin(&net, 4);
	tnet_put(&net, 0, claim(0, "web", 200));
	cr_assert(tnet_settle(&net, 10000));
	cr_assert_not_null(tnet_see(&net, 3, 0, TBL_APP, 5));
	tnet_put(&net, 1, claim(1, "web", 100));
	tnet_put(&net, 2, claim(2, "web", 300));
	tnet_put(&net, 0, tnet_endpoint(1, 5, 1));
	cr_assert(tnet_settle(&net, 10000));
	cr_expect_null(tnet_see(&net, 3, 0, TBL_APP, 5));
	cr_expect_null(tnet_see(&net, 3, 0, TBL_ENDPOINT, 1), "nor what belongs to it");
	cr_expect_not_null(tnet_see(&net, 3, 1, TBL_APP, 5));
	cr_expect_null(tnet_see(&net, 3, 2, TBL_APP, 5));
	cr_expect_geq(net.node[0].notes[TBL_N_LOST], 1, "its own");
	cr_expect_geq(net.node[1].notes[TBL_N_WON], 1);
	cr_expect_eq(net.node[3].notes[TBL_N_WON], 0);
	check_same(&net);
	tnet_crash(&net, 1);
	tnet_run(&net, 5000);
	cr_expect_not_null(tnet_see(&net, 3, 0, TBL_APP, 5));
	cr_expect_not_null(tnet_see(&net, 3, 0, TBL_ENDPOINT, 1));
	cr_expect_null(tnet_see(&net, 3, 2, TBL_APP, 5));
}

static void chunks(struct tbl_conf *conf)
{
	conf->delta_max = 300;
}

static void say_endpoints(struct tnet *net, uint32_t n)
{
	tnet_put(net, 0, tnet_node_rec(0));
	tnet_put(net, 0, tnet_app(0, 1, 3));
	for (uint32_t i = 0; i < n; i++)
		tnet_put(net, 0, tnet_endpoint(i, 1, i));
	tbl_flush(net->node[0].t, TBL_OWN, net->now);
}

/* A restarted agent: nothing flickers, and what it no longer says goes in the end. */
Test(table_view, a_new_epoch_is_shown_when_it_is_complete)
{
	_cleanup_net_ struct tnet net;

	tnet_init(&net, 2, 1);
	net.tune = chunks;
	tnet_start(&net, 0);
	tnet_start(&net, 1);
	say_endpoints(&net, 30);
	cr_assert(tnet_settle(&net, 20000));
	cr_assert_eq(tnet_seen(&net, 1, 0), 32);
	net.on_send = keep;
	tnet_crash(&net, 0);
	tnet_start(&net, 0);
	member(&net, 1, 0, TBL_ALIVE);
	cr_assert_eq(tnet_seen(&net, 1, 0), 32);
	say_endpoints(&net, 28);
	cr_assert_gt(kept.count, 3);
	for (unsigned i = 0; i < kept.count; i++) {
		cr_assert_eq(tnet_seen(&net, 1, 0), 32);
		cr_assert_eq(owner(&net, 1, 0).held, i > 0);
		cr_assert_eq(delta_in(&net, 1, kept.p[i], kept.n[i]), 1);
	}
	cr_expect_eq(tnet_seen(&net, 1, 0), 30);
	cr_expect(!owner(&net, 1, 0).held);
	kept_clear();
	say_endpoints(&net, 1); /* and one that never becomes complete */
	tnet_crash(&net, 0);
	tnet_start(&net, 0);
	member(&net, 1, 0, TBL_ALIVE);
	kept_clear();
	say_endpoints(&net, 20);
	delta_in(&net, 1, kept.p[0], kept.n[0]);
	net.no_gossip = net.no_hash = net.no_sync = true;
	tnet_group(&net, 0, 1);
	member(&net, 1, 0, TBL_ALIVE);
	cr_expect_eq(tnet_seen(&net, 1, 0), 30);
	tnet_run(&net, 12000);
	cr_expect_lt(tnet_seen(&net, 1, 0), 20, "what has come counts in the end");
	kept_clear();
}
