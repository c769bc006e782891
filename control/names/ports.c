/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The ports: one number for one original resolver, in UDP, TCP, IPv4 and IPv6. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "../util.h"
#include "internal.h"

#define PORT_TRIES 64 /* a number free in one of four spaces is nearly always free in all */

enum { SOCK_UDP4, SOCK_TCP4, SOCK_UDP6, SOCK_TCP6, _SOCK_MAX };

/* Port 0: any free one. */
static int bind_loopback(int which, __be16 port, int *ret_fd)
{
	bool v6 = which == SOCK_UDP6 || which == SOCK_TCP6;
	bool tcp = which == SOCK_TCP4 || which == SOCK_TCP6;
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = port,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
				     .sin6_port = port,
				     .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	_cleanup_close_ int fd =
		socket(v6 ? AF_INET6 : AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		return -errno;
	if (v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0)
		return -errno;
	if (bind(fd, v6 ? (void *)&sin6 : (void *)&sin, v6 ? sizeof(sin6) : sizeof(sin)) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static bool lacks_v6(int err)
{
	return err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL || err == -EPROTONOSUPPORT;
}

static void close_all(int fd[_SOCK_MAX])
{
	for (int i = 0; i < _SOCK_MAX; i++) {
		pb_closep(&fd[i]);
		fd[i] = -1;
	}
}

/* One number in all four spaces. */
static int bind_same(bool *v6, int fd[_SOCK_MAX], __be16 *ret_port)
{
	struct sockaddr_in sin = { 0 };
	socklen_t len = sizeof(sin);
	int err = bind_loopback(SOCK_UDP4, 0, &fd[SOCK_UDP4]);

	if (err < 0)
		return err;
	if (getsockname(fd[SOCK_UDP4], (struct sockaddr *)&sin, &len) < 0)
		return -errno;
	for (int i = SOCK_TCP4; i < _SOCK_MAX; i++) {
		if (i >= SOCK_UDP6 && !*v6)
			break;
		err = bind_loopback(i, sin.sin_port, &fd[i]);
		if (i == SOCK_UDP6 && lacks_v6(err))
			*v6 = false;
		else if (err < 0)
			return err;
	}
	*ret_port = sin.sin_port;
	return 0;
}

static int listen_all(struct pb_listener *l, int fd[_SOCK_MAX])
{
	int err = pb_udp_listen(l, PB_LOOP4, TAKE_FD(fd[SOCK_UDP4]));

	if (!err)
		err = pb_tcp_listen(l, PB_LOOP4, TAKE_FD(fd[SOCK_TCP4]));
	if (!err && l->names->v6)
		err = pb_udp_listen(l, PB_LOOP6, TAKE_FD(fd[SOCK_UDP6]));
	if (!err && l->names->v6)
		err = pb_tcp_listen(l, PB_LOOP6, TAKE_FD(fd[SOCK_TCP6]));
	return err;
}

int pb_listener_open(struct pb_names *n, unsigned index, struct pb_listener **ret)
{
	struct pb_listener *l = calloc(1, sizeof(*l));
	int fd[_SOCK_MAX] = { -1, -1, -1, -1 };
	int err = -EADDRINUSE;

	if (!l)
		return -ENOMEM;
	l->names = n;
	l->index = index;
	for (int try = 0; try < PORT_TRIES && err == -EADDRINUSE; try++) {
		close_all(fd);
		err = bind_same(&n->v6, fd, &l->port);
	}
	if (!err)
		err = listen_all(l, fd);
	close_all(fd);
	if (err < 0)
		pb_listener_close(l);
	else
		*ret = l;
	return err;
}

void pb_listener_hold(struct pb_listener *l)
{
	l->handles++;
	pb_names_hold(l->names);
}

static void on_closed(uv_handle_t *handle)
{
	struct pb_listener *l = handle->data;
	struct pb_names *n = l->names;

	if (!--l->handles)
		free(l);
	pb_names_drop(n);
}

void pb_listener_close(struct pb_listener *l)
{
	if (!l)
		return;
	if (!l->handles) {
		free(l);
		return;
	}
	/* data is set only once the handle was initialised */
	for (int f = 0; f < _PB_LOOP_MAX; f++) {
		if (l->udp[f].data)
			uv_close((uv_handle_t *)&l->udp[f], on_closed);
		if (l->tcp[f].data)
			uv_close((uv_handle_t *)&l->tcp[f], on_closed);
	}
}
