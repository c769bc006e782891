/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which server owns a key.  User space builds the table (control/memcached/ring.h), kernel programs
 * read it: one shape for both kinds of ring, so that a swap of tables may also change the kind.
 */
#ifndef PATCHBAY_MC_RING_H
#define PATCHBAY_MC_RING_H

#include "mc_hash.h"

#define PB_MC_SERVERS_MAX 256u
#define PB_MC_SLOTS 65537u	/* of a Maglev table: a prime */
#define PB_MC_POINTS_MAX 65536u /* of a continuum */
#define PB_MC_POINTS_BITS 17	/* halvings until none is left */
#define PB_MC_NOBODY 0xffffu

enum pb_mc_ring_kind { PB_MC_MAGLEV, PB_MC_KETAMA };

/* A place on the continuum: the keys up to this hash belong to the server. */
struct pb_mc_point {
	__u32 value;
	__u16 server;
	__u16 pad;
};

struct pb_mc_ring {
	__u32 kind;
	__u32 hash; /* PB_MC_H_*, ketama */
	__u32 n;    /* points or slots in use; 0: no server */
	__u32 servers;
	__u32 tag;    /* two bytes, or 0 */
	__u32 epoch;  /* goes up with each table: the tokens of an older one fill nothing */
	__u64 key[2]; /* of the digest, Maglev */
	union {
		struct pb_mc_point point[PB_MC_POINTS_MAX]; /* sorted */
		__u16 slot[PB_MC_SLOTS];
	};
};

/* Where in 0..n-1 the continuum goes on from @hash: binary search, as twemproxy's. */
struct pb_mc_search {
	const struct pb_mc_ring *ring;
	__u32 hash;
	__u32 left;
	__u32 right;
	__u32 pad;
};

static long pb_mc_search_step(__u32 i, struct pb_mc_search *b)
{
	__u32 mid = b->left + (b->right - b->left) / 2;

	(void)i;
	if (b->left >= b->right || mid >= PB_MC_POINTS_MAX)
		return 1;
	if (b->ring->point[mid].value < b->hash)
		b->left = mid + 1;
	else
		b->right = mid;
	return 0;
}

pb_inline __u32 pb_mc_continuum(const struct pb_mc_ring *ring, __u32 hash)
{
	struct pb_mc_search b = { .ring = ring, .hash = hash, .right = ring->n };
	__u32 at;

	pb_loop(PB_MC_POINTS_BITS, pb_mc_search_step, &b);
	at = b.right >= ring->n ? 0 : b.right;
	pb_mc_opaque(at);
	return at < PB_MC_POINTS_MAX ? ring->point[at].server : PB_MC_NOBODY;
}

/* The server of the key at @off of @s: its number in the list that the ring was made of. */
pb_mc_fn __u32 pb_mc_owner(struct pb_mc_scan *s, const struct pb_mc_ring *ring, __u32 off, __u32 n)
{
	__u64 at;

	if (!ring->n)
		return PB_MC_NOBODY;
	pb_mc_tag(s, ring->tag, off, n);
	off = s->w->hash.off;
	n = s->w->hash.n;
	if (ring->kind == PB_MC_KETAMA)
		return pb_mc_continuum(ring, pb_mc_hash(s, ring->hash, off, n));
	at = (pb_mc_digest(s, ring->key, off, n) >> 32) * ring->n >> 32;
	pb_mc_opaque(at);
	return at < PB_MC_SLOTS ? ring->slot[at] : PB_MC_NOBODY;
}

#endif /* PATCHBAY_MC_RING_H */
