/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The server's side of an admission: pb_admit of clients on this node (admit.bpf.h), pb_radmit of
 * those on others (bpf/peer.bpf.c).
 *
 * An element of either map may become another's while it is read: what decides is copied, and the
 * key must still lead to the same afterwards.
 */
#ifndef PB_ADMITTED_BPF_H
#define PB_ADMITTED_BPF_H

#include "service.bpf.h"

#define PB_ADMIT_TRIES 3
#define PB_ADMIT_WORDS (sizeof(struct pb_admit) / 8)

_Static_assert(sizeof(struct pb_admit) % 8 == 0, "pb_admit is compared by words");

/* ---- the guard: may this SYN find the listener? -------------------------- */

static __always_inline int admit_fresh(const struct pb_admit *a)
{
	return a && bpf_ktime_get_ns() - a->time_ns <= PB_ADMIT_NS;
}

/* A SYN is repeated for two minutes: the port may have got another listener. */
static __always_inline __u32 admit_fits(const struct pb_admit *a, const struct pb_flow_key *k,
					const struct pb_port *p)
{
	struct pb_endpoint *ep = pb_ep_at(a->ep);

	if (!ep || ep->state == PB_EP_FREE || ep->gen != a->gen || ep->app != p->app ||
	    ep->real != k->lport)
		return PB_R_BAD_ADMIT;
	return PB_R_NONE;
}

/* A reason, PB_R_NONE: it may.  *@peer: whose it is, where another node vouched for it. */
static __always_inline __u32 admit_tcp(const struct pb_flow_key *k, const struct pb_port *p,
				       __u64 *peer)
{
	struct pb_admit *a = bpf_map_lookup_elem(&pb_admit, k);
	__u32 r = PB_R_NO_ADMIT;

	if (p->flags & PB_PORT_CLOSED)
		return PB_R_NO_ADMIT;
	if (p->flags & PB_PORT_DNS)
		return admit_fresh(a) ? PB_R_NONE : PB_R_NO_ADMIT;
	if (admit_fresh(a))
		r = admit_fits(a, k, p);
	if (r == PB_R_NONE)
		return r;
	a = bpf_map_lookup_elem(&pb_radmit, k);
	if (!admit_fresh(a))
		return r;
	*peer = a->app;
	if (!a->ep) /* known, and may not */
		return pb_reason_refuses(a->gen) ? a->gen : PB_R_BAD_ADMIT;
	return admit_fits(a, k, p);
}

/* ---- the accepted socket: whose is it? ----------------------------------- */

static __always_inline int admit_same(const struct pb_admit *a, const struct pb_admit *b)
{
	const volatile __u64 *x = (const volatile __u64 *)a;
	const __u64 *y = (const __u64 *)b;
	__u64 diff = 0;

	for (__u32 i = 0; i < PB_ADMIT_WORDS; i++)
		diff |= x[i] ^ y[i];
	return !diff;
}

static __always_inline int admit_copy(void *map, const struct pb_flow_key *k, struct pb_admit *ret)
{
	for (int i = 0; i < PB_ADMIT_TRIES; i++) {
		struct pb_admit *a = bpf_map_lookup_elem(map, k);

		if (!a)
			return 0;
		*ret = *a;
		barrier();
		a = bpf_map_lookup_elem(map, k);
		if (a && admit_same(a, ret))
			return 1;
	}
	return 0;
}

/* Is the listener of @s the one that the client was sent to?  Its port may have changed hands.  And
 * has the client finished its handshake (admit.bpf.h)? */
static __always_inline int admits(const struct pb_admit *a, const struct pb_sock *s, __u32 isn)
{
	struct pb_endpoint *ep = pb_ep_at(a->ep);

	return a->isn == isn && a->dport && ep && ep->gen == a->gen && ep->app == s->app &&
	       ep->real == s->real;
}

/*
 * Takes the admission of the connection @k with the initial sequence number @isn, which the
 * listener of @s accepted.  A reason, PB_R_NONE: @a, and it is used up.
 */
static __noinline __attribute__((unused)) __u32 pb_admit_take(const struct pb_flow_key *k,
							      __u32 isn, const struct pb_sock *s,
							      struct pb_admit *a)
{
	__u32 r = PB_R_NO_ADMIT;

	if (admit_copy(&pb_admit, k, a)) {
		if (admits(a, s, isn)) {
			bpf_map_delete_elem(&pb_admit, k);
			return PB_R_NONE;
		}
		r = PB_R_BAD_ADMIT;
	}
	if (admit_copy(&pb_radmit, k, a)) {
		if (admit_fresh(a) && admits(a, s, isn)) {
			bpf_map_delete_elem(&pb_radmit, k);
			return PB_R_NONE;
		}
		r = PB_R_BAD_ADMIT;
	}
	return r;
}

#endif /* PB_ADMITTED_BPF_H */
