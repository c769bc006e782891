/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The slow path of a memcached service: what the kernel programs leave to the host's own stack, each
 * request on its own to the server that owns its key.  Pure: clock, datagrams and token steps are the
 * caller's; proxy_udp.h does them with libuv.
 *
 * What clients get, beyond what one memcached would say:
 * - all requests of a datagram are answered in one answer, in their order, as many datagrams as it
 *   needs, labelled; a request that changes something waits for those before it, and those behind it
 *   wait for it;
 * - a get of several keys: each key's value from its server, in the order of the keys, one END;
 * - flush_all, verbosity, stats reset go to all servers, and are done when all say so; version is
 *   the first server's; stats: integers are added up over the servers, but for a few names (pid, time,
 *   chunk_size, ...) and all of `stats settings`, which are the first server's, as is what is no integer;
 * - mn, no-op and quit are answered here; so are unknown verbs (ERROR), SASL (unknown command) and what
 *   administers one server (slabs, lru, watch, shutdown, ...: SERVER_ERROR);
 * - quiet requests (noreply, q, the Q opcodes) are sent without it, so that their end is seen; what
 *   memcached would not have said is held back here;
 * - no answer in time, no server, too much under way: SERVER_ERROR, binary 0x0086
 *   (temporary failure).  A write that may
 *   still come true then stays pending for the cache until its life is over;
 * - half a store and half a line are dropped, as is what stands behind them.
 */
#ifndef PB_MEMCACHED_PROXY_H
#define PB_MEMCACHED_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <patchbay/mc_switch.h>

struct pxy;

struct pxy_ops {
	/* From the service's address to a client.  -EAGAIN: not now; pxy_flush() when it may be tried
	 * again.  Other errors: the answer is given up. */
	int (*to_client)(void *arg, const struct pb_addr *to, __be16 port, const void *data,
			 size_t len);
	/* From a socket whose datagrams come to pxy_server(). */
	int (*to_server)(void *arg, const struct pb_addr *to, __be16 port, const void *data,
			 size_t len);
	/* A token step (mc_token.h).  An error: the write is not sent.  NULL: there is no cache. */
	int (*token)(void *arg, const struct pb_mc_cmd *cmd);
	/* Seconds since 1970, for delayed flushes. */
	uint64_t (*wall)(void *arg);
};

/* 0 selects the default in brackets. */
struct pxy_limits {
	uint32_t queries;     /* datagrams of clients under way [1024] */
	uint32_t per_source;  /* of these, from one address [256] */
	uint32_t calls;	      /* requests at servers [8192] */
	uint32_t requests;    /* in one datagram [1024] */
	uint32_t answer;      /* bytes of an answer [8 MB] */
	uint32_t held;	      /* bytes of all requests and answers under way [64 MB] */
	uint32_t source_held; /* of these, of one address [16 MB] */
	uint32_t timeout_ms;  /* what a server may take [1000], at most 2000 */
};

/* X(field, "help") */
#define PXY_COUNTERS(X) \
	X(datagrams, "datagrams of clients") \
	X(requests, "requests in them") \
	X(sent, "requests sent to servers") \
	X(replies, "datagrams of servers that were waited for") \
	X(answers, "answers sent to clients") \
	X(answer_bytes, "bytes of these, without frame headers") \
	X(writes, "requests that change an item") \
	X(flushes, "flush_all") \
	X(drop_source, "dropped: the source is not allowed") \
	X(drop_frame, "dropped: no frame header, or one of several datagrams") \
	X(drop_short, "dropped: half a request") \
	X(drop_full, "dropped or refused: too much under way") \
	X(timeouts, "requests that a server did not answer in time") \
	X(no_server, "requests refused: no server owns the key") \
	X(unsent_server, "requests that the kernel did not take") \
	X(unsent_client, "answers that the kernel did not take") \
	X(token_failed, "writes refused: the cache could not be told") \
	X(stray, "dropped: a reply that nobody waits for, or not from the server asked") \
	X(bad_reply, "dropped: a reply that does not belong to the request")

struct pxy_stats {
#define PB_X(field, help) uint64_t field;
	PXY_COUNTERS(PB_X)
#undef PB_X
	uint32_t queries; /* now */
	uint32_t calls;	  /* now */
	uint64_t held;	  /* now */
};

/* Who may ask, if the service has PB_MC_S_ALLOW; bits of the 128-bit form. */
struct pxy_allow {
	struct pb_addr addr;
	uint32_t bits;
};

/* @tag: where the tags of writes begin, one that no earlier proxy of the service has used: the time. */
int pxy_new(struct pxy **ret, const struct pxy_ops *ops, void *arg, const struct pxy_limits *limits,
	    uint64_t tag);
void pxy_free(struct pxy *p);

/* Both are copied, and may change at any time. */
int pxy_set_service(struct pxy *p, uint32_t number, const struct pb_mc_service *svc,
		    const struct pxy_allow *allow, size_t n_allow);
/* @ring and @backends (as many as the ring has servers) stay the caller's and must live until they are
 * replaced; NULL, NULL, 0: no server. */
void pxy_set_ring(struct pxy *p, const struct pb_mc_ring *ring,
		  const struct pb_mc_backend *backends, uint32_t n);

/* A datagram to the service's address, and one to the socket of to_server().  @now: ns, monotonic. */
void pxy_client(struct pxy *p, const struct pb_addr *from, __be16 port, const void *data,
		size_t len, uint64_t now);
void pxy_server(struct pxy *p, const struct pb_addr *from, __be16 port, const void *data,
		size_t len, uint64_t now);

/* Gives up what took too long.  Returns when it wants to be called again, 0: nothing is under way. */
uint64_t pxy_tick(struct pxy *p, uint64_t now);
/* Sends answers that wait, at most @max datagrams.  True: there are more. */
bool pxy_flush(struct pxy *p, uint32_t max);

void pxy_get_stats(const struct pxy *p, struct pxy_stats *ret);

#endif /* PB_MEMCACHED_PROXY_H */
