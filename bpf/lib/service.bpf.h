/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The service table from the kernel's side: publish, withdraw, choose.
 *
 * A slot of a service is owned by its bit in `taken` and readable by its bit in
 * `live`; both change by atomics, so that no lock is held over a map helper.
 */
#ifndef PB_SERVICE_BPF_H
#define PB_SERVICE_BPF_H

#include "event.bpf.h"
#include "verdict.bpf.h"
#include <patchbay/addr.h>

#define PB_CAS_TRIES 8 /* rivals for one word; after that the next word is tried */

/* Too big for the stack; lives in .rodata. */
static const struct pb_service pb_no_service;

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

/* ---- publish and withdraw ------------------------------------------------ */

/* The service key of one class bit of @ep; 0 if it has no address of that class. */
static __always_inline int pb_svc_key_of(struct pb_svc_key *k, const struct pb_endpoint *ep,
					 __u32 cls)
{
	__builtin_memset(k, 0, sizeof(*k));
	k->port = ep->port;
	k->proto = ep->proto;
	if (cls & (PB_CLS_V4_LOOP | PB_CLS_V6_LOOP)) {
		k->addr = pb_addr_loopback(cls == PB_CLS_V4_LOOP);
		k->ns = ep->ns;
		return 1;
	}
	k->addr = cls == PB_CLS_V4_VIP ? ep->vip4 : ep->vip6;
	return !pb_addr_is_zero(&k->addr);
}

static __always_inline struct pb_service *pb_svc_get_or_add(const struct pb_svc_key *k)
{
	struct pb_service *svc = bpf_map_lookup_elem(&pb_services, k);

	if (svc)
		return svc;
	bpf_map_update_elem(&pb_services, k, &pb_no_service, BPF_NOEXIST);
	return bpf_map_lookup_elem(&pb_services, k);
}

/* Owns a free slot of @svc: its number, or -ENOBUFS. */
static __always_inline int pb_slot_take(struct pb_service *svc)
{
	for (__u32 w = 0; w < PB_SLOT_WORDS; w++) {
		for (int i = 0; i < PB_CAS_TRIES; i++) {
			__u64 old = *(volatile __u64 *)&svc->taken[w];
			__u64 bit = ~old & -~old;

			if (!bit)
				break;
			if (__sync_val_compare_and_swap(&svc->taken[w], old, old | bit) == old)
				return w * 64 + pb_ctz64(bit);
		}
	}
	return -PB_ENOBUFS;
}

static __always_inline void pb_slot_drop(const struct pb_svc_key *k, __u32 slot)
{
	struct pb_service *svc = bpf_map_lookup_elem(&pb_services, k);
	__u64 bit = 1ULL << (slot & 63);
	__u32 w = (slot >> 6) & (PB_SLOT_WORDS - 1);

	if (!svc)
		return;
	__sync_fetch_and_and(&svc->live[w], ~bit);
	__sync_fetch_and_and(&svc->taken[w], ~bit);
}

/* Puts endpoint @ep into the service of @k: slot number, or -ENOBUFS. */
static __always_inline int pb_slot_add(const struct pb_svc_key *k, __u32 ep)
{
	/* The agent may remove an empty service between look-up and use: look again. */
	for (int i = 0; i < 3; i++) {
		struct pb_service *svc = pb_svc_get_or_add(k);
		struct pb_service *now;
		int slot;

		if (!svc)
			return -PB_ENOBUFS;
		slot = pb_slot_take(svc);
		if (slot < 0)
			return slot;
		slot &= PB_SLOTS - 1;
		svc->slot[slot] = ep;
		__sync_fetch_and_or(&svc->live[(slot >> 6) & (PB_SLOT_WORDS - 1)],
				    1ULL << (slot & 63));
		now = bpf_map_lookup_elem(&pb_services, k);
		if (now && *(volatile __u32 *)&now->slot[slot] == ep)
			return slot;
	}
	return -PB_ENOBUFS;
}

/* Takes endpoint @index out of every service and gives it back. */
static __noinline int pb_ep_withdraw(__u32 index)
{
	struct pb_endpoint *ep = pb_ep_at(index);
	struct pb_svc_key k;

	if (!ep)
		return 0;
	ep->state = PB_EP_FREE;
	for (__u32 c = 0; c < PB_CLS_N; c++) {
		if ((ep->slots & (1u << c)) && pb_svc_key_of(&k, ep, 1u << c))
			pb_slot_drop(&k, ep->slot[c]);
	}
	ep->slots = 0;
	bpf_map_push_elem(&pb_ep_free, &index, 0);
	return 0;
}

/*
 * Publishes what @s listens on (@s->cls, @s->lport, @s->real): the endpoint's
 * index, or 0 when a table is full.
 */
static __noinline __u32 pb_ep_publish(struct pb_sock *s, __u64 cookie)
{
	struct pb_app *app = pb_app_at(s->app);
	struct pb_endpoint *ep;
	struct pb_svc_key k;
	__u32 index = 0;
	int slot;

	if (!app || bpf_map_pop_elem(&pb_ep_free, &index))
		return 0;
	ep = pb_ep_at(index);
	if (!ep)
		return 0;
	ep->gen++;
	ep->app = s->app;
	ep->ns = app->ns;
	ep->netns = s->netns;
	ep->cookie = cookie;
	ep->total = 0;
	ep->live = 0;
	ep->sockets = 1;
	ep->weight = 100;
	ep->port = s->lport;
	ep->real = s->real;
	ep->proto = s->proto;
	ep->cls = s->cls;
	ep->slots = 0;
	ep->vip4 = app->vip4;
	ep->vip6 = app->vip6;
	__builtin_memset(&ep->loc4, 0, sizeof(ep->loc4));
	__builtin_memset(&ep->loc6, 0, sizeof(ep->loc6));
	if (s->cls & PB_CLS_V4)
		ep->loc4 = pb_addr_loopback(1);
	if (s->cls & PB_CLS_V6)
		ep->loc6 = pb_addr_loopback(0);
	ep->state = PB_EP_UP;
	for (__u32 c = 0; c < PB_CLS_N; c++) {
		if (!(s->cls & (1u << c)) || !pb_svc_key_of(&k, ep, 1u << c))
			continue;
		slot = pb_slot_add(&k, index);
		if (slot < 0) {
			pb_ep_withdraw(index);
			return 0;
		}
		ep->slot[c] = slot;
		ep->slots |= 1u << c;
	}
	return index;
}

/* ---- choose -------------------------------------------------------------- */

/* A question to the table, and its answer. */
struct pb_pick {
	const struct pb_app *app; /* client */
	struct pb_service *svc;
	__u64 ref;   /* client's scope */
	__u64 netns; /* client's */
	struct pb_addr addr; /* dialled, as in the service's key */
	__u64 ns;	     /* of the service's key */
	__be16 port;
	__u8 proto;
	__u8 want_v6; /* needs loc6, else loc4 */
	__u32 start;  /* slot at which a full search begins */
	__u32 ep;     /* chosen; 0 none */
	__u32 gen;
	__u32 reason; /* for the chosen one, or why none is usable */
	__u64 peer;   /* scope of the chosen one */
};

/* Is endpoint @index what the question asks for, up, reachable and allowed?  1 and p->ep, or 0
 * and a reason. */
static __noinline int pb_pick_try(struct pb_pick *p, __u32 index)
{
	struct pb_endpoint *ep = pb_ep_at(index);
	struct pb_app *s;
	__u64 sref;
	__u32 r;

	if (!ep || ep->state != PB_EP_UP || ep->port != p->port || ep->proto != p->proto)
		return 0;
	sref = ep->app;
	s = pb_app_at(sref);
	/* The index may have been given to another service since the slot was read. */
	if (!s || (p->ns ? p->ns != ep->ns
			 : !pb_addr_eq(&p->addr, &ep->vip4) && !pb_addr_eq(&p->addr, &ep->vip6)))
		return 0;
	if (ep->netns != p->netns) {
		p->reason = PB_R_WRONG_NETNS;
		return 0;
	}
	if (pb_addr_is_zero(p->want_v6 ? &ep->loc6 : &ep->loc4)) {
		p->reason = PB_R_WRONG_FAMILY;
		return 0;
	}
	r = pb_may(p->app, p->ref, s, sref, p->port, p->proto);
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
		__u32 c = pb_popcount64(live);

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
