// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Services: where they listen, whom they connect to, how they end. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/frames/io_internal.h"
#include "control/util.h"

/* ---- listening ------------------------------------------------------------------ */

static void on_listener(uv_poll_t *p, int status, int events);

static void listener_gone(uv_handle_t *h)
{
	struct fio_listener *l = h->data;
	struct fio_service *s = l->service;

	free(l);
	fio_unref(s);
}

/* No descriptor is left: not to be told of the same connection again and again. */
static void pause_accept(struct fio_listener *l, int err)
{
	struct fio *io = l->service->io;
	uint64_t now = uv_now(io->loop);

	l->service->st.accept_paused++;
	l->paused_until = now + FIO_PAUSE_MS;
	io->paused++;
	uv_poll_stop(&l->poll);
	fio_tick_on(io);
	if (io->complained && now < io->complained + FIO_COMPLAIN_MS)
		return;
	io->complained = now;
	log_warn("no more clients for now: %s (%u connections; the limit is LimitNOFILE)",
		 strerror(err), io->fds);
}

static void accepted(struct fio_listener *l, int fd, const struct sockaddr *from)
{
	struct fio_service *s = l->service;
	struct linger now = { .l_onoff = 1 };

	if (s->host.accept && !s->host.accept(s->arg, from)) {
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(fd);
		return;
	}
	s->st.accepted++;
	fio_client(s, fd);
}

static void on_listener(uv_poll_t *p, int status, int events)
{
	struct fio_listener *l = p->data;
	struct fio *io = l->service->io;

	(void)status;
	(void)events;
	fio_time(io);
	for (int i = 0; i < FIO_ACCEPTS; i++) {
		struct sockaddr_storage from;
		socklen_t len = sizeof(from);
		int fd;

		if (io->fds >= io->max_fds) {
			pause_accept(l, EMFILE);
			return;
		}
		fd = accept4(l->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			accepted(l, fd, (const struct sockaddr *)&from);
			continue;
		}
		if (errno == EAGAIN)
			return;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			pause_accept(l, errno);
			return;
		}
		l->service->st.accept_failed++;
		if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

int fio_service_listen_fd(struct fio_service *s, int fd_in)
{
	_cleanup_close_ int fd = fd_in;
	struct fio_listener *l = calloc(1, sizeof(*l));
	int one = 1, err;

	if (!l)
		return -ENOMEM;
	/* what is accepted has these, too */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	err = uv_poll_init(s->io->loop, &l->poll, fd);
	if (err) {
		free(l);
		return err;
	}
	l->fd = TAKE_FD(fd);
	l->service = s;
	l->poll.data = l;
	l->next = s->listeners;
	s->listeners = l;
	s->refs++;
	return uv_poll_start(&l->poll, UV_READABLE, on_listener);
}

int fio_service_listen(struct fio_service *s, const struct sockaddr *addr, socklen_t len)
{
	_cleanup_close_ int fd = -1;
	int one = 1, err;

	fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (addr->sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	err = s->host.socket ? s->host.socket(s->arg, fd, true) : 0;
	if (err)
		return err;
	if (bind(fd, addr, len) || listen(fd, FIO_BACKLOG))
		return -errno;
	return fio_service_listen_fd(s, TAKE_FD(fd));
}

void fio_service_unlisten(struct fio_service *s)
{
	while (s->listeners) {
		struct fio_listener *l = s->listeners;

		s->listeners = l->next;
		s->io->paused -= l->paused_until != 0;
		uv_close((uv_handle_t *)&l->poll, listener_gone);
		close(l->fd);
	}
}

/* ---- life ------------------------------------------------------------------------ */

int fio_service_new(struct fio_service **ret, struct fio *io, const struct pb_frame_plugin *plugin,
		    const struct fe_limits *limits, const struct fio_host *host, void *arg)
{
	struct fio_service *s = calloc(1, sizeof(*s));
	struct fe_ops ops = fio_ops;
	int err;

	if (!s)
		return -ENOMEM;
	s->io = io;
	s->arg = arg;
	s->refs = 1;
	if (host)
		s->host = *host;
	if (!s->host.touch_begin)
		ops.touch_begin = NULL;
	err = fe_new(&s->fe, io->proc, plugin, &ops, s, limits);
	if (err) {
		free(s);
		return err;
	}
	s->next = io->services;
	io->services = s;
	*ret = s;
	return 0;
}

void fio_unref(struct fio_service *s)
{
	if (!--s->refs)
		free(s);
}

static bool same_server(const struct fio_server *a, const struct fio_server *b)
{
	return a->len == b->len && !memcmp(&a->addr, &b->addr, a->len);
}

int fio_service_servers(struct fio_service *s, const struct fio_server *servers, uint32_t n,
			const void *policy, bool cache)
{
	struct fe_server list[PB_FRAME_SERVERS_MAX];

	if (n > PB_FRAME_SERVERS_MAX)
		return -E2BIG;
	for (uint32_t i = 0; i < n; i++) {
		if (i >= s->n_servers || !same_server(&s->server[i], &servers[i]))
			s->id[i] = ++s->ids;
		s->server[i] = servers[i];
		list[i] =
			(struct fe_server){ .id = s->id[i], .up = servers[i].up && servers[i].len };
	}
	s->n_servers = n;
	return fe_set_servers(s->fe, list, n, policy, cache);
}

static void finish(struct fio_service *s)
{
	struct fio_service **at = &s->io->services;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	fe_free(s->fe);
	s->fe = NULL;
	if (s->done)
		s->done(s->done_arg);
	fio_unref(s);
}

void fio_service_end(struct fio_service *s, uint32_t grace_ms, void (*done)(void *arg), void *arg)
{
	fio_service_unlisten(s);
	s->end_at = uv_now(s->io->loop) + grace_ms + 1;
	s->done = done;
	s->done_arg = arg;
	for (struct fio_conn *n = s->clients; n; n = n->next)
		fe_client_finish(n->client);
	fio_tick_on(s->io);
}

/* Those that end, and listeners that had to pause. */
void fio_services_tick(struct fio *io, uint64_t now)
{
	bool more = io->byes || fe_busy(io->proc);

	for (struct fio_service *s = io->services, *next; s; s = next) {
		next = s->next;
		for (struct fio_listener *l = s->listeners; l; l = l->next) {
			if (!l->paused_until)
				continue;
			more = true;
			if (l->paused_until > now)
				continue;
			l->paused_until = 0;
			io->paused--;
			uv_poll_start(&l->poll, UV_READABLE, on_listener);
		}
		if (!s->end_at)
			continue;
		if (!s->clients || s->end_at <= now)
			finish(s);
		else
			more = true;
	}
	if (more || !io->ticking)
		return;
	io->ticking = false;
	uv_timer_stop(&io->tick);
}

struct fe *fio_service_engine(struct fio_service *s)
{
	return s->fe;
}

void fio_service_stats(const struct fio_service *s, struct fio_stats *ret)
{
	*ret = s->st;
}
