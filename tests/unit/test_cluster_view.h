/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Maps that remember what was written and notice a wrong order; and nodes that say something. */
#ifndef TEST_CLUSTER_VIEW_H
#define TEST_CLUSTER_VIEW_H

#include <criterion/criterion.h>

#include <patchbay/addr.h>

#include "control/agent/cluster_view.h"
#include "control/util.h"

#define INDICES 64
#define RECORDS 64

struct fake_node {
	struct tbl_owner o;
	struct tbl_record rec[RECORDS];
	unsigned n;
	bool there;
};

static struct fake_node node[4];
static uint64_t now;
static struct pb_view *view;

/* what is in the maps */
static struct {
	struct pb_remote_app app;
	char name[PB_NAME_LEN];
	bool there;
} apps[RECORDS];
static struct pb_endpoint remote[INDICES];
static struct pb_addr peer[8];
static unsigned n_peer;
static struct pb_member_key member[RECORDS];
static uint64_t member_ref[RECORDS];
static unsigned n_member;
static struct pb_svc_key svc_key[4 * RECORDS];
static struct pb_rservice svc[4 * RECORDS];
static unsigned n_svc;
static unsigned gone_n, gone_dead, troubles, order_errors;
static const char *clash; /* a name that the registry refuses */

static struct pb_addr A(const char *text) {
	struct pb_addr a = { 0 };

	cr_assert_eq(pb_addr_parse(text, &a), 0, "%s", text);
	return a;
}

/* ---- the layer below ------------------------------------------------------ */

static bool
op_owner(void *arg, uint64_t number, struct tbl_owner *ret)
{
	(void)arg;
	for (unsigned i = 0; i < 4; i++)
		if (node[i].there && tbl_number(&node[i].o.id) == number) {
			*ret = node[i].o;
			return true;
		}
	return false;
}

static void op_each(void *arg, const struct tbl_id *id,
		    void (*fn)(void *fn_arg, const struct tbl_record *r), void *fn_arg)
{
	(void)arg;
	for (unsigned i = 0; i < 4; i++)
		for (unsigned k = 0; node[i].there && tbl_id_eq(&node[i].o.id, id) && k < node[i].n;
		     k++)
			fn(fn_arg, &node[i].rec[k]);
}

static uint64_t op_now(void *arg)
{
	(void)arg;
	return now;
}

static int app_at(uint64_t ref)
{
	for (int i = 0; i < RECORDS; i++)
		if (apps[i].there && apps[i].app.ref == ref)
			return i;
	return -1;
}

static int op_app_put(void *arg, const struct pb_remote_app *app, struct pb_app *ret,
		      char err[PB_ERR_LEN])
{
	int at = app_at(app->ref);
	struct pb_app out = { .id = app->id, .ns = 7000 + app->id };

	(void)arg;
	if (clash && app->name && !strcmp(clash, app->name))
		return pb_fail(err, -EADDRINUSE, "clashes");
	for (unsigned i = 0; i < app->n_ips; i++)
		*(pb_addr_is_v4(&app->ips[i]) ? &out.vip4 : &out.vip6) = app->ips[i];
	for (int i = 0; at < 0 && i < RECORDS; i++)
		if (!apps[i].there)
			at = i;
	apps[at].app = *app;
	apps[at].there = true;
	*ret = out;
	return 0;
}

static void op_app_del(void *arg, uint64_t ref)
{
	(void)arg;
	for (unsigned i = 1; i < INDICES; i++)
		order_errors += remote[i].state != PB_EP_FREE && remote[i].app == ref;
	cr_assert_geq(app_at(ref), 0);
	apps[app_at(ref)].there = false;
}

static int op_peer_put(void *arg, const struct pb_addr *loc, const struct tbl_id *id)
{
	(void)arg;
	(void)id;
	for (unsigned i = 0; i < n_peer; i++)
		if (pb_addr_eq(&peer[i], loc))
			return 0;
	peer[n_peer++] = *loc;
	return 0;
}

static int op_peer_del(void *arg, const struct pb_addr *loc)
{
	(void)arg;
	for (unsigned i = 1; i < INDICES; i++)
		order_errors += remote[i].state != PB_EP_FREE && pb_addr_eq(&remote[i].loc4, loc);
	for (unsigned i = 0; i < n_peer; i++)
		if (pb_addr_eq(&peer[i], loc))
			peer[i] = peer[--n_peer];
	return 0;
}

static int member_at(const struct pb_member_key *k)
{
	for (unsigned i = 0; i < n_member; i++)
		if (!memcmp(&member[i], k, sizeof(*k)))
			return (int)i;
	return -1;
}

static int op_member_put(void *arg, const struct pb_member_key *k, uint64_t ref)
{
	int at = member_at(k);

	(void)arg;
	order_errors += app_at(ref) < 0;
	if (at < 0)
		at = (int)n_member++;
	member[at] = *k;
	member_ref[at] = ref;
	return 0;
}

static int op_member_del(void *arg, const struct pb_member_key *k)
{
	int at = member_at(k);

	(void)arg;
	if (at >= 0) {
		member[at] = member[--n_member];
		member_ref[at] = member_ref[n_member];
	}
	return 0;
}

static bool has_peer(const struct pb_addr *loc)
{
	for (unsigned i = 0; i < n_peer; i++)
		if (pb_addr_eq(&peer[i], loc))
			return true;
	return pb_addr_is_zero(loc);
}

static int op_remote_put(void *arg, uint32_t index, const struct pb_endpoint *ep, uint32_t *gen)
{
	uint32_t last = remote[index].gen;

	(void)arg;
	cr_assert(index && index < INDICES);
	cr_assert_eq(remote[index].state, PB_EP_FREE);
	order_errors += app_at(ep->app) < 0 || !has_peer(&ep->loc4) || !has_peer(&ep->loc6);
	remote[index] = *ep;
	*gen = remote[index].gen = last + 1;
	return 0;
}

static int op_remote_set(void *arg, uint32_t index, const struct pb_endpoint *ep)
{
	uint32_t gen = remote[index].gen;

	(void)arg;
	cr_assert_neq(remote[index].state, PB_EP_FREE);
	remote[index] = *ep;
	remote[index].gen = gen;
	return 0;
}

static bool served(uint32_t index)
{
	for (unsigned i = 0; i < n_svc; i++)
		for (unsigned k = 0; k < svc[i].n; k++)
			if (svc[i].index[k] == index)
				return true;
	return false;
}

static int op_remote_free(void *arg, uint32_t index)
{
	(void)arg;
	order_errors += served(index);
	remote[index].state = PB_EP_FREE;
	return 0;
}

static int svc_at(const struct pb_svc_key *k)
{
	for (unsigned i = 0; i < n_svc; i++)
		if (!memcmp(&svc_key[i], k, sizeof(*k)))
			return (int)i;
	return -1;
}

static int op_rservice_put(void *arg, const struct pb_svc_key *k, const struct pb_rservice *s)
{
	int at = svc_at(k);

	(void)arg;
	for (unsigned i = 0; i < s->n; i++)
		order_errors += remote[s->index[i]].state == PB_EP_FREE;
	if (at < 0)
		at = (int)n_svc++;
	svc_key[at] = *k;
	svc[at] = *s;
	return 0;
}

static int op_rservice_del(void *arg, const struct pb_svc_key *k)
{
	int at = svc_at(k);

	(void)arg;
	if (at >= 0) {
		svc_key[at] = svc_key[--n_svc];
		svc[at] = svc[n_svc];
	}
	return 0;
}

static void op_gone(void *arg, uint32_t index, uint32_t gen, bool dead)
{
	(void)arg;
	cr_assert_eq(remote[index].gen, gen);
	order_errors += remote[index].state != PB_EP_FREE;
	gone_n++;
	gone_dead += dead;
}

static void op_trouble(void *arg, const char *n, const char *app, const char *err)
{
	(void)arg;
	(void)n;
	(void)app;
	troubles += err != NULL;
}

static const struct pb_view_ops ops = {
	.owner = op_owner,
	.each = op_each,
	.now_ns = op_now,
	.app_put = op_app_put,
	.app_del = op_app_del,
	.peer_put = op_peer_put,
	.peer_del = op_peer_del,
	.member_put = op_member_put,
	.member_del = op_member_del,
	.remote_put = op_remote_put,
	.remote_set = op_remote_set,
	.remote_free = op_remote_free,
	.rservice_put = op_rservice_put,
	.rservice_del = op_rservice_del,
	.gone = op_gone,
	.trouble = op_trouble,
};

/* ---- what nodes say ------------------------------------------------------- */

static uint64_t number(unsigned i)
{
	return tbl_number(&node[i].o.id);
}

static struct tbl_record *add(unsigned i)
{
	cr_assert_lt(node[i].n, RECORDS);
	return &node[i].rec[node[i].n++];
}

__attribute__((unused)) static void add_node(unsigned i, const char *loc4)
{
	static const char *const names[] = { "h0", "h1", "h2", "h3" };

	memset(&node[i], 0, sizeof(node[i]));
	node[i].there = true;
	node[i].o = (struct tbl_owner){
		.name = names[i], .state = TBL_ALIVE, .used = true, .epoch = 1
	};
	node[i].o.id.b[0] = (uint8_t)(i + 1);
	*add(i) = (struct tbl_record){ .kind = TBL_NODE, .node.loc4 = A(loc4) };
}

__attribute__((unused)) static struct tbl_record *add_app(unsigned i, uint32_t id, const char *name,
							  const char *vip)
{
	struct tbl_record *r = add(i);

	*r = (struct tbl_record){ .kind = TBL_APP, .id = id, .app.vip4 = A(vip) };
	snprintf(r->app.name, sizeof(r->app.name), "%s", name);
	r->app.id64 = (uint64_t)name[0];
	return r;
}

__attribute__((unused)) static struct tbl_record *add_ep(unsigned i, uint32_t id, uint32_t app,
							 uint16_t port)
{
	struct tbl_record *r = add(i);

	*r = (struct tbl_record){
		.kind = TBL_ENDPOINT,
		.id = id,
		.endpoint = { .app = app,
			      .port = port,
			      .real = (uint16_t)(30000 + id),
			      .proto = PB_PROTO_TCP,
			      .cls = PB_CLS_V4_VIP | PB_CLS_V4_LOOP,
			      .weight = 100,
			      .state = PB_EP_UP },
	};
	return r;
}

__attribute__((unused)) static const struct pb_rservice *service(const char *vip, uint16_t port,
								 uint64_t ns)
{
	struct pb_svc_key k = {
		.addr = A(vip), .ns = ns, .port = htons(port), .proto = PB_PROTO_TCP
	};
	int at = svc_at(&k);

	return at < 0 ? NULL : &svc[at];
}

__attribute__((unused)) static unsigned up(void)
{
	unsigned n = 0;

	for (unsigned i = 1; i < INDICES; i++)
		n += remote[i].state != PB_EP_FREE;
	return n;
}

__attribute__((unused)) static uint64_t flush(void)
{
	uint64_t next;

	pb_view_dirty_all(view);
	for (unsigned i = 0; i < 4; i++)
		if (node[i].there)
			pb_view_dirty(view, number(i));
	next = pb_view_flush(view);
	cr_assert_eq(order_errors, 0, "somebody could have seen half of it");
	return next;
}

__attribute__((unused)) static void begin(void)
{
	now = 1000000000000ULL;
	cr_assert_eq(pb_view_new(&view, &ops, NULL, INDICES, false), 0);
}

__attribute__((unused)) static void finish(void)
{
	pb_view_free(view);
}

__attribute__((unused)) static void one_service(void)
{
	add_node(0, "10.77.0.1");
	add_app(0, 1, "web", "10.9.0.1");
	add_ep(0, 5, 1, 80);
}

#endif /* TEST_CLUSTER_VIEW_H */
