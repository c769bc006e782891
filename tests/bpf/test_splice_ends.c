// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How a splice ends: budgets, options, closes, full tables.  Every byte is compared. */
#include "splice.h"

TestSuite(splice_ends, .init = splice_init, .fini = world_fini, .timeout = 120);

/* The byte at @pos of the test's stream. */
static char byte_at(uint64_t pos)
{
	return (char)(pos * 2654435761u >> 13);
}

/* Sends without waiting until the kernel takes no more; how much it took. */
static uint64_t fill(int fd, uint64_t pos, size_t step)
{
	char buf[65536];
	ssize_t n;

	do {
		for (size_t i = 0; i < step; i++)
			buf[i] = byte_at(pos + i);
		n = send(fd, buf, step, MSG_DONTWAIT);
		if (n > 0)
			pos += (uint64_t)n;
	} while (n > 0);
	cr_assert(errno == EAGAIN, "send after %lu bytes: %m", (unsigned long)pos);
	return pos;
}

/* Reads and compares everything up to @end. */
static void drain(int fd, uint64_t pos, uint64_t end)
{
	char buf[65536];

	while (pos < end) {
		size_t n = end - pos < sizeof(buf) ? end - pos : sizeof(buf);

		must_read(fd, buf, n);
		for (size_t i = 0; i < n; i++)
			cr_assert(buf[i] == byte_at(pos + i), "byte %lu differs",
				  (unsigned long)(pos + i));
		pos += n;
	}
}

/* Plain TCP would take about the send and the receive buffer; a splice without a window, all. */
#define STALLED_MAX (64u << 20)

Test(splice_ends, a_reader_that_stalls_stops_the_sender)
{
	struct pair p = pair_new();
	uint64_t sent;

	exchange(&p);
	sent = fill(p.client, 0, 16384);
	cr_assert(sent > PB_SPL_BUDGET / 2 && sent < STALLED_MAX, "%lu", (unsigned long)sent);
	expect_tcp(p.client, PB_R_SPLICE_BUDGET);
	drain(p.server, 0, sent);
	pair_close(&p);
}

Test(splice_ends, both_write_and_nobody_reads)
{
	struct pair p = pair_new();
	uint64_t up = 0, down = 0, was;

	exchange(&p);
	do {
		was = up + down;
		up = fill(p.client, up, 4096);
		down = fill(p.server, down, 4096);
		cr_assert(up + down < 2ull * STALLED_MAX);
	} while (up + down > was);
	drain(p.server, 0, up);
	drain(p.client, 0, down);
	pair_close(&p);
}

/* Small messages cost the kernel more than their bytes. */
Test(splice_ends, many_small_messages_are_bounded_too)
{
	struct pair p = pair_new();
	uint64_t sent = 0;
	struct pb_spl_sock s;

	exchange(&p);
	for (int i = 0; i < 1000; i++) {
		char c = byte_at(sent);

		cr_assert(send(p.client, &c, 1, 0) == 1);
		sent++;
	}
	cr_assert(state_of(p.client, &s) && s.state != PB_SPL_OPEN);
	cr_assert(s.msgs <= PB_SPL_BUDGET / PB_SPL_MSG_COST, "%lu", (unsigned long)s.msgs);
	drain(p.server, 0, sent);
	pair_close(&p);
}

/* Answers say that what was asked is read: a long dialogue stays spliced. */
Test(splice_ends, a_long_dialogue_stays_spliced)
{
	struct pair p = pair_new();
	static char buf[100000];

	for (int i = 0; i < 50; i++) {
		cr_assert(send(p.client, buf, sizeof(buf), 0) == sizeof(buf));
		must_read(p.server, buf, sizeof(buf));
		cr_assert(send(p.server, buf, sizeof(buf), 0) == sizeof(buf));
		must_read(p.client, buf, sizeof(buf));
	}
	expect_spliced(&p);
	pair_close(&p);
}

/* Bulk goes back to TCP, and then nothing of the splice is left on the socket. */
Test(splice_ends, bulk_leaves_the_splice)
{
	struct pair p = pair_new();
	struct pb_spl_sock s;
	uint64_t pos = 0;

	exchange(&p);
	for (int i = 0; i < 5000; i++) {
		char buf[8192];

		for (size_t k = 0; k < sizeof(buf); k++)
			buf[k] = byte_at(pos + k);
		cr_assert(send(p.client, buf, sizeof(buf), 0) == sizeof(buf));
		/* Behind by more than the budget at first, then in step. */
		if (i >= 60)
			drain(p.server, pos - 60 * sizeof(buf), pos - 59 * sizeof(buf));
		pos += sizeof(buf);
		if (i > 70 && state_of(p.client, &s) && s.state == PB_SPL_LEFT)
			break;
	}
	expect_state(p.client, PB_SPL_LEFT, PB_R_SPLICE_BUDGET);
	drain(p.server, pos - 60 * 8192, pos);
	exchange(&p);
	exchange(&p);
	cr_assert(count_of(PB_R_SPLICE_LEFT) >= 1);
	pair_close(&p);
}

/* FIONREAD counts what there is, in the splice and after it; but not spliced bytes on 6.1, which is
 * why the agent splices nothing there. */
Test(splice_ends, bytes_to_read)
{
	struct pair p = pair_new();
	struct pb_spl_sock s;
	uint64_t pos = 0;
	bool blind;
	int n;

	exchange(&p);
	must_send(p.client, "7 bytes");
	cr_assert(!ioctl(p.server, FIONREAD, &n));
	blind = n == 0;
	cr_assert(blind || n == 7);
	must_get(p.server, "7 bytes");
	while (pos < 700000) {
		static char buf[7000];
		struct pollfd in = { .fd = p.server, .events = POLLIN };

		for (size_t k = 0; k < sizeof(buf); k++)
			buf[k] = byte_at(pos + k);
		cr_assert(send(p.client, buf, sizeof(buf), 0) == sizeof(buf));
		cr_assert(poll(&in, 1, 5000) == 1);
		cr_assert(!ioctl(p.server, FIONREAD, &n));
		if (!blind || (state_of(p.server, &s) && s.state == PB_SPL_LEFT))
			cr_assert(n == sizeof(buf), "%d bytes after %lu", n, (unsigned long)pos);
		drain(p.server, pos, pos + sizeof(buf));
		pos += sizeof(buf);
	}
	exchange(&p);
	expect_tcp(p.server, PB_R_SPLICE_BUDGET);
	pair_close(&p);
}

/* ---- options ---- */

static void opted_out(int level, int name, int value, uint32_t reason)
{
	int l = serve(&app_s, AF_INET, SOCK_STREAM, "10.9.0.1", SPLICE_PORT), fd;
	struct any_addr a = sa_of(AF_INET, "10.9.0.1", SPLICE_PORT);
	struct pair p;

	fd = sock_in(&app_c, AF_INET, SOCK_STREAM);
	cr_assert(!setsockopt(fd, level, name, &value, sizeof(value)), "option %d: %m", name);
	cr_assert(!connect(fd, &a.sa, a.len));
	p = (struct pair){ .client = fd, .server = taken(l) };
	exchange(&p);
	expect_state(p.client, PB_SPL_NONE, reason);
	pair_close(&p);
	/* The same of a listener: its children inherit it. */
	cr_assert(!setsockopt(l, level, name, &value, sizeof(value)));
	p = pair_via(l, AF_INET, "10.9.0.1");
	exchange(&p);
	expect_state(p.server, PB_SPL_NONE, reason);
	pair_close(&p);
	/* And of a connection that is spliced already. */
	close(l);
	p = pair_new();
	exchange(&p);
	expect_spliced(&p);
	cr_assert(!setsockopt(p.server, level, name, &value, sizeof(value)));
	exchange(&p);
	expect_tcp(p.client, reason);
	expect_tcp(p.server, reason);
	pair_close(&p);
}

Test(splice_ends, receive_buffer)
{
	opted_out(SOL_SOCKET, SO_RCVBUF, 65536, PB_R_SPLICE_RCVBUF);
}

Test(splice_ends, low_water_mark)
{
	opted_out(SOL_SOCKET, SO_RCVLOWAT, 4, PB_R_SPLICE_LOWAT);
}

Test(splice_ends, urgent_data_inline)
{
	opted_out(SOL_SOCKET, SO_OOBINLINE, 1, PB_R_SPLICE_OOB);
}

Test(splice_ends, timestamps)
{
	opted_out(SOL_SOCKET, SO_TIMESTAMP, 1, PB_R_SPLICE_TIMESTAMP);
}

Test(splice_ends, peeks_at_an_offset)
{
	struct pair p = pair_new();
	int off = 0, none = -1;

	exchange(&p);
	setsockopt(p.client, SOL_SOCKET, SO_PEEK_OFF, &none, sizeof(none));
	exchange(&p);
	expect_spliced(&p);
	/* TCP takes it from Linux 6.9 on; told apart by what the program wants, not by the answer. */
	setsockopt(p.client, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off));
	exchange(&p);
	expect_tcp(p.client, PB_R_SPLICE_PEEK);
	pair_close(&p);
}

Test(splice_ends, options_that_mean_nothing)
{
	struct pair p = pair_new();
	int zero = 0, one = 1;

	exchange(&p);
	cr_assert(!setsockopt(p.server, SOL_SOCKET, SO_OOBINLINE, &zero, sizeof(zero)));
	cr_assert(!setsockopt(p.server, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one)));
	cr_assert(!setsockopt(p.server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
	cr_assert(!setsockopt(p.server, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)));
	exchange(&p);
	expect_spliced(&p);
	pair_close(&p);
}

Test(splice_ends, tls_and_zerocopy_are_refused)
{
	struct pair p = pair_new();
	int one = 1;

	exchange(&p);
	cr_assert(setsockopt(p.client, IPPROTO_TCP, 31 /* TCP_ULP */, "tls", 4) == -1);
	cr_assert(errno == ENOENT, "%m");
	cr_assert(setsockopt(p.client, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)) == -1);
	cr_assert(errno == EOPNOTSUPP, "%m");
	exchange(&p);
	expect_tcp(p.client, PB_R_SPLICE_ULP);
	pair_close(&p);
}

/* ---- closes ---- */

Test(splice_ends, half_close)
{
	struct pair p = pair_new();
	char c;

	exchange(&p);
	must_send(p.client, "last words");
	cr_assert(!shutdown(p.client, SHUT_WR));
	must_send(p.server, "goes on");
	must_send(p.server, " and on");
	must_get(p.server, "last words");
	cr_assert(read(p.server, &c, 1) == 0);
	must_get(p.client, "goes on and on");
	close(p.server);
	cr_assert(read(p.client, &c, 1) == 0);
	close(p.client);
}

Test(splice_ends, close_with_data_queued)
{
	struct pair p = pair_new();
	char c;

	exchange(&p);
	must_send(p.client, "one");
	must_send(p.client, "two");
	close(p.client);
	must_get(p.server, "onetwo");
	cr_assert(read(p.server, &c, 1) == 0);
	close(p.server);
}

/* connect(AF_UNSPEC), then another connection of the same socket: nothing of the old one is in it. */
Test(splice_ends, socket_used_again)
{
	int l = serve(&app_s, AF_INET, SOCK_STREAM, "10.9.0.1", SPLICE_PORT);
	struct pair p = pair_via(l, AF_INET, "10.9.0.1");
	struct any_addr a = sa_of(AF_INET, "10.9.0.1", SPLICE_PORT);
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	exchange(&p);
	must_send(p.server, "old bytes that nobody reads");
	cr_assert(!connect(p.client, &none, sizeof(none)));
	close(p.server);
	cr_assert(!connect(p.client, &a.sa, a.len), "%m");
	p.server = taken(l);
	exchange(&p);
	exchange(&p);
	expect_spliced(&p);
	pair_close(&p);
	close(l);
}

/* ---- a full table ---- */

Test(splice_ends, full_table)
{
	int fd = map_fd("pb_spl_pairs");
	struct pb_spl_pair none = { 0 };
	struct pb_spl_id id = { 0 };
	struct pair p;

	do
		id.pad++;
	while (!bpf_map_update_elem(fd, &id, &none, BPF_NOEXIST));
	p = pair_new();
	exchange(&p);
	expect_state(p.client, PB_SPL_NONE, PB_R_MAP_FULL);
	cr_assert(count_of(PB_R_MAP_FULL) == 1);
	pair_close(&p);
	id.pad = 1;
	cr_assert(!bpf_map_delete_elem(fd, &id));
	p = pair_new();
	exchange(&p);
	expect_spliced(&p);
	pair_close(&p);
}

/* ---- upgrade ---- */

Test(splice_ends, another_build_takes_over)
{
	struct pair p = pair_new(), q;

	exchange(&p);
	pb_maps_free(maps);
	pb_loader_free(loader);
	loader = must_open();
	cr_assert(!pb_maps_from_loader(&maps, loader));
	cr_assert(!pb_loader_attach_splice(loader, NULL));
	exchange(&p);
	expect_spliced(&p);
	q = pair_new();
	exchange(&q);
	expect_spliced(&q);
	pair_close(&p);
	pair_close(&q);
}

Test(splice_ends, everything_is_taken_out_under_it)
{
	struct pair p = pair_new();
	unsigned removed;

	exchange(&p);
	must_send(p.client, "queued");
	must_send(p.server, "queued too");
	set_splice_allowed(false);
	cr_assert(!pb_loader_detach_all(place.bpffs, &removed));
	must_send(p.client, " and sent");
	must_get(p.server, "queued and sent");
	must_get(p.client, "queued too");
	exchange(&p);
	pair_close(&p);
}
