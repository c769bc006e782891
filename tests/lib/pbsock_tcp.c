// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* TCP: a server that prints both ends of what it accepts, and clients. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pbsock.h"

#define SERVE_FDS 1024
#define HOLD_MAX 1000

struct serve {
	const struct ps_server *opts;
	struct pollfd fds[SERVE_FDS]; /* [0] listens */
	nfds_t n;
};

static void serve_accept(struct serve *s)
{
	struct ps_addr peer = { .len = sizeof(peer.ss) };
	int fd = accept4(s->fds[0].fd, (struct sockaddr *)&peer.ss, &peer.len, SOCK_CLOEXEC);

	if (fd < 0) {
		printf("accept errno=%s\n", ps_errname(errno));
		return;
	}
	printf("accept peer=%s local=%s getpeername=%s\n", ps_format(&peer), ps_sockname(fd),
	       ps_peername(fd));
	if (s->opts->hello && send(fd, s->opts->hello, strlen(s->opts->hello), MSG_NOSIGNAL) < 0)
		printf("send errno=%s\n", ps_errname(errno));
	if (s->n == SERVE_FDS) {
		close(fd);
		return;
	}
	s->fds[s->n++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

/* Echoes what came; false when the connection is over. */
static bool serve_echo(int fd)
{
	char buf[4096];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);

	return n > 0 && send(fd, buf, n, MSG_NOSIGNAL) == n;
}

static int serve_loop(const struct ps_server *opts, int listener)
{
	static struct serve s;
	long deadline = ps_now_us() + opts->seconds * 1000000L;

	s.opts = opts;
	s.fds[0] = (struct pollfd){ .fd = listener, .events = POLLIN };
	s.n = 1;
	while (ps_now_us() < deadline) {
		if (poll(s.fds, s.n, 1000) < 0 && errno != EINTR)
			return ps_fail("poll", deadline);
		for (nfds_t i = s.n; i-- > 1;) {
			if (!s.fds[i].revents || serve_echo(s.fds[i].fd))
				continue;
			close(s.fds[i].fd);
			s.fds[i] = s.fds[--s.n];
		}
		if (s.fds[0].revents)
			serve_accept(&s);
	}
	return PS_OK;
}

int ps_tcp_serve(int argc, char **argv)
{
	struct ps_server opts;
	pid_t parent = getpid();
	int fd;

	if (!ps_server_options(argc, argv, &opts))
		return PS_USAGE;
	for (int i = 1; i < opts.workers; i++) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != parent)
				_exit(PS_FAILED); /* it ended before the line above */
			break;
		}
	}
	fd = ps_server_socket(&opts, SOCK_STREAM);
	if (fd < 0)
		return PS_FAILED;
	if (opts.fork_away && fork() != 0)
		return PS_OK;
	return serve_loop(&opts, fd);
}

struct dial {
	struct ps_addr to;
	struct ps_addr from; /* len 0: none */
	const char *text;
	bool mapped, nonblock, tfo, tfo_connect, hold;
	int count;
	long timeout_us;
};

static bool dial_options(int argc, char **argv, struct dial *d)
{
	static const struct option options[] = {
		{ "bind", required_argument, NULL, 'b' },
		{ "send", required_argument, NULL, 's' },
		{ "mapped", no_argument, NULL, 'm' },
		{ "nonblock", no_argument, NULL, 'n' },
		{ "tfo", no_argument, NULL, 't' },
		{ "tfo-connect", no_argument, NULL, 'T' },
		{ "count", required_argument, NULL, 'c' },
		{ "hold", no_argument, NULL, 'h' },
		{ "timeout", required_argument, NULL, 'w' },
		{ "for", required_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	const char *from = NULL;

	*d = (struct dial){ .count = 1, .timeout_us = 5000000 };
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (c) {
		case 'b': from = optarg; break;
		case 's': d->text = optarg; break;
		case 'm': d->mapped = true; break;
		case 'n': d->nonblock = true; break;
		case 't': d->tfo = true; break;
		case 'T': d->tfo_connect = true; break;
		case 'c': d->count = atoi(optarg); break;
		case 'h': d->hold = true; break;
		case 'w': d->timeout_us = atol(optarg) * 1000; break;
		default: return false;
		}
	}
	if (optind != argc - 2 || d->count < 1 || d->count > HOLD_MAX)
		return false;
	return ps_parse(argv[optind], argv[optind + 1], d->mapped, &d->to) &&
	       (!from || ps_parse_pair(from, d->mapped, &d->from));
}

/* connect() that ends by the deadline; 0 or -1 with errno. */
static int dial_wait(int fd, const struct dial *d, long deadline)
{
	int flags = fcntl(fd, F_GETFL), err = 0;
	socklen_t len = sizeof(err);

	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return -1;
	if (connect(fd, (const struct sockaddr *)&d->to.ss, d->to.len)) {
		if (errno != EINPROGRESS)
			return -1;
		if (ps_wait(fd, POLLOUT, deadline) <= 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
			return -1;
		if (err) {
			errno = err;
			return -1;
		}
	}
	return d->nonblock ? 0 : fcntl(fd, F_SETFL, flags);
}

static int dial_fastopen(int fd, const struct dial *d)
{
	const char *text = d->text ? d->text : "x";

	return sendto(fd, text, strlen(text), MSG_FASTOPEN | MSG_NOSIGNAL,
		      (const struct sockaddr *)&d->to.ss, d->to.len) < 0
		       ? -1
		       : 0;
}

/* A connected socket or -1 after a line about the failure. */
static int dial(const struct dial *d)
{
	long start = ps_now_us();
	int fd = socket(d->to.ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0) {
		ps_fail("socket", start);
		return -1;
	}
	if (d->from.len && bind(fd, (const struct sockaddr *)&d->from.ss, d->from.len)) {
		ps_fail("bind", start);
		close(fd);
		return -1;
	}
	if (d->tfo_connect)
		ps_set(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT);
	err = d->tfo ? dial_fastopen(fd, d) : dial_wait(fd, d, start + d->timeout_us);
	if (err) {
		ps_fail("connect", start);
		close(fd);
		return -1;
	}
	printf("ok peer=%s sock=%s us=%ld\n", ps_peername(fd), ps_sockname(fd),
	       ps_now_us() - start);
	return fd;
}

static int dial_talk(int fd, const struct dial *d)
{
	long start = ps_now_us();
	char buf[256];
	ssize_t n;

	if (!d->tfo && send(fd, d->text, strlen(d->text), MSG_NOSIGNAL) < 0)
		return ps_fail("send", start);
	if (ps_wait(fd, POLLIN, start + d->timeout_us) <= 0) {
		errno = ETIMEDOUT;
		return ps_fail("recv", start);
	}
	n = recv(fd, buf, sizeof(buf) - 1, 0);
	if (n < 0)
		return ps_fail("recv", start);
	buf[n] = '\0';
	printf("reply=%s\n", buf);
	return PS_OK;
}

int ps_tcp_connect(int argc, char **argv)
{
	static int held[HOLD_MAX];
	struct dial d;
	int failed = 0;

	if (!dial_options(argc, argv, &d))
		return PS_USAGE;
	for (int i = 0; i < d.count; i++) {
		held[i] = dial(&d);
		if (held[i] < 0 || (d.text && dial_talk(held[i], &d)))
			failed++;
		if (held[i] >= 0 && !d.hold)
			close(held[i]);
	}
	if (d.count > 1)
		printf("done ok=%d failed=%d\n", d.count - failed, failed);
	/* Held connections live until our input ends, and no longer than the deadline. */
	if (d.hold)
		ps_wait(STDIN_FILENO, POLLIN, ps_now_us() + d.timeout_us);
	return failed ? PS_FAILED : PS_OK;
}

static volatile sig_atomic_t stress_over;

static void stress_stop(int sig)
{
	(void)sig;
	stress_over = 1;
}

/* connect() and close() in a loop until --for ends or a SIGTERM; then the sums. */
int ps_stress_connect(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = stress_stop };
	unsigned long ok = 0, failed = 0;
	long deadline, worst = 0;
	int last = 0;
	struct dial d;

	if (!dial_options(argc, argv, &d))
		return PS_USAGE;
	sigaction(SIGTERM, &act, NULL);
	printf("started\n");
	deadline = ps_now_us() + d.timeout_us;
	while (!stress_over && ps_now_us() < deadline) {
		long start = ps_now_us(), took;
		int fd = socket(d.to.ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0 || dial_wait(fd, &d, start + 2000000)) {
			last = errno;
			failed++;
		} else {
			ok++;
		}
		took = ps_now_us() - start;
		worst = took > worst ? took : worst;
		if (fd >= 0)
			close(fd);
	}
	printf("stress ok=%lu failed=%lu last=%s worst_us=%ld\n", ok, failed,
	       last ? ps_errname(last) : "none", worst);
	return failed ? PS_FAILED : PS_OK;
}
