/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What memcached says to a call.  Pure; host and BPF. */
#ifndef PB_PLUGIN_MEMCACHED_REPLY_H
#define PB_PLUGIN_MEMCACHED_REPLY_H

#include "memcached_base.h"

#define PB_FMC_MN ((__u32)'M' << 16 | (__u32)'N' << 8 | '\r')

/* Would memcached have kept this back? */
pb_inline int pb_fmc_hidden(const struct pb_fmc_rtx *x, __u32 kind)
{
	switch (x->hide) {
	case PB_FMC_HIDE_MISS: return kind == PB_MC_R_MISS;
	case PB_FMC_HIDE_DONE: return kind == PB_MC_R_DONE || kind == PB_MC_R_VALUE;
	case PB_FMC_HIDE_ALL: return 1;
	}
	return 0;
}

/* A line of a get's reply. */
pb_inline int pb_fmc_reply_get(struct pb_mc_scan *s, struct pb_fmc_rtx *x, struct pb_frame *ret)
{
	const struct pb_mc_rep *r = &s->w->rep;

	if (r->kind == PB_MC_R_VALUE) {
		if (!x->keys || r->flags & PB_MC_F_META)
			return -1;
		if (x->key_n && (x->key_n != r->key_len ||
				 x->key_sum != pb_fmc_copy(s, r->key_off, r->key_len, 0)))
			return -1;
		x->keys--;
		return PB_FRAME_WHOLE;
	}
	ret->flags = PB_FRAME_PART_LAST;
	if (r->kind == PB_MC_R_END) {
		if (x->flags & PB_FMC_R_PART)
			ret->flags |= PB_FRAME_PART_SKIP;
		return PB_FRAME_WHOLE;
	}
	if (r->kind != PB_MC_R_ERROR)
		return -1;
	if (x->flags & PB_FMC_R_PART)
		ret->flags |= PB_FRAME_PART_FAILED;
	return PB_FRAME_WHOLE;
}

/* A line of the reply to a request to all servers: statistics go on until END. */
pb_inline int pb_fmc_reply_all(const struct pb_mc_rep *r, struct pb_frame *ret)
{
	ret->flags = PB_FRAME_PART_HOLD;
	if (r->flags & PB_MC_F_VALUE)
		return -1;
	if (r->kind == PB_MC_R_END || r->kind == PB_MC_R_DONE || r->kind == PB_MC_R_ERROR)
		ret->flags |= PB_FRAME_PART_LAST;
	return PB_FRAME_WHOLE;
}

pb_inline int pb_fmc_reply_line(const struct pb_mc_rep *r, const struct pb_fmc_rtx *x, __u32 mn,
				struct pb_frame *ret)
{
	if (r->kind == PB_MC_R_NONE || r->kind == PB_MC_R_END)
		return -1;
	if (r->flags & PB_MC_F_VALUE && (x->class != PB_FMC_C_META || !(r->flags & PB_MC_F_META)))
		return -1;
	if (x->flags & PB_FMC_R_UNTIL) {
		ret->flags = mn ? PB_FRAME_PART_LAST | PB_FRAME_PART_SKIP : 0;
		return PB_FRAME_WHOLE;
	}
	ret->flags = PB_FRAME_PART_LAST;
	if (pb_fmc_hidden(x, r->kind))
		ret->flags |= PB_FRAME_PART_SKIP;
	return PB_FRAME_WHOLE;
}

pb_inline int pb_fmc_reply_text(const struct pb_frame_view *v, struct pb_fmc_rtx *x,
				struct pb_fmc_work *w, struct pb_frame *ret)
{
	__u32 n = pb_fmc_eol(v, w);
	const struct pb_mc_rep *r = &w->w.rep;
	struct pb_mc_scan s;

	if (!n)
		return pb_fmc_len(v) < PB_FMC_LINE ? PB_FRAME_MORE : -1;
	s = pb_mc_scan_init(v->data, v->end, n, &w->w);
	pb_mc_reply(&s, 0, PB_MC_TEXT);
	ret->head = n;
	ret->len = n;
	if (r->flags & PB_MC_F_VALUE) {
		if (r->error != PB_MC_E_SHORT)
			return -1;
		ret->len = (__u64)r->val_off + r->val_len + 2;
	} else if (r->error && r->kind != PB_MC_R_NONE) {
		return -1;
	}
	switch (x->class) {
	case PB_FMC_C_GET: return pb_fmc_reply_get(&s, x, ret);
	case PB_FMC_C_ALL:
		/* "RESET" ends, "STAT" does not */
		if (r->kind == PB_MC_R_OTHER && pb_mc_byte(&s, 0) == 'R')
			w->w.rep.kind = PB_MC_R_DONE;
		return pb_fmc_reply_all(r, ret);
	default: return pb_fmc_reply_line(r, x, (pb_mc_be32(&s, 0) >> 8) == PB_FMC_MN, ret);
	}
}

#endif /* PB_PLUGIN_MEMCACHED_REPLY_H */
