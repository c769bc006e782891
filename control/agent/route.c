/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An unreachable route for the pool: an unmanaged client that dials a virtual address fails at
 * once.  The high metric leaves a real route for the same prefix in charge. */
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <time.h>

#include "agent.h"
#include "util.h"

#define METRIC 0x7fff

static void mnl_closep(struct mnl_socket **s)
{
	if (*s)
		mnl_socket_close(*s);
}

static struct nlmsghdr *build(char *buf, const struct pb_addr *net, uint32_t bits, uint32_t seq)
{
	bool v4 = pb_cidr_is_v4(net, bits);
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm;

	nlh->nlmsg_type = RTM_NEWROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
	nlh->nlmsg_seq = seq;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = v4 ? PB_AF_INET : PB_AF_INET6;
	rtm->rtm_dst_len = (unsigned char)(v4 ? bits - 96 : bits);
	rtm->rtm_table = RT_TABLE_MAIN;
	rtm->rtm_protocol = RTPROT_STATIC;
	rtm->rtm_scope = RT_SCOPE_UNIVERSE;
	rtm->rtm_type = RTN_UNREACHABLE;
	if (v4)
		mnl_attr_put_u32(nlh, RTA_DST, net->w[3]);
	else
		mnl_attr_put(nlh, RTA_DST, sizeof(*net), net);
	mnl_attr_put_u32(nlh, RTA_PRIORITY, METRIC);
	return nlh;
}

int pb_route_unreachable(const struct pb_addr *net, uint32_t bits)
{
	_cleanup_(mnl_closep) struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	char buf[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
	uint32_t seq = (uint32_t)time(NULL);
	struct nlmsghdr *nlh;
	ssize_t n;

	if (!nl)
		return -errno;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	nlh = build(buf, net, bits, seq);
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	if (n < 0)
		return -errno;
	/* there already: ours of an earlier start, or the host's own choice */
	if (mnl_cb_run(buf, (size_t)n, seq, mnl_socket_get_portid(nl), NULL, NULL) < 0)
		return errno == EEXIST ? 0 : -errno;
	return 0;
}
