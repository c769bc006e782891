/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses, networks, names and tags as text. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <patchbay/addr.h>

#include "internal.h"
#include "registry.h"

#define V4_PREFIX 96 /* bits before the IPv4 address in the mapped form */

int pb_addr_parse(const char *text, struct pb_addr *ret)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		*ret = pb_addr_v4(v4.s_addr);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &v6) != 1)
		return -EINVAL;
	memcpy(ret, &v6, sizeof(*ret));
	return 0;
}

int pb_number_parse(const char *text, uint32_t max, uint32_t *ret)
{
	uint64_t n = 0;

	if (!*text)
		return -EINVAL;
	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9')
			return -EINVAL;
		n = n * 10 + (uint64_t)(*p - '0');
		if (n > max)
			return -ERANGE;
	}
	*ret = (uint32_t)n;
	return 0;
}

static bool host_bits_set(const struct pb_addr *a, uint32_t bits)
{
	const uint8_t *b = (const uint8_t *)a;

	for (uint32_t i = bits; i < 128; i++)
		if (b[i / 8] & (0x80 >> (i % 8)))
			return true;
	return false;
}

int pb_cidr_parse(const char *text, struct pb_addr *ret, uint32_t *ret_bits)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char addr[INET6_ADDRSTRLEN];
	struct pb_addr net;
	uint32_t bits = 128, n;
	bool dotted;

	if (len >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, text, len);
	addr[len] = '\0';
	if (pb_addr_parse(addr, &net))
		return -EINVAL;
	dotted = !strchr(addr, ':');
	if (slash) {
		if (pb_number_parse(slash + 1, dotted ? 32 : 128, &n))
			return -EINVAL;
		bits = dotted ? V4_PREFIX + n : n;
	}
	if (host_bits_set(&net, bits))
		return -EINVAL;
	*ret = net;
	*ret_bits = bits;
	return 0;
}

bool pb_cidr_is_v4(const struct pb_addr *net, uint32_t bits)
{
	return bits >= V4_PREFIX && pb_addr_is_v4(net);
}

bool pb_cidr_has(const struct pb_addr *net, uint32_t bits, const struct pb_addr *a)
{
	/* ::/0 means all of IPv6, not the mapped IPv4 addresses that lie in it. */
	return pb_cidr_is_v4(net, bits) == !!pb_addr_is_v4(a) && pb_addr_in(a, net, bits);
}

char *pb_addr_format(const struct pb_addr *a, char *buf, size_t len)
{
	const char *text = pb_addr_is_v4(a) ? inet_ntop(AF_INET, &a->w[3], buf, (socklen_t)len)
					    : inet_ntop(AF_INET6, a, buf, (socklen_t)len);

	if (!text && len)
		buf[0] = '\0';
	return buf;
}

char *pb_addr_port_format(const struct pb_addr *a, __be16 port, char *buf, size_t len)
{
	char addr[INET6_ADDRSTRLEN];
	bool v4 = pb_addr_is_v4(a);

	pb_addr_format(a, addr, sizeof(addr));
	snprintf(buf, len, v4 ? "%s:%u" : "[%s]:%u", addr, ntohs(port));
	return buf;
}

static bool label_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool pb_name_valid(const char *name)
{
	size_t len = strnlen(name, PB_NAME_LEN);
	struct in_addr number;
	char prev = '.';

	if (!len || len >= PB_NAME_LEN)
		return false;
	for (size_t i = 0; i < len; prev = name[i++]) {
		if (label_char(name[i]))
			continue;
		if (name[i] == '-' && prev != '.')
			continue;
		if (name[i] == '.' && prev != '.' && prev != '-')
			continue;
		return false;
	}
	if (prev == '.' || prev == '-')
		return false;
	/* "10.9.0.1", "123" and "0x7f" never reach a resolver: every libc reads an address. */
	return !inet_aton(name, &number);
}

void pb_name_lower(const char *name, char ret[PB_NAME_LEN])
{
	size_t i = 0;

	for (; i < PB_NAME_LEN - 1 && name[i]; i++)
		ret[i] = (char)tolower((unsigned char)name[i]);
	memset(ret + i, 0, PB_NAME_LEN - i);
}

/* Messages quote what others wrote, cut anywhere, and end in logs and in JSON. */
void pb_printable(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

int pb_fail(char err[PB_ERR_LEN], int code, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		vsnprintf(err, PB_ERR_LEN, fmt, ap);
		va_end(ap);
		pb_printable(err);
	}
	return code;
}

int pb_tag_check(const char *tag, char err[PB_ERR_LEN])
{
	const char *eq = strchr(tag, '=');
	size_t len = strnlen(tag, PB_TAG_LEN);

	if (len >= PB_TAG_LEN)
		return pb_fail(err, -EINVAL, "tag '%.40s' is longer than %d characters", tag,
			       PB_TAG_LEN - 1);
	if (!eq || eq == tag || !eq[1])
		return pb_fail(err, -EINVAL, "tag '%s' is not of the form key=value", tag);
	for (const char *p = tag; p < eq; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789._-", *p))
			return pb_fail(err, -EINVAL,
				       "tag '%s': a key holds only a-z, 0-9, '.', '_' and '-'",
				       tag);
	for (const char *p = eq + 1; *p; p++)
		if (*p <= ' ' || *p > '~' || *p == ',')
			return pb_fail(
				err, -EINVAL,
				"tag '%.*s': a value holds printable ASCII without space and comma",
				(int)(eq - tag), tag);
	return 0;
}

static bool in_v4(const struct pb_addr *a, uint32_t net, uint32_t bits)
{
	struct pb_addr n = pb_addr_v4(htonl(net));

	return pb_addr_in(a, &n, V4_PREFIX + bits);
}

const char *pb_addr_unfit(const struct pb_addr *a)
{
	if (pb_addr_is_any(a))
		return "is the wildcard address";
	if (pb_addr_is_loopback(a))
		return "is a loopback address";
	if (pb_addr_is_v4(a)) {
		if (in_v4(a, 0xa9fe0000, 16))
			return "is a link-local address";
		if (in_v4(a, 0xe0000000, 4))
			return "is a multicast address";
		if (in_v4(a, 0, 8) || in_v4(a, 0xf0000000, 4))
			return "is not a unicast address";
		return NULL;
	}
	if ((a->w[0] & htonl(0xffc00000)) == htonl(0xfe800000))
		return "is a link-local address";
	if ((a->w[0] & htonl(0xff000000)) == htonl(0xff000000))
		return "is a multicast address";
	return NULL;
}
