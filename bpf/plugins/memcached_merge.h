/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One answer of what all servers say.  Pure; host. */
#ifndef PB_PLUGIN_MEMCACHED_MERGE_H
#define PB_PLUGIN_MEMCACHED_MERGE_H

#include <patchbay/mc_stats.h>

#include "memcached_say.h"

static inline __u32 pb_fmc_held_len(const struct pb_frame_held *h)
{
	return (__u32)(h->view.end - h->view.data);
}

static inline int pb_fmc_held_begins(const struct pb_frame_held *h, const char *text, __u32 n)
{
	return pb_fmc_held_len(h) >= n && !__builtin_memcmp(h->view.data, text, n);
}

static inline __u32 pb_fmc_held_status(const struct pb_frame_held *h)
{
	return pb_fmc_held_len(h) >= PB_MC_BIN_HDR ? (__u32)h->view.data[6] << 8 | h->view.data[7]
						   : 1;
}

/* Does this server say that it is done? */
static inline int pb_fmc_held_good(const struct pb_fmc_rtx *x, const struct pb_frame_held *h)
{
	if (x->proto == PB_MC_BINARY)
		return !pb_fmc_held_status(h);
	return pb_fmc_held_begins(h, "OK", 2) || pb_fmc_held_begins(h, "RESET", 5);
}

static inline void pb_fmc_put_held(const struct pb_fmc_rtx *x, const struct pb_frame_held *h,
				   struct pb_frame_out *o)
{
	__u32 at = o->len;

	if (x->hide == PB_FMC_HIDE_ALL || (x->hide == PB_FMC_HIDE_DONE && pb_fmc_held_good(x, h)))
		return;
	pb_frame_put(o, h->view.data, pb_fmc_held_len(h));
	if (x->proto == PB_MC_BINARY && o->len > at + 1)
		o->data[at + 1] = x->opcode;
}

/* All say the same, or the first that does not say that it is done. */
static inline void pb_fmc_merge_same(const struct pb_fmc_rtx *x, const struct pb_frame_held *h,
				     __u32 n, struct pb_frame_out *o)
{
	__u32 pick = 0;

	while (pick < n && pb_fmc_held_good(x, &h[pick]))
		pick++;
	pb_fmc_put_held(x, &h[pick < n ? pick : 0], o);
}

static inline void pb_fmc_merge_failed(const struct pb_fmc_rtx *x, __u32 why,
				       struct pb_frame_out *o)
{
	if (x->hide == PB_FMC_HIDE_ALL)
		return;
	if (x->proto == PB_MC_BINARY)
		pb_fmc_status(o, x->opcode, x->opaque, PB_FMC_TEMPORARY);
	else
		pb_fmc_why(o, why);
}

static inline void pb_fmc_put_stat(void *out, const void *data, __u32 n)
{
	pb_frame_put(out, data, n);
}

/* 0: they are no statistics. */
static inline int pb_fmc_merge_stats(const struct pb_fmc_rtx *x, const struct pb_frame_held *h,
				     __u32 n, struct pb_frame_out *o)
{
	struct pb_mc_stats_from from[PB_FRAME_SERVERS_MAX];
	struct pb_mc_stats t = {
		.from = from,
		.n = n < PB_FRAME_SERVERS_MAX ? n : PB_FRAME_SERVERS_MAX,
		.binary = x->proto == PB_MC_BINARY,
		.settings = x->flags & PB_FMC_R_SETTINGS,
		.opcode = x->opcode,
		.opaque = x->opaque,
		.put = pb_fmc_put_stat,
		.arg = o,
	};

	for (__u32 i = 0; i < t.n; i++)
		from[i] = (struct pb_mc_stats_from){ .data = h[i].view.data,
						     .len = pb_fmc_held_len(&h[i]) };
	return pb_mc_stats_sum(&t);
}

static inline void pb_fmc_merge(const struct pb_fmc_rtx *x, const struct pb_frame_held *h, __u32 n,
				struct pb_frame_out *o)
{
	__u32 at = o->len;

	for (__u32 i = 0; i < n; i++)
		if (h[i].failed) {
			pb_fmc_merge_failed(x, h[i].failed - 1, o);
			return;
		}
	if (!n) {
		pb_fmc_merge_failed(x, PB_FRAME_W_NO_SERVER, o);
		return;
	}
	if (!(x->flags & PB_FMC_R_SUM) || !pb_fmc_merge_stats(x, h, n, o)) {
		o->len = at;
		pb_fmc_merge_same(x, h, n, o);
	}
	if (o->lost) {
		o->len = at;
		o->lost = 0;
		pb_fmc_merge_failed(x, PB_FRAME_W_FULL, o);
	}
}

#endif /* PB_PLUGIN_MEMCACHED_MERGE_H */
