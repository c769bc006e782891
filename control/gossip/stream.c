/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "stream.h"

#include <errno.h>
#include <stdlib.h>

#include "lzw.h"
#include "msgpack.h"

#define CHUNK 4096
#define LABEL_HEAD 2
#define SEALED_HEAD 5 /* GSP_ENCRYPT and a length of 32 bits */
#define RAW_MAX (GSP_STREAM_MAX + LABEL_HEAD + GSP_LABEL_MAX + SEALED_HEAD)

enum stage { LABEL, SEALED, MESSAGE, NODES, USER, DONE };

void gsp_stream_init(struct gsp_stream *s, const struct gsp_layers *pool, bool dialled)
{
	*s = (struct gsp_stream){ .pool = pool, .dialled = dialled };
}

void gsp_stream_fini(struct gsp_stream *s)
{
	free(s->buf);
	*s = (struct gsp_stream){ 0 };
}

int gsp_stream_want(struct gsp_stream *s, uint8_t **ret, size_t *ret_n)
{
	size_t cap = s->cap ? s->cap * 2 : CHUNK;
	uint8_t *p;

	if (s->len == s->cap) {
		if (cap > RAW_MAX)
			cap = RAW_MAX;
		if (s->len == cap)
			return -E2BIG;
		p = realloc(s->buf, cap);
		if (!p)
			return -ENOMEM;
		s->buf = p;
		s->cap = cap;
	}
	*ret = s->buf + s->len;
	*ret_n = s->cap - s->len;
	return 0;
}

/* What the bytes contained takes their place. */
static void replace(struct gsp_stream *s, uint8_t *p, size_t n)
{
	free(s->buf);
	s->buf = p;
	s->len = s->cap = n;
	s->at = 0;
	s->whole = true;
	s->stage = MESSAGE;
}

/* ---- stages: 1: go on, 0: not enough bytes yet, or an error ---------------------------------- */

static int take_label(struct gsp_stream *s)
{
	size_t len = s->dialled ? 0 : s->pool->label_len;

	if (!s->len)
		return 0;
	if ((*s->buf == GSP_LABEL) != !!len)
		return -EPERM;
	if (len) {
		if (s->len < LABEL_HEAD)
			return 0;
		if (s->buf[1] != len)
			return -EPERM;
		if (s->len < LABEL_HEAD + len)
			return 0;
		if (memcmp(s->buf + LABEL_HEAD, s->pool->label, len))
			return -EPERM;
		s->at = LABEL_HEAD + len;
	}
	s->stage = SEALED;
	return 1;
}

static size_t make_aad(const struct gsp_layers *pool, const uint8_t *head,
		       uint8_t aad[SEALED_HEAD + GSP_LABEL_MAX])
{
	memcpy(aad, head, SEALED_HEAD);
	memcpy(aad + SEALED_HEAD, pool->label, pool->label_len);
	return SEALED_HEAD + (size_t)pool->label_len;
}

static int take_sealed(struct gsp_stream *s)
{
	const uint8_t *p = s->buf + s->at;
	size_t left = s->len - s->at, n;
	uint8_t aad[SEALED_HEAD + GSP_LABEL_MAX], *text;
	int len;

	if (!left)
		return 0;
	if ((*p == GSP_ENCRYPT) != !!s->pool->keys.n)
		return -EKEYREJECTED;
	if (*p != GSP_ENCRYPT) {
		s->stage = MESSAGE;
		return 1;
	}
	if (left < SEALED_HEAD)
		return 0;
	n = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
	if (n > GSP_STREAM_MAX)
		return -E2BIG;
	if (n <= GSP_SEAL_OVERHEAD)
		return -EBADMSG;
	if (left < SEALED_HEAD + n)
		return 0;
	text = malloc(n);
	if (!text)
		return -ENOMEM;
	len = gsp_unseal(&s->pool->keys, aad, make_aad(s->pool, p, aad), p + SEALED_HEAD, n, text);
	if (len < 0) {
		free(text);
		return len;
	}
	replace(s, text, (size_t)len);
	return 1;
}

static int take_compressed(struct gsp_stream *s, const uint8_t *p, size_t n)
{
	struct gsp_out out = { .max = GSP_INFLATE_MAX };
	int err = s->inflated ? -EBADMSG : gsp_inflate(p, n, &out);

	if (err) {
		gsp_out_fini(&out);
		return err == -ENODATA ? 0 : err;
	}
	s->inflated = true;
	replace(s, out.p, out.n);
	return 1;
}

static int take_sync_header(struct gsp_stream *s, const uint8_t *p, size_t n)
{
	struct gsp_sync_header h;
	int used = gsp_sync_header_decode(&h, p, n);

	if (used < 0)
		return used == -ENODATA ? 0 : used;
	/* the count is the sender's: too large a one is refused before it keeps anybody waiting */
	if ((uint64_t)h.nodes * GSP_NODE_STATE_MIN + h.user_len > GSP_STREAM_MAX)
		return -E2BIG;
	s->start = s->at;
	s->at += (size_t)used;
	s->values = h.nodes;
	s->user_len = h.user_len;
	s->stage = NODES;
	return 1;
}

static int take_nodes(struct gsp_stream *s)
{
	struct gsp_rd r = GSP_RD(s->buf + s->at, s->len - s->at);

	gsp_rd_pass(&r, &s->values);
	s->at = (size_t)(r.p - s->buf);
	if (r.err)
		return r.err == -ENODATA ? 0 : r.err;
	s->stage = USER;
	return 1;
}

static int done(struct gsp_stream *s, size_t start, size_t n)
{
	s->msg = s->buf + start;
	s->msg_len = n;
	s->stage = DONE;
	return 1;
}

static int take_message(struct gsp_stream *s)
{
	const uint8_t *p = s->buf + s->at;
	size_t n = s->len - s->at;
	union {
		struct gsp_ping ping;
		struct gsp_ack ack;
		struct gsp_err err;
		struct gsp_bytes user;
	} m;
	int used;

	if (!n)
		return 0;
	switch (*p) {
	case GSP_COMPRESS: return take_compressed(s, p, n);
	case GSP_PUSH_PULL: return take_sync_header(s, p, n);
	case GSP_PING: used = gsp_ping_decode(&m.ping, p, n); break;
	case GSP_ACK: used = gsp_ack_decode(&m.ack, p, n); break;
	case GSP_ERR: used = gsp_err_decode(&m.err, p, n); break;
	case GSP_USER: used = gsp_user_decode(&m.user, p, n); break;
	default: used = -EBADMSG;
	}
	if (used < 0)
		return used == -ENODATA ? 0 : used;
	return done(s, s->at, (size_t)used);
}

int gsp_stream_took(struct gsp_stream *s, size_t n)
{
	int r = 1;

	s->len += n;
	while (r > 0 && s->stage != DONE) {
		switch (s->stage) {
		case LABEL: r = take_label(s); break;
		case SEALED: r = take_sealed(s); break;
		case MESSAGE: r = take_message(s); break;
		case NODES: r = take_nodes(s); break;
		default:
			r = 0;
			if (s->len - s->at >= s->user_len)
				r = done(s, s->start, s->at + s->user_len - s->start);
		}
	}
	return !r && s->whole ? -EBADMSG : r;
}

/* ---- out ------------------------------------------------------------------------------------- */

size_t gsp_stream_overhead(const struct gsp_layers *pool, bool dialled)
{
	return (dialled && pool->label_len ? LABEL_HEAD + (size_t)pool->label_len : 0) +
	       (pool->keys.n ? SEALED_HEAD + GSP_SEAL_OVERHEAD : 0);
}

int gsp_stream_seal(const struct gsp_layers *pool, const uint8_t nonce[GSP_NONCE_LEN], bool dialled,
		    const uint8_t *msg, size_t n, uint8_t *buf, size_t cap)
{
	size_t total = gsp_stream_overhead(pool, dialled) + n, sealed = n + GSP_SEAL_OVERHEAD;
	uint8_t aad[SEALED_HEAD + GSP_LABEL_MAX];
	uint8_t *at = buf;
	int len;

	if (!n)
		return -EINVAL;
	if (n > GSP_STREAM_MAX - GSP_SEAL_OVERHEAD)
		return -E2BIG;
	if (total > cap)
		return -ENOBUFS;
	if (dialled && pool->label_len) {
		*at++ = GSP_LABEL;
		*at++ = pool->label_len;
		memcpy(at, pool->label, pool->label_len);
		at += pool->label_len;
	}
	if (!pool->keys.n) {
		memcpy(at, msg, n);
		return (int)total;
	}
	*at++ = GSP_ENCRYPT;
	for (unsigned i = 0; i < 4; i++)
		*at++ = (uint8_t)(sealed >> (24 - 8 * i));
	len = gsp_seal(&pool->keys, nonce, aad, make_aad(pool, at - SEALED_HEAD, aad), msg, n, at,
		       cap - (size_t)(at - buf));
	return len < 0 ? len : (int)total;
}
