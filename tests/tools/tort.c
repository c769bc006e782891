// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * usage: tort serve [-4|-6] [-b ADDR] PORT      listens on PORT and PORT + 1
 *        tort MODE [-m] ADDR PORT [KEY=VALUE]...
 *        tort fill MAP N                        see tort_fill.c
 *        tort modes                             lists the modes
 *
 * -m: an IPv4 address is dialled as ::ffff:a.b.c.d.  The client prints one line: "ok MODE ..."
 * with sent=BYTES/BYTES (client's, server's), spliced=BYTES/BYTES (of those, past TCP) and the
 * figures of both ends, or "FAIL MODE: why".  SIGTERM ends a job without bound (bytes=0) orderly.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tort.h"

#define BACKLOG 4096

volatile int tt_stop;

static const struct mode modes[] = {
	{ "rr", .help = "requests and answers of random sizes", .end = tt_rr, .size = 4 << 20 },
	{ "stream", .help = "dir=up|down|duplex|poll, ack=, pause=", .end = tt_stream },
	{ "stall", .help = "the reader stops, then goes on; dir=up|down", .end = tt_stall },
	{ "mute", .help = "both send and nobody reads, until both block", .end = tt_mute },
	{ "greet", .help = "the server speaks first; how=read|poll|epoll", .end = tt_greet,
	  .how = "read" },
	{ "half", .help = "who= half-closes, the other goes on", .end = tt_half },
	{ "abort", .help = "who= resets; unread= bytes it has not read", .end = tt_abort,
	  .bytes = 20000 },
	{ "closeq", .help = "who= closes with bytes on the way; how=exit", .end = tt_closeq,
	  .bytes = 100000 },
	{ "shutrd", .help = "shutdown(SHUT_RD) by who=", .end = tt_shutrd },
	{ "doom", .help = "streams until the peer program dies", .end = tt_doom },
	{ "peek", .help = "MSG_PEEK shows what a read then gives", .end = tt_peek,
	  .bytes = 1 << 20 },
	{ "inq", .help = "FIONREAD says what a read then gives", .end = tt_inq, .bytes = 1 << 20 },
	{ "wait", .help = "how=et|lt|oneshot|poll|select: every wake-up comes", .end = tt_wait,
	  .how = "et" },
	{ "signal", .help = "signals, with SA_RESTART, while a read sleeps", .end = tt_signal,
	  .blocks = true },
	{ "timeo", .help = "SO_RCVTIMEO, SO_SNDTIMEO", .end = tt_timeo, .blocks = true },
	{ "waitall", .help = "MSG_WAITALL; reports short reads", .end = tt_waitall, .blocks = true,
	  .bytes = 1 << 20 },
	{ "nbconnect", .help = "epoll registered before connect(); who= speaks first",
	  .end = tt_nbconnect, .dial = tt_nbconnect_dial, .how = "et" },
	{ "prerecv", .help = "how=recv|poll|epoll begun before the handshake", .whole = tt_prerecv,
	  .conns = 1, .how = "recv" },
	{ "short", .help = "rounds= short connections, two writes at once", .whole = tt_short,
	  .conns = 1, .size = 4096 },
	{ "fork", .help = "a chain of children goes on with the stream", .end = tt_fork,
	  .conns = 3 },
	{ "dup", .help = "by duplicates of the descriptor in turn", .end = tt_dup },
	{ "records", .help = "threads= send whole records on one socket", .end = tt_records,
	  .conns = 2, .size = 512 },
	{ "api", .help = "write, writev, sendmsg, sendmmsg, sendfile, splice", .end = tt_api },
	{ "zero", .help = "sends and reads of no bytes", .end = tt_zero, .bytes = 1 << 20 },
	{ "cork", .help = "TCP_NODELAY, TCP_CORK, MSG_MORE", .end = tt_cork, .bytes = 1 << 20 },
	{ "opt", .help = "opt= set by who= when=before|first|after", .end = tt_opt,
	  .dial = tt_opt_dial, .conns = 2, .bytes = 1 << 20 },
	{ "ulp", .help = "TCP_ULP is tried after some bytes", .end = tt_ulp, .conns = 2,
	  .bytes = 1 << 20 },
};

const struct mode *mode_find(const char *name)
{
	for (size_t i = 0; i < TT_COUNT(modes); i++)
		if (job_is(modes[i].name, name))
			return &modes[i];
	return NULL;
}

static size_t notes(const struct job *j, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (const struct note *t = j->notes; t < j->notes + j->n_notes && n < size; t++) {
		if (t->is_text)
			n += snprintf(buf + n, size - n, " %s=%s", t->name, t->text);
		else if (t->min == t->max)
			n += snprintf(buf + n, size - n, " %s=%llu", t->name,
				      (unsigned long long)t->max);
		else
			n += snprintf(buf + n, size - n, " %s=%llu..%llu", t->name,
				      (unsigned long long)t->min, (unsigned long long)t->max);
	}
	return n;
}

/* ---- server ---- */

/* Connections of a job that failed may be left. */
static void drain(int listener)
{
	int fd;

	fcntl(listener, F_SETFL, O_NONBLOCK);
	while ((fd = accept(listener, NULL, NULL)) >= 0)
		close(fd);
	fcntl(listener, F_SETFL, 0);
}

/* One job, in a process of its own. */
__attribute__((noreturn)) static void serve_job(int listener, int ctl)
{
	static struct job job;
	char line[TT_LINE], text[TT_LINE / 2], *word, *save = NULL;
	struct job *j = &job;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	j->ctl = ctl;
	j->listener = listener;
	j->server = true;
	if (!job_recv(j, line, sizeof(line)))
		_exit(TT_OK);
	for (word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save))
		if (job_set(j, word))
			job_die(j, "what is '%s'?", word);
	job_prepare(j, true);
	drain(listener);
	if (job_own_listener(j))
		tt_opt_listen(j);
	else if (listen(listener, j->backlog ?: BACKLOG))
		job_die(j, "listen: %s", tt_errname(errno));
	job_send(j, "ready");
	if (j->m->whole)
		j->m->whole(j);
	else
		job_run(j);
	if (j->n_again)
		job_note(j, "again", j->n_again);
	notes(j, text, sizeof(text));
	job_send(j, "done sent=%llu got=%llu spliced=%llu%s", (unsigned long long)j->sent,
		 (unsigned long long)j->got, (unsigned long long)j->spliced, text);
	printf("served %s sent=%llu got=%llu%s%s\n", j->mode, (unsigned long long)j->sent,
	       (unsigned long long)j->got, text, j->alone ? " alone" : "");
	fflush(stdout);
	_exit(TT_OK);
}

/* Only one at a time, since all take their connections from the same listener. */
static int serve_loop(int control, int listener)
{
	printf("listening\n");
	for (;;) {
		int ctl = accept4(control, NULL, NULL, SOCK_CLOEXEC);
		pid_t pid;

		if (ctl < 0 && errno != EINTR && errno != ECONNABORTED) {
			printf("accept: errno=%s\n", tt_errname(errno));
			return TT_FAILED;
		}
		if (ctl < 0)
			continue;
		pid = fork();
		if (!pid) {
			close(control);
			serve_job(listener, ctl);
		}
		close(ctl);
		while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
}

static int serve(int argc, char **argv)
{
	const char *addr = "::";
	int c, port, control, listener;

	while ((c = getopt(argc, argv, "46b:")) != -1) {
		switch (c) {
		case '4': addr = "0.0.0.0"; break;
		case '6': addr = "::"; break;
		case 'b': addr = optarg; break;
		default: return TT_USAGE;
		}
	}
	if (optind + 1 != argc)
		return TT_USAGE;
	port = atoi(argv[optind]);
	control = tt_listener(addr, port);
	listener = control < 0 ? -1 : tt_listener(addr, port + 1);
	if (listener < 0)
		return TT_FAILED;
	return serve_loop(control, listener);
}

/* ---- client ---- */

static void stop(int signal)
{
	(void)signal;
	tt_stop = 1;
}

static void begin(struct job *j)
{
	struct sigaction sa = { .sa_handler = stop, .sa_flags = SA_RESTART };
	char line[TT_LINE];
	struct tt_addr to;

	sigaction(SIGTERM, &sa, NULL);
	job_prepare(j, false);
	if (!tt_parse(j->addr, j->port, j->mapped, &to))
		job_die(j, "%s:%d is no address", j->addr, j->port);
	j->ctl = socket(to.ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (j->ctl < 0 || connect(j->ctl, (struct sockaddr *)&to.ss, to.len))
		job_die(j, "connect to the server: %s", tt_errname(errno));
	job_words(j, line, sizeof(line));
	job_send(j, "%s", line);
	if (!job_recv(j, line, sizeof(line)) || !job_is(line, "ready"))
		job_die(j, "the server does not answer");
}

static int finish(struct job *j)
{
	unsigned long long sent = 0, got = 0, spliced = 0;
	char line[TT_LINE], own[TT_LINE / 2];
	int n = 0;

	if (j->n_again)
		job_note(j, "again", j->n_again);
	notes(j, own, sizeof(own));
	if (!job_recv(j, line, sizeof(line))) {
		if (!job_is(j->mode, "doom"))
			job_die(j, "the server is gone");
		printf("ok %s sent=%llu got=%llu%s\n", j->mode, (unsigned long long)j->sent,
		       (unsigned long long)j->got, own);
		return TT_OK;
	}
	if (sscanf(line, "done sent=%llu got=%llu spliced=%llu%n", &sent, &got, &spliced, &n) != 3)
		job_die(j, "the server said '%.100s'", line);
	/* An abort or a close may leave bytes unread, but none may be read that nobody sent. */
	if (got > j->sent || j->got > sent)
		job_die(j, "%llu sent, %llu received; %llu sent, %llu received",
			(unsigned long long)j->sent, got, sent, (unsigned long long)j->got);
	printf("ok %s sent=%llu/%llu spliced=%llu/%llu conns=%ld ms=%ld seed=%llu%s%s%s\n", j->mode,
	       (unsigned long long)j->sent, sent, (unsigned long long)j->spliced, spliced, j->conns,
	       (tt_now_us() - j->start_us) / 1000, (unsigned long long)j->seed, own,
	       line[n] ? " server:" : "", line + n);
	return TT_OK;
}

static int client(int argc, char **argv)
{
	static struct job job;
	struct job *j = &job;
	int c;

	snprintf(j->mode, sizeof(j->mode), "%s", argv[0]);
	j->ctl = -1;
	j->seed = 1;
	while ((c = getopt(argc, argv, "+m")) != -1) {
		if (c != 'm')
			return TT_USAGE;
		j->mapped = true;
	}
	if (argc - optind < 2)
		return TT_USAGE;
	j->addr = argv[optind];
	j->port = atoi(argv[optind + 1]);
	for (int i = optind + 2; i < argc; i++)
		if (job_set(j, argv[i]))
			job_die(j, "what is '%s'?", argv[i]);
	begin(j);
	if (j->m->whole)
		j->m->whole(j);
	else
		job_run(j);
	return finish(j);
}

static int usage(void)
{
	fprintf(stderr, "usage: tort serve [-4|-6] [-b ADDR] PORT\n"
			"       tort MODE [-m] ADDR PORT [KEY=VALUE]...\n"
			"       tort fill MAP N\n       tort modes\n");
	return TT_USAGE;
}

int main(int argc, char **argv)
{
	int rc = TT_USAGE;

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2)
		return usage();
	if (job_is(argv[1], "serve"))
		rc = serve(argc - 1, argv + 1);
	else if (job_is(argv[1], "fill"))
		rc = tt_fill(argc - 1, argv + 1);
	else if (mode_find(argv[1]))
		rc = client(argc - 1, argv + 1);
	if (job_is(argv[1], "modes")) {
		for (size_t i = 0; i < TT_COUNT(modes); i++)
			printf("%-10s %s\n", modes[i].name, modes[i].help);
		rc = TT_OK;
	}
	return rc == TT_USAGE ? usage() : rc;
}
