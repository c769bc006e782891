/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads one memcached request.  Pure; host and BPF.
 *
 *	struct pb_mc_scan s = pb_mc_scan_init(message, end_of_packet, length, &work);
 *	pb_mc_parse(&s, at, pb_mc_proto_of(&s));	fills work.req
 *
 * A datagram is text or binary by its first byte, whatever follows; a stream by the first byte of
 * all.  Where `next` is not 0 and PB_MC_F_MORE is set, another request follows in the same message.
 * docs/decisions/0020-memcached-parser.md tells what was tried on a real memcached.
 */
#ifndef PATCHBAY_MC_PARSE_H
#define PATCHBAY_MC_PARSE_H

#include "mc_binary.h"
#include "mc_meta.h"
#include "mc_text.h"

/* Does memcached read this datagram (@s has the frame header before the message)?  It wants a byte
 * behind the header and a total of 1, and looks at nothing else. */
pb_inline int pb_mc_udp_read(const struct pb_mc_scan *s, struct pb_mc_udp *ret)
{
	ret->id = pb_mc_be16(s, 0);
	ret->seq = pb_mc_be16(s, 2);
	ret->total = pb_mc_be16(s, 4);
	ret->reserved = pb_mc_be16(s, 6);
	return s->w->len > PB_MC_UDP_HDR;
}

pb_inline __u32 pb_mc_proto_of(const struct pb_mc_scan *s)
{
	return pb_mc_byte(s, 0) == PB_MC_BIN_REQ ? PB_MC_BINARY : PB_MC_TEXT;
}

/* What a request of this kind does to the items of its keys. */
pb_inline __u32 pb_mc_step_of(const struct pb_mc_req *r)
{
	switch (r->kind) {
	case PB_MC_GET:
	case PB_MC_GETS: return PB_MC_STEP_READ;
	case PB_MC_FLUSH: return PB_MC_STEP_FLUSH;
	case PB_MC_GAT:
	case PB_MC_GATS:
	case PB_MC_SET:
	case PB_MC_ADD:
	case PB_MC_REPLACE:
	case PB_MC_APPEND:
	case PB_MC_PREPEND:
	case PB_MC_CAS:
	case PB_MC_TOUCH:
	case PB_MC_INCR:
	case PB_MC_DECR:
	case PB_MC_DELETE: return r->flags & PB_MC_F_QUIET ? PB_MC_STEP_MUTE : PB_MC_STEP_WRITE;
	case PB_MC_UNKNOWN:
	case PB_MC_NONE: return PB_MC_STEP_UNKNOWN;
	}
	return PB_MC_STEP_NONE;
}

/* A key that memcached does not take is none; a request that wants one and has none is harmless. */
pb_inline void pb_mc_judge(struct pb_mc_req *r)
{
	if (!(r->flags & PB_MC_F_META))
		r->step = pb_mc_step_of(r);
	if (r->key_len > PB_MC_KEY_MAX) {
		r->key_len = 0;
		if (!(r->flags & PB_MC_F_MULTI))
			r->keys = 0;
	}
	if (!r->keys && r->step >= PB_MC_STEP_READ && r->step <= PB_MC_STEP_MUTE)
		r->step = PB_MC_STEP_NONE;
	if (r->error == PB_MC_E_LONG || r->error == PB_MC_E_MAGIC)
		r->step = PB_MC_STEP_UNKNOWN;
}

/* Commands whose first word behind the verb is no key. */
pb_inline int pb_mc_keyless(__u32 kind)
{
	return kind == PB_MC_FLUSH || kind == PB_MC_VERBOSITY;
}

/* Commands with at most six words. */
pb_mc_fn __u32 pb_mc_fixed(struct pb_mc_scan *s)
{
	struct pb_mc_req *r = &s->w->req;
	__u32 err;

	pb_mc_words(s);
	if (r->kind == PB_MC_FLUSH)
		err = pb_mc_flush(s);
	else if (r->kind == PB_MC_VERBOSITY)
		err = pb_mc_verbosity(s);
	else if (r->kind == PB_MC_DELETE)
		err = pb_mc_delete(s);
	else if (pb_mc_bin_stores(r->kind) || r->kind == PB_MC_CAS)
		err = s->w->state == PB_MC_AT_EOL ? pb_mc_store(s) : PB_MC_E_SHORT;
	else
		err = pb_mc_change(s);
	if (pb_mc_keyless(r->kind))
		r->key_len = r->keys = 0;
	return err;
}

pb_inline int pb_mc_is_meta(__u32 kind)
{
	return kind >= PB_MC_MGET && kind <= PB_MC_MDEBUG;
}

pb_mc_fn __u32 pb_mc_text(struct pb_mc_scan *s, __u32 at)
{
	struct pb_mc_req *r = &s->w->req;
	__u32 err = PB_MC_OK, n;

	pb_mc_line(s, at);
	n = pb_mc_word(s);
	r->kind = n ? pb_mc_verb(s) : PB_MC_NONE;
	if (r->kind >= PB_MC_GET && r->kind <= PB_MC_GATS) {
		err = pb_mc_retrieve(s);
	} else if (pb_mc_is_meta(r->kind)) {
		err = pb_mc_meta(s);
	} else if (r->kind >= PB_MC_SET && r->kind <= PB_MC_FLUSH) {
		err = pb_mc_fixed(s);
	} else if (r->kind == PB_MC_VERBOSITY) {
		err = pb_mc_fixed(s);
	} else {
		if (s->w->state < PB_MC_AT_EOL)
			pb_mc_rest(s);
		if (r->kind == PB_MC_NONE || r->kind == PB_MC_UNKNOWN)
			err = PB_MC_E_VERB;
	}
	if (s->w->state == PB_MC_AT_LONG)
		return PB_MC_E_LONG;
	if (s->w->state != PB_MC_AT_EOL)
		return PB_MC_E_SHORT;
	if (!r->next && err != PB_MC_E_SHORT)
		r->next = s->w->at;
	return err;
}

/* The request at @at of the message; always fills w->req. */
pb_inline void pb_mc_parse_any(struct pb_mc_scan *s, __u32 at, __u32 proto)
{
	struct pb_mc_req *r = &s->w->req;

	__builtin_memset(r, 0, sizeof(*r));
	if (at >= s->w->len)
		r->error = PB_MC_E_SHORT;
	else if (proto == PB_MC_BINARY)
		r->error = pb_mc_binary(s, at);
	else
		r->error = pb_mc_text(s, at);
	if (r->next && r->next < s->w->len)
		r->flags |= PB_MC_F_MORE;
	pb_mc_judge(r);
}

/* Not 0 if one of the eight bytes may end a word. */
pb_inline __u64 pb_mc_special(__u64 x)
{
	__u64 sp = x ^ PB_MC_ONES * ' ', cr = x ^ PB_MC_ONES * '\r', nl = x ^ PB_MC_ONES * '\n';

	return (((x - PB_MC_ONES) & ~x) | ((sp - PB_MC_ONES) & ~sp) | ((cr - PB_MC_ONES) & ~cr) |
		((nl - PB_MC_ONES) & ~nl)) &
	       ~PB_MC_LOW7;
}

/*
 * The @n bytes inside the message, at w->at, which goes on; spaces if the packet does not have them.
 * The place is read back from memory so that the verifier does not tell the ways apart by how much of
 * the packet they have seen.
 */
pb_inline __u64 pb_mc_inside(struct pb_mc_scan *s, __u32 n)
{
	__u32 off = *(volatile __u32 *)&s->w->at;
	__u64 x = PB_MC_ONES * ' ';
	const __u8 *p;

	s->w->at = off + n;
	if (off >= PB_MC_OFF_MAX)
		return x;
	pb_mc_opaque(off);
	if (off >= PB_MC_OFF_MAX)
		return x;
	p = s->data + off;
	if (p + n <= s->end)
		__builtin_memcpy(&x, p, n);
	return x;
}

/* The message that most are: "get ", one key, "\r\n" and nothing else.  0: it is another one. */
pb_mc_fn int pb_mc_plain_get(struct pb_mc_scan *s)
{
	const __u32 get = (__u32)PB_MC_W('g', 'e', 't', ' ', 0, 0, 0, 0);
	struct pb_mc_req *r = &s->w->req;
	__u32 len = s->w->len, n = len - 6;
	__u64 bad = 0, x;

	if (n - 1 >= PB_MC_KEY_MAX)
		return 0;
	s->w->at = len - 2;
	if ((__u16)pb_mc_inside(s, 2) != ('\n' << 8 | '\r'))
		return 0;
	s->w->at = 0;
	if ((__u32)pb_mc_inside(s, 4) != get)
		return 0;
	for (__u32 i = 0; i < PB_MC_KEY_MAX / 8; i++) {
		if (8 * i + 8 > n)
			break;
		bad |= pb_mc_special(pb_mc_inside(s, 8));
	}
	if (n & 7) {
		x = pb_mc_load8(s, *(volatile __u32 *)&s->w->at);
		bad |= pb_mc_special(x | ~0ULL << (8 * (n & 7)));
	}
	if (bad)
		return 0;
	__builtin_memset(r, 0, sizeof(*r));
	r->kind = PB_MC_GET;
	r->step = PB_MC_STEP_READ;
	r->key_off = 4;
	r->key_len = n;
	r->keys = 1;
	r->next = r->more = len;
	return 1;
}

/* The same, and fast for what is asked most. */
pb_inline void pb_mc_parse(struct pb_mc_scan *s, __u32 at, __u32 proto)
{
	if (at || proto != PB_MC_TEXT || !pb_mc_plain_get(s))
		pb_mc_parse_any(s, at, proto);
}

/* The keys behind the first one of a get or gat: set out once, then one key a call until 0.  Each is
 * at w->off and has w->n bytes, which may be more than PB_MC_KEY_MAX: memcached stops there. */
pb_inline void pb_mc_more_keys(struct pb_mc_scan *s)
{
	pb_mc_line(s, s->w->req.more);
	if (!(s->w->req.flags & PB_MC_F_MULTI))
		s->w->state = PB_MC_AT_EOL;
}

pb_inline __u32 pb_mc_next_key(struct pb_mc_scan *s)
{
	return pb_mc_word(s);
}

#endif /* PATCHBAY_MC_PARSE_H */
