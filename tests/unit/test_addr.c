/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>

#include <patchbay/addr.h>

#include "control/registry/registry.h"

static struct pb_addr A(const char *text) {
	struct pb_addr a;

	cr_assert_eq(pb_addr_parse(text, &a), 0, "%s", text);
	return a;
}

static const struct {
	const char *text;
	int v4, any, loop;
} classes[] = {
	{ "0.0.0.0", 1, 1, 0 },
	{ "127.0.0.1", 1, 0, 1 },
	{ "127.255.255.254", 1, 0, 1 },
	{ "126.255.255.255", 1, 0, 0 },
	{ "128.0.0.0", 1, 0, 0 },
	{ "255.255.255.255", 1, 0, 0 },
	{ "10.9.0.1", 1, 0, 0 },
	{ "::", 0, 1, 0 },
	{ "::1", 0, 0, 1 },
	{ "::2", 0, 0, 0 },
	{ "::ffff:127.0.0.1", 1, 0, 1 },
	{ "::ffff:0.0.0.0", 1, 1, 0 },
	{ "::127.0.0.1", 0, 0, 0 },
	{ "fe80::1", 0, 0, 0 },
	{ "1::ffff:10.0.0.1", 0, 0, 0 },
	{ "::fffe:127.0.0.1", 0, 0, 0 },
};

Test(addr, classes)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		struct pb_addr a = A(classes[i].text);

		cr_assert_eq(!!pb_addr_is_v4(&a), classes[i].v4, "%s v4", classes[i].text);
		cr_assert_eq(!!pb_addr_is_any(&a), classes[i].any, "%s any", classes[i].text);
		cr_assert_eq(!!pb_addr_is_loopback(&a), classes[i].loop, "%s lo", classes[i].text);
	}
}

Test(addr, zero_is_only_the_all_zero_one)
{
	struct pb_addr any6 = A("::"), any4 = A("0.0.0.0");

	cr_assert(pb_addr_is_zero(&any6));
	cr_assert_not(pb_addr_is_zero(&any4));
}

Test(addr, loopback_of_each_family)
{
	struct pb_addr l4 = pb_addr_loopback(1), l6 = pb_addr_loopback(0);
	struct pb_addr w4 = A("127.0.0.1"), w6 = A("::1");

	cr_assert(pb_addr_eq(&l4, &w4));
	cr_assert(pb_addr_eq(&l6, &w6));
	cr_assert_not(pb_addr_eq(&l4, &l6));
}

static const struct {
	const char *addr, *net;
	unsigned bits;
	int in;
} nets[] = {
	{ "10.9.1.2", "10.9.0.0", 112, 1 },	 { "10.10.0.0", "10.9.0.0", 112, 0 },
	{ "10.9.0.0", "10.9.0.0", 128, 1 },	 { "10.9.0.1", "10.9.0.0", 128, 0 },
	{ "10.9.0.1", "10.9.0.0", 127, 1 },	 { "10.9.0.2", "10.9.0.0", 127, 0 },
	{ "255.0.0.1", "0.0.0.0", 96, 1 },	 { "::1", "0.0.0.0", 96, 0 },
	{ "fd00::1", "fd00::", 8, 1 },		 { "fe00::1", "fd00::", 8, 0 },
	{ "fd00:0:0:1::", "fd00::", 64, 0 },	 { "fd00::ffff:0:0:1", "fd00::", 64, 1 },
	{ "fd00::8000:0:0:0", "fd00::", 65, 0 }, { "1.2.3.4", "::", 0, 1 },
};

Test(addr, prefix)
{
	for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++) {
		struct pb_addr a = A(nets[i].addr), n = A(nets[i].net);

		cr_assert_eq(pb_addr_in(&a, &n, nets[i].bits), nets[i].in, "%s in %s/%u",
			     nets[i].addr, nets[i].net, nets[i].bits);
	}
}
