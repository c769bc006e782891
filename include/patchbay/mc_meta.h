/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Memcached's meta commands (mg ms md ma me mn), judged as 1.6.18 does.  Pure; host and BPF. */
#ifndef PATCHBAY_MC_META_H
#define PATCHBAY_MC_META_H

#include "mc_text.h"

#define PB_MC_WORDS_MAX 19 /* of a meta command, verb included */
#define PB_MC_FLAGS_MAX 17
#define PB_MC_OPAQUE_MAX 32 /* the letter included */

pb_inline int pb_mc_flag_has(const struct pb_mc_meta *m, __u32 c)
{
	return (c < 64 ? m->seen[0] >> c : m->seen[1] >> (c & 63)) & 1;
}

#define PB_MC_BIT(c) (1ULL << ((c)&63))

/* Are these the flags of 1.6.18? */
pb_inline int pb_mc_flag_known(__u32 c)
{
	const __u64 known = PB_MC_BIT('b') | PB_MC_BIT('N') | PB_MC_BIT('T') | PB_MC_BIT('R') |
			    PB_MC_BIT('l') | PB_MC_BIT('O') | PB_MC_BIT('P') | PB_MC_BIT('L') |
			    PB_MC_BIT('k') | PB_MC_BIT('s') | PB_MC_BIT('t') | PB_MC_BIT('c') |
			    PB_MC_BIT('f') | PB_MC_BIT('v') | PB_MC_BIT('h') | PB_MC_BIT('u') |
			    PB_MC_BIT('q') | PB_MC_BIT('F') | PB_MC_BIT('C') | PB_MC_BIT('M') |
			    PB_MC_BIT('J') | PB_MC_BIT('D') | PB_MC_BIT('I');

	return c >= 64 && c < 127 && (known >> (c & 63) & 1);
}

pb_inline int pb_mc_flag_number(struct pb_mc_scan *s, __u32 c)
{
	__u32 is_signed = c == 'N' || c == 'T' || c == 'R';

	if (!is_signed && c != 'F' && c != 'C' && c != 'J' && c != 'D')
		return 1;
	return pb_mc_number(s, s->w->off + 1, s->w->n - 1, is_signed);
}

/* One flag. */
static long pb_mc_flag_step(__u32 i, struct pb_mc_scan *s)
{
	struct pb_mc_meta *m = &s->w->meta;
	__u32 c;

	(void)i;
	if (!pb_mc_word(s))
		return 1;
	m->words++;
	if (m->wrong)
		return 0;
	c = pb_mc_byte(s, s->w->off);
	if (c >= 127 || pb_mc_flag_has(m, c)) {
		m->wrong = 1;
		return 0;
	}
	m->seen[c >> 6] |= PB_MC_BIT(c);
	if (!pb_mc_flag_known(c)) {
		m->wrong = 2;
		return 0;
	}
	if (!pb_mc_flag_number(s, c))
		m->bad = 1;
	if (c == 'O' && s->w->n > PB_MC_OPAQUE_MAX)
		m->opaque = 1;
	if (c == 'M') {
		m->mode = pb_mc_byte(s, s->w->off + 1);
		if (s->w->n != 2)
			m->bad = 1;
	}
	return 0;
}

pb_inline void pb_mc_flags(struct pb_mc_scan *s)
{
	struct pb_mc_meta *m = &s->w->meta;

	pb_loop(PB_MC_FLAGS_MAX + 1, pb_mc_flag_step, s);
	if (s->w->state < PB_MC_AT_EOL)
		m->words += pb_mc_rest(s);
}

pb_inline __u32 pb_mc_b64_value(__u32 c)
{
	if (c - 'A' < 26)
		return c - 'A';
	if (c - 'a' < 26)
		return c - 'a' + 26;
	if (c - '0' < 10)
		return c - '0' + 52;
	if (c == '+')
		return 62;
	if (c == '/')
		return 63;
	return c == '=' ? 0 : 64;
}

pb_inline void pb_mc_b64_put(struct pb_mc_scan *s, __u32 byte)
{
	__u32 at = s->w->b64.len++;

	pb_mc_opaque(at);
	if (at < PB_MC_B64_OUT)
		s->w->key[at] = byte;
}

static long pb_mc_b64_step(__u32 i, struct pb_mc_scan *s)
{
	struct pb_mc_b64 *b = &s->w->b64;
	__u32 c, v;

	if (i >= b->n)
		return 1;
	c = pb_mc_byte(s, b->off + i);
	v = pb_mc_b64_value(c);
	if (v == 64)
		return 0;
	b->letters++;
	if (b->done)
		return 0;
	b->group = b->group << 6 | v;
	if (c == '=')
		b->pads++;
	if (b->letters % 4)
		return 0;
	if (b->pads > 2) {
		b->bad = 1;
		return 1;
	}
	pb_mc_b64_put(s, b->group >> 16 & 0xff);
	if (b->pads < 2)
		pb_mc_b64_put(s, b->group >> 8 & 0xff);
	if (!b->pads)
		pb_mc_b64_put(s, b->group & 0xff);
	b->done = b->pads;
	b->group = 0;
	return 0;
}

/*
 * The key as memcached stores it, into w->key: its length, 0 if it is none.  Memcached's decoder
 * takes what has a multiple of four letters, other bytes left out, and ends at the first group
 * with '='.
 */
pb_mc_fn __u32 pb_mc_b64_key(struct pb_mc_scan *s)
{
	struct pb_mc_b64 *b = &s->w->b64;

	__builtin_memset(b, 0, sizeof(*b));
	b->off = s->w->req.key_off;
	b->n = s->w->req.key_len;
	pb_loop(PB_MC_KEY_MAX, pb_mc_b64_step, s);
	return b->bad || b->letters % 4 ? 0 : b->len;
}

/* An mg that may write: it gives a new time to live, makes an item, or says what we do not know. */
pb_inline __u32 pb_mc_meta_step(const struct pb_mc_req *r, const struct pb_mc_meta *m)
{
	__u32 writes = r->kind != PB_MC_MGET || pb_mc_flag_has(m, 'T') || pb_mc_flag_has(m, 'N') ||
		       m->wrong == 2 || m->words > PB_MC_WORDS_MAX;

	if (r->kind == PB_MC_MDEBUG || !writes)
		return PB_MC_STEP_READ;
	return r->flags & PB_MC_F_QUIET ? PB_MC_STEP_MUTE : PB_MC_STEP_WRITE;
}

pb_inline __u32 pb_mc_meta_mode(const struct pb_mc_req *r, __u32 mode)
{
	if (!mode)
		return 1;
	if (r->kind == PB_MC_MSET)
		return mode == 'E' || mode == 'A' || mode == 'P' || mode == 'R' || mode == 'S';
	if (r->kind == PB_MC_MARITH)
		return mode == 'I' || mode == '+' || mode == 'D' || mode == '-';
	return 1;
}

pb_inline __u32 pb_mc_meta_error(struct pb_mc_scan *s)
{
	const struct pb_mc_req *r = &s->w->req;
	const struct pb_mc_meta *m = &s->w->meta;

	if (r->key_len > PB_MC_KEY_MAX)
		return PB_MC_E_KEY;
	if (m->words > PB_MC_WORDS_MAX || m->wrong || m->bad || m->opaque ||
	    !pb_mc_meta_mode(r, m->mode))
		return PB_MC_E_FORMAT;
	if (r->flags & PB_MC_F_B64 && !pb_mc_b64_key(s))
		return PB_MC_E_FORMAT;
	return PB_MC_OK;
}

pb_inline void pb_mc_meta_flags(struct pb_mc_req *r, const struct pb_mc_meta *m)
{
	if (pb_mc_flag_has(m, 'b'))
		r->flags |= PB_MC_F_B64;
	if (pb_mc_flag_has(m, 'q'))
		r->flags |= PB_MC_F_QUIET;
	if (pb_mc_flag_has(m, 'k'))
		r->flags |= PB_MC_F_KEYED;
	if (pb_mc_flag_has(m, 'c') || pb_mc_flag_has(m, 'C'))
		r->flags |= PB_MC_F_CAS;
	r->step = pb_mc_meta_step(r, m);
}

/* ms: key bytes flags...  Once the length is known, an error swallows the value, too. */
pb_inline __u32 pb_mc_meta_set(struct pb_mc_scan *s)
{
	struct pb_mc_req *r = &s->w->req;
	__u32 n = pb_mc_word(s), off = s->w->off, err;
	__s32 len;

	s->w->meta.words += !!n;
	pb_mc_flags(s);
	pb_mc_meta_flags(r, &s->w->meta);
	if (s->w->state != PB_MC_AT_EOL)
		return PB_MC_E_SHORT;
	if (r->key_len > PB_MC_KEY_MAX)
		return PB_MC_E_KEY;
	if (!n || s->w->meta.words > PB_MC_WORDS_MAX || !pb_mc_number(s, off, n, 1))
		return PB_MC_E_FORMAT;
	len = (__s32)s->w->num.v;
	if (len < 0 || len > 0x7fffffff - 2)
		return PB_MC_E_FORMAT;
	err = pb_mc_value(s, len);
	if (err == PB_MC_E_SHORT)
		return err;
	return pb_mc_meta_error(s) ? PB_MC_E_FORMAT : err;
}

/* me: the flag b counts as the first word only, others are not looked at. */
pb_inline __u32 pb_mc_meta_debug(struct pb_mc_scan *s)
{
	struct pb_mc_req *r = &s->w->req;

	r->step = PB_MC_STEP_READ;
	if (pb_mc_word(s) && pb_mc_says(s, s->w->off, s->w->n, 'b', 1))
		r->flags |= PB_MC_F_B64;
	if (s->w->state < PB_MC_AT_EOL)
		pb_mc_rest(s);
	return pb_mc_meta_error(s);
}

pb_mc_fn __u32 pb_mc_meta(struct pb_mc_scan *s)
{
	struct pb_mc_req *r = &s->w->req;
	struct pb_mc_meta *m = &s->w->meta;

	__builtin_memset(m, 0, sizeof(*m));
	m->words = 2;
	r->flags |= PB_MC_F_META;
	if (!pb_mc_key(s))
		return r->kind == PB_MC_MDEBUG ? PB_MC_E_FORMAT : PB_MC_E_ARGS;
	if (r->kind == PB_MC_MSET)
		return pb_mc_meta_set(s);
	if (r->kind == PB_MC_MDEBUG)
		return pb_mc_meta_debug(s);
	pb_mc_flags(s);
	pb_mc_meta_flags(r, m);
	return pb_mc_meta_error(s);
}

#endif /* PATCHBAY_MC_META_H */
