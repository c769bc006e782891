// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * seq: socket calls one after the other, in one process, each with its result:
 *
 *	pbsock seq tcp4 bind=10.9.0.1:80 listen tcp4 bind=10.9.0.1:80
 *	-> tcp4 ok / bind=... ok sock=10.9.0.1:80 / listen ok / tcp4 ok / bind=... errno=EADDRINUSE
 *
 * A step acts on the newest socket unless use=N selected another (from 0).
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pbsock.h"

#define SOCKS 64
#define STEP_DEADLINE_US 3000000L

struct seq {
	int fd[SOCKS];
	int n;
	int cur;
	bool mapped;
	const char *text; /* what follows '=' */
};

static int seq_open(struct seq *s, int family, int type)
{
	if (s->n == SOCKS) {
		errno = EMFILE;
		return -1;
	}
	s->cur = s->n++;
	s->fd[s->cur] = socket(family, type | SOCK_CLOEXEC, 0);
	return s->fd[s->cur] < 0 ? -1 : 0;
}

static int do_tcp4(struct seq *s)
{
	return seq_open(s, AF_INET, SOCK_STREAM);
}

static int do_tcp6(struct seq *s)
{
	return seq_open(s, AF_INET6, SOCK_STREAM);
}

static int do_udp4(struct seq *s)
{
	return seq_open(s, AF_INET, SOCK_DGRAM);
}

static int do_udp6(struct seq *s)
{
	return seq_open(s, AF_INET6, SOCK_DGRAM);
}

static int set_one(struct seq *s, int level, int option)
{
	int one = 1;

	return setsockopt(s->fd[s->cur], level, option, &one, sizeof(one));
}

static int do_v6only(struct seq *s)
{
	return set_one(s, IPPROTO_IPV6, IPV6_V6ONLY);
}

static int do_reuseaddr(struct seq *s)
{
	return set_one(s, SOL_SOCKET, SO_REUSEADDR);
}

static int do_reuseport(struct seq *s)
{
	return set_one(s, SOL_SOCKET, SO_REUSEPORT);
}

static int do_noport(struct seq *s)
{
	return set_one(s, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
}

static int do_transparent(struct seq *s)
{
	return set_one(s, IPPROTO_IP, IP_TRANSPARENT);
}

static int do_freebind(struct seq *s)
{
	return set_one(s, IPPROTO_IP, IP_FREEBIND);
}

static int do_mapped(struct seq *s)
{
	s->mapped = true;
	return 0;
}

/* The initial sequence number of the connect() to come.  Needs CAP_NET_ADMIN. */
static int do_isn(struct seq *s)
{
	unsigned isn = s->text ? (unsigned)strtoul(s->text, NULL, 10) : 0;
	int fd = s->fd[s->cur], on = 1, off = 0, queue = TCP_SEND_QUEUE;

	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &isn, sizeof(isn)))
		return -1;
	return setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off));
}

static int with_addr(struct seq *s, int (*call)(int, const struct sockaddr *, socklen_t))
{
	struct ps_addr a;

	if (!s->text || !ps_parse_pair(s->text, s->mapped, &a)) {
		errno = EDOM; /* a typing error in the test, told apart from the kernel's EINVAL */
		return -1;
	}
	return call(s->fd[s->cur], (struct sockaddr *)&a.ss, a.len);
}

static int do_bind(struct seq *s)
{
	return with_addr(s, bind);
}

static int do_connect(struct seq *s)
{
	return with_addr(s, connect);
}

static int do_unspec(struct seq *s)
{
	struct sockaddr a = { .sa_family = AF_UNSPEC };

	return connect(s->fd[s->cur], &a, sizeof(a));
}

static int send_flags;

static int send_one(int fd, const struct sockaddr *sa, socklen_t len)
{
	return sendto(fd, "x", 1, send_flags | MSG_NOSIGNAL, sa, len) < 0 ? -1 : 0;
}

static int do_sendto(struct seq *s)
{
	send_flags = 0;
	return with_addr(s, send_one);
}

static int do_fastopen(struct seq *s)
{
	send_flags = MSG_FASTOPEN;
	return with_addr(s, send_one);
}

static int do_send(struct seq *s)
{
	return send(s->fd[s->cur], "x", 1, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static int seq_wait(struct seq *s)
{
	if (ps_wait(s->fd[s->cur], POLLIN, ps_now_us() + STEP_DEADLINE_US) > 0)
		return 0;
	errno = ETIMEDOUT;
	return -1;
}

static int do_recv(struct seq *s)
{
	struct ps_addr from = { .len = sizeof(from.ss) };
	char c[64];

	if (seq_wait(s) ||
	    recvfrom(s->fd[s->cur], c, sizeof(c), 0, (struct sockaddr *)&from.ss, &from.len) < 0)
		return -1;
	if (from.len)
		printf("from=%s\n", ps_format(&from));
	return 0;
}

static int do_accept(struct seq *s)
{
	if (s->n == SOCKS || seq_wait(s))
		return -1;
	s->fd[s->n] = accept4(s->fd[s->cur], NULL, NULL, SOCK_CLOEXEC);
	if (s->fd[s->n] < 0)
		return -1;
	s->cur = s->n++;
	return 0;
}

static int do_listen(struct seq *s)
{
	return listen(s->fd[s->cur], s->text ? atoi(s->text) : 16);
}

static int do_shutdown(struct seq *s)
{
	return shutdown(s->fd[s->cur], SHUT_RDWR);
}

static int do_close(struct seq *s)
{
	int fd = s->fd[s->cur];

	s->fd[s->cur] = -1;
	return close(fd);
}

static int do_use(struct seq *s)
{
	int i = s->text ? atoi(s->text) : -1;

	if (i < 0 || i >= s->n) {
		errno = EDOM;
		return -1;
	}
	s->cur = i;
	return 0;
}

static int do_names(struct seq *s)
{
	printf("names sock=%s peer=%s\n", ps_sockname(s->fd[s->cur]), ps_peername(s->fd[s->cur]));
	return 0;
}

/* Until our input ends: lets the test look at what is held. */
static int do_hold(struct seq *s)
{
	(void)s;
	printf("holding\n");
	ps_wait(STDIN_FILENO, POLLIN, ps_now_us() + 60 * 1000000L);
	return 0;
}

/* The child goes on with the inherited sockets; the parent closes its own and waits. */
static int do_fork(struct seq *s)
{
	int status = 0;
	pid_t pid = fork();

	if (pid <= 0)
		return pid;
	for (int i = 0; i < s->n; i++)
		if (s->fd[i] >= 0)
			close(s->fd[i]);
	waitpid(pid, &status, 0);
	exit(WIFEXITED(status) ? WEXITSTATUS(status) : PS_FAILED);
}

static const struct {
	const char *name;
	int (*run)(struct seq *s);
} steps[] = {
	{ "tcp4", do_tcp4 },	       { "tcp6", do_tcp6 },	{ "udp4", do_udp4 },
	{ "udp6", do_udp6 },	       { "v6only", do_v6only }, { "reuseaddr", do_reuseaddr },
	{ "reuseport", do_reuseport }, { "noport", do_noport }, { "transparent", do_transparent },
	{ "freebind", do_freebind },   { "mapped", do_mapped }, { "bind", do_bind },
	{ "connect", do_connect },     { "unspec", do_unspec }, { "sendto", do_sendto },
	{ "fastopen", do_fastopen },   { "send", do_send },	{ "recv", do_recv },
	{ "accept", do_accept },       { "listen", do_listen }, { "shutdown", do_shutdown },
	{ "close", do_close },	       { "use", do_use },	{ "names", do_names },
	{ "hold", do_hold },	       { "fork", do_fork },	{ "isn", do_isn },
};

static bool seq_step(struct seq *s, const char *step, bool *ret_ok)
{
	const char *eq = strchr(step, '=');
	size_t n = eq ? (size_t)(eq - step) : strlen(step);

	s->text = eq ? eq + 1 : NULL;
	for (size_t i = 0; i < PS_ARRAY_SIZE(steps); i++) {
		long start = ps_now_us();

		if (strlen(steps[i].name) != n || strncmp(steps[i].name, step, n))
			continue;
		if (steps[i].run(s)) {
			printf("%s ", step);
			ps_fail(steps[i].name, start);
			*ret_ok = false;
		} else {
			printf("%s ok\n", step);
		}
		return true;
	}
	return false;
}

/* Fails when a step failed; later steps run all the same. */
int ps_seq(int argc, char **argv)
{
	struct seq s = { 0 };
	bool ok = true;

	for (int i = 1; i < argc; i++) {
		if (!s.n && strncmp(argv[i], "tcp", 3) && strncmp(argv[i], "udp", 3) &&
		    strcmp(argv[i], "mapped"))
			return PS_USAGE;
		if (!seq_step(&s, argv[i], &ok)) {
			fprintf(stderr, "pbsock: unknown step %s\n", argv[i]);
			return PS_USAGE;
		}
	}
	return argc < 2 ? PS_USAGE : ok ? PS_OK : PS_FAILED;
}
