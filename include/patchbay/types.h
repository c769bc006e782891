/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Base types of the contract between the kernel side and user space.
 *
 * Everything below include/patchbay/ compiles for the host and for BPF, uses
 * fixed-width types only, and pads explicitly (writers zero the padding: these
 * structs are map keys).  Byte order: network order is always __be16/__be32.
 */
#ifndef PATCHBAY_TYPES_H
#define PATCHBAY_TYPES_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#ifdef __bpf__
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#define pb_inline static __always_inline
#define pb_htons(x) bpf_htons(x)
#define pb_ntohs(x) bpf_ntohs(x)
#define pb_htonl(x) bpf_htonl(x)
#define pb_ntohl(x) bpf_ntohl(x)
#else
#include <arpa/inet.h>
#define pb_inline static inline __attribute__((always_inline, unused))
#define pb_htons(x) htons(x)
#define pb_ntohs(x) ntohs(x)
#define pb_htonl(x) htonl(x)
#define pb_ntohl(x) ntohl(x)
#endif

/* Calls step(i, arg) for i = 0..n-1 until it returns non-zero: bpf_loop() where the verifier
 * would otherwise walk every turn. */
#ifdef __bpf__
#define pb_loop(n, step, arg) ((void)bpf_loop(n, (void *)(step), arg, 0))
#else
#define pb_loop(n, step, arg) \
	do { \
		for (__u32 _i = 0; _i < (n) && !step(_i, arg); _i++) \
			; \
	} while (0)
#endif

#define PB_ABI_VERSION 1 /* maps live below <bpffs>/patchbay/v<this>/ */

/* 16-byte address in network order; IPv4 is mapped (::ffff:a.b.c.d, RFC 4291 2.5.5.2). */
struct pb_addr {
	union {
		__be32 w[4];
		__u8 b[16]; /* the form people read in `bpftool map dump` */
	};
};

/* Numbers the UAPI headers of both sides do not share. */
#define PB_AF_INET 2
#define PB_AF_INET6 10
#define PB_PROTO_TCP 6
#define PB_PROTO_UDP 17

#define PB_NAME_LEN 64 /* a DNS label and its NUL (RFC 1035 2.3.4) */
#define PB_COMM_LEN 16

_Static_assert(sizeof(struct pb_addr) == 16, "pb_addr is a map key");

#endif /* PATCHBAY_TYPES_H */
