// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The memcached plugin: gets of several keys, requests to all servers, failures. */
#include "test_plugin.h"

TestSuite(plugin_memcached_keys, .init = begin, .fini = end);

static char line[9000], want[9000], reply[9000];

static void value(uint32_t server, const char *key)
{
	snprintf(reply, sizeof(reply), "VALUE %s 0 1\r\nx\r\n", key);
	say(server, reply);
}

/* ---- gets ------------------------------------------------------------------ */

Test(plugin_memcached_keys, values_in_the_order_of_the_keys_and_one_end)
{
	const char *a = key_of(0, 0), *b = key_of(0, 1), *c = key_of(1, 0), *d = key_of(2, 0);

	for (uint64_t seed = 0; seed < 20; seed++) {
		client(seed);
		value(0, a);
		value(0, b);
		say(0, "END\r\n");
		say(1, "END\r\n");
		value(2, d);
		say(2, "END\r\n");
		snprintf(line, sizeof(line), "gets %s  %s %s  %s  \r\n", a, b, c, d);
		ask(line);
		snprintf(want, sizeof(want), "0:gets %s  %s\r\n|1:gets %s\r\n|2:gets %s\r\n|", a, b,
			 c, d);
		expect_asked(want);
		snprintf(want, sizeof(want),
			 "VALUE %s 0 1\r\nx\r\nVALUE %s 0 1\r\nx\r\nVALUE %s 0 1\r\nx\r\nEND\r\n",
			 a, b, d);
		expect_told(want);
	}
}

Test(plugin_memcached_keys, one_server_for_all_keys_gets_the_line_as_it_is)
{
	const char *a = key_of(2, 0), *b = key_of(2, 1);

	snprintf(line, sizeof(line), "gat 7 %s %s\n", a, b);
	value(2, b);
	say(2, "END\r\n");
	ask(line);
	snprintf(want, sizeof(want), "2:gat 7 %s %s\n|", a, b);
	expect_asked(want);
	snprintf(want, sizeof(want), "VALUE %s 0 1\r\nx\r\nEND\r\n", b);
	expect_told(want);
}

Test(plugin_memcached_keys, gat_says_its_time_in_each_call)
{
	snprintf(line, sizeof(line), "gats -20 %s %s\r\n", key_of(0, 0), key_of(1, 0));
	say(0, "END\r\n");
	say(1, "END\r\n");
	ask(line);
	snprintf(want, sizeof(want), "0:gats -0000000020 %s\r\n|1:gats -0000000020 %s\r\n|",
		 key_of(0, 0), key_of(1, 0));
	expect_asked(want);
	expect_told("END\r\n");
	cr_expect_eq(sends[0].touch, PB_FRAME_T_WRITE);
}

Test(plugin_memcached_keys, with_a_cache_each_key_is_a_call)
{
	const char *a = key_of(0, 0), *b = key_of(0, 1);

	drive.ens.flags = PB_FRAME_E_CACHE;
	say(0, "END\r\n");
	snprintf(line, sizeof(line), "get %s %s\r\n", a, b);
	cached = "VALUE c 0 1\r\nx\r\n";
	ask(line);
	expect_asked("");
	expect_told("VALUE c 0 1\r\nx\r\nVALUE c 0 1\r\nx\r\nEND\r\n");
	snprintf(line, sizeof(line), "get %s\r\n", a);
	ask(line);
	expect_told("VALUE c 0 1\r\nx\r\nEND\r\n");
	cached = NULL;
	snprintf(line, sizeof(line), "gets %s %s\r\n", key_of(1, 0), a);
	say(1, "END\r\n");
	ask(line);
	cr_assert_eq(n_sends, 2);
	cr_expect_eq(sends[0].touch, PB_FRAME_T_LOOK);
	cr_expect_eq(sends[0].key_len, strlen(a));
}

/* Keys that are not there, after the values: "not there" is what memcached says, "lost" is not. */
Test(plugin_memcached_keys, what_is_missing_for_a_failure_is_no_miss)
{
	const char *a = key_of(0, 0), *b = key_of(1, 0), *c = key_of(2, 0);

	snprintf(line, sizeof(line), "get %s %s %s\r\n", a, b, c);
	value(0, a);
	say(0, "END\r\n");
	value(2, c);
	say(2, "END\r\n");
	ask(line); /* server 1 says nothing */
	snprintf(
		want, sizeof(want),
		"VALUE %s 0 1\r\nx\r\nVALUE %s 0 1\r\nx\r\nSERVER_ERROR the server did not answer\r\n",
		a, c);
	expect_told(want);
	cr_expect(!drive.ended);

	/* the next one knows nothing of it */
	say(0, "END\r\n");
	say(1, "SERVER_ERROR out of memory writing get response\r\n");
	say(2, "END\r\n");
	ask(line);
	expect_told("SERVER_ERROR the server refused\r\n");
	drive.server[1].flags = 0;
	say(0, "END\r\n");
	say(2, "END\r\n");
	ask(line);
	expect_told("SERVER_ERROR no server owns the key\r\n");
	drive.server[1].flags = PB_FRAME_S_UP;
	say(0, "END\r\n");
	say(1, "END\r\n");
	say(2, "END\r\n");
	ask(line);
	expect_told("END\r\n");
}

/* ---- lines of any length --------------------------------------------------- */

static size_t long_line(const char *verb, uint32_t keys)
{
	const char *key[SERVERS] = { key_of(0, 0), key_of(1, 0), key_of(2, 0) };
	size_t n = (size_t)sprintf(line, "%s", verb);

	for (uint32_t i = 0; i < keys; i++)
		n += (size_t)sprintf(line + n, " %s", key[i % SERVERS]);
	return n;
}

/* Each third key's server has it, and says so for each call; one has none; one is not there. */
Test(plugin_memcached_keys, a_line_in_pieces)
{
	for (uint64_t seed = 0; seed < 3; seed++) {
		client(seed);
		strcpy(line + long_line("get", 1500), "\r\nmn\r\n");
		cr_assert_gt(strlen(line), 4200);
		for (uint32_t i = 0; i < 500; i++) {
			say(0, "END\r\n");
			value(1, key_of(1, 0));
			say(1, "END\r\n");
		}
		drive.server[2].flags = 0;
		ask(line);
		cr_expect_gt(drive.frames, 2);
		cr_expect_eq(drive.calls, 1000, "%u", drive.calls);
		cr_expect_eq(says[0].len + says[1].len, 0);
		snprintf(want, sizeof(want), "VALUE %s 0 1\r\nx\r\n", key_of(1, 0));
		for (uint32_t i = 0; i < 500; i++)
			cr_assert_eq(memcmp(drive.out.p + i * strlen(want), want, strlen(want)), 0);
		fdr_drop(&drive.out, 500 * strlen(want));
		expect_told("SERVER_ERROR no server owns the key\r\nMN\r\n");
	}
}

Test(plugin_memcached_keys, a_wrong_key_in_a_later_piece)
{
	size_t n = long_line("get", 700);

	drive.server[0].flags = drive.server[1].flags = drive.server[2].flags = 0;
	memset(line + n, 'k', 400);
	line[n] = ' ';
	n += 400;
	n += (size_t)sprintf(line + n, " ");
	memset(line + n, 'z', 2500);
	strcpy(line + n + 2500, "\r\nmn\r\n");
	ask(line);
	expect_told("CLIENT_ERROR bad command line format\r\nMN\r\n");
}

Test(plugin_memcached_keys, a_nul_ends_the_command_and_not_the_line)
{
	static const size_t at[] = { 1000, 2500 }; /* in the first piece, and in the second */

	for (int i = 0; i < 2; i++) {
		size_t n = long_line("get", 2000);
		uint32_t keys = 0;

		client(0);
		line[at[i]] = 0;
		for (size_t k = 0; k < at[i]; k++) {
			keys += line[k] == ' ';
			say(k % SERVERS, "END\r\nEND\r\n");
		}
		strcpy(line + n, "\r\nmn\r\n");
		fdr_feed(&drive, line, n + 6);
		cr_expect_eq(drive.calls, keys - (line[at[i] - 1] == ' '), "%u", drive.calls);
		expect_told("END\r\nMN\r\n");
	}
}

/* ---- all servers ----------------------------------------------------------- */

Test(plugin_memcached_keys, flush_is_done_when_all_say_so)
{
	for (int i = 0; i < 3; i++)
		say((uint32_t)i, "OK\r\n");
	ask("flush_all 10\r\n");
	expect_asked("0:flush_all 10\r\n|1:flush_all 10\r\n|2:flush_all 10\r\n|");
	expect_told("OK\r\n");
	cr_expect_eq(sends[0].touch, PB_FRAME_T_FLUSH);
	cr_expect_eq(sends[0].delay, 10);
	say(0, "OK\r\n");
	say(1, "ERROR\r\n");
	say(2, "OK\r\n");
	ask("flush_all\r\n");
	expect_told("ERROR\r\n");
	asked.len = 0;
	say(0, "OK\r\n");
	say(2, "OK\r\n");
	ask("flush_all noreply\r\nmn\r\n");
	expect_asked("0:flush_all \r\n|1:flush_all \r\n|2:flush_all \r\n|");
	expect_told("MN\r\n");
	say(0, "OK\r\n");
	say(2, "OK\r\n");
	ask("verbosity 1\r\n");
	expect_told("SERVER_ERROR the server did not answer\r\n");
	for (int i = 0; i < 3; i++)
		drive.server[i].flags = 0;
	ask("flush_all\r\n");
	expect_told("SERVER_ERROR no server owns the key\r\n");
}

Test(plugin_memcached_keys, statistics_are_added_up)
{
	for (uint64_t seed = 0; seed < 8; seed++) {
		client(seed);
		say(0, "STAT pid 5\r\nSTAT a 7\r\nSTAT v 1.6\r\nSTAT both 1\r\nEND\r\n");
		say(1,
		    "STAT pid 6\r\nSTAT new 1\r\nSTAT a 3\r\nSTAT v 1.7\r\nSTAT both x\r\nEND\r\n");
		say(2, "STAT new 4\r\nSTAT a 18446744073709551\r\nEND\r\n");
		ask("stats\r\n");
		expect_told(
			"STAT pid 5\r\nSTAT a 18446744073709561\r\nSTAT v 1.6\r\nSTAT both 1\r\n"
			"STAT new 5\r\nEND\r\n");
	}
	say(0, "STAT maxbytes 5\r\nEND\r\n");
	say(1, "STAT maxbytes 6\r\nEND\r\n");
	say(2, "STAT maxbytes 7\r\nEND\r\n");
	ask("stats settings\r\n");
	expect_told("STAT maxbytes 5\r\nEND\r\n");
	for (int i = 0; i < 3; i++)
		say((uint32_t)i, "RESET\r\n");
	ask("stats reset\r\n");
	expect_told("RESET\r\n");
	say(0, "STAT a 5\r\nEND\r\n");
	say(2, "STAT a 7\r\nEND\r\n");
	ask("stats\r\n");
	expect_told("SERVER_ERROR the server did not answer\r\n");
}

/* ---- failures -------------------------------------------------------------- */

static int fail(__u32 class, __u32 hide, int begun, char *ret)
{
	struct pb_fmc_rtx x = { .class = (__u8) class, .hide = (__u8)hide };
	struct pb_frame_out o = { .data = (__u8 *)ret, .cap = 99 };
	struct pb_frame_rtx rtx;
	int rc;

	memcpy(&rtx, &x, sizeof(rtx));
	rc = pb_frame_memcached.fail(&drive.conn, &rtx, PB_FRAME_W_LOST, begun, &o);
	ret[o.len] = 0;
	return rc;
}

Test(plugin_memcached_keys, failures)
{
	static const char lost[] = "SERVER_ERROR the connection to the server was lost\r\n";
	char text[100];

	cr_expect_eq(fail(PB_FMC_C_LINE, PB_FMC_SHOW, 0, text), 0);
	cr_expect_str_eq(text, lost);
	cr_expect_eq(fail(PB_FMC_C_LINE, PB_FMC_HIDE_ALL, 0, text), 0);
	cr_expect_str_eq(text, "");
	cr_expect_eq(fail(PB_FMC_C_META, PB_FMC_SHOW, 2, text), 1, "half a value is out");
	cr_expect_eq(fail(PB_FMC_C_GET, PB_FMC_SHOW, 2, text), 1);
	cr_expect_eq(fail(PB_FMC_C_GET, PB_FMC_SHOW, 1, text), 0, "whole values are out");
	cr_expect_str_eq(text, lost);
}
