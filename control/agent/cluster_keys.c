/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Secrets of a cluster, and the keys that are made from them. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "../gossip/pool.h"
#include "../util.h"
#include "cluster_json.h"

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
			return keys[i].until_s = 0; /* it is wanted again */
	if (*n == PB_CLUSTER_KEYS)
		return -ENOSPC;
	memmove(&keys[at + 1], &keys[at], (*n - at) * sizeof(*keys));
	keys[at] = *s;
	(*n)++;
	return 0;
}

void pb_ring_use(struct pb_secret *keys, unsigned n, unsigned at, int64_t now_s)
{
	struct pb_secret s;

	if (at >= n)
		return;
	keys[at].until_s = 0;
	if (!at)
		return;
	keys[0].until_s = now_s + PB_KEY_KEEP_S;
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

void pb_ring_take(struct pb_secret *keys, unsigned *n, const struct pb_secret *to, unsigned to_n,
		  int64_t now_s)
{
	struct pb_secret next[PB_CLUSTER_KEYS] = { 0 }, first = keys[0];
	unsigned had = *n;

	*n = to_n < PB_CLUSTER_KEYS ? to_n : PB_CLUSTER_KEYS;
	for (unsigned i = 0; i < *n; i++) {
		next[i] = to[i];
		for (unsigned k = 0; k < had; k++)
			if (keys[k].len == to[i].len &&
			    !CRYPTO_memcmp(keys[k].bytes, to[i].bytes, to[i].len))
				next[i] = keys[k];
		if (!i)
			next[i].until_s = 0;
		else if (had && next[i].len == first.len &&
			 !CRYPTO_memcmp(next[i].bytes, first.bytes, first.len))
			next[i].until_s = now_s + PB_KEY_KEEP_S;
	}
	memcpy(keys, next, *n * sizeof(*keys));
	OPENSSL_cleanse(next, sizeof(next));
	OPENSSL_cleanse(&first, sizeof(first));
}

/* A nonce is random: what counts is how many all of them made, and each knows its own. */
uint64_t pb_key_messages(uint64_t sealed, unsigned nodes)
{
	uint64_t all;

	return __builtin_mul_overflow(sealed, nodes ? nodes : 1, &all) ? UINT64_MAX : all;
}

/* ---- on disk -------------------------------------------------------------- */

json_t *cj_ages_json(const struct pb_secret *keys, unsigned n)
{
	json_t *o = json_object();
	char id[PB_KEY_ID_LEN];

	for (unsigned i = 0; i < n; i++) {
		pb_secret_id(&keys[i], id);
		json_object_set_new(o, id,
				    json_pack("{s:I, s:I}", "until", (json_int_t)keys[i].until_s,
					      "messages", (json_int_t)keys[i].sealed));
	}
	return o;
}

/* By id: whoever edits the file by hand may move keys. */
int cj_ages(const json_t *o, struct pb_secret *keys, unsigned n)
{
	char id[PB_KEY_ID_LEN];

	for (unsigned i = 0; i < n; i++) {
		json_int_t until, messages;
		const json_t *k;

		pb_secret_id(&keys[i], id);
		k = json_object_get(o, id);
		until = json_integer_value(json_object_get(k, "until"));
		messages = json_integer_value(json_object_get(k, "messages"));
		if (until < 0 || messages < 0)
			return -EINVAL;
		keys[i].until_s = i ? until : 0;
		keys[i].sealed = (uint64_t)messages;
	}
	return 0;
}
