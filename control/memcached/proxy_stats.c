/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The slow path: statistics of several servers as one list. */
#include <patchbay/mc_stats.h>

#include "../util.h"
#include "proxy_internal.h"

struct sum {
	struct pxy_buf *to;
	bool good;
};

static void put(void *arg, const void *data, uint32_t n)
{
	struct sum *s = arg;

	s->good = s->good && pxy_put(s->to, data, n);
}

bool pxy_sum(const struct pxy_req *r, struct pxy_buf *ret)
{
	struct sum sum = { .to = ret, .good = true };
	struct pb_mc_stats t = {
		.from = calloc(r->n_calls ? r->n_calls : 1, sizeof(*t.from)),
		.n = r->n_calls,
		.binary = r->r.proto == PB_MC_BINARY,
		.settings = r->settings,
		.opcode = r->r.opcode,
		.opaque = r->r.opaque,
		.put = put,
		.arg = &sum,
	};

	if (!t.from)
		return false;
	for (uint32_t i = 0; i < t.n; i++) {
		t.from[i].data = r->calls[i].reply.p;
		t.from[i].len = (uint32_t)r->calls[i].reply.len;
	}
	sum.good = pb_mc_stats_sum(&t) && sum.good;
	free(t.from);
	return sum.good;
}
