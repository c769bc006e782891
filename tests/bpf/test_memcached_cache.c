// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The cache of the memcached switch, function by function.  test_memcached_random.c plays long
 * sequences, test_memcached_torn.c two CPUs against one value. */
#include <time.h>

#include "mc_cache.h"

enum { UNFIT, MISS, LATE, KEPT };

static void setup(void)
{
	load(0, 0);
	cache_of(1);
}

static void teardown(void)
{
	mc_cache__destroy(skel);
}

TestSuite(memcached_cache, .init = setup, .fini = teardown, .timeout = 240);

/* Every length of a key, for the words and the tail of copy, digest and comparison. */
Test(memcached_cache, keys_of_all_lengths)
{
	char key[PB_MC_KEY_MAX + 1], value[64];

	for (size_t n = 1; n <= PB_MC_KEY_MAX; n++) {
		for (size_t i = 0; i < n; i++)
			key[i] = (char)('A' + (i * 7 + n) % 50);
		key[n] = 0;
		snprintf(value, sizeof(value), "value of %zu", n);
		now += 2 * SEC; /* earlier ones are no competition */
		warm(key, value);
		cr_assert_eq(said.digest, pb_mc_key_digest(svc.key, key, (__u32)n), "%zu", n);
		key[n - 1]++;
		cr_assert(!get(key), "%zu: the last byte differs", n);
		key[n - 1]--;
		key[0]++;
		cr_assert(!get(key), "%zu: the first byte differs", n);
	}
}

/* Another key with the same digest, which nobody will find: put in by hand. */
Test(memcached_cache, the_digest_is_not_the_key)
{
	struct pb_mc_set set;
	uint32_t zero = 0;

	warm("one", "1");
	cr_assert_eq(bpf_map_lookup_elem(sets_fd, &zero, &set), 0);
	for (size_t i = 0; i < PB_MC_WAYS; i++)
		if (set.way[i].digest)
			set.way[i].digest = pb_mc_key_digest(svc.key, "two", 3);
	cr_assert_eq(bpf_map_update_elem(sets_fd, &zero, &set, 0), 0);
	cr_expect(!get("two"));
}

Test(memcached_cache, writes)
{
	struct pb_mc_call w, f;

	warm("key", "old");
	warm("other", "stays");
	set_begins("key", 77, &w);
	cr_expect(!get("key"), "dropped at the request");
	cr_expect(!said.token.good && !said.want_fetch, "no fetch while a write is pending");
	cr_expect(!ask_for("key", &f));
	cr_expect(get("other"), "the other key of the set");
	set_ends(&w, 77);
	cr_expect(get("other"));
	warm("key", "new");
	set_begins("key", 0, &w); /* noreply */
	cr_expect(!get("key") && !said.token.good);
	now += LIFE - 1;
	cr_expect(!get("key") && !said.token.good);
	now += 1;
	warm("key", "newer");
}

/* A write to any key of the set makes what is on its way vain. */
Test(memcached_cache, fetches_that_come_too_late)
{
	struct pb_mc_call w, f;

	cr_assert(ask_for("key", &f));
	set_begins("other", 5, &w);
	cr_expect_eq(fill_with(&f, "key", 0, -1, "x", 1), LATE);
	set_ends(&w, 5);
	cr_assert(ask_for("key", &f));
	set_begins("other", 6, &w);
	set_ends(&w, 6);
	cr_expect_eq(fill_with(&f, "key", 0, -1, "x", 1), LATE);
	cr_assert(ask_for("key", &f));
	run_rest(MC_ASK_WRITE_ALL, (struct mc_ask){ .tag = 0 });
	cr_expect_eq(fill_with(&f, "key", 0, -1, "x", 1), LATE);
	cr_expect_eq(counter(PB_MC_C_FILLS_LATE), 3);
	cr_expect_eq(counter(PB_MC_C_FETCHES), 3);
	cr_expect_eq(counter(PB_MC_C_FILLS), 0);
	cr_expect(!get("key"));
}

Test(memcached_cache, flushes)
{
	warm("key", "1");
	run_rest(MC_ASK_WRITE_ALL, (struct mc_ask){ .tag = 9 });
	cr_expect(!get("key") && !said.token.good);
	run_rest(MC_ASK_WRITTEN_ALL, (struct mc_ask){ .tag = 9 });
	warm("key", "2");
	run_rest(MC_ASK_FLUSH_AT, (struct mc_ask){ .when = now + 10 * SEC });
	cr_expect(get("key"));
	now += 8 * SEC;
	cr_expect(!get("key") && !said.token.good, "one life before it comes true");
	now += 4 * SEC - 1;
	cr_expect(!get("key") && !said.token.good, "one life after");
	now += 1;
	warm("key", "3");
}

Test(memcached_cache, expiry)
{
	struct pb_mc_call f;

	cr_assert(ask_for("key", &f));
	cr_assert_eq(fill_with(&f, "key", 0, 3, "x", 1), KEPT);
	now += 2 * SEC - 1;
	cr_expect(get("key"), "one second less than the server says");
	now += 1;
	cr_expect(!get("key"));
	cr_assert(ask_for("key", &f));
	cr_expect_eq(fill_with(&f, "key", 0, 1, "x", 1), UNFIT);
	now += 2 * SEC;
	svc.max_age = 5 * SEC;
	service();
	cr_assert(ask_for("key", &f));
	now += SEC; /* counted from the question on */
	cr_assert_eq(fill_with(&f, "key", 0, -1, "x", 1), KEPT);
	now += 4 * SEC - 1;
	cr_expect(get("key"));
	now += 1;
	cr_expect(!get("key"));
}

/* What may be kept, by the text of the reply. */
static const struct {
	const char *reply;
	uint32_t filled;
} replies[] = {
	{ "VA 2 kkey f7 t-1 c9\r\nab\r\n", KEPT },
	{ "VA 0 kkey f0 t-1 c9\r\n\r\n", KEPT },
	{ "VA 2 kkey f4294967295 t100 c18446744073709551615\r\nab\r\n", KEPT },
	{ "VA 2 kother f7 t-1 c9\r\nab\r\n", UNFIT }, /* another key */
	{ "VA 2 kke f7 t-1 c9\r\nab\r\n", UNFIT },
	{ "VA 2 f7 t-1 c9\r\nab\r\n", UNFIT },	/* which? */
	{ "VA 2 kkey f7 c9\r\nab\r\n", UNFIT }, /* for how long? */
	{ "VA 2 kkey f7 t-1\r\nab\r\n", KEPT },
	{ "VA 2 kkey f7 t-1 c9 W\r\nab\r\n", UNFIT }, /* its client is to renew it */
	{ "VA 2 kkey f7 t-1 c9 X\r\nab\r\n", UNFIT },
	{ "VA 2 kkey b f7 t-1 c9\r\nab\r\n", UNFIT },
	{ "VA 2 kkey f7 t-1 c9\r\nab\r\nEN\r\n", UNFIT }, /* more behind it */
	{ "VA 3 kkey f7 t-1 c9\r\nab\r\n", UNFIT },	  /* not whole */
	{ "VA 1 kkey f7 t-1 c9\r\nab\r\n", UNFIT },
	{ "VALUE key 0 2\r\nab\r\nEND\r\n", UNFIT },
	{ "HD kkey f7 t-1 c9\r\n", UNFIT },
	{ "ERROR\r\n", UNFIT }, /* memcached 1.5 */
	{ "SERVER_ERROR out of memory\r\n", UNFIT },
	{ "EN\r\n", MISS },
};

Test(memcached_cache, replies)
{
	struct pb_mc_call f;

	for (size_t i = 0; i < sizeof(replies) / sizeof(*replies); i++) {
		const char *text = replies[i].reply;

		run_rest(MC_ASK_WRITE_ALL, (struct mc_ask){ .tag = 1 }); /* nothing is kept */
		run_rest(MC_ASK_WRITTEN_ALL, (struct mc_ask){ .tag = 1 });
		now += 2 * SEC;
		cr_assert(ask_for("key", &f), "%s", text);
		cr_expect_eq(fill(&f, text, strlen(text)), replies[i].filled, "%s", text);
		cr_expect_eq(get("key"), replies[i].filled == KEPT, "%s", text);
		for (size_t cut = 0; cut < strlen(text) && replies[i].filled == KEPT; cut++)
			cr_expect_eq(fill(&f, text, cut), UNFIT, "%.*s", (int)cut, text);
	}
	now += 2 * SEC;
	run_rest(MC_ASK_WRITE_ALL, (struct mc_ask){ .tag = 0 });
	now += LIFE;
	cr_assert(ask_for("key", &f));
	run_message(skel->progs.pb_mct_fill_it, (struct mc_ask){ .call = f, .whole = 0 },
		    replies[0].reply, strlen(replies[0].reply), 1);
	cr_expect_eq(said.filled, UNFIT, "the first of several datagrams");
}

Test(memcached_cache, sizes)
{
	char value[1600], key[PB_MC_KEY_MAX + 1];
	struct pb_mc_call f;

	memset(value, 'v', sizeof(value));
	for (size_t n = 1; n <= PB_MC_KEY_MAX; n += 83) {
		/* "VALUE KEY 0 NNNN\r\n", "\r\n", "END\r\n" */
		size_t most = PB_MC_DATA_MAX - 6 - n - 9 - 2 - 5;

		memset(key, 'k', n);
		key[n] = 0;
		for (size_t len = most - 9; len <= most + 9; len++) {
			now += 2 * SEC;
			cr_assert(ask_for(key, &f), "%zu", n);
			cr_expect_eq(fill_with(&f, key, 0, 2, value, len),
				     len <= most ? KEPT : UNFIT, "%zu, %zu", n, len);
			if (len > most)
				continue;
			cr_assert(get(key));
			answered(key, 0, value, len);
		}
	}
}

/* These take the kernel's clock. */
static void do_it(struct pb_mc_cmd *c, uint32_t what, uint32_t expect)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = c, .data_size_in = sizeof(*c), .repeat = 1);
	struct timespec t;

	c->what = what;
	cr_assert_eq(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.pb_mct_cmd), &o), 0, "%m");
	cr_expect_eq(!!o.retval, expect, "%u", what);
	cr_assert_eq(clock_gettime(CLOCK_MONOTONIC, &t), 0);
	now = (uint64_t)t.tv_sec * SEC + (uint64_t)t.tv_nsec;
}

Test(memcached_cache, commands_of_the_agent)
{
	struct pb_mc_cmd c = { .service = SERVICE, .digest = pb_mc_key_digest(svc.key, "key", 3) };
	const uint32_t steps[] = { PB_MC_DO_WRITE, PB_MC_DO_WRITTEN, PB_MC_DO_WRITE_ALL,
				   PB_MC_DO_WRITTEN_ALL };

	c.tag = 1ULL << 63;
	c.when = 1;
	do_it(&c, PB_MC_DO_WRITTEN, 0);
	warm("key", "1");
	for (uint32_t i = 0; i < 4; i++) {
		do_it(&c, steps[i], 0);
		cr_expect(!get("key"), "%u", i);
		cr_expect_eq(said.token.good, i & 1, "%u", i);
		if (i & 1)
			warm("key", "2");
	}
	do_it(&c, PB_MC_DO_FLUSH_AT, 0);
	cr_expect(!get("key"));
	do_it(&c, 99, 1);
}
