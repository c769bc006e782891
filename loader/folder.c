/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* BPFFS/patchbay: paths, owners, modes, and the lock that keeps a second agent out. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "control/util.h"
#include "internal.h"

#define STR_(x) #x
#define STR(x) STR_(x)

const char *pb_map_dir(void)
{
	return "v" STR(PB_ABI_VERSION);
}

char *pb_pin_path(const char *bpffs, const char *sub, const char *name)
{
	char *path = NULL;

	if (asprintf(&path, "%s/%s%s%s%s%s", bpffs ? bpffs : PB_BPFFS_DEFAULT, PB_PIN_DIR,
		     sub ? "/" : "", sub ? sub : "", name ? "/" : "", name ? name : "") < 0)
		return NULL;
	return path;
}

int pb_bpffs_check(const char *bpffs)
{
	const char *at = bpffs ? bpffs : PB_BPFFS_DEFAULT;
	struct statfs st;

	if (statfs(at, &st))
		return log_err(-errno, "cannot look at %s", at);
	if (st.f_type != BPF_FS_MAGIC) {
		pb_log(PB_LOG_ERR, "%s is not a bpffs: mount -t bpf bpf %s", at, at);
		return -ENODEV;
	}
	return 0;
}

/* Anybody may make a folder on a bpffs (mode 1777): one of another user is not ours. */
static int make_dir(const char *path, mode_t mode, gid_t group, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (mkdir(path, mode) && errno != EEXIST)
		return log_err(-errno, "cannot make %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return log_err(-errno, "cannot open %s", path);
	if (st.st_uid != geteuid()) {
		pb_log(PB_LOG_ERR, "%s belongs to uid %u: not used", path, st.st_uid);
		return -EPERM;
	}
	if (st.st_gid != group && fchown(fd, -1, group))
		return log_err(-errno, "cannot give %s to group %u", path, group);
	if ((st.st_mode & 07777) != mode && fchmod(fd, mode))
		return log_err(-errno, "cannot set the mode of %s", path);
	if (ret_fd)
		*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Who holds the flock on fd?  0 when it is not seen (another pid namespace, or just gone). */
static pid_t lock_holder(int fd)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/locks", "re");
	_cleanup_free_ char *line = NULL;
	struct stat st;
	size_t size = 0;

	if (!f || fstat(fd, &st))
		return 0;
	while (getline(&line, &size, f) > 0) {
		unsigned maj, min;
		unsigned long ino;
		int pid;

		if (sscanf(line, "%*s FLOCK %*s %*s %d %x:%x:%lu", &pid, &maj, &min, &ino) == 4 &&
		    ino == st.st_ino && maj == major(st.st_dev) && min == minor(st.st_dev))
			return pid;
	}
	return 0;
}

int pb_folder_open(const char *bpffs, gid_t group, int *ret_lock_fd, pid_t *ret_pid)
{
	_cleanup_free_ char *top = pb_pin_path(bpffs, NULL, NULL);
	_cleanup_free_ char *maps = pb_pin_path(bpffs, pb_map_dir(), NULL);
	_cleanup_free_ char *links = pb_pin_path(bpffs, PB_LINK_DIR, NULL);
	_cleanup_close_ int fd = -1;
	int err;

	if (!top || !maps || !links)
		return -ENOMEM;
	err = make_dir(top, 0710, group, &fd);
	if (err)
		return err;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		pid_t pid = lock_holder(fd);

		if (errno != EWOULDBLOCK)
			return log_err(-errno, "cannot lock %s", top);
		if (ret_pid)
			*ret_pid = pid;
		return -EBUSY;
	}
	err = make_dir(maps, 0710, group, NULL);
	if (!err)
		err = make_dir(links, 0700, group, NULL);
	if (err)
		return err;
	*ret_lock_fd = TAKE_FD(fd);
	return 0;
}

pid_t pb_loader_owner(const char *bpffs)
{
	_cleanup_free_ char *top = pb_pin_path(bpffs, NULL, NULL);
	_cleanup_close_ int fd = -1;

	if (!top)
		return 0;
	fd = open(top, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? 0 : lock_holder(fd);
}

/* pb_peers holds keys: no group reads it. */
static mode_t map_mode(const char *name)
{
	return strcmp(name, "pb_peers") ? 0640 : 0600;
}

int pb_folder_maps_mode(const char *bpffs, gid_t group)
{
	static const char *const names[] = {
#define PB_X(name, max) #name,
		PB_MAPS(PB_X)
#undef PB_X
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = pb_pin_path(bpffs, pb_map_dir(), names[i]);
		struct stat st;

		if (!path)
			return -ENOMEM;
		if (lstat(path, &st))
			return log_err(-errno, "cannot look at %s", path);
		if (st.st_gid != group && lchown(path, -1, group))
			return log_err(-errno, "cannot give %s to group %u", path, group);
		if ((st.st_mode & 07777) != map_mode(names[i]) && chmod(path, map_mode(names[i])))
			return log_err(-errno, "cannot set the mode of %s", path);
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void dir_closep(DIR **d)
{
	if (*d)
		closedir(*d);
}

void pb_pin_names_free(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

int pb_folder_list(const char *bpffs, const char *sub, char ***ret, size_t *ret_n)
{
	_cleanup_free_ char *path = pb_pin_path(bpffs, sub, NULL);
	_cleanup_(dir_closep) DIR *d = path ? opendir(path) : NULL;
	char **names = NULL;
	size_t n = 0;

	if (!path)
		return -ENOMEM;
	if (!d && errno != ENOENT)
		return -errno;
	for (struct dirent *e; d && (e = readdir(d));) {
		char **more;

		if (e->d_name[0] == '.')
			continue;
		more = reallocarray(names, n + 1, sizeof(*names));
		if (more)
			names = more;
		if (!more || !(names[n] = strdup(e->d_name))) {
			pb_pin_names_free(names, n);
			return -ENOMEM;
		}
		n++;
	}
	if (n)
		qsort(names, n, sizeof(*names), by_name);
	*ret = names;
	*ret_n = n;
	return 0;
}
