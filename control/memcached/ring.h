/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Builds the tables of include/patchbay/mc_ring.h.  Pure. */
#ifndef PB_MEMCACHED_RING_H
#define PB_MEMCACHED_RING_H

#include <stddef.h>
#include <stdint.h>

#include <patchbay/mc_ring.h>

/* Whose continuum it is to be, point for point. */
enum mcr_ketama {
	MCR_TWEMPROXY,	  /* 160 points a server of average weight, MD5 */
	MCR_LIBMEMCACHED, /* 100 points a server, by the hash of the keys; weights do not count */
	MCR_LIBMEMCACHED_WEIGHTED, /* 160 points a server of average weight, MD5 */
	MCR_SPYMEMCACHED,	   /* the same, names as spymemcached writes them */
};

struct mcr_server {
	const char
		*host; /* as the clients to replace have it in their lists: the points hang on it */
	const char *name; /* twemproxy's name of the server, in place of host and port; or NULL */
	uint16_t port;	  /* 11211 does not appear in the name */
	uint16_t pad;
	uint32_t weight; /* 0: takes no keys */
};

/* The servers' order is theirs in the answers of pb_mc_owner().  -E2BIG: more servers or points than
 * a table holds; -EINVAL: a name too long.  A ring without weight owns nothing. */
int mcr_build_ketama(struct pb_mc_ring *ring, enum mcr_ketama whose, uint32_t hash,
		     const struct mcr_server *servers, size_t n);
int mcr_build_maglev(struct pb_mc_ring *ring, const __u64 key[2], const struct mcr_server *servers,
		     size_t n);

#endif /* PB_MEMCACHED_RING_H */
