/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who is in the pool, by name there and by id in the table. */
#include <patchbay/addr.h>

#include "cluster_internal.h"

struct pb_member_node *pb_cluster_member(struct pb_cluster *c, const struct tbl_id *id)
{
	for (size_t i = 0; i < c->n_member; i++)
		if (c->member[i].has_id && !c->member[i].refused && tbl_id_eq(&c->member[i].id, id))
			return &c->member[i];
	return NULL;
}

struct pb_member_node *pb_cluster_member_at(struct pb_cluster *c, const struct swim_addr *addr)
{
	for (size_t i = 0; i < c->n_member; i++)
		if (c->member[i].has_id && !c->member[i].refused &&
		    swim_addr_eq(&c->member[i].addr, addr))
			return &c->member[i];
	return NULL;
}

static struct pb_member_node *by_name(struct pb_cluster *c, const char *name)
{
	for (size_t i = 0; i < c->n_member; i++)
		if (!strcmp(c->member[i].name, name))
			return &c->member[i];
	return NULL;
}

static struct pb_member_node *add_member(struct pb_cluster *c, const char *name)
{
	size_t room = c->room_member ? c->room_member * 2 : 16;
	struct pb_member_node *m;

	if (c->n_member == c->room_member) {
		m = reallocarray(c->member, room, sizeof(*m));
		if (!m)
			return NULL;
		c->member = m;
		c->room_member = room;
	}
	m = &c->member[c->n_member++];
	memset(m, 0, sizeof(*m));
	snprintf(m->name, sizeof(m->name), "%s", name);
	return m;
}

static void copy_text(char *to, size_t room, struct gsp_bytes b)
{
	size_t n = b.n < room - 1 ? b.n : room - 1;

	memcpy(to, b.p, n);
	to[n] = '\0';
	pb_printable(to);
}

/* What its tags say: whether it is one of ours, and which. */
static void read_tags(struct pb_member_node *m, const struct swim_view *v)
{
	struct gsp_list tags;
	struct gsp_serf_tag t;
	char id[PB_NODE_ID_TEXT];

	m->has_id = false;
	m->keys[0] = '\0';
	if (!v->ours || gsp_serf_tags_decode(&tags, v->meta.p, v->meta.n) < 0)
		return;
	while (gsp_list_take_tag(&tags, &t)) {
		if (t.key.n == strlen(TAG_ID) && !memcmp(t.key.p, TAG_ID, t.key.n)) {
			copy_text(id, sizeof(id), t.value);
			m->has_id = t.value.n == PB_NODE_ID_TEXT - 1 &&
				    !pb_hex_read(id, m->id.b, sizeof(m->id.b));
		} else if (t.key.n == 4 && !memcmp(t.key.p, "keys", 4)) {
			copy_text(m->keys, sizeof(m->keys), t.value);
		}
	}
}

static enum pb_node_state state_of(const struct swim_view *v)
{
	switch (v->state) {
	case GSP_STATE_ALIVE: return PB_NODE_ALIVE;
	case GSP_STATE_SUSPECT: return PB_NODE_SUSPECT;
	case GSP_STATE_LEFT: return PB_NODE_LEFT;
	default: return PB_NODE_DEAD;
	}
}

static bool alive(const struct pb_member_node *m)
{
	return m->state == PB_NODE_ALIVE || m->state == PB_NODE_SUSPECT;
}

/* One id is one node: whoever had it first, and lives, keeps it. */
static bool clashes(struct pb_cluster *c, const struct pb_member_node *m)
{
	if (!memcmp(m->id.b, c->file.id, sizeof(m->id.b)))
		return true;
	for (size_t i = 0; i < c->n_member; i++) {
		const struct pb_member_node *o = &c->member[i];

		if (o != m && o->has_id && !o->refused && alive(o) && tbl_id_eq(&o->id, &m->id))
			return true;
	}
	return false;
}

enum tbl_state pb_cluster_tbl_state(enum pb_node_state s)
{
	switch (s) {
	case PB_NODE_ALIVE: return TBL_ALIVE;
	case PB_NODE_SUSPECT: return TBL_SUSPECT;
	case PB_NODE_LEFT: return TBL_LEFT;
	default: return TBL_DEAD;
	}
}

static void remember(struct pb_cluster *c, const struct pb_member_node *m)
{
	struct pb_known *k = NULL;
	struct pb_cluster_addr a = { .port = m->addr.port };

	if (!pb_cluster_pb_addr(&m->addr, &a.ip))
		return;
	for (unsigned i = 0; i < c->file.n_known && !k; i++)
		if (!memcmp(c->file.known[i].id, m->id.b, PB_NODE_ID_LEN))
			k = &c->file.known[i];
	if (k && !strcmp(k->name, m->name) && pb_addr_eq(&k->addr.ip, &a.ip) &&
	    k->addr.port == a.port)
		return;
	if (!k && c->file.n_known == PB_CLUSTER_SEEDS)
		return; /* enough to come back by */
	if (!k)
		k = &c->file.known[c->file.n_known++];
	snprintf(k->name, sizeof(k->name), "%s", m->name);
	memcpy(k->id, m->id.b, PB_NODE_ID_LEN);
	k->addr = a;
	c->file_stale = true;
}

/* Is there anything that its death would take out? */
static bool in_use(const struct pb_cluster *c, const struct pb_member_node *m)
{
	struct tbl_owner o;

	return tbl_owner(c->table, &m->id, &o) && (o.state == TBL_ALIVE || o.state == TBL_SUSPECT);
}

void pb_cluster_tell_table(struct pb_cluster *c, struct pb_member_node *m)
{
	enum tbl_state state;

	if (!m->has_id || !c->table)
		return;
	if (alive(m) && clashes(c, m)) {
		if (!m->refused)
			pb_cluster_warn(c, "node %s has the id of another node: it is refused",
					m->name);
		m->refused = true;
		return;
	}
	m->refused = false;
	state = pb_cluster_tbl_state(m->state);
	if (state != TBL_DEAD)
		m->held = m->told = m->sure = m->answers = false;
	if (m->state == PB_NODE_SUSPECT) {
		pb_cluster_look_early(c, m);
	} else if (state != TBL_DEAD) {
		m->looking = false;
		m->looked_ns = m->silent_ns = 0;
	}
	if (state == TBL_DEAD && m->sure)
		state = m->answers ? TBL_LEFT : TBL_DEAD;
	else if (state == TBL_DEAD && in_use(c, m) && pb_cluster_look(c, m))
		state = TBL_SUSPECT;
	if (alive(m)) {
		if (!c->heard)
			log_info("cluster %s: node %s answers", c->file.cluster, m->name);
		c->heard = true;
		c->state = PB_CLUSTER_ON;
		remember(c, m);
	}
	tbl_member(c->table, &m->id, m->name, state, pb_cluster_ms());
	pb_cluster_schedule(c);
}

void pb_cluster_update_member(struct pb_cluster *c, const struct swim_view *v)
{
	struct pb_member_node *m, before;
	char name[PB_NODE_NAME_LEN];

	if (v->self || v->name.n >= sizeof(name))
		return;
	copy_text(name, sizeof(name), v->name);
	m = by_name(c, name);
	if (!m)
		m = add_member(c, name);
	if (!m)
		return;
	before = *m;
	m->addr = v->addr;
	read_tags(m, v);
	m->state = state_of(v);
	if (m->state != before.state || !before.since_ns)
		m->since_ns = pb_now_ns();
	/* another node under the name: the one of before is dead */
	if (before.has_id && !before.refused && (!m->has_id || !tbl_id_eq(&before.id, &m->id)) &&
	    c->table)
		tbl_member(c->table, &before.id, NULL, TBL_DEAD, pb_cluster_ms());
	pb_cluster_tell_table(c, m);
}

static void forget_member(struct pb_cluster *c, const struct swim_view *v)
{
	char name[PB_NODE_NAME_LEN];
	struct pb_member_node *m;

	copy_text(name, sizeof(name), v->name);
	m = by_name(c, name);
	if (m)
		*m = c->member[--c->n_member];
}

void pb_cluster_on_event(void *arg, const struct swim_event *ev)
{
	struct pb_cluster *c = arg;
	struct swim_view v;

	if (!c->pool || !ev->member)
		return;
	swim_view(gsp_pool_swim(c->pool), ev->member, &v);
	switch (ev->type) {
	case SWIM_EV_JOIN:
	case SWIM_EV_UPDATE:
	case SWIM_EV_SUSPECT:
	case SWIM_EV_REFUTED:
	case SWIM_EV_DEAD:
	case SWIM_EV_LEFT: pb_cluster_update_member(c, &v); break;
	case SWIM_EV_FORGOTTEN: forget_member(c, &v); break;
	case SWIM_EV_CONFLICT:
		pb_cluster_warn(c, "another node calls itself %.*s: names of nodes must differ",
				(int)v.name.n, (const char *)v.name.p);
		break;
	default: break;
	}
}
