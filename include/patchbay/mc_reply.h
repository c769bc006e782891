/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads one of memcached's replies, as far as filling a cache and completing writes need it.  Pure;
 * host and BPF.
 *
 * By UDP memcached 1.6 sends one datagram a key and labels each of them "0 of 1"; a value that does
 * not fit comes as several, labelled.  Only a reply that is whole in one datagram fills a cache:
 * pb_mc_fill().
 */
#ifndef PATCHBAY_MC_REPLY_H
#define PATCHBAY_MC_REPLY_H

#include "mc_parse.h"

pb_inline __u32 pb_mc_reply_short(__u64 v)
{
	switch (v) {
	case PB_MC_W('V', 'A', 'L', 'U', 'E', 0, 0, 0):
	case PB_MC_W('V', 'A', 0, 0, 0, 0, 0, 0): return PB_MC_R_VALUE;
	case PB_MC_W('E', 'N', 'D', 0, 0, 0, 0, 0): return PB_MC_R_END;
	case PB_MC_W('E', 'N', 0, 0, 0, 0, 0, 0):
	case PB_MC_W('N', 'F', 0, 0, 0, 0, 0, 0): return PB_MC_R_MISS;
	case PB_MC_W('S', 'T', 'O', 'R', 'E', 'D', 0, 0):
	case PB_MC_W('D', 'E', 'L', 'E', 'T', 'E', 'D', 0):
	case PB_MC_W('T', 'O', 'U', 'C', 'H', 'E', 'D', 0):
	case PB_MC_W('O', 'K', 0, 0, 0, 0, 0, 0):
	case PB_MC_W('H', 'D', 0, 0, 0, 0, 0, 0): return PB_MC_R_DONE;
	case PB_MC_W('E', 'X', 'I', 'S', 'T', 'S', 0, 0):
	case PB_MC_W('E', 'X', 0, 0, 0, 0, 0, 0):
	case PB_MC_W('N', 'S', 0, 0, 0, 0, 0, 0): return PB_MC_R_REFUSED;
	case PB_MC_W('E', 'R', 'R', 'O', 'R', 0, 0, 0): return PB_MC_R_ERROR;
	case PB_MC_W('V', 'E', 'R', 'S', 'I', 'O', 'N', 0):
	case PB_MC_W('S', 'T', 'A', 'T', 0, 0, 0, 0):
	case PB_MC_W('R', 'E', 'S', 'E', 'T', 0, 0, 0):
	case PB_MC_W('M', 'N', 0, 0, 0, 0, 0, 0):
	case PB_MC_W('M', 'E', 0, 0, 0, 0, 0, 0): return PB_MC_R_OTHER;
	}
	return PB_MC_R_NONE;
}

pb_inline __u32 pb_mc_reply_verb(struct pb_mc_scan *s)
{
	__u32 n = s->w->n, off = s->w->off, kind;
	__u64 head = pb_mc_load8(s, off);

	if (n < 8)
		head &= (1ULL << (8 * n)) - 1;
	if (n <= 8) {
		kind = pb_mc_reply_short(head);
		/* the new number of an incr */
		return !kind && head - '0' < 10 && n < 2 ? PB_MC_R_DONE : kind;
	}
	if (n == 9 && head == PB_MC_W('N', 'O', 'T', '_', 'F', 'O', 'U', 'N'))
		return PB_MC_R_MISS;
	if (n == 10 && head == PB_MC_W('N', 'O', 'T', '_', 'S', 'T', 'O', 'R'))
		return PB_MC_R_REFUSED;
	if (n == 12 && (head == PB_MC_W('C', 'L', 'I', 'E', 'N', 'T', '_', 'E') ||
			head == PB_MC_W('S', 'E', 'R', 'V', 'E', 'R', '_', 'E')))
		return PB_MC_R_ERROR;
	return PB_MC_R_NONE;
}

/* The value behind the line; its \r\n must be there. */
pb_inline __u32 pb_mc_reply_value(struct pb_mc_scan *s, __u64 len)
{
	struct pb_mc_rep *r = &s->w->rep;
	__u32 left = s->w->len - s->w->at;

	r->flags |= PB_MC_F_VALUE;
	r->val_off = s->w->at;
	r->val_len = (__u32)len;
	if (len > 0x7ffffff0)
		return PB_MC_E_FORMAT;
	if (left < 2 || r->val_len > left - 2)
		return PB_MC_E_SHORT;
	r->next = s->w->at + r->val_len + 2;
	return pb_mc_be16(s, r->next - 2) == ('\r' << 8 | '\n') ? PB_MC_OK : PB_MC_E_CHUNK;
}

/* VALUE key flags bytes [cas] */
pb_mc_fn __u32 pb_mc_reply_get(struct pb_mc_scan *s)
{
	struct pb_mc_rep *r = &s->w->rep;
	__u64 len;

	if (!pb_mc_word(s))
		return PB_MC_E_ARGS;
	r->key_off = s->w->off;
	r->key_len = s->w->n;
	r->flags |= PB_MC_F_KEYED;
	if (!pb_mc_word(s) || !pb_mc_number(s, s->w->off, s->w->n, 0))
		return PB_MC_E_FORMAT;
	r->item_flags = (__u32)s->w->num.v;
	if (!pb_mc_word(s) || !pb_mc_number(s, s->w->off, s->w->n, 0))
		return PB_MC_E_FORMAT;
	len = s->w->num.v;
	if (pb_mc_word(s)) {
		if (!pb_mc_number(s, s->w->off, s->w->n, 0))
			return PB_MC_E_FORMAT;
		r->cas = s->w->num.v;
		r->flags |= PB_MC_F_CAS;
		if (pb_mc_word(s))
			return PB_MC_E_ARGS;
	}
	return s->w->state == PB_MC_AT_EOL ? pb_mc_reply_value(s, len) : PB_MC_E_SHORT;
}

/* A flag of VA and HD: those that tell of the item. */
static long pb_mc_reply_flag(__u32 i, struct pb_mc_scan *s)
{
	struct pb_mc_rep *r = &s->w->rep;
	__u32 c;

	(void)i;
	if (!pb_mc_word(s))
		return 1;
	c = pb_mc_byte(s, s->w->off);
	if (c == 'W')
		r->flags |= PB_MC_F_WON;
	if (c == 'X' || c == 'Z')
		r->flags |= PB_MC_F_STALE;
	if (c == 'b' && s->w->n == 1)
		r->flags |= PB_MC_F_B64;
	if (c == 'k') {
		r->flags |= PB_MC_F_KEYED;
		r->key_off = s->w->off + 1;
		r->key_len = s->w->n - 1;
	}
	if (c != 'f' && c != 'c' && c != 't')
		return 0;
	if (!pb_mc_number(s, s->w->off + 1, s->w->n - 1, c == 't')) {
		s->w->meta.bad = 1;
	} else if (c == 'f') {
		r->item_flags = (__u32)s->w->num.v;
	} else if (c == 't') {
		r->ttl = (__s32)s->w->num.v;
	} else {
		r->cas = s->w->num.v;
		r->flags |= PB_MC_F_CAS;
	}
	return 0;
}

/* VA bytes flags..., HD flags... */
pb_mc_fn __u32 pb_mc_reply_meta(struct pb_mc_scan *s, int value)
{
	__u64 len = 0;

	s->w->rep.flags |= PB_MC_F_META;
	s->w->meta.bad = 0;
	if (value) {
		if (!pb_mc_word(s) || !pb_mc_number(s, s->w->off, s->w->n, 0))
			return PB_MC_E_FORMAT;
		len = s->w->num.v;
	}
	pb_loop(PB_MC_FLAGS_MAX + 4, pb_mc_reply_flag, s);
	if (s->w->state != PB_MC_AT_EOL)
		return s->w->state == PB_MC_AT_SHORT ? PB_MC_E_SHORT : PB_MC_E_FORMAT;
	if (s->w->meta.bad)
		return PB_MC_E_FORMAT;
	return value ? pb_mc_reply_value(s, len) : PB_MC_OK;
}

pb_mc_fn __u32 pb_mc_reply_text(struct pb_mc_scan *s, __u32 at)
{
	struct pb_mc_rep *r = &s->w->rep;
	__u32 err = PB_MC_OK, verb;

	pb_mc_line(s, at);
	if (!pb_mc_word(s))
		return s->w->state == PB_MC_AT_SHORT ? PB_MC_E_SHORT : PB_MC_E_VERB;
	r->kind = pb_mc_reply_verb(s);
	verb = s->w->n;
	if (!r->kind && pb_mc_number(s, s->w->off, s->w->n, 0))
		r->kind = PB_MC_R_DONE;
	if (r->kind == PB_MC_R_VALUE)
		err = verb == 5 ? pb_mc_reply_get(s) : pb_mc_reply_meta(s, 1);
	else if (verb == 2 && r->kind >= PB_MC_R_MISS && r->kind <= PB_MC_R_REFUSED)
		err = pb_mc_reply_meta(s, 0);
	if (s->w->state < PB_MC_AT_EOL)
		pb_mc_rest(s);
	if (s->w->state != PB_MC_AT_EOL)
		return s->w->state == PB_MC_AT_SHORT ? PB_MC_E_SHORT : PB_MC_E_LONG;
	if (!r->kind)
		return PB_MC_E_VERB;
	if (!r->next && err != PB_MC_E_SHORT)
		r->next = s->w->at;
	return err;
}

pb_inline __u32 pb_mc_reply_status(__u32 status)
{
	if (status == 1) /* no such key */
		return PB_MC_R_MISS;
	return status == 2 || status == 5 ? PB_MC_R_REFUSED : PB_MC_R_ERROR;
}

/* Replies with a value: get getq getk getkq gat gatq gatk gatkq. */
pb_inline int pb_mc_reply_gets(__u32 op)
{
	return op == 0x00 || op == 0x09 || op == 0x0c || op == 0x0d || op == 0x1d || op == 0x1e ||
	       op == 0x23 || op == 0x24;
}

pb_mc_fn __u32 pb_mc_reply_binary(struct pb_mc_scan *s, __u32 at)
{
	struct pb_mc_rep *r = &s->w->rep;
	__u32 left = s->w->len - at, key, ext, body;

	r->proto = PB_MC_BINARY;
	if (left < PB_MC_BIN_HDR)
		return PB_MC_E_SHORT;
	if (pb_mc_byte(s, at) != PB_MC_BIN_RES)
		return PB_MC_E_MAGIC;
	r->opcode = pb_mc_byte(s, at + 1);
	key = pb_mc_be16(s, at + 2);
	ext = pb_mc_byte(s, at + 4);
	r->status = pb_mc_be16(s, at + 6);
	body = pb_mc_be32(s, at + 8);
	r->opaque = pb_mc_be32(s, at + 12);
	r->cas = pb_mc_be64(s, at + 16);
	r->kind = r->status ? pb_mc_reply_status(r->status) : PB_MC_R_DONE;
	if (key + ext > body)
		return PB_MC_E_BINARY;
	if (body > left - PB_MC_BIN_HDR)
		return PB_MC_E_SHORT;
	r->next = at + PB_MC_BIN_HDR + body;
	if (r->status || !pb_mc_reply_gets(r->opcode))
		return PB_MC_OK;
	if (ext != 4)
		return PB_MC_E_BINARY;
	r->kind = PB_MC_R_VALUE;
	r->flags |= PB_MC_F_VALUE | PB_MC_F_CAS | (key ? PB_MC_F_KEYED : 0);
	r->item_flags = pb_mc_be32(s, at + PB_MC_BIN_HDR);
	r->key_off = at + PB_MC_BIN_HDR + ext;
	r->key_len = key;
	r->val_off = r->key_off + key;
	r->val_len = body - key - ext;
	return PB_MC_OK;
}

/* The reply at @at of the message; always fills w->rep. */
pb_inline void pb_mc_reply(struct pb_mc_scan *s, __u32 at, __u32 proto)
{
	struct pb_mc_rep *r = &s->w->rep;

	__builtin_memset(r, 0, sizeof(*r));
	r->ttl = PB_MC_TTL_NONE;
	if (at >= s->w->len)
		r->error = PB_MC_E_SHORT;
	else if (proto == PB_MC_BINARY)
		r->error = pb_mc_reply_binary(s, at);
	else
		r->error = pb_mc_reply_text(s, at);
	if (r->next && r->next < s->w->len)
		r->flags |= PB_MC_F_MORE;
}

pb_inline __u32 pb_mc_reply_proto(const struct pb_mc_scan *s)
{
	return pb_mc_byte(s, 0) == PB_MC_BIN_RES ? PB_MC_BINARY : PB_MC_TEXT;
}

/* Is what is left "END\r\n", and nothing else? */
pb_inline int pb_mc_only_end(const struct pb_mc_scan *s, __u32 at)
{
	return s->w->len - at == 5 &&
	       pb_mc_load8(s, at) == PB_MC_W('E', 'N', 'D', '\r', '\n', 0, 0, 0);
}

/*
 * Is this message, labelled so, the whole answer to a get of one key, and does it hold the value?
 * Then w->rep tells of it.  What a client is to renew (X, Z, W) fills no cache.
 */
pb_inline int pb_mc_fill(struct pb_mc_scan *s, const struct pb_mc_udp *label)
{
	const struct pb_mc_rep *r = &s->w->rep;

	if (label->seq || label->total != 1)
		return 0;
	pb_mc_reply(s, 0, pb_mc_reply_proto(s));
	if (r->error || r->kind != PB_MC_R_VALUE || r->flags & (PB_MC_F_STALE | PB_MC_F_WON))
		return 0;
	if (r->proto == PB_MC_TEXT && !(r->flags & PB_MC_F_META))
		return pb_mc_only_end(s, r->next);
	return !(r->flags & PB_MC_F_MORE);
}

#endif /* PATCHBAY_MC_REPLY_H */
