/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The counter plugin's table for engines on the host (docs/plugins.md). */
#include "bpf/plugins/counter.h"

static int parse(const struct pb_frame_view *v, struct pb_frame_conn *c, void *work,
		 struct pb_frame *ret)
{
	(void)c;
	(void)work;
	return pb_counter_parse(v, ret);
}

static int redirect(const struct pb_frame_view *v, const struct pb_frame *f,
		    struct pb_frame_conn *c, const struct pb_frame_ens *e, void *work,
		    struct pb_frame_send *ret)
{
	(void)c;
	(void)work;
	return pb_counter_redirect(v, f, e, ret);
}

static int reply(const struct pb_frame_view *v, struct pb_frame_rtx *rtx, void *work,
		 struct pb_frame *ret, struct pb_frame_cut *cut)
{
	(void)work;
	return pb_counter_reply(v, rtx, ret, cut);
}

static void merge(struct pb_frame_rtx *rtx, const struct pb_frame_held *h, __u32 n, void *work,
		  struct pb_frame_out *o)
{
	__u64 sum = 0, total;

	(void)rtx;
	(void)work;
	for (__u32 i = 0; i < n; i++) {
		if (h[i].failed || !pb_counter_total(&h[i].view, &total)) {
			pb_counter_says(o, "error server");
			return;
		}
		sum += total;
	}
	pb_counter_ok(o, sum);
}

static void answer(const struct pb_frame_view *v, const struct pb_frame *f, struct pb_frame_conn *c,
		   struct pb_frame_rtx *rtx, struct pb_frame_out *o)
{
	(void)v;
	(void)f;
	(void)c;
	(void)rtx;
	pb_counter_says(o, "error what");
}

static int fail(struct pb_frame_conn *c, struct pb_frame_rtx *rtx, enum pb_frame_why why, int begun,
		struct pb_frame_out *o)
{
	(void)c;
	(void)rtx;
	(void)why;
	if (begun)
		return 1;
	pb_counter_says(o, "error server");
	return 0;
}

const struct pb_frame_plugin pb_frame_counter = {
	.name = "counter",
	.abi = PB_FRAME_ABI,
	.max_head = PB_COUNTER_HEAD + PB_COUNTER_MAX,
	.max_merge = PB_COUNTER_HEAD + 3 + 20,
	.parse = parse,
	.redirect = redirect,
	.reply = reply,
	.merge = merge,
	.answer = answer,
	.fail = fail,
};
