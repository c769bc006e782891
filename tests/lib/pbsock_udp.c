// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* UDP: an echo server that prints its clients, and a client that checks who answers. */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pbsock.h"

#define DEST_MAX 16
#define BURST_MAX 32

static void answer(const struct ps_server *opts, int fd, const struct ps_addr *from,
		   const char *buf, size_t n)
{
	static const struct ps_addr nobody = { .ss.ss_family = AF_UNSPEC,
					       .len = sizeof(nobody.ss) };
	ssize_t sent;

	if (!opts->connect_back) {
		sent = sendto(fd, buf, n, 0, (const struct sockaddr *)&from->ss, from->len);
	} else if (connect(fd, (const struct sockaddr *)&from->ss, from->len)) {
		sent = -1;
	} else {
		printf("connected peer=%s sock=%s\n", ps_peername(fd), ps_sockname(fd));
		sent = send(fd, buf, n, 0);
		connect(fd, (const struct sockaddr *)&nobody.ss, nobody.len);
	}
	if (sent < 0)
		printf("reply errno=%s\n", ps_errname(errno));
}

int ps_udp_serve(int argc, char **argv)
{
	struct ps_server opts;
	long deadline;
	int fd;

	if (!ps_server_options(argc, argv, &opts))
		return PS_USAGE;
	fd = ps_server_socket(&opts, SOCK_DGRAM);
	if (fd < 0)
		return PS_FAILED;
	deadline = ps_now_us() + opts.seconds * 1000000L;
	while (ps_wait(fd, POLLIN, deadline) > 0) {
		struct ps_addr from = { .len = sizeof(from.ss) };
		char buf[2048];
		ssize_t n = recvfrom(fd, buf, sizeof(buf) - 1, 0, (struct sockaddr *)&from.ss,
				     &from.len);

		if (n < 0) {
			printf("recv errno=%s\n", ps_errname(errno));
			continue;
		}
		buf[n] = '\0';
		printf("from=%s len=%zd data=%s\n", ps_format(&from), n, buf);
		answer(&opts, fd, &from, buf, n);
	}
	close(fd);
	return PS_OK;
}

struct shot {
	struct ps_addr to[DEST_MAX];
	struct ps_addr from; /* len 0: none */
	const char *text;
	bool connect, sendmmsg, mapped, fastopen, no_reply;
	int n_to, count;
	long timeout_us;
};

static bool shot_options(int argc, char **argv, struct shot *s)
{
	static const struct option options[] = {
		{ "bind", required_argument, NULL, 'b' },
		{ "send", required_argument, NULL, 's' },
		{ "mapped", no_argument, NULL, 'm' },
		{ "connect", no_argument, NULL, 'C' },
		{ "sendmmsg", no_argument, NULL, 'M' },
		{ "count", required_argument, NULL, 'c' },
		{ "timeout", required_argument, NULL, 'w' },
		{ "no-reply", no_argument, NULL, 'n' },
		{ "fastopen", no_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 },
	};
	const char *from = NULL;

	*s = (struct shot){ .count = 1, .timeout_us = 2000000, .text = "ping" };
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (c) {
		case 'b': from = optarg; break;
		case 's': s->text = optarg; break;
		case 'm': s->mapped = true; break;
		case 'C': s->connect = true; break;
		case 'M': s->sendmmsg = true; break;
		case 'c': s->count = atoi(optarg); break;
		case 'w': s->timeout_us = atol(optarg) * 1000; break;
		case 'n': s->no_reply = true; break;
		case 'f': s->fastopen = true; break;
		default: return false;
		}
	}
	for (; optind + 1 < argc && s->n_to < DEST_MAX; optind += 2)
		if (!ps_parse(argv[optind], argv[optind + 1], s->mapped, &s->to[s->n_to++]))
			return false;
	if (optind != argc || !s->n_to || s->count < 1 || s->n_to * s->count > BURST_MAX)
		return false;
	return !from || ps_parse_pair(from, s->mapped, &s->from);
}

/* Sends one datagram to each destination, as often as asked; 0 or -1 with errno. */
static int shoot(int fd, struct shot *s)
{
	struct iovec iov = { (void *)s->text, strlen(s->text) };
	struct mmsghdr burst[BURST_MAX] = { 0 };
	int n = s->n_to * s->count;

	for (int i = 0; i < n; i++) {
		struct ps_addr *to = &s->to[i % s->n_to];

		burst[i].msg_hdr.msg_iov = &iov;
		burst[i].msg_hdr.msg_iovlen = 1;
		if (!s->connect) {
			burst[i].msg_hdr.msg_name = &to->ss;
			burst[i].msg_hdr.msg_namelen = to->len;
		}
	}
	if (s->sendmmsg) {
		int sent = sendmmsg(fd, burst, n, 0);

		if (sent >= 0 && sent < n) /* the error of a later one comes with the next call */
			return sendmmsg(fd, burst + sent, n - sent, 0) < 0 ? -1 : 0;
		return sent < 0 ? -1 : 0;
	}
	for (int i = 0; i < n; i++)
		if (sendmsg(fd, &burst[i].msg_hdr, s->fastopen ? MSG_FASTOPEN : 0) < 0)
			return -1;
	return 0;
}

/* As musl's resolver does: an answer from an address that was not asked is no answer. */
static bool was_asked(const struct shot *s, const struct ps_addr *from)
{
	for (int i = 0; i < s->n_to; i++)
		if (ps_same(&s->to[i], from))
			return true;
	return false;
}

static int collect(int fd, const struct shot *s, long start)
{
	int want = s->n_to * s->count, rc = PS_OK;

	for (int got = 0; got < want; got++) {
		struct ps_addr from = { .len = sizeof(from.ss) };
		char buf[2048];
		ssize_t n;

		if (ps_wait(fd, POLLIN, start + s->timeout_us) <= 0) {
			errno = ETIMEDOUT;
			return ps_fail("recv", start);
		}
		n = recvfrom(fd, buf, sizeof(buf) - 1, 0, (struct sockaddr *)&from.ss, &from.len);
		if (n < 0)
			return ps_fail("recv", start);
		buf[n] = '\0';
		printf("reply from=%s asked=%s data=%s\n", ps_format(&from),
		       was_asked(s, &from) ? "yes" : "no", buf);
		if (!was_asked(s, &from))
			rc = PS_FAILED;
	}
	return rc;
}

int ps_udp_send(int argc, char **argv)
{
	long start = ps_now_us();
	struct shot s;
	int fd, rc;

	if (!shot_options(argc, argv, &s))
		return PS_USAGE;
	fd = socket(s.to[0].ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return ps_fail("socket", start);
	if (s.from.len && bind(fd, (struct sockaddr *)&s.from.ss, s.from.len)) {
		rc = ps_fail("bind", start);
	} else if (s.connect && connect(fd, (struct sockaddr *)&s.to[0].ss, s.to[0].len)) {
		rc = ps_fail("connect", start);
	} else if (shoot(fd, &s)) {
		rc = ps_fail("send", start);
	} else {
		printf("sent sock=%s peer=%s\n", ps_sockname(fd), ps_peername(fd));
		rc = s.no_reply ? PS_OK : collect(fd, &s, start);
	}
	close(fd);
	return rc;
}
