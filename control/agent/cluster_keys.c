/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Secrets of a cluster, and the keys that are made from them. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "../gossip/pool.h"
#include "../util.h"
#include "cluster_state.h"

#define SYN_LABEL "patchbay syn"
#define TABLE_LABEL "patchbay table"

int pb_secret_parse(const char *text, struct pb_secret *ret)
{
	struct pb_secret s = { .len = 0 };
	int n = pb_base64_read(text, strlen(text), s.bytes, sizeof(s.bytes));

	if (n != 16 && n != 24 && n != 32) {
		OPENSSL_cleanse(&s, sizeof(s));
		return -EINVAL;
	}
	s.len = (uint8_t)n;
	*ret = s;
	OPENSSL_cleanse(&s, sizeof(s));
	return 0;
}

void pb_secret_format(const struct pb_secret *s, char ret[PB_KEY_TEXT_LEN])
{
	pb_base64_write(s->bytes, s->len, false, ret);
}

void pb_secret_id(const struct pb_secret *s, char ret[PB_KEY_ID_LEN])
{
	char id[GSP_KEY_ID_LEN + 1];

	gsp_key_id(s->bytes, s->len, id);
	memcpy(ret, id, PB_KEY_ID_LEN - 1);
	ret[PB_KEY_ID_LEN - 1] = '\0';
}

int pb_cluster_key_gen(char ret[PB_KEY_TEXT_LEN])
{
	struct pb_secret s = { .len = 32 };
	int ok = RAND_bytes(s.bytes, s.len);

	if (ok == 1)
		pb_secret_format(&s, ret);
	OPENSSL_cleanse(&s, sizeof(s));
	return ok == 1 ? 0 : -EIO;
}

static int hmac(const struct pb_secret *s, const uint8_t *text, size_t n, uint8_t ret[16])
{
	static const uint8_t none[1];
	uint8_t out[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (!HMAC(EVP_sha256(), s ? s->bytes : none, s ? s->len : 0, text, n, out, &len) ||
	    len < 16)
		return -EIO;
	memcpy(ret, out, 16);
	OPENSSL_cleanse(out, sizeof(out));
	return 0;
}

static uint64_t le64(const uint8_t *p)
{
	uint64_t x = 0;

	for (int i = 7; i >= 0; i--)
		x = x << 8 | p[i];
	return x;
}

int pb_syn_key(const struct pb_secret *s, const uint8_t from[PB_NODE_ID_LEN],
	       const uint8_t to[PB_NODE_ID_LEN], uint64_t ret[2])
{
	uint8_t text[sizeof(SYN_LABEL) - 1 + 2 * PB_NODE_ID_LEN], *p = text, key[16];
	int err;

	memcpy(p, SYN_LABEL, sizeof(SYN_LABEL) - 1);
	p += sizeof(SYN_LABEL) - 1;
	memcpy(p, from, PB_NODE_ID_LEN);
	memcpy(p + PB_NODE_ID_LEN, to, PB_NODE_ID_LEN);
	err = hmac(s, text, sizeof(text), key);
	if (err)
		return err;
	ret[0] = le64(key);
	ret[1] = le64(key + 8);
	if (!ret[0] && !ret[1])
		ret[0] = 1; /* both words 0 mean: none */
	OPENSSL_cleanse(key, sizeof(key));
	return 0;
}

/* Not of a secret: it may be another one on each node while keys change. */
int pb_table_key(const struct pb_secret *s, const char *cluster, uint8_t ret[16])
{
	char text[sizeof(TABLE_LABEL) + 64];

	snprintf(text, sizeof(text), TABLE_LABEL " %.63s", cluster);
	return hmac(s, (const uint8_t *)text, strlen(text), ret);
}

int pb_ring_find(const struct pb_secret *keys, unsigned n, const char *id)
{
	char own[PB_KEY_ID_LEN];

	for (unsigned i = 0; i < n; i++) {
		pb_secret_id(&keys[i], own);
		if (!strcmp(own, id))
			return (int)i;
	}
	return -ENOENT;
}

int pb_ring_add(struct pb_secret *keys, unsigned *n, const struct pb_secret *s)
{
	unsigned at = *n ? 1 : 0;

	for (unsigned i = 0; i < *n; i++)
		if (keys[i].len == s->len && !CRYPTO_memcmp(keys[i].bytes, s->bytes, s->len))
			return 0;
	if (*n == PB_CLUSTER_KEYS)
		return -ENOSPC;
	memmove(&keys[at + 1], &keys[at], (*n - at) * sizeof(*keys));
	keys[at] = *s;
	(*n)++;
	return 0;
}

void pb_ring_use(struct pb_secret *keys, unsigned n, unsigned at)
{
	struct pb_secret s;

	if (at >= n)
		return;
	s = keys[at];
	memmove(&keys[1], &keys[0], at * sizeof(*keys));
	keys[0] = s;
	OPENSSL_cleanse(&s, sizeof(s));
}

void pb_ring_remove(struct pb_secret *keys, unsigned *n, unsigned at)
{
	if (at >= *n)
		return;
	memmove(&keys[at], &keys[at + 1], (*n - at - 1) * sizeof(*keys));
	(*n)--;
	OPENSSL_cleanse(&keys[*n], sizeof(keys[*n]));
}
