/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sockets that are polled for good.  libuv stops to poll a descriptor that has an error, and says so
 * once, by a negative status.  A socket without a connection has one when somebody destroys it
 * (ss -K): with the error read it is as good as before.
 */
#ifndef PB_UVPOLL_H
#define PB_UVPOLL_H

#include <sys/socket.h>

#include <uv.h>

/* After a negative status: polled again. */
static inline int pb_poll_again(uv_poll_t *poll, int events, uv_poll_cb cb)
{
	socklen_t len = sizeof(int);
	uv_os_fd_t fd;
	int error;

	if (!uv_fileno((uv_handle_t *)poll, &fd))
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return uv_poll_start(poll, events, cb);
}

#endif /* PB_UVPOLL_H */
