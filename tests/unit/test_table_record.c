/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The form of records on the wire, and claims. */
#include <criterion/criterion.h>

#include "table_net.h"

#include "control/gossip/msgpack.h"
#include "control/util.h"

#include <arpa/inet.h>
#include <patchbay/addr.h>

static int again(const struct tbl_record *r, struct tbl_record *ret)
{
	uint8_t buf[TBL_RECORD_MAX];
	int n = tbl_record_encode(r, buf, sizeof(buf));

	if (n < 0)
		return n;
	memset(ret, 0xaa, sizeof(*ret));
	return tbl_record_decode(ret, r->kind, r->id, buf, (size_t)n, NULL);
}

static struct tbl_record largest(void)
{
	struct tbl_record r = tnet_app(1, 7, 3);

	memset(r.app.name, 'n', PB_NAME_LEN - 1);
	r.app.id64 = r.app.since_ms = UINT64_MAX;
	r.app.flags = UINT32_MAX;
	memset(r.app.vip6.b, 0x20, 16);
	r.app.tags.n = PB_TAGS_MAX;
	for (unsigned i = 0; i < PB_TAGS_MAX; i++) {
		memset(r.app.tags.tag[i], 't', PB_TAG_LEN - 1);
		r.app.tags.tag[i][PB_TAG_LEN - 1] = 0;
	}
	return r;
}

Test(table_record, come_back_as_they_were)
{
	struct tbl_record all[] = { tnet_node_rec(3), tnet_app(1, 2, 3), tnet_endpoint(4, 5, 6),
				    largest() };

	all[2].endpoint.live = 70000;
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		struct tbl_record back;

		cr_assert_eq(again(&all[i], &back), 0, "record %u", i);
		cr_expect_eq(memcmp(&all[i], &back, sizeof(back)), 0, "record %u", i);
	}
}

Test(table_record, the_largest_fits_a_packet)
{
	struct tbl_record r = largest();
	uint8_t buf[TBL_RECORD_MAX];
	int n = tbl_record_encode(&r, buf, sizeof(buf));

	cr_assert_gt(n, 600);
	cr_expect_eq(tbl_record_encode(&r, buf, (size_t)n - 1), -ENOBUFS);
}

Test(table_record, out_of_bounds_is_refused_both_ways)
{
	struct tbl_record r = tnet_endpoint(1, 1, 1), back;

	r.endpoint.weight = 0;
	cr_expect_eq(again(&r, &back), -EINVAL);
	r = tnet_endpoint(1, 1, 1);
	r.endpoint.port = 0;
	cr_expect_eq(again(&r, &back), -EINVAL);
	r = tnet_node_rec(1);
	r.id = 1;
	cr_expect_eq(again(&r, &back), -EINVAL);
	r = tnet_node_rec(1);
	r.node.loc4 = pb_addr_loopback(1);
	cr_expect_eq(again(&r, &back), -EINVAL);
	r.node.loc4 = pb_addr_v4(htonl(0xe0000001));
	cr_expect_eq(again(&r, &back), -EINVAL);
	r = tnet_app(1, 1, 1);
	r.app.name[0] = 0;
	cr_expect_eq(again(&r, &back), -EINVAL);
	r = tnet_app(1, 1, 1);
	strcpy(r.app.tags.tag[0], "a\nb");
	cr_expect_eq(again(&r, &back), -EINVAL);
	r.app.tags.n = PB_TAGS_MAX + 1;
	cr_expect_eq(again(&r, &back), -EINVAL);
	r.kind = 9;
	cr_expect_eq(again(&r, &back), -EINVAL);
}

/* {"4": addr} and what else an engineer of tomorrow may say. */
static int decode(uint8_t kind, const char *keys, const uint64_t *values, const char **ret_why)
{
	uint8_t buf[256];
	struct gsp_wr w = GSP_WR(buf, sizeof(buf));
	struct tbl_record r;

	gsp_wr_map(&w, (uint32_t)strlen(keys));
	for (unsigned i = 0; keys[i]; i++) {
		gsp_wr_raw(&w, keys + i, 1);
		gsp_wr_uint(&w, values[i]);
	}
	return tbl_record_decode(&r, kind, 0, buf, (size_t)(w.p - buf), ret_why);
}

Test(table_record, what_a_later_version_says)
{
	const char *why = NULL;

	/* app, class, state, protocol, real, virtual port, weight, and one nobody knows */
	cr_expect_eq(decode(TBL_ENDPOINT, "ackprvwZ",
			    (uint64_t[]){ 1, 1, PB_EP_UP, 6, 80, 80, 1, 7 }, &why),
		     0);
	cr_expect_eq(decode(TBL_ENDPOINT, "ackprvw", (uint64_t[]){ 1, 1, PB_EP_UP, 132, 80, 80, 1 },
			    &why),
		     -EOPNOTSUPP, "another protocol");
	cr_expect_eq(decode(TBL_ENDPOINT, "ackprvw", (uint64_t[]){ 1, 1, 9, 6, 80, 80, 1 }, &why),
		     -EOPNOTSUPP, "another state");
	cr_expect_eq(decode(77, "a", (uint64_t[]){ 1 }, &why), -EOPNOTSUPP, "another kind");
	cr_expect_null(why);
	cr_expect_eq(decode(TBL_ENDPOINT, "ackprvw", (uint64_t[]){ 1, 1, PB_EP_UP, 6, 80, 80, 101 },
			    &why),
		     -EBADMSG);
	cr_expect_not_null(why);
}

Test(table_record, what_is_no_record)
{
	struct tbl_record r = tnet_app(1, 2, 3), back;
	uint8_t buf[TBL_RECORD_MAX + 2] = { 0 };
	int n = tbl_record_encode(&r, buf, TBL_RECORD_MAX);

	for (int i = 0; i < n; i++)
		cr_expect_lt(tbl_record_decode(&back, TBL_APP, 2, buf, (size_t)i, NULL), 0,
			     "cut at %d", i);
	cr_expect_eq(tbl_record_decode(&back, TBL_APP, 2, buf, (size_t)n + 1, NULL), -EBADMSG);
	cr_expect_eq(tbl_record_decode(&back, TBL_APP, 2, buf, TBL_RECORD_MAX + 1, NULL), -E2BIG);
	cr_expect_lt(tbl_record_decode(&back, TBL_NODE, 0, (const uint8_t *)"\xc1", 1, NULL), 0);
}

/* ---- claims ----------------------------------------------------------------------------------- */

static struct tbl_claim claim(const char *name, uint32_t vip, bool automatic, uint64_t since)
{
	struct tbl_claim c = { .vip4 = pb_addr_v4(htonl(vip)),
			       .since_ms = since,
			       .flags = automatic ? TBL_APP_AUTO : 0 };

	strcpy(c.name, name);
	return c;
}

Test(table_record, which_applications_clash)
{
	struct tbl_claim web = claim("web", 1, false, 5), db = claim("db", 1, false, 5);
	struct tbl_claim twin = claim("web", 1, true, 9), moved = claim("web", 2, false, 9);
	struct tbl_claim taken = claim("cache", 1, true, 9), v6 = claim("web", 0, false, 9);

	v6.vip4 = (struct pb_addr){ 0 };
	v6.vip6.b[0] = 0xfd;
	cr_expect_eq(tbl_clash(&web, &db), TBL_CLASH_NONE, "names share an address on purpose");
	cr_expect_eq(tbl_clash(&web, &twin), TBL_CLASH_NONE, "instances of one application");
	cr_expect_eq(tbl_clash(&web, &v6), TBL_CLASH_NONE, "the other family");
	cr_expect_eq(tbl_clash(&web, &moved), TBL_CLASH_NAME);
	cr_expect_eq(tbl_clash(&web, &taken), TBL_CLASH_ADDRESS);
	cr_expect_eq(tbl_clash(&taken, &web), TBL_CLASH_ADDRESS);
}

Test(table_record, who_was_first)
{
	struct tbl_claim early = claim("a", 1, false, 5), late = claim("a", 2, false, 6);
	struct tbl_id low = { { 1 } }, high = { { 2 } };

	cr_expect(tbl_claim_first(&early, &high, 9, &late, &low, 1));
	cr_expect(!tbl_claim_first(&late, &low, 1, &early, &high, 9));
	late.since_ms = 5;
	cr_expect(tbl_claim_first(&late, &low, 9, &early, &high, 1));
	cr_expect(!tbl_claim_first(&early, &high, 1, &late, &low, 9));
	cr_expect(tbl_claim_first(&late, &low, 1, &early, &low, 2));
	cr_expect(!tbl_claim_first(&early, &low, 2, &late, &low, 1));
}
