/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A place of its own for a live test: mount and network namespace, a bpffs and
 * a cgroup.  Criterion runs each test in a process of its own, so that nothing
 * of this reaches another test.
 */
#ifndef PB_TEST_PRIVATE_H
#define PB_TEST_PRIVATE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <mntent.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <criterion/criterion.h>

#include "control/util.h"
#include "loader/loader.h"

#define DEADLINE_NS 10000000000ULL

struct place {
	char bpffs[64];
	char root[256]; /* cgroup2 mount */
	char cgroup[320];
};

static struct place place;

static inline void find_cgroup2(char *ret, size_t size)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent *m;

	cr_assert_not_null(f);
	while ((m = getmntent(f)) && strcmp(m->mnt_type, "cgroup2"))
		;
	cr_assert_not_null(m, "no cgroup2 is mounted");
	snprintf(ret, size, "%s", m->mnt_dir);
	endmntent(f);
}

static inline int remove_dir(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)at;
	if (type == FTW_DP)
		rmdir(path);
	return 0;
}

static inline int make_cgroup(const char *suffix, char *ret, size_t size, uint64_t *ret_id)
{
	struct stat st;
	int fd;

	snprintf(ret, size, "%s/pb-test-%d%s", place.root, getpid(), suffix);
	/* A killed test of the same pid may have left one, with scopes in it. */
	if (mkdir(ret, 0755)) {
		cr_assert(errno == EEXIST, "mkdir %s: %m", ret);
		nftw(ret, remove_dir, 8, FTW_DEPTH | FTW_PHYS);
		cr_assert(!mkdir(ret, 0755), "mkdir %s: %m", ret);
	}
	fd = open(ret, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert(fd >= 0 && !fstat(fd, &st));
	*ret_id = st.st_ino; /* the id of a cgroup is its inode number */
	return fd;
}

static inline void place_init(void)
{
	cr_assert(!geteuid(), "these tests need root");
	cr_assert(!unshare(CLONE_NEWNS | CLONE_NEWNET), "unshare: %m");
	cr_assert(!mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	/* A folder every such kernel has: a failed test leaves none behind. */
	snprintf(place.bpffs, sizeof(place.bpffs), "/sys/fs/bpf");
	cr_assert(!mount("bpf", place.bpffs, "bpf", 0, NULL), "mount bpffs: %m");
	find_cgroup2(place.root, sizeof(place.root));
}

static inline void place_fini(void)
{
	DIR *d = opendir(place.root);
	char prefix[64];

	/* The mount first: its pins hold the hooks of the cgroups. */
	umount2(place.bpffs, MNT_DETACH);
	snprintf(prefix, sizeof(prefix), "pb-test-%d", getpid());
	for (struct dirent *e; d && (e = readdir(d));)
		if (!strncmp(e->d_name, prefix, strlen(prefix)))
			unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
	if (d)
		closedir(d);
}

static inline struct pb_loader *must_open(void)
{
	struct pb_loader_opts opts = { .bpffs = place.bpffs };
	struct pb_loader *l = NULL;
	pid_t pid = 0;
	int err = pb_loader_open(&l, &opts, &pid);

	cr_assert_eq(err, 0, "pb_loader_open: %s (pid %d)", strerror(-err), pid);
	return l;
}

static inline void poll_pause(void)
{
	usleep(1000);
}

/* Until cond holds or the deadline is over. */
#define eventually(cond) \
	({ \
		uint64_t end_ = pb_now_ns() + DEADLINE_NS; \
		bool ok_; \
		while (!(ok_ = (cond)) && pb_now_ns() < end_) \
			poll_pause(); \
		ok_; \
	})

#endif /* PB_TEST_PRIVATE_H */
