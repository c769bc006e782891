/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Memcached as a frame plugin: text, meta and binary requests of a stream, each to the server that owns
 * its key.  The first byte of a connection decides between text and binary, as memcached does.
 *
 * What clients get is what one memcached 1.6.18 would say, but:
 * - every request has exactly one reply on the server's side: noreply, q and the quiet opcodes are sent
 *   without it, and what memcached would have kept back is not passed on;
 * - gets of several keys: see memcached_keys.h;
 * - flush_all, verbosity, stats go to all servers, version to the first, as control/memcached/proxy.h says;
 * - mn, no-op and quit are answered here, and so are unknown verbs, SASL, and what administers one server;
 * - a line of more than 2,048 bytes that is no get: an error, and the connection ends;
 * - no answer: SERVER_ERROR, binary 0x0086.
 * Pure; host and BPF.
 */
#ifndef PB_PLUGIN_MEMCACHED_H
#define PB_PLUGIN_MEMCACHED_H

#include "memcached_base.h"
#include "memcached_bin.h"
#include "memcached_reply.h"
#include "memcached_say.h"

pb_inline int pb_fmc_parse(const struct pb_frame_view *v, struct pb_frame_conn *conn,
			   struct pb_fmc_work *w, struct pb_frame *ret)
{
	struct pb_fmc_conn *c = pb_fmc_conn_of(conn);
	__u32 proto = c->proto;

	if (v->data + 1 > v->end)
		return PB_FRAME_MORE;
	ret->flags = 0;
	if (!proto)
		proto = 1 + (*v->data == PB_MC_BIN_REQ ? PB_MC_BINARY : PB_MC_TEXT);
	if (proto == 1 + PB_MC_BINARY)
		return pb_fmc_parse_binary(v, w, ret);
	return pb_fmc_parse_text(v, c, w, ret);
}

/*
 * redirect() in three stages.  What one finds the next one takes from @w and @ret: a kernel program that
 * keeps those in maps has each verified alone.
 */
pb_inline void pb_fmc_redirect_read(const struct pb_frame_view *v, const struct pb_frame *f,
				    struct pb_frame_conn *conn, struct pb_fmc_work *w)
{
	struct pb_mc_scan s = pb_mc_scan_init(v->data, v->end, f->head, &w->w);
	struct pb_fmc_conn *c = pb_fmc_conn_of(conn);

	/* memcached takes a connection for text or binary by its first byte */
	if (!c->proto)
		c->proto = 1 + pb_mc_proto_of(&s);
	if (!c->line)
		pb_mc_parse(&s, 0, c->proto - 1);
}

pb_inline int pb_fmc_redirect_plan(const struct pb_frame_view *v, const struct pb_frame *f,
				   struct pb_frame_conn *conn, struct pb_fmc_work *w,
				   struct pb_frame_send *ret)
{
	struct pb_mc_scan s = pb_mc_scan_init(v->data, v->end, f->head, &w->w);
	struct pb_fmc_conn *c = pb_fmc_conn_of(conn);

	pb_fmc_send_init(ret);
	ret->lane = c->proto - 1;
	if (c->proto == 1 + PB_MC_BINARY)
		return pb_fmc_plan_binary(v, f, w, ret);
	if (c->line || pb_mc_byte(&s, f->head - 1) != '\n')
		return PB_FMC_PIECE;
	return pb_fmc_plan_text(v, f, w, ret);
}

pb_inline int pb_fmc_redirect_place(const struct pb_frame_view *v, const struct pb_frame *f,
				    struct pb_frame_conn *conn, const struct pb_frame_ens *e,
				    struct pb_fmc_work *w, int to, struct pb_frame_send *ret)
{
	struct pb_mc_scan s = pb_mc_scan_init(v->data, v->end, f->head, &w->w);

	switch (to) {
	case PB_FMC_PLACE: return pb_fmc_place(&s, e, ret);
	case PB_FMC_KEYS: return pb_fmc_redirect_keys(&s, e, w);
	case PB_FMC_PIECE: return pb_fmc_redirect_piece(&s, pb_fmc_conn_of(conn), e, w, ret);
	}
	return to;
}

pb_inline int pb_fmc_redirect(const struct pb_frame_view *v, const struct pb_frame *f,
			      struct pb_frame_conn *conn, const struct pb_frame_ens *e,
			      struct pb_fmc_work *w, struct pb_frame_send *ret)
{
	int to;

	pb_fmc_redirect_read(v, f, conn, w);
	to = pb_fmc_redirect_plan(v, f, conn, w, ret);
	return pb_fmc_redirect_place(v, f, conn, e, w, to, ret);
}

/* The @i-th call of a get: they are asked for one after the other. */
pb_inline int pb_fmc_split_next(const struct pb_frame_view *v, const struct pb_frame *f,
				const struct pb_frame_ens *e, struct pb_fmc_work *w,
				struct pb_frame_send *ret)
{
	pb_fmc_send_init(ret);
	return pb_fmc_split(v, f, e, w, ret);
}

pb_inline int pb_fmc_reply(const struct pb_frame_view *v, struct pb_frame_rtx *rtx,
			   struct pb_fmc_work *w, struct pb_frame *ret, struct pb_frame_cut *cut)
{
	struct pb_fmc_rtx *x = pb_fmc_rtx_of(rtx);

	cut->n = 0;
	ret->flags = 0;
	if (v->data + 1 > v->end)
		return PB_FRAME_MORE;
	if (x->proto == PB_MC_BINARY)
		return pb_fmc_reply_binary(v, x, ret, cut);
	return pb_fmc_reply_text(v, x, w, ret);
}

#endif /* PB_PLUGIN_MEMCACHED_H */
