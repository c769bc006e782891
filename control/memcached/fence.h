/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which server of a service may own which keys, while servers go and come back.  Pure: the caller
 * brings clock, probes and answers, and carries out what follows.
 * docs/decisions/0023-memcached-switch.md, "Failover, and servers that come back".
 *
 * A key has a home: its server in the table of all servers.  While the home is away others stand in for
 * it: a set that is chosen when it goes, and that only gets smaller.  Whoever stood in holds values that
 * get old as soon as the home is back (`dirty`); the home holds values that get old as soon as somebody
 * stands in (`stale`).  Neither gets such keys again before it was emptied: flush_all, twice, `life`
 * apart, both confirmed.
 */
#ifndef PB_MEMCACHED_FENCE_H
#define PB_MEMCACHED_FENCE_H

#include <stdbool.h>
#include <stdint.h>

#ifndef MCF_SERVERS
#define MCF_SERVERS 256 /* PB_MC_SERVERS_MAX */
#endif
#define MCF_WORDS ((MCF_SERVERS + 63) / 64)
#define MCF_FLUSHES 2
#define MCF_NOBODY MCF_SERVERS

/* A guard of the rules; the model takes them away, one at a time. */
#ifndef MCF_GUARD
#define MCF_GUARD(x) 1
#endif

enum mcf_state {
	MCF_FREE, /* no server has this number */
	MCF_UP,
	MCF_SUSPECT, /* a probe was not answered; it still owns its keys */
	MCF_DOWN,
	MCF_EMPTYING, /* it answers again; what it has must go first */
	MCF_DRAINED,  /* somebody wants it so */
};

struct mcf_server {
	uint8_t state;
	bool gutter;	 /* owns nothing */
	bool wish;	 /* is to be drained */
	bool joined;	 /* the table counts it */
	bool stale;	 /* others had its keys since it went */
	bool cleaning;	 /* up, and being emptied so that it may stand in */
	uint8_t flushes; /* confirmed so far, of this emptying */
	uint8_t heard;	 /* answers in a row */
	uint32_t missed; /* probes in a row */
	uint64_t due;	 /* the next flush not before */
	uint64_t since;	 /* of the state */
};

struct mcf_set {
	uint64_t w[MCF_WORDS];
};

struct mcf {
	uint32_t n;	    /* numbers in use are below */
	uint32_t threshold; /* probes in a row that make a server go */
	uint64_t life;	    /* ns: how long a datagram may be under way; between two flushes */
	bool failover;
	struct mcf_server s[MCF_SERVERS];
	struct mcf_set standin[MCF_SERVERS]; /* [home]: who has its keys now */
	struct mcf_set dirty[MCF_SERVERS];   /* [home]: who has old values of them */
};

/* What a step brought: these bits. */
#define MCF_STATE 1u /* somebody's state is another */
/* Keys change hands: store this record, then put the table into the kernel, then go on. */
#define MCF_RING 2u
/* One that came is empty now: make a table that counts it, and mcf_move(). */
#define MCF_JOIN 4u

void mcf_init(struct mcf *f, uint32_t threshold, uint64_t life, bool failover);
/* A server appears.  @fresh: the service begins, what it holds is right; else it is emptied before a
 * table counts it. */
unsigned mcf_add(struct mcf *f, unsigned i, bool gutter, bool fresh, uint64_t now);
/* It is in no table any more; its homes are others' by mcf_move(). */
unsigned mcf_remove(struct mcf *f, unsigned i, uint64_t now);
/* With another table keys go from home @from to home @to. */
struct mcf_moves {
	struct mcf_set to[MCF_SERVERS]; /* [from] */
};
/* Before that: may they?  False: somebody who is to get keys has old ones, and is being emptied while it
 * goes on with its own; ask again. */
bool mcf_may_move(struct mcf *f, const struct mcf_moves *m, uint64_t now, unsigned *did);
unsigned mcf_move(struct mcf *f, const struct mcf_moves *m, uint64_t now);

unsigned mcf_answered(struct mcf *f, unsigned i, uint64_t now);
unsigned mcf_missed(struct mcf *f, unsigned i, uint64_t now);
/* A flush that was sent at @sent was confirmed. */
unsigned mcf_flushed(struct mcf *f, unsigned i, uint64_t sent, uint64_t now);
unsigned mcf_drain(struct mcf *f, unsigned i, bool on, uint64_t now);
/* Homes without anybody: is there somebody now?  After each change, and now and then. */
unsigned mcf_settle(struct mcf *f, uint64_t now);

bool mcf_wants_flush(const struct mcf *f, unsigned i, uint64_t now);
/* Does it own keys of its own? */
bool mcf_serves(const struct mcf *f, unsigned i);
/* Who stands in for @home; NULL: nobody: it keeps its keys, or they are lost. */
const struct mcf_set *mcf_standins(const struct mcf *f, unsigned home);
/* Who has its keys is gone, and what it has itself is old: they are nobody's. */
bool mcf_lost(const struct mcf *f, unsigned home);
const char *mcf_state_name(unsigned state);

static inline bool mcf_has(const struct mcf_set *s, unsigned i)
{
	return s->w[i / 64] >> (i % 64) & 1;
}

#endif /* PB_MEMCACHED_FENCE_H */
