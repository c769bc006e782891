/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The messages of memberlist, as structs.  Pure: buffers in, buffers out.
 *
 * A message is a type byte and a msgpack map; both directions include the type byte.  (A push/pull
 * is the exception: type byte, header map, node maps, user state; see gsp_sync_*.)
 *
 *   int gsp_X_encode(const struct gsp_X *m, uint8_t *buf, size_t cap)
 *	the length; -ENOBUFS: cap is too small; -EINVAL: a field is out of its bounds.
 *   int gsp_X_decode(struct gsp_X *ret, const uint8_t *p, size_t n)
 *	the length used, what follows is ignored as upstream does; -EBADMSG: not such a message;
 *	-ENODATA: it ends too early; -E2BIG: a field is larger than it may be.  ret is untouched on
 *	failure.  Keys come in any order, unknown ones are skipped, missing ones are zero.
 *
 * Numbers, ports too, are in host order; addresses are bytes in network order.  Texts are not
 * terminated.  What a decoded message points to lies in the buffer it was decoded from: it is valid
 * as long as that, and nothing has to be freed.
 */
#ifndef PB_GOSSIP_MESSAGE_H
#define PB_GOSSIP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define GSP_NAME_MAX 255 /* of a node; without control characters */
#define GSP_META_MAX 512
#define GSP_VSN_LEN 6
#define GSP_ADDR_MAX 16
#define GSP_PAYLOAD_MAX 65535	   /* of an ack, a query, an event: what a packet can hold */
#define GSP_TEXT_MAX 4096	   /* of an error */
#define GSP_NODE_STATE_MIN 8	   /* encoded: a map with nothing but a name of one byte */
#define GSP_STREAM_MAX (20u << 20) /* of one exchange on TCP, node states and user state */

/* First byte of a message.  Those marked * are layers, not messages: packet.h, stream.h. */
enum gsp_type {
	GSP_PING = 0,
	GSP_INDIRECT_PING = 1,
	GSP_ACK = 2,
	GSP_SUSPECT = 3,
	GSP_ALIVE = 4,
	GSP_DEAD = 5,
	GSP_PUSH_PULL = 6, /* TCP only */
	GSP_COMPOUND = 7,  /* * */
	GSP_USER = 8,
	GSP_COMPRESS = 9, /* * */
	GSP_ENCRYPT = 10, /* * TCP only */
	GSP_NACK = 11,
	GSP_CRC = 12,	 /* * UDP only */
	GSP_ERR = 13,	 /* TCP only */
	GSP_LABEL = 244, /* * */
};

/* p is NULL where the message has the key not at all or as nil: the same as empty to most. */
struct gsp_bytes {
	const uint8_t *p;
	uint32_t n;
};

#define GSP_TEXT(s) ((struct gsp_bytes){ (const uint8_t *)(s), (uint32_t)strlen(s) })

static inline bool gsp_bytes_eq(struct gsp_bytes a, struct gsp_bytes b)
{
	return a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n));
}

struct gsp_addr {
	uint8_t ip[GSP_ADDR_MAX];
	uint8_t len; /* 4, 16, 0: none */
};

/* Protocol versions: memberlist's least, greatest and current, then the same of its user (Serf). */
struct gsp_vsn {
	uint8_t pmin, pmax, pcur, dmin, dmax, dcur;
};

#define GSP_VSN_OURS ((struct gsp_vsn){ 1, 5, 2, 2, 5, 5 })

struct gsp_ping {
	uint32_t seq;
	struct gsp_bytes node; /* whom it is for; may be empty: anyone */
	/* Where the answer goes, else to the datagram's source; omitted when empty. */
	struct gsp_addr source_addr;
	uint16_t source_port;
	struct gsp_bytes source_node;
};

struct gsp_indirect_ping {
	uint32_t seq;
	struct gsp_addr target;
	uint16_t port;
	struct gsp_bytes node; /* the target's name; may be empty */
	bool nack;	       /* a nack is understood and wanted */
	struct gsp_addr source_addr;
	uint16_t source_port;
	struct gsp_bytes source_node;
};

struct gsp_ack {
	uint32_t seq;
	struct gsp_bytes payload; /* opaque; up to GSP_PAYLOAD_MAX */
};

struct gsp_nack {
	uint32_t seq;
};

struct gsp_suspect {
	uint32_t incarnation;
	struct gsp_bytes node; /* never empty, here and below */
	struct gsp_bytes from; /* who says so; may be empty */
};

struct gsp_alive {
	uint32_t incarnation;
	struct gsp_bytes node;
	struct gsp_addr addr;
	uint16_t port;
	struct gsp_bytes meta; /* up to GSP_META_MAX; Serf: tags, see serf.h */
	struct gsp_vsn vsn;    /* all 0 when missing */
};

struct gsp_dead {
	uint32_t incarnation;
	struct gsp_bytes node;
	struct gsp_bytes from; /* == node: it left */
};

/* The message as the answer of a stream before it is closed. */
struct gsp_err {
	struct gsp_bytes error; /* up to GSP_TEXT_MAX */
};

int gsp_ping_encode(const struct gsp_ping *m, uint8_t *buf, size_t cap);
int gsp_ping_decode(struct gsp_ping *ret, const uint8_t *p, size_t n);
int gsp_indirect_ping_encode(const struct gsp_indirect_ping *m, uint8_t *buf, size_t cap);
int gsp_indirect_ping_decode(struct gsp_indirect_ping *ret, const uint8_t *p, size_t n);
int gsp_ack_encode(const struct gsp_ack *m, uint8_t *buf, size_t cap);
int gsp_ack_decode(struct gsp_ack *ret, const uint8_t *p, size_t n);
int gsp_nack_encode(const struct gsp_nack *m, uint8_t *buf, size_t cap);
int gsp_nack_decode(struct gsp_nack *ret, const uint8_t *p, size_t n);
int gsp_suspect_encode(const struct gsp_suspect *m, uint8_t *buf, size_t cap);
int gsp_suspect_decode(struct gsp_suspect *ret, const uint8_t *p, size_t n);
int gsp_alive_encode(const struct gsp_alive *m, uint8_t *buf, size_t cap);
int gsp_alive_decode(struct gsp_alive *ret, const uint8_t *p, size_t n);
int gsp_dead_encode(const struct gsp_dead *m, uint8_t *buf, size_t cap);
int gsp_dead_decode(struct gsp_dead *ret, const uint8_t *p, size_t n);
int gsp_err_encode(const struct gsp_err *m, uint8_t *buf, size_t cap);
int gsp_err_decode(struct gsp_err *ret, const uint8_t *p, size_t n);

/*
 * User messages (Serf's, our records) are opaque here.  In a packet: the byte GSP_USER, then all
 * the rest.  On a stream: with their length, and these two functions.
 */
int gsp_user_encode(const struct gsp_bytes *data, uint8_t *buf, size_t cap);
int gsp_user_decode(struct gsp_bytes *ret, const uint8_t *p, size_t n);

/* ---- push/pull: the whole table, both ways, on one TCP connection --------------------------- */

enum gsp_state { GSP_STATE_ALIVE, GSP_STATE_SUSPECT, GSP_STATE_DEAD, GSP_STATE_LEFT };

struct gsp_sync_header {
	uint32_t nodes;
	uint32_t user_len; /* bytes of user state after the nodes */
	bool join;	   /* the dialler has just come */
};

struct gsp_node_state {
	struct gsp_bytes name;
	struct gsp_addr addr;
	uint16_t port;
	struct gsp_bytes meta;
	uint32_t incarnation;
	uint8_t state; /* enum gsp_state, checked */
	struct gsp_vsn vsn;
};

/* To send: header, then that many nodes, then the user state as it is, into one buffer. */
int gsp_sync_header_encode(const struct gsp_sync_header *m, uint8_t *buf, size_t cap);
int gsp_sync_header_decode(struct gsp_sync_header *ret, const uint8_t *p, size_t n);
/* Without a type byte: */
int gsp_node_state_encode(const struct gsp_node_state *m, uint8_t *buf, size_t cap);
int gsp_node_state_decode(struct gsp_node_state *ret, const uint8_t *p, size_t n);

/*
 * A received one.  Each node is looked at when it is taken: one out of its bounds is passed over,
 * since a record that somebody put into a foreign pool must not cost us all others (compare
 * header.nodes with the number of those taken).
 */
struct gsp_sync {
	struct gsp_sync_header header;
	struct gsp_bytes nodes; /* encoded */
	struct gsp_bytes user;	/* Serf: serf.h */
};

int gsp_sync_decode(struct gsp_sync *ret, const uint8_t *p, size_t n);
/* Takes the next node off *rest (start with sync.nodes); false after the last. */
bool gsp_sync_next(struct gsp_bytes *rest, struct gsp_node_state *ret);

#endif /* PB_GOSSIP_MESSAGE_H */
