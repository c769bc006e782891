/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Datagrams of clients. */
#include <sys/socket.h>

#include "../util.h"
#include "internal.h"

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret)
{
	struct pb_listener *l = handle->data;

	(void)size;
	*ret = uv_buf_init(l->names->buf, sizeof(l->names->buf));
}

void pb_udp_reply(uv_udp_t *listener, const struct sockaddr *to, const uint8_t *data, size_t len)
{
	struct pb_listener *l = listener->data;
	uv_buf_t buf = uv_buf_init((char *)data, (unsigned)len);

	/* No queue: over loopback the kernel takes it now, or the client asks again. */
	if (uv_udp_try_send(listener, &buf, 1, to) < 0)
		l->names->stats.unsent++;
}

static void on_query(uv_udp_t *udp, ssize_t nread, const uv_buf_t *buf, const struct sockaddr *from,
		     unsigned flags)
{
	struct pb_listener *l = udp->data;
	struct pb_names *n = l->names;
	const uint8_t *data = (const uint8_t *)buf->base;
	_cleanup_free_ uint8_t *reply = NULL;
	struct pb_msg_query q;
	size_t reply_len = 0;

	if (nread < 0 || !from)
		return;
	l->used_ms = uv_now(n->loop);
	n->stats.queries_udp++;
	if (flags & UV_UDP_PARTIAL) {
		n->stats.dropped++;
		return;
	}
	switch (pb_zone_handle(&n->zone, data, (size_t)nread, false, &n->stats, &q, &reply,
			       &reply_len)) {
	case PB_ZONE_DROP: break;
	case PB_ZONE_REPLY: pb_udp_reply(udp, from, reply, reply_len); break;
	case PB_ZONE_FORWARD: pb_proxy_forward(udp, from, &q, data, (size_t)nread); break;
	}
}

int pb_udp_listen(struct pb_listener *l, unsigned family, int fd)
{
	_cleanup_close_ int owned = fd;
	uv_udp_t *udp = &l->udp[family];
	int zero = 0, err;

	err = uv_udp_init(l->names->loop, udp);
	if (err < 0)
		return err;
	udp->data = l;
	pb_listener_hold(l);
	err = uv_udp_open(udp, owned);
	if (err < 0)
		return err;
	fd = TAKE_FD(owned);
	/* libuv sets SO_REUSEADDR, with which any user could bind the same port and read queries. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &zero, sizeof(zero)) < 0)
		return -errno;
	return uv_udp_recv_start(udp, on_alloc, on_query);
}
