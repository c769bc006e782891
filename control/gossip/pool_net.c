// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Addresses and sockets. */
#include "pool_internal.h"

#include <fcntl.h>
#include <netinet/in.h>

#define PORT_TRIES 32
#define RECEIVE_BUFFER (2 << 20)

struct swim_addr pool_from_sockaddr(const struct sockaddr *sa)
{
	struct gsp_addr ip = { 0 };
	uint16_t port = 0;

	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;

		ip.len = 4;
		memcpy(ip.ip, &in->sin_addr, 4);
		port = ntohs(in->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;

		ip.len = 16;
		memcpy(ip.ip, &in6->sin6_addr, 16);
		port = ntohs(in6->sin6_port);
	}
	return swim_addr(&ip, port);
}

static void put_sockaddr(const struct swim_addr *a, sa_family_t family,
			 struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *in6 = (void *)ret;
	struct sockaddr_in *in = (void *)ret;

	*ret = (struct sockaddr_storage){ .ss_family = family };
	if (family == AF_INET) {
		in->sin_port = htons(a->port);
		memcpy(&in->sin_addr, a->ip.ip, 4);
	} else if (a->ip.len == 4) {
		in6->sin6_port = htons(a->port);
		in6->sin6_addr.s6_addr[10] = in6->sin6_addr.s6_addr[11] = 0xff;
		memcpy(in6->sin6_addr.s6_addr + 12, a->ip.ip, 4);
	} else {
		in6->sin6_port = htons(a->port);
		memcpy(&in6->sin6_addr, a->ip.ip, 16);
	}
}

bool pool_is_any(const struct gsp_addr *ip)
{
	for (unsigned i = 0; i < ip->len; i++) {
		if (ip->ip[i])
			return false;
	}
	return true;
}

int pool_to_sockaddr(const struct gsp_pool *p, const struct swim_addr *a,
		     struct sockaddr_storage *ret)
{
	bool dual = p->family == AF_INET6 && pool_is_any(&p->conf.bind.ip);

	if (!a->port || (a->ip.len == 16 && p->family == AF_INET) ||
	    (a->ip.len == 4 && p->family == AF_INET6 && !dual) || !a->ip.len)
		return -EAFNOSUPPORT;
	put_sockaddr(a, p->family, ret);
	return 0;
}

static int bound(int type, const struct swim_addr *a, int *ret)
{
	sa_family_t family = a->ip.len == 4 ? AF_INET : AF_INET6;
	_cleanup_close_ int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1, only = !pool_is_any(&a->ip), big = RECEIVE_BUFFER;
	struct sockaddr_storage sa;

	if (fd < 0)
		return -errno;
	put_sockaddr(a, family, &sa);
	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	else if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	if (bind(fd, (void *)&sa,
		 family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6)))
		return -errno;
	*ret = TAKE_FD(fd);
	return 0;
}

static int port_of(int fd, uint16_t *ret)
{
	struct sockaddr_storage sa;
	socklen_t n = sizeof(sa);

	if (getsockname(fd, (void *)&sa, &n))
		return -errno;
	*ret = pool_from_sockaddr((void *)&sa).port;
	return 0;
}

int pool_sockets(struct swim_addr *at, int *ret_tcp, int *ret_udp)
{
	bool choose = !at->port;
	int err = -EINVAL;

	for (unsigned i = 0; i < PORT_TRIES; i++) {
		struct swim_addr a = *at;
		_cleanup_close_ int tcp = -1;

		err = bound(SOCK_STREAM, &a, &tcp);
		if (!err && choose)
			err = port_of(tcp, &a.port);
		if (err)
			return err;
		err = bound(SOCK_DGRAM, &a, ret_udp);
		if (!err) {
			*ret_tcp = TAKE_FD(tcp);
			*at = a;
			return 0;
		}
		if (!choose || err != -EADDRINUSE)
			return err;
	}
	return err;
}

static bool in_net(const struct gsp_pool_net *net, const struct gsp_addr *ip)
{
	unsigned whole = net->bits / 8, rest = net->bits % 8;

	if (net->ip.len != ip->len || memcmp(net->ip.ip, ip->ip, whole))
		return false;
	return !rest || !((net->ip.ip[whole] ^ ip->ip[whole]) >> (8 - rest));
}

bool pool_allowed(const struct gsp_pool *p, const struct gsp_addr *ip)
{
	for (unsigned i = 0; i < p->conf.n_allow; i++) {
		if (in_net(&p->conf.allow[i], ip))
			return true;
	}
	return !p->conf.n_allow;
}

bool pool_is_member(const struct gsp_pool *p, const struct gsp_addr *ip)
{
	return swim_has_ip(p->swim, ip);
}

bool pool_same_source(const struct gsp_addr *a, const struct gsp_addr *b, bool wide)
{
	return a->len == b->len && !memcmp(a->ip, b->ip, wide && a->len == 16 ? 8 : a->len);
}
