/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Memcached's classic text commands, judged as memcached 1.6.18 does.  Pure; host and BPF. */
#ifndef PATCHBAY_MC_TEXT_H
#define PATCHBAY_MC_TEXT_H

#include "mc_proto.h"
#include "mc_scan.h"

#define PB_MC_W(a, b, c, d, e, f, g, h) \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 | \
	 (__u64)(f) << 40 | (__u64)(g) << 48 | (__u64)(h) << 56)

/* Up to eight letters of a verb; the rest of longer ones. */
pb_inline __u32 pb_mc_long_verb(__u64 head, __u64 tail, __u32 n)
{
	if (n == 9 && head == PB_MC_W('f', 'l', 'u', 's', 'h', '_', 'a', 'l') && tail == 'l')
		return PB_MC_FLUSH;
	if (n == 9 && head == PB_MC_W('v', 'e', 'r', 'b', 'o', 's', 'i', 't') && tail == 'y')
		return PB_MC_VERBOSITY;
	if (n == 11 && head == PB_MC_W('l', 'r', 'u', '_', 'c', 'r', 'a', 'w') &&
	    tail == PB_MC_W('l', 'e', 'r', 0, 0, 0, 0, 0))
		return PB_MC_ADMIN;
	if (n == 14 && head == PB_MC_W('c', 'a', 'c', 'h', 'e', '_', 'm', 'e') &&
	    tail == PB_MC_W('m', 'l', 'i', 'm', 'i', 't', 0, 0))
		return PB_MC_ADMIN;
	if (n == 13 && head == PB_MC_W('r', 'e', 'f', 'r', 'e', 's', 'h', '_') &&
	    tail == PB_MC_W('c', 'e', 'r', 't', 's', 0, 0, 0))
		return PB_MC_ADMIN;
	return PB_MC_UNKNOWN;
}

pb_inline __u32 pb_mc_short_verb(__u64 v)
{
	switch (v) {
	case PB_MC_W('g', 'e', 't', 0, 0, 0, 0, 0):
	case PB_MC_W('b', 'g', 'e', 't', 0, 0, 0, 0): return PB_MC_GET;
	case PB_MC_W('g', 'e', 't', 's', 0, 0, 0, 0): return PB_MC_GETS;
	case PB_MC_W('g', 'a', 't', 0, 0, 0, 0, 0): return PB_MC_GAT;
	case PB_MC_W('g', 'a', 't', 's', 0, 0, 0, 0): return PB_MC_GATS;
	case PB_MC_W('s', 'e', 't', 0, 0, 0, 0, 0): return PB_MC_SET;
	case PB_MC_W('a', 'd', 'd', 0, 0, 0, 0, 0): return PB_MC_ADD;
	case PB_MC_W('r', 'e', 'p', 'l', 'a', 'c', 'e', 0): return PB_MC_REPLACE;
	case PB_MC_W('a', 'p', 'p', 'e', 'n', 'd', 0, 0): return PB_MC_APPEND;
	case PB_MC_W('p', 'r', 'e', 'p', 'e', 'n', 'd', 0): return PB_MC_PREPEND;
	case PB_MC_W('c', 'a', 's', 0, 0, 0, 0, 0): return PB_MC_CAS;
	case PB_MC_W('t', 'o', 'u', 'c', 'h', 0, 0, 0): return PB_MC_TOUCH;
	case PB_MC_W('i', 'n', 'c', 'r', 0, 0, 0, 0): return PB_MC_INCR;
	case PB_MC_W('d', 'e', 'c', 'r', 0, 0, 0, 0): return PB_MC_DECR;
	case PB_MC_W('d', 'e', 'l', 'e', 't', 'e', 0, 0): return PB_MC_DELETE;
	case PB_MC_W('v', 'e', 'r', 's', 'i', 'o', 'n', 0): return PB_MC_VERSION;
	case PB_MC_W('s', 't', 'a', 't', 's', 0, 0, 0): return PB_MC_STATS;
	case PB_MC_W('q', 'u', 'i', 't', 0, 0, 0, 0): return PB_MC_QUIT;
	case PB_MC_W('m', 'n', 0, 0, 0, 0, 0, 0): return PB_MC_NOOP;
	case PB_MC_W('m', 'g', 0, 0, 0, 0, 0, 0): return PB_MC_MGET;
	case PB_MC_W('m', 's', 0, 0, 0, 0, 0, 0): return PB_MC_MSET;
	case PB_MC_W('m', 'd', 0, 0, 0, 0, 0, 0): return PB_MC_MDELETE;
	case PB_MC_W('m', 'a', 0, 0, 0, 0, 0, 0): return PB_MC_MARITH;
	case PB_MC_W('m', 'e', 0, 0, 0, 0, 0, 0): return PB_MC_MDEBUG;
	case PB_MC_W('s', 'l', 'a', 'b', 's', 0, 0, 0):
	case PB_MC_W('l', 'r', 'u', 0, 0, 0, 0, 0):
	case PB_MC_W('w', 'a', 't', 'c', 'h', 0, 0, 0):
	case PB_MC_W('e', 'x', 't', 's', 't', 'o', 'r', 'e'):
	case PB_MC_W('s', 'h', 'u', 't', 'd', 'o', 'w', 'n'): return PB_MC_ADMIN;
	}
	return PB_MC_UNKNOWN;
}

pb_inline __u32 pb_mc_verb(const struct pb_mc_scan *s)
{
	__u64 head = pb_mc_load8(s, s->w->off), tail;

	if (s->w->n <= 8) {
		if (s->w->n < 8)
			head &= (1ULL << (8 * s->w->n)) - 1;
		return pb_mc_short_verb(head);
	}
	if (s->w->n > 14)
		return PB_MC_UNKNOWN;
	tail = pb_mc_load8(s, s->w->off + 8) & ((1ULL << (8 * (s->w->n - 8))) - 1);
	return pb_mc_long_verb(head, tail, s->w->n);
}

/* The last word of all may be "noreply". */
pb_inline int pb_mc_noreply(const struct pb_mc_scan *s)
{
	const struct pb_mc_args *a = &s->w->args;

	return pb_mc_says(s, a->last_off, a->last_n, PB_MC_W('n', 'o', 'r', 'e', 'p', 'l', 'y', 0),
			  7);
}

/* Takes the first word behind the verb as the key. */
pb_inline int pb_mc_key(struct pb_mc_scan *s)
{
	struct pb_mc_req *r = &s->w->req;

	if (!pb_mc_word(s))
		return 0;
	r->key_off = s->w->off;
	r->key_len = s->w->n;
	r->more = s->w->at;
	r->keys = 1;
	return 1;
}

pb_inline void pb_mc_arg(struct pb_mc_scan *s, int i)
{
	struct pb_mc_args *a = &s->w->args;

	if (!pb_mc_word(s))
		return;
	a->words++;
	a->off[i] = a->last_off = s->w->off;
	a->n[i] = a->last_n = s->w->n;
}

/* Words of a command that has few of them; what follows the sixth is only counted. */
pb_inline void pb_mc_words(struct pb_mc_scan *s)
{
	struct pb_mc_args *a = &s->w->args;
	struct pb_mc_req *r = &s->w->req;

	a->words = 1;
	if (!pb_mc_key(s))
		return;
	a->words = 2;
	a->last_off = r->key_off;
	a->last_n = r->key_len;
	pb_mc_arg(s, 0);
	pb_mc_arg(s, 1);
	pb_mc_arg(s, 2);
	pb_mc_arg(s, 3);
	if (s->w->state < PB_MC_AT_EOL && pb_mc_word(s)) {
		a->words++;
		a->last_off = s->w->off;
		a->last_n = s->w->n;
		a->words += pb_mc_rest(s);
	}
}

pb_inline int pb_mc_arg_num(struct pb_mc_scan *s, int i, int is_signed)
{
	return pb_mc_number(s, s->w->args.off[i], s->w->args.n[i], is_signed);
}

/* The value and its \r\n: is all of it there? */
pb_inline __u32 pb_mc_value(struct pb_mc_scan *s, __s32 len)
{
	struct pb_mc_req *r = &s->w->req;
	__u32 left = s->w->len - s->w->at;

	r->flags |= PB_MC_F_VALUE;
	r->val_off = s->w->at;
	r->val_len = (__u32)len;
	if (left < 2 || (__u32)len > left - 2) {
		r->next = 0;
		return PB_MC_E_SHORT;
	}
	r->next = s->w->at + (__u32)len + 2;
	return pb_mc_be16(s, r->next - 2) == ('\r' << 8 | '\n') ? PB_MC_OK : PB_MC_E_CHUNK;
}

/* set add replace append prepend: key flags exptime bytes [noreply]; cas: a number more. */
pb_mc_fn __u32 pb_mc_store(struct pb_mc_scan *s)
{
	const struct pb_mc_args *a = &s->w->args;
	struct pb_mc_req *r = &s->w->req;
	__u32 cas = r->kind == PB_MC_CAS;
	__s32 len;

	if (a->words != 5 + cas && a->words != 6 + cas)
		return PB_MC_E_ARGS;
	if (pb_mc_noreply(s))
		r->flags |= PB_MC_F_QUIET | PB_MC_F_MUTE;
	if (r->key_len > PB_MC_KEY_MAX)
		return PB_MC_E_KEY;
	if (!pb_mc_arg_num(s, 0, 0) || !pb_mc_arg_num(s, 1, 1) || !pb_mc_arg_num(s, 2, 1))
		return PB_MC_E_FORMAT;
	len = (__s32)s->w->num.v;
	if (cas && !pb_mc_arg_num(s, 3, 0))
		return PB_MC_E_FORMAT;
	if (cas)
		r->flags |= PB_MC_F_CAS;
	if (len < 0 || len > 0x7fffffff - 2)
		return PB_MC_E_FORMAT;
	return pb_mc_value(s, len);
}

/* touch incr decr: key number [noreply] */
pb_inline __u32 pb_mc_change(struct pb_mc_scan *s)
{
	const struct pb_mc_args *a = &s->w->args;
	struct pb_mc_req *r = &s->w->req;

	if (a->words != 3 && a->words != 4)
		return PB_MC_E_ARGS;
	if (pb_mc_noreply(s))
		r->flags |= PB_MC_F_QUIET | PB_MC_F_MUTE;
	if (r->key_len > PB_MC_KEY_MAX)
		return PB_MC_E_KEY;
	return pb_mc_arg_num(s, 0, r->kind == PB_MC_TOUCH) ? PB_MC_OK : PB_MC_E_FORMAT;
}

/* delete: key [0] [noreply] */
pb_inline __u32 pb_mc_delete(struct pb_mc_scan *s)
{
	const struct pb_mc_args *a = &s->w->args;
	struct pb_mc_req *r = &s->w->req;
	__u32 zero, quiet;

	if (a->words < 2 || a->words > 4)
		return PB_MC_E_ARGS;
	if (a->words > 2) {
		zero = pb_mc_says(s, a->off[0], a->n[0], '0', 1);
		quiet = pb_mc_noreply(s);
		if (quiet)
			r->flags |= PB_MC_F_QUIET | PB_MC_F_MUTE;
		if (a->words == 3 ? !zero && !quiet : !zero || !quiet)
			return PB_MC_E_FORMAT;
	}
	return r->key_len > PB_MC_KEY_MAX ? PB_MC_E_KEY : PB_MC_OK;
}

/* flush_all: [delay] [noreply].  The first word behind the verb was read as a key. */
pb_inline __u32 pb_mc_flush(struct pb_mc_scan *s)
{
	const struct pb_mc_args *a = &s->w->args;
	struct pb_mc_req *r = &s->w->req;
	__u32 quiet = a->words > 1 && pb_mc_noreply(s);

	if (a->words > 3)
		return PB_MC_E_ARGS;
	if (quiet)
		r->flags |= PB_MC_F_QUIET | PB_MC_F_MUTE;
	if (a->words == 1 + quiet)
		return PB_MC_OK;
	if (!pb_mc_number(s, r->key_off, r->key_len, 1))
		return PB_MC_E_FORMAT;
	r->delay = (__s32)s->w->num.v;
	return PB_MC_OK;
}

pb_inline __u32 pb_mc_verbosity(struct pb_mc_scan *s)
{
	const struct pb_mc_args *a = &s->w->args;
	struct pb_mc_req *r = &s->w->req;

	if (a->words != 2 && a->words != 3)
		return PB_MC_E_ARGS;
	if (pb_mc_noreply(s))
		r->flags |= PB_MC_F_QUIET | PB_MC_F_MUTE;
	return pb_mc_number(s, r->key_off, r->key_len, 0) ? PB_MC_OK : PB_MC_E_FORMAT;
}

/* get gets: key...; gat gats: exptime key...  @r has the first key and the line is at its end. */
pb_inline __u32 pb_mc_retrieve(struct pb_mc_scan *s)
{
	struct pb_mc_req *r = &s->w->req;
	__u32 touch = r->kind == PB_MC_GAT || r->kind == PB_MC_GATS, err = PB_MC_OK;

	if (!pb_mc_key(s))
		return PB_MC_E_ARGS;
	if (touch) {
		if (!pb_mc_number(s, r->key_off, r->key_len, 1))
			err = PB_MC_E_FORMAT;
		r->key_len = r->keys = 0;
		/* "gat 0" is a get of no keys: memcached answers END */
		pb_mc_key(s);
	}
	if (r->key_len > PB_MC_KEY_MAX && !err)
		err = PB_MC_E_KEY;
	if (s->w->state < PB_MC_AT_EOL && pb_mc_rest(s)) {
		r->keys += s->w->words;
		r->flags |= PB_MC_F_MULTI;
		if (s->w->longest > PB_MC_KEY_MAX && !err)
			err = PB_MC_E_KEY;
	}
	return err;
}

#endif /* PATCHBAY_MC_TEXT_H */
