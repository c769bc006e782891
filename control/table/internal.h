/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Inside of the table.  Two layers: the partitions as their owners wrote them, bytes that are
 * merged by version alone (store.c, apply.c, sync.c); and the view, what of it is used (view.c,
 * claim.c, member.c).  A bad record changes the first and stops the second.
 */
#ifndef PB_TABLE_INTERNAL_H
#define PB_TABLE_INTERNAL_H

#include <string.h>
#include <sys/queue.h>

#include "registry/htab.h"
#include "table.h"
#include "util.h"
#include "wire.h"

#define ASKS 4		     /* slot 0: for pulls, one at a time; the others push */
#define COVERS 16	     /* own flushes remembered */
#define CHUNKS_MAX 32	     /* of one flush; more is for pulls */
#define FUTURE_MS 3600000ULL /* a signature may be ahead of the clock */
/*
 * An epoch: twice what clocks may be wrong (a day, as for gossip).  A node that started with its
 * clock ahead never goes below that epoch, and must be heard when its clock is right again.
 */
#define EPOCH_AHEAD_MS (48 * 3600000ULL)
#define SLOW_MS 1000	/* between looks at what is dead, parked, held */
#define LOSSY_MS 60000	/* between tries to get the whole of an owner that had too much */
#define FORGED_MS 10000 /* ... or of one whose signature is wrong */
#define CERT_MS 60000	/* ... or its certificate */

struct blob {
	uint32_t refs;
	uint16_t n;
	uint8_t p[];
};

enum form { FORM_OK, FORM_LATER, FORM_BAD };

struct rec {
	TAILQ_ENTRY(rec) link;	   /* by version, if ver is not 0 */
	uint64_t ver;		   /* 0: no longer part of the partition, still in the view */
	struct blob *cur;	   /* NULL: deleted */
	struct blob *good;	   /* the last that was in order; in quarantine not cur */
	struct blob *shown;	   /* what the view has; NULL: nothing */
	const struct blob *judged; /* cur or good: what refused is about */
	struct claim *claim;
	struct load *load;
	uint32_t id;
	uint32_t app; /* endpoint: its application, of cur */
	uint8_t kind;
	uint8_t form; /* enum form, of cur */
	uint8_t fate; /* enum tbl_fate */
	bool refused;
	bool want; /* view.c */
	bool mark; /* apply.c */
};

TAILQ_HEAD(rec_list, rec);

/* An application that would be in the view if nobody had claimed it before. */
struct claim {
	struct pb_hnode by_name, by_vip4, by_vip6;
	const struct blob *blob;
	struct owner *owner;
	struct rec *rec;
	struct tbl_claim key;
};

/* An own endpoint's connections, not announced yet. */
struct load {
	TAILQ_ENTRY(load) link;
	struct rec *rec;
	uint64_t last; /* announced */
	uint32_t live;
	bool pending;
};

struct owner {
	struct pb_hnode by_number;
	TAILQ_ENTRY(owner) all, dirty, gap;
	struct tbl_id id;
	char *name;	    /* NULL: never told */
	char *why;	    /* NULL: not in quarantine */
	const char *why_of; /* forged when that was said */

	struct rec **recs; /* by kind and id */
	uint32_t n, cap;
	struct rec_list by_ver;
	uint64_t epoch, have;	    /* everything up to have is here */
	uint64_t head;		    /* the latest heard of */
	uint64_t floor;		    /* deletions up to it are forgotten */
	uint64_t ahead_base, ahead; /* all of (ahead_base, ahead] is here, too; 0: nothing */
	uint64_t hash;		    /* what it adds to the table's; 0: nothing */
	uint32_t records, bytes, deletes, bad, shown;

	uint64_t since;		      /* of its state */
	uint64_t note_epoch;	      /* not 0: relayed copies up to it are of the dead */
	uint64_t hold_until;	      /* not 0: the view keeps the epoch before */
	uint64_t gap_at;	      /* gap: when to ask */
	uint64_t asked;		      /* last; 0: never */
	uint64_t whole_at;	      /* lossy: when the whole of it was asked for */
	uint64_t served;	      /* leaky bucket of its requests */
	uint64_t sent_base, sent_ver; /* last delta sent or relayed */
	uint32_t sent_key;
	uint32_t tries;
	uint32_t alive_at; /* index in tbl.alive */
	uint8_t state;	   /* enum tbl_state */
	bool self;
	bool kept;  /* dead, and the view is frozen */
	bool more;  /* head is not the end of what the owner said at once */
	bool lossy; /* records were refused: it is not passed on */
	bool in_gap, in_dirty, parked;

	bool unproven;	       /* not signed as it is: the view keeps what was */
	bool expired;	       /* what was proven is so no longer: then it keeps nothing */
	bool cert_bad;	       /* forged is about its certificate */
	const char *forged;    /* ... and this is wrong with its signature */
	uint64_t unproven_at;  /* since when */
	uint64_t proven_until; /* unix, what the view has; 0: never was */
	struct tbl_cert *cert; /* of cert_of; NULL: it is none */
	struct blob *cert_of;
	uint64_t sig_epoch, sig_ver;
	uint8_t sig[TBL_SIG_LEN];
};

TAILQ_HEAD(owner_list, owner);
TAILQ_HEAD(load_list, load);

struct ask {
	uint32_t id; /* 0: free */
	struct owner *peer;
	uint64_t until;
};

struct cover {
	uint64_t at, ver;
};

struct buf {
	uint8_t *p;
	size_t cap;
};

struct tbl {
	struct tbl_conf conf;
	struct owner *self;
	struct pb_htab by_number, by_name, by_vip4, by_vip6;
	struct owner_list owners, dirty, gaps;
	struct load_list loads;
	struct owner **alive; /* other members */
	uint32_t n_alive, cap_alive, next_alive;
	uint32_t n_owners;
	uint64_t now;
	int64_t unix_off; /* wall clock minus now */
	uint64_t sums[WIRE_BUCKETS], sum;
	uint32_t hashed;

	uint64_t sealed_at;	   /* unix */
	uint64_t put_at, flush_at; /* own changes since; not before (0: none) */
	uint64_t own_sent;	   /* own version announced */
	struct cover cover[COVERS];
	unsigned n_cover;
	uint64_t clone_epoch, clone_next;
	unsigned clone_n;

	struct ask asks[ASKS];
	uint32_t next_id;
	uint64_t differ_since, last_news, slow_at;

	const char *frozen;
	uint32_t frozen_of; /* members when it froze */
	uint32_t health;

	struct buf items, part;
	struct tbl_stats stats;
};

/* ---- store.c ---- */
struct blob *blob_new(const uint8_t *p, size_t n);
struct blob *blob_ref(struct blob *b);
void blob_swap(struct blob **at, struct blob *b); /* takes a reference to b, which may be NULL */
struct rec *rec_find(const struct owner *o, uint8_t kind, uint32_t id);
/* -ENOSPC, -ENOMEM; *ret_new says whether a bound allows it (bytes in addition). */
int rec_room(struct tbl *t, const struct owner *o, const struct rec *r, size_t n);
struct rec *rec_get(struct owner *o, uint8_t kind, uint32_t id); /* adds it; NULL: no memory */
/* Takes over b (NULL: deleted) as of ver. */
void rec_set(struct tbl *t, struct owner *o, struct rec *r, uint64_t ver, struct blob *b);
void rec_leave(struct tbl *t, struct owner *o, struct rec *r); /* out of the partition */
void recs_sweep(struct tbl *t, struct owner *o); /* frees what is neither there nor shown */
void deletes_trim(struct tbl *t, struct owner *o, bool all);
void owner_reset(struct tbl *t, struct owner *o, uint64_t epoch);

/* ---- owner.c ---- */
struct owner *owner_find(const struct tbl *t, const struct tbl_id *id);
struct owner *owner_number(const struct tbl *t, uint64_t number);
int owner_get(struct tbl *t, const struct tbl_id *id, struct owner **ret);
void owner_free(struct tbl *t, struct owner *o);
void owner_rehash(struct tbl *t, struct owner *o);
void owner_account(struct tbl *t, struct owner *o, int64_t records, int64_t bytes);
void owner_park(struct tbl *t, struct owner *o);
void owner_set_alive(struct tbl *t, struct owner *o, bool alive);
bool owner_member(const struct owner *o); /* alive, suspect or self */
void owner_view(const struct owner *o, struct tbl_owner *ret);
void owner_judge(struct tbl *t, struct owner *o); /* into or out of quarantine */
void tell_note(struct tbl *t, enum tbl_note_kind kind, const struct owner *o,
	       const struct tbl_record *r, const struct tbl_id *other, const char *why);
void tell_owner(struct tbl *t, const struct owner *o);

/* ---- parts.c ---- */
/* What of o is later than (epoch, ver), at most limit bytes, in t->part: the length; 0: nothing,
 * or nothing fits (*ret_more).  *ret_ver: up to where. */
size_t part_build(struct tbl *t, struct owner *o, uint64_t epoch, uint64_t ver, size_t limit,
		  uint64_t *ret_ver, bool *ret_more);
int buf_grow(struct buf *b, size_t cap);
int send_delta(struct tbl *t, struct owner *o, const uint8_t *p, size_t n, uint64_t base,
	       uint64_t ver, enum tbl_how how);
uint64_t delta_key(const struct owner *o);

/* ---- apply.c ---- */
int part_apply(struct tbl *t, const struct wire_part *m);
int refuse(struct tbl *t, int err); /* counts a message that cannot be used */
bool epoch_future(struct tbl *t, uint64_t epoch);
void gap_set(struct tbl *t, struct owner *o, uint64_t at);
void gap_clear(struct tbl *t, struct owner *o);

/* ---- own.c ---- */
void own_seen(struct tbl *t, uint64_t epoch, uint64_t ver);
void own_tick(struct tbl *t);
void own_changed(struct tbl *t);
uint64_t own_next(const struct tbl *t);
void load_free(struct tbl *t, struct rec *r);

/* ---- sync.c ---- */
/* An answer to that digest, or to those wants: malloc()ed; NULL and 0: there is nothing to say. */
int answer_digest(struct tbl *t, const struct wire_digest *d, bool wants, uint8_t **ret,
		  size_t *ret_n);
int answer_wants(struct tbl *t, struct gsp_bytes wants, uint8_t **ret, size_t *ret_n);
int digest_build(const struct tbl *t, const uint8_t *mask, uint32_t flags, uint8_t **ret,
		 size_t *ret_n);

/* ---- sign.c ---- */
bool signs(const struct tbl *t);  /* this node */
bool checks(const struct tbl *t); /* what others signed */
int own_cert(struct tbl *t);
void own_sign(struct tbl *t);
void own_seal_tick(struct tbl *t);
uint64_t own_seal_next(const struct tbl *t);
const char *cert_refuses(struct tbl *t, struct owner *o, const struct tbl_record *x);
void cert_free(struct owner *o);
void prove(struct tbl *t, struct owner *o);
void prove_again(struct tbl *t, struct owner *o);
void prove_tick(struct tbl *t, struct owner *o);
bool sig_take(struct owner *o, const struct wire_part *m);

/* ---- pull.c ---- */
int ask_peer(struct tbl *t, struct owner *peer, bool push, const uint8_t *p, size_t n);
void pull_tick(struct tbl *t);
uint64_t pull_next(const struct tbl *t);
void pull_forget(struct tbl *t, const struct owner *o);

/* ---- member.c ---- */
bool owner_used(const struct owner *o);
void member_tick(struct tbl *t);

/* ---- view.c ---- */
void view_touch(struct tbl *t, struct owner *o);
void view_run(struct tbl *t);
bool view_held(const struct owner *o);
void view_release(struct tbl *t, struct owner *o); /* shown and good of everything: forgotten */

/* ---- claim.c ---- */
int claim_set(struct tbl *t, struct owner *o, struct rec *r, const struct blob *b,
	      const struct tbl_app *app); /* app NULL: no claim any more */
/* The first of those that clash with it and were first; NULL: none. */
const struct claim *claim_loses(const struct tbl *t, const struct claim *c, enum tbl_clash *ret);

static inline void tbl_enter(struct tbl *t, uint64_t now)
{
	if (now > t->now)
		t->now = now;
}

static inline uint64_t tbl_unix(const struct tbl *t)
{
	return t->now + (uint64_t)t->unix_off;
}

#endif /* PB_TABLE_INTERNAL_H */
