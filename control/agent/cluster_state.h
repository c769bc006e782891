/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a node keeps of its cluster (cluster.json), and what it gives a newcomer (the token).  Both
 * hold keys: wipe them after use, log nothing of them. */
#ifndef PB_AGENT_CLUSTER_STATE_H
#define PB_AGENT_CLUSTER_STATE_H

#include "../gossip/keyring.h"
#include "cluster.h"

#define PB_CLUSTER_FILE "cluster.json"
#define PB_CLUSTER_FILE_MAX (256u << 10)
#define PB_TOKEN_PREFIX "pb1."
#define PB_NODE_ID_LEN 16
#define PB_CA_KEY_LEN 32

struct pb_cluster_addr {
	struct pb_addr ip;
	uint16_t port;
};

struct pb_secret {
	uint8_t bytes[GSP_KEY_LEN_MAX];
	uint8_t len;	 /* 16, 24 or 32 */
	int64_t until_s; /* unix: decrypts so long and is dropped then; 0: stays.  Of a ring only */
	uint64_t sealed; /* messages this node encrypted with it */
};

struct pb_known {
	char name[PB_NODE_NAME_LEN];
	uint8_t id[PB_NODE_ID_LEN];
	struct pb_cluster_addr addr;
};

struct pb_cluster_file {
	char cluster[64];
	char node[PB_NODE_NAME_LEN];
	uint8_t id[PB_NODE_ID_LEN];
	struct pb_addr address[PB_APP_IPS]; /* the first one is gossip's */
	unsigned n_addresses;
	uint16_t port;
	struct pb_secret keys[PB_CLUSTER_KEYS]; /* the primary one first, then the newest */
	unsigned n_keys;
	struct pb_cluster_addr seeds[PB_CLUSTER_SEEDS]; /* of the token */
	unsigned n_seeds;
	struct pb_known known[PB_CLUSTER_SEEDS]; /* members seen, for coming back */
	unsigned n_known;
	uint64_t epoch; /* the highest ever used */
};

struct pb_token {
	char cluster[64];
	struct pb_secret keys[PB_CLUSTER_KEYS];
	unsigned n_keys;
	struct pb_cluster_addr seeds[PB_CLUSTER_SEEDS];
	unsigned n_seeds;
	bool has_ca; /* what nodes announce must be signed */
	uint8_t ca[PB_CA_KEY_LEN];
};

/* Whole text or nothing; err says what is wrong with it, without quoting secrets. */
int pb_cluster_file_parse(const char *text, size_t n, struct pb_cluster_file *ret,
			  char err[PB_ERR_LEN]);
/* To be wiped and freed; NULL: no memory. */
char *pb_cluster_file_format(const struct pb_cluster_file *f);
/* -ENOENT: there is none. */
int pb_cluster_file_load(const char *dir, struct pb_cluster_file *ret, char err[PB_ERR_LEN]);
/* The file is what it was, or the new one, also after a crash. */
int pb_cluster_file_save(const char *dir, const struct pb_cluster_file *f);
int pb_cluster_file_remove(const char *dir);

int pb_token_parse(const char *text, struct pb_token *ret, char err[PB_ERR_LEN]);
char *pb_token_format(const struct pb_token *t);

bool pb_cluster_name_valid(const char *name);
bool pb_node_name_valid(const char *name);
/* "10.0.0.1:7956", "[fd00::1]:7956"; without a port the default one. */
int pb_cluster_addr_parse(const char *text, struct pb_cluster_addr *ret);

/* ---- cluster_base64.c ---- */
/* Standard alphabet with padding; url: the other one, without.  @ret holds (n + 2) / 3 * 4 + 1. */
void pb_base64_write(const uint8_t *p, size_t n, bool url, char *ret);
/* Strict, both alphabets, padding optional.  The length, or -EINVAL, -ENOBUFS. */
int pb_base64_read(const char *text, size_t len, uint8_t *ret, size_t cap);
void pb_hex_write(const uint8_t *p, size_t n, char *ret);
int pb_hex_read(const char *text, uint8_t *ret, size_t n); /* exactly n bytes */

/* ---- cluster_keys.c ---- */
int pb_secret_parse(const char *text, struct pb_secret *ret);
void pb_secret_format(const struct pb_secret *s, char ret[PB_KEY_TEXT_LEN]);
void pb_secret_id(const struct pb_secret *s, char ret[PB_KEY_ID_LEN]);
/*
 * The key of identities in SYNs from one node to another; @s NULL: of a cluster without keys,
 * which proves nothing.
 */
int pb_syn_key(const struct pb_secret *s, const uint8_t from[PB_NODE_ID_LEN],
	       const uint8_t to[PB_NODE_ID_LEN], uint64_t ret[2]);
/* Of the table's hash. */
int pb_table_key(const struct pb_secret *s, const char *cluster, uint8_t ret[16]);
#define PB_KEY_KEEP_S (7 * 86400) /* the key before decrypts so long */
#define PB_KEY_WORN (1ULL << 31)  /* messages: half of what random nonces allow */
/* Of all nodes, if each sends as much as this one. */
uint64_t pb_key_messages(uint64_t sealed, unsigned nodes);
/* What a ring has now, by Serf's queries: @to comes with bytes alone. */
void pb_ring_take(struct pb_secret *keys, unsigned *n, const struct pb_secret *to, unsigned to_n,
		  int64_t now_s);
/* Positions in a ring; -ENOENT. */
int pb_ring_find(const struct pb_secret *keys, unsigned n, const char *id);
/* Behind the primary one; that is there already: no change.  -ENOSPC */
int pb_ring_add(struct pb_secret *keys, unsigned *n, const struct pb_secret *s);
/* The one before decrypts on for PB_KEY_KEEP_S. */
void pb_ring_use(struct pb_secret *keys, unsigned n, unsigned at, int64_t now_s);
void pb_ring_remove(struct pb_secret *keys, unsigned *n, unsigned at);

/* ---- cluster_keyfile.c ---- */
/*
 * Keys one a line, in base64, the one to be used first; empty lines and those that begin with # are
 * skipped.  How many, at least one; -EACCES: others may read or write it.
 */
int pb_keyfile_parse(const char *text, struct pb_secret ret[PB_CLUSTER_KEYS], char err[PB_ERR_LEN]);
int pb_keyfile_read(const char *path, struct pb_secret ret[PB_CLUSTER_KEYS], char err[PB_ERR_LEN]);

/* ---- cluster_addr.c ---- */
/* The address packets to @to leave by. */
int pb_addr_towards(const struct pb_cluster_addr *to, struct pb_addr *ret);
/* Addresses of the device that has the default route. */
int pb_addr_default(struct pb_addr *ret4, struct pb_addr *ret6);
/* Does this host have it?  *ret_device, unless NULL: the device's index. */
bool pb_addr_here(const struct pb_addr *a, unsigned *ret_device);

#endif /* PB_AGENT_CLUSTER_STATE_H */
