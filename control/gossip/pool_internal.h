/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the parts of a pool's transport share. */
#ifndef PB_GOSSIP_POOL_INTERNAL_H
#define PB_GOSSIP_POOL_INTERNAL_H

#include <sys/socket.h>

#include "control/util.h"

#include "pool.h"
#include "stream.h"

#define POOL_ASKS 32	   /* of ours under way */
#define POOL_ASK_VERSION 1 /* second byte of a request and an answer, after GSP_SERF_OURS */
#define POOL_RANDOM 1200   /* bytes taken from the kernel at a time */

enum conn_kind { CONN_IN, CONN_EXCHANGE, CONN_ASK };

/* A TCP connection, one message each way. */
struct gsp_conn {
	uv_tcp_t tcp;
	uv_connect_t connect;
	uv_write_t write;
	uv_shutdown_t shutdown;
	struct gsp_pool *p;
	struct gsp_conn *next, **link;
	struct swim_addr peer;
	struct gsp_stream in;
	uint8_t *out; /* sealed */
	size_t out_n;
	size_t counted; /* of in, in the pool's sums */
	size_t unsent;	/* when it was last looked at */
	size_t drained; /* bytes read after the message, and thrown away */
	uint64_t began, moved;
	enum conn_kind kind;
	bool member;  /* accepted from a member's address */
	bool has_msg; /* what is to be read was read */
	bool closing;
	uint64_t id; /* CONN_EXCHANGE */
	gsp_pool_answer_fn *cb;
	void *cb_arg;
};

struct pool_pace {
	uint32_t left;
	uint64_t at;
};

struct gsp_pool {
	struct gsp_pool_conf conf;
	struct gsp_pool_ops ops;
	struct swim_addr addr;
	sa_family_t family;
	struct gsp_layers layers;
	struct swim *swim;
	uv_udp_t udp;
	uv_tcp_t listener;
	uv_timer_t timer; /* of the core */
	uv_timer_t sweep; /* of connections; runs while there are any */
	unsigned handles; /* open ones, connections too */
	bool freed;
	uint64_t armed; /* when timer runs; UINT64_MAX: not */

	struct gsp_pool_tag *tags; /* with copies of the texts */
	unsigned n_tags;
	bool retag;  /* the tags are to be made anew, outside of callbacks */
	bool gone;   /* the core has left */
	bool silent; /* and so have the sockets */
	void (*left)(void *arg);
	void *left_arg;

	struct gsp_conn *conns;
	unsigned n_in, n_in_strangers, n_out, n_asks;
	size_t in_bytes, in_bytes_strangers;
	bool unaccepted;
	struct pool_pace wrong; /* packets of strangers */
	struct pool_pace now;	/* packets with records that cannot wait */
	uint64_t refused_at;

	struct gsp_pool_stats stats;
	uint8_t random[POOL_RANDOM];
	unsigned random_left;
	struct swim_addr from; /* of the packet at hand */
	struct gsp_packet_scratch scratch;
	uint8_t rx[GSP_DATAGRAM_MAX];
	uint8_t tx[GSP_DATAGRAM_MAX];
	uint8_t drain[4096];
};

/* ---- pool.c ---------------------------------------------------------------------------------- */

uint64_t pool_ms(void);
/* After anything that may have changed what the core wants. */
void pool_after(struct gsp_pool *p);
/* Counts, and tells ops->refused(). */
void pool_refused(struct gsp_pool *p, const struct swim_addr *from, int err, uint64_t *counter);
void pool_closed(struct gsp_pool *p); /* one handle less */
int pool_nonce(struct gsp_pool *p, uint8_t nonce[GSP_NONCE_LEN]);

/* ---- pool_net.c ------------------------------------------------------------------------------ */

/* 0 of length: neither IPv4 nor IPv6. */
struct swim_addr pool_from_sockaddr(const struct sockaddr *sa);
/* -EAFNOSUPPORT: this socket cannot reach it. */
int pool_to_sockaddr(const struct gsp_pool *p, const struct swim_addr *a,
		     struct sockaddr_storage *ret);
bool pool_is_any(const struct gsp_addr *ip);
/* A TCP and a UDP socket of the same port, which *bind then has. */
int pool_sockets(struct swim_addr *bind, int *ret_tcp, int *ret_udp);
bool pool_allowed(const struct gsp_pool *p, const struct gsp_addr *ip);
bool pool_is_member(const struct gsp_pool *p, const struct gsp_addr *ip);
/* The same host, as far as limits go: of strangers, the same IPv6 /64. */
bool pool_same_source(const struct gsp_addr *a, const struct gsp_addr *b, bool wide);

/* ---- pool_udp.c ------------------------------------------------------------------------------ */

int pool_udp_start(struct gsp_pool *p, int fd);
/* One that came from p->from. */
void pool_udp_packet(struct gsp_pool *p, const uint8_t *data, size_t n);
void pool_udp_send(void *arg, const struct swim_addr *to, const uint8_t *msg, size_t n);

/* ---- pool_accept.c --------------------------------------------------------------------------- */

int pool_accept_start(struct gsp_pool *p, int fd);
void pool_accept_retry(struct gsp_pool *p); /* of what there was no memory for */

/* ---- pool_tcp.c: what accepted connections and those of ours do ------------------------------ */

struct gsp_conn *pool_conn_new(struct gsp_pool *p, enum conn_kind kind,
			       const struct swim_addr *peer);
void pool_conn_close(struct gsp_conn *c, int err);
/* An accepted one is counted. */
void pool_conn_refuse(struct gsp_conn *c, int err, uint64_t *counter);
/* n bytes are where gsp_stream_want() said. */
void pool_conn_took(struct gsp_conn *c, size_t n);
int pool_conn_read(struct gsp_conn *c);
/* Seals msg into c->out and sends it. */
int pool_conn_seal(struct gsp_conn *c, const uint8_t *msg, size_t n);
int pool_conn_write(struct gsp_conn *c);
void pool_conns_close(struct gsp_pool *p, int err);

/* ---- pool_dial.c ----------------------------------------------------------------------------- */

int pool_exchange(void *arg, uint64_t id, const struct swim_addr *to, const uint8_t *msg, size_t n);
/* A connection of ours has its answer, or will never have one: NULL and err. */
void pool_dialled_end(struct gsp_conn *c, int err, const uint8_t *msg, size_t n);
/* The sender's name and the body of a request or an answer; false: it is none. */
bool pool_ask_open(const uint8_t *msg, size_t n, struct gsp_bytes *name, struct gsp_bytes *ret);
int pool_ask_encode(const struct gsp_pool *p, struct gsp_bytes body, uint8_t **ret, size_t *ret_n);

/* ---- pool_keys.c: keys, and the tags that name them ------------------------------------------ */

int pool_tags_copy(struct gsp_pool *p, const struct gsp_pool_tag *tags, unsigned n);
void pool_tags_free(struct gsp_pool *p);
/* The length; -E2BIG. */
int pool_meta(const struct gsp_pool *p, uint8_t meta[GSP_META_MAX]);
int pool_serf_keys(void *arg, struct gsp_bytes name, struct gsp_bytes payload, uint8_t *buf,
		   size_t cap);

#endif /* PB_GOSSIP_POOL_INTERNAL_H */
