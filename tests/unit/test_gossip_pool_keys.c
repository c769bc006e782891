// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Keys of a running pool. */
#include "test_gossip_pool.h"

static char id1[GSP_KEY_ID_LEN + 1], id2[GSP_KEY_ID_LEN + 1];

static void ids(void)
{
	gsp_key_id((const uint8_t *)KEY1, 16, id1);
	gsp_key_id((const uint8_t *)KEY2, 32, id2);
}

static bool nobody_lacks_it(void)
{
	return !gsp_pool_key_missing(node[0].p, id2, NULL);
}

static bool asked_well(void)
{
	return node[0].answers && !node[0].answer_err;
}

Test(gossip_keys, ids_say_nothing_of_keys)
{
	char id[GSP_KEY_ID_LEN + 1];

	ids();
	cr_expect_eq(strlen(id1), GSP_KEY_ID_LEN);
	cr_expect_str_neq(id1, id2);
	gsp_key_id((const uint8_t *)KEY2, 16, id);
	cr_expect_str_neq(id, id2, "the length counts");
	cr_expect_not(strstr(KEY1, id1));
}

Test(gossip_keys, rotation, .fini = stop)
{
	char list[GSP_KEYS_MAX][GSP_KEY_ID_LEN + 1];
	struct gsp_bytes who = { 0 };

	ids();
	pair();
	cr_expect_eq(gsp_pool_key_use(node[0].p, id2), -ENOENT);
	cr_expect_eq(gsp_pool_key_install(node[0].p, (const uint8_t *)KEY2, 15), -EINVAL);
	cr_expect_eq(gsp_pool_key_install(node[0].p, (const uint8_t *)KEY2, 32), 0);
	cr_expect_eq(gsp_pool_key_missing(node[0].p, id2, &who), 1);
	cr_expect(gsp_bytes_eq(who, GSP_TEXT("n1")));
	cr_expect_eq(gsp_pool_key_missing(node[0].p, id1, NULL), 0);
	cr_expect_eq(gsp_pool_key_missing(node[0].p, "", NULL), 2, "no id at all");
	cr_expect_eq(gsp_pool_key_install(node[1].p, (const uint8_t *)KEY2, 32), 0);
	cr_expect(until(nobody_lacks_it));
	for (unsigned i = 0; i < 2; i++)
		cr_expect_eq(gsp_pool_key_use(node[i].p, id2), 0);
	cr_expect_eq(gsp_pool_key_remove(node[0].p, id2), -EBUSY);
	cr_expect_eq(gsp_pool_key_ids(node[0].p, list), 2);
	cr_expect_str_eq(list[0], id2);
	for (unsigned i = 0; i < 2; i++)
		cr_expect_eq(gsp_pool_key_remove(node[i].p, id1), 0);
	cr_expect_eq(gsp_pool_key_ids(node[0].p, list), 1);
	cr_expect_eq(asked(0, 1, 5), 0);
	cr_expect_eq(gsp_pool_user_event(node[0].p, "x", GSP_TEXT("y")), 0);
	cr_expect(until(all_alive));
	cr_expect(asked_well());
}

Test(gossip_keys, the_one_with_the_old_key_alone_is_out, .fini = stop)
{
	ids();
	pair();
	cr_expect_eq(gsp_pool_key_install(node[1].p, (const uint8_t *)KEY2, 32), 0);
	cr_expect_eq(gsp_pool_key_use(node[1].p, id2), 0);
	cr_expect_eq(asked(0, 1, 5), -EKEYREJECTED, "the request still is read, the answer is not");
	cr_expect_eq(gsp_pool_key_remove(node[1].p, id1), 0);
	cr_expect_eq(asked(0, 1, 5), -EPROTO);
	cr_expect_geq(stats(1).tcp_key, 1);
}

Test(gossip_keys, plain_stays_plain, .fini = stop)
{
	struct gsp_pool_conf c = conf_of(0);

	ids();
	c.n_keys = 0;
	c.insecure = true;
	start_with(0, &c);
	cr_expect_eq(gsp_pool_key_install(node[0].p, (const uint8_t *)KEY1, 16), -EOPNOTSUPP);
	cr_expect_eq(gsp_pool_key_use(node[0].p, id1), -EOPNOTSUPP);
}

static int key_query(const char *name, const char *key, size_t len, struct gsp_serf_keys *ret,
		     uint8_t *buf, size_t cap)
{
	struct gsp_serf_key k = { .key = { (const uint8_t *)key, (uint32_t)len } };
	uint8_t q[128];
	int n = gsp_serf_key_encode(&k, q, sizeof(q));

	cr_assert_gt(n, 0);
	n = pool_serf_keys(node[0].p, GSP_TEXT(name), (struct gsp_bytes){ q, (uint32_t)n }, buf,
			   cap);
	cr_assert_gt(n, 0);
	cr_assert_gt(gsp_serf_keys_decode(ret, buf, (size_t)n), 0);
	return ret->result ? 0 : -1;
}

Test(gossip_keys, what_serf_asks, .fini = stop)
{
	struct gsp_serf_keys r;
	struct gsp_bytes key;
	uint8_t buf[1024];

	start(0);
	cr_expect_eq(key_query("_serf_list-keys", "", 0, &r, buf, sizeof(buf)), 0);
	cr_assert(gsp_list_take_bytes(&r.keys, &key));
	cr_expect(gsp_bytes_eq(key, GSP_TEXT("MDEyMzQ1Njc4OWFiY2RlZg==")));
	cr_expect_eq(key_query("_serf_use-key", KEY2, 32, &r, buf, sizeof(buf)), -1);
	cr_expect_eq(key_query("_serf_install-key", KEY2, 32, &r, buf, sizeof(buf)), 0);
	cr_expect_eq(key_query("_serf_install-key", KEY2, 31, &r, buf, sizeof(buf)), -1);
	cr_expect_eq(key_query("_serf_use-key", KEY2, 32, &r, buf, sizeof(buf)), 0);
	cr_expect_eq(key_query("_serf_remove-key", KEY2, 32, &r, buf, sizeof(buf)), -1);
	cr_expect_eq(key_query("_serf_remove-key", KEY1, 16, &r, buf, sizeof(buf)), 0);
	cr_expect_eq(key_query("_serf_list-keys", "", 0, &r, buf, sizeof(buf)), 0);
	cr_assert(gsp_list_take_bytes(&r.keys, &key));
	cr_expect(gsp_bytes_eq(key, GSP_TEXT("ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=")));
	cr_expect_not(gsp_list_take_bytes(&r.keys, &key));
	cr_expect_eq(node[0].keys_changed, 3);
}
