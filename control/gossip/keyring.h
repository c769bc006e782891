/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The keys of a pool, and AES-GCM with them.  The first key encrypts, all decrypt, in order.  A
 * sealed text is: version 1 byte, nonce 12, ciphertext, tag 16.
 */
#ifndef PB_GOSSIP_KEYRING_H
#define PB_GOSSIP_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GSP_KEYS_MAX 8
#define GSP_KEY_LEN_MAX 32
#define GSP_KEY_ID_LEN 16 /* hex digits, without the NUL */
#define GSP_NONCE_LEN 12
#define GSP_TAG_LEN 16
#define GSP_SEAL_VERSION 1 /* what we send, and the greatest there is */
#define GSP_SEAL_HEAD (1 + GSP_NONCE_LEN)
#define GSP_SEAL_OVERHEAD (GSP_SEAL_HEAD + GSP_TAG_LEN)

struct evp_cipher_ctx_st;

struct gsp_key {
	uint8_t bytes[GSP_KEY_LEN_MAX];
	uint8_t len;	  /* 16, 24, 32 */
	uint64_t *sealed; /* texts sealed with it here */
	struct evp_cipher_ctx_st *enc, *dec;
};

/* Zeroed: no keys.  Holds secrets: gsp_keyring_fini() wipes them.  For one thread. */
struct gsp_keyring {
	struct gsp_key keys[GSP_KEYS_MAX];
	unsigned n;
};

/* All: 0; -EINVAL: no length of a key; -ENOENT: not one of ours. */
int gsp_keyring_add(struct gsp_keyring *k, const uint8_t *key,
		    size_t len); /* last; -ENOSPC, -ENOMEM */
int gsp_keyring_use(struct gsp_keyring *k, const uint8_t *key, size_t len); /* makes it the first */
int gsp_keyring_remove(struct gsp_keyring *k, const uint8_t *key,
		       size_t len); /* -EBUSY: the first */
void gsp_keyring_fini(struct gsp_keyring *k);
/* Texts sealed with that key since it was last asked. */
uint64_t gsp_keyring_take_sealed(const struct gsp_keyring *k, const uint8_t *key, size_t len);
/* What may be shown of a key: SHA-256 of a text and the key, cut. */
void gsp_key_id(const uint8_t *key, size_t len, char ret[GSP_KEY_ID_LEN + 1]);
/* The key of that id, or one cut to no fewer than 8 digits; NULL. */
const struct gsp_key *gsp_keyring_by_id(const struct gsp_keyring *k, const char *id);

/*
 * @aad: authenticated with it, not sent.  The nonce must be random and never used twice with a key:
 * fewer than 2^32 texts a key.  The text may be where it ends up, buf + GSP_SEAL_HEAD.  Returns the length, n + GSP_SEAL_OVERHEAD; -ENOBUFS, -ENOKEY.
 */
int gsp_seal(const struct gsp_keyring *k, const uint8_t nonce[GSP_NONCE_LEN], const uint8_t *aad,
	     size_t aad_len, const uint8_t *text, size_t n, uint8_t *buf, size_t cap);

/*
 * Also version 0, whose text is padded; the version is not authenticated, so whoever is on the way
 * can turn one into the other: at most a padding's length appears or is cut off at the end.
 * @text: room for n bytes, not over @sealed.  Returns the length of the text, at least 1;
 * -EKEYREJECTED: not with a key of ours, or altered; -EBADMSG: padded wrongly.
 */
int gsp_unseal(const struct gsp_keyring *k, const uint8_t *aad, size_t aad_len,
	       const uint8_t *sealed, size_t n, uint8_t *text);

#endif /* PB_GOSSIP_KEYRING_H */
