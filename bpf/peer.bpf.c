// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * peer: programs of other nodes, at the devices their packets come in by.
 *
 *   tc ingress   a SYN to a guarded port: verifies the identity in it, asks the policy, and writes
 *                down what the listener's look-up (pb_lookup) and the accepted socket
 *                (pb_sockops) will find.  Drops nothing but SYNs of applications that their node
 *                has yet to announce: their kernel repeats them.
 *                A hello of another node's datagrams is taken in and ends here (lib/hello.bpf.h).
 *
 * Kernel 6.1.  docs/decisions/0015-hosts.md, 0018-datagrams-across-hosts.md.
 */
#include "lib/hello.bpf.h"
#include "lib/syn.bpf.h"

#define PB_TELL_NS 1000000000ULL
#define PB_TELL_MAX 100 /* events in PB_TELL_NS; the counters miss nothing */

/* Connections of nodes that are not known yet -> when their first SYN came.  Anybody can fill it,
 * and nothing but this wait depends on it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct pb_flow_key);
	__type(value, __u64);
} pb_waits SEC(".maps");

static __u64 told_since;
static __u32 told;

/* Anybody can make us speak here: within bounds.  Two CPUs at once may say a few more. */
static __always_inline int may_tell(void)
{
	__u64 now = bpf_ktime_get_ns();

	if (now - *(volatile __u64 *)&told_since > PB_TELL_NS) {
		told_since = now;
		told = 0;
	}
	return __sync_fetch_and_add(&told, 1) < PB_TELL_MAX;
}

static __always_inline void tell(const struct pb_seen *s, const struct pb_port *p, __u64 ref,
				 __u32 reason)
{
	struct pb_note n = { .app = p->app,
			     .peer = ref,
			     .virt = s->syn.saddr,
			     .vport = s->syn.sport,
			     .real = s->syn.daddr,
			     .rport = s->syn.dport,
			     .op = PB_OP_ADMIT,
			     .proto = PB_PROTO_TCP,
			     .reason = reason };

	if (may_tell())
		pb_tell(&n);
	else
		pb_count(reason);
}

/* The port it goes to, if clients of other nodes have anything to look for there. */
static __always_inline int port_of(const struct pb_seen *s, struct pb_port *ret)
{
	struct pb_port_key k = { .port = s->syn.dport, .proto = PB_PROTO_TCP, .v6 = s->v6 };
	struct pb_port *p = bpf_map_lookup_elem(&pb_ports, &k);

	if (!p)
		return 0;
	*ret = *p;
	return !(ret->flags & (PB_PORT_DNS | PB_PORT_LOOP | PB_PORT_CLOSED));
}

static __always_inline void flow_of(const struct pb_seen *s, struct pb_flow_key *k)
{
	k->laddr = s->syn.daddr;
	k->raddr = s->syn.saddr;
	k->lport = s->syn.dport;
	k->rport = s->syn.sport;
	k->pad = 0;
}

/* A router's devices see the connections of others. */
static __always_inline int passes_by(struct __sk_buff *skb, const struct pb_seen *s)
{
	struct bpf_fib_lookup f = { .l4_protocol = PB_PROTO_TCP, .ifindex = skb->ifindex };
	long r;

	if (s->v6) {
		f.family = PB_AF_INET6;
		__builtin_memcpy(f.ipv6_src, &s->syn.saddr, sizeof(f.ipv6_src));
		__builtin_memcpy(f.ipv6_dst, &s->syn.daddr, sizeof(f.ipv6_dst));
	} else {
		f.family = PB_AF_INET;
		f.ipv4_src = s->syn.saddr.w[3];
		f.ipv4_dst = s->syn.daddr.w[3];
	}
	r = bpf_fib_lookup(skb, &f, sizeof(f), 0);
	return r >= 0 && r != BPF_FIB_LKUP_RET_NOT_FWDED && r != BPF_FIB_LKUP_RET_FWD_DISABLED;
}

/* Nobody we know: nothing is written, and the guard finds nothing.  Unless it is a program of this
 * node in another network namespace, which needs no identity in its SYN. */
static __noinline int stranger(struct __sk_buff *skb, const struct pb_seen *s,
			       const struct pb_port *p, __u32 reason)
{
	struct pb_flow_key k;

	flow_of(s, &k);
	if (!bpf_map_lookup_elem(&pb_admit, &k) && !passes_by(skb, s))
		tell(s, p, 0, reason);
	return 0;
}

/* What the listener shall see: the same as of a client on this node (pb_admit_of). */
static __always_inline __u32 name_ends(struct pb_admit *a, const struct pb_seen *s,
				       const struct pb_app *app, const struct pb_endpoint *ep)
{
	__u32 v4 = !s->v6, cls;

	if (s->syn.flags & PB_SYN_F_LOOP) {
		cls = v4 ? PB_CLS_V4_LOOP : PB_CLS_V6_LOOP;
		a->src = pb_addr_loopback(v4);
		a->dst = a->src;
		if (app->ns != ep->ns)
			return PB_R_BAD_ADMIT;
	} else {
		cls = v4 ? PB_CLS_V4_VIP : PB_CLS_V6_VIP;
		a->src = pb_shown(app, v4);
		a->dst = v4 ? ep->vip4 : ep->vip6;
	}
	a->sport = s->syn.sport;
	a->dport = ep->port;
	return ep->cls & cls ? PB_R_NONE : PB_R_BAD_ADMIT;
}

/* Fills @a and says whether the client may. */
static __noinline int judge(struct pb_admit *a, const struct pb_seen *s, const struct pb_port *p)
{
	struct pb_endpoint *ep = pb_ep_at(p->ep);
	struct pb_app *app = pb_app_at(a->app), *to = pb_app_at(p->app);
	__u32 r;

	if (!ep || !app || !to)
		return PB_R_NO_ENDPOINT;
	a->ep = p->ep;
	a->gen = *(volatile __u32 *)&ep->gen; /* first: the index may be given anew */
	barrier();
	if (ep->state == PB_EP_FREE || ep->app != p->app || ep->real != s->syn.dport)
		return PB_R_NO_ENDPOINT;
	r = name_ends(a, s, app, ep);
	return r == PB_R_NONE ? pb_may(app, a->app, to, p->app, ep->port, PB_PROTO_TCP) : r;
}

/* Its node vouches for it: writes down that it may, or why not. */
static __noinline int known(const struct pb_seen *s, const struct pb_port *p, __u64 ref)
{
	struct pb_admit a = { .app = ref, .isn = s->syn.isn };
	struct pb_flow_key k;
	__u32 r;

	a.time_ns = bpf_ktime_get_ns();
	r = judge(&a, s, p);
	if (!pb_policy_allows(r)) {
		a.ep = 0;
		a.gen = r;
	} else if (r == PB_R_AUDIT) {
		tell(s, p, ref, r);
	}
	flow_of(s, &k);
	if (bpf_map_update_elem(&pb_radmit, &k, &a, BPF_ANY))
		tell(s, p, ref, PB_R_MAP_FULL);
	return 0;
}

/* Not announced yet.  Where nobody is refused, it need not wait either. */
static __noinline int unknown(const struct pb_seen *s, const struct pb_port *p)
{
	struct pb_app *app = pb_app_at(p->app);
	struct pb_config *cfg = pb_cfg();

	tell(s, p, 0, PB_R_NO_MEMBER);
	return app && cfg && pb_mode_of(app, cfg->mode) != PB_MODE_ENFORCE ? 0 : -PB_EACCES;
}

/* Of a node that is unknown here: one that has just joined, or nobody.  The first SYN is dropped,
 * and when its kernel repeats it, this node has heard of that one or never will. */
static __noinline int newcomer(struct __sk_buff *skb, const struct pb_seen *s,
			       const struct pb_port *p)
{
	__u64 now = bpf_ktime_get_ns(), *since;
	struct pb_flow_key k;

	flow_of(s, &k);
	since = bpf_map_lookup_elem(&pb_waits, &k);
	if (since && now - *since < PB_ADMIT_NS)
		return stranger(skb, s, p, PB_R_BAD_MAC);
	if (passes_by(skb, s) || bpf_map_update_elem(&pb_waits, &k, &now, BPF_ANY))
		return 0;
	return unknown(s, p);
}

static __always_inline int do_syn(struct __sk_buff *skb)
{
	struct pb_config *cfg;
	struct pb_seen s;
	struct pb_port p;
	__u64 ref;
	int r = pb_seen_syn(skb, &s);

	if (r < 0)
		return pb_hello_in(skb) ? -PB_EACCES : 0;
	if (!r || !port_of(&s, &p))
		return 0;
	cfg = pb_cfg();
	if (!cfg || !(cfg->flags & PB_CFG_PEERS))
		return 0;
	r = pb_seen_who(skb, &s, &ref);
	if (r == PB_SEEN_NAT)
		r = pb_seen_nat(&s, &ref);
	if (r == PB_R_NONE)
		return known(&s, &p, ref);
	if (r == PB_R_NO_MEMBER)
		return unknown(&s, &p);
	return r == PB_R_NO_PEER ? newcomer(skb, &s, &p) : stranger(skb, &s, &p, r);
}

SEC("tc")
int pb_syn(struct __sk_buff *ctx)
{
	return verdict_to_tc(do_syn(ctx));
}

char _license[] SEC("license") = "Dual BSD/GPL";
