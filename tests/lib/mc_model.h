/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Walks every interleaving of a few requests to one key through a switch that caches by
 * include/patchbay/mc_token.h, and checks that what clients saw is linearizable.
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
#define MC_NIL 9 /* no value: after a flush */

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
};

struct mc_config {
	struct mc_op op[MC_OPS];
	int ops;
	int copies; /* requests that pass the switch a second time, in all */
	int echoes; /* replies that come a second time, in all */
	int ages;   /* times that everything on its way dies and the life of a datagram passes */
	int evictions;
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

/* Operations of struct mc_config. */
#define GET \
	{ \
		MC_OP_GET, 0 \
	}
#define PASS \
	{ \
		MC_OP_PASS, 0 \
	}
#define SET(v) \
	{ \
		MC_OP_SET, v \
	}
#define QUIET(v) \
	{ \
		MC_OP_QUIET, v \
	}
#define FLUSH \
	{ \
		MC_OP_FLUSH, MC_NIL \
	}

#endif /* PB_TEST_MC_MODEL_H */
