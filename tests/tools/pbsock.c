// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Entry, addresses and what the sub-commands of pbsock share. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pbsock.h"

bool ps_parse(const char *addr, const char *port, bool mapped, struct ps_addr *ret)
{
	struct sockaddr_in *in = (void *)&ret->ss;
	struct sockaddr_in6 *in6 = (void *)&ret->ss;
	char text[INET6_ADDRSTRLEN + 8], *end;
	unsigned long p = strtoul(port, &end, 10);

	if (!*port || *end || p > 65535)
		return false;
	memset(&ret->ss, 0, sizeof(ret->ss));
	if (!mapped && inet_pton(AF_INET, addr, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(p);
		ret->len = sizeof(*in);
		return true;
	}
	snprintf(text, sizeof(text), "%s%s", mapped && !strchr(addr, ':') ? "::ffff:" : "", addr);
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) != 1)
		return false;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(p);
	ret->len = sizeof(*in6);
	return true;
}

bool ps_parse_pair(const char *text, bool mapped, struct ps_addr *ret)
{
	char addr[INET6_ADDRSTRLEN + 2];
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;

	if (!n || n >= sizeof(addr))
		return false;
	if (text[0] == '[' && text[n - 1] == ']') {
		memcpy(addr, text + 1, n - 2);
		addr[n - 2] = '\0';
	} else {
		memcpy(addr, text, n);
		addr[n] = '\0';
	}
	return ps_parse(addr, colon + 1, mapped, ret);
}

const char *ps_format(const struct ps_addr *a)
{
	static char buf[8][INET6_ADDRSTRLEN + 10];
	static unsigned turn;
	char *out = buf[turn++ % PS_ARRAY_SIZE(buf)], text[INET6_ADDRSTRLEN];
	const struct sockaddr_in *in = (const void *)&a->ss;
	const struct sockaddr_in6 *in6 = (const void *)&a->ss;

	if (a->ss.ss_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
		snprintf(out, sizeof(buf[0]), "%s:%u", text, ntohs(in->sin_port));
	} else if (a->ss.ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
		snprintf(out, sizeof(buf[0]), "[%s]:%u", text, ntohs(in6->sin6_port));
	} else {
		snprintf(out, sizeof(buf[0]), "family-%u", a->ss.ss_family);
	}
	return out;
}

static const char *name_of(int fd, int (*get)(int, struct sockaddr *, socklen_t *))
{
	static char err[2][48];
	static unsigned turn;
	struct ps_addr a = { .len = sizeof(a.ss) };

	if (!get(fd, (struct sockaddr *)&a.ss, &a.len))
		return ps_format(&a);
	turn ^= 1;
	snprintf(err[turn], sizeof(err[turn]), "errno=%s", ps_errname(errno));
	return err[turn];
}

const char *ps_sockname(int fd)
{
	return name_of(fd, getsockname);
}

const char *ps_peername(int fd)
{
	return name_of(fd, getpeername);
}

bool ps_same(const struct ps_addr *a, const struct ps_addr *b)
{
	return !strcmp(ps_format(a), ps_format(b));
}

const char *ps_errname(int err)
{
	const char *name = strerrorname_np(err);

	return name ? name : "UNKNOWN";
}

long ps_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000L + ts.tv_nsec / 1000;
}

int ps_wait(int fd, short events, long deadline_us)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		long left = deadline_us - ps_now_us();
		int n = poll(&p, 1, left > 0 ? (int)((left + 999) / 1000) : 0);

		if (n >= 0)
			return n;
		if (errno != EINTR)
			return -errno;
	}
}

int ps_fail(const char *step, long start_us)
{
	int err = errno;

	printf("errno=%s us=%ld step=%s\n", ps_errname(err), ps_now_us() - start_us, step);
	return PS_FAILED;
}

void ps_set(int fd, int level, int option)
{
	int one = 1;

	if (setsockopt(fd, level, option, &one, sizeof(one)))
		printf("note errno=%s step=setsockopt-%d-%d\n", ps_errname(errno), level, option);
}

bool ps_server_options(int argc, char **argv, struct ps_server *ret)
{
	static const struct option options[] = {
		{ "v6only", no_argument, NULL, 'o' },
		{ "reuseport", no_argument, NULL, 'r' },
		{ "workers", required_argument, NULL, 'w' },
		{ "bind", required_argument, NULL, 'b' },
		{ "hello", required_argument, NULL, 'h' },
		{ "for", required_argument, NULL, 'f' },
		{ "connect-back", no_argument, NULL, 'c' },
		{ "fork", no_argument, NULL, 'k' },
		{ NULL, 0, NULL, 0 },
	};
	struct ps_server s = { .workers = 1, .seconds = 900 };

	for (int c; (c = getopt_long(argc, argv, "6", options, NULL)) != -1;) {
		switch (c) {
		case '6': s.v6 = true; break;
		case 'o': s.v6only = true; break;
		case 'r': s.reuseport = true; break;
		case 'w':
			s.workers = atoi(optarg);
			s.reuseport = true;
			break;
		case 'b': s.bind_addr = optarg; break;
		case 'h': s.hello = optarg; break;
		case 'f': s.seconds = atoi(optarg); break;
		case 'c': s.connect_back = true; break;
		case 'k': s.fork_away = true; break;
		default: return false;
		}
	}
	if (optind != argc - 1)
		return false;
	s.port = argv[optind];
	*ret = s;
	return true;
}

int ps_server_socket(const struct ps_server *s, int type)
{
	const char *addr = s->bind_addr ? s->bind_addr : s->v6 ? "::" : "0.0.0.0";
	long start = ps_now_us();
	struct ps_addr a;
	int fd;

	if (!ps_parse(addr, s->port, s->v6, &a)) {
		fprintf(stderr, "pbsock: no address: %s port %s\n", addr, s->port);
		return -1;
	}
	fd = socket(a.ss.ss_family, type | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		ps_fail("socket", start);
		return -1;
	}
	if (type == SOCK_STREAM)
		ps_set(fd, SOL_SOCKET, SO_REUSEADDR);
	if (s->v6only)
		ps_set(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (s->reuseport)
		ps_set(fd, SOL_SOCKET, SO_REUSEPORT);
	if (bind(fd, (struct sockaddr *)&a.ss, a.len)) {
		ps_fail("bind", start);
	} else if (type == SOCK_STREAM && listen(fd, 512)) {
		ps_fail("listen", start);
	} else {
		printf("listening sock=%s\n", ps_sockname(fd));
		return fd;
	}
	close(fd);
	return -1;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage;
} commands[] = {
	{ "tcp-serve", ps_tcp_serve,
	  "[-6] [--v6only] [--reuseport] [--workers N] [--bind ADDR] [--hello TEXT] [--fork] "
	  "[--for SECONDS] PORT" },
	{ "tcp-connect", ps_tcp_connect,
	  "[--bind ADDR:PORT] [--send TEXT] [--mapped] [--nonblock] [--tfo | --tfo-connect] "
	  "[--count N] [--hold] [--timeout MS] ADDR PORT" },
	{ "stress-connect", ps_stress_connect, "[--for MS] ADDR PORT" },
	{ "udp-serve", ps_udp_serve,
	  "[-6] [--v6only] [--reuseport] [--bind ADDR] "
	  "[--connect-back] [--for SECONDS] PORT" },
	{ "udp-send", ps_udp_send,
	  "[--bind ADDR:PORT] [--connect] [--sendmmsg] [--mapped] [--count N] [--send TEXT] "
	  "[--fastopen] [--timeout MS] [--no-reply] ADDR PORT [ADDR PORT]..." },
	{ "socket", ps_socket, "FAMILY TYPE PROTO" },
	{ "socket-all", ps_socket_all, "FAMILY" },
	{ "seq", ps_seq, "STEP..." },
};

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; argc > 1 && i < PS_ARRAY_SIZE(commands); i++) {
		if (!strcmp(argv[1], commands[i].name)) {
			int rc = commands[i].run(argc - 1, argv + 1);

			if (rc == PS_USAGE)
				fprintf(stderr, "usage: pbsock %s %s\n", commands[i].name,
					commands[i].usage);
			return rc;
		}
	}
	for (size_t i = 0; i < PS_ARRAY_SIZE(commands); i++)
		fprintf(stderr, "usage: pbsock %s %s\n", commands[i].name, commands[i].usage);
	return PS_USAGE;
}
