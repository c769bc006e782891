/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The checker of mc_model.h: the switch's steps (mc_model.c) and the walk (mc_model_walk.c). */
#ifndef PB_TEST_MC_MODEL_INTERNAL_H
#define PB_TEST_MC_MODEL_INTERNAL_H

#include "tests/lib/mc_model.h"

extern uint32_t mc_without;
#define PB_MC_GUARD(x) (!(mc_without & (x)))
#define PB_MC_PENDING 2 /* so that it overflows */
#include <patchbay/mc_token.h>

#define MC_LIFE 10
#define MC_EVER (1ULL << 60)
#define MC_TRACE_MAX 64
#define MC_NO_KEY 9

/* Where a copy of a request is; READING: being answered from the cache. */
enum msg { NOWHERE, REQUEST, REPLY, READING };

/* Where a get's fetch is: ASKING has a token of all, TAKEN the way, WRITTEN its bytes, LOCKED the
 * set's lock and has looked at its token. */
enum fetch { NONE, ASKING, ASKED, ANSWERED, TAKEN, WRITTEN, LOCKED };

/* Everything there is, without padding that is not zero: it is hashed.  One set with one way. */
struct state {
	struct pb_mc_gen gen;
	struct pb_mc_keep keep, next; /* next: decided, not yet entered */
	struct pb_mc_all all;
	struct pb_mc_token token[MC_OPS];
	uint64_t now;
	uint8_t server[MC_KEYS];
	uint8_t owner;					  /* whose value the way holds */
	uint8_t taken;					  /* by a fill */
	uint8_t locked;					  /* the set */
	uint8_t bytes_key, bytes;			  /* of the value */
	uint8_t copies, echoes, ages, evictions, fetches; /* used up */
	uint8_t passed[MC_OPS];
	uint8_t msg[MC_OPS][2];	 /* where the copies are */
	uint8_t read[MC_OPS][2]; /* in their replies */
	uint8_t same[MC_OPS][2]; /* READING: the sequence number is still what it was */
	uint8_t fetch[MC_OPS];
	uint8_t got[MC_OPS]; /* in its reply */
	uint8_t ended[MC_OPS];
	uint8_t result[MC_OPS];
	uint16_t pred[MC_OPS][2];
};

struct model {
	const struct mc_config *c;
	struct mc_found *found;
	uint64_t *seen;
	int split; /* something happens to all keys: what is read of it and of the set is apart */
	char trace[MC_TRACE_MAX][24];
	int depth;
};

static inline int mc_is_write(const struct model *m, int i)
{
	return m->c->op[i].kind >= MC_OP_SET;
}

/* The steps of mc_model.c; @i is an operation. */
void mc_pass(struct model *m, struct state *s, int i, int fetch);
void mc_serve(struct model *m, struct state *s, int i, int copy);
void mc_reply(struct model *m, struct state *s, int i, int copy, int echo);
void mc_copy_out(struct model *m, struct state *s, int i, int copy);
void mc_fetch_step(struct model *m, struct state *s, int i);

/* The history of @key must be one of a register. */
void mc_judge(struct model *m, const struct state *s, int key);

#endif /* PB_TEST_MC_MODEL_INTERNAL_H */
