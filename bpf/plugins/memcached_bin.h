/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Memcached's binary protocol, requests and replies.  Pure; host and BPF. */
#ifndef PB_PLUGIN_MEMCACHED_BIN_H
#define PB_PLUGIN_MEMCACHED_BIN_H

#include "memcached_reply.h"
#include "memcached_say.h"
#include "memcached_text.h"

/* ---- requests ---- */

/* How many bytes the whole request has: what the parser says, and what behind the key is not there. */
pb_inline __u64 pb_fmc_bin_len(const struct pb_fmc_head *h, const struct pb_mc_req *r, __u32 head)
{
	struct pb_mc_bin b = { .ext = h->ext, .key = h->key, .body = h->body };

	return (__u64)head + pb_mc_bin_tail(r->kind, &b);
}

pb_inline int pb_fmc_parse_binary(const struct pb_frame_view *v, struct pb_fmc_work *w,
				  struct pb_frame *ret)
{
	const struct pb_mc_req *r = &w->w.req;
	struct pb_fmc_head h;
	struct pb_mc_scan s;
	__u32 n;

	if (*v->data != PB_MC_BIN_REQ)
		return -1;
	if (!pb_fmc_head_read(v, &h))
		return PB_FRAME_MORE;
	if (h.ext + h.key > h.body || h.key > PB_MC_KEY_MAX)
		return -1;
	n = PB_MC_BIN_HDR + h.ext + h.key;
	if (pb_fmc_len(v) < n)
		return PB_FRAME_MORE;
	s = pb_mc_scan_init(v->data, v->end, n, &w->w);
	pb_mc_parse_any(&s, 0, PB_MC_BINARY);
	if (r->error == PB_MC_E_BINARY || r->error == PB_MC_E_KEY || r->error == PB_MC_E_MAGIC)
		return -1;
	ret->head = n;
	ret->len = pb_fmc_bin_len(&h, r, n);
	return PB_FRAME_WHOLE;
}

pb_inline int pb_fmc_bin_say(struct pb_fmc_rtx *x, struct pb_frame_send *ret, __u32 status)
{
	x->class = PB_FMC_C_SAY;
	x->say = PB_FMC_S_STATUS;
	x->status = (__u16)status;
	ret->touch = PB_FRAME_T_NONE;
	return PB_FRAME_ANSWER;
}

pb_inline int pb_fmc_bin_quit(struct pb_fmc_rtx *x, struct pb_frame_send *ret, __u32 flags)
{
	pb_fmc_bin_say(x, ret, 0);
	if (flags & PB_MC_F_QUIET)
		x->say = PB_FMC_S_NOTHING;
	return PB_FRAME_BYE;
}

pb_inline int pb_fmc_bin_all(struct pb_mc_scan *s, struct pb_fmc_rtx *x,
			     const struct pb_fmc_head *h, struct pb_frame_send *ret)
{
	x->class = PB_FMC_C_BINARY_ALL;
	ret->delay = s->w->req.delay > 0 ? (__u32)s->w->req.delay : 0;
	if (s->w->req.kind == PB_MC_STATS)
		x->flags = PB_FMC_R_SUM | pb_fmc_settings(s, PB_MC_BIN_HDR, h->key);
	return PB_FRAME_ALL;
}

/* A request that was read into w->w.req. */
pb_inline int pb_fmc_plan_binary(const struct pb_frame_view *v, const struct pb_frame *f,
				 struct pb_fmc_work *w, struct pb_frame_send *ret)
{
	struct pb_mc_scan s = pb_mc_scan_init(v->data, v->end, f->head, &w->w);
	struct pb_fmc_rtx *x = pb_fmc_rtx_of(&ret->rtx);
	const struct pb_mc_req *r = &w->w.req;
	struct pb_fmc_head h = { .ext = 0 };
	__u32 quiet;

	pb_fmc_head_read(v, &h);
	x->proto = PB_MC_BINARY;
	x->class = PB_FMC_C_BINARY;
	x->kind = r->kind;
	x->opcode = r->opcode;
	x->loud = (__u8)pb_mc_bin_loud(r->opcode, &quiet);
	x->opaque = r->opaque;
	ret->touch = pb_fmc_touch(r);
	switch (r->kind) {
	case PB_MC_QUIT: return pb_fmc_bin_quit(x, ret, r->flags);
	case PB_MC_NOOP: return pb_fmc_bin_say(x, ret, 0);
	case PB_MC_SASL:
	case PB_MC_UNKNOWN: return pb_fmc_bin_say(x, ret, PB_FMC_UNKNOWN);
	}
	if (quiet) {
		x->hide = r->kind == PB_MC_GET || r->kind == PB_MC_GAT ? PB_FMC_HIDE_MISS
								       : PB_FMC_HIDE_DONE;
		pb_fmc_opcode(&ret->cut, f->len, x->loud);
	}
	if (r->kind == PB_MC_FLUSH || r->kind == PB_MC_STATS)
		return pb_fmc_bin_all(&s, x, &h, ret);
	return PB_FMC_PLACE;
}

/* ---- replies ---- */

pb_inline __u32 pb_fmc_bin_kind_of(const struct pb_fmc_head *h)
{
	return h->status ? pb_mc_reply_status(h->status) : PB_MC_R_DONE;
}

pb_inline int pb_fmc_reply_binary(const struct pb_frame_view *v, struct pb_fmc_rtx *x,
				  struct pb_frame *ret, struct pb_frame_cut *cut)
{
	struct pb_fmc_head h;

	if (*v->data != PB_MC_BIN_RES)
		return -1;
	if (!pb_fmc_head_read(v, &h))
		return PB_FRAME_MORE;
	if (h.opcode != x->loud || h.opaque != x->opaque || h.ext + h.key > h.body)
		return -1;
	ret->head = PB_MC_BIN_HDR;
	ret->len = PB_MC_BIN_HDR + (__u64)h.body;
	ret->flags = PB_FRAME_PART_LAST;
	if (x->class == PB_FMC_C_BINARY_ALL) {
		ret->flags |= PB_FRAME_PART_HOLD;
		if (x->kind == PB_MC_STATS && h.key && !h.status)
			ret->flags &= ~PB_FRAME_PART_LAST;
		return PB_FRAME_WHOLE;
	}
	if (pb_fmc_hidden(x, pb_fmc_bin_kind_of(&h)))
		ret->flags |= PB_FRAME_PART_SKIP;
	if (x->opcode != x->loud)
		pb_fmc_opcode(cut, ret->len, x->opcode);
	return PB_FRAME_WHOLE;
}

#endif /* PB_PLUGIN_MEMCACHED_BIN_H */
