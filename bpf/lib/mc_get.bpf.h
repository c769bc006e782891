/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* PB_MC_DO_GET: a value of the cache for who asks by pb_mc_do (the TCP half of a service). */
#ifndef PB_MC_GET_BPF_H
#define PB_MC_GET_BPF_H

#include "mc_cache.bpf.h"

/* Not the work of the packets' programs, which interrupt this one on some kernels. */
struct pb_mc_ask {
	struct pb_mc_job job;
	__u32 busy;
};

PB_MC_MAP(pb_mc_ask, BPF_MAP_TYPE_PERCPU_ARRAY, 1, __u32, struct pb_mc_ask, 0);

/* The value of the job's key into the packet, behind the command. */
static __always_inline int mc_do_copy(struct xdp_md *ctx, struct pb_mc_job *job)
{
	struct pb_mc_value *v = mc_value(job);
	__u32 n = pb_mc_once(job->value_len) - 1;

	if (!v || n >= PB_MC_DATA_MAX)
		return 0;
	pb_mc_opaque(n);
	if (n >= PB_MC_DATA_MAX)
		return 0;
	n++;
	if (bpf_xdp_store_bytes(ctx, sizeof(struct pb_mc_cmd), v->data, n))
		return 0;
	return mc_cache_torn(job, v) ? 0 : n;
}

static __always_inline int mc_do_seek(struct xdp_md *ctx, struct pb_mc_job *job, __u32 service,
				      __u32 n)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct pb_mc_service *svc = mc_service(service);
	struct pb_mc_scan s;

	if (!svc || !svc->sets)
		return 0;
	s = pb_mc_scan_init(data, end, sizeof(struct pb_mc_cmd) + n, &job->work);
	job->service = service;
	job->now = bpf_ktime_get_ns();
	job->exact = 1;
	return mc_cache_hit(job, svc, &s, sizeof(struct pb_mc_cmd), n);
}

/* A look-up, as that of a get by datagram: hits and misses count for what is worth to be kept. */
static __noinline int mc_do_get(struct xdp_md *ctx)
{
	const struct pb_mc_cmd *cmd = (void *)(long)ctx->data;
	__u32 zero = 0, service, n;
	struct pb_mc_ask *ask = bpf_map_lookup_elem(&pb_mc_ask, &zero);
	int got = 0;

	if (!ask || (void *)(cmd + 1) > (void *)(long)ctx->data_end)
		return 0;
	service = cmd->service;
	n = (__u32)cmd->tag;
	if (__sync_lock_test_and_set(&ask->busy, 1)) /* of a process that was preempted there */
		return 0;
	if (mc_do_seek(ctx, &ask->job, service, n))
		got = mc_do_copy(ctx, &ask->job);
	__sync_lock_test_and_set(&ask->busy, 0);
	return got;
}

#endif /* PB_MC_GET_BPF_H */
