// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The servers of a service as text. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include <patchbay/addr.h>

#include "control/memcached/service.h"
#include "control/util.h"

/* "ADDR:PORT" or "[ADDR6]:PORT", numbers only. */
int mcs_addr_port(const char *text, struct pb_addr *addr, __be16 *port)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	char host[64];
	uint32_t n;

	if (!len || len >= sizeof(host) || pb_number_parse(colon + 1, 65535, &n) || !n)
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	if (*host == '[') {
		if (host[len - 1] != ']')
			return -EINVAL;
		host[len - 1] = '\0';
		memmove(host, host + 1, len - 1);
	} else if (strchr(host, ':')) {
		return -EINVAL;
	}
	if (pb_addr_parse(host, addr) || !!strchr(host, ':') != (*text == '['))
		return -EINVAL;
	*port = htons((uint16_t)n);
	return 0;
}

void mcs_lower(const char *name, char ret[PB_NAME_LEN])
{
	size_t i = 0;

	for (; i < PB_NAME_LEN - 1 && name[i]; i++)
		ret[i] = (char)tolower((unsigned char)name[i]);
	memset(ret + i, 0, PB_NAME_LEN - i);
}

static int split_tail(char *text, char sep, char **ret)
{
	char *at = strrchr(text, sep);

	*ret = NULL;
	if (!at)
		return 0;
	*at = '\0';
	*ret = at + 1;
	return **ret ? 0 : -EINVAL;
}

static bool host_name_ok(const char *text)
{
	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p > '~' || strchr("*=,\"\\", *p))
			return false;
	return *text && strlen(text) < MCS_HOST_LEN;
}

static int of_service(const char *text, struct mcs_backend *b)
{
	char name[PB_NAME_LEN + 8], *port;
	size_t len = strlen(text);
	uint32_t n = 0;

	if (len >= sizeof(name))
		return -EINVAL;
	memcpy(name, text, len + 1);
	if (split_tail(name, ':', &port) || !pb_name_valid(name) ||
	    (port && (pb_number_parse(port, 65535, &n) || !n)))
		return -EINVAL;
	mcs_lower(name, b->service);
	b->port = htons((uint16_t)n);
	return 0;
}

int mcs_backend_parse(const char *text, struct mcs_backend *ret, char err[PB_ERR_LEN])
{
	struct mcs_backend b = { .weight = 1 };
	char copy[MCS_BACKEND_TEXT], *name, *weight;
	size_t len = strlen(text);
	uint32_t n = 1;
	int r;

	if (len >= sizeof(copy))
		return pb_fail(err, -EINVAL, "'%.40s...' is too long for a server", text);
	memcpy(copy, text, len + 1);
	if (split_tail(copy, '=', &name) || (name && !host_name_ok(name)))
		return pb_fail(err, -EINVAL, "'%.80s': what follows '=' is no name for a server",
			       text);
	if (split_tail(copy, '*', &weight) ||
	    (weight && (pb_number_parse(weight, MCS_WEIGHT_MAX, &n) || !n)))
		return pb_fail(err, -EINVAL, "'%.80s': a weight is a number from 1 to %d", text,
			       MCS_WEIGHT_MAX);
	b.weight = (uint16_t)n;
	if (strncmp(copy, "service:", 8))
		r = mcs_addr_port(copy, &b.addr, &b.port);
	else
		r = of_service(copy + 8, &b);
	if (!r && name && *b.service)
		return pb_fail(err, -EINVAL, "'%.80s': a service has no name for the ring", text);
	if (!r && !*b.service && pb_addr_is_any(&b.addr))
		r = -EINVAL;
	if (r)
		return pb_fail(err, r,
			       "'%.80s' is not ADDRESS:PORT[*WEIGHT][=NAME] or "
			       "service:NAME[:PORT][*WEIGHT]",
			       text);
	snprintf(b.name, sizeof(b.name), "%s", name ? name : "");
	*ret = b;
	return 0;
}

char *mcs_backend_format(const struct mcs_backend *b, char buf[MCS_BACKEND_TEXT])
{
	char at[96], weight[16] = "";

	if (*b->service && b->port)
		snprintf(at, sizeof(at), "service:%s:%u", b->service, ntohs(b->port));
	else if (*b->service)
		snprintf(at, sizeof(at), "service:%s", b->service);
	else
		pb_addr_port_format(&b->addr, b->port, at, sizeof(at));
	if (b->weight != 1)
		snprintf(weight, sizeof(weight), "*%u", b->weight);
	snprintf(buf, MCS_BACKEND_TEXT, "%s%s%s%s", at, weight, *b->name ? "=" : "", b->name);
	return buf;
}

static bool same_place(const struct mcs_backend *a, const struct mcs_backend *b)
{
	return !strcmp(a->service, b->service) && pb_addr_eq(&a->addr, &b->addr) &&
	       a->port == b->port;
}

static int read_servers(struct mcs_service *s, const json_t *list, bool gutter, char *err)
{
	char why[PB_ERR_LEN];
	json_t *v;
	size_t i;

	if (!json_is_array(list))
		return pb_fail(err, -EINVAL, "must be an array of strings");
	json_array_foreach ((json_t *)list, i, v) {
		struct mcs_backend *b = &s->backend[s->n_backends];

		if (s->n_backends == PB_MC_SERVERS_MAX)
			return pb_fail(err, -E2BIG, "more than %u servers", PB_MC_SERVERS_MAX);
		if (!json_is_string(v))
			return pb_fail(err, -EINVAL, "[%zu]: must be a string", i);
		if (mcs_backend_parse(json_string_value(v), b, why))
			return pb_fail(err, -EINVAL, "[%zu]: %.200s", i, why);
		b->gutter = gutter;
		for (unsigned k = 0; k < s->n_backends; k++)
			if (same_place(&s->backend[k], b))
				return pb_fail(err, -EEXIST, "[%zu]: '%.80s' is there twice", i,
					       json_string_value(v));
		s->n_backends++;
	}
	return 0;
}

int mcs_read_backends(struct mcs_service *s, const json_t *v, char err[PB_ERR_LEN])
{
	return read_servers(s, v, false, err);
}

int mcs_read_gutter(struct mcs_service *s, const json_t *v, char err[PB_ERR_LEN])
{
	return read_servers(s, v, true, err);
}

static json_t *write_servers(const struct mcs_service *s, bool gutter)
{
	json_t *list = json_array();
	char text[MCS_BACKEND_TEXT];

	for (unsigned i = 0; i < s->n_backends; i++)
		if (s->backend[i].gutter == gutter)
			json_array_append_new(
				list, json_string(mcs_backend_format(&s->backend[i], text)));
	return list;
}

json_t *mcs_write_backends(const struct mcs_service *s)
{
	return write_servers(s, false);
}

json_t *mcs_write_gutter(const struct mcs_service *s)
{
	return write_servers(s, true);
}
