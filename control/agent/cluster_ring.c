/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `keys`: the ring of this node.  It never travels: whoever rotates installs the new key everywhere,
 * then uses it everywhere, then removes the old one. */
#include <openssl/crypto.h>

#include "cluster_internal.h"

static int need(const struct pb_cluster *c, char err[PB_ERR_LEN])
{
	if (!c->on || !c->pool)
		return pb_fail(err, -ENOENT, "this node is in no cluster");
	return c->file.n_keys ? 0 : pb_fail(err, -EOPNOTSUPP, "the cluster has no key: insecure");
}

/* The pool's name of a key; ours is its beginning. */
static void pool_id(const struct pb_secret *s, char ret[GSP_KEY_ID_LEN + 1])
{
	gsp_key_id(s->bytes, s->len, ret);
}

static int changed(struct pb_cluster *c, char err[PB_ERR_LEN])
{
	int e = pb_cluster_save(c);

	pb_view_rekey(c->view);
	pb_cluster_apply(c);
	return e ? pb_fail(err, e, "the key is in use, but cannot be written to disk: %s",
			   strerror(-e))
		 : 0;
}

int pb_cluster_key_install(struct pb_agent *a, const char *key, char ret_id[PB_KEY_ID_LEN],
			   char err[PB_ERR_LEN])
{
	struct pb_cluster *c = a->cluster;
	struct pb_secret s;
	int e = need(c, err);

	if (e)
		return e;
	if (pb_secret_parse(key, &s))
		return pb_fail(err, -EINVAL, "a key is 16, 24 or 32 bytes in base64: 'keys gen'");
	pb_secret_id(&s, ret_id);
	e = pb_ring_add(c->file.keys, &c->file.n_keys, &s);
	if (!e)
		e = gsp_pool_key_install(c->pool, s.bytes, s.len);
	OPENSSL_cleanse(&s, sizeof(s));
	if (e == -ENOSPC)
		return pb_fail(err, e, "there are %d keys already: remove one", PB_CLUSTER_KEYS);
	return e ? pb_fail(err, e, "the key cannot be installed: %s", strerror(-e))
		 : changed(c, err);
}

static int find(struct pb_cluster *c, const char *id, char err[PB_ERR_LEN])
{
	int at = pb_ring_find(c->file.keys, c->file.n_keys, id);

	return at < 0 ? pb_fail(err, -ENOENT, "there is no key %.16s here", id) : at;
}

int pb_cluster_key_use(struct pb_agent *a, const char *id, bool force, char err[PB_ERR_LEN])
{
	struct pb_cluster *c = a->cluster;
	struct gsp_bytes name = { 0 };
	char full[GSP_KEY_ID_LEN + 1];
	int e = need(c, err), at;

	if (e)
		return e;
	at = find(c, id, err);
	if (at < 0)
		return at;
	pool_id(&c->file.keys[at], full);
	if (!force && gsp_pool_key_missing(c->pool, full, &name))
		return pb_fail(err, -EBUSY,
			       "node '%.*s' does not have the key %s: it would be cut off; install "
			       "it there first",
			       (int)name.n, (const char *)name.p, id);
	e = gsp_pool_key_use(c->pool, full);
	if (e)
		return pb_fail(err, e, "the key cannot be used: %s", strerror(-e));
	pb_ring_use(c->file.keys, c->file.n_keys, (unsigned)at);
	return changed(c, err);
}

int pb_cluster_key_remove(struct pb_agent *a, const char *id, char err[PB_ERR_LEN])
{
	struct pb_cluster *c = a->cluster;
	char full[GSP_KEY_ID_LEN + 1];
	int e = need(c, err), at;

	if (e)
		return e;
	at = find(c, id, err);
	if (at < 0)
		return at;
	if (!at)
		return pb_fail(err, -EBUSY, "key %s is in use: use another one first", id);
	pool_id(&c->file.keys[at], full);
	e = gsp_pool_key_remove(c->pool, full);
	if (e && e != -ENOENT)
		return pb_fail(err, e, "the key cannot be removed: %s", strerror(-e));
	pb_ring_remove(c->file.keys, &c->file.n_keys, (unsigned)at);
	return changed(c, err);
}

int pb_cluster_keys(struct pb_agent *a, struct pb_cluster_key ret[PB_CLUSTER_KEYS])
{
	struct pb_cluster *c = a->cluster;

	if (!c->on)
		return -ENOENT;
	for (unsigned i = 0; i < c->file.n_keys; i++) {
		struct pb_cluster_key k = { .primary = !i, .members = 1, .alive = 1 };

		pb_secret_id(&c->file.keys[i], k.id);
		for (size_t m = 0; m < c->n_member; m++) {
			if (!c->member[m].has_id || (c->member[m].state != PB_NODE_ALIVE &&
						     c->member[m].state != PB_NODE_SUSPECT))
				continue;
			k.alive++;
			k.members += strstr(c->member[m].keys, k.id) != NULL;
		}
		ret[i] = k;
	}
	return (int)c->file.n_keys;
}
