/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What nodes show, by their callbacks, and whether that is right. */
#include <arpa/inet.h>
#include <patchbay/addr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table_net_internal.h"

static struct tnet_mirror *find(struct tnet_node *k, uint64_t number, uint8_t kind, uint32_t id)
{
	for (size_t i = 0; i < k->n_mirror; i++)
		if (k->mirror[i].number == number && k->mirror[i].r.kind == kind &&
		    k->mirror[i].r.id == id)
			return &k->mirror[i];
	return NULL;
}

static bool any_of(const struct tnet_node *k, uint64_t number, uint8_t kind, uint32_t app)
{
	for (size_t i = 0; i < k->n_mirror; i++) {
		const struct tnet_mirror *m = &k->mirror[i];

		if (m->number == number && m->r.kind == kind &&
		    (kind != TBL_ENDPOINT || m->r.endpoint.app == app))
			return true;
	}
	return false;
}

static void broken(struct tnet_node *k, const char *why)
{
	if (!k->broken++)
		snprintf(k->broken_why, sizeof(k->broken_why), "%s", why);
}

static void check_order(struct tnet_node *k, uint64_t number, enum tbl_change what,
			const struct tbl_record *r)
{
	if (what == TBL_REMOVED) {
		if (r->kind == TBL_NODE && any_of(k, number, TBL_APP, 0))
			broken(k, "a node went before its applications");
		if (r->kind == TBL_APP && any_of(k, number, TBL_ENDPOINT, r->id))
			broken(k, "an application went before its endpoints");
		return;
	}
	if (r->kind != TBL_NODE && !find(k, number, TBL_NODE, 0))
		broken(k, "an application or endpoint came before its node");
	if (r->kind == TBL_ENDPOINT && !find(k, number, TBL_APP, r->endpoint.app))
		broken(k, "an endpoint came before its application");
}

void tnet_mirror_change(void *arg, const struct tbl_owner *o, enum tbl_change what,
			const struct tbl_record *r, const struct tbl_record *was)
{
	struct tnet_node *k = arg;
	uint64_t number = tbl_number(&o->id);
	struct tnet_mirror *m = find(k, number, r->kind, r->id);

	check_order(k, number, what, r);
	if (!m != (what == TBL_ADDED))
		broken(k, m ? "added twice" : "changed or removed what is not there");
	if (m && what == TBL_CHANGED && memcmp(&m->r, was, sizeof(*was)))
		broken(k, "was is not what was");
	if (what == TBL_REMOVED) {
		if (m)
			*m = k->mirror[--k->n_mirror];
		return;
	}
	if (!m && k->n_mirror == k->cap_mirror) {
		k->cap_mirror = k->cap_mirror ? 2 * k->cap_mirror : 64;
		k->mirror = realloc(k->mirror, k->cap_mirror * sizeof(*k->mirror));
		if (!k->mirror)
			abort();
	}
	if (!m)
		m = &k->mirror[k->n_mirror++];
	m->number = number;
	m->r = *r;
}

const struct tbl_record *tnet_see(struct tnet *net, unsigned i, unsigned j, enum tbl_kind kind,
				  uint32_t id)
{
	struct tbl_id owner = tnet_id(j);
	struct tnet_mirror *m = find(&net->node[i], tbl_number(&owner), (uint8_t)kind, id);

	return m ? &m->r : NULL;
}

unsigned tnet_seen(struct tnet *net, unsigned i, unsigned j)
{
	struct tbl_id owner = tnet_id(j);
	unsigned n = 0;

	for (size_t m = 0; m < net->node[i].n_mirror; m++)
		n += net->node[i].mirror[m].number == tbl_number(&owner);
	return n;
}

/* ---- is it right? ----------------------------------------------------------------------------- */

struct cmp {
	struct tnet_node *at;
	uint64_t number;
	unsigned shown;
	const char *why;
};

static bool cmp_one(void *arg, const struct tbl_owner *o, const struct tbl_record *r,
		    enum tbl_fate fate)
{
	struct cmp *c = arg;
	const struct tnet_mirror *m = find(c->at, c->number, r->kind, r->id);

	(void)o;
	c->shown += fate == TBL_SHOWN;
	if ((fate == TBL_SHOWN) != !!m)
		c->why = m ? "shown, and its owner has it not in the view" : "not shown";
	else if (m && memcmp(&m->r, r, sizeof(*r)))
		c->why = "another content than its owner's";
	return !c->why;
}

bool tnet_same(struct tnet *net, const char **ret_why)
{
	static char text[256];

	*ret_why = text;
	for (unsigned i = 0; i < net->n; i++) {
		if (net->node[i].broken) {
			snprintf(text, sizeof(text), "node %u: %s", i, net->node[i].broken_why);
			return false;
		}
		for (unsigned j = 0; j < net->n; j++) {
			struct tbl_id id = tnet_id(j);
			struct cmp c = { .at = &net->node[i], .number = tbl_number(&id) };

			if (i == j || !net->node[i].t || !net->node[j].t)
				continue;
			tbl_each(net->node[j].t, &id, true, cmp_one, &c);
			if (!c.why && c.shown != tnet_seen(net, i, j))
				c.why = "more shown than its owner has";
			if (!c.why)
				continue;
			snprintf(text, sizeof(text), "node %u of %u: %s", i, j, c.why);
			return false;
		}
	}
	return true;
}

static bool alike(const struct tnet *net)
{
	uint8_t first[TBL_HASH_LEN] = { 0 }, other[TBL_HASH_LEN] = { 0 };
	bool any = false;

	for (unsigned i = 0; i < net->n; i++) {
		struct tbl_stats s;

		if (!net->node[i].t)
			continue;
		tbl_hash(net->node[i].t, any ? other : first, TBL_HASH_LEN);
		tbl_stats(net->node[i].t, &s);
		if (s.behind || (any && memcmp(first, other, TBL_HASH_LEN)))
			return false;
		any = true;
	}
	return true;
}

bool tnet_settle(struct tnet *net, uint64_t ms)
{
	uint64_t since = UINT64_MAX, end = net->now + ms;

	while (net->now < end) {
		tnet_run(net, TNET_STEP);
		if (!alike(net))
			since = UINT64_MAX;
		else if (since == UINT64_MAX)
			since = net->now;
		else if (net->now - since >= 1000)
			return true;
	}
	return false;
}

/* ---- records ---------------------------------------------------------------------------------- */

struct tbl_record tnet_node_rec(unsigned i)
{
	struct tbl_record r;

	memset(&r, 0, sizeof(r));
	r.kind = TBL_NODE;
	r.node.loc4 = pb_addr_v4(htonl(0x0a010001 + i));
	strcpy(r.node.version, "1.2.3");
	return r;
}

/* Names and addresses of several nodes are the same now and then, so that they clash. */
struct tbl_record tnet_app(unsigned i, uint32_t id, unsigned x)
{
	struct tbl_record r;

	memset(&r, 0, sizeof(r));
	r.kind = TBL_APP;
	r.id = id;
	snprintf(r.app.name, sizeof(r.app.name), "app-%u-%u", x % 4 ? i : 0, id);
	r.app.id64 = 0x1000 + id;
	r.app.vip4 = pb_addr_v4(htonl(0x0a090001 + (x % 4 ? (i << 8) + id : x % 8)));
	r.app.flags = x & 1 ? TBL_APP_AUTO : 0;
	r.app.since_ms = 5000 + x % 3;
	r.app.tags.n = 1;
	snprintf(r.app.tags.tag[0], PB_TAG_LEN, "grp=%u", x % 16);
	return r;
}

struct tbl_record tnet_endpoint(uint32_t id, uint32_t app, unsigned x)
{
	struct tbl_record r;

	memset(&r, 0, sizeof(r));
	r.kind = TBL_ENDPOINT;
	r.id = id;
	r.endpoint = (struct tbl_endpoint){ .app = app,
					    .port = (uint16_t)(8000 + x % 100),
					    .real = (uint16_t)(30000 + id),
					    .proto = x & 1 ? PB_PROTO_TCP : PB_PROTO_UDP,
					    .cls = PB_CLS_V4_VIP,
					    .weight = (uint8_t)(1 + x % 100),
					    .state = x % 7 ? PB_EP_UP : PB_EP_DRAIN };
	return r;
}

void tnet_put(struct tnet *net, unsigned i, struct tbl_record r)
{
	if (tbl_put(net->node[i].t, &r, net->now))
		abort();
}

void tnet_del(struct tnet *net, unsigned i, enum tbl_kind kind, uint32_t id)
{
	tbl_del(net->node[i].t, kind, id, net->now);
}
