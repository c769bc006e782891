/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A lock over several map operations, which bpf_spin_lock does not allow: who
 * joins the holders of an entry and who takes the last one away must not meet,
 * for the memory of a deleted entry is another's at once.
 *
 * Taken in process context only, held for about a microsecond.  The spin is
 * bounded (some 30 ms, longer than a preempted holder waits for its CPU); after
 * it the work goes on without the lock rather than never.
 */
#ifndef PB_LOCK_BPF_H
#define PB_LOCK_BPF_H

#include "maps.bpf.h"

#define PB_LOCK_SPIN (1u << 23) /* the most bpf_loop() does */

struct pb_lock_try {
	__u32 *word;
	__u32 got;
};

static long pb_lock_step(__u32 i, void *arg)
{
	struct pb_lock_try *t = arg;

	(void)i;
	t->got = !__sync_val_compare_and_swap(t->word, 0, 1);
	return t->got;
}

/* Global: the verifier walks the spin once.  The index of the lock, -1 when it could not be had. */
__noinline int pb_lock_take(__u64 app, __u32 port, __u32 proto)
{
	__u64 mix = (app + ((__u64)port << 8) + proto) * 0x9e3779b97f4a7c15ULL;
	__u32 index = (mix >> 32) % pb_locks_max;
	struct pb_lock_try t = { .word = bpf_map_lookup_elem(&pb_locks, &index) };

	if (!t.word)
		return -1;
	t.got = !__sync_val_compare_and_swap(t.word, 0, 1);
	if (!t.got)
		bpf_loop(PB_LOCK_SPIN, pb_lock_step, &t, 0);
	return t.got ? (int)index : -1;
}

static __always_inline int pb_lock(const struct pb_sock *s)
{
	return pb_lock_take(s->app, s->lport, s->proto);
}

static __always_inline void pb_unlock(int lock)
{
	__u32 index = lock;
	__u32 *word = lock < 0 ? 0 : bpf_map_lookup_elem(&pb_locks, &index);

	if (word)
		__sync_lock_test_and_set(word, 0);
}

#endif /* PB_LOCK_BPF_H */
