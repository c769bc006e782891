/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A pool of nodes in one process, with a clock and a network of its own: packets are lost, come
 * twice, late and in another order; nodes crash, stand still, are cut off, and their clocks jump.
 * Everything follows from the seed.
 */
#ifndef GOSSIP_SIM_H
#define GOSSIP_SIM_H

#include "control/gossip/swim.h"

struct gsim;

/* Chances in 1/1000. */
struct gsim_net {
	unsigned loss;	      /* of a packet */
	unsigned stream_loss; /* of a segment of a stream, which costs 200 ms each time */
	unsigned twice;
	unsigned late; /* by up to 50 ms, so behind others */
};

struct gsim_conf {
	unsigned nodes;
	uint64_t seed;
	struct gsim_net net;
	enum swim_profile profile;
	void (*tune)(struct swim_conf *conf, void *arg); /* may be NULL */
	/* of node i; the view is of the member, all 0 where the event has none */
	void (*event)(void *arg, unsigned i, const struct swim_event *ev,
		      const struct swim_view *view);
	void (*record)(void *arg, unsigned i, struct gsp_bytes record);
	void *arg;
};

#define GSIM_UNIX 1790000000u

struct gsim *gsim_new(const struct gsim_conf *conf);
void gsim_free(struct gsim *g);
struct gsim_net *gsim_net(struct gsim *g);
uint64_t gsim_ms(const struct gsim *g); /* since the beginning */
uint64_t gsim_random(struct gsim *g);
unsigned gsim_below(struct gsim *g, unsigned n);

/* Starts node i, whose name is "n<i>"; its seeds are all others of a small pool, else two
 * that are up. */
void gsim_start(struct gsim *g, unsigned i);
void gsim_crash(struct gsim *g, unsigned i);
void gsim_pause(struct gsim *g, unsigned i);
void gsim_resume(struct gsim *g, unsigned i);
void gsim_jump(struct gsim *g, unsigned i, int64_t ms);	     /* of its clock */
void gsim_group(struct gsim *g, unsigned i, unsigned group); /* only the same group hears it */
void gsim_leave(struct gsim *g, unsigned i);
/* Begins with every node knowing every other one. */
void gsim_acquaint(struct gsim *g);

bool gsim_up(const struct gsim *g, unsigned i);
bool gsim_paused(const struct gsim *g, unsigned i);
struct swim *gsim_node(const struct gsim *g, unsigned i); /* NULL: not up */
uint64_t gsim_now(const struct gsim *g, unsigned i);	  /* that node's clock */
/* After anything was done to a node from outside. */
void gsim_poke(struct gsim *g, unsigned i);
/* -1: i does not know j. */
int gsim_state(const struct gsim *g, unsigned i, unsigned j);
unsigned gsim_index(struct gsp_bytes name); /* of a node's name; UINT32_MAX: none */

void gsim_run(struct gsim *g, uint64_t ms);
/* Until done() or for ms; the time it took, UINT64_MAX: not done. */
uint64_t gsim_until(struct gsim *g, uint64_t ms, bool (*done)(struct gsim *g, void *arg),
		    void *arg);

#endif /* GOSSIP_SIM_H */
