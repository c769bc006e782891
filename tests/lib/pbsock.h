/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pbsock: a socket program that says what it sees.  The end-to-end tests and
 * the kernel matrix start it under `patchbay run` and read its lines.
 *
 * Every address is printed numerically ("10.9.0.1:80", "[fd00::1]:80"), every
 * error by its name ("errno=ECONNREFUSED us=41"), every wait has a deadline.
 */
#ifndef PBSOCK_H
#define PBSOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define PS_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum { PS_OK = 0, PS_FAILED = 1, PS_USAGE = 2 }; /* exit codes */

struct ps_addr {
	struct sockaddr_storage ss;
	socklen_t len;
};

/* mapped: an IPv4 literal becomes ::ffff:a.b.c.d. False when the text is no address. */
bool ps_parse(const char *addr, const char *port, bool mapped, struct ps_addr *ret);
/* "10.9.0.1:80", "[fd00::1]:80" */
bool ps_parse_pair(const char *text, bool mapped, struct ps_addr *ret);
/* Text in one of a few static buffers: good for one printf(). */
const char *ps_format(const struct ps_addr *a);
/* getsockname() or getpeername() as text, or "errno=NAME". */
const char *ps_sockname(int fd);
const char *ps_peername(int fd);
bool ps_same(const struct ps_addr *a, const struct ps_addr *b);

const char *ps_errname(int err);
long ps_now_us(void);
/* Waits until the deadline (ps_now_us() clock): 1 ready, 0 deadline, -errno. */
int ps_wait(int fd, short events, long deadline_us);
/* "errno=NAME us=N step=STEP" from errno; returns PS_FAILED. */
int ps_fail(const char *step, long start_us);
void ps_set(int fd, int level, int option);

struct ps_server {
	const char *bind_addr; /* NULL: the wildcard of the family */
	const char *port;
	const char *hello; /* TCP: sent at once after accept() */
	bool v6;
	bool v6only;
	bool reuseport;
	bool connect_back; /* UDP: connect() to the source, then send() */
	bool fork_away;	   /* TCP: the parent ends after listen(), a child serves */
	int workers;
	int seconds;
};
/* A bound socket (TCP: listening), or -1 after a line about the failure. */
int ps_server_socket(const struct ps_server *s, int type);
bool ps_server_options(int argc, char **argv, struct ps_server *ret);

int ps_tcp_serve(int argc, char **argv);
int ps_tcp_connect(int argc, char **argv);
int ps_stress_connect(int argc, char **argv);
int ps_udp_serve(int argc, char **argv);
int ps_udp_send(int argc, char **argv);
int ps_socket(int argc, char **argv);
int ps_socket_all(int argc, char **argv);
int ps_seq(int argc, char **argv);

#endif /* PBSOCK_H */
