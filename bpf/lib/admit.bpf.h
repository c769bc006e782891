/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The client's side of an admission (pb_admit).
 *
 * Over loopback the 4-tuple and the initial sequence number are the client's alone.  A client in
 * another namespace shares its address with whoever took the same one elsewhere, and with them the
 * hash its number is made from.  There the number proves nothing: such an admission lets a SYN
 * pass, and nobody in before the client's own socket has finished its handshake.  Its answer to
 * the server's SYN leaves after that, so the server finds the admission complete.
 */
#ifndef PB_ADMIT_BPF_H
#define PB_ADMIT_BPF_H

#include "sock.bpf.h"

/* Who the client @s is, for the guard and for the server. */
static __noinline int pb_admit_of(struct pb_admit *a, const struct pb_sock *s, __u64 cookie,
				  __be16 sport, __u32 isn)
{
	struct pb_app *app = pb_app_at(s->app);
	int v4 = pb_addr_is_v4(&s->peer);

	if (!app)
		return 0;
	a->cookie = cookie;
	a->app = s->app;
	a->time_ns = bpf_ktime_get_ns();
	a->src = pb_addr_is_loopback(&s->peer) ? pb_addr_loopback(v4) : pb_shown(app, v4);
	a->dst = s->peer;
	a->sport = s->lport ? s->lport : sport;
	a->dport = s->pport;
	a->isn = isn;
	a->ep = s->dest;
	a->gen = s->dest_gen;
	return 1;
}

/* TCP_CONNECT_CB.  Data in the SYN is given to the server before the client can finish anything:
 * there the number alone has to do. */
static __always_inline long pb_admit_ask(const struct pb_flow_key *k, struct pb_admit *a,
					 const struct tcp_sock *tp)
{
	__be16 dport = a->dport;
	long err;

	if (!pb_addr_is_loopback(&k->laddr) && !tp->fastopen_req)
		a->dport = 0;
	err = bpf_map_update_elem(&pb_admit, k, a, BPF_ANY);
	a->dport = dport;
	return err;
}

/* ACTIVE_ESTABLISHED_CB of a client in another namespace: its admission is complete.  One of the
 * same address and port may have written over it; whoever gets an answer is the right one. */
static __noinline int pb_admit_met(const struct pb_flow_key *k, const struct pb_sock *s,
				   __u64 cookie, __be16 sport, __u32 isn)
{
	struct pb_admit a, *old = bpf_map_lookup_elem(&pb_admit, k);

	if (!old || (old->cookie == cookie && old->dport))
		return 0;
	if (pb_admit_of(&a, s, cookie, sport, isn) &&
	    bpf_map_update_elem(&pb_admit, k, &a, BPF_ANY))
		pb_count(PB_R_MAP_FULL);
	return 0;
}

#endif /* PB_ADMIT_BPF_H */
