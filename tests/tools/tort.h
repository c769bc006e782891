/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tort: two programs that exchange streams of known bytes in every way the
 * socket API offers, and check each byte that arrives against its position.
 *
 * A server runs one job after the other.  A job is named by the client on a
 * control connection (PORT); the connections it tests go to PORT + 1, so that
 * nothing but the job's own bytes ever passes them.  Whoever finds something
 * wrong says so and ends the job at both ends at once.
 */
#ifndef TORT_H
#define TORT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define TT_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TT_WORD 16  /* a word among the settings, with its NUL */
#define TT_NOTES 24 /* figures one end of a job can report */
#define TT_LINE 1600
#define TT_CONNS 200

enum { TT_OK = 0, TT_FAILED = 1, TT_USAGE = 2 }; /* exit codes */

struct tt_addr {
	struct sockaddr_storage ss;
	socklen_t len;
};

/* One direction of a connection: the byte at each position follows from the seed. */
struct strm {
	uint64_t seed;
	uint64_t pos; /* sent, or received and checked */
};

struct rng {
	uint64_t state;
};

struct job;

/* One end of one connection. */
struct end {
	struct job *job;
	unsigned idx;
	int fd;
	int epfd; /* nbconnect: made before connect() */
	struct strm out, in;
	struct rng shared; /* draws the same at both ends */
	struct rng own;
	char *obuf, *ibuf;	 /* of job->buf bytes: one thread may send while another receives */
	volatile bool peer_done; /* EOF was read */
	bool may_block;		 /* EAGAIN is an answer: O_NONBLOCK, or a timeout */
	uint64_t spliced;	 /* sent past the stack */
	pthread_t thread;
};

struct note {
	char name[TT_WORD];
	bool is_text;
	uint64_t min, max;
	char text[TT_WORD];
};

/* A job, as both ends know it.  The settings (table in tort_job.c) are KEY=VALUE words. */
struct job {
	char mode[TT_WORD];
	uint64_t seed;
	long conns, bytes, size, rsize, rounds, threads;
	long secs;	     /* all of the job must take less */
	long ack;	     /* stream: the reader answers each so many bytes with one; 0: never */
	long pause;	     /* us a reader waits before each read */
	long quiet;	     /* ms without progress that count as "stuck" */
	long hold;	     /* ms a stalled reader goes on doing nothing */
	long cap;	     /* most bytes a writer may get rid of while nobody reads */
	long backlog;	     /* of the listener */
	long late;	     /* 1: accept() only after the client's first bytes */
	long unread;	     /* bytes the aborting end leaves unread */
	long lax;	     /* 1: known limits are reported instead of failing */
	char block[TT_WORD]; /* none, client, server, both: the ends whose sockets block */
	long again;	     /* 1: a blocking read that gives EAGAIN is counted, and goes on */
	long burst;	     /* bytes of a burst, all of one size and in small pieces; 0: random */
	long tell;	     /* 1: the client prints "progress BYTES" five times a second */
	long spoil; /* the client's byte there, or the short connection of that number, is wrong */
	long nagle; /* 1: without TCP_NODELAY, which otherwise both ends set at once */
	char dir[TT_WORD]; /* up: client to server, down, duplex, poll */
	char who[TT_WORD]; /* client, server: the end that does what the mode is about */
	char opt[TT_WORD];
	char when[TT_WORD];
	char how[TT_WORD];
	/* this end's own */
	const struct mode *m;
	bool server;
	bool alone; /* the peer program is gone, as it should be */
	int ctl, listener;
	const char *addr;
	int port;
	bool mapped;
	long buf; /* bytes of each end's buffers */
	struct end *ends;
	pthread_barrier_t barrier;
	pthread_mutex_t lock, ctl_lock;
	int flag, peer_flag;
	_Atomic unsigned long n_again, progress; /* beside what the ends count */
	struct note notes[TT_NOTES];
	unsigned n_notes;
	uint64_t sent, got, spliced; /* sums of the ends */
	long start_us;
};

struct mode {
	const char *name, *help;
	void (*end)(struct end *e);		    /* in a thread for each connection */
	void (*whole)(struct job *j);		    /* or this, which does everything */
	void (*dial)(struct job *j, struct end *e); /* client's connect(), if not the usual one */
	long conns, bytes, size;		    /* defaults */
	const char *how;			    /* default */
	bool blocks;				    /* it is about sockets that block */
};

extern volatile int tt_stop; /* SIGTERM: come to an orderly end */

/* ---- tort_addr.c ---- */
/* mapped: an IPv4 literal becomes ::ffff:a.b.c.d. */
bool tt_parse(const char *addr, int port, bool mapped, struct tt_addr *ret);
const char *tt_errname(int err);
long tt_now_us(void);
int tt_listener(const char *addr, int port); /* or -1, after a line about it */
void wait_us(long us);

/* ---- tort_strm.c: bytes ---- */
uint64_t rng_next(struct rng *r);
uint64_t rng_upto(struct rng *r, uint64_t n); /* 1..n */
size_t rng_size(struct rng *r, size_t max);   /* 1..max, each magnitude as likely; borders too */
uint64_t tt_mix(uint64_t a, uint64_t b);
void strm_fill(const struct strm *s, void *buf, size_t n); /* from s->pos on; does not move it */
/* Dies unless the bytes are those of s->pos; moves it. */
void strm_check(struct end *e, struct strm *s, const void *buf, size_t n);

/* ---- tort_io.c: an end's sends and reads; all die on what is wrong ---- */
void end_send(struct end *e, size_t n); /* in one call where the kernel takes it, else in more */
size_t end_try_send(struct end *e, size_t n, int flags); /* 0: would block */
void end_recv(struct end *e, size_t n);			 /* exactly n bytes */
size_t end_recv_some(struct end *e, size_t max);	 /* 0: EOF */
/* A call failed: is it to be made again, after a wait if need be? */
bool end_retry(struct end *e, short events);
ssize_t end_try_recv(struct end *e, size_t max); /* -1: would block, 0: EOF */
void end_eof(struct end *e);			 /* the next thing is EOF */
void end_fin(struct end *e);			 /* shutdown(SHUT_WR) */
void end_nonblock(struct end *e, bool on);
/* Sends until that many bytes are gone or the kernel takes no more for job->quiet ms. */
void end_fill(struct end *e, uint64_t upto);
/* Waits for poll() events; dies at the deadline of the job. */
short end_wait(struct end *e, short events);
/* The bytes sent so far that TCP did not carry. */
uint64_t end_spliced(const struct end *e);
/* Runs fn in a second thread meanwhile fn2 here. */
void end_both(struct end *e, void (*fn)(struct end *), void (*fn2)(struct end *));

/* ---- tort_job.c: the two programs' agreement ---- */
__attribute__((noreturn, format(printf, 2, 3))) void job_die(struct job *j, const char *fmt, ...);
__attribute__((noreturn, format(printf, 2, 3))) void end_die(struct end *e, const char *fmt, ...);
int job_set(struct job *j, const char *word); /* KEY=VALUE */
size_t job_words(const struct job *j, char *buf, size_t size);
void job_send(struct job *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line, without its end; false: the peer is gone.  Dies if the peer says it failed. */
bool job_recv(struct job *j, char *buf, size_t size);
/* Both programs, and all ends in them, are here; each gets to know the other's job->flag. */
void end_sync(struct end *e);
void job_sync_now(struct job *j); /* who holds the ctl_lock */
void job_sync(struct job *j);	  /* the same without the ends: one thread only */
void job_note(struct job *j, const char *name, uint64_t value);
void job_note_text(struct job *j, const char *name, const char *text);
bool job_is(const char *word, const char *what);
/* Is this the end that sends the bytes of dir, or the one that who names? */
bool end_sends(const struct end *e);
bool end_is_who(const struct end *e);
bool end_reads(const struct end *e);

/* ---- tort_run.c: connections and threads ---- */
void job_prepare(struct job *j, bool server); /* defaults, watchdog, buffers */
void job_run(struct job *j);
void job_ends(struct job *j);  /* not connected */
void job_sum(struct job *j);   /* and closes them */
void end_ready(struct end *e); /* connected */
void job_dial(struct job *j, struct end *e);
int job_socket(struct job *j, struct tt_addr *ret); /* not connected; where it should go */
int job_accept(struct job *j);
bool job_own_listener(const struct job *j);
bool job_blocks(const struct job *j); /* do this end's sockets block? */
void end_connect(struct end *e, const struct tt_addr *to);
const struct mode *mode_find(const char *name);

/* ---- what modes share ---- */
void tt_bursts(struct end *e, size_t max, void (*take)(struct end *, size_t)); /* tort_read.c */
void tt_take_waiting(struct end *e, size_t n);				       /* tort_wait.c */

/* ---- the modes ---- */
void tt_rr(struct end *e);
void tt_stream(struct end *e);
void tt_stall(struct end *e);
void tt_mute(struct end *e);
void tt_greet(struct end *e);
void tt_signal(struct end *e);
void tt_half(struct end *e);
void tt_abort(struct end *e);
void tt_closeq(struct end *e);
void tt_shutrd(struct end *e);
void tt_doom(struct end *e);
void tt_peek(struct end *e);
void tt_inq(struct end *e);
void tt_wait(struct end *e);
void tt_timeo(struct end *e);
void tt_waitall(struct end *e);
void tt_nbconnect(struct end *e);
void tt_nbconnect_dial(struct job *j, struct end *e);
void tt_prerecv(struct job *j);
void tt_short(struct job *j);
void tt_fork(struct end *e);
void tt_dup(struct end *e);
void tt_records(struct end *e);
void tt_api(struct end *e);
void tt_zero(struct end *e);
void tt_cork(struct end *e);
void tt_opt(struct end *e);
void tt_opt_dial(struct job *j, struct end *e);
void tt_opt_listen(struct job *j);
void tt_ulp(struct end *e);

int tt_fill(int argc, char **argv); /* fill MAP N: keys nobody uses, until it is full */

#endif /* TORT_H */
