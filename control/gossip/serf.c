/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "serf.h"

#include <errno.h>
#include <limits.h>

#include "fields.h"

static const struct gsp_field serf_leave_fields[] = {
	GSP_FIELD(gsp_serf_leave, ltime, "LTime", U64),
	GSP_FIELD(gsp_serf_leave, node, "Node", NAME, .flags = GSP_F_NEEDED),
	GSP_FIELD(gsp_serf_leave, prune, "Prune", BOOL),
};
GSP_CODEC(serf_leave, GSP_SERF_LEAVE)

static const struct gsp_field serf_join_fields[] = {
	GSP_FIELD(gsp_serf_join, ltime, "LTime", U64),
	GSP_FIELD(gsp_serf_join, node, "Node", NAME, .flags = GSP_F_NEEDED),
};
GSP_CODEC(serf_join, GSP_SERF_JOIN)

static const struct gsp_field serf_event_fields[] = {
	GSP_FIELD(gsp_serf_event, coalesce, "CC", BOOL),
	GSP_FIELD(gsp_serf_event, ltime, "LTime", U64),
	GSP_FIELD(gsp_serf_event, name, "Name", TEXT, .max = GSP_EVENT_NAME_MAX),
	GSP_FIELD(gsp_serf_event, payload, "Payload", BYTES, .max = GSP_PAYLOAD_MAX),
};
GSP_CODEC(serf_event, GSP_SERF_EVENT)

static const struct gsp_field serf_query_fields[] = {
	GSP_FIELD(gsp_serf_query, addr, "Addr", ADDR),
	GSP_FIELD(gsp_serf_query, filters, "Filters", ARRAY),
	GSP_FIELD(gsp_serf_query, flags, "Flags", U32),
	GSP_FIELD(gsp_serf_query, id, "ID", U32),
	GSP_FIELD(gsp_serf_query, ltime, "LTime", U64),
	GSP_FIELD(gsp_serf_query, name, "Name", TEXT, .max = GSP_EVENT_NAME_MAX),
	GSP_FIELD(gsp_serf_query, payload, "Payload", BYTES, .max = GSP_PAYLOAD_MAX),
	GSP_FIELD(gsp_serf_query, port, "Port", U16),
	GSP_FIELD(gsp_serf_query, relay_factor, "RelayFactor", U8),
	GSP_FIELD(gsp_serf_query, source_node, "SourceNode", NAME, .flags = GSP_F_OMIT_NULL),
	GSP_FIELD(gsp_serf_query, timeout_ns, "Timeout", I64),
};
GSP_CODEC(serf_query, GSP_SERF_QUERY)

static const struct gsp_field serf_response_fields[] = {
	GSP_FIELD(gsp_serf_response, flags, "Flags", U32),
	GSP_FIELD(gsp_serf_response, from, "From", NAME),
	GSP_FIELD(gsp_serf_response, id, "ID", U32),
	GSP_FIELD(gsp_serf_response, ltime, "LTime", U64),
	GSP_FIELD(gsp_serf_response, payload, "Payload", BYTES, .max = GSP_PAYLOAD_MAX),
};
GSP_CODEC(serf_response, GSP_SERF_RESPONSE)

static const struct gsp_field serf_conflict_fields[] = {
	GSP_FIELD(gsp_serf_conflict, addr, "Addr", ADDR),
	GSP_FIELD(gsp_serf_conflict, vsn.dcur, "DelegateCur", U8),
	GSP_FIELD(gsp_serf_conflict, vsn.dmax, "DelegateMax", U8),
	GSP_FIELD(gsp_serf_conflict, vsn.dmin, "DelegateMin", U8),
	GSP_FIELD(gsp_serf_conflict, name, "Name", NAME),
	GSP_FIELD(gsp_serf_conflict, port, "Port", U16),
	GSP_FIELD(gsp_serf_conflict, vsn.pcur, "ProtocolCur", U8),
	GSP_FIELD(gsp_serf_conflict, vsn.pmax, "ProtocolMax", U8),
	GSP_FIELD(gsp_serf_conflict, vsn.pmin, "ProtocolMin", U8),
	GSP_FIELD(gsp_serf_conflict, status, "Status", U8),
	GSP_FIELD(gsp_serf_conflict, tags, "Tags", MAP),
};
GSP_CODEC(serf_conflict, GSP_SERF_CONFLICT)

static const struct gsp_field serf_key_fields[] = {
	GSP_FIELD(gsp_serf_key, key, "Key", BYTES, .max = GSP_KEY_MAX),
};
GSP_CODEC(serf_key, GSP_SERF_KEY)

static const struct gsp_field serf_keys_fields[] = {
	GSP_FIELD(gsp_serf_keys, keys, "Keys", ARRAY),
	GSP_FIELD(gsp_serf_keys, message, "Message", TEXT, .max = GSP_TEXT_MAX),
	GSP_FIELD(gsp_serf_keys, primary_key, "PrimaryKey", TEXT, .max = GSP_TEXT_MAX),
	GSP_FIELD(gsp_serf_keys, result, "Result", BOOL),
};
GSP_CODEC(serf_keys, GSP_SERF_KEYS)

/* User state of a push/pull; its lists are as long as the pool is large. */
static const struct gsp_field serf_sync_fields[] = {
	GSP_FIELD(gsp_serf_sync, event_ltime, "EventLTime", U64),
	GSP_FIELD(gsp_serf_sync, events, "Events", ARRAY),
	GSP_FIELD(gsp_serf_sync, ltime, "LTime", U64),
	GSP_FIELD(gsp_serf_sync, left, "LeftMembers", ARRAY),
	GSP_FIELD(gsp_serf_sync, digest, "Patchbay", BYTES, .max = GSP_STREAM_MAX,
		  .flags = GSP_F_OMIT_NULL),
	GSP_FIELD(gsp_serf_sync, query_ltime, "QueryLTime", U64),
	GSP_FIELD(gsp_serf_sync, status, "StatusLTimes", MAP),
};
/* A later version may add a key as large as a table; the message is whole and is read once. */
GSP_CODEC(serf_sync, GSP_SERF_SYNC, .skip = GSP_STREAM_MAX)

/* ---- relay: a header with a map in it, then a message ---------------------------------------- */

static const struct gsp_field relay_addr_fields[] = {
	GSP_FIELD(gsp_serf_relay, addr, "IP", ADDR),
	GSP_FIELD(gsp_serf_relay, port, "Port", U16),
	GSP_FIELD(gsp_serf_relay, zone, "Zone", NAME),
};
static const struct gsp_schema relay_addr_schema = GSP_SCHEMA(relay_addr_fields);

static const struct gsp_field relay_fields[] = {
	{ .key = "DestAddr", .kind = GSP_K_INNER, .inner = &relay_addr_schema },
	GSP_FIELD(gsp_serf_relay, node, "DestName", NAME, .flags = GSP_F_OMIT_NULL),
};
static const struct gsp_schema relay_schema = GSP_SCHEMA(relay_fields);

int gsp_serf_relay_encode(const struct gsp_serf_relay *m, uint8_t *buf, size_t cap)
{
	int head = gsp_typed_encode(GSP_SERF_RELAY, &relay_schema, m, buf, cap);

	if (head < 0)
		return head;
	if (!m->message.n)
		return -EINVAL;
	if (m->message.n > INT_MAX || m->message.n > cap - (size_t)head)
		return -ENOBUFS;
	memcpy(buf + head, m->message.p, m->message.n);
	return head + (int)m->message.n;
}

int gsp_serf_relay_decode(struct gsp_serf_relay *ret, const uint8_t *p, size_t n)
{
	struct gsp_serf_relay m = { 0 };
	int head = gsp_typed_decode(GSP_SERF_RELAY, &relay_schema, &m, p, n);

	if (head < 0)
		return head;
	if ((size_t)head == n)
		return -ENODATA;
	m.message = (struct gsp_bytes){ p + head, (uint32_t)(n - (size_t)head) };
	*ret = m;
	return (int)n;
}

/* ---- filters and tags ------------------------------------------------------------------------ */

static const struct gsp_field filter_tag_fields[] = {
	GSP_FIELD(gsp_filter, expr, "Expr", TEXT, .max = GSP_FILTER_MAX),
	GSP_FIELD(gsp_filter, tag, "Tag", TEXT, .max = GSP_FILTER_MAX),
};
static const struct gsp_schema filter_tag_schema = GSP_SCHEMA(filter_tag_fields);

static const struct gsp_field nodes_field = GSP_FIELD(gsp_filter, nodes, "", ARRAY);
static const struct gsp_field tags_field = { .kind = GSP_K_MAP };

int gsp_filter_encode(const struct gsp_filter *m, uint8_t *buf, size_t cap)
{
	struct gsp_wr w = GSP_WR(buf, cap < GSP_FILTER_MAX ? cap : GSP_FILTER_MAX);

	gsp_wr_byte(&w, m->type);
	if (m->type == GSP_FILTER_TAG)
		gsp_fields_write(&w, &filter_tag_schema, m);
	else if (m->type == GSP_FILTER_NODE)
		gsp_list_write(&w, &nodes_field, &m->nodes);
	else
		return -EINVAL;
	return gsp_wr_done(&w, buf);
}

int gsp_filter_decode(struct gsp_filter *ret, const uint8_t *p, size_t n)
{
	struct gsp_filter m = { 0 };
	struct gsp_rd r;

	if (!n)
		return -ENODATA;
	if (n > GSP_FILTER_MAX)
		return -E2BIG;
	m.type = *p;
	r = GSP_RD(p + 1, n - 1);
	if (m.type == GSP_FILTER_TAG)
		gsp_fields_read(&r, &filter_tag_schema, &m);
	else if (m.type == GSP_FILTER_NODE)
		gsp_list_read(&r, &nodes_field, &m.nodes);
	else
		return -EBADMSG;
	if (!r.err)
		*ret = m;
	return gsp_rd_done(&r, p);
}

int gsp_serf_tags_encode(const struct gsp_list *tags, uint8_t *buf, size_t cap)
{
	struct gsp_wr w = GSP_WR(buf, cap < GSP_META_MAX ? cap : GSP_META_MAX);

	gsp_wr_byte(&w, GSP_SERF_TAGS);
	gsp_list_write(&w, &tags_field, tags);
	return gsp_wr_done(&w, buf);
}

int gsp_serf_tags_decode(struct gsp_list *ret, const uint8_t *p, size_t n)
{
	struct gsp_list tags = { 0 };
	struct gsp_rd r;

	if (!n)
		return -ENODATA;
	if (n > GSP_META_MAX)
		return -E2BIG;
	if (*p != GSP_SERF_TAGS)
		return -EBADMSG;
	r = GSP_RD(p + 1, n - 1);
	gsp_list_read(&r, &tags_field, &tags);
	if (!r.err)
		*ret = tags;
	return gsp_rd_done(&r, p);
}
