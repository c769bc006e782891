/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * patchbay-helper in other network namespaces.  All it does there is to destroy sockets that are
 * named by their cookies.  An agent that was taken over gains nothing by it that CAP_BPF and
 * CAP_NET_ADMIN do not give it already: its cgroup programs see every packet of those sockets.
 */
#include <cap-ng.h>
#include <dirent.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "privsep.h"
#include "util.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define NAMESPACES_MAX 4096 /* distinct ones that are looked into */

/* CAP_SYS_PTRACE opens /proc/PID/ns/net, CAP_SYS_ADMIN enters, CAP_NET_ADMIN destroys. */
static void raise_capabilities(bool on)
{
	static const unsigned need[] = { CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_SYS_PTRACE };

	if (capng_get_caps_process())
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(need); i++)
		if (capng_have_capability(CAPNG_PERMITTED, need[i]))
			capng_update(on ? CAPNG_ADD : CAPNG_DROP, CAPNG_EFFECTIVE, need[i]);
	capng_apply(CAPNG_SELECT_CAPS);
}

static uint64_t cookie_here(void)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len))
		return 0;
	return cookie;
}

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static bool away; /* from the agent's namespace */

struct seen {
	ino_t ino[NAMESPACES_MAX];
	size_t n;
};

/* 1: not looked into yet. */
static int is_new(struct seen *s, ino_t ino)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->ino[i] == ino)
			return 0;
	if (s->n == ARRAY_SIZE(s->ino))
		return 0;
	s->ino[s->n++] = ino;
	return 1;
}

/* Goes where the process @pid is.  1: that is the namespace. */
static int try_process(int proc, const char *pid, uint64_t cookie, struct seen *seen)
{
	char name[64];
	struct stat st;
	_cleanup_close_ int fd = -1;

	snprintf(name, sizeof(name), "%.16s/ns/net", pid);
	if (fstatat(proc, name, &st, 0) || !is_new(seen, st.st_ino))
		return 0;
	fd = openat(proc, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		return 0;
	away = true;
	return cookie_here() == cookie;
}

/* Into the namespace with that cookie, by way of some process that is in it. */
static int enter(uint64_t cookie)
{
	static struct seen seen;
	_cleanup_(closedirp) DIR *d = opendir("/proc");
	struct dirent *e;

	seen.n = 0;
	if (!d)
		return -errno;
	while ((e = readdir(d)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' &&
		    try_process(dirfd(d), e->d_name, cookie, &seen) > 0)
			return 0;
	/* Not even once: the agent was started again and has no more to give. */
	return away ? -ENOENT : -EPERM;
}

static int destroy_here(const struct pb_helper_kill *k, struct pb_helper_rep *rep)
{
	struct mnl_socket *nl = pb_sockdiag_open();
	int err = nl ? 0 : -errno;

	for (uint32_t i = 0; !err && i < k->n; i++) {
		err = pb_sockdiag_destroy(nl, &k->sock[i]);
		if (!err)
			rep->done[i / 64] |= 1ULL << i % 64;
		else if (err != -EPERM && err != -EOPNOTSUPP)
			err = 0; /* that one has gone by itself, or changed */
	}
	if (nl)
		mnl_socket_close(nl);
	return err;
}

int pb_helper_destroy(const struct pb_helper_kill *k, size_t bytes, struct pb_helper_rep *rep)
{
	_cleanup_close_ int home = -1;
	int err;

	if (bytes < offsetof(struct pb_helper_kill, sock) || !k->n || k->n > PB_HELPER_SOCKS ||
	    bytes != offsetof(struct pb_helper_kill, sock) + k->n * sizeof(k->sock[0]) || !k->netns)
		return -EINVAL;
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0)
		return -errno;
	raise_capabilities(true);
	err = enter(k->netns);
	if (!err)
		err = destroy_here(k, rep);
	if (away && setns(home, CLONE_NEWNET))
		_exit(1); /* never serve from the wrong place */
	away = false;
	raise_capabilities(false);
	return err;
}
