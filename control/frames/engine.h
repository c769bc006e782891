/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The frame engine (decision 0024): clients' connections on one side, an ensemble of servers on the
 * other, a plugin (patchbay/frame.h) between them.  Pure: no socket, no clock; who drives it hands
 * bytes, ends and errors in and carries out struct fe_ops.  io.h does that with libuv.
 *
 * One struct fe_proc a process (memory, free lists, the time), one struct fe a service.  Everything
 * runs in one thread.  After any input the driver calls fe_turn() once its round of readiness is over:
 * what was written in the round is sent then, by one send for each connection.
 *
 * A struct fe_client or fe_link is valid until ops->close() was called for its socket, in whatever call
 * that happens.
 */
#ifndef PB_FRAMES_ENGINE_H
#define PB_FRAMES_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <patchbay/frame.h>

struct fe_proc;
struct fe;
struct fe_client; /* a client's connection */
struct fe_link;	  /* a connection to a server */

/* How a socket ends. */
enum fe_end {
	FE_CLOSE, /* all was read and sent */
	FE_BYE,	  /* all was sent; the other may still send, which must not turn into a reset */
	FE_RESET,
};

struct fe_ops {
	/* ---- sockets; @arg is fe_new()'s */
	/* A connection to server number @server, which is @id.  0: *sock is what the other calls get, and
	 * fe_link_connected() or fe_link_error() will follow, not from inside of this. */
	int (*connect)(void *arg, struct fe_link *l, uint32_t server, uint64_t id, void **sock);
	/* Bytes taken; -EAGAIN: none, and writability is of interest.  Other errors: the connection is gone. */
	ssize_t (*send)(void *sock, const struct iovec *iov, int n);
	/* What is of interest from now on.  Called on changes only; at first: a client's socket and a link that
	 * connected: read. */
	void (*want)(void *sock, bool read, bool write);
	void (*close)(void *sock, enum fe_end how);

	/* ---- host */
	/* A write (PB_FRAME_T_WRITE, MUTE, FLUSH, UNKNOWN) is about to be sent to @server: key and delay are in
	 * @send.  *handle comes back in touch_end().  An error: the call is not sent (PB_FRAME_W_CACHE).
	 * NULL: there is no cache. */
	int (*touch_begin)(void *arg, const struct pb_frame_send *send, uint32_t server,
			   uint64_t *handle);
	/* Its end.  @seen: the server's whole answer is there (of all servers, if it went to all), and the
	 * client does not have it yet.  Not seen: the write may still come true. */
	void (*touch_end)(void *arg, uint64_t handle, bool seen);
	/* The cached value of a key (PB_FRAME_T_READ); valid until the next call.  NULL, or false: not there. */
	bool (*lookup)(void *arg, const void *key, uint32_t key_len, struct pb_frame_view *ret);
};

/* 0 selects the default in brackets. */
struct fe_limits {
	uint32_t timeout_ms;  /* what a server may take to answer, or to go on [1000] */
	uint32_t own_idle_ms; /* after which a client's own links are closed [5000] */
	uint32_t clients;     /* [65536] */
	uint32_t calls;	      /* of one client under way [1024] */
	uint32_t
		unread; /* bytes of answers that a client has not taken, at which its links rest [256 kB] */
	uint32_t
		flood; /* the same, at which it loses its connection (shared links never rest) [16 MB] */
	uint32_t
		backlog; /* bytes that wait for a server, at which their client is not read [256 kB] */
	uint32_t hold; /* bytes of PB_FRAME_PART_HOLD of one server's reply [1 MB] */
	uint32_t
		large; /* a frame or part longer than that goes by a link of its client's own [64 kB] */
};

/* X(field, "help") */
#define FE_COUNTERS(X) \
	X(clients, "connections of clients") \
	X(refused, "connections refused: too many, or too much memory in use") \
	X(frames, "requests of clients") \
	X(bad_frames, "requests that made no sense: the connection ended") \
	X(calls, "requests sent to servers") \
	X(splits, "requests that became several") \
	X(alls, "requests that went to all servers") \
	X(answers, "requests answered here") \
	X(dropped, "requests that are not passed on and have no answer") \
	X(hits, "requests answered from the cache") \
	X(writes, "requests that may have changed an item") \
	X(replies, "replies of servers, complete") \
	X(merges, "answers made of the replies of all servers") \
	X(failed, "requests that a server did not answer") \
	X(no_server, "requests that no server takes") \
	X(timeouts, "connections to servers closed: no answer in time") \
	X(confused, "connections to servers closed: an answer that makes no sense") \
	X(stray, "connections to servers closed: bytes that nobody waits for") \
	X(lost, "connections to servers that ended with requests under way") \
	X(connects, "connections to servers begun") \
	X(connect_failed, "of these, not made") \
	X(own_links, "of these, for one client alone") \
	X(full, "requests refused: a bound was reached") \
	X(cache_failed, "writes refused: the cache could not be told") \
	X(cut_off, "connections of clients reset in the middle of an answer") \
	X(floods, "connections of clients reset: answers not taken") \
	X(rests, "times that a client was not read for a while") \
	X(client_bytes, "bytes of clients") \
	X(answer_bytes, "bytes sent to clients") \
	X(call_bytes, "bytes sent to servers") \
	X(server_bytes, "bytes of servers")

struct fe_stats {
#define PB_X(field, help) uint64_t field;
	FE_COUNTERS(PB_X)
#undef PB_X
	uint32_t now_clients;
	uint32_t now_links;
	uint32_t now_calls;
	uint32_t pad;
	uint64_t memory; /* of the process: structures and buffers */
};

/* ---- process */

/* @memory: bytes, 0: 256 MB. */
int fe_proc_new(struct fe_proc **ret, uint64_t memory);
void fe_proc_free(struct fe_proc *p); /* services first */
/* The time (ns, monotonic) from now on; once a round is enough. */
void fe_proc_time(struct fe_proc *p, uint64_t now);
uint64_t fe_proc_memory(const struct fe_proc *p);
/* Sends what was written, parses what waited, frees what ended.  True: call again soon (there is more
 * to do, but others should have their turn). */
bool fe_turn(struct fe_proc *p);
/* Something is under way, so that fe_tick() must be called; every 50 ms or so. */
bool fe_busy(const struct fe_proc *p);
void fe_tick(struct fe_proc *p);

/* ---- service */

int fe_new(struct fe **ret, struct fe_proc *p, const struct pb_frame_plugin *plugin,
	   const struct fe_ops *ops, void *arg, const struct fe_limits *limits);
/* Resets clients, closes links. */
void fe_free(struct fe *fe);

struct fe_server {
	uint64_t id; /* whom connections go to: another id, another server.  The caller's */
	uint32_t up; /* takes calls */
	uint32_t pad;
};

/* At any time; copied, but for @policy, which lives until it is replaced.  Server i is s[i].  Calls under
 * way at a server that is gone, down, or another now end on their links, which end then. @cache: keys are
 * looked up. */
int fe_set_servers(struct fe *fe, const struct fe_server *s, uint32_t n, const void *policy,
		   bool cache);
void fe_get_stats(const struct fe *fe, struct fe_stats *ret);

/* ---- input */

/* A client came, on @sock.  An error: what is to be said was sent, and the caller closes it (FE_BYE). */
int fe_client_new(struct fe *fe, void *sock, struct fe_client **ret);
void fe_client_data(struct fe_client *c, const void *data, size_t len);
void fe_client_eof(struct fe_client *c);
void fe_client_error(struct fe_client *c);
void fe_client_writable(struct fe_client *c);
/* Ends when what is under way is answered: for a service that goes. */
void fe_client_finish(struct fe_client *c);

void fe_link_connected(struct fe_link *l);
void fe_link_data(struct fe_link *l, const void *data, size_t len);
void fe_link_eof(struct fe_link *l);
void fe_link_error(struct fe_link *l);
void fe_link_writable(struct fe_link *l);

#endif /* PB_FRAMES_ENGINE_H */
