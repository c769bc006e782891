// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Runs a job: connections, a thread for each end, sums. */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tort.h"

#define BUF_MIN (64L << 10)

/* ---- connections ---- */

/* Options of the listener would stay for later jobs: such a job has its own, on PORT + 2. */
bool job_own_listener(const struct job *j)
{
	return job_is(j->when, "before") && job_is(j->who, "server");
}

bool job_blocks(const struct job *j)
{
	return job_is(j->block, "both") || job_is(j->block, j->server ? "server" : "client");
}

int job_socket(struct job *j, struct tt_addr *ret)
{
	int fd;

	if (!tt_parse(j->addr, j->port + 1 + job_own_listener(j), j->mapped, ret))
		job_die(j, "%s is no address", j->addr);
	fd = socket(ret->ss.ss_family,
		    SOCK_STREAM | SOCK_CLOEXEC | (job_blocks(j) ? 0 : SOCK_NONBLOCK), 0);
	if (fd < 0)
		job_die(j, "socket: %s", tt_errname(errno));
	return fd;
}

void end_connect(struct end *e, const struct tt_addr *to)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (connect(e->fd, (struct sockaddr *)&to->ss, to->len))
		err = errno;
	if (err == EINPROGRESS) {
		end_wait(e, POLLOUT);
		getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	}
	if (err)
		end_die(e, "connect: %s", tt_errname(err));
}

void job_dial(struct job *j, struct end *e)
{
	struct tt_addr to;

	e->fd = job_socket(j, &to);
	end_connect(e, &to);
}

int job_accept(struct job *j)
{
	int fd;

	do {
		fd = accept4(j->listener, NULL, NULL,
			     SOCK_CLOEXEC | (job_blocks(j) ? 0 : SOCK_NONBLOCK));
	} while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (fd < 0)
		job_die(j, "accept: %s", tt_errname(errno));
	return fd;
}

/* ---- the deadline ---- */

static void tell(const struct job *j)
{
	uint64_t n = j->progress;

	for (long i = 0; j->ends && i < j->conns; i++)
		n += j->ends[i].out.pos + j->ends[i].in.pos;
	printf("progress %llu\n", (unsigned long long)n);
}

/* A hang is a failure like any other; it says how far each connection came. */
static void *watchdog(void *arg)
{
	struct job *j = arg;
	char text[480] = "";
	size_t n = 0;

	for (long i = 0; i < j->secs * 5; i++) {
		wait_us(200000);
		if (j->tell && !j->server)
			tell(j);
	}
	for (long i = 0; j->ends && i < j->conns && n < sizeof(text); i++)
		n += snprintf(text + n, sizeof(text) - n, " %ld:%llu/%llu", i,
			      (unsigned long long)j->ends[i].out.pos,
			      (unsigned long long)j->ends[i].in.pos);
	job_die(j, "no end after %ld s; sent/received:%s", j->secs, text);
}

void job_prepare(struct job *j, bool server)
{
	pthread_t thread;

	j->server = server;
	j->m = mode_find(j->mode);
	if (!j->m)
		job_die(j, "no such mode");
	j->conns = j->conns ?: j->m->conns ?: 4;
	j->bytes = j->bytes ?: j->m->bytes ?: 4L << 20;
	j->size = j->size ?: j->m->size ?: 64L << 10;
	j->rsize = j->rsize ?: j->size;
	j->secs = j->secs ?: 60;
	j->quiet = j->quiet ?: 400;
	j->cap = j->cap ?: 96L << 20;
	j->threads = j->threads ?: 4;
	if (!j->dir[0])
		strcpy(j->dir, "up");
	if (!j->who[0])
		strcpy(j->who, "client");
	if (!j->how[0] && j->m->how)
		strcpy(j->how, j->m->how);
	if (!j->block[0])
		strcpy(j->block, j->m->blocks ? "both" : "none");
	j->buf = j->size > j->rsize ? j->size : j->rsize;
	if (j->buf < BUF_MIN)
		j->buf = BUF_MIN;
	if (j->conns > TT_CONNS)
		job_die(j, "at most %d connections", TT_CONNS);
	pthread_mutex_init(&j->lock, NULL);
	pthread_mutex_init(&j->ctl_lock, NULL);
	pthread_barrier_init(&j->barrier, NULL, j->conns);
	if (pthread_create(&thread, NULL, watchdog, j))
		job_die(j, "no thread");
	j->start_us = tt_now_us();
}

/* ---- ends ---- */

static void end_init(struct job *j, struct end *e, unsigned idx)
{
	uint64_t seed = tt_mix(j->seed, idx);

	*e = (struct end){ .job = j, .idx = idx, .fd = -1, .epfd = -1 };
	e->may_block = !job_blocks(j);
	e->out.seed = tt_mix(seed, j->server);
	e->in.seed = tt_mix(seed, !j->server);
	e->shared.state = tt_mix(seed, 2);
	e->own.state = tt_mix(seed, 3 + j->server);
	e->obuf = malloc(j->buf);
	e->ibuf = malloc(j->buf);
	if (!e->obuf || !e->ibuf)
		job_die(j, "no memory");
}

/* Otherwise small writes of rounds would wait 40 ms for each other's acknowledgement. */
void end_ready(struct end *e)
{
	int one = 1;

	if (!e->job->nagle && setsockopt(e->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		end_die(e, "TCP_NODELAY: %s", tt_errname(errno));
}

static const struct kept {
	int level, option;
	const char *name;
} kept[] = {
	{ SOL_SOCKET, SO_KEEPALIVE, "KEEPALIVE" },
	{ SOL_SOCKET, SO_RCVLOWAT, "RCVLOWAT" },
	{ IPPROTO_TCP, TCP_KEEPIDLE, "KEEPIDLE" },
	{ IPPROTO_TCP, TCP_KEEPINTVL, "KEEPINTVL" },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, "USER_TIMEOUT" },
};

static void options_of(const struct end *e, int values[TT_COUNT(kept)])
{
	socklen_t len = sizeof(int);

	for (size_t i = 0; i < TT_COUNT(kept); i++)
		if (getsockopt(e->fd, kept[i].level, kept[i].option, &values[i], &len))
			values[i] = -1;
}

/* What the program never touched and finds changed is a figure. */
static void note_changes(struct end *e, const int before[TT_COUNT(kept)])
{
	int now[TT_COUNT(kept)];

	if (e->fd < 0 || job_is(e->job->mode, "opt"))
		return;
	options_of(e, now);
	for (size_t i = 0; i < TT_COUNT(kept); i++)
		if (now[i] != before[i] && now[i] != -1)
			job_note(e->job, kept[i].name, now[i]);
}

static void *end_main(void *arg)
{
	struct end *e = arg;
	int values[TT_COUNT(kept)];

	end_ready(e);
	options_of(e, values);
	e->job->m->end(e);
	note_changes(e, values);
	e->spliced = e->spliced ?: end_spliced(e);
	if (e->fd >= 0)
		close(e->fd);
	e->fd = -1;
	return NULL;
}

/* The clients have sent something that lies there before accept(). */
static void wait_for_bytes(struct job *j)
{
	for (int i = 0; i < 2000; i++) {
		long n = 0;

		while (n < j->conns && *(volatile uint64_t *)&j->ends[n].out.pos)
			n++;
		if (n == j->conns)
			break;
		wait_us(1000);
	}
	job_sync_now(j);
}

void job_ends(struct job *j)
{
	j->ends = calloc(j->conns, sizeof(*j->ends));
	if (!j->ends)
		job_die(j, "no memory");
	for (long i = 0; i < j->conns; i++)
		end_init(j, &j->ends[i], i);
}

void job_sum(struct job *j)
{
	for (struct end *e = j->ends; e < j->ends + j->conns; e++) {
		e->spliced = e->spliced ?: end_spliced(e);
		if (e->fd >= 0)
			close(e->fd);
		if (e->epfd >= 0)
			close(e->epfd);
		j->sent += e->out.pos;
		j->got += e->in.pos;
		j->spliced += e->spliced;
		free(e->obuf);
		free(e->ibuf);
	}
}

static int port_of(int fd, int (*get)(int, struct sockaddr *, socklen_t *))
{
	struct sockaddr_in6 in6 = { 0 }; /* sin_port is at the same place */
	socklen_t len = sizeof(in6);

	return get(fd, (struct sockaddr *)&in6, &len) ? 0 : ntohs(in6.sin6_port);
}

static void start_end(struct end *e)
{
	if (pthread_create(&e->thread, NULL, end_main, e))
		job_die(e->job, "no thread");
}

/* They come in any order; the client says which port is whose. */
static void accept_all(struct job *j)
{
	char line[TT_LINE], *at = line;
	int fds[TT_CONNS], port, n = 0;

	for (long i = 0; i < j->conns; i++)
		fds[i] = job_accept(j);
	if (!job_recv(j, line, sizeof(line)) || strncmp(line, "ports", 5))
		job_die(j, "the client says nothing about its ports");
	at += 5;
	for (long i = 0; i < j->conns; i++, at += n) {
		struct end *e = &j->ends[i];

		if (sscanf(at, "%d%n", &port, &n) != 1)
			job_die(j, "a port is missing");
		for (long k = 0; k < j->conns && e->fd < 0; k++)
			if (port_of(fds[k], getpeername) == port)
				e->fd = fds[k];
		if (e->fd < 0)
			job_die(j, "nobody came from port %d", port);
	}
	for (struct end *e = j->ends; e < j->ends + j->conns; e++)
		start_end(e);
}

/* Each sends as soon as it is connected; only then is there time for the other line. */
static void dial_all(struct job *j)
{
	char line[TT_LINE] = "ports";
	size_t n = strlen(line);

	pthread_mutex_lock(&j->ctl_lock);
	for (struct end *e = j->ends; e < j->ends + j->conns; e++) {
		(j->m->dial ?: job_dial)(j, e);
		n += snprintf(line + n, sizeof(line) - n, " %d", port_of(e->fd, getsockname));
		start_end(e);
	}
	if (j->late)
		wait_for_bytes(j);
	job_send(j, "%s", line);
	pthread_mutex_unlock(&j->ctl_lock);
}

void job_run(struct job *j)
{
	job_ends(j);
	if (j->server && j->late)
		job_sync_now(j);
	if (j->server)
		accept_all(j);
	else
		dial_all(j);
	for (struct end *e = j->ends; e < j->ends + j->conns; e++)
		pthread_join(e->thread, NULL);
	job_sum(j);
}
