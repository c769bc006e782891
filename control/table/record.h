/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a node says of itself: records, and their form on the wire.  Pure.
 *
 * A record is named by (owner, kind, id); the owner gives out the ids.  Encoded it is a msgpack map
 * of at most TBL_RECORD_MAX bytes, keys of one letter in the order of the alphabet.  Keys that are
 * not known are skipped; kinds that are not known, and known ones with values of a later version
 * (a protocol, a state), are kept, passed on and not used.
 */
#ifndef PB_TABLE_RECORD_H
#define PB_TABLE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <patchbay/maps.h>

#define TBL_RECORD_MAX 1024 /* bytes, encoded: fits one packet with all around it */
#define TBL_VERSION_LEN 32  /* of Patchbay, with its NUL */
#define TBL_ID_LEN 16

/* Of a node: random, kept for its life.  The first 8 bytes, little endian, are pb_peer.node. */
struct tbl_id {
	uint8_t b[TBL_ID_LEN];
};

enum tbl_kind {
	TBL_NODE = 1,	  /* id 0, one an owner: without it the others are not used */
	TBL_APP = 2,	  /* held back until the node is there */
	TBL_ENDPOINT = 3, /* held back until its application is there */
	TBL_CERT = 4,	  /* id 0: cert.h, of a node that signs; never in the view */
	TBL_SEAL = 5,	  /* id 0: when it signed; the same */
};

#define TBL_NODE_DRAIN (1u << 0) /* takes no new connections */

struct tbl_node {
	struct pb_addr loc4, loc6; /* locators; zero: none of that family */
	char version[TBL_VERSION_LEN];
	uint32_t flags; /* TBL_NODE_*; unknown bits are kept */
};

#define TBL_APP_AUTO (1u << 0) /* the addresses were assigned, nobody asked for them */

struct tbl_app {
	char name[PB_NAME_LEN];
	uint64_t id64;		   /* pb_app.id */
	struct pb_addr vip4, vip6; /* zero: none of that family */
	uint64_t since_ms;	   /* unix: when the name or address was first claimed there */
	uint32_t flags;		   /* TBL_APP_*; unknown bits are kept */
	struct pb_tags tags;
};

struct tbl_endpoint {
	uint32_t app;	/* id of the application's record, same owner */
	uint32_t live;	/* connections now, from everywhere */
	uint16_t port;	/* virtual, host order */
	uint16_t real;	/* on the node's locators, host order */
	uint8_t proto;	/* PB_PROTO_* */
	uint8_t cls;	/* PB_CLS_* */
	uint8_t weight; /* 1..100 */
	uint8_t state;	/* PB_EP_UP, PB_EP_DRAIN */
};

struct tbl_record {
	uint8_t kind; /* enum tbl_kind */
	uint32_t id;
	union {
		struct tbl_node node;
		struct tbl_app app;
		struct tbl_endpoint endpoint;
	};
};

/* The length; -ENOBUFS; -EINVAL: something is out of its bounds, or the kind is not known. */
int tbl_record_encode(const struct tbl_record *r, uint8_t *buf, size_t cap);
/*
 * 0; -EBADMSG, -ENODATA, -E2BIG: a bad record, *ret_why (may be NULL) is one clause that says why;
 * -EOPNOTSUPP: of a later version.  Padding and what is not said is zero.
 */
int tbl_record_decode(struct tbl_record *ret, uint8_t kind, uint32_t id, const uint8_t *p, size_t n,
		      const char **ret_why);

/* What of an application can clash with others. */
struct tbl_claim {
	char name[PB_NAME_LEN];
	struct pb_addr vip4, vip6;
	uint64_t since_ms;
	uint32_t flags; /* TBL_APP_* */
};

struct tbl_claim tbl_claim(const struct tbl_app *a);
/*
 * Two applications that cannot both be what they say: one name with different addresses of a
 * family, or one address under different names where one of them was assigned automatically (names
 * that share an address on purpose are one distributed application).
 */
enum tbl_clash { TBL_CLASH_NONE, TBL_CLASH_NAME, TBL_CLASH_ADDRESS };
enum tbl_clash tbl_clash(const struct tbl_claim *a, const struct tbl_claim *b);
/* Of two that clash: is a first?  Lowest since_ms, then lowest owner, then lowest record id. */
bool tbl_claim_first(const struct tbl_claim *a, const struct tbl_id *a_owner, uint32_t a_id,
		     const struct tbl_claim *b, const struct tbl_id *b_owner, uint32_t b_id);
const char *tbl_clash_text(enum tbl_clash c); /* "another address has this name"... */

#endif /* PB_TABLE_RECORD_H */
