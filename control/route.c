/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "route.h"

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "registry/registry.h"
#include "util.h"

#define METRIC 0x7fff
#define PROTOCOL 80 /* a number that no routing daemon of iproute2's rt_protos has */

static void mnl_closep(struct mnl_socket **s)
{
	if (*s)
		mnl_socket_close(*s);
}

static struct nlmsghdr *build(char *buf, uint16_t type, const struct pb_addr *net, uint32_t bits)
{
	bool v4 = pb_cidr_is_v4(net, bits);
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	if (type == RTM_NEWROUTE)
		nlh->nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
	nlh->nlmsg_seq = 1;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = v4 ? PB_AF_INET : PB_AF_INET6;
	rtm->rtm_dst_len = (unsigned char)(v4 ? bits - 96 : bits);
	rtm->rtm_table = RT_TABLE_MAIN;
	rtm->rtm_protocol = PROTOCOL;
	rtm->rtm_scope = RT_SCOPE_UNIVERSE;
	rtm->rtm_type = RTN_UNREACHABLE;
	if (v4)
		mnl_attr_put_u32(nlh, RTA_DST, net->w[3]);
	else
		mnl_attr_put(nlh, RTA_DST, sizeof(*net), net);
	mnl_attr_put_u32(nlh, RTA_PRIORITY, METRIC);
	return nlh;
}

static int change(uint16_t type, const struct pb_addr *net, uint32_t bits)
{
	_cleanup_(mnl_closep) struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	char buf[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *nlh;
	ssize_t n;

	if (!nl)
		return -errno;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	nlh = build(buf, type, net, bits);
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	if (n < 0)
		return -errno;
	return mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(nl), NULL, NULL) < 0 ? -errno
											: 0;
}

int pb_route_add(const struct pb_addr *net, uint32_t bits)
{
	int err = change(RTM_NEWROUTE, net, bits);

	/* ours of an earlier start, or the host's own choice */
	return err == -EEXIST ? 0 : err;
}

/* ESRCH: no such route.  A host without IPv6 has none either. */
int pb_route_remove(const struct pb_addr *net, uint32_t bits)
{
	int err = change(RTM_DELROUTE, net, bits);

	if (err == -ESRCH || err == -ENOENT || err == -EAFNOSUPPORT || err == -EOPNOTSUPP)
		return 0;
	return err ? err : 1;
}
