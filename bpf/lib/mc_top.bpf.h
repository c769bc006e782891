/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The keys that are asked for most: one in 2^pb_mc_top_shift requests is counted, as that many. */
#ifndef PB_MC_TOP_BPF_H
#define PB_MC_TOP_BPF_H

#include "mc_sketch.bpf.h"

#define PB_MC_TOP_KEYS 8192u

PB_MC_MAP(pb_mc_top, BPF_MAP_TYPE_LRU_HASH, PB_MC_TOP_KEYS, struct pb_mc_top_key, struct pb_mc_top,
	  0);

const volatile __u32 pb_mc_top_shift = 6;

pb_mc_fn void mc_top_enter(struct pb_mc_job *job, __u64 bytes, int write)
{
	struct pb_mc_top_key key = { .digest = job->digest, .service = job->service };
	__u64 n = 1ULL << (pb_mc_top_shift & 31);
	struct pb_mc_top *t = bpf_map_lookup_elem(&pb_mc_top, &key);

	if (t) {
		__sync_fetch_and_add(&t->requests, n);
		__sync_fetch_and_add(&t->bytes, n * bytes);
		__sync_fetch_and_add(&t->writes, write ? n : 0);
		return;
	}
	t = &job->seek.top;
	t->requests = n;
	t->bytes = n * bytes;
	t->writes = write ? n : 0;
	t->first = job->now;
	t->key_len = job->seek.key_len;
	__builtin_memset(t->key, 0, sizeof(t->key));
	for (__u32 i = 0; i < sizeof(t->key) / 8; i++) {
		if (8 * i >= t->key_len)
			break;
		((__u64 *)t->key)[i] = job->seek.key[i];
	}
	bpf_map_update_elem(&pb_mc_top, &key, t, BPF_NOEXIST);
}

/* A request for the key of mc_cache_key() or mc_cache_hit(); @bytes of its answer or its value. */
static __always_inline void mc_top_count(struct pb_mc_job *job, __u64 bytes, int write)
{
	if (mc_sampled(job, pb_mc_top_shift))
		mc_top_enter(job, bytes, write);
}

#endif /* PB_MC_TOP_BPF_H */
