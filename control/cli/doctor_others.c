/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who else takes part: other programs on the same hooks, other resolvers. */
#include "doctor.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../util.h"

#define PROGS_MAX 64 /* the kernel's limit a hook and cgroup */

static const struct {
	enum bpf_attach_type type;
	const char *name;
} hooks[] = {
	{ BPF_CGROUP_INET4_BIND, "bind4" },
	{ BPF_CGROUP_INET6_BIND, "bind6" },
	{ BPF_CGROUP_INET4_CONNECT, "connect4" },
	{ BPF_CGROUP_INET6_CONNECT, "connect6" },
	{ BPF_CGROUP_UDP4_SENDMSG, "sendmsg4" },
	{ BPF_CGROUP_UDP6_SENDMSG, "sendmsg6" },
	{ BPF_CGROUP_UDP4_RECVMSG, "recvmsg4" },
	{ BPF_CGROUP_UDP6_RECVMSG, "recvmsg6" },
	{ BPF_CGROUP_INET4_GETPEERNAME, "getpeername4" },
	{ BPF_CGROUP_INET6_GETPEERNAME, "getpeername6" },
	{ BPF_CGROUP_INET4_GETSOCKNAME, "getsockname4" },
	{ BPF_CGROUP_INET6_GETSOCKNAME, "getsockname6" },
	{ BPF_CGROUP_INET_SOCK_CREATE, "sock_create" },
	{ BPF_CGROUP_SOCK_OPS, "sockops" },
};

static bool ours(uint32_t id)
{
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(id);
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) && !strncmp(info.name, "pb_", 3);
}

/* False: the kernel does not tell. */
static bool look_at_hook(struct doctor *d, int cgroup, const char *path, size_t hook, bool ancestor,
			 unsigned *ret_foreign)
{
	uint32_t ids[PROGS_MAX], n = PROGS_MAX, flags = 0;
	unsigned foreign = 0;

	if (bpf_prog_query(cgroup, hooks[hook].type, 0, &flags, ids, &n))
		return errno != EPERM;
	for (uint32_t i = 0; i < n; i++)
		foreign += !ours(ids[i]);
	*ret_foreign += foreign;
	if (ancestor && n && !(flags & (BPF_F_ALLOW_MULTI | BPF_F_ALLOW_OVERRIDE)))
		doctor_say(d, "foreign", DOCTOR_FAIL,
			   "attach that program with BPF_F_ALLOW_MULTI, or move Patchbay's cgroup",
			   "a program on %s of %s forbids any below it: Patchbay cannot attach",
			   hooks[hook].name, path);
	return true;
}

static bool look_at_cgroup(struct doctor *d, const char *path, bool ancestor)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned foreign = 0;

	if (fd < 0)
		return true; /* Patchbay's own need not exist yet */
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
		if (!look_at_hook(d, fd, path, i, ancestor, &foreign))
			return false;
	if (foreign)
		doctor_say(
			d, "foreign", DOCTOR_WARN,
			ancestor
				? "none if it leaves addresses alone: it runs after Patchbay's and "
				  "sees real addresses"
				: "see 'bpftool cgroup tree' for who attached it",
			"%u programs of others are on socket hooks of %s", foreign, path);
	return true;
}

void doctor_foreign(struct doctor *d)
{
	unsigned before = d->warned + d->failed;
	char path[PATH_MAX], *slash;
	bool told;

	if (!*d->managed || strncmp(d->managed, d->cgroup2, strlen(d->cgroup2)))
		return; /* said by "cgroup2" */
	snprintf(path, sizeof(path), "%s", d->managed);
	told = look_at_cgroup(d, path, false);
	while (told && strlen(path) > strlen(d->cgroup2) && (slash = strrchr(path, '/'))) {
		*slash = '\0';
		told = look_at_cgroup(d, path, true);
	}
	if (!told)
		doctor_say(d, "foreign", DOCTOR_WARN, "run 'patchbay doctor' as root",
			   "the kernel does not tell you which programs are attached");
	else if (before == d->warned + d->failed)
		doctor_say(d, "foreign", DOCTOR_OK, NULL,
			   "no programs of others on the socket hooks of %s and above", d->managed);
}

/* Does nsswitch.conf ask systemd-resolved directly, past DNS? */
static bool nss_resolve(void)
{
	_cleanup_fclose_ FILE *f = fopen("/etc/nsswitch.conf", "re");
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "#\n")] = '\0';
		if (!strncmp(line, "hosts:", 6) && strstr(line, " resolve"))
			return true;
	}
	return false;
}

static bool is_socket(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISSOCK(st.st_mode);
}

void doctor_names(struct doctor *d)
{
	if (is_socket("/run/nscd/socket"))
		doctor_say(
			d, "names", DOCTOR_WARN,
			"switch its hosts cache off: 'enable-cache hosts no' in /etc/nscd.conf",
			"nscd resolves names for programs, outside Patchbay: names inside are unknown to it");
	else if (is_socket("/run/systemd/resolve/io.systemd.Resolve") && nss_resolve())
		doctor_say(
			d, "names", DOCTOR_WARN,
			"put 'dns' in place of 'resolve' on the line hosts: of /etc/nsswitch.conf",
			"nss-resolve asks systemd-resolved past DNS: names inside are unknown to it");
	else
		doctor_say(
			d, "names", DOCTOR_OK, NULL,
			"programs resolve by DNS; those that use DNS over HTTPS or TLS do not see names inside");
}
