// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The frame plugins on packet data, for tests only: test_plugin.c runs them by BPF_PROG_TEST_RUN and
 * compares with the host's.  The packet is the stream behind PLUGIN_OFF bytes; all else is in pb_pl_job.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "plugin_job.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct plugin_job);
} pb_pl_job SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pb_mc_ring);
} pb_pl_ring SEC(".maps");

static __always_inline struct plugin_job *job_of(struct xdp_md *ctx, struct pb_frame_view *ret_v,
						 struct pb_frame_ens *ret_e)
{
	__u32 zero = 0;
	struct plugin_job *job = bpf_map_lookup_elem(&pb_pl_job, &zero);

	ret_v->data = (void *)(long)ctx->data;
	ret_v->data += PLUGIN_OFF;
	ret_v->end = (void *)(long)ctx->data_end;
	if (!job || ret_v->data > ret_v->end)
		return 0;
	ret_e->n = job->servers;
	ret_e->flags = job->flags;
	ret_e->server = job->server;
	ret_e->policy = bpf_map_lookup_elem(&pb_pl_ring, &zero);
	return ret_e->policy ? job : 0;
}

SEC("xdp")
int pb_pl_parse(struct xdp_md *ctx)
{
	struct pb_frame_view v;
	struct pb_frame_ens e;
	struct plugin_job *job = job_of(ctx, &v, &e);

	return job ? pb_fmc_parse(&v, &job->conn, &job->work, &job->frame) : PLUGIN_BAD;
}

/* Global functions: each is verified once, whatever the others found. */
__noinline int pl_read(struct xdp_md *ctx)
{
	struct pb_frame_view v;
	struct pb_frame_ens e;
	struct plugin_job *job = job_of(ctx, &v, &e);

	if (!job)
		return PLUGIN_BAD;
	pb_fmc_redirect_read(&v, &job->frame, &job->conn, &job->work);
	return 0;
}

__noinline int pl_plan(struct xdp_md *ctx)
{
	struct pb_frame_view v;
	struct pb_frame_ens e;
	struct plugin_job *job = job_of(ctx, &v, &e);

	if (!job)
		return PLUGIN_BAD;
	return pb_fmc_redirect_plan(&v, &job->frame, &job->conn, &job->work, &job->send);
}

__noinline int pl_place(struct xdp_md *ctx, int to)
{
	struct pb_frame_view v;
	struct pb_frame_ens e;
	struct plugin_job *job = job_of(ctx, &v, &e);

	if (!job)
		return PLUGIN_BAD;
	return pb_fmc_redirect_place(&v, &job->frame, &job->conn, &e, &job->work, to, &job->send);
}

SEC("xdp")
int pb_pl_redirect(struct xdp_md *ctx)
{
	pl_read(ctx);
	return pl_place(ctx, pl_plan(ctx));
}

SEC("xdp")
int pb_pl_split(struct xdp_md *ctx)
{
	struct pb_frame_view v;
	struct pb_frame_ens e;
	struct plugin_job *job = job_of(ctx, &v, &e);

	return job ? pb_fmc_split_next(&v, &job->frame, &e, &job->work, &job->send) : PLUGIN_BAD;
}

SEC("xdp")
int pb_pl_reply(struct xdp_md *ctx)
{
	struct pb_frame_view v;
	struct pb_frame_ens e;
	struct plugin_job *job = job_of(ctx, &v, &e);

	return job ? pb_fmc_reply(&v, &job->rtx, &job->work, &job->frame, &job->cut) : PLUGIN_BAD;
}

SEC("xdp")
int pb_pl_c_parse(struct xdp_md *ctx)
{
	struct pb_frame_view v;
	struct pb_frame_ens e;
	struct plugin_job *job = job_of(ctx, &v, &e);

	return job ? pb_counter_parse(&v, &job->frame) : PLUGIN_BAD;
}

SEC("xdp")
int pb_pl_c_redir(struct xdp_md *ctx)
{
	struct pb_frame_view v;
	struct pb_frame_ens e;
	struct plugin_job *job = job_of(ctx, &v, &e);

	return job ? pb_counter_redirect(&v, &job->frame, &e, &job->send) : PLUGIN_BAD;
}

SEC("xdp")
int pb_pl_c_reply(struct xdp_md *ctx)
{
	struct pb_frame_view v;
	struct pb_frame_ens e;
	struct plugin_job *job = job_of(ctx, &v, &e);

	return job ? pb_counter_reply(&v, &job->rtx, &job->frame, &job->cut) : PLUGIN_BAD;
}
