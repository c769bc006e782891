/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "privsep.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "util.h"

extern char **environ;

#define HELPER_TIMEOUT_S 2

static int exchange(struct pb_privsep *p, const struct iovec *iov, size_t n_iov, uint32_t seq,
		    struct pb_helper_rep *rep)
{
	struct msghdr m = { .msg_iov = (struct iovec *)iov, .msg_iovlen = n_iov };
	ssize_t n;

	if (sendmsg(p->fd, &m, MSG_NOSIGNAL) < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -EPIPE;
	do {
		n = recv(p->fd, rep, sizeof(*rep), 0);
		if (n < 0 && errno == EINTR) {
			rep->seq = seq - 1;
			continue;
		}
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -EPIPE;
		if (n != (ssize_t)sizeof(*rep))
			return -EPIPE;
	} while (rep->seq != seq);
	return rep->err;
}

static int ask(struct pb_privsep *p, enum pb_helper_op op, const char *name, pid_t pid)
{
	struct pb_helper_req q = { .seq = ++p->seq, .op = op, .pid = pid };
	struct iovec iov = { .iov_base = &q, .iov_len = sizeof(q) };
	struct pb_helper_rep rep;

	if (p->fd < 0)
		return -EPIPE;
	if (strlen(name) >= sizeof(q.name))
		return -ENAMETOOLONG;
	strcpy(q.name, name);
	return exchange(p, &iov, 1, q.seq, &rep);
}

/* What the child gets, copied above the numbers it gets there: dup2() clobbers none of them. */
struct fds {
	int from[3];
};

static void close_fds(struct fds *f)
{
	for (unsigned i = 0; i < ARRAY_SIZE(f->from); i++)
		pb_closep(&f->from[i]);
}

static int spawn_with(const char *helper, const char *name, const struct fds *f, pid_t *ret_pid)
{
	static const int to[] = { PB_HELPER_SOCK_FD, PB_HELPER_CGROUP_FD, PB_HELPER_PARENT_FD };
	char *argv[] = { (char *)"patchbay-helper", (char *)name, NULL };
	posix_spawn_file_actions_t fa;
	int err = posix_spawn_file_actions_init(&fa);

	if (err)
		return -err;
	for (unsigned i = 0; i < ARRAY_SIZE(to) && !err; i++)
		err = posix_spawn_file_actions_adddup2(&fa, f->from[i], to[i]);
	if (!err)
		err = posix_spawn(ret_pid, helper, &fa, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	return -err;
}

static int spawn_for(const char *helper, const char *cgroup, int sock, int cgroup_fd,
		     pid_t *ret_pid)
{
	char parent[PATH_MAX], name[PATH_MAX];
	_cleanup_close_ int dir = -1;
	_cleanup_(close_fds) struct fds f = { { -1, -1, -1 } };

	if (strlen(cgroup) >= sizeof(parent))
		return -ENAMETOOLONG;
	strcpy(parent, cgroup);
	strcpy(name, cgroup);
	dir = open(dirname(parent), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	f.from[0] = fcntl(sock, F_DUPFD_CLOEXEC, 10);
	f.from[1] = fcntl(cgroup_fd, F_DUPFD_CLOEXEC, 10);
	f.from[2] = fcntl(dir, F_DUPFD_CLOEXEC, 10);
	for (unsigned i = 0; i < ARRAY_SIZE(f.from); i++)
		if (f.from[i] < 0)
			return -EMFILE;
	return spawn_with(helper, basename(name), &f, ret_pid);
}

int pb_privsep_start(struct pb_privsep *p, const char *helper, const char *cgroup, int cgroup_fd)
{
	struct timeval tv = { .tv_sec = HELPER_TIMEOUT_S };
	_cleanup_close_ int ours = -1, theirs = -1;
	int pair[2], err;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	if (setsockopt(ours, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) ||
	    setsockopt(ours, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)))
		return -errno;
	err = spawn_for(helper, cgroup, theirs, cgroup_fd, &pid);
	if (err)
		return err;
	close(TAKE_FD(theirs));
	p->fd = TAKE_FD(ours);
	p->pid = pid;
	err = ask(p, PB_HELPER_PING, "", 0);
	if (err)
		pb_privsep_stop(p);
	return err;
}

void pb_privsep_stop(struct pb_privsep *p)
{
	if (p->fd < 0)
		return;
	close(p->fd);
	p->fd = -1;
	/* it ends at end of file by itself; a stuck one must not hold the agent up */
	waitpid(p->pid, NULL, WNOHANG);
}

bool pb_privsep_alive(struct pb_privsep *p)
{
	return !ask(p, PB_HELPER_PING, "", 0);
}

int pb_privsep_root(struct pb_privsep *p)
{
	return ask(p, PB_HELPER_ROOT, "", 0);
}

int pb_privsep_mkdir(struct pb_privsep *p, const char *name)
{
	return ask(p, PB_HELPER_MKDIR, name, 0);
}

int pb_privsep_rmdir(struct pb_privsep *p, const char *name)
{
	return ask(p, PB_HELPER_RMDIR, name, 0);
}

int pb_privsep_move(struct pb_privsep *p, const char *name, pid_t pid)
{
	return ask(p, PB_HELPER_MOVE, name, pid);
}

int pb_privsep_destroy(struct pb_privsep *p, uint64_t netns, const struct pb_sockdiag_id *sock,
		       uint32_t n, uint64_t ret_done[PB_HELPER_SOCKS / 64])
{
	struct pb_helper_req q = { .seq = ++p->seq, .op = PB_HELPER_DESTROY };
	struct pb_helper_kill k = { .netns = netns, .n = n };
	struct iovec iov[] = { { &q, sizeof(q) },
			       { &k, offsetof(struct pb_helper_kill, sock) },
			       { (void *)sock, n * sizeof(*sock) } };
	struct pb_helper_rep rep;
	int err;

	if (p->fd < 0)
		return -EPIPE;
	if (!n || n > PB_HELPER_SOCKS)
		return -EINVAL;
	err = exchange(p, iov, ARRAY_SIZE(iov), q.seq, &rep);
	if (!err)
		memcpy(ret_done, rep.done, sizeof(rep.done));
	return err;
}
