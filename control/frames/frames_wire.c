// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Messages between the agent and patchbay-frames. */
#include "control/frames/frames_wire.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "control/depth.h"
#include "control/util.h"

#define STOP_MS 2000

union control {
	char buf[CMSG_SPACE(FRW_FDS_MAX * sizeof(int))];
	struct cmsghdr align;
};

/* ---- out ----------------------------------------------------------------- */

int frw_send(int sock, const json_t *o, const int *fds, unsigned n_fds)
{
	_cleanup_free_ char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	struct iovec iov = { .iov_base = text, .iov_len = text ? strlen(text) : 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control c = { .buf = { 0 } };
	struct cmsghdr *h;

	if (!text)
		return -ENOMEM;
	if (iov.iov_len > FRW_MSG_MAX || n_fds > FRW_FDS_MAX)
		return -EMSGSIZE;
	if (n_fds) {
		m.msg_control = c.buf;
		m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(h), fds, n_fds * sizeof(int));
	}
	while (sendmsg(sock, &m, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return errno == ECONNRESET ? -EPIPE : -errno;
	return 0;
}

/* ---- in ------------------------------------------------------------------ */

json_t *frw_parse(const char *text, size_t len)
{
	json_t *o;

	if (len > FRW_MSG_MAX || pb_json_deeper(text, len, FRW_DEPTH_MAX))
		return NULL;
	o = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(o))
		return o;
	json_decref(o);
	return NULL;
}

static void take_fds(struct msghdr *m, struct frw_msg *ret)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(fd));
			if (ret->n_fds < FRW_FDS_MAX)
				ret->fd[ret->n_fds++] = fd;
			else
				close(fd);
		}
	}
}

int frw_recv(int sock, struct frw_msg *ret)
{
	_cleanup_free_ char *text = malloc(FRW_MSG_MAX);
	struct iovec iov = { .iov_base = text, .iov_len = FRW_MSG_MAX };
	union control c;
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = c.buf,
			    .msg_controllen = sizeof(c.buf) };
	ssize_t n;

	ret->json = NULL;
	ret->n_fds = 0;
	if (!text)
		return -ENOMEM;
	do
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	take_fds(&m, ret);
	if (n > 0 && !(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		ret->json = frw_parse(text, (size_t)n);
	if (ret->json)
		return 0;
	frw_msg_free(ret);
	return n ? -EBADMSG : -EPIPE;
}

void frw_msg_free(struct frw_msg *m)
{
	json_decref(m->json);
	for (unsigned i = 0; i < m->n_fds; i++)
		if (m->fd[i] >= 0)
			close(m->fd[i]);
	m->json = NULL;
	m->n_fds = 0;
}

int frw_take_fd(struct frw_msg *m, const char *name)
{
	const json_t *list = json_object_get(m->json, "fds"), *v;
	size_t i;

	json_array_foreach (list, i, v)
		if (i < m->n_fds && json_is_string(v) && !strcmp(json_string_value(v), name))
			return TAKE_FD(m->fd[i]);
	return -1;
}

/* ---- answers ------------------------------------------------------------- */

/* Those that are told apart. */
static const struct {
	int err;
	const char *name;
} errors[] = {
	{ EADDRINUSE, "EADDRINUSE" }, { EADDRNOTAVAIL, "EADDRNOTAVAIL" },
	{ EINVAL, "EINVAL" },	      { ENOENT, "ENOENT" },
	{ EBADMSG, "EBADMSG" },	      { ENOMEM, "ENOMEM" },
	{ EMFILE, "EMFILE" },	      { EOPNOTSUPP, "EOPNOTSUPP" },
	{ EPERM, "EPERM" },	      { EACCES, "EACCES" },
	{ ENOSPC, "ENOSPC" },	      { EPROTO, "EPROTO" },
};

json_t *frw_error(int err, const char *fmt, ...)
{
	const char *name = "EIO";
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		if (errors[i].err == -err)
			name = errors[i].name;
	return json_pack("{s:b, s:{s:s, s:s}}", "ok", 0, "error", "errno", name, "message", text);
}

int frw_answer(const json_t *answer, const char **ret_text)
{
	const json_t *e = json_object_get(answer, "error");
	const char *name = json_string_value(json_object_get(e, "errno"));
	const char *text = json_string_value(json_object_get(e, "message"));

	*ret_text = "";
	if (json_is_true(json_object_get(answer, "ok")))
		return 0;
	*ret_text = text ? text : "it said no without a word";
	for (size_t i = 0; name && i < ARRAY_SIZE(errors); i++)
		if (!strcmp(name, errors[i].name))
			return -errors[i].err;
	return -EIO;
}

/* ---- the socket ---------------------------------------------------------- */

int frw_connect(const char *run_dir, pid_t *ret_pid)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;
	struct ucred who;
	socklen_t len = sizeof(who);
	int n = snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/" FRW_SOCKET, run_dir);

	if (n >= (int)sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len))
		return -errno;
	if (who.uid && who.uid != geteuid())
		return log_err(-EPERM, "%s belongs to user %u: not used", sun.sun_path, who.uid);
	*ret_pid = who.pid;
	return TAKE_FD(fd);
}

int frw_stop(const char *run_dir)
{
	json_t *o = json_pack("{s:s}", "op", "stop");
	_cleanup_(frw_msg_freep) struct frw_msg m = { .json = NULL };
	pid_t pid;
	_cleanup_close_ int fd = frw_connect(run_dir, &pid);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int err = fd < 0 ? fd : frw_send(fd, o, NULL, 0);

	json_decref(o);
	if (err)
		return err == -ENOENT || err == -ECONNREFUSED ? 0 : err;
	return poll(&p, 1, STOP_MS) == 1 ? frw_recv(fd, &m) : -ETIMEDOUT;
}
