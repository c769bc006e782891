/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Hellos that come in (patchbay/hello.h): who will be sending datagrams from that source.  Called
 * by pb_syn for every UDP packet of the device.
 */
#ifndef PB_HELLO_BPF_H
#define PB_HELLO_BPF_H

#include "dgram.bpf.h"
#include "nodes.bpf.h"
#include "rudp.bpf.h"

/* What is worked on, one a CPU: too much for the stack below pb_syn. */
struct pb_heard {
	struct pb_dgram d;
	struct pb_hello m;
	struct pb_hello_msg msg;
	__u64 mac;
	struct pb_peer peer;
	struct pb_rudp r;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pb_heard);
} pb_heard SEC(".maps");

static __noinline int hello_tell(const struct pb_dgram *d, __u64 ref, __u32 reason)
{
	struct pb_note n = { .peer = ref,
			     .virt = d->saddr,
			     .vport = d->sport,
			     .real = d->daddr,
			     .rport = d->dport,
			     .op = PB_OP_ADMIT,
			     .proto = PB_PROTO_UDP,
			     .reason = reason };

	pb_tell(&n);
	return 0;
}

/* Both ways: from the real source to the name, and back. */
static __noinline int hello_write(const struct pb_dgram *d, struct pb_rudp *r)
{
	struct pb_rudp_back back = { .id = r->id };
	struct pb_app *app = pb_app_at(r->src.app);
	struct pb_udp_key k = {};

	r->real.addr = d->saddr;
	r->real.port = d->sport;
	if (app) {
		back.virt.cookie = r->src.cookie;
		back.virt.app = r->src.app;
		back.virt.addr = d->saddr;
		back.virt.port = d->sport;
		r->src.addr = pb_shown(app, !d->v6);
		k.addr = r->src.addr;
		k.port = r->src.port;
		if (bpf_map_update_elem(&pb_rudp_virt, &k, &back, BPF_ANY))
			return -1;
	}
	k.addr = d->saddr;
	k.port = d->sport;
	return bpf_map_update_elem(&pb_rudp_src, &k, r, BPF_ANY);
}

static __noinline int hello_proves(const struct pb_hello *m, __u64 mac, __u64 k0, __u64 k1)
{
	__u64 key[2] = { k0, k1 };

	return (k0 | k1) && pb_hello_mac(key, m) == mac;
}

/* A hello from a node that we know, for us. */
static __noinline int hello_take(struct pb_heard *h)
{
	const struct pb_dgram *d = &h->d;
	struct pb_port_key pk = { .port = d->dport, .proto = PB_PROTO_UDP, .v6 = d->v6 };
	struct pb_peer *p = &h->peer;
	struct pb_rudp *r = &h->r;

	h->m.saddr = d->saddr;
	h->m.daddr = d->daddr;
	h->m.sport = d->sport;
	h->m.dport = d->dport;
	if (!hello_proves(&h->m, h->mac, p->in[0][0], p->in[0][1]) &&
	    !hello_proves(&h->m, h->mac, p->in[1][0], p->in[1][1]))
		return hello_tell(d, 0, PB_R_BAD_MAC);
	if (!pb_hello_timely(h->m.time, bpf_ktime_get_tai_ns()))
		return hello_tell(d, 0, PB_R_BAD_CLOCK);
	/* An answer, to a port that is not guarded. */
	if (!bpf_map_lookup_elem(&pb_ports, &pk))
		return 0;
	__builtin_memset(r, 0, sizeof(*r));
	r->id = h->m.id;
	r->time_ns = bpf_ktime_get_ns();
	r->src.cookie = p->node;
	r->src.port = h->m.vport;
	r->src.app = pb_far_ref(p->node, h->m.id);
	if (!r->src.app)
		pb_count(PB_R_NO_MEMBER);
	if (hello_write(d, r))
		pb_count(PB_R_MAP_FULL);
	return 0;
}

/* A router's devices see what goes to others. */
static __always_inline int hello_passes(struct __sk_buff *skb, const struct pb_dgram *d)
{
	struct bpf_fib_lookup f = { .l4_protocol = PB_PROTO_UDP, .ifindex = skb->ifindex };
	long r;

	if (d->v6) {
		f.family = PB_AF_INET6;
		__builtin_memcpy(f.ipv6_src, &d->saddr, sizeof(f.ipv6_src));
		__builtin_memcpy(f.ipv6_dst, &d->daddr, sizeof(f.ipv6_dst));
	} else {
		f.family = PB_AF_INET;
		f.ipv4_src = d->saddr.w[3];
		f.ipv4_dst = d->daddr.w[3];
	}
	r = bpf_fib_lookup(skb, &f, sizeof(f), 0);
	return r >= 0 && r != BPF_FIB_LKUP_RET_NOT_FWDED && r != BPF_FIB_LKUP_RET_FWD_DISABLED;
}

/* It looks like one: is it?  1: it was, and no program may see it. */
static __noinline int hello_read(struct __sk_buff *skb, struct pb_heard *h)
{
	h->m.pad = 0;
	if (pb_load(skb, h->d.at + sizeof(struct pb_udp_head), &h->msg, sizeof(h->msg)) ||
	    !pb_hello_read(&h->msg, &h->m, &h->mac) || !pb_peer_at(&h->d.saddr, &h->peer) ||
	    hello_passes(skb, &h->d))
		return 0;
	hello_take(h);
	return 1;
}

/* Did the port write there?  Then it hears whoever that is. */
static __always_inline int is_answer(const struct pb_dgram *d)
{
	struct pb_flow_key k = {
		.laddr = d->daddr, .raddr = d->saddr, .lport = d->dport, .rport = d->sport
	};

	return bpf_map_lookup_elem(&pb_udp_reply, &k) != 0;
}

/* The sender of this datagram has said hello before its node had announced it: has it now?  1: not
 * yet, and it need not be told so. */
static __noinline int hello_waits(struct pb_heard *h)
{
	const struct pb_dgram *d = &h->d;
	struct pb_port_key pk = { .port = d->dport, .proto = PB_PROTO_UDP, .v6 = d->v6 };
	struct pb_udp_key k = { .addr = d->saddr, .port = d->sport };
	struct pb_rudp *r = &h->r;

	if (!bpf_map_lookup_elem(&pb_ports, &pk) || !pb_rudp_at(&k, r))
		return 0;
	if (!r->src.app)
		return bpf_ktime_get_ns() - r->time_ns < PB_HELLO_WAIT_NS && !is_answer(d);
	return pb_addr_is_zero(&r->src.addr) && hello_write(d, r);
}

/* 1: the packet ends here. */
static __noinline int pb_hello_in(struct __sk_buff *skb)
{
	struct pb_config *cfg = pb_cfg();
	struct pb_heard *h;
	__u32 zero = 0;

	h = bpf_map_lookup_elem(&pb_heard, &zero);
	if (!h || !cfg || !(cfg->flags & PB_CFG_PEERS) || !pb_dgram_of(skb, &h->d))
		return 0;
	if (h->d.len == PB_HELLO_UDP && !h->d.part && hello_read(skb, h))
		return 1;
	return hello_waits(h);
}

#endif /* PB_HELLO_BPF_H */
