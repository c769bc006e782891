/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The configuration file, its drop-ins (all *.conf in patchbay.conf.d beside
 * patchbay.conf) and identity.d.  All or nothing: what comes out is valid as a
 * whole.  docs/man/patchbay.conf.5.rst is the manual.
 */
#ifndef PB_CONFIG_H
#define PB_CONFIG_H

#include <stdio.h>

#include "../registry/registry.h"

#define PB_CONFIG_BYTES_MAX (1u << 20) /* of one file */
#define PB_CONFIG_LINE_MAX 1024
#define PB_CONFIG_FILES_MAX 256
#define PB_CONFIG_SCOPES_MAX 1024
#define PB_CONFIG_GRANTS_MAX 1024
#define PB_CONFIG_SERVICES_MAX 1024
#define PB_CONFIG_ANNOUNCES_MAX 1024
#define PB_CONFIG_PATH_MAX 256
#define PB_CONFIG_ERR_LEN 768 /* file name and PB_ERR_LEN */

/* Where a value was set; line 0: nowhere, it is the default. */
struct pb_config_src {
	const char *file;
	unsigned line;
};

struct pb_config_agent {
	char cluster[64];
	uint8_t mode;	   /* enum pb_mode */
	uint8_t splice;	   /* enum pb_splice: off, on, all or never */
	bool splice_blind; /* also where FIONREAD does not count spliced bytes */
	struct pb_addr pool4, pool6;
	uint32_t pool4_bits, pool6_bits; /* of 128; 0: none */
	struct pb_addr node4, node6;	 /* for clients in other namespaces; zero: none */
	char domain[PB_CONFIG_PATH_MAX];
	bool dns;
	bool route;
	char group[64];			 /* empty: root only */
	gid_t gid;			 /* of group; 0: root only */
	int log;			 /* enum pb_log_level */
	char cgroup[PB_CONFIG_PATH_MAX]; /* empty: "patchbay" below the cgroup2 mount */
	char bpffs[PB_CONFIG_PATH_MAX];
	char run_dir[PB_CONFIG_PATH_MAX];
	char services[PB_CONFIG_PATH_MAX]; /* empty: services.d beside the file */
};

#define PB_CONFIG_NAT_MAX 16

/* [cluster]: what `cluster init` and `cluster join` do not say themselves (cluster.h). */
struct pb_config_cluster {
	char node[65];			    /* empty: the host's name */
	struct pb_addr address4, address6;  /* zero: found out when joining */
	uint16_t port;			    /* UDP and TCP */
	char device[PB_CONFIG_PATH_MAX];    /* "auto", or names separated by commas */
	char state_dir[PB_CONFIG_PATH_MAX]; /* of cluster.json */
	uint8_t pool;			    /* enum pb_config_pool */
	uint8_t profile;		    /* enum pb_config_profile */
	bool insecure;			    /* without a key nothing is encrypted */
	struct pb_config_nat {
		struct pb_addr net;
		uint32_t bits;
	} nat[PB_CONFIG_NAT_MAX]; /* of nodes behind address translation */
	unsigned n_nat;
	uint8_t identity;	     /* enum pb_config_identity */
	char ca[PB_CONFIG_PATH_MAX]; /* public key of the cluster's CA; all three or none */
	char cert[PB_CONFIG_PATH_MAX];
	char key[PB_CONFIG_PATH_MAX];
	char key_file[PB_CONFIG_PATH_MAX]; /* of the keys of gossip; empty: cluster.json alone */
	bool serf_keys;			   /* pool = serf: its queries may list and change keys */
};
enum pb_config_identity { PB_IDENTITY_SHARED, PB_IDENTITY_SIGNED };
enum pb_config_pool { PB_POOL_PATCHBAY, PB_POOL_SERF };
enum pb_config_profile { PB_PROFILE_LAN, PB_PROFILE_WAN, PB_PROFILE_FAST };

struct pb_config_scope {
	char label[PB_NAME_LEN];
	struct pb_config_src src;
	char cgroup[PB_CONFIG_PATH_MAX]; /* absolute */
	char name[PB_NAME_LEN];		 /* empty: unnamed */
	struct pb_addr ips[PB_APP_IPS];
	unsigned n_ips;
	char tags[PB_TAGS_MAX][PB_TAG_LEN];
	unsigned n_tags;
	char egress[PB_CONFIG_LINE_MAX];
	uint8_t local_deny;
	uint8_t mode;
	uint8_t splice; /* enum pb_splice: unset, on, all or off */
};

/* [splice]: one service's own setting. */
struct pb_config_service {
	char name[PB_NAME_LEN]; /* in lower case */
	uint16_t port;
	bool on;
	struct pb_config_src src;
};

/* [announce NODE]: one of what the nodes of that name, a pattern, may say of themselves. */
struct pb_config_announce {
	char node[PB_NAME_LEN];
	struct pb_grant grant; /* names, ips and tags of it */
};

struct mcs_service; /* memcached/service.h */
struct pb_config_value; /* text and source of every value, for printing */

struct pb_config_file {
	struct pb_config_agent agent;
	struct pb_config_cluster cluster;
	char *rule[PB_RULES_MAX];
	struct pb_config_src rule_src[PB_RULES_MAX];
	size_t n_rules;
	struct pb_config_scope *scopes;
	size_t n_scopes;
	struct pb_config_service *services;
	size_t n_services;
	struct pb_config_announce *announces;
	size_t n_announces;
	struct mcs_service **memcached; /* of services.d */
	size_t n_memcached;
	struct pb_grant *grants;
	struct pb_config_src *grant_src;
	size_t n_grants;
	char *files[PB_CONFIG_FILES_MAX]; /* those that were read; sources point here */
	size_t n_files;
	struct pb_config_value *values;
	size_t n_values;
};

/* Users and groups by name: getpwnam(3) and getgrnam(3), or a test's own. 0 or -ENOENT. */
struct pb_config_lookup {
	int (*user)(const char *name, uint32_t *ret);
	int (*group)(const char *name, uint32_t *ret);
};

/*
 * @path: the main file; when missing, the defaults hold.  @identity_dir: may be
 * missing or NULL.  err: "FILE:LINE: sentence".
 */
int pb_config_load(const char *path, const char *identity_dir, struct pb_config_file **ret,
		   char err[PB_CONFIG_ERR_LEN]);
int pb_config_load_with(const char *path, const char *identity_dir,
			const struct pb_config_lookup *lookup, struct pb_config_file **ret,
			char err[PB_CONFIG_ERR_LEN]);
void pb_config_free(struct pb_config_file *c);

/* ---- config_services.c ---- */
/* All *.json of the folder of services, which may be missing: that of the configuration, else services.d
 * beside the file @path.  err: "FILE: sentence". */
int pb_services_load_for(struct pb_config_file *c, const char *path, char err[PB_CONFIG_ERR_LEN]);
void pb_services_free(struct pb_config_file *c);

/* As a file that loads to the same; with_source: where each value comes from, as a comment. */
void pb_config_print(FILE *f, const struct pb_config_file *c, bool with_source);

/* May that node announce such an application?  name and ips: those somebody asked for.  NULL: yes,
 * always so without any [announce]; else why not, a clause. */
const char *pb_config_announce_why_not(const struct pb_config_file *c, const char *node,
				       const char *name, const struct pb_addr *ips, unsigned n_ips,
				       const struct pb_tags *tags);
bool pb_config_same_announces(const struct pb_config_file *a, const struct pb_config_file *b);

/* What the registry needs; and one scope as a claim (strings stay the scope's). */
void pb_config_registry(const struct pb_config_file *c, struct pb_reg_conf *ret);
void pb_config_claim(const struct pb_config_scope *s, uint64_t ref, struct pb_claim_req *ret);

/* Every key there is: for the manual's test and for completion. NULL section ends. */
struct pb_config_key_info {
	const char *section, *name, *def, *help;
};
struct pb_config_key_info pb_config_key(size_t i);

#endif /* PB_CONFIG_H */
