/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The service table from the clients' side: who may be reached, and which endpoint it is. */
#ifndef PB_SERVICE_BPF_H
#define PB_SERVICE_BPF_H

#include "event.bpf.h"
#include "verdict.bpf.h"
#include <patchbay/addr.h>

static __always_inline const struct pb_rule *pb_rule_at(__u32 index)
{
	return bpf_map_lookup_elem(&pb_rules, &index);
}

/*
 * The evaluator as one global function: verified once, whatever calls it.
 * @misc: bit 0 self, bits 8-15 global mode, bits 16-23 bank, bits 24-31 proto.
 */
__noinline int pb_evaluate(const struct pb_app *c, const struct pb_app *s, __u32 misc, __u32 port)
{
	struct pb_policy_in in = {
		.client = c,
		.server = s,
		.self = misc & 1,
		.mode = misc >> 8 & 0xff,
		.bank = misc >> 16 & 0xff,
		.proto = misc >> 24,
		.port = port,
	};

	if (!c || !s)
		return PB_R_NO_IDENTITY;
	return pb_policy(&in);
}

/* May scope @cref (record @c) reach scope @sref (record @s)?  A reason. */
static __always_inline __u32 pb_may(const struct pb_app *c, __u64 cref, const struct pb_app *s,
				    __u64 sref, __be16 port, __u8 proto)
{
	struct pb_config *cfg = pb_cfg();

	if (!cfg)
		return PB_R_NO_IDENTITY;
	return pb_evaluate(c, s,
			   (cref == sref) | (cfg->mode & 0xff) << 8 | (cfg->bank & 0xff) << 16 |
				   (__u32)proto << 24,
			   port);
}

/* ---- choose -------------------------------------------------------------- */

/* A question to the table, and its answer. */
struct pb_pick {
	const struct pb_app *app; /* client */
	struct pb_service *svc;
	__u64 ref;   /* client's scope */
	__u64 netns; /* client's */
	struct pb_svc_key key;
	__u32 want_v6; /* needs loc6, else loc4 */
	__u32 start;   /* slot at which a full search begins */
	__u32 ep;      /* chosen; 0 none */
	__u32 gen;
	__u32 reason; /* for the chosen one, or why none is usable */
	__u64 peer;   /* scope of the chosen one */
};

/*
 * The address of this node for clients in other namespaces; 0: it has none, or it is being
 * changed.  Global, as it is off the usual path: the verifier walks it once.
 */
__noinline int pb_node_addr(struct pb_addr *ret, __u32 v6)
{
	__u32 zero = 0;
	struct pb_node *node = bpf_map_lookup_elem(&pb_node, &zero);
	__u64 gen;

	if (!ret || !node)
		return 0;
	gen = *(volatile __u64 *)&node->gen;
	barrier();
	*ret = v6 ? node->addr6 : node->addr4;
	barrier();
	return !(gen & 1) && *(volatile __u64 *)&node->gen == gen && !pb_addr_is_zero(ret);
}

/* May a client in another namespace than @ep's be sent to it?  A reason, PB_R_NONE: yes. */
__noinline int pb_far(const struct pb_endpoint *ep, __u32 v6)
{
	struct pb_config *cfg = pb_cfg();
	struct pb_addr addr;

	if (!ep || !cfg)
		return PB_R_WRONG_NETNS;
	return pb_far_reason(ep, cfg->netns, pb_node_addr(&addr, v6), v6);
}

/* Is endpoint @index what the question asks for, up, reachable and allowed?  1 and p->ep, or 0
 * and a reason. */
static __noinline int pb_pick_try(struct pb_pick *p, __u32 index)
{
	struct pb_endpoint *ep = pb_ep_at(index);
	struct pb_app *s;
	__u64 sref;
	__u32 r;

	if (!ep || ep->state != PB_EP_UP || ep->port != p->key.port || ep->proto != p->key.proto)
		return 0;
	sref = ep->app;
	s = pb_app_at(sref);
	/* The index may have been given to another service since the slot was read. */
	if (!s || (p->key.ns ? p->key.ns != ep->ns
			     : !pb_addr_eq(&p->key.addr, &ep->vip4) &&
				       !pb_addr_eq(&p->key.addr, &ep->vip6)))
		return 0;
	r = PB_R_NONE;
	if (ep->netns != p->netns)
		r = pb_far(ep, p->want_v6);
	else if (pb_addr_is_zero(p->want_v6 ? &ep->loc6 : &ep->loc4))
		r = PB_R_WRONG_FAMILY;
	if (r != PB_R_NONE) {
		p->reason = r;
		return 0;
	}
	r = pb_may(p->app, p->ref, s, sref, p->key.port, p->key.proto);
	p->reason = r;
	p->peer = sref;
	if (!pb_policy_allows(r))
		return 0;
	p->ep = index;
	p->gen = ep->gen;
	return 1;
}

static long pb_pick_step(__u32 i, void *arg)
{
	struct pb_pick *p = arg;
	__u32 slot = (p->start + i) & (PB_SLOTS - 1);
	struct pb_service *svc = p->svc;

	if (!svc || !(svc->live[(slot >> 6) & (PB_SLOT_WORDS - 1)] & (1ULL << (slot & 63))))
		return 0;
	return pb_pick_try(p, svc->slot[slot]) ? 1 : 0;
}

/* Endpoint in the @n-th live slot, 0 if it went meanwhile. */
__noinline int pb_svc_nth(const struct pb_service *svc, __u32 n)
{
	if (!svc)
		return 0;
	for (__u32 w = 0; w < PB_SLOT_WORDS; w++) {
		__u64 live = svc->live[w];
		__u32 c;

		if (!live)
			continue;
		/* Most services have one endpoint: no counting for it. */
		if (!n)
			return svc->slot[(w * 64 + pb_ctz64(live)) & (PB_SLOTS - 1)];
		c = pb_popcount64(live);
		if (n < c)
			return svc->slot[(w * 64 + pb_nth_bit64(live, n)) & (PB_SLOTS - 1)];
		n -= c;
	}
	return 0;
}

__noinline int pb_svc_count(const struct pb_service *svc)
{
	__u32 n = 0;

	if (!svc)
		return 0;
	for (__u32 w = 0; w < PB_SLOT_WORDS; w++)
		if (svc->live[w])
			n += pb_popcount64(svc->live[w]);
	return n;
}

static __always_inline __s32 pb_ep_load(__u32 index)
{
	struct pb_endpoint *ep = pb_ep_at(index);

	return ep && ep->state == PB_EP_UP ? ep->live : 0x7fffffff;
}

/*
 * Chooses an endpoint of p->svc: the one with fewer live connections of two
 * drawn at random (Mitzenmacher, "The power of two choices"), for datagrams the
 * one that @sticky names; if that one will not do, any that will.
 */
static __always_inline int pb_pick(struct pb_pick *p, __u32 sticky)
{
	__u32 n = pb_svc_count(p->svc), a = 0, b, one, two;

	p->ep = 0;
	p->reason = PB_R_NO_ENDPOINT;
	if (!n) {
		p->reason = PB_R_NO_SERVICE;
		return 0;
	}
	if (n > 1)
		a = (sticky ? sticky : bpf_get_prandom_u32()) % n;
	one = pb_svc_nth(p->svc, a);
	if (n > 1 && !sticky) {
		b = (a + 1 + bpf_get_prandom_u32() % (n - 1)) % n;
		two = pb_svc_nth(p->svc, b);
		if (pb_ep_load(two) < pb_ep_load(one))
			one = two;
	}
	if (pb_pick_try(p, one))
		return 1;
	if (n > 1) {
		p->start = bpf_get_prandom_u32();
		bpf_loop(PB_SLOTS, pb_pick_step, p, 0);
	}
	return p->ep != 0;
}

#endif /* PB_SERVICE_BPF_H */
