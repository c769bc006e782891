/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From the table's view to what the kernel knows of others: keeps what was written, compares, and
 * writes the difference by its ops.  No descriptor, no map, no clock of its own: the unit tests bring
 * a map layer that remembers.
 *
 * A reader never sees a service before its endpoint, an endpoint before its application and node;
 * removal goes the other way round.
 */
#ifndef PB_AGENT_CLUSTER_VIEW_H
#define PB_AGENT_CLUSTER_VIEW_H

#include <patchbay/peer.h>

#include "../registry/registry.h"
#include "../table/table.h"

struct pb_view;

struct pb_view_ops {
	/* ---- what there is ---- */
	bool (*owner)(void *arg, uint64_t number, struct tbl_owner *ret);
	void (*each)(void *arg, const struct tbl_id *owner,
		     void (*fn)(void *fn_arg, const struct tbl_record *r), void *fn_arg);
	uint64_t (*now_ns)(void *arg);

	/* ---- what is written; negative errno ---- */
	/* Into the registry and pb_apps; *ret: as it is there now. */
	int (*app_put)(void *arg, const struct pb_remote_app *app, struct pb_app *ret,
		       char err[PB_ERR_LEN]);
	void (*app_del)(void *arg, uint64_t ref);
	int (*peer_put)(void *arg, const struct pb_addr *loc, const struct tbl_id *id);
	int (*peer_del)(void *arg, const struct pb_addr *loc);
	int (*member_put)(void *arg, const struct pb_member_key *k, uint64_t ref);
	int (*member_del)(void *arg, const struct pb_member_key *k);
	/* *ret_gen: the endpoint's from now on */
	int (*remote_put)(void *arg, uint32_t index, const struct pb_endpoint *ep,
			  uint32_t *ret_gen);
	int (*remote_set)(void *arg, uint32_t index, const struct pb_endpoint *ep);
	int (*remote_free)(void *arg, uint32_t index);
	int (*rservice_put)(void *arg, const struct pb_svc_key *k, const struct pb_rservice *s);
	int (*rservice_del)(void *arg, const struct pb_svc_key *k);
	/* The endpoint is free now; node_dead: not closed, but its node declared dead. */
	void (*gone)(void *arg, uint32_t index, uint32_t gen, bool node_dead);
	/* Once for each reason that changes: err NULL: over. */
	void (*trouble)(void *arg, const char *node, const char *app, const char *err);
};

struct pb_view_stats {
	unsigned nodes, apps, endpoints, services;
	unsigned failed;  /* applications that clash here */
	unsigned waiting; /* endpoints without an index yet */
	uint64_t changes; /* writes so far */
};

/* @rest: indices may be in use by sockets of before: none is given out for PB_REMOTE_REST_NS. */
int pb_view_new(struct pb_view **ret, const struct pb_view_ops *ops, void *arg, uint32_t indices,
		bool rest);
void pb_view_free(struct pb_view *v);

/* Something of that node changed. */
void pb_view_dirty(struct pb_view *v, uint64_t number);
void pb_view_dirty_all(struct pb_view *v);
/* Writes what is dirty.  Returns when it wants to be called again, in ns of now_ns(); 0: when
 * something changes. */
uint64_t pb_view_flush(struct pb_view *v);
/* On: what was adopted of nodes that nobody has heard of stays, too. */
void pb_view_keep(struct pb_view *v, bool on);
/* Every peer is written again: keys have changed. */
void pb_view_rekey(struct pb_view *v);
/* Takes out everything, as if no node was left. */
void pb_view_clear(struct pb_view *v);
void pb_view_stats(const struct pb_view *v, struct pb_view_stats *ret);

/* ---- what an earlier agent wrote; before the first flush ---- */
int pb_view_adopt_peer(struct pb_view *v, const struct pb_addr *loc, uint64_t number);
/* Of a member: its application is in the registry. */
int pb_view_adopt_app(struct pb_view *v, const struct pb_member_key *k, uint64_t ref,
		      const struct pb_app *app);
/* -ENOENT: its application was not adopted. */
int pb_view_adopt_remote(struct pb_view *v, uint32_t index, const struct pb_endpoint *ep);
int pb_view_adopt_rservice(struct pb_view *v, const struct pb_svc_key *k);

/* The ref of an application's record. */
uint64_t pb_view_ref(const struct tbl_id *owner, uint32_t id);

/* ---- cluster_weigh.c ---- */
struct pb_weighed {
	uint32_t index;
	uint32_t weight;
};
/* Each index in proportion to its weight, at least once; of more than PB_RSLOTS, those from @from
 * on.  0: none. */
unsigned pb_weigh(const struct pb_weighed *e, unsigned n, uint32_t from, struct pb_rservice *ret);

#endif /* PB_AGENT_CLUSTER_VIEW_H */
