/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one table of keys: parsing, defaults, `config show` and the manual's test read it. */
#include <patchbay/addr.h>

#include "../util.h"
#include "config_internal.h"

static void *field(void *obj, const struct cfg_key *key)
{
	return (char *)obj + key->offset;
}

static int one_of(const char *value, const char *const *words, uint8_t *ret, char *err)
{
	for (uint8_t i = 0; words[i]; i++) {
		if (!strcmp(value, words[i])) {
			*ret = i;
			return 0;
		}
	}
	pb_fail(err, -EINVAL, "'%.40s' is not one of:", value);
	for (size_t i = 0; words[i]; i++) {
		size_t n = strlen(err);

		snprintf(err + n, PB_ERR_LEN - n, "%s %s", i ? "," : "", words[i]);
	}
	return -EINVAL;
}

static int parse_mode(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	static const char *const words[] = { "enforce", "audit", "off", NULL };

	return one_of(value, words, field(obj, key), err);
}

static int parse_local(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	static const char *const words[] = { "allow", "deny", NULL };

	return one_of(value, words, field(obj, key), err);
}

static int parse_switch(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	static const char *const words[] = { "off", "on", NULL };
	uint8_t on;
	int e = one_of(value, words, &on, err);

	if (!e)
		*(bool *)field(obj, key) = on;
	return e;
}

static int parse_log(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	static const char *const words[] = { "error", "warn", "info", "debug", NULL };
	static const int level[] = { PB_LOG_ERR, PB_LOG_WARN, PB_LOG_INFO, PB_LOG_DEBUG };
	uint8_t i;
	int e = one_of(value, words, &i, err);

	if (!e)
		*(int *)field(obj, key) = level[i];
	return e;
}

static int store(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	if (strlen(value) >= key->size)
		return pb_fail(err, -EINVAL, "the value is longer than %zu characters",
			       key->size - 1);
	memset(field(obj, key), 0, key->size);
	memcpy(field(obj, key), value, strlen(value));
	return 0;
}

static int parse_word(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	for (const char *p = value; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-",
			    *p))
			return pb_fail(err, -EINVAL,
				       "'%.60s' may hold letters, digits, '.', '_' and '-' only",
				       value);
	return store(obj, key, value, err);
}

static int parse_cluster(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	return *value ? parse_word(obj, key, value, err)
		      : pb_fail(err, -EINVAL, "a cluster needs a name");
}

/* Absolute, without "..", and printable: it is shown and joined with other names. */
static int parse_path(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	size_t len = strlen(value);

	if (!len && key->def && !*key->def)
		return store(obj, key, value, err);
	if (*value != '/')
		return pb_fail(err, -EINVAL, "'%.80s' is not an absolute path", value);
	if (strstr(value, "/../") || (len >= 3 && !strcmp(value + len - 3, "/..")))
		return pb_fail(err, -EINVAL, "'%.80s' holds '..'", value);
	for (const char *p = value; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return pb_fail(err, -EINVAL, "the path holds a control character");
	return store(obj, key, value, err);
}

static int parse_run_dir(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	if (strlen(value) > 90)
		return pb_fail(err, -EINVAL,
			       "the path is longer than 90 characters: the socket's "
			       "name would not fit");
	return parse_path(obj, key, value, err);
}

static int parse_name(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	if (!pb_name_valid(value))
		return pb_fail(err, -EINVAL,
			       "'%.70s' is not a name: letters, digits, '-' and '.', at "
			       "most %d characters, nothing that reads as an address",
			       value, PB_NAME_LEN - 1);
	return store(obj, key, value, err);
}

static int parse_pool(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	struct pb_config_agent *a = obj;
	bool v4 = key->offset == offsetof(struct pb_config_agent, pool4);
	struct pb_addr net = { 0 };
	uint32_t bits = 0;

	if (strcmp(value, "none")) {
		if (pb_cidr_parse(value, &net, &bits) || pb_cidr_is_v4(&net, bits) != v4)
			return pb_fail(err, -EINVAL,
				       "'%.60s' is not 'none' or an %s network "
				       "ADDRESS/BITS without bits set behind the prefix",
				       value, v4 ? "IPv4" : "IPv6");
		if (pb_addr_unfit(&net))
			return pb_fail(err, -EINVAL, "%s %s: it cannot be a pool", value,
				       pb_addr_unfit(&net));
		if (bits > 126 || bits < (v4 ? 104 : 8))
			return pb_fail(err, -EINVAL,
				       "the pool %s is too %s: /%d to /%d is possible", value,
				       bits > 126 ? "small" : "large", 8, v4 ? 30 : 126);
	}
	*(v4 ? &a->pool4 : &a->pool6) = net;
	*(v4 ? &a->pool4_bits : &a->pool6_bits) = bits;
	return 0;
}

static int parse_rule(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	struct pb_config_file *c = obj;
	int e = pb_rule_check(value, err);

	(void)key;
	if (e)
		return e;
	if (c->n_rules == PB_RULES_MAX)
		return pb_fail(err, -ENOSPC, "more than %d rules", PB_RULES_MAX);
	c->rule[c->n_rules] = strdup(value);
	if (!c->rule[c->n_rules])
		return pb_fail(err, -ENOMEM, "no memory for the rule");
	c->n_rules++;
	return 0;
}

static int parse_ip(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	struct pb_config_scope *s = obj;
	struct pb_addr a;

	(void)key;
	if (pb_addr_parse(value, &a))
		return pb_fail(err, -EINVAL, "'%.60s' is not an IP address", value);
	if (pb_addr_unfit(&a))
		return pb_fail(err, -EINVAL, "%s %s: no application can have it", value,
			       pb_addr_unfit(&a));
	if (s->n_ips == PB_APP_IPS)
		return pb_fail(err, -EINVAL, "at most one address of each family is possible");
	s->ips[s->n_ips++] = a;
	return 0;
}

static int parse_tag(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	struct pb_config_scope *s = obj;

	(void)key;
	if (pb_tag_check(value, err))
		return -EINVAL;
	if (s->n_tags == PB_TAGS_MAX)
		return pb_fail(err, -EINVAL, "more than %d tags", PB_TAGS_MAX);
	snprintf(s->tags[s->n_tags++], PB_TAG_LEN, "%s", value);
	return 0;
}

static int parse_egress(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	struct pb_egress_item items[PB_EGRESS_ITEMS];
	unsigned n;
	uint8_t mode;
	int e = pb_egress_parse(value, items, &n, &mode, err);

	return e ? e : store(obj, key, value, err);
}

static int parse_gossip(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	static const char *const words[] = { "patchbay", "serf", NULL };

	return one_of(value, words, field(obj, key), err);
}

static int parse_profile(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	static const char *const words[] = { "lan", "wan", "fast", NULL };

	return one_of(value, words, field(obj, key), err);
}

static int parse_identity(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	static const char *const words[] = { "shared", "signed", NULL };

	return one_of(value, words, field(obj, key), err);
}

/* Checked after all files are read: cfg_resolve(). */
static int parse_later(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	(void)obj;
	(void)key;
	return *value ? 0 : pb_fail(err, -EINVAL, "the value is empty");
}

const char *const cfg_sections[_CFG_MAX] = { "",       "agent", "cluster",  "policy",
					     "splice", "scope", "announce", "grant" };

#define AT(type, member) \
	offsetof(struct pb_config_##type, member), sizeof(((struct pb_config_##type *)0)->member)

const struct cfg_key cfg_keys[] = {
	{ CFG_AGENT, "cluster", "default", "name of the cluster; ids are made from it",
	  parse_cluster, AT(agent, cluster), 0 },
	{ CFG_AGENT, "mode", "enforce",
	  "enforce, audit (refuse nobody, tell) or off (rewrite only)", parse_mode, AT(agent, mode),
	  0 },
	{ CFG_AGENT, "pool4", "10.9.0.0/16", "IPv4 network virtual addresses come from, or none",
	  parse_pool, AT(agent, pool4), 0 },
	{ CFG_AGENT, "pool6", "none", "IPv6 network virtual addresses come from, or none",
	  parse_pool, AT(agent, pool6), 0 },
	{ CFG_AGENT, "node-address", "none",
	  "addresses of this host for clients in other network namespaces, or none", cfg_parse_node,
	  0, 0, 0 },
	{ CFG_AGENT, "domain", "patchbay.internal", "DNS domain the names also resolve in",
	  parse_name, AT(agent, domain), 0 },
	{ CFG_AGENT, "dns", "on", "answer DNS queries of managed programs: on or off", parse_switch,
	  AT(agent, dns), 0 },
	{ CFG_AGENT, "route", "on", "unreachable route for the pools: on or off", parse_switch,
	  AT(agent, route), 0 },
	{ CFG_AGENT, "splice", "off",
	  "splice local connections: on, all, off (those that ask only) or never", cfg_parse_splice,
	  AT(agent, splice), 0 },
	{ CFG_AGENT, "splice_blind", "off",
	  "splice even where FIONREAD does not count spliced bytes: on or off", parse_switch,
	  AT(agent, splice_blind), 0 },
	{ CFG_AGENT, "group", "", "unix group that may use the control socket; empty: root only",
	  parse_word, AT(agent, group), 0 },
	{ CFG_AGENT, "log", "info", "error, warn, info or debug", parse_log, AT(agent, log), 0 },
	{ CFG_AGENT, "cgroup", "", "Patchbay's own cgroup; empty: patchbay below the cgroup2 mount",
	  parse_path, AT(agent, cgroup), 0 },
	{ CFG_AGENT, "bpffs", "/sys/fs/bpf", "mount point of the BPF file system", parse_path,
	  AT(agent, bpffs), 0 },
	{ CFG_AGENT, "run_dir", "/run/patchbay", "folder of the control socket", parse_run_dir,
	  AT(agent, run_dir), 0 },
	{ CFG_AGENT, "services", "",
	  "folder of services as JSON; empty: services.d beside patchbay.conf", parse_path,
	  AT(agent, services), 0 },
	{ CFG_CLUSTER, "node", "", "name of this node, unique in the cluster; empty: the host's",
	  cfg_parse_cluster_node, AT(cluster, node), 0 },
	{ CFG_CLUSTER, "address", "auto",
	  "addresses of this node for the others, one of each family, or auto",
	  cfg_parse_cluster_address, 0, 0, 0 },
	{ CFG_CLUSTER, "port", "7956", "UDP and TCP port the nodes talk on", cfg_parse_port,
	  AT(cluster, port), 0 },
	{ CFG_CLUSTER, "device", "auto",
	  "network devices other nodes' connections come in by, or auto: those of the addresses",
	  cfg_parse_devices, AT(cluster, device), 0 },
	{ CFG_CLUSTER, "state-dir", "/var/lib/patchbay", "folder of cluster.json", parse_path,
	  AT(cluster, state_dir), 0 },
	{ CFG_CLUSTER, "pool", "patchbay",
	  "patchbay, or serf: without a label, so that Serf's agents take part", parse_gossip,
	  AT(cluster, pool), 0 },
	{ CFG_CLUSTER, "profile", "lan", "pace of the gossip: lan, wan or fast", parse_profile,
	  AT(cluster, profile), 0 },
	{ CFG_CLUSTER, "insecure", "off", "allow a cluster without a key: on or off", parse_switch,
	  AT(cluster, insecure), 0 },
	{ CFG_CLUSTER, "nat", "",
	  "networks of nodes that address translation is on the way to; the same on both ends",
	  cfg_parse_nat, 0, 0, 0 },
	{ CFG_CLUSTER, "identity", "shared",
	  "shared: who has the key is believed; signed: what nodes announce must be signed",
	  parse_identity, AT(cluster, identity), 0 },
	{ CFG_CLUSTER, "ca", "", "file of the public key of the cluster's CA", parse_path,
	  AT(cluster, ca), 0 },
	{ CFG_CLUSTER, "cert", "", "file of this node's certificate", parse_path, AT(cluster, cert),
	  0 },
	{ CFG_CLUSTER, "key", "", "file of the private key of the certificate", parse_path,
	  AT(cluster, key), 0 },
	{ CFG_CLUSTER, "key-file", "", "file of the cluster's keys, watched; empty: none",
	  parse_path, AT(cluster, key_file), 0 },
	{ CFG_CLUSTER, "serf-key-queries", "off",
	  "with pool = serf: may Serf's agents list and change keys here: on or off", parse_switch,
	  AT(cluster, serf_keys), 0 },
	{ CFG_POLICY, "rule", NULL, "allow|deny from SEL to SEL[:PORT][/tcp|/udp]", parse_rule, 0,
	  0, KEY_REPEAT },
	{ CFG_SPLICE, "service", NULL, "NAME:PORT on|off, before what its application says",
	  cfg_parse_service, 0, 0, KEY_REPEAT },
	{ CFG_SCOPE, "cgroup", NULL, "the cgroup to manage: absolute path", parse_path,
	  AT(scope, cgroup), KEY_REQUIRED },
	{ CFG_SCOPE, "name", NULL, "name of the application; without one it is a client only",
	  parse_name, AT(scope, name), 0 },
	{ CFG_SCOPE, "ip", NULL, "virtual address, at most one of each family", parse_ip, 0, 0,
	  KEY_REPEAT },
	{ CFG_SCOPE, "tag", NULL, "key=value", parse_tag, 0, 0, KEY_REPEAT },
	{ CFG_SCOPE, "egress", "all", "all, none, or NETWORK[:PORT],...", parse_egress,
	  AT(scope, egress), 0 },
	{ CFG_SCOPE, "local", "allow", "unmanaged loopback services: allow or deny", parse_local,
	  AT(scope, local_deny), 0 },
	{ CFG_SCOPE, "mode", "enforce",
	  "enforce, audit or off; the laxer of this and the node's holds", parse_mode,
	  AT(scope, mode), 0 },
	{ CFG_SCOPE, "splice", NULL, "on, all or off; without it as the node says",
	  cfg_parse_splice, AT(scope, splice), 0 },
	{ CFG_ANNOUNCE, "names", NULL, "names of its applications: patterns, separated by commas",
	  cfg_parse_names, 0, 0, 0 },
	{ CFG_ANNOUNCE, "ips", NULL, "addresses and networks of them that are not assigned",
	  cfg_parse_ips, 0, 0, 0 },
	{ CFG_ANNOUNCE, "tags", NULL, "tags of them: patterns over key=value", cfg_parse_tags, 0, 0,
	  0 },
	{ CFG_GRANT, "user", NULL, "user the grant is for, by name or number", parse_later, 0, 0,
	  0 },
	{ CFG_GRANT, "group", NULL, "or group", parse_later, 0, 0, 0 },
	{ CFG_GRANT, "names", NULL, "names that may be claimed: patterns, separated by commas",
	  cfg_parse_names, 0, 0, 0 },
	{ CFG_GRANT, "ips", NULL, "addresses and networks that may be claimed", cfg_parse_ips, 0, 0,
	  0 },
	{ CFG_GRANT, "tags", NULL, "tags that may be used: patterns over key=value", cfg_parse_tags,
	  0, 0, 0 },
};
const size_t cfg_n_keys = ARRAY_SIZE(cfg_keys);

void *cfg_object(struct pb_config_file *c, enum cfg_section s, size_t owner)
{
	switch (s) {
	case CFG_AGENT: return &c->agent;
	case CFG_CLUSTER: return &c->cluster;
	case CFG_SCOPE: return &c->scopes[owner];
	case CFG_ANNOUNCE: return &c->announces[owner].grant;
	case CFG_GRANT: return &c->grants[owner];
	default: return c;
	}
}

void cfg_defaults(void *obj, enum cfg_section s)
{
	char err[PB_ERR_LEN];

	for (size_t i = 0; i < cfg_n_keys; i++)
		if (cfg_keys[i].section == s && cfg_keys[i].def)
			cfg_keys[i].parse(obj, &cfg_keys[i], cfg_keys[i].def, err);
}

struct pb_config_key_info pb_config_key(size_t i)
{
	struct pb_config_key_info info = { 0 };

	if (i < cfg_n_keys) {
		info.section = cfg_sections[cfg_keys[i].section];
		info.name = cfg_keys[i].name;
		info.def = cfg_keys[i].def;
		info.help = cfg_keys[i].help;
	}
	return info;
}
