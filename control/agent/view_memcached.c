/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Memcached services as the readers see them. */
#include <ctype.h>

#include <patchbay/addr.h>

#include "frames.h"
#include "loader/memcached.h"
#include "memcached_internal.h"
#include "util.h"
#include "view.h"

static bool wanted(const struct mc_run *r, const char *name)
{
	return r && (!name || !strcmp(r->m->conf->name, name));
}

/* ---- show ---------------------------------------------------------------- */

static json_t *server_json(const struct mc_run *r, unsigned i, const unsigned *slots,
			   const unsigned *homes, unsigned all)
{
	const struct mct_server *v = &r->m->server[i];
	const struct mcf_server *f = &r->m->fence.s[i];
	double keys = all ? 100.0 * slots[i] / all : 0, home = all ? 100.0 * homes[i] / all : 0;
	struct pb_mc_bstats b = { .sent = 0 };
	char text[64];

	if (r->all->mcl)
		mca_bstats(r->all->mcl, r->m->index, i, &b);
	return json_pack("{s:i, s:s, s:s?, s:s?, s:i, s:s, s:b, s:b, s:f, s:f, s:i, s:f, s:I, s:I}",
			 "n", (int)i, "server",
			 pb_addr_port_format(&v->addr, v->port, text, sizeof(text)), "name",
			 *v->name ? v->name : NULL, "app", *v->of ? v->of : NULL, "weight",
			 (int)v->weight, "state", mcf_state_name(f->state), "gutter", v->gutter,
			 "cleaning", f->cleaning, "keys", keys, "home", home, "missed",
			 (int)f->missed, "since_s", (double)(pb_now_ns() - f->since) / 1e9, "sent",
			 (json_int_t)b.sent, "replies", (json_int_t)b.replies);
}

/* The share of the keys, by slots or by the stretches of the continuum. */
static unsigned shares(const struct pb_mc_ring *ring, unsigned *ret)
{
	uint64_t part[PB_MC_SERVERS_MAX] = { 0 };
	unsigned n = 0;

	memset(ret, 0, PB_MC_SERVERS_MAX * sizeof(*ret));
	for (uint32_t i = 0; i < ring->n; i++) {
		bool ketama = ring->kind == PB_MC_KETAMA;
		uint16_t who = ketama ? ring->point[i].server : ring->slot[i];
		uint32_t before = ketama ? ring->point[i ? i - 1 : ring->n - 1].value : 0;

		if (who < PB_MC_SERVERS_MAX)
			part[who] += ketama ? (uint32_t)(ring->point[i].value - before) : 65536;
	}
	for (unsigned i = 0; i < PB_MC_SERVERS_MAX; i++) {
		ret[i] = (unsigned)(part[i] >> 8);
		n += ret[i];
	}
	return n;
}

static json_t *servers_json(const struct mc_run *r)
{
	unsigned slots[PB_MC_SERVERS_MAX], homes[PB_MC_SERVERS_MAX], all;
	json_t *list = json_array();

	shares(r->m->home, homes);
	all = shares(r->m->ring, slots);
	for (unsigned i = 0; i < r->m->n_servers; i++)
		if (r->m->server[i].used)
			json_array_append_new(list, server_json(r, i, slots, homes, all));
	return list;
}

static json_t *devices_json(const struct mc_run *r)
{
	const struct mcs_service *c = r->m->conf;
	json_t *list = json_array();

	for (unsigned i = 0; i < c->n_devices; i++) {
		unsigned at = 0;
		bool current = false;

		if (r->put && r->all->mcl && i < r->m->place.n_devices)
			pb_mcl_look(r->all->mcl, r->m->place.ifindex[i], &at, &current);
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:b, s:b, s:b, s:s}", "name", c->device[i].name,
					"mode", mcs_mode_name(c->device[i].mode), "tc",
					!!(at & PB_MCL_AT_TC), "xdp", !!(at & PB_MCL_AT_XDP),
					"current", current, "why", r->device_why[i]));
	}
	return list;
}

static json_t *cache_json(const struct mc_run *r)
{
	const struct mcs_service *c = r->m->conf;
	const char *why = mcs_cache_off(c);

	if (!why && !r->put)
		why = "the service is not served";
	if (!why && !r->m->sets)
		why = "smaller than one set";
	return json_pack("{s:b, s:s?, s:I, s:I, s:I, s:i}", "on", !why, "why", why, "size",
			 (json_int_t)(c->cache == MCS_CACHE_AUTO ? 0 : c->cache), "bytes",
			 (json_int_t)(r->m->sets ? pb_mcl_cache_bytes(r->m->sets) : 0), "values",
			 (json_int_t)r->m->sets * PB_MC_WAYS, "max_age", (int)mcs_max_age(c));
}

static json_t *allow_json(const struct mc_run *r)
{
	json_t *list = json_array();
	char text[64];

	for (unsigned i = 0; i < r->m->place.n_allow; i++) {
		const struct mcs_net *n = &r->m->place.allow[i];
		bool v4 = n->bits >= 96 && pb_addr_is_v4(&n->net);

		pb_addr_format(&n->net, text, sizeof(text));
		json_array_append_new(list,
				      json_sprintf("%s/%u", text, v4 ? n->bits - 96 : n->bits));
	}
	return list;
}

/* What an earlier agent left goes on while this one loads. */
static const char *state_of(const struct mc_run *r)
{
	bool left = !r->looked && pb_mcl_found(r->all->agent->bpffs);

	if (!*r->why)
		return "on";
	return r->put || left ? "old" : "off";
}

static json_t *run_json(const struct mc_run *r)
{
	const struct mca *m = r->m;
	char vip[64], source[64], key[2][20];
	json_t *none = json_array(), *o;

	for (int i = 0; i < 2; i++)
		snprintf(key[i], sizeof(key[i]), "%llx", (unsigned long long)m->ring_key[i]);
	o = json_pack("{s:s, s:s, s:s, s:s?, s:s, s:i, s:s, s:o, s:o, s:o, s:o, s:b, s:I, s:o, "
		      "s:[ss], s:o, s:O}",
		      "name", m->conf->name, "vip",
		      pb_addr_port_format(&m->conf->vip, m->conf->port, vip, sizeof(vip)), "state",
		      state_of(r), "why", *r->why ? r->why : NULL, "source",
		      pb_addr_is_zero(&m->place.source)
			      ? "-"
			      : pb_addr_format(&m->place.source, source, sizeof(source)),
		      "source_port", (int)ntohs(m->place.source_port), "from",
		      m->from_file ? "services.d" : "added", "servers", servers_json(r), "devices",
		      devices_json(r), "cache", cache_json(r), "allow", allow_json(r), "proxy",
		      m->proxy, "epoch", (json_int_t)m->epoch, "config", mcs_to_json(m->conf, true),
		      "ring_key", key[0], key[1], "service", mcs_to_json(m->conf, false),
		      "left_out", r->left ? r->left : none);
	json_decref(none);
	json_object_set_new(o, "tcp", mc_tcp_json(r));
	return o;
}

json_t *pb_view_memcached(struct pb_agent *a, const char *name)
{
	json_t *list = json_array();

	for (unsigned i = 0; a->memcached && i < PB_MC_SERVICES; i++)
		if (wanted(a->memcached->run[i], name))
			json_array_append_new(list, run_json(a->memcached->run[i]));
	return list;
}

json_t *pb_view_memcached_sum(struct pb_agent *a)
{
	json_int_t services = 0, on = 0, servers = 0, down = 0, cached = 0;
	json_t *uncached = json_array();

	for (unsigned i = 0; a->memcached && i < PB_MC_SERVICES; i++) {
		const struct mc_run *r = a->memcached->run[i];

		if (!r)
			continue;
		services++;
		on += !*r->why;
		cached += r->m->sets != 0;
		if (mcs_cache_why_not(r->m->conf))
			json_array_append_new(uncached,
					      json_pack("{s:s, s:s}", "name", r->m->conf->name,
							"why", mcs_cache_why_not(r->m->conf)));
		for (unsigned k = 0; k < r->m->n_servers; k++) {
			servers += r->m->server[k].used;
			down += r->m->server[k].used && r->m->fence.s[k].state != MCF_UP &&
				r->m->fence.s[k].state != MCF_SUSPECT;
		}
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o}", "services", services, "on", on,
			 "servers", servers, "away", down, "cached", cached, "uncached", uncached);
}

json_t *pb_view_memcached_at(struct pb_agent *a, const struct pb_target *t)
{
	json_t *list = json_array();

	for (unsigned i = 0; a->memcached && i < PB_MC_SERVICES; i++) {
		const struct mc_run *r = a->memcached->run[i];
		const char *why = r ? mcs_cache_why_not(r->m->conf) : NULL;

		if (!r || *t->name || !pb_addr_eq(&t->addr, &r->m->conf->vip) ||
		    (t->port && t->port != r->m->conf->port))
			continue;
		json_array_append_new(
			list, json_sprintf("memcached service %s: %s%s%s", r->m->conf->name,
					   *r->why ? r->why : "served",
					   why ? "; the cache is off: " : "", why ? why : ""));
		if (r->m->conf->tcp && *r->tcp.why)
			json_array_append_new(list,
					      json_sprintf("memcached service %s: not by TCP: %s",
							   r->m->conf->name, r->tcp.why));
	}
	return list;
}

/* ---- stats --------------------------------------------------------------- */

static const char *const counters[] = {
#define PB_X(sym, name, help) [PB_MC_C_##sym] = name,
	PB_MC_COUNTERS(PB_X)
#undef PB_X
};

/* Of the slow path, since it was opened last. */
static json_t *slow_json(const struct mc_run *r)
{
	struct pxy_stats s = { .queries = 0 };
	json_t *o = json_object();

	if (r->proxy)
		pb_mcp_stats(r->proxy, &s);
#define PB_X(field, help) json_object_set_new(o, #field, json_integer((json_int_t)s.field));
	PXY_COUNTERS(PB_X)
#undef PB_X
	json_object_set_new(o, "now_queries", json_integer(s.queries));
	json_object_set_new(o, "now_calls", json_integer(s.calls));
	json_object_set_new(o, "now_bytes", json_integer((json_int_t)s.held));
	return o;
}

json_t *pb_view_memcached_stats(struct pb_agent *a, const char *name)
{
	json_t *list = json_array();
	json_auto_t *tcp = a->memcached ? pb_frames_stats(a) : NULL;

	for (unsigned i = 0; a->memcached && i < PB_MC_SERVICES; i++) {
		struct mc_run *r = a->memcached->run[i];
		uint64_t n[_PB_MC_C_MAX] = { 0 };
		json_t *o;

		if (!wanted(r, name))
			continue;
		if (a->memcached->mcl)
			mca_stats(a->memcached->mcl, i, n);
		o = json_object();
		for (unsigned c = 0; c < _PB_MC_C_MAX; c++)
			json_object_set_new(o, counters[c], json_integer((json_int_t)n[c]));
		json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:o, s:o}", "name",
						      r->m->conf->name, "counters", o, "slow",
						      slow_json(r), "tcp",
						      mc_tcp_stats(tcp, r->m->conf->name),
						      "servers", servers_json(r)));
	}
	return list;
}

/* ---- top ----------------------------------------------------------------- */

struct top {
	struct pb_mc_top *list;
	size_t n, room;
	const char *service;
};

static int take(const struct pb_mc_top *t, void *arg)
{
	struct top *all = arg;

	if (all->n == all->room) {
		size_t room = all->room ? 2 * all->room : 256;
		struct pb_mc_top *list = reallocarray(all->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		all->list = list;
		all->room = room;
	}
	all->list[all->n++] = *t;
	return 0;
}

static int by_requests(const void *x, const void *y)
{
	const struct pb_mc_top *a = x, *b = y;

	return a->requests < b->requests ? 1 : -(a->requests > b->requests);
}

static int by_bytes_sent(const void *x, const void *y)
{
	const struct pb_mc_top *a = x, *b = y;

	return a->bytes < b->bytes ? 1 : -(a->bytes > b->bytes);
}

/* Keys may hold any byte: what is not printable ASCII stands as \xHH. */
static json_t *key_json(const struct pb_mc_top *t)
{
	char text[4 * sizeof(t->key) + 1];
	size_t n = 0;

	for (unsigned i = 0; i < t->key_len && i < sizeof(t->key); i++)
		n += (size_t)snprintf(
			text + n, sizeof(text) - n,
			t->key[i] > ' ' && t->key[i] <= '~' && t->key[i] != '\\' ? "%c" : "\\x%02x",
			t->key[i]);
	text[n] = '\0';
	return json_string(text);
}

static void add_keys(struct top *all, unsigned limit, bool by_bytes, json_t *list)
{
	double age;

	qsort(all->list, all->n, sizeof(*all->list), by_bytes ? by_bytes_sent : by_requests);
	for (size_t i = 0; i < all->n && i < limit; i++) {
		const struct pb_mc_top *t = &all->list[i];

		age = (double)(pb_now_ns() - t->first) / 1e9;
		json_array_append_new(list, json_pack("{s:s, s:o, s:I, s:I, s:I, s:f}", "service",
						      all->service, "key", key_json(t), "requests",
						      (json_int_t)t->requests, "bytes",
						      (json_int_t)t->bytes, "writes",
						      (json_int_t)t->writes, "age_s", age));
	}
}

json_t *pb_view_memcached_top(struct pb_agent *a, const char *name, unsigned limit, bool by_bytes)
{
	json_t *list = json_array();
	bool any = false;

	for (unsigned i = 0; a->memcached && i < PB_MC_SERVICES; i++) {
		struct mc_run *r = a->memcached->run[i];
		struct top all = { .n = 0 };

		if (!wanted(r, name))
			continue;
		any = true;
		all.service = r->m->conf->name;
		if (a->memcached->mcl)
			mca_top(a->memcached->mcl, i, take, &all);
		if (all.n)
			add_keys(&all, limit, by_bytes, list);
		free(all.list);
	}
	if (any || !name)
		return list;
	json_decref(list);
	return NULL;
}
