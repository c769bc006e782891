/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* callcost: what socket calls cost, as the calling program sees it. */
#ifndef CALLCOST_H
#define CALLCOST_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

/* First byte of a connection: what the server shall do with the rest. */
#define CC_ECHO 'P'
#define CC_DISCARD 'S'
#define CC_BLOCK 65536
#define CC_BACKLOG 4096

struct cc_addr {
	struct sockaddr_storage ss;
	socklen_t len;
};

int cc_addr_parse(const char *addr, const char *port, struct cc_addr *ret);
uint64_t cc_now_ns(void);

/* Listens on TCP and binds UDP there, says "listening", serves until killed. */
int cc_serve(const struct cc_addr *a);

#endif /* CALLCOST_H */
