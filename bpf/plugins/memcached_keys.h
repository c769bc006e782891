/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Gets of several keys.  A line may be of any length: it is taken in pieces of PB_FMC_LINE bytes, each
 * of whole keys.  Keys of one server that follow each other become one call, and END is said behind the
 * last call.  If a key's server did not answer, SERVER_ERROR takes the place of END: what came is right,
 * what is missing is no miss.  Pure; host and BPF.
 */
#ifndef PB_PLUGIN_MEMCACHED_KEYS_H
#define PB_PLUGIN_MEMCACHED_KEYS_H

#include "memcached_base.h"

pb_inline int pb_fmc_touches(__u32 kind)
{
	return kind == PB_MC_GAT || kind == PB_MC_GATS;
}

/* ---- pieces of a line ---- */

/* Sets out at the first key of a first piece; the kind of the get, 0 if it is none. */
pb_inline __u32 pb_fmc_first_key(struct pb_mc_scan *s, struct pb_fmc_run *run)
{
	__u32 kind;

	pb_mc_line(s, 0);
	if (!pb_mc_word(s))
		return 0;
	kind = pb_mc_verb(s);
	if (kind < PB_MC_GET || kind > PB_MC_GATS)
		return 0;
	run->kind = kind;
	if (!pb_fmc_touches(kind))
		return kind;
	if (!pb_mc_word(s) || !pb_mc_number(s, s->w->off, s->w->n, 1))
		return 0;
	run->exptime = (__s32)s->w->num.v;
	return kind;
}

/* @eol: bytes of the piece if the line ends in it, else 0. */
pb_inline int pb_fmc_parse_piece(const struct pb_frame_view *v, const struct pb_fmc_conn *c,
				 struct pb_fmc_work *w, __u32 eol, struct pb_frame *ret)
{
	__u32 n = eol ? eol : PB_FMC_LINE;
	struct pb_mc_scan s;

	ret->head = n;
	ret->len = n;
	if (eol || c->line == PB_FMC_SWALLOW)
		return PB_FRAME_WHOLE;
	eol = pb_fmc_find(v, w, n, 0);
	s = pb_mc_scan_init(v->data, v->end, n, &w->w);
	if (!c->line) {
		if (!pb_fmc_first_key(&s, &w->run))
			return -1;
	} else {
		pb_mc_line(&s, 0);
	}
	pb_mc_rest(&s);
	/* A key that goes on is the next piece's, if memcached would take it. */
	if (!eol && s.w->prev != ' ' && s.w->off && n - s.w->off <= PB_MC_KEY_MAX)
		ret->head = ret->len = s.w->off;
	return PB_FRAME_WHOLE;
}

/* ---- calls ---- */

/* "get ", "gats -0000000001 ": the beginning of a call's line. */
pb_inline __u32 pb_fmc_verb_text(__u8 *to, __u32 kind, __s32 exptime)
{
	__u32 v = exptime < 0 ? -(__u32)exptime : (__u32)exptime;
	__u32 cas = kind == PB_MC_GETS || kind == PB_MC_GATS, n = 4;

	to[0] = 'g';
	to[1] = pb_fmc_touches(kind) ? 'a' : 'e';
	to[2] = 't';
	to[3] = ' ';
	if (cas) {
		to[3] = 's';
		to[4] = ' ';
		n = 5;
	}
	if (!pb_fmc_touches(kind))
		return n;
	to += n;
	to[0] = exptime < 0 ? '-' : '+';
	for (int i = 10; i > 0; i--) {
		to[i] = '0' + v % 10;
		v /= 10;
	}
	to[11] = ' ';
	return n + 12;
}

/* The next key and its server, to run->off, n, server. */
pb_inline void pb_fmc_next(struct pb_mc_scan *s, const struct pb_frame_ens *e,
			   struct pb_fmc_run *run)
{
	run->n = pb_mc_word(s);
	run->off = s->w->off;
	if (run->n)
		run->server = pb_fmc_owner(s, e, run->off, run->n);
}

struct pb_fmc_runner {
	struct pb_mc_scan s;
	const struct pb_frame_ens *e;
	struct pb_fmc_run *run;
	__s32 server;
	__u32 pad;
};

static long pb_fmc_run_step(__u32 i, struct pb_fmc_runner *r)
{
	(void)i;
	r->run->keys++;
	r->run->end = r->run->off + r->run->n;
	pb_fmc_next(&r->s, r->e, r->run);
	return r->run->one || !r->run->n || r->run->server != r->server;
}

pb_inline __u32 pb_fmc_run_touch(const struct pb_fmc_run *run)
{
	if (pb_fmc_touches(run->kind))
		return PB_FRAME_T_WRITE;
	return run->kind == PB_MC_GET ? PB_FRAME_T_READ : PB_FRAME_T_LOOK;
}

/* The call for the keys that follow each other and have the same server. */
pb_inline int pb_fmc_run_call(struct pb_mc_scan *s, const struct pb_frame_ens *e,
			      struct pb_fmc_run *run, struct pb_frame_send *ret)
{
	struct pb_fmc_runner r = { .s = *s, .e = e, .run = run, .server = run->server };
	struct pb_fmc_rtx *x = pb_fmc_rtx_of(&ret->rtx);
	__u32 off = run->off, n = run->n, verb;

	run->keys = 0;
	pb_loop(PB_FMC_LINE / 2, pb_fmc_run_step, &r);
	x->class = PB_FMC_C_GET;
	x->kind = run->kind;
	x->flags = PB_FMC_R_PART;
	x->keys = run->keys;
	if (run->keys == 1) {
		ret->key_len = x->key_n = n;
		x->key_sum = pb_fmc_copy(s, off, n, ret->key);
	}
	ret->touch = pb_fmc_run_touch(run);
	verb = pb_fmc_verb_text(ret->cut.lit + 2, run->kind, run->exptime);
	ret->cut.lit[0] = '\r';
	ret->cut.lit[1] = '\n';
	pb_fmc_range(&ret->cut, 0, PB_FRAME_LITERAL, 2, verb);
	pb_fmc_range(&ret->cut, 1, PB_FRAME_SRC, off, run->end - off);
	pb_fmc_range(&ret->cut, 2, PB_FRAME_LITERAL, 0, 2);
	return r.server;
}

pb_inline int pb_fmc_split(const struct pb_frame_view *v, const struct pb_frame *f,
			   const struct pb_frame_ens *e, struct pb_fmc_work *w,
			   struct pb_frame_send *ret)
{
	struct pb_mc_scan s = pb_mc_scan_init(v->data, v->end, f->head, &w->w);
	struct pb_fmc_rtx *x = pb_fmc_rtx_of(&ret->rtx);
	struct pb_fmc_run *run = &w->run;

	if (run->n)
		return pb_fmc_run_call(&s, e, run, ret);
	if (!run->last || run->done)
		return PB_FRAME_END;
	run->done = 1;
	x->class = PB_FMC_C_SAY;
	x->say = PB_FMC_S_END;
	return PB_FRAME_ANSWER;
}

/* ---- what is to be done with a piece, and with a line that is whole ---- */

pb_inline int pb_fmc_say(struct pb_frame_send *ret, __u32 say)
{
	struct pb_fmc_rtx *x = pb_fmc_rtx_of(&ret->rtx);

	x->class = PB_FMC_C_SAY;
	x->say = say;
	ret->touch = PB_FRAME_T_NONE;
	return PB_FRAME_ANSWER;
}

/* From @at on: does memcached take all keys?  @whole: the last one does not go on behind the piece. */
pb_inline int pb_fmc_keys_fit(struct pb_mc_scan *s, __u32 at, __u32 whole)
{
	pb_mc_line(s, at);
	pb_mc_rest(s);
	if (!whole && s->w->prev != ' ' && s->w->len - s->w->off > PB_MC_KEY_MAX)
		return 0;
	return s->w->longest <= PB_MC_KEY_MAX;
}

pb_inline int pb_fmc_redirect_piece(struct pb_mc_scan *s, struct pb_fmc_conn *c,
				    const struct pb_frame_ens *e, struct pb_fmc_work *w,
				    struct pb_frame_send *ret)
{
	struct pb_frame_view v = { .data = s->data, .end = s->end };
	__u32 n = s->w->len, from = 0, was = c->line, whole;
	struct pb_fmc_run *run = &w->run;

	c->line = pb_mc_byte(s, n - 1) == '\n' ? 0 : PB_FMC_SWALLOW;
	if (was == PB_FMC_SWALLOW)
		return PB_FRAME_DROP;
	whole = !c->line || pb_fmc_find(&v, w, n, 0);
	run->kind = was;
	run->exptime = c->exptime;
	if (!was) {
		pb_fmc_first_key(s, run);
		from = s->w->at;
	}
	pb_fmc_rtx_of(&ret->rtx)->kind = run->kind;
	if (!pb_fmc_keys_fit(s, from, whole))
		return pb_fmc_say(ret, PB_FMC_S_FORMAT);
	if (!whole)
		c->line = run->kind;
	c->exptime = run->exptime;
	run->last = whole;
	run->done = 0;
	run->one = e->flags & PB_FRAME_E_CACHE;
	pb_mc_line(s, from);
	pb_fmc_next(s, e, run);
	return PB_FRAME_SPLIT;
}

struct pb_fmc_same {
	struct pb_mc_scan s;
	const struct pb_frame_ens *e;
	__s32 server;
	__u32 differ;
};

static long pb_fmc_same_step(__u32 i, struct pb_fmc_same *k)
{
	(void)i;
	if (!pb_mc_word(&k->s))
		return 1;
	if (pb_fmc_owner(&k->s, k->e, k->s.w->off, k->s.w->n) == k->server)
		return 0;
	k->differ = 1;
	return 1;
}

/* A get of several keys whose line is whole and right: one call, if they have one server. */
pb_inline int pb_fmc_redirect_keys(struct pb_mc_scan *s, const struct pb_frame_ens *e,
				   struct pb_fmc_work *w)
{
	const struct pb_mc_req *r = &w->w.req;
	struct pb_fmc_same k = { .s = *s, .e = e };
	struct pb_fmc_run *run = &w->run;

	k.server = pb_fmc_owner(s, e, r->key_off, r->key_len);
	if (!(e->flags & PB_FRAME_E_CACHE)) {
		pb_mc_line(s, r->more);
		pb_loop(PB_FMC_LINE / 2, pb_fmc_same_step, &k);
		if (!k.differ)
			return k.server;
	}
	pb_fmc_first_key(s, run);
	run->last = 1;
	run->done = 0;
	run->one = e->flags & PB_FRAME_E_CACHE;
	pb_fmc_next(s, e, run);
	return PB_FRAME_SPLIT;
}

/* A get that was read into w->w.req. */
pb_inline int pb_fmc_plan_get(struct pb_fmc_work *w, struct pb_frame_send *ret)
{
	const struct pb_mc_req *r = &w->w.req;
	struct pb_fmc_rtx *x = pb_fmc_rtx_of(&ret->rtx);

	x->class = PB_FMC_C_GET;
	switch (r->error) {
	case PB_MC_OK: break;
	case PB_MC_E_ARGS: return pb_fmc_say(ret, PB_FMC_S_ERROR);
	case PB_MC_E_FORMAT: return pb_fmc_say(ret, PB_FMC_S_EXPTIME);
	default: return pb_fmc_say(ret, PB_FMC_S_FORMAT);
	}
	if (!r->keys) /* "gat 0" */
		return pb_fmc_say(ret, PB_FMC_S_END);
	x->keys = r->keys;
	return r->keys == 1 ? PB_FMC_PLACE : PB_FMC_KEYS;
}

#endif /* PB_PLUGIN_MEMCACHED_KEYS_H */
