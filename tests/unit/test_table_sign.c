/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Signed ownership: certificates, rights, and what a holder of the gossip secret cannot do. */
#include "test_table.h"

#include <arpa/inet.h>
#include <patchbay/addr.h>

#define LABEL "lab"
#define STRANGER 5 /* its certificate is of another CA */
#define BARE 6	   /* it may say nothing but its address */
#define THIEF 7	   /* it has another node's */
#define LATE 8	   /* its time is over */

static const uint8_t ca_secret[TBL_KEY_LEN] = { 1, 2, 3 }, other_ca[TBL_KEY_LEN] = { 3, 2, 1 };
static uint8_t ca[TBL_KEY_LEN];
static uint8_t secrets[TNET_NODES][TBL_KEY_LEN];
static uint8_t certs[TNET_NODES][TBL_RECORD_MAX];

static struct tbl_cert rights(unsigned i)
{
	struct tbl_cert c;

	memset(&c, 0, sizeof(c));
	c.id = tnet_id(i);
	secrets[i][0] = (uint8_t)(i + 1);
	cr_assert_eq(tbl_key_public(secrets[i], c.key), 0);
	c.until_ms = TNET_UNIX + (i == LATE ? 0 : 3600000);
	if (i == THIEF)
		c.id = tnet_id(2);
	c.n_names = i == BARE ? 0 : 1;
	strcpy(c.names[0], "app-*");
	c.n_vips = c.n_nodes = 1;
	c.vips[0] = (struct tbl_net){ pb_addr_v4(htonl(0x0a090000)), 96 + 16 };
	c.nodes[0] = (struct tbl_net){ pb_addr_v4(htonl(0x0a010000)), 96 + 16 };
	return c;
}

static void sign(struct tbl_conf *conf)
{
	unsigned i = conf->id.b[5];
	struct tbl_cert c = rights(i);
	int n = tbl_cert_make(&c, LABEL, i == STRANGER ? other_ca : ca_secret, certs[i],
			      TBL_RECORD_MAX);

	cr_assert_gt(n, 0);
	conf->ca = ca;
	conf->label = LABEL;
	conf->cert = certs[i];
	conf->cert_len = (uint32_t)n;
	conf->secret = secrets[i];
	conf->delta_max = 700; /* several chunks */
}

static void signing(struct tnet *net, unsigned n)
{
	cr_assert_eq(tbl_key_public(ca_secret, ca), 0);
	tnet_init(net, n, 1);
	net->tune = sign;
	for (unsigned i = 0; i < n; i++) {
		tnet_start(net, i);
		tnet_put(net, i, tnet_node_rec(i));
		tnet_put(net, i, tnet_app(i, 1, 3));
		for (uint32_t e = 0; e < 20; e++)
			tnet_put(net, i, tnet_endpoint(e, 1, e));
	}
	cr_assert(tnet_settle(net, 30000));
}

Test(table_sign, certificates)
{
	struct tbl_cert c = rights(1), back;
	uint8_t buf[TBL_RECORD_MAX];
	int n;

	cr_assert_eq(tbl_key_public(ca_secret, ca), 0);
	n = tbl_cert_make(&c, LABEL, ca_secret, buf, sizeof(buf));
	cr_assert_gt(n, 100);
	cr_assert_eq(tbl_cert_read(&back, LABEL, ca, buf, (size_t)n), 0);
	cr_expect_eq(memcmp(&c, &back, sizeof(c)), 0);
	cr_expect_eq(tbl_cert_read(&back, "other", ca, buf, (size_t)n), -EKEYREJECTED);
	cr_expect_eq(tbl_cert_read(&back, LABEL, c.key, buf, (size_t)n), -EKEYREJECTED);
	for (int i = 0; i < n; i++) {
		buf[i] ^= 1;
		cr_expect_lt(tbl_cert_read(&back, LABEL, ca, buf, (size_t)n), 0, "byte %d", i);
		buf[i] ^= 1;
		cr_expect_lt(tbl_cert_read(&back, LABEL, ca, buf, (size_t)i), 0, "cut at %d", i);
	}
}

Test(table_sign, what_a_certificate_allows)
{
	struct tbl_cert c = rights(1);
	struct tbl_record app = tnet_app(1, 1, 3), node = tnet_node_rec(1),
			  ep = tnet_endpoint(1, 1, 1);

	cr_expect_null(tbl_cert_allows(&c, &app));
	cr_expect_null(tbl_cert_allows(&c, &node));
	cr_expect_null(tbl_cert_allows(&c, &ep));
	strcpy(app.app.name, "ap");
	cr_expect_not_null(tbl_cert_allows(&c, &app));
	app = tnet_app(1, 1, 3);
	app.app.vip4 = pb_addr_v4(htonl(0x0a0a0001));
	cr_expect_not_null(tbl_cert_allows(&c, &app));
	node.node.loc4 = pb_addr_v4(htonl(0x0a020001));
	cr_expect_not_null(tbl_cert_allows(&c, &node));
}

Test(table_sign, whoever_signs_is_heard)
{
	_cleanup_net_ struct tnet net;

	signing(&net, 4);
	check_same(&net);
	cr_expect_eq(tnet_seen(&net, 0, 3), 22);
	for (unsigned i = 0; i < 60; i++) {
		unsigned k = tnet_below(&net, 4);

		tnet_put(&net, k, tnet_endpoint(i % 30, 1, i));
		tnet_del(&net, k, TBL_ENDPOINT, tnet_below(&net, 30));
		tnet_run(&net, 100);
	}
	cr_assert(tnet_settle(&net, 30000));
	check_same(&net);
	cr_expect_eq(stats(&net, 0).forged, 0);
	tnet_crash(&net, 1);
	tnet_run(&net, 1000);
	tnet_start(&net, 1); /* gets all by snapshots of others */
	tnet_put(&net, 1, tnet_node_rec(1));
	tnet_put(&net, 1, tnet_app(1, 1, 3));
	cr_assert(tnet_settle(&net, 60000));
	check_same(&net);
}

/* Node 1 has the gossip secret, and says something in the name of node 0. */
Test(table_sign, nobody_speaks_for_another)
{
	_cleanup_net_ struct tnet net;
	struct tbl_record ghost = tnet_endpoint(66, 1, 1);
	uint8_t buf[TBL_RECORD_MAX];
	struct wire_item it;
	uint64_t ver;

	signing(&net, 3);
	net.no_gossip = net.no_hash = net.no_sync = true;
	tnet_run(&net, 3000);
	ver = owner(&net, 0, 0).ver;
	it = item(&ghost, ver + 1, buf);
	cr_assert_eq(forge(&net, 2, tnet_id(0), net.node[0].epoch, ver, ver + 1, &it, 1), 1);
	cr_expect_null(tnet_see(&net, 2, 0, TBL_ENDPOINT, 66));
	cr_expect_eq(tnet_seen(&net, 2, 0), 22, "what it said itself stays");
	cr_expect(owner(&net, 2, 0).held);
	net.no_gossip = net.no_hash = false;
	tnet_run(&net, 10000);
	cr_assert(tnet_settle(&net, 30000));
	cr_expect_gt(owner(&net, 2, 0).epoch, TNET_UNIX + 1000, "it spoke above it");
	cr_expect(!owner(&net, 2, 0).held);
	cr_expect_null(tnet_see(&net, 2, 0, TBL_ENDPOINT, 66));
	check_same(&net);
}

/* The true delta, with something else in it. */
Test(table_sign, altered_on_the_way)
{
	_cleanup_net_ struct tnet net;

	signing(&net, 3);
	net.no_gossip = net.no_hash = net.no_sync = true;
	tnet_run(&net, 3000);
	net.on_send = keep;
	tnet_put(&net, 0, tnet_endpoint(7, 1, 50));
	tbl_flush(net.node[0].t, TBL_OWN, net.now);
	cr_assert_eq(kept.count, 1);
	kept.p[0][kept.n[0] - 30] ^= 0x40; /* of the signature */
	cr_assert_eq(delta_in(&net, 2, kept.p[0], kept.n[0]), 1);
	cr_expect_not_null(owner(&net, 2, 0).why);
	cr_expect_eq(stats(&net, 2).forged, 1);
	cr_expect_eq(tnet_seen(&net, 2, 0), 22);
	kept.p[0][kept.n[0] - 30] ^= 0x40;
	cr_expect_eq(delta_in(&net, 2, kept.p[0], kept.n[0]), 1, "the true one");
	cr_expect_null(owner(&net, 2, 0).why);
	cr_expect_eq(tnet_see(&net, 2, 0, TBL_ENDPOINT, 7)->endpoint.port,
		     tnet_endpoint(7, 1, 50).endpoint.port);
	kept.p[0][kept.n[0] - 30] ^= 0x40;
	cr_expect_eq(delta_in(&net, 2, kept.p[0], kept.n[0]), 0, "and the false one once more");
	cr_expect_null(owner(&net, 2, 0).why);

	tnet_put(&net, 0, tnet_endpoint(7, 1, 51));
	tbl_flush(net.node[0].t, TBL_OWN, net.now);
	for (size_t i = 0; i + 3 < kept.n[1]; i++)
		if (kept.p[1][i] == 0xa1 && kept.p[1][i + 1] == 'w') {
			kept.p[1][i + 2] ^= 1; /* the weight */
			break;
		}
	delta_in(&net, 2, kept.p[1], kept.n[1]);
	cr_expect_not_null(owner(&net, 2, 0).why);
	net.no_gossip = net.no_hash = false;
	tnet_run(&net, 30000);
	cr_expect_null(owner(&net, 2, 0).why, "fetched from the owner");
	check_same(&net);
	kept_clear();
}

Test(table_sign, who_has_no_certificate_of_ours)
{
	_cleanup_net_ struct tnet net;

	signing(&net, 9);
	cr_expect_eq(tnet_seen(&net, 0, STRANGER), 0);
	cr_expect_not_null(owner(&net, 0, STRANGER).why);
	cr_expect_eq(tnet_seen(&net, 0, THIEF), 0);
	cr_expect_not_null(owner(&net, 0, THIEF).why);
	cr_expect_eq(tnet_seen(&net, 0, LATE), 0);
	cr_expect_not_null(owner(&net, 0, LATE).why);
	cr_expect_eq(tnet_seen(&net, 0, BARE), 1, "its address");
	cr_expect_gt(stats(&net, 0).refused, 0);
	cr_expect_eq(tnet_seen(&net, 0, 4), 22);
	net.tune = NULL; /* and one that does not sign at all */
	tnet_crash(&net, 4);
	tnet_run(&net, 1000);
	tnet_start(&net, 4);
	tnet_put(&net, 4, tnet_node_rec(4));
	tnet_put(&net, 4, tnet_app(4, 1, 3));
	tnet_run(&net, 30000);
	cr_expect_eq(tnet_seen(&net, 0, 4), 22, "what it signed before holds");
	cr_expect_str_eq(owner(&net, 0, 4).why, "it has no certificate");
}
