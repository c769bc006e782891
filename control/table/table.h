/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The service table of a cluster: each node owns its part, and has a copy of everybody else's.
 * docs/decisions/0016-table.md.  A pure state machine: no descriptor, no clock, no randomness of
 * its own; the agent drives it, and the simulator a thousand of them.
 *
 * To drive one: tell it who is a member (tbl_member), give it what arrives (tbl_delta_in,
 * tbl_request_in, tbl_answer_in, tbl_digest_in, tbl_hash_seen), call tbl_tick() when tbl_next()
 * says so.  now is any clock in ms that does not go back.
 *
 * Not thread-safe.  Callbacks come from inside the calls that take now, and may call back only what
 * is marked [callback]; what they are given is valid until they return.
 */
#ifndef PB_TABLE_TABLE_H
#define PB_TABLE_TABLE_H

#include "cert.h"

#define TBL_NAME_LEN 256 /* of a node, with its NUL */
#define TBL_HASH_LEN 12	 /* bytes of tbl_hash() */
#define TBL_WHY_LEN 160

struct tbl;

enum tbl_state {
	TBL_UNKNOWN, /* no member (yet): its records are parked, not used */
	TBL_ALIVE,
	TBL_SUSPECT, /* used, but the last choice */
	TBL_DEAD,    /* records withdrawn, kept for conf.keep_ms */
	TBL_LEFT,    /* the same */
};

/* An owner as of now. */
struct tbl_owner {
	struct tbl_id id;
	const char *name; /* of the node; empty: never told */
	enum tbl_state state;
	bool self;
	bool used;	 /* its records are in the view, dead and frozen ones too */
	bool behind;	 /* news of it are missing and are being fetched */
	bool signs;	 /* what it says comes with signatures, of whatever worth */
	bool held;	 /* not complete, or not signed yet: the view shows what was before */
	const char *why; /* quarantined: why; NULL: not.  Its last good records stay in the view */
	uint64_t epoch, ver; /* of what is here; epoch 0: nothing yet */
	uint32_t records, bytes, shown;
};

/* What became of a record. */
enum tbl_fate {
	TBL_SHOWN,
	TBL_HELD,    /* what it belongs to is not there yet */
	TBL_REFUSED, /* ops->allowed() said no */
	TBL_LOST,    /* another application was first: tbl_clash() */
	TBL_LATER,   /* of a later version of Patchbay */
	TBL_BAD,     /* cannot be read: its owner is in quarantine */
	TBL_IDLE,    /* its owner is not used */
};

enum tbl_change { TBL_ADDED, TBL_CHANGED, TBL_REMOVED };

enum tbl_note_kind {
	TBL_N_QUARANTINE, /* why: of owner; why NULL: over */
	TBL_N_REFUSED,	  /* record was refused by ops->allowed(): why */
	TBL_N_LOST,	  /* record (perhaps this node's own) clashes with one of other: why */
	TBL_N_WON,	  /* record is this node's own, and one of other lost against it: why */
	TBL_N_FROZEN,	  /* the view keeps what it had: why; why NULL: over */
	TBL_N_CLONE,	  /* somebody used this node's id with a later epoch: why */
	TBL_N_FULL,	  /* something of owner was refused, a bound was reached: why */
};

struct tbl_note {
	enum tbl_note_kind kind;
	const struct tbl_owner *owner;	 /* NULL where there is none */
	const struct tbl_record *record; /* the same */
	const struct tbl_id *other;	 /* the same */
	const char *why;
};

enum tbl_how {
	TBL_RELAY,   /* came from somebody else */
	TBL_OWN,     /* this node's: goes out first */
	TBL_OWN_NOW, /* at once, to everybody */
};

/* All but send and ask may be NULL. */
struct tbl_ops {
	/* Spread it by gossip; it replaces what is queued under the same key.  Negative errno: not
	 * queued; own ones are offered again later. */
	int (*send)(void *arg, uint64_t key, const uint8_t *p, size_t n, enum tbl_how how);
	/* What is queued under that key came from somebody else: one copy less is needed. */
	void (*heard)(void *arg, uint64_t key);
	/* One request to that member; its answer goes to tbl_answer_in() with the same id, once.
	 * Negative errno: not even begun. */
	int (*ask)(void *arg, uint32_t id, const struct tbl_id *to, const uint8_t *p, size_t n);
	uint32_t (*random)(void *arg); /* NULL: a fixed order */

	/*
	 * The view changed.  Order: a node before its applications, an application before its
	 * endpoints; removals the other way round.  was: before it changed; else NULL.
	 */
	void (*change)(void *arg, const struct tbl_owner *o, enum tbl_change what,
		       const struct tbl_record *r, const struct tbl_record *was);
	/* State, name, quarantine of an owner changed.  Before its records come, after they go. */
	void (*owner)(void *arg, const struct tbl_owner *o);
	/* May the owner say that?  NULL: yes; else why not (copied).  See tbl_policy_changed(). */
	const char *(*allowed)(void *arg, const struct tbl_owner *o, const struct tbl_record *r);
	void (*note)(void *arg, const struct tbl_note *n); /* to be logged; bound what you log */
	/* This node's epoch was raised: keep it on disk. */
	void (*epoch)(void *arg, uint64_t epoch);
};

/* tbl_conf_default() sets everything but id, name, epoch, unix_ms, ops and arg. */
struct tbl_conf {
	struct tbl_id id; /* of this node */
	const char *name;
	uint64_t epoch;	  /* tbl_epoch() */
	uint64_t unix_ms; /* wall clock now; tbl_set_unix() when it was read anew */
	uint8_t key[16]; /* of the hash: the same on all nodes, derived from the cluster's secret */
	const struct tbl_ops *ops; /* must outlive it */
	void *arg;

	/* Signed ownership.  What is given outlives the table, but for cert. */
	const uint8_t *ca;     /* public key of the CA: others must sign; NULL: need not */
	const char *label;     /* of the cluster */
	const uint8_t *secret; /* whose public key cert has */
	const uint8_t *cert;   /* of this node, tbl_cert_make(): it signs; needed with ca */
	uint32_t cert_len;
	uint32_t seal_ms;     /* signed anew so often, */
	uint32_t seal_max_ms; /* ... and not used when it is older */

	/* how fast, ms */
	uint32_t coalesce_ms;  /* own changes wait so long for more; tbl_flush() does not */
	uint32_t cover_ms;     /* a delta repeats own changes that young, if there is room */
	uint32_t load_ms;      /* connections of one endpoint are announced at most so often */
	uint32_t load_percent; /* ... and only when they changed by more */
	uint32_t gap_ms;       /* a gap may close by itself so long */
	uint32_t quiet_ms;     /* hashes differ and nothing arrives: then digests are compared */
	uint32_t force_ms;  /* ... or so long though news arrive, with 1,000 owners; less, sooner */
	uint32_t peer_ms;   /* one peer is asked at most so often */
	uint32_t ask_ms;    /* no answer: given up */
	uint32_t keep_ms;   /* records of the dead */
	uint32_t note_ms;   /* ... and then the note that they are dead */
	uint32_t park_ms;   /* records of owners that never become members */
	uint32_t hold_ms;   /* a new epoch may take so long to be complete */
	uint32_t window_ms; /* freeze: more than half of the members dead within it */

	/* how much */
	uint32_t delta_max;	/* bytes given to ops->send(): swim_record_max() */
	uint32_t answer_max;	/* bytes of an answer, enough for any one owner: see tbl_new() */
	uint32_t records_owner; /* records of one owner */
	uint32_t bytes_owner;	/* ... and their bytes */
	uint32_t records_max;	/* of all owners */
	uint32_t owners_max;	/* parked ones and notes too */
	uint32_t parked_bytes;	/* of owners that are no members */
	uint32_t deletes;	/* deletions remembered of each owner */
	uint32_t unhealthy;	/* tbl_health() from which the view freezes */
	uint32_t bucket_owners; /* more owners: digests are compared by 256 buckets first */
};

void tbl_conf_default(struct tbl_conf *conf);
/* Epoch to start with: later than what is on disk (0: nothing), and than any of the past. */
uint64_t tbl_epoch(uint64_t persisted, uint64_t unix_ms);

/* -EINVAL: also when answer_max < bytes_owner + 40 * records_owner + 4 KiB. */
int tbl_new(struct tbl **ret, const struct tbl_conf *conf, uint64_t now);
void tbl_free(struct tbl *t);
/* When tbl_tick() wants to be called; UINT64_MAX: never. */
uint64_t tbl_next(const struct tbl *t);
void tbl_tick(struct tbl *t, uint64_t now);
void tbl_set_unix(struct tbl *t, uint64_t now, uint64_t unix_ms);
void tbl_set_delta_max(struct tbl *t, uint32_t bytes); /* swim_record_max() changed */

/* ---- what this node says of itself ------------------------------------------------------------ */

/*
 * Adds or replaces; r->kind and r->id name it.  Nothing changed: nothing happens.  -EINVAL: cannot
 * be encoded; -ENOSPC: a bound.  After a start put everything, then tbl_flush(): others keep
 * showing what the node said before until the new set is complete.
 */
int tbl_put(struct tbl *t, const struct tbl_record *r, uint64_t now);
int tbl_del(struct tbl *t, enum tbl_kind kind, uint32_t id, uint64_t now); /* -ENOENT */
/* Sends own changes at once, as TBL_OWN or TBL_OWN_NOW. */
void tbl_flush(struct tbl *t, enum tbl_how how, uint64_t now);
/* Another certificate, of the same CA; what conf.secret points to has changed with it, or not.
 * -EINVAL: it does not sign, or that is too long. */
int tbl_set_cert(struct tbl *t, const uint8_t *cert, uint32_t n, uint64_t now);

/* ---- members ---------------------------------------------------------------------------------- */

/* name may be NULL: as it was.  -EINVAL: this node's own id (a clone, if it is alive): noted. */
int tbl_member(struct tbl *t, const struct tbl_id *id, const char *name, enum tbl_state state,
	       uint64_t now);
/* Score of the failure detector, 0 well: swim_health(). */
void tbl_health(struct tbl *t, unsigned score, uint64_t now);
/* Ends a freeze by hand: what is dead is withdrawn. */
void tbl_thaw(struct tbl *t, uint64_t now);
/* [callback] NULL: not frozen. */
const char *tbl_frozen(const struct tbl *t);

/* ---- network ---------------------------------------------------------------------------------- */

/*
 * A record of gossip.  1: news, and relayed by ops->send(); 0: nothing new; -EBADMSG, -ENODATA,
 * -E2BIG, -EPROTONOSUPPORT (incompatible version), -ESTALE (of somebody dead), -ERANGE (an epoch
 * beyond the time), -ENOSPC (a bound): ignored and counted.
 */
int tbl_delta_in(struct tbl *t, const uint8_t *p, size_t n, uint64_t now);

/* What an ack carries: the sum over members and their versions, and how many. */
size_t tbl_hash(const struct tbl *t, uint8_t *buf, size_t cap); /* [callback]; 0: cap too small */
void tbl_hash_seen(struct tbl *t, const struct tbl_id *from, const uint8_t *p, size_t n,
		   uint64_t now);

/* For a push/pull: at most cap bytes, the length; 0: does not fit.  [callback] */
size_t tbl_digest_out(const struct tbl *t, uint8_t *buf, size_t cap);
/* What came by a push/pull: what the other side lacks is sent to it by ops->ask(). */
int tbl_digest_in(struct tbl *t, const struct tbl_id *from, const uint8_t *p, size_t n,
		  uint64_t now);

/* Another member asks (its ops->ask()); from may be NULL.  0: *ret is to be freed, and NULL for an
 * empty answer.  -EAGAIN: it asks too often.  Else as tbl_delta_in(). */
int tbl_request_in(struct tbl *t, const struct tbl_id *from, const uint8_t *p, size_t n,
		   uint8_t **ret, size_t *ret_n, uint64_t now);
/* The end of ops->ask(): err 0 and the answer, or a negative errno. */
int tbl_answer_in(struct tbl *t, uint32_t id, int err, const uint8_t *p, size_t n, uint64_t now);

/* ---- to read: [callback], all of these -------------------------------------------------------- */

bool tbl_id_eq(const struct tbl_id *a, const struct tbl_id *b);
/* Node number of an id: pb_peer.node. */
uint64_t tbl_number(const struct tbl_id *id);
/* false: not known. */
bool tbl_owner(const struct tbl *t, const struct tbl_id *id, struct tbl_owner *ret);
bool tbl_owner_by_number(const struct tbl *t, uint64_t number, struct tbl_owner *ret);
/* Every owner, this node too; until each() returns false. */
void tbl_each_owner(const struct tbl *t, bool (*each)(void *arg, const struct tbl_owner *o),
		    void *arg);
/* Records of the view (all: also those not in it, as they came; bad and later ones have their kind
 * and id only), of one owner, or of all if id is NULL; own ones only if id is this node's. */
void tbl_each(const struct tbl *t, const struct tbl_id *id, bool all,
	      bool (*each)(void *arg, const struct tbl_owner *o, const struct tbl_record *r,
			   enum tbl_fate fate),
	      void *arg);
/* What the view shows under that name; false: nothing. */
bool tbl_find(const struct tbl *t, const struct tbl_id *id, enum tbl_kind kind, uint32_t rec,
	      struct tbl_record *ret);
/* Asks ops->allowed() about everything again. */
void tbl_policy_changed(struct tbl *t, uint64_t now);

/* X(name, what it counts) */
#define TBL_COUNTERS(X) \
	X(puts, "own changes") \
	X(loads_spared, "changes of load not announced") \
	X(deltas_out, "deltas made") \
	X(send_refused, "deltas the gossip queue had no room for") \
	X(deltas_in, "deltas received") \
	X(deltas_new, "deltas that brought news") \
	X(gaps, "deltas that came before what they build on") \
	X(applied, "records taken over") \
	X(snapshots_in, "whole partitions received") \
	X(snapshots_out, "whole partitions sent") \
	X(asks, "requests made") \
	X(asks_failed, "requests without an answer") \
	X(answers, "requests answered") \
	X(answer_bytes, "bytes of answers and pushes sent") \
	X(asked_often, "requests refused, too many from one peer") \
	X(parked, "records kept for owners that are no members yet") \
	X(bad, "messages that cannot be read") \
	X(incompatible, "messages of an incompatible version") \
	X(bad_records, "records that cannot be read") \
	X(later_records, "records of a later version") \
	X(future, "epochs beyond what the time allows") \
	X(stale, "records of the dead ignored") \
	X(clones, "times somebody else used this node's id") \
	X(full_owner, "records refused, their owner has too many") \
	X(full_table, "records refused, the table is full") \
	X(full_owners, "owners refused, too many") \
	X(full_parked, "records of unknown owners dropped, too many") \
	X(clashed_number, "owners refused, their number is another's") \
	X(forged, "states that are not what their owner signed") \
	X(refused, "records refused by policy, or not in their owner's certificate") \
	X(lost, "records that lost against another's claim") \
	X(quarantines, "owners put into quarantine") \
	X(freezes, "times the view froze")

struct tbl_stats {
#define X(name, text) uint64_t name;
	TBL_COUNTERS(X)
#undef X
	/* as of now */
	uint32_t owners, members, quarantined, behind;
	uint32_t records, shown;
	uint64_t bytes, parked_now;
};

void tbl_stats(const struct tbl *t, struct tbl_stats *ret);

#endif /* PB_TABLE_TABLE_H */
