/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Signed ownership over time: what is signed is signed anew, runs out, and is renewed. */
#include "test_table.h"

#include <arpa/inet.h>
#include <patchbay/addr.h>

#define LABEL "lab"
#define HOUR 3600000ULL
#define DAY (24 * HOUR)

static const uint8_t ca_secret[TBL_KEY_LEN] = { 1, 2, 3 };
static uint8_t ca[TBL_KEY_LEN], secrets[TNET_NODES][TBL_KEY_LEN];
static uint8_t certs[TNET_NODES][TBL_RECORD_MAX];
static uint64_t valid_ms[TNET_NODES]; /* 0: a year */
static const char *named[TNET_NODES], *apps = "app-*";
static unsigned signs_only = TNET_NODES, plain = TNET_NODES;
static uint32_t seal_ms;

static uint32_t certify(unsigned i)
{
	struct tbl_cert c;
	int n;

	memset(&c, 0, sizeof(c));
	secrets[i][0] = (uint8_t)(i + 1);
	c.id = tnet_id(i);
	cr_assert_eq(tbl_key_public(secrets[i], c.key), 0);
	c.until_ms = TNET_UNIX + (valid_ms[i] ? valid_ms[i] : 365 * DAY);
	if (named[i])
		strcpy(c.node, named[i]);
	c.n_names = c.n_vips = c.n_nodes = 1;
	strcpy(c.names[0], apps);
	c.vips[0] = (struct tbl_net){ pb_addr_v4(htonl(0x0a090000)), 96 + 16 };
	c.nodes[0] = (struct tbl_net){ pb_addr_v4(htonl(0x0a010000)), 96 + 16 };
	n = tbl_cert_make(&c, LABEL, ca_secret, certs[i], TBL_RECORD_MAX);
	cr_assert_gt(n, 0);
	return (uint32_t)n;
}

static void sign(struct tbl_conf *conf)
{
	unsigned i = conf->id.b[5];

	if (i == plain)
		return;
	conf->cert_len = certify(i);
	conf->cert = certs[i];
	conf->secret = secrets[i];
	conf->label = LABEL;
	conf->ca = i == signs_only ? NULL : ca;
	if (seal_ms)
		conf->seal_ms = seal_ms;
}

static void speak(struct tnet *net, unsigned i)
{
	tnet_start(net, i);
	tnet_put(net, i, tnet_node_rec(i));
	tnet_put(net, i, tnet_app(i, 1, 3));
	for (uint32_t e = 0; e < 5; e++)
		tnet_put(net, i, tnet_endpoint(e, 1, e));
}

static void signing(struct tnet *net, unsigned n)
{
	cr_assert_eq(tbl_key_public(ca_secret, ca), 0);
	tnet_init(net, n, 1);
	net->tune = sign;
	for (unsigned i = 0; i < n; i++)
		speak(net, i);
	cr_assert(tnet_settle(net, 30000));
}

/* Nothing happens for a while: all sleep. */
static void later(struct tnet *net, uint64_t ms)
{
	net->now += ms;
	tnet_run(net, 5000);
}

Test(table_seal, signed_anew_every_six_hours)
{
	_cleanup_net_ struct tnet net;
	uint64_t ver, next;

	signing(&net, 3);
	ver = owner(&net, 0, 0).ver;
	next = tbl_next(net.node[0].t);
	cr_expect_leq(next, net.now + 6 * HOUR, "the table asks to be called by then");
	later(&net, 5 * HOUR);
	cr_expect_eq(owner(&net, 0, 0).ver, ver, "not yet");
	for (unsigned h = 5; h < 53; h += 2) {
		later(&net, 2 * HOUR);
		for (unsigned i = 0; i < 3; i++)
			for (unsigned j = 0; j < 3; j++)
				cr_expect(i == j || tnet_seen(&net, i, j) == 7, "%u of %u, %u h", j,
					  i, h);
	}
	cr_expect_gt(owner(&net, 2, 0).ver, ver + 6);
	cr_expect_lt(owner(&net, 2, 0).ver, ver + 12);
	cr_expect_eq(stats(&net, 2).forged, 0);
	check_same(&net);
}

/* The true owner goes on, but nothing that it says arrives: somebody keeps it away. */
Test(table_seal, a_signature_is_good_for_a_day)
{
	_cleanup_net_ struct tnet net;

	signing(&net, 3);
	net.no_gossip = net.no_hash = net.no_sync = true;
	for (unsigned i = 0; i < 23; i++)
		later(&net, HOUR);
	cr_expect_eq(tnet_seen(&net, 2, 0), 7);
	cr_expect_null(owner(&net, 2, 0).why);
	later(&net, 2 * HOUR);
	cr_expect_eq(tnet_seen(&net, 2, 0), 0, "it is not used");
	cr_expect_str_eq(owner(&net, 2, 0).why, "its signature is too old: is a clock wrong?");
	net.no_gossip = net.no_hash = net.no_sync = false;
	later(&net, 120000);
	tnet_run(&net, 20000);
	cr_expect_eq(tnet_seen(&net, 2, 0), 7, "and is again");
	cr_expect_null(owner(&net, 2, 0).why);
}

/* An attacker gives a node that has just begun what the owner said two days ago. */
Test(table_seal, an_old_state_is_not_believed)
{
	_cleanup_net_ struct tnet net;
	size_t n;

	seal_ms = 7 * DAY; /* the owner does not sign anew: its state is that of then */
	signing(&net, 2);
	net.on_send = keep;
	kept_clear();
	tnet_put(&net, 0, tnet_endpoint(0, 1, 3));
	tbl_flush(net.node[0].t, TBL_OWN, net.now);
	cr_assert_eq(kept.count, 1, "what the attacker records");
	n = kept.n[0];
	net.on_send = NULL;
	tnet_run(&net, 2000);
	tnet_crash(&net, 1);
	net.no_gossip = net.no_hash = net.no_sync = true;
	net.now += 2 * DAY;
	seal_ms = 0;
	tnet_start(&net, 1);
	delta_in(&net, 1, kept.p[0], n);
	/* the rest from node 0 itself, whose seal is of then, too */
	net.no_gossip = net.no_hash = net.no_sync = false;
	tnet_run(&net, 15000);
	cr_expect_gt(owner(&net, 1, 0).ver, 0, "it is there");
	cr_expect_eq(tnet_seen(&net, 1, 0), 0, "and not used");
	cr_expect_str_eq(owner(&net, 1, 0).why, "its signature is too old: is a clock wrong?");
	kept_clear();
}

Test(table_seal, a_clock_that_is_ahead)
{
	_cleanup_net_ struct tnet net;

	cr_assert_eq(tbl_key_public(ca_secret, ca), 0);
	tnet_init(&net, 2, 1);
	net.tune = sign;
	speak(&net, 0);
	speak(&net, 1);
	cr_assert(tnet_settle(&net, 30000));
	tbl_set_unix(net.node[0].t, net.now, TNET_UNIX + net.now + 3 * HOUR);
	later(&net, 4 * HOUR); /* signs anew, by a clock that is wrong now */
	cr_expect_str_eq(owner(&net, 1, 0).why,
			 "its signature is of the future: is a clock wrong?");
	cr_expect_eq(tnet_seen(&net, 1, 0), 7, "what it said before holds");
	tbl_set_unix(net.node[0].t, net.now, TNET_UNIX + net.now);
	later(&net, 1000); /* set right: at once signed anew */
	tnet_run(&net, 30000);
	cr_expect_null(owner(&net, 1, 0).why);
	cr_expect_eq(tnet_seen(&net, 1, 0), 7);
}

Test(table_seal, a_certificate_runs_out_and_is_renewed)
{
	_cleanup_net_ struct tnet net;

	valid_ms[1] = 30 * HOUR;
	signing(&net, 3);
	for (unsigned i = 0; i < 29; i++)
		later(&net, HOUR);
	cr_expect_eq(tnet_seen(&net, 0, 1), 7);
	later(&net, HOUR);
	cr_expect_eq(tnet_seen(&net, 0, 1), 0);
	cr_expect_eq(tnet_seen(&net, 2, 1), 0);
	cr_expect_str_eq(owner(&net, 0, 1).why, "its certificate has expired");
	cr_expect_eq(tnet_seen(&net, 1, 0), 7, "it still hears the others");
	valid_ms[1] = 0;
	cr_assert_eq(tbl_set_cert(net.node[1].t, certs[1], certify(1), net.now), 0);
	tnet_run(&net, 90000);
	cr_expect_eq(tnet_seen(&net, 0, 1), 7);
	cr_expect_null(owner(&net, 0, 1).why);
	check_same(&net);
}

Test(table_seal, other_rights_in_a_new_certificate)
{
	_cleanup_net_ struct tnet net;

	apps = "other";
	signing(&net, 2);
	cr_expect_eq(tnet_seen(&net, 0, 1), 1, "its address");
	cr_expect_gt(stats(&net, 0).refused, 0);
	apps = "app-*";
	cr_assert_eq(tbl_set_cert(net.node[1].t, certs[1], certify(1), net.now), 0);
	tnet_run(&net, 5000);
	cr_expect_eq(tnet_seen(&net, 0, 1), 7);
	apps = "app-";
	cr_assert_eq(tbl_set_cert(net.node[1].t, certs[1], certify(1), net.now), 0);
	tnet_run(&net, 5000);
	cr_expect_eq(tnet_seen(&net, 0, 1), 1, "and taken back");
}

Test(table_seal, a_certificate_is_for_a_name)
{
	_cleanup_net_ struct tnet net;
	struct tbl_id id = tnet_id(1);

	named[1] = "h1";
	named[0] = "h*";
	signing(&net, 2);
	cr_expect_eq(tnet_seen(&net, 0, 1), 7, "nobody has said what it is called");
	tbl_member(net.node[0].t, &id, "h2", TBL_ALIVE, net.now);
	cr_expect_str_eq(owner(&net, 0, 1).why, "its certificate is for a node of another name");
	tbl_member(net.node[0].t, &id, "h1", TBL_ALIVE, net.now);
	cr_expect_null(owner(&net, 0, 1).why);
	id = tnet_id(0);
	tbl_member(net.node[1].t, &id, "h77", TBL_ALIVE, net.now);
	cr_expect_null(owner(&net, 1, 0).why);
}

/* Nodes that do not sign, in a cluster of those who do. */
Test(table_seal, who_does_not_sign)
{
	_cleanup_net_ struct tnet net;

	plain = 2;
	signs_only = 1;
	signing(&net, 4);
	cr_expect_eq(tnet_seen(&net, 0, 2), 0);
	tnet_run(&net, 15000);
	cr_expect_str_eq(owner(&net, 0, 2).why, "it has no certificate", "and it is said why");
	cr_expect(!owner(&net, 0, 2).signs);
	cr_expect_eq(tnet_seen(&net, 0, 1), 7, "it signs, and asks nobody else to");
	cr_expect_eq(tnet_seen(&net, 1, 2), 7, "so it believes");
	cr_expect_eq(tnet_seen(&net, 2, 0), 7);
	for (unsigned i = 0; i < 20; i++) { /* its reason stays while it goes on talking */
		tnet_put(&net, 2, tnet_endpoint(0, 1, i));
		tnet_run(&net, 1000);
		cr_expect_not_null(owner(&net, 0, 2).why, "%u", i);
	}
	cr_expect_eq(stats(&net, 0).quarantines, 1);
	/* signatures pass through those who do not check them */
	tnet_crash(&net, 3);
	tnet_run(&net, 1000);
	tnet_group(&net, 0, 1);
	tnet_start(&net, 3);
	tnet_run(&net, 20000);
	cr_expect_eq(tnet_seen(&net, 3, 1), 7, "from them and others");
	cr_expect_eq(tnet_seen(&net, 3, 2), 0);
}

/* Its last signed word holds for a day, so that nobody can take it out by speaking in its name. */
Test(table_seal, who_signs_no_more)
{
	_cleanup_net_ struct tnet net;

	signing(&net, 3);
	tnet_crash(&net, 1);
	tnet_run(&net, 1000);
	plain = 1;
	speak(&net, 1);
	tnet_put(&net, 1, tnet_endpoint(9, 1, 9));
	tnet_run(&net, 20000);
	cr_expect_eq(tnet_seen(&net, 0, 1), 7);
	cr_expect_null(tnet_see(&net, 0, 1, TBL_ENDPOINT, 9), "nothing new of it");
	cr_expect_str_eq(owner(&net, 0, 1).why, "it has no certificate");
	for (unsigned i = 0; i < 25; i++)
		later(&net, HOUR);
	cr_expect_eq(tnet_seen(&net, 0, 1), 0);
	cr_expect_eq(tnet_seen(&net, 0, 2), 7);
}

Test(table_seal, what_may_be_configured)
{
	struct tnet net;
	struct tbl_conf conf;
	struct tbl *t = NULL;
	uint8_t buf[16];
	uint64_t at;
	int n = tbl_seal_make(TNET_UNIX, buf, sizeof(buf));

	cr_assert_gt(n, 8);
	cr_expect_eq(tbl_seal_read(&at, buf, (size_t)n), 0);
	cr_expect_eq(at, TNET_UNIX);
	for (int i = 0; i < n; i++)
		cr_expect_lt(tbl_seal_read(&at, buf, (size_t)i), 0, "cut at %d", i);
	cr_expect_lt(tbl_seal_make(TNET_UNIX, buf, 5), 0);

	tnet_init(&net, 1, 1);
	tnet_start(&net, 0);
	cr_expect_eq(tbl_set_cert(net.node[0].t, buf, 10, net.now), -EINVAL, "it does not sign");
	tnet_fini(&net);
	tbl_conf_default(&conf);
	conf.id = tnet_id(0);
	conf.ca = ca;
	conf.label = LABEL;
	cr_expect_eq(tbl_new(&t, &conf, 0), -EINVAL, "who asks for signatures must sign");
}
