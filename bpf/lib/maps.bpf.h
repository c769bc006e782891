/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * All pinned maps.  Every object declares them all: the loader gives each its
 * pin path, so that the objects of one build, and the next build, share them.
 */
#ifndef PB_MAPS_BPF_H
#define PB_MAPS_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <patchbay/event.h>
#include <patchbay/hello.h>
#include <patchbay/maps.h>
#include <patchbay/names.h>
#include <patchbay/node.h>
#include <patchbay/peer.h>
#include <patchbay/reasons.h>
#include <patchbay/splice.h>

enum {
#define PB_X(name, n) name##_max = n,
	PB_MAPS(PB_X)
#undef PB_X
};

#define PB_MAP(name, map_type, key_t, value_t, fl) \
	struct { \
		__uint(type, map_type); \
		__uint(max_entries, name##_max); \
		__uint(map_flags, fl); \
		__type(key, key_t); \
		__type(value, value_t); \
	} name SEC(".maps")

/* Big or sparse tables are not preallocated: an idle host should not pay for their bounds. */
PB_MAP(pb_apps, BPF_MAP_TYPE_HASH, __u64, struct pb_app, BPF_F_NO_PREALLOC);
PB_MAP(pb_tags, BPF_MAP_TYPE_HASH, __u64, struct pb_tags, BPF_F_NO_PREALLOC);
PB_MAP(pb_groups, BPF_MAP_TYPE_ARRAY, __u32, struct pb_group, 0);
PB_MAP(pb_rules, BPF_MAP_TYPE_ARRAY, __u32, struct pb_rule, 0);
PB_MAP(pb_addrs, BPF_MAP_TYPE_HASH, struct pb_addr, struct pb_vip, BPF_F_NO_PREALLOC);
PB_MAP(pb_egress, BPF_MAP_TYPE_LPM_TRIE, struct pb_egress_key, struct pb_egress_val,
       BPF_F_NO_PREALLOC);
PB_MAP(pb_services, BPF_MAP_TYPE_HASH, struct pb_svc_key, struct pb_service, BPF_F_NO_PREALLOC);
/* Mapped by the agent: it writes single fields beside the programs that write others. */
PB_MAP(pb_endpoints, BPF_MAP_TYPE_ARRAY, __u32, struct pb_endpoint, BPF_F_MMAPABLE);
PB_MAP(pb_claims, BPF_MAP_TYPE_HASH, struct pb_claim_key, struct pb_claim, BPF_F_NO_PREALLOC);
PB_MAP(pb_locks, BPF_MAP_TYPE_ARRAY, __u32, __u32, 0);
PB_MAP(pb_ports, BPF_MAP_TYPE_HASH, struct pb_port_key, struct pb_port, BPF_F_NO_PREALLOC);
PB_MAP(pb_admit, BPF_MAP_TYPE_HASH, struct pb_flow_key, struct pb_admit, BPF_F_NO_PREALLOC);
PB_MAP(pb_radmit, BPF_MAP_TYPE_LRU_HASH, struct pb_flow_key, struct pb_admit, 0);
PB_MAP(pb_rudp_src, BPF_MAP_TYPE_LRU_HASH, struct pb_udp_key, struct pb_rudp, 0);
PB_MAP(pb_rudp_virt, BPF_MAP_TYPE_LRU_HASH, struct pb_udp_key, struct pb_rudp_back, 0);
PB_MAP(pb_hellos, BPF_MAP_TYPE_LRU_HASH, struct pb_flow_key, struct pb_hello_said, 0);
PB_MAP(pb_udp_src, BPF_MAP_TYPE_HASH, struct pb_udp_key, struct pb_udp_src, BPF_F_NO_PREALLOC);
PB_MAP(pb_udp_virt, BPF_MAP_TYPE_HASH, struct pb_udp_key, struct pb_udp_virt, BPF_F_NO_PREALLOC);
PB_MAP(pb_udp_reply, BPF_MAP_TYPE_LRU_HASH, struct pb_flow_key, __u64, 0);
PB_MAP(pb_udp_seen, BPF_MAP_TYPE_LRU_HASH, struct pb_flow_key, struct pb_udp_key, 0);
PB_MAP(pb_splice, BPF_MAP_TYPE_SOCKHASH, struct pb_spl_key, __u64, 0);
PB_MAP(pb_spl_pairs, BPF_MAP_TYPE_HASH, struct pb_spl_id, struct pb_spl_pair, BPF_F_NO_PREALLOC);
PB_MAP(pb_spl_rules, BPF_MAP_TYPE_HASH, struct pb_spl_rule_key, struct pb_spl_rule,
       BPF_F_NO_PREALLOC);
PB_MAP(pb_config, BPF_MAP_TYPE_ARRAY, __u32, struct pb_config, 0);
PB_MAP(pb_node, BPF_MAP_TYPE_ARRAY, __u32, struct pb_node, 0);
PB_MAP(pb_rservices, BPF_MAP_TYPE_HASH, struct pb_svc_key, struct pb_rservice, BPF_F_NO_PREALLOC);
PB_MAP(pb_remotes, BPF_MAP_TYPE_ARRAY, __u32, struct pb_endpoint, BPF_F_MMAPABLE);
PB_MAP(pb_eject, BPF_MAP_TYPE_ARRAY, __u32, struct pb_eject, BPF_F_MMAPABLE);
PB_MAP(pb_peers, BPF_MAP_TYPE_HASH, struct pb_addr, struct pb_peer, BPF_F_NO_PREALLOC);
PB_MAP(pb_members, BPF_MAP_TYPE_HASH, struct pb_member_key, struct pb_member, BPF_F_NO_PREALLOC);
PB_MAP(pb_beat, BPF_MAP_TYPE_ARRAY, __u32, struct pb_beat, 0);
PB_MAP(pb_resolv, BPF_MAP_TYPE_HASH, struct pb_resolv_key, struct pb_resolv_ref, 0);
PB_MAP(pb_resolvers, BPF_MAP_TYPE_ARRAY, __u32, struct pb_resolver, BPF_F_MMAPABLE);
PB_MAP(pb_stats, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, __u64, 0);

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, pb_ep_free_max);
	__type(value, __u32);
} pb_ep_free SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct pb_sock);
} pb_socks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct pb_usock);
} pb_usocks SEC(".maps");

/* Not cloned: a listener has none, and each end makes its own. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct pb_spl_sock);
} pb_spl_socks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, pb_events_max);
} pb_events SEC(".maps");

static __always_inline struct pb_config *pb_cfg(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&pb_config, &zero);
}

static __always_inline struct pb_endpoint *pb_ep_at(__u32 index)
{
	if (index & PB_EP_REMOTE) {
		index &= ~PB_EP_REMOTE;
		return bpf_map_lookup_elem(&pb_remotes, &index);
	}
	return index ? bpf_map_lookup_elem(&pb_endpoints, &index) : 0;
}

static __always_inline struct pb_app *pb_app_at(__u64 ref)
{
	return bpf_map_lookup_elem(&pb_apps, &ref);
}

#endif /* PB_MAPS_BPF_H */
