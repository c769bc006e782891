// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The slow path of the memcached switch: requests, servers, tokens and answers. */
#include <stdio.h>

#include "test_memcached_proxy.h"

TestSuite(memcached_proxy, .init = begin, .fini = end);

static char line[70000];

Test(memcached_proxy, write_is_told_sent_and_answered)
{
	const char *k = key_of(1, 0);

	snprintf(line, sizeof(line), "set %s 5 0 3\r\nabc\r\n", k);
	ask(line);
	expect_asked(0, 1, line);
	cr_expect_eq(cmds_at_send, 1, "the step comes before the request");
	expect_cmd(0, PB_MC_DO_WRITE, digest(k));
	cr_expect(cmds[0].tag >> 63, "bit 63");
	cr_expect_eq(n_told, 0);
	reply(0, "STORED\r\n");
	expect_told(0, "STORED\r\n");
	cr_expect_eq(told[0].seq, 0);
	cr_expect_eq(told[0].total, 1);
	expect_cmd(1, PB_MC_DO_WRITTEN, digest(k));
	cr_expect_eq(cmds[1].tag, cmds[0].tag);
}

Test(memcached_proxy, reads_take_no_step)
{
	ask("get a\r\n");
	reply(0, "VALUE a 0 1\r\nx\r\nEND\r\n");
	expect_told(0, "VALUE a 0 1\r\nx\r\nEND\r\n");
	cr_expect_eq(n_cmds, 0);
}

Test(memcached_proxy, only_the_asked_server_is_believed)
{
	struct pb_addr other = address(99);
	uint8_t d[] = "\0\0\0\0\0\1\0\0END\r\n";

	ask("get a\r\n");
	d[0] = (uint8_t)(asked[0].id >> 8);
	d[1] = (uint8_t)asked[0].id;
	pxy_server(pxy, &other, asked[0].port, d, sizeof(d) - 1, now);
	pxy_server(pxy, &asked[0].addr, htons(1), d, sizeof(d) - 1, now);
	d[1] ^= 1;
	pxy_server(pxy, &asked[0].addr, asked[0].port, d, sizeof(d) - 1, now);
	pxy_server(pxy, &asked[0].addr, asked[0].port, d, 7, now);
	cr_expect_eq(stats().stray, 4);
	/* another key's value, and a binary answer: both wrong, neither is passed on */
	reply(0, "VALUE b 0 1\r\nx\r\nEND\r\n");
	reply_raw(0, "\x81\0\0\0", 4, 0, 1);
	cr_expect_eq(n_told, 0);
	reply(0, "END\r\n");
	expect_told(0, "END\r\n");
	reply(0, "END\r\n");
	cr_expect_eq(n_told, 1, "a second copy");
}

Test(memcached_proxy, multiget_in_the_order_of_the_keys)
{
	const char *a = key_of(0, 1), *b = key_of(1, 1), *c = key_of(0, 2);
	char want[300];

	snprintf(line, sizeof(line), "gets %s   %s %s\r\n", a, b, c);
	ask(line);
	cr_assert_eq(n_asked, 3);
	snprintf(line, sizeof(line), "gets %s\r\n", b);
	expect_asked(1, 1, line);
	snprintf(line, sizeof(line), "VALUE %s 0 1 9\r\nc\r\nEND\r\n", c);
	reply(2, line);
	reply(1, "END\r\n");
	cr_expect_eq(n_told, 0);
	snprintf(line, sizeof(line), "VALUE %s 0 1 8\r\na\r\nEND\r\n", a);
	reply(0, line);
	snprintf(want, sizeof(want), "VALUE %s 0 1 8\r\na\r\nVALUE %s 0 1 9\r\nc\r\nEND\r\n", a, c);
	expect_told(0, want);
	cr_expect_eq(n_told, 1);
}

Test(memcached_proxy, gat_of_several_keys_writes_each)
{
	ask("gat 30 a b\r\n");
	expect_asked(0, owner("a"), "gat 30 a\r\n");
	expect_asked(1, owner("b"), "gat 30 b\r\n");
	expect_cmd(0, PB_MC_DO_WRITE, digest("a"));
	expect_cmd(1, PB_MC_DO_WRITE, digest("b"));
	cr_expect_neq(cmds[0].tag, cmds[1].tag);
	reply(0, "END\r\n");
	expect_cmd(2, PB_MC_DO_WRITTEN, digest("a"));
	reply(1, "SERVER_ERROR out of memory\r\n");
	expect_told(0, "SERVER_ERROR out of memory\r\n");
}

Test(memcached_proxy, long_multiget)
{
	size_t at = (size_t)sprintf(line, "get");

	for (int i = 0; i < 1500; i++)
		at += (size_t)sprintf(line + at, " k%d", i);
	memcpy(line + at, "\r\nmn\r\n", 7);
	ask(line);
	cr_expect_eq(n_asked, 4, "no flood of its server");
	for (unsigned i = 0; i < n_asked; i++) {
		cr_assert_lt(n_asked, i + 65);
		reply(i, "END\r\n");
	}
	cr_expect_eq(n_asked, 1500);
	expect_told(0, "END\r\nMN\r\n");
}

Test(memcached_proxy, several_requests_in_order)
{
	ask("get a\r\nget b\r\nset a 0 0 1\r\nx\r\nget a\r\nmn\r\n");
	cr_expect_eq(n_asked, 2, "reads go together, the write waits");
	reply(1, "END\r\n");
	cr_expect_eq(n_asked, 2);
	reply(0, "VALUE a 0 1\r\n1\r\nEND\r\n");
	expect_asked(2, owner("a"), "set a 0 0 1\r\nx\r\n");
	cr_expect_eq(n_asked, 3, "what is behind the write waits");
	reply(2, "STORED\r\n");
	expect_asked(3, owner("a"), "get a\r\n");
	reply(3, "VALUE a 0 1\r\nx\r\nEND\r\n");
	expect_told(
		0, "VALUE a 0 1\r\n1\r\nEND\r\nEND\r\nSTORED\r\nVALUE a 0 1\r\nx\r\nEND\r\nMN\r\n");
	cr_expect_eq(n_told, 1);
}

Test(memcached_proxy, noreply_is_seen_to_its_end)
{
	ask("set a 0 0 1 noreply\r\nx\r\nget a\r\n");
	expect_asked(0, owner("a"), "set a 0 0 1        \r\nx\r\n");
	expect_cmd(0, PB_MC_DO_WRITE, digest("a"));
	cr_expect_neq(cmds[0].tag, 0);
	cr_expect_eq(n_asked, 1);
	reply(0, "SERVER_ERROR object too large for cache\r\n");
	expect_cmd(1, PB_MC_DO_WRITTEN, digest("a"));
	reply(1, "END\r\n");
	expect_told(0, "END\r\n");
	/* alone: no answer at all, not even of a failure */
	ask("delete a noreply\r\n");
	expect_asked(2, owner("a"), "delete a        \r\n");
	now += 2 * S_NS;
	pxy_tick(pxy, now);
	pxy_flush(pxy, ~0u);
	cr_expect_eq(n_told, 1);
	/* wrong and mute: as it is, its end is not waited for */
	ask("incr a x noreply\r\n");
	expect_asked(3, owner("a"), "incr a x noreply\r\n");
	expect_cmd(n_cmds - 1, PB_MC_DO_WRITE, digest("a"));
	cr_expect_eq(cmds[n_cmds - 1].tag, 0);
	cr_expect_eq(stats().queries, 0);
}

Test(memcached_proxy, half_requests_never_leave)
{
	ask("set a 0 0 10\r\nabc");
	ask("get a");
	ask("mg a b");
	ask("get a\r\nset b 0 0 5\r\nabc\r\n");
	expect_asked(0, owner("a"), "get a\r\n");
	cr_expect_eq(n_asked, 1);
	reply(0, "END\r\n");
	expect_told(0, "END\r\n");
	cr_expect_eq(n_told, 1);
	cr_expect_eq(stats().drop_short, 4);
	cr_expect_eq(n_cmds, 0);
	/* of an unknown opcode with a body */
	ask_raw(1, 1, "\x80\x1b\0\0\4\0\0\0\0\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 28, 1);
	cr_expect_eq(n_asked, 1);
}

Test(memcached_proxy, a_server_that_is_silent)
{
	ask("set a 0 0 1\r\nx\r\n");
	ask_raw(2, 0x55, "\x80\0\0\1\0\0\0\0\0\0\0\1wxyz\0\0\0\0\0\0\0\0a", 25, 1);
	cr_expect_eq(pxy_tick(pxy, now), now + S_NS);
	cr_expect_eq(n_told, 0);
	now += S_NS;
	cr_expect_eq(pxy_tick(pxy, now), now + S_NS, "the answers, until they are sent");
	pxy_flush(pxy, ~0u);
	cr_expect_eq(pxy_tick(pxy, now), 0);
	expect_told(0, "SERVER_ERROR the server did not answer\r\n");
	cr_assert_eq(n_told, 2);
	cr_expect_eq(told[1].len, 24 + 17);
	cr_expect(!memcmp(told[1].msg,
			  "\x81\0\0\0\0\0\0\x86\0\0\0\x11wxyz\0\0\0\0\0\0\0\0Temporary", 33));
	cr_expect_eq(n_cmds, 1, "the write stays pending");
	reply(0, "STORED\r\n");
	cr_expect_eq(n_told, 2);
	cr_expect_eq(n_cmds, 1);
	cr_expect_eq(stats().timeouts, 2);
}

Test(memcached_proxy, behind_a_silent_server_nothing_is_sent)
{
	ask("get b\r\nset a 0 0 1\r\nx\r\nset a 0 0 1\r\ny\r\nmn\r\n");
	reply(0, "END\r\n");
	now += S_NS;
	pxy_tick(pxy, now);
	pxy_flush(pxy, ~0u);
	cr_expect_eq(n_asked, 2);
	expect_told(0, "END\r\nSERVER_ERROR the server did not answer\r\n"
		       "SERVER_ERROR the server did not answer\r\nMN\r\n");
}

Test(memcached_proxy, a_datagram_has_its_time)
{
	unsigned i = 0;

	for (size_t at = 0; at < 200; at += 10)
		memcpy(line + at, "md a\r\nmn\r\n", 11);
	ask(line);
	while (n_asked > i) {
		now += S_NS * 9 / 10;
		reply(i++, "HD\r\n");
	}
	cr_expect_eq(i, 4);
	cr_expect_eq(n_told, 1);
}

Test(memcached_proxy, flush_goes_to_all)
{
	ask("flush_all 30\r\n");
	cr_assert_eq(n_asked, SERVERS);
	expect_asked(2, 2, "flush_all 30\r\n");
	expect_cmd(0, PB_MC_DO_WRITE_ALL, 0);
	expect_cmd(1, PB_MC_DO_FLUSH_AT, 0);
	cr_expect_eq(cmds[1].when, now + 30 * S_NS);
	reply(0, "OK\r\n");
	reply(2, "OK\r\n");
	cr_expect_eq(n_told, 0);
	reply(1, "OK\r\n");
	expect_told(0, "OK\r\n");
	expect_cmd(2, PB_MC_DO_WRITTEN_ALL, 0);
	cr_expect_eq(cmds[2].tag, cmds[0].tag);
	/* one does not answer: not done */
	ask("flush_all 1700000100 noreply\r\n");
	cr_expect_eq(cmds[4].when, now + 100 * S_NS, "a date");
	reply(3, "OK\r\n");
	reply(4, "OK\r\n");
	now += S_NS;
	pxy_tick(pxy, now);
	cr_expect_eq(n_cmds, 5);
	ask("flush_all\r\n");
	for (unsigned i = 6; i < 9; i++)
		reply(i, i == 7 ? "ERROR\r\n" : "OK\r\n");
	expect_told(1, "ERROR\r\n");
}

Test(memcached_proxy, servers_that_are_down)
{
	backends[0].flags = 0;
	ask("version\r\n");
	expect_asked(0, 1, "version\r\n");
	reply(0, "VERSION 1\r\n");
	expect_told(0, "VERSION 1\r\n");
	snprintf(line, sizeof(line), "get %s\r\n", key_of(0, 0));
	ask(line);
	expect_told(1, "SERVER_ERROR no server owns the key\r\n");
	pxy_set_ring(pxy, NULL, NULL, 0);
	ask("flush_all\r\n");
	expect_told(2, "SERVER_ERROR no server owns the key\r\n");
	cr_expect_eq(n_cmds, 0);
	cr_expect_eq(stats().no_server, 2);
}

Test(memcached_proxy, what_cannot_be_told_is_not_sent)
{
	fail_token = -EIO;
	ask("set a 0 0 1\r\nx\r\n");
	ask("flush_all\r\n");
	fail_token = 0;
	cr_expect_eq(n_asked, 0);
	expect_told(0, "SERVER_ERROR the cache could not be told\r\n");
	expect_told(1, "SERVER_ERROR the cache could not be told\r\n");
	/* what does not leave is not pending */
	fail_server = -ENETUNREACH;
	ask("set a 0 0 1\r\nx\r\n");
	fail_server = 0;
	expect_cmd(0, PB_MC_DO_WRITE, digest("a"));
	expect_cmd(1, PB_MC_DO_WRITTEN, digest("a"));
	expect_told(2, "SERVER_ERROR no way to the server\r\n");
}

Test(memcached_proxy, base64_keys_are_the_items)
{
	ask("ms Zm9v 1 b\r\nx\r\n"); /* foo */
	expect_asked(0, owner("foo"), "ms Zm9v 1 b\r\nx\r\n");
	expect_cmd(0, PB_MC_DO_WRITE, digest("foo"));
	reply(0, "HD\r\n");
	expect_told(0, "HD\r\n");
}

Test(memcached_proxy, answered_without_a_server)
{
	ask("mn\r\n");
	expect_told(0, "MN\r\n");
	ask("bogus\r\n");
	expect_told(1, "ERROR\r\n");
	ask("shutdown\r\n");
	expect_told(2, "SERVER_ERROR not for the address of several servers\r\n");
	ask("mn\r\nquit\r\nmn\r\n");
	expect_told(3, "MN\r\n");
	ask("quit\r\n");
	memset(line, 'k', 3000);
	strcpy(line + 3000, "\r\n");
	ask(line);
	expect_told(4, "CLIENT_ERROR line too long\r\n");
	memcpy(line, "get a ", 6);
	strcpy(line + 300, "\r\n");
	ask(line);
	expect_told(5, "CLIENT_ERROR bad command line format\r\n");
	cr_expect_eq(n_asked, 0);
	cr_expect_eq(n_told, 6);
}
