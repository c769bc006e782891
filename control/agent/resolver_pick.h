/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which resolvers the table keeps.  Pure. */
#ifndef PB_AGENT_RESOLVER_PICK_H
#define PB_AGENT_RESOLVER_PICK_H

#include <resolv.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <patchbay/maps.h>

/* A host uses a handful of resolvers, so half of the table is more than enough for those in use;
 * the other half takes a burst of new ones before the next look. */
#define PB_RESOLV_HIGH 24 /* more rows used than that: evict */
#define PB_RESOLV_FREE 16 /* ... until so many are free, or on their way */
/* A program that lives asks again within a minute; it loses nothing but its open sockets. */
#define PB_RESOLV_REST_MS 60000
/* In a full table nobody new finds names inside, which is worse than to learn one again.  Above
 * the second in which an answer inside is asked for again (its TTL). */
#define PB_RESOLV_REST_FULL_MS 2000

struct pb_resolver_row {
	bool used;
	bool known;  /* programs find it; else it is being taken or given back */
	bool pinned; /* the system's: never evicted */
	uint64_t idle_ms;
};

/* The rows to evict, one bit each: no more than needed, those longest at rest first. */
uint32_t pb_resolver_pick(const struct pb_resolver_row row[PB_RESOLVERS]);

/* The nameservers libc would ask by this resolv.conf(5); returns how many.  One with a scope id is
 * left out: the table holds none. */
unsigned pb_resolver_conf(FILE *f, struct pb_addr ret[MAXNS]);

#endif /* PB_AGENT_RESOLVER_PICK_H */
