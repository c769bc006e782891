// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who is spliced, and when a connection goes back to TCP.  Every byte is compared. */
#include "splice.h"

TestSuite(splice, .init = splice_init, .fini = world_fini, .timeout = 120);

/* ---- who is spliced ---- */

Test(splice, request_and_answer)
{
	struct pair p = pair_new();

	exchange(&p);
	exchange(&p);
	expect_spliced(&p);
	cr_assert(count_of(PB_R_SPLICED) == 2);
	pair_close(&p);
}

Test(splice, v6_and_mapped)
{
	int l = serve(&app_s, AF_INET6, SOCK_STREAM, "0.0.0.0", SPLICE_PORT);
	struct pair p;

	cr_assert(l >= 0);
	p = pair_via(l, AF_INET6, "fd09::1");
	exchange(&p);
	expect_spliced(&p);
	pair_close(&p);
	p = pair_via(l, AF_INET6, "10.9.0.1");
	exchange(&p);
	expect_spliced(&p);
	pair_close(&p);
	p = pair_via(l, AF_INET, "10.9.0.1");
	exchange(&p);
	expect_spliced(&p);
	pair_close(&p);
	close(l);
}

Test(splice, both_must_want_it)
{
	struct pair p;
	struct pb_spl_sock s;

	app_s.app.flags &= ~PB_APP_SPLICE;
	put_app(&app_s);
	p = pair_new();
	exchange(&p);
	expect_state(p.client, PB_SPL_NONE, PB_R_SPLICE_PEER);
	pair_close(&p);
	app_s.app.flags |= PB_APP_SPLICE;
	app_c.app.flags &= ~PB_APP_SPLICE;
	put_app(&app_s);
	put_app(&app_c);
	p = pair_new();
	exchange(&p);
	cr_assert(!state_of(p.client, &s));
	expect_state(p.server, PB_SPL_NONE, PB_R_SPLICE_PEER);
	pair_close(&p);
	cr_assert(count_of(PB_R_SPLICED) == 0);
}

Test(splice, a_service_decides_before_its_application)
{
	struct pb_spl_rule_key k = { .id = 11, .port = htons(SPLICE_PORT) };
	struct pb_spl_rule off = { .on = 0 }, on = { .on = 1 };
	struct pair p;

	cr_assert(!bpf_map_update_elem(map_fd("pb_spl_rules"), &k, &off, 0));
	p = pair_new();
	exchange(&p);
	expect_state(p.client, PB_SPL_NONE, PB_R_SPLICE_PEER);
	pair_close(&p);
	app_s.app.flags &= ~PB_APP_SPLICE;
	put_app(&app_s);
	cr_assert(!bpf_map_update_elem(map_fd("pb_spl_rules"), &k, &on, 0));
	p = pair_new();
	exchange(&p);
	expect_spliced(&p);
	pair_close(&p);
}

Test(splice, switched_off_for_all)
{
	struct pair p = pair_new();

	exchange(&p);
	expect_spliced(&p);
	must_send(p.client, "still spliced");
	set_splice_allowed(false);
	must_send(p.client, " and now by TCP");
	must_get(p.server, "still spliced and now by TCP");
	expect_tcp(p.client, PB_R_SPLICE_OFF);
	exchange(&p);
	pair_close(&p);
	p = pair_new();
	exchange(&p);
	cr_assert(reason_of(p.client) == PB_R_NONE);
	pair_close(&p);
}

/* ---- order ---- */

Test(splice, server_speaks_first)
{
	struct pair p = pair_new();

	must_send(p.server, "hello");
	must_send(p.server, " there");
	must_get(p.client, "hello there");
	expect_tcp(p.server, PB_R_SPLICE_SERVER_FIRST);
	for (int i = 0; i < 3; i++)
		exchange(&p);
	expect_tcp(p.client, PB_R_SPLICE_SERVER_FIRST);
	pair_close(&p);
}

/* ---- sockets that block ---- */

static void only_that_do_not_block(void)
{
	app_s.app.flags &= ~PB_APP_SPLICE_ALL;
	app_c.app.flags &= ~PB_APP_SPLICE_ALL;
	put_app(&app_s);
	put_app(&app_c);
}

static void nonblock(int fd)
{
	cr_assert(!fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK));
}

/* As asynchronous programs do it: the socket does not block from the start. */
static struct pair pair_nonblock(int listener)
{
	struct any_addr a = sa_of(AF_INET, "10.9.0.1", SPLICE_PORT);
	struct pollfd out = { .events = POLLOUT };
	struct pair p;

	p.client = sock_in(&app_c, AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
	cr_assert(connect(p.client, &a.sa, a.len) && errno == EINPROGRESS);
	p.server = taken(listener);
	out.fd = p.client;
	cr_assert(poll(&out, 1, 5000) == 1);
	return p;
}

Test(splice, a_client_that_blocks_is_not)
{
	struct pair p;

	only_that_do_not_block();
	p = pair_new();
	exchange(&p);
	exchange(&p);
	expect_state(p.client, PB_SPL_NONE, PB_R_SPLICE_BLOCKING);
	pair_close(&p);
}

/* Known at its first send: from there on both are plain sockets. */
Test(splice, a_server_that_blocks_leaves)
{
	int l = serve(&app_s, AF_INET, SOCK_STREAM, "10.9.0.1", SPLICE_PORT);
	struct pb_spl_sock s;
	struct pair p;

	only_that_do_not_block();
	p = pair_nonblock(l);
	exchange(&p);
	cr_assert(state_of(p.server, &s) && s.reason == PB_R_SPLICE_BLOCKING);
	exchange(&p);
	expect_state(p.server, PB_SPL_LEFT, PB_R_SPLICE_BLOCKING);
	exchange(&p);
	expect_tcp(p.client, PB_R_SPLICE_BLOCKING);
	pair_close(&p);
	/* The next client of that listener does not even try. */
	p = pair_nonblock(l);
	exchange(&p);
	expect_state(p.client, PB_SPL_NONE, PB_R_SPLICE_BLOCKING);
	pair_close(&p);
	close(l);
}

Test(splice, neither_blocks)
{
	int l = serve(&app_s, AF_INET, SOCK_STREAM, "10.9.0.1", SPLICE_PORT);
	struct pair p;

	only_that_do_not_block();
	p = pair_nonblock(l);
	nonblock(p.server);
	exchange(&p);
	exchange(&p);
	expect_spliced(&p);
	pair_close(&p);
	close(l);
}
