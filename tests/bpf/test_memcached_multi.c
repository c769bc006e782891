// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Gets of several keys: answered from the cache when all of them are there, else as without it. */
#include <patchbay/mc_digest.h>

#include "mc_multi.h"

#define MOST 32 /* keys of one request that the cache looks at */

TestSuite(memcached_multi, .init = setup, .fini = world_fini, .timeout = 240);

/* Four short ones. */
static void fill_some(void)
{
	fill("a", "1");
	fill("bb", "22");
	fill("ccc", "");
	fill("d", "4444");
	never_fetched();
}

#define A "VALUE a 7 1\r\n1\r\n"
#define BB "VALUE bb 7 2\r\n22\r\n"
#define CCC "VALUE ccc 7 0\r\n\r\n"
#define D "VALUE d 7 4\r\n4444\r\n"

Test(memcached_multi, hits)
{
	static const char *const asked[][2] = {
		{ "get a bb\r\n", A BB },
		{ "get bb a\r\n", BB A },
		{ "get d  ccc bb a \n", D CCC BB A },
		{ "get a a ccc a\r\n", A A CCC A },
		{ "bget d d d d d\r\n", D D D D D },
	};

	fill_some();
	for (int form = 0; form < 8; form++) {
		w.tc = form & 1;
		if (w.v6 != form >> 2)
			world_family(form >> 2);
		for (size_t i = 0; i < ARRAY_SIZE(asked); i++)
			answered(asked[i][0], asked[i][1], form >> 1 & 1);
	}
	cr_assert_eq(counter(PB_MC_C_HITS), 8 * ARRAY_SIZE(asked));
	cr_assert_eq(counter(PB_MC_C_HITS_TC), 4 * ARRAY_SIZE(asked));
	cr_assert_eq(counter(PB_MC_C_TORN), 0);
}

/* One that is not there, at every place. */
Test(memcached_multi, misses)
{
	static const char *const asked[] = {
		"get none a\r\n",	 "get a none\r\n",
		"get a none bb\r\n",	 "get none none2\r\n",
		"get a aa\r\n",		 "get A a\r\n",
		"gets a bb\r\n",	 "gat 5 a bb\r\n",
		"get a bb\r\nget a\r\n", "get a bb\r\nx\r\n",
		"get a a a a none\r\n",	 "get none2 none3 none4 none5 n6 a\r\n",
		"get a bb noreply\r\n",
	};
	char msg[2100];

	fill_some();
	for (size_t i = 0; i < ARRAY_SIZE(asked); i++)
		goes_on_by_both(asked[i]);
	snprintf(msg, sizeof(msg), "get a %s\r\n", text_of(251));
	goes_on_by_both(msg);
	world_service(PB_MC_S_UP);
	goes_on_by_both("get a bb\r\n");
	world_service(PB_MC_S_UP | PB_MC_S_CACHE);
	w.tc = 0;
	answered("get a bb\r\n", A BB, 0);
}

/* Two keys of one digest under the secret of mc_world.h: the value of one is not that of the other. */
Test(memcached_multi, keys_of_one_digest)
{
	const char *k = "d6e1wn_w", *other = "ytync1zc";

	cr_assert_eq(pb_mc_key_digest(w.svc.key, k, 8), pb_mc_key_digest(w.svc.key, other, 8));
	fill(k, "x");
	fill_some();
	goes_on_by_both("get a ytync1zc\r\n");
	goes_on_by_both("get d6e1wn_w ytync1zc\r\n");
	for (w.tc = 0; w.tc < 2; w.tc++)
		answered("get a d6e1wn_w\r\n", A "VALUE d6e1wn_w 7 1\r\nx\r\n", 0);
}

/* From when a write is on its way until the value was fetched again. */
Test(memcached_multi, writes)
{
	for (int i = 0; i < 4; i++) {
		const char *key = i & 1 ? "bb" : "a";
		struct frame req, out, r;
		char msg[32];

		admit(1);
		fill_for("a", "1", -1);
		fill_for("bb", "22", -1);
		never_fetched();
		for (w.tc = 0; w.tc < 2; w.tc++)
			answered("get a bb\r\n", A BB, 0);
		snprintf(msg, sizeof(msg), i & 2 ? "delete %s\r\n" : "incr %s 1\r\n", key);
		req = request(msg);
		w.tc = 0;
		cr_assert_eq(run(&req), SAID_SENT);
		out = result();
		goes_on_by_both("get a bb\r\n");
		r = reply_to(&out, "DONE\r\n");
		cr_assert_eq(run(&r), SAID_SENT);
		goes_on_by_both("get a bb\r\n");
		snprintf(msg, sizeof(msg), "delete %s\r\n", i & 1 ? "a" : "bb");
		req = request(msg);
		cr_assert_eq(run(&req), SAID_SENT);
		out = result();
		r = reply_to(&out, "DELETED\r\n");
		cr_assert_eq(run(&r), SAID_SENT);
	}
}

/* 0: the multiget is answered no more. */
static int wait_for_its_end(const char *msg)
{
	uint64_t end = pb_now_ns() + 60000000000ULL;
	struct frame req = request(msg);

	while (pb_now_ns() < end) {
		cr_assert_neq(run(&req), SAID_DROP);
		if (said() == SAID_PASS || result().dport == 11211)
			return 0;
		usleep(20000);
	}
	return -1;
}

Test(memcached_multi, expired)
{
	for (w.tc = 0; w.tc < 2; w.tc++) {
		int tc = w.tc;
		char msg[64], key[32];

		snprintf(key, sizeof(key), "short%d", tc);
		snprintf(msg, sizeof(msg), "get a %s bb\r\n", key);
		admit(1);
		if (!tc) {
			fill("a", "1");
			fill("bb", "22");
		}
		fill_for(key, "x", 4);
		never_fetched();
		w.tc = tc;
		answered(msg,
			 tc ? A "VALUE short1 7 1\r\nx\r\n" BB : A "VALUE short0 7 1\r\nx\r\n" BB,
			 0);
		cr_assert_eq(wait_for_its_end(msg), 0);
		goes_on(msg);
		answered("get a bb\r\n", A BB, 0);
	}
}

/* Whatever drops everything does it here, too. */
Test(memcached_multi, flushes)
{
	struct frame req = request("bogus\r\n");
	struct pb_mc_cmd c = { .what = PB_MC_DO_WRITE_ALL, .tag = 1ULL << 63 | 5 };

	fill_some();
	w.tc = 0;
	answered("get a bb\r\n", A BB, 0);
	cr_assert_eq(pb_mcl_do(w.mcl, &c), 0);
	goes_on_by_both("get a bb\r\n");
	c.what = PB_MC_DO_WRITTEN_ALL;
	cr_assert_eq(pb_mcl_do(w.mcl, &c), 0);
	admit(1);
	fill_some();
	w.tc = 0;
	answered("get a bb\r\n", A BB, 0);
	cr_assert_eq(run(&req), SAID_SENT);
	goes_on_by_both("get a bb\r\n");
}

/* The longest answer of one datagram, and one byte more. */
Test(memcached_multi, one_datagram)
{
	static char want[2000];
	/* VALUE big 7 NNN and \r\n each, twice a value, END */
	const size_t room = PB_MC_DATA_MAX - 5 - 2 * strlen("VALUE b0 7 100\r\n\r\n"), first = 701;
	char msg[64];

	fill("b0", text_of(first));
	for (int more = 0; more < 3; more++) {
		char key[8];
		int n;

		admit(1);
		snprintf(key, sizeof(key), "b%d", more + 1);
		fill(key, text_of(room - first + (size_t)more - 1));
		never_fetched();
		snprintf(msg, sizeof(msg), "get b0 %s\r\n", key);
		n = snprintf(want, sizeof(want), "VALUE b0 7 %zu\r\n%s\r\n", first, text_of(first));
		snprintf(want + n, sizeof(want) - (size_t)n, "VALUE %s 7 %zu\r\n%s\r\n", key,
			 room - first + (size_t)more - 1, text_of(room - first + (size_t)more - 1));
		if (more == 2)
			goes_on_by_both(msg);
		else
			for (w.tc = 0; w.tc < 2; w.tc++)
				answered(msg, want, 0);
	}
	sh("ip link set d0 mtu 1300");
	goes_on_by_both("get b0 b1\r\n");
}

/* The least of many runs, for the log; judged by nobody. */
static void cost(const char *msg, int keys)
{
	struct xdp_md md = { .ingress_ifindex = w.ifindex };
	uint32_t best = ~0u;
	struct frame req = request(msg);
	uint8_t p[FRAME_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = p, .repeat = 1, .ctx_in = &md,
		    .ctx_size_in = sizeof(md));

	o.data_size_in = md.data_end = (uint32_t)frame_write(&req, p);
	for (int i = 0; i < 3000; i++) {
		cr_assert_eq(bpf_prog_test_run_opts(pb_mcl_prog_fd(w.mcl, "pb_mc_xdp"), &o), 0);
		best = o.duration < best ? o.duration : best;
	}
	cr_log_info("%d keys: %u ns\n", keys, best);
}

Test(memcached_multi, many)
{
	char msg[400] = "get", want[1400] = "";
	size_t m = 3, n = 0;

	for (int i = 0; i < MOST + 1; i++) {
		char key[8];

		snprintf(key, sizeof(key), "key%02d", i);
		fill(key, "v");
	}
	never_fetched();
	for (int i = 0; i < MOST; i++) {
		m += (size_t)snprintf(msg + m, sizeof(msg) - m, " key%02d", i);
		n += (size_t)snprintf(want + n, sizeof(want) - n, "VALUE key%02d 7 1\r\nv\r\n", i);
		if (!(i & (i + 1))) {
			strcpy(msg + m, "\r\n");
			cost(msg, i + 1);
		}
	}
	strcpy(msg + m, "\r\n");
	for (w.tc = 0; w.tc < 2; w.tc++)
		answered(msg, want, 0);
	snprintf(msg + m, sizeof(msg) - m, " key%02d\r\n", MOST);
	goes_on_by_both(msg);
	strcpy(msg + m, " none\r\n");
	goes_on_by_both(msg);
}

/* A source that asks for more than its share is not answered. */
Test(memcached_multi, budget)
{
	struct frame req = request("get a bb\r\n");
	int sent = 0, dropped = 0;

	fill_some();
	w.svc.rate = 1;
	w.svc.burst = 1000;
	world_service(w.svc.flags);
	for (int i = 0; i < 100; i++) {
		w.tc = i & 1;
		sent += run(&req) == SAID_SENT;
		dropped += said() == SAID_DROP;
	}
	cr_assert_eq(sent + dropped, 100);
	cr_assert(sent > 5 && sent < 50, "%d", sent);
	cr_assert_eq(counter(PB_MC_C_DROP_RATE), (uint64_t)dropped);
}
