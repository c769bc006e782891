/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which resolvers stay in the table, and which are the system's. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>

#include <patchbay/addr.h>

#include "control/agent/resolver_pick.h"

#define REST PB_RESOLV_REST_MS
#define FULL PB_RESOLV_REST_FULL_MS

static struct pb_resolver_row row[PB_RESOLVERS];

/* The first @n rows, row 0 longest at rest. */
static void fill(unsigned n, uint64_t idle_ms)
{
	memset(row, 0, sizeof(row));
	for (unsigned i = 0; i < n; i++)
		row[i] = (struct pb_resolver_row){ .used = true,
						   .known = true,
						   .idle_ms = idle_ms + n - i };
}

Test(resolver_pick, with_room_nothing_goes)
{
	fill(PB_RESOLV_HIGH, 100 * REST);
	cr_expect_eq(pb_resolver_pick(row), 0);
	fill(0, 0);
	cr_expect_eq(pb_resolver_pick(row), 0);
}

Test(resolver_pick, short_of_room_those_at_rest_go)
{
	fill(PB_RESOLV_HIGH + 1, REST);
	cr_expect_eq(pb_resolver_pick(row), 0x1ff, "9 go, 16 stay: those longest at rest");
	fill(PB_RESOLV_HIGH + 1, FULL);
	cr_expect_eq(pb_resolver_pick(row), 0, "a short rest is no reason while there is room");
	row[7].idle_ms = REST;
	cr_expect_eq(pb_resolver_pick(row), 1u << 7);
	row[7].idle_ms = REST - 1;
	cr_expect_eq(pb_resolver_pick(row), 0);
}

Test(resolver_pick, full_a_short_rest_is_enough)
{
	fill(PB_RESOLVERS, FULL);
	cr_expect_eq(pb_resolver_pick(row), 0xffff, "16 go");
	fill(PB_RESOLVERS, 0);
	cr_expect_eq(pb_resolver_pick(row), 0, "all are in use");
	row[31].idle_ms = FULL;
	cr_expect_eq(pb_resolver_pick(row), 1u << 31);
}

Test(resolver_pick, the_systems_own_stay)
{
	fill(PB_RESOLVERS, REST);
	row[0].pinned = row[2].pinned = true;
	cr_expect_eq(pb_resolver_pick(row), 0x3fffa, "the next ones in their place");
	for (unsigned i = 0; i < PB_RESOLVERS; i++)
		row[i].pinned = true;
	cr_expect_eq(pb_resolver_pick(row), 0);
}

Test(resolver_pick, rows_on_their_way_count_as_free)
{
	fill(PB_RESOLVERS, REST);
	for (unsigned i = 0; i < 16; i++)
		row[i].known = false;
	cr_expect_eq(pb_resolver_pick(row), 0, "16 are coming");
	row[0].known = true;
	cr_expect_eq(pb_resolver_pick(row), 1);
}

/* ---- resolv.conf ----------------------------------------------------------- */

static struct pb_addr got[MAXNS];

static unsigned conf(const char *text)
{
	FILE *f = *text ? fmemopen((void *)text, strlen(text), "r") : fopen("/dev/null", "r");
	unsigned n;

	cr_assert(f);
	n = pb_resolver_conf(f, got);
	fclose(f);
	return n;
}

static struct pb_addr v4(const char *text)
{
	return pb_addr_v4(inet_addr(text));
}

Test(resolver_conf, three_at_most)
{
	struct pb_addr first = v4("192.0.2.1"), third = v4("192.0.2.3"), v6;

	inet_pton(AF_INET6, "fd00::53", &v6);
	cr_assert_eq(conf("# by hand\nsearch example.test\nnameserver 192.0.2.1\n"
			  "nameserver\tfd00::53 # comment\noptions edns0\nnameserver  192.0.2.3 \n"
			  "nameserver 192.0.2.4\n"),
		     3);
	cr_expect(pb_addr_eq(&got[0], &first));
	cr_expect(pb_addr_eq(&got[1], &v6));
	cr_expect(pb_addr_eq(&got[2], &third));
}

Test(resolver_conf, what_is_no_address_is_left_out)
{
	struct pb_addr last = v4("192.0.2.9"), local = v4("127.0.0.1");

	cr_assert_eq(conf("nameserver fe80::1%eth0\nnameserver 0.0.0.0\nnameserver ::\nnameserver\n"
			  "nameserver192.0.2.1\n nameserver 192.0.2.2\n;nameserver 192.0.2.3\n"
			  "nameserver a.b\nnameserver 192.0.2.9"),
		     1);
	cr_expect(pb_addr_eq(&got[0], &last));
	cr_assert_eq(conf(""), 1, "libc's own default");
	cr_expect(pb_addr_eq(&got[0], &local));
}
