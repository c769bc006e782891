/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a connect() or sendto() of a managed program goes: one decision for
 * TCP and UDP, IPv4 and IPv6.  docs/ARCHITECTURE.md, "A connect, step by step".
 */
#ifndef PB_DEST_BPF_H
#define PB_DEST_BPF_H

#include "dns.bpf.h"
#include "remote.bpf.h"
#include "rudp.bpf.h"

struct pb_dest {
	/* question */
	__u64 app;	     /* the socket's scope */
	__u64 netns;	     /* the socket's */
	struct pb_addr addr; /* as the program named it, IPv4 mapped */
	__be16 port;
	__be16 lport; /* the socket's virtual port, 0 none */
	__u32 proto;
	__u32 sticky; /* sendmsg: the choice sticks to the socket; 0 by load */
	__u32 prefer; /* sendmsg: endpoint to try first; 0 none */
	/* answer */
	__u32 reason;
	__s32 err;
	__u32 ep; /* endpoint, 0 none */
	__u32 gen;
	__u64 peer;	      /* scope at the other end, 0 unknown */
	struct pb_addr shown; /* what the program is from now on, towards that peer */
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
	case PB_R_NO_PEER:
	case PB_R_WRONG_NETNS:
	case PB_R_WRONG_FAMILY: return PB_EHOSTUNREACH;
	default: return PB_EACCES;
	}
}

/*
 * A service of that address and port on this node: decided (1), or not one (0).  Global, and so are
 * its like: the verifier walks each once, not once for each path to it.
 */
__noinline int pb_dest_here(struct pb_dest *d)
{
	struct pb_pick p = {};
	struct pb_endpoint *ep;
	struct pb_app *app;
	int loop, v4;

	if (!d)
		return 0;
	app = pb_app_at(d->app);
	if (!app) {
		pb_dest_refuse(d, PB_R_NO_IDENTITY, PB_EACCES);
		return 1;
	}
	loop = pb_addr_is_loopback(&d->addr);
	v4 = pb_addr_is_v4(&d->addr);
	d->shown = loop ? pb_addr_loopback(v4) : pb_shown(app, v4);
	p.app = app;
	p.ref = d->app;
	p.netns = d->netns;
	p.key.addr = loop ? d->shown : d->addr;
	p.key.ns = loop ? app->ns : 0;
	p.key.port = d->port;
	p.key.proto = d->proto;
	p.want_v6 = !v4;
	p.svc = bpf_map_lookup_elem(&pb_services, &p.key);
	if (!p.svc)
		return 0;
	if (!pb_pick_try(&p, d->prefer & PB_EP_REMOTE ? 0 : d->prefer) && !pb_pick(&p, d->sticky)) {
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
	d->err = 0;
	d->real = v4 ? ep->loc4 : ep->loc6;
	/* The address may have been taken back since the choice. */
	if (ep->netns != d->netns && !pb_node_addr(&d->real, !v4)) {
		pb_dest_refuse(d, PB_R_WRONG_NETNS, PB_EHOSTUNREACH);
		return 1;
	}
	d->rport = ep->real;
	return 1;
}

/* The same on other nodes: fills the question.  0: there is none. */
static __always_inline int pb_dest_ask(const struct pb_dest *d, const struct pb_app *app,
				       struct pb_rpick *p)
{
	int loop = pb_addr_is_loopback(&d->addr), v4 = pb_addr_is_v4(&d->addr);
	struct pb_svc_key k = { .port = d->port, .proto = d->proto };

	k.addr = loop ? pb_addr_loopback(v4) : d->addr;
	k.ns = loop ? app->ns : 0;
	p->app = app;
	p->svc = bpf_map_lookup_elem(&pb_rservices, &k);
	if (!p->svc)
		return 0;
	p->addr = &d->addr;
	p->ref = d->app;
	p->ns = k.ns;
	p->port = d->port;
	p->proto = d->proto;
	p->v6 = !v4;
	p->now = bpf_ktime_get_ns();
	p->rank = PB_RANK_NONE;
	p->reason = PB_R_NO_ENDPOINT;
	return 1;
}

/* 1: decided.  A refusal that stands already stays if it says more. */
__noinline int pb_dest_remote(struct pb_dest *d)
{
	struct pb_config *cfg = pb_cfg();
	struct pb_rpick p = {};
	struct pb_endpoint *ep = 0;
	struct pb_app *app;

	if (!d || !cfg || !(cfg->flags & PB_CFG_PEERS))
		return 0;
	app = pb_app_at(d->app);
	if (!app || !pb_dest_ask(d, app, &p))
		return 0;
	/* From another namespace packets leave under another address than this node's. */
	if (d->netns != cfg->netns ||
	    (d->proto == PB_PROTO_UDP && !(cfg->flags & PB_CFG_PEERS_UDP)))
		p.reason = PB_R_WRONG_NETNS;
	else if (pb_rchoose(&p, d->sticky, d->prefer))
		ep = pb_ep_at(p.ep | PB_EP_REMOTE);
	if (!ep) {
		if (d->err && d->reason != PB_R_NO_ENDPOINT)
			return 1;
		d->peer = p.peer;
		pb_dest_refuse(d, p.reason, pb_reason_errno(p.reason));
		return 1;
	}
	d->ep = p.ep;
	d->gen = p.gen;
	d->peer = p.peer;
	d->reason = p.reason;
	d->err = 0;
	d->real = p.v6 ? ep->loc6 : ep->loc4;
	d->rport = ep->real;
	return 1;
}

/* Datagrams to a client that wrote first: its virtual source leads back to it. */
static __noinline int pb_dest_udp_peer(struct pb_dest *d, const struct pb_app *app)
{
	struct pb_udp_key k = { .addr = d->addr, .port = d->port };
	struct pb_config *cfg = pb_cfg();
	struct pb_rudp_back *far;
	struct pb_udp_virt *v;
	struct pb_app *peer;
	__u64 ref;
	__u32 r;

	if (d->proto != PB_PROTO_UDP)
		return 0;
	v = bpf_map_lookup_elem(&pb_udp_virt, &k);
	if (v) {
		ref = v->app;
	} else {
		far = bpf_map_lookup_elem(&pb_rudp_virt, &k);
		if (!far)
			return 0;
		v = &far->virt;
		ref = pb_far_ref(v->cookie, far->id);
	}
	d->peer = ref;
	/* Sources are known in the guarded namespace only; elsewhere that address is another's. */
	if (!cfg || d->netns != cfg->netns) {
		pb_dest_refuse(d, PB_R_WRONG_NETNS, PB_EHOSTUNREACH);
		return 1;
	}
	peer = pb_app_at(ref);
	if (!peer)
		return 0;
	/* Whoever may send to us may be answered. */
	r = pb_may(peer, ref, app, d->app, d->lport, d->proto);
	if (!pb_policy_allows(r))
		r = pb_may(app, d->app, peer, ref, d->port, d->proto);
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
				   .ref = { d->app, d->app >> 32 },
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
static __noinline int pb_dest_outside(struct pb_dest *d, const struct pb_app *app)
{
	struct pb_config *cfg = pb_cfg();
	__u32 mode = cfg ? pb_mode_of(app, cfg->mode) : PB_MODE_ENFORCE;
	__u32 bad = 0;

	if (pb_addr_is_loopback(&d->addr)) {
		d->reason = PB_R_ALLOW_LOCAL;
		if (app->flags & PB_APP_LOCAL_DENY)
			bad = PB_R_DENY_LOCAL;
	} else {
		d->reason = PB_R_ALLOW_OUTSIDE;
		if (app->egress == PB_EGRESS_NONE ||
		    (app->egress == PB_EGRESS_LIST && !pb_egress_listed(d)))
			bad = PB_R_DENY_EGRESS;
	}
	if (app->flags & PB_APP_QUARANTINED)
		bad = PB_R_QUARANTINED;
	if (!bad)
		return 0;
	if (mode == PB_MODE_ENFORCE || bad == PB_R_QUARANTINED)
		return pb_dest_refuse(d, bad, PB_EACCES);
	d->reason = mode == PB_MODE_AUDIT ? PB_R_AUDIT : PB_R_ALLOW_MODE_OFF;
	return 0;
}

/* A loopback port that is the real port of a managed listener, in this namespace: refused (1). */
static __noinline int pb_dest_is_real_port(struct pb_dest *d)
{
	struct pb_port_key k = { .port = d->port,
				 .proto = d->proto,
				 .v6 = !pb_addr_is_v4(&d->addr) };
	struct pb_config *cfg = pb_cfg();

	if (!cfg || d->netns != cfg->netns || !bpf_map_lookup_elem(&pb_ports, &k))
		return 0;
	pb_dest_refuse(d, PB_R_REAL_PORT, PB_ECONNREFUSED);
	return 1;
}

/* The service was not it: what else is at an address that is not loopback?  1: decided. */
static __noinline int pb_dest_virtual(struct pb_dest *d, const struct pb_app *app)
{
	struct pb_addr a = d->addr; /* 6.1 takes keys from the stack or a map only */

	if (pb_dest_udp_peer(d, app))
		return 1;
	if (bpf_map_lookup_elem(&pb_addrs, &a))
		pb_dest_refuse(d, PB_R_NO_SERVICE, PB_ECONNREFUSED);
	else if (pb_in_pool(&a))
		pb_dest_refuse(d, PB_R_NO_ADDRESS, PB_EHOSTUNREACH);
	else
		return 0;
	return 1;
}

/* No service: the other things that an address can be.  0, the answer is in @d. */
__noinline int pb_dest_other(struct pb_dest *d)
{
	struct pb_app *app;

	if (!d)
		return 0;
	app = pb_app_at(d->app);
	if (!app)
		return pb_dest_refuse(d, PB_R_NO_IDENTITY, PB_EACCES);
	if (d->proto != PB_PROTO_TCP && d->proto != PB_PROTO_UDP)
		return pb_dest_outside(d, app);
	if (pb_addr_is_loopback(&d->addr) ? pb_dest_is_real_port(d) : pb_dest_virtual(d, app))
		return 0;
	return pb_dest_outside(d, app);
}

/*
 * Fills the answer; 0, the error is in d->err.  Global, and of scalars only: the verifier walks it
 * once, not once for each path to it.  The branches are functions of their own for the sake of the
 * stack, of which the deepest chain (through the policy) needs most.
 */
__noinline int pb_dest_decide(struct pb_dest *d)
{
	if (!d)
		return 0;
	if (d->proto != PB_PROTO_TCP && d->proto != PB_PROTO_UDP)
		return pb_dest_other(d);
	/* connect() to the wildcard means this host: here, the private one. */
	if (pb_addr_is_any(&d->addr))
		d->addr = pb_addr_loopback(pb_addr_is_v4(&d->addr));
	/* A conversation stays where it is. */
	if ((d->prefer & PB_EP_REMOTE) && pb_dest_remote(d) && !d->err)
		return 0;
	d->err = 0;
	if (pb_dest_here(d)) {
		if (d->err)
			pb_dest_remote(d);
		return 0;
	}
	if (pb_dest_remote(d))
		return 0;
	return pb_dest_other(d);
}

#endif /* PB_DEST_BPF_H */
