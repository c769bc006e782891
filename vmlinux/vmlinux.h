/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's own structs that we read, cut by hand to the fields we read.  libbpf relocates
 * every access to the running kernel's layout (CO-RE), so order and offsets here mean nothing;
 * names and sizes do: vmlinux/gen.sh --check compares them with a kernel's BTF.
 *
 * Contexts, map types and helpers' structs come from <linux/bpf.h>, which goes first.
 */
#ifndef PATCHBAY_VMLINUX_H
#define PATCHBAY_VMLINUX_H

#include <linux/in6.h>
#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
	struct list_head *next;
	struct list_head *prev;
};

struct wait_queue_entry {
	void *private;
	struct list_head entry;
};

struct wait_queue_head {
	struct list_head head;
};

struct socket_wq {
	struct wait_queue_head wait;
};

struct epoll_event {
	__u32 events;
};

struct epitem {
	struct epoll_event event;
};

struct eppoll_entry {
	struct epitem *base;
	struct wait_queue_entry wait;
};

struct file {
	unsigned int f_flags;
};

struct socket {
	struct file *file;
};

struct proto {
	unsigned long *memory_pressure;
};

typedef struct {
	int counter;
} atomic_t;

typedef struct refcount_struct {
	atomic_t refs;
} refcount_t;

struct sk_psock {
	struct list_head ingress_msg;
	refcount_t refcnt;
};

/* Bits of sock_common.skc_flags; the numbers are the kernel's (CO-RE). */
enum sock_flags {
	SOCK_URGINLINE,
	SOCK_KEEPOPEN,
	SOCK_RCVTSTAMP,
	SOCK_ZEROCOPY,
};

struct sock_common {
	unsigned short skc_family;
	unsigned char skc_ipv6only : 1;
	volatile unsigned char skc_state;
	__u16 skc_num; /* host order */
	__be16 skc_dport;
	int skc_bound_dev_if;
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	struct proto *skc_prot;
	unsigned long skc_flags;
};

struct sock {
	struct sock_common __sk_common;
	int sk_err;
	int sk_rcvlowat;
	int sk_peek_off;
	struct socket_wq *sk_wq;
	struct socket *sk_socket;
	unsigned char sk_userlocks : 4;
	__u32 sk_tsflags;
	void *sk_user_data;
};

struct inet_sock {
	struct sock sk;
};

struct tcp_ulp_ops;

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	const struct tcp_ulp_ops *icsk_ulp_ops;
};

struct tcp_fastopen_request;

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 rcv_nxt;
	__u32 copied_seq;
	__u32 snd_nxt;
	__u32 write_seq;
	__u32 data_segs_out;
	struct tcp_fastopen_request *fastopen_req;
	__u64 bytes_acked;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct sock *sk;
	void *value;
};

#pragma clang attribute pop

#endif /* PATCHBAY_VMLINUX_H */
