/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Asks the servers of a service, by datagrams through the host's own stack, whether they live, and
 * empties those that the fence wants empty.  What it hears it tells the fence.
 */
#ifndef PB_MEMCACHED_HEALTH_H
#define PB_MEMCACHED_HEALTH_H

#include <uv.h>

#include "control/memcached/apply.h"

struct mch;

struct mch_ops {
	/* The fence did something: MCF_* bits.  The table must be in the kernel when it returns. */
	void (*did)(void *arg, unsigned did);
	/* Replies that the kernel saw from that server; a server that talks is not asked twice. */
	uint64_t (*replies)(void *arg, unsigned server);
};

/* Opens a socket at the service's source address, and goes on by itself. */
int mch_start(struct mch **ret, uv_loop_t *loop, struct mca *m, const struct mch_ops *ops,
	      void *arg);
/* Memory goes when the loop has run its callbacks. */
/* The socket that it asks from. */
int mch_fd(const struct mch *h);
void mch_stop(struct mch *h);
/* Nothing is emptied while the table that the fence wants is not in the kernel. */
void mch_hold(struct mch *h, bool on);

#endif /* PB_MEMCACHED_HEALTH_H */
