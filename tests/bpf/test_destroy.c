/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sockets that hang on an endpoint that is gone are destroyed; others, and heirs, are not. */
#include <sys/resource.h>

#include "destroy.h"

#define MANY 10000

TestSuite(destroy, .init = up, .fini = down, .timeout = 120);

Test(destroy, node_gone)
{
	int fd[ARRAY_SIZE(hows)], server;

	for (unsigned i = 0; i < ARRAY_SIZE(hows); i++) {
		fd[i] = client_of(&hows[i], &server);
		hang(fd[i], EP, GEN);
	}
	gone(EP, GEN, PB_GONE_NODE);
	for (unsigned i = 0; i < ARRAY_SIZE(hows); i++)
		cr_expect_eq(error_of(fd[i]), ECONNABORTED, "%u", i);
	cr_expect_eq(counted(), ARRAY_SIZE(hows));
	settle(true);
	cr_expect_eq(counted(), ARRAY_SIZE(hows));
}

/* Of a listener that is closed the accepted connections live on; datagrams reach nobody. */
Test(destroy, only_the_socket_gone)
{
	int fd[ARRAY_SIZE(hows)], server;

	for (unsigned i = 0; i < ARRAY_SIZE(hows); i++) {
		fd[i] = client_of(&hows[i], &server);
		hang(fd[i], EP, GEN);
	}
	gone(EP, GEN, PB_GONE_SOCKET);
	for (unsigned i = 0; i < ARRAY_SIZE(hows); i++)
		cr_expect_eq(error_of(fd[i]), hows[i].type == SOCK_STREAM ? 0 : ECONNABORTED, "%u",
			     i);
}

Test(destroy, others_stay)
{
	int server, fd = client_of(&hows[0], &server), child = taken(server), heir, elsewhere,
		    loose;
	int outside, listener;
	struct pb_sock s;

	heir = client_of(&hows[0], &server);
	hang(heir, EP, GEN + 1);
	elsewhere = client_of(&hows[3], &server);
	hang(elsewhere, EP + 1, GEN);
	outside = client_of(&hows[0], &server); /* unmanaged server: never went inside */
	loose = sock_in(&web, AF_INET, SOCK_DGRAM);
	hang(loose, EP, GEN); /* not connected */
	listener = serve(&web, AF_INET, SOCK_STREAM, "0.0.0.0", 80);
	hang(listener, EP, GEN);
	hang(fd, EP, GEN);
	gone(EP, GEN, PB_GONE_NODE);
	settle(true);
	cr_expect_eq(error_of(fd), ECONNABORTED);
	cr_expect_eq(error_of(child), ECONNRESET); /* its peer is told */
	cr_expect_eq(error_of(heir), 0);
	cr_expect_eq(error_of(elsewhere), 0);
	cr_expect_eq(error_of(outside), 0);
	cr_expect_eq(error_of(loose), 0);
	s = storage_of(listener);
	cr_expect(s.flags & PB_SK_PUBLISHED);
	cr_expect_eq(error_of(listener), ENOTCONN);
	cr_expect_eq(counted(), 1);
}

/* Its SYN is not answered: the program waits in connect(). */
Test(destroy, connect_under_way)
{
	int server = socket(AF_INET, SOCK_STREAM, 0), fd, err = 0;
	struct any_addr a = sa_of(AF_INET, "127.0.0.1", 0);
	socklen_t len = sizeof(err);

	cr_assert(!bind(server, &a.sa, a.len) && !listen(server, 0));
	a = sa_of(AF_INET, "127.0.0.1", port_of(server));
	for (int i = 0; i < 3; i++) { /* the backlog is full */
		fd = sock_in(&web, AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
		cr_assert(connect(fd, &a.sa, a.len) && errno == EINPROGRESS);
	}
	hang(fd, EP, GEN);
	gone(EP, GEN, PB_GONE_NODE);
	cr_assert(!getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len));
	cr_expect_eq(err, ECONNABORTED, "%s", strerror(err));
}

/* A client that had chosen the endpoint but was not there yet when the walk began. */
Test(destroy, late_comer)
{
	int server, fd;

	gone(EP, GEN, PB_GONE_NODE);
	fd = client_of(&hows[3], &server);
	hang(fd, EP, GEN);
	cr_expect_eq(error_of(fd), 0);
	settle(true);
	cr_expect_eq(error_of(fd), ECONNABORTED);
}

/* ---- many ---- */

static uint64_t last_ns, gap_ns;

static void on_tick(uv_timer_t *t)
{
	uint64_t now = pb_now_ns();

	(void)t;
	if (now - last_ns > gap_ns)
		gap_ns = now - last_ns;
	last_ns = now;
}

Test(destroy, many)
{
	struct rlimit rl;
	struct pb_gone g = { .ep = EP, .gen = GEN, .what = PB_GONE_NODE };
	static int fd[MANY];
	int server = serve(NULL, AF_INET, SOCK_DGRAM, "127.0.0.1", 0), port = port_of(server);
	uint64_t start;
	static uv_timer_t tick;

	cr_assert(!getrlimit(RLIMIT_NOFILE, &rl));
	rl.rlim_cur = 2 * MANY;
	if (rl.rlim_max < rl.rlim_cur)
		rl.rlim_max = rl.rlim_cur;
	cr_assert(!setrlimit(RLIMIT_NOFILE, &rl), "%m");
	for (int i = 0; i < MANY; i++) {
		fd[i] = dial(&web, AF_INET, SOCK_DGRAM, "127.0.0.1", port);
		cr_assert(fd[i] >= 0, "%d: %s", i, strerror(-fd[i]));
		hang(fd[i], EP + (i & 1), GEN);
	}
	uv_timer_init(&agent.loop, &tick);
	uv_timer_start(&tick, on_tick, 0, 1);
	start = last_ns = pb_now_ns();
	cr_assert(!pb_destroy_for(&agent, &g, 1));
	while (counted() < MANY / 2 && pb_now_ns() - start < DEADLINE_NS)
		uv_run(&agent.loop, UV_RUN_ONCE);
	fprintf(stderr, "%d of %d sockets destroyed in %.1f ms, longest turn %.1f ms\n", MANY / 2,
		MANY, (pb_now_ns() - start) / 1e6, gap_ns / 1e6);
	uv_close((uv_handle_t *)&tick, NULL);
	uv_run(&agent.loop, UV_RUN_NOWAIT);
	for (int i = 0; i < MANY; i++)
		cr_assert_eq(error_of(fd[i]), i & 1 ? 0 : ECONNABORTED, "%d", i);
	cr_expect_lt(gap_ns, 500000000ULL);
	for (int i = 0; i < MANY; i++)
		close(fd[i]);
}

/* ---- the lists ---- */

Test(destroy, list_bounds)
{
	static struct pb_gone g[PB_GONE_MAX];
	struct pb_gone none = { .ep = PB_EP_REMOTE };

	for (unsigned i = 0; i < PB_GONE_MAX; i++)
		g[i] = (struct pb_gone){ .ep = i + 1, .gen = 1, .what = PB_GONE_NODE };
	cr_expect_eq(pb_destroy_for(&agent, &none, 1), -EINVAL);
	cr_expect_eq(pb_destroy_for(&agent, g, PB_GONE_MAX), 0);
	cr_expect_eq(pb_destroy_for(&agent, g, 1), -ENOSPC);
	settle(true);
	cr_expect_eq(pb_destroy_for(&agent, g, 1), 0);
}
