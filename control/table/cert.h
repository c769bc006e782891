/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Certificates of nodes (identity=signed): what a cluster's CA lets a node say.  Ed25519.  Pure.
 *
 * The key that is certified signs the state of the node's partition (sign.c): so nobody who merely
 * holds the gossip secret can announce in its name, and nothing it may not announce is used.
 */
#ifndef PB_TABLE_CERT_H
#define PB_TABLE_CERT_H

#include "record.h"

#define TBL_KEY_LEN 32 /* of a secret, and of a public key */
#define TBL_SIG_LEN 64
#define TBL_CERT_NAMES 8
#define TBL_CERT_NETS 8
#define TBL_CERT_NODE 65 /* name of a node, with its NUL */

struct tbl_net {
	struct pb_addr net;
	uint8_t bits; /* of 128 */
};

struct tbl_cert {
	struct tbl_id id;
	uint8_t key[TBL_KEY_LEN]; /* public */
	uint64_t until_ms;	  /* unix; not used after it */
	char node[TBL_CERT_NODE]; /* its name, a last * stands for any end; empty: any */
	uint32_t n_names, n_vips, n_nodes;
	char names[TBL_CERT_NAMES][PB_NAME_LEN]; /* of applications; a last * stands for any end */
	struct tbl_net vips[TBL_CERT_NETS];	 /* addresses of applications */
	struct tbl_net nodes[TBL_CERT_NETS];	 /* the node's own */
};

int tbl_key_public(const uint8_t secret[TBL_KEY_LEN], uint8_t ret[TBL_KEY_LEN]);
int tbl_key_sign(const uint8_t secret[TBL_KEY_LEN], const void *data, size_t n,
		 uint8_t ret[TBL_SIG_LEN]);
bool tbl_key_check(const uint8_t key[TBL_KEY_LEN], const void *data, size_t n,
		   const uint8_t sig[TBL_SIG_LEN]);

/* The length; -ENOBUFS; -EINVAL.  At most TBL_RECORD_MAX: it travels as a record. */
int tbl_cert_make(const struct tbl_cert *c, const char *label, const uint8_t ca_secret[TBL_KEY_LEN],
		  uint8_t *buf, size_t cap);
/* -EKEYREJECTED: not signed by that CA for that cluster; -EBADMSG, ... */
int tbl_cert_read(struct tbl_cert *ret, const char *label, const uint8_t ca_key[TBL_KEY_LEN],
		  const uint8_t *p, size_t n);
/* NULL: yes; else why not.  What has neither name nor address of its own needs no right. */
const char *tbl_cert_allows(const struct tbl_cert *c, const struct tbl_record *r);

/* Is that the name of a node it is for? */
bool tbl_cert_named(const struct tbl_cert *c, const char *node);

/* When a state was signed, as a record of it (TBL_SEAL).  The length, or -ENOBUFS; 0 or -EBADMSG... */
int tbl_seal_make(uint64_t unix_ms, uint8_t *buf, size_t cap);
int tbl_seal_read(uint64_t *ret_ms, const uint8_t *p, size_t n);

#endif /* PB_TABLE_CERT_H */
