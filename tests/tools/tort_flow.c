// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Modes: requests and answers; streams; readers that are slow, stop, or never read at all. */
#include <errno.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <stdio.h>

#include "tort.h"

/* In one call, or in pieces. */
static void send_somehow(struct end *e, size_t n)
{
	if (rng_next(&e->own) % 4) {
		end_send(e, n);
		return;
	}
	while (n) {
		size_t piece = rng_upto(&e->own, n);

		end_send(e, piece);
		n -= piece;
	}
}

static void rr_client(struct end *e)
{
	const struct job *j = e->job;
	long rounds = j->rounds;

	for (long i = 0; (!rounds || i < rounds) && !tt_stop; i++) {
		size_t ask = rng_size(&e->shared, j->size), answer = rng_size(&e->shared, j->size);

		send_somehow(e, ask);
		end_recv(e, answer);
		wait_us(j->pause);
	}
	end_fin(e);
	end_eof(e);
}

static void rr_server(struct end *e)
{
	const struct job *j = e->job;

	for (;;) {
		size_t ask = rng_size(&e->shared, j->size), answer = rng_size(&e->shared, j->size);
		size_t first = end_recv_some(e, ask);

		if (!first)
			break;
		end_recv(e, ask - first);
		send_somehow(e, answer);
	}
}

/* rounds=0: until SIGTERM */
void tt_rr(struct end *e)
{
	if (e->job->server)
		rr_server(e);
	else
		rr_client(e);
}

/* ---- streams ---- */

/* Without a bound it is the client that says when it is enough, by its own FIN. */
static bool enough(const struct end *e)
{
	if (e->job->rounds)
		return e->job->server ? e->peer_done : tt_stop;
	return e->out.pos >= (uint64_t)e->job->bytes || tt_stop;
}

static void writer(struct end *e)
{
	while (end_sends(e) && !enough(e)) {
		size_t n = rng_upto(&e->own, e->job->size);
		uint64_t left = e->job->bytes - e->out.pos;

		end_send(e, e->job->rounds || n < left ? n : left);
	}
	if (end_sends(e))
		end_fin(e);
}

/* What is answered goes out by the reader, so that it does not meet a writer's bytes half way. */
static void reader(struct end *e)
{
	struct job *j = e->job;
	uint64_t answered = 0;
	struct rng r = { .state = tt_mix(e->own.state, 7) };

	for (;;) {
		size_t n;

		wait_us(j->pause);
		n = end_recv_some(e, rng_upto(&r, j->rsize));
		if (!n)
			break;
		for (; end_reads(e) && !end_sends(e) && j->ack && e->in.pos / j->ack > answered;
		     answered++)
			end_send(e, 1);
	}
	e->peer_done = true;
	if (!end_sends(e))
		end_fin(e);
}

/* One thread for both directions, by poll(). */
static void poller(struct end *e)
{
	struct pollfd p = { .fd = e->fd, .events = POLLIN | POLLOUT };
	bool fin = false;

	end_nonblock(e, true);
	while (!fin || !e->peer_done) {
		p.events = (fin ? 0 : POLLOUT) | (e->peer_done ? 0 : POLLIN);
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			end_die(e, "poll: %s", tt_errname(errno));
		if (p.revents & (POLLIN | POLLERR | POLLHUP) && !e->peer_done)
			e->peer_done = end_try_recv(e, rng_upto(&e->own, e->job->rsize)) == 0;
		if (p.revents & (POLLOUT | POLLERR | POLLHUP) && !fin) {
			size_t n = rng_upto(&e->own, e->job->size);
			uint64_t left = e->job->bytes - e->out.pos;

			if (enough(e)) {
				end_fin(e);
				fin = true;
			} else {
				end_try_send(e, e->job->rounds || n < left ? n : left, 0);
			}
		}
	}
}

/* dir=up|down|duplex|poll; rounds=1: without a bound, until SIGTERM */
void tt_stream(struct end *e)
{
	if (job_is(e->job->dir, "poll"))
		poller(e);
	else
		end_both(e, reader, writer);
	if (!e->job->rounds && end_sends(e) && e->out.pos != (uint64_t)e->job->bytes && !tt_stop)
		end_die(e, "only %llu bytes sent", (unsigned long long)e->out.pos);
	if (!e->job->rounds && end_reads(e) && e->in.pos < (uint64_t)e->job->bytes && !tt_stop)
		end_die(e, "EOF after %llu bytes", (unsigned long long)e->in.pos);
}

/* ---- readers that do not read ---- */

/* Bytes of kernel memory this socket is charged for: what it has received, or has yet to send. */
static uint64_t memory_of(const struct end *e)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(info);

	getsockopt(e->fd, SOL_SOCKET, SO_MEMINFO, info, &len);
	return end_sends(e) ? info[SK_MEMINFO_WMEM_QUEUED] : info[SK_MEMINFO_RMEM_ALLOC];
}

/*
 * One direction is filled until the kernel takes no more; then the reader goes on.
 * The figures: bytes taken while nobody read, and ms from the first read to the end.
 */
void tt_stall(struct end *e)
{
	struct job *j = e->job;
	long start;

	/* A server's bytes are spliced once its client has spoken. */
	if (j->server)
		end_recv(e, 100);
	else
		end_send(e, 100);
	if (end_sends(e)) {
		end_fill(e, UINT64_MAX);
		job_note(j, "accepted", e->out.pos);
		job_note(j, "past-tcp", end_spliced(e));
	}
	end_sync(e);
	job_note(j, end_sends(e) ? "wmem" : "rmem", memory_of(e));
	end_sync(e);
	if (end_sends(e)) {
		uint64_t total = e->out.pos + j->bytes;

		while (e->out.pos < total)
			end_send(e, rng_upto(&e->own, j->size));
		end_fin(e);
		end_eof(e);
		return;
	}
	wait_us(j->hold * 1000);
	start = tt_now_us();
	while (end_recv_some(e, rng_upto(&e->own, j->rsize)))
		;
	job_note(j, "resume-ms", (tt_now_us() - start) / 1000);
}

static void mute_drain(struct end *e)
{
	while (end_recv_some(e, rng_upto(&e->shared, e->job->rsize)))
		;
}

static void mute_go_on(struct end *e)
{
	uint64_t total = e->out.pos + e->job->bytes;

	while (e->out.pos < total)
		end_send(e, rng_upto(&e->own, e->job->size));
	end_fin(e);
}

/* Both write and nobody reads: both must come to a stop.  Then all of it arrives. */
void tt_mute(struct end *e)
{
	if (!e->job->server)
		end_send(e, 1);
	else
		end_recv(e, 1);
	end_fill(e, UINT64_MAX);
	job_note(e->job, "queued", e->out.pos);
	end_sync(e);
	end_both(e, mute_drain, mute_go_on);
}
