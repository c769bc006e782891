// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Gets of several keys: how they bring their keys into the cache, and values that are rewritten while
 * they are copied. */
#include <pthread.h>
#include <sched.h>

#include "mc_multi.h"

TestSuite(memcached_multi_fill, .init = setup, .fini = world_fini, .timeout = 240);

/* Two keys of one owner, or of two. */
static void two_keys(char *k0, char *k1, bool same)
{
	do {
		static int n;

		snprintf(k0, 16, "one-%d", n++);
		snprintf(k1, 16, "two-%d", n++);
	} while ((owner_of(k0) == owner_of(k1)) != same);
}

/* The request has become a fetch of @key, which is answered. */
static void fetched(const char *key, const char *reply)
{
	struct frame out = result(), r;
	struct pb_addr to = addr_of(1, 11 + (int)owner_of(key));
	char want[64];

	snprintf(want, sizeof(want), "mg %s k v f t\r\n", key);
	cr_assert_eq(out.len, strlen(want), "%.*s", (int)out.len, out.msg);
	cr_assert_eq(memcmp(out.msg, want, out.len), 0, "%.*s", (int)out.len, out.msg);
	cr_assert_eq(out.sum, SUM_FULL);
	cr_assert(pb_addr_eq(&out.saddr, &w.svc.source));
	cr_assert(pb_addr_eq(&out.daddr, &to), "the owner of %s", key);
	if (reply) {
		r = reply_to(&out, reply);
		cr_assert_eq(run(&r), SAID_DROP);
	}
}

/* The request itself went on: to the server, or, as a copy, in once more and to the slow path. */
static bool wait_for_more(enum pb_mc_counter c, uint64_t than)
{
	uint64_t end = pb_now_ns() + 60000000000ULL;

	while (counter(c) <= than && pb_now_ns() < end)
		usleep(1000);
	return counter(c) == than + 1;
}

/* Has it become a fetch? */
static bool is_fetch(const struct frame *req)
{
	struct frame out;

	if (run(req) != SAID_SENT)
		return false;
	out = result();
	return !memcmp(out.msg, "mg ", 3);
}

/* A copy of the request may have fetched the second key by itself: for a quarter of a second. */
static bool wait_for_fetch(const struct frame *req)
{
	uint64_t end = pb_now_ns() + 60000000000ULL;

	while (!is_fetch(req)) {
		if (pb_now_ns() > end)
			return false;
		usleep(1000);
	}
	return true;
}

/* Keys that are asked for together come into the cache one by one. */
Test(memcached_multi_fill, fetches)
{
	char k[2][16], msg[64], reply[2][64], want[200];

	for (int round = 0; round < 8; round++) {
		bool same = round & 1;
		enum pb_mc_counter c = same ? PB_MC_C_STEERED : PB_MC_C_PASSED;
		struct frame req;
		uint64_t was;

		if (w.v6 != round >> 2)
			world_family(round >> 2);
		two_keys(k[0], k[1], same);
		snprintf(msg, sizeof(msg), "get %s %s\r\n", k[0], k[1]);
		for (int i = 0; i < 2; i++)
			snprintf(reply[i], sizeof(reply[i]), "VA 1 k%s f7 t-1\r\n%d\r\n", k[i], i);
		req = request(msg);
		was = counter(c);
		w.tc = 0;
		goes_on(msg);
		w.tc = 1;
		cr_assert(is_fetch(&req), "%s", msg);
		fetched(k[0], reply[0]);
		cr_assert(wait_for_more(c, was), "%s is lost", msg);
		cr_assert(wait_for_fetch(&req), "%s", msg);
		fetched(k[1], reply[1]);
		snprintf(want, sizeof(want), "VALUE %s 7 1\r\n0\r\nVALUE %s 7 1\r\n1\r\n", k[0],
			 k[1]);
		for (w.tc = 0; w.tc < 2; w.tc++)
			answered(msg, want, 0);
	}
}

/* A key that the server does not have does not keep others out; and misses are counted. */
Test(memcached_multi_fill, admission)
{
	char k[2][16], msg[64];
	struct frame req;
	int runs = 0;

	two_keys(k[0], k[1], true);
	snprintf(msg, sizeof(msg), "get %s %s\r\n", k[0], k[1]);
	req = request(msg);
	w.tc = 1;
	for (; runs < 1000 && is_fetch(&req); runs++) {
		if (!memcmp(result().got + 3, k[1], strlen(k[1])))
			break;
		fetched(k[0], "EN\r\n");
	}
	cr_assert(runs > 0 && runs < 1000, "%d", runs);
	fetched(k[1], NULL);
	admit(4);
	two_keys(k[0], k[1], true);
	snprintf(msg, sizeof(msg), "get %s %s\r\n", k[0], k[1]);
	req = request(msg);
	cr_assert(!is_fetch(&req), "missed once only");
	for (runs = 1; runs < 100 && !is_fetch(&req); runs++)
		;
	cr_assert(runs > 1 && runs < 100, "%d", runs);
	fetched(k[0], NULL);
}

/* ---- values that are rewritten ------------------------------------------------------- */

#define BYTES 400u
#define TEARS 20u

struct filler {
	struct frame reply[2];
	char text[2][600];
	int cpu, err;
	volatile int stop;
	volatile unsigned fills;
};

static int same_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

/* The reply to the same fetch, time and again, with one letter or the other. */
static void *fill_on(void *arg)
{
	struct filler *f = arg;
	int fd = pb_mcl_prog_fd(w.mcl, "pb_mc_tc");
	struct __sk_buff skb = { .ifindex = w.ifindex };
	uint8_t p[FRAME_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = p, .repeat = 1, .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb));

	f->err = same_cpu(f->cpu);
	while (!f->stop && !f->err) {
		o.data_size_in = (uint32_t)frame_write(&f->reply[f->fills++ & 1], p);
		f->err = bpf_prog_test_run_opts(fd, &o);
	}
	return NULL;
}

/* Each value in the answer must be of one letter; the sums are looked at by result(). */
static void of_one_letter(const struct frame *out)
{
	const char *p = out->msg;

	for (int i = 0; i < 3; i++) {
		p = memchr(p, '\n', 40);
		cr_assert_not_null(p);
		for (size_t k = 0; k < BYTES; k++)
			cr_assert_eq(p[1 + k], p[1], "value %d, byte %zu", i, k);
		p += 1 + BYTES + 2;
	}
	cr_assert_eq(memcmp(p, "END\r\n", 5), 0);
}

Test(memcached_multi_fill, torn)
{
	static struct filler f;
	uint64_t end = pb_now_ns() + 100000000000ULL;
	struct frame fetch, req;
	unsigned answers = 0;
	char value[BYTES + 1];
	pthread_t thread;

	memset(value, 'x', BYTES);
	value[BYTES] = 0;
	fill("k0", value);
	fill("k2", value);
	fetch = fetch_of("k1");
	never_fetched();
	for (int i = 0; i < 2; i++) {
		memset(value, 'a' + i, BYTES);
		snprintf(f.text[i], sizeof(f.text[i]), "VA %u kk1 f7 t-1\r\n%s\r\n", BYTES, value);
		f.reply[i] = reply_to(&fetch, f.text[i]);
	}
	cr_assert_eq(same_cpu(0), 0);
	f.cpu = 1;
	cr_assert_eq(pthread_create(&thread, NULL, fill_on, &f), 0);
	req = request("get k0 k1 k2\r\n");
	w.tc = 1;
	while (pb_now_ns() < end && (counter(PB_MC_C_TORN) < TEARS || answers < 1000)) {
		if (run(&req) != SAID_SENT || result().dport == 11211)
			continue;
		req = result();
		of_one_letter(&req);
		req = request("get k0 k1 k2\r\n");
		answers++;
	}
	f.stop = 1;
	cr_assert_eq(pthread_join(thread, NULL), 0);
	cr_log_info("%u answers, %llu torn, %u fills\n", answers,
		    (unsigned long long)counter(PB_MC_C_TORN), f.fills);
	cr_assert_eq(f.err, 0);
	cr_assert_geq(counter(PB_MC_C_TORN), TEARS, "nothing was put to the test");
	cr_assert_geq(answers, 1000);
}
