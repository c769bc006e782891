/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the memcached switch keeps in its maps: services, servers, requests under way, the cache, and
 * the counters.  One definition for the kernel programs, the agent, the CLI and the tests.
 * docs/decisions/0023-memcached-switch.md says how they work together.
 *
 * Times are ns of CLOCK_MONOTONIC (bpf_ktime_get_ns()).  Addresses as struct pb_addr (IPv4 mapped),
 * ports in network order.
 */
#ifndef PATCHBAY_MC_SWITCH_H
#define PATCHBAY_MC_SWITCH_H

#include "mc_proto.h"
#include "mc_ring.h"
#include "mc_token.h"
#include "types.h"

#include <linux/bpf.h> /* struct bpf_spin_lock */

#define PB_MC_SERVICES 64u /* on one node; 0 is one of them */
#define PB_MC_BACKENDS (PB_MC_SERVICES * PB_MC_SERVERS_MAX)
#define PB_MC_PORTS 64u	       /* source ports that a service's requests leave from */
#define PB_MC_CALLS 262144u    /* requests under way, of all services; a power of two */
#define PB_MC_SET_LOCKS 4096u  /* a power of two */
#define PB_MC_WAYS 4u	       /* values a set holds */
#define PB_MC_DATA_MAX 1392u   /* bytes behind the frame header of one datagram of memcached's */
#define PB_MC_VALUE_SIZE 1408u /* room for what is kept of one item */
#define PB_MC_SKETCH_ROWS 4u
#define PB_MC_SKETCH_COLS 4096u /* a power of two */
#define PB_MC_BUCKETS 4096u	/* of the sources' budgets; a power of two */

/* pb_mc_addrs: the addresses that are the switch's own.  Writer: agent. */
enum pb_mc_role {
	PB_MC_ROLE_VIP,	   /* clients send requests here */
	PB_MC_ROLE_SOURCE, /* servers send replies here: one entry for each of PB_MC_PORTS */
};

struct pb_mc_addr_key {
	struct pb_addr addr;
	__be16 port;
	__u16 pad[3];
};

struct pb_mc_addr {
	__u32 service;
	__u16 role; /* PB_MC_ROLE_* */
	__u16 port; /* of a source: 0..PB_MC_PORTS-1 */
};

#define PB_MC_S_UP 0x01u /* requests are taken; else they go to the host's own stack */
#define PB_MC_S_L2 0x02u /* requests keep their addresses; the server answers the client itself */
#define PB_MC_S_CACHE 0x04u /* values are kept and served */
#define PB_MC_S_ALLOW 0x08u /* only sources in pb_mc_allow are served */
#define PB_MC_S_PROXY 0x10u /* the agent's slow path listens at the address */

/* pb_mc_services[service].  Writer: agent, whole, before the address is entered. */
struct pb_mc_service {
	__u32 flags;  /* PB_MC_S_* */
	__u32 sets;   /* in the service's cache; 0: none */
	__u64 key[2]; /* of the digests; a secret */
	struct pb_addr vip;
	struct pb_addr source; /* NAT: what servers see; same family as vip */
	__be16 port;
	__be16 source_port; /* the first of PB_MC_PORTS */
	__u32 admit;	    /* misses a second from which a key is fetched into the cache */
	__u64 max_age;	    /* ns: no value is served longer */
	__u64 rate;  /* bytes a second of answers from the cache to one source; 0: no limit */
	__u64 burst; /* bytes */
	__u64 allow; /* names the list of allowed sources: another list, another number */
	char name[PB_NAME_LEN];
};

#define PB_MC_B_UP 0x01u

/* pb_mc_backends[service * PB_MC_SERVERS_MAX + server].  Writer: agent. */
struct pb_mc_backend {
	struct pb_addr addr;
	__be16 port;
	__u16 flags;   /* PB_MC_B_* */
	__u32 ifindex; /* the device that leads to it, for hosts that forward nothing; 0: not known */
};

/* pb_mc_devs[ifindex]: devices that take frames of XDP redirects.  Writer: the loader. */
#define PB_MC_DEVICES 256u

/* pb_mc_allow: LPM over (service, address).  Writer: agent. */
struct pb_mc_allow_key {
	__u32 prefixlen; /* 32 + bits of the 128-bit address */
	__u32 service;	 /* network order, so that it is a prefix */
	struct pb_addr addr;
};

/* pb_mc_known, per CPU: sources that were found in a service's list, by a hash of the address. */
#define PB_MC_KNOWN 256u
struct pb_mc_known {
	struct pb_addr addr;
	__u64 allow; /* of the service then */
	__u32 service;
	__u32 pad;
};

/* What a request is that went to a server. */
enum pb_mc_call_kind {
	PB_MC_CALL_NONE,
	PB_MC_CALL_OTHER, /* nothing but the way back matters */
	PB_MC_CALL_WRITE, /* its reply ends a write to the keys of `set` */
	PB_MC_CALL_FLUSH, /* ... to all keys */
	PB_MC_CALL_FETCH, /* the switch's own: its reply is kept, and goes to nobody */
};

/*
 * pb_mc_calls[tag & (PB_MC_CALLS - 1)]: a request under way by NAT.  The tag is PORT << 16 | ID: the
 * source port's number and the frame id that the request leaves with, one a request; a reply must
 * name all of it, and come from the server that was asked.  Writers: the kernel programs.
 */
struct pb_mc_call {
	__u64 born; /* 0: free */
	__u32 tag;
	__u16 service;
	__u8 kind; /* PB_MC_CALL_* */
	__u8 done; /* the place may be taken: a whole reply has passed, or none will come */
	struct pb_addr client;
	struct pb_addr server;
	__be16 client_port;
	__be16 server_port;
	__be16 id;    /* the client's own */
	__u8 dmac[6]; /* the way back: link header of the request, turned round */
	__u8 smac[6];
	__be16 vlan; /* tag control of the request, 0: none; if 0x88a8 outside another, the slow path */
	__u32 ifindex;
	__u32 set;  /* of the key, in the service's cache */
	__u32 left; /* first part of a multiget: servers that have not said END */
	__u64 digest;
	struct pb_mc_token token; /* FETCH */
	__u32 first; /* a part of a multiget: the tag of the first part; else the call's own */
	__u32 owner; /* the server's number in the service */
	__u32 out;   /* the device it left by; 0: not known */
	__u32 pad;
};

/*
 * pb_mc_tags, per CPU: the next place of the CPU's own share of pb_mc_calls.  The upper bits of a tag
 * go up with each turn through them, so that a tag comes back after PB_MC_TURNS turns only, and not
 * within `life`.
 */
#define PB_MC_TURNS 16u
struct pb_mc_tags {
	__u32 next; /* place within the share */
	__u32 turn;
	__u64 ended[PB_MC_TURNS]; /* when the turn was over */
};

/* One of the values of a set.  `seq` is odd while the value is being written. */
struct pb_mc_way {
	__u64 digest;
	struct pb_mc_keep keep; /* validity, mc_token.h */
	__u32 seq;
	__u32 used; /* the clock's bit */
};

/*
 * A set: the keys whose digests lead here, cached or not, share the versions.  The lock is
 * pb_mc_locks[set & (PB_MC_SET_LOCKS - 1)].  In pb_mc_sets[service], an inner map.
 */
struct pb_mc_set {
	struct pb_mc_gen gen;
	struct pb_mc_way way[PB_MC_WAYS];
	__u64 fetching; /* until then no second fetch for this set */
	__u32 hand;
	__u32 pad;
};

/* What is kept of an item: in pb_mc_values[service], an inner map, at set * PB_MC_WAYS + way. */
struct pb_mc_value {
	__u32 key_len;
	__u32 len; /* of data: "VALUE KEY FLAGS BYTES\r\n" and the value with its "\r\n", without END */
	__u32 sum; /* one's complement sum of data, folded to 16 bits */
	__u32 seq; /* odd while the value is being written */
	__u8 data[PB_MC_VALUE_SIZE];
};

/* Locks of their own map: Linux 6.1 takes no spin lock in an inner map. */
struct pb_mc_lock {
	struct bpf_spin_lock lock;
	__u32 pad[15]; /* a cache line */
};

/* pb_mc_alls[service]: what concerns all keys of a service. */
struct pb_mc_all_rec {
	struct bpf_spin_lock lock;
	__u32 pad;
	struct pb_mc_all all;
};

/* pb_mc_top: requests and bytes by key, sampled; an LRU table by digest.  `service` first. */
struct pb_mc_top_key {
	__u64 digest;
	__u32 service;
	__u32 pad;
};

struct pb_mc_top {
	__u64 requests; /* already multiplied by the sampling */
	__u64 bytes;	/* of the answers from the cache and of values in writes */
	__u64 writes;
	__u64 first;
	__u32 key_len;
	__u32 pad;
	__u8 key[PB_MC_KEY_MAX + 6];
};

/* Counters of a service: pb_mc_stats[service * PB_MC_COUNTERS_MAX + counter], per CPU.
 * X(SYMBOL, "name", "help").  Append only. */
#define PB_MC_COUNTERS(X) \
	X(REQUESTS, "requests", "datagrams to the address") \
	X(HITS, "hits", "answered from the cache") \
	X(HITS_TC, "hits-tc", "of these, answered by tc: the packet could not grow in XDP") \
	X(HIT_BYTES, "hit-bytes", "bytes of these answers") \
	X(MISSES, "misses", "gets that went to a server although the cache is on") \
	X(STEERED, "steered", "sent to the server that owns the key") \
	X(STEERED_TC, "steered-tc", "of these, by tc") \
	X(SPLIT, "split", "multigets sent to several servers") \
	X(REPLIES, "replies", "replies sent back to clients") \
	X(WRITES, "writes", "requests that change an item") \
	X(WRITES_MUTED, "writes-unseen", "of these, without a reply that could be seen") \
	X(FLUSHES, "flushes", "flush_all") \
	X(FETCHES, "fetches", "values the cache asked for") \
	X(FILLS, "fills", "values kept") \
	X(FILLS_LATE, "fills-late", "values not kept: something was written meanwhile") \
	X(FILLS_UNFIT, "fills-unfit", "replies to fetches that cannot be kept") \
	X(EVICTED, "evicted", "values that made room for others") \
	X(PASSED, "slow-path", "left to the slow path: fragments, several requests in one...") \
	X(UNKNOWN, "unknown", "requests that are not understood: all that was cached is dropped") \
	X(TORN, "torn", "dropped: the value changed while it was copied") \
	X(DROP_SOURCE, "drop-source", "dropped: the source is not allowed") \
	X(DROP_RATE, "drop-rate", "dropped: the source used up its share of answers") \
	X(DROP_FULL, "drop-full", "dropped: too many requests under way") \
	X(DROP_SHORT, "drop-short", "dropped: half a store would swallow other clients' requests") \
	X(DROP_OWNER, "drop-owner", "dropped: no server owns the key") \
	X(DROP_HOP, "drop-hop", "dropped: no way to the server") \
	X(DROP_BAD, "drop-bad", "dropped: a datagram whose lengths contradict each other") \
	X(REPLY_STRAY, "reply-stray", \
	  "dropped: a reply nobody waits for, or not from the server asked") \
	X(REPLY_BAD, "reply-bad", "replies that are not understood; passed on") \
	X(HITS_MULTI, "hits-multi", "of the hits, gets of several keys")

enum pb_mc_counter {
#define PB_X(sym, name, help) PB_MC_C_##sym,
	PB_MC_COUNTERS(PB_X)
#undef PB_X
		_PB_MC_C_MAX,
};
#define PB_MC_COUNTERS_MAX 64u

/* pb_mc_bstats[service * PB_MC_SERVERS_MAX + server], per CPU. */
struct pb_mc_bstats {
	__u64 sent;
	__u64 replies;
	__u64 bytes; /* of requests */
	__u64 last;  /* time of the last reply */
};

/* Programs of type syscall take the token's steps for what does not pass the kernel's own path. */
enum pb_mc_do {
	PB_MC_DO_WRITE,	  /* a write to the key begins, tag or 0 */
	PB_MC_DO_WRITTEN, /* its reply came */
	PB_MC_DO_WRITE_ALL,
	PB_MC_DO_WRITTEN_ALL,
	PB_MC_DO_FLUSH_AT, /* a delayed flush: at `when` */
	/* The key that stands behind the command, `tag` bytes: its value takes the key's place.  Returns
	 * the value's length, as in struct pb_mc_value; 0: it is not there. */
	PB_MC_DO_GET,
};

struct pb_mc_cmd {
	__u32 what; /* PB_MC_DO_* */
	__u32 service;
	__u64 tag;    /* not 0, and with bit 63: those of the kernel's path have it clear */
	__u64 digest; /* pb_mc_digest() of the key under the service's key */
	__u64 when;
};

_Static_assert(sizeof(struct pb_mc_addr_key) == 24, "map key");
_Static_assert(sizeof(struct pb_mc_lock) == 64, "a cache line");
_Static_assert(sizeof(struct pb_mc_call) == 128, "two cache lines");
_Static_assert((PB_MC_PORTS << 16) == PB_MC_TURNS * PB_MC_CALLS, "every tag has a place");
_Static_assert(_PB_MC_C_MAX <= PB_MC_COUNTERS_MAX, "room for the counters");

#endif /* PATCHBAY_MC_SWITCH_H */
