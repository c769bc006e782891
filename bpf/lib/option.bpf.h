/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Options that a spliced connection cannot honour, set while it is spliced:
 * it goes back to TCP first.  What was set before is seen when it joins
 * (pb_spl_unfit() in splice.bpf.h).
 */
#ifndef PB_OPTION_BPF_H
#define PB_OPTION_BPF_H

#include "splice.bpf.h"

/* <asm-generic/socket.h>, <linux/tcp.h>: the BPF side includes neither. */
#define PB_OPT_SOL_SOCKET 1
#define PB_OPT_SO_RCVBUF 8
#define PB_OPT_SO_OOBINLINE 10
#define PB_OPT_SO_RCVLOWAT 18
#define PB_OPT_SO_TIMESTAMP 29
#define PB_OPT_SO_RCVBUFFORCE 33
#define PB_OPT_SO_TIMESTAMPNS 35
#define PB_OPT_SO_TIMESTAMPING 37
#define PB_OPT_SO_PEEK_OFF 42
#define PB_OPT_SO_ZEROCOPY 60
#define PB_OPT_SO_TIMESTAMP_NEW 63
#define PB_OPT_SO_TIMESTAMPING_NEW 65
#define PB_OPT_SOL_TCP 6
#define PB_OPT_TCP_REPAIR 19
#define PB_OPT_TCP_ULP 31

/* What the option says about splicing: a reason, or PB_R_NONE. */
static __always_inline __u32 pb_spl_opt_reason(int level, int name, __u32 val)
{
	if (level == PB_OPT_SOL_TCP) {
		if (name == PB_OPT_TCP_ULP)
			return PB_R_SPLICE_ULP;
		return name == PB_OPT_TCP_REPAIR ? PB_R_SPLICE_REPAIR : PB_R_NONE;
	}
	if (level != PB_OPT_SOL_SOCKET)
		return PB_R_NONE;
	if (name == PB_OPT_SO_RCVBUF || name == PB_OPT_SO_RCVBUFFORCE)
		return PB_R_SPLICE_RCVBUF;
	if (name == PB_OPT_SO_PEEK_OFF)
		return (__s32)val >= 0 ? PB_R_SPLICE_PEEK : PB_R_NONE;
	if (!val)
		return PB_R_NONE;
	if (name == PB_OPT_SO_RCVLOWAT)
		return val > 1 ? PB_R_SPLICE_LOWAT : PB_R_NONE;
	if (name == PB_OPT_SO_OOBINLINE)
		return PB_R_SPLICE_OOB;
	if (name == PB_OPT_SO_ZEROCOPY)
		return PB_R_SPLICE_ZEROCOPY;
	if (name == PB_OPT_SO_TIMESTAMP || name == PB_OPT_SO_TIMESTAMPNS ||
	    name == PB_OPT_SO_TIMESTAMPING ||
	    (name >= PB_OPT_SO_TIMESTAMP_NEW && name <= PB_OPT_SO_TIMESTAMPING_NEW))
		return PB_R_SPLICE_TIMESTAMP;
	return PB_R_NONE;
}

/*
 * 0, or -errno for what may not come true while spliced bytes can lie in the queue: TLS in the
 * kernel would take plain text for records, a send without copy would never be confirmed, a
 * checkpoint would miss bytes.  Each of the errors is one programs know from other kernels.
 */
static __always_inline int pb_spl_setopt(struct bpf_sockopt *ctx)
{
	struct pb_spl_sock *s;
	struct pb_spl_pair *p;
	__u32 *val = ctx->optval;
	__u32 reason, v = 1;

	if ((void *)(val + 1) <= ctx->optval_end)
		v = *val;
	reason = pb_spl_opt_reason(ctx->level, ctx->optname, v);
	if (!reason)
		return 0;
	s = pb_spl_of(ctx->sk);
	if (!s || !pb_spl_inside(s))
		return 0;
	p = pb_spl_pair_of(s);
	if (p)
		pb_spl_close(p, reason);
	pb_count(reason);
	if (reason == PB_R_SPLICE_ULP)
		return -PB_ENOENT;
	return reason == PB_R_SPLICE_ZEROCOPY || reason == PB_R_SPLICE_REPAIR ? -PB_EOPNOTSUPP : 0;
}

/* close(): the peer's sends go by TCP from now on.  Whether bytes are left unread cannot be told:
 * no helper leads from this hook to the socket's queue. */
static __always_inline void pb_spl_release(struct bpf_sock *sk)
{
	struct pb_spl_sock *s = pb_spl_of(sk);
	struct pb_spl_id id;

	if (!s || !pb_spl_inside(s))
		return;
	id = s->peer.id;
	bpf_map_delete_elem(&pb_spl_pairs, &id);
}

#endif /* PB_OPTION_BPF_H */
