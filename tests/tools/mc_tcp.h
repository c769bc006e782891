/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A client of memcached by TCP, for tests: what its subcommands share. */
#ifndef PB_TEST_MC_TCP_H
#define PB_TEST_MC_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "tests/lib/mc_addr.h"

#define MCT_MS mct.patience /* what nothing may take: a deadline, no expectation */

struct mct_buf {
	uint8_t *p;
	size_t len, cap;
};

/* How requests are cut: in one piece, in bytes, at random. */
enum mct_cut { MCT_WHOLE, MCT_BYTES, MCT_RANDOM };

struct mct_conn {
	int fd;
	struct mct_buf in; /* what came, all of it */
	size_t off;	   /* behind the answers that were counted */
	bool eof;	   /* the other side has ended the stream (in order, or by a reset) */
	bool reset;
	uint64_t rnd; /* of the cuts */
	enum mct_cut cut;
};

/* What all verbs take. */
struct mct_opt {
	struct mcu_addr vip, twin, server;
	const char *vip_text, *name, *script, *only;
	int pid, conns, ms, keys, value, count, window, bound, threads, patience;
	uint64_t seed;
	enum mct_cut cut;
	bool tail;   /* each request has one behind it whose answer is known */
	bool binary; /* random: binary requests only */
	bool fast;
	bool ends; /* a connection may end */
};
extern struct mct_opt mct;

/* ---- bytes */
void mct_put(struct mct_buf *b, const void *p, size_t n);
void mct_print(struct mct_buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void mct_room(struct mct_buf *b, size_t n);
uint64_t mct_rnd(uint64_t *state);
/* Text with \r \n \0 \t \xHH \\ and {k}, {k5}, {v100}, {cas} to bytes. */
void mct_expand(const char *text, const char *key, const char *cas, struct mct_buf *out);
/* *off is moved behind one answer; false: it is not all there. */
bool mct_whole(const uint8_t *p, size_t len, size_t *off);
/* Answers without what two servers each have of their own; cas (24 bytes) takes the last unique. */
void mct_flat(const uint8_t *p, size_t len, struct mct_buf *out, char *cas);
void mct_show(const char *what, const uint8_t *p, size_t len);
/* The value that belongs to a key: n bytes at out. */
void mct_value(const char *key, size_t n, uint8_t *out);
/* One answer to "get KEY" that has its value of n bytes. */
bool mct_right(const uint8_t *p, size_t len, const char *key, size_t n);
bool mct_starts(const uint8_t *p, size_t len, const char *word);

/* ---- connections */
uint64_t mct_now_us(void);
unsigned mct_slow(void);
void mct_wait_ms(int ms);
int mct_dial(struct mct_conn *c, const struct mcu_addr *a);
void mct_close(struct mct_conn *c);
/*
 * Sends, and reads meanwhile, until `answers` more are there (-1: until the stream ends; then nothing is
 * sent behind).  -ETIMEDOUT, -EPIPE (ended before), or 0.
 */
int mct_talk(struct mct_conn *c, const uint8_t *req, size_t len, int answers, int ms);
/* What is there to be read now. */
void mct_take(struct mct_conn *c);
/* Sends without reading, until nothing is taken for `still` ms.  Returns how much was. */
size_t mct_stuff(struct mct_conn *c, const uint8_t *req, size_t len, int still);
/* One request, one answer; where it begins is *at. */
int mct_ask(struct mct_conn *c, const struct mct_buf *req, size_t *at);
int mct_say(struct mct_conn *c, const char *text, size_t *at);
/* Every key of the load has its value: key i is "KIND-i". */
int mct_fill(const struct mcu_addr *a, const char *kind, int keys, size_t value);
/* Of a process, in MB; -1: there is none. */
long mct_rss_mb(int pid);

/* ---- verdicts: lines "ok NAME", "FAIL NAME: why" */
bool mct_verdict(bool good, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int mct_result(void); /* exit code */

int mct_functional(void);
int mct_random(void);
int mct_pipeline(void);
int mct_large(void);
int mct_ends(void);
int mct_idle(void);
int mct_busy(void);
int mct_slow_reader(void);
int mct_hoard(void);
int mct_stalled(void);
int mct_killed(void);
int mct_judge(void);
int mct_fake(void);

#endif /* PB_TEST_MC_TCP_H */
