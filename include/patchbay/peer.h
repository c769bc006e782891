/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Other nodes of the cluster, as the kernel programs know them: who they are, which applications
 * run there, which endpoints they have.  docs/decisions/0015-hosts.md has the whole of it.
 *
 * Everything here is written by the agent alone, but the counters that a field's comment gives to
 * the kernel.  A dead agent changes nothing: what was known stays in force.
 */
#ifndef PATCHBAY_PEER_H
#define PATCHBAY_PEER_H

#include "maps.h"

/* Applications of other nodes are records of pb_apps too: their refs have this bit. */
#define PB_REF_REMOTE (1ULL << 63)

/*
 * Endpoints of other nodes: pb_remotes[index], the same struct as pb_endpoints[index].  Whoever
 * holds the number of an endpoint (pb_sock.dest, pb_dest.ep) has this bit set for those.  What
 * fields mean there:
 *
 *   app      ref of the application's record in pb_apps, with PB_REF_REMOTE
 *   ns       as everywhere: equal on all nodes, see control/registry
 *   netns    0
 *   cookie   number of the node (struct pb_peer.node)
 *   total    connections begun from this node since the index was given    (kernel)
 *   live     connections from this node now                               (kernel)
 *   sockets  connections that it has from all nodes, as last announced
 *   weight   1..100
 *   real     its real port
 *   loc4/6   its node's address; zero: not reachable so
 *   slots, slot, hints: PB_EP_SUSPECT, else not used
 *
 * The agent makes an index state PB_EP_FREE, waits at least PB_REMOTE_REST_NS, writes it anew,
 * raises gen, and makes it PB_EP_UP.
 */
#define PB_EP_REMOTE (1u << 31)
#define PB_REMOTE_REST_NS 1000000000ULL

/* pb_endpoint.hints */
#define PB_EP_LOCAL \
	(1u << 1) /* own: the kernel's socket is bound to loopback, out of others' reach */
#define PB_EP_SUSPECT \
	(1u << 2) /* remote: its node may be dead; chosen only when nothing else is left */

/*
 * pb_rservices[key]: a service's endpoints on other nodes; replaced as a whole.  Indices of
 * pb_remotes (without PB_EP_REMOTE), repeated in proportion to their weights: an entry drawn at
 * random is a weighted choice.  n of them are used, 1..PB_RSLOTS; every endpoint is in it at least
 * once.
 */
#define PB_RSLOTS 256
struct pb_rservice {
	__u32 n;
	__u32 endpoints; /* distinct ones */
	__u32 index[PB_RSLOTS];
};

/*
 * pb_eject[index], beside pb_remotes: what connecting to it came to.  Writer: kernel; the agent
 * zeroes it with the index.  An endpoint that failed PB_EJECT_FAILS times in a row is not chosen
 * before until_ns while there is another one; then one client tries it, and a success ends it.
 *
 * Silence (the first repetition of a SYN) is the node's or the endpoint's doing: it holds for all,
 * and each further time doubles the wait, up to PB_EJECT_MAX_NS.  A reset may also mean that the
 * other node refused this one application, whose rights it knows better: it holds for that
 * application, for all as soon as a second one got a reset, and always PB_EJECT_NS.
 */
#define PB_EJECT_FAILS 1
#define PB_EJECT_NS 1000000000ULL
#define PB_EJECT_MAX_NS 30000000000ULL
struct pb_eject {
	__u64 until_ns; /* CLOCK_MONOTONIC; 0: not ejected */
	__u64 last_ns;	/* of the last failure */
	__u32 fails;	/* in a row */
	__u32 times; /* ejected in a row: the wait is PB_EJECT_NS << (times - 1); 0: by a reset */
	__u32 gen;   /* of the endpoint it is about */
	__u32 by;    /* application it is ejected for, ref folded to 32 bits; 0: for all */
};

/*
 * pb_peers[address]: the node that has this locator.  Holds the keys of the identities in SYNs
 * (syn.h): only root reads this map.  A node with two addresses has two entries.
 */
#define PB_PEER_KEYS 2 /* the current one, and the one before */
struct pb_peer {
	__u64 node;   /* number of the node, never 0: first 8 bytes of its id, little endian */
	__u64 out[2]; /* key, this node to that one */
	__u64 in[PB_PEER_KEYS][2]; /* key, that node to this one; both words 0: none */
	__u32 flags;
	__u32 pad;
	__u64 nat; /* number of this node, if translation is on the way to that one (syn.h); else 0 */
	__u64 reserved;
};

/*
 * Where the nodes' addresses do not say who they are, a second entry of that node, by its number and
 * the family: in a prefix that no packet comes from (RFC 6666).
 */
pb_inline struct pb_addr pb_nat_addr(__u64 node, int v6)
{
	struct pb_addr a;

	a.w[0] = 1;
	a.w[1] = v6 ? 6 : 4;
	a.w[2] = (__u32)node;
	a.w[3] = (__u32)(node >> 32);
	return a;
}

/* pb_members[node, application id] -> the application's record; [0, pb_syn_nat_tag()] the same. */
struct pb_member_key {
	__u64 node;
	__u64 id; /* pb_app.id */
};

struct pb_member {
	__u64 ref; /* key into pb_apps, with PB_REF_REMOTE */
};

/* pb_radmit[flow]: as pb_admit, of clients on other nodes: written when the identity in the SYN was
 * verified.  LRU: nobody here sees such a client's socket close.  ep == 0: the client is known and
 * may not; gen has the reason, which the guard reports. */

_Static_assert(sizeof(struct pb_peer) == 80, "pb_peer layout is ABI");
_Static_assert(sizeof(struct pb_member_key) == 16, "pb_member_key is a map key");
_Static_assert(sizeof(struct pb_eject) == 32, "pb_eject layout is ABI");

#endif /* PATCHBAY_PEER_H */
