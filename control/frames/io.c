// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The process' loop and its sockets. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "control/frames/io_internal.h"
#include "control/util.h"

/* ---- lists -------------------------------------------------------------------- */

void fio_list_add(struct fio_conn **list, struct fio_conn *n)
{
	n->prev = NULL;
	n->next = *list;
	if (*list)
		(*list)->prev = n;
	*list = n;
}

void fio_list_del(struct fio_conn **list, struct fio_conn *n)
{
	if (n->prev)
		n->prev->next = n->next;
	else if (*list == n)
		*list = n->next;
	if (n->next)
		n->next->prev = n->prev;
	n->prev = n->next = NULL;
}

/* ---- connections -------------------------------------------------------------- */

static void conn_gone(uv_handle_t *h)
{
	struct fio_conn *n = h->data;
	struct fio_service *s = n->service;

	free(n);
	fio_unref(s);
}

void fio_conn_close(struct fio_conn *n)
{
	uv_close((uv_handle_t *)&n->poll, conn_gone);
	close(n->fd);
	n->io->fds--;
}

static void link_connected(struct fio_conn *n)
{
	int err = 0;
	socklen_t len = sizeof(err);

	n->connecting = false;
	if (getsockopt(n->fd, SOL_SOCKET, SO_ERROR, &err, &len) || err)
		fe_link_error(n->link);
	else
		fe_link_connected(n->link);
}

/* One read a readiness: what is left is told of again. */
static void conn_read(struct fio_conn *n)
{
	ssize_t r = recv(n->fd, n->io->buf, sizeof(n->io->buf), 0);

	if (r > 0 && n->is_link)
		fe_link_data(n->link, n->io->buf, (size_t)r);
	else if (r > 0)
		fe_client_data(n->client, n->io->buf, (size_t)r);
	else if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	else if (n->is_link && r)
		fe_link_error(n->link);
	else if (n->is_link)
		fe_link_eof(n->link);
	else if (r)
		fe_client_error(n->client);
	else
		fe_client_eof(n->client);
}

static void on_conn(uv_poll_t *p, int status, int events)
{
	struct fio_conn *n = p->data;

	fio_time(n->io);
	if (status < 0) {
		if (n->is_link)
			fe_link_error(n->link);
		else
			fe_client_error(n->client);
		return;
	}
	if (n->connecting) {
		link_connected(n);
		return;
	}
	if (events & UV_READABLE)
		conn_read(n);
	if (n->closed || !(events & UV_WRITABLE))
		return;
	if (n->is_link)
		fe_link_writable(n->link);
	else
		fe_client_writable(n->client);
}

/* @ret is counted, and polls nothing yet. */
static struct fio_conn *conn_new(struct fio_service *s, int fd)
{
	struct fio_conn *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->io = s->io;
	n->service = s;
	n->fd = fd;
	if (uv_poll_init(s->io->loop, &n->poll, fd)) {
		free(n);
		return NULL;
	}
	n->poll.data = n;
	s->refs++;
	s->io->fds++;
	return n;
}

bool fio_client(struct fio_service *s, int fd)
{
	struct fio_conn *n = conn_new(s, fd);

	if (!n) {
		close(fd);
		return false;
	}
	fio_list_add(&s->clients, n);
	if (fe_client_new(s->fe, n, &n->client)) {
		fio_ops.close(n, FE_BYE);
		return false;
	}
	return true;
}

/* ---- what the engine asks for --------------------------------------------------- */

static ssize_t op_send(void *sock, const struct iovec *iov, int count)
{
	struct fio_conn *n = sock;
	struct msghdr m = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)count };
	ssize_t r;

	if (count == 1)
		r = send(n->fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL);
	else
		r = sendmsg(n->fd, &m, MSG_NOSIGNAL);
	return r >= 0 ? r : errno == EINTR ? -EAGAIN : -errno;
}

static void op_want(void *sock, bool read, bool write)
{
	struct fio_conn *n = sock;
	int events = (read ? UV_READABLE : 0) | (write ? UV_WRITABLE : 0);

	if (events)
		uv_poll_start(&n->poll, events, on_conn);
	else
		uv_poll_stop(&n->poll);
}

static void on_bye(uv_poll_t *p, int status, int events)
{
	struct fio_conn *n = p->data;
	ssize_t r = status < 0 ? 0 : recv(n->fd, n->io->buf, sizeof(n->io->buf), 0);

	(void)events;
	if (r > 0 || (r < 0 && errno == EAGAIN))
		return;
	fio_list_del(&n->io->byes, n);
	fio_conn_close(n);
}

static void op_close(void *sock, enum fe_end how)
{
	struct fio_conn *n = sock;
	struct linger now = { .l_onoff = 1 };

	n->closed = true;
	if (!n->is_link)
		fio_list_del(&n->service->clients, n);
	if (how == FE_BYE && !n->io->stopped && !shutdown(n->fd, SHUT_WR) &&
	    !uv_poll_start(&n->poll, UV_READABLE, on_bye)) {
		n->bye_until = uv_now(n->io->loop) + FIO_BYE_MS;
		fio_list_add(&n->io->byes, n);
		fio_tick_on(n->io);
		return;
	}
	if (how == FE_RESET)
		setsockopt(n->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	fio_conn_close(n);
}

static int op_connect(void *arg, struct fe_link *l, uint32_t server, uint64_t id, void **sock)
{
	struct fio_service *s = arg;
	const struct fio_server *to = &s->server[server];
	_cleanup_close_ int fd = -1;
	struct fio_conn *n;
	int one = 1, err;

	(void)id;
	fd = socket(to->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	err = s->host.socket ? s->host.socket(s->arg, fd, false) : 0;
	if (err)
		return err;
	if (connect(fd, (const struct sockaddr *)&to->addr, to->len) && errno != EINPROGRESS)
		return -errno;
	n = conn_new(s, fd);
	if (!n)
		return -ENOMEM;
	TAKE_FD(fd);
	n->is_link = n->connecting = true;
	n->link = l;
	uv_poll_start(&n->poll, UV_WRITABLE, on_conn);
	fio_tick_on(s->io);
	*sock = n;
	return 0;
}

static int op_touch_begin(void *arg, const struct pb_frame_send *send, uint32_t server,
			  uint64_t *handle)
{
	struct fio_service *s = arg;

	return s->host.touch_begin ? s->host.touch_begin(s->arg, send, server, handle) : 0;
}

static void op_touch_end(void *arg, uint64_t handle, bool seen)
{
	struct fio_service *s = arg;

	if (s->host.touch_end)
		s->host.touch_end(s->arg, handle, seen);
}

static bool op_lookup(void *arg, const void *key, uint32_t key_len, struct pb_frame_view *ret)
{
	struct fio_service *s = arg;

	return s->host.lookup && s->host.lookup(s->arg, key, key_len, ret);
}

const struct fe_ops fio_ops = {
	.connect = op_connect,
	.send = op_send,
	.want = op_want,
	.close = op_close,
	.touch_begin = op_touch_begin,
	.touch_end = op_touch_end,
	.lookup = op_lookup,
};

/* ---- the loop -------------------------------------------------------------------- */

void fio_time(struct fio *io)
{
	fe_proc_time(io->proc, uv_now(io->loop) * 1000000ULL);
}

static void on_idle(uv_idle_t *h)
{
	(void)h;
}

static void turn(struct fio *io)
{
	bool more = fe_turn(io->proc);

	if (more == io->idling)
		return;
	io->idling = more;
	if (more)
		uv_idle_start(&io->idle, on_idle);
	else
		uv_idle_stop(&io->idle);
}

static void on_check(uv_check_t *h)
{
	turn(h->data);
}

static void on_prepare(uv_prepare_t *h)
{
	turn(h->data);
}

static void on_tick(uv_timer_t *t)
{
	struct fio *io = t->data;
	uint64_t now = uv_now(io->loop);

	fio_time(io);
	fe_tick(io->proc);
	for (struct fio_conn *n = io->byes, *next; n; n = next) {
		next = n->next;
		if (n->bye_until > now)
			continue;
		fio_list_del(&io->byes, n);
		fio_conn_close(n);
	}
	fio_services_tick(io, now);
}

/* Ticks for as long as something may be late. */
void fio_tick_on(struct fio *io)
{
	if (io->ticking || io->stopped)
		return;
	io->ticking = true;
	uv_timer_start(&io->tick, on_tick, FIO_TICK_MS, FIO_TICK_MS);
}

int fio_new(struct fio **ret, uv_loop_t *loop, uint64_t memory)
{
	struct fio *io = calloc(1, sizeof(*io));
	struct rlimit rl = { .rlim_cur = 1024 };
	int err;

	if (!io)
		return -ENOMEM;
	err = fe_proc_new(&io->proc, memory);
	if (err) {
		free(io);
		return err;
	}
	getrlimit(RLIMIT_NOFILE, &rl);
	/* the rest is for servers and files */
	io->max_fds = (uint32_t)(rl.rlim_cur > 1 << 20 ? 1 << 20 : rl.rlim_cur);
	io->max_fds -= io->max_fds > 512 ? 128 : io->max_fds / 4;
	io->loop = loop;
	uv_check_init(loop, &io->check);
	uv_prepare_init(loop, &io->prepare);
	uv_idle_init(loop, &io->idle);
	uv_timer_init(loop, &io->tick);
	io->check.data = io->prepare.data = io->idle.data = io->tick.data = io;
	uv_check_start(&io->check, on_check);
	uv_prepare_start(&io->prepare, on_prepare);
	fio_time(io);
	*ret = io;
	return 0;
}

void fio_stop(struct fio *io)
{
	if (io->stopped)
		return;
	io->stopped = true;
	while (io->byes) {
		struct fio_conn *n = io->byes;

		fio_list_del(&io->byes, n);
		fio_conn_close(n);
	}
	uv_close((uv_handle_t *)&io->check, NULL);
	uv_close((uv_handle_t *)&io->prepare, NULL);
	uv_close((uv_handle_t *)&io->idle, NULL);
	uv_close((uv_handle_t *)&io->tick, NULL);
}

void fio_free(struct fio *io)
{
	if (!io)
		return;
	fe_proc_free(io->proc);
	free(io);
}

struct fe_proc *fio_proc(struct fio *io)
{
	return io->proc;
}
