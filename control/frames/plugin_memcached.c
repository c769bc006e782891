/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The memcached plugin's table for engines on the host. */
#include "bpf/plugins/memcached.h"
#include "bpf/plugins/memcached_merge.h"

#define MERGE_MAX (1u << 20) /* statistics of all servers */

static int parse(const struct pb_frame_view *v, struct pb_frame_conn *c, void *work,
		 struct pb_frame *ret)
{
	return pb_fmc_parse(v, c, work, ret);
}

static int redirect(const struct pb_frame_view *v, const struct pb_frame *f,
		    struct pb_frame_conn *c, const struct pb_frame_ens *e, void *work,
		    struct pb_frame_send *ret)
{
	return pb_fmc_redirect(v, f, c, e, work, ret);
}

static int split(const struct pb_frame_view *v, const struct pb_frame *f, struct pb_frame_conn *c,
		 const struct pb_frame_ens *e, void *work, __u32 i, struct pb_frame_send *ret)
{
	(void)c;
	(void)i;
	return pb_fmc_split_next(v, f, e, work, ret);
}

static int reply(const struct pb_frame_view *v, struct pb_frame_rtx *rtx, void *work,
		 struct pb_frame *ret, struct pb_frame_cut *cut)
{
	return pb_fmc_reply(v, rtx, work, ret, cut);
}

static void hit(const struct pb_frame_view *value, struct pb_frame_rtx *rtx, struct pb_frame_out *o)
{
	pb_frame_put(o, value->data, (__u32)(value->end - value->data));
	if (!(pb_fmc_rtx_of(rtx)->flags & PB_FMC_R_PART))
		pb_fmc_puts(o, "END");
}

static void merge(struct pb_frame_rtx *rtx, const struct pb_frame_held *h, __u32 n, void *work,
		  struct pb_frame_out *o)
{
	(void)work;
	pb_fmc_merge(pb_fmc_rtx_of(rtx), h, n, o);
}

static void answer(const struct pb_frame_view *v, const struct pb_frame *f, struct pb_frame_conn *c,
		   struct pb_frame_rtx *rtx, struct pb_frame_out *o)
{
	const struct pb_fmc_rtx *x = pb_fmc_rtx_of(rtx);

	if (!f && x->class != PB_FMC_C_SAY)
		pb_fmc_refused(v, pb_fmc_conn_of(c), o);
	else
		pb_fmc_answer(pb_fmc_conn_of(c), x, o);
}

static int fail(struct pb_frame_conn *c, struct pb_frame_rtx *rtx, enum pb_frame_why why, int begun,
		struct pb_frame_out *o)
{
	return pb_fmc_fail(pb_fmc_conn_of(c), pb_fmc_rtx_of(rtx), why, begun, o);
}

const struct pb_frame_plugin pb_frame_memcached = {
	.name = "memcached",
	.abi = PB_FRAME_ABI,
	.work_size = sizeof(struct pb_fmc_work),
	.max_head = PB_FMC_LINE,
	.max_merge = MERGE_MAX,
	.parse = parse,
	.redirect = redirect,
	.split = split,
	.reply = reply,
	.hit = hit,
	.merge = merge,
	.answer = answer,
	.fail = fail,
};
