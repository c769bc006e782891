/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The other end of a veth.  Its namespace is known by a number only; which one that is, files tell that
 * stand for namespaces: those of ip(8) and containers, and of every process.
 */
#include "doctor_device.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <sched.h>

#include "../util.h"

static int read_id(const struct nlmsghdr *h, void *arg)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, h, sizeof(struct rtgenmsg)) if (mnl_attr_get_type(a) == NETNSA_NSID) *
		(int *)arg = (int)mnl_attr_get_u32(a);
	return MNL_CB_STOP;
}

/* The number that the namespace of @fd has here; -1: none. */
static int number_of(struct mnl_socket *nl, int fd)
{
	char buf[1024];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct rtgenmsg *g;
	int id = -1;
	ssize_t n;

	h->nlmsg_type = RTM_GETNSID;
	h->nlmsg_flags = NLM_F_REQUEST;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->rtgen_family = AF_UNSPEC;
	mnl_attr_put_u32(h, NETNSA_FD, (uint32_t)fd);
	if (mnl_socket_sendto(nl, h, h->nlmsg_len) < 0)
		return -1;
	n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	if (n < 0 || mnl_cb_run(buf, (size_t)n, 0, 0, read_id, &id) < 0)
		return -1;
	return id;
}

static int try_file(struct mnl_socket *nl, const char *path, int want)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || number_of(nl, fd) != want)
		return -1;
	return TAKE_FD(fd);
}

/* DIR/NAME, or DIR/PID/ns/net. */
static int try_dir(struct mnl_socket *nl, const char *dir, bool procs, int want,
		   char where[PATH_MAX])
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int fd = -1;

	while (d && fd < 0 && (e = readdir(d))) {
		if (*e->d_name == '.' || (procs && !isdigit((unsigned char)*e->d_name)))
			continue;
		snprintf(where, PATH_MAX, "%s/%s%s", dir, e->d_name, procs ? "/ns/net" : "");
		fd = try_file(nl, where, want);
	}
	if (d)
		closedir(d);
	return fd;
}

static int open_netns(int number, char where[PATH_MAX])
{
	static const char *const dirs[] = { "/run/netns", "/run/docker/netns", "/proc" };
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int fd = -1;

	if (!nl)
		return -1;
	if (!mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID))
		for (size_t i = 0; i < ARRAY_SIZE(dirs) && fd < 0; i++)
			fd = try_dir(nl, dirs[i], !strcmp(dirs[i], "/proc"), number, where);
	mnl_socket_close(nl);
	return fd;
}

static void look(struct doctor_device *v, const struct pb_addr *addr, enum pb_mcd_tri *ret_has)
{
	if (addr)
		*ret_has = doctor_has_addr(addr, NULL);
	else
		v->peer_seen = !pb_mcd_look(v->dev.peer, &v->peer);
}

void doctor_device_peer(struct doctor_device *v, const struct pb_addr *addr,
			enum pb_mcd_tri *ret_has)
{
	_cleanup_close_ int here = -1, there = -1;

	v->unseen = "the kernel does not say where it is";
	if (v->dev.peer_netns == PB_MCD_NO_PEER)
		return;
	if (v->dev.peer_netns == PB_MCD_SAME_NETNS) {
		look(v, addr, ret_has);
		return;
	}
	here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	there = open_netns(v->dev.peer_netns, v->where);
	if (there < 0) {
		v->where[0] = '\0';
		v->unseen = "it is in a network namespace that no file and no process here shows";
		return;
	}
	if (here < 0 || setns(there, CLONE_NEWNET)) {
		v->unseen = "it is in another network namespace, which only root may enter";
		return;
	}
	look(v, addr, ret_has);
	if (setns(here, CLONE_NEWNET))
		abort(); /* nothing after this may be done in the wrong place */
}
