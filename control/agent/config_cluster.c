/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* [cluster]: addresses, port, devices, name of the node. */
#include <net/if.h>

#include "../util.h"
#include "config_internal.h"

#define WORD "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

int cfg_parse_cluster_address(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	struct pb_config_cluster *c = obj;
	const struct cfg_addrs to = { &c->address4, &c->address6, "auto", "other nodes" };

	(void)key;
	return cfg_parse_addrs(&to, value, err);
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

/* Where the one that is set, or asks for the others, was set. */
static int check_identity(const struct pb_config_file *c, char err[PB_CONFIG_ERR_LEN])
{
	static const char *const names[] = { "identity", "ca", "cert", "key" };
	const struct pb_config_cluster *k = &c->cluster;
	bool all = *k->ca && *k->cert && *k->key, none = !*k->ca && !*k->cert && !*k->key;
	const struct pb_config_value *v = NULL;

	if (all || (none && k->identity == PB_IDENTITY_SHARED))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(names) && !v; i++)
		v = cfg_value(c, CFG_CLUSTER, 0, names[i]);
	return cfg_fail_at(
		err, v ? &v->src : &(struct pb_config_src){ "?", 0 }, -EINVAL,
		"%s: ca, cert and key are needed, all three: 'patchbay cluster ca' makes "
		"them",
		v ? v->key->name : "identity");
}

int cfg_check_cluster(const struct pb_config_file *c, char err[PB_CONFIG_ERR_LEN])
{
	int e = cfg_check_real(c, CFG_CLUSTER, "address", &c->cluster.address4, err);

	if (!e)
		e = cfg_check_real(c, CFG_CLUSTER, "address", &c->cluster.address6, err);
	return e ? e : check_identity(c, err);
}
