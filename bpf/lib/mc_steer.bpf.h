/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A request on its way to a server: a tag for it, what its reply will mean, and the headers.  Nothing of
 * the packet changes, and nothing is written down, before it is certain that it can be sent.
 */
#ifndef PB_MC_STEER_BPF_H
#define PB_MC_STEER_BPF_H

#include "mc_cache.bpf.h"
#include "mc_csum.bpf.h"
#include "mc_hop.bpf.h"

#define MC_TRIES 8 /* places looked at for one request */

/* The possible CPUs, rounded up to a power of two: each has its own share of the calls. */
const volatile __u32 pb_mc_cpu_bits;

/* ---- tags ------------------------------------------------------------------ */

/* Once more through the share: not before the tags of that turn are old. */
static __always_inline int mc_tags_turn(struct pb_mc_tags *t, __u64 now)
{
	__u32 turn = t->turn & (PB_MC_TURNS - 1), next = (t->turn + 1) & (PB_MC_TURNS - 1);

	pb_mc_opaque(turn);
	pb_mc_opaque(next);
	t->ended[turn & (PB_MC_TURNS - 1)] = now;
	if (t->ended[next & (PB_MC_TURNS - 1)] &&
	    t->ended[next & (PB_MC_TURNS - 1)] + PB_MC_LIFE_NS > now)
		return -1;
	t->turn++;
	t->next = 0;
	return 0;
}

/* A place and a tag that no other request has or had within PB_MC_LIFE_NS.  The call is not to be
 * found before its tag is written, by mc_call_ready(). */
static __noinline struct pb_mc_call *mc_call_new(struct pb_mc_job *j)
{
	__u32 zero = 0, share = PB_MC_CALLS >> (pb_mc_cpu_bits & 15), cpu, slot;
	struct pb_mc_tags *t = bpf_map_lookup_elem(&pb_mc_tags, &zero);
	struct pb_mc_call *c;

	cpu = bpf_get_smp_processor_id();
	if (!t || (cpu + 1) * share > PB_MC_CALLS)
		return 0;
	for (int i = 0; i < MC_TRIES; i++) {
		if (t->next >= share && mc_tags_turn(t, j->now))
			return 0;
		slot = cpu * share + t->next++;
		c = bpf_map_lookup_elem(&pb_mc_calls, &slot);
		if (!c)
			return 0;
		if (!c->born || c->done || c->born + PB_MC_LIFE_NS <= j->now) {
			j->tag = (t->turn & (PB_MC_TURNS - 1)) * PB_MC_CALLS + slot;
			__sync_lock_test_and_set(&c->tag, ~0u);
			return c;
		}
	}
	return 0;
}

static __always_inline void mc_call_fill(struct pb_mc_call *c, const struct pb_mc_job *j,
					 const struct pb_mc_backend *b)
{
	c->born = j->now;
	c->service = (__u16)j->service;
	c->kind = PB_MC_CALL_OTHER;
	c->done = 0;
	c->client = j->saddr;
	c->server = b->addr;
	c->client_port = j->sport;
	c->server_port = b->port;
	c->id = j->id;
	mc_copy_mac(c->dmac, j->smac);
	mc_copy_mac(c->smac, j->dmac);
	c->vlan = j->vlan;
	c->ifindex = j->ifindex;
	c->left = 0;
	c->first = j->tag;
	c->owner = j->owner;
}

static __always_inline void mc_call_ready(struct pb_mc_call *c, __u32 tag)
{
	__sync_lock_test_and_set(&c->tag, tag);
}

/* The token protocol's name of a request. */
static __always_inline __u64 mc_token_tag(__u32 tag)
{
	return 1ULL << 32 | tag;
}

/* ---- what the request means for the cache ----------------------------------- */

/* Before it leaves.  @c: it goes by NAT, and its reply will be seen. */
static __always_inline void mc_steer_step(struct pb_mc_job *j, struct pb_mc_service *svc,
					  struct pb_mc_call *c)
{
	__u32 step = j->work.req.step;

	if (step == PB_MC_STEP_WRITE || step == PB_MC_STEP_MUTE)
		mc_count(j->service, PB_MC_C_WRITES);
	if (step == PB_MC_STEP_UNKNOWN)
		mc_count(j->service, PB_MC_C_UNKNOWN);
	if (c && j->work.req.flags & PB_MC_F_MUTE)
		c->done = 1; /* most likely nothing will come */
	if (!(svc->flags & PB_MC_S_CACHE))
		return;
	if (step == PB_MC_STEP_READ && j->work.req.keys)
		mc_count(j->service, PB_MC_C_MISSES);
	if (step == PB_MC_STEP_UNKNOWN) {
		mc_cache_write_all(j->service, 0, j->now);
	} else if (step == PB_MC_STEP_WRITE && c) {
		mc_cache_write(j, svc, mc_token_tag(j->tag));
		c->kind = PB_MC_CALL_WRITE;
		c->set = j->set;
		c->digest = j->digest;
	} else if (step == PB_MC_STEP_WRITE || step == PB_MC_STEP_MUTE) {
		mc_cache_write(j, svc, 0);
		mc_count(j->service, PB_MC_C_WRITES_MUTED);
	}
}

/* L2 for what needs no reply to be seen. */
static __always_inline int mc_steer_l2(const struct pb_mc_job *j, const struct pb_mc_service *svc)
{
	if (!(svc->flags & PB_MC_S_L2))
		return 0;
	return !(svc->flags & PB_MC_S_CACHE) || j->work.req.step != PB_MC_STEP_WRITE;
}

/* ---- headers ----------------------------------------------------------------- */

/* What a datagram is to say. */
struct mc_heads {
	struct pb_addr saddr, daddr;
	__be16 sport, dport;
	__be16 id;
	__u16 same; /* keep addresses, ports and id */
	__u8 dmac[6], smac[6];
	__be16 vlan;
	__u16 hop;	  /* one less to live */
	__u64 addr, rest; /* differences, for the checksum */
};

static __always_inline void mc_write_ip4(struct mc_ip4 *ip, const struct mc_heads *h)
{
	__u64 diff = h->addr;
	__u32 was = (__u32)ip->proto << 8 | ip->ttl;

	/* as it lies in memory: ttl first */
	if (h->hop) {
		ip->ttl--;
		diff += pb_csum_diff2(pb_htons(was >> 8 | (was & 0xff) << 8),
				      pb_htons(was >> 8 | ((was & 0xff) - 1) << 8));
	}
	ip->saddr = h->saddr.w[3];
	ip->daddr = h->daddr.w[3];
	ip->check = pb_csum_update(ip->check, diff);
}

static __always_inline void mc_write_ip6(struct mc_ip6 *ip, const struct mc_heads *h)
{
	if (h->hop)
		ip->ttl--;
	ip->saddr = h->saddr;
	ip->daddr = h->daddr;
}

/* Writes all but the UDP checksum; @h gets the differences.  0: done. */
static __always_inline int mc_write_heads(void *data, void *end, struct pb_mc_job *j,
					  struct mc_heads *h)
{
	__u32 l3 = j->l3 & 31, l4 = j->l4;
	struct mc_eth *eth = data;
	struct mc_tag *tag = (void *)(eth + 1);
	struct mc_udp *udp;
	struct mc_frame *f;

	if (l4 > MC_L4_MAX || (void *)(tag + 1) > end)
		return -1;
	udp = data + l4;
	f = (void *)(udp + 1);
	if ((void *)(f + 1) > end)
		return -1;
	h->addr = pb_csum_diff_addr(&j->saddr, &h->saddr, j->v6) +
		  pb_csum_diff_addr(&j->daddr, &h->daddr, j->v6);
	h->rest = pb_csum_diff2(udp->sport, h->sport) + pb_csum_diff2(udp->dport, h->dport) +
		  pb_csum_diff2(f->id, h->id);
	if (j->v6) {
		struct mc_ip6 *ip = data + l3;

		if ((void *)(ip + 1) > end)
			return -1;
		mc_write_ip6(ip, h);
	} else {
		struct mc_ip4 *ip = data + l3;

		if ((void *)(ip + 1) > end)
			return -1;
		mc_write_ip4(ip, h);
	}
	udp->sport = h->sport;
	udp->dport = h->dport;
	f->id = h->id;
	mc_copy_mac(eth->dmac, h->dmac);
	mc_copy_mac(eth->smac, h->smac);
	if (j->tagged)
		tag->tci = h->vlan;
	return 0;
}

static __always_inline int mc_write_xdp(struct xdp_md *ctx, struct pb_mc_job *j, struct mc_heads *h)
{
	if (mc_write_heads((void *)(long)ctx->data, (void *)(long)ctx->data_end, j, h))
		return -1;
	return mc_csum_xdp(ctx, j, h->addr, h->rest);
}

static __always_inline int mc_write_tc(struct __sk_buff *skb, struct pb_mc_job *j,
				       struct mc_heads *h)
{
	if (mc_write_heads((void *)(long)skb->data, (void *)(long)skb->data_end, j, h))
		return -1;
	return mc_csum_tc(skb, j, h->addr, h->rest);
}

static __always_inline int mc_write(void *ctx, int is_tc, struct pb_mc_job *j, struct mc_heads *h)
{
	return is_tc ? mc_write_tc(ctx, j, h) : mc_write_xdp(ctx, j, h);
}

/* ---- the request ------------------------------------------------------------- */

static __always_inline void mc_heads_nat(struct mc_heads *h, const struct pb_mc_job *j,
					 const struct pb_mc_service *svc,
					 const struct pb_mc_backend *b)
{
	h->saddr = svc->source;
	h->sport = pb_htons((__u16)(pb_ntohs(svc->source_port) + (j->tag >> 16)));
	h->id = pb_htons((__u16)j->tag);
	h->daddr = b->addr;
	h->dport = b->port;
}

static __always_inline void mc_heads_same(struct mc_heads *h, const struct pb_mc_job *j)
{
	h->saddr = j->saddr;
	h->sport = j->sport;
	h->id = j->id;
	h->daddr = j->daddr;
	h->dport = j->dport;
}

static __always_inline void mc_count_sent(const struct pb_mc_job *j, int is_tc, __u32 at)
{
	struct pb_mc_bstats *s = bpf_map_lookup_elem(&pb_mc_bstats, &at);

	mc_count(j->service, PB_MC_C_REQUESTS);
	mc_count(j->service, PB_MC_C_STEERED);
	if (is_tc)
		mc_count(j->service, PB_MC_C_STEERED_TC);
	if (s) {
		s->sent++;
		s->bytes += j->udp_len;
	}
}

static __always_inline __u32 mc_give_up(struct pb_mc_job *j, __u32 todo, __u32 counter)
{
	j->counter = counter;
	return todo;
}

/* A tag goes from the frame when it goes elsewhere; the device there puts its own. */
static __always_inline int mc_untag(struct __sk_buff *skb, struct pb_mc_job *j)
{
	if (!j->vlan && !j->tagged)
		return 0;
	if (bpf_skb_vlan_pop(skb))
		return -1;
	if (j->tagged) {
		j->tagged = 0;
		j->l3 -= sizeof(struct mc_tag);
		j->l4 -= sizeof(struct mc_tag);
	}
	return 0;
}

/* Server j->owner gets the request: PB_MC_TODO_SENT, or why not. */
static __always_inline __u32 mc_steer(void *ctx, int is_tc)
{
	struct pb_mc_job *j = mc_job();
	struct pb_mc_service *svc = j ? mc_service(j->service) : 0;
	struct mc_heads h = { .hop = 1 };
	struct pb_mc_call *c = 0;
	struct pb_mc_backend *b;
	struct mc_way w = { .neigh = 0 };
	__u32 at, todo;

	if (!svc)
		return PB_MC_TODO_LEAVE;
	mc_exact_now(j);
	at = j->service * PB_MC_SERVERS_MAX + (j->owner & (PB_MC_SERVERS_MAX - 1));
	b = bpf_map_lookup_elem(&pb_mc_backends, &at);
	if (!b || j->owner >= PB_MC_SERVERS_MAX || !(b->flags & PB_MC_B_UP))
		return mc_give_up(j, PB_MC_TODO_DROP, PB_MC_C_DROP_OWNER);
	if (j->ttl <= 1 || (!is_tc && j->tagged))
		return PB_MC_TODO_LEAVE;
	j->l2 = mc_steer_l2(j, svc);
	todo = mc_way_to(ctx, is_tc, j, at, b, j->l2 ? &j->saddr : &svc->source, &w);
	if (todo != PB_MC_TODO_STEER)
		return mc_give_up(j, todo, PB_MC_C_DROP_HOP);
	j->again = is_tc && j->want_fetch && (w.neigh || j->split);
	if (j->again) {
		j->out = w.ifindex;
		return PB_MC_TODO_FETCH;
	}
	if (!j->l2) {
		c = mc_call_new(j);
		if (!c)
			return mc_give_up(j, PB_MC_TODO_DROP, PB_MC_C_DROP_FULL);
		mc_call_fill(c, j, b);
		c->out = w.ifindex;
		mc_heads_nat(&h, j, svc, b);
	} else {
		mc_heads_same(&h, j);
	}
	mc_steer_step(j, svc, c);
	if (c)
		mc_call_ready(c, j->tag);
	mc_copy_mac(h.dmac, w.dmac);
	mc_copy_mac(h.smac, w.smac);
	if ((is_tc && mc_untag(ctx, j)) || mc_write(ctx, is_tc, j, &h))
		return mc_give_up(j, PB_MC_TODO_DROP, PB_MC_C_DROP_BAD);
	mc_count_sent(j, is_tc, at);
	if (is_tc && j->want_fetch) {
		/* the packet as it is now */
		j->out = w.ifindex;
		j->saddr = h.saddr;
		j->daddr = h.daddr;
		mc_copy_mac(j->dmac, h.dmac);
		mc_copy_mac(j->smac, h.smac);
		return PB_MC_TODO_FETCH;
	}
	return mc_send(j, is_tc, &w);
}

#endif /* PB_MC_STEER_BPF_H */
