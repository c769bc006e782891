/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The way to a server.  The kernel's routing table knows it; asked once in MC_HOP_NS by each CPU.  XDP
 * sends by what was found, tc too; but once in MC_FRESH_NS it lets the kernel itself fill in the link
 * header (bpf_redirect_neigh), or else nobody would ever ask the neighbour whether it is still there.
 */
#ifndef PB_MC_HOP_BPF_H
#define PB_MC_HOP_BPF_H

#include "mc_packet.bpf.h"
#include "verdict.bpf.h"

#define MC_HOP_NS 100000000ULL
#define MC_FRESH_NS 1000000000ULL
#define MC_HOP_XDP 1u /* flags: the device takes frames from XDP */

/* A way to send one packet. */
struct mc_way {
	__u32 ifindex;
	__u32 neigh;  /* by bpf_redirect_neigh */
	__u32 family; /* with it: the next hop, 0: as the packet says */
	__u32 pad;
	struct pb_addr next;
	__u8 dmac[6];
	__u8 smac[6];
};

static __always_inline __u32 mc_fold_addr(const struct pb_addr *a)
{
	return a->w[0] ^ a->w[1] ^ a->w[2] ^ a->w[3];
}

static __always_inline void mc_fib_init(struct bpf_fib_lookup *f, const struct pb_mc_job *j,
					const struct pb_addr *from, const struct pb_addr *to)
{
	f->l4_protocol = PB_PROTO_UDP;
	f->tot_len = (__u16)j->tot_len;
	f->ifindex = j->ifindex;
	if (j->v6) {
		f->family = PB_AF_INET6;
		__builtin_memcpy(f->ipv6_src, from, sizeof(f->ipv6_src));
		__builtin_memcpy(f->ipv6_dst, to, sizeof(f->ipv6_dst));
	} else {
		f->family = PB_AF_INET;
		f->ipv4_src = from->w[3];
		f->ipv4_dst = to->w[3];
	}
}

/* What the routing table said; the entry is good for a while. */
static __always_inline void mc_hop_found(struct pb_mc_hop *h, const struct bpf_fib_lookup *f,
					 __u64 now)
{
	__u32 out = f->ifindex;

	h->ifindex = out;
	mc_copy_mac(h->dmac, f->dmac);
	mc_copy_mac(h->smac, f->smac);
	h->mtu = f->mtu_result; /* of kernels that do not say: what was asked for */
	h->flags = bpf_map_lookup_elem(&pb_mc_devs, &out) ? MC_HOP_XDP : 0;
	h->until = now + MC_HOP_NS;
}

static __always_inline void mc_way_next(struct mc_way *w, const struct bpf_fib_lookup *f)
{
	w->neigh = 1;
	w->ifindex = f->ifindex;
	w->family = f->family;
	if (f->family == PB_AF_INET6)
		__builtin_memcpy(&w->next, f->ipv6_dst, sizeof(w->next));
	else
		w->next = pb_addr_v4(f->ipv4_dst);
}

/* tc, and the routing table does not give a whole way. */
static __always_inline __u32 mc_way_odd(struct mc_way *w, const struct pb_mc_job *j,
					const struct pb_mc_backend *b,
					const struct bpf_fib_lookup *f, long r)
{
	switch (r) {
	case BPF_FIB_LKUP_RET_NO_NEIGH: mc_way_next(w, f); return PB_MC_TODO_STEER;
	case BPF_FIB_LKUP_RET_FWD_DISABLED: /* a host that routes for nobody may still switch */
		if (!b->ifindex)
			return PB_MC_TODO_PASS;
		w->neigh = 1;
		w->ifindex = b->ifindex;
		w->family = j->l2 ? (j->v6 ? PB_AF_INET6 : PB_AF_INET) : 0;
		w->next = b->addr;
		return PB_MC_TODO_STEER;
	case BPF_FIB_LKUP_RET_NOT_FWDED: /* on this host: only its stack gets there */
	case BPF_FIB_LKUP_RET_FRAG_NEEDED: return PB_MC_TODO_PASS;
	}
	return PB_MC_TODO_DROP;
}

static __always_inline __u32 mc_way_known(struct mc_way *w, const struct pb_mc_hop *h)
{
	w->ifindex = h->ifindex;
	w->neigh = 0;
	mc_copy_mac(w->dmac, h->dmac);
	mc_copy_mac(w->smac, h->smac);
	return PB_MC_TODO_STEER;
}

/* How to reach server @at (its place in pb_mc_backends). */
static __always_inline __u32 mc_way_to(void *ctx, int is_tc, const struct pb_mc_job *j, __u32 at,
				       const struct pb_mc_backend *b, const struct pb_addr *from,
				       struct mc_way *w)
{
	struct pb_mc_hop *h = bpf_map_lookup_elem(&pb_mc_hops, &at);
	struct bpf_fib_lookup f = { .family = 0 };
	__u32 addr = mc_fold_addr(&b->addr), known, stale;
	long r;

	if (!h)
		return PB_MC_TODO_DROP;
	known = h->addr == addr;
	stale = known && h->fresh <= j->now;
	if (stale && !is_tc)
		return PB_MC_TODO_LEAVE;
	if (!known || stale || h->until <= j->now || j->tot_len > h->mtu) {
		mc_fib_init(&f, j, from, &b->addr);
		r = bpf_fib_lookup(ctx, &f, sizeof(f), 0);
		if (r) {
			h->addr = 0;
			h->until = 0;
			return is_tc ? mc_way_odd(w, j, b, &f, r) : PB_MC_TODO_LEAVE;
		}
		mc_hop_found(h, &f, j->now);
		if (!known || stale)
			h->fresh = j->now + MC_FRESH_NS;
		h->addr = addr;
		if (stale) {
			mc_way_next(w, &f);
			return PB_MC_TODO_STEER;
		}
	}
	if (!is_tc && h->ifindex != j->ifindex && !(h->flags & MC_HOP_XDP))
		return PB_MC_TODO_LEAVE;
	return mc_way_known(w, h);
}

/* Sends the packet, whose link header is written unless @w says otherwise. */
static __always_inline __u32 mc_send(struct pb_mc_job *j, int is_tc, const struct mc_way *w)
{
	struct bpf_redir_neigh n = { .nh_family = w->family };

	if (!is_tc)
		j->verdict = w->ifindex == j->ifindex ? verdict_to_xdp_back()
						      : bpf_redirect(w->ifindex, 0);
	else if (!w->neigh)
		j->verdict = bpf_redirect(w->ifindex, 0);
	else if (!w->family)
		j->verdict = bpf_redirect_neigh(w->ifindex, 0, 0, 0);
	else {
		if (w->family == PB_AF_INET6)
			__builtin_memcpy(n.ipv6_nh, &w->next, sizeof(n.ipv6_nh));
		else
			n.ipv4_nh = w->next.w[3];
		j->verdict = bpf_redirect_neigh(w->ifindex, &n, sizeof(n), 0);
	}
	return PB_MC_TODO_SENT;
}

#endif /* PB_MC_HOP_BPF_H */
