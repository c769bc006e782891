/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>

#include "control/util.h"
#include "control/registry/registry.h"

Test(text, addresses_there_and_back)
{
	static const char *const same[] = { "10.9.0.1", "0.0.0.0",	"255.255.255.255", "::",
					    "::1",	"fd09:b0b0::1", "fe80::1:2:3:4" };
	char buf[46], with_port[54];
	struct pb_addr a;

	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		cr_assert_eq(pb_addr_parse(same[i], &a), 0);
		cr_assert_str_eq(pb_addr_format(&a, buf, sizeof(buf)), same[i]);
	}
	cr_assert_eq(pb_addr_parse("::ffff:10.0.0.1", &a), 0);
	cr_assert_str_eq(pb_addr_format(&a, buf, sizeof(buf)), "10.0.0.1");
	cr_assert_str_eq(pb_addr_port_format(&a, htons(80), with_port, 54), "10.0.0.1:80");
	cr_assert_eq(pb_addr_parse("fd00::1", &a), 0);
	cr_assert_str_eq(pb_addr_port_format(&a, htons(65535), with_port, 54), "[fd00::1]:65535");
}

Test(text, addresses_refused)
{
	static const char *const bad[] = { "",		"10.9.0", "10.9.0.256", "10.9.0.1 ",
					   " 10.9.0.1", "0x7f.1", "10.9.0.1/8", "fe80::1%lo",
					   "[::1]",	"::1::",  "web",	"1" };
	struct pb_addr a = { .w = { 7, 7, 7, 7 } };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_assert_eq(pb_addr_parse(bad[i], &a), -EINVAL, "'%s'", bad[i]);
	cr_assert_eq(a.w[0], 7, "untouched on failure");
}

Test(text, networks)
{
	static const struct {
		const char *text;
		int err;
		unsigned bits;
	} t[] = {
		{ "10.9.0.0/16", 0, 112 },
		{ "10.9.0.1", 0, 128 },
		{ "0.0.0.0/0", 0, 96 },
		{ "10.9.0.1/32", 0, 128 },
		{ "fd00::/8", 0, 8 },
		{ "::/0", 0, 0 },
		{ "fd00::1", 0, 128 },
		{ "10.9.0.1/16", -EINVAL, 0 },
		{ "10.9.0.0/33", -EINVAL, 0 },
		{ "fd00::/129", -EINVAL, 0 },
		{ "fd00::1/64", -EINVAL, 0 },
		{ "10.9.0.0/", -EINVAL, 0 },
		{ "10.9.0.0/-1", -EINVAL, 0 },
		{ "10.9.0.0/+8", -EINVAL, 0 },
		{ "/8", -EINVAL, 0 },
		{ "10.0.0.0/8/8", -EINVAL, 0 },
		{ "10.0.0.0/99999999999", -EINVAL, 0 },
		{ "0000000000000000000000000000000000000000000000000000/8", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct pb_addr net;
		uint32_t bits = 0;

		cr_assert_eq(pb_cidr_parse(t[i].text, &net, &bits), t[i].err, "%s", t[i].text);
		cr_assert_eq(bits, t[i].bits, "%s", t[i].text);
	}
}

Test(text, ipv6_network_holds_no_ipv4)
{
	struct pb_addr net, a;
	uint32_t bits;

	cr_assert_eq(pb_cidr_parse("::/0", &net, &bits), 0);
	cr_assert_eq(pb_addr_parse("10.0.0.1", &a), 0);
	cr_assert_not(pb_cidr_has(&net, bits, &a));
	cr_assert_eq(pb_addr_parse("fd00::1", &a), 0);
	cr_assert(pb_cidr_has(&net, bits, &a));
	cr_assert_eq(pb_cidr_parse("0.0.0.0/0", &net, &bits), 0);
	cr_assert_not(pb_cidr_has(&net, bits, &a));
}

#define L63 "a23456789-123456789-123456789-123456789-123456789-123456789-123"

Test(text, names)
{
	static const char *const good[] = { "web", "Web", "a",	   "web-1", "db.prod",
					    "1a",  "a1",  "web.1", "3com",  L63 };
	static const char *const bad[] = { "",		"-web", "web-",	    ".web", "web.",
					   "a..b",	"a.-b", "a-.b",	    "we b", "web_1",
					   "w\xc3\xa9", "~1",	"10.9.0.1", "123",  "0x7f",
					   "1.2",	"a/b",	"*",	    "a=b",  L63 "4" };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		cr_assert(pb_name_valid(good[i]), "%s", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_assert_not(pb_name_valid(bad[i]), "%s", bad[i]);
}

Test(text, tags)
{
	static const char *const good[] = {
		"grp=a", "a.b_c-d=1", "k==", "k=a=b", "k=!~*[", "grp=123456789012345678901234567"
	};
	static const char *const bad[] = { "",
					   "grp",
					   "=a",
					   "grp=",
					   "Grp=a",
					   "g p=a",
					   "grp=a b",
					   "grp=a,b",
					   "grp=\x01",
					   "grp=\xc3\xa9",
					   "grp=1234567890123456789012345678" };
	char err[PB_ERR_LEN];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		cr_assert_eq(pb_tag_check(good[i], err), 0, "%s", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		*err = 0;
		cr_assert_eq(pb_tag_check(bad[i], err), -EINVAL, "%s", bad[i]);
		cr_assert(strstr(err, "tag '"), "%s", err);
	}
}

Test(text, messages_are_printable)
{
	char err[PB_ERR_LEN];

	cr_assert_eq(pb_fail(err, -EINVAL, "a\x1b[31m\xc3\xa9\n"), -EINVAL);
	cr_assert_str_eq(err, "a?[31m???");
}

Test(text, unfit_addresses)
{
	static const char *const bad[] = { "0.0.0.0",	      "0.1.2.3",   "127.1.2.3",
					   "169.254.1.1",     "224.0.0.1", "240.0.0.1",
					   "255.255.255.255", "::",	   "::1",
					   "fe80::1",	      "febf::1",   "ff02::1" };
	static const char *const good[] = { "10.9.0.1", "1.1.1.1", "192.168.0.1", "fd09:b0b0::1",
					    "2001:db8::1" };
	struct pb_addr a;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cr_assert_eq(pb_addr_parse(bad[i], &a), 0);
		cr_assert(pb_addr_unfit(&a), "%s", bad[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		cr_assert_eq(pb_addr_parse(good[i], &a), 0);
		cr_assert_null(pb_addr_unfit(&a), "%s", good[i]);
	}
}

Test(text, numbers)
{
	uint32_t n = 5;

	cr_assert_eq(pb_number_parse("0", 10, &n), 0);
	cr_assert_eq(n, 0);
	cr_assert_eq(pb_number_parse("4294967295", UINT32_MAX, &n), 0);
	cr_assert_eq(n, UINT32_MAX);
	cr_assert_eq(pb_number_parse("4294967296", UINT32_MAX, &n), -ERANGE);
	cr_assert_eq(pb_number_parse("99999999999999999999999", 10, &n), -ERANGE);
	cr_assert_eq(pb_number_parse("", 10, &n), -EINVAL);
	cr_assert_eq(pb_number_parse("-1", 10, &n), -EINVAL);
	cr_assert_eq(pb_number_parse("1 ", 10, &n), -EINVAL);
}
