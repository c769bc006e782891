// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The counter plugin: docs/plugins.md's example. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/frame_drive.h"

static struct fdr drive;
static char asked[200], said[3][200];

static size_t frame(char *to, const char *body)
{
	size_t n = strlen(body);

	memcpy(to, "\0\0\0", 3);
	to[3] = (char)n;
	memcpy(to + 4, body, n);
	return n + 4;
}

static bool to_server(void *arg, uint32_t server, const void *data, size_t n)
{
	size_t at = strlen(asked);

	(void)arg;
	snprintf(asked + at, sizeof(asked) - at, "%u:%.*s|", server, (int)n - 4,
		 (const char *)data + 4);
	return true;
}

static ssize_t from_server(void *arg, uint32_t server, void *data, size_t cap)
{
	size_t n;

	(void)arg;
	(void)cap;
	if (!said[server][0])
		return 0;
	n = frame(data, said[server]);
	said[server][0] = 0;
	return (ssize_t)n;
}

static const struct fdr_ops ops = { to_server, from_server, NULL, NULL };

static void client(uint64_t seed)
{
	if (drive.plugin)
		fdr_free(&drive);
	fdr_init(&drive, &pb_frame_counter, &ops, NULL, 3, NULL);
	drive.seed = seed;
	asked[0] = 0;
}

static void begin(void)
{
	client(0);
}

static void end(void)
{
	fdr_free(&drive);
}

TestSuite(plugin_counter, .init = begin, .fini = end);

static void ask(const char *body)
{
	char b[300];

	asked[0] = 0;
	drive.out.len = 0;
	fdr_feed(&drive, b, frame(b, body));
}

static void heard(const char *body)
{
	char b[300];
	size_t n = frame(b, body);

	cr_expect(!drive.wrong[0], "%s", drive.wrong);
	cr_expect(drive.out.len == n && !memcmp(drive.out.p, b, n), "%.*s", (int)drive.out.len - 4,
		  (const char *)drive.out.p + 4);
}

Test(plugin_counter, a_name_has_one_server)
{
	char want[20], first = 0;

	for (uint64_t seed = 0; seed < 6; seed++) {
		client(seed);
		for (int i = 0; i < 3; i++)
			strcpy(said[i], "ok 5");
		ask(seed % 2 ? "add apples 5" : "get apples");
		heard("ok 5");
		first = first ? first : asked[0];
		snprintf(want, sizeof(want), "%c:%s|", first,
			 seed % 2 ? "add apples 5" : "get apples");
		cr_expect_str_eq(asked, want);
		said[0][0] = said[1][0] = said[2][0] = 0;
	}
}

Test(plugin_counter, names_are_spread)
{
	uint32_t used = 0;
	char text[40];

	for (int i = 0; i < 40; i++) {
		sprintf(text, "get name-%d", i);
		for (int k = 0; k < 3; k++)
			strcpy(said[k], "ok 1");
		ask(text);
		used |= 1u << (asked[0] - '0');
	}
	cr_expect_eq(used, 7);
	ask("get a-name-of-32-letters-is-taken-yet");
	heard("error what");
	for (int k = 0; k < 3; k++)
		strcpy(said[k], "ok 1");
	ask("get a-name-of-32-letters-is-taken-ye");
	heard("ok 1");
}

Test(plugin_counter, the_sum_of_all)
{
	strcpy(said[0], "ok 5");
	strcpy(said[1], "ok 0");
	strcpy(said[2], "ok 1234567890123");
	ask("sum");
	cr_expect_str_eq(asked, "0:sum|1:sum|2:sum|");
	heard("ok 1234567890128");
	strcpy(said[0], "ok 5");
	strcpy(said[1], "error full");
	strcpy(said[2], "ok 5");
	ask("sum");
	heard("error server");
	strcpy(said[0], "ok 5");
	strcpy(said[1], "ok 5");
	ask("sum");
	heard("error server");
}

Test(plugin_counter, what_is_answered_here)
{
	ask("what");
	heard("error what");
	ask("add ");
	heard("error what");
	ask("get a-name-that-is-longer-than-thirty-two");
	heard("error what");
	cr_expect_str_eq(asked, "");
	ask("get apples");
	heard("error server");
	for (int i = 0; i < 3; i++)
		drive.server[i].flags = 0;
	ask("get apples");
	heard("error server");
	cr_expect_str_eq(asked, "");
	cr_expect(!drive.ended);
	drive.out.len = 0;
	fdr_feed(&drive, "\0\0\1\0", 4);
	cr_expect(drive.ended, "a length of 256");
}
