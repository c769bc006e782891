// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The memcached switch on devices: attached, updated in place, adopted, taken away; and what the
 * verifier makes of it. */
#include "loader/internal.h"
#include "loader/memcached_internal.h"
#include "mc_world.h"

#define BUDGET 500000u /* half of what the verifier walks */

TestSuite(memcached_loader, .init = world_init, .fini = world_fini, .timeout = 240);

static unsigned at(unsigned ifindex, bool *ret_current)
{
	unsigned bits = 99;

	cr_assert_eq(pb_mcl_look(w.mcl, ifindex, &bits, ret_current), 0);
	return bits;
}

static bool pinned(const char *dir, const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/patchbay/%s/%s", place.bpffs, dir, name);
	return !access(path, F_OK);
}

static void devices(struct pb_mcl *m, bool links)
{
	bool current;

	m->clsact = !links;
	for (int turn = 0; turn < 2; turn++) {
		cr_assert_eq(pb_mcl_attach(m, w.ifindex, PB_MCL_XDP), 0);
		cr_assert_eq(at(w.ifindex, &current), PB_MCL_AT_TC | PB_MCL_AT_XDP);
		cr_assert(current);
	}
	cr_assert_eq(pb_mcl_attach(m, w.ifindex, PB_MCL_TC), 0);
	cr_assert_eq(at(w.ifindex, &current), PB_MCL_AT_TC);
	cr_assert_eq(pb_mcl_attach(m, w.other, PB_MCL_TC), 0);
	cr_assert_eq(pb_mcl_detach_others(m, &w.ifindex, 1), 0);
	cr_assert_eq(at(w.ifindex, &current), PB_MCL_AT_TC);
	cr_assert_eq(at(w.other, &current), 0);
	cr_assert_eq(pb_mcl_detach(m, w.ifindex), 0);
	cr_assert_eq(pb_mcl_detach(m, w.ifindex), 0, "twice");
	cr_assert_eq(at(w.ifindex, &current), 0);
}

Test(memcached_loader, devices)
{
	cr_assert_eq(pb_mcl_detach_others(w.mcl, NULL, 0), 0);
	devices(w.mcl, true);
	devices(w.mcl, false);
	cr_assert_eq(pb_mcl_attach(w.mcl, 9999, PB_MCL_TC), -ENODEV);
	cr_assert_eq(pb_mcl_attach(w.mcl, if_nametoindex("lo"), PB_MCL_TC), -EMEDIUMTYPE);
}

/* A second loader, as after an upgrade: the same maps, its own programs in the place of the old. */
Test(memcached_loader, adopted)
{
	struct pb_mcl *old = w.mcl;
	struct pb_mc_service svc;
	uint32_t zero = 0;
	bool current;

	cr_assert(!pb_mcl_adopted(old));
	w.mcl = world_open();
	cr_assert(pb_mcl_adopted(w.mcl));
	cr_assert_eq(bpf_map_lookup_elem(pb_mcl_map_fd(w.mcl, "pb_mc_services"), &zero, &svc), 0);
	cr_assert_eq(memcmp(&svc, &w.svc, sizeof(svc)), 0);
	cr_assert_eq(at(w.ifindex, &current), PB_MCL_AT_TC | PB_MCL_AT_XDP);
	cr_assert(!current);
	cr_assert_eq(pb_mcl_attach(w.mcl, w.ifindex, PB_MCL_XDP), 0);
	cr_assert_eq(at(w.ifindex, &current), PB_MCL_AT_TC | PB_MCL_AT_XDP);
	cr_assert(current);
	pb_mcl_free(old);
	/* the ring was adopted, too */
	for (w.tc = 0; w.tc < 2; w.tc++) {
		struct frame req = request("get key\r\n");

		cr_assert_eq(run(&req), SAID_SENT);
	}
}

/* The agent's own loader leaves these devices alone, and `detach --all` does not. */
Test(memcached_loader, beside_the_agent)
{
	struct pb_loader *l = must_open();
	struct pb_link_state *st;
	unsigned removed = 0, seen = 0;
	bool current;
	size_t n;

	cr_assert_eq(pb_loader_attach_devices(l, &w.other, 1, NULL), 0);
	cr_assert_eq(pb_loader_attach_devices(l, NULL, 0, NULL), 0);
	cr_assert_eq(at(w.ifindex, &current), PB_MCL_AT_TC | PB_MCL_AT_XDP);
	cr_assert_eq(pb_loader_links_of(l, &st, &n), 0);
	for (size_t i = 0; i < n; i++)
		seen += !strncmp(st[i].name, "pb_mc_", 6) && st[i].alive && st[i].current;
	free(st);
	cr_assert_eq(seen, 4);
	sh("ip link del e0");
	cr_assert(eventually(pb_loader_sweep(l) >= 0 && !pinned("links", "pb_mc_tc@4") &&
			     at(w.other, &current) == 0));
	pb_loader_free(l);
	cr_assert(pinned("v1", "pb_mc_calls"));
	cr_assert(!pinned("v1", "pb_mc_work"), "scratch is nobody else's");
	cr_assert_eq(pb_loader_detach_all(place.bpffs, &removed), 0);
	cr_assert(!pinned("v1", "pb_mc_calls"));
	cr_assert_eq(at(w.ifindex, &current), 0);
}

Test(memcached_loader, layout)
{
	struct pb_mcl_opts opts = { .bpffs = place.bpffs };
	struct pb_mcl *m = NULL;
	char path[160];
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "pb_mc_calls", 4, 8, 1, NULL);

	snprintf(path, sizeof(path), "%s/patchbay/v1/pb_mc_calls", place.bpffs);
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(bpf_obj_pin(fd, path), 0);
	cr_assert_eq(pb_mcl_open(&m, &opts), -EUCLEAN);
	cr_assert_null(m);
	close(fd);
}

Test(memcached_loader, caches)
{
	cr_assert_eq(pb_mcl_cache_sets(pb_mcl_cache_bytes(1) - 1), 0);
	cr_assert_eq(pb_mcl_cache_sets(pb_mcl_cache_bytes(77)), 77);
	cr_assert_eq(pb_mcl_cache_sets(~0ULL), PB_MCL_SETS_MAX);
	cr_assert_eq(pb_mcl_cache(w.mcl, 0, PB_MCL_SETS_MAX + 1), -E2BIG);
	cr_assert_eq(pb_mcl_cache(w.mcl, PB_MC_SERVICES, 1), -EINVAL);
	for (unsigned sets = 100; sets; sets /= 3)
		cr_assert_eq(pb_mcl_cache(w.mcl, 5, sets), 0);
	cr_assert_eq(pb_mcl_cache(w.mcl, 5, 0), 0);
	cr_assert_eq(pb_mcl_cache(w.mcl, 5, 0), 0, "twice");
}

Test(memcached_loader, verifier_budget)
{
	static const char *const names[] = { "pb_mc_xdp", "pb_mc_tc", "pb_mc_do" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct bpf_prog_info info = { .type = 0 };
		__u32 len = sizeof(info);
		int fd = pb_mcl_prog_fd(w.mcl, names[i]);

		cr_assert_eq(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
		cr_log_info("%s: %u verified instructions, %u bytes jited\n", names[i],
			    info.verified_insns, info.jited_prog_len);
		cr_expect_lt(info.verified_insns, BUDGET, "%s", names[i]);
	}
}
