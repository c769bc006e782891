// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The short way of a get whose value is kept: what it must not leave out, by the switch's own programs. */
#include <pthread.h>
#include <sched.h>

#include <patchbay/mc_digest.h>

#include "mc_world.h"

#define SETS 64u
#define CACHED (PB_MC_S_UP | PB_MC_S_CACHE)
#define TEARS 20u
#define ANSWERS 1000u

static int sets_fd, values_fd;

/* The table in the service's row. */
static int inner(const char *map)
{
	uint32_t zero = 0, id;
	int fd;

	cr_assert_eq(bpf_map_lookup_elem(pb_mcl_map_fd(w.mcl, map), &zero, &id), 0);
	fd = bpf_map_get_fd_by_id(id);
	cr_assert_geq(fd, 0, "%s: %m", map);
	return fd;
}

static void setup(void)
{
	world_init();
	cr_assert_eq(pb_mcl_cache(w.mcl, 0, SETS), 0);
	w.svc.sets = SETS;
	world_service(CACHED);
	sets_fd = inner("pb_mc_sets");
	values_fd = inner("pb_mc_values");
}

static void teardown(void)
{
	close(sets_fd);
	close(values_fd);
	world_fini();
}

TestSuite(memcached_fast, .init = setup, .fini = teardown, .timeout = 240);

static struct frame get(const char *key)
{
	static char msg[300];

	snprintf(msg, sizeof(msg), "get %s\r\n", key);
	return request(msg);
}

static void fill(const char *key, const char *value)
{
	struct frame req = get(key), fetch, r;
	char reply[2000];

	w.tc = 1;
	cr_assert_eq(run(&req), SAID_SENT);
	fetch = result();
	snprintf(reply, sizeof(reply), "VA %zu k%s f7 t-1 c9\r\n%s\r\n", strlen(value), key, value);
	r = reply_to(&fetch, reply);
	cr_assert_eq(run(&r), SAID_DROP, "a fetch is nobody's reply");
}

/* Is the get answered on the spot?  XDP may leave it to tc. */
static bool answered(const char *key)
{
	struct frame req = get(key), out;

	if (run(&req) != SAID_SENT)
		return false;
	out = result();
	return pb_addr_eq(&out.daddr, &req.saddr) && !strncmp(out.msg, "VALUE ", 6);
}

static void by_both(const char *key, bool yes, const char *why)
{
	for (w.tc = 0; w.tc < 2; w.tc++)
		cr_expect_eq(answered(key), yes, "%s, tc %d", why, w.tc);
}

static uint32_t set_of(const char *key)
{
	return pb_mc_set_of(pb_mc_key_digest(w.svc.key, key, (uint32_t)strlen(key)), SETS);
}

static struct pb_mc_set set_at(uint32_t at)
{
	struct pb_mc_set set;

	cr_assert_eq(bpf_map_lookup_elem(sets_fd, &at, &set), 0);
	return set;
}

static void set_to(uint32_t at, const struct pb_mc_set *set)
{
	cr_assert_eq(bpf_map_update_elem(sets_fd, &at, set, 0), 0);
}

/* Where the key's value is. */
static uint32_t place_of(const char *key, struct pb_mc_value *ret)
{
	uint32_t at = set_of(key) * PB_MC_WAYS, end = at + PB_MC_WAYS;

	for (; at < end; at++) {
		cr_assert_eq(bpf_map_lookup_elem(values_fd, &at, ret), 0);
		if (ret->key_len == strlen(key) && !memcmp(ret->data + 6, key, ret->key_len))
			break;
	}
	cr_assert_lt(at, end, "%s is not kept", key);
	return at;
}

/* Another key of the same digest, which nobody will find: put in by hand. */
Test(memcached_fast, the_digest_is_not_the_key)
{
	struct pb_mc_set set;
	char other[16];

	fill("one", "1");
	by_both("one", true, "kept");
	for (int i = 0;; i++) {
		snprintf(other, sizeof(other), "o%d", i);
		if (set_of(other) == set_of("one"))
			break;
	}
	set = set_at(set_of("one"));
	for (size_t i = 0; i < PB_MC_WAYS; i++)
		if (set.way[i].digest)
			set.way[i].digest = pb_mc_key_digest(w.svc.key, other, strlen(other));
	set_to(set_of("one"), &set);
	by_both(other, false, "another key's value");
}

Test(memcached_fast, what_is_not_fresh)
{
	uint64_t age = 30000000000ULL;
	struct pb_mc_all_rec all;
	uint32_t zero = 0, at = set_of("k");
	struct pb_mc_set good, set;

	fill("k", "v");
	by_both("k", true, "fresh");
	good = set_at(at);
	for (int what = 0; what < 3; what++) {
		set = good;
		for (size_t i = 0; i < PB_MC_WAYS; i++) {
			if (what == 0)
				set.way[i].keep.valid = 0;
			else if (what == 1)
				set.way[i].keep.expires = pb_now_ns();
			else
				set.way[i].keep.all++;
		}
		set.fetching = pb_now_ns() + age;
		set_to(at, &set);
		by_both("k", false, "stale");
	}
	set_to(at, &good);
	by_both("k", true, "fresh again");
	cr_assert_eq(bpf_map_lookup_elem(pb_mcl_map_fd(w.mcl, "pb_mc_alls"), &zero, &all), 0);
	all.all.flush_at = pb_now_ns() + PB_MC_LIFE_NS / 2;
	update("pb_mc_alls", &zero, &all);
	by_both("k", false, "a flush is due");
}

Test(memcached_fast, a_value_in_the_making)
{
	struct pb_mc_value v;
	uint32_t at;

	fill("k", "v");
	at = place_of("k", &v);
	v.seq++;
	cr_assert_eq(bpf_map_update_elem(values_fd, &at, &v, 0), 0);
	by_both("k", false, "odd");
	v.seq++;
	cr_assert_eq(bpf_map_update_elem(values_fd, &at, &v, 0), 0);
	by_both("k", true, "even");
}

/* Whose address it is was remembered. */
Test(memcached_fast, addresses_that_go)
{
	struct pb_mc_addr_key k = { .addr = w.svc.vip, .port = w.svc.port };
	struct pb_mc_service none = { .flags = 0 };
	struct frame req = get("k");
	uint32_t zero = 0;

	fill("k", "v");
	by_both("k", true, "ours");
	cr_assert_eq(bpf_map_delete_elem(pb_mcl_map_fd(w.mcl, "pb_mc_addrs"), &k), 0);
	update("pb_mc_services", &zero, &none);
	for (w.tc = 0; w.tc < 2; w.tc++)
		cr_expect_eq(run(&req), SAID_PASS);
	world_addresses();
	world_service(PB_MC_S_PROXY);
	for (w.tc = 0; w.tc < 2; w.tc++)
		cr_expect_eq(run(&req), SAID_PASS, "not up");
	w.svc.vip = addr_of(0, 8);
	world_service(CACHED);
	world_addresses();
	req.daddr = w.svc.vip;
	by_both("k", true, "the new address");
	req = get("k");
	req.dport++;
	for (w.tc = 0; w.tc < 2; w.tc++)
		cr_expect_eq(run(&req), SAID_PASS, "another port");
}

Test(memcached_fast, sources_and_shares)
{
	struct pb_mc_allow_key k = { .prefixlen = 32 + 96 + 24, .addr = addr_of(2, 0) };
	uint64_t had[2], dropped[2];
	struct frame req = get("k");
	uint32_t one = 1;

	fill("k", "v");
	update("pb_mc_allow", &k, &one);
	world_service(CACHED | PB_MC_S_ALLOW);
	for (w.tc = 0; w.tc < 2; w.tc++)
		cr_expect_eq(run(&req), SAID_DROP, "not allowed, tc %d", w.tc);
	cr_expect_eq(counter(PB_MC_C_DROP_SOURCE), 2);
	req.saddr = addr_of(2, 77);
	for (w.tc = 0; w.tc < 2; w.tc++)
		cr_expect_eq(run(&req), SAID_SENT, "allowed, tc %d", w.tc);
	had[0] = counter(PB_MC_C_HITS);
	w.svc.rate = 1;
	w.svc.burst = 300;
	world_service(CACHED | PB_MC_S_ALLOW);
	for (w.tc = 0; w.tc < 2; w.tc++) {
		req.saddr = addr_of(2, 78 + w.tc);
		dropped[0] = counter(PB_MC_C_DROP_RATE);
		for (int i = 0; i < 100; i++)
			run(&req);
		had[1] = counter(PB_MC_C_HITS);
		dropped[1] = counter(PB_MC_C_DROP_RATE);
		cr_expect_eq(had[1] - had[0] + dropped[1] - dropped[0], 100);
		cr_expect_leq(had[1] - had[0], 300 / strlen("VALUE k 7 1\r\nv\r\nEND\r\n") + 1);
		had[0] = had[1];
	}
}

/* ---- values that are rewritten while they are sent ---------------------------------- */

struct writer {
	struct pb_mc_value v;
	uint32_t at, from, n;
	volatile int stop;
	int err;
};

static void sum_up(struct pb_mc_value *v)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < v->len; i++)
		sum += (uint64_t)v->data[i] << (i & 1 ? 8 : 0);
	v->sum = pb_csum_fold(sum);
}

static void *rewrite(void *arg)
{
	struct writer *r = arg;

	for (int i = 0; !r->stop && !r->err; i++) {
		r->v.seq++;
		r->err = bpf_map_update_elem(values_fd, &r->at, &r->v, 0);
		memset(r->v.data + r->from, 'a' + i % 26, r->n);
		sum_up(&r->v);
		r->err |= bpf_map_update_elem(values_fd, &r->at, &r->v, 0);
		r->v.seq++;
		r->err |= bpf_map_update_elem(values_fd, &r->at, &r->v, 0);
	}
	return NULL;
}

static void torn(int tc, uint32_t n)
{
	struct writer r = { .n = n };
	uint64_t until = pb_now_ns() + 100000000000ULL, whole = 0;
	uint64_t before = counter(PB_MC_C_TORN);
	struct frame req = get("k"), out;
	char value[300] = { 0 };
	pthread_t thread;

	cr_assert_gt(sysconf(_SC_NPROCESSORS_ONLN), 1, "needs two CPUs");
	memset(value, 'x', n);
	fill("k", value);
	r.at = place_of("k", &r.v);
	r.from = r.v.len - 2 - n;
	cr_assert_eq(pthread_create(&thread, NULL, rewrite, &r), 0);
	w.tc = tc;
	while (pb_now_ns() < until && (whole < ANSWERS || counter(PB_MC_C_TORN) - before < TEARS)) {
		if (run(&req) != SAID_SENT)
			continue;
		out = result(); /* its sum, too, is the value's */
		if (out.dport != req.sport || strncmp(out.msg, "VALUE ", 6))
			continue;
		for (uint32_t i = 0; i < n; i++)
			cr_assert_eq(out.msg[r.from + i], out.msg[r.from], "%u bytes, tc %d", n,
				     tc);
		whole++;
	}
	r.stop = 1;
	pthread_join(thread, NULL);
	cr_expect_eq(r.err, 0);
	cr_expect_geq(whole, ANSWERS);
	cr_expect_geq(counter(PB_MC_C_TORN) - before, TEARS, "%u bytes, tc %d: nothing was torn", n,
		      tc);
}

Test(memcached_fast, torn_by_words)
{
	torn(0, 60);
}

Test(memcached_fast, torn_by_helper)
{
	torn(0, 200);
}

Test(memcached_fast, torn_in_tc)
{
	torn(1, 200);
}
