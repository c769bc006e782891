/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a connect() or sendto() of a managed program goes: one decision for
 * TCP and UDP, IPv4 and IPv6.  docs/ARCHITECTURE.md, "A connect, step by step".
 */
#ifndef PB_DEST_BPF_H
#define PB_DEST_BPF_H

#include "dns.bpf.h"

struct pb_dest {
	/* question */
	struct pb_sock *s;
	struct pb_app *app;
	struct pb_addr addr; /* as the program named it, IPv4 mapped */
	__be16 port;
	__u8 proto;
	__u8 pad[5];
	__u32 sticky; /* sendmsg: the choice sticks to the socket; 0 by load */
	/* answer */
	__u32 reason;
	__s32 err;
	__u32 ep; /* endpoint, 0 none */
	__u32 gen;
	__u64 peer; /* scope at the other end, 0 unknown */
	struct pb_addr real;
	__be16 rport; /* 0: go on unchanged */
	__u16 dns;    /* the answer is the agent's resolver */
};

static __always_inline int pb_dest_refuse(struct pb_dest *d, __u32 reason, int err)
{
	d->reason = reason;
	d->err = -err;
	return 0;
}

static __always_inline int pb_reason_errno(__u32 reason)
{
	switch (reason) {
	case PB_R_NO_SERVICE:
	case PB_R_NO_ENDPOINT: return PB_ECONNREFUSED;
	case PB_R_NO_ADDRESS:
	case PB_R_WRONG_NETNS:
	case PB_R_WRONG_FAMILY: return PB_EHOSTUNREACH;
	default: return PB_EACCES;
	}
}

/* A service of that address and port: decided (1), or not one (0). */
static __always_inline int pb_dest_service(struct pb_dest *d)
{
	int loop = pb_addr_is_loopback(&d->addr), v4 = pb_addr_is_v4(&d->addr);
	struct pb_pick p = { .app = d->app,
			     .ref = d->s->app,
			     .netns = d->s->netns,
			     .key = { .addr = d->addr, .port = d->port, .proto = d->proto },
			     .want_v6 = !v4 };
	struct pb_endpoint *ep;

	if (loop) {
		p.key.addr = pb_addr_loopback(v4);
		p.key.ns = d->app->ns;
	}
	p.svc = bpf_map_lookup_elem(&pb_services, &p.key);
	if (!p.svc)
		return 0;
	if (!pb_pick(&p, d->sticky)) {
		if (p.reason == PB_R_NO_SERVICE)
			return 0;
		d->peer = p.peer;
		pb_dest_refuse(d, p.reason, pb_reason_errno(p.reason));
		return 1;
	}
	ep = pb_ep_at(p.ep);
	if (!ep)
		return 0;
	d->ep = p.ep;
	d->gen = p.gen;
	d->peer = p.peer;
	d->reason = p.reason;
	d->real = v4 ? ep->loc4 : ep->loc6;
	d->rport = ep->real;
	return 1;
}

/* Datagrams to a client that wrote first: its virtual source leads back to it. */
static __noinline int pb_dest_udp_peer(struct pb_dest *d)
{
	struct pb_udp_key k = { .addr = d->addr, .port = d->port };
	struct pb_udp_virt *v;
	struct pb_app *peer;
	__u32 r;

	if (d->proto != PB_PROTO_UDP)
		return 0;
	v = bpf_map_lookup_elem(&pb_udp_virt, &k);
	if (!v)
		return 0;
	d->peer = v->app;
	peer = pb_app_at(v->app);
	if (!peer)
		return 0;
	/* Whoever may send to us may be answered. */
	r = pb_may(peer, v->app, d->app, d->s->app, d->s->lport, d->proto);
	if (!pb_policy_allows(r))
		r = pb_may(d->app, d->s->app, peer, v->app, d->port, d->proto);
	else
		r = PB_R_ALLOW_REPLY;
	if (!pb_policy_allows(r)) {
		pb_dest_refuse(d, r, PB_EACCES);
		return 1;
	}
	d->reason = r;
	d->real = v->addr;
	d->rport = v->port;
	return 1;
}

static __always_inline int pb_egress_listed(const struct pb_dest *d)
{
	struct pb_egress_key k = { .prefixlen = 64 + 128,
				   .ref = { d->s->app, d->s->app >> 32 },
				   .addr = d->addr };
	struct pb_egress_val *v = bpf_map_lookup_elem(&pb_egress, &k);

	if (!v)
		return 0;
	if (v->any_port)
		return 1;
	for (__u32 i = 0; i < PB_EGRESS_PORTS; i++)
		if (i < v->n && v->port[i] == d->port)
			return 1;
	return 0;
}

/* Outside and unmanaged loopback: policy by the client's own settings and mode. */
static __noinline int pb_dest_outside(struct pb_dest *d)
{
	struct pb_config *cfg = pb_cfg();
	__u32 mode = cfg ? pb_mode_of(d->app, cfg->mode) : PB_MODE_ENFORCE;
	__u32 bad = 0;

	if (pb_addr_is_loopback(&d->addr)) {
		d->reason = PB_R_ALLOW_LOCAL;
		if (d->app->flags & PB_APP_LOCAL_DENY)
			bad = PB_R_DENY_LOCAL;
	} else {
		d->reason = PB_R_ALLOW_OUTSIDE;
		if (d->app->egress == PB_EGRESS_NONE ||
		    (d->app->egress == PB_EGRESS_LIST && !pb_egress_listed(d)))
			bad = PB_R_DENY_EGRESS;
	}
	if (d->app->flags & PB_APP_QUARANTINED)
		bad = PB_R_QUARANTINED;
	if (!bad)
		return 0;
	if (mode == PB_MODE_ENFORCE)
		return pb_dest_refuse(d, bad, PB_EACCES);
	d->reason = mode == PB_MODE_AUDIT ? PB_R_AUDIT : PB_R_ALLOW_MODE_OFF;
	return 0;
}

/* A loopback port that is the real port of a managed listener, in this namespace? */
static __noinline int pb_dest_is_real_port(const struct pb_dest *d)
{
	struct pb_port_key k = { .port = d->port,
				 .proto = d->proto,
				 .v6 = !pb_addr_is_v4(&d->addr) };
	struct pb_config *cfg = pb_cfg();

	return cfg && d->s->netns == cfg->netns && bpf_map_lookup_elem(&pb_ports, &k);
}

/* The branches are functions of their own for the sake of the stack: 512 bytes hold the deepest
 * chain, which goes through the policy. */

/* Fills the answer.  Always 0: the error is in d->err. */
static __noinline int pb_dest_decide(struct pb_dest *d)
{
	int loop = pb_addr_is_loopback(&d->addr);

	if (d->proto != PB_PROTO_TCP && d->proto != PB_PROTO_UDP)
		return pb_dest_outside(d);
	if (pb_addr_is_any(&d->addr)) {
		/* connect() to the wildcard means this host: here, the private one. */
		d->addr = pb_addr_loopback(pb_addr_is_v4(&d->addr));
		loop = 1;
	}
	if (pb_dest_service(d))
		return 0;
	if (!loop && pb_dest_udp_peer(d))
		return 0;
	if (!loop && bpf_map_lookup_elem(&pb_addrs, &d->addr))
		return pb_dest_refuse(d, PB_R_NO_SERVICE, PB_ECONNREFUSED);
	if (!loop && pb_in_pool(&d->addr))
		return pb_dest_refuse(d, PB_R_NO_ADDRESS, PB_EHOSTUNREACH);
	if (loop && pb_dest_is_real_port(d))
		return pb_dest_refuse(d, PB_R_REAL_PORT, PB_ECONNREFUSED);
	return pb_dest_outside(d);
}

#endif /* PB_DEST_BPF_H */
