/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of a service: whose the keys are by right, and whose while servers are away.  Pure. */
#ifndef PB_MEMCACHED_TABLE_H
#define PB_MEMCACHED_TABLE_H

#include "control/memcached/fence.h"
#include "control/memcached/service.h"

/* A server of a running service; its number stays while it is there. */
struct mct_server {
	bool used;
	bool gutter;
	uint16_t weight;
	struct pb_addr addr;
	__be16 port;
	uint32_t ifindex;	 /* the device it is reached by; 0: not known */
	char name[MCS_HOST_LEN]; /* for the ring; empty: by its address */
	char of[PB_NAME_LEN];	 /* application whose endpoint it is; empty: it was named itself */
};

/* As if all were up that @f counts.  @key: of Maglev.  -E2BIG: too many points. */
int mct_home(struct pb_mc_ring *ring, const struct mcs_service *s, const __u64 key[2],
	     const struct mct_server *servers, unsigned n, const struct mcf *f);
/* Gives the keys of homes that are away to those who stand in for them. */
void mct_stand_in(struct pb_mc_ring *ring, const struct mcf *f, const struct mct_server *servers);
/* Which homes lose keys to which.  False: none does. */
bool mct_moves(const struct pb_mc_ring *from, const struct pb_mc_ring *to, struct mcf_moves *ret);
/* Of all that decides; the epoch does not count. */
uint64_t mct_sum(const struct pb_mc_ring *ring);

#endif /* PB_MEMCACHED_TABLE_H */
