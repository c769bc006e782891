// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Frames, calls and turns of the frame engine. */
#include "test_frames.h"

TestSuite(frames_turns, .init = start, .fini = w_free);

Test(frames_turns, one_request_one_reply)
{
	struct wsock *c = w_client();

	says(c, "1 hello\n");
	expect(link_to(1, 0), "1 hello\n");
	expect(c, "");
	says(link_to(1, 0), "=world\n");
	expect(c, "world\n");
	cr_assert_eq(line_retired, 1);
	cr_assert_eq(c->wants, 1, "interest changed %u times", c->wants);
}

Test(frames_turns, byte_by_byte)
{
	struct wsock *c = w_client();
	static const char req[] = "2 hello\n", rep[] = ".a\n=b\n";

	for (unsigned i = 0; i < sizeof(req) - 1; i++) {
		w_data(c, &req[i], 1);
		w_turn();
	}
	expect(link_to(2, 0), req);
	for (unsigned i = 0; i < sizeof(rep) - 1; i++) {
		w_data(link_to(2, 0), &rep[i], 1);
		w_turn();
	}
	expect(c, "a\nb\n");
}

Test(frames_turns, clients_share_a_link_and_a_send)
{
	struct wsock *c[10], *l;

	for (unsigned i = 0; i < 10; i++)
		c[i] = w_client();
	says(c[0], "0 first\n");
	l = link_to(0, 0);
	says(l, "=first\n");
	took(l);
	l->sends = 0;
	for (unsigned i = 1; i < 10; i++)
		w_data(c[i], "0 x\n", 4);
	w_turn();
	cr_assert_eq(l->sends, 1, "%u sends", l->sends);
	says(l, "=1\n=2\n=3\n=4\n=5\n=6\n=7\n=8\n=9\n");
	for (unsigned i = 1; i < 10; i++) {
		char want[4] = { (char)('0' + i), '\n' };

		expect(c[i], want);
	}
	cr_assert_eq(links_open(), 1);
}

Test(frames_turns, pipelined_replies_come_in_order)
{
	struct wsock *c = w_client();

	says(c, "0 a\n1 b\n2 c\n");
	says(link_to(2, 0), "=C\n");
	expect(c, "");
	says(link_to(1, 0), ".B");
	expect(c, "");
	says(link_to(0, 0), "=A\n");
	expect(c, "A\n");
	says(link_to(1, 0), "\n");
	expect(c, "B\n");
	says(link_to(1, 0), "=b\n");
	expect(c, "b\nC\n");
	cr_assert_eq(count(own_links), 3);
}

Test(frames_turns, answers_have_turns_too)
{
	struct wsock *c = w_client();

	says(c, "0 a\n!now\n-nothing\n1 b\n!then\n");
	says(link_to(1, 0), "=B\n");
	expect(c, "");
	says(link_to(0, 0), "=A\n");
	expect(c, "A\nnow\nB\nthen\n");
}

Test(frames_turns, split_and_early_replies)
{
	struct wsock *c = w_client();

	says(c, "+201 k\n");
	expect(link_to(2, 0), "2 k\n");
	expect(link_to(0, 0), "0 k\n");
	expect(link_to(1, 0), "1 k\n");
	says(link_to(1, 0), "=one\n");
	says(link_to(0, 0), "/null\n");
	expect(c, "");
	says(link_to(2, 0), "~skipped\n");
	expect(c, "(null)\none\nend\n");
	cr_assert_eq(count(own_links), 0);
}

Test(frames_turns, to_all_and_merged)
{
	struct wsock *c = w_client();

	says(c, "*flush\n1 next\n");
	for (unsigned i = 0; i < 3; i++)
		cr_assert_str_eq(link_to(i, 0)->out, i == 1 ? "*flush\n1 next\n" : "*flush\n");
	says(link_to(1, 0), "=b\n=after\n");
	says(link_to(0, 0), "=a\n");
	expect(c, "");
	says(link_to(2, 0), "=c\n");
	expect(c, "<a><b><c>\nafter\n");
	cr_assert_eq(wseen, 1);
	says(c, "*flush\n");
	cr_assert_eq(wtouches, 2);
	for (unsigned i = 0; i < 3; i++)
		fe_link_eof(link_to(i, 0)->of);
	w_turn();
	expect(c, "<2><2><2>\n");
	cr_assert_eq(wends, 2);
	cr_assert_eq(wseen, 1);
}

Test(frames_turns, nobody_is_up)
{
	struct wsock *c = w_client();

	w_servers(3, 7, 1);
	says(c, "*x\n0 y\n+01 z\n!ok\n");
	expect(c, "E0\nE0\nE0\nE0\nend\nok\n");
	cr_assert_eq(links_open(), 0);
}

Test(frames_turns, what_makes_no_sense_has_its_turn_and_ends_it)
{
	struct wsock *c = w_client();

	says(c, "0 a\n?huh\n1 never\n");
	expect(c, "");
	says(link_to(0, 0), "=A\n");
	expect(c, "A\nwhat\n");
	cr_assert(!c->open);
	cr_assert_eq(c->how, FE_BYE);
	cr_assert_eq(count(bad_frames), 1);
}

Test(frames_turns, too_long_a_head)
{
	struct wsock *c = w_client();

	for (unsigned i = 0; i < LINE_MAX_LEN + 1 && c->open; i++)
		says(c, "0");
	expect(c, "what\n");
	cr_assert(!c->open);
}

Test(frames_turns, bye)
{
	struct wsock *c = w_client();

	says(c, "0 a\nq\n0 never\n");
	says(link_to(0, 0), "=A\n");
	expect(c, "A\nbye\n");
	cr_assert(!c->open);
	cr_assert_eq(c->how, FE_BYE);
	cr_assert_eq(count(frames), 2);
}

Test(frames_turns, half_close)
{
	struct wsock *c = w_client();

	w_data(c, "0 a\n1 b\n2 half", 14);
	fe_client_eof(c->client);
	w_turn();
	cr_assert(c->open && !c->read);
	says(link_to(1, 0), "=B\n");
	says(link_to(0, 0), "=A\n");
	expect(c, "A\nB\n");
	cr_assert(!c->open);
	cr_assert_eq(c->how, FE_CLOSE);
}

Test(frames_turns, lanes_do_not_share)
{
	struct wsock *c = w_client(), *d = w_client();

	says(c, "0 text\n");
	says(d, "a binary\n");
	cr_assert_eq(links_open(), 2);
	expect(link_to(0, 0), "0 text\n");
	expect(link_to(0, 1), "a binary\n");
	says(link_to(0, 0), "=C\n");
	says(c, "1 x\nb y\n");
	expect(link_to(1, 0), "1 x\n");
	expect(link_to(1, 1), "b y\n");
}

Test(frames_turns, reads_from_the_cache_and_writes)
{
	struct wsock *c = w_client();

	wcached = "cached\n";
	w_servers(3, 0, 1);
	says(c, "r1 key\n");
	expect(c, "cached\n");
	cr_assert_eq(links_open(), 0);
	says(c, "w1 key\n");
	cr_assert_eq(wtouches, 1);
	cr_assert_eq(wends, 0);
	says(link_to(1, 0), "=");
	cr_assert_eq(wends, 0);
	says(link_to(1, 0), "\n");
	cr_assert_eq(wseen, 1);
	wtouch_err = -EBUSY;
	took(link_to(1, 0));
	took(c);
	says(c, "w1 key\n");
	expect(c, "E6\n");
	expect(link_to(1, 0), "");
}

Test(frames_turns, no_answer_is_waited_for)
{
	struct wsock *c = w_client();

	says(c, "m0 x\n0 y\n");
	expect(link_to(0, 0), "m0 x\n0 y\n");
	says(link_to(0, 0), "=Y\n");
	expect(c, "Y\n");
	cr_assert_eq(wends, 1);
	cr_assert_eq(wseen, 0);
	for (unsigned i = 0; i < 40; i++) {
		says(c, "0 z\n");
		says(link_to(0, 0), "=Z\n");
	}
	cr_assert_eq(links_open(), 1, "and later requests stay behind it");
	cr_assert_eq(count(replies), 41);
}

Test(frames_turns, twenty_thousand_before_reading)
{
	struct wsock *c = w_client(), *l;
	unsigned n = 20000, done = 0;
	char *all = malloc(n * 8 + 1), *p = all, *q = all;

	c->room = 0;
	for (unsigned i = 0; i < n; i++)
		p += sprintf(p, "0 %05u\n", i);
	for (; q < p && c->read; q += 8000) {
		w_data(c, q, 8000);
		w_turn();
	}
	cr_assert(!c->read);
	cr_assert_lt(fe_proc_memory(wproc), 2 << 20);
	w_room(c, SIZE_MAX);
	l = link_to(0, 0);
	while (l->at < l->len) {
		char rep[16];

		snprintf(rep, sizeof(rep), "=%.7s", l->out + l->at);
		rep[8] = '\n';
		w_data(l, rep, 9);
		l->at += 8;
		w_turn();
		done++;
		for (; q < p && c->read; q += 8000) {
			w_data(c, q, 8000);
			w_turn();
		}
	}
	cr_assert_eq(done, n);
	free(all);
	for (unsigned i = 0; i < done; i++) {
		char want[16];

		snprintf(want, sizeof(want), "0 %05u", i);
		cr_assert(!memcmp(c->out + 8 * (size_t)i, want, 7), "at %u", i);
	}
}
