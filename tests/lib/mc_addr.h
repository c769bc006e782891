/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef PB_TEST_MC_ADDR_H
#define PB_TEST_MC_ADDR_H

#include <stdbool.h>
#include <sys/socket.h>

struct mcu_addr {
	struct sockaddr_storage ss;
	socklen_t len;
};

/* "192.0.2.1:11211", "[2001:db8::1]:11211" */
int mcu_addr(const char *text, struct mcu_addr *a);
/* A datagram socket there, or at any port of that address. */
int mcu_listen(const char *text, bool any_port);

#endif /* PB_TEST_MC_ADDR_H */
