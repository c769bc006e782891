// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * identity: virtual names at the socket calls of managed programs.
 *
 *   cgroup/bind4|6, post_bind4|6   an address of the private host -> any free kernel port
 *   cgroup/connect4|6, sendmsg4|6  virtual address, loopback of the identity, resolver -> real
 *   cgroup/recvmsg4|6              real source -> what was asked, or the sender's virtual address
 *   cgroup/getpeername4|6, getsockname4|6   the virtual view of both ends, accept() included
 *   cgroup/setsockopt              remembers SO_REUSEPORT, SO_REUSEADDR, IPV6_V6ONLY
 *   cgroup/sock_release            gives back what the socket owned
 *
 * Kernel 6.1.  Maps: docs/ARCHITECTURE.md.  Verdicts: 1 go on, 0 with errno by
 * bpf_set_retval (lib/verdict.bpf.h).  Sockets without storage were made before
 * their scope was managed: they are left alone and counted.
 */
#include "lib/bind.bpf.h"
#include "lib/send.bpf.h"
#include "lib/view.bpf.h"

/* ---- bind ---------------------------------------------------------------- */

SEC("cgroup/bind4")
int pb_bind4(struct bpf_sock_addr *ctx)
{
	return verdict_to_cgroup(do_bind(ctx, 0));
}

SEC("cgroup/bind6")
int pb_bind6(struct bpf_sock_addr *ctx)
{
	return verdict_to_cgroup(do_bind(ctx, 1));
}

SEC("cgroup/post_bind4")
int pb_postbind4(struct bpf_sock *ctx)
{
	return verdict_to_cgroup(do_post_bind(ctx));
}

SEC("cgroup/post_bind6")
int pb_postbind6(struct bpf_sock *ctx)
{
	return verdict_to_cgroup(do_post_bind(ctx));
}

/* ---- connect and sendmsg ------------------------------------------------- */

SEC("cgroup/connect4")
int pb_connect4(struct bpf_sock_addr *ctx)
{
	return verdict_to_cgroup(do_connect(ctx, 0));
}

SEC("cgroup/connect6")
int pb_connect6(struct bpf_sock_addr *ctx)
{
	return verdict_to_cgroup(do_connect(ctx, 1));
}

SEC("cgroup/sendmsg4")
int pb_send4(struct bpf_sock_addr *ctx)
{
	return verdict_to_cgroup(do_sendmsg(ctx, 0));
}

SEC("cgroup/sendmsg6")
int pb_send6(struct bpf_sock_addr *ctx)
{
	return verdict_to_cgroup(do_sendmsg(ctx, 1));
}

/* ---- recvmsg: whose datagram is this? ------------------------------------ */

SEC("cgroup/recvmsg4")
int pb_recv4(struct bpf_sock_addr *ctx)
{
	do_recvmsg(ctx, 0);
	return verdict_to_cgroup(0);
}

SEC("cgroup/recvmsg6")
int pb_recv6(struct bpf_sock_addr *ctx)
{
	do_recvmsg(ctx, 1);
	return verdict_to_cgroup(0);
}

/* ---- names of both ends -------------------------------------------------- */

SEC("cgroup/getpeername4")
int pb_peer4(struct bpf_sock_addr *ctx)
{
	return do_peer(ctx, 0);
}

SEC("cgroup/getpeername6")
int pb_peer6(struct bpf_sock_addr *ctx)
{
	return do_peer(ctx, 1);
}

SEC("cgroup/getsockname4")
int pb_name4(struct bpf_sock_addr *ctx)
{
	return do_name(ctx, 0);
}

SEC("cgroup/getsockname6")
int pb_name6(struct bpf_sock_addr *ctx)
{
	return do_name(ctx, 1);
}

/* ---- options, release ---------------------------------------------------- */

SEC("cgroup/setsockopt")
int pb_setopt(struct bpf_sockopt *ctx)
{
	return do_setopt(ctx);
}

SEC("cgroup/sock_release")
int pb_release(struct bpf_sock *ctx)
{
	return do_release(ctx);
}

char _license[] SEC("license") = "Dual BSD/GPL";
