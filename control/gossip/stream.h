/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The layers around the one message that each side of a TCP connection sends: label (the dialler
 * only), encryption, compression (received only).  Bytes in as they come; pure, no socket.
 *
 * Memory follows what was received, never what was announced: at most twice the bytes that came,
 * and for a moment what they decompress to.  The caller bounds connections and their time.
 */
#ifndef PB_GOSSIP_STREAM_H
#define PB_GOSSIP_STREAM_H

#include "packet.h"

#define GSP_INFLATE_MAX (40u << 20) /* what a compressed stream may hold, as upstream has it */

struct gsp_stream {
	const struct gsp_layers *pool;
	bool dialled;
	uint8_t *buf;
	size_t len;
	size_t cap;
	/* where the parser stands */
	uint8_t stage;
	bool whole; /* decrypted or decompressed: no more bytes will come */
	bool inflated;
	size_t start;	 /* of the message */
	size_t at;	 /* of what the stage looks at */
	uint64_t values; /* push/pull: of nodes, still to be passed over */
	uint32_t user_len;
	/* the result: type byte first */
	const uint8_t *msg;
	size_t msg_len;
};

/* @dialled: we opened the connection, so the other end sends no label. */
void gsp_stream_init(struct gsp_stream *s, const struct gsp_layers *pool, bool dialled);
void gsp_stream_fini(struct gsp_stream *s);

/* Where the next bytes go, at least one.  -ENOMEM. */
int gsp_stream_want(struct gsp_stream *s, uint8_t **ret, size_t *ret_n);
/*
 * @n bytes came.  1: msg is whole, of one of the types GSP_PING, GSP_ACK, GSP_PUSH_PULL (checked as
 * by gsp_sync_decode), GSP_USER, GSP_ERR; it lives until gsp_stream_fini(); nothing more is to be
 * fed.  0: more is needed.  Else the errors of gsp_packet_open(), and -ENOMEM: close.
 */
int gsp_stream_took(struct gsp_stream *s, size_t n);

/* Bytes that gsp_stream_seal() adds. */
size_t gsp_stream_overhead(const struct gsp_layers *pool, bool dialled);
/* As gsp_packet_seal(); -E2BIG: more than GSP_STREAM_MAX. */
int gsp_stream_seal(const struct gsp_layers *pool, const uint8_t nonce[GSP_NONCE_LEN], bool dialled,
		    const uint8_t *msg, size_t n, uint8_t *buf, size_t cap);

#endif /* PB_GOSSIP_STREAM_H */
