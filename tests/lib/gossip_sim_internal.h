/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The two parts of the simulator: nodes and their network.  Its time is in us, a node's in ms. */
#ifndef GOSSIP_SIM_INTERNAL_H
#define GOSSIP_SIM_INTERNAL_H

#include <stdio.h>
#include <stdlib.h>

#include "gossip_sim.h"

#include "control/gossip/packet.h"

#define GSIM_MS 1000ULL

enum gsim_kind { WAKE, PACKET, REQUEST, REPLY };

struct gev {
	uint64_t at, order;
	uint64_t id;	  /* of the exchange */
	struct gev *next; /* in an inbox */
	uint32_t from, to;
	uint32_t from_gen, to_gen;
	uint32_t n;
	uint8_t kind;
	bool none; /* REPLY: no answer */
	uint8_t data[];
};

struct gnode {
	struct gsim *g;
	struct swim *s;
	uint32_t i, gen;
	uint64_t wake;
	int64_t clock; /* ms to add */
	unsigned group;
	bool paused;
	struct gev *inbox, **inbox_end;
	size_t inbox_bytes;
};

struct gsim {
	struct gsim_conf conf;
	struct gsp_layers pool;
	struct gsp_packet_scratch scratch;
	struct gnode *node;
	struct gev **heap;
	size_t n, cap;
	uint64_t now, order, rng;
	struct gnode *reader; /* whose packet is being opened */
	struct swim_addr from;
};

extern const struct swim_ops gsim_ops;

struct swim_addr gsim_addr(unsigned i);
void gsim_poke_node(struct gsim *g, struct gnode *k);
void gsim_deliver(struct gsim *g, struct gnode *k, struct gev *e);
void gsim_clear_inbox(struct gnode *k);
/* The next event, at @until at the latest; false: there is none. */
bool gsim_step(struct gsim *g, uint64_t until);

#endif /* GOSSIP_SIM_INTERNAL_H */
