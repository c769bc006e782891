/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Maps of the memcached switch, shapes in patchbay/mc_switch.h, and what a program keeps while it looks
 * at one packet.  The loader pins all of them but the scratch ones (pb_mc_work, pb_mc_hops). */
#ifndef PB_MC_MAPS_BPF_H
#define PB_MC_MAPS_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <patchbay/addr.h>
#include <patchbay/mc_parse.h>
#include <patchbay/mc_reply.h>
#include <patchbay/mc_switch.h>

#include "mc_seek.bpf.h"

#define PB_MC_MAP(name, map_type, max, key_t, value_t, fl) \
	struct { \
		__uint(type, map_type); \
		__uint(max_entries, max); \
		__uint(map_flags, fl); \
		__type(key, key_t); \
		__type(value, value_t); \
	} name SEC(".maps")

/* A table whose rows are tables that user space makes: of any number of entries each. */
#define PB_MC_NESTED(name, value_t, inner_max, fl) \
	struct { \
		__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); \
		__uint(max_entries, PB_MC_SERVICES); \
		__type(key, __u32); \
		__array( \
			values, struct { \
				__uint(type, BPF_MAP_TYPE_ARRAY); \
				__uint(max_entries, inner_max); \
				__uint(map_flags, fl); \
				__type(key, __u32); \
				__type(value, value_t); \
			}); \
	} name SEC(".maps")

PB_MC_MAP(pb_mc_addrs, BPF_MAP_TYPE_HASH, 8192, struct pb_mc_addr_key, struct pb_mc_addr,
	  BPF_F_NO_PREALLOC);
PB_MC_MAP(pb_mc_services, BPF_MAP_TYPE_ARRAY, PB_MC_SERVICES, __u32, struct pb_mc_service, 0);
PB_MC_NESTED(pb_mc_rings, struct pb_mc_ring, 1, 0);
PB_MC_MAP(pb_mc_backends, BPF_MAP_TYPE_ARRAY, PB_MC_BACKENDS, __u32, struct pb_mc_backend, 0);
PB_MC_MAP(pb_mc_allow, BPF_MAP_TYPE_LPM_TRIE, 16384, struct pb_mc_allow_key, __u32,
	  BPF_F_NO_PREALLOC);
PB_MC_MAP(pb_mc_known, BPF_MAP_TYPE_PERCPU_ARRAY, PB_MC_KNOWN, __u32, struct pb_mc_known, 0);
PB_MC_MAP(pb_mc_devs, BPF_MAP_TYPE_HASH, PB_MC_DEVICES, __u32, __u32, 0);
PB_MC_MAP(pb_mc_calls, BPF_MAP_TYPE_ARRAY, PB_MC_CALLS, __u32, struct pb_mc_call, 0);
PB_MC_MAP(pb_mc_tags, BPF_MAP_TYPE_PERCPU_ARRAY, 1, __u32, struct pb_mc_tags, 0);
PB_MC_NESTED(pb_mc_sets, struct pb_mc_set, 1, BPF_F_INNER_MAP);
PB_MC_NESTED(pb_mc_values, struct pb_mc_value, PB_MC_WAYS, BPF_F_INNER_MAP);
PB_MC_MAP(pb_mc_locks, BPF_MAP_TYPE_ARRAY, PB_MC_SET_LOCKS, __u32, struct pb_mc_lock, 0);
PB_MC_MAP(pb_mc_alls, BPF_MAP_TYPE_ARRAY, PB_MC_SERVICES, __u32, struct pb_mc_all_rec, 0);
PB_MC_MAP(pb_mc_stats, BPF_MAP_TYPE_PERCPU_ARRAY, PB_MC_SERVICES *PB_MC_COUNTERS_MAX, __u32, __u64,
	  0);
PB_MC_MAP(pb_mc_bstats, BPF_MAP_TYPE_PERCPU_ARRAY, PB_MC_BACKENDS, __u32, struct pb_mc_bstats, 0);

/* clang 14 describes the types of nested tables only if something else names them. */
const struct pb_mc_ring *mc_names_ring __attribute__((unused));
const struct pb_mc_set *mc_names_set __attribute__((unused));
const struct pb_mc_value *mc_names_value __attribute__((unused));

/* The way to a server, as the routing table had it a moment ago. */
struct pb_mc_hop {
	__u64 until; /* ns */
	__u64 fresh; /* ns: then tc asks the neighbour table, which asks the neighbour */
	__u32 ifindex;
	__u32 addr; /* of the server, folded: another server's entry is none */
	__u8 dmac[6];
	__u8 smac[6];
	__u16 flags;
	__u16 mtu;
};

PB_MC_MAP(pb_mc_hops, BPF_MAP_TYPE_PERCPU_ARRAY, PB_MC_BACKENDS, __u32, struct pb_mc_hop, 0);

/* What becomes of a packet. */
enum pb_mc_todo {
	PB_MC_TODO_LEAVE, /* XDP: to tc.  tc: to the host's own stack */
	PB_MC_TODO_PASS,  /* to the host's own stack: the slow path, or none of ours */
	PB_MC_TODO_DROP,
	PB_MC_TODO_READ,   /* the whole parser is wanted */
	PB_MC_TODO_STEER,  /* to the owner of the key */
	PB_MC_TODO_MULTI,  /* more keys than one: who owns them? */
	PB_MC_TODO_ANSWER, /* from the cache */
	PB_MC_TODO_ALL,	   /* ... of several keys */
	PB_MC_TODO_FETCH,  /* tc: written, to be sent, and a fetch of the same key behind it */
	PB_MC_TODO_SENT,   /* on its way: `verdict` is the kernel's word for it */
};

#define PB_MC_HINTS 16u /* a power of two */

/* A packet as it came, and what was found out about it.  Per CPU; programs of one CPU do not
 * interrupt each other.  Offsets are from the start of the frame. */
struct pb_mc_job {
	struct pb_mc_work work; /* the parser's; first */
	__u64 now;
	__u32 exact; /* `now` is; else mc_about_now() */
	__u32 dice;  /* mc_sampled(): stays */
	struct pb_addr saddr, daddr;
	__be16 sport, dport;
	__u32 v6;
	__u32 l3, l4;  /* of the IP and UDP headers */
	__u32 udp_len; /* by the UDP header, which it includes */
	__u32 tot_len; /* of the IP packet */
	__u32 ifindex;
	__be16 vlan; /* tag control, in the frame (XDP) or beside it (tc); 0: none */
	__be16 id;   /* the frame header's */
	__u8 dmac[6], smac[6];
	__u16 seq, total;
	__u32 ttl;
	__u32 service;
	__u32 owner;		/* server's number in the service */
	__u32 counter;		/* PB_MC_C_*: why it was left or dropped */
	__u32 verdict;		/* with PB_MC_TODO_SENT */
	__u32 l2;		/* it keeps its addresses */
	struct pb_mc_call call; /* of a reply: a copy */
	__u32 tag;		/* of the request, or of the reply */
	__u32 tagged;		/* the VLAN tag is in the frame */
	__u32 out;		/* the device it is to leave by, with PB_MC_TODO_FETCH */
	__u32 again; /* ... the request itself as a new packet: its link header is not known here */
	__u32 split; /* ... the request is for the slow path: only a fetch goes there */
	__u32 ours;  /* the address is one of ours */
	__u32 role;  /* PB_MC_ROLE_* of the address it goes to */
	/* the cache's */
	__u32 set;
	__u64 digest;
	__u32 value_seq;
	__u32 value_idx;
	__u32 value_len;
	__u32 value_sum;
	__u32 want_fetch;
	__u32 named; /* digest and set are those of the request's key */
	struct pb_mc_token token;
	struct pb_mc_seek seek;
	/* these stay: */
	__u64 jiffies;		/* at the last tick that was seen */
	__u64 tick;		/* mc_about_now() then */
	__u32 noise;		/* mc_sketch_noise(), in eighths */
	__u32 noise_second;	/* of the last look */
	__u8 hint[PB_MC_HINTS]; /* services lately asked, by a hash of the address */
};

PB_MC_MAP(pb_mc_work, BPF_MAP_TYPE_PERCPU_ARRAY, 1, __u32, struct pb_mc_job, 0);

static __always_inline struct pb_mc_job *mc_job(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&pb_mc_work, &zero);
}

static __always_inline struct pb_mc_service *mc_service(__u32 service)
{
	return bpf_map_lookup_elem(&pb_mc_services, &service);
}

/*
 * A hit needs the time to tell whether its value has expired, and no better than to a tick; the exact
 * one costs more than its key.  So the clock is read once a tick, and a tick is added: a value is
 * rather not served any more.
 */
#define MC_TICK_NS 10000000ULL /* the longest that Linux has */

static __always_inline void mc_about_now(struct pb_mc_job *j)
{
	__u64 jiffies = bpf_jiffies64(); /* a load, not a call */

	if (j->jiffies != jiffies) {
		j->jiffies = jiffies;
		j->tick = bpf_ktime_get_ns() + MC_TICK_NS;
	}
	j->now = j->tick;
	j->exact = 0;
}

/* All else counts from the exact time. */
static __always_inline void mc_exact_now(struct pb_mc_job *j)
{
	if (j->exact)
		return;
	j->now = bpf_ktime_get_ns();
	j->exact = 1;
}

static __always_inline void mc_count_n(__u32 service, __u32 counter, __u64 n)
{
	__u32 at = service * PB_MC_COUNTERS_MAX + counter;
	__u64 *v = bpf_map_lookup_elem(&pb_mc_stats, &at);

	if (v)
		*v += n;
}

static __always_inline void mc_count(__u32 service, __u32 counter)
{
	mc_count_n(service, counter, 1);
}

#endif /* PB_MC_MAPS_BPF_H */
