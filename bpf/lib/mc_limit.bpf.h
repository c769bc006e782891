/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How much a source may be answered from the cache: a datagram's source is easily forged, and
 * answers are longer than requests.  A token bucket, kept as the time at which it would be full again
 * (ITU-T I.371, GCRA): one word, which CPUs change without a lock.  Sources share buckets by hash
 * under the service's secret.
 */
#ifndef PB_MC_LIMIT_BPF_H
#define PB_MC_LIMIT_BPF_H

#include <patchbay/mc_digest.h>

#include "mc_maps.bpf.h"

#define PB_MC_LIMIT_SECOND 1000000000ULL
#define PB_MC_LIMIT_MOST (1ULL << 33) /* bytes: more would overflow when multiplied */

PB_MC_MAP(pb_mc_buckets, BPF_MAP_TYPE_ARRAY, PB_MC_BUCKETS, __u32, __u64, 0);

static __always_inline __u32 mc_limit_bucket(const struct pb_mc_service *svc,
					     const struct pb_addr *addr)
{
	struct pb_mc_digest d = pb_mc_digest_init(svc->key, 16);

	pb_mc_digest_word(&d, (__u64)addr->w[1] << 32 | addr->w[0]);
	pb_mc_digest_word(&d, (__u64)addr->w[3] << 32 | addr->w[2]);
	return pb_mc_digest_end(&d) & (PB_MC_BUCKETS - 1);
}

/* 1: @bytes more may go to @addr. */
static __always_inline int mc_limit_take(const struct pb_mc_service *svc,
					 const struct pb_addr *addr, __u64 bytes, __u64 now)
{
	__u64 burst = svc->burst < PB_MC_LIMIT_MOST ? svc->burst : PB_MC_LIMIT_MOST, full, cost;
	__u64 *bucket;
	__u32 at;

	if (!svc->rate)
		return 1;
	at = mc_limit_bucket(svc, addr);
	bucket = bpf_map_lookup_elem(&pb_mc_buckets, &at);
	if (!bucket)
		return 0;
	full = pb_mc_once(*bucket);
	cost = bytes * PB_MC_LIMIT_SECOND / svc->rate;
	if ((full > now ? full - now : 0) + cost > burst * PB_MC_LIMIT_SECOND / svc->rate)
		return 0;
	if (__sync_val_compare_and_swap(bucket, full, (full > now ? full : now) + cost) != full)
		__sync_fetch_and_add(bucket, cost);
	return 1;
}

#endif /* PB_MC_LIMIT_BPF_H */
