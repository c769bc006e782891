/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef PB_CONFIG_INTERNAL_H
#define PB_CONFIG_INTERNAL_H

#include "config.h"

enum cfg_section {
	CFG_NONE,
	CFG_AGENT,
	CFG_CLUSTER,
	CFG_POLICY,
	CFG_SPLICE,
	CFG_SCOPE,
	CFG_ANNOUNCE,
	CFG_GRANT,
	_CFG_MAX
};
enum cfg_kind { CFG_MAIN, CFG_IDENTITY }; /* which sections a file may have */

#define KEY_REPEAT (1u << 0)   /* may be given several times */
#define KEY_REQUIRED (1u << 1) /* of each section */

/* A key: how to read a value into its object, and what to tell about it. */
struct cfg_key {
	enum cfg_section section;
	const char *name;
	const char *def; /* NULL: none */
	const char *help;
	int (*parse)(void *obj, const struct cfg_key *key, const char *value, char err[PB_ERR_LEN]);
	size_t offset, size;
	unsigned flags;
};

extern const struct cfg_key cfg_keys[];
extern const size_t cfg_n_keys;
extern const char *const cfg_sections[_CFG_MAX];

struct pb_config_value {
	const struct cfg_key *key;
	size_t owner; /* which scope, announce or grant */
	char *text;
	struct pb_config_src src;
};

struct cfg_parser {
	struct pb_config_file *c;
	enum cfg_kind kind;
	const char *file;
	unsigned line;
	const char *at; /* rest of the text */
	enum cfg_section section;
	char label[PB_NAME_LEN];
	unsigned section_line;
	size_t owner;
	char *err;
	int code; /* first error, 0 so far */
};

/* Sets "FILE:LINE: ..." once; returns code. */
int cfg_fail(struct cfg_parser *p, unsigned line, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Same for a place in a file already read. */
int cfg_fail_at(char err[PB_CONFIG_ERR_LEN], const struct pb_config_src *src, int code,
		const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* ---- config_parse.c ---- */
int cfg_parse_text(struct cfg_parser *p, const char *text);

/* ---- config_keys.c ---- */
/* The object a key of that section writes to. */
void *cfg_object(struct pb_config_file *c, enum cfg_section s, size_t owner);
void cfg_defaults(void *obj, enum cfg_section s);

/* ---- config_grants.c ---- */
int cfg_parse_names(void *obj, const struct cfg_key *key, const char *value, char *err);
int cfg_parse_ips(void *obj, const struct cfg_key *key, const char *value, char *err);
int cfg_parse_tags(void *obj, const struct cfg_key *key, const char *value, char *err);
int cfg_resolve(struct pb_config_file *c, const struct pb_config_lookup *lookup,
		char err[PB_CONFIG_ERR_LEN]);
extern const struct pb_config_lookup cfg_system_lookup;

/* ---- config_announce.c ---- */
int cfg_new_announce(struct cfg_parser *p);

/* ---- config_splice.c ---- */
int cfg_parse_splice(void *obj, const struct cfg_key *key, const char *value, char *err);
int cfg_parse_service(void *obj, const struct cfg_key *key, const char *value, char *err);

/* ---- config_addrs.c ---- */
struct cfg_addrs {
	struct pb_addr *v4, *v6;
	const char *unset;  /* the word for neither */
	const char *others; /* who is to reach them */
};
/* The word, or ADDR[,ADDR] with spaces around the comma. */
int cfg_parse_addrs(const struct cfg_addrs *to, const char *value, char *err);
/* An address that is set must not be a virtual one. */
int cfg_check_real(const struct pb_config_file *c, enum cfg_section s, const char *name,
		   const struct pb_addr *a, char *err);

/* ---- config_node.c ---- */
int cfg_parse_node(void *obj, const struct cfg_key *key, const char *value, char *err);
int cfg_check_node(const struct pb_config_file *c, char err[PB_CONFIG_ERR_LEN]);

/* ---- config_cluster.c ---- */
int cfg_parse_cluster_address(void *obj, const struct cfg_key *key, const char *value, char *err);
int cfg_parse_cluster_node(void *obj, const struct cfg_key *key, const char *value, char *err);
int cfg_parse_port(void *obj, const struct cfg_key *key, const char *value, char *err);
int cfg_parse_devices(void *obj, const struct cfg_key *key, const char *value, char *err);
int cfg_parse_nat(void *obj, const struct cfg_key *key, const char *value, char *err);
int cfg_check_cluster(const struct pb_config_file *c, char err[PB_CONFIG_ERR_LEN]);

/* ---- config_check.c ---- */
int cfg_check(struct pb_config_file *c, char err[PB_CONFIG_ERR_LEN]);
const struct pb_config_value *cfg_value(const struct pb_config_file *c, enum cfg_section s,
					size_t owner, const char *name);

#endif /* PB_CONFIG_INTERNAL_H */
