/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The pool of gossip, and the table's messages by it. */
#include <openssl/crypto.h>

#include <patchbay/addr.h>

#include "cluster_internal.h"

struct swim_addr pb_cluster_swim_addr(const struct pb_addr *ip, uint16_t port)
{
	struct gsp_addr a = { .len = 16 };

	memcpy(a.ip, ip, 16);
	return swim_addr(&a, port); /* a mapped one becomes IPv4 */
}

bool pb_cluster_pb_addr(const struct swim_addr *a, struct pb_addr *ret)
{
	uint32_t v4;

	if (a->ip.len == 4) {
		memcpy(&v4, a->ip.ip, 4);
		*ret = pb_addr_v4(v4);
		return true;
	}
	if (a->ip.len != 16)
		return false;
	memcpy(ret, a->ip.ip, 16);
	return true;
}

/* ---- messages ------------------------------------------------------------ */

static void on_record(void *arg, const struct swim_addr *from, struct gsp_bytes record)
{
	struct pb_cluster *c = arg;

	if (!c->table || pb_cluster_heard_in(c, from, record))
		return;
	tbl_delta_in(c->table, record.p, record.n, pb_cluster_ms());
	pb_cluster_schedule(c);
}

static size_t on_digest(void *arg, uint8_t *buf, size_t cap)
{
	struct pb_cluster *c = arg;

	return c->table ? tbl_digest_out(c->table, buf, cap) : 0;
}

static void on_merge(void *arg, const struct swim_addr *from, struct gsp_bytes digest)
{
	struct pb_cluster *c = arg;
	const struct pb_member_node *m = pb_cluster_member_at(c, from);

	if (!c->table || !m)
		return;
	tbl_digest_in(c->table, &m->id, digest.p, digest.n, pb_cluster_ms());
	pb_cluster_schedule(c);
}

static size_t on_hash(void *arg, uint8_t *buf, size_t cap)
{
	struct pb_cluster *c = arg;

	return c->table ? tbl_hash(c->table, buf, cap) : 0;
}

static void on_hash_seen(void *arg, const struct swim_member *member, struct gsp_bytes hash)
{
	struct pb_cluster *c = arg;
	const struct pb_member_node *m;
	struct swim_view v;

	if (!c->table || !c->pool)
		return;
	swim_view(gsp_pool_swim(c->pool), member, &v);
	m = pb_cluster_member_at(c, &v.addr);
	if (!m)
		return;
	tbl_hash_seen(c->table, &m->id, hash.p, hash.n, pb_cluster_ms());
	pb_cluster_schedule(c);
}

static int on_answer(void *arg, const struct swim_addr *from, struct gsp_bytes request,
		     uint8_t **ret, size_t *ret_n)
{
	struct pb_cluster *c = arg;
	const struct pb_member_node *m = NULL;
	int err;

	if (!c->table)
		return -ESHUTDOWN;
	for (size_t i = 0; i < c->n_member && !m; i++) {
		const struct pb_member_node *o = &c->member[i];

		if (o->has_id && !o->refused && o->addr.ip.len == from->ip.len &&
		    !memcmp(o->addr.ip.ip, from->ip.ip, from->ip.len))
			m = o; /* the port of a connection says nothing */
	}
	err = tbl_request_in(c->table, m ? &m->id : NULL, request.p, request.n, ret, ret_n,
			     pb_cluster_ms());
	pb_cluster_schedule(c);
	return err;
}

static void on_keys(void *arg)
{
	struct pb_cluster *c = arg;
	struct gsp_pool_key keys[GSP_KEYS_MAX];
	struct pb_secret to[GSP_KEYS_MAX] = { 0 };
	unsigned n = c->pool ? gsp_pool_keys(c->pool, keys) : 0;

	for (unsigned i = 0; i < n; i++) {
		to[i].len = keys[i].len;
		memcpy(to[i].bytes, keys[i].bytes, sizeof(keys[i].bytes));
	}
	pb_ring_take(c->file.keys, &c->file.n_keys, to, n, time(NULL));
	OPENSSL_cleanse(to, sizeof(to));
	c->file_stale = true;
	if (c->view) {
		pb_view_rekey(c->view);
		pb_cluster_apply_soon(c);
	}
	OPENSSL_cleanse(keys, sizeof(keys));
}

static void on_refused(void *arg, const struct swim_addr *from, int err)
{
	struct pb_cluster *c = arg;
	struct pb_addr ip = { 0 };
	char text[64];

	if (err == -EPROTO)
		return; /* opened and closed without a word: somebody looked whether the port answers */
	c->refused++;
	pb_cluster_pb_addr(from, &ip);
	pb_cluster_warn(c, "%s is refused: %s", pb_addr_format(&ip, text, sizeof(text)),
			err == -EPERM	       ? "it belongs to another cluster"
			: err == -EKEYREJECTED ? "it has none of our keys"
					       : strerror(-err));
}

static const struct gsp_pool_ops pool_ops = {
	.event = pb_cluster_on_event,
	.record = on_record,
	.digest = on_digest,
	.merge = on_merge,
	.hash = on_hash,
	.hash_seen = on_hash_seen,
	.answer = on_answer,
	.keys_changed = on_keys,
	.refused = on_refused,
};

/* ---- open and close ------------------------------------------------------ */

static void pool_conf(struct pb_cluster *c, struct gsp_pool_conf *p, char id[PB_NODE_ID_TEXT],
		      struct gsp_pool_tag tags[1])
{
	static const enum swim_profile profiles[] = { SWIM_LAN, SWIM_WAN, SWIM_FAST };
	const struct pb_config_cluster *conf = &c->agent->conf->cluster;

	gsp_pool_conf_default(p);
	p->loop = &c->agent->loop;
	p->name = c->file.node;
	p->bind = pb_cluster_swim_addr(&c->file.address[0], c->file.port);
	p->serf = conf->pool == PB_POOL_SERF;
	p->serf_keys = p->serf && conf->serf_keys;
	p->label = p->serf ? NULL : c->file.cluster;
	p->insecure = !c->file.n_keys;
	for (unsigned i = 0; i < c->file.n_keys; i++) {
		p->keys[i].len = c->file.keys[i].len;
		memcpy(p->keys[i].bytes, c->file.keys[i].bytes, sizeof(p->keys[i].bytes));
	}
	p->n_keys = c->file.n_keys;
	p->profile = profiles[conf->profile];
	p->ops = &pool_ops;
	p->arg = c;
	pb_hex_write(c->file.id, sizeof(c->file.id), id);
	tags[0] = (struct gsp_pool_tag){ TAG_ID, id };
	p->tags = tags;
	p->n_tags = 1;
}

static void seed_all(struct pb_cluster *c)
{
	for (unsigned i = 0; i < c->file.n_seeds; i++) {
		struct swim_addr a =
			pb_cluster_swim_addr(&c->file.seeds[i].ip, c->file.seeds[i].port);
		struct swim_addr self = gsp_pool_addr(c->pool);

		if (!swim_addr_eq(&a, &self))
			gsp_pool_seed(c->pool, &a);
	}
	for (unsigned i = 0; i < c->file.n_known; i++) {
		struct swim_addr a =
			pb_cluster_swim_addr(&c->file.known[i].addr.ip, c->file.known[i].addr.port);

		gsp_pool_seed(c->pool, &a);
	}
}

static void first_look(struct pb_cluster *c)
{
	const struct swim *s = gsp_pool_swim(c->pool);
	struct swim_view v;

	for (unsigned i = 0; i < swim_count(s); i++) {
		swim_view(s, swim_at(s, i), &v);
		pb_cluster_update_member(c, &v);
	}
}

int pb_cluster_open(struct pb_cluster *c, char err[PB_ERR_LEN])
{
	struct gsp_pool_conf p;
	struct gsp_pool_tag tags[1];
	char id[PB_NODE_ID_TEXT], text[64];
	int e;

	if (c->pool)
		return 0;
	e = pb_cluster_sign_open(c, err);
	if (e)
		return e;
	pool_conf(c, &p, id, tags);
	e = gsp_pool_start(&c->pool, &p);
	OPENSSL_cleanse(p.keys, sizeof(p.keys));
	if (e) {
		c->pool = NULL;
		return pb_fail(err, e, "the sockets of the cluster cannot be opened at %s: %s",
			       pb_addr_port_format(&c->file.address[0], htons(c->file.port), text,
						   sizeof(text)),
			       strerror(-e));
	}
	e = pb_cluster_table_new(c);
	if (e) {
		gsp_pool_free(TAKE_PTR(c->pool));
		return pb_fail(err, e, "the table of the cluster cannot be made: %s", strerror(-e));
	}
	first_look(c);
	seed_all(c);
	log_info("node %s of cluster %s, at %s%s", c->file.node, c->file.cluster,
		 pb_addr_port_format(&c->file.address[0], htons(c->file.port), text, sizeof(text)),
		 c->file.n_keys ? "" : ", NOT encrypted");
	return 0;
}

void pb_cluster_close(struct pb_cluster *c)
{
	pb_cluster_heard_end(c);
	/* what comes from inside of it finds neither */
	gsp_pool_free(TAKE_PTR(c->pool));
	tbl_free(TAKE_PTR(c->table));
	free(TAKE_PTR(c->member));
	c->n_member = c->room_member = 0;
	c->said = false;
	pb_cluster_announced_free(c);
}
