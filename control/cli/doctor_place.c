/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Checks of where Patchbay lives: cgroup, bpffs, pins, agent, memory. */
#include "doctor.h"

#include <linux/magic.h>
#include <mntent.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <patchbay/names.h>
#include <patchbay/types.h>

#include "../../loader/loader.h"
#include "../util.h"
#include "ctl.h"
#include "pins.h"

static const char *const map_names[] = {
#define PB_X(name, max) #name,
	PB_MAPS(PB_X)
#undef PB_X
};

void doctor_cgroup2(struct doctor *d)
{
	FILE *f = setmntent("/proc/mounts", "r");
	unsigned v1 = 0;
	struct mntent *m;

	while (f && (m = getmntent(f))) {
		if (!strcmp(m->mnt_type, "cgroup"))
			v1++;
		else if (!strcmp(m->mnt_type, "cgroup2") && !*d->cgroup2)
			snprintf(d->cgroup2, sizeof(d->cgroup2), "%s", m->mnt_dir);
	}
	if (f)
		endmntent(f);
	if (!*d->cgroup2) {
		doctor_say(d, "cgroup2", DOCTOR_FAIL,
			   "mount it: mount -t cgroup2 none /sys/fs/cgroup", "not mounted");
		return;
	}
	snprintf(d->managed, sizeof(d->managed), "%.*s/%s", PATH_MAX - 16, d->cgroup2, PB_PIN_DIR);
	doctor_say(d, "cgroup2", DOCTOR_OK, NULL, "mounted on %s%s", d->cgroup2,
		   v1 ? ", beside version 1 (hybrid)" : "");
}

void doctor_bpffs(struct doctor *d)
{
	const char *dir = d->c->bpffs;
	char own[PATH_MAX];
	struct statfs fs;
	struct stat st;

	if (statfs(dir, &fs)) {
		doctor_say(d, "bpffs", DOCTOR_FAIL, "mount it: mount -t bpf bpf /sys/fs/bpf",
			   "%s: %s", dir, strerror(errno));
		return;
	}
	if ((unsigned)fs.f_type != BPF_FS_MAGIC) {
		doctor_say(d, "bpffs", DOCTOR_FAIL, "mount it: mount -t bpf bpf /sys/fs/bpf",
			   "%s is not a bpffs", dir);
		return;
	}
	snprintf(own, sizeof(own), "%.*s/%s", PATH_MAX - 16, dir, PB_PIN_DIR);
	if (stat(own, &st))
		doctor_say(d, "bpffs", DOCTOR_OK, NULL, "mounted on %s, nothing pinned yet", dir);
	else if (st.st_uid || (st.st_mode & 027))
		doctor_say(d, "bpffs", DOCTOR_FAIL, "make it root's with mode 0710",
			   "%s has mode %04o and uid %u: others could change what is pinned", own,
			   st.st_mode & 07777, st.st_uid);
	else
		doctor_say(d, "bpffs", DOCTOR_OK, NULL, "mounted on %s, %s has mode %04o", dir, own,
			   st.st_mode & 07777);
}

void doctor_pins(struct doctor *d)
{
	size_t there = 0, denied = 0;
	const char *missing = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(map_names); i++) {
		_cleanup_close_ int fd = pb_map_open(d->c->bpffs, map_names[i]);

		there += fd >= 0;
		denied += fd == -EACCES || fd == -EPERM;
		if (fd < 0 && !missing)
			missing = map_names[i];
	}
	d->pinned = there > 0;
	if (denied)
		doctor_say(d, "pins", DOCTOR_WARN, "run 'patchbay doctor' as root",
			   "%zu maps may not be read", denied);
	else if (!there)
		doctor_say(d, "pins", DOCTOR_WARN, "start patchbayd", "no maps: not started yet");
	else if (missing)
		doctor_say(d, "pins", DOCTOR_FAIL, "restart patchbayd",
			   "%zu of %zu maps are there, %s is missing", there, ARRAY_SIZE(map_names),
			   missing);
	else
		doctor_say(d, "pins", DOCTOR_OK, NULL, "all %zu maps of ABI %d are there", there,
			   PB_ABI_VERSION);
}

void doctor_links(struct doctor *d)
{
	struct pins_state s;

	if (!d->pinned)
		return; /* said by "pins" */
	pins_look(d->c->bpffs, &s);
	if (s.err)
		doctor_say(d, "links", DOCTOR_WARN, "run 'patchbay doctor' as root",
			   "cannot be listed: %s", strerror(-s.err));
	else if (!s.links || s.dead)
		doctor_say(d, "links", DOCTOR_FAIL, "restart patchbayd: it attaches them again",
			   "%zu of %zu links are dead", s.dead, s.links);
	else if (s.old)
		doctor_say(d, "links", DOCTOR_WARN, "restart patchbayd: it updates them in place",
			   "%zu of %zu links run programs of another build", s.old, s.links);
	else
		doctor_say(d, "links", DOCTOR_OK, NULL, "all %zu links are alive", s.links);
}

static int ask(const struct doctor *d, const char *op, json_t **ret)
{
	json_auto_t *req = json_pack("{s:s}", "op", op);

	return ctl_ask(d->c->run_dir, req, -1, ret);
}

void doctor_agent(struct doctor *d)
{
	json_auto_t *hello = NULL, *status = NULL;
	const char *root;
	int err = ask(d, "hello", &hello);

	if (err == -EACCES || err == -EPERM) {
		doctor_say(d, "agent", DOCTOR_WARN, "run 'patchbay doctor' as root",
			   "you may not ask it");
		return;
	}
	if (err) {
		doctor_say(d, "agent", d->pinned ? DOCTOR_FAIL : DOCTOR_WARN, "start patchbayd",
			   "does not answer on %s/control.sock: %s", d->c->run_dir, strerror(-err));
		return;
	}
	d->agent = (pid_t)cli_int(hello, "pid");
	if (!ask(d, "status", &status)) {
		root = json_string_value(json_object_get(status, "cgroup_root"));
		if (root)
			snprintf(d->managed, sizeof(d->managed), "%s", root);
	}
	if (cli_int(hello, "abi") != PB_ABI_VERSION)
		doctor_say(d, "agent", DOCTOR_FAIL, "install the same version of both",
			   "its ABI is %lld, that of this program is %d", cli_int(hello, "abi"),
			   PB_ABI_VERSION);
	else
		doctor_say(d, "agent", DOCTOR_OK, NULL, "version %s, pid %d",
			   cli_str(hello, "version"), d->agent);
}

/* ---- memory: maps are charged to the memory cgroup of the process that made them ---- */

static unsigned long long map_bytes(const char *bpffs)
{
	unsigned long long sum = 0, n;
	char path[64], line[128];

	for (size_t i = 0; i < ARRAY_SIZE(map_names); i++) {
		_cleanup_close_ int fd = pb_map_open(bpffs, map_names[i]);
		_cleanup_fclose_ FILE *f = NULL;

		if (fd < 0)
			continue;
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f))
			if (sscanf(line, "memlock: %llu", &n) == 1)
				sum += n;
	}
	return sum;
}

/* Where cgroup version 2 ("0::PATH") or the version 1 memory controller is mounted. */
static bool limit_file(const struct doctor *d, const char *entry, char *path, size_t len)
{
	const char *colon = strchr(entry, ':'), *dir = colon ? strchr(colon + 1, ':') : NULL;

	if (!dir)
		return false;
	if (!strncmp(colon, "::", 2) && *d->cgroup2)
		snprintf(path, len, "%s%s/memory.max", d->cgroup2, dir + 1);
	else if (!strncmp(colon, ":memory:", 8))
		snprintf(path, len, "/sys/fs/cgroup/memory%s/memory.limit_in_bytes", dir + 1);
	else
		return false;
	return true;
}

/* The tightest limit of a process's own memory cgroups; ULLONG_MAX: none. */
static unsigned long long memory_limit(const struct doctor *d, pid_t pid)
{
	char name[64], entry[PATH_MAX], path[PATH_MAX * 2 + 64], value[32];
	unsigned long long least = ULLONG_MAX, n;
	_cleanup_fclose_ FILE *f = NULL;

	snprintf(name, sizeof(name), "/proc/%d/cgroup", pid);
	f = fopen(name, "re");
	while (f && fgets(entry, sizeof(entry), f)) {
		entry[strcspn(entry, "\n")] = '\0';
		if (!limit_file(d, entry, path, sizeof(path)) ||
		    doctor_read_line(path, value, sizeof(value)))
			continue;
		/* "max", or version 1's huge number, is no limit */
		n = strtoull(value, NULL, 10);
		if (n && n < least && n < 1ULL << 60)
			least = n;
	}
	return least;
}

void doctor_memory(struct doctor *d)
{
	unsigned long long limit = memory_limit(d, d->agent ? d->agent : getpid());
	unsigned long long used = map_bytes(d->c->bpffs) >> 20;

	if (limit == ULLONG_MAX)
		doctor_say(d, "memory", DOCTOR_OK, NULL, "maps take %llu MiB, no limit%s", used,
			   d->agent ? "" : " on this process");
	else if (limit >> 20 < used * 2)
		doctor_say(d, "memory", DOCTOR_WARN,
			   "raise the memory limit of patchbayd: maps cannot be made beyond it",
			   "maps take %llu MiB of a limit of %llu MiB", used, limit >> 20);
	else
		doctor_say(d, "memory", DOCTOR_OK, NULL,
			   "maps take %llu MiB of a limit of %llu MiB", used, limit >> 20);
}
