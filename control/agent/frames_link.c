/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One patchbay-frames: starting it, talking to it, losing it. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "frames_internal.h"
#include "util.h"

#define ANSWER_MS 2000
#define CONTROL_FD 3
#define NS_PER_MS 1000000ULL

extern char **environ;

void fr_build(const char *path, char ret[FR_BUILD_LEN])
{
	struct stat st;

	ret[0] = '\0';
	if (!stat(path, &st))
		snprintf(ret, FR_BUILD_LEN, "%llx-%llx-%llx", (unsigned long long)st.st_ino,
			 (unsigned long long)st.st_size,
			 (unsigned long long)st.st_mtim.tv_sec * 1000000000ULL +
				 (unsigned long long)st.st_mtim.tv_nsec);
}

/* ---- its end ------------------------------------------------------------- */

static void closed(uv_handle_t *h)
{
	struct fr_peer *p = h->data;

	pb_closep(&p->fd);
	pb_closep(&p->pidfd);
	free(p);
}

void fr_reap(struct pb_frames *f)
{
	for (unsigned i = 0; i < ARRAY_SIZE(f->zombie); i++)
		if (f->zombie[i] && waitpid(f->zombie[i], NULL, WNOHANG))
			f->zombie[i] = 0;
}

static void wait_later(struct pb_frames *f, pid_t pid)
{
	for (unsigned i = 0; i < ARRAY_SIZE(f->zombie); i++)
		if (!f->zombie[i]) {
			f->zombie[i] = pid;
			return;
		}
}

/* How it ended, if that can be known already. */
static void end_of(struct fr_peer *p, char *why, size_t len)
{
	int status;

	if (!p->child)
		return;
	if (waitpid(p->pid, &status, WNOHANG) != p->pid) {
		wait_later(p->all, p->pid);
		return;
	}
	if (WIFSIGNALED(status))
		snprintf(why, len, "it was ended by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(why, len, "it ended with exit code %d", WEXITSTATUS(status));
}

void fr_lose(struct fr_peer *p, bool kill, const char *why)
{
	char text[128];

	if (p->gone)
		return;
	p->gone = true;
	snprintf(text, sizeof(text), "%s", why);
	if (kill && p->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
	end_of(p, text, sizeof(text));
	uv_poll_stop(&p->poll);
	uv_close((uv_handle_t *)&p->poll, closed);
	fr_lost(p->all, p, text);
}

/* ---- talking ------------------------------------------------------------- */

static int take(struct fr_peer *p, json_int_t seq, struct frw_msg *ret)
{
	int err = frw_recv(p->fd, ret);

	if (err)
		return err;
	p->asked_ns = 0;
	if (json_integer_value(json_object_get(ret->json, "seq")) == seq)
		return 0;
	frw_msg_free(ret); /* of a question that nobody waits for any more */
	return -EAGAIN;
}

static int wait_answer(struct fr_peer *p, json_int_t seq, struct frw_msg *ret)
{
	uint64_t end = pb_now_ns() + ANSWER_MS * NS_PER_MS, now;
	int err = -EAGAIN;

	while (err == -EAGAIN && (now = pb_now_ns()) < end) {
		struct pollfd pfd = { .fd = p->fd, .events = POLLIN };

		if (poll(&pfd, 1, (int)((end - now) / NS_PER_MS) + 1) > 0)
			err = take(p, seq, ret);
	}
	return err == -EAGAIN ? -ETIMEDOUT : err;
}

int fr_ask(struct fr_peer *p, json_t *o, const int *fds, unsigned n_fds, struct frw_msg *ret)
{
	json_int_t seq = ++p->seq;
	int err;

	memset(ret, 0, sizeof(*ret));
	json_object_set_new(o, "seq", json_integer(seq));
	err = frw_send(p->fd, o, fds, n_fds);
	json_decref(o);
	if (!err)
		err = wait_answer(p, seq, ret);
	if (err == -EMSGSIZE || err == -ENOMEM)
		return err;
	if (err)
		fr_lose(p, err != -EPIPE,
			err == -EPIPE ? "it ended" : "it did not answer, and was ended");
	return err;
}

void fr_ping(struct fr_peer *p)
{
	json_auto_t *o = json_pack("{s:s, s:I}", "op", "ping", "seq", ++p->seq);

	if (p->asked_ns && pb_now_ns() - p->asked_ns > 5 * ANSWER_MS * NS_PER_MS) {
		fr_lose(p, true, "it did not answer, and was ended");
		return;
	}
	if (!p->asked_ns && !frw_send(p->fd, o, NULL, 0))
		p->asked_ns = pb_now_ns();
}

/* Nobody waits: an answer to a ping, or the end. */
static void on_readable(uv_poll_t *h, int status, int events)
{
	struct fr_peer *p = h->data;
	struct frw_msg m;
	int err;

	(void)events;
	err = status < 0 ? -EPIPE : take(p, -1, &m);
	if (err && err != -EAGAIN)
		fr_lose(p, err != -EPIPE, "it ended");
}

/* ---- its begin ----------------------------------------------------------- */

static int peer_new(struct pb_frames *f, int fd_in, pid_t pid, bool child, struct fr_peer **ret)
{
	_cleanup_close_ int fd = fd_in;
	struct fr_peer *p = calloc(1, sizeof(*p));
	int err = p ? uv_poll_init(&f->agent->loop, &p->poll, fd) : -ENOMEM;

	if (err) {
		free(p);
		return err;
	}
	p->all = f;
	p->poll.data = p;
	p->fd = TAKE_FD(fd);
	p->pid = pid;
	p->child = child;
	p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	p->since_ns = pb_now_ns();
	uv_poll_start(&p->poll, UV_READABLE, on_readable);
	*ret = p;
	return 0;
}

/* That of an earlier agent. */
int fr_connect(struct pb_frames *f, struct fr_peer **ret)
{
	pid_t pid;
	int fd = frw_connect(f->agent->run_dir, &pid);

	return fd < 0 ? fd : peer_new(f, fd, pid, false, ret);
}

static int spawn(struct pb_frames *f, int control, pid_t *ret_pid)
{
	char *argv[] = { (char *)"patchbay-frames", (char *)"--run-dir", f->agent->run_dir,
			 (char *)"--control-fd",    (char *)"3",	 NULL };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	int err = posix_spawn_file_actions_init(&fa);

	if (err)
		return -err;
	err = posix_spawnattr_init(&attr);
	if (!err)
		err = posix_spawn_file_actions_adddup2(&fa, control, CONTROL_FD);
	if (!err) /* signals to the agent's group are not its */
		err = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID);
	if (!err)
		err = posix_spawn(ret_pid, f->path, &fa, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&attr);
	return -err;
}

int fr_spawn(struct pb_frames *f, struct fr_peer **ret)
{
	_cleanup_close_ int ours = -1, theirs = -1, high = -1;
	int pair[2], err;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	high = fcntl(theirs, F_DUPFD_CLOEXEC, 10); /* not the number it gets there */
	if (high < 0)
		return -errno;
	err = spawn(f, high, &pid);
	if (err)
		return err;
	f->starts++;
	return peer_new(f, TAKE_FD(ours), pid, true, ret);
}

int fr_hello(struct fr_peer *p, json_t **ret_services)
{
	_cleanup_(frw_msg_freep) struct frw_msg m = { .json = NULL };
	const char *build, *text;
	int err = fr_ask(p, json_pack("{s:s, s:i}", "op", "hello", "version", FRW_VERSION), NULL, 0,
			 &m);

	if (!err)
		err = frw_answer(m.json, &text);
	if (err)
		return err;
	build = json_string_value(json_object_get(m.json, "build"));
	snprintf(p->build, sizeof(p->build), "%s", build ? build : "");
	if (json_integer_value(json_object_get(m.json, "version")) != FRW_VERSION)
		return -EPROTO;
	*ret_services = json_incref(json_object_get(m.json, "services"));
	return 0;
}
