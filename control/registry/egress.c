/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* egress=list: text to items, items to the longest-prefix entries of pb_egress. */
#include <arpa/inet.h>

#include <patchbay/addr.h>

#include "../util.h"
#include "internal.h"
#include "registry.h"

#define ITEM_MAX 63	    /* the longest is "[" CIDR "]:65535" */
#define TEXT_MAX_BYTES 4096 /* PB_EGRESS_ITEMS of them */

/* Cuts the port off @item. "[fd00::/8]:443" and "10.0.0.0/8:443" have one, "fd00::1" has none. */
static int cut_port(char **item, __be16 *ret)
{
	char *text = *item, *port = NULL;
	uint32_t n;

	if (*text == '[') {
		char *end = strchr(text, ']');

		if (!end || (end[1] && end[1] != ':'))
			return -EINVAL;
		if (end[1])
			port = end + 2;
		*end = '\0';
		*item = text + 1;
	} else if (strchr(text, ':') == strrchr(text, ':') && strchr(text, ':')) {
		port = strchr(text, ':');
		*port++ = '\0';
	}
	if (!port)
		return 0;
	if (pb_number_parse(port, 65535, &n) || !n)
		return -EINVAL;
	*ret = htons((uint16_t)n);
	return 0;
}

static int parse_item(const char *text, struct pb_egress_item *ret, char err[PB_ERR_LEN])
{
	struct pb_egress_item item = { 0 };
	char copy[ITEM_MAX + 1], *p = copy;

	if (strnlen(text, sizeof(copy)) > ITEM_MAX)
		return pb_fail(err, -EINVAL, "egress item '%.30s...' is too long", text);
	snprintf(copy, sizeof(copy), "%s", text);
	if (cut_port(&p, &item.port) || pb_cidr_parse(p, &item.net, &item.bits))
		return pb_fail(
			err, -EINVAL,
			"egress item '%s' is not ADDRESS, NETWORK/BITS (no bits set behind "
			"the prefix) or either with :PORT; IPv6 with a port is [NETWORK]:PORT",
			text);
	*ret = item;
	return 0;
}

static bool covers(const struct pb_egress_item *wide, const struct pb_egress_item *narrow)
{
	return wide->bits <= narrow->bits && pb_cidr_has(&wide->net, wide->bits, &narrow->net) &&
	       pb_cidr_is_v4(&wide->net, wide->bits) == pb_cidr_is_v4(&narrow->net, narrow->bits);
}

/* Adds what @item allows; false: more ports than an entry holds. */
static bool val_add(struct pb_egress_val *v, const struct pb_egress_item *item)
{
	if (!item->port) {
		v->any_port = 1;
		return true;
	}
	for (unsigned i = 0; i < v->n; i++)
		if (v->port[i] == item->port)
			return true;
	if (v->n >= PB_EGRESS_PORTS)
		return false;
	v->port[v->n++] = item->port;
	return true;
}

static bool fill_val(const struct pb_egress_item *items, unsigned n, unsigned at,
		     struct pb_egress_val *ret)
{
	bool fits = true;

	for (unsigned i = 0; i < n; i++)
		if (covers(&items[i], &items[at]))
			fits = val_add(ret, &items[i]) && fits;
	if (ret->any_port) {
		memset(ret->port, 0, sizeof(ret->port));
		ret->n = 0;
	}
	return fits || ret->any_port;
}

int pb_egress_parse(const char *text, struct pb_egress_item items[PB_EGRESS_ITEMS], unsigned *ret_n,
		    uint8_t *ret_mode, char err[PB_ERR_LEN])
{
	struct pb_egress_item got[PB_EGRESS_ITEMS];
	_cleanup_free_ char *copy = NULL;
	char *p, *item;
	unsigned n = 0;

	if (!text || !strcmp(text, "all") || !strcmp(text, "none")) {
		*ret_mode = text && *text == 'n' ? PB_EGRESS_NONE : PB_EGRESS_ALL;
		*ret_n = 0;
		return 0;
	}
	if (strnlen(text, TEXT_MAX_BYTES) == TEXT_MAX_BYTES)
		return pb_fail(err, -EINVAL, "the egress list is longer than %d characters",
			       TEXT_MAX_BYTES - 1);
	p = copy = strdup(text);
	if (!copy)
		return pb_fail(err, -ENOMEM, "no memory for the egress list");
	while ((item = strsep(&p, ","))) {
		if (n == PB_EGRESS_ITEMS)
			return pb_fail(err, -EINVAL, "the egress list has more than %d items",
				       PB_EGRESS_ITEMS);
		if (parse_item(item, &got[n], err))
			return -EINVAL;
		n++;
	}
	for (unsigned i = 0; i < n; i++) {
		struct pb_egress_val val = { 0 };

		if (!fill_val(got, n, i, &val))
			return pb_fail(err, -EINVAL,
				       "the egress list names more than %d ports for one network",
				       PB_EGRESS_PORTS);
	}
	memcpy(items, got, n * sizeof(*items));
	*ret_n = n;
	*ret_mode = PB_EGRESS_LIST;
	return 0;
}

static struct pb_egress_key key_of(uint64_t ref, const struct pb_addr *net, uint32_t bits)
{
	struct pb_egress_key k = { 64 + bits, { (uint32_t)ref, (uint32_t)(ref >> 32) }, *net };

	return k;
}

static bool same_net(const struct pb_egress_item *a, const struct pb_egress_item *b)
{
	return a->bits == b->bits && pb_addr_eq(&a->net, &b->net);
}

unsigned pb_egress_compile(const struct pb_app_rec *rec,
			   struct pb_egress_entry ret[PB_EGRESS_ITEMS + 1])
{
	const struct pb_egress_item *items = rec->egress;
	struct pb_addr mapped = pb_addr_v4(0);
	bool wide6 = false, all4 = false;
	unsigned n = 0;

	for (unsigned i = 0; i < rec->n_egress; i++) {
		unsigned first = 0;

		while (!same_net(&items[first], &items[i]))
			first++;
		if (first < i)
			continue;
		ret[n].key = key_of(rec->ref, &items[i].net, items[i].bits);
		memset(&ret[n].val, 0, sizeof(ret[n].val));
		fill_val(items, rec->n_egress, i, &ret[n++].val);
		wide6 |= items[i].bits < 96 && pb_addr_in(&mapped, &items[i].net, items[i].bits);
		all4 |= items[i].bits == 96 && pb_addr_is_v4(&items[i].net);
	}
	if (wide6 &&
	    !all4) { /* ::/0 would match every mapped IPv4 address: a longer, empty entry */
		ret[n].key = key_of(rec->ref, &mapped, 96);
		memset(&ret[n].val, 0, sizeof(ret[n].val));
		n++;
	}
	return n;
}
