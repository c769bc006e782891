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

/* The lock for the port of @s; NULL when it could not be had. */
static __always_inline __u32 *pb_lock(const struct pb_sock *s)
{
	__u64 mix = (s->app + ((__u64)s->lport << 8) + s->proto) * 0x9e3779b97f4a7c15ULL;
	__u32 index = (mix >> 32) % pb_locks_max;
	struct pb_lock_try t = { .word = bpf_map_lookup_elem(&pb_locks, &index) };

	if (!t.word)
		return 0;
	if (!__sync_val_compare_and_swap(t.word, 0, 1))
		return t.word;
	bpf_loop(PB_LOCK_SPIN, pb_lock_step, &t, 0);
	return t.got ? t.word : 0;
}

static __always_inline void pb_unlock(__u32 *word)
{
	if (word)
		__sync_lock_test_and_set(word, 0);
}

#endif /* PB_LOCK_BPF_H */
