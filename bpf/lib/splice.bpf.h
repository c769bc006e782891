/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the programs that take part in a splice share: the socket's own state,
 * the pair of both ends, and the few kernel fields that are looked at.
 * The rules are in include/patchbay/splice.h and docs/decisions/0011-splice.md.
 */
#ifndef PB_SPLICE_BPF_H
#define PB_SPLICE_BPF_H

#include "sock.bpf.h"

#define PB_PSOCK_MASK (~7UL)  /* SK_USER_DATA_*: flags in the low bits of sk_user_data */
#define PB_SOCK_RCVBUF_LOCK 2 /* sk_userlocks */
#define PB_EPOLLET (1u << 31)
#define PB_O_NONBLOCK 04000
#define PB_SPL_SLEEPERS 8 /* entries of a wait queue that are looked at */

static __always_inline struct pb_spl_sock *pb_spl_of(struct bpf_sock *sk)
{
	return sk ? bpf_sk_storage_get(&pb_spl_socks, sk, 0, 0) : 0;
}

static __always_inline int pb_spl_enabled(void)
{
	struct pb_config *cfg = pb_cfg();

	return cfg && (cfg->flags & PB_CFG_SPLICE);
}

/* In pb_splice: its sends come by pb_skmsg, its reads by the kernel's queue of spliced bytes. */
static __always_inline int pb_spl_inside(const struct pb_spl_sock *s)
{
	return s->state == PB_SPL_OPEN || s->state == PB_SPL_TCP;
}

static __always_inline struct pb_spl_pair *pb_spl_pair_of(const struct pb_spl_sock *s)
{
	return bpf_map_lookup_elem(&pb_spl_pairs, &s->peer.id);
}

/* The key of the socket itself. */
static __always_inline void pb_spl_key_of(struct pb_spl_key *k, const struct pb_spl_sock *s)
{
	k->id = s->peer.id;
	k->netns = s->netns;
	k->side = s->side;
	k->pad = 0;
}

/* The whole connection goes back to TCP; the first reason stays. */
static __always_inline void pb_spl_close(struct pb_spl_pair *p, __u32 reason)
{
	if (!p->reason)
		p->reason = reason;
	__sync_fetch_and_or(&p->flags, PB_SPL_CLOSING);
}

/* ---- the kernel's side of a socket --------------------------------------- */

static __always_inline struct sk_psock *pb_psock(struct tcp_sock *tp)
{
	struct sock *sk = (struct sock *)tp;

	return (struct sk_psock *)((unsigned long)sk->sk_user_data & PB_PSOCK_MASK);
}

/* Has the program read everything that was spliced to it? */
static __always_inline int pb_spl_drained(struct tcp_sock *tp)
{
	struct sk_psock *ps = pb_psock(tp);

	if (!ps)
		return 1;
	return BPF_CORE_READ(ps, ingress_msg.next) ==
	       (void *)__builtin_preserve_access_index(&ps->ingress_msg);
}

/*
 * Who holds the socket's psock: pb_splice while the socket is inside, and every send and every
 * waiting read, from before the verdict until after the peer's queue.
 */
#define PB_SPL_USERS_NONE 1
#define PB_SPL_USERS_ME 2 /* asked in a send's own program */
static __always_inline int pb_spl_users(struct tcp_sock *tp)
{
	struct sk_psock *ps = pb_psock(tp);

	return ps ? BPF_CORE_READ(ps, refcnt.refs.counter) : PB_SPL_USERS_NONE;
}

/*
 * Does nobody sleep in a read or a poll that may be older than the connection?  Such a read never
 * sees spliced bytes.  Entries of epoll belong to no task: they stay for good and look again.
 */
static __always_inline int pb_spl_awake(struct tcp_sock *tp)
{
	struct socket_wq *wq = ((struct sock *)tp)->sk_wq;
	struct list_head *head, *at;

	if (!wq)
		return 0;
	head = (void *)__builtin_preserve_access_index(&wq->wait.head);
	at = BPF_CORE_READ(wq, wait.head.next);
	for (int i = 0; i < PB_SPL_SLEEPERS; i++) {
		struct wait_queue_entry *e;

		if (at == head)
			return 1;
		e = (void *)at - bpf_core_field_offset(struct wait_queue_entry, entry);
		if (BPF_CORE_READ(e, private))
			return 0;
		at = BPF_CORE_READ(at, next);
	}
	return 0;
}

/* Does the socket block?  One that no file holds yet is not known to. */
static __always_inline int pb_spl_blocks(struct tcp_sock *tp)
{
	struct socket *so = ((struct sock *)tp)->sk_socket;
	struct file *f = so ? BPF_CORE_READ(so, file) : 0;

	return f && !(BPF_CORE_READ(f, f_flags) & PB_O_NONBLOCK);
}

/*
 * The kernel's read of a socket in pb_splice wakes up once and says EAGAIN if there is nothing:
 * a read that blocks is ended by a signal, another thread's shutdown() or room to write.  So only
 * sockets that do not block are spliced, if the application does not say that it wants all.
 */
static __always_inline int pb_spl_disturbed(struct bpf_sock *sk, struct tcp_sock *tp)
{
	struct pb_endpoint *ep;
	struct pb_app *app;
	struct pb_sock *s;

	if (!pb_spl_blocks(tp))
		return 0;
	s = pb_sock_of(sk);
	app = s ? pb_app_at(s->app) : 0;
	if (app && (app->flags & PB_APP_SPLICE_ALL))
		return 0;
	/* No file holds an accepted socket at its handshake: the next clients go by this one. */
	ep = s && (s->flags & PB_SK_CHILD) ? pb_ep_at(s->ep) : 0;
	if (ep && ep->gen == s->ep_gen)
		__sync_fetch_and_or(&ep->hints, PB_EP_BLOCKS);
	return 1;
}

/*
 * May the reader wait for news of bytes that are there already?  One that uses EPOLLET may, after a
 * read that returned less than it asked for.  So may a socket that nobody has accepted, or that
 * does not block and that nobody waits for: it may come to an epoll later.
 */
static __always_inline int pb_spl_edgy(struct tcp_sock *tp)
{
	struct socket_wq *wq = ((struct sock *)tp)->sk_wq;
	struct socket *so = ((struct sock *)tp)->sk_socket;
	struct list_head *head, *at;
	int waits = 0;

	if (!wq || !so)
		return 1;
	head = (void *)__builtin_preserve_access_index(&wq->wait.head);
	at = BPF_CORE_READ(wq, wait.head.next);
	for (int i = 0; i < PB_SPL_SLEEPERS; i++) {
		struct wait_queue_entry *e;
		struct eppoll_entry *pe;

		if (at == head)
			return !waits && (BPF_CORE_READ(so, file, f_flags) & PB_O_NONBLOCK);
		e = (void *)at - bpf_core_field_offset(struct wait_queue_entry, entry);
		pe = (void *)e - bpf_core_field_offset(struct eppoll_entry, wait);
		if (!BPF_CORE_READ(e, private) &&
		    (BPF_CORE_READ(pe, base, event.events) & PB_EPOLLET))
			return 1;
		waits = 1;
		at = BPF_CORE_READ(at, next);
	}
	return 1;
}

/* What spliced bytes are charged to has no room: TCP would wait, a splice fails (ENOMEM). */
static __always_inline int pb_spl_pressure(struct tcp_sock *tp)
{
	unsigned long *p = ((struct sock *)tp)->__sk_common.skc_prot->memory_pressure;
	unsigned long on = 0;

	return !p || bpf_probe_read_kernel(&on, sizeof(on), p) || on;
}

#define pb_spl_flag(tp, flag) \
	((((struct sock *)(tp))->__sk_common.skc_flags >> \
	  bpf_core_enum_value(enum sock_flags, flag)) & \
	 1)

/* Does the socket ask for what a splice cannot give?  A reason, or PB_R_NONE. */
static __always_inline __u32 pb_spl_unfit(struct bpf_sock *bsk, struct tcp_sock *tp)
{
	struct sock *sk = (struct sock *)tp;

	if (pb_spl_disturbed(bsk, tp))
		return PB_R_SPLICE_BLOCKING;

	if (BPF_CORE_READ_BITFIELD_PROBED(sk, sk_userlocks) & PB_SOCK_RCVBUF_LOCK)
		return PB_R_SPLICE_RCVBUF;
	if (sk->sk_rcvlowat > 1)
		return PB_R_SPLICE_LOWAT;
	if (sk->sk_peek_off >= 0)
		return PB_R_SPLICE_PEEK;
	if (pb_spl_flag(tp, SOCK_URGINLINE))
		return PB_R_SPLICE_OOB;
	if (pb_spl_flag(tp, SOCK_ZEROCOPY))
		return PB_R_SPLICE_ZEROCOPY;
	if (pb_spl_flag(tp, SOCK_RCVTSTAMP) || BPF_CORE_READ_BITFIELD_PROBED(sk, sk_tsflags))
		return PB_R_SPLICE_TIMESTAMP;
	if (((struct inet_connection_sock *)sk)->icsk_ulp_ops)
		return PB_R_SPLICE_ULP;
	return PB_R_NONE;
}

#endif /* PB_SPLICE_BPF_H */
