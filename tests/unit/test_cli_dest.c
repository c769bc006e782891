/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* control/cli/dest.c: destinations, references and numbers. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "control/cli/cli.h"
#include "control/util.h"

struct dest_case {
	char text[80];
	char want[80]; /* as sent; empty: refused */
};

ParameterizedTestParameters(cli_dest, forms)
{
	static struct dest_case cases[] = {
		{ "web", "web" },
		{ "web:80", "web:80" },
		{ "web.example:65535", "web.example:65535" },
		{ "10.9.0.1", "10.9.0.1" },
		{ "10.9.0.1:1", "10.9.0.1:1" },
		{ "fd00::1", "[fd00::1]" },
		{ "::1", "[::1]" },
		{ "[fd00::1]", "[fd00::1]" },
		{ "[fd00::1]:443", "[fd00::1]:443" },
		{ "[::ffff:10.9.0.1]:80", "[::ffff:10.9.0.1]:80" },
		{ "", "" },
		{ ":80", "" },
		{ "[]:80", "" },
		{ "[", "" },
		{ "]", "" },
		{ "web:", "" },
		{ "web:0", "" },
		{ "web:65536", "" },
		{ "web:99999999999999999999", "" },
		{ "web:+1", "" },
		{ "web: 1", "" },
		{ "web:80x", "" },
		{ "10.9.0.256", "" },
		{ "10.9.0", "" },
		{ "[10.9.0.1x]", "" },
		{ "[web]:80", "" },
		{ "[fd00::1]80", "" },
		{ "fd00::1::2", "" },
		{ "we b", "" },
		{ "-web", "" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "" },
	};

	return cr_make_param_array(struct dest_case, cases, ARRAY_SIZE(cases));
}

ParameterizedTest(struct dest_case *t, cli_dest, forms)
{
	char err[CLI_ERR_LEN] = "", sent[CLI_DEST_LEN];
	struct cli_dest d = { .host = "untouched" };
	int ret = cli_dest_parse(t->text, &d, err);

	if (!*t->want) {
		cr_assert_eq(ret, -EINVAL, "'%s' is taken", t->text);
		cr_assert_str_eq(d.host, "untouched");
		cr_assert_gt(strlen(err), 10, "'%s' gives no sentence", t->text);
		return;
	}
	cr_assert_eq(ret, 0, "'%s': %s", t->text, err);
	cli_dest_format(&d, sent);
	cr_assert_str_eq(sent, t->want);
}

Test(cli_dest, numbers)
{
	unsigned long n = 7;

	cr_assert_eq(cli_number("10", 1, 10, &n), 0);
	cr_assert_eq(n, 10);
	cr_assert(cli_number("0", 1, 10, &n));
	cr_assert(cli_number("11", 1, 10, &n));
	cr_assert(cli_number("", 0, 10, &n));
	cr_assert(cli_number("-1", 0, ~0UL, &n));
	cr_assert(cli_number(" 1", 0, 10, &n));
	cr_assert(cli_number("1 ", 0, 10, &n));
	cr_assert(cli_number("0x1", 0, 10, &n));
	cr_assert(cli_number("99999999999999999999999", 0, ~0UL, &n));
	cr_assert_eq(n, 10);
}

Test(cli_dest, refs_and_applications)
{
	cr_assert(cli_ref_valid("1f"));
	cr_assert(cli_ref_valid("0x1F"));
	cr_assert(cli_ref_valid("ffffffffffffffff"));
	cr_assert_not(cli_ref_valid("fffffffffffffffff"));
	cr_assert_not(cli_ref_valid("0x"));
	cr_assert_not(cli_ref_valid(""));
	cr_assert_not(cli_ref_valid("web"));
	cr_assert(cli_app_valid("web"));
	cr_assert(cli_app_valid("~1f"));
	cr_assert(cli_app_valid("0x1f"));
	cr_assert_not(cli_app_valid("~"));
	cr_assert_not(cli_app_valid("a/b"));
	cr_assert_not(cli_app_valid(""));
}
