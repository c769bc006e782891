// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Modes: socket options, set before the handshake, before the first byte, or among the bytes. */
#include <errno.h>
#include <time.h>
#include <linux/errqueue.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "tort.h"

static void check_lowat(struct end *e);
static void check_oob(struct end *e);
static void check_stamps(struct end *e);
static void check_zerocopy(struct end *e);
static void check_stall(struct end *e);

static const struct option {
	const char *name;
	int level, option, value;
	void (*check)(struct end *e); /* at both ends, if it could be set */
	bool moves;		      /* the kernel changes it by itself */
} options[] = {
	{ "rcvbuf", SOL_SOCKET, SO_RCVBUF, 40000, check_stall, false },
	{ "sndbuf", SOL_SOCKET, SO_SNDBUF, 20000, check_stall, false },
	{ "lowat", SOL_SOCKET, SO_RCVLOWAT, 1000, check_lowat, false },
	{ "oobinline", SOL_SOCKET, SO_OOBINLINE, 1, check_oob, false },
	{ "timestamp", SOL_SOCKET, SO_TIMESTAMP, 1, check_stamps, false },
	{ "timestampns", SOL_SOCKET, SO_TIMESTAMPNS, 1, check_stamps, false },
	{ "zerocopy", SOL_SOCKET, SO_ZEROCOPY, 1, check_zerocopy, false },
	{ "keepalive", SOL_SOCKET, SO_KEEPALIVE, 1, NULL, false },
	{ "busypoll", SOL_SOCKET, SO_BUSY_POLL, 50, NULL, false },
	{ "priority", SOL_SOCKET, SO_PRIORITY, 3, NULL, false },
	{ "nodelay", IPPROTO_TCP, TCP_NODELAY, 1, NULL, false },
	{ "quickack", IPPROTO_TCP, TCP_QUICKACK, 0, NULL, true },
	{ "notsent", IPPROTO_TCP, TCP_NOTSENT_LOWAT, 10000, check_stall, false },
	{ "keepidle", IPPROTO_TCP, TCP_KEEPIDLE, 77, check_stall, false },
	{ "usertimeout", IPPROTO_TCP, TCP_USER_TIMEOUT, 5000, NULL, false },
	{ "maxseg", IPPROTO_TCP, TCP_MAXSEG, 1000, NULL, true },
	{ "clamp", IPPROTO_TCP, TCP_WINDOW_CLAMP, 20000, check_stall, true },
};

static const struct option *option_of(struct job *j)
{
	for (size_t i = 0; i < TT_COUNT(options); i++)
		if (job_is(options[i].name, j->opt))
			return &options[i];
	job_die(j, "no such option");
}

/* What cannot be set is a figure, too: a splice refuses some. */
static int set(struct job *j, int fd)
{
	const struct option *o = option_of(j);
	int err = setsockopt(fd, o->level, o->option, &o->value, sizeof(o->value)) ? errno : 0;

	job_note_text(j, "set", tt_errname(err));
	if (err)
		j->flag = 1; /* the peer will know */
	return err;
}

void tt_opt_dial(struct job *j, struct end *e)
{
	struct tt_addr to;

	e->fd = job_socket(j, &to);
	if (job_is(j->when, "before") && job_is(j->who, "client"))
		set(j, e->fd);
	end_connect(e, &to);
}

void tt_opt_listen(struct job *j)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd, one = 1;

	if (getsockname(j->listener, (struct sockaddr *)&ss, &len))
		job_die(j, "getsockname: %s", tt_errname(errno));
	((struct sockaddr_in *)&ss)->sin_port =
		htons(ntohs(((struct sockaddr_in *)&ss)->sin_port) + 1);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (set(j, fd) || bind(fd, (struct sockaddr *)&ss, len) || listen(fd, 64))
		job_die(j, "another listener: %s", tt_errname(errno));
	j->listener = fd;
}

/* A read of fewer bytes than SO_RCVLOWAT is not woken up: plain TCP, too. */
static size_t some(struct end *e)
{
	size_t n = rng_size(&e->shared, 8000);

	return job_is(e->job->opt, "lowat") && n < 1000 ? 1000 : n;
}

static void exchange(struct end *e)
{
	for (int i = 0; i < 8; i++) {
		size_t up = some(e), down = some(e);

		if (e->job->server)
			end_recv(e, up);
		else
			end_send(e, up);
		if (e->job->server)
			end_send(e, down);
		else
			end_recv(e, down);
	}
}

static void opt_writer(struct end *e)
{
	uint64_t total = e->out.pos + e->job->bytes;

	while (e->out.pos < total)
		end_send(e, rng_upto(&e->own, e->job->size));
	end_fin(e);
}

static void opt_reader(struct end *e)
{
	while (end_recv_some(e, rng_upto(&e->shared, e->job->rsize)))
		;
}

static int value_now(const struct end *e, const struct option *o)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(e->fd, o->level, o->option, &value, &len) ? -1 : value;
}

void tt_opt(struct end *e)
{
	struct job *j = e->job;
	const struct option *o = option_of(j);
	int value;

	if (job_is(j->when, "after"))
		exchange(e);
	if (!job_is(j->when, "before") && end_is_who(e))
		set(j, e->fd);
	value = value_now(e, o);
	end_sync(e);
	exchange(e);
	if (!j->flag && !j->peer_flag && o->check)
		o->check(e);
	exchange(e);
	end_both(e, opt_reader, opt_writer);
	if (end_is_who(e) && value_now(e, o) != value && !o->moves)
		end_die(e, "the option was %d and is %d", value, value_now(e, o));
}

/* ---- what the options promise ---- */

/* Much is sent to the end that set it while it does not read; it then comes at once. */
static void check_stall(struct end *e)
{
	struct job *j = e->job;
	long start, last;

	end_sync(e);
	if (!end_is_who(e)) {
		end_fill(e, e->out.pos + (8UL << 20));
		end_sync(e);
		end_sync(e);
		return;
	}
	end_sync(e);
	start = last = tt_now_us();
	for (;;) {
		struct pollfd p = { .fd = e->fd, .events = POLLIN };

		if (poll(&p, 1, (int)j->quiet) <= 0)
			break;
		end_recv_some(e, j->rsize);
		last = tt_now_us();
	}
	job_note(j, "stall-ms", (last - start) / 1000);
	end_sync(e);
}

/* Fewer bytes than the mark wake nobody. */
static void check_lowat(struct end *e)
{
	struct pollfd p = { .fd = e->fd, .events = POLLIN };

	for (int i = 0; i < 3; i++) {
		if (!end_is_who(e)) {
			end_send(e, 500);
			end_sync(e);
			end_sync(e);
			end_send(e, 600);
			continue;
		}
		end_sync(e);
		if (poll(&p, 1, 100))
			end_die(e, "500 bytes wake a reader that wants 1000");
		end_sync(e);
		end_wait(e, POLLIN);
		end_recv(e, 1100);
	}
}

/* The urgent byte stands at its place in the stream. */
static void check_oob(struct end *e)
{
	for (int i = 0; i < 5; i++) {
		if (end_is_who(e)) {
			end_recv(e, 300);
			end_send(e, 1);
			continue;
		}
		end_send(e, 100);
		if (end_try_send(e, 100, MSG_OOB) != 100)
			end_die(e, "MSG_OOB takes less than 100 bytes");
		end_send(e, 100);
		end_recv(e, 1);
	}
}

static bool stamped_read(struct end *e, size_t n)
{
	char control[256];
	struct iovec iov = { e->ibuf, n };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	ssize_t got;

	end_wait(e, POLLIN);
	got = recvmsg(e->fd, &m, 0);
	if (got <= 0)
		end_die(e, "recvmsg: %s", tt_errname(errno));
	strm_check(e, &e->in, e->ibuf, got);
	end_recv(e, n - got);
	return CMSG_FIRSTHDR(&m);
}

/* The first one that asks switches time stamps on for all, which takes the kernel a moment. */
static void check_stamps(struct end *e)
{
	bool stamped = false;

	for (int i = 0; i < 20; i++) {
		if (end_is_who(e)) {
			stamped = stamped_read(e, 100);
			wait_us(5000);
			end_send(e, 1);
		} else {
			end_send(e, 100);
			end_recv(e, 1);
		}
	}
	if (end_is_who(e) && !stamped)
		end_die(e, "no timestamp");
}

/* Sends that have to be reported as done; returns how many of them were. */
static unsigned completions(struct end *e)
{
	char control[256];
	struct msghdr m = { .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *h;
	struct sock_extended_err ee;

	if (recvmsg(e->fd, &m, MSG_ERRQUEUE) < 0)
		return 0;
	h = CMSG_FIRSTHDR(&m);
	if (!h)
		return 0;
	memcpy(&ee, CMSG_DATA(h), sizeof(ee));
	return ee.ee_origin == SO_EE_ORIGIN_ZEROCOPY ? ee.ee_data - ee.ee_info + 1 : 0;
}

static void check_zerocopy(struct end *e)
{
	enum { SENDS = 10, SIZE = 20000 };
	unsigned done = 0, calls = 0;
	char *buf;

	if (!end_is_who(e)) {
		end_recv(e, SENDS * SIZE);
		end_send(e, 1);
		return;
	}
	buf = malloc(SENDS * SIZE);
	if (!buf)
		end_die(e, "no memory");
	strm_fill(&e->out, buf, SENDS * SIZE);
	for (int i = 0; i < SENDS; i++) {
		for (ssize_t n, off = 0; off < SIZE; off += n) {
			n = send(e->fd, buf + i * SIZE + off, SIZE - off,
				 MSG_ZEROCOPY | MSG_NOSIGNAL);
			if (n < 0 && end_retry(e, POLLOUT)) {
				n = 0;
				continue;
			}
			if (n <= 0)
				end_die(e, "MSG_ZEROCOPY: %s", tt_errname(errno));
			e->out.pos += n;
			calls++;
		}
	}
	end_recv(e, 1);
	for (int i = 0; i < 500 && done < calls; i++) {
		unsigned n = completions(e);

		done += n;
		if (!n)
			wait_us(10000);
	}
	if (done != calls)
		end_die(e, "%u of %u sends were reported", done, calls);
	free(buf);
}

/* ---- TCP_ULP ---- */

/* Among the bytes: whatever the kernel answers, they go on as they were. */
void tt_ulp(struct end *e)
{
	exchange(e);
	if (end_is_who(e))
		job_note_text(e->job, "set",
			      setsockopt(e->fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls"))
				      ? tt_errname(errno)
				      : "none");
	end_sync(e);
	exchange(e);
	end_both(e, opt_reader, opt_writer);
}
