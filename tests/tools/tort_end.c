// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Modes: how a connection ends. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tort.h"

static void exchange(struct end *e)
{
	for (int i = 0; i < 3; i++) {
		size_t up = rng_size(&e->shared, 20000), down = rng_size(&e->shared, 20000);

		if (e->job->server) {
			end_recv(e, up);
			end_send(e, down);
		} else {
			end_send(e, up);
			end_recv(e, down);
		}
	}
}

/* How a read, or a write, of this socket ends: "EOF", "ECONNRESET", "EPIPE"... */
static const char *read_end(struct end *e)
{
	for (;;) {
		ssize_t n = recv(e->fd, e->ibuf, e->job->buf, 0);

		if (n < 0 && end_retry(e, POLLIN))
			continue;
		if (n <= 0)
			return n ? tt_errname(errno) : "EOF";
		strm_check(e, &e->in, e->ibuf, n);
	}
}

static const char *write_end(struct end *e)
{
	for (;;) {
		size_t n = rng_upto(&e->own, e->job->size);
		ssize_t done;

		strm_fill(&e->out, e->obuf, n);
		done = send(e->fd, e->obuf, n, MSG_NOSIGNAL);
		if (done < 0 && !end_retry(e, POLLOUT))
			return tt_errname(errno);
		if (done > 0)
			e->out.pos += done;
	}
}

/* who= sends bytes and FIN; the other reads exactly these, then EOF, and answers as many. */
void tt_half(struct end *e)
{
	struct job *j = e->job;
	uint64_t base;

	exchange(e);
	base = e->in.pos;
	if (end_is_who(e)) {
		uint64_t total = e->out.pos + j->bytes;

		while (e->out.pos < total) {
			uint64_t left = total - e->out.pos, n = rng_upto(&e->own, j->size);

			end_send(e, n < left ? n : left);
		}
		end_fin(e);
		if (send(e->fd, "x", 1, MSG_NOSIGNAL) != -1 || errno != EPIPE)
			end_die(e, "a send after shutdown(SHUT_WR) gives %s", tt_errname(errno));
		while (end_recv_some(e, rng_upto(&e->own, j->rsize)))
			;
		if (e->in.pos - base != (uint64_t)j->bytes)
			end_die(e, "EOF after %llu bytes", (unsigned long long)(e->in.pos - base));
		return;
	}
	while (end_recv_some(e, rng_upto(&e->own, j->rsize)))
		;
	if (e->in.pos - base != (uint64_t)j->bytes)
		end_die(e, "EOF after %llu bytes", (unsigned long long)(e->in.pos - base));
	base = e->out.pos;
	while (e->out.pos - base < (uint64_t)j->bytes) {
		uint64_t left = j->bytes - (e->out.pos - base), n = rng_upto(&e->own, j->size);

		end_send(e, n < left ? n : left);
	}
}

static void abort_end(struct end *e)
{
	const struct linger reset = { .l_onoff = 1 };

	end_send(e, e->job->bytes);
	e->spliced = end_spliced(e);
	if (job_is(e->job->how, "asleep"))
		wait_us(100000);
	if (setsockopt(e->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) || close(e->fd))
		end_die(e, "close: %s", tt_errname(errno));
	e->fd = -1;
}

/*
 * who= sends bytes and closes with SO_LINGER 0.  The figures say what the other saw, in the order
 * it looked: reads, then a write.  It looks afterwards, or how=asleep: it sleeps in a read.
 */
void tt_abort(struct end *e)
{
	struct job *j = e->job;
	bool asleep = job_is(j->how, "asleep");
	uint64_t base;

	exchange(e);
	if (!end_is_who(e))
		end_send(e, j->unread);
	end_sync(e);
	base = e->in.pos;
	if (end_is_who(e))
		abort_end(e);
	if (!asleep)
		end_sync(e);
	if (!end_is_who(e)) {
		job_note_text(j, "read-end", read_end(e));
		job_note(j, "read", e->in.pos - base);
		job_note_text(j, "write-end", write_end(e));
	}
	if (asleep)
		end_sync(e);
}

/*
 * who= sends and closes at once (how=exit: by the end of a process); everything must arrive.  The
 * other end does not read before that, unless there is no room for all of it.
 */
void tt_closeq(struct end *e)
{
	struct job *j = e->job;
	uint64_t base, rest;

	exchange(e);
	base = e->in.pos;
	if (end_is_who(e)) {
		uint64_t start = e->out.pos;
		pid_t pid = job_is(j->how, "exit") ? fork() : 0;
		int status = 0;

		if (!pid) {
			end_fill(e, start + j->bytes);
			if (job_is(j->how, "exit"))
				_exit(e->out.pos - start == (uint64_t)j->bytes ? TT_OK : TT_FAILED);
		} else {
			close(e->fd);
			if (waitpid(pid, &status, 0) < 0 || status)
				end_die(e, "the child ended with status %x", status);
			e->out.pos = start + j->bytes;
		}
		rest = start + j->bytes - e->out.pos;
		if (rest) {
			end_sync(e);
			end_send(e, rest);
		}
		e->spliced = end_spliced(e);
		if (!pid)
			close(e->fd);
		e->fd = -1;
		job_note(j, "left", e->out.pos - start);
		if (!rest)
			end_sync(e);
		return;
	}
	end_sync(e);
	while (end_recv_some(e, rng_upto(&e->own, j->rsize)))
		;
	job_note(j, "arrived", e->in.pos - base);
	if (e->in.pos - base != (uint64_t)j->bytes)
		end_die(e, "EOF after %llu bytes", (unsigned long long)(e->in.pos - base));
}

/* The last bytes may come late, where packets change the CPU. */
static void deaf_end(struct end *e)
{
	struct job *j = e->job;
	char c;
	ssize_t n;

	if (shutdown(e->fd, SHUT_RD))
		end_die(e, "shutdown(SHUT_RD): %s", tt_errname(errno));
	n = recv(e->fd, &c, 1, MSG_DONTWAIT);
	if (n)
		end_die(e, "a read after shutdown(SHUT_RD) gives %zd, %s", n,
			n < 0 ? tt_errname(errno) : "a byte");
	end_sync(e);
	end_sync(e);
	n = recv(e->fd, e->ibuf, 5000, MSG_DONTWAIT);
	job_note_text(j, "late-read", n > 0 ? "bytes" : n ? tt_errname(errno) : "EOF");
	if (n > 0)
		strm_check(e, &e->in, e->ibuf, n);
	for (uint64_t total = e->out.pos + j->bytes; e->out.pos < total;)
		end_send(e, rng_upto(&e->own, j->size));
	end_fin(e);
}

/* After SHUT_RD by who=: its reads end, but the peer may go on sending, and so may it. */
void tt_shutrd(struct end *e)
{
	exchange(e);
	end_sync(e);
	if (end_is_who(e)) {
		deaf_end(e);
	} else {
		end_sync(e);
		end_send(e, 5000); /* into a deaf ear; no error */
		end_sync(e);
		while (end_recv_some(e, rng_upto(&e->own, e->job->rsize)))
			;
	}
	end_sync(e); /* a close() with bytes unread would be a reset */
}

static void doom_reader(struct end *e)
{
	job_note_text(e->job, "read-end", read_end(e));
}

static void doom_writer(struct end *e)
{
	job_note_text(e->job, "write-end", write_end(e));
}

/* One read or write of what is due; false: that was the end. */
static bool doom_step(struct end *e, size_t n, bool reads)
{
	while (n) {
		ssize_t done;

		if (!reads)
			strm_fill(&e->out, e->obuf, n);
		done = reads ? recv(e->fd, e->ibuf, n, 0) : send(e->fd, e->obuf, n, MSG_NOSIGNAL);
		if (done < 0 && end_retry(e, reads ? POLLIN : POLLOUT))
			continue;
		if (done <= 0) {
			job_note_text(e->job, reads ? "read-end" : "write-end",
				      done ? tt_errname(errno) : "EOF");
			return false;
		}
		if (reads)
			strm_check(e, &e->in, e->ibuf, done);
		else
			e->out.pos += done;
		n -= done;
	}
	return true;
}

static void doom_pingpong(struct end *e)
{
	size_t n;

	do {
		n = rng_size(&e->shared, e->job->size);
		if (!doom_step(e, n, e->job->server))
			break;
		n = rng_size(&e->shared, e->job->size);
	} while (doom_step(e, n, !e->job->server));
}

/*
 * dir= streams, or how=pingpong, until one of the programs is killed; what came until then is the
 * beginning of what was sent.
 */
void tt_doom(struct end *e)
{
	struct job *j = e->job;

	e->job->alone = true;
	if (job_is(j->how, "pingpong"))
		doom_pingpong(e);
	else if (end_sends(e) && end_reads(e))
		end_both(e, doom_reader, doom_writer);
	else if (end_sends(e))
		doom_writer(e);
	else
		doom_reader(e);
	job_note(j, "came", e->in.pos);
}
