/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "zone.h"

#include <ctype.h>
#include <errno.h>
#include <ldns/ldns.h>
#include <netdb.h>
#include <string.h>

#include <patchbay/addr.h>

#include "../util.h"

#define V6_NIBBLES 32
#define RCODE_BADVERS 16

int pb_zone_init(struct pb_zone *z, const char *domain, const struct pb_names_ops *ops, void *arg,
		 uint32_t ttl_s)
{
	struct pb_zone n = { .ops = ops, .arg = arg, .ttl_s = ttl_s ? ttl_s : 1 };
	size_t len = strlen(domain), label = 0;

	if (len && domain[len - 1] == '.')
		len--;
	/* room for a name in front of it */
	if (!len || len > PB_MSG_NAME_MAX - PB_NAME_LEN - 2)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)domain[i];
		bool dot = c == '.';

		if ((dot && !label) || (!dot && ++label > LDNS_MAX_LABELLEN) ||
		    !(c < 128 && (isalnum(c) || dot || c == '-' || c == '_')))
			return -EINVAL;
		if (dot)
			label = 0;
		n.domain[i] = (char)tolower(c);
	}
	if (!label)
		return -EINVAL;
	*z = n;
	return 0;
}

/* The part of @name before ".@suffix"; -1 if it does not end so; 0: it is the suffix itself. */
static ssize_t before_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), s = strlen(suffix);

	if (n < s || strcmp(name + n - s, suffix))
		return -1;
	if (n == s)
		return 0;
	return name[n - s - 1] == '.' ? (ssize_t)(n - s - 1) : -1;
}

/* "4.3.2.1.in-addr.arpa" */
static int parse_reverse4(const char *name, struct pb_addr *ret)
{
	char o[4][4], text[16];
	struct pb_addr a = { .w = { 0, 0, PB_V4MAP_W2, 0 } };
	int end = 0;

	if (sscanf(name, "%3[0-9].%3[0-9].%3[0-9].%3[0-9].in-addr.arpa%n", o[0], o[1], o[2], o[3],
		   &end) != 4 ||
	    !end || name[end])
		return -ENOENT;
	snprintf(text, sizeof(text), "%s.%s.%s.%s", o[3], o[2], o[1], o[0]);
	if (inet_pton(AF_INET, text, &a.w[3]) != 1)
		return -ENOENT;
	*ret = a;
	return 0;
}

/* 32 nibbles, lowest first, and "ip6.arpa" */
static int parse_reverse6(const char *name, struct pb_addr *ret)
{
	char text[INET6_ADDRSTRLEN], *out = text;
	struct pb_addr a;

	if (strlen(name) != 2 * V6_NIBBLES + strlen("ip6.arpa") ||
	    strcmp(name + 2 * V6_NIBBLES, "ip6.arpa"))
		return -ENOENT;
	for (int i = V6_NIBBLES - 1; i >= 0; i--) {
		if (!isxdigit((unsigned char)name[2 * i]) || name[2 * i + 1] != '.')
			return -ENOENT;
		*out++ = name[2 * i];
		if (i && !(i % 4))
			*out++ = ':';
	}
	*out = '\0';
	if (inet_pton(AF_INET6, text, a.w) != 1)
		return -ENOENT;
	*ret = a;
	return 0;
}

static int find_pointer(const struct pb_zone *z, const char *text, struct pb_zone_name *ret)
{
	struct pb_addr a;
	int err;

	if (parse_reverse4(text, &a) < 0 && parse_reverse6(text, &a) < 0)
		return -ENOENT;
	err = z->ops->lookup_addr(z->arg, &a, ret->name);
	if (!err) {
		ret->name[PB_NAME_LEN - 1] = '\0';
		ret->kind = ret->name[0] == '~' ? PB_ZONE_NXDOMAIN : PB_ZONE_POINTER;
		return 0;
	}
	if (err != -ENOENT || !z->ops->pool_contains(z->arg, &a))
		return err;
	ret->kind = PB_ZONE_NXDOMAIN;
	return 0;
}

/* "80" or a name of services(5); 0 if there is none. */
static __be16 service_port(const char *service, const char *proto)
{
	char *end;
	unsigned long port;
	const struct servent *s;

	if (isdigit((unsigned char)service[0])) {
		port = strtoul(service, &end, 10);
		if (!*end)
			return port <= UINT16_MAX ? htons((uint16_t)port) : 0;
	}
	s = getservbyname(service, proto);
	return s ? (__be16)s->s_port : 0;
}

/* Splits off "_SERVICE._PROTO." or "_PROTO.".  Returns what follows it. */
static const char *split_service(const char *text, struct pb_zone_name *ret,
				 char service[LDNS_MAX_LABELLEN + 1], const char **ret_proto)
{
	const char *dot = strchr(text, '.'), *label = text;

	ret->kind = PB_ZONE_HOST;
	if (!dot || text[0] != '_')
		return text;
	ret->kind = PB_ZONE_EMPTY;
	if (dot[1] == '_') {
		ret->kind = PB_ZONE_SERVICE;
		snprintf(service, LDNS_MAX_LABELLEN + 1, "%.*s", (int)(dot - text - 1), text + 1);
		label = dot + 1;
	}
	ret->proto = !strncmp(label, "_tcp.", 5)   ? PB_PROTO_TCP
		     : !strncmp(label, "_udp.", 5) ? PB_PROTO_UDP
						   : 0;
	*ret_proto = ret->proto == PB_PROTO_TCP ? "tcp" : "udp";
	return ret->proto ? label + 5 : NULL;
}

/* @text: without the domain. */
static int find_app(const struct pb_zone *z, const char *text, struct pb_zone_name *ret)
{
	char service[LDNS_MAX_LABELLEN + 1] = "";
	const char *proto = NULL;
	const char *name = split_service(text, ret, service, &proto);
	int err;

	if (!name || !*name || strlen(name) >= PB_NAME_LEN || strchr(name, '\\'))
		return -ENOENT;
	err = z->ops->lookup_name(z->arg, name, &ret->rec);
	if (err < 0)
		return err;
	strcpy(ret->name, name);
	if (ret->rec.n_svc > PB_NAMES_SERVICES)
		ret->rec.n_svc = PB_NAMES_SERVICES;
	if (ret->kind == PB_ZONE_SERVICE)
		ret->port = service_port(service, proto);
	return 0;
}

static int find_text(const struct pb_zone *z, const char *text, struct pb_zone_name *ret)
{
	char rel[PB_MSG_NAME_MAX + 1];
	ssize_t len = before_suffix(text, z->domain);
	int err = -ENOENT;

	ret->in_domain = len >= 0;
	if (!len) {
		ret->kind = PB_ZONE_APEX;
		return 0;
	}
	if (len > 0) {
		snprintf(rel, sizeof(rel), "%.*s", (int)len, text);
		err = find_app(z, rel, ret);
	}
	/* also the whole: an application may be called what looks like another's full name */
	if (err == -ENOENT)
		err = find_app(z, text, ret);
	if (err == -ENOENT && ret->in_domain) {
		ret->kind = PB_ZONE_NXDOMAIN;
		return 0;
	}
	return err == -ENOENT ? find_pointer(z, text, ret) : err;
}

int pb_zone_find(const struct pb_zone *z, const struct pb_msg_query *q, struct pb_zone_name *ret)
{
	struct pb_zone_name n = { 0 };
	char text[PB_MSG_NAME_MAX + 1];
	int err;

	if (pb_msg_opcode(q) != LDNS_PACKET_QUERY || q->class != LDNS_RR_CLASS_IN)
		return -ENOENT;
	pb_msg_name(q, text);
	if (!*text)
		return -ENOENT;
	err = find_text(z, text, &n);
	if (err < 0)
		return err;
	*ret = n;
	return 0;
}

static enum pb_zone_verdict reply_error(const struct pb_msg_query *q, unsigned rcode, uint8_t **ret,
					size_t *ret_len)
{
	uint8_t *out = malloc(PB_MSG_ERROR_MAX);

	if (!out)
		return PB_ZONE_DROP;
	*ret_len = pb_msg_error(q, rcode, out);
	*ret = out;
	return PB_ZONE_REPLY;
}

static void count_answer(struct pb_names_stats *stats, const uint8_t *msg)
{
	if (LDNS_RCODE_WIRE(msg) == LDNS_RCODE_NXDOMAIN)
		stats->nxdomain++;
	else if (LDNS_ANCOUNT(msg) || LDNS_TC_WIRE(msg))
		stats->answered++;
	else
		stats->nodata++;
}

/* A name inside: what can be wrong with the query, then the answer. */
static enum pb_zone_verdict handle_inside(const struct pb_zone *z, const struct pb_msg_query *q,
					  const struct pb_zone_name *name, bool tcp,
					  struct pb_names_stats *stats, uint8_t **ret,
					  size_t *ret_len)
{
	if (q->bad_tail) {
		stats->formerr++;
		return reply_error(q, LDNS_RCODE_FORMERR, ret, ret_len);
	}
	if (q->edns && q->edns_version) {
		stats->badvers++;
		return reply_error(q, RCODE_BADVERS, ret, ret_len);
	}
	if (q->type == LDNS_RR_TYPE_AXFR || q->type == LDNS_RR_TYPE_IXFR) {
		stats->refused++;
		return reply_error(q, LDNS_RCODE_REFUSED, ret, ret_len);
	}
	if (pb_zone_answer(z, q, name, tcp ? PB_MSG_MAX : pb_msg_udp_limit(q), ret, ret_len) < 0) {
		stats->lookup_failed++;
		return reply_error(q, LDNS_RCODE_SERVFAIL, ret, ret_len);
	}
	count_answer(stats, *ret);
	return PB_ZONE_REPLY;
}

enum pb_zone_verdict pb_zone_handle(const struct pb_zone *z, const uint8_t *data, size_t len,
				    bool tcp, struct pb_names_stats *stats,
				    struct pb_msg_query *ret_query, uint8_t **ret, size_t *ret_len)
{
	struct pb_zone_name name;
	int err;

	if (pb_msg_read_query(data, len, ret_query) < 0) {
		stats->dropped++;
		return PB_ZONE_DROP;
	}
	/* NOTIFY, UPDATE...: may concern any zone, so they are the original resolver's. */
	if (pb_msg_opcode(ret_query) != LDNS_PACKET_QUERY)
		return PB_ZONE_FORWARD;
	if (ret_query->bad_question) {
		stats->formerr++;
		return reply_error(ret_query, LDNS_RCODE_FORMERR, ret, ret_len);
	}
	err = pb_zone_find(z, ret_query, &name);
	if (err == -ENOENT)
		return PB_ZONE_FORWARD;
	if (err < 0) {
		stats->lookup_failed++;
		return reply_error(ret_query, LDNS_RCODE_SERVFAIL, ret, ret_len);
	}
	return handle_inside(z, ret_query, &name, tcp, stats, ret, ret_len);
}
