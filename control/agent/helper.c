/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * patchbay-helper: makes and removes scopes below one cgroup, moves a process
 * into one, and destroys sockets of other network namespaces, for an agent that
 * has given up the right to.  Started by patchbayd with its socket on fd 3, the
 * cgroup's folder on fd 4 and its parent's on fd 5; ends when the agent's end
 * closes.  Nothing else belongs in here (docs/SECURITY.md).
 */
#include <cap-ng.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include "privsep.h"
#include "util.h"

#define CGROUP2_MAGIC 0x63677270
#define DEPTH_MAX 8 /* cgroups that a program left below its scope */

static int open_scope(int dir, const char *name)
{
	int fd = openat(dir, name, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_RDONLY);

	return fd < 0 ? -errno : fd;
}

static int do_mkdir(const char *name)
{
	_cleanup_close_ int fd = -1;

	if (mkdirat(PB_HELPER_CGROUP_FD, name, 0755))
		return -errno;
	fd = open_scope(PB_HELPER_CGROUP_FD, name);
	if (fd < 0)
		return fd;
	/* the umask is not ours to trust */
	return fchmod(fd, 0755) ? -errno : 0;
}

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* Children first.  The kernel refuses a cgroup that holds a process: no check here could race. */
static int remove_tree(int dir, const char *name, int depth)
{
	_cleanup_(closedirp) DIR *d = NULL;
	struct dirent *e;
	int fd;

	if (!unlinkat(dir, name, AT_REMOVEDIR))
		return 0;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return -errno;
	if (depth == DEPTH_MAX)
		return -ELOOP;
	fd = open_scope(dir, name);
	if (fd < 0)
		return fd;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return -ENOMEM;
	}
	while ((e = readdir(d))) {
		int err;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		err = remove_tree(dirfd(d), e->d_name, depth + 1);
		if (err)
			return err;
	}
	return unlinkat(dir, name, AT_REMOVEDIR) ? -errno : 0;
}

static int do_move(const char *name, pid_t pid)
{
	_cleanup_close_ int scope = -1, procs = -1;
	char text[16];
	int len;

	if (pid <= 1 || pid == getpid() || pid == getppid())
		return -EINVAL;
	scope = open_scope(PB_HELPER_CGROUP_FD, name);
	if (scope < 0)
		return scope;
	procs = openat(scope, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (procs < 0)
		return -errno;
	len = snprintf(text, sizeof(text), "%d", pid);
	return write(procs, text, (size_t)len) == len ? 0 : -errno;
}

/* The managed cgroup was removed, which the agent cannot undo: its parent may be mode 0555. */
static int do_root(const char *base)
{
	_cleanup_close_ int fd = -1;

	if (mkdirat(PB_HELPER_PARENT_FD, base, 0755) && errno != EEXIST)
		return -errno;
	fd = open_scope(PB_HELPER_PARENT_FD, base);
	if (fd < 0)
		return fd;
	if (fchmod(fd, 0755) || dup3(fd, PB_HELPER_CGROUP_FD, O_CLOEXEC) < 0)
		return -errno;
	return 0;
}

static int serve(const struct pb_helper_req *q, const char *base)
{
	if (q->op == PB_HELPER_PING)
		return 0;
	if (q->op == PB_HELPER_ROOT)
		return do_root(base);
	if (!pb_scope_name_ok(q->name))
		return -EINVAL;
	switch (q->op) {
	case PB_HELPER_MKDIR: return do_mkdir(q->name);
	case PB_HELPER_RMDIR: return remove_tree(PB_HELPER_CGROUP_FD, q->name, 0);
	case PB_HELPER_MOVE: return do_move(q->name, q->pid);
	default: return -ENOSYS;
	}
}

/* In force: CAP_DAC_OVERRIDE, for the folder may belong to another user than the agent's.  In
 * reserve: what it takes to enter another network namespace (helper_netns.c). */
static void drop_capabilities(void)
{
	static const unsigned keep[] = { CAP_DAC_OVERRIDE, CAP_NET_ADMIN, CAP_SYS_ADMIN,
					 CAP_SYS_PTRACE };
	bool have[ARRAY_SIZE(keep)], bounding;

	if (capng_get_caps_process())
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(keep); i++)
		have[i] = capng_have_capability(CAPNG_PERMITTED, keep[i]);
	bounding = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	capng_clear(CAPNG_SELECT_BOTH);
	for (unsigned i = 0; i < ARRAY_SIZE(keep); i++)
		if (have[i])
			capng_update(CAPNG_ADD, CAPNG_PERMITTED | CAPNG_BOUNDING_SET, keep[i]);
	if (have[0])
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE, keep[0]);
	capng_apply(bounding ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* One message: a request, and what may follow it. */
struct message {
	struct pb_helper_req q;
	struct pb_helper_kill kill;
};

/* 1: served; 0: the agent has ended; -errno. */
static int turn(const char *base)
{
	static struct message m;
	struct iovec iov[] = { { &m.q, sizeof(m.q) }, { &m.kill, sizeof(m.kill) } };
	struct msghdr h = { .msg_iov = iov, .msg_iovlen = ARRAY_SIZE(iov) };
	struct pb_helper_rep rep = { 0 };
	ssize_t n = recvmsg(PB_HELPER_SOCK_FD, &h, 0);

	if (n < 0)
		return errno == EINTR ? 1 : -errno;
	if (!n)
		return 0;
	if (n < (ssize_t)sizeof(m.q) || (h.msg_flags & MSG_TRUNC) ||
	    (n > (ssize_t)sizeof(m.q) && m.q.op != PB_HELPER_DESTROY))
		return -EBADMSG;
	rep.seq = m.q.seq;
	if (m.q.op == PB_HELPER_DESTROY)
		rep.err = pb_helper_destroy(&m.kill, (size_t)n - sizeof(m.q), &rep);
	else
		rep.err = serve(&m.q, base);
	return send(PB_HELPER_SOCK_FD, &rep, sizeof(rep), MSG_NOSIGNAL) < 0 ? -errno : 1;
}

int main(int argc, char **argv)
{
	struct statfs fs;
	int r;

	if (argc != 2 || fstatfs(PB_HELPER_CGROUP_FD, &fs) || fs.f_type != CGROUP2_MAGIC) {
		fputs("patchbay-helper is started by patchbayd, not by hand\n", stderr);
		return 2;
	}
	/* ^C in the agent's terminal is the agent's affair */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	drop_capabilities();
	do
		r = turn(argv[1]);
	while (r > 0);
	return r ? 1 : 0;
}
