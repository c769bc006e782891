/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Inside of the registry.  A record (one scope) belongs to one application (a
 * name, or one unnamed scope); applications belong to one distributed
 * application, which owns the virtual addresses and the ns.
 */
#ifndef PB_REGISTRY_INTERNAL_H
#define PB_REGISTRY_INTERNAL_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "htab.h"
#include "registry.h"

#define PB_POOL_SPAN 65536 /* addresses of a pool that are given out; all of it may be asked for */
#define PB_STICKY_MAX 4096 /* released names whose address is remembered */
#define PB_NS_UNNAMED (1ULL << 63)

struct dist;
struct ident;

struct addr_node {
	struct pb_hnode by_addr;
	struct pb_addr addr;
	struct dist *dist;
	struct ident *ident; /* NULL: a virtual address, else a link-local one */
};

struct dist {
	struct pb_hnode by_ns;
	uint64_t ns;
	struct addr_node vip4, vip6; /* zero address: none */
	TAILQ_HEAD(, ident) idents;
};

struct ident {
	struct pb_hnode by_name, by_id;
	char name[PB_NAME_LEN];
	uint64_t id;
	bool named;
	bool quarantined;
	bool given; /* its address came from the pool: nobody asked for it */
	struct dist *dist;
	struct addr_node ll4, ll6;
	TAILQ_ENTRY(ident) link;
	TAILQ_HEAD(, rec) recs; /* this node's first, each oldest first */
};

struct rec {
	struct pb_hnode by_ref;
	struct pb_app_rec pub;
	struct ident *ident;
	size_t index; /* in pb_registry.recs */
	TAILQ_ENTRY(rec) link;
	char *node; /* of another node: its name */
};

struct pool {
	struct pb_addr net;
	uint32_t bits;
	uint32_t n;	/* addresses it may give out, edges included */
	uint64_t *used; /* bit per address: somebody has it */
	uint64_t *held; /* bit per address: remembered for a released name */
	uint32_t n_words;
};

struct sticky {
	struct pb_hnode by_name;
	char name[PB_NAME_LEN];
	struct pb_addr vip4, vip6;
	TAILQ_ENTRY(sticky) link;
};

enum sel_kind { SEL_ANY, SEL_NAME, SEL_TAG };

struct selector {
	enum sel_kind kind;
	char text[PB_NAME_LEN]; /* name or tag */
};

struct rule {
	struct pb_rule pub;
	struct selector from, to;
};

struct group {
	struct pb_hnode by_value;
	char value[PB_TAG_LEN]; /* empty: the bit is free */
	unsigned refs;		/* records that have the bit */
};

struct pb_registry {
	struct pb_reg_conf conf;
	struct pb_htab by_ref, by_name, by_id, by_ns, by_addr, by_group, by_sticky;
	struct rec **recs;
	size_t n_recs, cap_recs;
	struct pool pool4, pool6;
	TAILQ_HEAD(, sticky) sticky; /* oldest first */
	size_t n_sticky;
	struct group group[PB_GROUPS_MAX];
	struct pb_rule rule_pub[PB_BANKS][PB_RULES_MAX];
	struct rule *rule[PB_BANKS];
	char **rule_text[PB_BANKS];
	size_t n_rules[PB_BANKS];
	struct pb_grant *grants;
	size_t n_grants;
	bool spread; /* a new name's address follows from the name */
	size_t n_remote;
};

uint64_t pb_reg_hash(const struct pb_registry *r, const void *data, size_t len);

/* ---- registry.c ---- */
struct rec *reg_find(const struct pb_registry *r, uint64_t ref);
int reg_reserve(struct pb_registry *r, char *err);
/* From here on nothing fails: the record becomes visible. */
const struct pb_app_rec *reg_commit(struct pb_registry *r, struct rec *n, struct ident *i);
void reg_free(struct rec *n);
int reg_adopt(struct pb_registry *r, const struct pb_app_rec *rec, const char *node);

/* ---- text.c ---- */
void pb_name_lower(const char *name, char ret[PB_NAME_LEN]);

/* ---- pool.c ---- */
int pool_init(struct pool *p, const struct pb_addr *net, uint32_t bits);
void pool_fini(struct pool *p);
/* What is wrong with asking for that address of the pool; NULL: nothing. */
const char *pool_unfit(const struct pb_registry *r, const struct pb_addr *a);
void pool_mark(struct pb_registry *r, const struct pb_addr *a, bool used);
/* Addresses for a new name: those it had, else a free one of each pool: the lowest, or with
 * spread the first from a place that follows from the name. */
int pool_pick(struct pb_registry *r, const char *name, struct pb_addr *ret_vip4,
	      struct pb_addr *ret_vip6, char err[PB_ERR_LEN]);
void sticky_remember(struct pb_registry *r, const char *name, const struct pb_addr *vip4,
		     const struct pb_addr *vip6);
void sticky_forget_addr(struct pb_registry *r, const struct pb_addr *a);
void sticky_forget_all(struct pb_registry *r);
/* Link-local IPv4 address for an id: its own place, or the next free one. */
int linklocal_pick(const struct pb_registry *r, uint64_t id, struct pb_addr *ret);
bool linklocal4_fit(const struct pb_addr *a);

/* ---- ident.c ---- */
struct addr_node *addr_find(const struct pb_registry *r, const struct pb_addr *a);
struct ident *ident_find(const struct pb_registry *r, const char *name);
struct ident *ident_find_id(const struct pb_registry *r, uint64_t id);
struct dist *dist_find(const struct pb_registry *r, uint64_t ns);
int dist_new(struct pb_registry *r, uint64_t ns, const struct pb_addr *vip4,
	     const struct pb_addr *vip6, struct dist **ret);
void dist_put(struct pb_registry *r, struct dist *d); /* frees it when it has no ident */
int ident_new(struct pb_registry *r, const char *name, bool named, uint64_t id, struct dist *d,
	      const struct pb_addr *ll4, struct ident **ret);
void ident_put(struct pb_registry *r, struct ident *i); /* frees it when it has no record */

/* " on node 'b'" where only other nodes have it, else "". */
#define WHERE_LEN 96
const char *ident_where(const struct ident *i, char buf[WHERE_LEN]);

/* ---- claim.c ---- */
/* @id 0: the one of that name. */
int ident_for(struct pb_registry *r, const struct pb_claim_req *req, const char *name, uint64_t id,
	      struct ident **ret, char err[PB_ERR_LEN]);
/* The same of another node's record, as the claim it would be here. */
int claim_remote(struct pb_registry *r, const struct pb_remote_app *app, struct pb_claim_req *req,
		 char name[PB_NAME_LEN], struct rec *n, char err[PB_ERR_LEN]);
int claim_check(struct pb_registry *r, const struct pb_claim_req *req, char name[PB_NAME_LEN],
		struct rec *n, char err[PB_ERR_LEN]);

/* ---- groups.c ---- */
/* Sets grp bits for every grp tag and counts them: all or nothing. */
int groups_get(struct pb_registry *r, const struct pb_tags *t, __u64 grp[PB_GROUP_WORDS],
	       char err[PB_ERR_LEN]);
void groups_put(struct pb_registry *r, const __u64 grp[PB_GROUP_WORDS]);

/* ---- rules.c ---- */
void rules_apply(const struct pb_registry *r, struct rec *rec, unsigned bank);
void rules_free(struct pb_registry *r, unsigned bank);

/* ---- splice.c ---- */
void splice_apply(const struct pb_registry *r, struct rec *rec);

/* ---- grants.c ---- */
int grants_check(const struct pb_registry *r, const struct pb_claim_req *req, const char *name,
		 const struct pb_tags *tags, char err[PB_ERR_LEN]);

#endif /* PB_REGISTRY_INTERNAL_H */
