/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The sockets of the slow path (proxy.h): one at the service's address, one towards its servers. */
#ifndef PB_MEMCACHED_PROXY_UDP_H
#define PB_MEMCACHED_PROXY_UDP_H

#include <uv.h>

#include "proxy.h"

struct pb_mcp;

struct pb_mcp_conf {
	uint32_t service;		 /* its number */
	const struct pb_mc_service *svc; /* copied */
	const struct pxy_allow *allow;	 /* copied */
	size_t n_allow;
	/* Both must live until the next update or the end; numbers are the ring's. */
	const struct pb_mc_ring *ring;
	const struct pb_mc_backend *backends;
	uint32_t n;
	const struct pxy_limits *limits; /* of the start; NULL: the defaults */
	/* A token step; an error: the write is refused.  NULL: no cache. */
	int (*token)(void *arg, const struct pb_mc_cmd *cmd);
	void *arg;
};

/* The service's address need not be one of this node yet; nothing arrives until it is. */
int pb_mcp_start(struct pb_mcp **ret, uv_loop_t *loop, const struct pb_mcp_conf *conf);
/* -EINVAL: address and port are others than at the start. */
int pb_mcp_update(struct pb_mcp *m, const struct pb_mcp_conf *conf);
/* The sockets close at once; memory goes when the loop has run its closing callbacks.  NULL is fine. */
void pb_mcp_stop(struct pb_mcp *m);
/* The socket towards the servers. */
int pb_mcp_back(const struct pb_mcp *m);
void pb_mcp_stats(const struct pb_mcp *m, struct pxy_stats *ret);

#endif /* PB_MEMCACHED_PROXY_UDP_H */
