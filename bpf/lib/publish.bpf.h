/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The service table from the listeners' side: publish and withdraw.
 *
 * A slot of a service is owned by its bit in `taken` and readable by its bit in
 * `live`; both change by atomics, so that no lock is held over a map helper.
 */
#ifndef PB_PUBLISH_BPF_H
#define PB_PUBLISH_BPF_H

#include "sock.bpf.h"

#define PB_CAS_TRIES 8 /* rivals for one word; after that the next word is tried */

/* Too big for the stack; lives in .rodata. */
static const struct pb_service pb_no_service;

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

/* Puts endpoint @ep into the service of @key: slot number, or -ENOBUFS.  Global: the verifier
 * walks its retries once. */
__noinline int pb_slot_add(const struct pb_svc_key *key, __u32 ep)
{
	struct pb_svc_key k;

	if (!key)
		return -PB_ENOBUFS;
	k = *key;
	/* The agent may remove an empty service between look-up and use: look again. */
	for (int i = 0; i < 3; i++) {
		struct pb_service *svc = pb_svc_get_or_add(&k);
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
		now = bpf_map_lookup_elem(&pb_services, &k);
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
	ep->hints = pb_loop_only(s) ? PB_EP_LOCAL : 0;
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

#endif /* PB_PUBLISH_BPF_H */
