/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses of the contract (patchbay/types.h) as the socket calls want them. */
#ifndef PB_SOCKADDR_H
#define PB_SOCKADDR_H

#include <sys/socket.h>

#include <patchbay/types.h>

/* AF_INET for a mapped IPv4 address, else AF_INET6; returns the length of that family's form. */
socklen_t pb_to_sockaddr(const struct pb_addr *a, __be16 port, struct sockaddr_storage *ret);

/* The address of it; neither of the two families: ::. */
void pb_from_sockaddr(const struct sockaddr *s, struct pb_addr *ret);

#endif /* PB_SOCKADDR_H */
