/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The agent's side of patchbay-helper: the few acts that need more than the
 * agent's capabilities.  One fixed-size request, one answer, over a
 * SOCK_SEQPACKET pair; the helper ends when the agent's end closes.
 */
#ifndef PB_AGENT_PRIVSEP_H
#define PB_AGENT_PRIVSEP_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "sockdiag.h"

#define PB_HELPER_SOCK_FD 3
#define PB_HELPER_CGROUP_FD 4
#define PB_HELPER_PARENT_FD 5 /* of the managed cgroup, whose own name is argv[1] */
#define PB_SCOPE_NAME_LEN 96  /* name, '-', eight hex digits */

enum pb_helper_op {
	PB_HELPER_MKDIR = 1, /* name: makes the scope */
	PB_HELPER_RMDIR,     /* name: removes it and the empty cgroups below it */
	PB_HELPER_MOVE,	     /* pid into name */
	PB_HELPER_ROOT,	     /* makes the managed cgroup again, and works in it from now on */
	PB_HELPER_PING,
	PB_HELPER_DESTROY, /* sockets of another network namespace: struct pb_helper_kill follows */
};

struct pb_helper_req {
	uint32_t seq;
	uint32_t op;
	int32_t pid;
	char name[PB_SCOPE_NAME_LEN];
};

/* Follows a request to destroy, cut after sock[n - 1]. */
#define PB_HELPER_SOCKS 128
struct pb_helper_kill {
	uint64_t netns; /* cookie of the namespace; any process may be in it */
	uint32_t n;	/* 1..PB_HELPER_SOCKS */
	uint32_t pad;
	struct pb_sockdiag_id sock[PB_HELPER_SOCKS];
};

struct pb_helper_rep {
	uint32_t seq; /* of the request: an answer that came too late is not mistaken */
	int32_t err;  /* 0 or a negative errno */
	uint64_t done[PB_HELPER_SOCKS / 64]; /* bit i: sock[i] was destroyed */
};

/* One path component, NUL inside the field, nothing that leaves the folder. */
static inline bool pb_scope_name_ok(const char name[PB_SCOPE_NAME_LEN])
{
	size_t n = strnlen(name, PB_SCOPE_NAME_LEN);

	if (!n || n == PB_SCOPE_NAME_LEN || name[0] == '.')
		return false;
	for (size_t i = 0; i < n; i++)
		if (name[i] == '/' || (unsigned char)name[i] <= ' ' || name[i] == 127)
			return false;
	return true;
}

struct pb_privsep {
	int fd; /* -1: not running */
	pid_t pid;
	uint32_t seq;
};

/* @cgroup: the folder the helper works in, also open as @cgroup_fd, borrowed.  The helper has
 * answered a ping when this returns. */
int pb_privsep_start(struct pb_privsep *p, const char *helper, const char *cgroup, int cgroup_fd);
void pb_privsep_stop(struct pb_privsep *p);
bool pb_privsep_alive(struct pb_privsep *p);

/* -EPIPE: the helper has ended; -ETIMEDOUT: no answer within two seconds. */
int pb_privsep_root(struct pb_privsep *p);
int pb_privsep_mkdir(struct pb_privsep *p, const char *name);
int pb_privsep_rmdir(struct pb_privsep *p, const char *name);
int pb_privsep_move(struct pb_privsep *p, const char *name, pid_t pid);
/* Sockets of the namespace with that cookie; bits of @ret_done: which are gone now.  Those that were
 * gone before are no error.  -ENOENT: no process is in that namespace; -EPERM: the helper may not. */
int pb_privsep_destroy(struct pb_privsep *p, uint64_t netns, const struct pb_sockdiag_id *sock,
		       uint32_t n, uint64_t ret_done[PB_HELPER_SOCKS / 64]);

/* ---- helper_netns.c: in the helper ---- */
/* Did a message of @bytes hold that many?  Fills @rep->done; 0 or a negative errno. */
int pb_helper_destroy(const struct pb_helper_kill *k, size_t bytes, struct pb_helper_rep *rep);

#endif /* PB_AGENT_PRIVSEP_H */
