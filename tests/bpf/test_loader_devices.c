/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs on network devices: by links where the kernel has them, else by filters of clsact. */
#include <net/if.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <bpf/bpf.h>
#include <cap-ng.h>
#include <grp.h>

#include "loader/internal.h"
#include "private.h"

static unsigned dev[2];
static unsigned per; /* programs a device */

static void sh(const char *cmd)
{
	cr_assert_eq(system(cmd), 0, "%s", cmd);
}

static void setup(void)
{
	place_init();
	sh("ip link add d0 type veth peer name d1 && ip link set d0 up && ip link set d1 up");
	dev[0] = if_nametoindex("d0");
	dev[1] = if_nametoindex("d1");
}

TestSuite(loader_devices, .init = setup, .fini = place_fini, .timeout = 240);

static const char *pin(unsigned ifindex)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/patchbay/links/pb_syn@%u", place.bpffs, ifindex);
	return path;
}

static struct pb_loader_report attach(struct pb_loader *l, size_t n)
{
	struct pb_loader_report r = { 0 };
	int err = pb_loader_attach_devices(l, dev, n, &r);

	cr_assert_eq(err, 0, "%s", strerror(-err));
	return r;
}

/* Programs on devices, as the loader shows them. */
static unsigned shown(struct pb_loader *l, bool current)
{
	struct pb_link_state *st;
	struct pb_tc_place at;
	unsigned good = 0;
	size_t n;

	cr_assert_eq(pb_loader_links_of(l, &st, &n), 0);
	for (size_t i = 0; i < n; i++) {
		cr_assert(strcmp(st[i].name, "pb_syn"), "no program without a device");
		if (!pb_tc_place(st[i].name, &at))
			continue;
		cr_assert_eq(st[i].target, st[i].alive ? at.ifindex : 0);
		good += current ? st[i].current : st[i].alive;
	}
	free(st);
	return good;
}

static uint32_t prog_id(struct pb_loader *l)
{
	uint32_t id;

	cr_assert(!pb_prog_id(pb_loader_prog(l, "pb_syn"), &id));
	return id;
}

static struct pb_loader *open_as(bool clsact)
{
	struct pb_loader *l = must_open();

	l->clsact = clsact;
	per = 0;
	for (size_t i = 0; i < pb_prog_rows_n; i++)
		per += strchr(PB_WHERE_DEVICE, pb_prog_rows[i].where) &&
		       pb_loader_prog(l, pb_prog_rows[i].name);
	cr_assert_geq(per, 1);
	return l;
}

/* What a filter of ours at the device runs; 0: none. */
static uint32_t filter(unsigned ifindex)
{
	struct pb_tc_place at = { .ifindex = ifindex };
	uint32_t id;

	return pb_tc_look(&at, &id) ? 0 : id;
}

static void life(bool clsact)
{
	struct pb_loader *l = open_as(clsact);
	struct pb_loader_report r = attach(l, 2);

	cr_assert_eq(r.attached, 2 * per);
	cr_assert_eq(r.updated + r.healed, 0);
	cr_assert_eq(shown(l, true), 2 * per);
	r = attach(l, 2);
	cr_assert_eq(r.attached + r.updated + r.healed, 0, "a second time changes nothing");
	pb_loader_free(l);

	l = open_as(clsact);
	cr_assert_eq(shown(l, false), 2 * per, "they outlive the loader");
	cr_assert_eq(shown(l, true), 0, "and are another's");
	r = attach(l, 2);
	cr_assert(r.updated == 2 * per && !r.attached && !r.healed, "%u %u %u", r.updated,
		  r.attached, r.healed);
	cr_assert_eq(shown(l, true), 2 * per);
	/* Only the first one from now on. */
	attach(l, 1);
	cr_assert_eq(shown(l, true), per);
	cr_assert(!access(pin(dev[0]), F_OK) && access(pin(dev[1]), F_OK));
	attach(l, 0);
	cr_assert_eq(shown(l, false), 0);
	cr_assert(access(pin(dev[0]), F_OK));
	cr_assert(!filter(dev[0]) && !filter(dev[1]));
	pb_loader_free(l);
}

Test(loader_devices, come_and_go)
{
	life(false);
}

Test(loader_devices, come_and_go_as_filters)
{
	life(true);
}

static void gone(bool clsact)
{
	struct pb_loader *l = open_as(clsact);
	struct pb_loader_report r;

	attach(l, 2);
	sh("ip link del d0");
	cr_assert_eq(shown(l, false), 0);
	cr_assert_eq(pb_loader_sweep(l), 2 * (int)per);
	cr_assert(access(pin(dev[0]), F_OK) && access(pin(dev[1]), F_OK));
	r = attach(l, 2);
	cr_assert_eq(r.attached + r.updated + r.healed, 0, "devices that are gone are left out");
	pb_loader_free(l);
}

Test(loader_devices, removed_ones_are_swept)
{
	gone(false);
}

Test(loader_devices, removed_ones_are_swept_as_filters)
{
	gone(true);
}

static void all_off(bool clsact)
{
	struct pb_loader *l = open_as(clsact);
	unsigned removed = 0, maps = 0;

#define PB_X(name, max) maps++;
	PB_MAPS(PB_X)
#undef PB_X
	attach(l, 2);
	cr_assert_eq(!!filter(dev[0]), l->clsact); /* also where there is nothing else */
	pb_loader_free(l);
	cr_assert_eq(pb_loader_detach_all(place.bpffs, &removed), 0);
	cr_assert_eq(removed, maps + 2 * per);
	cr_assert(!filter(dev[0]) && !filter(dev[1]));
}

Test(loader_devices, detach_takes_them_off)
{
	all_off(false);
}

Test(loader_devices, detach_takes_filters_off)
{
	all_off(true);
}

static int put_foreign(unsigned ifindex, unsigned place_at, uint32_t *ret_id)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = -1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, o, .handle = place_at, .priority = place_at);
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "another", "GPL", insns, 2, NULL), err;

	cr_assert(fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len));
	*ret_id = info.id;
	o.prog_fd = fd;
	err = bpf_tc_hook_create(&hook);
	return err && err != -EEXIST ? err : bpf_tc_attach(&hook, &o);
}

Test(loader_devices, filters_of_others_stay)
{
	struct pb_loader *l = open_as(true);
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)dev[0], .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, o, .handle = 1, .priority = 1);
	uint32_t id, place_id;
	unsigned removed;

	cr_assert(!put_foreign(dev[0], 1, &id));
	cr_assert(!put_foreign(dev[1], 0x5bc0, &place_id));
	cr_assert_eq(pb_loader_attach_devices(l, dev, 2, NULL), -EBUSY, "its place is taken");
	cr_assert_eq(filter(dev[1]), place_id);
	cr_assert_eq(filter(dev[0]), prog_id(l), "the other device has its program");
	pb_loader_free(l);
	cr_assert_eq(pb_loader_detach_all(place.bpffs, &removed), 0);
	cr_assert_eq(filter(dev[1]), place_id);
	cr_assert_eq(filter(dev[0]), 0);
	cr_assert(!bpf_tc_query(&hook, &o) && o.prog_id == id);
}

Test(loader_devices, a_filter_taken_by_hand_is_put_back)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)dev[0],
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	struct pb_loader *l = open_as(true);
	struct pb_loader_report r;

	attach(l, 2);
	cr_assert(!bpf_tc_hook_destroy(&hook));
	cr_assert_eq(shown(l, true), per);
	r = attach(l, 2);
	cr_assert_eq(r.attached + r.healed, per);
	cr_assert_eq(shown(l, true), 2 * per);
	pb_loader_free(l);
}

/* What patchbayd keeps after its start. */
static void keep_agent_caps(void)
{
	capng_clear(CAPNG_SELECT_CAPS);
	capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_BPF, CAP_NET_ADMIN,
		      CAP_PERFMON, -1);
	cr_assert_eq(capng_apply(CAPNG_SELECT_CAPS), 0);
}

Test(loader_devices, agent_capabilities_suffice)
{
	pid_t child = fork();
	int status;

	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		keep_agent_caps();
		life(false);
		life(true);
		_exit(0);
	}
	cr_assert(waitpid(child, &status, 0) == child && !status);
}

Test(loader_devices, keys_are_for_root_alone)
{
	struct pb_loader_opts opts = { .bpffs = place.bpffs, .group = 12345 };
	struct pb_loader *l;
	pid_t child;
	int status;

	cr_assert_eq(pb_loader_open(&l, &opts, NULL), 0);
	child = fork();
	if (!child) {
		int fd, no;

		/* A reader as `patchbay status` of somebody in the group. */
		if (setgroups(0, NULL) || setresgid(12345, 12345, 12345) ||
		    setresuid(12345, 12345, 12345))
			_exit(2);
		fd = pb_map_open(place.bpffs, "pb_members");
		no = pb_map_open(place.bpffs, "pb_peers");
		/* Where only privileged programs may use bpf(2), neither opens. */
		_exit(no == -EACCES || no == -EPERM ? fd >= 0 || fd == -EPERM ? 0 : 3 : 4);
	}
	cr_assert(waitpid(child, &status, 0) == child && !status, "%d", WEXITSTATUS(status));
	pb_loader_free(l);
}
