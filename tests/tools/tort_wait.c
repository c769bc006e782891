// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Modes: who waits for bytes is woken up, also when the wait is older than the connection. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <unistd.h>

#include "tort.h"

static bool edges(const struct job *j)
{
	return job_is(j->how, "et") || job_is(j->how, "etshort");
}

static uint32_t ep_events(const struct job *j)
{
	if (job_is(j->how, "oneshot"))
		return EPOLLIN | EPOLLRDHUP | EPOLLONESHOT;
	return EPOLLIN | EPOLLRDHUP | (edges(j) ? EPOLLET : 0);
}

static void ep_set(struct end *e, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events };

	if (e->epfd < 0)
		e->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (e->epfd < 0 || epoll_ctl(e->epfd, op, e->fd, &ev))
		end_die(e, "epoll_ctl: %s", tt_errname(errno));
}

static uint32_t ep_wait(struct end *e)
{
	struct epoll_event ev = { 0 };
	int n;

	do {
		n = epoll_wait(e->epfd, &ev, 1, (int)(e->job->secs * 1000));
	} while (n < 0 && errno == EINTR);
	if (n != 1)
		end_die(e, "epoll_wait: %s", n ? tt_errname(errno) : "nothing until the deadline");
	return ev.events;
}

static void select_wait(struct end *e)
{
	fd_set set;
	int n;

	do {
		FD_ZERO(&set);
		FD_SET(e->fd, &set);
		n = select(e->fd + 1, &set, NULL, NULL, NULL);
	} while (n < 0 && errno == EINTR);
	if (n != 1)
		end_die(e, "select: %s", tt_errname(errno));
}

static void wait_readable(struct end *e)
{
	if (e->epfd >= 0)
		ep_wait(e);
	else if (job_is(e->job->how, "select"))
		select_wait(e);
	else if (!job_is(e->job->how, "read") && !job_is(e->job->how, "recv"))
		end_wait(e, POLLIN);
}

static bool is_epoll(const struct job *j)
{
	return edges(j) || job_is(j->how, "lt") || job_is(j->how, "oneshot") ||
	       job_is(j->how, "epoll");
}

/*
 * job->how says how.  Never more than one read a wake-up, but until EAGAIN where only edges tell;
 * etshort: or until a read that returns less than it asked for, as epoll(7) allows.
 */
void tt_take_waiting(struct end *e, size_t n)
{
	bool trusts_short = job_is(e->job->how, "etshort");
	bool edge = edges(e->job), eof = !n, dry = trusts_short;

	if (is_epoll(e->job) && e->epfd < 0) {
		end_nonblock(e, true);
		ep_set(e, EPOLL_CTL_ADD, ep_events(e->job));
	}
	while (n || eof) {
		/* an edge may be that of the connect(); it comes once */
		if (!edge || dry || eof) {
			wait_us(e->job->pause); /* meanwhile much comes, but one wake-up */
			wait_readable(e);
		}
		do {
			size_t want = rng_upto(&e->own, n);
			ssize_t got = eof ? 0 : end_try_recv(e, want);

			dry = got < 0 || (trusts_short && (size_t)got < want);
			if (!got && !eof)
				end_die(e, "EOF, %zu bytes too early", n);
			n -= got > 0 ? got : 0;
		} while (edge && n && !dry);
		if (job_is(e->job->how, "oneshot"))
			ep_set(e, EPOLL_CTL_MOD, ep_events(e->job));
		if (eof)
			break;
	}
}

void tt_wait(struct end *e)
{
	tt_bursts(e, e->job->size, tt_take_waiting);
}

/* The client waits from the start, by how=, and the server's bytes are the first ever sent. */
void tt_greet(struct end *e)
{
	size_t n = rng_size(&e->shared, 20000);

	if (e->job->server)
		end_send(e, n);
	else
		tt_take_waiting(e, n);
	tt_bursts(e, e->job->size, tt_take_waiting);
}

/* ---- connect() while epoll watches ---- */

void tt_nbconnect_dial(struct job *j, struct end *e)
{
	struct tt_addr to;

	e->fd = job_socket(j, &to);
	end_nonblock(e, true);
	ep_set(e, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	end_connect(e, &to);
}

static void wait_for_connect(struct end *e)
{
	int err = 0;
	socklen_t len = sizeof(err);

	while (!(ep_wait(e) & EPOLLOUT))
		;
	if (getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &err, &len) || err)
		end_die(e, "SO_ERROR says %s", tt_errname(err));
}

/* who= speaks first; then each in turn. */
void tt_nbconnect(struct end *e)
{
	struct job *j = e->job;

	if (!j->server)
		wait_for_connect(e);
	for (uint64_t total = 0, i = 0; total < (uint64_t)j->bytes; i++) {
		size_t n = rng_size(&e->shared, j->size);

		total += n;
		if ((i % 2 == 0) == end_is_who(e))
			end_send(e, n);
		else
			tt_take_waiting(e, n);
	}
	end_fin(e);
	end_nonblock(e, false);
	end_eof(e);
}

/* ---- a read that is older than the connection ---- */

struct early {
	struct end *e;
	volatile pid_t tid;
};

static void *early_reader(void *arg)
{
	struct early *r = arg;
	struct end *e = r->e;

	r->tid = gettid();
	for (;;) {
		wait_readable(e);
		if (!end_recv_some(e, rng_upto(&e->own, e->job->rsize)))
			break;
	}
	return NULL;
}

static char task_state(pid_t tid)
{
	char path[64], line[256] = "", *after;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	f = fopen(path, "re");
	if (f && fgets(line, sizeof(line), f)) {
		after = strrchr(line, ')');
		fclose(f);
		return after && after[1] ? after[2] : '?';
	}
	if (f)
		fclose(f);
	return '?';
}

/* It sleeps, at several looks in a row: in its read. */
static void wait_asleep(struct early *r)
{
	for (int in_row = 0; in_row < 20; in_row++) {
		if (!r->tid || task_state(r->tid) != 'S')
			in_row = 0;
		wait_us(1000);
	}
}

/* The server's queue is full with one connection, so that the next SYN waits. */
static void dial_held_back(struct job *j, struct end *e)
{
	struct timeval tv = { .tv_usec = 200000 }; /* where it blocks */
	struct tt_addr to;

	e->fd = job_socket(j, &to);
	setsockopt(e->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (!connect(e->fd, (struct sockaddr *)&to.ss, to.len) || errno != EINPROGRESS)
		end_die(e, "the handshake was to wait, but connect() says %s", tt_errname(errno));
	tv.tv_usec = 0;
	setsockopt(e->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static void early_writer(struct end *e)
{
	while (e->out.pos < (uint64_t)e->job->bytes) {
		end_send(e, rng_upto(&e->own, e->job->size));
		if (rng_next(&e->own) % 4 == 0)
			wait_us(rng_upto(&e->own, 2000));
	}
	end_fin(e);
}

static void early_drain(struct end *e)
{
	while (end_recv_some(e, rng_upto(&e->shared, e->job->rsize)))
		;
}

static void prerecv_server(struct job *j)
{
	struct end *e = &j->ends[0];

	if (listen(j->listener, 0))
		job_die(j, "listen: %s", tt_errname(errno));
	job_sync(j);
	job_sync(j);
	close(job_accept(j));
	e->fd = job_accept(j);
	end_ready(e);
	if (job_is(j->who, "client"))
		end_recv(e, 1000);
	end_both(e, early_drain, early_writer);
}

static void prerecv_client(struct job *j)
{
	struct end filler = { .job = j, .idx = 99 }, *e = &j->ends[0];
	struct early r = { .e = e };
	pthread_t thread;

	job_sync(j);
	job_dial(j, &filler);
	dial_held_back(j, e);
	if (is_epoll(j))
		ep_set(e, EPOLL_CTL_ADD, EPOLLIN | EPOLLRDHUP);
	if (pthread_create(&thread, NULL, early_reader, &r))
		job_die(j, "no thread");
	wait_asleep(&r);
	job_sync(j);
	end_wait(e, POLLOUT);
	end_ready(e);
	if (job_is(j->who, "client"))
		end_send(e, 1000);
	early_writer(e);
	pthread_join(thread, NULL);
	close(filler.fd);
}

/* who= speaks first.  A thread sleeps in how=recv|poll|select|epoll while the SYN still waits. */
void tt_prerecv(struct job *j)
{
	job_ends(j);
	if (j->server)
		prerecv_server(j);
	else
		prerecv_client(j);
	job_sum(j);
}
