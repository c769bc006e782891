// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The memcached plugin against the real memcached: random streams of requests go to one memcached (the
 * twin) and, by the plugin, to an ensemble; clients must hear the same.  All bytes are shown to the
 * plugin in pieces of random size.
 *
 *	plugin_twin SEED COUNT TWIN-PORT SERVER-PORT...
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/memcached/ring.h"
#include "plugin_twin.h"

#define MAX_SERVERS 8
#define PATIENCE_MS 3000

struct world {
	uint16_t port[MAX_SERVERS];
	uint32_t n;
	int fd[MAX_SERVERS][PB_FRAME_LANES]; /* -1: none */
	uint32_t lane[MAX_SERVERS];
	uint64_t sent;
};

static struct pb_mc_ring ring;

/* ---- sockets --------------------------------------------------------------- */

static int dial(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		perror("connect");
		exit(2);
	}
	return fd;
}

static bool send_all(int fd, const void *data, size_t n)
{
	ssize_t done;

	for (; n; n -= (size_t)done, data = (const char *)data + done) {
		done = send(fd, data, n, MSG_NOSIGNAL);
		if (done < 0)
			return false;
	}
	return true;
}

/* Bytes; 0: the end, -1: none in time. */
static ssize_t recv_some(int fd, void *data, size_t cap)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, PATIENCE_MS) != 1)
		return -1;
	n = recv(fd, data, cap, 0);
	return n < 0 ? 0 : n;
}

/* Sends @text and expects just @answer. */
static bool exchange(int fd, const void *text, size_t n, const void *answer, size_t answer_n)
{
	uint8_t got[64];
	size_t have = 0;
	ssize_t more;

	if (!send_all(fd, text, n))
		return false;
	while (have < answer_n) {
		more = recv_some(fd, got + have, sizeof(got) - have);
		if (more <= 0)
			return false;
		have += (size_t)more;
	}
	return have == answer_n && !memcmp(got, answer, answer_n);
}

/* ---- the plugin's side ----------------------------------------------------- */

static bool to_server(void *arg, uint32_t server, const void *data, size_t n)
{
	struct world *w = arg;
	int *fd = &w->fd[server][w->lane[server]];

	if (*fd < 0)
		*fd = dial(w->port[server]);
	w->sent++;
	return send_all(*fd, data, n);
}

static ssize_t from_server(void *arg, uint32_t server, void *data, size_t cap)
{
	struct world *w = arg;

	return recv_some(w->fd[server][w->lane[server]], data, cap);
}

static void about_to_call(void *arg, uint32_t server, const struct pb_frame_send *send)
{
	struct world *w = arg;

	w->lane[server] = send->lane;
}

static const struct fdr_ops ops = { to_server, from_server, about_to_call, NULL };

/* Every connection to a server waits for a request: none is owed a reply, none has one too many. */
static bool in_step(struct world *w)
{
	static const uint8_t noop[24] = { 0x80, 0x0a };
	static const uint8_t done[24] = { 0x81, 0x0a };

	for (uint32_t i = 0; i < w->n; i++) {
		if (w->fd[i][0] >= 0 && !exchange(w->fd[i][0], "mn\r\n", 4, "MN\r\n", 4))
			return false;
		if (w->fd[i][1] >= 0 && !exchange(w->fd[i][1], noop, 24, done, 24))
			return false;
	}
	return true;
}

/* ---- one stream ------------------------------------------------------------ */

static void ask_twin(uint16_t port, const struct fdr_buf *stream, struct fdr_buf *ret)
{
	uint8_t data[65536];
	int fd = dial(port);
	ssize_t n;

	send_all(fd, stream->p, stream->len);
	shutdown(fd, SHUT_WR);
	while ((n = recv_some(fd, data, sizeof(data))) > 0)
		fdr_put(ret, data, (size_t)n);
	if (n < 0) {
		fprintf(stderr, "the twin does not close\n");
		exit(2);
	}
	close(fd);
}

static void print(const char *name, const struct fdr_buf *b)
{
	fprintf(stderr, "%s (%zu): ", name, b->len);
	for (size_t i = 0; i < b->len && i < 1500; i++)
		if (b->p[i] >= ' ' && b->p[i] < 127 && b->p[i] != '\\')
			fputc(b->p[i], stderr);
		else
			fprintf(stderr, "\\x%02x", b->p[i]);
	fputc('\n', stderr);
}

static bool one(struct world *w, struct twin_gen *g, uint16_t twin)
{
	struct fdr_buf theirs = { 0 };
	bool good = true;
	struct fdr d;

	twin_stream(g);
	fdr_init(&d, &pb_frame_memcached, &ops, w, w->n, &ring);
	d.seed = g->gen.state | 1;
	fdr_feed(&d, g->stream.p, g->stream.len);
	ask_twin(twin, &g->stream, &theirs);
	twin_level(g, &d.out, true);
	twin_level(g, &theirs, true);
	if (d.wrong[0]) {
		fprintf(stderr, "plugin: %s\n", d.wrong);
		good = false;
	}
	/* When a connection ends memcached forgets the answers that it has not sent yet, and it sends
	 * none while it waits for the rest of a value. */
	if (!(d.ended || d.in.len ? d.out.len >= theirs.len : d.out.len == theirs.len) ||
	    (theirs.len && memcmp(d.out.p, theirs.p, theirs.len))) {
		fprintf(stderr, "differ:\n");
		good = false;
	}
	if (good && !in_step(w)) {
		fprintf(stderr, "a server's connection is out of step\n");
		good = false;
	}
	if (!good) {
		print("asked", &g->stream);
		print("twin ", &theirs);
		print("ours ", &d.out);
	}
	g->frames += d.frames;
	free(theirs.p);
	fdr_free(&d);
	return good;
}

static bool flush(struct world *w, uint16_t twin)
{
	int fd = dial(twin);
	bool good = exchange(fd, "flush_all\r\n", 11, "OK\r\n", 4);

	close(fd);
	for (uint32_t i = 0; i < w->n && good; i++) {
		fd = dial(w->port[i]);
		good = exchange(fd, "flush_all\r\n", 11, "OK\r\n", 4);
		close(fd);
	}
	return good;
}

/* CAS values count from 1: those that the random requests guess are used up. */
static void warm(uint16_t port, uint32_t sets)
{
	int fd = dial(port);

	while (sets--)
		if (!exchange(fd, "set warm 0 0 1\r\nx\r\n", 19, "STORED\r\n", 8))
			exit(2);
	close(fd);
}

int main(int argc, char **argv)
{
	static struct mcr_server list[MAX_SERVERS];
	static struct twin_gen g;
	struct world w = { .n = (uint32_t)(argc - 4) };
	uint64_t key[2] = { 1, 2 };
	long count;

	if (argc < 5 || w.n > MAX_SERVERS)
		return 2;
	g.gen.state = strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15ULL + 1;
	count = strtol(argv[2], NULL, 10);
	for (uint32_t i = 0; i < w.n; i++) {
		w.port[i] = (uint16_t)atoi(argv[4 + i]);
		w.fd[i][0] = w.fd[i][1] = -1;
		list[i] = (struct mcr_server){ .host = argv[4 + i], .port = 1, .weight = 1 };
	}
	if (mcr_build_maglev(&ring, (const __u64 *)key, list, w.n))
		return 2;
	warm((uint16_t)atoi(argv[3]), 50);
	for (uint32_t i = 0; i < w.n; i++)
		warm(w.port[i], 100 + 37 * i);
	for (long i = 0; i < count; i++) {
		if (!flush(&w, (uint16_t)atoi(argv[3])))
			return 2;
		if (!one(&w, &g, (uint16_t)atoi(argv[3]))) {
			fprintf(stderr, "stream %ld of seed %s\n", i, argv[1]);
			return 1;
		}
	}
	printf("%ld streams, %lu requests, %lu calls\n", count, (unsigned long)g.frames,
	       (unsigned long)w.sent);
	return 0;
}
