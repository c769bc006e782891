/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the requests do.  One function an op; files by group. */
#ifndef PB_AGENT_OPS_H
#define PB_AGENT_OPS_H

#include "agent.h"
#include "request.h"

struct pb_op_ctx {
	struct pb_agent *agent;
	struct pb_conn *conn;
	const struct pb_request *req;
	json_t *out;	      /* {"ok":true}: add the answer's fields */
	char err[PB_ERR_LEN]; /* one clear sentence when the op fails */
	bool streaming;	      /* set by the op: lines follow, ->out is not sent now */
};

/* 0 or a negative errno. */
typedef int pb_op_fn(struct pb_op_ctx *c);

/* Puts the sentence into c->err; returns err. */
int pb_op_fail(struct pb_op_ctx *c, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

pb_op_fn pb_op_hello;	      /* ops_read.c */
pb_op_fn pb_op_apps;	      /* ops_read.c */
pb_op_fn pb_op_services;      /* ops_read.c */
pb_op_fn pb_op_endpoints;     /* ops_read.c */
pb_op_fn pb_op_status;	      /* ops_read.c */
pb_op_fn pb_op_policy;	      /* ops_read.c */
pb_op_fn pb_op_flows;	      /* ops_flows.c */
pb_op_fn pb_op_events;	      /* ops_events.c */
pb_op_fn pb_op_why;	      /* ops_events.c */
pb_op_fn pb_op_check;	      /* ops_events.c */
pb_op_fn pb_op_run;	      /* ops_run.c */
pb_op_fn pb_op_reload;	      /* ops_admin.c */
pb_op_fn pb_op_release;	      /* ops_admin.c */
pb_op_fn pb_op_nodes;	      /* ops_cluster.c */
pb_op_fn pb_op_cluster;	      /* ops_cluster.c */
pb_op_fn pb_op_cluster_init;  /* ops_cluster.c */
pb_op_fn pb_op_cluster_join;  /* ops_cluster.c */
pb_op_fn pb_op_cluster_token; /* ops_cluster.c */
pb_op_fn pb_op_cluster_leave; /* ops_cluster.c */
pb_op_fn pb_op_keys;	      /* ops_cluster.c */
pb_op_fn pb_op_key;	      /* ops_cluster.c */
pb_op_fn pb_op_drain;	      /* ops_drain.c */
pb_op_fn pb_op_memcached;	 /* ops_memcached.c */
pb_op_fn pb_op_memcached_stats;	 /* ops_memcached.c */
pb_op_fn pb_op_memcached_top;	 /* ops_memcached.c */
pb_op_fn pb_op_memcached_add;	 /* ops_memcached.c */
pb_op_fn pb_op_memcached_set;	 /* ops_memcached.c */
pb_op_fn pb_op_memcached_remove; /* ops_memcached.c */
pb_op_fn pb_op_memcached_drain;	 /* ops_memcached.c */

/* "errno" and "message" of a failed answer. */
json_t *pb_ops_error(int err, const char *text);

#endif /* PB_AGENT_OPS_H */
