/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* splicecost: what one established connection carries, by requests and as a stream. */
#ifndef SPLICECOST_H
#define SPLICECOST_H

#include <stdint.h>
#include <sys/socket.h>

#define SC_BUF (128u << 10) /* of every read, and the greatest message */
#define SC_ROUND_TRIP 'R'
#define SC_STREAM 'S'

struct sc_addr {
	struct sockaddr_storage ss;
	socklen_t len;
};

/* What a connection begins with, sent by the client. */
struct sc_order {
	uint32_t what; /* SC_ROUND_TRIP: "size" bytes are answered by as many; SC_STREAM */
	uint32_t size; /* bytes a message */
	int32_t cpu;   /* where the server stays; -1: wherever it may */
	uint32_t pad;
	uint64_t warm; /* ns of a stream that do not count, from its first byte */
	uint64_t ns;   /* that count */
};

/* The reader's account of a stream, sent while the stream goes on. */
struct sc_result {
	uint64_t bytes;
	uint64_t ns;
};

/* Listens, says "listening", serves one connection after the other until killed. */
int sc_serve(const struct sc_addr *a);

/* The calling program stays on that CPU from now on; -1: wherever it might when it started. */
int sc_stay(int cpu);
int sc_read_all(int fd, void *buf, size_t size);
int sc_write_all(int fd, const void *buf, size_t size);
/* SC_BUF bytes in pages of their own, present: each run gets others. */
void *sc_buffer(void);
/* As programs do that exchange requests; a Unix socket has no such delay. */
void sc_nodelay(int fd);

#endif /* SPLICECOST_H */
