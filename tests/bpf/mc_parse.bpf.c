// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The parsers of include/patchbay/mc_*.h on packet data, for tests only: test_memcached.c runs them
 * by BPF_PROG_TEST_RUN and compares with the host's.  The first 14 bytes of the packet say what to do
 * (struct mc_job), the message follows.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <patchbay/mc_parse.h>
#include <patchbay/mc_reply.h>
#include <patchbay/mc_ring.h>

#include "mc_job.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mc_result);
} pb_mc_out SEC(".maps");

/* What the packet asks for; ret_s reads its message. */
static __always_inline struct mc_job *job_of(struct xdp_md *ctx, struct pb_mc_scan *ret_s,
					     struct mc_result **ret_out)
{
	struct mc_job *job = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u32 zero = 0;

	*ret_out = bpf_map_lookup_elem(&pb_mc_out, &zero);
	if (!*ret_out || (void *)(job + 1) > end)
		return 0;
	*ret_s = pb_mc_scan_init(job + 1, end, job->len, &(*ret_out)->work);
	return job;
}

static long count_key(__u32 i, struct pb_mc_scan *s)
{
	__u32 n = pb_mc_next_key(s);
	struct mc_result *out = (void *)s->w;

	(void)i;
	if (!n)
		return 1;
	out->more = out->more * 31 + s->w->off * 7 + n;
	return 0;
}

SEC("xdp")
int pb_mc_req(struct xdp_md *ctx)
{
	struct mc_result *out;
	struct pb_mc_scan s;
	struct mc_job *job = job_of(ctx, &s, &out);

	if (!job)
		return MC_JOB_BAD;
	pb_mc_parse(&s, job->at, job->proto);
	out->key_len = s.w->req.flags & PB_MC_F_B64 ? pb_mc_b64_key(&s) : 0;
	out->more = 0;
	pb_mc_more_keys(&s);
	pb_loop(PB_MC_SCAN_MAX, count_key, &s);
	return s.w->req.error;
}

/* The parser alone: its cost is recorded. */
SEC("xdp")
int pb_mc_bare(struct xdp_md *ctx)
{
	struct mc_result *out;
	struct pb_mc_scan s;
	struct mc_job *job = job_of(ctx, &s, &out);

	if (!job)
		return MC_JOB_BAD;
	pb_mc_parse(&s, job->at, job->proto);
	return s.w->req.error;
}

/* Nothing: what a run costs by itself. */
SEC("xdp")
int pb_mc_idle(struct xdp_md *ctx)
{
	struct mc_result *out;
	struct pb_mc_scan s;
	struct mc_job *job = job_of(ctx, &s, &out);

	return job ? 0 : MC_JOB_BAD;
}

SEC("xdp")
int pb_mc_rep(struct xdp_md *ctx)
{
	const struct pb_mc_udp label = { .total = 1 };
	struct mc_result *out;
	struct pb_mc_scan s;
	struct mc_job *job = job_of(ctx, &s, &out);

	if (!job)
		return MC_JOB_BAD;
	out->more = pb_mc_fill(&s, &label);
	pb_mc_reply(&s, job->at, job->proto);
	return s.w->rep.error;
}

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pb_mc_ring);
} pb_mc_ring SEC(".maps");

/* The owner of the key that is the message. */
SEC("xdp")
int pb_mc_own(struct xdp_md *ctx)
{
	struct mc_result *out;
	struct pb_mc_scan s;
	struct mc_job *job = job_of(ctx, &s, &out);
	struct pb_mc_ring *ring;
	__u32 zero = 0;

	ring = bpf_map_lookup_elem(&pb_mc_ring, &zero);
	if (!job || !ring)
		return MC_JOB_BAD;
	out->more = pb_mc_owner(&s, ring, 0, job->len);
	return 0;
}
