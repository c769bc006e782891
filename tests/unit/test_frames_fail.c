// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What clients see when something breaks (decision 0024), and servers that come and go. */
#include "test_frames.h"

static const char *body(size_t n)
{
	static char z[200000];

	memset(z, 'z', n);
	z[n] = '\0';
	return z;
}

TestSuite(frames_fail, .init = start, .fini = w_free);

Test(frames_fail, no_connection)
{
	struct wsock *c = w_client();

	wconnect_err = -EMFILE;
	says(c, "0 a\n!ok\n");
	expect(c, "E1\nok\n");
	wconnect_err = 0;
	wcommands = false;
	says(c, "0 a\n1 b\n*all\n");
	fe_link_error(link_to(0, 0)->of);
	w_turn();
	expect(c, "E1\n");
	wcommands = true;
	says(c, "2 c\n");
	for (unsigned i = 1; i < 3; i++)
		says(link_to(i, 0), "=x\n=y\n");
	expect(c, "x\n<1><y><x>\ny\n");
}

Test(frames_fail, lost_before_the_answer)
{
	struct wsock *a = w_client(), *b = w_client();

	says(a, "0 a\n");
	says(b, "0 b\n");
	says(link_to(0, 0), "=A\n");
	fe_link_eof(link_to(0, 0)->of);
	w_turn();
	expect(a, "A\n");
	expect(b, "E2\n");
	says(b, "0 again\n");
	says(link_to(0, 0), "=B\n");
	expect(b, "B\n");
}

Test(frames_fail, lost_behind_the_answer)
{
	struct wsock *c = w_client();

	says(c, "0 a\n");
	says(link_to(0, 0), "=A\n");
	fe_link_eof(link_to(0, 0)->of);
	w_turn();
	expect(c, "A\n");
	cr_assert_eq(count(lost), 0);
	says(c, "0 b\n");
	says(link_to(0, 0), "=B\n");
	expect(c, "B\n");
}

Test(frames_fail, lost_between_parts)
{
	struct wsock *c = w_client();

	says(c, "0 a\n");
	says(link_to(0, 0), ".one\n.two\n");
	fe_link_error(link_to(0, 0)->of);
	w_turn();
	expect(c, "one\ntwo\nE2\n");
	cr_assert(c->open);
}

Test(frames_fail, lost_in_the_middle_of_a_part)
{
	struct wsock *c = w_client(), *d = w_client();

	says(c, "0 a\n");
	says(d, "0 b\n");
	says(link_to(0, 0), "$10\nhalf");
	fe_link_eof(link_to(0, 0)->of);
	w_turn();
	cr_assert(!c->open);
	cr_assert_eq(c->how, FE_RESET);
	expect(d, "E2\n");
	cr_assert_eq(count(cut_off), 1);
}

Test(frames_fail, half_a_part_that_had_no_turn_yet_was_never_said)
{
	struct wsock *c = w_client();

	says(c, "0 a\n1 b\n2 c\n");
	says(link_to(1, 0), "$10\nhalf");
	says(link_to(2, 0), "=C\n");
	fe_link_eof(link_to(1, 0)->of);
	w_turn();
	says(link_to(0, 0), "=A\n");
	expect(c, "A\nE2\nC\n");
}

Test(frames_fail, confused)
{
	struct wsock *c = w_client(), *d = w_client();

	says(c, "0 a\n");
	says(d, "0 b\n");
	says(link_to(0, 0), "huh\n");
	expect(c, "E4\n");
	expect(d, "E4\n");
	cr_assert_eq(links_open(), 0);
	cr_assert_eq(count(confused), 1);
}

Test(frames_fail, bytes_that_nobody_waits_for)
{
	struct wsock *c = w_client();

	says(c, "0 a\n");
	says(link_to(0, 0), "=A\n=more\n");
	expect(c, "A\n");
	cr_assert_eq(links_open(), 0);
	cr_assert_eq(count(stray), 1);
	says(c, "0 b\n");
	says(link_to(0, 0), "=B\n");
	expect(c, "B\n");
}

Test(frames_fail, refused_by_the_server)
{
	struct wsock *c = w_client();

	says(c, "w0 a\n0 b\n");
	says(link_to(0, 0), "^no\n=B\n");
	expect(c, "E7\nB\n");
	cr_assert_eq(wseen, 1);
	cr_assert_eq(links_open(), 1);
}

Test(frames_fail, time_out)
{
	struct wsock *c = w_client(), *d = w_client();

	says(c, "w0 a\n");
	says(d, "1 b\n");
	w_tick(900);
	says(link_to(1, 0), "=B\n");
	says(d, "0 c\n"); /* others' requests do not put it off */
	expect(c, "");
	w_tick(200);
	expect(c, "E3\n");
	expect(d, "B\nE3\n");
	cr_assert_eq(links_open(), 1);
	cr_assert_eq(wends, 1);
	cr_assert_eq(wseen, 0);
	cr_assert_eq(count(timeouts), 1);
}

Test(frames_fail, a_slow_answer_that_goes_on_is_no_time_out)
{
	struct wsock *c = w_client();

	says(c, "0 a\n");
	for (unsigned i = 0; i < 5; i++) {
		w_tick(800);
		says(link_to(0, 0), ".x\n");
	}
	says(link_to(0, 0), "=y\n");
	expect(c, "x\nx\nx\nx\nx\ny\n");
}

Test(frames_fail, a_connection_that_is_not_made_in_time)
{
	struct wsock *c = w_client();

	wcommands = false;
	says(c, "0 a\n");
	w_tick(1100);
	expect(c, "E1\n");
	cr_assert_eq(links_open(), 0);
}

/* What it wrote is; nobody waits for what it wanted to read. */
Test(frames_fail, client_resets_and_what_it_wrote_is_done)
{
	struct wsock *c = w_client(), *d = w_client();

	says(c, "w0 a\n1 b\n");
	says(d, "0 d\n");
	cr_assert_eq(links_open(), 3);
	fe_client_error(c->client);
	w_turn();
	cr_assert_eq(links_open(), 2, "the one with a read is closed");
	says(link_to(0, 0), "=A\n");
	says(link_to(0, 0), "=D\n");
	cr_assert_eq(wseen, 1);
	expect(d, "D\n");
	cr_assert_eq(links_open(), 1, "its own links are closed");
}

/* The long answer made the shared link its own; what stands behind it is somebody else's. */
Test(frames_fail, client_goes_and_others_wait_behind_its_answer)
{
	struct wsock *c = w_client(), *d = w_client();

	says(c, "0 a\n");
	says(d, "0 d\n");
	says(link_to(0, 0), "$70000\n");
	fe_client_error(c->client);
	w_turn();
	says(link_to(0, 0), body(70000));
	says(link_to(0, 0), "=D\n");
	expect(d, "D\n");
}

Test(frames_fail, client_goes_in_the_middle_of_an_answer)
{
	struct wsock *c = w_client(), *d = w_client();

	says(c, "0 a\n");
	says(d, "0 d\n");
	says(link_to(0, 0), "$6\nabc");
	c->broken = true;
	says(link_to(0, 0), "d");
	cr_assert(!c->open);
	says(link_to(0, 0), "ef=D\n");
	expect(d, "D\n");
}

Test(frames_fail, a_client_that_took_nothing_goes)
{
	struct wsock *c = w_client(), *l;

	says(c, "0 a\nw0 b\n");
	c->room = 0;
	l = link_to(0, 0);
	says(l, "$900000\n");
	for (unsigned i = 0; i < 9 && l->read; i++)
		says(l, body(100000));
	cr_assert(!l->read);
	took(l);
	fe_client_error(c->client);
	w_turn();
	cr_assert(l->read, "its write is waited for");
	for (unsigned i = 0; i < 6; i++)
		says(l, body(100000));
	says(l, "=B\n");
	cr_assert_eq(wseen, 1);
	cr_assert(!l->open);
}

Test(frames_fail, client_goes_in_the_middle_of_a_request)
{
	struct wsock *c = w_client();

	says(c, "0 a\n#0 10\n12345");
	expect(link_to(0, 0), "0 a\n#0 10\n12345");
	fe_client_eof(c->client);
	w_turn();
	cr_assert(c->open);
	says(link_to(0, 0), "=A\n");
	expect(c, "A\n");
	cr_assert(!c->open);
	cr_assert_eq(links_open(), 0, "half a request is on it");
}

Test(frames_fail, half_a_request_never_reaches_a_shared_link)
{
	struct wsock *c = w_client(), *d = w_client();

	says(c, "#0 10\n12345");
	says(d, "0 d\n");
	fe_client_error(c->client);
	w_turn();
	expect(link_to(0, 0), "0 d\n");
}

Test(frames_fail, servers_change_and_clients_stay)
{
	struct wsock *c = w_client(), *d = w_client(), *l0, *own;

	says(c, "0 a\n");
	says(d, "0 b\n1 b\n");
	l0 = link_to(0, 0);
	own = link_to(0, 1);
	w_servers(3, 0, 2); /* all are others now */
	w_turn();
	says(c, "!later\n");
	says(d, "0 c\n");
	cr_assert_eq(link_to(0, 2)->id, 2);
	expect(link_to(0, 2), "0 c\n");
	says(link_to(0, 2), "=C\n");
	says(l0, "=A\n");
	says(own, "=B\n");
	cr_assert(!l0->open && !own->open);
	expect(c, "A\nlater\n");
	says(c, "0 new\n");
	cr_assert_eq(link_to(0, 1)->id, 2);
	says(link_to(0, 1), "=N\n");
	expect(c, "N\n");
	w_servers(2, 1, 2);
	w_turn();
	says(c, "0 down\n");
	says(c, "2 none\n");
	expect(c, "E0\nE0\n");
	says(link_to(1, 0), "=B\n");
	expect(d, "B\nB\nC\n");
}

Test(frames_fail, a_server_that_was_down_for_a_moment)
{
	struct wsock *c = w_client();

	says(c, "0 a\n");
	w_servers(3, 1, 1);
	says(w_client(), "0 b\n");
	w_servers(3, 0, 1);
	says(w_client(), "0 c\n");
	expect(link_to(0, 0), "0 a\n0 c\n");
	says(link_to(0, 0), "=A\n=C\n");
	expect(c, "A\n");
	cr_assert_eq(links_open(), 1);
	w_servers(3, 1, 1);
	cr_assert_eq(links_open(), 0);
}

Test(frames_fail, a_service_ends)
{
	struct wsock *c = w_client(), *d = w_client();

	says(c, "0 a\n");
	fe_client_finish(c->client);
	fe_client_finish(d->client);
	w_turn();
	cr_assert(c->open && !d->open);
	says(link_to(0, 0), "=A\n");
	expect(c, "A\n");
	cr_assert(!c->open);
	says(w_client(), "w1 never answered\n"); /* and fe_free() ends its write */
}
