/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A reply of a server.  It must name the whole tag of a request under way, and come from the server
 * that was asked.  What it tells the cache is told before it goes on; then it is the address's
 * answer to the client, out of the device where the request came in.
 */
#ifndef PB_MC_REPLY_BPF_H
#define PB_MC_REPLY_BPF_H

#include "mc_fetch.bpf.h"
#include "mc_steer.bpf.h"

/* A client that plays the server: by the very link of the client asked, and not that of the server. */
static __always_inline int mc_forged(const struct pb_mc_job *j)
{
	return j->call.out && j->call.out != j->call.ifindex && j->ifindex == j->call.ifindex &&
	       j->vlan == j->call.vlan;
}

/* The call that the reply belongs to, into j->call: 0, or nobody waits for it. */
static __always_inline int mc_call_of(struct pb_mc_job *j, __u32 tag)
{
	__u32 slot = tag & (PB_MC_CALLS - 1);
	struct pb_mc_call *c = bpf_map_lookup_elem(&pb_mc_calls, &slot);

	if (!c || *(volatile __u32 *)&c->tag != tag || !c->born)
		return -1;
	__builtin_memcpy(&j->call, c, sizeof(j->call));
	barrier();
	/* the place was given to another request meanwhile */
	if (*(volatile __u32 *)&c->tag != tag || j->call.tag != tag)
		return -1;
	if (j->call.service != j->service || j->call.server_port != j->sport ||
	    !pb_addr_eq(&j->call.server, &j->saddr) || mc_forged(j))
		return -1;
	if (j->total && (__u32)j->seq + 1 >= j->total)
		c->done = 1;
	return 0;
}

static __always_inline void mc_count_reply(const struct pb_mc_job *j, __u32 at)
{
	struct pb_mc_bstats *s = bpf_map_lookup_elem(&pb_mc_bstats, &at);

	mc_count(j->service, PB_MC_C_REPLIES);
	if (s) {
		s->replies++;
		s->last = j->now;
	}
}

static __always_inline void mc_heads_back(struct mc_heads *h, const struct pb_mc_job *j,
					  const struct pb_mc_service *svc)
{
	h->saddr = svc->vip;
	h->sport = svc->port;
	h->daddr = j->call.client;
	h->dport = j->call.client_port;
	h->id = j->call.id;
	h->vlan = j->call.vlan;
	mc_copy_mac(h->dmac, j->call.dmac);
	mc_copy_mac(h->smac, j->call.smac);
}

/* The tag of the link that the request had. */
static __always_inline int mc_retag(struct __sk_buff *skb, struct pb_mc_job *j)
{
	__be16 vlan = j->call.vlan;

	if (j->tagged && vlan) /* in the frame: just another number */
		return 0;
	if (mc_untag(skb, j))
		return -1;
	return vlan ? (int)bpf_skb_vlan_push(skb, pb_htons(MC_ETH_VLAN), pb_ntohs(vlan)) : 0;
}

static __always_inline int mc_dev_takes_xdp(__u32 ifindex)
{
	return bpf_map_lookup_elem(&pb_mc_devs, &ifindex) != 0;
}

/* Which call it is; a fetch of the switch's own ends here. */
static __always_inline __u32 mc_answer(void *data, void *end)
{
	struct pb_mc_job *j = mc_job();
	struct pb_mc_service *svc = j ? mc_service(j->service) : 0;
	struct mc_frame *f = j ? mc_frame_of(data, end, j, 0) : 0;
	struct pb_mc_scan s;

	if (!svc)
		return PB_MC_TODO_LEAVE;
	if (!f)
		return mc_give_up(j, PB_MC_TODO_DROP, PB_MC_C_REPLY_STRAY);
	j->seq = pb_ntohs(f->seq);
	j->total = pb_ntohs(f->total);
	/* part 30,050 of 27,002: a server's node says whose its replies are (patchbay/hello.h) */
	if (j->total && j->seq >= j->total)
		return PB_MC_TODO_LEAVE;
	j->tag |= pb_ntohs(f->id);
	if (mc_call_of(j, j->tag))
		return mc_give_up(j, PB_MC_TODO_DROP, PB_MC_C_REPLY_STRAY);
	if (j->call.kind != PB_MC_CALL_FETCH)
		return PB_MC_TODO_STEER;
	s = mc_message(f, end, j);
	mc_fetch_fill(j, svc, &j->call, &s, !j->seq && j->total == 1);
	return mc_give_up(j, PB_MC_TODO_DROP, _PB_MC_C_MAX);
}

/* The datagram is a reply to j->call. */
static __always_inline __u32 mc_reply(void *ctx, int is_tc)
{
	struct pb_mc_job *j = mc_job();
	struct pb_mc_service *svc = j ? mc_service(j->service) : 0;
	struct mc_heads h = { .hop = 0 };
	struct mc_way w = { .neigh = 0 };

	if (!svc)
		return PB_MC_TODO_LEAVE;
	w.ifindex = j->call.ifindex;
	if (!is_tc && w.ifindex != j->ifindex && !mc_dev_takes_xdp(w.ifindex))
		return PB_MC_TODO_LEAVE;
	if (!is_tc && !j->tagged != !j->call.vlan)
		return PB_MC_TODO_LEAVE;
	/* "0 of 0", and nothing in it: memcached keeps an answer back */
	if (j->call.kind == PB_MC_CALL_WRITE && j->total)
		mc_cache_written(j->service, j->call.set, j->call.digest, mc_token_tag(j->tag));
	mc_heads_back(&h, j, svc);
	if (mc_write(ctx, is_tc, j, &h))
		return mc_give_up(j, PB_MC_TODO_DROP, PB_MC_C_DROP_BAD);
	/* last: a tag that is pushed moves what was written */
	if (is_tc && mc_retag(ctx, j))
		return mc_give_up(j, PB_MC_TODO_DROP, PB_MC_C_DROP_BAD);
	mc_count_reply(j, j->service * PB_MC_SERVERS_MAX + j->call.owner);
	return mc_send(j, is_tc, &w);
}

#endif /* PB_MC_REPLY_BPF_H */
