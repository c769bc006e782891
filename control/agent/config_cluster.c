/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* [cluster]: addresses, port, devices, name of the node. */
#include <arpa/inet.h>
#include <net/if.h>

#include <patchbay/addr.h>

#include "../util.h"
#include "config_internal.h"

#define WORD "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static int add_address(struct pb_config_cluster *c, const char *part, char *err)
{
	struct pb_addr a, *slot;

	if (pb_addr_parse(part, &a))
		return pb_fail(err, -EINVAL, "'%.60s' is not an IP address", part);
	if (pb_addr_unfit(&a))
		return pb_fail(err, -EINVAL, "%s %s: other nodes cannot reach it", part,
			       pb_addr_unfit(&a));
	slot = pb_addr_is_v4(&a) ? &c->address4 : &c->address6;
	if (!pb_addr_is_zero(slot))
		return pb_fail(err, -EINVAL, "at most one address of each family is possible");
	*slot = a;
	return 0;
}

/* "auto", or ADDR[,ADDR] with spaces around the comma. */
int cfg_parse_cluster_address(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	static const struct pb_addr none;
	struct pb_config_cluster *c = obj;
	_cleanup_free_ char *copy = strdup(value);
	char *p = copy, *part;
	int e = 0;

	(void)key;
	if (!copy)
		return pb_fail(err, -ENOMEM, "no memory");
	c->address4 = c->address6 = none;
	if (!strcmp(value, "auto"))
		return 0;
	while (!e && (part = strsep(&p, ","))) {
		part += strspn(part, " \t");
		part[strcspn(part, " \t")] = '\0';
		e = add_address(c, part, err);
	}
	return e;
}

/* What Serf takes, too; it is shown and joined with other names. */
int cfg_parse_cluster_node(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	struct pb_config_cluster *c = obj;

	(void)key;
	if (value[strspn(value, WORD "-.")] || strlen(value) >= sizeof(c->node))
		return pb_fail(err, -EINVAL,
			       "'%.70s' is not a name of a node: letters, digits, '-' and '.', at "
			       "most %zu characters",
			       value, sizeof(c->node) - 1);
	memset(c->node, 0, sizeof(c->node));
	memcpy(c->node, value, strlen(value));
	return 0;
}

int cfg_parse_port(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	uint32_t port;

	if (pb_number_parse(value, 65535, &port) || !port)
		return pb_fail(err, -EINVAL, "'%.40s' is not a number from 1 to 65535", value);
	*(uint16_t *)((char *)obj + key->offset) = (uint16_t)port;
	return 0;
}

int cfg_parse_devices(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	char *to = (char *)obj + key->offset;

	if (!*value || strlen(value) >= key->size)
		return pb_fail(err, -EINVAL, "auto, or names of network devices");
	for (const char *p = value; *p;) {
		size_t n = strcspn(p, ",");

		if (!n || n >= IFNAMSIZ || strcspn(p, "/ \t") < n)
			return pb_fail(err, -EINVAL,
				       "'%.*s' is not the name of a network device (they are "
				       "separated by commas, without spaces)",
				       (int)(n < 60 ? n : 60), p);
		p += n + (p[n] == ',');
	}
	snprintf(to, key->size, "%s", value);
	return 0;
}

static int check(const struct pb_config_file *c, const struct pb_addr *a, char *err)
{
	const struct pb_config_agent *agent = &c->agent;
	const struct pb_config_value *v = cfg_value(c, CFG_CLUSTER, 0, "address");
	bool in4 = agent->pool4_bits && pb_addr_in(a, &agent->pool4, agent->pool4_bits);
	bool in6 = agent->pool6_bits && pb_addr_in(a, &agent->pool6, agent->pool6_bits);
	char text[48];

	if (pb_addr_is_zero(a) || !v || (!in4 && !in6))
		return 0;
	return cfg_fail_at(err, &v->src, -EINVAL,
			   "address: %s lies in %s, whose addresses are virtual",
			   pb_addr_format(a, text, sizeof(text)), in4 ? "pool4" : "pool6");
}

int cfg_check_cluster(const struct pb_config_file *c, char err[PB_CONFIG_ERR_LEN])
{
	int e = check(c, &c->cluster.address4, err);

	return e ? e : check(c, &c->cluster.address6, err);
}
