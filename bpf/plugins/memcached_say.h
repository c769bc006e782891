/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the switch says itself.  Pure; host and BPF. */
#ifndef PB_PLUGIN_MEMCACHED_SAY_H
#define PB_PLUGIN_MEMCACHED_SAY_H

#include "memcached_base.h"

#define pb_fmc_puts(o, text) pb_frame_put(o, text "\r\n", sizeof(text "\r\n") - 1)

#define PB_FMC_TEMPORARY 0x0086u
#define PB_FMC_UNKNOWN 0x0081u
#define PB_FMC_INVALID 0x0004u

pb_inline void pb_fmc_why(struct pb_frame_out *o, __u32 why)
{
	switch (why) {
	case PB_FRAME_W_NO_SERVER: pb_fmc_puts(o, "SERVER_ERROR no server owns the key"); break;
	case PB_FRAME_W_CONNECT: pb_fmc_puts(o, "SERVER_ERROR no connection to the server"); break;
	case PB_FRAME_W_TIMEOUT: pb_fmc_puts(o, "SERVER_ERROR the server did not answer"); break;
	case PB_FRAME_W_FULL: pb_fmc_puts(o, "SERVER_ERROR too many requests under way"); break;
	case PB_FRAME_W_CACHE: pb_fmc_puts(o, "SERVER_ERROR the cache could not be told"); break;
	case PB_FRAME_W_REFUSED: pb_fmc_puts(o, "SERVER_ERROR the server refused"); break;
	default: pb_fmc_puts(o, "SERVER_ERROR the connection to the server was lost");
	}
}

/* A binary reply of a header and a few words. */
pb_inline void pb_fmc_status(struct pb_frame_out *o, __u32 opcode, __u32 opaque, __u32 status)
{
	__u8 h[PB_MC_BIN_HDR] = { PB_MC_BIN_RES, (__u8)opcode };

	h[7] = (__u8)status;
	h[12] = (__u8)(opaque >> 24);
	h[13] = (__u8)(opaque >> 16);
	h[14] = (__u8)(opaque >> 8);
	h[15] = (__u8)opaque;
	switch (status) {
	case PB_FMC_TEMPORARY:
		h[11] = 17;
		pb_frame_put(o, h, sizeof(h));
		pb_frame_put(o, "Temporary failure", 17);
		return;
	case PB_FMC_UNKNOWN:
		h[11] = 15;
		pb_frame_put(o, h, sizeof(h));
		pb_frame_put(o, "Unknown command", 15);
		return;
	case PB_FMC_INVALID:
		h[11] = 17;
		pb_frame_put(o, h, sizeof(h));
		pb_frame_put(o, "Invalid arguments", 17);
		return;
	}
	pb_frame_put(o, h, sizeof(h));
}

/* The end of a get of several keys. */
pb_inline void pb_fmc_end(struct pb_fmc_conn *c, struct pb_frame_out *o)
{
	if (c->failed)
		pb_fmc_why(o, c->failed - 1);
	else
		pb_fmc_puts(o, "END");
	c->failed = 0;
}

/* What parse() refused: a line that is too long, or a binary header that contradicts itself. */
pb_inline void pb_fmc_refused(const struct pb_frame_view *v, const struct pb_fmc_conn *c,
			      struct pb_frame_out *o)
{
	struct pb_fmc_head h;

	if (c->proto != 1 + PB_MC_BINARY && *v->data != PB_MC_BIN_REQ) {
		pb_fmc_puts(o, "CLIENT_ERROR line too long");
		return;
	}
	if (pb_fmc_head_read(v, &h) && h.magic == PB_MC_BIN_REQ)
		pb_fmc_status(o, h.opcode, h.opaque,
			      h.ext + h.key > h.body ? PB_FMC_UNKNOWN : PB_FMC_INVALID);
}

pb_inline void pb_fmc_answer(struct pb_fmc_conn *c, const struct pb_fmc_rtx *x,
			     struct pb_frame_out *o)
{
	switch (x->say) {
	case PB_FMC_S_END: pb_fmc_end(c, o); break;
	case PB_FMC_S_ERROR: pb_fmc_puts(o, "ERROR"); break;
	case PB_FMC_S_FORMAT:
		pb_fmc_puts(o, "CLIENT_ERROR bad command line format");
		c->failed = 0;
		break;
	case PB_FMC_S_EXPTIME: pb_fmc_puts(o, "CLIENT_ERROR invalid exptime argument"); break;
	case PB_FMC_S_TWICE: pb_fmc_puts(o, "CLIENT_ERROR duplicate flag"); break;
	case PB_FMC_S_ADMIN:
		pb_fmc_puts(o, "SERVER_ERROR not for the address of several servers");
		break;
	case PB_FMC_S_NOOP: pb_fmc_puts(o, "MN"); break;
	case PB_FMC_S_STATUS: pb_fmc_status(o, x->opcode, x->opaque, x->status); break;
	}
}

/* 1: the connection must end. */
pb_inline int pb_fmc_fail(struct pb_fmc_conn *c, const struct pb_fmc_rtx *x, __u32 why, int begun,
			  struct pb_frame_out *o)
{
	if (begun > 1 || (begun && x->class != PB_FMC_C_GET))
		return 1;
	if (x->flags & PB_FMC_R_PART) {
		c->failed = (__u8)(1 + why);
		return 0;
	}
	if (x->hide == PB_FMC_HIDE_ALL)
		return 0;
	if (x->proto == PB_MC_BINARY)
		pb_fmc_status(o, x->opcode, x->opaque, PB_FMC_TEMPORARY);
	else
		pb_fmc_why(o, why);
	return 0;
}

#endif /* PB_PLUGIN_MEMCACHED_SAY_H */
