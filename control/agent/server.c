/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "conn.h"
#include "util.h"

#define BACKLOG 128
#define ACCEPT_TURN 64 /* connections taken before others get their turn */
#define TICK_MS 1000

static void refuse(int fd, const char *errno_name, const char *text)
{
	char line[256];
	int n = snprintf(line, sizeof(line),
			 "{\"ok\":false,\"error\":{\"errno\":\"%s\",\"message\":\"%s\"}}\n",
			 errno_name, text);

	/* best effort: a peer that does not read is closed all the same */
	if (send(fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("control socket: refusal not sent");
}

static unsigned count_uid(const struct pb_server *s, uid_t uid)
{
	unsigned n = 0;

	for (const struct pb_conn *c = s->conns; c; c = c->next)
		n += c->peer.uid == uid;
	return n;
}

static void admit(struct pb_server *s, int fd_in)
{
	_cleanup_close_ int fd = fd_in;
	struct pb_caller peer;
	int err = pb_peer_of(fd, &peer);

	if (err) {
		refuse(fd, err == -E2BIG ? "E2BIG" : "EACCES",
		       "your user or groups cannot be determined");
		return;
	}
	if (s->n_conns >= PB_CONN_MAX) {
		refuse(fd, "EBUSY", "the agent has as many control connections as it takes (1024)");
		return;
	}
	if (peer.uid && count_uid(s, peer.uid) >= PB_CONN_PER_UID) {
		refuse(fd, "EBUSY",
		       "your user has as many control connections as one may have (256)");
		return;
	}
	if (pb_conn_new(s, fd, &peer)) {
		refuse(fd, "ENOMEM", "the agent is out of memory");
		return;
	}
	TAKE_FD(fd);
}

static void listen_event(uv_poll_t *h, int status, int events)
{
	struct pb_server *s = h->data;

	(void)events;
	s->paused = s->paused || status < 0; /* libuv does not poll it any more */
	for (int i = 0; status >= 0 && i < ACCEPT_TURN; i++) {
		int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			admit(s, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			log_warn("control socket: cannot accept: %s", strerror(errno));
			uv_poll_stop(&s->poll);
			s->paused = true;
		}
		if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

static void tick(uv_timer_t *t)
{
	struct pb_server *s = t->data;
	uint64_t now = pb_now_ns();
	struct pb_conn *next;

	if (s->paused) {
		s->paused = false;
		uv_poll_start(&s->poll, UV_READABLE, listen_event);
	}
	for (struct pb_conn *c = s->conns; c; c = next) {
		next = c->next;
		if (!c->following && now - c->since_ns > PB_CONN_IDLE_S * 1000000000ULL)
			pb_conn_close(c);
		else if (c->in_len && !pb_conn_pending(c))
			pb_conn_work(c); /* waited for other connections' output */
	}
}

static int bind_socket(const char *path, gid_t gid, int *ret_fd)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;
	mode_t old;
	int err;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* the loader's lock says that no other agent owns this socket */
	if (unlink(path) && errno != ENOENT)
		return -errno;
	old = umask(0117);
	err = bind(fd, (struct sockaddr *)&sun, sizeof(sun)) ? -errno : 0;
	umask(old);
	if (err)
		return err;
	if (gid && chown(path, (uid_t)-1, gid))
		return -errno;
	if (listen(fd, BACKLOG))
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int pb_server_start(struct pb_server **ret, uv_loop_t *loop, const char *path, gid_t gid,
		    const struct pb_server_ops *ops, void *arg)
{
	_cleanup_free_ struct pb_server *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->loop = loop;
	s->ops = ops;
	s->arg = arg;
	err = bind_socket(path, gid, &s->fd);
	if (err)
		return err;
	strcpy(s->path, path);
	s->poll.data = s->timer.data = s;
	err = uv_poll_init(loop, &s->poll, s->fd);
	if (err) {
		close(s->fd);
		return err;
	}
	uv_timer_init(loop, &s->timer);
	s->handles = 2;
	uv_poll_start(&s->poll, UV_READABLE, listen_event);
	uv_timer_start(&s->timer, tick, TICK_MS, TICK_MS);
	*ret = TAKE_PTR(s);
	return 0;
}

static void server_gone(uv_handle_t *h)
{
	struct pb_server *s = h->data;

	if (--s->handles)
		return;
	close(s->fd);
	free(s);
}

void pb_server_stop(struct pb_server *s)
{
	if (!s || s->stopping)
		return;
	s->stopping = true;
	while (s->conns)
		pb_conn_close(s->conns);
	unlink(s->path);
	uv_close((uv_handle_t *)&s->timer, server_gone);
	uv_close((uv_handle_t *)&s->poll, server_gone);
}
