/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The agent among others: what it remembers (cluster.json), whom it talks to (control/gossip), what
 * it tells of itself and what it makes of the others' news (control/table, include/patchbay/peer.h).
 * docs/decisions/0015-hosts.md.  Without cluster.json the agent is a cluster of one: no socket is
 * open, nothing here does anything.
 *
 * All calls are from the loop's thread.  err holds one clear sentence when a call fails.
 */
#ifndef PB_AGENT_CLUSTER_H
#define PB_AGENT_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "../registry/registry.h"

struct pb_agent;

#define PB_NODE_NAME_LEN 65 /* a host name and its NUL */
#define PB_NODE_ID_TEXT 33  /* 32 hex digits and a NUL */
#define PB_KEY_ID_LEN 9 /* 8 hex digits of a key's SHA-256 and a NUL: says nothing about the key */
#define PB_KEY_TEXT_LEN 45 /* base64 of 32 bytes and a NUL */
#define PB_CLUSTER_KEYS 8
#define PB_CLUSTER_PORT 7956
#define PB_TOKEN_MAX 2048
#define PB_CLUSTER_SEEDS 64 /* seeds and known members that are kept */

/* What the command line says; NULL, zero or empty: the configuration, else the default. */
struct pb_cluster_opts {
	const char *cluster;		 /* init only: the name; default: the configuration's */
	const char *node;		 /* name of this node */
	const char *address[PB_APP_IPS]; /* at most one of each family */
	unsigned n_addresses;
	uint16_t port;
	bool insecure; /* init only: no key, everything in the clear */
};

/*
 * Makes this node the first of a cluster.  *ret_token, to be freed, holds keys: show it to whoever
 * asked, write it nowhere.  -EALREADY: is in a cluster.  -EADDRNOTAVAIL: the address must be given.
 */
int pb_cluster_init(struct pb_agent *a, const struct pb_cluster_opts *o, char **ret_token,
		    char err[PB_ERR_LEN]);
/*
 * Returns when the state is on disk and the sockets are open.  Whether somebody answered is told by
 * pb_cluster_status(): PB_CLUSTER_JOINING, until PB_CLUSTER_ON.  Nobody there: it keeps trying.
 * -EINVAL: no token.  -EBUSY: the cluster has another name than this node's, and applications run.
 */
int pb_cluster_join(struct pb_agent *a, const char *token, const struct pb_cluster_opts *o,
		    char err[PB_ERR_LEN]);
/*
 * Says goodbye, forgets the cluster and everything of the others.  PB_CLUSTER_LEAVING while the
 * others are told, then PB_CLUSTER_ALONE.  -ENOENT: is in no cluster.
 */
int pb_cluster_leave(struct pb_agent *a, char err[PB_ERR_LEN]);
/* As init gives it, with the keys and members of now. */
int pb_cluster_token(struct pb_agent *a, char **ret_token, char err[PB_ERR_LEN]);

/* ---- keys: of this node; the others are told by whoever administers them, or by their key-file ---- */

struct pb_cluster_key {
	char id[PB_KEY_ID_LEN];
	bool primary;
	unsigned members;	  /* alive ones that list it, this node included */
	unsigned alive;		  /* members alive that could */
	char missing[PB_ERR_LEN]; /* names of those that do not, separated by commas */
	int64_t until_s;	  /* unix: dropped then; 0: not */
	uint64_t messages;	  /* encrypted with it, by all: an estimate from this node's own */
};

int pb_cluster_key_gen(char ret[PB_KEY_TEXT_LEN]);
/* The id of @key comes back. */
int pb_cluster_key_install(struct pb_agent *a, const char *key, char ret_id[PB_KEY_ID_LEN],
			   char err[PB_ERR_LEN]);
/* -EBUSY: members that are alive do not list the key, and not @force; err names them. */
int pb_cluster_key_use(struct pb_agent *a, const char *id, bool force, char err[PB_ERR_LEN]);
/* -EBUSY: it is the primary one. */
int pb_cluster_key_remove(struct pb_agent *a, const char *id, char err[PB_ERR_LEN]);
/* Primary first; how many, or -ENOENT: in no cluster. */
int pb_cluster_keys(struct pb_agent *a, struct pb_cluster_key ret[PB_CLUSTER_KEYS]);

/* ---- status ---- */

enum pb_cluster_state {
	PB_CLUSTER_ALONE,
	PB_CLUSTER_JOINING, /* no other member has answered yet */
	PB_CLUSTER_ON,
	PB_CLUSTER_LEAVING,
};
const char *pb_cluster_state_name(enum pb_cluster_state s); /* "alone", "joining"... */

struct pb_cluster_status {
	enum pb_cluster_state state;
	char cluster[64];
	char node[PB_NODE_NAME_LEN];
	char id[PB_NODE_ID_TEXT];
	struct pb_addr address[PB_APP_IPS];
	unsigned n_addresses;
	uint16_t port;
	bool serf;	/* pool = serf */
	bool encrypted; /* there is a key */
	const char *profile;
	char devices[128];   /* where SYNs are verified, separated by commas; empty: nowhere yet */
	bool verified;	     /* identities of SYNs are: without it nobody outside is let in */
	bool frozen;	     /* nobody else is heard, or the view is older than the maps */
	char frozen_why[96]; /* empty: not frozen */
	unsigned alive, suspect, dead; /* members, this node included */
	unsigned apps, endpoints;      /* announced by this node */
	unsigned remote_apps, remote_endpoints;
	unsigned quarantined; /* owners whose records are not used */
	unsigned conflicts;   /* records of others that lost against another's */
	uint64_t epoch, version;
	uint64_t applied;	/* changes of the kernel's maps so far */
	uint64_t refused;	/* messages that were refused: wrong key, label, bounds */
	char error[PB_ERR_LEN]; /* the last one; empty: none */
	unsigned seeds;		/* addresses that are tried when nobody is heard */
	char hash[17];		/* of all that is known: equal on nodes that know the same */
	unsigned owners;	/* nodes with records, this one included */
	unsigned behind;	/* ... whose news are missing and are being fetched */
	unsigned backlog;	/* messages that gossip has yet to send */
	uint64_t sent_at_once;	/* datagrams with news that gossip was too slow for */
	bool signs;		/* what this node announces, it signs */
	bool checks;		/* ... and so must the others */
	char ca_id[PB_KEY_ID_LEN];
	uint64_t cert_until_ms; /* unix; signs */
};

void pb_cluster_status(struct pb_agent *a, struct pb_cluster_status *ret);

enum pb_node_state {
	PB_NODE_SELF,
	PB_NODE_ALIVE,
	PB_NODE_SUSPECT,
	PB_NODE_DEAD,
	PB_NODE_LEFT,
	PB_NODE_FOREIGN, /* a member of the pool that is no Patchbay: serf */
};
const char *pb_node_state_name(enum pb_node_state s);

struct pb_node_view {
	char name[PB_NODE_NAME_LEN];
	char id[PB_NODE_ID_TEXT]; /* empty: foreign */
	uint64_t number;	  /* pb_peer.node */
	enum pb_node_state state;
	struct pb_addr address[PB_APP_IPS];
	unsigned n_addresses;
	uint16_t port;
	char version[32]; /* of Patchbay there; empty: not said */
	unsigned apps, endpoints;
	uint64_t epoch, ver;
	bool signs;		     /* its records */
	bool behind;		     /* its records have not all arrived */
	char quarantine[PB_ERR_LEN]; /* why its records are not used; empty: they are */
	char keys[PB_CLUSTER_KEYS * PB_KEY_ID_LEN]; /* ids, separated by commas */
	uint64_t seen_ns; /* CLOCK_MONOTONIC of the last change of its state */
};

/* This node first, then by name; *ret is to be freed.  A cluster of one has one node. */
int pb_cluster_nodes(struct pb_agent *a, struct pb_node_view **ret, size_t *ret_n);
/* Name of the node with that number; NULL: not known. */
const char *pb_cluster_node_name(struct pb_agent *a, uint64_t number);
/* Of which node is this application?  NULL: of this one, or not known. */
const char *pb_cluster_node_of(struct pb_agent *a, uint64_t ref);

/* ---- for the rest of the agent ---- */

/* The state is read before the registry is made: the cluster's name is in it. */
int pb_cluster_load(struct pb_agent *a);
/* The name ids are made from: the state's, else the configuration's. */
const char *pb_cluster_name(const struct pb_agent *a);
/* The configuration's, for a cluster of that name. */
void pb_cluster_registry(const struct pb_agent *a, const char *name, struct pb_reg_conf *ret);
/* At a restart, around the walk over pb_apps: records of others that are in force stay so. */
int pb_cluster_adopt_begin(struct pb_agent *a);
/* An error: the record is nobody's. */
int pb_cluster_adopt_app(struct pb_agent *a, uint64_t ref, const struct pb_app *app,
			 const struct pb_tags *tags);
int pb_cluster_adopt_end(struct pb_agent *a);
/* Opens the sockets if there is a state; the maps of an earlier run stay in force. */
int pb_cluster_start(struct pb_agent *a);
/* Closes the sockets, says nothing: a stopping agent is not a stopping node. */
void pb_cluster_stop(struct pb_agent *a);
void pb_cluster_free(struct pb_agent *a);
/* Is this node in a cluster? */
bool pb_cluster_on(const struct pb_agent *a);
/* What the others know this node by; false: nothing of that family, or it is in no cluster. */
bool pb_cluster_locator(const struct pb_agent *a, bool v4, struct pb_addr *ret);
/* Every PB_HEAL_MS: devices, counters, state file. */
void pb_cluster_heal(struct pb_agent *a);
/* Something of this node's own changed: announced soon; now: before the call returns. */
void pb_cluster_changed(struct pb_agent *a, bool now);
/*
 * After pb_cluster_changed(now): holds the connection and gives @answer to it when the live nodes have
 * what changed in their kernels, or after 0.2 s.  false: nobody to wait for; answer yourself.
 */
struct pb_conn;
bool pb_cluster_heard(struct pb_agent *a, struct pb_conn *conn, json_t *answer);
/* The connection goes. */
void pb_cluster_unheard(struct pb_agent *a, struct pb_conn *conn);
/* An event of the kernel's ring: LISTEN, WITHDRAW and the like. */
struct pb_event;
void pb_cluster_event(struct pb_agent *a, const struct pb_event *ev);

#endif /* PB_AGENT_CLUSTER_H */
