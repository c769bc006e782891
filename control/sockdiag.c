/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "sockdiag.h"

#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <libmnl/libmnl.h>
#include <sys/time.h>

#include <patchbay/addr.h>

#include "util.h"

#define ANSWER_S 1 /* the kernel answers within the call: this is against a bug */

struct mnl_socket *pb_sockdiag_open(void)
{
	struct timeval tv = { .tv_sec = ANSWER_S };
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);

	if (!nl)
		return NULL;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) ||
	    setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv))) {
		int err = errno;

		mnl_socket_close(nl);
		errno = err;
		return NULL;
	}
	return nl;
}

/* A connected socket, both of whose ends are of one family: nothing else is ever meant. */
static bool is_meant(const struct pb_sockdiag_id *id)
{
	if (id->proto != PB_PROTO_TCP && id->proto != PB_PROTO_UDP)
		return false;
	if (!id->cookie || !id->lport || !id->rport || pb_addr_is_zero(&id->remote) ||
	    pb_addr_is_any(&id->remote))
		return false;
	if (id->family == PB_AF_INET)
		return pb_addr_is_v4(&id->local) && pb_addr_is_v4(&id->remote);
	return id->family == PB_AF_INET6 && pb_addr_is_v4(&id->local) == pb_addr_is_v4(&id->remote);
}

static void fill(struct inet_diag_req_v2 *r, const struct pb_sockdiag_id *id)
{
	unsigned first = id->family == PB_AF_INET ? 3 : 0;

	r->sdiag_family = id->family;
	r->sdiag_protocol = id->proto;
	r->idiag_states = ~0U;
	r->id.idiag_sport = id->lport;
	r->id.idiag_dport = id->rport;
	for (unsigned w = first; w < 4; w++) {
		r->id.idiag_src[w - first] = id->local.w[w];
		r->id.idiag_dst[w - first] = id->remote.w[w];
	}
	r->id.idiag_if = id->device;
	r->id.idiag_cookie[0] = (uint32_t)id->cookie;
	r->id.idiag_cookie[1] = (uint32_t)(id->cookie >> 32);
}

/* Answers to requests of before, which came too late, are passed over. */
static int answer(struct mnl_socket *nl, uint32_t seq)
{
	char buf[512];

	for (;;) {
		ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		const struct nlmsghdr *h = (const struct nlmsghdr *)buf;
		const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (!mnl_nlmsg_ok(h, (int)n))
			return -EBADMSG;
		if (h->nlmsg_seq != seq)
			continue;
		if (h->nlmsg_type != NLMSG_ERROR || mnl_nlmsg_get_payload_len(h) < sizeof(e->error))
			return -EBADMSG;
		return e->error;
	}
}

int pb_sockdiag_destroy(struct mnl_socket *nl, const struct pb_sockdiag_id *id)
{
	static uint32_t seq; /* one thread a process */
	char buf[NLMSG_SPACE(sizeof(struct inet_diag_req_v2))] = { 0 };
	struct nlmsghdr *h;
	int err;

	if (!is_meant(id))
		return -EINVAL;
	h = mnl_nlmsg_put_header(buf);
	h->nlmsg_type = SOCK_DESTROY;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	h->nlmsg_seq = ++seq;
	fill(mnl_nlmsg_put_extra_header(h, sizeof(struct inet_diag_req_v2)), id);
	if (mnl_socket_sendto(nl, h, h->nlmsg_len) < 0)
		return -errno;
	err = answer(nl, seq);
	return err == -ESTALE ? -ENOENT : err;
}
