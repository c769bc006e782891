/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What this node says of itself: itself, its applications, and where they listen. */
#include <time.h>

#include <patchbay/addr.h>

#include "cluster_internal.h"
#include "scope.h"

struct say {
	struct pb_cluster *c;
	uint64_t now;
	struct pb_announced apps, eps;
	bool failed;
};

static int note(struct pb_announced *a, uint32_t id)
{
	size_t room = a->room ? a->room * 2 : 64;
	uint32_t *more;

	if (a->n == a->room) {
		more = reallocarray(a->id, room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		a->id = more;
		a->room = room;
	}
	a->id[a->n++] = id;
	return 0;
}

static int by_number(const void *x, const void *y)
{
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;

	return a < b ? -1 : a > b;
}

static bool has(const struct pb_announced *a, uint32_t id)
{
	return a->n && bsearch(&id, a->id, a->n, sizeof(id), by_number);
}

static void put(struct say *s, const struct tbl_record *r, struct pb_announced *to)
{
	int err = tbl_put(s->c->table, r, s->now);

	if (err)
		pb_cluster_warn(s->c, "a record of this node cannot be announced: %s",
				strerror(-err));
	else if (to && note(to, r->id))
		s->failed = true;
}

static void say_node(struct say *s)
{
	const struct pb_cluster_file *f = &s->c->file;
	struct tbl_record r = { .kind = TBL_NODE };

	for (unsigned i = 0; i < f->n_addresses; i++)
		*(pb_addr_is_v4(&f->address[i]) ? &r.node.loc4 : &r.node.loc6) = f->address[i];
	snprintf(r.node.version, sizeof(r.node.version), "%s", PB_VERSION);
	put(s, &r, NULL);
}

/* Scopes are told apart by what a restart does not change. */
static uint32_t app_id(uint64_t ref)
{
	return (uint32_t)ref ^ (uint32_t)(ref >> 32);
}

static void say_app(struct say *s, const struct pb_app_rec *rec)
{
	const struct pb_scope *scope = pb_scope_find(s->c->agent, rec->ref);
	struct tbl_record r = { .kind = TBL_APP, .id = app_id(rec->ref) };
	int64_t since = scope ? scope->since : rec->ref & PB_REF_SWITCH ? 0 : time(NULL);

	memcpy(r.app.name, rec->app.name, sizeof(r.app.name));
	r.app.id64 = rec->app.id;
	r.app.vip4 = rec->app.vip4;
	r.app.vip6 = rec->app.vip6;
	r.app.since_ms = since > 0 ? (uint64_t)since * 1000 : 0;
	r.app.flags = rec->app.flags & PB_APP_GIVEN ? TBL_APP_AUTO : 0;
	r.app.tags = rec->tags;
	put(s, &r, &s->apps);
}

static void say_apps(struct say *s)
{
	const struct pb_app_rec *rec;
	size_t pos = 0;

	while ((rec = pb_registry_next(s->c->agent->registry, &pos)))
		if (!(rec->ref & PB_REF_REMOTE) && !(rec->app.flags & PB_APP_QUARANTINED))
			say_app(s, rec);
	if (s->apps.n)
		qsort(s->apps.id, s->apps.n, sizeof(s->apps.id[0]), by_number);
}

/* Classes whose family others can reach this node by. */
static uint8_t reachable(const struct pb_cluster_file *f, uint8_t cls)
{
	uint8_t can = 0;

	for (unsigned i = 0; i < f->n_addresses; i++)
		can |= pb_addr_is_v4(&f->address[i]) ? PB_CLS_V4 : PB_CLS_V6;
	return cls & can;
}

static int say_endpoint(uint32_t index, const struct pb_endpoint *ep, void *arg)
{
	struct say *s = arg;
	struct tbl_record r = { .kind = TBL_ENDPOINT, .id = index };

	if ((ep->hints & PB_EP_LOCAL) || ep->netns != s->c->agent->kernel.netns ||
	    !has(&s->apps, app_id(ep->app)))
		return 0;
	r.endpoint.app = app_id(ep->app);
	r.endpoint.live = ep->live > 0 ? (uint32_t)ep->live : 0;
	r.endpoint.port = ntohs(ep->port);
	r.endpoint.real = ntohs(ep->real);
	r.endpoint.proto = ep->proto;
	r.endpoint.cls = reachable(&s->c->file, ep->cls);
	r.endpoint.weight = (uint8_t)(ep->weight < 1 ? 1 : ep->weight > 100 ? 100 : ep->weight);
	r.endpoint.state = ep->state;
	if (r.endpoint.cls && r.endpoint.real)
		put(s, &r, &s->eps);
	return 0;
}

/* A datagram server that connect()ed its socket to one client serves nobody else, but that one: its
 * clients would be told that it is gone.  Found again at the next scan, until it closes. */
static void say_talking(struct say *s)
{
	struct pb_announced *is = &s->eps, *was = &s->c->eps;
	size_t n = is->n;
	struct pb_endpoint ep;

	for (size_t i = 0; i < was->n; i++) {
		struct pb_announced sorted = { .id = is->id, .n = n };

		if (has(&sorted, was->id[i]) ||
		    pb_maps_endpoint_talks(s->c->agent->maps, was->id[i], &ep) != 1)
			continue;
		ep.state = PB_EP_DRAIN;
		say_endpoint(was->id[i], &ep, s);
	}
	if (is->n > n)
		qsort(is->id, is->n, sizeof(is->id[0]), by_number);
}

/* true: others knew something that is gone. */
static bool take_back(struct say *s, enum tbl_kind kind, const struct pb_announced *was,
		      const struct pb_announced *is)
{
	bool any = false;

	for (size_t i = 0; i < was->n; i++)
		if (!has(is, was->id[i]) && !tbl_del(s->c->table, kind, was->id[i], s->now))
			any = true;
	return any;
}

/* Clients elsewhere hang on what is gone, so it goes out at once.  Gossip brings it in half a second
 * in any case, so more than HURRY_PER_S leave the packets to those whom nothing can wait for. */
static bool may_hurry(struct pb_cluster *c, uint64_t now)
{
	if (now - c->hurry_ms >= 1000) {
		c->hurry_ms = now;
		c->hurries = 0;
	}
	return c->hurries++ < HURRY_PER_S;
}

static void keep(struct pb_announced *to, struct pb_announced *from)
{
	free(to->id);
	*to = *from;
}

void pb_cluster_announced_free(struct pb_cluster *c)
{
	free(TAKE_PTR(c->apps.id));
	free(TAKE_PTR(c->eps.id));
	memset(&c->apps, 0, sizeof(c->apps));
	memset(&c->eps, 0, sizeof(c->eps));
}

/* A program may end before the next scan: what was said of it must be taken back then. */
static void remember(struct pb_cluster *c, const struct pb_announced *said)
{
	size_t had = c->apps.n;

	for (size_t i = 0; i < said->n; i++) {
		struct pb_announced before = { .id = c->apps.id, .n = had };

		if (!has(&before, said->id[i]) && note(&c->apps, said->id[i]))
			log_warn("no memory to remember what was announced");
	}
	if (c->apps.n > had)
		qsort(c->apps.id, c->apps.n, sizeof(c->apps.id[0]), by_number);
}

void pb_cluster_announce_apps(struct pb_cluster *c)
{
	struct say s = { .c = c, .now = pb_cluster_ms() };

	say_node(&s);
	say_apps(&s);
	tbl_flush(c->table, TBL_OWN_NOW, s.now);
	remember(c, &s.apps);
	free(s.apps.id);
	pb_cluster_schedule(c);
}

void pb_cluster_announce(struct pb_cluster *c)
{
	struct say s = { .c = c, .now = pb_cluster_ms() };
	bool gone;

	if (!c->table)
		return;
	say_node(&s);
	say_apps(&s);
	if (pb_maps_each_endpoint(c->agent->maps, say_endpoint, &s))
		s.failed = true;
	if (s.eps.n)
		qsort(s.eps.id, s.eps.n, sizeof(s.eps.id[0]), by_number);
	say_talking(&s);
	if (s.failed) { /* the next scan does it; nothing is taken back by mistake */
		free(s.apps.id);
		free(s.eps.id);
		return;
	}
	gone = take_back(&s, TBL_ENDPOINT, &c->eps, &s.eps);
	take_back(&s, TBL_APP, &c->apps, &s.apps);
	keep(&c->apps, &s.apps);
	keep(&c->eps, &s.eps);
	/* the first time others hold what it was before until this is complete */
	if (!c->said || (gone && may_hurry(c, s.now)))
		tbl_flush(c->table, TBL_OWN_NOW, s.now);
	c->said = true;
	pb_cluster_schedule(c);
}
