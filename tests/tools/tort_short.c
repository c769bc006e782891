// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Mode short: many connections of two writes each, begun before anybody has accepted them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tort.h"

/* What a connection does, by its number; both programs know it. */
enum kind {
	CLIENT_FIRST, /* the client reads the answer and closes */
	SERVER_FIRST, /* the server closes behind its answer */
	HALF,	      /* the client's FIN comes before the answer */
	ONE_WAY,      /* no answer: the client closes behind its bytes */
	_KINDS
};

struct shot {
	struct job *job;
	uint64_t idx;
	enum kind kind;
	size_t n[2][2]; /* [answer][write] */
	struct strm strm[2];
	char *buf;
	int fd;
	struct end end; /* its job, and what was sent */
};

static struct {
	atomic_ulong next, done, sent, got, spliced, misordered;
	atomic_long limit; /* -1: not known yet */
	pthread_mutex_t lock;
	char first[160]; /* what was wrong first */
} tally = { .limit = -1, .lock = PTHREAD_MUTEX_INITIALIZER };

static void shot_init(struct shot *s, uint64_t idx)
{
	struct rng r = { .state = tt_mix(s->job->seed, idx) };

	s->idx = idx;
	s->kind = idx % _KINDS;
	for (int i = 0; i < 4; i++)
		s->n[i / 2][i % 2] = rng_upto(&r, s->job->size);
	for (int i = 0; i < 2; i++)
		s->strm[i] = (struct strm){ .seed = rng_next(&r) };
}

static void note_wrong(struct shot *s, const char *what, size_t at)
{
	atomic_fetch_add(&tally.misordered, 1);
	pthread_mutex_lock(&tally.lock);
	if (!tally.first[0])
		snprintf(tally.first, sizeof(tally.first), "connection %llu (kind %d): %s at %zu",
			 (unsigned long long)s->idx, s->kind, what, at);
	pthread_mutex_unlock(&tally.lock);
}

static void send_all(struct shot *s, const char *buf, size_t n)
{
	while (n) {
		ssize_t done = send(s->fd, buf, n, MSG_NOSIGNAL);

		if (done < 0 && end_retry(&s->end, POLLOUT))
			continue;
		if (done <= 0)
			job_die(s->job, "connection %llu: send: %s", (unsigned long long)s->idx,
				tt_errname(errno));
		buf += done;
		n -= done;
		atomic_fetch_add(&tally.sent, done);
		s->end.out.pos += done;
	}
}

/* As much as is there, up to n. */
static size_t read_all(struct shot *s, char *buf, size_t n)
{
	size_t have = 0;

	while (have < n) {
		ssize_t got = recv(s->fd, buf + have, n - have, 0);

		if (got < 0 && end_retry(&s->end, POLLIN))
			continue;
		if (got < 0)
			job_die(s->job, "connection %llu: recv: %s", (unsigned long long)s->idx,
				tt_errname(errno));
		if (!got)
			break;
		have += got;
	}
	atomic_fetch_add(&tally.got, have);
	return have;
}

/* Two writes, one directly after the other. */
static void say(struct shot *s, int answer)
{
	size_t all = s->n[answer][0] + s->n[answer][1], head = answer ? 0 : sizeof(s->idx);

	memcpy(s->buf, &s->idx, head);
	strm_fill(&s->strm[answer], s->buf + head, all);
	if (s->job->spoil && s->idx == (uint64_t)s->job->spoil && !answer)
		memmove(s->buf + head, s->buf + head + 1, all - 1);
	send_all(s, s->buf, head + s->n[answer][0]);
	send_all(s, s->buf + head + s->n[answer][0], s->n[answer][1]);
}

static void hear(struct shot *s, int answer)
{
	size_t all = s->n[answer][0] + s->n[answer][1], have = read_all(s, s->buf, all), i = 0;
	char *want = s->buf + all;

	strm_fill(&s->strm[answer], want, all);
	while (i < have && s->buf[i] == want[i])
		i++;
	if (i < have)
		note_wrong(s, "wrong byte", i);
	else if (have < all)
		note_wrong(s, "EOF", have);
}

static void hear_eof(struct shot *s)
{
	char c;

	if (read_all(s, &c, 1))
		note_wrong(s, "a byte too many", 0);
}

static void hang_up(struct shot *s)
{
	atomic_fetch_add(&tally.spliced, end_spliced(&s->end));
	close(s->fd);
	atomic_fetch_add(&tally.done, 1);
	atomic_fetch_add(&s->job->progress, 1);
}

static void fire(struct shot *s)
{
	s->end.idx = s->idx;
	s->end.out.pos = 0;
	job_dial(s->job, &s->end);
	s->fd = s->end.fd;
	say(s, 0);
	if (s->kind == HALF)
		shutdown(s->fd, SHUT_WR);
	if (s->kind != ONE_WAY)
		hear(s, 1);
	if (s->kind == SERVER_FIRST || s->kind == HALF)
		hear_eof(s);
	hang_up(s);
}

static void receive(struct shot *s)
{
	uint64_t idx = 0;

	if (read_all(s, (char *)&idx, sizeof(idx)) != sizeof(idx) || idx > 1UL << 32) {
		note_wrong(s, "no number", 0);
		return;
	}
	shot_init(s, idx);
	hear(s, 0);
	if (s->kind == ONE_WAY || s->kind == HALF)
		hear_eof(s);
	if (s->kind != ONE_WAY)
		say(s, 1);
	if (s->kind == CLIENT_FIRST)
		hear_eof(s);
}

static struct shot *shot_new(struct job *j)
{
	struct shot *s = calloc(1, sizeof(*s));

	if (s)
		s->buf = malloc(4 * j->size + sizeof(s->idx));
	if (!s || !s->buf)
		job_die(j, "no memory");
	s->job = s->end.job = j;
	s->end.may_block = !job_blocks(j);
	return s;
}

static void *client_main(void *arg)
{
	struct shot *s = shot_new(arg);
	unsigned long rounds = s->job->rounds;

	while (!tt_stop) {
		unsigned long i = atomic_fetch_add(&tally.next, 1);

		if (rounds && i >= rounds)
			break;
		shot_init(s, i);
		fire(s);
	}
	return NULL;
}

/* Now and then late, so that bytes lie there before accept(). */
static void *server_main(void *arg)
{
	struct job *j = arg;
	struct shot *s = shot_new(j);
	struct pollfd p = { .fd = j->listener, .events = POLLIN };
	struct rng r = { .state = (uintptr_t)s };
	long limit;

	while ((limit = atomic_load(&tally.limit)) < 0 || (long)atomic_load(&tally.done) < limit) {
		if (poll(&p, 1, 20) <= 0)
			continue;
		if (rng_next(&r) % 16 == 0)
			wait_us(rng_upto(&r, 1000));
		s->fd = accept4(j->listener, NULL, NULL,
				SOCK_CLOEXEC | (job_blocks(j) ? 0 : SOCK_NONBLOCK));
		if (s->fd < 0)
			continue;
		s->end.fd = s->fd;
		s->end.out.pos = 0;
		receive(s);
		hang_up(s);
	}
	return NULL;
}

static void run_threads(struct job *j, void *(*fn)(void *), pthread_t *threads)
{
	for (long i = 0; i < j->threads; i++)
		if (pthread_create(&threads[i], NULL, fn, j))
			job_die(j, "no thread");
}

/* The server learns at the end how many there were. */
static void await_limit(struct job *j)
{
	char line[TT_LINE];
	long n;

	if (!job_recv(j, line, sizeof(line)) || sscanf(line, "total %ld", &n) != 1)
		job_die(j, "the client is gone");
	atomic_store(&tally.limit, n);
}

/* rounds=0: until SIGTERM */
void tt_short(struct job *j)
{
	pthread_t threads[64];

	if (j->threads > 64)
		j->threads = 64;
	if (j->server && fcntl(j->listener, F_SETFL, O_NONBLOCK))
		job_die(j, "fcntl: %s", tt_errname(errno));
	run_threads(j, j->server ? server_main : client_main, threads);
	if (j->server)
		await_limit(j);
	for (long i = 0; i < j->threads; i++)
		pthread_join(threads[i], NULL);
	if (!j->server)
		job_send(j, "total %lu", atomic_load(&tally.done));
	job_note(j, "connections", tally.done);
	job_note(j, "misordered", tally.misordered);
	j->sent = tally.sent;
	j->got = tally.got;
	j->spliced = tally.spliced;
	if (tally.misordered)
		job_die(j, "%lu of %lu connections wrong; the first: %s", tally.misordered,
			tally.done, tally.first);
}
