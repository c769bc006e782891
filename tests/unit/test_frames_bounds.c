// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Back-pressure, bounds, and the two kinds of links. */
#include "test_frames.h"

#define BIG (8u << 20)

TestSuite(frames_bounds, .init = start, .fini = w_free);

static char zeros[64 << 10];

/* @n bytes, as long as the engine reads them. */
static size_t pour(struct wsock *s, size_t n)
{
	size_t done = 0;

	while (done < n && s->open && s->read) {
		size_t k = n - done < sizeof(zeros) ? n - done : sizeof(zeros);

		w_data(s, zeros, k);
		w_turn();
		done += k;
	}
	return done;
}

Test(frames_bounds, a_long_answer_is_streamed)
{
	struct wsock *c = w_client(), *l;
	char head[16];

	says(c, "0 a\n");
	l = link_to(0, 0);
	snprintf(head, sizeof(head), "$%u\n", BIG);
	says(l, head);
	for (size_t sent = 0; sent < BIG; sent += sizeof(zeros)) {
		cr_assert_eq(pour(l, sizeof(zeros)), sizeof(zeros));
		cr_assert_lt(fe_proc_memory(wproc), 1 << 20);
		cr_assert_eq(c->len, sent + sizeof(zeros));
	}
	says(c, "0 b\n");
	says(l, "=B\n");
	cr_assert_str_eq(c->out + BIG, "B\n");
}

Test(frames_bounds, a_slow_reader_stops_its_own_link)
{
	struct wsock *c = w_client(), *d = w_client(), *l;
	char head[16];

	says(c, "0 a\n");
	c->room = 1000;
	c->sends = 0;
	l = link_to(0, 0);
	snprintf(head, sizeof(head), "$%u\n", BIG);
	says(l, head);
	cr_assert_lt(pour(l, BIG), 1 << 20);
	cr_assert_eq(c->sends, 1, "it did not take all: it is asked again when it can");
	cr_assert(!l->read);
	cr_assert_lt(fe_proc_memory(wproc), 1 << 20);
	says(d, "0 d\n"); /* is not behind it */
	says(link_to(0, 1), "=D\n");
	expect(d, "D\n");
	w_tick(5000); /* nor is the server late */
	cr_assert(l->open && c->open);
	w_room(c, SIZE_MAX);
	cr_assert(l->read);
	pour(l, BIG - (c->len));
	cr_assert_eq(c->len, BIG);
}

Test(frames_bounds, many_short_parts_do_not_get_around_it)
{
	struct wsock *c = w_client(), *l;
	unsigned n = 0;

	says(c, "0 a\n");
	c->room = 0;
	l = link_to(0, 0);
	for (; l->read && n < 100000; n++)
		says(l, ".one more line of the answer\n");
	cr_assert_lt(n, 20000);
	w_room(c, SIZE_MAX);
	says(l, "=last\n");
	cr_assert_eq(c->len, n * 28 + 5);
}

Test(frames_bounds, others_behind_a_slow_reader_on_a_shared_link)
{
	struct wsock *c = w_client(), *d = w_client(), *l;
	char head[16];

	says(c, "0 a\n");
	says(d, "0 d\n");
	c->room = 0;
	l = link_to(0, 0);
	snprintf(head, sizeof(head), "$%u\n", BIG);
	says(l, head);
	cr_assert_eq(pour(l, BIG), BIG);
	says(l, "=D\n");
	expect(d, "D\n");
	cr_assert(c->open);
}

Test(frames_bounds, and_one_who_takes_nothing_is_cut_off)
{
	struct wsock *c = w_client(), *d = w_client(), *l;
	char head[16];

	says(c, "0 a\n");
	says(d, "0 d\n");
	c->room = 0;
	l = link_to(0, 0);
	snprintf(head, sizeof(head), "$%u\n", 3 * BIG);
	says(l, head);
	cr_assert_eq(pour(l, 3 * BIG), 3 * BIG);
	says(l, "=D\n");
	expect(d, "D\n");
	cr_assert(!c->open);
	cr_assert_eq(count(floods), 1);
}

Test(frames_bounds, a_long_request_is_streamed_and_a_stalled_server_stops_it)
{
	struct wsock *c = w_client(), *l;
	char head[16];

	snprintf(head, sizeof(head), "#0 %u\n", BIG);
	says(c, head);
	l = link_to(0, 0);
	cr_assert_eq(pour(c, BIG / 2), BIG / 2);
	cr_assert_lt(fe_proc_memory(wproc), 1 << 20);
	l->room = 0;
	cr_assert_lt(pour(c, BIG / 2), 1 << 20);
	cr_assert(!c->read);
	w_room(l, SIZE_MAX);
	cr_assert(c->read);
	pour(c, BIG + strlen(head) - l->len);
	cr_assert_eq(l->len, BIG + strlen(head));
	says(l, "=ok\n");
	expect(c, "ok\n");
}

Test(frames_bounds, a_server_that_takes_nothing_is_late)
{
	struct wsock *c = w_client(), *l;
	size_t n;

	says(c, "#0 8000000\n");
	l = link_to(0, 0);
	n = pour(c, 1 << 20);
	l->room = 0;
	n += pour(c, 1 << 20);
	w_tick(1100);
	expect(c, "E3\n");
	pour(c, 8000000 - n); /* the rest of it is dropped */
	w_data(c, "!still\n", 7);
	w_turn();
	expect(c, "still\n");
}

Test(frames_bounds, a_client_that_is_slow_to_send_is_not_the_servers_fault)
{
	struct wsock *c = w_client();

	says(c, "#0 100000\nab");
	w_tick(10000);
	cr_assert_eq(links_open(), 1);
	cr_assert_eq(count(timeouts), 0);
	expect(c, "");
}

Test(frames_bounds, early_answers_wait_within_a_bound_and_nothing_locks)
{
	struct wsock *c = w_client(), *a, *b;

	says(c, "0 a\n1 b\n0 c\n");
	a = link_to(0, 0);
	b = link_to(1, 0);
	says(b, "$8388608\n");
	cr_assert_lt(pour(b, BIG), 1 << 20);
	cr_assert(!b->read && a->read);
	says(a, "=A\n");
	cr_assert(b->read);
	pour(b, BIG - (c->len - 2));
	says(a, "=C\n");
	cr_assert_str_eq(c->out + 2 + BIG, "C\n");
}

Test(frames_bounds, what_is_held_is_bounded)
{
	struct wsock *c = w_client();

	says(c, "*x\n");
	says(link_to(0, 0), "$2000000\n");
	pour(link_to(0, 0), 2000000);
	says(link_to(1, 0), "=b\n");
	says(link_to(2, 0), "=c\n");
	expect(c, "<5><b><c>\n");
	cr_assert_eq(links_open(), 3);
}

Test(frames_bounds, a_shared_link_that_becomes_its_own_overtakes_no_other)
{
	struct wsock *c = w_client();

	says(c, "+01 k\n");
	says(link_to(0, 0), "$70000\n");
	took(link_to(1, 0));
	says(c, "1 next\n");
	expect(link_to(1, 0), "");
	cr_assert_eq(links_open(), 2);
	w_data(link_to(0, 0), zeros, sizeof(zeros));
	w_data(link_to(0, 0), zeros, 70000 - sizeof(zeros));
	says(link_to(1, 0), "=K\n");
	expect(link_to(1, 1), "1 next\n");
}

Test(frames_bounds, own_links_while_it_pipelines_and_shared_ones_later)
{
	struct wsock *c = w_client();

	says(c, "0 a\n"); /* shared */
	says(c, "0 b\n"); /* waits: the same server must see them in order */
	cr_assert_eq(links_open(), 1);
	expect(link_to(0, 0), "0 a\n");
	says(link_to(0, 0), "=A\n");
	cr_assert_eq(links_open(), 2);
	expect(link_to(0, 1), "0 b\n");
	says(c, "0 c\n0 d\n");
	says(link_to(0, 1), "=B\n=C\n=D\n");
	expect(c, "A\nB\nC\nD\n");
	w_tick(6000);
	cr_assert_eq(links_open(), 1);
	took(link_to(0, 0));
	says(c, "0 e\n");
	expect(link_to(0, 0), "0 e\n");
}

Test(frames_bounds, who_stopped_pipelining_shares_again)
{
	struct wsock *c = w_client();

	says(c, "0 a\n0 b\n");
	says(link_to(0, 0), "=A\n=B\n");
	for (unsigned i = 0; i < 40; i++) {
		says(c, "0 x\n");
		for (unsigned k = 0; k < links_open(); k++)
			if (link_to(0, k)->at < link_to(0, k)->len) {
				took(link_to(0, k));
				says(link_to(0, k), "=x\n");
			}
	}
	cr_assert_eq(count(own_links), 1);
	cr_assert_eq(count(connects), 2);
	cr_assert_eq(count(replies), 42);
}

Test(frames_bounds, too_many_clients)
{
	struct wsock *c;
	struct fe_limits lim = { .clients = 2 };

	w_free();
	w_new(&lim, 0);
	w_client();
	w_client();
	c = w_client();
	cr_assert_null(c->client);
	expect(c, "E5\n");
	cr_assert_eq(count(refused), 1);
}

Test(frames_bounds, memory)
{
	struct wsock *c[200];
	unsigned n = 0;

	w_free();
	w_new(NULL, 4 << 20);
	for (; n < 200; n++) {
		c[n] = w_client();
		cr_assert(c[n]->client);
	}
	for (n = 0; n < 200; n++) {
		c[n]->room = 0;
		for (unsigned i = 0; i < 10 && c[n]->open; i++) {
			says(c[n], "0 a\n");
			for (unsigned k = 0; k < links_open(); k++)
				if (link_to(0, k)->at < link_to(0, k)->len && link_to(0, k)->read) {
					took(link_to(0, k));
					says(link_to(0, k), "$30000\n");
					pour(link_to(0, k), 30000);
				}
		}
		cr_assert_lt(fe_proc_memory(wproc), 5 << 20, "with %u clients", n);
	}
	cr_assert_gt(count(full), 0);
	cr_assert_null(w_client()->client);
	w_room(c[0], SIZE_MAX);
	w_room(c[1], SIZE_MAX);
	cr_assert(w_client()->client);
}

Test(frames_bounds, idle_clients_are_small)
{
	uint64_t before;
	static struct wsock *c[10000];

	says(w_client(), "0 x\n");
	says(link_to(0, 0), "=x\n");
	before = fe_proc_memory(wproc);
	for (unsigned i = 0; i < 10000; i++) {
		c[i] = w_client();
		w_data(c[i], "0 x\n", 4);
	}
	w_turn();
	for (unsigned i = 0; i < 10000; i++)
		w_data(link_to(0, 0), "=x\n", 3);
	w_turn();
	cr_assert_leq((fe_proc_memory(wproc) - before) / 10000, 512, "%llu bytes a client",
		      (unsigned long long)(fe_proc_memory(wproc) - before) / 10000);
	cr_assert_eq(links_open(), 1);
	for (unsigned i = 0; i < 10000; i++)
		expect(c[i], "x\n");
}
