// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The memcached plugin: text and meta requests. */
#include "test_plugin.h"

TestSuite(plugin_memcached, .init = begin, .fini = end);

static char line[9000], want[9000];

/* Asks what @fmt makes of server 1's first key; it hears @reply, the server is asked @sent. */
static void one(const char *fmt, const char *sent, const char *reply, const char *told)
{
	char text[400], req[400];

	snprintf(text, sizeof(text), fmt, key_of(1, 0));
	snprintf(line, sizeof(line), sent, key_of(1, 0));
	snprintf(req, sizeof(req), "1:%.300s|", line);
	for (uint64_t seed = 0; seed < 4; seed++) {
		client(seed);
		say(1, reply);
		ask(text);
		expect_asked(req);
		expect_told(told);
		cr_expect_eq(says[1].len, 0, "all of the reply was read");
	}
}

Test(plugin_memcached, one_key)
{
	one("get %s\r\n", "get %s\r\n", "END\r\n", "END\r\n");
	cr_expect_eq(sends[0].touch, PB_FRAME_T_READ);
	cr_expect_eq(sends[0].key_len, strlen(key_of(1, 0)));
	cr_expect_eq(memcmp(sends[0].key, key_of(1, 0), sends[0].key_len), 0);
	one("gets %s\r\n", "gets %s\r\n", "END\r\n", "END\r\n");
	cr_expect_eq(sends[0].touch, PB_FRAME_T_LOOK);
	one("gat 5  %s \n", "gat 5  %s \n", "END\r\n", "END\r\n");
	cr_expect_eq(sends[0].touch, PB_FRAME_T_WRITE);
	one("set %s 1 0 3\r\nabc\r\n", "set %s 1 0 3\r\nabc\r\n", "STORED\r\n", "STORED\r\n");
	cr_expect_eq(sends[0].touch, PB_FRAME_T_WRITE);
	one("incr %s 5\r\n", "incr %s 5\r\n", "12\r\n", "12\r\n");
	one("delete %s\r\n", "delete %s\r\n", "NOT_FOUND\r\n", "NOT_FOUND\r\n");
	one("mg %s v\r\n", "mg %s v\r\n", "VA 3 f0\r\nabc\r\n", "VA 3 f0\r\nabc\r\n");
	cr_expect_eq(sends[0].touch, PB_FRAME_T_LOOK);
	one("mg %s T5\r\n", "mg %s T5\r\n", "HD\r\n", "HD\r\n");
	cr_expect_eq(sends[0].touch, PB_FRAME_T_WRITE);
	one("me %s\r\n", "me %s\r\n", "ME k exp=-1\r\n", "ME k exp=-1\r\n");
}

Test(plugin_memcached, noreply_is_for_the_client_alone)
{
	static const char *const good[][3] = {
		{ "set %s 1 0 3 noreply\r\nabc\r\n", "set %s 1 0 3 \r\nabc\r\n", "STORED\r\n" },
		{ "cas %s 1 0 3 9 noreply\r\nabc\r\n", "cas %s 1 0 3 9 \r\nabc\r\n", "EXISTS\r\n" },
		{ "incr %s 1 noreply\n", "incr %s 1 \n", "CLIENT_ERROR not a number\r\n" },
		{ "touch %s 1 noreply\r\n", "touch %s 1 \r\n", "TOUCHED\r\n" },
		{ "delete %s 0 noreply\r\n", "delete %s 0 \r\n", "DELETED\r\n" },
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		one(good[i][0], good[i][1], good[i][2], "");
		cr_expect_eq(sends[0].touch, PB_FRAME_T_WRITE, "its end will be seen");
	}
	/* wrong, and right without its last word */
	client(0);
	ask("delete a noreply noreply\r\nset a 0 0 noreply\r\nmn\r\n");
	expect_asked("");
	expect_told("MN\r\n");
	client(0);
	drive.server[1].flags = 0;
	snprintf(line, sizeof(line), "delete %s noreply\r\n", key_of(1, 0));
	ask(line);
	expect_told("");
}

Test(plugin_memcached, quiet_meta_commands_are_sent_loud)
{
	one("mg %s v q\r\n", "mg %s v \r\n", "EN\r\n", "");
	one("mg %s q v k\r\n", "mg %s  v k\r\n", "VA 1 kx\r\n1\r\n", "VA 1 kx\r\n1\r\n");
	one("mg %s q\r\n", "mg %s \r\n", "HD\r\n", "HD\r\n");
	one("ms %s 1 q\r\nx\r\n", "ms %s 1 \r\nx\r\n", "HD\r\n", "");
	one("ms %s 1 q\r\nx\r\n", "ms %s 1 \r\nx\r\n", "NS\r\n", "NS\r\n");
	one("md %s quiet\r\n", "md %s \r\n", "NF\r\n", "NF\r\n");
	one("ma %s q v\r\n", "ma %s  v\r\n", "VA 1\r\n5\r\n", "");
	/* wrong, and right without the q: goes as it is, mn tells where the answer ends */
	one("mg %s q q\r\n", "mg %s q q\r\nmn\r\n", "CLIENT_ERROR x\r\nMN\r\n",
	    "CLIENT_ERROR x\r\n");
	one("mg %s q E5\r\n", "mg %s q E5\r\nmn\r\n", "MN\r\n", "");
	client(0);
	ask("ms a 2 q q\r\nmn\r\nmn\r\n");
	expect_asked("");
	expect_told("CLIENT_ERROR duplicate flag\r\nMN\r\n");
}

Test(plugin_memcached, base64_keys_go_where_their_names_do)
{
	static const char b64[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *k = key_of(2, 0);
	const uint8_t *p = (const uint8_t *)k;
	uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];

	snprintf(line, sizeof(line), "mg %c%c%c%c b v\r\n", b64[v >> 18], b64[v >> 12 & 63],
		 strlen(k) > 2 ? b64[v >> 6 & 63] : b64[v >> 6 & 60],
		 strlen(k) > 2 ? b64[v & 63] : '=');
	cr_assert_leq(strlen(k), 3);
	say(2, "EN\r\n");
	ask(line);
	snprintf(want, sizeof(want), "2:%.300s|", line);
	expect_asked(want);
	expect_told("EN\r\n");
	cr_expect_eq(sends[0].key_len, strlen(k));
	cr_expect_eq(memcmp(sends[0].key, k, strlen(k)), 0, "the item's key");
}

Test(plugin_memcached, what_is_answered_here)
{
	ask("mn\r\nwhat is this\r\n\r\nshutdown\r\nwatch\r\nget\r\ngat 0\r\ngat x k\r\n");
	expect_told("MN\r\nERROR\r\nERROR\r\n"
		    "SERVER_ERROR not for the address of several servers\r\n"
		    "SERVER_ERROR not for the address of several servers\r\n"
		    "ERROR\r\nEND\r\nCLIENT_ERROR invalid exptime argument\r\n");
	memset(line, 'k', 251);
	snprintf(want, sizeof(want), "get a %.251s b\r\n", line);
	ask(want);
	expect_told("CLIENT_ERROR bad command line format\r\n");
	expect_asked("");
	cr_expect(!drive.ended);
	ask("quit\r\nmn\r\n");
	expect_told("");
	cr_expect(drive.ended);
	client(0);
	ask("POST / HTTP/1.1\r\nset a 0 0 1\r\nx\r\n");
	expect_told("");
	expect_asked("");
	cr_expect(drive.ended, "a browser is not listened to");
}

Test(plugin_memcached, a_line_too_long_ends_the_connection)
{
	memset(line, 'x', 2047);
	strcpy(line + 2047, "\n");
	ask(line);
	expect_told("ERROR\r\n");
	cr_expect(!drive.ended);
	memset(line, 'x', 2048);
	strcpy(line + 2048, "\r\nmn\r\n");
	ask(line);
	expect_told("CLIENT_ERROR line too long\r\n");
	cr_expect(drive.ended);
}

Test(plugin_memcached, wrong_requests_have_their_answer_from_a_server)
{
	say(0, "CLIENT_ERROR bad command line format\r\n");
	ask("flush_all x\r\n");
	expect_asked("0:flush_all x\r\n|");
	expect_told("CLIENT_ERROR bad command line format\r\n");
	drive.server[0].flags = 0;
	say(1, "VERSION 1\r\n");
	ask("version\r\n");
	expect_asked("1:version\r\n|");
	expect_told("VERSION 1\r\n");
}

/* ---- the same whatever of it is shown -------------------------------------- */

static const char *const requests[] = {
	"get key\r\n",
	"gets a b  c\r\n",
	"gat -1 a b\n",
	"set k 1 2 5 noreply\r\nhello\r\n",
	"cas k 1 2 3 4\r\nabc\r\n",
	"mg Zm9v b v k f q\r\n",
	"ms k 3 T0 c\r\nabc\r\n",
	"set k 1 2 99999999\r\nabc",
	"set k 1 2 -1\r\n",
	"flush_all 5\r\n",
	"\n",
	"get a\0b c\r\n",
};

Test(plugin_memcached, every_truncation_of_requests)
{
	struct pb_frame whole, f;
	struct pb_frame_view v;

	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		size_t all = i == 11 ? 11 : strlen(requests[i]);

		v = (struct pb_frame_view){ (const __u8 *)requests[i],
					    (const __u8 *)requests[i] + all };
		cr_assert_eq(pb_frame_memcached.parse(&v, &drive.conn, drive.work, &whole),
			     PB_FRAME_WHOLE, "%s", requests[i]);
		for (size_t n = 1; n <= all; n++) {
			v.end = v.data + n;
			cr_assert_eq(pb_frame_memcached.parse(&v, &drive.conn, drive.work, &f),
				     n < whole.head ? PB_FRAME_MORE : PB_FRAME_WHOLE, "%zu of %s",
				     n, requests[i]);
			cr_assert(n < whole.head || (f.len == whole.len && f.head == whole.head));
		}
	}
	cr_expect_eq(whole.len, 11);
}

Test(plugin_memcached, a_value_is_not_waited_for)
{
	struct pb_frame_view v = { (const __u8 *)requests[7],
				   (const __u8 *)requests[7] + strlen(requests[7]) };
	struct pb_frame f;

	cr_assert_eq(pb_frame_memcached.parse(&v, &drive.conn, drive.work, &f), PB_FRAME_WHOLE);
	cr_expect_eq(f.head, 20);
	cr_expect_eq(f.len, 20 + 99999999 + 2);
}

/* ---- replies --------------------------------------------------------------- */

static void each_truncation(const char *reply, __u32 class, __u64 len, __u32 flags)
{
	struct pb_fmc_rtx x = { .class = (__u8) class, .keys = 9 };
	struct pb_frame_view v = { (const __u8 *)reply, NULL };
	struct pb_frame_cut cut;
	struct pb_frame_rtx rtx;
	struct pb_frame f;
	size_t head = (size_t)(strchr(reply, '\n') + 1 - reply);

	for (size_t n = 1; n <= strlen(reply); n++) {
		v.end = v.data + n;
		memcpy(&rtx, &x, sizeof(rtx));
		cr_assert_eq(pb_frame_memcached.reply(&v, &rtx, drive.work, &f, &cut),
			     n < head ? PB_FRAME_MORE : PB_FRAME_WHOLE, "%zu of %s", n, reply);
		if (n < head)
			continue;
		cr_assert_eq(f.len, len);
		cr_assert_eq(f.flags, flags);
		cr_assert_eq(cut.n, 0);
	}
}

Test(plugin_memcached, every_truncation_of_replies)
{
	each_truncation("VALUE a 0 5\r\nab\r\n\n\r\n", PB_FMC_C_GET, 20, 0);
	each_truncation("VALUE a 0 2000000000 77\r\nab", PB_FMC_C_GET, 2000000000 + 25 + 2, 0);
	each_truncation("END\r\n", PB_FMC_C_GET, 5, PB_FRAME_PART_LAST);
	each_truncation("STORED\r\n", PB_FMC_C_LINE, 8, PB_FRAME_PART_LAST);
	each_truncation("VA 2 c1\r\nab\r\n", PB_FMC_C_META, 13, PB_FRAME_PART_LAST);
	each_truncation("STAT a b\r\nEND\r\n", PB_FMC_C_ALL, 10, PB_FRAME_PART_HOLD);
	each_truncation("END\r\n", PB_FMC_C_ALL, 5, PB_FRAME_PART_HOLD | PB_FRAME_PART_LAST);
}

static int reply_to(__u32 class, const char *text)
{
	struct pb_fmc_rtx x = { .class = (__u8) class, .keys = 1 };
	struct pb_frame_view v = { (const __u8 *)text, (const __u8 *)text + strlen(text) };
	struct pb_frame_cut cut;
	struct pb_frame_rtx rtx;
	struct pb_frame f;

	memcpy(&rtx, &x, sizeof(rtx));
	return pb_frame_memcached.reply(&v, &rtx, drive.work, &f, &cut);
}

Test(plugin_memcached, replies_to_another_request)
{
	cr_expect_lt(reply_to(PB_FMC_C_LINE, "VALUE a 0 1\r\n"), 0);
	cr_expect_lt(reply_to(PB_FMC_C_LINE, "VA 1\r\n"), 0);
	cr_expect_lt(reply_to(PB_FMC_C_LINE, "END\r\n"), 0);
	cr_expect_lt(reply_to(PB_FMC_C_LINE, "nonsense\r\n"), 0);
	cr_expect_lt(reply_to(PB_FMC_C_GET, "STORED\r\n"), 0);
	cr_expect_lt(reply_to(PB_FMC_C_GET, "VA 1\r\n"), 0);
	cr_expect_lt(reply_to(PB_FMC_C_META, "VALUE a 0 1\r\n"), 0);
	memset(line, 'x', 2048);
	line[2048] = 0;
	cr_expect_lt(reply_to(PB_FMC_C_LINE, line), 0, "no line is that long");
	/* another key's value */
	snprintf(line, sizeof(line), "get %s\r\n", key_of(0, 0));
	snprintf(want, sizeof(want), "VALUE %s 0 1\r\nx\r\nEND\r\n", key_of(0, 0));
	want[6] ^= 1;
	say(0, want);
	ask(line);
	expect_told("SERVER_ERROR the connection to the server was lost\r\n");
}
