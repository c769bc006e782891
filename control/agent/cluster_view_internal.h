/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Nodes, applications, endpoints and services of others, as written. */
#ifndef PB_AGENT_CLUSTER_VIEW_INTERNAL_H
#define PB_AGENT_CLUSTER_VIEW_INTERNAL_H

#include <string.h>
#include <sys/queue.h>

#include "../registry/htab.h"
#include "cluster_view.h"

struct vapp;
struct vep;

struct vnode {
	struct pb_hnode by_number;
	uint64_t number;
	struct tbl_id id; /* of the owner; zero: only the number is known yet */
	char name[65];
	struct pb_addr loc[2];	/* as wanted: IPv4, IPv6 */
	struct pb_addr peer[2]; /* as written to pb_peers */
	struct pb_addr past[2]; /* written before, to be taken out */
	enum tbl_state state;
	bool drain;
	bool adopted; /* nothing is taken out before its records are here */
	bool dirty, failed, rekey;
	TAILQ_ENTRY(vnode) link;
	TAILQ_HEAD(, vapp) apps;
	TAILQ_HEAD(, vep) eps;
};

struct vapp {
	struct pb_hnode by_ref;
	uint64_t ref;
	struct vnode *node;
	struct pb_member_key member; /* as written */
	struct pb_addr vip4, vip6;
	uint64_t ns;
	char name[PB_NAME_LEN];
	bool here; /* in the registry */
	bool said; /* there is a record of it */
	bool seen; /* ... and it is used */
	char *trouble;
	unsigned n_eps;
	TAILQ_ENTRY(vapp) link;
};

struct vsvc {
	struct pb_hnode by_key;
	struct pb_svc_key key;
	struct vep **ep;
	unsigned n, room;
	bool dirty;
	TAILQ_ENTRY(vsvc) link; /* of the dirty ones */
};

struct vep {
	struct pb_hnode by_key;
	struct vnode *node;
	struct vapp *app;
	struct pb_endpoint ep; /* as written, or to be */
	uint32_t index;	       /* 0: none yet */
	uint32_t gen;
	bool seen;
	struct vsvc *svc[PB_CLS_N];
	TAILQ_ENTRY(vep) link;
};

/* Indices that were in use: the one given back first is at the head. */
struct vrest {
	uint32_t index;
	uint64_t since_ns;
};

struct pb_view {
	const struct pb_view_ops *ops;
	void *arg;
	struct pb_htab nodes, apps, eps, svcs;
	TAILQ_HEAD(, vnode) all;
	TAILQ_HEAD(, vsvc) stale;
	uint32_t fresh, indices; /* from fresh on no index was ever used */
	uint64_t *adopted;	 /* bit per index: is in use though not given out here */
	struct vrest *rest;	 /* ring */
	uint32_t rest_at, rest_n, rest_room;
	bool keep;
	int err, err_said; /* of a write that failed, and will be tried again */
	uint64_t not_before_ns, next_ns;
	uint32_t salt; /* which of too many endpoints this node uses */
	unsigned n_eps, failed, waiting, services;
	uint64_t changes;
};

/* ---- cluster_view_index.c ---- */
/* -EAGAIN: none is at rest yet; next_ns says when. */
int vindex_take(struct pb_view *v, uint32_t *ret);
void vindex_give(struct pb_view *v, uint32_t index);
void vindex_adopt(struct pb_view *v, uint32_t index);

/* ---- cluster_view_svc.c ---- */
/* Links @e to the services of its classes.  -ENOMEM: to some only. */
int vsvc_link(struct pb_view *v, struct vep *e);
void vsvc_unlink(struct pb_view *v, struct vep *e);
void vsvc_touch(struct pb_view *v, struct vep *e); /* its weight changed */
struct vsvc *vsvc_get(struct pb_view *v, const struct pb_svc_key *k);
void vsvc_write(struct pb_view *v);
void vsvc_free_all(struct pb_view *v);

/* ---- cluster_view_look.c ---- */
/* Marks what it still says, and writes what is new.  false: nothing of it is to be touched yet. */
bool vnode_look(struct pb_view *v, struct vnode *n);
void vapp_member_off(struct pb_view *v, struct vapp *a);

/* ---- cluster_view_obj.c ---- */
struct vnode *vnode_get(struct pb_view *v, uint64_t number); /* made; NULL: no memory */
struct vnode *vnode_find(const struct pb_view *v, uint64_t number);
void vnode_free(struct pb_view *v, struct vnode *n);
struct vapp *vapp_get(struct pb_view *v, struct vnode *n, uint64_t ref);
struct vapp *vapp_find(const struct pb_view *v, uint64_t ref);
void vapp_del(struct pb_view *v, struct vapp *a);
/* The endpoint that is the same for whoever has its index; else NULL. */
struct vep *vep_find(const struct pb_view *v, const struct pb_endpoint *ep);
struct vep *vep_new(struct pb_view *v, struct vapp *a, const struct pb_endpoint *ep);
void vep_del(struct pb_view *v, struct vep *e);
void vapp_trouble(struct pb_view *v, struct vapp *a, const char *err);

#endif /* PB_AGENT_CLUSTER_VIEW_INTERNAL_H */
