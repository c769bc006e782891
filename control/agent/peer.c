/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "peer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "util.h"

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

int pb_peer_of(int sock, struct pb_caller *ret)
{
	struct ucred c;
	socklen_t len = sizeof(c);
	struct pb_caller p = { 0 };

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &c, &len))
		return -errno;
	p.uid = c.uid;
	p.gid = c.gid;
	p.pid = c.pid;
	p.gids[0] = c.gid;
	len = PB_PEER_GROUPS * sizeof(gid_t);
	if (getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, p.gids + 1, &len))
		return errno == ERANGE ? -E2BIG : -errno;
	p.n_gids = 1 + (unsigned)(len / sizeof(gid_t));
	*ret = p;
	return 0;
}

/* First line "KEY:\t<number>" of a file below /proc. */
static int proc_number(const char *path, const char *key, long *ret)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	size_t n = strlen(key);
	char line[256];

	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, n) && line[n] == ':') {
			*ret = strtol(line + n + 1, NULL, 10);
			return 0;
		}
	return -ENODATA;
}

int pb_pidfd_pid(int pidfd, pid_t *ret)
{
	char path[64];
	long pid;
	int err;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	err = proc_number(path, "Pid", &pid);
	if (err)
		return err == -ENODATA ? -EBADF : err;
	if (pid <= 0)
		return -ESRCH;
	*ret = (pid_t)pid;
	return 0;
}

bool pb_pidfd_alive(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

int pb_pid_real_uid(pid_t pid, uid_t *ret)
{
	char path[64];
	long uid;
	int err;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	err = proc_number(path, "Uid", &uid);
	if (err)
		return err == -ENOENT ? -ESRCH : err;
	*ret = (uid_t)uid;
	return 0;
}
