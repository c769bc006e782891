/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The engine's inside: engine.c, engine_*.c. */
#ifndef PB_FRAMES_ENGINE_INTERNAL_H
#define PB_FRAMES_ENGINE_INTERNAL_H

#include "control/frames/engine.h"

#define FE_VEC 16	     /* pieces of one send */
#define FE_DIRECT (8 << 10)  /* so much is not copied, if the socket takes it */
#define FE_IN_MAX (64 << 10) /* of a client's bytes that cannot be worked on yet: it is not read */
#define FE_SCRATCH (64 << 10)
#define FE_SINGLE 32		 /* so many frames alone: not a client that pipelines */
#define FE_REPLY_HEAD (64 << 10) /* reply() must have understood by then */

/* ---- buffers */

struct fe_chunk {
	struct fe_chunk *next;
	uint32_t off, len, cap, cls;
	uint8_t data[];
};

struct fe_q {
	struct fe_chunk *head, *tail;
	size_t bytes;
};

/* Bytes that wait for more of their kind. */
struct fe_in {
	uint8_t *data;
	uint32_t off, len, cap;
};

/* What clients and links have in common: a socket. */
struct fe_sock {
	struct fe *fe;
	void *sock;
	struct fe_q q;
	struct fe_sock *next_dirty;
	uint64_t queued; /* bytes ever put */
	uint64_t sent;	 /* bytes ever sent */
	bool link;
	bool blocked; /* until it is writable */
	bool reading; /* as ops->want() was told */
	bool writing;
	bool dirty;
	bool error;
};

/* ---- calls */

struct fe_call {
	struct fe_call *turn_next; /* of the client */
	struct fe_call *link_next; /* of the link */
	struct fe *fe;
	struct fe_client *c; /* NULL: gone */
	struct fe_link *l;
	struct fe_call *parent; /* PB_FRAME_ALL */
	struct fe_call **child;
	struct fe_q early; /* before its turn */
	struct fe_in hold; /* PB_FRAME_PART_HOLD */
	uint64_t end;	   /* of its bytes in the link's stream; 0: not all are there */
	uint64_t touch;
	uint32_t n, left; /* children */
	uint32_t server;
	uint8_t failed; /* 1 + PB_FRAME_W_* */
	bool done;
	uint8_t why; /* 1 + PB_FRAME_W_*: fail() has the answer */
	bool say;    /* answer() has it */
	bool begun;  /* part of it was passed on */
	bool half;   /* of a part, some */
	bool drop;   /* nothing is passed on any more */
	bool held;
	bool touched;
	bool writes; /* its end matters even if nobody hears of it */
	bool unseen; /* an ALL call: a server did not answer */
	bool reset;
	bool shared; /* on a link that is not its client's own */
	bool plain;  /* no rtx to retire */
	struct pb_frame_rtx rtx;
};

struct fe_node {
	struct fe_node *prev, *next;
};

struct fe_link {
	struct fe_sock s;
	struct fe_node node;	 /* of the service */
	struct fe_node own;	 /* of the client */
	struct fe_client *owner; /* NULL: shared, or retired */
	struct fe_link *next_dead;
	struct fe_link *next_late;
	struct fe_call *head, *tail;
	struct fe_call *feed_call; /* whose body comes in; NULL: it was answered before */
	struct fe_in in;
	uint64_t id;
	uint64_t progress;
	uint64_t feed_off, feed_end; /* of the frame */
	uint64_t part_left, part_pos, tail_off, tail_end;
	uint32_t part_flags;
	uint32_t server;
	uint32_t lane;
	uint32_t foreign; /* calls that are not the owner's */
	bool up;
	bool closed;
	bool retired; /* ends when no call is left */
	bool feeding;
	bool broken; /* holds half a request: ends before its answer */
};

struct fe_client {
	struct fe_sock s;
	struct fe_node node;
	struct fe_node links; /* its own */
	struct fe_client *next_review;
	struct fe_client *next_dead;
	struct fe_call *turn, *turn_tail;
	struct fe_in in;
	size_t early; /* bytes before their turn */
	uint64_t body_pos, body_len;
	uint32_t n_calls;
	uint32_t single;   /* frames in a row that came alone */
	uint32_t n_shared; /* of these, not on its own links */
	bool review;
	bool gone;
	bool eof;
	bool bye;     /* nothing more is read; it ends when all is sent */
	bool own;     /* its calls go by links of its own */
	bool wish;    /* it should have been */
	bool pinned;  /* for good */
	bool rest;    /* a link of its own is not read */
	bool stalled; /* there are bytes to be worked on, later */
	struct pb_frame_conn conn;
};

struct fe_slot {
	uint64_t id;
	struct fe_link *shared[PB_FRAME_LANES];
};

#define FE_CLASSES 3

struct fe_proc {
	uint64_t now;
	uint64_t memory, used;
	uint64_t conns;
	uint32_t calls; /* under way */
	uint32_t n_links;
	struct fe_sock *dirty[2]; /* clients, links */
	struct fe_client *review, **review_tail;
	struct fe_client *dead_clients;
	struct fe_link *dead_links;
	struct fe_call *free_calls;
	struct fe_chunk *free_chunks[FE_CLASSES];
	uint32_t n_free_calls;
	uint32_t n_free[FE_CLASSES];
	struct fe_node services;
};

struct fe {
	struct fe_proc *p;
	const struct pb_frame_plugin *plugin;
	struct fe_ops ops;
	void *arg;
	struct fe_limits lim;
	struct fe_stats st;
	struct fe_node node;
	struct fe_node clients, links;
	struct pb_frame_ens ens;
	void *work;
	uint8_t *scratch;
	uint32_t scratch_cap;
	struct fe_slot slot[PB_FRAME_SERVERS_MAX];
	struct pb_frame_server server[PB_FRAME_SERVERS_MAX];
};

#define fe_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

static inline void fe_node_init(struct fe_node *n)
{
	n->prev = n->next = n;
}

static inline void fe_node_add(struct fe_node *at, struct fe_node *n)
{
	n->prev = at->prev;
	n->next = at;
	at->prev->next = n;
	at->prev = n;
}

static inline void fe_node_del(struct fe_node *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	fe_node_init(n);
}

static inline struct fe_client *fe_client_of(struct fe_sock *s)
{
	return fe_of(s, struct fe_client, s);
}

static inline struct fe_link *fe_link_of(struct fe_sock *s)
{
	return fe_of(s, struct fe_link, s);
}

/* Answers that a client may leave untaken: little, when memory gets short. */
static inline size_t fe_unread(const struct fe *fe)
{
	return fe->p->used > fe->p->memory / 4 * 3 && fe->lim.unread > 16384 ? 16384
									     : fe->lim.unread;
}

/* engine_buf.c */
void *fe_mem(struct fe_proc *p, size_t size); /* zeroed, counted */
void fe_mem_free(struct fe_proc *p, void *m, size_t size);
int fe_in_add(struct fe_proc *p, struct fe_in *in, const void *data, size_t len);
void fe_in_skip(struct fe_proc *p, struct fe_in *in, size_t n);
void fe_in_free(struct fe_proc *p, struct fe_in *in);
int fe_q_put(struct fe_proc *p, struct fe_q *q, const void *data, size_t len);
void fe_q_move(struct fe_q *to, struct fe_q *from);
void fe_q_free(struct fe_proc *p, struct fe_q *q);
void fe_dirty(struct fe_sock *s);
void fe_put(struct fe_sock *s, const void *data, size_t len);
void fe_flush(struct fe_sock *s);
void fe_want(struct fe_sock *s, bool read);
struct fe_call *fe_call_new(struct fe_proc *p);
void fe_call_free(struct fe_proc *p, struct fe_call *k);
void fe_buffers_free(struct fe_proc *p);

/* engine_call.c */
struct fe_call *fe_call_add(struct fe_client *c); /* the client's last turn */
void fe_call_put(struct fe_call *k, const void *data, size_t len);
void fe_call_hold(struct fe_call *k, const void *data, size_t len);
void fe_call_seen(struct fe_call *k);
void fe_call_done(struct fe_call *k);
void fe_call_fail(struct fe_call *k, enum pb_frame_why why);
void fe_call_leave(struct fe_call *k); /* its client is gone */

/* engine_start.c */
void fe_start(struct fe_client *c, const struct pb_frame_view *v, const struct pb_frame *f);
void fe_refuse(struct fe_client *c, const struct pb_frame_view *v);

/* engine_client.c */
void fe_review(struct fe_client *c); /* at the end of the round */
void fe_client_review(struct fe_client *c);
void fe_client_close(struct fe_client *c, enum fe_end how);

/* engine_link.c */
struct fe_link *fe_link_get(struct fe_client *c, uint32_t server, uint32_t lane);
void fe_link_add(struct fe_link *l, struct fe_call *k);
struct fe_call *fe_link_pop(struct fe_link *l);
void fe_link_retire(struct fe_link *l);
void fe_link_close(struct fe_link *l, enum pb_frame_why why);
void fe_link_review(struct fe_link *l);
void fe_link_detach(struct fe_link *l, struct fe_client *c);
void fe_link_orphan(struct fe_link *l);
void fe_link_cut(struct fe_link *l);	    /* the rest of what it is fed will not come */
bool fe_link_late(const struct fe_link *l); /* fe_link_tick() has something to do */
void fe_link_tick(struct fe_link *l);

#endif /* PB_FRAMES_ENGINE_INTERNAL_H */
