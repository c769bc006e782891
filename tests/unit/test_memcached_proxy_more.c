// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The slow path of the memcached switch: large answers, quiet requests, statistics, and bounds. */
#include <stdio.h>

#include "test_memcached_proxy.h"

TestSuite(memcached_proxy_more, .init = begin, .fini = end);

static char line[1 << 20], want[1 << 20];

/* What came of the answer @id, put together again by its labels. */
static size_t assemble(uint16_t id, char *to)
{
	uint16_t total = 0, have = 0;
	size_t len = 0;

	for (unsigned i = 0; i < n_told; i++) {
		if (told[i].id != id)
			continue;
		cr_assert(!total || told[i].total == total);
		total = told[i].total;
		cr_assert_lt(told[i].seq, total);
		cr_assert(told[i].seq == total - 1 || told[i].len == PB_MC_DATA_MAX);
		memcpy(to + (size_t)told[i].seq * PB_MC_DATA_MAX, told[i].msg, told[i].len);
		len += told[i].len;
		have++;
	}
	cr_assert_eq(have, total);
	to[len] = 0;
	return len;
}

Test(memcached_proxy_more, large_set)
{
	size_t at = (size_t)sprintf(line, "set a 0 0 64000\r\n");

	memset(line + at, 'v', 64000);
	memcpy(line + at + 64000, "\r\n", 3);
	ask(line);
	expect_asked(0, owner("a"), line);
	reply(0, "STORED\r\n");
	expect_told(0, "STORED\r\n");
}

Test(memcached_proxy_more, large_answer_of_mixed_parts)
{
	const unsigned total = 44, order[] = { 43, 0, 0, 7 };
	size_t at = (size_t)sprintf(line, "VALUE a 0 60000\r\n"), n;

	for (size_t i = 0; i < 60000; i++)
		line[at + i] = (char)('a' + i % 23);
	memcpy(line + at + 60000, "\r\nEND\r\n", 8);
	n = at + 60007;
	ask("get a\r\n");
	for (unsigned i = 0; i < 4 + total; i++) {
		unsigned k = i < 4 ? order[i] : i - 4;
		size_t off = (size_t)k * PB_MC_DATA_MAX;

		reply_raw(0, line + off, n - off < PB_MC_DATA_MAX ? n - off : PB_MC_DATA_MAX,
			  (uint16_t)k, (uint16_t)total);
	}
	cr_expect_eq(n_told, total);
	cr_assert_eq(assemble(0x55, want), n);
	cr_expect_str_eq(want, line);
}

Test(memcached_proxy_more, parts_that_contradict)
{
	ask("get a\r\n");
	reply_raw(0, "VALUE a 0 1\r\n", 13, 0, 2);
	reply_raw(0, "x\r\nEND\r\n", 8, 2, 2);
	reply_raw(0, "x\r\nEND\r\n", 8, 1, 3);
	reply_raw(0, "", 0, 0, 0);
	cr_expect_eq(n_told, 0);
	reply_raw(0, "x\r\nEND\r\n", 8, 1, 2);
	expect_told(0, "VALUE a 0 1\r\nx\r\nEND\r\n");
	cr_expect_eq(stats().bad_reply, 2);
	/* a value and END in messages of their own */
	ask("get a\r\n");
	reply(1, "VALUE a 0 1\r\nx\r\n");
	cr_expect_eq(n_told, 1);
	reply(1, "END\r\n");
	expect_told(1, "VALUE a 0 1\r\nx\r\nEND\r\n");
}

Test(memcached_proxy_more, quiet_meta)
{
	static const struct {
		const char *ask, *sent, *reply, *told;
	} t[] = {
		{ "mg a v q\r\n", "mg a v  \r\n", "EN\r\n", NULL },
		{ "mg a q v\r\n", "mg a   v\r\n", "VA 1\r\nx\r\n", "VA 1\r\nx\r\n" },
		{ "ms q 1 q\r\nq\r\n", "ms q 1  \r\nq\r\n", "HD\r\n", NULL },
		{ "ms a 1 q\r\nx\r\n", "ms a 1  \r\nx\r\n", "NS\r\n", "NS\r\n" },
		{ "md a q\r\n", "md a  \r\n", "NF\r\n", "NF\r\n" },
		{ "ma a v q\r\n", "ma a v  \r\n", "VA 1\r\n2\r\n", NULL },
		{ "mg a q q\r\n", "mg a q q\r\n", "CLIENT_ERROR duplicate flag\r\n",
		  "CLIENT_ERROR duplicate flag\r\n" },
	};

	for (unsigned i = 0; i < sizeof(t) / sizeof(*t); i++) {
		forget();
		ask(t[i].ask);
		cr_assert_eq(n_asked, 1);
		cr_expect_str_eq((char *)asked[0].msg, t[i].sent);
		reply(0, t[i].reply);
		if (t[i].told)
			expect_told(0, t[i].told);
		else
			cr_expect_eq(n_told, 0, "%s", t[i].ask);
	}
}

static size_t binary(char *to, int op, int status, const char *key, const char *body)
{
	size_t k = strlen(key), n = k + strlen(body);

	memset(to, 0, 24);
	to[0] = (char)(status < 0 ? 0x80 : 0x81);
	to[1] = (char)op;
	to[3] = (char)k;
	to[7] = (char)(status < 0 ? 0 : status);
	to[11] = (char)n;
	memcpy(to + 12, "opaq", 4);
	memcpy(to + 24, key, k);
	memcpy(to + 24 + k, body, n - k);
	return 24 + n;
}

Test(memcached_proxy_more, quiet_binary)
{
	size_t n = binary(line, 0x09, -1, "a", ""), m;

	/* getq a, getq b, noop */
	n += binary(line + n, 0x09, -1, "b", "");
	n += binary(line + n, 0x0a, -1, "", "");
	ask_raw(1, 0x55, line, n, 1);
	cr_assert_eq(n_asked, 2);
	cr_expect_eq(asked[0].msg[1], 0, "loud");
	n = binary(line, 0x00, 1, "", "Not found");
	reply_raw(0, line, n, 0, 1);
	n = binary(line, 0x00, 0, "", "flagsvalue");
	line[12] ^= 1;
	reply_raw(1, line, n, 0, 1);
	cr_expect_eq(stats().bad_reply, 1, "another opaque");
	line[12] ^= 1;
	reply_raw(1, line, n, 0, 1);
	cr_assert_eq(n_told, 1);
	m = binary(want, 0x09, 0, "", "flagsvalue");
	m += binary(want + m, 0x0a, 0, "", "");
	cr_expect_eq(told[0].len, m);
	cr_expect(!memcmp(told[0].msg, want, m));
	/* deleteq that is done: nothing; that finds nothing: its own opcode */
	n = binary(line, 0x14, -1, "a", "");
	ask_raw(1, 0x55, line, n, 1);
	ask_raw(1, 0x55, line, n, 1);
	n = binary(line, 0x04, 0, "", "");
	reply_raw(2, line, n, 0, 1);
	cr_expect_eq(n_told, 1);
	n = binary(line, 0x04, 1, "", "Not found");
	reply_raw(3, line, n, 0, 1);
	cr_assert_eq(n_told, 2);
	cr_expect_eq(told[1].msg[1], 0x14);
}

Test(memcached_proxy_more, statistics_are_added_up)
{
	ask("stats\r\n");
	reply(0, "STAT pid 3\r\nSTAT gets 10\r\nSTAT version 1.6\r\nSTAT x:age 5\r\nEND\r\n");
	reply(1, "STAT pid 4\r\nSTAT gets 5\r\nSTAT version 1.5\r\nSTAT x:age 6\r\nEND\r\n");
	reply(2, "STAT pid 5\r\nSTAT only 1\r\nSTAT gets 1\r\nEND\r\n");
	expect_told(0, "STAT pid 3\r\nSTAT gets 16\r\nSTAT version 1.6\r\nSTAT x:age 5\r\n"
		       "STAT only 1\r\nEND\r\n");
	ask("stats settings\r\n");
	for (unsigned i = 3; i < 6; i++)
		reply(i, "STAT maxbytes 7\r\nEND\r\n");
	expect_told(1, "STAT maxbytes 7\r\nEND\r\n");
	ask("stats reset\r\n");
	for (unsigned i = 6; i < 9; i++)
		reply(i, "RESET\r\n");
	expect_told(2, "RESET\r\n");
	ask("stats what\r\n");
	for (unsigned i = 9; i < 12; i++)
		reply(i, "ERROR\r\n");
	expect_told(3, "ERROR\r\n");
}

Test(memcached_proxy_more, statistics_in_binary)
{
	size_t n = binary(line, 0x10, -1, "", ""), m;

	ask_raw(1, 0x55, line, n, 1);
	cr_assert_eq(n_asked, SERVERS);
	n = binary(line, 0x10, 0, "gets", "20");
	n += binary(line + n, 0x10, 0, "", "");
	for (unsigned i = 0; i < SERVERS; i++)
		reply_raw(i, line, n, 0, 1);
	m = binary(want, 0x10, 0, "gets", "60");
	m += binary(want + m, 0x10, 0, "", "");
	cr_assert_eq(n_told, 1);
	cr_expect_eq(told[0].len, m);
	cr_expect(!memcmp(told[0].msg, want, m));
}

Test(memcached_proxy_more, answers_that_must_wait)
{
	fail_client = -EAGAIN;
	ask("mn\r\n");
	cr_expect(pxy_flush(pxy, 10));
	fail_client = 0;
	cr_expect_not(pxy_flush(pxy, 10));
	expect_told(0, "MN\r\n");
	fail_client = -EAGAIN;
	ask("mn\r\n");
	cr_expect_eq(pxy_tick(pxy, now), now + S_NS);
	now += S_NS;
	cr_expect_eq(pxy_tick(pxy, now), 0);
	fail_client = 0;
	cr_expect_not(pxy_flush(pxy, 10));
	cr_expect_eq(n_told, 1);
	cr_expect_eq(stats().unsent_client, 1);
}

Test(memcached_proxy_more, frames_that_memcached_does_not_take)
{
	ask_raw(1, 1, "mn\r\n", 4, 2);
	ask_raw(1, 1, "mn\r\n", 4, 0);
	ask_raw(1, 1, "", 0, 1);
	cr_expect_eq(stats().drop_frame, 3);
	cr_expect_eq(n_told, 0);
}

Test(memcached_proxy_more, sources)
{
	struct pxy_allow allow = { .addr = address(0), .bits = 96 + 24 };

	service.flags = PB_MC_S_ALLOW;
	cr_assert_eq(pxy_set_service(pxy, 7, &service, &allow, 1), 0);
	ask("mn\r\n");
	cr_expect_eq(n_told, 1);
	ask_raw(0x100, 1, "mn\r\n", 4, 1);
	cr_expect_eq(n_told, 1);
	cr_expect_eq(stats().drop_source, 1);
	service.flags = 0;
}

Test(memcached_proxy_more, bounds_of_a_source)
{
	pxy_free(pxy);
	begin_with(&(struct pxy_limits){ .queries = 6, .per_source = 4 });
	for (int i = 0; i < 6; i++)
		ask("get a\r\n");
	cr_expect_eq(n_asked, 4);
	for (int i = 0; i < 3; i++)
		ask_raw(2, 1, "get a\r\n", 7, 1);
	cr_expect_eq(n_asked, 6);
	cr_expect_eq(stats().drop_full, 3);
	reply(0, "END\r\n");
	ask("get a\r\n");
	cr_expect_eq(n_asked, 7);
}

Test(memcached_proxy_more, bounds_of_requests_and_bytes)
{
	pxy_free(pxy);
	begin_with(&(struct pxy_limits){ .calls = 5, .requests = 3, .answer = 5000 });
	ask("get a b c d e f\r\n");
	expect_told(0, "SERVER_ERROR too many requests under way\r\n");
	ask("mn\r\nmn\r\nmn\r\nmn\r\nmn\r\n");
	expect_told(1, "MN\r\nMN\r\nMN\r\nSERVER_ERROR too many requests in one datagram\r\n");
	ask("get a\r\n");
	memset(line, 'x', 1300);
	for (uint16_t i = 0; i < 4; i++)
		reply_raw(0, line, 1300, i, 20);
	expect_told(2, "SERVER_ERROR the answer is too large\r\n");
	ask("get a\r\n");
	reply_raw(1, line, 1300, 0, 60000);
	expect_told(3, "SERVER_ERROR the answer is too large\r\n");
}

Test(memcached_proxy_more, ids_come_again_only_after_a_life)
{
	unsigned i;

	for (i = 0; i < 70000; i++) {
		forget();
		ask("get a\r\n");
		if (!n_asked)
			break;
		reply(0, "END\r\n");
	}
	cr_expect_eq(i, 65536);
	expect_told(0, "SERVER_ERROR too many requests under way\r\n");
	now += 3 * S_NS;
	forget();
	ask("get a\r\n");
	cr_expect_eq(n_asked, 1);
	reply(0, "END\r\n");
}

Test(memcached_proxy_more, freed_with_requests_under_way)
{
	ask("get a b c\r\nset x 0 0 1\r\ny\r\n");
	reply_raw(0, "VALUE", 5, 0, 2);
	pxy_free(pxy);
	begin();
}
