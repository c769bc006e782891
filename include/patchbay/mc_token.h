/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When a cache in the path of the requests may keep a value, and may answer with it.  Pure; host and
 * BPF.  tests/unit/test_memcached_token.c walks every interleaving of these very functions.
 *
 * A slot stands for the keys of one digest, cached or not.  A write that passes makes the slot's
 * version go up and its value go away, and stays pending until its own reply passes, or until no
 * datagram of it can be alive any more.  A get that passes takes a token: the version it found.  Its
 * reply fills the slot if the version is still that one.  No token is given while a write is pending.
 * Flushes, changes of the ring and what is not understood do the same to a record that all slots
 * share.
 *
 * What the callers owe:
 * - each call on one record holds that record's lock; a write is told before it is forwarded;
 * - a tag belongs to one forwarded request: no other one that passes within `life` has it.  The
 *   frame's id is the client's choice, so the switch puts one of its own there;
 * - `life` is longer than any request or reply lives, the server's queue included;
 * - between switch and server nothing duplicates requests;
 * - nobody writes past the switch.
 */
#ifndef PATCHBAY_MC_TOKEN_H
#define PATCHBAY_MC_TOKEN_H

#include "types.h"

/* A guard of the protocol; the model checker takes them away, one at a time. */
#ifndef PB_MC_GUARD
#define PB_MC_GUARD(x) 1
#endif

#ifndef PB_MC_PENDING
#define PB_MC_PENDING 4 /* writes of one slot that are told apart */
#endif
#define PB_MC_LIFE_NS 2000000000ULL

/* Versions and writes on their way: of a slot, or of all. */
struct pb_mc_gen {
	__u64 version;
	__u64 muted; /* until then nothing is kept: writes of which no end will be seen */
	__u64 tag[PB_MC_PENDING];   /* 0: free */
	__u64 until[PB_MC_PENDING]; /* ns; then the write is over, whatever became of its reply */
};

struct pb_mc_all {
	struct pb_mc_gen gen;
	__u64 life;	/* ns */
	__u64 flush_at; /* ns: a delayed flush comes true; 0: none */
};

/* Whether a kept value is still one. */
struct pb_mc_keep {
	__u64 all;     /* version of struct pb_mc_all at the fill */
	__u64 expires; /* ns */
	__u32 valid;
	__u32 pad;
};

struct pb_mc_slot {
	struct pb_mc_gen gen;
	struct pb_mc_keep keep;
};

struct pb_mc_token {
	__u64 slot; /* versions found at the miss */
	__u64 all;
	__u32 good; /* 0: fills nothing */
	__u32 pad;
};

enum pb_mc_answer { PB_MC_PASS, PB_MC_HIT };

pb_inline int pb_mc_busy(const struct pb_mc_gen *g, __u64 now)
{
	if (PB_MC_GUARD(PB_MC_G_MUTE) && g->muted > now)
		return 1;
	for (int i = 0; i < PB_MC_PENDING; i++)
		if (g->tag[i] && (!PB_MC_GUARD(PB_MC_G_LIFE) || g->until[i] > now))
			return 1;
	return 0;
}

/* A write begins whose end will not be seen. */
pb_inline void pb_mc_mute(struct pb_mc_gen *g, __u64 now, __u64 life)
{
	g->version++;
	if (g->muted < now + life)
		g->muted = now + life;
}

/* A write begins; its reply will pass. */
pb_inline void pb_mc_begin(struct pb_mc_gen *g, __u64 tag, __u64 now, __u64 life)
{
	int at = -1;

	for (int i = 0; i < PB_MC_PENDING; i++)
		if (!g->tag[i] || g->until[i] <= now)
			at = i;
	if (at < 0) {
		if (PB_MC_GUARD(PB_MC_G_FULL))
			pb_mc_mute(g, now, life);
		return;
	}
	if (PB_MC_GUARD(PB_MC_G_VERSION))
		g->version++;
	if (!PB_MC_GUARD(PB_MC_G_PENDING))
		return;
	g->tag[at] = tag;
	g->until[at] = now + life;
}

/* The reply to the write @tag passes.  Of a write that is pending no more (a second copy, or later
 * than life allows) the version tells: what was kept meanwhile goes. */
pb_inline void pb_mc_end(struct pb_mc_gen *g, __u64 tag)
{
	g->version++;
	for (int i = 0; i < PB_MC_PENDING; i++)
		if (g->tag[i] && (!PB_MC_GUARD(PB_MC_G_TAG) || g->tag[i] == tag)) {
			g->tag[i] = 0;
			return;
		}
}

/* Writes to a slot's key: tag 0 if no reply will pass (noreply, quiet, direct return). */
pb_inline void pb_mc_write(struct pb_mc_slot *s, const struct pb_mc_all *all, __u64 tag, __u64 now)
{
	if (tag)
		pb_mc_begin(&s->gen, tag, now, all->life);
	else
		pb_mc_mute(&s->gen, now, all->life);
	if (PB_MC_GUARD(PB_MC_G_DROP))
		s->keep.valid = 0;
}

pb_inline void pb_mc_written(struct pb_mc_slot *s, __u64 tag)
{
	pb_mc_end(&s->gen, tag);
	s->keep.valid = 0;
}

/* The same to all keys: a flush with a reply to come (@tag), or whatever ends unseen: an unknown
 * request, a fragment, another ring, a server that goes or comes back. */
pb_inline void pb_mc_write_all(struct pb_mc_all *all, __u64 tag, __u64 now)
{
	if (tag)
		pb_mc_begin(&all->gen, tag, now, all->life);
	else
		pb_mc_mute(&all->gen, now, all->life);
}

pb_inline void pb_mc_written_all(struct pb_mc_all *all, __u64 tag)
{
	pb_mc_end(&all->gen, tag);
}

/* A flush that comes true at @at, on a clock that may be a `life` off.  Only the earliest is kept;
 * for a later one beside it nothing is kept from now on until it is over. */
pb_inline void pb_mc_flush_at(struct pb_mc_all *all, __u64 at)
{
	__u64 last = at;

	if (all->flush_at) {
		if (all->flush_at > at)
			last = all->flush_at;
		all->gen.version++;
		if (all->gen.muted < last + all->life)
			all->gen.muted = last + all->life;
		all->flush_at = 0;
		return;
	}
	all->flush_at = at;
}

/* Is the time near at which everything vanishes?  Then the flush begins. */
pb_inline int pb_mc_due(const struct pb_mc_all *all, __u64 now)
{
	return all->flush_at && now + all->life >= all->flush_at;
}

pb_inline void pb_mc_tick(struct pb_mc_all *all, __u64 now)
{
	if (!pb_mc_due(all, now))
		return;
	all->gen.version++;
	if (all->gen.muted < all->flush_at + all->life)
		all->gen.muted = all->flush_at + all->life;
	all->flush_at = 0;
}

/* May the slot's value be the answer? */
pb_inline int pb_mc_fresh(const struct pb_mc_slot *s, const struct pb_mc_all *all, __u64 now)
{
	return s->keep.valid && s->keep.expires > now && !pb_mc_due(all, now) &&
	       (!PB_MC_GUARD(PB_MC_G_ALL_HIT) || s->keep.all == all->gen.version);
}

/* A get: PB_MC_HIT, or it passes, and ret_token is what its reply fills with. */
pb_inline __u32 pb_mc_read(const struct pb_mc_slot *s, const struct pb_mc_all *all, __u64 now,
			   struct pb_mc_token *ret_token)
{
	ret_token->slot = s->gen.version;
	ret_token->all = all->gen.version;
	ret_token->pad = 0;
	ret_token->good = !pb_mc_due(all, now) &&
			  (!PB_MC_GUARD(PB_MC_G_TOKEN) || !pb_mc_busy(&s->gen, now)) &&
			  (!PB_MC_GUARD(PB_MC_G_ALL_TOKEN) || !pb_mc_busy(&all->gen, now));
	return pb_mc_fresh(s, all, now) ? PB_MC_HIT : PB_MC_PASS;
}

/* Its reply: may it be kept, until @expires?  The caller writes the value if so, under the same
 * lock. */
pb_inline int pb_mc_keep(struct pb_mc_slot *s, const struct pb_mc_all *all,
			 const struct pb_mc_token *token, __u64 expires, __u64 now)
{
	if (!token->good || pb_mc_due(all, now) || expires <= now)
		return 0;
	if (PB_MC_GUARD(PB_MC_G_FILL) && token->slot != s->gen.version)
		return 0;
	if (PB_MC_GUARD(PB_MC_G_ALL_FILL) && token->all != all->gen.version)
		return 0;
	s->keep.all = all->gen.version;
	s->keep.expires = expires;
	s->keep.valid = 1;
	return 1;
}

/*
 * Until when a value may be kept that has @ttl seconds to live (-1: for ever; PB_MC_TTL_NONE: not
 * known), at most @max_age.  Memcached counts whole seconds and may be one behind: one less.
 */
pb_inline __u64 pb_mc_expiry(__s32 ttl, __u64 max_age, __u64 now)
{
	__u64 left;

	if (ttl < 0)
		return now + max_age;
	left = ttl > 1 ? (__u64)(ttl - 1) * 1000000000ULL : 0;
	return now + (left < max_age ? left : max_age);
}

#endif /* PATCHBAY_MC_TOKEN_H */
