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

#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sock_common {
	unsigned short skc_family;
	unsigned char skc_ipv6only : 1;
	volatile unsigned char skc_state;
	__u16 skc_num; /* host order */
	__be16 skc_dport;
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
};

struct sock {
	struct sock_common __sk_common;
};

struct inet_sock {
	struct sock sk;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 rcv_nxt;
	__u32 copied_seq;
	__u32 snd_nxt;
	__u32 write_seq;
	__u32 data_segs_out;
	__u64 bytes_acked;
};

#pragma clang attribute pop

#endif /* PATCHBAY_VMLINUX_H */
