/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Push/pull: a header, nodes, user state. */
#include "message.h"

#include <errno.h>
#include <limits.h>

#include "fields.h"

static const struct gsp_field sync_header_fields[] = {
	GSP_FIELD(gsp_sync_header, join, "Join", BOOL),
	GSP_FIELD(gsp_sync_header, nodes, "Nodes", U32, .max = GSP_STREAM_MAX / GSP_NODE_STATE_MIN),
	GSP_FIELD(gsp_sync_header, user_len, "UserStateLen", U32, .max = GSP_STREAM_MAX),
};
GSP_CODEC(sync_header, GSP_PUSH_PULL)

static const struct gsp_field node_state_fields[] = {
	GSP_FIELD(gsp_node_state, addr, "Addr", ADDR),
	GSP_FIELD(gsp_node_state, incarnation, "Incarnation", U32),
	GSP_FIELD(gsp_node_state, meta, "Meta", BYTES, .max = GSP_META_MAX),
	GSP_FIELD(gsp_node_state, name, "Name", NAME, .flags = GSP_F_NEEDED),
	GSP_FIELD(gsp_node_state, port, "Port", U16),
	GSP_FIELD(gsp_node_state, state, "State", U8, .max = GSP_STATE_LEFT),
	GSP_FIELD(gsp_node_state, vsn, "Vsn", VSN),
};
static const struct gsp_schema node_state_schema = GSP_SCHEMA(node_state_fields);

int gsp_node_state_encode(const struct gsp_node_state *m, uint8_t *buf, size_t cap)
{
	struct gsp_wr w = GSP_WR(buf, cap < INT_MAX ? cap : INT_MAX);

	gsp_fields_write(&w, &node_state_schema, m);
	return gsp_wr_done(&w, buf);
}

int gsp_node_state_decode(struct gsp_node_state *ret, const uint8_t *p, size_t n)
{
	struct gsp_node_state m = { 0 };
	struct gsp_rd r;

	if (n > INT_MAX)
		return -E2BIG;
	if (!n)
		return -ENODATA;
	r = GSP_RD(p, n);
	gsp_fields_read(&r, &node_state_schema, &m);
	if (!r.err)
		*ret = m;
	return gsp_rd_done(&r, p);
}

int gsp_sync_decode(struct gsp_sync *ret, const uint8_t *p, size_t n)
{
	struct gsp_sync_header h = { 0 };
	int used = gsp_sync_header_decode(&h, p, n);
	uint64_t values = h.nodes;
	const uint8_t *first;
	struct gsp_rd r;

	if (used < 0)
		return used;
	first = p + used;
	r = GSP_RD(first, n - (size_t)used);
	gsp_rd_pass(&r, &values);
	if (r.err)
		return r.err;
	if (h.user_len > (size_t)(r.end - r.p))
		return -ENODATA;
	ret->header = h;
	ret->nodes = (struct gsp_bytes){ first, (uint32_t)(r.p - first) };
	ret->user = (struct gsp_bytes){ r.p, h.user_len };
	return (int)(r.p - p) + (int)h.user_len;
}

bool gsp_sync_next(struct gsp_bytes *rest, struct gsp_node_state *ret)
{
	while (rest->n) {
		int used = gsp_node_state_decode(ret, rest->p, rest->n);
		struct gsp_rd r = GSP_RD(rest->p, rest->n);
		uint64_t values = 1;

		gsp_rd_pass(&r, &values);
		if (r.err)
			return false;
		rest->n -= (uint32_t)(r.p - rest->p);
		rest->p = r.p;
		if (used > 0)
			return true;
	}
	return false;
}
