/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Memcached's binary requests, judged as 1.6.18 does.  Pure; host and BPF. */
#ifndef PATCHBAY_MC_BINARY_H
#define PATCHBAY_MC_BINARY_H

#include "mc_proto.h"
#include "mc_scan.h"

struct pb_mc_bin {
	__u32 ext;
	__u32 key;
	__u32 body;
	__u32 quiet;
	__u64 cas;
};

/* The quiet twin's loud opcode; *ret_quiet says which it was. */
pb_inline __u32 pb_mc_bin_loud(__u32 op, __u32 *ret_quiet)
{
	*ret_quiet = 1;
	if (op >= 0x11 && op <= 0x16) /* setq addq replaceq deleteq incrq decrq */
		return op - 0x10;
	switch (op) {
	case 0x09: /* getq */ return 0x00;
	case 0x0d: /* getkq */ return 0x0c;
	case 0x17: /* quitq */ return 0x07;
	case 0x18: /* flushq */ return 0x08;
	case 0x19: /* appendq */ return 0x0e;
	case 0x1a: /* prependq */ return 0x0f;
	case 0x1e: /* gatq */ return 0x1d;
	case 0x24: /* gatkq */ return 0x23;
	}
	*ret_quiet = 0;
	return op;
}

pb_inline __u32 pb_mc_bin_kind(__u32 op)
{
	switch (op) {
	case 0x00:
	case 0x0c: return PB_MC_GET;
	case 0x01: return PB_MC_SET;
	case 0x02: return PB_MC_ADD;
	case 0x03: return PB_MC_REPLACE;
	case 0x04: return PB_MC_DELETE;
	case 0x05: return PB_MC_INCR;
	case 0x06: return PB_MC_DECR;
	case 0x07: return PB_MC_QUIT;
	case 0x08: return PB_MC_FLUSH;
	case 0x0a: return PB_MC_NOOP;
	case 0x0b: return PB_MC_VERSION;
	case 0x0e: return PB_MC_APPEND;
	case 0x0f: return PB_MC_PREPEND;
	case 0x10: return PB_MC_STATS;
	case 0x1c: return PB_MC_TOUCH;
	case 0x1d:
	case 0x23: return PB_MC_GAT;
	case 0x20:
	case 0x21:
	case 0x22: return PB_MC_SASL;
	}
	return PB_MC_UNKNOWN;
}

/* Are the lengths what memcached wants of this kind? */
pb_inline int pb_mc_bin_fits(__u32 kind, __u32 op, const struct pb_mc_bin *h)
{
	switch (kind) {
	case PB_MC_GET:
	case PB_MC_DELETE: return !h->ext && h->key && h->body == h->key;
	case PB_MC_SET:
	case PB_MC_ADD:
	case PB_MC_REPLACE: return h->ext == 8 && h->key;
	case PB_MC_APPEND:
	case PB_MC_PREPEND: return !h->ext && h->key;
	case PB_MC_INCR:
	case PB_MC_DECR: return h->ext == 20 && h->key && h->body == h->key + h->ext;
	case PB_MC_TOUCH:
	case PB_MC_GAT: return h->ext == 4 && h->key;
	case PB_MC_FLUSH: return !h->key && h->body == h->ext && (!h->ext || h->ext == 4);
	case PB_MC_STATS: return !h->ext;
	case PB_MC_SASL: return op == 0x20 ? !h->body : !h->ext && h->key;
	case PB_MC_NOOP:
	case PB_MC_VERSION:
	case PB_MC_QUIT: return !h->body;
	}
	return 1;
}

/*
 * How many bytes behind the key belong to the request.  Where memcached leaves a rest lying, or
 * swallows the body of a request that it does not know a second time, so do we.
 */
pb_inline __u32 pb_mc_bin_tail(__u32 kind, const struct pb_mc_bin *h)
{
	switch (kind) {
	case PB_MC_SET:
	case PB_MC_ADD:
	case PB_MC_REPLACE:
	case PB_MC_APPEND:
	case PB_MC_PREPEND:
	case PB_MC_SASL: return h->body - h->key - h->ext;
	case PB_MC_UNKNOWN: return h->body;
	}
	return 0;
}

pb_inline int pb_mc_bin_stores(__u32 kind)
{
	return kind >= PB_MC_SET && kind <= PB_MC_PREPEND;
}

/* Key, value and end of a request whose header is good. */
pb_inline __u32 pb_mc_bin_body(const struct pb_mc_scan *s, struct pb_mc_req *r,
			       const struct pb_mc_bin *h, __u32 at)
{
	__u32 end = at + PB_MC_BIN_HDR + h->ext + h->key, tail = pb_mc_bin_tail(r->kind, h);

	if (h->key && r->kind != PB_MC_STATS && r->kind != PB_MC_SASL && r->kind != PB_MC_UNKNOWN) {
		r->key_off = end - h->key;
		r->key_len = h->key;
		r->keys = 1;
	}
	if (pb_mc_bin_stores(r->kind)) {
		r->flags |= PB_MC_F_VALUE;
		r->val_off = end;
		r->val_len = tail;
	}
	if (tail > s->w->len - end)
		return PB_MC_E_SHORT;
	r->next = end + tail;
	return r->kind == PB_MC_UNKNOWN ? PB_MC_E_VERB : PB_MC_OK;
}

pb_inline void pb_mc_bin_flags(struct pb_mc_req *r, const struct pb_mc_bin *h)
{
	if (h->quiet)
		r->flags |= PB_MC_F_QUIET;
	if (r->opcode == 0x0c || r->opcode == 0x0d || r->opcode == 0x23 || r->opcode == 0x24)
		r->flags |= PB_MC_F_KEYED;
	if (h->cas || r->kind == PB_MC_GET)
		r->flags |= PB_MC_F_CAS;
}

/* The request at @at. */
pb_mc_fn __u32 pb_mc_binary(struct pb_mc_scan *s, __u32 at)
{
	struct pb_mc_req *r = &s->w->req;
	struct pb_mc_bin h = { .ext = 0 };
	__u32 op, left = s->w->len - at;

	r->proto = PB_MC_BINARY;
	r->kind = PB_MC_UNKNOWN;
	if (left < PB_MC_BIN_HDR)
		return PB_MC_E_SHORT;
	if (pb_mc_byte(s, at) != PB_MC_BIN_REQ)
		return PB_MC_E_MAGIC;
	r->opcode = pb_mc_byte(s, at + 1);
	op = pb_mc_bin_loud(r->opcode, &h.quiet);
	h.key = pb_mc_be16(s, at + 2);
	h.ext = pb_mc_byte(s, at + 4);
	h.body = pb_mc_be32(s, at + 8);
	h.cas = pb_mc_be64(s, at + 16);
	r->opaque = pb_mc_be32(s, at + 12);
	r->kind = pb_mc_bin_kind(op);
	pb_mc_bin_flags(r, &h);
	if (left - PB_MC_BIN_HDR < h.key + h.ext)
		return PB_MC_E_SHORT;
	if (h.key + h.ext > h.body)
		return PB_MC_E_BINARY;
	if (h.key > PB_MC_KEY_MAX)
		return PB_MC_E_KEY;
	if (!pb_mc_bin_fits(r->kind, op, &h))
		return PB_MC_E_BINARY;
	if (r->kind == PB_MC_FLUSH && h.ext)
		r->delay = (__s32)pb_mc_be32(s, at + PB_MC_BIN_HDR);
	return pb_mc_bin_body(s, r, &h, at);
}

#endif /* PATCHBAY_MC_BINARY_H */
