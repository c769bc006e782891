/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* node-address: what may stand in the configuration, and which endpoints it opens to whom. */
#include <criterion/criterion.h>
#include <sys/stat.h>

#include <patchbay/node.h>

#include "control/agent/config.h"
#include "control/util.h"

static char dir[] = "/tmp/pb-node-XXXXXX", path[64], dropin[64];
static char err[PB_CONFIG_ERR_LEN];
static struct pb_config_file *c;

static void begin(void)
{
	char dropins[64];

	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/p.conf", dir);
	snprintf(dropins, sizeof(dropins), "%s/p.conf.d", dir);
	snprintf(dropin, sizeof(dropin), "%s/p.conf.d/x.conf", dir);
	cr_assert_eq(mkdir(dropins, 0755), 0);
}

static void end(void)
{
	char cmd[80];

	pb_config_free(c);
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	cr_assert_eq(system(cmd), 0);
}

TestSuite(node, .init = begin, .fini = end);

static void put(const char *file, const char *text)
{
	FILE *f = fopen(file, "w");

	cr_assert(f && fputs(text, f) >= 0);
	fclose(f);
	chmod(file, 0644);
}

static int load(const char *text)
{
	pb_config_free(TAKE_PTR(c));
	put(path, text);
	return pb_config_load(path, NULL, &c, err);
}

static void has(const char *want4, const char *want6)
{
	char buf[48];

	cr_assert_str_eq(pb_addr_format(&c->agent.node4, buf, sizeof(buf)), want4);
	cr_assert_str_eq(pb_addr_format(&c->agent.node6, buf, sizeof(buf)), want6);
}

Test(node, at_most_one_address_of_each_family)
{
	cr_assert_eq(load("[agent]\n"), 0, "%s", err);
	has("::", "::");
	cr_assert_eq(load("[agent]\nnode-address = none\n"), 0, "%s", err);
	has("::", "::");
	cr_assert_eq(load("[agent]\nnode-address = 192.0.2.1\n"), 0, "%s", err);
	has("192.0.2.1", "::");
	cr_assert_eq(load("[agent]\nnode-address = 2001:db8::1\n"), 0, "%s", err);
	has("::", "2001:db8::1");
	cr_assert_eq(load("[agent]\nnode-address = 2001:db8::1 ,\t192.0.2.1\n"), 0, "%s", err);
	has("192.0.2.1", "2001:db8::1");
	cr_assert_eq(load("[agent]\nnode-address = ::ffff:192.0.2.1\n"), 0, "%s", err);
	has("192.0.2.1", "::");
}

Test(node, a_drop_in_replaces_all_of_it)
{
	put(dropin, "[agent]\nnode-address = 192.0.2.2\n");
	cr_assert_eq(load("[agent]\nnode-address = 192.0.2.1, 2001:db8::1\n"), 0, "%s", err);
	has("192.0.2.2", "::");
	put(dropin, "[agent]\nnode-address = none\n");
	cr_assert_eq(load("[agent]\nnode-address = 192.0.2.1, 2001:db8::1\n"), 0, "%s", err);
	has("::", "::");
}

Test(node, what_cannot_be_one_is_refused_with_its_place)
{
	static const struct {
		const char *value, *says;
	} bad[] = {
		{ "", "p.conf:2: node-address: '' is not an IP address" },
		{ "192.0.2.1,", "'' is not an IP address" },
		{ "192.0.2", "'192.0.2' is not an IP address" },
		{ "192.0.2.1/24", "'192.0.2.1/24' is not an IP address" },
		{ "localhost", "'localhost' is not an IP address" },
		{ "192.0.2.1, none", "'none' is not an IP address" },
		{ "192.0.2.1, 192.0.2.2", "at most one address of each family" },
		{ "2001:db8::1, 2001:db8::1", "at most one address of each family" },
		{ "127.0.0.1", "127.0.0.1 is a loopback address" },
		{ "::1", "::1 is a loopback address" },
		{ "0.0.0.0", "is the wildcard address" },
		{ "::", "is the wildcard address" },
		{ "fe80::1", "is a link-local address" },
		{ "224.0.0.1", "is a multicast address" },
		{ "ff02::1", "is a multicast address" },
		{ "255.255.255.255", "is not a unicast address" },
		{ "10.9.3.3", "p.conf:2: node-address: 10.9.3.3 lies in pool4" },
		{ "2001:db8::1, 10.9.3.3", "10.9.3.3 lies in pool4" },
		{ "fd09::5, 192.0.2.1", "fd09::5 lies in pool6" },
	};
	char text[128];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "[agent]\nnode-address = %s\npool6 = fd09::/16\n",
			 bad[i].value);
		cr_assert_lt(load(text), 0, "%s", text);
		cr_assert(strstr(err, bad[i].says), "%s\nnot: %s", err, bad[i].says);
	}
	cr_assert_eq(load("[agent]\npool4 = none\nnode-address = 10.9.3.3\n"), 0, "%s", err);
}

/* A server on every address of both families, in namespace 7. */
static struct pb_endpoint served(__u8 cls)
{
	struct pb_endpoint ep = { .netns = 7, .proto = PB_PROTO_TCP, .cls = cls };

	if (cls & PB_CLS_V4)
		ep.loc4 = pb_addr_loopback(1);
	if (cls & PB_CLS_V6)
		ep.loc6 = pb_addr_loopback(0);
	return ep;
}

Test(node, which_endpoints_are_reached)
{
	struct pb_endpoint ep = served(PB_CLS_V4 | PB_CLS_V6);

	for (int v6 = 0; v6 < 2; v6++) {
		cr_assert_eq(pb_far_reason(&ep, 7, 1, v6), PB_R_NONE);
		cr_assert_eq(pb_far_reason(&ep, 7, 0, v6), PB_R_WRONG_NETNS, "no node-address");
		cr_assert_eq(pb_far_reason(&ep, 8, 1, v6), PB_R_WRONG_NETNS, "not guarded");
	}
	ep.proto = PB_PROTO_UDP;
	cr_assert_eq(pb_far_reason(&ep, 7, 1, 0), PB_R_WRONG_NETNS);
	ep = served(PB_CLS_V4_VIP);
	cr_assert_eq(pb_far_reason(&ep, 7, 1, 0), PB_R_NONE);
	cr_assert_eq(pb_far_reason(&ep, 7, 1, 1), PB_R_WRONG_FAMILY);
	ep = served(PB_CLS_V6_VIP);
	cr_assert_eq(pb_far_reason(&ep, 7, 1, 1), PB_R_NONE);
	cr_assert_eq(pb_far_reason(&ep, 7, 1, 0), PB_R_WRONG_FAMILY);
	ep = served(PB_CLS_V4_LOOP);
	cr_assert_eq(pb_far_reason(&ep, 7, 1, 0), PB_R_WRONG_NETNS, "bound to 127.0.0.1");
	ep = served(PB_CLS_V6_LOOP);
	cr_assert_eq(pb_far_reason(&ep, 7, 1, 1), PB_R_WRONG_NETNS, "bound to ::1");
	/* the class of the family that is asked for counts, not the other one's */
	ep = served(PB_CLS_V4_LOOP | PB_CLS_V6);
	cr_assert_eq(pb_far_reason(&ep, 7, 1, 0), PB_R_WRONG_NETNS);
	cr_assert_eq(pb_far_reason(&ep, 7, 1, 1), PB_R_NONE);
}
