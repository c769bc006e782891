/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Load, adopt, update, heal, sweep, detach: with the real objects, in a place of its own. */
#include <signal.h>
#include <sys/wait.h>

#include <bpf/bpf.h>
#include <cap-ng.h>

#include <patchbay/maps.h>
#include <patchbay/names.h>

#include "private.h"

#define PB_IS_C(where) (#where[0] == 'C')
#define PB_X(prog, where) +PB_IS_C(where)
static const unsigned cgroup_progs = 0 PB_PROGS(PB_X);
#undef PB_X

struct site {
	int cg, ns;
	uint64_t cg_id;
};

static struct site site_new(void)
{
	struct site s;

	s.cg = make_cgroup("", place.cgroup, sizeof(place.cgroup), &s.cg_id);
	s.ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	cr_assert(s.ns >= 0);
	return s;
}

static struct pb_loader_report attach(struct pb_loader *l, const struct site *s)
{
	struct pb_loader_report r = { 0 };
	int err = pb_loader_attach_cgroup(l, s->cg, s->cg_id, true, &r);

	cr_assert_eq(err, 0, "attach to the cgroup: %s", strerror(-err));
	err = pb_loader_attach_netns(l, s->ns, &r);
	cr_assert_eq(err, 0, "attach to the namespace: %s", strerror(-err));
	return r;
}

static const char *pin(const char *sub, const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/patchbay%s%s%s%s", place.bpffs, sub ? "/" : "",
		 sub ? sub : "", name ? "/" : "", name ? name : "");
	return path;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	cr_assert(!lstat(path, &st), "%s: %m", path);
	return st.st_mode & 07777;
}

static unsigned count_states(struct pb_loader *l, bool current)
{
	struct pb_link_state *st;
	unsigned good = 0;
	size_t n;

	cr_assert_eq(pb_loader_links_of(l, &st, &n), 0);
	for (size_t i = 0; i < n; i++)
		good += current ? st[i].current : st[i].alive;
	free(st);
	return good;
}

static struct bpf_link_info link_info(const char *name)
{
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd = bpf_obj_get(pin("links", name));

	cr_assert(fd >= 0, "link %s: %s", name, strerror(-fd));
	cr_assert_eq(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	close(fd);
	return info;
}

TestSuite(loader, .init = place_init, .fini = place_fini, .timeout = 120);

Test(loader, fresh_load_attaches_everything)
{
	struct site s = site_new();
	struct pb_loader *l = must_open();
	struct pb_loader_report r = attach(l, &s);

	cr_assert_not(pb_loader_adopted(l));
	cr_assert_not(r.adopted);
	cr_assert_eq(r.attached, cgroup_progs + 1);
	cr_assert_eq(r.updated + r.healed, 0);
	cr_assert_eq(count_states(l, true), cgroup_progs + 1);
	pb_loader_free(l);
	cr_assert_eq(link_info("pb_connect4").cgroup.cgroup_id, s.cg_id,
		     "links outlive the loader");
}

Test(loader, modes_of_pins)
{
	struct site s = site_new();
	struct pb_loader_opts opts = { .bpffs = place.bpffs, .group = 12345 };
	struct pb_loader *l;
	struct stat st;

	cr_assert_eq(pb_loader_open(&l, &opts, NULL), 0);
	attach(l, &s);
	cr_assert_eq(mode_of(pin(NULL, NULL)), 0710);
	cr_assert_eq(mode_of(pin("v1", NULL)), 0710);
	cr_assert_eq(mode_of(pin("links", NULL)), 0700);
	cr_assert(!stat(pin(NULL, NULL), &st) && st.st_gid == 12345);
#define PB_X(name, max) \
	cr_assert_eq(mode_of(pin("v1", #name)), strcmp(#name, "pb_peers") ? 0640 : 0600, #name); \
	cr_assert(!stat(pin("v1", #name), &st) && st.st_gid == 12345 && !st.st_uid, #name);
	PB_MAPS(PB_X)
#undef PB_X
	/* Older kernels keep pb_skmsg without a link. */
#define PB_X(name, where) \
	cr_assert(strchr("DEM", #where[0]) || mode_of(pin("links", #name)) == 0600, #name);
	PB_PROGS(PB_X)
#undef PB_X
	pb_loader_free(l);
}

Test(loader, second_agent_is_told_who_runs)
{
	struct pb_loader_opts opts = { .bpffs = place.bpffs };
	struct pb_loader *l = NULL;
	pid_t child, pid = 0;
	int ready[2];
	char c;

	cr_assert(!pipe(ready));
	child = fork();
	if (!child) {
		c = pb_loader_open(&l, &opts, NULL) ? 'n' : 'y';
		_exit(write(ready[1], &c, 1) == 1 && pause());
	}
	cr_assert(read(ready[0], &c, 1) == 1 && c == 'y');
	cr_assert_eq(pb_loader_open(&l, &opts, &pid), -EBUSY);
	cr_assert_eq(pid, child);
	cr_assert_eq(pb_loader_owner(place.bpffs), child);
	cr_assert_null(l);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	cr_assert_eq(pb_loader_owner(place.bpffs), 0);
	pb_loader_free(must_open());
}

Test(loader, adoption_keeps_contents)
{
	struct pb_group g = { .name = "grp=front" }, back = { 0 };
	struct pb_loader *l = must_open();
	uint32_t bit = 7;

	cr_assert_eq(bpf_map_update_elem(pb_loader_map_fd(l, "pb_groups"), &bit, &g, BPF_ANY), 0);
	pb_loader_free(l);
	l = must_open();
	cr_assert(pb_loader_adopted(l));
	cr_assert_eq(bpf_map_lookup_elem(pb_loader_map_fd(l, "pb_groups"), &bit, &back), 0);
	cr_assert_str_eq(back.name, "grp=front");
	cr_assert_eq(pb_loader_map_fd(l, "pb_nothing"), -ENOENT);
	pb_loader_free(l);
}

Test(loader, update_in_place_keeps_links)
{
	struct site s = site_new();
	struct pb_loader *l = must_open();
	struct bpf_link_info cg, ns, cg2, ns2;
	struct pb_loader_report r;

	attach(l, &s);
	cg = link_info("pb_bind4");
	ns = link_info("pb_lookup");
	r = attach(l, &s);
	cr_assert_eq(r.updated + r.attached + r.healed, 0, "a second attach changes nothing");
	pb_loader_free(l);

	l = must_open();
	cr_assert_eq(count_states(l, false), cgroup_progs + 1);
	cr_assert_eq(count_states(l, true), 0, "the old programs are not this loader's");
	r = attach(l, &s);
	cr_assert(r.adopted);
	cr_assert_eq(r.updated, cgroup_progs + 1);
	cr_assert_eq(r.attached + r.healed, 0);
	cr_assert_eq(count_states(l, true), cgroup_progs + 1);
	cg2 = link_info("pb_bind4");
	ns2 = link_info("pb_lookup");
	cr_assert_eq(cg.id, cg2.id);
	cr_assert_eq(ns.id, ns2.id);
	cr_assert_neq(cg.prog_id, cg2.prog_id);
	cr_assert_neq(ns.prog_id, ns2.prog_id);
	pb_loader_free(l);
}

Test(loader, removed_cgroup_is_swept)
{
	struct site s = site_new();
	struct pb_loader *l = must_open();
	struct pb_loader_report r = { 0 };
	char other[320], name[64];
	unsigned gone = 0;
	uint64_t id;
	int fd;

	attach(l, &s);
	fd = make_cgroup("-other", other, sizeof(other), &id);
	cr_assert_eq(pb_loader_attach_cgroup(l, fd, id, false, &r), 0);
	cr_assert_eq(r.attached, cgroup_progs);
	snprintf(name, sizeof(name), "pb_bind4@%llx", (unsigned long long)id);
	cr_assert_eq(link_info(name).cgroup.cgroup_id, id);
	cr_assert_eq(pb_loader_sweep(l), 0, "nothing to sweep yet");
	close(fd);
	cr_assert(!rmdir(other), "%m");
	cr_assert(eventually((gone += pb_loader_sweep(l)) == cgroup_progs), "%u swept", gone);
	cr_assert_eq(access(pin("links", name), F_OK), -1);
	cr_assert_eq(count_states(l, true), cgroup_progs + 1, "the main links stay");
	pb_loader_free(l);
}

Test(loader, missing_and_dead_links_are_healed)
{
	struct site s = site_new();
	struct pb_loader *l = must_open();
	struct pb_loader_report r;

	attach(l, &s);
	pb_loader_free(l);
	cr_assert(!unlink(pin("links", "pb_peer6")));
	l = must_open();
	cr_assert_eq(count_states(l, false), cgroup_progs);
	r = attach(l, &s);
	cr_assert_eq(r.healed, 1);
	cr_assert_eq(r.updated, cgroup_progs);

	/* The same name, another cgroup: at once, while the kernel still lets the old one go. */
	close(s.cg);
	cr_assert(!rmdir(place.cgroup));
	s.cg = make_cgroup("", place.cgroup, sizeof(place.cgroup), &s.cg_id);
	r = attach(l, &s);
	cr_assert_eq(r.healed, cgroup_progs);
	cr_assert_eq(link_info("pb_sockops").cgroup.cgroup_id, s.cg_id);
	pb_loader_free(l);
}

Test(loader, another_living_target_is_refused)
{
	struct site s = site_new();
	struct pb_loader *l = must_open();
	char other[320];
	uint64_t id;
	int fd, ns;

	attach(l, &s);
	fd = make_cgroup("-other", other, sizeof(other), &id);
	cr_assert_eq(pb_loader_attach_cgroup(l, fd, id, true, NULL), -EXDEV);
	cr_assert_eq(link_info("pb_create").cgroup.cgroup_id, s.cg_id);
	cr_assert(!unshare(CLONE_NEWNET));
	ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	cr_assert_eq(pb_loader_attach_netns(l, ns, NULL), -EXDEV);
	pb_loader_free(l);
}

Test(loader, detach_removes_everything_once)
{
	struct site s = site_new();
	struct pb_loader *l = must_open();
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);
	unsigned maps = 0, removed = 0;
	int held;

#define PB_X(name, max) maps++;
	PB_MAPS(PB_X)
#undef PB_X
	attach(l, &s);
	pb_loader_free(l);
	held = bpf_obj_get(pin("links", "pb_connect4"));
	cr_assert_eq(pb_loader_detach_all(place.bpffs, &removed), 0);
	cr_assert_eq(removed, maps + cgroup_progs + 1);
	cr_assert_eq(access(pin(NULL, NULL), F_OK), -1);
	cr_assert_eq(bpf_obj_get_info_by_fd(held, &info, &len), 0);
	cr_assert_eq(info.cgroup.cgroup_id, 0, "a held fd keeps no hook");
	cr_assert_eq(pb_loader_detach_all(place.bpffs, &removed), 0);
	cr_assert_eq(removed, 0);
}

Test(loader, foreign_layout_is_refused_and_kept)
{
	struct pb_loader_opts opts = { .bpffs = place.bpffs };
	struct pb_loader *l = NULL;
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "pb_beat", 4, 8, 1, NULL);

	pb_loader_free(must_open());
	cr_assert(!unlink(pin("v1", "pb_beat")));
	cr_assert(fd >= 0 && !bpf_obj_pin(fd, pin("v1", "pb_beat")));
	cr_assert_eq(pb_loader_open(&l, &opts, NULL), -EUCLEAN);
	cr_assert_eq(access(pin("v1", "pb_beat"), F_OK), 0);
	cr_assert_eq(access(pin("v1", "pb_apps"), F_OK), 0);
}

Test(loader, folder_of_another_user_is_refused)
{
	struct pb_loader_opts opts = { .bpffs = place.bpffs };
	struct pb_loader *l = NULL;

	cr_assert(!mkdir(pin(NULL, NULL), 0755) && !chown(pin(NULL, NULL), 65534, 65534));
	cr_assert_eq(pb_loader_open(&l, &opts, NULL), -EPERM);
	opts.bpffs = "/tmp";
	cr_assert_eq(pb_loader_open(&l, &opts, NULL), -ENODEV);
	cr_assert_eq(pb_loader_detach_all("/tmp", NULL), -ENODEV);
}

static unsigned files_in(const char *path, const char *prefix)
{
	DIR *d = opendir(path);
	unsigned n = 0;

	for (struct dirent *e; d && (e = readdir(d));)
		n += !strncmp(e->d_name, prefix, strlen(prefix));
	if (d)
		closedir(d);
	return n;
}

Test(loader, failed_load_leaves_a_log_and_no_map)
{
	char logs[] = "/tmp/pb-test-log-XXXXXX";
	struct pb_loader_opts opts = { .bpffs = place.bpffs, .log_dir = logs };
	struct pb_loader *l = NULL;

	/* On a file system of its own: nothing is left behind. */
	cr_assert(mkdtemp(logs) && !mount("tmpfs", logs, "tmpfs", 0, NULL));
	/* Enough for maps, too little for programs that see packets. */
	capng_get_caps_process();
	capng_updatev(CAPNG_DROP, CAPNG_EFFECTIVE, CAP_SYS_ADMIN, CAP_NET_ADMIN, -1);
	cr_assert_eq(capng_apply(CAPNG_SELECT_CAPS), 0);
	cr_assert_eq(pb_loader_open(&l, &opts, NULL), -EPERM);
	cr_assert_eq(files_in(pin("v1", NULL), "pb_"), 0);
	cr_assert_eq(files_in(logs, "patchbay-verifier-"), 1);
	capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE, CAP_SYS_ADMIN, CAP_NET_ADMIN, -1);
	cr_assert_eq(capng_apply(CAPNG_SELECT_CAPS), 0);
	cr_assert(!umount(logs) && !rmdir(logs));
	pb_loader_free(must_open());
}

/* What patchbayd keeps after its start. */
static void keep_agent_caps(void)
{
	capng_clear(CAPNG_SELECT_CAPS);
	capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_BPF, CAP_NET_ADMIN,
		      CAP_PERFMON, -1);
	cr_assert_eq(capng_apply(CAPNG_SELECT_CAPS), 0);
}

Test(loader, agent_capabilities_suffice)
{
	struct site s = site_new();
	char other[320];
	struct pb_loader *l;
	struct pb_loader_report r;
	uint64_t id;
	int fd = make_cgroup("-other", other, sizeof(other), &id);
	pid_t child = fork();
	int status;

	if (!child) {
		keep_agent_caps();
		l = must_open();
		r = attach(l, &s);
		cr_assert_eq(r.attached, cgroup_progs + 1);
		pb_loader_free(l);
		l = must_open();
		r = attach(l, &s);
		cr_assert_eq(r.updated, cgroup_progs + 1);
		cr_assert_eq(pb_loader_attach_cgroup(l, fd, id, false, &r), 0);
		cr_assert_eq(count_states(l, true), 2 * cgroup_progs + 1);
		cr_assert_eq(pb_loader_sweep(l), 0);
		_exit(0);
	}
	cr_assert(waitpid(child, &status, 0) == child && !status);
}

Test(loader, kernel_has_what_is_required)
{
	struct pb_probe *p;
	size_t n = pb_probe_all(&p);

	cr_assert_gt(n, 20);
	for (size_t i = 0; i < n; i++)
		cr_assert(!p[i].required || p[i].state == PB_PROBE_OK, "%s: %s", p[i].id,
			  p[i].detail);
}
