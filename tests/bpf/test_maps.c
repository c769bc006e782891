/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Typed map access against real maps. */
#include <grp.h>
#include <pthread.h>
#include <sys/wait.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <patchbay/addr.h>

#include "control/maps.h"
#include "private.h"

#define VIP pb_addr_v4(htonl(0x0a090001))

static struct pb_loader *loader;
static struct pb_maps *maps;

static void setup(void)
{
	place_init();
	loader = must_open();
	cr_assert_eq(pb_maps_from_loader(&maps, loader), 0);
	cr_assert_eq(pb_maps_init(maps), 0);
}

static void teardown(void)
{
	pb_maps_free(maps);
	pb_loader_free(loader);
	place_fini();
}

TestSuite(maps, .init = setup, .fini = teardown, .timeout = 60);

static unsigned drain_free_list(void)
{
	uint32_t index, sum = 0, n = 0;
	int fd = pb_maps_fd(maps, "pb_ep_free");

	while (!bpf_map_lookup_and_delete_elem(fd, NULL, &index)) {
		cr_assert(index > 0 && index < 32768);
		sum += index;
		n++;
	}
	cr_assert_eq(sum, n == 32767 ? 32767u * 16384u : sum, "each index once");
	return n;
}

Test(maps, free_list_is_filled_once)
{
	struct pb_config c = { .gen = 5 };
	uint32_t index, zero = 0;

	cr_assert_eq(pb_maps_init(maps), 0, "a second start changes nothing");
	cr_assert_eq(drain_free_list(), 32767);
	cr_assert_eq(pb_maps_set_config(maps, &c), 0);
	cr_assert_eq(pb_maps_init(maps), 0);
	cr_assert_eq(drain_free_list(), 0, "indexes in use are not given out again");

	/* A start that died half-way: some indexes are there, the mark is not. */
	index = 9;
	bpf_map_update_elem(pb_maps_fd(maps, "pb_ep_free"), NULL, &index, 0);
	bpf_map_update_elem(pb_maps_fd(maps, "pb_config"), &zero, &c, 0);
	cr_assert_eq(pb_maps_init(maps), 0);
	cr_assert_eq(drain_free_list(), 32767);
	cr_assert_eq(pb_maps_get_config(maps, &c), 0);
	cr_assert_eq(c.abi, PB_ABI_VERSION);
	cr_assert_eq(c.gen, 5);
}

static int note_app(uint64_t ref, const struct pb_app *a, const struct pb_tags *t, void *arg)
{
	uint64_t *sum = arg;

	cr_assert_eq(a->id, ref * 3);
	cr_assert_eq(t->n, ref % 7);
	*sum += ref;
	return 0;
}

Test(maps, each_application_is_seen_once)
{
	uint64_t sum = 0;
	uint32_t n, max;

	for (uint64_t ref = 1; ref <= 3000; ref++) {
		struct pb_app a = { .id = ref * 3 };
		struct pb_tags t = { .n = ref % 7 };

		cr_assert_eq(pb_maps_put_app(maps, ref, &a, &t), 0);
	}
	cr_assert_eq(pb_maps_each_app(maps, note_app, &sum), 0);
	cr_assert_eq(sum, 3000 * 3001 / 2);
	cr_assert_eq(pb_maps_usage(maps, "pb_apps", &n, &max), 0);
	cr_assert(n == 3000 && max == 16384);
	cr_assert_eq(pb_maps_del_app(maps, 1), 0);
	cr_assert_eq(pb_maps_del_app(maps, 1), 0);
	cr_assert_eq(pb_maps_usage(maps, "pb_tags", &n, &max), 0);
	cr_assert_eq(n, 2999);
}

static int stop_at_second(const struct pb_addr *a, const struct pb_vip *v, void *arg)
{
	(void)a;
	(void)v;
	return ++*(int *)arg == 2 ? 42 : 0;
}

Test(maps, walk_stops_and_full_map_has_a_name)
{
	struct pb_vip v = { .ns = 1 };
	struct pb_addr a = VIP;
	int seen = 0, err = 0;
	uint32_t i;

	for (i = 0; !err && i < 40000; i++) {
		a.w[3] = i;
		err = pb_maps_put_addr(maps, &a, &v);
	}
	cr_assert_eq(err, -ENOSPC);
	cr_assert_eq(pb_maps_each_addr(maps, stop_at_second, &seen), 42);
	cr_assert_eq(seen, 2);
	a.w[3] = 0;
	cr_assert_eq(pb_maps_del_addr(maps, &a), 0);
}

static struct pb_svc_key svc_key(uint32_t n)
{
	return (struct pb_svc_key){
		.addr = VIP, .ns = n, .port = htons(80), .proto = PB_PROTO_TCP
	};
}

static void put_service(uint32_t n, uint32_t ep)
{
	struct pb_svc_key k = svc_key(n);
	struct pb_service s = { 0 };

	if (ep) {
		s.taken[1] = s.live[1] = 1;
		s.slot[64] = ep;
	}
	cr_assert_eq(bpf_map_update_elem(pb_maps_fd(maps, "pb_services"), &k, &s, 0), 0);
}

Test(maps, only_empty_services_are_collected)
{
	struct pb_service s;
	struct pb_svc_key k;

	for (uint32_t n = 0; n < 500; n++)
		put_service(n, n % 5 ? 0 : n + 1);
	cr_assert_eq(pb_maps_collect_services(maps), 400);
	cr_assert_eq(pb_maps_collect_services(maps), 0);
	k = svc_key(5);
	cr_assert_eq(pb_maps_get_service(maps, &k, &s), 0);
	cr_assert_eq(s.slot[64], 6);
	k = svc_key(6);
	cr_assert_eq(pb_maps_get_service(maps, &k, &s), -ENOENT);
}

static int each_kept(const struct pb_svc_key *k, const struct pb_service *s, void *arg)
{
	(void)s;
	*(unsigned *)arg += k->ns < 200;
	return 0;
}

/* Adds and removes other services as fast as it can. */
static void *churn(void *arg)
{
	int fd = pb_maps_fd(maps, "pb_services");
	static const struct pb_service none;

	while (!__atomic_load_n((int *)arg, __ATOMIC_RELAXED)) {
		for (uint32_t n = 1000; n < 1100; n++) {
			struct pb_svc_key k = svc_key(n);

			if (bpf_map_update_elem(fd, &k, &none, BPF_NOEXIST))
				bpf_map_delete_elem(fd, &k);
		}
	}
	return NULL;
}

Test(maps, walk_is_whole_while_others_change)
{
	pthread_t t;
	int stop = 0;

	for (uint32_t n = 0; n < 200; n++)
		put_service(n, n + 1);
	cr_assert(!pthread_create(&t, NULL, churn, &stop));
	for (int round = 0; round < 200; round++) {
		unsigned kept = 0;

		cr_assert_eq(pb_maps_each_service(maps, each_kept, &kept), 0);
		cr_assert_eq(kept, 200);
		cr_assert_geq(pb_maps_collect_services(maps), 0);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
}

Test(maps, state_changes_nothing_else)
{
	struct pb_endpoint e = { .app = 1, .live = 7, .total = 9, .state = PB_EP_UP }, back;
	int fd = pb_maps_fd(maps, "pb_endpoints");
	uint32_t index = 3, last = 32767, n, max;

	cr_assert_eq(pb_maps_set_endpoint_state(maps, index, PB_EP_DRAIN), -ENOENT);
	cr_assert_eq(bpf_map_update_elem(fd, &index, &e, 0), 0);
	cr_assert_eq(bpf_map_update_elem(fd, &last, &e, 0), 0);
	cr_assert_eq(pb_maps_set_endpoint_state(maps, index, PB_EP_DRAIN), 0);
	cr_assert_eq(pb_maps_set_endpoint_state(maps, last, PB_EP_DRAIN), 0);
	cr_assert_eq(pb_maps_get_endpoint(maps, last, &back), 0);
	e.state = PB_EP_DRAIN;
	cr_assert(!memcmp(&back, &e, sizeof(e)));
	cr_assert_eq(pb_maps_set_endpoint_state(maps, 0, PB_EP_UP), -EINVAL);
	cr_assert_eq(pb_maps_set_endpoint_state(maps, 32768, PB_EP_UP), -EINVAL);
	cr_assert_eq(pb_maps_set_endpoint_state(maps, index, PB_EP_FREE), -EINVAL);
	cr_assert_eq(pb_maps_usage(maps, "pb_endpoints", &n, &max), 0);
	cr_assert(n == 2 && max == 32768);
}

Test(maps, resolver_port_leaves_the_kernels_part)
{
	struct pb_resolver r = { .addr = VIP, .port = htons(53), .used = 1 };
	uint32_t index = 31;

	cr_assert_eq(bpf_map_update_elem(pb_maps_fd(maps, "pb_resolvers"), &index, &r, 0), 0);
	cr_assert_eq(pb_maps_set_resolver_port(maps, index, htons(4053)), 0);
	cr_assert_eq(pb_maps_get_resolver(maps, index, &r), 0);
	cr_assert(r.agent_port == htons(4053) && r.port == htons(53) && r.used == 1);
	cr_assert_eq(pb_maps_set_resolver_port(maps, 32, 1), -EINVAL);
}

Test(maps, egress_of_one_application_is_cleared)
{
	static const uint64_t refs[] = { 1, 0x8000000000000001ULL };
	struct pb_egress_key one = { .prefixlen = 64 + 128, .ref = { 0, 0x80000000 } };
	struct pb_egress_val v = { .any_port = 1 };
	uint32_t n, max;

	one.addr = pb_addr_v4(0);

	for (uint32_t i = 0; i < 300; i++) {
		struct pb_egress_key k = { .prefixlen = 64 + 128, .ref = { i % 3, 0x80000000 } };

		k.addr = pb_addr_v4(htonl(i));
		cr_assert_eq(pb_maps_put_egress(maps, &k, &v), 0);
	}
	cr_assert_eq(pb_maps_usage(maps, "pb_egress", &n, &max), 0);
	cr_assert_eq(n, 300);
	cr_assert_eq(pb_maps_clear_egress(maps, refs, 0), 0);
	cr_assert_eq(pb_maps_clear_egress(maps, refs, 1), 0, "another high half");
	cr_assert_eq(pb_maps_clear_egress(maps, refs, 2), 0);
	cr_assert_eq(pb_maps_usage(maps, "pb_egress", &n, &max), 0);
	cr_assert_eq(n, 200);
	cr_assert_eq(pb_maps_del_egress(maps, &one), 0);
	cr_assert_eq(pb_maps_del_egress(maps, &one), 0, "absent is no error");
	cr_assert_eq(pb_maps_usage(maps, "pb_egress", &n, &max), 0);
	cr_assert_eq(n, 199);
}

static int note_group(uint32_t bit, const struct pb_group *g, void *arg)
{
	cr_assert(bit == 1023 && !strcmp(g->name, "grp=x"));
	++*(int *)arg;
	return 0;
}

Test(maps, small_maps)
{
	struct pb_group g = { .name = "grp=x" };
	struct pb_rule rule = { .used = 1 };
	struct pb_beat b;
	uint64_t stats[_PB_R_MAX], *cpu;
	int ncpu = libbpf_num_possible_cpus(), seen = 0;
	uint32_t reason = PB_R_LISTEN, n, max;

	cr_assert_eq(pb_maps_put_group(maps, 1023, &g), 0);
	cr_assert_eq(pb_maps_each_group(maps, note_group, &seen), 0);
	cr_assert_eq(seen, 1);
	cr_assert_eq(pb_maps_put_rule(maps, 511, &rule), 0);
	cr_assert_eq(pb_maps_usage(maps, "pb_rules", &n, &max), 0);
	cr_assert(n == 1 && max == 512);
	cr_assert_eq(pb_maps_beat(maps, 99), 0);
	cr_assert_eq(pb_maps_get_beat(maps, &b), 0);
	cr_assert(b.pid == 99 && pb_now_ns() - b.time_ns < PB_BEAT_STALE_NS);
	cpu = calloc(ncpu, sizeof(*cpu));
	for (int i = 0; i < ncpu; i++)
		cpu[i] = i + 1;
	bpf_map_update_elem(pb_maps_fd(maps, "pb_stats"), &reason, cpu, 0);
	free(cpu);
	cr_assert_eq(pb_maps_stats(maps, stats), 0);
	cr_assert_eq(stats[PB_R_LISTEN], (uint64_t)ncpu * (ncpu + 1) / 2);
	cr_assert_eq(pb_maps_usage(maps, "pb_events", &n, &max), -EOPNOTSUPP);
	cr_assert_eq(pb_maps_usage(maps, "pb_none", &n, &max), -ENOENT);
}

Test(maps, readers_cannot_write)
{
	struct pb_maps *ro;
	struct pb_vip v = { 0 };
	struct pb_addr a = VIP;
	uint64_t sum = 0;

	cr_assert_eq(pb_maps_open_readonly(&ro, place.bpffs), 0);
	cr_assert_eq(pb_maps_each_app(ro, note_app, &sum), 0);
	cr_assert_eq(pb_maps_put_addr(ro, &a, &v), -EPERM);
	cr_assert_eq(pb_maps_set_endpoint_state(ro, 1, PB_EP_UP), -EPERM);
	cr_assert_eq(pb_maps_set_resolver_port(ro, 1, 1), -EPERM);
	pb_maps_free(ro);
	cr_assert_eq(pb_maps_open_readonly(&ro, "/nowhere"), -ENOENT);
}

/* 0710 and 0640: the group reads, nobody writes, others see nothing. Exits with the errno. */
static int as_user(gid_t gid)
{
	struct pb_maps *ro;
	uint64_t sum = 0;
	char path[128];
	int err;

	if (setgroups(0, NULL) || setgid(gid) || setuid(65534))
		return 200;
	err = pb_maps_open_readonly(&ro, place.bpffs);
	if (err)
		return -err;
	snprintf(path, sizeof(path), "%s/patchbay/v1/pb_apps", place.bpffs);
	if (bpf_obj_get(path) != -EACCES)
		return 201;
	return -pb_maps_each_app(ro, note_app, &sum);
}

static int exit_of(gid_t gid)
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(as_user(gid));
	cr_assert(waitpid(child, &status, 0) == child && WIFEXITED(status));
	return WEXITSTATUS(status);
}

Test(maps, group_reads_others_do_not)
{
	struct pb_loader_opts opts = { .bpffs = place.bpffs, .group = 12345 };

	pb_maps_free(maps);
	pb_loader_free(loader);
	maps = NULL;
	loader = NULL;
	cr_assert_eq(pb_loader_open(&loader, &opts, NULL), 0);
	cr_assert_eq(exit_of(12345), 0);
	cr_assert_eq(exit_of(65534), EACCES);
}
