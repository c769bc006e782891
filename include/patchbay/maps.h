/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keys and values of the pinned maps.  One definition for the kernel programs,
 * the agent, the CLI and the tests.  docs/ARCHITECTURE.md has the table of who
 * writes and who reads each of them; names.h has their names and sizes.
 */
#ifndef PATCHBAY_MAPS_H
#define PATCHBAY_MAPS_H

#include "resolv.h"
#include "types.h"

/* ---- applications -------------------------------------------------------- */

#define PB_GROUP_WORDS 16 /* 1,024 distinct grp values a node */
#define PB_GROUPS_MAX (PB_GROUP_WORDS * 64)
#define PB_RULE_WORDS 4 /* 256 policy rules */
#define PB_RULES_MAX (PB_RULE_WORDS * 64)
#define PB_BANKS 2 /* rule sets: one live, one being written */

enum pb_mode { PB_MODE_ENFORCE, PB_MODE_AUDIT, PB_MODE_OFF, _PB_MODE_MAX };
enum pb_egress_mode { PB_EGRESS_ALL, PB_EGRESS_NONE, PB_EGRESS_LIST, _PB_EGRESS_MAX };

#define PB_APP_NAMED (1u << 0)	     /* has a name and an address: may serve */
#define PB_APP_TAGGED (1u << 1)	     /* has at least one tag */
#define PB_APP_LOCAL_DENY (1u << 2)  /* local=deny: no unmanaged loopback services */
#define PB_APP_QUARANTINED (1u << 3) /* id64 clash: reaches nothing, is reached by nothing */
#define PB_APP_SPLICE (1u << 4)	     /* local connections are spliced (splice.h) */
#define PB_APP_SPLICE_ALL (1u << 5)  /* those of sockets that block too */
#define PB_APP_GIVEN (1u << 6)	     /* its address came from the pool: nobody asked for it */

/*
 * pb_apps[ref]: one application scope.  ref is the cgroup id of a local scope;
 * the ids of applications on other nodes have bit 63 set, those of the agent's own senders (a
 * memcached service) PB_REF_SWITCH.  Writer: agent.
 */
#define PB_REF_SWITCH (1ULL << 62)

struct pb_app {
	char name[PB_NAME_LEN]; /* "~..." when the program was started without a name */
	__u64 id;		/* id64: SipHash-2-4 of the name under the cluster's key */
	__u64 ns;		/* distributed application: the port and loopback namespace */
	__u64 grp[PB_GROUP_WORDS];
	__u64 from[PB_BANKS][PB_RULE_WORDS]; /* bit r: rule r names this app as client */
	__u64 to[PB_BANKS][PB_RULE_WORDS];   /* bit r: rule r names this app as server */
	struct pb_addr vip4;		     /* zero: the application has none of that family */
	struct pb_addr vip6;
	struct pb_addr ll4; /* shown to peers where the vip of that family is missing */
	struct pb_addr ll6;
	__u32 flags; /* PB_APP_* */
	__u8 mode;   /* enum pb_mode; the laxer of this and the global one holds */
	__u8 egress; /* enum pb_egress_mode */
	__u16 pad;
};

/* pb_tags[ref]: the tags as given, for people and for the agent's restart; the
 * kernel decides by pb_app.grp.  pb_groups[bit]: the grp value of that bit.
 * Writer: agent. */
#define PB_TAGS_MAX 16
#define PB_TAG_LEN 32 /* "key=value" and its NUL */
struct pb_tags {
	__u32 n;
	char tag[PB_TAGS_MAX][PB_TAG_LEN];
};

struct pb_group {
	char name[PB_TAG_LEN]; /* empty: the bit is free */
};

/* pb_rules[bank * PB_RULES_MAX + r].  Writer: agent. */
struct pb_rule {
	__u8 used;
	__u8 allow; /* 1 allow, 0 deny */
	__u8 proto; /* 0 any */
	__u8 pad;
	__be16 port; /* 0 any */
	__u16 pad2;
};

/* pb_addrs[address]: every virtual address known on this node.  Writer: agent. */
struct pb_vip {
	__u64 ns;
	char name[PB_NAME_LEN]; /* of the first application that claimed it */
};

/* pb_egress: LPM over (ref, address) for egress=list.  Writer: agent, which also
 * copies the ports of a shorter prefix into the longer ones it covers. */
#define PB_EGRESS_PORTS 16
struct pb_egress_key {
	__u32 prefixlen; /* 64 + bits of the 128-bit address */
	__u32 ref[2];	 /* low, high */
	struct pb_addr addr;
};

struct pb_egress_val {
	__u8 any_port;
	__u8 n;
	__u8 pad[6];
	__be16 port[PB_EGRESS_PORTS];
};

/* ---- services ------------------------------------------------------------ */

/* ns 0: the address is virtual and seen by all; ns != 0: loopback of that application. */
struct pb_svc_key {
	struct pb_addr addr; /* loopback is normalised to 127.0.0.1 or ::1 */
	__u64 ns;
	__be16 port;
	__u8 proto;
	__u8 pad[5];
};

#define PB_SLOT_WORDS 4
#define PB_SLOTS (PB_SLOT_WORDS * 64)

/*
 * pb_services[key].  Writers: the kernel programs (slots, by atomics) and the
 * agent (removal of entries without any slot).  A reader may see a slot whose
 * endpoint was just withdrawn: the endpoint's own state decides.
 */
struct pb_service {
	__u64 taken[PB_SLOT_WORDS]; /* bit s: slot s is owned */
	__u64 live[PB_SLOT_WORDS];  /* bit s: slot[s] is readable */
	__u32 slot[PB_SLOTS];	    /* index into pb_endpoints */
};

#define PB_EP_BLOCKS (1u << 0) /* others: peer.h */
enum pb_ep_state { PB_EP_FREE, PB_EP_UP, PB_EP_DRAIN, _PB_EP_MAX };

/* Address classes a bind covers: the same four kernel addresses a private host would have. */
#define PB_CLS_V4_VIP (1u << 0)
#define PB_CLS_V4_LOOP (1u << 1)
#define PB_CLS_V6_VIP (1u << 2)
#define PB_CLS_V6_LOOP (1u << 3)
#define PB_CLS_V4 (PB_CLS_V4_VIP | PB_CLS_V4_LOOP)
#define PB_CLS_V6 (PB_CLS_V6_VIP | PB_CLS_V6_LOOP)
#define PB_CLS_N 4

/*
 * pb_endpoints[index]: one listening instance; index 0 is never used.  Writer:
 * the kernel programs; the agent writes state and weight only.
 */
struct pb_endpoint {
	__u64 app;     /* key into pb_apps: the scope that listens */
	__u64 ns;      /* that scope's ns */
	__u64 netns;   /* netns cookie of the listener */
	__u64 cookie;  /* of the first socket of the group */
	__u64 total;   /* connections accepted since publication (TCP) */
	__s32 live;    /* connections open now (TCP) */
	__u32 sockets; /* SO_REUSEPORT group size */
	__u32 gen;     /* raised each time the index is reused */
	__u32 weight;  /* 1..100; not yet used for local endpoints */
	__be16 port;   /* virtual */
	__be16 real;   /* the kernel's */
	__u8 state;    /* enum pb_ep_state */
	__u8 proto;
	__u8 cls;	     /* PB_CLS_*: what it serves; V4/V6 also say which locators exist */
	__u8 slots;	     /* PB_CLS_* bits for which slot[] is valid */
	__u8 slot[PB_CLS_N]; /* position in the service of that class, for withdrawal */
	__u32 hints;	     /* PB_EP_BLOCKS: an accepted socket was seen that blocks */
	struct pb_addr loc4; /* real address for clients; zero: not reachable so */
	struct pb_addr loc6;
	struct pb_addr vip4; /* of the scope when it was published */
	struct pb_addr vip6;
};

/* pb_claims[key]: which socket of a scope holds a virtual port.  Writer: kernel programs. */
struct pb_claim_key {
	__u64 app;
	__be16 port;
	__u8 proto;
	__u8 cls; /* one PB_CLS_* bit */
	__u32 pad;
};

#define PB_CLAIM_REUSEPORT (1u << 0)
#define PB_CLAIM_REUSEADDR (1u << 1)
struct pb_claim {
	__u64 cookie; /* of the socket that claimed first */
	__u32 uid;
	__u32 refs;  /* sockets of the SO_REUSEPORT group */
	__be16 real; /* 0 until the kernel's bind is done */
	__u16 flags; /* PB_CLAIM_* of the first socket */
	__u32 ep;    /* endpoint of the group, 0 until published */
};

/* ---- admission ----------------------------------------------------------- */

#define PB_PORT_LOOP (1u << 0)	 /* bound to loopback only */
#define PB_PORT_CLOSED (1u << 1) /* published nowhere: nobody is admitted */
#define PB_PORT_DNS (1u << 2)	 /* the agent's resolver: any managed program is admitted */

/* pb_ports[key]: real ports under guard in the guarded network namespace.
 * Writers: kernel programs; the agent for PB_PORT_DNS. */
struct pb_port_key {
	__be16 port;
	__u8 proto;
	__u8 v6; /* 1: the IPv6 port space */
};

struct pb_port {
	__u64 cookie;
	__u64 app;
	__u32 ep;    /* 0 until published */
	__u32 flags; /* PB_PORT_* */
	__u32 refs;
	__u32 pad;
};

/* pb_admit[key]: TCP clients that may finish a handshake.  Written at the
 * client's TCP_CONNECT_CB, dies at the server's PASSIVE_ESTABLISHED_CB or with
 * the client's socket. */
#define PB_ADMIT_NS 180000000000ULL /* longer than the kernel repeats a SYN (127 s) */
struct pb_flow_key {
	struct pb_addr laddr; /* server's side, real */
	struct pb_addr raddr; /* client's side, real */
	__be16 lport;
	__be16 rport;
	__u32 pad;
};

struct pb_admit {
	__u64 cookie;	    /* client's socket */
	__u64 app;	    /* client's scope */
	__u64 time_ns;	    /* CLOCK_MONOTONIC */
	struct pb_addr src; /* what the server shall see */
	struct pb_addr dst; /* what the client dialled */
	__be16 sport;
	__be16 dport; /* 0: the client is in another namespace and its handshake not finished */
	__u32 isn;    /* client's initial sequence number, host order */
	__u32 ep;     /* the listener it is for; 0: the agent's resolver */
	__u32 gen;
};

/* pb_udp_src[real source]: who sends from it.  pb_udp_virt[virtual source]: where
 * it really is.  Written at the first datagram, die with the socket.  Those of PB_REF_SWITCH are the
 * agent's: datagrams also leave from there that no socket of this host sent. */
struct pb_udp_key {
	struct pb_addr addr;
	__be16 port;
	__u16 pad;
	__u32 pad2;
};

struct pb_udp_src {
	__u64 cookie;
	__u64 app;
	struct pb_addr addr; /* virtual */
	__be16 port;	     /* virtual */
	__u16 pad;
	__u32 pad2;
};

struct pb_udp_virt {
	__u64 cookie;
	__u64 app;
	struct pb_addr addr; /* real */
	__be16 port;	     /* real */
	__u16 pad;
	__u32 pad2;
};

/* pb_udp_reply[flow]: scope that a guarded port wrote to, 0 an unmanaged peer: it may answer.
 * pb_udp_seen[flow without laddr] -> struct pb_udp_key: the virtual name of a sender that was let
 * in, for reading its datagram after it has gone. */

/* ---- sockets ------------------------------------------------------------- */

#define PB_SK_VERSION 1
/* pb_sock.flags */
#define PB_SK_REUSEPORT (1u << 0)
#define PB_SK_V6ONLY (1u << 1)
#define PB_SK_BOUND (1u << 2)	  /* owns claims: local/lport/cls are valid */
#define PB_SK_SOURCE (1u << 3)	  /* source bind: lport names no service */
#define PB_SK_PEER (1u << 4)	  /* peer/pport are valid */
#define PB_SK_LOCAL (1u << 5)	  /* connected inside: local/lport are shown */
#define PB_SK_PUBLISHED (1u << 6) /* holds a reference on ep */
#define PB_SK_PORT (1u << 7)	  /* holds a reference in pb_ports */
#define PB_SK_CHILD (1u << 8)	  /* accepted connection */
#define PB_SK_COUNTED (1u << 9)	  /* counted in the endpoint's live */
#define PB_SK_OWNER (1u << 10)	  /* UDP: register the source at the next datagram */
#define PB_SK_INSIDE (1u << 11)	  /* the last connect() went to an endpoint */
#define PB_SK_REFUSED (1u << 12)  /* child without admission: nothing may reach it */
#define PB_SK_DNS (1u << 13)	  /* the last connect() went to the agent's resolver */
#define PB_SK_WILD (1u << 14)	  /* wildcard bind: keep the address the program asked for */
#define PB_SK_ADMITTED (1u << 15) /* client: pb_admit was written for this connection */
#define PB_SK_REUSEADDR (1u << 16)
#define PB_SK_SRC4 (1u << 17) /* src4 is registered */
#define PB_SK_SRC6 (1u << 18)
#define PB_SK_GUARD4 (1u << 19) /* real is under guard in the IPv4 port space */
#define PB_SK_GUARD6 (1u << 20)
#define PB_SK_TIMER (1u << 21)	   /* listener: its children start with the timer of a splice */
#define PB_SK_REMOTE (1u << 24)	   /* client: counted in the live of pb_remotes[dest] */
#define PB_SK_SYN_ID (1u << 25)	   /* client: a SYN carried its identity */
#define PB_SK_NO_SYN_ID (1u << 26) /* client: a SYN went without, which was told */
#define PB_SK_FAILED (1u << 27)	   /* client: its handshake counts as a failure already */
#define PB_SK_OPEN (1u << 28)	   /* a loopback name, for the kernel bound to all addresses */

/* SO_MARK of a TCP socket with PB_SK_REFUSED: what the per-packet programs can see without a
 * look-up in the storage. */
#define PB_REFUSED_MARK 0x50420bad

/*
 * pb_socks: socket-local storage, from sock_create on; inherited by accepted
 * children.  Layout changes raise version; reserved is zero.
 */
struct pb_sock {
	__u16 version;
	__u8 cls; /* claims held */
	__u8 proto;
	__u32 flags; /* PB_SK_* */
	__u64 app;   /* key into pb_apps */
	__u64 owner; /* cookie of the socket that owns the claims: a child's differs */
	__u64 netns;
	struct pb_addr local;
	struct pb_addr peer;
	struct pb_addr src4; /* UDP: real sources registered in pb_udp_src, with sport */
	struct pb_addr src6;
	__be16 lport;
	__be16 pport;
	__be16 real;  /* own real port */
	__be16 sport; /* UDP: real port of src4 and src6 */
	__u32 ep;     /* own endpoint, a child: its listener's */
	__u32 ep_gen;
	__u32 uid;
	__u32 dest; /* endpoint the last connect() went to */
	__u32 dest_gen;
	__u32 pad;
	__u64 reserved[1];
};

/* pb_usocks: what an unconnected UDP socket sent to, so that replies come back
 * from the address that was asked.  Made at the first datagram inside. */
#define PB_UDP_DESTS 8
struct pb_udp_dest {
	struct pb_addr virt;
	struct pb_addr real;
	__be16 vport;
	__be16 rport;
	__u32 ep;
};

struct pb_usock {
	__u32 version;
	__u32 next; /* ring position */
	struct pb_udp_dest dest[PB_UDP_DESTS];
};

/* ---- configuration, resolver, counters ----------------------------------- */

#define PB_CFG_GUARD (1u << 0)	/* sk_lookup is attached in netns */
#define PB_CFG_DNS (1u << 1)	/* redirect queries to the agent */
#define PB_CFG_SPLICE (1u << 2) /* splice those that ask for it; clear: none, live ones go to TCP */
#define PB_CFG_PEERS (1u << 3)	/* there are other nodes: their SYNs are verified (peer.h) */
#define PB_CFG_PEERS_UDP (1u << 4) /* datagrams go to other nodes, too */

/* pb_config[0].  Writer: agent. */
struct pb_config {
	__u32 abi;
	__u32 flags; /* PB_CFG_* */
	__u64 netns; /* cookie of the guarded network namespace: the agent's */
	__u64 gen;   /* raised with each change */
	struct pb_addr pool4;
	struct pb_addr pool6;
	__u32 pool4_bits; /* of 128; 0: no pool */
	__u32 pool6_bits;
	__u32 mode; /* enum pb_mode */
	__u32 bank; /* rule set in force */
};

/* pb_beat[0]: the agent's heartbeat. */
struct pb_beat {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 pid;
	__u32 pad;
};
#define PB_BEAT_STALE_NS 3000000000ULL

_Static_assert(sizeof(struct pb_svc_key) == 32, "pb_svc_key is a map key");
_Static_assert(sizeof(struct pb_claim_key) == 16, "pb_claim_key is a map key");
_Static_assert(sizeof(struct pb_port_key) == 4, "pb_port_key is a map key");
_Static_assert(sizeof(struct pb_flow_key) == 40, "pb_flow_key is a map key");
_Static_assert(sizeof(struct pb_udp_key) == 24, "pb_udp_key is a map key");
_Static_assert(sizeof(struct pb_egress_key) == 28, "LPM data follows prefixlen");
_Static_assert(sizeof(struct pb_endpoint) == 136, "pb_endpoint layout is ABI");
_Static_assert(sizeof(struct pb_sock) == 136, "pb_sock layout is ABI");

#endif /* PATCHBAY_MAPS_H */
