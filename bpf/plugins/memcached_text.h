/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Memcached's text requests, but for gets of several keys.  Pure; host and BPF. */
#ifndef PB_PLUGIN_MEMCACHED_TEXT_H
#define PB_PLUGIN_MEMCACHED_TEXT_H

#include "memcached_keys.h"

/* What is known of the request from its line alone: the value behind it is not looked at. */
pb_inline __u32 pb_fmc_error(const struct pb_mc_req *r)
{
	if (r->flags & PB_MC_F_VALUE && (r->error == PB_MC_E_SHORT || r->error == PB_MC_E_CHUNK))
		return PB_MC_OK;
	return r->error;
}

pb_inline int pb_fmc_parse_text(const struct pb_frame_view *v, struct pb_fmc_conn *c,
				struct pb_fmc_work *w, struct pb_frame *ret)
{
	__u32 n = pb_fmc_eol(v, w);
	const struct pb_mc_req *r = &w->w.req;
	struct pb_mc_scan s;

	if (!n && pb_fmc_len(v) < PB_FMC_LINE)
		return PB_FRAME_MORE;
	if (!n || c->line)
		return pb_fmc_parse_piece(v, c, w, n, ret);
	s = pb_mc_scan_init(v->data, v->end, n, &w->w);
	pb_mc_parse(&s, 0, PB_MC_TEXT);
	ret->head = n;
	ret->len = r->flags & PB_MC_F_VALUE ? (__u64)r->val_off + r->val_len + 2 : n;
	return PB_FRAME_WHOLE;
}

/* ---- quiet requests become loud ---- */

/* What is found is kept in the work, for the verifier's sake (decision 0020). */
static long pb_fmc_quiet_step(__u32 i, struct pb_fmc_search *q)
{
	struct pb_fmc_work *w = q->w;

	(void)i;
	if (!pb_mc_word(&q->s))
		return 1;
	if (pb_mc_byte(&q->s, w->w.off) != 'q')
		return 0;
	w->at = w->w.off;
	w->limit = w->w.n;
	w->found++;
	return 0;
}

/* A meta command's q.  Twice is an error, which must not become a right request (ms: its value
 * follows). */
pb_inline int pb_fmc_loud_meta(struct pb_mc_scan *s, struct pb_fmc_work *w, struct pb_fmc_rtx *x,
			       __u64 len, struct pb_frame_cut *cut)
{
	struct pb_fmc_search q = { .s = *s, .w = w };

	w->found = 0;
	pb_mc_line(s, w->w.req.more);
	pb_loop(PB_MC_SCAN_MAX / 2, pb_fmc_quiet_step, &q);
	if (w->found > 1)
		return 0;
	if (w->found)
		pb_fmc_without(cut, len, w->at, w->limit);
	x->hide = w->w.req.kind == PB_MC_MGET ? PB_FMC_HIDE_MISS : PB_FMC_HIDE_DONE;
	return 1;
}

/* A wrong request that is quiet: it goes as it is, for without its q it may be right, and mn behind it,
 * for there may be no answer. */
pb_inline void pb_fmc_until(struct pb_fmc_rtx *x, __u64 len, struct pb_frame_cut *cut)
{
	static const __u8 mn[] = { 'm', 'n', '\r', '\n' };

	x->flags |= PB_FMC_R_UNTIL;
	__builtin_memcpy(cut->lit, mn, sizeof(mn));
	pb_fmc_range(cut, 0, PB_FRAME_SRC, 0, len);
	pb_fmc_range(cut, 1, PB_FRAME_LITERAL, 0, sizeof(mn));
}

/* 0: it cannot be, and x->say has the answer. */
pb_inline int pb_fmc_loud(struct pb_mc_scan *s, struct pb_fmc_work *w, struct pb_fmc_rtx *x,
			  __u64 len, struct pb_frame_cut *cut)
{
	const struct pb_mc_req *r = &s->w->req;

	if (!(r->flags & PB_MC_F_QUIET))
		return 1;
	if (r->flags & PB_MC_F_MUTE) {
		x->hide = PB_FMC_HIDE_ALL;
		x->say = PB_FMC_S_NOTHING;
		if (pb_fmc_error(r)) /* without its last word it may be right */
			return 0;
		pb_fmc_without(cut, len, s->w->args.last_off, s->w->args.last_n);
		return 1;
	}
	if (pb_fmc_error(r) && !(r->flags & PB_MC_F_VALUE)) {
		pb_fmc_until(x, len, cut);
		return 1;
	}
	x->say = PB_FMC_S_TWICE;
	return pb_fmc_loud_meta(s, w, x, len, cut);
}

/* ---- whom to send it to ---- */

/* The key of the item to @ret, and its server. */
pb_inline int pb_fmc_place(struct pb_mc_scan *s, const struct pb_frame_ens *e,
			   struct pb_frame_send *ret)
{
	struct pb_fmc_rtx *x = pb_fmc_rtx_of(&ret->rtx);
	const struct pb_mc_req *r = &s->w->req;
	__u32 off = r->key_off, n = r->key_len;
	struct pb_mc_scan k = *s;

	if (!n || !r->keys)
		return pb_fmc_any(e);
	if (r->flags & PB_MC_F_B64) {
#ifdef __bpf__
		return PB_FRAME_NONE; /* hashes read packets; the verifier wants that known */
#else
		n = pb_mc_b64_key(s);
		if (!n || n > PB_MC_B64_OUT)
			return pb_fmc_any(e);
		k = pb_mc_scan_init(s->w->key, s->w->key + PB_MC_B64_OUT, n, s->w);
		off = 0;
#endif
	}
	ret->key_len = n;
	x->key_n = n;
	x->key_sum = pb_fmc_copy(&k, off, n, ret->key);
	return pb_fmc_owner(&k, e, off, n);
}

pb_inline __u32 pb_fmc_touch(const struct pb_mc_req *r)
{
	switch (r->step) {
	case PB_MC_STEP_READ:
		return r->kind == PB_MC_GET && r->proto == PB_MC_TEXT ? PB_FRAME_T_READ
								      : PB_FRAME_T_LOOK;
	case PB_MC_STEP_WRITE:
	case PB_MC_STEP_MUTE: return PB_FRAME_T_WRITE;
	case PB_MC_STEP_FLUSH: return PB_FRAME_T_FLUSH;
	case PB_MC_STEP_UNKNOWN: return PB_FRAME_T_UNKNOWN;
	}
	return PB_FRAME_T_NONE;
}

/* "HTTP/1.1" at the end of an unknown command: a browser was told to talk to us. */
pb_inline int pb_fmc_http(struct pb_mc_scan *s, __u32 n)
{
	const __u64 http = PB_MC_W('H', 'T', 'T', 'P', '/', 0, 0, 0);
	__u32 at = n - 2 - 8; /* "HTTP/1.1\r\n" */

	if (n < 12)
		return 0;
	at += pb_mc_byte(s, n - 2) != '\r';
	return (pb_mc_load8(s, at) & 0xffffffffffULL) == http && pb_mc_byte(s, at - 1) == ' ';
}

/* "stats settings" */
pb_inline __u32 pb_fmc_settings(struct pb_mc_scan *s, __u32 off, __u32 n)
{
	return pb_mc_says(s, off, n, PB_MC_W('s', 'e', 't', 't', 'i', 'n', 'g', 's'), 8)
		       ? PB_FMC_R_SETTINGS
		       : 0;
}

/* What is answered here; 0: it is not. */
pb_inline int pb_fmc_local(struct pb_mc_scan *s, struct pb_fmc_rtx *x, __u32 n)
{
	x->class = PB_FMC_C_SAY;
	switch (s->w->req.kind) {
	case PB_MC_QUIT: x->say = PB_FMC_S_NOTHING; return PB_FRAME_BYE;
	case PB_MC_NOOP: x->say = PB_FMC_S_NOOP; return PB_FRAME_ANSWER;
	case PB_MC_ADMIN: x->say = PB_FMC_S_ADMIN; return PB_FRAME_ANSWER;
	case PB_MC_NONE:
	case PB_MC_UNKNOWN:
		x->say = PB_FMC_S_ERROR;
		if (!pb_fmc_http(s, n))
			return PB_FRAME_ANSWER;
		x->say = PB_FMC_S_NOTHING;
		return PB_FRAME_BYE;
	}
	return 0;
}

pb_inline int pb_fmc_to_all(struct pb_mc_scan *s, struct pb_fmc_rtx *x, struct pb_frame_send *ret)
{
	x->class = PB_FMC_C_ALL;
	ret->delay = s->w->req.delay > 0 ? (__u32)s->w->req.delay : 0;
	if (s->w->req.kind != PB_MC_STATS)
		return PB_FRAME_ALL;
	x->flags = PB_FMC_R_SUM;
	pb_mc_line(s, 0);
	pb_mc_word(s);
	if (pb_mc_word(s))
		x->flags |= pb_fmc_settings(s, s->w->off, s->w->n);
	return PB_FRAME_ALL;
}

/* A text request that was read into w->w.req. */
pb_inline int pb_fmc_plan_text(const struct pb_frame_view *v, const struct pb_frame *f,
			       struct pb_fmc_work *w, struct pb_frame_send *ret)
{
	struct pb_fmc_rtx *x = pb_fmc_rtx_of(&ret->rtx);
	struct pb_mc_scan s = pb_mc_scan_init(v->data, v->end, f->head, &w->w);
	const struct pb_mc_req *r = &w->w.req;
	int to;

	x->kind = r->kind;
	ret->touch = pb_fmc_touch(r);
	if (r->kind >= PB_MC_GET && r->kind <= PB_MC_GATS)
		return pb_fmc_plan_get(w, ret);
	to = pb_fmc_local(&s, x, f->head);
	if (to) {
		ret->touch = PB_FRAME_T_NONE;
		return to;
	}
	x->class = PB_FMC_C_LINE;
	if (!pb_fmc_loud(&s, w, x, f->len, &ret->cut)) {
		ret->touch = PB_FRAME_T_NONE;
		x->class = PB_FMC_C_SAY;
		return PB_FRAME_ANSWER;
	}
	if (!r->error &&
	    (r->kind == PB_MC_FLUSH || r->kind == PB_MC_VERBOSITY || r->kind == PB_MC_STATS))
		return pb_fmc_to_all(&s, x, ret);
	if (r->kind >= PB_MC_MGET && r->kind <= PB_MC_MARITH)
		x->class = PB_FMC_C_META;
	return PB_FMC_PLACE;
}

#endif /* PB_PLUGIN_MEMCACHED_TEXT_H */
