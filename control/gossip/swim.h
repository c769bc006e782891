/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who is in the pool: SWIM with Lifeguard as memberlist does it, and the part of Serf that its
 * agents expect of each other.  A pure state machine: the caller brings time, randomness and
 * transport, so the same code runs in the agent and, a thousand times, in the simulator.
 *
 * To drive one: call swim_tick() when swim_next() says so, swim_message() and swim_request()
 * with what arrives, swim_exchange_end() once for each stream ops->exchange() has begun.  Time is any
 * clock in ms that everybody passes alike; it may jump (a stopped process, a suspended machine):
 * time in which nobody called counts for no timer, and going back is ignored.  So it has to be read
 * anew for each call: with a cached one, delays of the caller's own look like pauses.
 *
 * Not thread-safe.  Callbacks come from inside these calls and may call back only what is marked
 * [callback]; what they are given is valid until they return.
 */
#ifndef PB_GOSSIP_SWIM_H
#define PB_GOSSIP_SWIM_H

#include "message.h"
#include "serf.h"

struct swim;
struct swim_member;

/* IPv4 is always written with 4 bytes; port in host order. */
struct swim_addr {
	struct gsp_addr ip;
	uint16_t port;
};

struct swim_addr swim_addr(const struct gsp_addr *ip, uint16_t port); /* v4-mapped: IPv4 */
bool swim_addr_eq(const struct swim_addr *a, const struct swim_addr *b);

/* A member as of now. */
struct swim_view {
	struct gsp_bytes name;
	struct swim_addr addr;
	struct gsp_bytes meta; /* gsp_serf_tags_decode() */
	struct gsp_vsn vsn;
	enum gsp_state state;
	uint32_t incarnation;
	uint64_t since_ms; /* how long it is in that state */
	bool self;
	bool leaving; /* alive, and has said that it leaves */
	bool ours;    /* tagged "patchbay": gets our records */
};

enum swim_event_type {
	SWIM_EV_JOIN,	   /* alive; was unknown, dead, or had left */
	SWIM_EV_UPDATE,	   /* alive, with another meta or address */
	SWIM_EV_SUSPECT,   /* still a member, may be dead */
	SWIM_EV_REFUTED,   /* suspected no longer */
	SWIM_EV_DEAD,	   /* failed */
	SWIM_EV_LEFT,	   /* said so before it went */
	SWIM_EV_FORGOTTEN, /* dead or left for so long that it is dropped */
	/* These three once for each message that shows it: bound what you log. */
	SWIM_EV_CONFLICT, /* addr claims the name of the member, which may be this node */
	SWIM_EV_FORGED,	  /* an incarnation nobody can have; ignored */
	SWIM_EV_FULL,	  /* no room for a new member, whose name is given */
	SWIM_EV_PAUSE,	  /* nobody called for ms */
	SWIM_EV_GONE,	  /* swim_leave() is done; this node is silent now */
	SWIM_EV_USER,	  /* a user event of Serf */
};

struct swim_event {
	enum swim_event_type type;
	const struct swim_member *member; /* NULL where there is none */
	struct gsp_bytes name;		  /* USER, FULL, FORGED */
	struct gsp_bytes payload;	  /* USER */
	uint64_t ltime;			  /* USER */
	uint32_t incarnation;		  /* FORGED */
	struct swim_addr addr;		  /* CONFLICT */
	uint64_t ms;			  /* PAUSE */
};

struct swim_ops {
	/* A message or a compound, for gsp_packet_seal(). */
	void (*send)(void *arg, const struct swim_addr *to, const uint8_t *p, size_t n);
	/* Open a stream, send p sealed by gsp_stream_seal(), hand the answer to swim_exchange_end() by that id, with an error
	 * after 10 s at the latest.  A negative errno: not even begun. */
	int (*exchange)(void *arg, uint64_t id, const struct swim_addr *to, const uint8_t *p,
			size_t n);
	/* The rest may be NULL. */
	void (*event)(void *arg, const struct swim_event *ev);
	/* A record of ours came by packet, without the byte that says so. */
	void (*record)(void *arg, const struct swim_addr *from, struct gsp_bytes record);
	/* Our part of a push/pull: at most cap bytes, the length, 0 for none; and the peer's, whose
	 * address from is, unless it is no member, or says so from elsewhere. */
	size_t (*digest)(void *arg, uint8_t *buf, size_t cap);
	void (*merge)(void *arg, const struct swim_addr *from, struct gsp_bytes digest);
	/* What an ack to another node of ours carries, e.g. the table's hash; and what came. */
	size_t (*hash)(void *arg, uint8_t *buf, size_t cap);
	void (*hash_seen)(void *arg, const struct swim_member *m, struct gsp_bytes hash);
	/* A key query (_serf_*-key): the length of the response's payload, or a negative errno for
	 * no answer.  NULL, the default: keys are not for Serf to change. */
	int (*keys)(void *arg, struct gsp_bytes name, struct gsp_bytes payload, uint8_t *buf,
		    size_t cap);
};

#define SWIM_HASH_MAX 32	   /* bytes of ops->hash() */
#define SWIM_DIGEST_MAX (1u << 20) /* bytes of ops->digest() */
#define SWIM_SEEDS 64		   /* addresses to join by */
#define SWIM_HEALTH_MAX 7	   /* worst; 0: well */
#define SWIM_MEMBERS_MAX 8192	   /* upper bound of conf.members */

/* Times in ms.  swim_conf_default() sets everything but who it is. */
struct swim_conf {
	/* who */
	struct gsp_bytes name; /* of this node; unique in the pool */
	struct swim_addr addr;
	struct gsp_bytes meta;
	uint32_t unix_s;	    /* now; the first incarnation, and the measure of others' */
	uint64_t seed;		    /* of everything random */
	const struct swim_ops *ops; /* must outlive it */
	void *arg;

	/* how fast */
	uint32_t probe_interval, probe_timeout;
	uint32_t indirect;	 /* members asked to probe for us */
	uint32_t suspicion_mult; /* at most 6 */
	uint32_t suspicion_max_mult;
	uint32_t gossip_interval, gossip_fanout, gossip_dead;
	uint32_t retransmit_mult; /* of a membership or Serf message */
	uint32_t record_mult;	  /* of a record; fewer, since the table's hash finds gaps */
	uint32_t sync_interval;
	uint32_t rejoin_min, rejoin_max;
	uint32_t leave_wait, leave_linger;
	uint32_t reclaim; /* dead for that long: another address may have the name */
	uint32_t keep;	  /* dead and left members are remembered so long */
	uint32_t pause;	  /* called later than asked by more: this process stood still */

	/* how much */
	/* what gsp_packet_overhead() leaves of a datagram */
	uint32_t packet_max;	/* bytes given to ops->send() */
	uint32_t packets_burst; /* to one peer in one tick, when there is that much to say */
	uint32_t members;	/* known ones, dead ones too */
	uint32_t queue_bytes;	/* records; Serf's messages */
};

enum swim_profile { SWIM_LAN, SWIM_WAN, SWIM_FAST };
void swim_conf_default(struct swim_conf *conf, enum swim_profile profile);

int swim_new(struct swim **ret, const struct swim_conf *conf, uint64_t now);
void swim_free(struct swim *s);

/* When swim_tick() wants to be called; UINT64_MAX: never. */
uint64_t swim_next(const struct swim *s);
void swim_tick(struct swim *s, uint64_t now);
/* The wall clock was read anew. */
void swim_set_unix(struct swim *s, uint64_t now, uint32_t unix_s);

/* One message of a packet, as gsp_packet_open() gives it.  Unknown and wrong ones are counted. */
void swim_message(struct swim *s, uint64_t now, const struct swim_addr *from, const uint8_t *p,
		  size_t n);
/* What a dialler sent on its stream, as gsp_stream_took() gives it.  0: close it after sending *ret, which the caller
 * frees and which may be NULL; a negative errno: close it. */
int swim_request(struct swim *s, uint64_t now, const struct swim_addr *from, const uint8_t *p,
		 size_t n, uint8_t **ret, size_t *ret_n);
/* p == NULL: no answer. */
void swim_exchange_end(struct swim *s, uint64_t now, uint64_t id, const uint8_t *p, size_t n);

/* Another address to join by, tried at once and, while no live member has it, for ever. */
int swim_seed(struct swim *s, uint64_t now, const struct swim_addr *addr);
int swim_set_meta(struct swim *s, uint64_t now, struct gsp_bytes meta);
/* Says good-bye; SWIM_EV_GONE when that is done, after at most 2 * leave_wait + leave_linger. */
void swim_leave(struct swim *s, uint64_t now);
/* A failed member is not coming back; prune: forget it at once. */
int swim_force_leave(struct swim *s, uint64_t now, struct gsp_bytes name, bool prune);
int swim_user_event(struct swim *s, uint64_t now, struct gsp_bytes name, struct gsp_bytes payload,
		    bool coalesce);

/*
 * [callback] Spread a record among the nodes of ours.  A queued record of the same key, which is
 * not 0, is replaced.  Own records go out before relayed ones.  -EMSGSIZE: more than
 * swim_record_max(); -ENOBUFS: too much is queued (relayed ones make room for own ones).
 */
int swim_record(struct swim *s, uint64_t key, struct gsp_bytes record, bool own);
void swim_record_cancel(struct swim *s, uint64_t key); /* [callback] */
/* [callback] The queued record came from somebody else: one copy less is needed from here. */
void swim_record_heard(struct swim *s, uint64_t key);
size_t swim_record_max(const struct swim *s); /* [callback] */

/* [callback], all of these. */
unsigned swim_count(const struct swim *s); /* known members, this node included */
const struct swim_member *swim_at(const struct swim *s, unsigned i); /* no lasting order */
const struct swim_member *swim_find(const struct swim *s, struct gsp_bytes name);
void swim_view(const struct swim *s, const struct swim_member *m, struct swim_view *ret);
unsigned swim_live(const struct swim *s); /* alive or suspect, this node included */
unsigned swim_health(const struct swim *s);
/* Who says that it is that member, and sends from its IP address: *addr becomes the member's. */
bool swim_sender(const struct swim *s, struct gsp_bytes name, struct swim_addr *addr);
/* Some member, or an address to join by, has it. */
bool swim_has_ip(const struct swim *s, const struct gsp_addr *ip);
/* How long the queued records take at the packet rate of this node, in ms. */
uint64_t swim_backlog(const struct swim *s);

/* X(name, what it counts) */
#define SWIM_COUNTERS(X) \
	X(packets_out, "packets sent") \
	X(bytes_out, "bytes in them") \
	X(messages_in, "messages received") \
	X(sync_out, "push/pulls begun") \
	X(sync_in, "push/pulls answered") \
	X(sync_bytes, "bytes of push/pull sent") \
	X(sync_failed, "push/pulls without an answer") \
	X(bad, "messages that cannot be read") \
	X(unknown, "messages of unknown kind") \
	X(probes, "probes") \
	X(probes_failed, "probes without an answer") \
	X(probes_tcp, "probes answered on TCP alone") \
	X(suspected, "members suspected here") \
	X(declared, "members declared dead here") \
	X(reprieved, "deaths called off, since the member answered the last probe") \
	X(refutes, "accusations of this node refuted") \
	X(conflicts, "names claimed by two addresses") \
	X(forged, "incarnations beyond what the time allows") \
	X(version, "members of an incompatible version ignored") \
	X(full, "members refused, the table is full") \
	X(overflow, "messages dropped, a queue is full") \
	X(relay_full, "probes not relayed, too many at a time") \
	X(pauses, "times this process stood still") \
	X(events, "user events received") \
	X(queries, "queries received") \
	X(answers, "queries answered") \
	X(stale, "events and queries too old to tell whether they are known") \
	X(records_in, "records received") \
	X(records_out, "records sent")

struct swim_stats {
#define X(name, text) uint64_t name;
	SWIM_COUNTERS(X)
#undef X
	/* as of now */
	uint32_t queued; /* membership and Serf messages */
	uint32_t queued_records;
	uint32_t queued_peak; /* the most there ever were */
	uint32_t records_peak;
	uint64_t queued_bytes;
};

void swim_stats(const struct swim *s, struct swim_stats *ret);

#endif /* PB_GOSSIP_SWIM_H */
