/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "keyring.h"

#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 16 /* of the padding of version 0 */

static const EVP_CIPHER *cipher(size_t len)
{
	switch (len) {
	case 16: return EVP_aes_128_gcm();
	case 24: return EVP_aes_192_gcm();
	case 32: return EVP_aes_256_gcm();
	default: return NULL;
	}
}

static int find(const struct gsp_keyring *k, const uint8_t *key, size_t len)
{
	for (unsigned i = 0; i < k->n; i++)
		if (k->keys[i].len == len && !CRYPTO_memcmp(k->keys[i].bytes, key, len))
			return (int)i;
	return cipher(len) ? -ENOENT : -EINVAL;
}

static void key_fini(struct gsp_key *key)
{
	EVP_CIPHER_CTX_free(key->enc);
	EVP_CIPHER_CTX_free(key->dec);
	free(key->sealed);
	OPENSSL_cleanse(key, sizeof(*key));
}

int gsp_keyring_add(struct gsp_keyring *k, const uint8_t *key, size_t len)
{
	struct gsp_key *to;
	int at = find(k, key, len);

	if (at != -ENOENT)
		return at < 0 ? at : 0;
	if (k->n == GSP_KEYS_MAX)
		return -ENOSPC;
	to = &k->keys[k->n];
	memcpy(to->bytes, key, len);
	to->len = (uint8_t)len;
	to->sealed = calloc(1, sizeof(*to->sealed));
	to->enc = EVP_CIPHER_CTX_new();
	to->dec = EVP_CIPHER_CTX_new();
	/* Both know the key from here on; a text only sets the nonce. */
	if (!to->sealed || !to->enc || !to->dec ||
	    EVP_EncryptInit_ex(to->enc, cipher(len), NULL, to->bytes, NULL) != 1 ||
	    EVP_DecryptInit_ex(to->dec, cipher(len), NULL, to->bytes, NULL) != 1) {
		key_fini(to);
		return -ENOMEM;
	}
	k->n++;
	return 0;
}

int gsp_keyring_use(struct gsp_keyring *k, const uint8_t *key, size_t len)
{
	int at = find(k, key, len);
	struct gsp_key first;

	if (at <= 0)
		return at;
	first = k->keys[at];
	memmove(&k->keys[1], &k->keys[0], (size_t)at * sizeof(first));
	k->keys[0] = first;
	OPENSSL_cleanse(&first, sizeof(first));
	return 0;
}

int gsp_keyring_remove(struct gsp_keyring *k, const uint8_t *key, size_t len)
{
	int at = find(k, key, len);

	if (at <= 0)
		return at ? at : -EBUSY;
	key_fini(&k->keys[at]);
	k->n--;
	memmove(&k->keys[at], &k->keys[at + 1], (k->n - (size_t)at) * sizeof(k->keys[0]));
	OPENSSL_cleanse(&k->keys[k->n], sizeof(k->keys[0]));
	return 0;
}

void gsp_keyring_fini(struct gsp_keyring *k)
{
	for (unsigned i = 0; i < k->n; i++)
		key_fini(&k->keys[i]);
	k->n = 0;
}

uint64_t gsp_keyring_take_sealed(const struct gsp_keyring *k, const uint8_t *key, size_t len)
{
	int at = find(k, key, len);
	uint64_t n = at < 0 ? 0 : *k->keys[at].sealed;

	if (at >= 0)
		*k->keys[at].sealed = 0;
	return n;
}

void gsp_key_id(const uint8_t *key, size_t len, char ret[GSP_KEY_ID_LEN + 1])
{
	static const char text[] = "patchbay key id";
	uint8_t buf[sizeof(text) + GSP_KEY_LEN_MAX] = { 0 }, hash[EVP_MAX_MD_SIZE] = { 0 };

	memcpy(buf, text, sizeof(text));
	memcpy(buf + sizeof(text), key, len < GSP_KEY_LEN_MAX ? len : GSP_KEY_LEN_MAX);
	EVP_Digest(buf, sizeof(text) + len, hash, NULL, EVP_sha256(), NULL);
	OPENSSL_cleanse(buf, sizeof(buf));
	for (unsigned i = 0; i < GSP_KEY_ID_LEN; i++)
		ret[i] = "0123456789abcdef"[hash[i / 2] >> (i % 2 ? 0 : 4) & 15];
	ret[GSP_KEY_ID_LEN] = 0;
}

const struct gsp_key *gsp_keyring_by_id(const struct gsp_keyring *k, const char *id)
{
	char have[GSP_KEY_ID_LEN + 1];
	size_t n = strlen(id);

	for (unsigned i = 0; i < k->n && n >= 8 && n <= GSP_KEY_ID_LEN; i++) {
		gsp_key_id(k->keys[i].bytes, k->keys[i].len, have);
		if (!strncmp(have, id, n))
			return &k->keys[i];
	}
	return NULL;
}

int gsp_seal(const struct gsp_keyring *k, const uint8_t nonce[GSP_NONCE_LEN], const uint8_t *aad,
	     size_t aad_len, const uint8_t *text, size_t n, uint8_t *buf, size_t cap)
{
	uint8_t *body = buf + GSP_SEAL_HEAD;
	EVP_CIPHER_CTX *c;
	int len;

	if (!k->n)
		return -ENOKEY;
	if (n > INT_MAX - GSP_SEAL_OVERHEAD || cap < n + GSP_SEAL_OVERHEAD)
		return -ENOBUFS;
	c = k->keys[0].enc;
	if (EVP_EncryptInit_ex(c, NULL, NULL, NULL, nonce) != 1 ||
	    (aad_len && EVP_EncryptUpdate(c, NULL, &len, aad, (int)aad_len) != 1) ||
	    EVP_EncryptUpdate(c, body, &len, text, (int)n) != 1 ||
	    EVP_EncryptFinal_ex(c, body + n, &len) != 1 ||
	    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, GSP_TAG_LEN, body + n) != 1)
		return -EIO;
	++*k->keys[0].sealed;
	buf[0] = GSP_SEAL_VERSION;
	memcpy(buf + 1, nonce, GSP_NONCE_LEN);
	return (int)(n + GSP_SEAL_OVERHEAD);
}

static bool unseal_with(const struct gsp_key *key, const uint8_t *aad, size_t aad_len,
			const uint8_t *sealed, size_t n, uint8_t *text)
{
	const uint8_t *body = sealed + GSP_SEAL_HEAD;
	EVP_CIPHER_CTX *c = key->dec;
	uint8_t tag[GSP_TAG_LEN];
	int len;

	memcpy(tag, body + n, sizeof(tag)); /* the call wants it writable */
	return EVP_DecryptInit_ex(c, NULL, NULL, NULL, sealed + 1) == 1 &&
	       (!aad_len || EVP_DecryptUpdate(c, NULL, &len, aad, (int)aad_len) == 1) &&
	       EVP_DecryptUpdate(c, text, &len, body, (int)n) == 1 &&
	       EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, GSP_TAG_LEN, tag) == 1 &&
	       EVP_DecryptFinal_ex(c, text + n, &len) == 1;
}

/* PKCS7, whole blocks: the length without it. */
static int unpad(const uint8_t *text, size_t n)
{
	uint8_t pad = text[n - 1];

	if (n % BLOCK || !pad || pad > BLOCK || pad == n)
		return -EBADMSG;
	for (size_t i = n - pad; i < n; i++)
		if (text[i] != pad)
			return -EBADMSG;
	return (int)(n - pad);
}

int gsp_unseal(const struct gsp_keyring *k, const uint8_t *aad, size_t aad_len,
	       const uint8_t *sealed, size_t n, uint8_t *text)
{
	size_t body;

	if (n <= GSP_SEAL_OVERHEAD || n > INT_MAX || sealed[0] > GSP_SEAL_VERSION)
		return -EKEYREJECTED;
	body = n - GSP_SEAL_OVERHEAD;
	for (unsigned i = 0; i < k->n; i++)
		if (unseal_with(&k->keys[i], aad, aad_len, sealed, body, text))
			return sealed[0] ? (int)body : unpad(text, body);
	return -EKEYREJECTED;
}
