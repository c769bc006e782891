/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "message.h"

#include <errno.h>

#include "fields.h"

static const struct gsp_field ping_fields[] = {
	GSP_FIELD(gsp_ping, node, "Node", NAME),
	GSP_FIELD(gsp_ping, seq, "SeqNo", U32),
	GSP_FIELD(gsp_ping, source_addr, "SourceAddr", ADDR, .flags = GSP_F_OMIT_EMPTY),
	GSP_FIELD(gsp_ping, source_node, "SourceNode", NAME, .flags = GSP_F_OMIT_EMPTY),
	GSP_FIELD(gsp_ping, source_port, "SourcePort", U16, .flags = GSP_F_OMIT_EMPTY),
};
GSP_CODEC(ping, GSP_PING)

static const struct gsp_field indirect_ping_fields[] = {
	GSP_FIELD(gsp_indirect_ping, nack, "Nack", BOOL),
	GSP_FIELD(gsp_indirect_ping, node, "Node", NAME),
	GSP_FIELD(gsp_indirect_ping, port, "Port", U16),
	GSP_FIELD(gsp_indirect_ping, seq, "SeqNo", U32),
	GSP_FIELD(gsp_indirect_ping, source_addr, "SourceAddr", ADDR, .flags = GSP_F_OMIT_EMPTY),
	GSP_FIELD(gsp_indirect_ping, source_node, "SourceNode", NAME, .flags = GSP_F_OMIT_EMPTY),
	GSP_FIELD(gsp_indirect_ping, source_port, "SourcePort", U16, .flags = GSP_F_OMIT_EMPTY),
	GSP_FIELD(gsp_indirect_ping, target, "Target", ADDR),
};
GSP_CODEC(indirect_ping, GSP_INDIRECT_PING)

static const struct gsp_field ack_fields[] = {
	GSP_FIELD(gsp_ack, payload, "Payload", BYTES, .max = GSP_PAYLOAD_MAX),
	GSP_FIELD(gsp_ack, seq, "SeqNo", U32),
};
GSP_CODEC(ack, GSP_ACK)

static const struct gsp_field nack_fields[] = {
	GSP_FIELD(gsp_nack, seq, "SeqNo", U32),
};
GSP_CODEC(nack, GSP_NACK)

static const struct gsp_field suspect_fields[] = {
	GSP_FIELD(gsp_suspect, from, "From", NAME),
	GSP_FIELD(gsp_suspect, incarnation, "Incarnation", U32),
	GSP_FIELD(gsp_suspect, node, "Node", NAME, .flags = GSP_F_NEEDED),
};
GSP_CODEC(suspect, GSP_SUSPECT)

static const struct gsp_field alive_fields[] = {
	GSP_FIELD(gsp_alive, addr, "Addr", ADDR),
	GSP_FIELD(gsp_alive, incarnation, "Incarnation", U32),
	GSP_FIELD(gsp_alive, meta, "Meta", BYTES, .max = GSP_META_MAX),
	GSP_FIELD(gsp_alive, node, "Node", NAME, .flags = GSP_F_NEEDED),
	GSP_FIELD(gsp_alive, port, "Port", U16),
	GSP_FIELD(gsp_alive, vsn, "Vsn", VSN),
};
GSP_CODEC(alive, GSP_ALIVE)

static const struct gsp_field dead_fields[] = {
	GSP_FIELD(gsp_dead, from, "From", NAME),
	GSP_FIELD(gsp_dead, incarnation, "Incarnation", U32),
	GSP_FIELD(gsp_dead, node, "Node", NAME, .flags = GSP_F_NEEDED),
};
GSP_CODEC(dead, GSP_DEAD)

static const struct gsp_field err_fields[] = {
	GSP_FIELD(gsp_err, error, "Error", TEXT, .max = GSP_TEXT_MAX),
};
GSP_CODEC(err, GSP_ERR)

/* ---- user message of a stream ---------------------------------------------------------------- */

struct gsp_user_header {
	uint32_t len;
};

static const struct gsp_field user_fields[] = {
	GSP_FIELD(gsp_user_header, len, "UserMsgLen", U32, .max = GSP_STREAM_MAX),
};
static const struct gsp_schema user_schema = GSP_SCHEMA(user_fields);

int gsp_user_encode(const struct gsp_bytes *data, uint8_t *buf, size_t cap)
{
	struct gsp_user_header h = { data->n };
	struct gsp_wr w = GSP_WR(buf, cap);

	gsp_wr_byte(&w, GSP_USER);
	gsp_fields_write(&w, &user_schema, &h);
	gsp_wr_put(&w, data->p, data->n);
	return gsp_wr_done(&w, buf);
}

int gsp_user_decode(struct gsp_bytes *ret, const uint8_t *p, size_t n)
{
	struct gsp_user_header h = { 0 };
	int head = gsp_typed_decode(GSP_USER, &user_schema, &h, p, n);

	if (head < 0)
		return head;
	if (h.len > n - (size_t)head)
		return -ENODATA;
	*ret = (struct gsp_bytes){ p + head, h.len };
	return head + (int)h.len;
}
