// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What an end does with its socket.  Everything that is not as it should be ends the program. */
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tort.h"

short end_wait(struct end *e, short events)
{
	struct pollfd p = { .fd = e->fd, .events = events };
	int n;

	do {
		n = poll(&p, 1, (int)(e->job->secs * 1000));
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		end_die(e, "poll: %s", n ? tt_errname(errno) : "nothing until the deadline");
	return p.revents;
}

/* Proof that the other end looks. */
static void spoil(struct end *e, size_t n)
{
	uint64_t at = e->job->spoil;

	if (at && !e->job->server && at >= e->out.pos && at < e->out.pos + n)
		e->obuf[at - e->out.pos] ^= 1;
}

size_t end_try_send(struct end *e, size_t n, int flags)
{
	ssize_t done;

	if (n > (size_t)e->job->buf)
		n = e->job->buf;
	strm_fill(&e->out, e->obuf, n);
	spoil(e, n);
	do {
		done = send(e->fd, e->obuf, n, flags | MSG_NOSIGNAL);
	} while (done < 0 && errno == EINTR);
	if (done < 0 && errno == EAGAIN && (e->may_block || flags & MSG_DONTWAIT))
		return 0;
	if (done < 0)
		end_die(e, "send of %zu bytes: %s", n, tt_errname(errno));
	if (!done && n)
		end_die(e, "send of %zu bytes: took none", n);
	e->out.pos += done;
	return done;
}

void end_send(struct end *e, size_t n)
{
	while (n) {
		size_t done = end_try_send(e, n, 0);

		if (!done)
			end_wait(e, POLLOUT);
		n -= done;
	}
}

/*
 * The kernel's read of a spliced socket gives EAGAIN when it is woken up by anything but bytes:
 * a signal, another thread's room to write, the end of the own direction, a reset.
 */
static bool again(struct end *e)
{
	if (errno != EAGAIN || e->may_block || !e->job->again)
		return false;
	atomic_fetch_add(&e->job->n_again, 1);
	return true;
}

bool end_retry(struct end *e, short events)
{
	if (errno == EINTR || (events == POLLIN && again(e)))
		return true;
	if (errno != EAGAIN || !e->may_block)
		return false;
	end_wait(e, events);
	return true;
}

ssize_t end_try_recv(struct end *e, size_t max)
{
	ssize_t n;

	if (max > (size_t)e->job->buf)
		max = e->job->buf;
	do {
		n = recv(e->fd, e->ibuf, max, 0);
	} while (n < 0 && (errno == EINTR || again(e)));
	if (n < 0 && errno == EAGAIN && e->may_block)
		return -1;
	if (n < 0)
		end_die(e, "recv: %s", tt_errname(errno));
	strm_check(e, &e->in, e->ibuf, n);
	return n;
}

size_t end_recv_some(struct end *e, size_t max)
{
	for (;;) {
		ssize_t n = end_try_recv(e, max);

		if (n >= 0)
			return n;
		end_wait(e, POLLIN);
	}
}

void end_recv(struct end *e, size_t n)
{
	while (n) {
		size_t got = end_recv_some(e, n);

		if (!got)
			end_die(e, "EOF, %zu bytes too early", n);
		n -= got;
	}
}

void end_eof(struct end *e)
{
	size_t n = end_recv_some(e, e->job->buf);

	if (n)
		end_die(e, "%zu bytes where EOF should be", n);
}

void end_fin(struct end *e)
{
	if (shutdown(e->fd, SHUT_WR))
		end_die(e, "shutdown: %s", tt_errname(errno));
}

void end_nonblock(struct end *e, bool on)
{
	int flags;

	if (!job_blocks(e->job))
		return; /* never */
	flags = fcntl(e->fd, F_GETFL);

	if (flags < 0 || fcntl(e->fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK))
		end_die(e, "fcntl: %s", tt_errname(errno));
	e->may_block = on;
}

void end_fill(struct end *e, uint64_t upto)
{
	struct pollfd p = { .fd = e->fd, .events = POLLOUT };
	uint64_t start = e->out.pos;

	while (e->out.pos < upto) {
		uint64_t left = upto - e->out.pos;
		size_t n = rng_upto(&e->own, e->job->size);

		if (end_try_send(e, n < left ? n : left, MSG_DONTWAIT)) {
			if (e->out.pos - start > (uint64_t)e->job->cap)
				end_die(e, "%llu bytes sent and nobody reads: no limit",
					(unsigned long long)(e->out.pos - start));
			continue;
		}
		if (poll(&p, 1, (int)e->job->quiet) == 0)
			break;
	}
}

/* Written by the program, less what TCP sent for the first time or has yet to send. */
uint64_t end_spliced(const struct end *e)
{
	struct tcp_info ti = { 0 };
	socklen_t len = sizeof(ti);
	uint64_t tcp;

	if (e->fd < 0 || getsockopt(e->fd, IPPROTO_TCP, TCP_INFO, &ti, &len))
		return 0;
	tcp = ti.tcpi_bytes_sent - ti.tcpi_bytes_retrans + ti.tcpi_notsent_bytes;
	return e->out.pos > tcp ? e->out.pos - tcp : 0;
}

struct pair {
	struct end *e;
	void (*fn)(struct end *);
};

static void *second(void *arg)
{
	struct pair *p = arg;

	p->fn(p->e);
	return NULL;
}

void end_both(struct end *e, void (*fn)(struct end *), void (*fn2)(struct end *))
{
	struct pair p = { e, fn };
	pthread_t thread;

	if (pthread_create(&thread, NULL, second, &p))
		end_die(e, "no thread");
	fn2(e);
	pthread_join(thread, NULL);
}
