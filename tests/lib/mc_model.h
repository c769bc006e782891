/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Walks every interleaving of a few requests to two keys of one set through a switch that caches by
 * include/patchbay/mc_token.h, and checks that what clients saw of each key is linearizable.
 *
 * As in the kernel programs values come by fetches of the switch's own, gets take no lock (they
 * see that a value is fresh, and copy it later), and a fill writes its bytes between two looks at
 * its token.  The set has one way, so the keys push each other out.
 *
 * Between switch and server lie two unordered sets of datagrams, any of which may be lost.  A request
 * is invoked when it first passes the switch and ends when its first reply passes back (or, with
 * direct return, when the server answers): wider intervals only allow more.  A second copy of a write
 * counts as a write of its own that nobody waits for.
 */
#ifndef PB_TEST_MC_MODEL_H
#define PB_TEST_MC_MODEL_H

#include <stddef.h>
#include <stdint.h>

#define MC_OPS 6
#define MC_KEYS 2
#define MC_NIL 9 /* no value: after a flush */
#define MC_INITIAL(key) ((key) ? 8 : 0)

enum mc_op_kind {
	MC_OP_GET,  /* answered from the cache if it may be */
	MC_OP_PASS, /* a read that always goes to the server: gets, a multiget */
	MC_OP_SET,
	MC_OP_QUIET, /* noreply */
	MC_OP_FLUSH,
};

struct mc_op {
	uint8_t kind;
	uint8_t value;
	uint8_t key;
};

struct mc_config {
	struct mc_op op[MC_OPS];
	int ops;
	int copies; /* requests that pass the switch a second time, in all */
	int echoes; /* replies that come a second time, in all */
	int ages;   /* times that everything on its way dies and the life of a datagram passes */
	int evictions;
	int fetches;	  /* the switch's own, in all */
	int direct;	  /* 1: writes' replies do not pass the switch; 2: no replies do */
	uint32_t without; /* guards left out */
};

enum mc_guard {
	PB_MC_G_MUTE = 1 << 0,
	PB_MC_G_LIFE =
		1 << 1, /* pending writes end some time: without it nothing is wrong, only slow */
	PB_MC_G_FULL = 1 << 2,
	PB_MC_G_VERSION = 1 << 3,
	PB_MC_G_PENDING = 1 << 4,
	PB_MC_G_TAG = 1 << 5,
	PB_MC_G_DROP = 1 << 6,
	PB_MC_G_ALL_HIT = 1 << 7,
	PB_MC_G_TOKEN = 1 << 8,
	PB_MC_G_ALL_TOKEN = 1 << 9,
	PB_MC_G_FILL = 1 << 10,
	PB_MC_G_ALL_FILL = 1 << 11,
	PB_MC_G_SNAPSHOT = 1 << 12, /* what is kept bears the version of the token, not today's */
	/* the programs' own: */
	MC_G_SEQ = 1 << 13,  /* the sequence number after the copy */
	MC_G_LAST = 1 << 14, /* the second look at the token */
};

struct mc_found {
	uint64_t states;
	uint64_t hits; /* answers from the cache */
	uint64_t fills;
	int wrong;	  /* a history that no order of the requests explains */
	int full;	  /* more states than were provided for: not all was seen */
	char trace[1024]; /* the way there */
};

void mc_model_run(const struct mc_config *c, struct mc_found *ret);

/* One operation of a history.  pred: those that had ended when this one was invoked. */
struct mc_event {
	uint8_t write;
	uint8_t ended; /* a write that has not may or may not have happened */
	uint8_t value; /* written, or read */
	uint16_t pred;
};

int mc_linearizable(const struct mc_event *e, int n, uint8_t initial);

/* Operations of struct mc_config; those with _OF are of the second key. */
#define MC_OP(kind, value, key) \
	{ \
		kind, value, key \
	}
#define GET MC_OP(MC_OP_GET, 0, 0)
#define GET_OF MC_OP(MC_OP_GET, 0, 1)
#define PASS MC_OP(MC_OP_PASS, 0, 0)
#define SET(v) MC_OP(MC_OP_SET, v, 0)
#define SET_OF(v) MC_OP(MC_OP_SET, v, 1)
#define QUIET(v) MC_OP(MC_OP_QUIET, v, 0)
#define FLUSH MC_OP(MC_OP_FLUSH, MC_NIL, 0)

#endif /* PB_TEST_MC_MODEL_H */
