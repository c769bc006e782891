/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "ctl.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../util.h"

int ctl_open(struct ctl *k, const char *run_dir)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;
	struct timeval tv = { .tv_sec = CTL_TIMEOUT_MS / 1000 };
	int n;

	n = snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/control.sock", run_dir);
	if (n < 0 || (size_t)n >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Bounds connect() when the backlog is full, and send(). */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)))
		return -errno;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)))
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	*k = CTL_CLOSED;
	k->fd = TAKE_FD(fd);
	return 0;
}

void ctl_close(struct ctl *k)
{
	pb_closep(&k->fd);
	free(k->buf);
	*k = CTL_CLOSED;
}

static int send_all(int fd, const char *data, size_t len, int pass_fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };

	while (len) {
		struct iovec iov = { .iov_base = (char *)data, .iov_len = len };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n;

		if (pass_fd >= 0) {
			struct cmsghdr *cm;

			msg.msg_control = control.room;
			msg.msg_controllen = sizeof(control.room);
			cm = CMSG_FIRSTHDR(&msg);
			cm->cmsg_level = SOL_SOCKET;
			cm->cmsg_type = SCM_RIGHTS;
			cm->cmsg_len = CMSG_LEN(sizeof(int));
			memcpy(CMSG_DATA(cm), &pass_fd, sizeof(int));
		}
		n = sendmsg(fd, &msg, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		pass_fd = -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

int ctl_send(struct ctl *k, const json_t *req, int pass_fd)
{
	_cleanup_free_ char *text = json_dumps(req, JSON_COMPACT);
	size_t len;

	if (!text)
		return -ENOMEM;
	len = strlen(text);
	if (len + 1 > CTL_REQUEST_MAX)
		return -E2BIG;
	text[len] = '\n'; /* takes the NUL's place */
	return send_all(k->fd, text, len + 1, pass_fd);
}

static int grow(struct ctl *k)
{
	size_t room = k->room ? k->room * 2 : 16384;
	char *buf;

	if (k->len < k->room)
		return 0;
	if (room > CTL_ANSWER_MAX)
		return -EMSGSIZE;
	buf = realloc(k->buf, room);
	if (!buf)
		return -ENOMEM;
	k->buf = buf;
	k->room = room;
	return 0;
}

/* Reads what is there, waiting until @deadline_ns (0: for ever). */
static int fill(struct ctl *k, uint64_t deadline_ns)
{
	struct pollfd p = { .fd = k->fd, .events = POLLIN };
	int err = grow(k), wait = -1;
	ssize_t n;

	if (err)
		return err;
	if (deadline_ns) {
		uint64_t now = pb_now_ns();

		if (now >= deadline_ns)
			return -ETIMEDOUT;
		wait = (int)((deadline_ns - now) / 1000000) + 1;
	}
	n = poll(&p, 1, wait);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ETIMEDOUT;
	n = recv(k->fd, k->buf + k->len, k->room - k->len, MSG_DONTWAIT);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	k->len += (size_t)n;
	return 0;
}

int ctl_recv(struct ctl *k, int timeout_ms, json_t **ret)
{
	uint64_t deadline = timeout_ms < 0 ? 0 : pb_now_ns() + (uint64_t)timeout_ms * 1000000;
	char *nl = NULL;
	size_t line;
	json_t *v;

	for (;;) {
		if (k->len > k->seen)
			nl = memchr(k->buf + k->seen, '\n', k->len - k->seen);
		if (nl)
			break;
		k->seen = k->len;
		int err = fill(k, deadline);

		if (err)
			return err;
	}
	line = (size_t)(nl - k->buf) + 1;
	v = json_loadb(k->buf, line, JSON_REJECT_DUPLICATES, NULL);
	memmove(k->buf, k->buf + line, k->len - line);
	k->len -= line;
	k->seen = 0;
	if (!json_is_object(v)) {
		json_decref(v);
		return -EPROTO;
	}
	*ret = v;
	return 0;
}

static int deadline(const json_t *req)
{
	const char *op = json_string_value(json_object_get(req, "op"));
	bool slow = op && (!strcmp(op, "memcached-add") || !strcmp(op, "memcached-set") ||
			   !strcmp(op, "reload"));

	return slow ? CTL_LONG_MS : CTL_TIMEOUT_MS;
}

int ctl_ask(const char *run_dir, const json_t *req, int pass_fd, json_t **ret)
{
	_cleanup_(ctl_close) struct ctl k = CTL_CLOSED;
	int err;

	if (!req)
		return -ENOMEM;
	err = ctl_open(&k, run_dir);
	if (!err)
		err = ctl_send(&k, req, pass_fd);
	return err ? err : ctl_recv(&k, deadline(req), ret);
}
