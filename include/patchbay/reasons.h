/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one list of reasons: the enum, the names the CLI prints, the index of the
 * counters in pb_stats and the help text all come from here.
 *
 * X(SYMBOL, "name", class, "help").  Class: A allowed or rewritten, R refused,
 * N note (neither).  Append only: the number is ABI (pb_stats index, events).
 */
#ifndef PATCHBAY_REASONS_H
#define PATCHBAY_REASONS_H

#define PB_REASONS(X) \
	X(NONE, "none", N, "no decision was recorded") \
	X(ALLOW_GROUP, "group", A, "client and server share a grp tag") \
	X(ALLOW_RULE, "rule-allow", A, "an explicit allow rule matched") \
	X(ALLOW_SELF, "self", A, "a program reached a listener of its own instance") \
	X(ALLOW_MODE_OFF, "mode-off", A, "policy is off for the client or the server") \
	X(AUDIT, "audit", A, "would have been refused; audit mode let it through") \
	X(ALLOW_OUTSIDE, "outside", A, \
	  "egress to a destination outside, allowed by the egress setting") \
	X(ALLOW_LOCAL, "local", A, "unmanaged loopback service, allowed by local=allow") \
	X(ALLOW_REPLY, "reply", A, "datagram to a peer that sent one first") \
	X(DENY_RULE, "rule-deny", R, "an explicit deny rule matched") \
	X(DENY_GROUP, "no-group", R, "client and server share no grp tag and no rule allows it") \
	X(DENY_UNTAGGED, "no-tags", R, \
	  "client or server has no tags: it reaches nothing and nothing reaches it") \
	X(DENY_EGRESS, "egress", R, "the egress setting does not include the destination") \
	X(DENY_LOCAL, "local-denied", R, "unmanaged loopback service, refused by local=deny") \
	X(NO_SERVICE, "no-service", R, \
	  "the virtual address is known, nothing listens on that port") \
	X(NO_ENDPOINT, "no-endpoint", R, "the service is known, but no endpoint is usable") \
	X(NO_ADDRESS, "no-address", R, "the address lies in the pool, but no application has it") \
	X(WRONG_FAMILY, "family", R, \
	  "no endpoint speaks the address family of the client's socket") \
	X(WRONG_NETNS, "netns", R, "the endpoint, or the guard, is in another network namespace") \
	X(REAL_PORT, "real-port", R, "the real port of a managed server was addressed directly") \
	X(NOT_OWN, "not-own", R, "bind to an address of another application or of the host") \
	X(NO_NAME, "no-name", R, "a program without a name is a client only") \
	X(PORT_TAKEN, "port-taken", R, "the instance already holds that port") \
	X(NO_GUARD, "no-guard", R, "admission is not attached where the program wants to listen") \
	X(PROTO, "proto", R, "socket type or protocol outside the allow-list") \
	X(MAP_FULL, "map-full", R, "a kernel map is full or out of memory") \
	X(NO_ADMIT, "no-admit", R, \
	  "an unidentified client addressed the real port of a managed server") \
	X(BAD_ADMIT, "bad-admit", R, "a connection that does not match the admission it used") \
	X(UNMANAGED, "unmanaged", N, "socket made before the scope was managed: left alone") \
	X(BIND, "bind", A, "bind rewritten to the identity's port") \
	X(BIND_SOURCE, "bind-source", A, "source bind: the port names no service") \
	X(LISTEN, "listen", A, "endpoint published") \
	X(WITHDRAW, "withdraw", A, "endpoint withdrawn") \
	X(LISTEN_PRIVATE, "listen-private", R, \
	  "listener is not published and its real port is closed") \
	X(DNS, "dns", A, "query sent through the agent's resolver") \
	X(DNS_BYPASS, "dns-bypass", N, "agent's resolver not usable: query left unchanged") \
	X(EVENT_LOST, "event-lost", N, "event ring full: event counted here, not shown") \
	X(QUARANTINED, "quarantined", R, "the application's id clashes with an older one") \
	X(NO_IDENTITY, "no-identity", R, \
	  "the program runs in a managed scope that has no application record") \
	X(SPLICED, "spliced", A, "local connection: bytes bypass the stack") \
	X(SPLICE_OFF, "splice-off", N, "splice is not switched on for this side") \
	X(SPLICE_PEER, "splice-peer", N, "splice is not switched on for the peer") \
	X(SPLICE_LATE, "splice-late", N, "bytes had already gone by TCP") \
	X(SPLICE_EARLY, "splice-early", N, "the first bytes were sent before the peer had joined") \
	X(SPLICE_SERVER_FIRST, "splice-server-first", N, \
	  "the server spoke before the client, whose read may be older than the connection") \
	X(SPLICE_BUDGET, "splice-budget", N, \
	  "more bytes were unread than a splice may hold: TCP's window took over") \
	X(SPLICE_GONE, "splice-gone", N, "the peer has closed") \
	X(SPLICE_MEMORY, "splice-memory", N, "the kernel is short of TCP memory") \
	X(SPLICE_RCVBUF, "splice-rcvbuf", N, "a receive buffer of fixed size (SO_RCVBUF)") \
	X(SPLICE_LOWAT, "splice-rcvlowat", N, "wake-up at a number of bytes (SO_RCVLOWAT)") \
	X(SPLICE_OOB, "splice-oobinline", N, "urgent data in the stream (SO_OOBINLINE)") \
	X(SPLICE_ULP, "splice-ulp", N, "a protocol above TCP in the kernel (TCP_ULP)") \
	X(SPLICE_ZEROCOPY, "splice-zerocopy", N, "sends without copy (SO_ZEROCOPY)") \
	X(SPLICE_TIMESTAMP, "splice-timestamp", N, "timestamps of data (SO_TIMESTAMP*)") \
	X(SPLICE_TFO, "splice-tfo", N, "data in the SYN (TCP_FASTOPEN)") \
	X(SPLICE_PEEK, "splice-peek", N, "reads ahead at an offset of its own (SO_PEEK_OFF)") \
	X(SPLICE_HELD, "splice-held", N, \
	  "bytes by TCP waited until the spliced ones before them were read") \
	X(SPLICE_BLOCKING, "splice-blocking", N, \
	  "a socket that blocks: its reads could be disturbed by signals and other threads") \
	X(SPLICE_REPAIR, "splice-repair", N, "a checkpoint of the connection (TCP_REPAIR)") \
	X(SPLICE_LEFT, "splice-left", N, "both directions went back to TCP: a plain socket again") \
	X(NO_SYN_ID, "no-identity-in-syn", R, \
	  "a host of the cluster or a stranger connected without an identity in its SYN") \
	X(BAD_MAC, "mac", R, \
	  "the identity in the SYN does not prove itself: forged, another key, or addresses " \
	  "translated on the way") \
	X(NO_MEMBER, "no-member", R, \
	  "the SYN names an application that its node has not announced (yet)") \
	X(NO_ROOM, "no-room", R, \
	  "no room for the identity in the SYN: TCP Fast Open or another option takes it") \
	X(NO_PEER, "no-peer", R, \
	  "the endpoint's node is not known to the kernel programs (any more)") \
	X(EJECTED, "ejected", N, \
	  "an endpoint on another node failed: not chosen for a while if there is another one") \
	X(NODE_BACK, "node-back", N, "an endpoint that had failed answered again") \
	X(DESTROYED, "destroyed", N, "the endpoint is gone: a socket that hung on it was closed") \
	X(BAD_CLOCK, "clock", R, \
	  "a datagram's identity is older than five minutes: it was recorded, or a clock is wrong") \
	X(NODE_REFUSED, "node-refused", N, \
	  "records of a node of the cluster are not used: 'patchbay nodes' says why") \
	X(KEY_WORN, "key-worn", N, \
	  "the key of the cluster has encrypted 2^31 messages: it is to be changed") \
	X(MC_WRITERS, "memcached-writers", N, \
	  "memcached: the cache stays off, for not all who write are seen") \
	X(MC_AWAY, "memcached-away", N, \
	  "memcached: a server does not answer: others get its keys") \
	X(MC_BACK, "memcached-back", N, "memcached: a server is back, emptied, and has its keys")

enum pb_reason {
#define PB_X(sym, name, class, help) PB_R_##sym,
	PB_REASONS(PB_X)
#undef PB_X
		_PB_R_MAX,
};

/* Bit r: reason r refuses; an unknown one does too.  Masks, for a switch costs the verifier a path a case. */
#define PB_REFUSES_A 0ULL
#define PB_REFUSES_N 0ULL
#define PB_REFUSES_R 1ULL
#define PB_REASON_BIT(sym, name, class, help) \
	| (PB_R_##sym < 64 ? PB_REFUSES_##class << (PB_R_##sym & 63) : 0)
#define PB_REASON_BIT2(sym, name, class, help) \
	| (PB_R_##sym >= 64 ? PB_REFUSES_##class << (PB_R_##sym & 63) : 0)
#define PB_REFUSING (0ULL PB_REASONS(PB_REASON_BIT))
#define PB_REFUSING2 (0ULL PB_REASONS(PB_REASON_BIT2))

_Static_assert(_PB_R_MAX <= 128, "reasons fit two masks, and pb_stats");

static inline __attribute__((always_inline, unused)) int pb_reason_refuses(unsigned int r)
{
	unsigned long long mask = r < 64 ? PB_REFUSING : PB_REFUSING2;

	return r >= _PB_R_MAX || (mask >> (r & 63) & 1);
}

#endif /* PATCHBAY_REASONS_H */
