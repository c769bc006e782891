/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The short way of the datagram that most are: a get of one key whose value is kept.  The same functions
 * as the stages of bpf/memcached.bpf.c, in one piece and with their pointers at hand; whatever is not
 * done by them goes the long way.
 */
#ifndef PB_MC_FAST_BPF_H
#define PB_MC_FAST_BPF_H

#include "mc_answer.bpf.h"
#include "mc_request.bpf.h"

static __always_inline __u8 *mc_hint_of(struct pb_mc_job *j)
{
	__u32 x = (j->daddr.w[3] ^ j->daddr.w[0] ^ j->dport) * 0x9e3779b1u;

	return &j->hint[x >> 28 & (PB_MC_HINTS - 1)];
}

/* The service that was asked at this address lately, if the address is still its own.  Its record says
 * so, which costs less than the table of addresses.  NULL: look there. */
static __always_inline struct pb_mc_service *mc_hinted(struct pb_mc_job *j)
{
	__u32 n = *mc_hint_of(j);
	struct pb_mc_service *svc = mc_service(n);

	if (!svc || !(svc->flags & PB_MC_S_UP) || svc->port != j->dport ||
	    !pb_addr_eq(&svc->vip, &j->daddr))
		return 0;
	j->service = n;
	return svc;
}

static __always_inline void mc_hint(struct pb_mc_job *j)
{
	*mc_hint_of(j) = (__u8)j->service;
}

/* A request to j->service: PB_MC_TODO_*. */
static __always_inline __u32 mc_fast(void *ctx, void *data, void *end, int is_tc)
{
	struct pb_mc_job *j = mc_job();
	struct pb_mc_service *svc = j ? mc_service(j->service) : 0;
	struct pb_mc_value *v;
	__u32 todo;

	if (!svc)
		return PB_MC_TODO_LEAVE;
	todo = mc_plain(data, end, j, svc);
	if (todo != PB_MC_TODO_ANSWER)
		return todo;
	v = mc_cache_find(j);
	todo = v ? mc_hit_value(ctx, is_tc, j, svc, v) : mc_missed(j, svc, is_tc);
	if (todo != PB_MC_TODO_SENT)
		mc_key_request(j);
	return todo;
}

#endif /* PB_MC_FAST_BPF_H */
