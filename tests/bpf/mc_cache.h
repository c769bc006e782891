/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The cache's kernel functions by BPF_PROG_TEST_RUN, on one CPU, with a clock of the test's own.
 * mc_cache.bpf.c has the programs.
 */
#ifndef PB_TEST_MC_CACHE_H
#define PB_TEST_MC_CACHE_H

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <criterion/criterion.h>
#include <patchbay/mc_csum.h>
#include <patchbay/mc_digest.h>

#include "test/mc_cache.skel.h"
#include "tests/bpf/mc_ask.h"

#define MSEC 1000000ULL
#define SEC (1000 * MSEC)
#define SERVICE 3
#define LIFE (2 * SEC)
#define MESSAGE_MAX 2048

static struct mc_cache *skel;
static struct mc_said said;
static struct pb_mc_service svc;
static uint64_t now;
static int cpu;

static inline int same_cpu(int which)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(which, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

static inline void enter(struct bpf_map *map, uint32_t key, const void *value)
{
	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(map), &key, value, 0), 0, "%s: %m",
		     bpf_map__name(map));
}

static inline void service(void)
{
	enter(skel->maps.pb_mc_services, SERVICE, &svc);
}

/* A table of its own size into the row of SERVICE.  Linux 6.1 wants it to bear types, as its
 * prototype does. */
static inline int nest(struct bpf_map *outer, const char *type, uint32_t value_size,
		       uint32_t entries)
{
	const struct btf *btf = bpf_object__btf(skel->obj);
	LIBBPF_OPTS(bpf_map_create_opts, o, .map_flags = BPF_F_INNER_MAP,
		    .btf_fd = (__u32)bpf_object__btf_fd(skel->obj),
		    .btf_key_type_id =
			    (__u32)btf__find_by_name_kind(btf, "__u32", BTF_KIND_TYPEDEF),
		    .btf_value_type_id = (__u32)btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT));
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "pb_mc_test", 4, value_size, entries, &o);

	cr_assert_geq(fd, 0, "%m");
	enter(outer, SERVICE, &fd);
	return fd;
}

static int sets_fd = -1, values_fd = -1;

static inline void cache_of(uint32_t sets)
{
	struct pb_mc_all_rec rec = { .all.life = LIFE, .all.gen.version = 1 };
	cpu_set_t cpus;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (cpu = 0; !CPU_ISSET(cpu, &cpus); cpu++)
		;
	cr_assert_eq(same_cpu(cpu), 0);
	sets_fd = nest(skel->maps.pb_mc_sets, "pb_mc_set", sizeof(struct pb_mc_set), sets);
	values_fd = nest(skel->maps.pb_mc_values, "pb_mc_value", sizeof(struct pb_mc_value),
			 sets * PB_MC_WAYS);
	enter(skel->maps.pb_mc_alls, SERVICE, &rec);
	svc = (struct pb_mc_service){ .flags = PB_MC_S_UP | PB_MC_S_CACHE,
				      .sets = sets,
				      .key = { 0x1122334455667788, 0x99aabbccddeeff01 },
				      .admit = 1,
				      .max_age = 3600 * SEC };
	service();
	now = 1000 * SEC;
}

static inline void load(uint32_t in_order, uint32_t top_shift)
{
	skel = mc_cache__open();
	cr_assert_not_null(skel);
	skel->rodata->pb_mc_in_order = in_order;
	skel->rodata->pb_mc_top_shift = top_shift;
	cr_assert_eq(mc_cache__load(skel), 0, "mc_cache.bpf.c does not load");
}

/* Runs @prog over @ask and a message; what it said is in `said`.  Returns ns. */
static inline uint32_t run_message(struct bpf_program *prog, struct mc_ask ask, const void *msg,
				   size_t len, int repeat)
{
	static struct mc_said all[1024];
	uint8_t packet[sizeof(ask) + MESSAGE_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = packet,
		    .data_size_in = (__u32)(sizeof(ask) + len), .repeat = repeat);
	uint32_t zero = 0;

	cr_assert_leq(len, MESSAGE_MAX);
	ask.len = (__u32)len;
	ask.service = SERVICE;
	if (!ask.now)
		ask.now = now;
	memcpy(packet, &ask, sizeof(ask));
	memcpy(packet + sizeof(ask), msg, len);
	cr_assert_eq(bpf_prog_test_run_opts(bpf_program__fd(prog), &o), 0, "%m");
	cr_assert_neq(o.retval, MC_ASK_BAD, "%s", bpf_program__name(prog));
	cr_assert_eq(bpf_map_lookup_elem(bpf_map__fd(skel->maps.pb_mc_said), &zero, all), 0);
	said = all[cpu];
	return o.duration;
}

/* The same for "get KEY\r\n" and things about a key. */
static inline uint32_t run_key(struct bpf_program *prog, struct mc_ask ask, const char *key,
			       int repeat)
{
	char msg[512];
	int n = snprintf(msg, sizeof(msg), "get %s\r\n", key);

	ask.key_off = 4;
	ask.key_len = (__u32)strlen(key);
	return run_message(prog, ask, msg, (size_t)n, repeat);
}

static inline void run_rest(enum mc_ask_what what, struct mc_ask ask)
{
	ask.what = what;
	run_message(skel->progs.pb_mct_rest, ask, "", 0, 1);
}

/* A get: 1 if it was answered; the answer is in said.data. */
static inline int get(const char *key)
{
	run_key(skel->progs.pb_mct_get, (struct mc_ask){ .now = 0 }, key, 1);
	cr_assert(!said.hit || !said.torn);
	return (int)said.hit;
}

/* A get that missed, and its fetch: 0 if there is none. */
static inline int ask_for(const char *key, struct pb_mc_call *ret)
{
	char text[400];

	run_key(skel->progs.pb_mct_ask, (struct mc_ask){ .now = 0 }, key, 1);
	*ret = (struct pb_mc_call){ .born = now,
				    .service = SERVICE,
				    .kind = PB_MC_CALL_FETCH,
				    .set = said.set,
				    .digest = said.digest,
				    .token = said.token };
	if (!said.text_len)
		return 0;
	snprintf(text, sizeof(text), "mg %s k v f t\r\n", key);
	cr_assert_eq(said.text_len, strlen(text), "%.*s", (int)said.text_len, said.data);
	cr_assert_eq(memcmp(said.data, text, said.text_len), 0, "%.*s", (int)said.text_len,
		     said.data);
	return 1;
}

static inline uint32_t fill(const struct pb_mc_call *call, const void *msg, size_t len)
{
	run_message(skel->progs.pb_mct_fill_it, (struct mc_ask){ .call = *call, .whole = 1 }, msg,
		    len, 1);
	return said.filled;
}

/* The server's reply to the fetch. */
static inline size_t reply_to(char *ret, const char *key, uint32_t flags, int ttl,
			      const char *value, size_t len)
{
	int n = snprintf(ret, MESSAGE_MAX, "VA %zu k%s f%u t%d\r\n", len, key, flags, ttl);

	memcpy(ret + n, value, len);
	memcpy(ret + n + len, "\r\n", 2);
	return (size_t)n + len + 2;
}

static inline uint32_t fill_with(const struct pb_mc_call *call, const char *key, uint32_t flags,
				 int ttl, const char *value, size_t len)
{
	char msg[MESSAGE_MAX];

	return fill(call, msg, reply_to(msg, key, flags, ttl, value, len));
}

/* A hit's bytes and their sum. */
static inline void answered(const char *key, uint32_t flags, const char *value, size_t len)
{
	uint8_t want[PB_MC_VALUE_SIZE + 1] = { 0 };
	int n = snprintf((char *)want, sizeof(want), "VALUE %s %u %zu\r\n", key, flags, len);
	uint64_t sum = 0;

	memcpy(want + n, value, len);
	memcpy(want + n + len, "\r\n", 2);
	cr_assert_eq(said.value_len, (size_t)n + len + 2, "%s: %u", key, said.value_len);
	cr_assert_eq(memcmp(said.data, want, said.value_len), 0, "%s: %.*s", key,
		     (int)said.value_len, said.data);
	for (size_t i = 0; i < said.value_len; i += 2)
		sum += (uint64_t)want[i] | (uint64_t)want[i + 1] << 8;
	cr_assert_eq(said.value_sum, pb_csum_fold(sum), "%s", key);
}

static inline void set_begins(const char *key, uint64_t tag, struct pb_mc_call *ret)
{
	run_key(skel->progs.pb_mct_set, (struct mc_ask){ .tag = tag }, key, 1);
	*ret = (struct pb_mc_call){ .set = said.set, .digest = said.digest };
}

static inline void set_ends(const struct pb_mc_call *call, uint64_t tag)
{
	run_rest(MC_ASK_WRITTEN, (struct mc_ask){ .call = *call, .tag = tag });
}

static inline uint64_t counter(uint32_t which)
{
	uint64_t v[1024], sum = 0;
	uint32_t at = SERVICE * PB_MC_COUNTERS_MAX + which;
	int n = libbpf_num_possible_cpus();

	cr_assert_eq(bpf_map_lookup_elem(bpf_map__fd(skel->maps.pb_mc_stats), &at, v), 0);
	for (int i = 0; i < n; i++)
		sum += v[i];
	return sum;
}

/* Asked for, fetched, kept. */
static inline void warm(const char *key, const char *value)
{
	struct pb_mc_call call;

	cr_assert(!get(key), "%s", key);
	cr_assert(ask_for(key, &call), "%s", key);
	cr_assert_eq(fill_with(&call, key, 5, -1, value, strlen(value)), 3, "%s", key);
	cr_assert(get(key), "%s", key);
	answered(key, 5, value, strlen(value));
}

#endif /* PB_TEST_MC_CACHE_H */
