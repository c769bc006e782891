/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the cgroup hooks cannot see is closed before exec: sockets made before
 * the program joined, raw sockets, and the families without a hook.
 */
#include "run.h"

#include <cap-ng.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "../util.h"
#include "cli.h"

static int fail(struct run_failure *f, int err, const char *text)
{
	f->code = CLI_RUN_FAILED;
	f->err = -err;
	snprintf(f->text, sizeof(f->text), "%s: %s", text, strerror(-err));
	return err;
}

/* ---- inherited sockets ---- */

static const char *family_name(int family, int type)
{
	switch (family) {
	case AF_INET:
	case AF_INET6:
		return type == SOCK_STREAM ? "a TCP" : type == SOCK_DGRAM ? "a UDP" : "a raw";
	case AF_PACKET: return "a packet";
	case AF_VSOCK: return "a vsock";
	default: return NULL; /* not the network */
	}
}

static void look_at(int fd, bool keep)
{
	int family = 0, type = 0;
	socklen_t len = sizeof(family);
	const char *name;
	bool close_it;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len))
		return;
	len = sizeof(type);
	getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
	name = family_name(family, type);
	if (!name)
		return;
	close_it = !keep && fd > STDERR_FILENO;
	if (close_it && fcntl(fd, F_SETFD, FD_CLOEXEC))
		return;
	fprintf(stderr,
		"patchbay: fd %d is %s socket made before the program joined: it is not managed%s\n",
		fd, name, close_it ? " and is closed (--keep-fds passes it on)" : "");
}

int run_close_foreign_sockets(bool keep)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		int fd = atoi(e->d_name), flags;

		if (e->d_name[0] == '.' || fd == dirfd(d))
			continue;
		flags = fcntl(fd, F_GETFD);
		if (flags >= 0 && !(flags & FD_CLOEXEC))
			look_at(fd, keep);
	}
	closedir(d);
	return 0;
}

/* ---- CAP_NET_RAW ---- */

int run_drop_raw(struct run_failure *f)
{
	capng_select_t set = CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT;

	if (capng_get_caps_process())
		return fail(f, -EPERM, "cannot read the capabilities");
	/* Without CAP_SETPCAP the bounding set stays; no_new_privs then bars the way back. */
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		set |= CAPNG_SELECT_BOUNDS;
	capng_update(CAPNG_DROP,
		     CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE | CAPNG_BOUNDING_SET |
			     CAPNG_AMBIENT,
		     CAP_NET_RAW);
	if (capng_apply(set))
		return fail(f, -EPERM, "cannot drop CAP_NET_RAW");
	return 0;
}

/* ---- socket families ---- */

/* Inclusive gaps between the families that stay: unix 1, inet 2, inet6 10, netlink 16. */
static const struct {
	unsigned from, to;
} refused[] = { { 0, 0 }, { 3, 9 }, { 11, 15 } };

_Static_assert(AF_UNIX == 1 && AF_INET == 2 && AF_INET6 == 10 && AF_NETLINK == 16,
	       "the gaps are made for these numbers");

static int refuse_families(scmp_filter_ctx ctx, int call)
{
	int err;

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		for (unsigned n = refused[i].from; n <= refused[i].to; n++) {
			err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), call, 1,
					       SCMP_A0(SCMP_CMP_EQ, n));
			if (err)
				return err;
		}
	}
	/* Also every number with bits above the 32 the kernel reads. */
	return seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), call, 1,
				SCMP_A0(SCMP_CMP_GT, AF_NETLINK));
}

/* The other ways into the same kernel.  -EEXIST: the native one. */
static int add_arches(scmp_filter_ctx ctx)
{
	static const uint32_t others[][2] = {
		{ SCMP_ARCH_X86_64, SCMP_ARCH_X86 },
		{ SCMP_ARCH_X86_64, SCMP_ARCH_X32 },
		{ SCMP_ARCH_AARCH64, SCMP_ARCH_ARM },
		{ SCMP_ARCH_S390X, SCMP_ARCH_S390 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		int err;

		if (seccomp_arch_native() != others[i][0])
			continue;
		err = seccomp_arch_add(ctx, others[i][1]);
		if (err && err != -EEXIST)
			return err;
	}
	return 0;
}

static void seccomp_freep(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

static int load_filter(bool privileged, int (*rules)(scmp_filter_ctx ctx))
{
	_cleanup_(seccomp_freep) scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int err;

	if (!ctx)
		return -ENOMEM;
	/* Where the privilege is there, setuid programs keep working below us. */
	err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, !privileged);
	if (!err)
		err = add_arches(ctx);
	if (!err)
		err = rules(ctx);
	return err ? err : seccomp_load(ctx);
}

static int families(scmp_filter_ctx ctx)
{
	int err = refuse_families(ctx, SCMP_SYS(socket));

	return err ? err : refuse_families(ctx, SCMP_SYS(socketpair));
}

static int no_splice(scmp_filter_ctx ctx)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(splice), 0);
}

/*
 * socketcall(2) of 32-bit x86 keeps its arguments in memory a filter cannot
 * read, so its SYS_SOCKET and SYS_SOCKETPAIR (1 and 8, linux/net.h) are refused
 * as a whole.  A filter of its own: in one with several architectures
 * libseccomp 2.5.4 makes code that skips the other rules.
 */
static int load_socketcall(bool privileged)
{
	static const unsigned calls[] = { 1, 8 };
	_cleanup_(seccomp_freep) scmp_filter_ctx ctx = NULL;
	int err;

	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		return 0;
	ctx = seccomp_init(SCMP_ACT_ALLOW);
	if (!ctx)
		return -ENOMEM;
	err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, !privileged);
	if (!err)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW);
	if (!err)
		err = seccomp_arch_add(ctx, SCMP_ARCH_X86);
	if (!err)
		err = seccomp_arch_remove(ctx, SCMP_ARCH_NATIVE);
	for (size_t i = 0; !err && i < ARRAY_SIZE(calls); i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socketcall), 1,
				       SCMP_A0(SCMP_CMP_EQ, calls[i]));
	return err ? err : seccomp_load(ctx);
}

static bool may_filter(void)
{
	return !capng_get_caps_process() && capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN);
}

int run_refuse_splice(struct run_failure *f)
{
	int err = load_filter(may_filter(), no_splice);

	return err ? fail(f, err, "cannot install the filter of splice(2)") : 0;
}

int run_limit_families(struct run_failure *f)
{
	bool privileged = may_filter();
	int err = load_filter(privileged, families);

	if (!err)
		err = load_socketcall(privileged);
	return err ? fail(f, err, "cannot install the socket family filter") : 0;
}

/* ---- user ---- */

int run_become(const struct run_user *u, struct run_failure *f)
{
	if (initgroups(u->name, u->gid))
		return fail(f, -errno, "cannot take the groups of the user");
	if (setresgid(u->gid, u->gid, u->gid))
		return fail(f, -errno, "cannot take the group of the user");
	if (setresuid(u->uid, u->uid, u->uid))
		return fail(f, -errno, "cannot become the user");
	/* A kernel or a security module that left a way back must not go unnoticed. */
	if (u->uid && (!setuid(0) || !seteuid(0) || getuid() != u->uid))
		return fail(f, -EPERM, "the change of user could be undone");
	setenv("USER", u->name, 1);
	setenv("LOGNAME", u->name, 1);
	setenv("HOME", u->home, 1);
	return 0;
}
