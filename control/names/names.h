/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The resolver of managed programs.  The kernel sends their queries to one port
 * of the agent per original resolver; names inside are answered from the table,
 * everything else goes to the original resolver byte for byte.
 * Why it is built so: docs/decisions/0005-dns.md.
 */
#ifndef PB_NAMES_H
#define PB_NAMES_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include <patchbay/types.h>

#define PB_NAMES_DOMAIN "patchbay.internal"
#define PB_NAMES_SERVICES 64 /* SRV candidates of one application; further ones are not shown */

struct pb_names_svc {
	__be16 port;
	uint8_t proto; /* PB_PROTO_TCP, PB_PROTO_UDP */
};

/* One application as DNS shows it. */
struct pb_names_rec {
	struct pb_addr vip4; /* zero: none of that family */
	struct pb_addr vip6;
	unsigned n_svc;
	struct pb_names_svc svc[PB_NAMES_SERVICES]; /* duplicates are harmless */
};

enum pb_names_may {
	PB_NAMES_MAY_NOT,
	PB_NAMES_MAY,
	PB_NAMES_MAY_AUDIT, /* may, although its setting says no: counted */
};

/*
 * Where the answers come from.  Called on the loop's thread, once or twice a
 * query, and must not block.  0, -ENOENT where there is nothing, any other
 * negative errno makes the answer SERVFAIL.
 */
struct pb_names_ops {
	/* @name: an application's, in lower case, without domain or trailing dot. */
	int (*lookup_name)(void *arg, const char *name, struct pb_names_rec *ret);
	/* A name that starts with '~' belongs to a program without a name: no PTR. */
	int (*lookup_addr)(void *arg, const struct pb_addr *addr, char ret[PB_NAME_LEN]);
	/* The original resolver that port @index stands for, as of now. */
	int (*resolver)(void *arg, unsigned index, struct pb_addr *ret_addr, __be16 *ret_port);
	/* Non-zero: the address belongs to the pool. */
	int (*pool_contains)(void *arg, const struct pb_addr *addr);
	/* May a query of @client:@port leave for the original resolver @index?  NULL: none may. */
	enum pb_names_may (*may_forward)(void *arg, const struct pb_addr *client, __be16 port,
					 int tcp, unsigned index);
};

/* 0 selects the default in brackets. */
struct pb_names_limits {
	uint32_t answer_ms;   /* how long the original resolver may take [5000] */
	uint32_t idle_ms;     /* TCP connection without a whole message [30000] */
	uint32_t clients;     /* TCP connections [256] */
	uint32_t udp_pending; /* forwarded UDP queries without an answer [1024] */
	uint32_t tcp_pending; /* the same for one TCP connection [128] */
};

struct pb_names_conf {
	const char *domain;		/* NULL: PB_NAMES_DOMAIN; copied */
	const struct pb_names_ops *ops; /* must outlive the resolver */
	void *arg;
	unsigned n_resolvers; /* ports to open; 0: PB_RESOLVERS */
	uint32_t ttl_s;	      /* of positive answers; 0: 1 s */
	struct pb_names_limits limits;
};

/* X(field, "help") */
#define PB_NAMES_COUNTERS(X) \
	X(queries_udp, "datagrams received") \
	X(queries_tcp, "messages received over TCP") \
	X(answered, "answered from the table with records") \
	X(nodata, "name inside without records of that type") \
	X(nxdomain, "name or address inside that no application has") \
	X(refused, "zone transfer of a name inside") \
	X(formerr, "query could not be decoded: FORMERR") \
	X(badvers, "EDNS version other than 0: BADVERS") \
	X(dropped, "no readable header, or a response: dropped") \
	X(lookup_failed, "the table could not be read: SERVFAIL") \
	X(egress_refused, "name outside, and the program may not send there: REFUSED") \
	X(egress_audited, "forwarded although the program may not send there: audit or off") \
	X(forwarded, "sent to the original resolver") \
	X(relayed, "answers of the original resolver passed on") \
	X(no_resolver, "no original resolver is known for that port: SERVFAIL") \
	X(unreachable, "original resolver not reachable: SERVFAIL") \
	X(timeouts, "no answer in time: SERVFAIL") \
	X(overflow, "too many queries without an answer: SERVFAIL") \
	X(mismatched, "answers with another id or question: ignored") \
	X(pool_answers, "outside answers with an address of the pool: SERVFAIL") \
	X(zone_answers, "outside answers with records of our domain: SERVFAIL") \
	X(bad_answers, "outside answers that could not be decoded: SERVFAIL") \
	X(clients_refused, "TCP connections over the limit: closed") \
	X(clients_idle, "TCP connections closed for being idle") \
	X(unsent, "answers that the kernel did not take")

struct pb_names_stats {
#define PB_X(field, help) uint64_t field;
	PB_NAMES_COUNTERS(PB_X)
#undef PB_X
	uint32_t udp_pending; /* now */
	uint32_t clients;     /* now */
};

struct pb_names;

/*
 * Opens the ports of all indexes.  -EINVAL: the domain is no domain name;
 * -EADDRINUSE: no number was free in UDP, TCP, IPv4 and IPv6 at once.  Without
 * an IPv6 loopback address, IPv4 only.  Also after a failure the loop may have
 * closing callbacks to run.
 */
int pb_names_new(struct pb_names **ret, uv_loop_t *loop, const struct pb_names_conf *conf);

/* The ports close at once; memory goes when the loop has run its closing callbacks. */
void pb_names_free(struct pb_names *n);

/* 0 for an index that is not served. */
__be16 pb_names_port(const struct pb_names *n, unsigned index);
/* The time of the last query to @index by the loop's clock; 0: none yet. */
uint64_t pb_names_used_ms(const struct pb_names *n, unsigned index);
/* Gives @index another port number: a socket that is connected to the old one gets ECONNREFUSED
 * and never reaches the resolver that the index stands for next.  On error all stays as it is. */
int pb_names_renew(struct pb_names *n, unsigned index);
int pb_names_has_v6(const struct pb_names *n);
void pb_names_stats(const struct pb_names *n, struct pb_names_stats *ret);

#endif /* PB_NAMES_H */
