/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When a cache in the path of the requests may keep a value, and may answer with it.  Pure; host and
 * BPF.  tests/unit/test_memcached_token.c walks every interleaving of these very functions.
 *
 * Versions (struct pb_mc_gen) are shared by the keys of a set, cached or not; validity (struct
 * pb_mc_keep) is a single value's.  A write that passes makes the version go up and its key's value
 * go away, and stays pending until its own reply passes, or until no datagram of it can be alive any
 * more.  Before a value is asked for, a token is taken: the version found.  What comes is kept if the
 * version is still that one.  No token is given while a write is pending.  Flushes, changes of the
 * ring and what is not understood do the same to a record that all sets share.
 *
 * What the callers owe:
 * - who changes a record holds its lock; a write is told before it is forwarded;
 * - a tag belongs to one forwarded request: no other one that passes within `life` has it.  The
 *   frame's id is the client's choice, so the switch puts one of its own there;
 * - `life` is longer than any request or reply lives, the server's queue included;
 * - between switch and server nothing duplicates requests;
 * - nobody writes past the switch.
 *
 * Who only reads struct pb_mc_all, or struct pb_mc_keep, needs no lock: marks are made before the
 * version goes up, and taken away after it has; readers read the version first.  So a reader who
 * sees the new version sees the mark, and who sees the old one has a token that fills nothing.
 */
#ifndef PATCHBAY_MC_TOKEN_H
#define PATCHBAY_MC_TOKEN_H

#include "types.h"

/* A guard of the protocol; the model checker takes them away, one at a time. */
#ifndef PB_MC_GUARD
#define PB_MC_GUARD(x) 1
#endif

#ifndef PB_MC_PENDING
#define PB_MC_PENDING 4 /* writes of one set that are told apart */
#endif
#define PB_MC_LIFE_NS 2000000000ULL

/* Versions and writes on their way: of a set, or of all. */
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
	__u64 all;     /* version of struct pb_mc_all when it was asked for */
	__u64 expires; /* ns */
	__u32 valid;
	__u32 pad;
};

struct pb_mc_token {
	__u64 set; /* versions found */
	__u64 all;
	__u32 good; /* 0: fills nothing */
	__u32 pad;
};

#define pb_mc_once(x) (*(volatile __typeof__(x) *)&(x))

/*
 * What stands before it happens before what stands behind it, on every CPU.  BPF has no fence before
 * Linux 6.15; an atomic operation that returns the old value is one, on ARM, too (LDADDAL, SWPAL, or
 * with a DMB behind it).
 */
#ifdef __bpf__
pb_inline void pb_mc_fence(void)
{
	__u64 x = 0;

	__sync_lock_test_and_set(&x, 0);
}
#else
pb_inline void pb_mc_fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}
#endif

pb_inline int pb_mc_busy(const struct pb_mc_gen *g, __u64 now)
{
	if (PB_MC_GUARD(PB_MC_G_MUTE) && pb_mc_once(g->muted) > now)
		return 1;
	for (int i = 0; i < PB_MC_PENDING; i++)
		if (pb_mc_once(g->tag[i]) &&
		    (!PB_MC_GUARD(PB_MC_G_LIFE) || pb_mc_once(g->until[i]) > now))
			return 1;
	return 0;
}

pb_inline void pb_mc_up(struct pb_mc_gen *g)
{
	pb_mc_fence();
	pb_mc_once(g->version) = g->version + 1;
	pb_mc_fence();
}

/* A write begins whose end will not be seen. */
pb_inline void pb_mc_mute(struct pb_mc_gen *g, __u64 now, __u64 life)
{
	if (g->muted < now + life)
		g->muted = now + life;
	pb_mc_up(g);
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
	if (PB_MC_GUARD(PB_MC_G_PENDING)) {
		/* by constant places: kernel programs hold a lock here, and want no pointer */
		for (int i = 0; i < PB_MC_PENDING; i++)
			if (i == at) {
				g->tag[i] = tag;
				g->until[i] = now + life;
			}
	}
	if (PB_MC_GUARD(PB_MC_G_VERSION))
		pb_mc_up(g);
}

/* The reply to the write @tag passes.  Of a write that is pending no more (a second copy, or later
 * than life allows) the version tells: what was kept meanwhile goes. */
pb_inline void pb_mc_end(struct pb_mc_gen *g, __u64 tag)
{
	pb_mc_up(g);
	for (int i = 0; i < PB_MC_PENDING; i++)
		if (g->tag[i] && (!PB_MC_GUARD(PB_MC_G_TAG) || g->tag[i] == tag)) {
			g->tag[i] = 0;
			return;
		}
}

/* The value goes.  @k: NULL if the key is not cached. */
pb_inline void pb_mc_drop(struct pb_mc_keep *k)
{
	if (k)
		pb_mc_once(k->valid) = 0;
}

/* A write to a key: tag 0 if no reply will pass (noreply, quiet, direct return). */
pb_inline void pb_mc_write(struct pb_mc_gen *g, struct pb_mc_keep *k, const struct pb_mc_all *all,
			   __u64 tag, __u64 now)
{
	if (tag)
		pb_mc_begin(g, tag, now, all->life);
	else
		pb_mc_mute(g, now, all->life);
	if (PB_MC_GUARD(PB_MC_G_DROP))
		pb_mc_drop(k);
}

pb_inline void pb_mc_written(struct pb_mc_gen *g, struct pb_mc_keep *k, __u64 tag)
{
	pb_mc_end(g, tag);
	pb_mc_drop(k);
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

pb_inline void pb_mc_mute_until(struct pb_mc_gen *g, __u64 when)
{
	if (g->muted < when)
		g->muted = when;
	pb_mc_up(g);
}

/* A flush that comes true at @at, on a clock that may be a `life` off.  Only the earliest is kept;
 * for a later one beside it nothing is kept from now on until it is over. */
pb_inline void pb_mc_flush_at(struct pb_mc_all *all, __u64 at)
{
	if (!all->flush_at) {
		pb_mc_once(all->flush_at) = at;
		return;
	}
	pb_mc_mute_until(&all->gen, (all->flush_at > at ? all->flush_at : at) + all->life);
	pb_mc_once(all->flush_at) = 0;
}

/* Is the time near at which everything vanishes?  Then the flush begins. */
pb_inline int pb_mc_due(const struct pb_mc_all *all, __u64 now)
{
	__u64 at = pb_mc_once(all->flush_at);

	return at && now + all->life >= at;
}

pb_inline void pb_mc_tick(struct pb_mc_all *all, __u64 now)
{
	if (!pb_mc_due(all, now))
		return;
	pb_mc_mute_until(&all->gen, all->flush_at + all->life);
	pb_mc_once(all->flush_at) = 0;
}

/* May the value be the answer? */
pb_inline int pb_mc_fresh(const struct pb_mc_keep *k, const struct pb_mc_all *all, __u64 now)
{
	return pb_mc_once(k->valid) && pb_mc_once(k->expires) > now && !pb_mc_due(all, now) &&
	       (!PB_MC_GUARD(PB_MC_G_ALL_HIT) ||
		pb_mc_once(k->all) == pb_mc_once(all->gen.version));
}

/* A token, before the value is asked for: what concerns all keys (no lock), then the set. */
pb_inline void pb_mc_take_all(const struct pb_mc_all *all, __u64 now, struct pb_mc_token *ret)
{
	ret->all = pb_mc_once(all->gen.version);
	pb_mc_fence();
	ret->pad = 0;
	ret->good = !pb_mc_due(all, now) &&
		    (!PB_MC_GUARD(PB_MC_G_ALL_TOKEN) || !pb_mc_busy(&all->gen, now));
}

pb_inline void pb_mc_take(const struct pb_mc_gen *g, __u64 now, struct pb_mc_token *token)
{
	token->set = g->version;
	if (PB_MC_GUARD(PB_MC_G_TOKEN) && pb_mc_busy(g, now))
		token->good = 0;
}

/* Is the token still good?  The same two parts. */
pb_inline int pb_mc_same_all(const struct pb_mc_all *all, const struct pb_mc_token *token,
			     __u64 now)
{
	return token->good && !pb_mc_due(all, now) &&
	       (!PB_MC_GUARD(PB_MC_G_ALL_FILL) || token->all == pb_mc_once(all->gen.version));
}

pb_inline int pb_mc_same(const struct pb_mc_gen *g, const struct pb_mc_token *token)
{
	return token->good && (!PB_MC_GUARD(PB_MC_G_FILL) || token->set == g->version);
}

/*
 * The value that was asked for under @token is there in whole: may it be the answer from now on, until
 * @expires?  It bears the token's version of all: what is flushed between the two questions makes it
 * vain.
 */
pb_inline int pb_mc_keep(const struct pb_mc_gen *g, struct pb_mc_keep *k,
			 const struct pb_mc_all *all, const struct pb_mc_token *token,
			 __u64 expires, __u64 now)
{
	if (expires <= now || !pb_mc_same(g, token) || !pb_mc_same_all(all, token, now))
		return 0;
	k->all = PB_MC_GUARD(PB_MC_G_SNAPSHOT) ? token->all : all->gen.version;
	k->expires = expires;
	pb_mc_once(k->valid) = 1;
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

/* When a flush comes true that was delayed by @delay, as memcached takes it: seconds, or, longer than 30
 * days, seconds since 1970, of which @wall is the present one. */
pb_inline __u64 pb_mc_flush_time(__u32 delay, __u64 now, __u64 wall)
{
	if (delay <= 60 * 60 * 24 * 30)
		return now + delay * 1000000000ULL;
	return delay > wall ? now + (delay - wall) * 1000000000ULL : now;
}

#endif /* PATCHBAY_MC_TOKEN_H */
