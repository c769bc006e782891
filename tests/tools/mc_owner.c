// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Is our continuum twemproxy's?
 *	mc_owner PORT HASH TAG COUNT HOST:PORT:WEIGHT[ NAME]...
 * Plays all the servers, each of which answers a get with its own number, asks the proxy on PORT for
 * COUNT random keys, and compares with the owners that our table names.  TAG: two bytes or "".
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "control/memcached/ring.h"
#include "control/memcached/service.h"
#include "control/util.h"
#include "tests/lib/mc_gen.h"

#define BATCH 200 /* gets on their way at once */
#define CONNS 256

static struct mcr_server servers[PB_MC_SERVERS_MAX];
static size_t n_servers;
static struct pb_mc_ring ring;

static int sock(const char *host, uint16_t port, int serve)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || inet_pton(AF_INET, host, &a.sin_addr) != 1)
		return -1;
	if (!serve)
		return connect(fd, (struct sockaddr *)&a, sizeof(a)) ? -1 : fd;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 8) ? -1 : fd;
}

/* "get KEY\r\n" for each of which the number goes back. */
static void answer(int fd, int number)
{
	static char line[65536];
	static char out[65536 * 16];
	size_t len = 0, at = 0;
	char *nl, *p = line;
	ssize_t n = recv(fd, line, sizeof(line) - 1, 0);

	while (n > 0 && line[n - 1] != '\n') {
		ssize_t more = recv(fd, line + n, sizeof(line) - 1 - (size_t)n, 0);

		if (more <= 0)
			return;
		n += more;
	}
	for (at = n > 0 ? (size_t)n : 0; (nl = memchr(p, '\n', (size_t)(line + at - p)));
	     p = nl + 1)
		len += (size_t)snprintf(out + len, sizeof(out) - len,
					"VALUE %.*s 0 3\r\n%03d\r\nEND\r\n", (int)(nl - p - 5),
					p + 4, number);
	if (send(fd, out, len, MSG_NOSIGNAL) != (ssize_t)len)
		shutdown(fd, SHUT_RDWR);
}

static _Noreturn void serve(const int *listeners, pid_t parent)
{
	struct pollfd p[PB_MC_SERVERS_MAX + CONNS];
	int number[PB_MC_SERVERS_MAX + CONNS];
	nfds_t n = n_servers;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0); /* it ended before the line above: nobody would end us */
	for (nfds_t i = 0; i < n; i++)
		p[i] = (struct pollfd){ .fd = listeners[i], .events = POLLIN };
	while (poll(p, n, -1) >= 0)
		for (nfds_t i = 0, all = n; i < all; i++) {
			if (!p[i].revents)
				continue;
			if (i >= n_servers) {
				answer(p[i].fd, number[i]);
			} else if (n < PB_MC_SERVERS_MAX + CONNS) {
				number[n] = (int)i;
				p[n++] = (struct pollfd){ .fd = accept(p[i].fd, NULL, NULL),
							  .events = POLLIN };
			}
		}
	_exit(1);
}

static int read_server(char *arg)
{
	struct mcr_server *s = &servers[n_servers++];
	char *name = strchr(arg, ' '), *port = strchr(arg, ':');
	char *weight = port ? strchr(port + 1, ':') : NULL;

	if (!weight || n_servers > CONNS)
		return -EINVAL;
	if (name)
		*name++ = 0;
	*port++ = *weight++ = 0;
	*s = (struct mcr_server){ .host = arg,
				  .name = name,
				  .port = (uint16_t)atoi(port),
				  .weight = (uint32_t)atoi(weight) };
	return 0;
}

struct batch {
	uint8_t key[BATCH][PB_MC_KEY_MAX];
	size_t len[BATCH];
	size_t n;
};

static int ask(int fd, struct batch *b, struct mc_gen *g)
{
	static char out[BATCH * (PB_MC_KEY_MAX + 8)];
	size_t at = 0;

	for (size_t i = 0; i < b->n; i++) {
		b->len[i] = 1 + mc_gen_below(g, mc_gen_below(g, 10) ? 30 : PB_MC_KEY_MAX);
		for (size_t k = 0; k < b->len[i]; k++)
			b->key[i][k] =
				(uint8_t)(33 + mc_gen_below(g, mc_gen_below(g, 4) ? 94 : 222));
		memcpy(out + at, "get ", 4);
		memcpy(out + at + 4, b->key[i], b->len[i]);
		memcpy(out + at + 4 + b->len[i], "\r\n", 2);
		at += b->len[i] + 6;
	}
	return send(fd, out, at, MSG_NOSIGNAL) == (ssize_t)at ? 0 : -EIO;
}

/* How many of them another server has, or -errno. */
static int compare(FILE *in, const struct batch *b)
{
	char line[512];
	int bad = 0;

	for (size_t i = 0; i < b->n; i++) {
		static struct pb_mc_work work;
		struct pb_mc_scan s =
			pb_mc_scan_init(b->key[i], b->key[i] + b->len[i], (__u32)b->len[i], &work);
		int owner = -1;

		if (!fgets(line, sizeof(line), in) || strncmp(line, "VALUE ", 6) ||
		    memcmp(line + 6, b->key[i], b->len[i]) || !fgets(line, sizeof(line), in))
			return -EPROTO;
		owner = atoi(line);
		bad += owner != (int)pb_mc_owner(&s, &ring, 0, (__u32)b->len[i]);
		if (!fgets(line, sizeof(line), in))
			return -EPROTO;
	}
	return bad;
}

static int all(uint16_t port, size_t count)
{
	static struct batch b;
	struct mc_gen g = { .state = 17 };
	int fd = sock("127.0.0.1", port, 0), bad = 0;
	FILE *in = fd < 0 ? NULL : fdopen(fd, "r");

	if (!in)
		return -errno;
	for (size_t done = 0; done < count; done += b.n) {
		int n;

		b.n = count - done < BATCH ? count - done : BATCH;
		n = ask(fd, &b, &g);
		n = n ?: compare(in, &b);
		if (n < 0)
			return n;
		bad += n;
	}
	fclose(in);
	return bad;
}

int main(int argc, char **argv)
{
	static int listeners[PB_MC_SERVERS_MAX];
	pid_t parent = getpid();
	uint32_t algo = 0;
	int bad;

	for (int i = 5; i < argc; i++)
		if (read_server(argv[i]))
			return 2;
	while (argc > 5 && algo < PB_MC_HASHES && strcmp(argv[2], mcs_hash_name(algo)))
		algo++;
	if (!n_servers || algo == PB_MC_HASHES)
		return 2;
	for (size_t i = 0; i < n_servers; i++) {
		listeners[i] = sock(servers[i].host, servers[i].port, 1);
		if (listeners[i] < 0)
			return perror("listen"), 1;
	}
	if (!fork())
		serve(listeners, parent);
	if (mcr_build_ketama(&ring, MCR_TWEMPROXY, algo, servers, n_servers))
		return 1;
	if (*argv[3])
		ring.tag = (uint8_t)argv[3][0] | (uint32_t)(uint8_t)argv[3][1] << 8;
	bad = all((uint16_t)atoi(argv[1]), strtoul(argv[4], NULL, 10));
	if (bad < 0)
		printf("proxy: %s\n", strerror(-bad));
	else
		printf("%s keys, %d differ\n", argv[4], bad);
	return bad ? 1 : 0;
}
