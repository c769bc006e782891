/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of the slow path share. */
#ifndef PB_MEMCACHED_PROXY_INTERNAL_H
#define PB_MEMCACHED_PROXY_INTERNAL_H

#include <sys/queue.h>

#include "proxy.h"

#define PXY_IDS 65536u
#define PXY_ID_BLOCK 1024u
#define PXY_DATAGRAM 65535u
#define PXY_BUCKETS 1024u /* of calls by id, and of sources */

struct pxy_buf {
	uint8_t *p;
	size_t len;
	size_t cap;
};

enum pxy_how {
	PXY_LOCAL, /* the answer is known */
	PXY_ONE,   /* one server */
	PXY_KEYS,  /* a get of several keys: a request a key */
	PXY_ALL,   /* all servers that are up */
};

/* What is not passed on of the answer to a quiet request that was sent as a loud one. */
enum pxy_hide {
	PXY_SHOW,
	PXY_HIDE_MISS,
	PXY_HIDE_DONE,
	PXY_HIDE_ALL,
	PXY_SILENT, /* is wrong and mute: sent as it is, no answer is waited for */
};

/* A message of one datagram or several. */
struct pxy_parts {
	struct pxy_buf *part;
	uint32_t total;
	uint32_t have;
};

/* A request on its way to a server. */
struct pxy_call {
	LIST_ENTRY(pxy_call) by_id;
	TAILQ_ENTRY(pxy_call) by_age;
	struct pxy_query *query;
	struct pxy_req *req;
	uint64_t deadline;
	uint64_t tag; /* of a write; 0: none */
	uint64_t digest;
	struct pb_addr server;
	__be16 port;
	uint16_t id;
	bool waiting;
	uint8_t pad;
	uint16_t key_len;
	uint32_t key_off; /* in the query's message */
	struct pxy_parts parts;
	struct pxy_buf reply;
};

/* One request of a client. */
struct pxy_req {
	struct pb_mc_req r;
	uint32_t at;   /* in the query's message */
	uint32_t verb; /* KEYS: where verb and exptime begin, and end */
	uint32_t verb_end;
	uint8_t how;   /* PXY_LOCAL... */
	uint8_t hide;  /* PXY_SHOW... */
	uint8_t step;  /* PB_MC_STEP_* */
	bool barrier;  /* nothing else of the datagram is under way beside it */
	bool sum;      /* ALL: statistics are added up */
	bool lost;     /* a server did not answer */
	bool settings; /* ... but these */
	uint8_t pad;
	const char *failed; /* why there is no answer */
	struct pxy_call *calls;
	uint32_t n_calls;
	uint32_t sent;	  /* calls that went out */
	uint32_t left;	  /* of these, waiting for a reply */
	uint32_t largest; /* reply so far */
	uint64_t tag;	  /* of a flush */
	struct pxy_buf answer;
};

struct pxy_source {
	LIST_ENTRY(pxy_source) link;
	struct pb_addr addr;
	uint32_t queries;
	uint64_t held;
};

/* A datagram of a client, until its answer is sent. */
struct pxy_query {
	TAILQ_ENTRY(pxy_query) link;
	struct pxy_source *source;
	struct pb_addr from;
	__be16 port;
	uint16_t id;
	uint32_t proto;
	uint8_t *msg;
	uint32_t len;
	uint32_t n; /* requests */
	uint32_t cap;
	uint32_t next; /* the first one that has not begun */
	uint32_t busy; /* begun and not done */
	struct pxy_req *req;
	uint64_t held;
	uint64_t replies; /* bytes of servers' answers */
	uint64_t until;	  /* no more of its requests begin; then: the answer is sent, or given up */
	struct pxy_buf answer;
	uint32_t seq; /* of the next datagram of the answer */
	uint32_t total;
};

LIST_HEAD(pxy_calls, pxy_call);
LIST_HEAD(pxy_sources, pxy_source);
TAILQ_HEAD(pxy_ages, pxy_call);
TAILQ_HEAD(pxy_queries, pxy_query);

struct pxy {
	const struct pxy_ops *ops;
	void *arg;
	struct pxy_limits limits;
	struct pxy_stats stats;
	uint64_t timeout;
	uint64_t tag;
	uint32_t number;
	struct pb_mc_service svc;
	struct pxy_allow *allow;
	size_t n_allow;
	const struct pb_mc_ring *ring;
	const struct pb_mc_backend *backends;
	uint32_t n_backends;
	uint32_t id; /* the next one to give */
	uint64_t id_used[PXY_IDS /
			 PXY_ID_BLOCK]; /* when one of the block was given last; 0: never */
	struct pxy_calls calls[PXY_BUCKETS];
	struct pxy_ages ages; /* oldest first */
	struct pxy_sources sources[PXY_BUCKETS];
	struct pxy_queries active;
	struct pxy_queries out; /* answers to be sent */
	struct pb_mc_work work;
	uint8_t datagram[PXY_DATAGRAM];
};

/* ---- proxy.c ---- */
bool pxy_put(struct pxy_buf *b, const void *data, size_t n);
void pxy_drop_buf(struct pxy_buf *b);
/* Counts bytes that the query holds; false: they are too many. */
bool pxy_hold(struct pxy *p, struct pxy_query *q, uint64_t bytes);
/* Begins what may begin, and answers when all is done; @q may be gone then. */
void pxy_advance(struct pxy *p, struct pxy_query *q, uint64_t now);

/* ---- proxy_plan.c: what is to be done with a datagram ---- */
int pxy_plan(struct pxy *p, struct pxy_query *q);
/* The keys of a get: set out once, then one a call until 0.  p->work has the place in between. */
void pxy_keys(struct pxy *p, const struct pxy_query *q, const struct pxy_req *r);
uint32_t pxy_next_key(struct pxy *p, const struct pxy_query *q, uint32_t *ret_off);

/* ---- proxy_call.c: requests to servers ---- */
void pxy_begin(struct pxy *p, struct pxy_query *q, struct pxy_req *r, uint64_t now);
void pxy_timeouts(struct pxy *p, uint64_t now);
void pxy_drop_calls(struct pxy *p, struct pxy_req *r);

/* ---- proxy_reply.c: what servers say ---- */
void pxy_drop_parts(struct pxy_parts *m);
/* The call's reply is whole, or will not come. */
void pxy_call_done(struct pxy *p, struct pxy_call *c, const char *failed, uint64_t now);

/* ---- proxy_merge.c: what the client hears ---- */
void pxy_merge(struct pxy *p, struct pxy_query *q, struct pxy_req *r);
void pxy_say(struct pxy_req *r, const char *text);
void pxy_say_binary(struct pxy_req *r, uint16_t status, const char *text);

/* ---- proxy_stats.c ---- */
/* Adds the servers' statistics up; false: they are none. */
bool pxy_sum(const struct pxy_req *r, struct pxy_buf *ret);

#endif /* PB_MEMCACHED_PROXY_INTERNAL_H */
