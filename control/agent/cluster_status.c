/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How it stands, for people. */
#include <limits.h>
#include <net/if.h>

#include "cluster_internal.h"

const char *pb_cluster_state_name(enum pb_cluster_state s)
{
	static const char *const names[] = { "alone", "joining", "on", "leaving" };

	return s < ARRAY_SIZE(names) ? names[s] : "?";
}

const char *pb_node_state_name(enum pb_node_state s)
{
	static const char *const names[] = {
		"self", "alive", "suspect", "dead", "left", "foreign"
	};

	return s < ARRAY_SIZE(names) ? names[s] : "?";
}

/* Whose agent is down, and whose host is not, may come back at any moment. */
static enum pb_node_state shown(const struct pb_member_node *m)
{
	return m->held ? PB_NODE_SUSPECT : m->state;
}

static void count_members(struct pb_cluster *c, struct pb_cluster_status *s)
{
	s->alive = 1;
	for (size_t i = 0; i < c->n_member; i++) {
		s->alive += shown(&c->member[i]) == PB_NODE_ALIVE;
		s->suspect += shown(&c->member[i]) == PB_NODE_SUSPECT;
		s->dead += shown(&c->member[i]) == PB_NODE_DEAD;
	}
}

static void name_devices(struct pb_cluster *c, struct pb_cluster_status *s)
{
	char name[IF_NAMESIZE];
	size_t at = 0;

	for (unsigned i = 0; c->attached && i < c->n_device; i++) {
		if (!if_indextoname(c->device[i], name))
			continue;
		at += (size_t)snprintf(s->devices + at, sizeof(s->devices) - at, "%s%s",
				       at ? "," : "", name);
		if (at >= sizeof(s->devices))
			return;
	}
}

static void fill_frozen(struct pb_cluster *c, struct pb_cluster_status *s)
{
	const char *why = c->table ? tbl_frozen(c->table) : NULL;

	if (c->held)
		why = c->heard ? "what an earlier run knew holds until all nodes were asked"
			       : "what an earlier run knew holds: no other node answers";
	s->frozen = why;
	snprintf(s->frozen_why, sizeof(s->frozen_why), "%s", why ? why : "");
}

static void fill_table(struct pb_cluster *c, struct pb_cluster_status *s)
{
	struct tbl_stats ts = { 0 };
	struct pb_view_stats vs = { 0 };
	struct tbl_owner o;
	struct tbl_id id;

	memcpy(id.b, c->file.id, sizeof(id.b));
	if (c->table) {
		tbl_stats(c->table, &ts);
		if (tbl_owner(c->table, &id, &o)) {
			s->epoch = o.epoch;
			s->version = o.ver;
		}
	}
	if (c->view)
		pb_view_stats(c->view, &vs);
	s->quarantined = ts.quarantined;
	s->remote_apps = vs.apps;
	s->remote_endpoints = vs.endpoints;
	s->applied = vs.changes;
	s->conflicts = (unsigned)c->conflicts + vs.failed;
	s->apps = (unsigned)c->apps.n;
	s->endpoints = (unsigned)c->eps.n;
	fill_frozen(c, s);
}

/* How far the news are. */
static void fill_news(struct pb_cluster *c, struct pb_cluster_status *s)
{
	uint8_t sum[TBL_HASH_LEN] = { 0 };
	struct gsp_pool_stats ps;
	struct swim_stats ss;
	struct tbl_stats ts;

	if (!c->table || !c->pool)
		return;
	tbl_stats(c->table, &ts);
	s->owners = ts.owners;
	s->behind = ts.behind;
	tbl_hash(c->table, sum, sizeof(sum));
	pb_hex_write(sum, 8, s->hash);
	swim_stats(gsp_pool_swim(c->pool), &ss);
	s->backlog = ss.queued_records;
	gsp_pool_stats(c->pool, &ps);
	s->sent_at_once = ps.records_now;
}

void pb_cluster_status(struct pb_agent *a, struct pb_cluster_status *ret)
{
	static const char *const profiles[] = { "lan", "wan", "fast" };
	struct pb_cluster *c = a->cluster;
	struct pb_cluster_status s = { .state = c->state, .refused = c->refused };

	snprintf(s.cluster, sizeof(s.cluster), "%s", pb_cluster_name(a));
	s.profile = profiles[a->conf->cluster.profile];
	s.serf = a->conf->cluster.pool == PB_POOL_SERF;
	s.alive = 1;
	snprintf(s.error, sizeof(s.error), "%s", c->error);
	pb_cluster_sign_status(c, &s);
	if (c->on) {
		snprintf(s.node, sizeof(s.node), "%s", c->file.node);
		pb_hex_write(c->file.id, sizeof(c->file.id), s.id);
		memcpy(s.address, c->file.address, sizeof(s.address));
		s.n_addresses = c->file.n_addresses;
		s.port = c->file.port;
		s.encrypted = c->file.n_keys;
		s.verified = c->attached;
		s.seeds = c->file.n_seeds + c->file.n_known;
		count_members(c, &s);
		name_devices(c, &s);
		fill_table(c, &s);
		fill_news(c, &s);
	} else {
		gethostname(s.node, sizeof(s.node) - 1);
	}
	*ret = s;
}

/* ---- nodes ---------------------------------------------------------------- */

struct count {
	struct pb_node_view *n;
};

static bool count_record(void *arg, const struct tbl_owner *o, const struct tbl_record *r,
			 enum tbl_fate fate)
{
	struct pb_node_view *n = ((struct count *)arg)->n;

	if (fate != TBL_SHOWN && !o->self)
		return true;
	n->apps += r->kind == TBL_APP;
	n->endpoints += r->kind == TBL_ENDPOINT;
	if (r->kind == TBL_NODE) {
		const struct pb_addr *loc[] = { &r->node.loc4, &r->node.loc6 };

		snprintf(n->version, sizeof(n->version), "%s", r->node.version);
		n->n_addresses = 0;
		for (unsigned i = 0; i < 2; i++)
			if (loc[i]->w[0] | loc[i]->w[1] | loc[i]->w[2] | loc[i]->w[3])
				n->address[n->n_addresses++] = *loc[i];
	}
	return true;
}

static void fill_owner(struct pb_cluster *c, const struct tbl_id *id, struct pb_node_view *n)
{
	struct count k = { n };
	struct tbl_owner o;

	pb_hex_write(id->b, sizeof(id->b), n->id);
	n->number = tbl_number(id);
	if (!c->table || !tbl_owner(c->table, id, &o))
		return;
	n->signs = o.signs;
	n->epoch = o.epoch;
	n->ver = o.ver;
	n->behind = o.behind || (!o.self && !o.epoch);
	snprintf(n->quarantine, sizeof(n->quarantine), "%s", o.why ? o.why : "");
	tbl_each(c->table, id, false, count_record, &k);
}

static void fill_self(struct pb_agent *a, struct pb_node_view *n)
{
	struct pb_cluster *c = a->cluster;
	size_t at = 0;
	struct tbl_id id;
	char key[PB_KEY_ID_LEN];

	n->state = PB_NODE_SELF;
	snprintf(n->version, sizeof(n->version), "%s", PB_VERSION);
	n->seen_ns = a->start_ns;
	if (!c->on) {
		gethostname(n->name, sizeof(n->name) - 1);
		return;
	}
	snprintf(n->name, sizeof(n->name), "%s", c->file.node);
	memcpy(n->address, c->file.address, sizeof(n->address));
	n->n_addresses = c->file.n_addresses;
	n->port = c->file.port;
	memcpy(id.b, c->file.id, sizeof(id.b));
	fill_owner(c, &id, n);
	for (unsigned i = 0; i < c->file.n_keys; i++) {
		pb_secret_id(&c->file.keys[i], key);
		at += (size_t)snprintf(n->keys + at, sizeof(n->keys) - at, "%s%s", at ? "," : "",
				       key);
	}
}

static void fill_member(struct pb_cluster *c, const struct pb_member_node *m,
			struct pb_node_view *n)
{
	n->state = m->has_id || m->state == PB_NODE_DEAD || m->state == PB_NODE_LEFT
			   ? shown(m)
			   : PB_NODE_FOREIGN;
	snprintf(n->name, sizeof(n->name), "%s", m->name);
	n->n_addresses = pb_cluster_pb_addr(&m->addr, &n->address[0]);
	n->port = m->addr.port;
	n->seen_ns = m->since_ns;
	snprintf(n->keys, sizeof(n->keys), "%s", m->keys);
	if (m->has_id && !m->refused)
		fill_owner(c, &m->id, n);
	if (m->refused)
		snprintf(n->quarantine, sizeof(n->quarantine), "it has the id of another node");
}

static int by_name(const void *x, const void *y)
{
	const struct pb_node_view *a = x, *b = y;

	return strcmp(a->name, b->name);
}

int pb_cluster_nodes(struct pb_agent *a, struct pb_node_view **ret, size_t *ret_n)
{
	struct pb_cluster *c = a->cluster;
	struct pb_node_view *n = calloc(c->n_member + 1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	fill_self(a, &n[0]);
	for (size_t i = 0; i < c->n_member; i++)
		fill_member(c, &c->member[i], &n[i + 1]);
	if (c->n_member)
		qsort(n + 1, c->n_member, sizeof(*n), by_name);
	*ret = n;
	*ret_n = c->n_member + 1;
	return 0;
}

const char *pb_cluster_node_name(struct pb_agent *a, uint64_t number)
{
	struct pb_cluster *c = a->cluster;
	struct tbl_id id;

	memcpy(id.b, c->file.id, sizeof(id.b));
	if (c->on && tbl_number(&id) == number)
		return c->file.node;
	for (size_t i = 0; i < c->n_member; i++)
		if (c->member[i].has_id && tbl_number(&c->member[i].id) == number)
			return c->member[i].name;
	for (unsigned i = 0; i < c->file.n_known; i++) {
		memcpy(id.b, c->file.known[i].id, sizeof(id.b));
		if (tbl_number(&id) == number)
			return c->file.known[i].name;
	}
	return NULL;
}

const char *pb_cluster_node_of(struct pb_agent *a, uint64_t ref)
{
	return pb_registry_node(a->registry, ref);
}
