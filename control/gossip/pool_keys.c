// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Keys at run time, the tags of this node, and what `serf keys` asks. */
#include "pool_internal.h"

#define SHORT_ID 8 /* digits of an id in the tag */
#define TAG_KEYS "keys"
#define TAG_OURS "patchbay"

/* ---- tags ------------------------------------------------------------------------------------ */

void pool_tags_free(struct gsp_pool *p)
{
	for (unsigned i = 0; i < p->n_tags; i++) {
		free((char *)p->tags[i].key);
		free((char *)p->tags[i].value);
	}
	free(p->tags);
	p->tags = NULL;
	p->n_tags = 0;
}

int pool_tags_copy(struct gsp_pool *p, const struct gsp_pool_tag *tags, unsigned n)
{
	if (n > GSP_POOL_TAGS_MAX)
		return -E2BIG;
	p->tags = calloc(n + 1, sizeof(*p->tags));
	if (!p->tags)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		p->tags[i].key = strdup(tags[i].key);
		p->tags[i].value = strdup(tags[i].value);
		p->n_tags = i + 1;
		if (!p->tags[i].key || !p->tags[i].value)
			return -ENOMEM;
	}
	return 0;
}

static int add_tag(struct gsp_list *l, const char *key, const char *value)
{
	const struct gsp_serf_tag tag = { GSP_TEXT(key), GSP_TEXT(value) };

	return gsp_list_add_tag(l, &tag);
}

static int add_keys_tag(const struct gsp_pool *p, struct gsp_list *l)
{
	char text[GSP_KEYS_MAX * (SHORT_ID + 1) + GSP_KEY_ID_LEN], *at = text;

	if (p->conf.serf || !p->layers.keys.n)
		return 0;
	for (unsigned i = 0; i < p->layers.keys.n; i++) {
		const struct gsp_key *k = &p->layers.keys.keys[i];

		if (i)
			*at++ = ',';
		gsp_key_id(k->bytes, k->len, at);
		at += SHORT_ID;
	}
	*at = 0;
	return add_tag(l, TAG_KEYS, text);
}

int pool_meta(const struct gsp_pool *p, uint8_t meta[GSP_META_MAX])
{
	uint8_t buf[GSP_META_MAX];
	struct gsp_list l = GSP_LIST(buf, sizeof(buf));
	bool ours = false;
	int err = 0, n;

	for (unsigned i = 0; i < p->n_tags && !err; i++) {
		if (!strcmp(p->tags[i].key, TAG_KEYS) && !p->conf.serf)
			continue;
		ours = ours || !strcmp(p->tags[i].key, TAG_OURS);
		err = add_tag(&l, p->tags[i].key, p->tags[i].value);
	}
	if (!err && !ours)
		err = add_tag(&l, TAG_OURS, "1");
	err = err ? err : add_keys_tag(p, &l);
	n = err ? err : gsp_serf_tags_encode(&l, meta, GSP_META_MAX);
	return n == -ENOBUFS || n == -EINVAL ? -E2BIG : n;
}

int gsp_pool_set_tags(struct gsp_pool *p, const struct gsp_pool_tag *tags, unsigned n)
{
	struct gsp_pool_tag *old = p->tags;
	unsigned old_n = p->n_tags;
	uint8_t meta[GSP_META_MAX];
	int err, len = 0;

	if (p->gone)
		return -ESHUTDOWN;
	p->tags = NULL;
	p->n_tags = 0;
	err = pool_tags_copy(p, tags, n);
	len = err ? err : pool_meta(p, meta);
	if (len >= 0)
		len = swim_set_meta(p->swim, pool_ms(), (struct gsp_bytes){ meta, (uint32_t)len });
	if (len < 0) {
		pool_tags_free(p);
		p->tags = old;
		p->n_tags = old_n;
		return len;
	}
	for (unsigned i = 0; i < old_n; i++) {
		free((char *)old[i].key);
		free((char *)old[i].value);
	}
	free(old);
	pool_after(p);
	return 0;
}

/* ---- keys ------------------------------------------------------------------------------------ */

static int changed(struct gsp_pool *p, int err)
{
	if (!err)
		p->retag = true;
	return err;
}

int gsp_pool_key_install(struct gsp_pool *p, const uint8_t *key, size_t len)
{
	int err = p->layers.keys.n ? gsp_keyring_add(&p->layers.keys, key, len) : -EOPNOTSUPP;

	changed(p, err);
	pool_after(p);
	return err;
}

static int with_id(struct gsp_pool *p, const char *id,
		   int (*act)(struct gsp_keyring *k, const uint8_t *key, size_t len))
{
	const struct gsp_key *k = gsp_keyring_by_id(&p->layers.keys, id);
	struct gsp_pool_key copy = { .len = k ? k->len : 0 };
	int err;

	if (!p->layers.keys.n)
		return -EOPNOTSUPP;
	if (!k)
		return -ENOENT;
	memcpy(copy.bytes, k->bytes, k->len); /* k moves */
	err = changed(p, act(&p->layers.keys, copy.bytes, copy.len));
	explicit_bzero(&copy, sizeof(copy));
	pool_after(p);
	return err;
}

int gsp_pool_key_use(struct gsp_pool *p, const char *id)
{
	return with_id(p, id, gsp_keyring_use);
}

int gsp_pool_key_remove(struct gsp_pool *p, const char *id)
{
	return with_id(p, id, gsp_keyring_remove);
}

unsigned gsp_pool_key_ids(const struct gsp_pool *p, char ids[GSP_KEYS_MAX][GSP_KEY_ID_LEN + 1])
{
	const struct gsp_keyring *k = &p->layers.keys;

	for (unsigned i = 0; i < k->n; i++)
		gsp_key_id(k->keys[i].bytes, k->keys[i].len, ids[i]);
	return k->n;
}

unsigned gsp_pool_keys(const struct gsp_pool *p, struct gsp_pool_key keys[GSP_KEYS_MAX])
{
	const struct gsp_keyring *k = &p->layers.keys;

	for (unsigned i = 0; i < k->n; i++) {
		keys[i].len = k->keys[i].len;
		memcpy(keys[i].bytes, k->keys[i].bytes, sizeof(keys[i].bytes));
	}
	return k->n;
}

uint64_t gsp_pool_key_sealed(struct gsp_pool *p, const uint8_t *key, size_t len)
{
	return gsp_keyring_take_sealed(&p->layers.keys, key, len);
}

/* Whether the tag's list of ids has this one. */
static bool names_key(struct gsp_bytes list, const char *id)
{
	for (uint32_t at = 0; at + SHORT_ID <= list.n; at += SHORT_ID + 1) {
		if (!memcmp(list.p + at, id, SHORT_ID))
			return true;
	}
	return false;
}

static bool member_has(const struct swim_view *v, const char *id)
{
	struct gsp_serf_tag tag;
	struct gsp_list tags;

	if (!v->meta.n || gsp_serf_tags_decode(&tags, v->meta.p, v->meta.n) < 0)
		return false;
	while (gsp_list_take_tag(&tags, &tag)) {
		if (gsp_bytes_eq(tag.key, GSP_TEXT(TAG_KEYS)))
			return names_key(tag.value, id);
	}
	return false;
}

unsigned gsp_pool_key_missing(const struct gsp_pool *p, const char *id, struct gsp_bytes *ret_name)
{
	unsigned n = 0;

	if (strlen(id) < SHORT_ID)
		return swim_count(p->swim);
	for (unsigned i = 0; i < swim_count(p->swim); i++) {
		struct swim_view v;

		swim_view(p->swim, swim_at(p->swim, i), &v);
		if (v.self || !v.ours || v.leaving || v.state > GSP_STATE_SUSPECT ||
		    member_has(&v, id))
			continue;
		n++;
		if (ret_name)
			*ret_name = v.name;
	}
	return n;
}

/* ---- Serf's queries -------------------------------------------------------------------------- */

static void base64(const uint8_t *p, size_t n, char *to)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < n ? p[i + 1] << 8 : 0) |
			     (i + 2 < n ? p[i + 2] : 0);

		*to++ = digit[v >> 18];
		*to++ = digit[v >> 12 & 63];
		*to++ = i + 1 < n ? digit[v >> 6 & 63] : '=';
		*to++ = i + 2 < n ? digit[v & 63] : '=';
	}
	*to = 0;
}

#define BASE64_CAP (GSP_KEY_LEN_MAX / 3 * 4 + 8)

static int list_keys(const struct gsp_keyring *k, struct gsp_serf_keys *r, uint8_t *buf, size_t cap)
{
	uint8_t keys[GSP_KEYS_MAX * (BASE64_CAP + 4)];
	char text[GSP_KEYS_MAX][BASE64_CAP];
	int n;

	r->keys = GSP_LIST(keys, sizeof(keys));
	r->result = true;
	for (unsigned i = 0; i < k->n; i++) {
		base64(k->keys[i].bytes, k->keys[i].len, text[i]);
		gsp_list_add_bytes(&r->keys, GSP_TEXT(text[i]));
	}
	if (k->n)
		r->primary_key = GSP_TEXT(text[0]);
	n = gsp_serf_keys_encode(r, buf, cap);
	explicit_bzero(keys, sizeof(keys));
	explicit_bzero(text, sizeof(text));
	return n;
}

static int change_key(struct gsp_keyring *k, struct gsp_bytes name, struct gsp_bytes key)
{
	if (!k->n)
		return -EOPNOTSUPP;
	if (gsp_bytes_eq(name, GSP_TEXT("_serf_install-key")))
		return gsp_keyring_add(k, key.p, key.n);
	if (gsp_bytes_eq(name, GSP_TEXT("_serf_use-key")))
		return gsp_keyring_use(k, key.p, key.n);
	if (gsp_bytes_eq(name, GSP_TEXT("_serf_remove-key")))
		return gsp_keyring_remove(k, key.p, key.n);
	return -EINVAL;
}

int pool_serf_keys(void *arg, struct gsp_bytes name, struct gsp_bytes payload, uint8_t *buf,
		   size_t cap)
{
	struct gsp_pool *p = arg;
	struct gsp_serf_keys r = { 0 };
	struct gsp_serf_key k;
	int err;

	if (gsp_bytes_eq(name, GSP_TEXT("_serf_list-keys")) && p->layers.keys.n)
		return list_keys(&p->layers.keys, &r, buf, cap);
	err = gsp_serf_key_decode(&k, payload.p, payload.n);
	err = err < 0 ? err : change_key(&p->layers.keys, name, k.key);
	if (!err) {
		p->retag = true;
		if (p->ops.keys_changed)
			p->ops.keys_changed(p->conf.arg);
	}
	r.result = !err;
	if (err)
		r.message = GSP_TEXT(strerror(-err));
	return gsp_serf_keys_encode(&r, buf, cap);
}
