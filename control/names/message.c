/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "message.h"

#include <ctype.h>
#include <errno.h>
#include <ldns/ldns.h>
#include <resolv.h>
#include <string.h>
#include <strings.h>

#include <patchbay/addr.h>

#define FLAG_QR 0x8000
#define FLAG_OPCODE 0x7800
#define FLAG_TC 0x0200
#define FLAG_RD 0x0100
#define FLAG_RA 0x0080
#define FLAG_CD 0x0010
#define EDNS_DO 0x8000
#define TYPE_SVCB 64 /* RFC 9460; ldns 1.8 does not always know them */
#define TYPE_HTTPS 65
#define SVCB_IPV4HINT 4
#define SVCB_IPV6HINT 6

/* One resource record, pointing into the message. */
struct record {
	size_t name; /* offset */
	const uint8_t *rdata;
	uint32_t ttl;
	uint16_t type;
	uint16_t class;
	uint16_t len;
};

static uint16_t get16(const uint8_t *p)
{
	return ldns_read_uint16(p);
}

static void put16(uint8_t *p, unsigned v)
{
	ldns_write_uint16(p, (uint16_t)v);
}

/* Length of the question at the start of the body, 0 if it is cut short or compressed. */
static size_t question_len(const uint8_t *data, size_t len)
{
	size_t pos = PB_MSG_HEADER;

	for (;;) {
		size_t label;

		if (pos >= len || data[pos] > LDNS_MAX_LABELLEN)
			return 0;
		label = data[pos];
		pos += label + 1;
		if (pos - PB_MSG_HEADER > PB_MSG_NAME_MAX)
			return 0;
		if (!label)
			break;
	}
	return pos + 4 <= len ? pos + 4 - PB_MSG_HEADER : 0;
}

/* 0, or -EBADMSG at the end of the message or where the record makes no sense. */
static int next_record(const uint8_t *data, size_t len, size_t *pos, struct record *ret)
{
	int name = *pos < len ? dn_skipname(data + *pos, data + len) : -1;
	size_t body;
	struct record r;

	if (name < 0)
		return -EBADMSG;
	body = *pos + (size_t)name;
	if (len - body < 10)
		return -EBADMSG;
	r.name = *pos;
	r.type = get16(data + body);
	r.class = get16(data + body + 2);
	r.ttl = ldns_read_uint32(data + body + 4);
	r.len = get16(data + body + 8);
	r.rdata = data + body + 10;
	if (len - body - 10 < r.len)
		return -EBADMSG;
	*pos = body + 10 + r.len;
	*ret = r;
	return 0;
}

static size_t record_count(const uint8_t *data)
{
	return (size_t)LDNS_ANCOUNT(data) + LDNS_NSCOUNT(data) + LDNS_ARCOUNT(data);
}

static int read_tail(const uint8_t *data, size_t len, struct pb_msg_query *q)
{
	size_t pos = PB_MSG_HEADER + q->question_len;

	for (size_t n = record_count(data); n; n--) {
		struct record r;

		if (next_record(data, len, &pos, &r) < 0)
			return -EBADMSG;
		if (r.type != LDNS_RR_TYPE_OPT)
			continue;
		/* RFC 6891 6.1.1: one at most, named by the root */
		if (q->edns || data[r.name])
			return -EBADMSG;
		q->edns = true;
		q->udp_size = r.class;
		q->edns_version = (uint8_t)(r.ttl >> 16);
		q->dnssec_ok = r.ttl & EDNS_DO;
	}
	return 0;
}

int pb_msg_read_query(const uint8_t *data, size_t len, struct pb_msg_query *ret)
{
	struct pb_msg_query q = { 0 };
	size_t qlen;

	if (len < PB_MSG_HEADER || len > PB_MSG_MAX)
		return -ENOMSG;
	q.id = get16(data);
	q.flags = get16(data + 2);
	if (q.flags & FLAG_QR)
		return -ENOMSG;
	qlen = LDNS_QDCOUNT(data) == 1 ? question_len(data, len) : 0;
	if (!qlen) {
		q.bad_question = true;
		*ret = q;
		return 0;
	}
	q.question_len = (uint16_t)qlen;
	memcpy(q.question, data + PB_MSG_HEADER, qlen);
	q.type = get16(q.question + qlen - 4);
	q.class = get16(q.question + qlen - 2);
	q.bad_tail = read_tail(data, len, &q) < 0;
	*ret = q;
	return 0;
}

unsigned pb_msg_opcode(const struct pb_msg_query *q)
{
	return (q->flags & FLAG_OPCODE) >> 11;
}

size_t pb_msg_udp_limit(const struct pb_msg_query *q)
{
	if (!q->edns || q->udp_size < PB_MSG_UDP_MIN)
		return PB_MSG_UDP_MIN;
	return q->udp_size > PB_MSG_UDP_MAX ? PB_MSG_UDP_MAX : q->udp_size;
}

void pb_msg_name(const struct pb_msg_query *q, char ret[PB_MSG_NAME_MAX + 1])
{
	size_t out = 0;

	for (size_t pos = 0; pos < q->question_len && q->question[pos];) {
		size_t label = q->question[pos++];

		if (out)
			ret[out++] = '.';
		for (; label; label--, pos++) {
			int c = q->question[pos];
			bool plain = c < 128 && (isalnum(c) || c == '-' || c == '_');

			ret[out++] = plain ? (char)tolower(c) : '\\';
		}
	}
	ret[out] = '\0';
}

size_t pb_msg_error(const struct pb_msg_query *q, unsigned rcode, uint8_t out[PB_MSG_ERROR_MAX])
{
	size_t len = PB_MSG_HEADER;

	memset(out, 0, PB_MSG_ERROR_MAX);
	put16(out, q->id);
	put16(out + 2,
	      FLAG_QR | FLAG_RA | (q->flags & (FLAG_OPCODE | FLAG_RD | FLAG_CD)) | (rcode & 15));
	if (q->question_len) {
		put16(out + 4, 1);
		memcpy(out + len, q->question, q->question_len);
		len += q->question_len;
	}
	if (q->edns) {
		put16(out + 10, 1);
		put16(out + len + 1, LDNS_RR_TYPE_OPT);
		put16(out + len + 3, PB_MSG_UDP_MAX);
		out[len + 5] = (uint8_t)(rcode >> 4);
		put16(out + len + 7, q->dnssec_ok ? EDNS_DO : 0);
		len += PB_MSG_OPT_LEN;
	}
	return len;
}

/* ---- answers from outside ------------------------------------------------ */

/* Names of equal length: letters without case, length bytes (< 64) are no letters. */
static bool same_question(const struct pb_msg_query *q, const uint8_t *data, size_t len)
{
	size_t name = q->question_len - 4u;

	if (LDNS_QDCOUNT(data) != 1 || question_len(data, len) != q->question_len)
		return false;
	data += PB_MSG_HEADER;
	for (size_t i = 0; i < name; i++)
		if (tolower(data[i]) != tolower(q->question[i]))
			return false;
	return !memcmp(data + name, q->question + name, 4);
}

/* Servers leave the question out of an error they give on a query they did not read, of an
 * answer to an update (RFC 2136 3.8), and of the later messages of a transfer (RFC 5936 2.2.1). */
static bool may_lack_question(const struct pb_msg_guard *g, const struct pb_msg_query *q,
			      const uint8_t *data)
{
	bool error = LDNS_RCODE_WIRE(data) != LDNS_RCODE_NOERROR && !LDNS_ANCOUNT(data);

	return !LDNS_QDCOUNT(data) && (g->more || error || pb_msg_opcode(q) != LDNS_PACKET_QUERY);
}

static bool is_answer_to(const struct pb_msg_guard *g, const struct pb_msg_query *q,
			 const uint8_t *data, size_t len)
{
	if (len < PB_MSG_HEADER || get16(data) != q->id || !(get16(data + 2) & FLAG_QR) ||
	    ((get16(data + 2) ^ q->flags) & FLAG_OPCODE))
		return false;
	if (may_lack_question(g, q, data))
		return true;
	return q->question_len ? same_question(q, data, len)
			       : pb_msg_opcode(q) != LDNS_PACKET_QUERY;
}

static bool any_in_pool(const struct pb_msg_guard *g, const uint8_t *p, size_t len, size_t size)
{
	for (; len >= size; p += size, len -= size) {
		struct pb_addr a = { .w = { 0, 0, PB_V4MAP_W2, 0 } };

		memcpy(size == 4 ? (void *)&a.w[3] : a.w, p, size);
		if (g->pool_contains(g->arg, &a))
			return true;
	}
	return false;
}

/* RFC 9460 2.2: priority, target, then key, length, value. */
static bool svcb_in_pool(const struct pb_msg_guard *g, const struct record *r)
{
	const uint8_t *p = r->rdata, *end = r->rdata + r->len;
	int name = r->len > 2 ? dn_skipname(p + 2, end) : -1;

	if (name < 0)
		return false;
	for (p += 2 + name; end - p >= 4;) {
		unsigned key = get16(p);
		size_t len = get16(p + 2);

		p += 4;
		if ((size_t)(end - p) < len)
			return false;
		if ((key == SVCB_IPV4HINT && any_in_pool(g, p, len, 4)) ||
		    (key == SVCB_IPV6HINT && any_in_pool(g, p, len, 16)))
			return true;
		p += len;
	}
	return false;
}

static bool record_in_pool(const struct pb_msg_guard *g, const struct record *r)
{
	switch (r->type) {
	case LDNS_RR_TYPE_A: return any_in_pool(g, r->rdata, r->len, 4);
	case LDNS_RR_TYPE_AAAA: return any_in_pool(g, r->rdata, r->len, 16);
	case TYPE_SVCB:
	case TYPE_HTTPS: return svcb_in_pool(g, r);
	default: return false;
	}
}

static enum pb_msg_reply check_record(const struct pb_msg_guard *g, const uint8_t *data, size_t len,
				      const struct record *r)
{
	char name[1025]; /* 255 bytes, each at most \DDD */
	size_t domain = strlen(g->domain), n;

	if (r->class != LDNS_RR_CLASS_IN)
		return PB_MSG_REPLY_OK;
	if (dn_expand(data, data + len, data + r->name, name, sizeof(name)) < 0)
		return PB_MSG_REPLY_BAD;
	n = strlen(name);
	if (n >= domain && !strcasecmp(name + n - domain, g->domain) &&
	    (n == domain || name[n - domain - 1] == '.'))
		return PB_MSG_REPLY_ZONE;
	return record_in_pool(g, r) ? PB_MSG_REPLY_POOL : PB_MSG_REPLY_OK;
}

enum pb_msg_reply pb_msg_check_reply(const struct pb_msg_guard *g, const struct pb_msg_query *q,
				     const uint8_t *data, size_t len)
{
	size_t pos = PB_MSG_HEADER;

	if (!is_answer_to(g, q, data, len))
		return PB_MSG_REPLY_OTHER;
	/* An update's sections are no answers, and the question was compared above. */
	if (pb_msg_opcode(q) != LDNS_PACKET_QUERY)
		return PB_MSG_REPLY_OK;
	if (LDNS_QDCOUNT(data))
		pos += q->question_len;
	for (size_t n = record_count(data); n; n--) {
		enum pb_msg_reply v;
		struct record r;

		/* A truncated answer may end anywhere: what precedes the cut was checked. */
		if (next_record(data, len, &pos, &r) < 0)
			return get16(data + 2) & FLAG_TC ? PB_MSG_REPLY_OK : PB_MSG_REPLY_BAD;
		v = check_record(g, data, len, &r);
		if (v != PB_MSG_REPLY_OK)
			return v;
	}
	return PB_MSG_REPLY_OK;
}
