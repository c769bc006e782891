/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The cache: look-ups, writes, flushes.  Rules in patchbay/mc_token.h, why in
 * docs/decisions/0023-memcached-switch.md.
 *
 * A hit takes no lock.  It reads, in this order:
 *	seq of the value (even) | digest and freshness | key and bytes | seq again (mc_cache_torn)
 * and who fills a value does, in this order:
 *	fresh: no | seq odd | bytes | seq even | digest, fresh: yes
 * Both sequence numbers equal: the bytes are whole, and are those whose freshness was read.
 *
 * That needs loads in order.  x86 and s390 give it, ARM does not, and BPF has no fence that only
 * orders loads: pb_mc_fence() is an atomic operation, two of them a hit.  (An AMD EPYC hides them, less
 * than 1 ns; others take some 20 cycles each.)  The loader sets pb_mc_in_order where the machine does
 * without; then the verifier removes them.  Writers always take them.
 */
#ifndef PB_MC_CACHE_BPF_H
#define PB_MC_CACHE_BPF_H

#include "mc_key.bpf.h"
#include "mc_sketch.bpf.h"

#define PB_MC_FETCH_NS 250000000ULL /* after that a fetch is lost */
#define PB_MC_HIT_SHIFT 4	    /* one hit in 16 is counted by the sketch, as 16 */

const volatile __u32 pb_mc_in_order; /* loads are not reordered on this machine */

static __always_inline void mc_fence_loads(void)
{
	if (!pb_mc_in_order)
		pb_mc_fence();
	asm volatile("" ::: "memory");
}

static __always_inline struct pb_mc_set *mc_set(__u32 service, __u32 set)
{
	void *sets = bpf_map_lookup_elem(&pb_mc_sets, &service);

	return sets ? bpf_map_lookup_elem(sets, &set) : 0;
}

static __always_inline struct pb_mc_value *mc_value_at(__u32 service, __u32 idx)
{
	void *values = bpf_map_lookup_elem(&pb_mc_values, &service);

	return values ? bpf_map_lookup_elem(values, &idx) : 0;
}

/* The value of a hit. */
static __always_inline struct pb_mc_value *mc_value(const struct pb_mc_job *job)
{
	return mc_value_at(job->service, job->value_idx);
}

static __always_inline struct pb_mc_lock *mc_lock(__u32 set)
{
	__u32 at = set & (PB_MC_SET_LOCKS - 1);

	return bpf_map_lookup_elem(&pb_mc_locks, &at);
}

static __always_inline struct pb_mc_all_rec *mc_all(__u32 service)
{
	return bpf_map_lookup_elem(&pb_mc_alls, &service);
}

/* Was it rewritten since the hit?  To be asked when the bytes have been copied. */
static __always_inline int mc_cache_torn(const struct pb_mc_job *job, struct pb_mc_value *v)
{
	mc_fence_loads();
	return pb_mc_once(v->seq) != job->value_seq;
}

/* Does this way hold the key's value, and may it be the answer?  NULL: no. */
static __always_inline struct pb_mc_value *mc_cache_way(struct pb_mc_job *job,
							struct pb_mc_way *way,
							const struct pb_mc_all *all, __u32 idx)
{
	struct pb_mc_value *v = mc_value_at(job->service, idx);
	__u32 seq, len;

	if (!v)
		return 0;
	seq = pb_mc_once(v->seq);
	mc_fence_loads();
	if (seq & 1 || pb_mc_once(way->digest) != job->digest ||
	    !pb_mc_fresh(&way->keep, all, job->now) || !mc_key_same(job, v))
		return 0;
	len = pb_mc_once(v->len);
	if (len > PB_MC_DATA_MAX)
		return 0;
	if (!pb_mc_once(way->used))
		pb_mc_once(way->used) = 1;
	job->value_idx = idx;
	job->value_seq = seq;
	job->value_len = len;
	job->value_sum = pb_mc_once(v->sum);
	return v;
}

/* The key's value, if it may be the answer: job->value_*. */
static __always_inline struct pb_mc_value *mc_cache_find(struct pb_mc_job *job)
{
	struct pb_mc_all_rec *rec = mc_all(job->service);
	struct pb_mc_set *set = mc_set(job->service, job->set);
	struct pb_mc_value *v;
	__u32 w = PB_MC_WAYS;

	if (!set || !rec)
		return 0;
	for (__u32 i = 0; i < PB_MC_WAYS; i++)
		if (pb_mc_once(set->way[i].digest) == job->digest)
			w = i;
	pb_mc_opaque(w);
	if (w >= PB_MC_WAYS)
		return 0;
	v = mc_cache_way(job, &set->way[w], &rec->all, job->set * PB_MC_WAYS + w);
	if (v && mc_sampled(job, PB_MC_HIT_SHIFT))
		mc_sketch(job->digest, job->now, 1 << PB_MC_HIT_SHIFT);
	return v;
}

static __always_inline int mc_cache_look(struct pb_mc_job *job)
{
	return mc_cache_find(job) != 0;
}

/*
 * The way that a new value would take: its own, a free one, or by the clock the first that nobody
 * asked for since the hand passed.  PB_MC_WAYS: all are being written.  The caller has the lock, so
 * there are no pointers, and the hand does not move yet.
 */
static __always_inline __u32 mc_cache_room(const struct pb_mc_set *set, const struct pb_mc_all *all,
					   __u64 digest, __u64 now)
{
	__u32 idle = PB_MC_WAYS, any = PB_MC_WAYS, hand = set->hand;

	for (__u32 i = 0; i < PB_MC_WAYS; i++) {
		__u32 w = (hand + PB_MC_WAYS - 1 - i) & (PB_MC_WAYS - 1);
		const struct pb_mc_way *way = &set->way[w];

		if (way->seq & 1)
			continue;
		any = w;
		if (!way->used)
			idle = w;
	}
	if (idle < PB_MC_WAYS)
		any = idle;
	for (__u32 i = 0; i < PB_MC_WAYS; i++)
		if (!(set->way[i].seq & 1) && !pb_mc_fresh(&set->way[i].keep, all, now))
			any = i;
	for (__u32 i = 0; i < PB_MC_WAYS; i++)
		if (!(set->way[i].seq & 1) && set->way[i].digest == digest)
			any = i;
	return any;
}

/* The clock's hand goes on to the way that it evicts: those it passes lose their bit, all of them
 * if all had it. */
static __always_inline void mc_cache_turn(struct pb_mc_set *set, __u32 evicted)
{
	__u32 hand = set->hand, all = set->way[evicted & (PB_MC_WAYS - 1)].used;

	for (__u32 i = 0; i < PB_MC_WAYS; i++, hand++) {
		if (!all && (hand & (PB_MC_WAYS - 1)) == evicted)
			break;
		set->way[hand & (PB_MC_WAYS - 1)].used = 0;
	}
	set->hand = evicted + 1;
}

/* The digest of the value that would have to go for this one; 0: none. */
static __always_inline __u64 mc_cache_victim(const struct pb_mc_set *set,
					     const struct pb_mc_all *all, __u64 digest, __u64 now)
{
	__u32 w = mc_cache_room(set, all, digest, now);

	if (w >= PB_MC_WAYS)
		return 0;
	w &= PB_MC_WAYS - 1;
	return pb_mc_fresh(&set->way[w].keep, all, now) ? set->way[w].digest : 0;
}

/* A delayed flush that is due: whoever sees it first begins it. */
static __always_inline void mc_cache_tick(struct pb_mc_all_rec *rec, __u64 now)
{
	if (!pb_mc_due(&rec->all, now))
		return;
	bpf_spin_lock(&rec->lock);
	pb_mc_tick(&rec->all, now);
	bpf_spin_unlock(&rec->lock);
}

/* The token of a miss, and whether the key is worth a fetch. */
pb_mc_fn int mc_cache_miss(struct pb_mc_job *job, const struct pb_mc_service *svc)
{
	struct pb_mc_all_rec *rec = mc_all(job->service);
	struct pb_mc_set *set = mc_set(job->service, job->set);
	struct pb_mc_lock *lock = mc_lock(job->set);
	__u64 now, digest = job->digest, victim;
	struct pb_mc_token token;
	__u32 missed, asked, noise;

	if (!set || !rec || !lock)
		return 0;
	mc_exact_now(job);
	now = job->now;
	missed = mc_sketch(digest, now, 1);
	noise = mc_sketch_noise(job);
	mc_cache_tick(rec, now);
	pb_mc_take_all(&rec->all, now, &token);
	bpf_spin_lock(&lock->lock);
	pb_mc_take(&set->gen, now, &token);
	asked = set->fetching > now;
	victim = mc_cache_victim(set, &rec->all, digest, now);
	bpf_spin_unlock(&lock->lock);
	job->token = token;
	job->want_fetch = token.good && !asked && missed >= svc->admit + noise &&
			  (!victim || victim == digest || mc_sketch(victim, now, 0) < missed);
	return 0;
}

/*
 * A get of the key of mc_cache_key() or mc_cache_plain().  1: job->value_*; then mc_value(), and
 * mc_cache_torn() when it has been copied.  0: job->token is what a fetch fills with, and
 * job->want_fetch says that one is wanted.
 */
static __always_inline int mc_cache_get(struct pb_mc_job *job, const struct pb_mc_service *svc)
{
	job->token.good = 0;
	job->want_fetch = 0;
	return mc_cache_look(job) || mc_cache_miss(job, svc);
}

static __always_inline int mc_cache_hit(struct pb_mc_job *job, const struct pb_mc_service *svc,
					const struct pb_mc_scan *s, __u32 off, __u32 len)
{
	if (mc_cache_key(job, svc, s, off, len))
		return mc_cache_get(job, svc);
	job->token.good = 0;
	job->want_fetch = 0;
	return 0;
}

/* A write to a key begins, or (@done) its reply passes.  @tag 0: no reply will. */
pb_mc_fn int mc_cache_step(__u32 service, __u32 at, __u64 digest, __u64 tag, __u64 now)
{
	struct pb_mc_all_rec *rec = mc_all(service);
	struct pb_mc_set *set = mc_set(service, at);
	struct pb_mc_lock *lock = mc_lock(at);

	if (!set || !rec || !lock)
		return 0;
	bpf_spin_lock(&lock->lock);
	if (now)
		pb_mc_write(&set->gen, 0, &rec->all, tag, now);
	else
		pb_mc_written(&set->gen, 0, tag);
	for (__u32 i = 0; i < PB_MC_WAYS; i++)
		if (set->way[i].digest == digest)
			pb_mc_drop(&set->way[i].keep);
	set->fetching = 0; /* for the old value */
	bpf_spin_unlock(&lock->lock);
	return 0;
}

/* A write to the key of mc_cache_key() is going to be forwarded. */
static __always_inline void mc_cache_write(const struct pb_mc_job *job,
					   const struct pb_mc_service *svc, __u64 tag)
{
	if (svc->sets)
		mc_cache_step(job->service, job->set, job->digest, tag, job->now);
}

static __always_inline void mc_cache_written(__u32 service, __u32 set, __u64 digest, __u64 tag)
{
	mc_cache_step(service, set, digest, tag, 0);
}

static __always_inline void mc_cache_write_all(__u32 service, __u64 tag, __u64 now)
{
	struct pb_mc_all_rec *rec = mc_all(service);

	if (!rec)
		return;
	bpf_spin_lock(&rec->lock);
	pb_mc_write_all(&rec->all, tag, now);
	bpf_spin_unlock(&rec->lock);
}

static __always_inline void mc_cache_written_all(__u32 service, __u64 tag)
{
	struct pb_mc_all_rec *rec = mc_all(service);

	if (!rec)
		return;
	bpf_spin_lock(&rec->lock);
	pb_mc_written_all(&rec->all, tag);
	bpf_spin_unlock(&rec->lock);
}

/* A flush_all that comes true at @when (ns). */
static __always_inline void mc_cache_flush_at(__u32 service, __u64 when)
{
	struct pb_mc_all_rec *rec = mc_all(service);

	if (!rec)
		return;
	bpf_spin_lock(&rec->lock);
	pb_mc_flush_at(&rec->all, when);
	bpf_spin_unlock(&rec->lock);
}

#endif /* PB_MC_CACHE_BPF_H */
