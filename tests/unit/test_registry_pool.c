/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pools: edges, memory of released names, exhaustion. */
#include "test_registry.h"

#include <patchbay/addr.h>

static struct {
	const char *net;
	unsigned usable;
	const char *first;
} pools[] = {
	{ "10.9.0.0/30", 2, "10.9.0.1" },    { "10.9.0.0/31", 2, "10.9.0.0" },
	{ "10.9.0.8/32", 1, "10.9.0.8" },    { "10.9.0.0/29", 6, "10.9.0.1" },
	{ "10.9.0.64/26", 62, "10.9.0.65" },
};

Test(pool, edges_are_not_given_out, .fini = stop)
{
	for (size_t i = 0; i < ARRAY_SIZE(pools); i++) {
		uint64_t ref = 1;
		char name[16];

		start(pools[i].net, NULL);
		for (; ref <= pools[i].usable; ref++) {
			snprintf(name, sizeof(name), "n%u", (unsigned)ref);
			claim(ref, name, "");
		}
		cr_assert_str_eq(vip4(pb_registry_by_ref(reg, 1)), pools[i].first);
		cr_assert_eq(try(ref, "more", ""), -ENOSPC, "%s", pools[i].net);
		cr_assert(strstr(err, pools[i].net), "%s", err);
		stop();
	}
}

Test(pool, ipv6_skips_the_anycast_address, .fini = stop)
{
	const struct pb_app_rec *a;
	struct pb_addr first = A("fd09:b0b0::1");

	start("10.9.0.0/16", "fd09:b0b0::/64");
	a = claim(1, "a", "");
	cr_assert(pb_addr_eq(&a->app.vip6, &first));
	cr_assert_str_eq(vip4(a), "10.9.0.1");
}

Test(pool, only_ipv6, .fini = stop)
{
	start(NULL, "fd09:b0b0::/126");
	cr_assert(pb_addr_is_zero(&claim(1, "a", "")->app.vip4));
	claim(2, "b", "");
	claim(3, "c", "");
	cr_assert_eq(try(4, "d", ""), -ENOSPC);
}

Test(pool, none_at_all, .fini = stop)
{
	start(NULL, NULL);
	cr_assert_eq(try(1, "a", ""), -ENOSPC);
	cr_assert(strstr(err, "no pool"), "%s", err);
	claim(1, "a", "192.0.2.1");
	claim(2, NULL, "");
}

Test(pool, half_a_failure_gives_everything_back, .fini = stop)
{
	start("10.9.0.0/30", "fd09:b0b0::/127");
	claim(1, "a", "fd09:b0b0::");
	claim(2, "b", "fd09:b0b0::1");
	cr_assert_eq(try(3, "c", "grp=gone"), -ENOSPC, "no IPv6 address left");
	cr_assert_null(pb_registry_group(reg, 0));
	pb_registry_release(reg, 1);
	cr_assert_str_eq(vip4(claim(3, "c", "")), "10.9.0.1");
}

Test(pool, a_name_comes_back_to_its_address, .fini = stop)
{
	start("10.9.0.0/16", NULL);
	claim(1, "a", "");
	claim(2, "b", "");
	pb_registry_release(reg, 1);
	cr_assert_str_eq(vip4(claim(3, "c", "")), "10.9.0.3", "kept for a");
	cr_assert_str_eq(vip4(claim(4, "a", "")), "10.9.0.1");
}

Test(pool, memory_yields_when_the_pool_is_short, .fini = stop)
{
	start("10.9.0.0/29", NULL);
	for (uint64_t ref = 1; ref <= 6; ref++)
		claim(ref, (const char *[]){ "a", "b", "c", "d", "e", "f" }[ref - 1], "");
	pb_registry_release(reg, 4);
	pb_registry_release(reg, 2);
	cr_assert_str_eq(vip4(claim(7, "g", "")), "10.9.0.4", "the one released first goes first");
	cr_assert_str_eq(vip4(claim(8, "b", "")), "10.9.0.2");
	cr_assert_eq(try(9, "d", ""), -ENOSPC);
}

Test(pool, who_asks_for_a_remembered_address_gets_it, .fini = stop)
{
	start("10.9.0.0/16", NULL);
	claim(1, "a", "");
	pb_registry_release(reg, 1);
	claim(2, "b", "10.9.0.1");
	cr_assert_str_eq(vip4(claim(3, "a", "")), "10.9.0.2",
			 "never by surprise in b's application");
}

Test(pool, a_name_rejoins_the_address_it_shared, .fini = stop)
{
	start("10.9.0.0/16", NULL);
	claim(1, "a", "");
	claim(2, "b", "10.9.0.1");
	pb_registry_release(reg, 1);
	cr_assert_eq(claim(3, "a", "")->app.ns, pb_registry_by_ref(reg, 2)->app.ns);
}

Test(pool, memory_is_bounded, .fini = stop)
{
	char name[16];

	start("10.9.0.0/16", NULL);
	for (unsigned i = 1; i <= 5000; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		claim(1, name, "");
		pb_registry_release(reg, 1);
	}
	cr_assert_str_eq(vip4(claim(1, "n5000", "")), "10.9.3.135", "still remembered");
	cr_assert_str_eq(vip4(claim(2, "new", "")), "10.9.3.136", "the oldest are not");
}

Test(pool, link_local_addresses_are_unique_and_in_range, .fini = stop)
{
	start(NULL, NULL);
	for (uint64_t ref = 1; ref <= 5000; ref++) {
		const struct pb_app_rec *rec = claim(ref, NULL, "");
		uint32_t ip = ntohl(rec->app.ll4.w[3]);

		cr_assert(pb_addr_is_v4(&rec->app.ll4) && ip >= 0xa9fe0100 && ip <= 0xa9fefeff);
		cr_assert(pb_registry_by_addr(reg, &rec->app.ll4) == rec);
	}
}

Test(pool, bad_configurations)
{
	struct pb_reg_conf conf = { .pool4 = A("fd00::"), .pool4_bits = 64 };

	cr_assert_eq(pb_registry_new(&reg, &conf), -EINVAL);
	conf = (struct pb_reg_conf){ .pool6 = A("10.0.0.0"), .pool6_bits = 104 };
	cr_assert_eq(pb_registry_new(&reg, &conf), -EINVAL);
	conf = (struct pb_reg_conf){ .mode = 9 };
	cr_assert_eq(pb_registry_new(&reg, &conf), -EINVAL);
}
