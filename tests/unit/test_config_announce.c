/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* [announce NODE]: what nodes may say, by the configuration that this node reads. */
#include <criterion/criterion.h>

#include "control/agent/config.h"
#include "control/util.h"

static char file[] = "/tmp/pb-announce-XXXXXX", err[PB_CONFIG_ERR_LEN];
static struct pb_config_file *c;

static void load(const char *text)
{
	int fd = mkstemp(file);

	cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	err[0] = '\0';
	cr_assert_eq(pb_config_load(file, NULL, &c, err), 0, "%s", err);
}

static void end(void)
{
	pb_config_free(c);
	unlink(file);
}

TestSuite(config_announce, .fini = end);

static const char *why(const char *node, const char *name, const char *ip, const char *tag)
{
	struct pb_addr addr = { 0 };
	struct pb_tags tags = { .n = tag ? 1 : 0 };

	cr_assert(!ip || !pb_addr_parse(ip, &addr));
	if (tag)
		snprintf(tags.tag[0], PB_TAG_LEN, "%s", tag);
	return pb_config_announce_why_not(c, node, name, &addr, ip ? 1 : 0, &tags);
}

static bool may(const char *node, const char *name, const char *ip, const char *tag)
{
	return !why(node, name, ip, tag);
}

#define TWO \
	"[announce edge-*]\nnames = web, cdn-*\nips = 10.9.1.0/24, fd09:1::/64\ntags = grp=front\n" \
	"[announce *]\nnames = node-exporter\n"

Test(config_announce, without_a_section_everybody_may_say_anything)
{
	load("[agent]\n");
	cr_assert(may("h1", "db", "10.9.7.7", "grp=secret"));
}

Test(config_announce, names_addresses_and_tags_are_what_the_sections_of_a_node_give)
{
	load(TWO);
	cr_assert(may("edge-7", "web", "10.9.1.5", "grp=front"));
	cr_assert(may("EDGE-7", "CDN-a", "fd09:1::5", NULL),
		  "names of nodes and programs have no case");
	cr_assert(may("edge-7", "node-exporter", NULL, NULL), "sections add up");
	cr_assert(may("h1", "node-exporter", NULL, NULL));
	cr_assert_str_eq(why("h1", "web", NULL, NULL),
			 "no [announce] gives its node an application of that name");
	cr_assert_str_eq(why("edge-7", "web", "10.9.2.5", NULL),
			 "no [announce] gives its node an application's address");
	cr_assert_str_eq(why("edge-7", "web", "10.9.1.5", "grp=back"),
			 "no [announce] gives its node an application's tag");
	cr_assert(!may("edge-7", "db", NULL, NULL));
	cr_assert(!may("edge-7", "web", "fd09:2::5", NULL));
}

Test(config_announce, a_client_without_a_name_needs_its_tags_only)
{
	load(TWO);
	cr_assert(may("h1", NULL, NULL, NULL));
	cr_assert(may("edge-1", NULL, NULL, "grp=front"));
	cr_assert(!may("h1", NULL, NULL, "grp=front"));
}

Test(config_announce, a_node_that_has_not_said_its_name_is_nobody_in_particular)
{
	load(TWO);
	cr_assert(!may("", "web", NULL, NULL));
	cr_assert(may("", "node-exporter", NULL, NULL));
}

Test(config_announce, prints_what_loads_to_the_same)
{
	struct pb_config_file *was;
	char name[] = "/tmp/pb-announce-XXXXXX";
	int fd = mkstemp(name);
	FILE *f = fdopen(fd, "w");

	load(TWO);
	was = c;
	pb_config_print(f, was, false);
	fclose(f);
	cr_assert_eq(pb_config_load(name, NULL, &c, err), 0, "%s", err);
	cr_assert(pb_config_same_announces(was, c));
	snprintf(c->announces[0].grant.tags[0], PB_TAG_LEN, "grp=other");
	cr_assert_not(pb_config_same_announces(was, c));
	pb_config_free(was);
	unlink(name);
}

Test(config_announce, a_section_needs_a_name_and_knows_its_keys)
{
	static const char *const bad[] = { "[announce]\nnames = a\n", "[announce a]\nuser = 0\n",
					   "[announce a]\nips = 10.9.0.1/8\n" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char name[] = "/tmp/pb-announce-XXXXXX";
		int fd = mkstemp(name);

		cr_assert_eq(write(fd, bad[i], strlen(bad[i])), (ssize_t)strlen(bad[i]));
		close(fd);
		cr_assert_lt(pb_config_load(name, NULL, &c, err), 0, "%s", bad[i]);
		unlink(name);
	}
}
