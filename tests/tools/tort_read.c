// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Modes: ways to read, and to wait for something to read. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "tort.h"

#define PIECE 4000

/*
 * dir= sends bursts, each one answered by a byte: whoever misses a wake-up waits for ever.  Both
 * ends draw the sizes alike.  take(e, n) receives exactly n bytes; with 0 it may wait for EOF, but not read it.
 */
void tt_bursts(struct end *e, size_t max, void (*take)(struct end *, size_t))
{
	size_t burst = e->job->burst; /* of small pieces, or as it comes */
	uint64_t total = 0;

	if (!end_sends(e) && !e->job->server) /* a server speaks after its client */
		end_send(e, 1);
	if (end_sends(e) && e->job->server)
		end_recv(e, 1);
	while (total < (uint64_t)e->job->bytes) {
		size_t n = burst ?: rng_size(&e->shared, max), piece;

		total += n;
		if (!end_sends(e)) {
			take(e, n);
			end_send(e, 1);
			continue;
		}
		for (; n; n -= piece) {
			piece = rng_next(&e->own) % 2 ? n : rng_upto(&e->own, n);
			if (burst && piece > PIECE)
				piece = PIECE;
			end_send(e, piece);
			if (!burst && rng_next(&e->own) % 8 == 0)
				wait_us(rng_upto(&e->own, 200));
		}
		end_recv(e, 1);
	}
	if (end_sends(e))
		end_fin(e);
	else
		take(e, 0); /* EOF wakes up, too */
	end_nonblock(e, false);
	end_eof(e);
}

/* ---- MSG_PEEK ---- */

static void take_peeking(struct end *e, size_t n)
{
	struct strm at;
	char *copy = malloc(n + 1);
	ssize_t seen, got;

	while (n) {
		size_t want = rng_upto(&e->own, n);

		seen = recv(e->fd, copy, want, MSG_PEEK);
		if (seen < 0 && end_retry(e, POLLIN))
			continue;
		if (seen <= 0)
			end_die(e, "peek: %s", seen ? tt_errname(errno) : "EOF");
		at = e->in;
		strm_check(e, &at, copy, seen);
		got = recv(e->fd, e->ibuf, want, MSG_PEEK);
		if (got < seen)
			end_die(e, "a second peek of %zu bytes sees %zd, the first %zd", want, got,
				seen);
		got = recv(e->fd, e->ibuf, seen, 0);
		if (got != seen)
			end_die(e, "a read after a peek of %zd bytes gives %zd", seen, got);
		strm_check(e, &e->in, e->ibuf, got);
		n -= got;
	}
	free(copy);
}

void tt_peek(struct end *e)
{
	tt_bursts(e, e->job->size, take_peeking);
}

/* ---- FIONREAD ---- */

static int inq(struct end *e)
{
	int n = 0;

	if (ioctl(e->fd, FIONREAD, &n))
		end_die(e, "FIONREAD: %s", tt_errname(errno));
	return n;
}

/* What is asked for settles soon after the send returned. */
static int wait_for_inq(struct end *e, int want)
{
	long deadline = tt_now_us() + (e->job->lax ? 20000 : 2000000);
	int n = inq(e);

	while (n != want && tt_now_us() < deadline) {
		wait_us(1000);
		n = inq(e);
	}
	return n;
}

/* The whole burst is there; how much is that? lax=1: what is not counted is a figure. */
static void count(struct end *e, int n)
{
	struct job *j = e->job;
	int said = wait_for_inq(e, n), want = n;
	ssize_t got;

	if (said != n && !j->lax)
		end_die(e, "FIONREAD says %d where %d bytes lie", said, n);
	job_note(j, "uncounted", n - said);
	got = recv(e->fd, e->ibuf, e->job->buf, MSG_DONTWAIT);
	if (got != want && !j->lax)
		end_die(e, "FIONREAD says %d, a read of more gives %zd", said, got);
	if (got > 0)
		strm_check(e, &e->in, e->ibuf, got);
	if (got < n)
		end_recv(e, n - (got > 0 ? got : 0));
}

void tt_inq(struct end *e)
{
	if (!end_sends(e) && !e->job->server)
		end_send(e, 1);
	if (end_sends(e) && e->job->server)
		end_recv(e, 1);
	for (uint64_t total = 0; total < (uint64_t)e->job->bytes;) {
		size_t n = rng_size(&e->shared, 30000), piece;

		total += n;
		for (size_t left = n; end_sends(e) && left; left -= piece) {
			piece = rng_upto(&e->own, left);
			end_send(e, piece);
		}
		if (!end_sends(e)) {
			if (n > 1)
				end_wait(e, POLLIN);
			count(e, n);
			end_send(e, 1);
		} else {
			end_recv(e, 1);
		}
	}
	end_fin(e);
	end_eof(e);
}

/* ---- MSG_WAITALL ---- */

static void take_all(struct end *e, size_t n)
{
	uint64_t calls = 0;

	while (n) {
		ssize_t got = recv(e->fd, e->ibuf, n, MSG_WAITALL);

		if (got < 0 && end_retry(e, POLLIN))
			continue;
		if (got <= 0)
			end_die(e, "recv: %s", got ? tt_errname(errno) : "EOF");
		strm_check(e, &e->in, e->ibuf, got);
		n -= got;
		calls++;
	}
	job_note(e->job, "calls", calls);
}

/* A known difference: calls=1 is what TCP gives. */
void tt_waitall(struct end *e)
{
	tt_bursts(e, e->job->size, take_all);
}

/* ---- signals ---- */

static void nothing(int signal)
{
	(void)signal;
}

static void signaller(struct end *e)
{
	for (int i = 0; i < 50; i++) {
		pthread_kill(e->thread, SIGUSR1);
		wait_us(2000);
	}
	end_send(e, 1);
}

static void signalled(struct end *e)
{
	end_recv(e, 1000);
}

/* A read that sleeps is restarted after each; the peer's bytes come behind the signals. */
void tt_signal(struct end *e)
{
	struct sigaction sa = { .sa_handler = nothing, .sa_flags = SA_RESTART };

	sigaction(SIGUSR1, &sa, NULL);
	if (e->job->server) {
		end_recv(e, 1);
		end_send(e, 1000);
	} else {
		e->thread = pthread_self();
		end_both(e, signaller, signalled);
	}
}

/* ---- timeouts ---- */

static void timeout(struct end *e, int option, long ms)
{
	const struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	if (setsockopt(e->fd, SOL_SOCKET, option, &tv, sizeof(tv)))
		end_die(e, "setsockopt: %s", tt_errname(errno));
	e->may_block = ms > 0;
}

/* A read of nothing, and a send nobody reads, end when they should; no byte is lost by it. */
void tt_timeo(struct end *e)
{
	struct job *j = e->job;
	long start;

	if (!j->server)
		end_send(e, 1000);
	else
		end_recv(e, 1000);
	timeout(e, SO_RCVTIMEO, 150);
	start = tt_now_us();
	if (end_try_recv(e, 100) != -1)
		end_die(e, "a read of nothing ends with bytes, or EOF");
	if (tt_now_us() - start < 140000)
		end_die(e, "a read that may take 150 ms ends after %ld us", tt_now_us() - start);
	timeout(e, SO_RCVTIMEO, 0);
	end_sync(e);
	for (int i = 0; i < 5; i++) {
		if (j->server)
			end_send(e, 3000);
		else
			end_recv(e, 3000);
		wait_us(2000);
	}
	if (end_sends(e)) {
		timeout(e, SO_SNDTIMEO, 200);
		while (end_try_send(e, j->size, 0))
			if (e->out.pos > (uint64_t)j->cap)
				end_die(e, "no limit");
		job_note(j, "accepted", e->out.pos);
		timeout(e, SO_SNDTIMEO, 0);
	}
	end_sync(e);
	if (end_sends(e)) {
		end_send(e, 70000);
		end_fin(e);
	} else {
		while (end_recv_some(e, rng_upto(&e->own, j->rsize)))
			;
	}
}
