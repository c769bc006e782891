/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers that only rise, and what may not be read any more. */
#ifndef PB_TEST_MC_UDP_STALE_H
#define PB_TEST_MC_UDP_STALE_H

#include <pthread.h>
#include <stdatomic.h>

#include "tests/tools/mc_udp.h"

#define STALE_KEYS 64
#define STALE_OPEN 12	 /* writes of one key without an answer (yet) */
#define STALE_MULTI 8	 /* keys of one get, at most */
#define STALE_PAST 65536 /* numbers of one key whose beginning is remembered */

/* When the write of a number began these others of its key had no answer: they may come later. */
struct stale_began {
	uint32_t open[STALE_OPEN];
	uint8_t n;
};

struct stale_key {
	pthread_mutex_t lock;
	uint32_t last;	/* number given out */
	uint32_t acked; /* highest number whose write was acknowledged */
	uint32_t seen;	/* highest number that was read */
	uint32_t open[STALE_OPEN];
	uint8_t n;
	struct stale_began began[STALE_PAST];
	char name[64];
};

enum stale_verb {
	SV_SET,
	SV_DELETE,
	SV_INCR,
	SV_APPEND,
	SV_PREPEND,
	SV_MS,
	SV_MD,
	SV_CAS,
	SV_TOUCH,
	SV_GAT,
	SV_MA,
	SV_REPLACE,
	SV_NOREPLY,
	SV_BINARY,
	SV_QUIET,
};

struct stale {
	struct mcu_addr vip, tcp;
	bool by_tcp;
	enum stale_verb verb;
	unsigned long writes;
	int keys, writers, readers, pause, value, secs;
	int multi; /* keys of each get */
	int loss;  /* servers come and go: requests and values may be lost */
	uint64_t until;
	int pids[MCU_PIDS], n_pids;
	const char *prefix;
	struct stale_key *key;
	atomic_ulong begun, done, failed, lost, reads, unread, stale, back, missing, late,
		conflicts;
	atomic_bool stop;
	atomic_int round_writes, shown;
};

/* What a get said: a number, STALE_MISS, or STALE_NONE (no answer). */
#define STALE_MISS 0xfffffffeu
#define STALE_NONE 0xffffffffu

extern struct stale st;

uint32_t stale_begin(struct stale_key *k);
/* It is acknowledged; or it was refused, and is never applied. */
void stale_end(struct stale_key *k, uint32_t number, bool applied);
bool stale_setup(struct mcu_target *t, struct mcu_reply *r, struct stale_key *k);
/* Reads, and judges what came. */
uint32_t stale_read(struct mcu_target *t, struct mcu_reply *r, struct stale_key *k);
void *stale_writer(void *arg);
/* Every even number of these verbs says that there is nothing. */
bool stale_removes(enum stale_verb v);
/* What is read is how many writes were applied. */
bool stale_counts(enum stale_verb v);

#endif /* PB_TEST_MC_UDP_STALE_H */
