/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the parsers of memcached's protocols say about a message.  Offsets are bytes from the start
 * of the message: behind the UDP frame header, or of the stream's next unread byte.
 */
#ifndef PATCHBAY_MC_PROTO_H
#define PATCHBAY_MC_PROTO_H

#include "types.h"

#define PB_MC_KEY_MAX 250u
#define PB_MC_UDP_HDR 8u /* id, sequence number, total, reserved: 16 bits each, network order */
#define PB_MC_BIN_HDR 24u
#define PB_MC_BIN_REQ 0x80
#define PB_MC_BIN_RES 0x81

enum pb_mc_proto { PB_MC_TEXT, PB_MC_BINARY };

enum pb_mc_kind {
	PB_MC_NONE,
	PB_MC_GET, /* bget too; getk, getq, getkq */
	PB_MC_GETS,
	PB_MC_GAT,
	PB_MC_GATS,
	PB_MC_SET,
	PB_MC_ADD,
	PB_MC_REPLACE,
	PB_MC_APPEND,
	PB_MC_PREPEND,
	PB_MC_CAS,
	PB_MC_TOUCH,
	PB_MC_INCR,
	PB_MC_DECR,
	PB_MC_DELETE,
	PB_MC_FLUSH,
	PB_MC_VERSION,
	PB_MC_STATS,
	PB_MC_VERBOSITY,
	PB_MC_QUIT,
	PB_MC_NOOP, /* mn, no-op */
	PB_MC_MGET,
	PB_MC_MSET,
	PB_MC_MDELETE,
	PB_MC_MARITH,
	PB_MC_MDEBUG, /* me */
	PB_MC_SASL,
	PB_MC_ADMIN, /* slabs, lru, lru_crawler, watch, extstore, cache_memlimit, shutdown, ... */
	PB_MC_UNKNOWN,
	PB_MC_KINDS
};

/* What the request means for the version tokens of a cache (mc_token.h). */
enum pb_mc_step {
	PB_MC_STEP_NONE,    /* touches no item */
	PB_MC_STEP_READ,    /* of every key */
	PB_MC_STEP_WRITE,   /* of every key; a reply will say that it is done */
	PB_MC_STEP_MUTE,    /* the same, but the reply may never come */
	PB_MC_STEP_FLUSH,   /* of all keys, at once and again after `delay` seconds */
	PB_MC_STEP_UNKNOWN, /* may have written anything */
};

/* What memcached will say; the steps above hold also for a request that is wrong. */
enum pb_mc_error {
	PB_MC_OK,
	PB_MC_E_SHORT,	/* the message ends before the request does */
	PB_MC_E_LONG,	/* no end of line in PB_MC_SCAN_MAX bytes */
	PB_MC_E_VERB,	/* unknown: ERROR */
	PB_MC_E_ARGS,	/* wrong number of words: ERROR */
	PB_MC_E_FORMAT, /* a word that is no number, a wrong flag: CLIENT_ERROR */
	PB_MC_E_KEY,	/* too long: CLIENT_ERROR */
	PB_MC_E_CHUNK,	/* no \r\n behind the value: CLIENT_ERROR, nothing is stored */
	PB_MC_E_BINARY, /* lengths that contradict each other: error, the connection is closed */
	PB_MC_E_MAGIC,	/* no binary request: the connection is closed */
	PB_MC_ERRORS
};

#define PB_MC_F_QUIET 0x0001u /* a good answer is kept back: noreply, q, the Q opcodes */
#define PB_MC_F_MUTE 0x0002u  /* errors are, too: noreply */
#define PB_MC_F_MULTI 0x0004u /* more keys follow: pb_mc_next_key() */
#define PB_MC_F_B64 0x0008u   /* the key is base64: pb_mc_b64_key() gives the key of the item */
#define PB_MC_F_CAS 0x0010u   /* the answer has the CAS value, or the request compares it */
#define PB_MC_F_VALUE 0x0020u /* the request carries a value: val_off, val_len */
#define PB_MC_F_META 0x0040u
#define PB_MC_F_KEYED 0x0080u /* the answer repeats the key */
#define PB_MC_F_MORE 0x0100u  /* bytes follow behind the message */
#define PB_MC_F_STALE 0x0200u /* mg said X or Z: another client is to renew the value */
#define PB_MC_F_WON 0x0400u   /* mg said W: this client is to renew it */
#define PB_MC_TTL_NONE (-2)

enum pb_mc_reply {
	PB_MC_R_NONE,	 /* not understood */
	PB_MC_R_VALUE,	 /* VALUE, VA; binary: success with a value */
	PB_MC_R_END,	 /* of the values of a get; alone: it has none */
	PB_MC_R_MISS,	 /* EN NF NOT_FOUND */
	PB_MC_R_DONE,	 /* STORED DELETED TOUCHED OK HD, a number */
	PB_MC_R_REFUSED, /* NOT_STORED EXISTS NS EX */
	PB_MC_R_ERROR,	 /* ERROR CLIENT_ERROR SERVER_ERROR: whether it was done is not known */
	PB_MC_R_OTHER,	 /* VERSION STAT MN ME ... */
};

struct pb_mc_req {
	__u8 kind; /* PB_MC_GET... */
	__u8 proto;
	__u8 step;   /* PB_MC_STEP_* */
	__u8 error;  /* PB_MC_OK, PB_MC_E_* */
	__u16 flags; /* PB_MC_F_* */
	__u8 opcode; /* binary */
	__u8 pad;
	__u32 key_off;
	__u32 key_len; /* 0: no key, or none that memcached takes */
	__u32 val_off;
	__u32 val_len; /* without the \r\n behind it */
	__u32 next;    /* where the next request begins; 0 if that is unknown */
	__u32 more;    /* where the second key is looked for */
	__u32 keys;    /* number of keys */
	__s32 delay;   /* of a flush, seconds, or a time as exptime has it */
	__u32 opaque;  /* binary, as on the wire */
	__u32 pad2;
};

/* A reply, as far as filling a cache and completing writes need it. */
struct pb_mc_rep {
	__u8 kind; /* PB_MC_R_* */
	__u8 proto;
	__u8 error; /* PB_MC_OK, PB_MC_E_SHORT: not whole, PB_MC_E_LONG, PB_MC_E_VERB: not understood */
	__u8 opcode; /* binary */
	__u16 flags; /* PB_MC_F_CAS: `cas` is known, _KEYED, _VALUE, _MORE, _B64, _META, _STALE, _WON */
	__u16 status; /* binary */
	__u32 key_off;
	__u32 key_len; /* 0: the reply does not say */
	__u32 val_off;
	__u32 val_len;
	__u32 item_flags; /* what the client stored with the value */
	__u32 next;
	__u32 opaque; /* binary, as on the wire */
	__s32 ttl;    /* mg with t: seconds, -1 for ever; PB_MC_TTL_NONE: not said */
	__u32 pad;
	__u64 cas;
};

struct pb_mc_udp {
	__u16 id;
	__u16 seq;
	__u16 total;
	__u16 reserved;
};

_Static_assert(sizeof(struct pb_mc_req) == 48, "no hidden padding");
_Static_assert(sizeof(struct pb_mc_rep) == 56, "no hidden padding");

#endif /* PATCHBAY_MC_PROTO_H */
