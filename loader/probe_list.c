/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is asked of the kernel, and what its absence costs. */
#include <linux/bpf.h>

#include "control/util.h"
#include "probe.h"

/* Newer than the headers of the oldest distribution we build on. */
#define ATTACH_TCX_INGRESS 46	 /* BPF_TCX_INGRESS, Linux 6.6 */
#define ATTACH_NETKIT_PRIMARY 54 /* BPF_NETKIT_PRIMARY, Linux 6.7 */

#define ALL "identities: nothing works without it"
#define MUST true
#define MAY false

const struct pb_probe_row pb_probe_rows[] = {
	{ "btf", "kernel type information (/sys/kernel/btf/vmlinux)", ALL, MUST, pb_ask_btf, 0, 0 },
	{ "sock-create", "hook on socket()", ALL, MUST, pb_ask_prog, BPF_PROG_TYPE_CGROUP_SOCK,
	  BPF_CGROUP_INET_SOCK_CREATE },
	{ "sock-release", "hook on the end of a socket", ALL, MUST, pb_ask_prog,
	  BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_RELEASE },
	{ "setsockopt", "hook on setsockopt()", ALL, MUST, pb_ask_prog,
	  BPF_PROG_TYPE_CGROUP_SOCKOPT, BPF_CGROUP_SETSOCKOPT },
	{ "bind", "hook on bind()", ALL, MUST, pb_ask_addr, BPF_CGROUP_INET4_BIND,
	  BPF_CGROUP_INET6_BIND },
	{ "post-bind", "hook on the port the kernel chose", ALL, MUST, pb_ask_bind_done,
	  BPF_CGROUP_INET4_POST_BIND, BPF_CGROUP_INET6_POST_BIND },
	{ "connect", "hook on connect()", ALL, MUST, pb_ask_addr, BPF_CGROUP_INET4_CONNECT,
	  BPF_CGROUP_INET6_CONNECT },
	{ "sendmsg", "hook on sendto() and sendmsg()", ALL, MUST, pb_ask_addr,
	  BPF_CGROUP_UDP4_SENDMSG, BPF_CGROUP_UDP6_SENDMSG },
	{ "recvmsg", "hook on recvfrom() and recvmsg()", ALL, MUST, pb_ask_addr,
	  BPF_CGROUP_UDP4_RECVMSG, BPF_CGROUP_UDP6_RECVMSG },
	{ "getpeername", "hook on getpeername() and accept()", ALL, MUST, pb_ask_addr,
	  BPF_CGROUP_INET4_GETPEERNAME, BPF_CGROUP_INET6_GETPEERNAME },
	{ "getsockname", "hook on getsockname()", ALL, MUST, pb_ask_addr,
	  BPF_CGROUP_INET4_GETSOCKNAME, BPF_CGROUP_INET6_GETSOCKNAME },
	{ "sockops", "hook on the TCP handshake", ALL, MUST, pb_ask_prog, BPF_PROG_TYPE_SOCK_OPS,
	  BPF_CGROUP_SOCK_OPS },
	{ "cgroup-skb", "hook on the packets of a cgroup", ALL, MUST, pb_ask_skb,
	  BPF_CGROUP_INET_INGRESS, BPF_CGROUP_INET_EGRESS },
	{ "sk-lookup", "hook on the choice of a listener", "admission: real ports stay open", MUST,
	  pb_ask_prog, BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP },
	{ "cgroup-link", "links to a cgroup (bpf_link)", ALL, MUST, pb_ask_link,
	  BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS },
	{ "netns-link", "links to a network namespace (bpf_link)",
	  "admission: real ports stay open", MUST, pb_ask_link, BPF_PROG_TYPE_SK_LOOKUP,
	  BPF_SK_LOOKUP },
	{ "link-update", "programs replaced in place", "upgrade without a gap", MUST,
	  pb_ask_link_update, 0, 0 },
	{ "sk-storage", "data kept with a socket", ALL, MUST, pb_ask_map, BPF_MAP_TYPE_SK_STORAGE,
	  0 },
	{ "ringbuf", "event ring", "events and why", MUST, pb_ask_map, BPF_MAP_TYPE_RINGBUF, 0 },
	{ "queue", "queue of free endpoints", ALL, MUST, pb_ask_map, BPF_MAP_TYPE_QUEUE, 0 },
	{ "lpm", "prefix table", "egress lists", MUST, pb_ask_map, BPF_MAP_TYPE_LPM_TRIE, 0 },
	{ "set-retval", "errno of a refusal (bpf_set_retval)", "refusals carry EPERM only", MUST,
	  pb_ask_helper, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_set_retval },
	{ "bpf-loop", "bounded loops (bpf_loop)", "services with many endpoints", MUST,
	  pb_ask_helper, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_loop },
	{ "lookup-udp", "is the resolver there? (bpf_sk_lookup_udp)", "names inside", MUST,
	  pb_ask_helper, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_sk_lookup_udp },
	{ "sk-msg", "local splice (sk_msg)", "local connections keep the kernel's own path", MAY,
	  pb_ask_type, BPF_PROG_TYPE_SK_MSG, 0 },
	{ "sockhash", "table of sockets", "local connections keep the kernel's own path", MAY,
	  pb_ask_map, BPF_MAP_TYPE_SOCKHASH, 0 },
	{ "tcp-sock", "TCP state in a splice (bpf_skc_to_tcp_sock; needs CAP_PERFMON)",
	  "local connections keep the kernel's own path", MAY, pb_ask_helper, BPF_PROG_TYPE_SK_MSG,
	  BPF_FUNC_skc_to_tcp_sock },
	{ "splice-pair", "splice made for it (bpf_sock_splice_pair)",
	  "sockmap splice is used instead", MAY, pb_ask_splice_pair, 0, 0 },
	{ "splice-fionread", "ioctl FIONREAD counts spliced bytes",
	  "no splice, unless splice_blind = on", MAY, pb_ask_fionread, 0, 0 },
	{ "xdp", "programs at the network card (XDP)", "the memcached cache", MAY, pb_ask_prog,
	  BPF_PROG_TYPE_XDP, BPF_XDP },
	{ "tcx", "links to tc (tcx, Linux 6.6)", "clsact is used instead", MAY, pb_ask_device_link,
	  BPF_PROG_TYPE_SCHED_CLS, ATTACH_TCX_INGRESS },
	{ "netkit", "netkit devices (Linux 6.7)", "veth is used instead", MAY, pb_ask_device_link,
	  BPF_PROG_TYPE_SCHED_CLS, ATTACH_NETKIT_PRIMARY },
	{ "sock-destroy", "connections closed from outside (INET_DIAG_DESTROY)",
	  "a changed policy holds for new connections only", MAY, pb_ask_destroy, 0, 0 },
	{ "lsm", "BPF security hooks (lsm=...,bpf)",
	  "AF_PACKET and other families are closed by seccomp in patchbay run only", MAY,
	  pb_ask_lsm, 0, 0 },
};
const size_t pb_probe_rows_n = ARRAY_SIZE(pb_probe_rows);
