/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A node of a pool, on a libuv loop: the core (swim.h) with a UDP socket, a TCP listener, keys and
 * limits.  Everything runs on the loop's thread.
 *
 * Callbacks (conf.ops, and those given to functions) come from the loop or from inside the
 * functions below that are not marked [callback]; inside a callback only what is so marked may be
 * called, and the [callback] functions of swim.h on gsp_pool_swim().  What callbacks are given is
 * valid until they return.
 */
#ifndef PB_GOSSIP_POOL_H
#define PB_GOSSIP_POOL_H

#include <uv.h>

#include "keyring.h"
#include "swim.h"

#define GSP_POOL_ASK_MAX (4u << 20) /* bytes of a request, and of an answer */
#define GSP_POOL_NOW_MAX 128	    /* members a record is sent to at once */
#define GSP_POOL_TAGS_MAX 32
#define GSP_POOL_ALLOW_MAX 32

struct gsp_pool;

struct gsp_pool_tag {
	const char *key;
	const char *value;
};

struct gsp_pool_key {
	uint8_t bytes[GSP_KEY_LEN_MAX];
	uint8_t len; /* 16, 24 or 32 */
};

/* Addresses whose first @bits are those of @ip. */
struct gsp_pool_net {
	struct gsp_addr ip;
	uint8_t bits;
};

/* All may be NULL. */
struct gsp_pool_ops {
	/* As in struct swim_ops. */
	void (*event)(void *arg, const struct swim_event *ev);
	/* from: where the packet came from, the sender's gossip address; not always the owner's. */
	void (*record)(void *arg, const struct swim_addr *from, struct gsp_bytes record);
	size_t (*digest)(void *arg, uint8_t *buf, size_t cap);
	/* from: as with answer. */
	void (*merge)(void *arg, const struct swim_addr *from, struct gsp_bytes digest);
	size_t (*hash)(void *arg, uint8_t *buf, size_t cap);
	void (*hash_seen)(void *arg, const struct swim_member *m, struct gsp_bytes hash);
	/*
	 * Another node of ours asks (gsp_pool_ask()); from is its gossip address, unless it is no
	 * member (yet), or asks from another IP address: then it is that of the connection.
	 * 0: *ret, allocated with malloc(), is now the pool's; NULL and 0: an empty answer.
	 * A negative errno: no answer, the connection is closed.
	 */
	int (*answer)(void *arg, const struct swim_addr *from, struct gsp_bytes request,
		      uint8_t **ret, size_t *ret_n);
	/* Keys were installed, used or removed by a query of Serf (conf.serf_keys): save them. */
	void (*keys_changed)(void *arg);
	/*
	 * Somebody was refused: -EPERM another label, -EKEYREJECTED not encrypted with a key of
	 * ours, -EACCES not in conf.allow, -EBADMSG malformed, -E2BIG too large, -ETIMEDOUT too
	 * slow, -EUSERS too many connections.  At most once a second; all are counted.
	 */
	void (*refused)(void *arg, const struct swim_addr *from, int err);
	/* For tests; NULL: time(2). */
	uint32_t (*unix_s)(void *arg);
};

/* gsp_pool_conf_default() sets everything but loop, name and addresses. */
struct gsp_pool_conf {
	uv_loop_t *loop;
	const char *name; /* unique in the pool; Serf's agents: letters, digits, - and . */
	/* UDP and TCP; the wildcard is fine, port 0 takes a free one for both. */
	struct swim_addr bind;
	/* What others are told.  ip.len 0: bind, which then is not the wildcard; port 0: bind's. */
	struct swim_addr advertise;
	const char *label; /* NULL or empty: none */
	struct gsp_pool_key keys[GSP_KEYS_MAX];
	unsigned n_keys;
	bool insecure;	/* without a key: plain text; else no key is -ENOKEY */
	bool serf;	/* a pool of Serf's: no label; and nobody is told ids of keys by a tag */
	bool serf_keys; /* `serf keys` may change and list keys here */
	/*
	 * Up to GSP_META_MAX bytes encoded: -E2BIG.  Two are the pool's own: "patchbay", which
	 * makes it one of ours, with what is given here or else "1"; and "keys", the ids of its
	 * keys, each cut to 8 digits, joined by commas (not with conf.serf).
	 */
	const struct gsp_pool_tag *tags;
	unsigned n_tags;
	enum swim_profile profile;
	const struct gsp_pool_ops *ops; /* may be NULL; must outlive the pool */
	void *arg;

	/* Who may talk to us at all; n_allow 0: everybody. */
	struct gsp_pool_net allow[GSP_POOL_ALLOW_MAX];
	unsigned n_allow;

	uint32_t datagram;     /* largest one sent, in bytes of UDP payload */
	uint32_t datagram_in;  /* largest one read */
	uint32_t strangers;    /* packets of non-members that fail to open, a second: then unread */
	uint32_t conns;	       /* accepted at a time; half of them at most from non-members */
	uint32_t conns_source; /* of these from one IPv4 address or one IPv6 /64 */
	uint32_t idle_ms;      /* a connection on which nothing moves for so long is closed */
	uint32_t total_ms;     /* ... and any one after that */
	uint32_t exchange_ms;  /* ours, push/pull and ping */
	uint32_t stranger_bytes; /* of one stream of a non-member; members: GSP_STREAM_MAX */
	uint32_t stream_bytes;	 /* of all streams accepted, half of them from non-members */
};

void gsp_pool_conf_default(struct gsp_pool_conf *conf);

/* -EINVAL, -ENOKEY, -E2BIG, or what socket calls say, e.g. -EADDRINUSE. */
int gsp_pool_start(struct gsp_pool **ret, const struct gsp_pool_conf *conf);
/* Says good-bye; cb once that is done (seconds: at most 2 * leave_wait + leave_linger of swim.h).
 * Afterwards the pool is silent and can only be freed. */
void gsp_pool_leave(struct gsp_pool *p, void (*cb)(void *arg), void *arg);
/* Closes everything without good-bye; no callback comes any more (those of asks come from inside,
 * with -ECANCELED).  The memory goes as the loop runs on.  NULL is fine. */
void gsp_pool_free(struct gsp_pool *p);

/* [callback] To read members: swim_count(), swim_at(), swim_find(), swim_view(), swim_stats(). */
const struct swim *gsp_pool_swim(const struct gsp_pool *p);
/* [callback] The address others are told. */
struct swim_addr gsp_pool_addr(const struct gsp_pool *p);

/* Another address to join by: tried at once, and with back-off for ever while no live member has
 * it.  -ENOSPC: there are SWIM_SEEDS. */
int gsp_pool_seed(struct gsp_pool *p, const struct swim_addr *addr);
/* Replaces those of conf; what is the pool's own stays.  -E2BIG: nothing changed. */
int gsp_pool_set_tags(struct gsp_pool *p, const struct gsp_pool_tag *tags, unsigned n);
/* -ENOENT, -EINVAL (this node) */
int gsp_pool_force_leave(struct gsp_pool *p, const char *name, bool prune);
/* A user event of Serf's: -EMSGSIZE. */
int gsp_pool_user_event(struct gsp_pool *p, const char *name, struct gsp_bytes payload);

/* [callback] As swim_record(), swim_record_cancel(), swim_record_heard(), swim_record_max(). */
int gsp_pool_record(struct gsp_pool *p, uint64_t key, struct gsp_bytes record, bool own);
void gsp_pool_record_cancel(struct gsp_pool *p, uint64_t key);
void gsp_pool_record_heard(struct gsp_pool *p, uint64_t key);
size_t gsp_pool_record_max(const struct gsp_pool *p);
/*
 * [callback] An own record that has to be known in milliseconds: queued as by gsp_pool_record(),
 * and sent at once to the live members of ours, GSP_POOL_NOW_MAX of them at random if there are
 * more.  It may come to them twice, or only by the queue: also when there are thousands a second.
 */
int gsp_pool_record_now(struct gsp_pool *p, uint64_t key, struct gsp_bytes record);
/* [callback] A record to one member of ours, by a datagram and at once; it is not queued, and may be
 * lost.  -EMSGSIZE, -ESHUTDOWN, -EAGAIN: too many a second. */
int gsp_pool_tell(struct gsp_pool *p, const struct swim_addr *to, struct gsp_bytes record);

/*
 * [callback] One request and its answer on a connection to another node of ours (its gossip
 * address).  cb is called exactly once, never from inside, unless this returns an error: err 0 and
 * the answer, which may be empty; -ECONNREFUSED, -ETIMEDOUT, -EPROTO (refused or no answer),
 * -EKEYREJECTED, -E2BIG, ...  Errors returned: -EMSGSIZE, -ENOMEM, -EAGAIN (SWIM_EXCHANGES asks are
 * under way), -ESHUTDOWN (left).
 */
typedef void gsp_pool_answer_fn(void *arg, int err, struct gsp_bytes answer);
int gsp_pool_ask(struct gsp_pool *p, const struct swim_addr *to, struct gsp_bytes request,
		 gsp_pool_answer_fn *cb, void *arg);

/* ---- keys: the first encrypts, all decrypt; ids are those of gsp_key_id(), keyring.h --------- */

/* A plain pool stays plain: all -EOPNOTSUPP.  -EINVAL: no length of a key. */
int gsp_pool_key_install(struct gsp_pool *p, const uint8_t *key, size_t len); /* -ENOSPC */
int gsp_pool_key_use(struct gsp_pool *p, const char *id);		      /* -ENOENT */
int gsp_pool_key_remove(struct gsp_pool *p, const char *id); /* -ENOENT, -EBUSY: in use */
/* [callback] Their number; ids[0] is the one in use. */
unsigned gsp_pool_key_ids(const struct gsp_pool *p, char ids[GSP_KEYS_MAX][GSP_KEY_ID_LEN + 1]);
/* [callback] The keys themselves, to save or to derive others from: wipe them afterwards. */
unsigned gsp_pool_keys(const struct gsp_pool *p, struct gsp_pool_key keys[GSP_KEYS_MAX]);
/* Packets and streams encrypted with that key since it was last asked. */
uint64_t gsp_pool_key_sealed(struct gsp_pool *p, const uint8_t *key, size_t len);
/* [callback] Live members of ours whose tag "keys" does not name it: while there are any, using it
 * would cut them off.  *ret_name: one of them (may be NULL). */
unsigned gsp_pool_key_missing(const struct gsp_pool *p, const char *id, struct gsp_bytes *ret_name);

/* ---- counters -------------------------------------------------------------------------------- */

/* X(name, what it counts) */
#define GSP_POOL_COUNTERS(X) \
	X(udp_in, "packets received") \
	X(udp_in_bytes, "bytes in them") \
	X(udp_out, "packets sent") \
	X(udp_out_bytes, "bytes in them") \
	X(udp_dropped, "packets not sent, the socket is full or there is no way") \
	X(udp_label, "packets of another pool") \
	X(udp_key, "packets not encrypted with a key of ours") \
	X(udp_bad, "malformed packets") \
	X(udp_big, "packets too large to be read") \
	X(udp_flood, "packets of strangers not looked at, too many were wrong") \
	X(source, "packets and connections from addresses that are not allowed") \
	X(tcp_in, "connections accepted") \
	X(tcp_in_bytes, "bytes received on connections") \
	X(tcp_out_bytes, "bytes sent on connections") \
	X(tcp_many, "connections refused, too many") \
	X(tcp_label, "connections of another pool") \
	X(tcp_key, "connections not encrypted with a key of ours") \
	X(tcp_bad, "connections with something malformed or unknown") \
	X(tcp_big, "connections with more than is taken") \
	X(tcp_slow, "connections that were too slow") \
	X(tcp_refused, "requests that got no answer") \
	X(dials, "connections opened") \
	X(dials_failed, "connections opened that brought no answer") \
	X(asks_in, "requests of other nodes answered") \
	X(asks_out, "requests to other nodes") \
	X(asks_failed, "requests to other nodes without an answer") \
	X(records_now, "records sent at once")

struct gsp_pool_stats {
#define X(name, text) uint64_t name;
	GSP_POOL_COUNTERS(X)
#undef X
	/* as of now */
	uint32_t conns_in, conns_out;
	uint64_t stream_bytes; /* held by connections accepted */
};

void gsp_pool_stats(const struct gsp_pool *p, struct gsp_pool_stats *ret); /* [callback] */

#endif /* PB_GOSSIP_POOL_H */
