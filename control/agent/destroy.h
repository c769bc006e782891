/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sockets of managed programs that hang on an endpoint that is gone: the program gets ECONNABORTED
 * instead of waiting for ever.  docs/decisions/0017-destroy.md.
 *
 * What may be destroyed depends on what is gone:
 *
 *   PB_GONE_SOCKET  the listening socket: closed, its program died, or its node says so.
 *                   UDP: nobody will ever read from that port: connected clients are destroyed.
 *                   TCP: left alone.  A closed listener does not end its accepted connections; where
 *                   the program died, its kernel has reset them.
 *   PB_GONE_NODE    the node: declared dead by gossip, or forced to leave.  Nobody resets anything:
 *                   TCP connections, finished or not, are destroyed as well.
 *
 * Never call it for an endpoint that drains (PB_EP_DRAIN), is suspect or ejected, or whose node left in
 * peace and still runs: what is connected there lives, and finishes.
 *
 * Touched are sockets whose last connect() went to exactly that endpoint and gen; not its heir's, no
 * listeners, no accepted ones, no unmanaged ones.  Unconnected UDP sockets choose anew by themselves.
 */
#ifndef PB_AGENT_DESTROY_H
#define PB_AGENT_DESTROY_H

#include <stddef.h>
#include <stdint.h>

struct pb_agent;
struct pb_destroyer;

enum pb_gone_what { PB_GONE_SOCKET, PB_GONE_NODE };

struct pb_gone {
	uint32_t ep;  /* as in pb_sock.dest: with PB_EP_REMOTE for those of other nodes */
	uint32_t gen; /* pb_endpoint.gen that it had while it was up */
	enum pb_gone_what what;
};

/*
 * Call it after the endpoint's state is PB_EP_FREE in the map (else a client that chooses it
 * meanwhile is missed) and before the index is written anew.  Copies @list and returns at once; one
 * walk over the sockets serves all that was asked for when it starts, a second one a second later
 * finds whoever had chosen the endpoint but was not there yet.  Works in slices in the agent's loop.
 * -ENOSPC: more than 65,536 at once; -EOPNOTSUPP: this kernel cannot (logged at the start).
 */
int pb_destroy_for(struct pb_agent *a, const struct pb_gone *list, size_t n);

/*
 * Looks for connected UDP sockets whose endpoint on this node is gone, whichever it was; needs no
 * list, for pb_endpoints tells.  Cheap to ask for often: requests during a walk are one.
 */
void pb_destroy_look(struct pb_agent *a);

/* Before the agent gives up its capabilities; what an earlier agent missed is looked for. */
int pb_destroy_start(struct pb_agent *a);
void pb_destroy_stop(struct pb_agent *a);

#endif /* PB_AGENT_DESTROY_H */
