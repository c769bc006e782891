/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef PB_TEST_MC_DIFF_H
#define PB_TEST_MC_DIFF_H

#include <stdint.h>
#include <string.h>

#include <patchbay/mc_reply.h>

#include "tests/lib/mc_gen.h"

struct mc_diff {
	struct mc_gen gen;
	uint16_t port;
	int tcp; /* for "mn", whose answer comes after all that was sent before */
	int udp_fd;
	int log_fd;
	uint16_t id;
	unsigned long udp;
	unsigned long errors[PB_MC_ERRORS];
	unsigned long kinds[PB_MC_KINDS];
	unsigned long replies[PB_MC_R_OTHER + 1];
	uint8_t answer[1 << 20];
	size_t answer_len;
	uint8_t log[1 << 20];
	size_t log_len;
};

#define MC_DIFF_REQS 64
#define MC_DIFF_KEYS 2048

struct mc_key {
	const uint8_t *p;
	size_t n;
	int optional; /* may be looked up */
	int twice;    /* may be looked up once more */
};

struct mc_expect {
	struct pb_mc_req req[MC_DIFF_REQS];
	int n;
	struct mc_key key[MC_DIFF_KEYS];
	int keys;
	uint8_t decoded[MC_DIFF_REQS][PB_MC_B64_OUT];
	int stalls; /* memcached waits for more: a datagram like this spoils the next ones */
	int quits;
	int open; /* what follows is not known */
};

int mc_diff_open(struct mc_diff *d, uint16_t port, const char *log);
int mc_diff_tcp(struct mc_diff *d);
int mc_diff_udp(struct mc_diff *d);
void mc_expect(const struct mc_gen *g, struct mc_expect *e);
/* NULL, or how they differ. */
const char *mc_expect_compare(struct mc_diff *d, const struct mc_expect *e, int udp);

#endif /* PB_TEST_MC_DIFF_H */
