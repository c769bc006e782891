/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One connection of the control socket. */
#include "conn.h"

#include <sys/socket.h>

#include "request.h"
#include "util.h"

static void conn_event(uv_poll_t *h, int status, int events);

static void conn_gone(uv_handle_t *h)
{
	struct pb_conn *c = h->data;

	close(c->fd);
	free(c->in);
	free(c->out);
	free(c);
}

void pb_conn_close(struct pb_conn *c)
{
	struct pb_server *s = c->srv;

	if (c->closing)
		return;
	c->closing = true;
	s->ops->closed(s->arg, c);
	s->out_bytes -= c->out_len - c->out_off;
	s->n_conns--;
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	pb_closep(&c->passed_fd);
	uv_close((uv_handle_t *)&c->poll, conn_gone);
}

int pb_conn_new(struct pb_server *s, int fd, const struct pb_caller *peer)
{
	struct pb_conn *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->in = malloc(PB_REQ_MAX);
	if (!c->in) {
		free(c);
		return -ENOMEM;
	}
	c->srv = s;
	c->fd = fd;
	c->passed_fd = -1;
	c->peer = *peer;
	c->since_ns = pb_now_ns();
	c->poll.data = c;
	err = uv_poll_init(s->loop, &c->poll, fd);
	if (err) {
		free(c->in);
		free(c);
		return err;
	}
	c->next = s->conns;
	c->link = &s->conns;
	if (c->next)
		c->next->link = &c->next;
	s->conns = c;
	s->n_conns++;
	uv_poll_start(&c->poll, UV_READABLE, conn_event);
	return 0;
}

const struct pb_caller *pb_conn_peer(const struct pb_conn *c)
{
	return &c->peer;
}

int pb_conn_take_fd(struct pb_conn *c)
{
	return TAKE_FD(c->passed_fd);
}

size_t pb_conn_pending(const struct pb_conn *c)
{
	return c->out_len - c->out_off;
}

void pb_conn_follow(struct pb_conn *c)
{
	c->following = true;
}

void pb_conn_hold(struct pb_conn *c)
{
	c->held = true;
}

void pb_conn_answer(struct pb_conn *c, const json_t *json)
{
	c->held = false;
	if (pb_conn_send(c, json))
		pb_conn_close(c);
}

void pb_conn_finish(struct pb_conn *c)
{
	c->finishing = true;
}

/* Room for @more bytes behind the queued output. */
static int out_reserve(struct pb_conn *c, size_t more)
{
	size_t have = c->out_len - c->out_off, room = c->out_room ? c->out_room : 4096;
	char *p;

	if (c->out_off) {
		memmove(c->out, c->out + c->out_off, have);
		c->out_off = 0;
		c->out_len = have;
	}
	while (room < have + more)
		room *= 2;
	if (room == c->out_room)
		return 0;
	p = realloc(c->out, room);
	if (!p)
		return -ENOMEM;
	c->out = p;
	c->out_room = room;
	return 0;
}

static int out_add(const char *text, size_t len, void *arg)
{
	struct pb_conn *c = arg;

	if (c->out_room - c->out_len < len && out_reserve(c, len))
		return -1;
	memcpy(c->out + c->out_len, text, len);
	c->out_len += len;
	c->srv->out_bytes += len;
	return 0;
}

static void set_interest(struct pb_conn *c)
{
	int events = UV_READABLE;

	if (c->in_len && !pb_conn_pending(c) && c->srv->out_bytes > PB_OUT_MAX) {
		uv_poll_stop(&c->poll); /* the server's tick takes it up again */
		return;
	}
	if (c->held)
		events = UV_DISCONNECT;
	if (pb_conn_pending(c))
		events = c->following ? UV_READABLE | UV_WRITABLE : UV_WRITABLE;
	uv_poll_start(&c->poll, events, conn_event);
}

int pb_conn_send(struct pb_conn *c, const json_t *json)
{
	size_t before = c->out_len - c->out_off;

	if (c->closing)
		return -EPIPE;
	if (json_dump_callback(json, out_add, c, JSON_COMPACT) || out_add("\n", 1, c)) {
		size_t added = c->out_len - c->out_off - before;

		c->out_len -= added;
		c->srv->out_bytes -= added;
		return -ENOMEM;
	}
	set_interest(c);
	return 0;
}

/* False: the connection is closed. */
static bool flush(struct pb_conn *c)
{
	while (pb_conn_pending(c)) {
		ssize_t n = send(c->fd, c->out + c->out_off, pb_conn_pending(c),
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0) {
			pb_conn_close(c);
			return false;
		}
		c->out_off += (size_t)n;
		c->srv->out_bytes -= (size_t)n;
		c->since_ns = pb_now_ns();
	}
	free(c->out);
	c->out = NULL;
	c->out_off = c->out_len = c->out_room = 0;
	if (c->finishing) {
		pb_conn_close(c);
		return false;
	}
	return true;
}

static void one_line(struct pb_conn *c, size_t len)
{
	struct pb_server *s = c->srv;

	s->ops->line(s->arg, c, c->in, len);
	pb_closep(&c->passed_fd);
	c->passed_fd = -1;
	c->since_ns = pb_now_ns();
	memmove(c->in, c->in + len + 1, c->in_len - len - 1);
	c->in_len -= len + 1;
}

/* A request is answered only when the answer before it was taken: that is the back-pressure. */
void pb_conn_work(struct pb_conn *c)
{
	while (!c->closing && flush(c)) {
		char *nl = memchr(c->in, '\n', c->in_len);

		if (pb_conn_pending(c) || c->following || c->held || c->srv->out_bytes > PB_OUT_MAX)
			break;
		if (nl) {
			one_line(c, (size_t)(nl - c->in));
		} else if (c->in_len == PB_REQ_MAX) {
			/* answers with the reason; what follows cannot be told apart */
			c->srv->ops->line(c->srv->arg, c, c->in, c->in_len);
			c->in_len = 0;
			pb_conn_finish(c);
		} else {
			break;
		}
	}
	if (!c->closing)
		set_interest(c);
}

static void take_fds(struct pb_conn *c, struct msghdr *msg)
{
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(msg); cm; cm = CMSG_NXTHDR(msg, cm)) {
		size_t n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int), sizeof(fd));
			if (c->passed_fd < 0)
				c->passed_fd = fd;
			else
				close(fd);
		}
	}
}

static void conn_read(struct pb_conn *c)
{
	char control[CMSG_SPACE(4 * sizeof(int))];
	struct iovec iov = { .iov_base = c->in + c->in_len, .iov_len = PB_REQ_MAX - c->in_len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t n;

	if (!iov.iov_len)
		return;
	n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0)
		take_fds(c, &msg);
	if (n <= 0 || c->following) {
		pb_conn_close(c);
		return;
	}
	c->in_len += (size_t)n;
}

static void conn_event(uv_poll_t *h, int status, int events)
{
	struct pb_conn *c = h->data;

	if (status < 0 || (events & UV_DISCONNECT)) {
		pb_conn_close(c);
		return;
	}
	if (events & UV_READABLE)
		conn_read(c);
	if (!c->closing)
		pb_conn_work(c);
}
