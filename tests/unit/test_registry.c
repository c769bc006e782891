/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Claims, addresses, look-ups. */
#include "test_registry.h"

#include <patchbay/addr.h>
#include <patchbay/siphash.h>

static void begin(void)
{
	start("10.9.0.0/16", NULL);
}

TestSuite(registry, .init = begin, .fini = stop);

Test(registry, names_get_the_lowest_free_address)
{
	cr_assert_str_eq(vip4(claim(1, "a", "")), "10.9.0.1");
	cr_assert_str_eq(vip4(claim(2, "b", "")), "10.9.0.2");
	cr_assert_str_eq(vip4(claim(3, "c", "10.9.0.4")), "10.9.0.4");
	cr_assert_str_eq(vip4(claim(4, "d", "")), "10.9.0.3");
	cr_assert_str_eq(vip4(claim(5, "e", "")), "10.9.0.5",
			 "an explicit address is not given again");
}

Test(registry, instances_of_one_name_share_everything_but_tags)
{
	const struct pb_app_rec *a = claim(1, "web", "grp=x"), *b = claim(2, "WEB", "grp=y");

	cr_assert_eq(a->app.id, b->app.id);
	cr_assert_eq(a->app.ns, b->app.ns);
	cr_assert_str_eq(b->app.name, "web");
	cr_assert(pb_addr_eq(&a->app.vip4, &b->app.vip4));
	cr_assert(pb_addr_eq(&a->app.ll4, &b->app.ll4));
	cr_assert_neq(a->app.grp[0], b->app.grp[0]);
	cr_assert(pb_registry_by_name(reg, "wEb") == a, "the first one");
}

Test(registry, names_that_share_an_address_are_one_distributed_application)
{
	const struct pb_app_rec *web = claim(1, "web", "10.9.1.1"),
				*db = claim(2, "db", "10.9.1.1");

	cr_assert_eq(web->app.ns, db->app.ns);
	cr_assert_neq(web->app.id, db->app.id);
	cr_assert_eq(pb_registry_ns_of(reg, &web->app.vip4), web->app.ns);
	cr_assert(pb_registry_by_addr(reg, &web->app.vip4) == web);
	cr_assert_eq(pb_registry_release(reg, 1), 0);
	cr_assert(pb_registry_by_addr(reg, &db->app.vip4) == db, "still the other's");
	cr_assert_eq(pb_registry_release(reg, 2), 0);
	cr_assert_eq(try(3, "x", "10.9.1.1"), 0, "free again: %s", err);
}

Test(registry, a_name_that_exists_may_repeat_its_address_and_no_other)
{
	claim(1, "web", "10.9.1.1");
	claim(2, "web", "10.9.1.1");
	claim(3, "web", "");
	cr_assert_eq(try(4, "web", "10.9.1.2"), -EADDRINUSE);
	cr_assert(strstr(err, "10.9.1.1") && strstr(err, "10.9.1.2") && strstr(err, "'web'"), "%s",
		  err);
	cr_assert_null(pb_registry_by_ref(reg, 4));
}

Test(registry, two_families)
{
	const struct pb_app_rec *a = claim(1, "a", "10.9.1.1 fd00::1"),
				*b = claim(2, "b", "fd00::1");

	cr_assert(pb_addr_eq(&a->app.vip4, &b->app.vip4), "joined: both addresses");
	cr_assert_eq(a->app.ns, b->app.ns);
	cr_assert_eq(try(3, "c", "10.9.1.1 fd00::2"), -EADDRINUSE);
	cr_assert(strstr(err, "10.9.1.1 belongs to 'a'"), "%s", err);
	claim(4, "d", "fd00::4");
	cr_assert_eq(try(5, "e", "10.9.1.1 fd00::4"), -EADDRINUSE);
	cr_assert(pb_addr_is_zero(&pb_registry_by_name(reg, "d")->app.vip4));
}

Test(registry, unnamed_is_a_client_with_link_local_addresses)
{
	const struct pb_app_rec *a = claim(0xabc, NULL, "grp=x"), *b = claim(0xabd, NULL, "");

	cr_assert_str_eq(a->app.name, "~abc");
	cr_assert_eq(a->app.flags, PB_APP_TAGGED);
	cr_assert_eq(b->app.flags, 0);
	cr_assert(pb_addr_is_zero(&a->app.vip4) && pb_addr_is_zero(&a->app.vip6));
	cr_assert(a->app.ns >> 63 && b->app.ns >> 63 && a->app.ns != b->app.ns);
	cr_assert_not(pb_addr_eq(&a->app.ll4, &b->app.ll4));
	cr_assert(pb_registry_by_addr(reg, &a->app.ll4) == a);
	cr_assert(pb_registry_by_addr(reg, &a->app.ll6) == a);
	cr_assert(pb_registry_by_name(reg, "~abc") == a);
	cr_assert_eq(ntohl(a->app.ll6.w[0]), 0xfe800000);
	cr_assert_eq((uint64_t)ntohl(a->app.ll6.w[2]) << 32 | ntohl(a->app.ll6.w[3]), a->app.id);
	cr_assert_eq(try(5, NULL, "10.9.0.9"), -EINVAL);
}

Test(registry, id_is_the_keyed_hash_of_the_name)
{
	const struct pb_app_rec *a = claim(1, "web", "");
	uint8_t key[16], other[16];

	pb_reg_key_derive("test", key);
	pb_reg_key_derive("tesu", other);
	cr_assert(memcmp(key, other, 16));
	cr_assert_eq(a->app.id, pb_siphash24(key, "web", 3));
	cr_assert_eq(a->app.ns, pb_siphash24(key, "10.9.0.1", 8) & ~(1ULL << 63));
}

static const struct {
	const char *name, *list, *says;
} bad[] = {
	{ "-web", "", "is not a name" },
	{ "10.9.0.1", "", "is not a name" },
	{ "~1", "", "is not a name" },
	{ "localhost", "", "every program's own" },
	{ "web", "127.0.0.1", "loopback" },
	{ "web", "::1", "loopback" },
	{ "web", "169.254.1.1", "link-local" },
	{ "web", "fe80::1", "link-local" },
	{ "web", "224.0.0.1", "multicast" },
	{ "web", "ff02::1", "multicast" },
	{ "web", "0.0.0.0", "wildcard" },
	{ "web", "::", "wildcard" },
	{ "web", "10.9.0.0", "first address" },
	{ "web", "10.9.255.255", "broadcast" },
	{ "web", "10.9.0.1 10.9.0.2", "one family" },
	{ "web", "fd00::1 fd00::2", "one family" },
	{ "web", "GRP=x", "a key holds" },
	{ "web", "grp=a,b", "a value holds" },
};

Test(registry, bad_claims_say_why_and_change_nothing)
{
	size_t pos = 0;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cr_assert_eq(try(1, bad[i].name, bad[i].list), -EINVAL, "%zu", i);
		cr_assert(strstr(err, bad[i].says), "%s", err);
	}
	cr_assert_null(pb_registry_next(reg, &pos));
	cr_assert_eq(try(0, "web", ""), -EINVAL);
	cr_assert_eq(try(1ULL << 63, "web", ""), -EINVAL);
	claim(1, "web", "");
	cr_assert_eq(try(1, "db", ""), -EEXIST);
	cr_assert_null(pb_registry_by_name(reg, "db"));
}

Test(registry, duplicate_tags_count_once)
{
	const struct pb_app_rec *a = claim(1, "a", "grp=x grp=x tier=1");

	cr_assert_eq(a->tags.n, 2);
	cr_assert_eq(a->app.flags & ~PB_APP_GIVEN, PB_APP_NAMED | PB_APP_TAGGED);
}

Test(registry, too_many_tags_or_addresses)
{
	struct pb_claim_req req = { .ref = 1, .name = "a", .n_tags = PB_TAGS_MAX + 1 };
	const struct pb_app_rec *rec;

	cr_assert_eq(pb_registry_claim(reg, &req, &rec, err), -EINVAL);
	req.n_tags = 0;
	req.n_ips = 3;
	cr_assert_eq(pb_registry_claim(reg, &req, &rec, err), -EINVAL);
	req.n_ips = 0;
	req.mode = _PB_MODE_MAX;
	cr_assert_eq(pb_registry_claim(reg, &req, &rec, err), -EINVAL);
	req.mode = 0;
	req.egress = "10.0.0.1/8";
	cr_assert_eq(pb_registry_claim(reg, &req, &rec, err), -EINVAL);
	cr_assert(strstr(err, "10.0.0.1/8"), "%s", err);
}

Test(registry, release_of_the_unknown)
{
	cr_assert_eq(pb_registry_release(reg, 7), -ENOENT);
}

Test(registry, iteration_survives_release)
{
	bool seen[21] = { false };
	const struct pb_app_rec *rec;
	size_t pos = 0, n = 0;

	for (uint64_t ref = 1; ref <= 20; ref++)
		claim(ref, NULL, "");
	while ((rec = pb_registry_next(reg, &pos))) {
		cr_assert_not(seen[rec->ref]);
		seen[rec->ref] = true;
		n++;
		if (rec->ref % 2)
			pb_registry_release(reg, rec->ref);
	}
	cr_assert_eq(n, 20);
	cr_assert_null(pb_registry_next(reg, &pos), "stays at the end");
}

Test(registry, ten_thousand_and_no_more_than_the_map_holds)
{
	uint64_t begun = pb_now_ns();

	for (uint64_t ref = 1; ref <= 16384; ref++) {
		char name[16];

		snprintf(name, sizeof(name), "app%u", (unsigned)ref);
		claim(ref, name, "");
	}
	for (uint64_t ref = 1; ref <= 16384; ref++) {
		const struct pb_app_rec *rec = pb_registry_by_ref(reg, ref);

		cr_assert(pb_registry_by_name(reg, rec->app.name) == rec);
		cr_assert(pb_registry_by_addr(reg, &rec->app.vip4) == rec);
		cr_assert(pb_registry_by_addr(reg, &rec->app.ll4) == rec);
	}
	cr_assert_eq(try(20000, "more", ""), -ENOSPC);
	cr_assert(strstr(err, "16384"), "%s", err);
	/* A look-up that walks all records would take minutes under the sanitizers. */
	cr_assert_lt(pb_now_ns() - begun, 60000000000ULL);
}
