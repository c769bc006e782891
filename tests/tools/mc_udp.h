/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A client of memcached by datagrams, for tests: what its subcommands share. */
#ifndef PB_TEST_MC_UDP_H
#define PB_TEST_MC_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "tests/lib/mc_addr.h"

#define MCU_MAX 65507 /* bytes of one datagram */
#define MCU_FRAME 8
#define MCU_PARTS 64
#define MCU_PIDS 16

/* An answer: its datagrams, in the order of arrival. */
struct mcu_reply {
	uint8_t buf[1 << 20];
	size_t len;
	struct {
		uint32_t off;
		uint32_t len;
		uint16_t seq;
		uint16_t total;
	} part[MCU_PARTS];
	int parts;
	const char *wrong; /* of the frame headers */
	bool keep;	   /* mcu_recv() adds to what is there */
};

struct mcu_target {
	struct mcu_addr addr;
	int fd;
	uint16_t id;
	char cas[24]; /* the last one it gave */
};

int mcu_dial(const struct mcu_addr *a, int type);
int mcu_target(struct mcu_target *t, const char *text);
/* *off is moved behind one answer of memcached's; false: it is not all there. */
bool mcu_whole(const uint8_t *p, size_t len, size_t *off);
/* Sends one datagram; then mcu_recv() until `answers` are there, or ms are over (-ETIMEDOUT). */
int mcu_send(struct mcu_target *t, const void *req, size_t len);
int mcu_recv(struct mcu_target *t, struct mcu_reply *r, int answers, int ms);
/* A number that a command prints; -1: it did not. */
long long mcu_ask(const char *command);
uint64_t mcu_now_us(void);
/* PB_SLOW: so many times as long are all deadlines, for an emulated machine. */
unsigned mcu_slow(void);
/* Waits, for what cannot be waited for otherwise: another process's clock. */
void mcu_wait_ms(int ms);
/* Text with \r \n \0 \t \xHH \\ and {k}, {k5}, {v100}, {cas} (of the target) to bytes. */
size_t mcu_expand(const char *text, const char *key, const char *cas, uint8_t *out, size_t room);
void mcu_print(const char *what, const uint8_t *p, size_t len);
bool mcu_multiget(const uint8_t *req, size_t len);
/* The answer without what two servers each have of their own: cas uniques, the time that is left, the
 * order of a multiget's datagrams.  `cas` takes the last unique. */
size_t mcu_flat(const struct mcu_reply *r, bool multi, uint8_t *out, char *cas);
/* Pids from "1,2,3". */
int mcu_pids(char *text, int *pids);

int mcu_ask_all(int argc, char **argv);
int mcu_functional(int argc, char **argv);
int mcu_stale(int argc, char **argv);
int mcu_flood(int argc, char **argv);
int mcu_load(int argc, char **argv);

#endif /* PB_TEST_MC_UDP_H */
