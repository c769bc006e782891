/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* "NAME[:PORT]" and "ADDR[:PORT]" of requests.  pb_target_parse() is pure. */
#include <ctype.h>

#include <patchbay/addr.h>

#include "util.h"
#include "view.h"

/* Splits off ":PORT"; an IPv6 address without brackets has none. */
static int split(const char *text, char host[INET6_ADDRSTRLEN + PB_NAME_LEN], const char **ret_port)
{
	const char *end, *colon = strrchr(text, ':');
	size_t n;

	if (text[0] == '[') {
		end = strchr(text, ']');
		if (!end || (end[1] && end[1] != ':'))
			return -EINVAL;
		text++;
		*ret_port = end[1] ? end + 2 : NULL;
	} else if (colon && strchr(text, ':') == colon) {
		end = colon;
		*ret_port = colon + 1;
	} else {
		end = text + strlen(text);
		*ret_port = NULL;
	}
	n = (size_t)(end - text);
	if (!n || n >= INET6_ADDRSTRLEN + PB_NAME_LEN)
		return -EINVAL;
	memcpy(host, text, n);
	host[n] = '\0';
	return 0;
}

int pb_target_parse(const char *text, struct pb_target *ret)
{
	char host[INET6_ADDRSTRLEN + PB_NAME_LEN];
	struct pb_target t = { .port = 0 };
	const char *port_text;
	uint32_t port = 0;
	int err = split(text, host, &port_text);

	if (err)
		return err;
	if (port_text && (pb_number_parse(port_text, 65535, &port) || !port))
		return -EINVAL;
	t.port = htons((uint16_t)port);
	if (pb_addr_parse(host, &t.addr)) {
		if (text[0] == '[')
			return -EINVAL;
		for (char *p = host; *p; p++)
			*p = (char)tolower((unsigned char)*p);
		if (!pb_name_valid(host) && host[0] != '~')
			return -EINVAL;
		if (strlen(host) >= sizeof(t.name))
			return -EINVAL;
		strcpy(t.name, host);
	}
	*ret = t;
	return 0;
}

bool pb_target_has(const struct pb_agent *a, const struct pb_target *t, const struct pb_addr *addr)
{
	const struct pb_app_rec *r;
	size_t pos = 0;

	if (!t->name[0])
		return pb_addr_eq(&t->addr, addr);
	if (pb_addr_is_zero(addr))
		return false;
	while ((r = pb_registry_next(a->registry, &pos)))
		if (!strcmp(r->app.name, t->name) &&
		    (pb_addr_eq(&r->app.vip4, addr) || pb_addr_eq(&r->app.vip6, addr)))
			return true;
	return false;
}
