/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who is who: names, addresses, tags, groups, rules, and who may claim them.
 * Pure state: no file descriptor, no map, no clock, so that the unit tests and
 * the gossip simulator drive it as the agent does.  The agent copies what comes
 * out of it into the maps (control/maps.h).
 */
#ifndef PB_REGISTRY_H
#define PB_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <patchbay/maps.h>
#include <patchbay/peer.h>

#define PB_ERR_LEN 256
#define PB_APP_IPS 2	   /* at most one of each family */
#define PB_EGRESS_ITEMS 64 /* items of one egress list */

/* Shall local connections be spliced: what one application says for itself (unset: as the node
 * does), and what the node says for all (unset: off; never: also those that ask are not).  on is
 * for sockets that do not block, all for those too that do.  Kept with scopes: numbers stay. */
enum pb_splice {
	PB_SPLICE_UNSET,
	PB_SPLICE_ON,
	PB_SPLICE_OFF,
	PB_SPLICE_ALL,
	PB_SPLICE_NEVER, /* from here on: the node's only */
	_PB_SPLICE_MAX
};
#define PB_APP_SPLICE_ANY (PB_APP_SPLICE | PB_APP_SPLICE_ALL)

/* From the configuration file; see docs/man/patchbay.conf.5.rst */
struct pb_reg_conf {
	char cluster[64];
	uint8_t key[16]; /* SipHash key of id64, derived from cluster */
	struct pb_addr pool4, pool6;
	uint32_t pool4_bits, pool6_bits; /* of 128; 0: none */
	uint8_t mode;			 /* enum pb_mode */
	uint8_t splice;			 /* enum pb_splice, the node's */
};

struct pb_egress_item {
	struct pb_addr net;
	uint32_t bits; /* of 128 */
	__be16 port;   /* 0: any */
};

/* What `patchbay run` asks for. Strings are borrowed for the call. */
struct pb_claim_req {
	uint64_t ref;	  /* cgroup id of the new scope */
	const char *name; /* NULL: unnamed, a client only */
	const char *label; /* of an unnamed one, for people: shown as "~LABEL"; NULL: by its ref */
	struct pb_addr ips[PB_APP_IPS];
	unsigned n_ips;
	const char *tags[PB_TAGS_MAX]; /* "key=value" */
	unsigned n_tags;
	const char *egress; /* "all", "none", or "CIDR[:PORT],..."; NULL: all */
	int local_deny;
	int mode;   /* enum pb_mode */
	int splice; /* enum pb_splice, its own: not never */
	uid_t uid;
	const gid_t *gids;
	unsigned n_gids;
};

struct pb_app_rec {
	uint64_t ref;
	struct pb_app app; /* as it goes into pb_apps */
	struct pb_tags tags;
	uid_t uid;
	uint8_t splice; /* enum pb_splice, its own; PB_APP_SPLICE_ANY follows from it */
	unsigned n_egress;
	struct pb_egress_item egress[PB_EGRESS_ITEMS];
};

struct pb_registry;

int pb_registry_new(struct pb_registry **ret, const struct pb_reg_conf *conf);
void pb_registry_free(struct pb_registry *r);

/*
 * Who may claim what (identity.d). Root may everything. A uid or gid without a
 * matching grant may run programs without name and without tags only.
 */
struct pb_grant {
	bool is_gid;
	uint32_t id;
	char names[8][PB_NAME_LEN]; /* fnmatch(3) patterns */
	unsigned n_names;
	struct {
		struct pb_addr net;
		uint32_t bits;
	} ips[8];
	unsigned n_ips;
	char tags[16][PB_TAG_LEN]; /* fnmatch patterns over "key=value" */
	unsigned n_tags;
};
int pb_registry_set_grants(struct pb_registry *r, const struct pb_grant *g, size_t n);
/* A name, a struct pb_addr, a tag: does the grant's list of that kind have it? */
bool pb_grant_has_name(const struct pb_grant *g, const void *name);
bool pb_grant_has_ip(const struct pb_grant *g, const void *addr);
bool pb_grant_has_tag(const struct pb_grant *g, const void *tag);

/*
 * Rules: "allow|deny from SEL to SEL[:PORT][/tcp|/udp]"; SEL is a name, a tag
 * "key=value", or "*". All or nothing: on error the old set stays, err says why
 * and *ret_line which rule (0-based). On success every record's from/to
 * bitmaps of @bank are recomputed.
 */
int pb_registry_set_rules(struct pb_registry *r, const char *const *text, size_t n, unsigned bank,
			  size_t *ret_line, char err[PB_ERR_LEN]);
const struct pb_rule *pb_registry_rules(const struct pb_registry *r,
					unsigned bank); /* PB_RULES_MAX of them */
const char *pb_registry_rule_text(const struct pb_registry *r, unsigned bank, unsigned i);

/*
 * Claim an identity. -EPERM (grants), -EINVAL (malformed), -EADDRINUSE (the
 * address or name belongs to another), -ENOSPC (pool or groups exhausted); err is one
 * clear sentence. A name that exists joins its addresses; several names may
 * share one address (one distributed application). An id64 clash makes the
 * newer record PB_APP_QUARANTINED.
 */
int pb_registry_claim(struct pb_registry *r, const struct pb_claim_req *req,
		      const struct pb_app_rec **ret, char err[PB_ERR_LEN]);
/* Takes back a record read from the maps at a restart. Groups come first. */
int pb_registry_adopt(struct pb_registry *r, const struct pb_app_rec *rec);
int pb_registry_adopt_group(struct pb_registry *r, unsigned bit, const char *name);
int pb_registry_release(struct pb_registry *r, uint64_t ref);

/*
 * Applications of other nodes: records as others, under the same rules for names, addresses and
 * groups, with PB_REF_REMOTE in the ref.  Strings are borrowed for the call.
 */
struct pb_remote_app {
	uint64_t ref;
	const char *node; /* whose it is, for people */
	const char *name; /* NULL: unnamed */
	uint64_t id;	  /* what the other node says: of a name it must be the one made here */
	struct pb_addr ips[PB_APP_IPS];
	unsigned n_ips; /* at least one with a name */
	const char *tags[PB_TAGS_MAX];
	unsigned n_tags;
	int mode;	/* enum pb_mode */
	int local_deny; /* only for people here */
	bool given;	/* the address came from that node's pool */
};
/*
 * Makes it what @app says.  *ret_changed: the record is new or another than before.  -EINVAL
 * (malformed, or another cluster's id), -EADDRINUSE (name or address are another's), -ENOSPC; then
 * what was there of that ref is as before.
 */
int pb_registry_remote_put(struct pb_registry *r, const struct pb_remote_app *app,
			   const struct pb_app_rec **ret, bool *ret_changed, char err[PB_ERR_LEN]);
int pb_registry_remote_adopt(struct pb_registry *r, const struct pb_app_rec *rec, const char *node);
/* Of which node; NULL: this one's, or there is no such record. */
const char *pb_registry_node(const struct pb_registry *r, uint64_t ref);
size_t pb_registry_remotes(const struct pb_registry *r);
/* On: new names get an address that follows from the name, so that nodes that do not yet know of
 * each other seldom give one away twice, and give the same name the same one. */
void pb_registry_set_spread(struct pb_registry *r, bool on);

/* Changes the node's word (enum pb_splice): PB_APP_SPLICE_ANY of every record follows. */
void pb_registry_set_splice(struct pb_registry *r, unsigned splice);
/* What the application of that name has, or will have, as pb_app.id. */
uint64_t pb_registry_id(const struct pb_registry *r, const char *name);

const struct pb_app_rec *pb_registry_by_ref(const struct pb_registry *r, uint64_t ref);
/* All records in unspecified order: start with *pos = 0, ends with NULL. */
const struct pb_app_rec *pb_registry_next(const struct pb_registry *r, size_t *pos);
/* First record of that name; this node's before others'. */
const struct pb_app_rec *pb_registry_by_name(const struct pb_registry *r, const char *name);
/* First record that has that virtual (or link-local) address. */
const struct pb_app_rec *pb_registry_by_addr(const struct pb_registry *r, const struct pb_addr *a);
/* Addresses now in use: for pb_addrs. ns 0: free. */
uint64_t pb_registry_ns_of(const struct pb_registry *r, const struct pb_addr *a);
const char *pb_registry_group(const struct pb_registry *r, unsigned bit); /* NULL: free */

/* A released name keeps its pool address for the next claim of that name while
 * the pool is not short, so that clients' caches stay right. */

/* Text <-> address, shared by config, CLI and protocol: IPv4 comes back mapped. */
int pb_addr_parse(const char *text, struct pb_addr *ret);
int pb_cidr_parse(const char *text, struct pb_addr *ret, uint32_t *ret_bits);
/* "10.9.0.1", "fd00::1"; buf holds at least 46 bytes; returns buf. */
char *pb_addr_format(const struct pb_addr *a, char *buf, size_t len);
/* "10.9.0.1:80", "[fd00::1]:80"; buf holds at least 54 bytes. */
char *pb_addr_port_format(const struct pb_addr *a, __be16 port, char *buf, size_t len);
/* A DNS label of letters, digits, '-' (RFC 1123 2.1), or several joined by '.', at most 63 in all. */
bool pb_name_valid(const char *name);
/* Names are kept in lower case: DNS does not tell the cases apart. */

/* ---- checks that configuration, CLI and registry share; err may be NULL ---- */
/* Writes one sentence of printable ASCII (other bytes become '?') and returns code. */
int pb_fail(char err[PB_ERR_LEN], int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void pb_printable(char *text);
/* Decimal digits only, at most max; -EINVAL, or -ERANGE when larger. */
int pb_number_parse(const char *text, uint32_t max, uint32_t *ret);
int pb_tag_check(const char *tag, char err[PB_ERR_LEN]);
/* Like pb_addr_in(), but an IPv6 network never holds a mapped IPv4 address. */
bool pb_cidr_has(const struct pb_addr *net, uint32_t bits, const struct pb_addr *a);
bool pb_cidr_is_v4(const struct pb_addr *net, uint32_t bits);
/* Why no application can have that address ("is a multicast address"); NULL: it can. */
const char *pb_addr_unfit(const struct pb_addr *a);
/* "all", "none" or "CIDR[:PORT],...": IPv6 with a port as "[CIDR]:PORT". *ret_mode: enum
 * pb_egress_mode. */
int pb_egress_parse(const char *text, struct pb_egress_item items[PB_EGRESS_ITEMS], unsigned *ret_n,
		    uint8_t *ret_mode, char err[PB_ERR_LEN]);
/* The entries of pb_egress for one record, longest-prefix rules resolved: every prefix has the
 * ports of the shorter ones that cover it. Returns how many, at most PB_EGRESS_ITEMS + 1. */
struct pb_egress_entry {
	struct pb_egress_key key;
	struct pb_egress_val val;
};
unsigned pb_egress_compile(const struct pb_app_rec *rec,
			   struct pb_egress_entry ret[PB_EGRESS_ITEMS + 1]);
int pb_rule_check(const char *text, char err[PB_ERR_LEN]);
const char *pb_splice_name(unsigned splice); /* enum pb_splice */
/* "on", "all", "off" or "never", which is the node's only; -EINVAL */
int pb_splice_parse(const char *text, bool node);
/* What the flags of an application say: on, all or off. */
unsigned pb_splice_of(uint32_t app_flags);
/* SipHash key of a cluster that has no secret: a function of its name, so public. */
void pb_reg_key_derive(const char *cluster, uint8_t key[16]);

#endif /* PB_REGISTRY_H */
