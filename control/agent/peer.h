/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who is at the other end of the control socket, and whose process a pidfd is. */
#ifndef PB_AGENT_PEER_H
#define PB_AGENT_PEER_H

#include <stdbool.h>
#include <sys/types.h>

#define PB_PEER_GROUPS 256

struct pb_caller {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	unsigned n_gids; /* primary group first */
	gid_t gids[PB_PEER_GROUPS + 1];
};

/* Supplementary groups beyond PB_PEER_GROUPS are an error: -E2BIG. */
int pb_peer_of(int sock, struct pb_caller *ret);

/* The process behind a pidfd.  -EBADF: not a pidfd; -ESRCH: it has ended or is of another pid
 * namespace. */
int pb_pidfd_pid(int pidfd, pid_t *ret);
/* Has the process not ended?  While true, its pid is not reused. */
bool pb_pidfd_alive(int pidfd);
int pb_pid_real_uid(pid_t pid, uid_t *ret);

#endif /* PB_AGENT_PEER_H */
