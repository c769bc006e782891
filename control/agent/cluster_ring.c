/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `keys`: the ring of this node.  It never travels (docs/decisions/0019-keys.md): whoever rotates
 * installs the new key everywhere, by hand or by key-file, then it is used, then the old one goes. */
#include <openssl/crypto.h>

#include "cluster_internal.h"

#define COUNT_SAVE 4096 /* messages that a crash may leave uncounted */

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

/* ---- changes -------------------------------------------------------------- */

int pb_cluster_ring_add(struct pb_cluster *c, const struct pb_secret *s, char err[PB_ERR_LEN])
{
	int e = pb_ring_add(c->file.keys, &c->file.n_keys, s);

	if (!e)
		e = gsp_pool_key_install(c->pool, s->bytes, s->len);
	if (e == -ENOSPC)
		return pb_fail(err, e, "there are %d keys already: remove one", PB_CLUSTER_KEYS);
	return e ? pb_fail(err, e, "the key cannot be installed: %s", strerror(-e))
		 : changed(c, err);
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
	e = pb_cluster_ring_add(c, &s, err);
	OPENSSL_cleanse(&s, sizeof(s));
	return e;
}

static int find(struct pb_cluster *c, const char *id, char err[PB_ERR_LEN])
{
	int at = pb_ring_find(c->file.keys, c->file.n_keys, id);

	return at < 0 ? pb_fail(err, -ENOENT, "there is no key %.16s here", id) : at;
}

static bool counts(const struct pb_member_node *m)
{
	return m->has_id && (m->state == PB_NODE_ALIVE || m->state == PB_NODE_SUSPECT);
}

unsigned pb_cluster_ring_missing(struct pb_cluster *c, const char *id, char *ret, size_t cap)
{
	unsigned n = 0;
	size_t at = 0;

	*ret = '\0';
	for (size_t i = 0; i < c->n_member; i++) {
		const struct pb_member_node *m = &c->member[i];

		if (!counts(m) || strstr(m->keys, id))
			continue;
		if (at + sizeof(m->name) + 8 < cap)
			at += (size_t)snprintf(ret + at, cap - at, "%s%s", n ? "," : "", m->name);
		else if (at + 4 < cap)
			at += (size_t)snprintf(ret + at, cap - at, "...");
		n++;
	}
	return n;
}

int pb_cluster_ring_use(struct pb_cluster *c, const char *id, bool force, char err[PB_ERR_LEN])
{
	char full[GSP_KEY_ID_LEN + 1], names[160];
	int at = find(c, id, err), e;
	bool lacks;

	if (at < 0)
		return at;
	lacks = pb_cluster_ring_missing(c, id, names, sizeof(names));
	/* a pool of Serf's tells nobody which keys it has */
	if (lacks && !force && c->agent->conf->cluster.pool != PB_POOL_SERF)
		return pb_fail(err, -EBUSY,
			       "the key %s is missing on %s, which would be cut off: install it "
			       "there first",
			       id, names);
	pool_id(&c->file.keys[at], full);
	e = gsp_pool_key_use(c->pool, full);
	if (e)
		return pb_fail(err, e, "the key cannot be used: %s", strerror(-e));
	pb_ring_use(c->file.keys, c->file.n_keys, (unsigned)at, time(NULL));
	return changed(c, err);
}

int pb_cluster_key_use(struct pb_agent *a, const char *id, bool force, char err[PB_ERR_LEN])
{
	int e = need(a->cluster, err);

	return e ? e : pb_cluster_ring_use(a->cluster, id, force, err);
}

static int drop(struct pb_cluster *c, unsigned at, char err[PB_ERR_LEN])
{
	char full[GSP_KEY_ID_LEN + 1];
	int e;

	pool_id(&c->file.keys[at], full);
	e = gsp_pool_key_remove(c->pool, full);
	if (e && e != -ENOENT)
		return pb_fail(err, e, "the key cannot be removed: %s", strerror(-e));
	pb_ring_remove(c->file.keys, &c->file.n_keys, at);
	return changed(c, err);
}

int pb_cluster_key_remove(struct pb_agent *a, const char *id, char err[PB_ERR_LEN])
{
	struct pb_cluster *c = a->cluster;
	int e = need(c, err), at;

	if (e)
		return e;
	at = find(c, id, err);
	if (at < 0)
		return at;
	if (!at)
		return pb_fail(err, -EBUSY, "key %s is in use: use another one first", id);
	return drop(c, (unsigned)at, err);
}

/* ---- time ----------------------------------------------------------------- */

static unsigned alive(const struct pb_cluster *c)
{
	unsigned n = 1;

	for (size_t i = 0; i < c->n_member; i++)
		n += counts(&c->member[i]);
	return n;
}

/* Does anybody still encrypt with it? */
static bool used_elsewhere(const struct pb_cluster *c, const char *id)
{
	for (size_t i = 0; i < c->n_member; i++)
		if (counts(&c->member[i]) && !strncmp(c->member[i].keys, id, strlen(id)))
			return true;
	return false;
}

static void drop_old(struct pb_cluster *c)
{
	int64_t now = time(NULL);
	char id[PB_KEY_ID_LEN], err[PB_ERR_LEN];

	for (unsigned i = c->file.n_keys; i-- > 1;) {
		pb_secret_id(&c->file.keys[i], id);
		if (!c->file.keys[i].until_s || c->file.keys[i].until_s > now ||
		    used_elsewhere(c, id))
			continue;
		if (drop(c, i, err))
			pb_cluster_warn(c, "key %s: %s", id, err);
		else
			log_info("key %s was kept long enough after it was in use: dropped", id);
	}
}

static void count(struct pb_cluster *c)
{
	for (unsigned i = 0; i < c->file.n_keys; i++) {
		struct pb_secret *s = &c->file.keys[i];
		uint64_t n = gsp_pool_key_sealed(c->pool, s->bytes, s->len);

		s->sealed += n;
		c->worn_at += (unsigned)n;
	}
	if (c->worn_at < COUNT_SAVE)
		return;
	c->worn_at = 0;
	c->file_stale = true;
}

void pb_cluster_ring_look(struct pb_cluster *c)
{
	bool worn;

	if (!c->pool || !c->file.n_keys)
		return;
	count(c);
	drop_old(c);
	worn = pb_key_messages(c->file.keys[0].sealed, alive(c)) >= PB_KEY_WORN;
	if (worn && !c->worn)
		pb_cluster_tell(c, PB_R_KEY_WORN, c->file.node, NULL);
	c->worn = worn;
	pb_agent_warn(c->agent, PB_W_KEY_WORN, worn);
}

/* ---- to read -------------------------------------------------------------- */

int pb_cluster_keys(struct pb_agent *a, struct pb_cluster_key ret[PB_CLUSTER_KEYS])
{
	struct pb_cluster *c = a->cluster;
	unsigned all = c->on ? alive(c) : 0;

	if (!c->on)
		return -ENOENT;
	for (unsigned i = 0; i < c->file.n_keys; i++) {
		const struct pb_secret *s = &c->file.keys[i];
		struct pb_cluster_key k = { .primary = !i, .alive = all };

		pb_secret_id(s, k.id);
		k.members = all - pb_cluster_ring_missing(c, k.id, k.missing, sizeof(k.missing));
		k.until_s = s->until_s;
		k.messages = pb_key_messages(s->sealed, all);
		ret[i] = k;
	}
	return (int)c->file.n_keys;
}
