/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Endpoints on other nodes (peer.h): which of them a client gets, and which of them failed.
 * docs/decisions/0015-hosts.md.
 */
#ifndef PB_REMOTE_BPF_H
#define PB_REMOTE_BPF_H

#include "service.bpf.h"

/* ---- what connecting came to ---------------------------------------------- */

/* pb_eject.by of an application; 0 stands for all. */
static __always_inline __u32 pb_eject_name(__u64 ref)
{
	__u32 name = ref ^ ref >> 32;

	return name ? name : 1;
}

/* The record of @index if it is about @gen and an ejection holds for @ref (over or not). */
static __always_inline struct pb_eject *pb_ejected(__u32 index, __u32 gen, __u64 ref)
{
	struct pb_eject *e = bpf_map_lookup_elem(&pb_eject, &index);

	if (!e || !*(volatile __u64 *)&e->until_ns || e->gen != gen)
		return 0;
	return !e->by || e->by == pb_eject_name(ref) ? e : 0;
}

static __always_inline __u64 pb_eject_wait(__u32 times)
{
	__u64 ns = PB_EJECT_NS << (times > 1 ? (times - 1) & 15 : 0);

	return times > 15 || ns > PB_EJECT_MAX_NS ? PB_EJECT_MAX_NS : ns;
}

/*
 * An ejection that is over lets one client try: whoever moves its end.  0: another one does.  The
 * wait is doubled here, for if the attempt fails it began again when it was made.
 */
__noinline int pb_probe(__u32 index, __u32 gen, __u64 ref, __u64 now)
{
	struct pb_eject *e = pb_ejected(index, gen, ref);
	__u32 times;
	__u64 until;

	if (!e)
		return 1;
	until = *(volatile __u64 *)&e->until_ns;
	times = e->times ? e->times + 1 : 0;
	if (until > now ||
	    __sync_val_compare_and_swap(&e->until_ns, until, now + pb_eject_wait(times)) != until)
		return 0;
	e->times = times;
	return 1;
}

/*
 * A connection of @ref was reset or not answered.  Silence is the node's or the endpoint's doing
 * and holds for all.  A reset may be meant for this application alone, whose rights the other node
 * knows better: it holds for all as soon as a second application got one.  1: newly ejected.
 */
__noinline int pb_eject_fail(__u32 index, __u32 gen, __u64 ref, __u32 reset)
{
	struct pb_eject *e = bpf_map_lookup_elem(&pb_eject, &index);
	__u64 now = bpf_ktime_get_ns();
	__u32 by = pb_eject_name(ref);

	if (!e)
		return 0;
	if (e->gen != gen) {
		e->gen = gen;
		e->until_ns = 0;
		e->fails = 0;
		e->times = 0;
	}
	e->last_ns = now;
	e->fails++;
	if (e->fails < PB_EJECT_FAILS)
		return 0;
	if (e->until_ns > now && (reset || !e->by)) {
		/* Many fail at once when a node dies: that is one failure. */
		if (e->by && e->by != by)
			e->by = 0;
		return 0;
	}
	e->times = reset ? 0 : e->times + 1;
	e->by = reset ? by : 0;
	e->until_ns = now + pb_eject_wait(e->times);
	return 1;
}

/* A handshake of @ref came to its end.  1: the endpoint had been ejected. */
__noinline int pb_eject_clear(__u32 index, __u32 gen, __u64 ref)
{
	struct pb_eject *e = pb_ejected(index, gen, ref);

	if (!e)
		return 0;
	e->fails = 0;
	e->times = 0;
	e->by = 0;
	e->until_ns = 0;
	return 1;
}

/* ---- choose --------------------------------------------------------------- */

enum { PB_RANK_GOOD, PB_RANK_SUSPECT, PB_RANK_EJECTED, PB_RANK_NONE };

/* A question to pb_rservices, and the best answer so far.  Small: the stack below it is deep. */
struct pb_rpick {
	const struct pb_app *app; /* client */
	const struct pb_rservice *svc;
	const struct pb_addr *addr; /* what was asked for */
	__u64 ref;		    /* client's scope */
	__u64 ns;		    /* for loopback; 0: a virtual address */
	__u64 now;
	__u64 peer; /* scope of the chosen one, or of the last that refused */
	__u32 start;
	__u32 first; /* looked at before all others */
	__u32 ep;    /* chosen, with PB_EP_REMOTE */
	__u32 gen;
	__be16 port;
	__u8 proto;
	__u8 v6;     /* needs loc6, else loc4 */
	__u8 rank;   /* of the chosen one; PB_RANK_NONE */
	__u8 reason; /* for the chosen one, or why none is usable */
};

/* Of @ep, the endpoint at @index.  Global, as all that branches here: verified once. */
__noinline int pb_rank(const struct pb_endpoint *ep, __u32 index, __u64 ref, __u64 now)
{
	struct pb_eject *e;

	if (!ep)
		return PB_RANK_NONE;
	e = pb_ejected(index, ep->gen, ref);
	if (e && e->until_ns > now)
		return PB_RANK_EJECTED;
	return ep->hints & PB_EP_SUSPECT ? PB_RANK_SUSPECT : PB_RANK_GOOD;
}

/* Is it what was asked for?  The index may have been given to another service since. */
__noinline int pb_rfits(const struct pb_endpoint *ep, const struct pb_addr *addr, __u64 ns,
			__u32 port, __u32 proto)
{
	if (!ep || !addr || ep->state != PB_EP_UP || ep->port != port || ep->proto != proto)
		return 0;
	if (ns)
		return ns == ep->ns;
	return pb_addr_eq(addr, &ep->vip4) || pb_addr_eq(addr, &ep->vip6);
}

/* May the client reach it?  A reason; *policy: it is the policy's. */
static __always_inline __u32 pb_rmay(const struct pb_rpick *p, const struct pb_endpoint *ep,
				     __u64 sref, int *policy)
{
	const struct pb_addr *loc = p->v6 ? &ep->loc6 : &ep->loc4;
	struct pb_app *s = pb_app_at(sref);

	*policy = 0;
	if (!s)
		return PB_R_NO_ENDPOINT;
	if (pb_addr_is_zero(loc))
		return PB_R_WRONG_FAMILY;
	if (!bpf_map_lookup_elem(&pb_peers, loc))
		return PB_R_NO_PEER;
	*policy = 1;
	return pb_may(p->app, p->ref, s, sref, p->port, p->proto);
}

/* Takes endpoint @index if it is better than what there is.  1: none is better. */
static __always_inline int pb_rtry(struct pb_rpick *p, __u32 index)
{
	struct pb_endpoint *ep = bpf_map_lookup_elem(&pb_remotes, &index);
	__u64 sref;
	__u32 r;
	int policy, rank;

	if (!ep || !pb_rfits(ep, p->addr, p->ns, p->port, p->proto))
		return 0;
	rank = pb_rank(ep, index, p->ref, p->now);
	if (rank >= p->rank)
		return 0;
	sref = ep->app;
	r = pb_rmay(p, ep, sref, &policy);
	if (!policy || !pb_policy_allows(r)) {
		/* A refusal by policy is worth more to whoever asks why than a missing address. */
		if (p->rank == PB_RANK_NONE && (policy || p->reason == PB_R_NO_ENDPOINT)) {
			p->reason = r;
			p->peer = policy ? sref : 0;
		}
		return 0;
	}
	if (rank != PB_RANK_EJECTED && !pb_probe(index, ep->gen, p->ref, p->now))
		rank = PB_RANK_EJECTED;
	if (rank >= p->rank)
		return 0;
	p->rank = rank;
	p->ep = index | PB_EP_REMOTE;
	p->gen = ep->gen;
	p->peer = sref;
	p->reason = r;
	return rank == PB_RANK_GOOD;
}

static __always_inline __u32 pb_rn(const struct pb_rservice *svc)
{
	__u32 n = svc->n;

	return n < PB_RSLOTS ? n : PB_RSLOTS;
}

/* Entry @i of @n; the mask tells the verifier, to clang it is redundant. */
static __always_inline __u32 pb_rentry(const struct pb_rservice *svc, __u32 i, __u32 n)
{
	i %= n;
	barrier_var(i);
	return svc->index[i & (PB_RSLOTS - 1)];
}

static long pb_rstep(__u32 i, void *arg)
{
	struct pb_rpick *p = arg;
	const struct pb_rservice *svc = p->svc;
	__u32 n = svc ? pb_rn(svc) : 0;

	if (!n)
		return 1;
	return pb_rtry(p, i ? pb_rentry(svc, p->start + i, n) : p->first);
}

/* Is @b the better one of two that were drawn?  By rank, then by connections for its weight. */
__noinline int pb_rbetter(__u32 a, __u32 b, __u64 ref, __u64 now)
{
	struct pb_endpoint *x = bpf_map_lookup_elem(&pb_remotes, &a);
	struct pb_endpoint *y = bpf_map_lookup_elem(&pb_remotes, &b);
	int rx, ry;
	__s64 lx, ly;

	if (!y || y->state != PB_EP_UP)
		return 0;
	if (!x || x->state != PB_EP_UP)
		return 1;
	rx = pb_rank(x, a, ref, now);
	ry = pb_rank(y, b, ref, now);
	if (rx != ry)
		return ry < rx;
	lx = x->live > 0 ? x->live : 0;
	ly = y->live > 0 ? y->live : 0;
	return ly * (x->weight & 0xff) < lx * (y->weight & 0xff);
}

/*
 * Two entries drawn at random, the one with fewer connections from here; for datagrams the one that
 * @sticky names; @prefer before all others.  If that will not do, the best of all.  1: p->ep.
 */
static __always_inline int pb_rchoose(struct pb_rpick *p, __u32 sticky, __u32 prefer)
{
	const struct pb_rservice *svc = p->svc;
	__u32 n = pb_rn(svc), two;

	if (!n)
		return 0;
	p->start = sticky ? sticky : bpf_get_prandom_u32();
	p->first = pb_rentry(svc, p->start, n);
	if (prefer & PB_EP_REMOTE) {
		p->first = prefer & ~PB_EP_REMOTE;
	} else if (n > 1 && !sticky) {
		two = pb_rentry(svc, p->start % n + 1 + bpf_get_prandom_u32() % (n - 1), n);
		if (pb_rbetter(p->first, two, p->ref, p->now))
			p->first = two;
	}
	bpf_loop(n + 1, pb_rstep, p, 0);
	return p->rank != PB_RANK_NONE;
}

#endif /* PB_REMOTE_BPF_H */
