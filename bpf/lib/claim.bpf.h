/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a bound socket holds: virtual ports, guarded real ports, its endpoint. */
#ifndef PB_CLAIM_BPF_H
#define PB_CLAIM_BPF_H

#include "lock.bpf.h"
#include "publish.bpf.h"
#include "sock.bpf.h"

#define PB_SPIN 4096 /* reads of a rival's claim while its bind is under way, some 10 us */

/* ---- references: whoever takes the last one away deletes the entry, under the lock ---- */

#define PB_REF_TRIES 3 /* for the case that the lock could not be had */

/* Joins the holders of an entry; 0: it has none any more. */
static __always_inline int pb_ref_join(__u32 *refs)
{
	__u32 n = *(volatile __u32 *)refs;

	return n && __sync_val_compare_and_swap(refs, n, n + 1) == n;
}

/* ---- claims -------------------------------------------------------------- */

static __always_inline void pb_claim_key_of(struct pb_claim_key *k, const struct pb_sock *s,
					    __u32 cls)
{
	__builtin_memset(k, 0, sizeof(*k));
	k->app = s->app;
	k->port = s->lport;
	k->proto = s->proto;
	k->cls = cls;
}

/* May @s share the port that @c holds, as the kernel would let it? */
static __always_inline int pb_claim_shares(const struct pb_claim *c, const struct pb_sock *s,
					   __u32 uid)
{
	if ((c->flags & PB_CLAIM_REUSEPORT) && (s->flags & PB_SK_REUSEPORT) && c->uid == uid)
		return 1;
	return s->proto == PB_PROTO_UDP && (c->flags & PB_CLAIM_REUSEADDR) &&
	       (s->flags & PB_SK_REUSEADDR);
}

static __always_inline void pb_claim_drop(const struct pb_sock *s, __u32 cls)
{
	struct pb_claim_key k;
	struct pb_claim *c;

	pb_claim_key_of(&k, s, cls);
	c = bpf_map_lookup_elem(&pb_claims, &k);
	if (c && __sync_fetch_and_add(&c->refs, -1) == 1)
		bpf_map_delete_elem(&pb_claims, &k);
}

/* One class: 0, -EADDRINUSE or -ENOBUFS. */
static __always_inline int pb_claim_one(struct pb_sock *s, __u32 cls, __u64 cookie, __u32 uid)
{
	struct pb_claim fresh = { .cookie = cookie, .uid = uid, .refs = 1, .real = s->real };
	struct pb_claim_key k;
	struct pb_claim *c;

	if (s->flags & PB_SK_REUSEPORT)
		fresh.flags |= PB_CLAIM_REUSEPORT;
	if (s->flags & PB_SK_REUSEADDR)
		fresh.flags |= PB_CLAIM_REUSEADDR;
	pb_claim_key_of(&k, s, cls);
	for (int i = 0; i < PB_REF_TRIES; i++) {
		if (!bpf_map_update_elem(&pb_claims, &k, &fresh, BPF_NOEXIST))
			return 0;
		c = bpf_map_lookup_elem(&pb_claims, &k);
		if (!c)
			continue;
		if (!pb_claim_shares(c, s, uid))
			return -PB_EADDRINUSE;
		if (pb_ref_join(&c->refs))
			return 0;
	}
	return -PB_ENOBUFS;
}

/* All classes of @want or none; then s->cls, s->owner and s->uid say so. */
static __noinline int pb_claim_take(struct pb_sock *s, __u32 want, __u64 cookie, __u32 uid)
{
	__u32 got = 0;
	int lock = pb_lock(s), err = 0;

	for (__u32 c = 0; c < PB_CLS_N; c++) {
		if (!(want & (1u << c)))
			continue;
		err = pb_claim_one(s, 1u << c, cookie, uid);
		if (err)
			break;
		got |= 1u << c;
	}
	for (__u32 c = 0; c < PB_CLS_N; c++)
		if (err && (got & (1u << c)))
			pb_claim_drop(s, 1u << c);
	pb_unlock(lock);
	if (err)
		return err;
	s->cls = want;
	s->owner = cookie;
	s->uid = uid;
	s->flags |= PB_SK_BOUND;
	return 0;
}

static __always_inline struct pb_claim *pb_claim_first(const struct pb_sock *s)
{
	struct pb_claim_key k;
	__u32 low = s->cls & -s->cls;

	pb_claim_key_of(&k, s, low);
	return bpf_map_lookup_elem(&pb_claims, &k);
}

struct pb_spin {
	struct pb_claim *claim;
	__be16 real;
};

static long pb_claim_wait(__u32 i, void *arg)
{
	struct pb_spin *spin = arg;

	(void)i;
	spin->real = *(volatile __be16 *)&spin->claim->real;
	return spin->real != 0;
}

/* The real port of the group that @s joined; 0 for the first of a group.  Another worker may be
 * between its bind hook and the kernel's bind: wait for it a little. */
static __always_inline __be16 pb_claim_real(const struct pb_sock *s, __u64 cookie)
{
	struct pb_spin spin = { .claim = pb_claim_first(s) };

	if (!spin.claim || spin.claim->cookie == cookie)
		return 0;
	bpf_loop(PB_SPIN, pb_claim_wait, &spin, 0);
	return spin.real;
}

/* ---- ports under guard --------------------------------------------------- */

static __always_inline int pb_port_take(const struct pb_sock *s, int v6, __u64 cookie, __u32 flags)
{
	struct pb_port_key k = { .port = s->real, .proto = s->proto, .v6 = v6 };
	struct pb_port p = { .cookie = cookie, .app = s->app, .flags = flags, .refs = 1 };
	struct pb_port *old;

	for (int i = 0; i < PB_REF_TRIES; i++) {
		if (!bpf_map_update_elem(&pb_ports, &k, &p, BPF_NOEXIST))
			return 0;
		old = bpf_map_lookup_elem(&pb_ports, &k);
		/* The kernel lets only one reuseport group have a port: it is of our group. */
		if (old && pb_ref_join(&old->refs))
			return 0;
	}
	return -PB_ENOBUFS;
}

static __always_inline void pb_port_drop(const struct pb_sock *s, int v6)
{
	struct pb_port_key k = { .port = s->real, .proto = s->proto, .v6 = v6 };
	struct pb_port *p = bpf_map_lookup_elem(&pb_ports, &k);

	if (p && __sync_fetch_and_add(&p->refs, -1) == 1)
		bpf_map_delete_elem(&pb_ports, &k);
}

/* The endpoint goes.  A worker that listens meanwhile has put its own there: that one stays. */
static __always_inline void pb_port_close(const struct pb_sock *s, int v6)
{
	struct pb_port_key k = { .port = s->real, .proto = s->proto, .v6 = v6 };
	struct pb_port *p = bpf_map_lookup_elem(&pb_ports, &k);

	if (!p || __sync_val_compare_and_swap(&p->ep, s->ep, 0) != s->ep)
		return;
	__sync_fetch_and_or(&p->flags, PB_PORT_CLOSED);
	if (*(volatile __u32 *)&p->ep)
		__sync_fetch_and_and(&p->flags, ~PB_PORT_CLOSED);
}

static __always_inline void pb_port_publish(const struct pb_sock *s, int v6, __u32 ep)
{
	struct pb_port_key k = { .port = s->real, .proto = s->proto, .v6 = v6 };
	struct pb_port *p = bpf_map_lookup_elem(&pb_ports, &k);

	if (!p)
		return;
	*(volatile __u32 *)&p->ep = ep;
	__sync_fetch_and_and(&p->flags, ~PB_PORT_CLOSED);
}

/* Gives up the guard of the real port. */
static __noinline int pb_unguard_port(struct pb_sock *s)
{
	if (s->flags & PB_SK_GUARD4)
		pb_port_drop(s, 0);
	if (s->flags & PB_SK_GUARD6)
		pb_port_drop(s, 1);
	s->flags &= ~(PB_SK_PORT | PB_SK_GUARD4 | PB_SK_GUARD6);
	return 0;
}

/* Puts the real port of @s under guard before anyone can connect to it. */
static __always_inline int guard_port(struct pb_sock *s, __u64 cookie)
{
	__u32 flags = PB_PORT_CLOSED, v4 = s->cls & PB_CLS_V4;
	struct pb_config *cfg = pb_cfg();

	if (!cfg)
		return -PB_ENOBUFS;
	/* A client's port elsewhere: that number may be anybody's here.  Nobody serves there. */
	if (cfg->netns != s->netns)
		return s->flags & PB_SK_BOUND ? -PB_ENOBUFS : 0;
	if (pb_loop_only(s))
		flags |= PB_PORT_LOOP;
	/* A bind to the IPv6 name is one to :: for the kernel, which opens IPv4 as well. */
	else if ((s->cls & PB_CLS_V6) && !(s->flags & PB_SK_V6ONLY))
		v4 = 1;
	if (v4) {
		if (pb_port_take(s, 0, cookie, flags))
			return -PB_ENOBUFS;
		s->flags |= PB_SK_GUARD4;
	}
	if (s->cls & PB_CLS_V6) {
		if (pb_port_take(s, 1, cookie, flags)) {
			pb_unguard_port(s);
			return -PB_ENOBUFS;
		}
		s->flags |= PB_SK_GUARD6;
	}
	s->flags |= PB_SK_PORT;
	return 0;
}

static __noinline int pb_guard_port(struct pb_sock *s, __u64 cookie)
{
	int lock = pb_lock(s);
	int err = guard_port(s, cookie);

	pb_unlock(lock);
	return err;
}

/* ---- publication of a socket --------------------------------------------- */

static __always_inline __u32 sock_publish(struct pb_sock *s, __u64 cookie)
{
	struct pb_claim *c = pb_claim_first(s);
	struct pb_endpoint *ep;
	__u32 index = c ? c->ep : 0;

	ep = pb_ep_at(index);
	if (!ep || ep->state == PB_EP_FREE || ep->app != s->app || ep->real != s->real ||
	    ep->cls != s->cls || !pb_ref_join(&ep->sockets)) {
		index = pb_ep_publish(s, cookie);
		ep = pb_ep_at(index);
		if (!ep)
			return 0;
		if (c)
			c->ep = index;
	}
	s->ep = index;
	s->ep_gen = ep->gen;
	s->flags |= PB_SK_PUBLISHED;
	if (s->cls & PB_CLS_V4)
		pb_port_publish(s, 0, index);
	if (s->cls & PB_CLS_V6)
		pb_port_publish(s, 1, index);
	return index;
}

/* The socket listens: joins its group's endpoint or makes one.  Index, or 0. */
static __noinline __u32 pb_sock_publish(struct pb_sock *s, __u64 cookie)
{
	int lock = pb_lock(s);
	__u32 index = sock_publish(s, cookie);

	pb_unlock(lock);
	return index;
}

static __always_inline int sock_withdraw(struct pb_sock *s)
{
	struct pb_endpoint *ep = pb_ep_at(s->ep);

	if (!(s->flags & PB_SK_PUBLISHED))
		return 0;
	s->flags &= ~PB_SK_PUBLISHED;
	if (!ep || ep->gen != s->ep_gen || __sync_fetch_and_add(&ep->sockets, -1) != 1)
		return 0;
	if (s->cls & PB_CLS_V4)
		pb_port_close(s, 0);
	if (s->cls & PB_CLS_V6)
		pb_port_close(s, 1);
	pb_ep_withdraw(s->ep);
	return 1;
}

#endif /* PB_CLAIM_BPF_H */
