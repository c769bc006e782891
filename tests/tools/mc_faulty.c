// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A proxy of one server by TCP with the usual mistakes, so that the tests can show that they see them:
 *	mc_faulty LISTEN SERVER none|lose|hold|half|hoard|mix
 * none   it is right
 * lose   a byte of the answers is lost now and then
 * hold   what a client does not take holds up everybody
 * half   a client that ends its half of the connection has lost what it asked for
 * hoard  takes everything from the server, however little the client reads
 * mix    an answer goes to another client now and then
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/mc_addr.h"

#define PAIRS 2048
#define ROOM 65536

enum mistake { NONE, LOSE, HOLD, HALF, HOARD, MIX, MISTAKES };

struct way {
	char *buf;
	size_t len, cap;
	bool eof, done;
};

struct pair {
	int fd[2];	   /* client, server */
	struct way way[2]; /* from fd[i] to the other */
};

static struct pair pairs[PAIRS];
static int n_pairs, last;
static enum mistake mistake;
static struct mcu_addr server;
static unsigned long blocks;

static int dial(void)
{
	int fd = socket(server.ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && !connect(fd, (void *)&server.ss, server.len))
		return fd;
	close(fd);
	return -1;
}

static void take_on(int front)
{
	int fd = accept(front, NULL, NULL), one = 1, to;

	if (fd < 0 || n_pairs == PAIRS) {
		close(fd);
		return;
	}
	to = dial();
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (mistake != HOLD)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	fcntl(to, F_SETFL, O_NONBLOCK);
	pairs[n_pairs++] = (struct pair){ .fd = { fd, to } };
}

static void end(int i)
{
	for (int k = 0; k < 2; k++) {
		close(pairs[i].fd[k]);
		free(pairs[i].way[k].buf);
	}
	pairs[i] = pairs[--n_pairs];
}

static bool room(struct pair *p, int k)
{
	return !p->way[k].eof && (p->way[k].len < ROOM || (k && mistake == HOARD));
}

static void fetch(struct pair *p, int k)
{
	struct way *w = &p->way[k];
	ssize_t n;

	if (w->cap - w->len < ROOM) {
		char *buf = realloc(w->buf, w->cap * 2 + 2 * ROOM);

		if (!buf)
			abort();
		w->buf = buf;
		w->cap = w->cap * 2 + 2 * ROOM;
	}
	n = recv(p->fd[k], w->buf + w->len, ROOM, MSG_DONTWAIT);
	if (n > 0) {
		w->len += (size_t)n;
		if (k && mistake == LOSE && !(++blocks % 50))
			w->len--;
	} else if (!n || errno != EAGAIN) {
		w->eof = true;
	}
}

static void pass(struct pair *p, int k)
{
	struct way *w = &p->way[k];
	int to = p->fd[!k];
	ssize_t n;

	if (k && w->len && mistake == MIX && !(++blocks % 200))
		to = pairs[last % n_pairs].fd[0];
	if (k && w->len)
		last++;
	n = w->len ? send(to, w->buf, w->len, MSG_NOSIGNAL) : 0;
	if (n > 0) {
		memmove(w->buf, w->buf + n, w->len - (size_t)n);
		w->len -= (size_t)n;
	} else if (n < 0 && errno != EAGAIN) {
		w->len = 0;
		w->eof = true;
	}
	if (w->eof && !w->len && !w->done) {
		w->done = true;
		shutdown(p->fd[!k], SHUT_WR);
	}
}

/* false: the pair is done with. */
static bool turn(struct pair *p, const struct pollfd *f)
{
	for (int k = 0; k < 2; k++) {
		if (f[k].revents && room(p, k))
			fetch(p, k);
		pass(p, k);
	}
	if (mistake == HALF && p->way[0].eof)
		return false;
	return !(p->way[0].done && p->way[1].done) && !p->way[1].done;
}

static void serve(int front)
{
	static struct pollfd f[2 * PAIRS + 1];
	int n = n_pairs;

	f[0] = (struct pollfd){ .fd = front, .events = POLLIN };
	for (int i = 0; i < n; i++)
		for (int k = 0; k < 2; k++)
			f[1 + 2 * i + k] = (struct pollfd){
				.fd = pairs[i].fd[k],
				.events = (short)((room(&pairs[i], k) ? POLLIN : 0) |
						  (pairs[i].way[!k].len ? POLLOUT : 0)),
			};
	if (poll(f, (nfds_t)(2 * n + 1), -1) < 0)
		exit(1);
	for (int i = n; i--;)
		if ((f[1 + 2 * i].revents || f[2 + 2 * i].revents) &&
		    !turn(&pairs[i], &f[1 + 2 * i]))
			end(i);
	if (f[0].revents)
		take_on(front);
}

int main(int argc, char **argv)
{
	static const char *const names[MISTAKES] = {
		"none", "lose", "hold", "half", "hoard", "mix"
	};
	struct mcu_addr at;
	int fd, one = 1;

	while (argc == 4 && mistake < MISTAKES && strcmp(argv[3], names[mistake]))
		mistake++;
	if (argc != 4 || mistake == MISTAKES || mcu_addr(argv[1], &at) ||
	    mcu_addr(argv[2], &server)) {
		fprintf(stderr, "usage: mc_faulty LISTEN SERVER none|lose|hold|half|hoard|mix\n");
		return 2;
	}
	fd = socket(at.ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (void *)&at.ss, at.len) || listen(fd, 1024)) {
		fprintf(stderr, "mc_faulty: %s\n", strerror(errno));
		return 1;
	}
	puts("listening");
	fflush(stdout);
	for (;;)
		serve(fd);
}
