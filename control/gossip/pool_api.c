// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is passed on to the core. */
#include "pool_internal.h"

const struct swim *gsp_pool_swim(const struct gsp_pool *p)
{
	return p->swim;
}

struct swim_addr gsp_pool_addr(const struct gsp_pool *p)
{
	return p->addr;
}

int gsp_pool_seed(struct gsp_pool *p, const struct swim_addr *addr)
{
	const struct swim_addr a = swim_addr(&addr->ip, addr->port);
	int err = p->gone ? -ESHUTDOWN : swim_seed(p->swim, pool_ms(), &a);

	pool_after(p);
	return err;
}

int gsp_pool_force_leave(struct gsp_pool *p, const char *name, bool prune)
{
	int err = swim_force_leave(p->swim, pool_ms(), GSP_TEXT(name), prune);

	pool_after(p);
	return err;
}

int gsp_pool_user_event(struct gsp_pool *p, const char *name, struct gsp_bytes payload)
{
	int err = swim_user_event(p->swim, pool_ms(), GSP_TEXT(name), payload, false);

	pool_after(p);
	return err;
}

int gsp_pool_record(struct gsp_pool *p, uint64_t key, struct gsp_bytes record, bool own)
{
	return p->gone ? -ESHUTDOWN : swim_record(p->swim, key, record, own);
}

void gsp_pool_record_cancel(struct gsp_pool *p, uint64_t key)
{
	swim_record_cancel(p->swim, key);
}

void gsp_pool_record_heard(struct gsp_pool *p, uint64_t key)
{
	swim_record_heard(p->swim, key);
}

size_t gsp_pool_record_max(const struct gsp_pool *p)
{
	return swim_record_max(p->swim);
}

void gsp_pool_stats(const struct gsp_pool *p, struct gsp_pool_stats *ret)
{
	*ret = p->stats;
	ret->conns_in = p->n_in;
	ret->conns_out = p->n_out;
	ret->stream_bytes = p->in_bytes;
}
