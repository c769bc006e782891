/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <patchbay/addr.h>

#include "control/agent/privsep.h"
#include "control/agent/view.h"
#include "control/util.h"

Test(target, names)
{
	struct pb_target t;

	cr_assert(eq(int, pb_target_parse("Web", &t), 0));
	cr_expect(eq(str, t.name, "web"));
	cr_expect(eq(int, t.port, 0));
	cr_assert(eq(int, pb_target_parse("db.prod:5432", &t), 0));
	cr_expect(eq(str, t.name, "db.prod"));
	cr_expect(eq(int, ntohs(t.port), 5432));
}

Test(target, addresses)
{
	struct pb_target t;
	struct pb_addr v4 = pb_addr_v4(htonl(0x0a090001)), v6 = pb_addr_loopback(0);

	cr_assert(eq(int, pb_target_parse("10.9.0.1", &t), 0));
	cr_expect(eq(int, t.name[0], 0));
	cr_expect(pb_addr_eq(&t.addr, &v4));
	cr_assert(eq(int, pb_target_parse("10.9.0.1:65535", &t), 0));
	cr_expect(eq(int, ntohs(t.port), 65535));
	cr_assert(eq(int, pb_target_parse("::1", &t), 0));
	cr_expect(pb_addr_eq(&t.addr, &v6));
	cr_expect(eq(int, t.port, 0));
	cr_assert(eq(int, pb_target_parse("[::1]:53", &t), 0));
	cr_expect(pb_addr_eq(&t.addr, &v6));
	cr_expect(eq(int, ntohs(t.port), 53));
	cr_assert(eq(int, pb_target_parse("[::1]", &t), 0));
}

Test(target, refused)
{
	static const char *const bad[] = {
		"",	  ":80",    "web:",  "web:0", "web:65536",   "web:x", "web:80x", "[::1",
		"[::1]x", "[::1]:", "[web]", "a b",   "10.9.0.1:-1", "[]:80", "-web",	 "we_b!"
	};
	struct pb_target t;
	char longer[400];

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		cr_expect(eq(int, pb_target_parse(bad[i], &t), -EINVAL), "%s", bad[i]);
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	cr_expect(eq(int, pb_target_parse(longer, &t), -EINVAL));
}

/* The helper's whole defence against a path that leaves its folder. */
Test(scope_name, only_one_plain_component)
{
	static const char *const bad[] = { "", ".", "..", ".hidden", "a/b", "/", "a b", "a\nb" };
	char name[PB_SCOPE_NAME_LEN] = "web-0123abcd";

	cr_expect(pb_scope_name_ok(name));
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		memset(name, 0, sizeof(name));
		strcpy(name, bad[i]);
		cr_expect(not(pb_scope_name_ok(name)), "%s", bad[i]);
	}
	memset(name, 'a', sizeof(name));
	cr_expect(not(pb_scope_name_ok(name)));
}

Test(mode, names)
{
	cr_expect(eq(int, pb_mode_parse("audit"), PB_MODE_AUDIT));
	cr_expect(eq(int, pb_mode_parse("Audit"), -EINVAL));
	cr_expect(eq(str, (char *)pb_mode_name(PB_MODE_OFF), "off"));
	cr_expect(eq(str, (char *)pb_mode_name(99), "?"));
}
