/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Names and sizes of everything the kernel shows: maps, pins, folders. */
#ifndef PATCHBAY_NAMES_H
#define PATCHBAY_NAMES_H

/* X(name, max_entries).  At most 15 characters (BPF_OBJ_NAME_LEN). */
#define PB_MAPS(X) \
	X(pb_apps, 16384) \
	X(pb_tags, 16384) \
	X(pb_groups, 1024) \
	X(pb_rules, 512) \
	X(pb_addrs, 32768) \
	X(pb_egress, 65536) \
	X(pb_services, 65536) \
	X(pb_endpoints, 32768) \
	X(pb_ep_free, 32768) \
	X(pb_claims, 65536) \
	X(pb_locks, 1024) \
	X(pb_ports, 65536) \
	X(pb_admit, 65536) \
	X(pb_radmit, 16384) \
	X(pb_rudp_src, 16384) \
	X(pb_rudp_virt, 16384) \
	X(pb_hellos, 16384) \
	X(pb_udp_src, 65536) \
	X(pb_udp_virt, 65536) \
	X(pb_udp_reply, 65536) \
	X(pb_udp_seen, 16384) \
	X(pb_socks, 0) \
	X(pb_usocks, 0) \
	X(pb_splice, 131072) \
	X(pb_spl_pairs, 65536) \
	X(pb_spl_socks, 0) \
	X(pb_spl_rules, 4096) \
	X(pb_config, 1) \
	X(pb_node, 1) \
	X(pb_rservices, 65536) \
	X(pb_remotes, 32768) \
	X(pb_eject, 32768) \
	X(pb_peers, 16384) \
	X(pb_members, 65536) \
	X(pb_beat, 1) \
	X(pb_resolv, 64) \
	X(pb_resolvers, 32) \
	X(pb_stats, 128) \
	X(pb_events, 1048576)

/* Programs and the link each is pinned as: X(program, where), where C is the
 * managed cgroup, N the guarded network namespace, D its devices, on
 * the way in, E on the way out, M the map pb_splice. */
#define PB_PROGS(X) \
	X(pb_create, C) \
	X(pb_release, C) \
	X(pb_setopt, C) \
	X(pb_bind4, C) \
	X(pb_bind6, C) \
	X(pb_postbind4, C) \
	X(pb_postbind6, C) \
	X(pb_connect4, C) \
	X(pb_connect6, C) \
	X(pb_send4, C) \
	X(pb_send6, C) \
	X(pb_recv4, C) \
	X(pb_recv6, C) \
	X(pb_peer4, C) \
	X(pb_peer6, C) \
	X(pb_name4, C) \
	X(pb_name6, C) \
	X(pb_sockops, C) \
	X(pb_egress_skb, C) \
	X(pb_ingress_skb, C) \
	X(pb_lookup, N) \
	X(pb_syn, D) \
	X(pb_hello_out, E) \
	X(pb_skmsg, M)

#define PB_PIN_DIR \
	"patchbay" /* below the bpffs mount; maps in v<PB_ABI_VERSION>/ , links in links/ */

#endif /* PATCHBAY_NAMES_H */
