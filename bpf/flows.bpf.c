// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * flows: an iterator over the sockets of managed programs, for `patchbay flows`.
 *
 * One struct pb_flow for each end of a connection that is established or half-closed.  Reads
 * pb_socks, pb_spl_socks, pb_spl_pairs, pb_spl_rules, pb_endpoints, pb_apps; writes nothing.  Needs
 * CAP_PERFMON, kernel 6.1.  Without it connections are not listed, and that is all.
 */
#include "lib/join.bpf.h"
#include <patchbay/flow.h>

static __always_inline struct pb_addr mapped(const struct in6_addr *from)
{
	struct pb_addr a = {};

	bpf_probe_read_kernel(&a, sizeof(a), from);
	return a;
}

/* The 4-tuple as it is on the wire: what a v4-mapped socket says is IPv4. */
static __always_inline void real_names(struct pb_flow *f, struct sock *sk)
{
	struct sock_common *c = &sk->__sk_common;

	f->family = c->skc_family;
	f->lport = pb_htons(c->skc_num);
	f->rport = c->skc_dport;
	if (f->family == PB_AF_INET6) {
		f->local = mapped(&c->skc_v6_rcv_saddr);
		f->remote = mapped(&c->skc_v6_daddr);
	} else {
		f->local = pb_addr_v4(c->skc_rcv_saddr);
		f->remote = pb_addr_v4(c->skc_daddr);
	}
}

/* What getsockname() and getpeername() say: bpf/lib/view.bpf.h. */
static __always_inline void shown_names(struct pb_flow *f, const struct pb_sock *s)
{
	if (s->flags & PB_SK_LOCAL) {
		f->vlocal = s->local;
		f->vlport = s->lport ? s->lport : f->lport;
		f->flags |= PB_FLOW_VLOCAL;
	}
	if (s->flags & PB_SK_PEER) {
		f->vpeer = s->peer;
		f->vpport = s->pport;
		f->flags |= PB_FLOW_VPEER;
	}
}

static __always_inline __u64 peer_of(const struct pb_sock *s)
{
	struct pb_endpoint *ep;

	if ((s->flags & PB_SK_CHILD) || !(s->flags & PB_SK_INSIDE))
		return 0;
	ep = pb_ep_at(s->dest);
	return ep && ep->gen == s->dest_gen ? ep->app : 0;
}

/* Does this end want to be spliced, as things are set now? */
static __always_inline int wants(const struct pb_flow *f)
{
	struct pb_app *app;

	if (f->role == PB_SPL_SERVER)
		return spl_wanted(f->app, f->vlport);
	app = pb_app_at(f->app);
	return app && (app->flags & PB_APP_SPLICE);
}

static __always_inline void splice_state(struct pb_flow *f, struct sock *sk)
{
	struct pb_spl_sock *m = pb_spl_of((struct bpf_sock *)sk);
	struct pb_spl_pair *p;

	if (pb_spl_enabled())
		f->flags |= PB_FLOW_ON;
	if (wants(f))
		f->flags |= PB_FLOW_WANTS;
	if (!m)
		return;
	f->flags |= PB_FLOW_TAKEN;
	f->bytes = m->bytes;
	f->msgs = m->msgs;
	f->reason = m->reason;
	f->spl = m->state;
	p = pb_spl_pair_of(m);
	if (!p)
		return;
	f->pair = p->flags;
	f->why = p->reason;
}

/* A child without admission is no connection: nothing passes it, and it ends by itself. */
static __always_inline int is_flow(const struct pb_sock *s, __u32 state)
{
	return s->proto == PB_PROTO_TCP && !(s->flags & PB_SK_REFUSED) &&
	       (PB_FLOW_STATES >> (state & 31) & 1);
}

SEC("iter/bpf_sk_storage_map")
int pb_flows(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	const struct pb_sock *s = ctx->value;
	struct sock *sk = ctx->sk;
	struct pb_flow f;
	__u8 state;

	if (!sk || !s)
		return 0;
	state = sk->__sk_common.skc_state; /* once: it changes meanwhile */
	if (!is_flow(s, state))
		return 0;
	__builtin_memset(&f, 0, sizeof(f));
	f.app = s->app;
	f.peer = peer_of(s);
	f.cookie = bpf_get_socket_cookie(sk);
	f.netns = s->netns;
	f.role = s->flags & PB_SK_CHILD ? PB_SPL_SERVER : PB_SPL_CLIENT;
	f.state = state;
	real_names(&f, sk);
	shown_names(&f, s);
	splice_state(&f, sk);
	bpf_seq_write(ctx->meta->seq, &f, sizeof(f));
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
