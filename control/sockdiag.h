/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ends a socket of this network namespace, as `ss -K` does (sock_diag(7), SOCK_DESTROY). */
#ifndef PB_SOCKDIAG_H
#define PB_SOCKDIAG_H

#include <stdint.h>

#include <patchbay/types.h>

struct mnl_socket;

/* Which one: all of it must be right.  The cookie is what counts, the rest is how the kernel finds
 * it; a cookie is never used again. */
struct pb_sockdiag_id {
	uint64_t cookie;
	struct pb_addr local; /* real; IPv4 mapped */
	struct pb_addr remote;
	__be16 lport;
	__be16 rport;
	uint8_t proto;	/* PB_PROTO_TCP, PB_PROTO_UDP */
	uint8_t family; /* of the socket: PB_AF_* */
	uint16_t pad;
	uint32_t device; /* index of the device that it is bound to, 0 none */
	uint32_t pad2;
};

/* Of the network namespace of the calling thread; NULL and errno. */
struct mnl_socket *pb_sockdiag_open(void);
/*
 * The program sees ECONNABORTED; a TCP peer gets a reset.  -ENOENT: there is no such socket (any
 * more).  -EPERM: no CAP_NET_ADMIN there.  -EOPNOTSUPP: a kernel without CONFIG_INET_DIAG_DESTROY.
 * -EINVAL: names a listener or no socket that can be meant.
 */
int pb_sockdiag_destroy(struct mnl_socket *nl, const struct pb_sockdiag_id *id);

#endif /* PB_SOCKDIAG_H */
