/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The layers around messages in a datagram, outermost first: label, encryption, CRC, compression
 * (received only), compound.  Pure: no socket, no clock, no random number of its own.
 */
#ifndef PB_GOSSIP_PACKET_H
#define PB_GOSSIP_PACKET_H

#include "keyring.h"
#include "message.h"

#define GSP_LABEL_MAX 255
#define GSP_DATAGRAM_MAX 65535
#define GSP_PACKET_DEPTH 4	     /* layers within layers */
#define GSP_PACKET_INFLATE_MAX 65536 /* all that one datagram may decompress to */
#define GSP_COMPOUND_MAX 255	     /* messages */

/* What a pool's members share.  With keys everything must be encrypted, with a label labelled. */
struct gsp_layers {
	struct gsp_keyring keys; /* none: plain */
	uint8_t label_len;	 /* 0: no label */
	uint8_t label[GSP_LABEL_MAX];
};

/* -EINVAL: longer than GSP_LABEL_MAX. */
int gsp_layers_set_label(struct gsp_layers *pool, const char *label);

/* One a receiver; 128 KiB, not for the stack. */
struct gsp_packet_scratch {
	uint8_t plain[GSP_DATAGRAM_MAX];
	uint8_t inflated[GSP_PACKET_INFLATE_MAX];
};

/* One message, type byte first, n >= 1; valid until the next packet.  Never a layer. */
typedef void gsp_message_fn(void *arg, const uint8_t *msg, size_t n);

/*
 * Calls fn for each message in the packet.  0, or the first error; messages beside a bad one are
 * delivered all the same, except when the list of a compound is itself wrong.
 *   -EPERM	another pool: no label, another one, or one where we have none
 *   -EKEYREJECTED	not encrypted with a key of ours (or not at all), or altered
 *   -EBADMSG	malformed, too deep, or the checksum is wrong
 *   -E2BIG	over a bound
 *   -EOPNOTSUPP	an unknown algorithm of compression
 */
int gsp_packet_open(const struct gsp_layers *pool, struct gsp_packet_scratch *scratch,
		    const uint8_t *p, size_t n, gsp_message_fn *fn, void *arg);

/* Bytes that gsp_packet_seal() adds: what is left of the size of a packet is for messages. */
size_t gsp_packet_overhead(const struct gsp_layers *pool, bool crc);

/*
 * Puts the layers around a message or compound.  crc: for receivers of protocol 5 and later.
 * nonce: random, only used with keys.  buf and msg may not overlap.  The length; -ENOBUFS; -EINVAL: an empty message.
 */
int gsp_packet_seal(const struct gsp_layers *pool, const uint8_t nonce[GSP_NONCE_LEN], bool crc,
		    const uint8_t *msg, size_t n, uint8_t *buf, size_t cap);

/* Bytes that a compound of @n messages adds; 0 for one, which is sent as it is. */
static inline size_t gsp_compound_overhead(unsigned n)
{
	return n > 1 ? 2 + 2 * (size_t)n : 0;
}

/* The length; -ENOBUFS; -EINVAL: no or more than GSP_COMPOUND_MAX messages, or one over 65535. */
int gsp_compound_encode(const struct gsp_bytes *msgs, unsigned n, uint8_t *buf, size_t cap);

/* ---- used by stream.c, too ------------------------------------------------------------------- */

struct gsp_out;

/* @p: the message GSP_COMPRESS; appends what it contains.  Errors as above, and -ENOMEM. */
int gsp_inflate(const uint8_t *p, size_t n, struct gsp_out *out);

#endif /* PB_GOSSIP_PACKET_H */
