// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * splice: where a message of a local connection goes (sk_msg, on the map pb_splice).
 *
 *   spliced    into the peer's queue of messages, past the stack
 *   otherwise  to TCP, and everything after it too: never back
 *
 * Runs under the sender's lock, in its own task.  Reads pb_config, pb_spl_socks; reads and writes
 * pb_spl_pairs.  Kernel 6.1.  Fails open: whatever is missing, the bytes go by TCP.
 */
#include "lib/splice.bpf.h"

/* One event when a side is spliced for the first time, one when it goes to TCP. */
static __always_inline void tell(struct bpf_sock *sk, const struct pb_spl_sock *s,
				 const struct pb_spl_pair *p, __u32 reason)
{
	struct pb_sock *own = pb_sock_of(sk);
	struct pb_note n = { .cookie = p ? p->side[s->side & 1].cookie : 0,
			     .app = own ? own->app : 0,
			     .virt = own ? own->peer : s->peer.id.saddr,
			     .vport = own ? own->pport : 0,
			     .real = s->side == PB_SPL_CLIENT ? s->peer.id.saddr : s->peer.id.caddr,
			     .rport =
				     s->side == PB_SPL_CLIENT ? s->peer.id.sport : s->peer.id.cport,
			     .op = PB_OP_SPLICE,
			     .proto = PB_PROTO_TCP,
			     .reason = reason };

	pb_tell(&n);
}

static __always_inline int due(const struct pb_spl_sock *s, __u32 size)
{
	return s->charged - s->told + size >= PB_SPL_REPORT;
}

/*
 * What a send tells the peer: what this side charged before now lies in the peer's queue (its last
 * send returned), and what the peer had put into ours is read, if ours is empty.
 */
static __always_inline void report(struct pb_spl_sock *s, struct pb_spl_pair *p,
				   struct tcp_sock *tp, __u32 size)
{
	__u32 me = s->side & 1, peer = !me;
	__u64 queued = *(volatile __u64 *)&p->side[peer].queued;

	if (due(s, size)) {
		p->side[me].queued = s->charged;
		s->told = s->charged;
	}
	if (queued != p->side[me].taken && pb_spl_drained(tp))
		p->side[me].taken = queued;
	if (me == PB_SPL_CLIENT && !(p->flags & PB_SPL_HEARD) && pb_spl_awake(tp))
		__sync_fetch_and_or(&p->flags, PB_SPL_HEARD);
}

static __always_inline __u32 decide(struct bpf_sock *sk, const struct pb_spl_sock *s,
				    struct pb_spl_pair *p, struct tcp_sock *tp, __u32 size)
{
	struct pb_spl_in in = { .enabled = pb_spl_enabled(),
				.seq = tp->write_seq,
				.seq0 = s->seq0,
				.side = s->side & 1,
				.size = size,
				.charged = s->charged };

	if (p) {
		in.flags = *(volatile __u32 *)&p->flags;
		in.why = p->reason;
		in.seen = p->side[!(s->side & 1)].taken;
	}
	if (!s->msgs || due(s, size)) {
		if (pb_spl_disturbed(sk, tp))
			return PB_R_SPLICE_BLOCKING;
		in.pressure = pb_spl_pressure(tp);
	}
	return pb_spl_decide(&in);
}

static __always_inline int redirect(struct sk_msg_md *msg, struct pb_spl_sock *s,
				    struct pb_spl_pair *p)
{
	if (!s->peer.netns)
		s->peer.netns = p->side[!(s->side & 1)].netns;
	return msg_redirected(bpf_msg_redirect_hash(msg, &pb_splice, &s->peer, BPF_F_INGRESS));
}

/*
 * Both directions go back to TCP: a read must not find bytes in two places.  If this call is the
 * only one on the socket, and so no other send is under way, the peer need not wait to hear that.
 */
static __always_inline void close_pair(const struct pb_spl_sock *s, struct pb_spl_pair *p,
				       struct tcp_sock *tp, __u32 reason)
{
	pb_spl_close(p, reason);
	if (pb_spl_users(tp) == PB_SPL_USERS_ME)
		__sync_fetch_and_or(&p->flags, PB_SPL_QUIET(s->side & 1));
}

static __always_inline void do_msg(struct sk_msg_md *msg)
{
	struct bpf_sock *sk = msg->sk;
	__u32 size = msg->size, reason;
	struct pb_spl_sock *s = pb_spl_of(sk);
	struct pb_spl_pair *p;
	struct tcp_sock *tp;

	if (!s || !pb_spl_inside(s))
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	p = pb_spl_pair_of(s);
	if (p)
		report(s, p, tp, size);
	if (s->state != PB_SPL_OPEN)
		return;
	reason = decide(sk, s, p, tp, size);
	if (reason == PB_R_SPLICED) {
		if (p && redirect(msg, s, p)) {
			if (!s->msgs)
				tell(sk, s, p, reason);
			s->reason = reason;
			s->charged += size + PB_SPL_MSG_COST;
			s->bytes += size;
			s->msgs++;
			return;
		}
		reason = PB_R_SPLICE_GONE;
	}
	s->state = PB_SPL_TCP;
	s->reason = reason;
	if (p)
		close_pair(s, p, tp, reason);
	tell(sk, s, p, reason);
}

SEC("sk_msg")
int pb_skmsg(struct sk_msg_md *ctx)
{
	do_msg(ctx);
	return verdict_to_msg();
}

char _license[] SEC("license") = "Dual BSD/GPL";
