/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The only place where a decision becomes a kernel return code. */
#ifndef PB_VERDICT_BPF_H
#define PB_VERDICT_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <patchbay/errnos.h>

/* cgroup sock and sock_addr hooks: 0 lets the call go on, -errno is what the program gets. */
static __always_inline int verdict_to_cgroup(int err)
{
	if (!err)
		return 1;
	bpf_set_retval(err);
	return 0;
}

/* cgroup_skb: 0 passes. */
static __always_inline int verdict_to_skb(int err)
{
	return err ? 0 : 1;
}

/* sk_lookup: 0 goes on with the kernel's look-up, anything else refuses (RST or ICMP). */
static __always_inline int verdict_to_lookup(int err)
{
	return err ? SK_DROP : SK_PASS;
}

#define PB_TC_NEXT (-1) /* TC_ACT_UNSPEC, TCX_NEXT: whoever comes after us decides */
#define PB_TC_SHOT 2

/* tc, by clsact or tcx: 0 passes, anything else drops the packet. */
static __always_inline int verdict_to_tc(int err)
{
	return err ? PB_TC_SHOT : PB_TC_NEXT;
}

/* XDP: 0 passes, anything else drops the frame. */
static __always_inline int verdict_to_xdp(int err)
{
	return err ? XDP_DROP : XDP_PASS;
}

/* Out by the device that it came in by. */
static __always_inline int verdict_to_xdp_back(void)
{
	return XDP_TX;
}

/* sk_msg: always passes; a redirect that was made before it takes the message along.  A redirect
 * that missed must not become the verdict: the program's send() would fail with EACCES. */
static __always_inline int verdict_to_msg(void)
{
	return SK_PASS;
}

static __always_inline int msg_redirected(long verdict)
{
	return verdict == SK_PASS;
}

#endif /* PB_VERDICT_BPF_H */
