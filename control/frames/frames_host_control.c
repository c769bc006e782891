// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The control socket of patchbay-frames: who may speak, and what it is told. */
#include <sys/socket.h>
#include <sys/stat.h>

#include "control/frames/frames_host_internal.h"
#include "control/util.h"
#include "control/version.h"

#define BACKLOG 8

/* ---- what is asked ------------------------------------------------------- */

static json_t *hello(struct frh *h)
{
	json_t *names = json_array();
	struct stat st = { .st_ino = 0 };
	char build[64];

	for (const struct frh_service *s = h->services; s; s = s->next)
		json_array_append_new(names, json_string(s->conf.name));
	if (stat("/proc/self/exe", &st))
		log_debug("the own file cannot be looked at");
	/* as the agent names the file that it would start (control/agent/frames_link.c) */
	snprintf(build, sizeof(build), "%llx-%llx-%llx", (unsigned long long)st.st_ino,
		 (unsigned long long)st.st_size,
		 (unsigned long long)st.st_mtim.tv_sec * 1000000000ULL +
			 (unsigned long long)st.st_mtim.tv_nsec);
	return json_pack("{s:b, s:i, s:i, s:s, s:s, s:o}", "ok", 1, "version", FRW_VERSION, "pid",
			 (int)getpid(), "release", PB_VERSION, "build", build, "services", names);
}

static json_t *put(struct frh *h, struct frw_msg *m)
{
	char err[PB_ERR_LEN] = "";
	int e = frh_put(h, m, err);

	return e ? frw_error(e, "%s", err) : json_pack("{s:b}", "ok", 1);
}

static json_t *take_away(struct frh *h, struct frw_msg *m)
{
	const char *name = json_string_value(json_object_get(m->json, "name"));
	int e = name ? frh_remove(h, name) : -EINVAL;

	return e ? frw_error(e, "there is no such service") : json_pack("{s:b}", "ok", 1);
}

static json_t *stats(struct frh *h)
{
	return json_pack("{s:b, s:I, s:b, s:o}", "ok", 1, "memory",
			 (json_int_t)fe_proc_memory(fio_proc(h->io)), "draining",
			 h->drain_until != 0, "services", frh_stats(h));
}

static json_t *handover(struct frh *h, int *fds, unsigned *n)
{
	h->drain_until = pb_now_ns() + FRH_DRAIN_S * 1000000000ULL;
	log_info("another process takes over: no new connections from now on");
	return json_pack("{s:b, s:o}", "ok", 1, "services", frh_handover(h, fds, n));
}

static json_t *answer(struct frh *h, struct frw_msg *m, int *fds, unsigned *n)
{
	const char *op = json_string_value(json_object_get(m->json, "op"));

	if (!op)
		return frw_error(-EINVAL, "op: is missing");
	if (!strcmp(op, "hello"))
		return hello(h);
	if (!strcmp(op, "service"))
		return put(h, m);
	if (!strcmp(op, "remove"))
		return take_away(h, m);
	if (!strcmp(op, "stats"))
		return stats(h);
	if (!strcmp(op, "handover"))
		return handover(h, fds, n);
	if (!strcmp(op, "ping"))
		return json_pack("{s:b}", "ok", 1);
	if (strcmp(op, "stop") != 0)
		return frw_error(-EOPNOTSUPP, "%.40s: is not known here", op);
	frh_stop(h);
	return json_pack("{s:b}", "ok", 1);
}

/* ---- connections --------------------------------------------------------- */

static void gone(uv_handle_t *p)
{
	struct frh_conn *c = p->data;

	close(c->fd);
	free(c);
}

static void drop(struct frh_conn *c)
{
	if (c->closing)
		return;
	c->closing = true;
	for (unsigned i = 0; i < FRH_CONNS; i++)
		if (c->host->conn[i] == c)
			c->host->conn[i] = NULL;
	uv_poll_stop(&c->poll);
	uv_close((uv_handle_t *)&c->poll, gone);
}

static void on_message(uv_poll_t *p, int status, int events)
{
	struct frh_conn *c = p->data;
	_cleanup_(frw_msg_freep) struct frw_msg m = { .json = NULL };
	int fds[FRW_FDS_MAX], err = status < 0 ? -EPIPE : frw_recv(c->fd, &m);
	unsigned n = 0;
	json_t *o;

	(void)events;
	if (err == -EAGAIN)
		return;
	if (err) {
		drop(c);
		return;
	}
	o = answer(c->host, &m, fds, &n);
	json_object_set(o, "seq", json_object_get(m.json, "seq"));
	err = frw_send(c->fd, o, fds, n);
	json_decref(o);
	while (n)
		close(fds[--n]);
	if (err)
		drop(c);
}

/* This user, or root. */
static bool may(int fd)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) &&
	       (!who.uid || who.uid == geteuid());
}

static int add(struct frh *h, int fd_in)
{
	_cleanup_close_ int fd = fd_in;
	struct frh_conn *c;
	unsigned i = 0;

	while (i < FRH_CONNS && h->conn[i])
		i++;
	if (i == FRH_CONNS || !may(fd))
		return -EPERM;
	c = calloc(1, sizeof(*c));
	if (!c || uv_poll_init(&h->loop, &c->poll, fd)) {
		free(c);
		return -ENOMEM;
	}
	c->host = h;
	c->fd = TAKE_FD(fd);
	c->poll.data = c;
	h->conn[i] = c;
	return uv_poll_start(&c->poll, UV_READABLE, on_message);
}

static void on_accept(uv_poll_t *p, int status, int events)
{
	struct frh *h = p->data;
	int fd;

	(void)status;
	(void)events;
	fd = accept4(h->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0 && add(h, fd))
		log_warn("a connection to the control socket was refused");
}

bool frh_controlled(const struct frh *h)
{
	for (unsigned i = 0; i < FRH_CONNS; i++)
		if (h->conn[i])
			return true;
	return false;
}

/* ---- life ---------------------------------------------------------------- */

/* One process at most has the socket: the last that came, which the agent started. */
static int bind_control(struct frh *h, const char *run_dir)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int n = snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/" FRW_SOCKET, run_dir), err;
	mode_t old;

	if (n >= (int)sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	h->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (h->fd < 0 || (unlink(sun.sun_path) && errno != ENOENT))
		return -errno;
	old = umask(0177);
	err = bind(h->fd, (struct sockaddr *)&sun, sizeof(sun)) || listen(h->fd, BACKLOG) ? -errno
											  : 0;
	umask(old);
	if (!err)
		memcpy(h->path, sun.sun_path, sizeof(h->path));
	return err;
}

int frh_control_start(struct frh *h, const char *run_dir, int control_fd)
{
	int err = bind_control(h, run_dir);

	if (!err)
		err = uv_poll_init(&h->loop, &h->poll, h->fd);
	if (err)
		return err;
	h->poll.data = h;
	err = uv_poll_start(&h->poll, UV_READABLE, on_accept);
	if (!err && control_fd >= 0)
		err = add(h, control_fd);
	return err;
}

static void closed(uv_handle_t *p)
{
	struct frh *h = p->data;

	close(h->fd);
	h->fd = -1;
}

void frh_control_stop(struct frh *h)
{
	for (unsigned i = 0; i < FRH_CONNS; i++)
		if (h->conn[i])
			drop(h->conn[i]);
	if (*h->path && !h->drain_until) /* else it is another's by now */
		unlink(h->path);
	uv_close((uv_handle_t *)&h->poll, closed);
}
