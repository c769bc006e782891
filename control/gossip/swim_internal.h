/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the parts of SWIM share.  All times below are in ms of the node's own clock, s->now. */
#ifndef PB_GOSSIP_SWIM_INTERNAL_H
#define PB_GOSSIP_SWIM_INTERNAL_H

#include "control/registry/htab.h"
#include "control/util.h"

#include "packet.h"
#include "swim.h"

#define SWIM_NEVER UINT64_MAX
#define SWIM_FROM_MAX 6	  /* distinct accusers counted: suspicion_mult at most */
#define SWIM_PROBES 64	  /* under way at a time */
#define SWIM_RELAYS 64	  /* the same, for others */
#define SWIM_EXCHANGES 32 /* streams of ours at a time */
#define SWIM_INTENTS 64	  /* about members not known yet */
#define SWIM_DAY 86400u
#define SWIM_PACKET_CAP 8192	 /* of conf.packet_max */
#define SWIM_COMPOUND_MAX 255	 /* messages in one packet */
#define SWIM_QUEUE_MESSAGES 4096 /* of Serf's in the queue */
/* In one push/pull, nodes or entries of a list of Serf's: more is somebody who wants our time. */
#define SWIM_SYNC_NODES(s) (4 * (s)->conf.members)

/* ---- numbers (swim_math.c) ------------------------------------------------------------------- */

uint64_t swim_random(uint64_t *state);
uint32_t swim_below(uint64_t *state, uint32_t n); /* 0..n-1; 0 for n = 0 */
uint32_t swim_log2_fix(uint32_t n);		  /* log2(n) * 65536; n >= 1 */
unsigned swim_transmits(unsigned mult, unsigned n);
uint64_t swim_suspicion_min(const struct swim_conf *c, unsigned n);
uint64_t swim_suspicion_time(uint64_t min, uint64_t max, unsigned confirmed, unsigned k);
uint64_t swim_sync_time(uint32_t interval, unsigned n);

/* ---- timers (swim_timer.c): a heap by time --------------------------------------------------- */

enum swim_timer_kind {
	SWIM_T_PROBE,
	SWIM_T_GOSSIP,
	SWIM_T_SYNC,
	SWIM_T_REJOIN,
	SWIM_T_REAP,
	SWIM_T_LEAVE,
	SWIM_T_MEMBER, /* suspicion, verification */
	SWIM_T_PING,   /* a probe of ours */
	SWIM_T_RELAY,  /* a probe for another */
};

struct swim_timer {
	uint64_t at;
	uint32_t pos; /* in the heap, from 1; 0: not set */
	uint8_t kind;
};

struct swim_heap {
	struct swim_timer **t;
	uint32_t n, cap;
};

int swim_heap_reserve(struct swim_heap *h, uint32_t cap);
void swim_timer_set(struct swim_heap *h, struct swim_timer *t, uint64_t at);
void swim_timer_stop(struct swim_heap *h, struct swim_timer *t);
static inline struct swim_timer *swim_timer_first(const struct swim_heap *h)
{
	return h->n ? h->t[1] : NULL;
}

/* ---- broadcast queue (swim_queue.c) ---------------------------------------------------------- */

#define SWIM_SENT_MAX 24
#define SWIM_SIZES 32 /* classes of SWIM_SIZE_STEP bytes; the last has all the rest */
#define SWIM_SIZE_STEP 48

struct swim_bcast {
	struct pb_hnode node; /* by key, unless that is 0 */
	struct swim_bcast *next, **link;
	uint16_t len;
	uint8_t sent;
	uint8_t size;
	uint8_t data[];
};

/* Fewest sent first, then the largest that fits, then the newest. */
struct swim_queue {
	struct swim_bcast *list[SWIM_SENT_MAX][SWIM_SIZES];
	uint32_t used[SWIM_SENT_MAX]; /* bit: that list has entries */
	struct swim_bcast *out;	      /* taken for the peer at hand */
	struct pb_htab keys;
	size_t n, bytes, max_n, max_bytes;
	size_t peak;
};

int swim_queue_init(struct swim_queue *q, size_t max_n, size_t max_bytes);
void swim_queue_fini(struct swim_queue *q);
/* head and body are one message; -ENOBUFS: full, and nothing was replaced. */
int swim_queue_put(struct swim_queue *q, uint64_t key, struct gsp_bytes head,
		   struct gsp_bytes body);
bool swim_queue_has(const struct swim_queue *q, uint64_t key);
void swim_queue_drop(struct swim_queue *q, uint64_t key);
bool swim_queue_evict(struct swim_queue *q); /* the most sent one; false: empty */
void swim_queue_heard(struct swim_queue *q, uint64_t key, unsigned limit); /* as if sent once */
/* What was not yet taken for this peer, at most room bytes; NULL: nothing. */
const struct swim_bcast *swim_queue_take(struct swim_queue *q, size_t room);
bool swim_queue_left(const struct swim_queue *q); /* something was not taken */
/* The peer's turn is over: what was taken counts as sent once more, limit times in all. */
void swim_queue_done(struct swim_queue *q, unsigned limit);

/* ---- members --------------------------------------------------------------------------------- */

struct swim_member {
	struct pb_hnode node; /* by name */
	struct swim_timer timer;
	uint64_t since;		      /* of state */
	uint64_t told;		      /* last time it was told that it is dead */
	uint64_t start, end;	      /* suspicion */
	uint64_t ltime;		      /* Serf: of the newest intent */
	uint32_t from[SWIM_FROM_MAX]; /* hashes of accusers */
	uint32_t inc;
	uint32_t verify_inc;
	uint32_t pos; /* in s->all */
	struct swim_addr addr;
	struct gsp_vsn vsn;
	uint16_t meta_len;
	uint8_t state; /* enum gsp_state */
	uint8_t n_from, k;
	uint8_t name_len;
	bool leaving;
	bool ours;
	bool marked;	/* while intents are merged */
	bool deciding;	/* the probe that ends the suspicion is under way */
	uint8_t verify; /* enum swim_verify */
	uint8_t *meta;
	uint8_t name[];
};

enum swim_verify { SWIM_VERIFY_NO, SWIM_VERIFY_TELL, SWIM_VERIFY_WAIT };

static inline struct gsp_bytes swim_name(const struct swim_member *m)
{
	return (struct gsp_bytes){ m->name, m->name_len };
}

static inline bool swim_is_live(const struct swim_member *m)
{
	return m->state == GSP_STATE_ALIVE || m->state == GSP_STATE_SUSPECT;
}

struct swim_probe {
	struct swim_timer timer;
	struct swim_member *m; /* NULL: free */
	uint64_t deadline;
	uint64_t exchange; /* TCP ping; 0: none */
	uint32_t seq;
	uint32_t inc; /* of the member, when it was asked */
	uint8_t nacks_expected, nacks;
	bool asked; /* indirect probes are out */
};

struct swim_relay {
	struct swim_timer timer;
	bool used, nack;
	uint32_t seq, their_seq;
	struct swim_addr to;
};

enum swim_exchange_kind { SWIM_X_FREE, SWIM_X_SYNC, SWIM_X_PING };

struct swim_exchange {
	uint64_t id;
	uint8_t kind;
	struct swim_addr to;
	bool again;   /* it follows another one */
	uint32_t seq; /* PING */
};

struct swim_intent {
	uint64_t name; /* hash; 0: free */
	uint64_t ltime, at;
	bool leave;
};

/* Events or queries already seen: sets of four, by hash. */
#define SWIM_SEEN_SETS 256

struct swim_seen {
	uint64_t floor; /* at or below that LTime nobody knows any more */
	struct {
		uint64_t hash, ltime;
	} e[SWIM_SEEN_SETS][4];
};

struct swim_serf {
	uint64_t clock, event_clock, query_clock;
	struct swim_intent intent[SWIM_INTENTS];
	struct swim_seen events, queries;
};

enum swim_stage { SWIM_STAYS, SWIM_SAYS_LEAVE, SWIM_SAYS_DEAD, SWIM_LINGERS, SWIM_IS_GONE };

/* A packet under construction. */
struct swim_packet {
	unsigned n;
	size_t used; /* bytes of the messages */
	struct gsp_bytes msg[GSP_COMPOUND_MAX];
};

struct swim {
	struct swim_conf conf;
	struct swim_heap heap;
	uint64_t now;		  /* own clock: no pauses in it, never goes back */
	uint64_t called;	  /* the caller's, of the last call */
	uint64_t unix_s, unix_at; /* wall clock, at the caller's time */
	uint64_t rng;
	uint8_t hash_key[16];

	struct pb_htab names;
	struct swim_member **all;
	uint32_t n, n_live, n_ours;
	struct swim_member *me;
	uint32_t cap;		    /* of all and order */
	uint64_t full_until;	    /* till then nobody makes room for another */
	struct swim_member **order; /* of probing */
	uint32_t order_n, order_at;

	unsigned health;
	uint32_t seq;
	struct swim_probe probe[SWIM_PROBES];
	struct swim_relay relay[SWIM_RELAYS];
	struct swim_exchange exchange[SWIM_EXCHANGES];
	uint64_t exchange_next;
	struct swim_timer t_probe, t_gossip, t_sync, t_rejoin, t_reap, t_leave;

	struct swim_addr seed[SWIM_SEEDS];
	uint8_t n_seeds;
	unsigned tries; /* to join, without success */
	bool refuted;	/* since it was last cleared */
	bool joined;	/* once */
	bool quiet;	/* what is learned now, everybody else knows */

	enum swim_stage stage;
	uint64_t stage_end;
	struct swim_serf serf;
	struct swim_queue q_member, q_serf, q_own, q_relayed;
	struct swim_packet out;
	bool pressed;			  /* more records than packets, in the last tick */
	bool turn;			  /* of records larger than half a packet */
	uint8_t scratch[SWIM_PACKET_CAP]; /* one message of ours */
	uint8_t packet[SWIM_PACKET_CAP];
	struct swim_stats stats;
};

static inline bool swim_is_gone(const struct swim *s)
{
	return s->stage == SWIM_IS_GONE;
}

/* ---- swim.c ---------------------------------------------------------------------------------- */

/* Every call from outside begins with it. */
void swim_clock(struct swim *s, uint64_t called);
uint32_t swim_unix(const struct swim *s);
void swim_set_health(struct swim *s, int delta);
void swim_emit(struct swim *s, enum swim_event_type type, const struct swim_member *m);
static inline void swim_at_in(struct swim *s, struct swim_timer *t, uint64_t ms)
{
	swim_timer_set(&s->heap, t, s->now + ms);
}

/* ---- swim_member.c --------------------------------------------------------------------------- */

uint64_t swim_hash(const struct swim *s, struct gsp_bytes b);
struct swim_member *swim_get(const struct swim *s, struct gsp_bytes name);
/* Dead until somebody says otherwise; NULL: no room. */
struct swim_member *swim_member_add(struct swim *s, struct gsp_bytes name);
void swim_member_remove(struct swim *s, struct swim_member *m);
int swim_member_set_meta(struct swim *s, struct swim_member *m, struct gsp_bytes meta);
void swim_member_state(struct swim *s, struct swim_member *m, enum gsp_state state);
/* Up to n distinct others that pick() likes; how many were found. */
typedef bool swim_pick_fn(const struct swim *s, const struct swim_member *m, const void *arg);
unsigned swim_pick(struct swim *s, unsigned n, swim_pick_fn *pick, const void *arg,
		   struct swim_member **ret);
struct swim_member *swim_next_target(struct swim *s);
struct swim_member *swim_by_addr(const struct swim *s, const struct swim_addr *a);
void swim_reap(struct swim *s);

/* ---- swim_rules.c, swim_suspicion.c ---------------------------------------------------------- */

void swim_alive(struct swim *s, const struct gsp_alive *a);
void swim_suspect(struct swim *s, const struct gsp_suspect *a);
void swim_dead(struct swim *s, const struct gsp_dead *d);
void swim_refute(struct swim *s, uint32_t accused);
bool swim_forged(struct swim *s, const struct swim_member *m, struct gsp_bytes name, uint32_t inc,
		 uint64_t days);
void swim_say_alive(struct swim *s, const struct swim_member *m);
void swim_tell_dead(struct swim *s, struct swim_member *m, const struct swim_addr *addr);
void swim_suspicion_begin(struct swim *s, struct swim_member *m, struct gsp_bytes from);
/* Whether from is an accuser who counts and has not spoken yet. */
bool swim_suspicion_confirm(struct swim *s, struct swim_member *m, struct gsp_bytes from);
void swim_suspicion_timer(struct swim *s, struct swim_member *m);
void swim_verify_begin(struct swim *s, struct swim_member *m, uint32_t inc, uint32_t spread);
/* The deciding probe of a suspect is over. */
void swim_suspicion_decided(struct swim *s, struct swim_member *m, bool answered);

/* ---- swim_probe.c, swim_relay.c -------------------------------------------------------------- */

void swim_probe_tick(struct swim *s);
/* False: too many are under way. */
bool swim_probe_begin(struct swim *s, struct swim_member *m);
void swim_probe_timer(struct swim *s, struct swim_probe *p);
void swim_probe_forget(struct swim *s, const struct swim_member *m);
void swim_probe_tcp(struct swim *s, uint64_t exchange, bool answered);
/* Suspicion and ping in one packet, so that the ack already carries the refutation. */
void swim_tell(struct swim *s, const struct swim_member *m, uint32_t inc, uint32_t seq);
void swim_on_ping(struct swim *s, const struct swim_addr *from, const uint8_t *p, size_t n);
void swim_on_indirect(struct swim *s, const struct swim_addr *from, const uint8_t *p, size_t n);
void swim_on_ack(struct swim *s, const uint8_t *p, size_t n);
void swim_on_nack(struct swim *s, const uint8_t *p, size_t n);
void swim_relay_timer(struct swim *s, struct swim_relay *r);
bool swim_relay_ack(struct swim *s, uint32_t seq);
/* Where an answer goes: only known members can name another address than they sent from. */
const struct swim_member *swim_asker(const struct swim *s, struct gsp_bytes name,
				     const struct gsp_addr *ip, uint16_t port,
				     struct swim_addr *to);

/* ---- swim_gossip.c --------------------------------------------------------------------------- */

void swim_gossip_tick(struct swim *s);
/* What stays readable until swim_flush(). */
void swim_add(struct swim *s, const uint8_t *p, size_t n);
/* Sends what was added, with as much of the queues as fits. */
void swim_flush(struct swim *s, const struct swim_addr *to, bool ours);
/* One message, in a packet like that. */
void swim_send(struct swim *s, const struct swim_addr *to, bool ours, const uint8_t *p, size_t n);
/* The message alone: for those who are no members.  What is queued would make much of little, for
 * whoever's address was forged, and would be gone before the members have it. */
void swim_send_bare(struct swim *s, const struct swim_addr *to, const uint8_t *p, size_t n);
void swim_broadcast(struct swim *s, uint64_t key, const uint8_t *p, size_t n);
void swim_broadcast_serf(struct swim *s, uint64_t key, const uint8_t *p, size_t n);
unsigned swim_limit(const struct swim *s);

/* ---- swim_input.c, swim_sync.c, swim_merge.c ------------------------------------------------- */

void swim_on_user(struct swim *s, const struct swim_addr *from, struct gsp_bytes data);
int swim_sync_build(struct swim *s, bool join, bool all, uint8_t **ret, size_t *ret_n);
/* A negative errno: it is not one.  *ret_ours: the peer is one of ours. */
int swim_sync_merge(struct swim *s, const struct swim_addr *from, const uint8_t *p, size_t n,
		    bool *ret_ours);
void swim_sync_tick(struct swim *s);
void swim_rejoin_tick(struct swim *s);
int swim_sync_with(struct swim *s, const struct swim_addr *to, bool join, bool again);
uint64_t swim_exchange_begin(struct swim *s, enum swim_exchange_kind kind,
			     const struct swim_addr *to, const uint8_t *p, size_t n);
struct swim_exchange *swim_exchange_get(struct swim *s, uint64_t id);

/* ---- swim_serf.c, swim_query.c, swim_leave.c ------------------------------------------------- */

void swim_serf_message(struct swim *s, const struct swim_addr *from, struct gsp_bytes m);
/* True: never seen, and not too old. */
bool swim_seen_add(struct swim *s, struct swim_seen *seen, uint64_t clock, uint64_t ltime,
		   uint64_t hash);
bool swim_witness(uint64_t *clock, uint64_t ltime);
void swim_on_intent(struct swim *s, uint64_t ltime, struct gsp_bytes node, bool leave, bool prune,
		    bool relay);
void swim_say_join(struct swim *s);
void swim_say_leave(struct swim *s, struct gsp_bytes node, bool prune);
uint64_t swim_intent_key(const struct swim *s, struct gsp_bytes node);
/* What intents said before the member was known. */
void swim_intents_apply(struct swim *s, struct swim_member *m);
void swim_on_query(struct swim *s, struct gsp_bytes raw);
int swim_serf_state(struct swim *s, uint8_t **ret, size_t *ret_n);
void swim_serf_merge(struct swim *s, const struct swim_addr *from, struct gsp_bytes user,
		     bool *ret_ours);
void swim_leave_tick(struct swim *s);

#endif /* PB_GOSSIP_SWIM_INTERNAL_H */
