/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cgroup.h"

#include <fcntl.h>
#include <mntent.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "util.h"

#define CGROUP2_MAGIC 0x63677270
#define XATTR "user.patchbay"
#define XATTR_VERSION 1
#define EVENTS_MAX 256

struct saved {
	uint32_t version;
	uint32_t uid;
	int64_t since; /* seconds since the epoch */
	uint32_t n_egress;
	uint32_t splice; /* enum pb_splice; 0, unset, in what an older agent wrote */
	struct pb_egress_item egress[PB_EGRESS_ITEMS];
};

static void endmntentp(FILE **f)
{
	if (*f)
		endmntent(*f);
}

int pb_cgroup_mount(char *ret, size_t len)
{
	_cleanup_(endmntentp) FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent *m;

	while (f && (m = getmntent(f)))
		if (!strcmp(m->mnt_type, "cgroup2")) {
			if (strlen(m->mnt_dir) >= len)
				return -ENAMETOOLONG;
			strcpy(ret, m->mnt_dir);
			return 0;
		}
	return -ENOENT;
}

static int open_dir(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

int pb_cgroup_id(int dir, const char *name, uint64_t *ret)
{
	_cleanup_close_ int fd = open_dir(dir, name);
	struct statfs fs;
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstatfs(fd, &fs) || fstat(fd, &st))
		return -errno;
	if (fs.f_type != CGROUP2_MAGIC)
		return -EMEDIUMTYPE;
	*ret = st.st_ino;
	return 0;
}

int pb_cgroup_populated(int dir, const char *name)
{
	_cleanup_close_ int fd = open_dir(dir, name), events = -1;
	char text[EVENTS_MAX];
	ssize_t n;
	char *p;

	if (fd < 0)
		return fd;
	events = openat(fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	if (events < 0)
		return -errno;
	n = read(events, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	p = strstr(text, "populated ");
	return p ? p[strlen("populated ")] == '1' : -EPROTO;
}

unsigned pb_cgroup_pids(int dir, const char *name, unsigned max)
{
	_cleanup_close_ int fd = open_dir(dir, name);
	_cleanup_fclose_ FILE *f = NULL;
	unsigned n = 0;
	char line[32];
	int procs;

	if (fd < 0)
		return 0;
	procs = openat(fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	if (procs < 0)
		return 0;
	f = fdopen(procs, "r");
	if (!f) {
		close(procs);
		return 0;
	}
	while (n < max && fgets(line, sizeof(line), f))
		n++;
	return n;
}

int pb_cgroup_save(int dir, const char *name, const struct pb_app_rec *rec, int64_t since)
{
	_cleanup_close_ int fd = open_dir(dir, name);
	struct saved s = {
		.version = XATTR_VERSION,
		.uid = rec->uid,
		.since = since,
		.n_egress = rec->n_egress,
		.splice = rec->splice,
	};

	if (fd < 0)
		return fd;
	memcpy(s.egress, rec->egress, rec->n_egress * sizeof(s.egress[0]));
	return fsetxattr(fd, XATTR, &s, sizeof(s), 0) ? -errno : 0;
}

int pb_cgroup_restore(int dir, const char *name, struct pb_app_rec *rec, int64_t *ret_since)
{
	_cleanup_close_ int fd = open_dir(dir, name);
	struct saved s;

	if (fd < 0)
		return fd;
	if (fgetxattr(fd, XATTR, &s, sizeof(s)) != (ssize_t)sizeof(s) ||
	    s.version != XATTR_VERSION || s.n_egress > PB_EGRESS_ITEMS ||
	    s.splice >= PB_SPLICE_NEVER)
		return -ENODATA;
	*ret_since = s.since;
	rec->uid = s.uid;
	rec->n_egress = s.n_egress;
	rec->splice = (uint8_t)s.splice;
	memcpy(rec->egress, s.egress, sizeof(rec->egress));
	return 0;
}
