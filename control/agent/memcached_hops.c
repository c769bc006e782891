/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The devices by which servers are reached: programs cannot ask where the host forwards nothing. */
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include <patchbay/addr.h>

#include "memcached_internal.h"
#include "util.h"

static void mnl_closep(struct mnl_socket **s)
{
	if (*s)
		mnl_socket_close(*s);
}

static struct nlmsghdr *question(char *buf, const struct pb_addr *to)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	bool v4 = pb_addr_is_v4(to);
	struct rtmsg *rtm;

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = v4 ? AF_INET : AF_INET6;
	rtm->rtm_dst_len = v4 ? 32 : 128;
	if (v4)
		mnl_attr_put_u32(nlh, RTA_DST, to->w[3]);
	else
		mnl_attr_put(nlh, RTA_DST, sizeof(*to), to);
	return nlh;
}

static int on_attr(const struct nlattr *attr, void *arg)
{
	if (mnl_attr_get_type(attr) == RTA_OIF && !mnl_attr_validate(attr, MNL_TYPE_U32))
		*(uint32_t *)arg = mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

static int on_answer(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_type == RTM_NEWROUTE && rtm->rtm_type == RTN_UNICAST)
		mnl_attr_parse(nlh, sizeof(*rtm), on_attr, arg);
	return MNL_CB_STOP;
}

/* 0: not by a device; the host's own stack knows. */
static uint32_t device_to(struct mnl_socket *nl, const struct pb_addr *to)
{
	char buf[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *nlh = question(buf, to);
	uint32_t ifindex = 0;
	ssize_t n;

	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return 0;
	n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	if (n > 0)
		mnl_cb_run(buf, (size_t)n, 0, 0, on_answer, &ifindex);
	return ifindex;
}

bool mc_hops(struct mc_run *r)
{
	_cleanup_(mnl_closep) struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	bool changed = false;

	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		return false;
	for (unsigned i = 0; i < r->m->n_servers; i++) {
		struct mct_server *v = &r->m->server[i];
		uint32_t ifindex = v->used ? device_to(nl, &v->addr) : 0;

		changed |= ifindex != v->ifindex;
		v->ifindex = ifindex;
	}
	return changed;
}
