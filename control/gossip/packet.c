/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "packet.h"

#include <errno.h>
#include <zlib.h>

#include "fields.h"
#include "lzw.h"

#define LABEL_HEAD 2
#define CRC_HEAD 5

int gsp_layers_set_label(struct gsp_layers *pool, const char *label)
{
	size_t n = strlen(label);

	if (n > GSP_LABEL_MAX)
		return -EINVAL;
	memcpy(pool->label, label, n);
	pool->label_len = (uint8_t)n;
	return 0;
}

static uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t checksum(const uint8_t *p, size_t n)
{
	return (uint32_t)crc32(0, p, (unsigned)n);
}

/* ---- compression ----------------------------------------------------------------------------- */

struct compressed {
	uint8_t algo; /* 0: LZW; others exist in forks */
	struct gsp_bytes buf;
};

static const struct gsp_field compress_fields[] = {
	GSP_FIELD(compressed, algo, "Algo", U8),
	GSP_FIELD(compressed, buf, "Buf", BYTES, .max = GSP_STREAM_MAX),
};
static const struct gsp_schema compress_schema = GSP_SCHEMA(compress_fields);

int gsp_inflate(const uint8_t *p, size_t n, struct gsp_out *out)
{
	struct compressed c = { 0 };
	int used = gsp_typed_decode(GSP_COMPRESS, &compress_schema, &c, p, n);
	size_t before = out->n;
	int err;

	if (used < 0)
		return used;
	if (c.algo)
		return -EOPNOTSUPP;
	err = gsp_lzw_decode(c.buf.p, c.buf.n, out);
	if (err)
		return err;
	return out->n > before ? 0 : -EBADMSG;
}

/* ---- in -------------------------------------------------------------------------------------- */

struct opening {
	struct gsp_out inflated;
	gsp_message_fn *fn;
	void *arg;
};

static int open_message(struct opening *o, const uint8_t *p, size_t n, unsigned depth);

static int open_compressed(struct opening *o, const uint8_t *p, size_t n, unsigned depth)
{
	size_t before = o->inflated.n;
	int err = gsp_inflate(p, n, &o->inflated);

	if (err)
		return err == -ENODATA ? -EBADMSG : err;
	return open_message(o, o->inflated.p + before, o->inflated.n - before, depth);
}

static int open_compound(struct opening *o, const uint8_t *p, size_t n, unsigned depth)
{
	size_t parts, total = 0;
	const uint8_t *body;
	int err = 0;

	if (n < 2 || n < 2 + 2 * (size_t)p[1])
		return -EBADMSG;
	parts = p[1];
	for (size_t i = 0; i < parts; i++)
		total += (size_t)p[2 + 2 * i] << 8 | p[3 + 2 * i];
	body = p + 2 + 2 * parts;
	if (total > n - 2 - 2 * parts)
		return -EBADMSG;
	for (size_t i = 0; i < parts; i++) {
		size_t len = (size_t)p[2 + 2 * i] << 8 | p[3 + 2 * i];
		int r = open_message(o, body, len, depth);

		err = err ? err : r;
		body += len;
	}
	return err;
}

static int open_message(struct opening *o, const uint8_t *p, size_t n, unsigned depth)
{
	if (!n)
		return -EBADMSG;
	switch (*p) {
	case GSP_COMPRESS:
		return depth < GSP_PACKET_DEPTH ? open_compressed(o, p, n, depth + 1) : -EBADMSG;
	case GSP_COMPOUND:
		return depth < GSP_PACKET_DEPTH ? open_compound(o, p, n, depth + 1) : -EBADMSG;
	case GSP_ENCRYPT: /* of streams, or out of place */
	case GSP_CRC:
	case GSP_LABEL: return -EBADMSG;
	default: o->fn(o->arg, p, n); return 0;
	}
}

/* The number of bytes before what follows the label. */
static int open_label(const struct gsp_layers *pool, const uint8_t *p, size_t n)
{
	size_t len = pool->label_len;

	if (!n)
		return -EBADMSG;
	if (!len)
		return *p == GSP_LABEL ? -EPERM : 0;
	if (*p != GSP_LABEL)
		return -EPERM;
	if (n < LABEL_HEAD || n < LABEL_HEAD + (size_t)p[1])
		return -EBADMSG;
	return p[1] == len && !memcmp(p + LABEL_HEAD, pool->label, len) ? LABEL_HEAD + (int)len
									: -EPERM;
}

int gsp_packet_open(const struct gsp_layers *pool, struct gsp_packet_scratch *scratch,
		    const uint8_t *p, size_t n, gsp_message_fn *fn, void *arg)
{
	struct opening o = { .fn = fn, .arg = arg };
	int len;

	if (n > GSP_DATAGRAM_MAX)
		return -E2BIG;
	len = open_label(pool, p, n);
	if (len < 0)
		return len;
	p += len;
	n -= (size_t)len;
	if (pool->keys.n) {
		len = gsp_unseal(&pool->keys, pool->label, pool->label_len, p, n, scratch->plain);
		if (len < 0)
			return len;
		p = scratch->plain;
		n = (size_t)len;
	}
	if (n && *p == GSP_CRC) {
		if (n < CRC_HEAD || get_be32(p + 1) != checksum(p + CRC_HEAD, n - CRC_HEAD))
			return -EBADMSG;
		p += CRC_HEAD;
		n -= CRC_HEAD;
	}
	o.inflated = (struct gsp_out){ .p = scratch->inflated,
				       .cap = sizeof(scratch->inflated),
				       .max = sizeof(scratch->inflated) };
	return open_message(&o, p, n, 0);
}

/* ---- out ------------------------------------------------------------------------------------- */

size_t gsp_packet_overhead(const struct gsp_layers *pool, bool crc)
{
	return (pool->label_len ? LABEL_HEAD + (size_t)pool->label_len : 0) +
	       (pool->keys.n ? GSP_SEAL_OVERHEAD : 0) + (crc ? CRC_HEAD : 0);
}

static void put_crc(uint8_t *p, size_t n)
{
	uint32_t sum = checksum(p + CRC_HEAD, n);

	p[0] = GSP_CRC;
	for (unsigned i = 1; i < CRC_HEAD; i++)
		p[i] = (uint8_t)(sum >> (32 - 8 * i));
}

int gsp_packet_seal(const struct gsp_layers *pool, const uint8_t nonce[GSP_NONCE_LEN], bool crc,
		    const uint8_t *msg, size_t n, uint8_t *buf, size_t cap)
{
	bool sealed = pool->keys.n;
	size_t total = gsp_packet_overhead(pool, crc) + n;
	uint8_t *at = buf, *text;
	int len;

	if (!n)
		return -EINVAL;
	if (n > GSP_DATAGRAM_MAX || total > cap)
		return -ENOBUFS;
	if (pool->label_len) {
		*at++ = GSP_LABEL;
		*at++ = pool->label_len;
		memcpy(at, pool->label, pool->label_len);
		at += pool->label_len;
	}
	text = at + (sealed ? GSP_SEAL_HEAD : 0);
	memcpy(text + (crc ? CRC_HEAD : 0), msg, n);
	if (crc)
		put_crc(text, n);
	if (!sealed)
		return (int)total;
	len = gsp_seal(&pool->keys, nonce, pool->label, pool->label_len, text,
		       n + (crc ? CRC_HEAD : 0), at, cap - (size_t)(at - buf));
	return len < 0 ? len : (int)total;
}

int gsp_compound_encode(const struct gsp_bytes *msgs, unsigned n, uint8_t *buf, size_t cap)
{
	struct gsp_wr w = GSP_WR(buf, cap);

	if (!n || n > GSP_COMPOUND_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < n; i++)
		if (!msgs[i].n || msgs[i].n > UINT16_MAX)
			return -EINVAL;
	if (n > 1) {
		gsp_wr_byte(&w, GSP_COMPOUND);
		gsp_wr_byte(&w, (uint8_t)n);
	}
	for (unsigned i = 0; n > 1 && i < n; i++) {
		gsp_wr_byte(&w, (uint8_t)(msgs[i].n >> 8));
		gsp_wr_byte(&w, (uint8_t)msgs[i].n);
	}
	for (unsigned i = 0; i < n; i++)
		gsp_wr_put(&w, msgs[i].p, msgs[i].n);
	return gsp_wr_done(&w, buf);
}
