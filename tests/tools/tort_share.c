// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Modes: a socket that several processes, descriptors or threads use. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tort.h"

#define GENERATIONS 6
#define ROUNDS 12 /* of each generation */

static void part(struct end *e)
{
	for (int i = 0; i < ROUNDS; i++) {
		size_t up = rng_size(&e->shared, e->job->size);
		size_t down = rng_size(&e->shared, e->job->size);

		if (e->job->server) {
			end_recv(e, up);
			end_send(e, down);
		} else {
			end_send(e, up);
			end_recv(e, down);
		}
	}
}

/* ---- fork ---- */

/* The end's copy in the last child says what became of it. */
static void generation(struct end *e, int n, struct end *ret)
{
	int status = 0;
	pid_t pid;

	part(e);
	if (n == GENERATIONS) {
		end_fin(e);
		end_eof(e);
		e->spliced = end_spliced(e);
		*ret = *e;
		return;
	}
	pid = fork();
	if (!pid) {
		alarm(e->job->secs); /* the watchdog is a thread, and so stays behind */
		generation(e, n + 1, ret);
		_exit(TT_OK);
	}
	if (!job_is(e->job->how, "keep"))
		close(e->fd);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		end_die(e, "fork: %s", tt_errname(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == TT_FAILED)
		_exit(TT_FAILED); /* it has said why */
	if (status)
		end_die(e, "a child ended with status %x", status);
}

/* Each child goes on where its parent stopped; how=keep: whose descriptor stays open. */
void tt_fork(struct end *e)
{
	struct end *last = mmap(NULL, sizeof(*last), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (last == MAP_FAILED)
		end_die(e, "mmap: %s", tt_errname(errno));
	generation(e, 1, last);
	e->out.pos = last->out.pos;
	e->in.pos = last->in.pos;
	e->spliced = last->spliced;
	if (!job_is(e->job->how, "keep"))
		e->fd = -1;
	munmap(last, sizeof(*last));
}

/* ---- dup ---- */

/* Through a Unix socket and back. */
static int passed_on(struct end *e)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	char c = 'x';
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	int sv[2], fd = -1;

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &e->fd, sizeof(int));
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) || sendmsg(sv[0], &m, 0) != 1 ||
	    recvmsg(sv[1], &m, MSG_CMSG_CLOEXEC) != 1 || !(h = CMSG_FIRSTHDR(&m)))
		end_die(e, "SCM_RIGHTS: %s", tt_errname(errno));
	memcpy(&fd, CMSG_DATA(h), sizeof(int));
	close(sv[0]);
	close(sv[1]);
	return fd;
}

static void change_fd(struct end *e)
{
	int old = e->fd;

	switch (rng_next(&e->own) % 4) {
	case 0: e->fd = dup(old); break;
	case 1: e->fd = fcntl(old, F_DUPFD_CLOEXEC, 100); break;
	case 2: e->fd = dup2(old, 500 + (int)e->idx * 2 + e->job->server); break;
	case 3: e->fd = passed_on(e); break;
	}
	if (e->fd < 0)
		end_die(e, "dup: %s", tt_errname(errno));
	if (e->fd != old)
		close(old);
}

void tt_dup(struct end *e)
{
	for (uint64_t total = 0; total < (uint64_t)e->job->bytes;) {
		uint64_t before = e->out.pos + e->in.pos;

		part(e);
		total += e->out.pos + e->in.pos - before;
		change_fd(e);
	}
	end_fin(e);
	end_eof(e);
}

/* ---- records ---- */

#define CREDIT 8	    /* records a byte of the reader's stands for */
#define WINDOW (32UL << 10) /* bytes on their way; more, and TCP may tear records, too */

struct record {
	uint32_t thread, seq;
	char bytes[];
};

struct crowd {
	struct end *e;
	uint64_t each, window; /* records */
	atomic_ulong sent, acked;
	atomic_uint next_thread;
};

static void record_make(const struct job *j, struct record *r, uint32_t thread, uint32_t seq)
{
	size_t n = j->size - sizeof(*r);
	struct strm s = { .seed = tt_mix(j->seed, 1000 + thread), .pos = seq * n };

	r->thread = thread;
	r->seq = seq;
	strm_fill(&s, r->bytes, n);
}

static void *record_writer(void *arg)
{
	struct crowd *c = arg;
	struct end *e = c->e;
	struct job *j = e->job;
	uint32_t thread = atomic_fetch_add(&c->next_thread, 1);
	struct record *r = malloc(j->size);

	if (!r)
		end_die(e, "no memory");
	for (uint32_t seq = 0; seq < c->each; seq++) {
		unsigned long mine = atomic_fetch_add(&c->sent, 1);
		ssize_t n;

		while (mine >= atomic_load(&c->acked) * CREDIT + c->window)
			wait_us(20);
		record_make(j, r, thread, seq);
		do {
			n = send(e->fd, r, j->size, MSG_NOSIGNAL);
		} while (n < 0 && end_retry(e, POLLOUT));
		if (n != j->size)
			end_die(e, "send of a record gives %zd: %s", n, tt_errname(errno));
	}
	free(r);
	return NULL;
}

static void records_out(struct end *e)
{
	struct job *j = e->job;
	struct crowd c = { .e = e, .each = j->bytes / j->size / j->threads };
	pthread_t threads[16];
	char credits[64];
	ssize_t n;

	if (j->threads > 16)
		j->threads = 16;
	c.window = WINDOW / j->size > CREDIT ? WINDOW / j->size : CREDIT;
	for (long i = 0; i < j->threads; i++)
		if (pthread_create(&threads[i], NULL, record_writer, &c))
			end_die(e, "no thread");
	while (atomic_load(&c.acked) < c.each * j->threads / CREDIT) {
		n = recv(e->fd, credits, sizeof(credits), 0);
		if (n < 0 && end_retry(e, POLLIN))
			continue;
		if (n <= 0)
			end_die(e, "recv: %s", n ? tt_errname(errno) : "EOF");
		atomic_fetch_add(&c.acked, n);
		e->in.pos += n;
	}
	for (long i = 0; i < j->threads; i++)
		pthread_join(threads[i], NULL);
	e->out.pos += c.each * j->threads * j->size;
	end_fin(e);
}

/* A record that is not whole, or not its thread's next. */
static void record_check(struct end *e, const struct record *got, struct record *want,
			 uint32_t *next)
{
	struct job *j = e->job;

	if (got->thread >= j->threads)
		end_die(e, "a torn record at %llu: thread %u", (unsigned long long)e->in.pos,
			got->thread);
	if (got->seq != next[got->thread])
		end_die(e, "thread %u: record %u where %u should be", got->thread, got->seq,
			next[got->thread]);
	record_make(j, want, got->thread, got->seq);
	if (memcmp(got, want, j->size))
		end_die(e, "a torn record at %llu: thread %u, number %u",
			(unsigned long long)e->in.pos, got->thread, got->seq);
	next[got->thread]++;
}

static void records_in(struct end *e)
{
	struct job *j = e->job;
	uint32_t next[16] = { 0 };
	struct record *got = malloc(j->size), *want = malloc(j->size);
	uint64_t n = 0;

	if (!got || !want)
		end_die(e, "no memory");
	for (;; n++) {
		ssize_t have = 0, more = 1;

		if (n && n % CREDIT == 0 && send(e->fd, "c", 1, MSG_NOSIGNAL) == 1)
			e->out.pos++;
		while (have < j->size && more > 0) {
			more = recv(e->fd, (char *)got + have, j->size - have, 0);
			if (more < 0 && end_retry(e, POLLIN))
				more = 1;
			else
				have += more;
		}
		if (more < 0 || (!more && have))
			end_die(e, "recv: %s", more ? tt_errname(errno) : "EOF within a record");
		if (!more)
			break;
		record_check(e, got, want, next);
		e->in.pos += j->size;
	}
	for (long i = 0; i < j->threads; i++)
		if (next[i] != (uint64_t)(j->bytes / j->size / j->threads))
			end_die(e, "EOF after %u records of thread %ld", next[i], i);
	free(got);
	free(want);
}

/* threads= of one program send records of size= bytes, each by one call. */
void tt_records(struct end *e)
{
	struct job *j = e->job;

	if (j->threads > 16)
		j->threads = 16;
	if (end_sends(e) && j->server)
		end_recv(e, 1); /* a server speaks after its client */
	else if (!end_sends(e) && !j->server)
		end_send(e, 1);
	if (end_sends(e))
		records_out(e);
	else
		records_in(e);
}
