/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "record.h"

#include <errno.h>
#include <patchbay/addr.h>

#include "gossip/fields.h"

struct node_wire {
	struct gsp_addr loc4, loc6;
	uint32_t flags;
	struct gsp_bytes version;
};

static const struct gsp_field node_fields[] = {
	GSP_FIELD(node_wire, loc4, "4", ADDR, .flags = GSP_F_OMIT_EMPTY),
	GSP_FIELD(node_wire, loc6, "6", ADDR, .flags = GSP_F_OMIT_EMPTY),
	GSP_FIELD(node_wire, flags, "f", U32, .flags = GSP_F_OMIT_EMPTY),
	GSP_FIELD(node_wire, version, "v", NAME, .flags = GSP_F_OMIT_EMPTY),
};

struct app_wire {
	struct gsp_addr vip4, vip6;
	uint32_t flags;
	uint64_t id64, since_ms;
	struct gsp_bytes name;
	struct gsp_list tags;
};

static const struct gsp_field app_fields[] = {
	GSP_FIELD(app_wire, vip4, "4", ADDR, .flags = GSP_F_OMIT_EMPTY),
	GSP_FIELD(app_wire, vip6, "6", ADDR, .flags = GSP_F_OMIT_EMPTY),
	GSP_FIELD(app_wire, flags, "f", U32, .flags = GSP_F_OMIT_EMPTY),
	GSP_FIELD(app_wire, id64, "i", U64),
	GSP_FIELD(app_wire, name, "n", NAME, .flags = GSP_F_NEEDED),
	GSP_FIELD(app_wire, since_ms, "s", U64),
	GSP_FIELD(app_wire, tags, "t", ARRAY),
};

static const struct gsp_field endpoint_fields[] = {
	GSP_FIELD(tbl_endpoint, app, "a", U32),
	GSP_FIELD(tbl_endpoint, cls, "c", U8),
	GSP_FIELD(tbl_endpoint, state, "k", U8),
	GSP_FIELD(tbl_endpoint, live, "l", U32, .flags = GSP_F_OMIT_EMPTY),
	GSP_FIELD(tbl_endpoint, proto, "p", U8),
	GSP_FIELD(tbl_endpoint, real, "r", U16),
	GSP_FIELD(tbl_endpoint, port, "v", U16),
	GSP_FIELD(tbl_endpoint, weight, "w", U8),
};

static const struct gsp_schema node_schema = GSP_SCHEMA(node_fields);
static const struct gsp_schema app_schema = GSP_SCHEMA(app_fields);
static const struct gsp_schema endpoint_schema = GSP_SCHEMA(endpoint_fields);

/* ---- what holds of a record, whoever wrote it ------------------------------------------------- */

static bool locator_ok(const struct pb_addr *a, bool v4)
{
	if (pb_addr_is_zero(a))
		return true;
	return pb_addr_is_v4(a) == v4 && !pb_addr_is_any(a) && !pb_addr_is_loopback(a) &&
	       (v4 ? a->b[12] < 224 : a->b[0] != 0xff); /* no multicast */
}

static const char *node_wrong(const struct tbl_node *n)
{
	if (!locator_ok(&n->loc4, true) || !locator_ok(&n->loc6, false))
		return "a node's address is not one of a node";
	return NULL;
}

static const char *app_wrong(const struct tbl_app *a)
{
	if (!a->name[0] || !a->id64)
		return "an application without name or id";
	if (!locator_ok(&a->vip4, true) || !locator_ok(&a->vip6, false))
		return "an application's address cannot be one";
	return NULL;
}

static const char *endpoint_wrong(const struct tbl_endpoint *e)
{
	if (!e->port || !e->real)
		return "an endpoint without a port";
	if (e->weight < 1 || e->weight > 100)
		return "an endpoint's weight is not 1 to 100";
	return NULL;
}

static bool endpoint_known(const struct tbl_endpoint *e)
{
	return (e->proto == PB_PROTO_TCP || e->proto == PB_PROTO_UDP) &&
	       !(e->cls & ~(PB_CLS_V4 | PB_CLS_V6)) && e->cls &&
	       (e->state == PB_EP_UP || e->state == PB_EP_DRAIN);
}

static const char *wrong(const struct tbl_record *r)
{
	switch (r->kind) {
	case TBL_NODE: return r->id ? "a node's record has an id" : node_wrong(&r->node);
	case TBL_APP: return app_wrong(&r->app);
	default: return endpoint_wrong(&r->endpoint);
	}
}

/* ---- out ------------------------------------------------------------------------------------- */

static struct gsp_addr addr_out(const struct pb_addr *a)
{
	struct gsp_addr out = { .len = 0 };

	if (pb_addr_is_zero(a))
		return out;
	out.len = pb_addr_is_v4(a) ? 4 : 16;
	memcpy(out.ip, a->b + 16 - out.len, out.len);
	return out;
}

static struct gsp_bytes text_out(const char *s, size_t cap)
{
	return (struct gsp_bytes){ (const uint8_t *)s, (uint32_t)strnlen(s, cap) };
}

static void node_out(struct gsp_wr *w, const struct tbl_node *n)
{
	struct node_wire x = { addr_out(&n->loc4), addr_out(&n->loc6), n->flags,
			       text_out(n->version, sizeof(n->version)) };

	if (x.version.n >= sizeof(n->version))
		w->err = -EINVAL;
	gsp_fields_write(w, &node_schema, &x);
}

static void app_out(struct gsp_wr *w, const struct tbl_app *a)
{
	uint8_t tags[PB_TAGS_MAX * (PB_TAG_LEN + 1)];
	struct gsp_wr t = GSP_WR(tags, sizeof(tags));
	struct app_wire x = { .vip4 = addr_out(&a->vip4),
			      .vip6 = addr_out(&a->vip6),
			      .flags = a->flags,
			      .id64 = a->id64,
			      .since_ms = a->since_ms,
			      .name = text_out(a->name, sizeof(a->name)) };

	if (a->tags.n > PB_TAGS_MAX || x.name.n >= sizeof(a->name)) {
		w->err = -EINVAL;
		return;
	}
	for (uint32_t i = 0; i < a->tags.n; i++) {
		struct gsp_bytes tag = text_out(a->tags.tag[i], PB_TAG_LEN);

		if (!tag.n || tag.n >= PB_TAG_LEN || !gsp_name_ok(tag))
			w->err = -EINVAL;
		gsp_wr_raw(&t, tag.p, tag.n);
	}
	if (a->tags.n)
		x.tags = (struct gsp_list){ tags, (uint32_t)(t.p - tags), a->tags.n, 0 };
	gsp_fields_write(w, &app_schema, &x);
}

int tbl_record_encode(const struct tbl_record *r, uint8_t *buf, size_t cap)
{
	struct gsp_wr w = GSP_WR(buf, cap < TBL_RECORD_MAX ? cap : TBL_RECORD_MAX);

	if (r->kind < TBL_NODE || r->kind > TBL_ENDPOINT || wrong(r))
		return -EINVAL;
	if (r->kind == TBL_ENDPOINT && !endpoint_known(&r->endpoint))
		return -EINVAL;
	switch (r->kind) {
	case TBL_NODE: node_out(&w, &r->node); break;
	case TBL_APP: app_out(&w, &r->app); break;
	default: gsp_fields_write(&w, &endpoint_schema, &r->endpoint);
	}
	return gsp_wr_done(&w, buf);
}

/* ---- in -------------------------------------------------------------------------------------- */

static void addr_in(struct gsp_rd *r, const struct gsp_addr *a, uint8_t len, struct pb_addr *ret)
{
	if (!a->len)
		return;
	if (a->len != len)
		gsp_rd_fail(r, -EBADMSG);
	if (len == 4)
		*ret = pb_addr_v4(0);
	memcpy(ret->b + 16 - len, a->ip, len);
}

static void text_in(struct gsp_rd *r, struct gsp_bytes t, char *ret, size_t cap)
{
	if (t.n >= cap)
		gsp_rd_fail(r, -E2BIG);
	else if (t.n)
		memcpy(ret, t.p, t.n);
}

static void node_in(struct gsp_rd *r, struct tbl_node *ret)
{
	struct node_wire x = { .flags = 0 };

	gsp_fields_read(r, &node_schema, &x);
	addr_in(r, &x.loc4, 4, &ret->loc4);
	addr_in(r, &x.loc6, 16, &ret->loc6);
	ret->flags = x.flags;
	text_in(r, x.version, ret->version, sizeof(ret->version));
}

static void tags_in(struct gsp_rd *r, const struct gsp_list *l, struct pb_tags *ret)
{
	struct gsp_rd t = GSP_RD(l->p, l->n);

	if (l->count > PB_TAGS_MAX) {
		gsp_rd_fail(r, -E2BIG);
		return;
	}
	ret->n = l->count;
	for (uint32_t i = 0; i < l->count; i++) {
		struct gsp_bytes tag = gsp_rd_raw(&t, PB_TAG_LEN - 1);

		if (!t.err && (!tag.n || !gsp_name_ok(tag)))
			t.err = -EBADMSG;
		text_in(&t, tag, ret->tag[i], PB_TAG_LEN);
	}
	if (t.err)
		gsp_rd_fail(r, t.err);
}

static void app_in(struct gsp_rd *r, struct tbl_app *ret)
{
	struct app_wire x = { .flags = 0 };

	gsp_fields_read(r, &app_schema, &x);
	addr_in(r, &x.vip4, 4, &ret->vip4);
	addr_in(r, &x.vip6, 16, &ret->vip6);
	ret->flags = x.flags;
	ret->id64 = x.id64;
	ret->since_ms = x.since_ms;
	text_in(r, x.name, ret->name, sizeof(ret->name));
	if (!r->err && x.tags.p)
		tags_in(r, &x.tags, &ret->tags);
}

int tbl_record_decode(struct tbl_record *ret, uint8_t kind, uint32_t id, const uint8_t *p, size_t n,
		      const char **ret_why)
{
	struct tbl_record x = { .kind = kind, .id = id };
	struct gsp_rd r = GSP_RD(p, n);
	const char *why = NULL;

	if (n > TBL_RECORD_MAX)
		r.err = -E2BIG;
	if (!r.err && (kind < TBL_NODE || kind > TBL_ENDPOINT))
		return -EOPNOTSUPP;
	switch (kind) {
	case TBL_NODE: node_in(&r, &x.node); break;
	case TBL_APP: app_in(&r, &x.app); break;
	default: gsp_fields_read(&r, &endpoint_schema, &x.endpoint);
	}
	if (!r.err && r.p != r.end)
		r.err = -EBADMSG;
	if (!r.err && (why = wrong(&x)))
		r.err = -EBADMSG;
	if (r.err && ret_why)
		*ret_why = why		     ? why
			   : r.err == -E2BIG ? "something is too long"
					     : "it is malformed";
	if (r.err)
		return r.err;
	if (kind == TBL_ENDPOINT && !endpoint_known(&x.endpoint))
		return -EOPNOTSUPP;
	*ret = x;
	return 0;
}

/* ---- claims ----------------------------------------------------------------------------------- */

struct tbl_claim tbl_claim(const struct tbl_app *a)
{
	struct tbl_claim c = {
		.vip4 = a->vip4, .vip6 = a->vip6, .since_ms = a->since_ms, .flags = a->flags
	};

	memcpy(c.name, a->name, sizeof(c.name));
	return c;
}

static bool differ(const struct pb_addr *a, const struct pb_addr *b)
{
	return !pb_addr_is_zero(a) && !pb_addr_is_zero(b) && !pb_addr_eq(a, b);
}

static bool share(const struct pb_addr *a, const struct pb_addr *b)
{
	return !pb_addr_is_zero(a) && pb_addr_eq(a, b);
}

enum tbl_clash tbl_clash(const struct tbl_claim *a, const struct tbl_claim *b)
{
	if (!strcmp(a->name, b->name))
		return differ(&a->vip4, &b->vip4) || differ(&a->vip6, &b->vip6) ? TBL_CLASH_NAME
										: TBL_CLASH_NONE;
	if (!((a->flags | b->flags) & TBL_APP_AUTO))
		return TBL_CLASH_NONE;
	return share(&a->vip4, &b->vip4) || share(&a->vip6, &b->vip6) ? TBL_CLASH_ADDRESS
								      : TBL_CLASH_NONE;
}

bool tbl_claim_first(const struct tbl_claim *a, const struct tbl_id *a_owner, uint32_t a_id,
		     const struct tbl_claim *b, const struct tbl_id *b_owner, uint32_t b_id)
{
	int order = memcmp(a_owner, b_owner, sizeof(*a_owner));

	if (a->since_ms != b->since_ms)
		return a->since_ms < b->since_ms;
	return order ? order < 0 : a_id < b_id;
}

const char *tbl_clash_text(enum tbl_clash c)
{
	switch (c) {
	case TBL_CLASH_NAME: return "the name is claimed with another address, earlier";
	case TBL_CLASH_ADDRESS: return "the address is another application's, by an earlier claim";
	default: return "";
	}
}
