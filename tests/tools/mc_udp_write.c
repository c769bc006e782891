// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The writers of mc_udp stale: one request a number, and a read right behind its answer. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/tools/mc_udp_stale.h"

#define PAUSE_MS 50
#define LATE_US 12000000 /* so late may a write without an answer be seen */

struct writer {
	struct mcu_target udp;
	int tcp;
	struct mcu_reply r;
	unsigned seed, count;
	uint8_t req[2048];
	size_t len;
};

static pthread_mutex_t pausing = PTHREAD_MUTEX_INITIALIZER;

/* ---- requests -------------------------------------------------------------------------------- */

static void store(struct writer *w, const char *verb, const char *key, uint32_t n, const char *more)
{
	int digits = st.value > 10 ? st.value : 10; /* filled behind the number */
	char text[16];

	snprintf(text, sizeof(text), "%010u", n);
	w->len = (size_t)snprintf((char *)w->req, sizeof(w->req), "%s %s 0 0 %d%s\r\n", verb, key,
				  digits, more);
	memcpy(w->req + w->len, text, 10);
	memset(w->req + w->len + 10, 'x', (size_t)digits - 10);
	memcpy(w->req + w->len + digits, "\r\n", 2);
	w->len += (size_t)digits + 2;
}

static void line(struct writer *w, const char *before, const char *key, const char *behind)
{
	w->len = (size_t)snprintf((char *)w->req, sizeof(w->req), "%s %s%s\r\n", before, key,
				  behind);
}

static void binary(struct writer *w, uint8_t opcode, const char *key, uint32_t n)
{
	size_t kl = strlen(key);
	uint8_t *q = w->req;

	memset(q, 0, 32);
	q[0] = 0x80;
	q[1] = opcode;
	q[3] = (uint8_t)kl;
	q[4] = 8;
	q[11] = (uint8_t)(8 + kl + 10);
	memcpy(q + 32, key, kl);
	snprintf((char *)q + 32 + kl, 11, "%010u", n);
	w->len = 32 + kl + 10;
}

/* The unique of the value that is there. */
static bool ask_cas(struct writer *w, const char *key, char *cas, size_t room)
{
	const uint8_t *nl;
	const char *sp;

	line(w, "gets", key, "");
	if (mcu_send(&w->udp, w->req, w->len) || mcu_recv(&w->udp, &w->r, 1, 1000))
		return false;
	nl = memchr(w->r.buf, '\r', w->r.len);
	if (memcmp(w->r.buf, "VALUE", 5) || !nl)
		return false;
	sp = memrchr(w->r.buf, ' ', (size_t)(nl - w->r.buf));
	snprintf(cas, room, "%.*s", (int)((const char *)nl - sp), sp);
	return true;
}

static void meta(struct writer *w, const char *key, uint32_t n)
{
	w->len = (size_t)snprintf((char *)w->req, sizeof(w->req), "ms %s 10 T0\r\n%010u\r\n", key,
				  n);
}

/* false: this number cannot be written. */
static bool request(struct writer *w, const char *key, uint32_t n)
{
	bool removes = stale_removes(st.verb) && !(n & 1);
	char cas[32];

	switch (st.verb) {
	case SV_INCR: line(w, "incr", key, " 1"); break;
	case SV_MA: line(w, "ma", key, " v"); break;
	case SV_APPEND: line(w, "append", key, " 0 0 1\r\nx"); break;
	case SV_PREPEND: line(w, "prepend", key, " 0 0 1\r\nx"); break;
	case SV_REPLACE: store(w, "replace", key, n, ""); break;
	case SV_NOREPLY: store(w, "set", key, n, " noreply"); break;
	case SV_BINARY: binary(w, 0x01, key, n); break;
	case SV_QUIET: binary(w, 0x11, key, n); break;
	case SV_MS: meta(w, key, n); break;
	case SV_CAS:
		if (!ask_cas(w, key, cas, sizeof(cas)))
			return false;
		store(w, "cas", key, n, cas);
		break;
	default:
		if (!removes)
			store(w, "set", key, n, "");
		else if (st.verb == SV_DELETE)
			line(w, "delete", key, "");
		else if (st.verb == SV_MD)
			line(w, "md", key, "");
		else if (st.verb == SV_TOUCH)
			line(w, "touch", key, " -1");
		else
			line(w, "gat -1", key, "");
	}
	return true;
}

/* ---- the exchange ---------------------------------------------------------------------------- */

static bool by_tcp(struct writer *w)
{
	size_t off = 0;
	ssize_t n;

	w->r.len = 0;
	if (send(w->tcp, w->req, w->len, MSG_NOSIGNAL) != (ssize_t)w->len)
		return false;
	while (!mcu_whole(w->r.buf, w->r.len, &off)) {
		n = recv(w->tcp, w->r.buf + w->r.len, sizeof(w->r.buf) - w->r.len, 0);
		if (n <= 0)
			return false;
		w->r.len += (size_t)n;
	}
	return true;
}

static void tell_servers(int sig)
{
	for (int i = 0; i < st.n_pids; i++)
		kill(st.pids[i], sig);
}

/* 50 ms between the request and what the server makes of it. */
static bool paused(struct writer *w)
{
	int rc;

	pthread_mutex_lock(&pausing);
	tell_servers(SIGSTOP);
	rc = mcu_send(&w->udp, w->req, w->len);
	mcu_wait_ms(PAUSE_MS);
	tell_servers(SIGCONT);
	pthread_mutex_unlock(&pausing);
	return !rc && !mcu_recv(&w->udp, &w->r, 1, 2000);
}

static bool exchange(struct writer *w)
{
	if (st.by_tcp)
		return by_tcp(w);
	if (st.pause && st.n_pids && !(++w->count % (unsigned)st.pause))
		return paused(w);
	return !mcu_send(&w->udp, w->req, w->len) && !mcu_recv(&w->udp, &w->r, 1, 2000);
}

/* Of a write without an answer: it must be seen some time. */
static void await(struct writer *w, struct stale_key *k, uint32_t n)
{
	uint64_t end = mcu_now_us() + LATE_US;
	uint32_t got;

	do {
		got = stale_read(&w->udp, &w->r, k);
		if (got >= n && got != STALE_NONE && got != STALE_MISS) {
			stale_end(k, n, true);
			st.done++;
			return;
		}
	} while (mcu_now_us() < end);
	printf("# %s: %u was not seen for 12 s\n", k->name, n);
	st.late++;
	st.done++;
}

static bool says(const struct writer *w, const char *word)
{
	return w->r.len >= strlen(word) && !memcmp(w->r.buf, word, strlen(word));
}

/* What the answer says: 1 applied, 0 refused, -1 not what may come. */
static int verdict(const struct writer *w)
{
	if (st.verb == SV_BINARY)
		return w->r.len >= 24 && w->r.buf[0] == 0x81 && !w->r.buf[6] && !w->r.buf[7] ? 1
											     : -1;
	if (says(w, "EXISTS"))
		return 0;
	/* of two writers, one finds what the other has removed */
	if (says(w, "STORED") || says(w, "DELETED") || says(w, "HD") || says(w, "TOUCHED") ||
	    says(w, "NOT_FOUND") || says(w, "NF") || says(w, "VALUE") || says(w, "VA ") ||
	    (says(w, "END") && st.verb == SV_GAT))
		return 1;
	return st.verb == SV_INCR && w->r.buf[0] >= '0' && w->r.buf[0] <= '9' ? 1 : -1;
}

static uint32_t counted(const struct writer *w, uint32_t n)
{
	const uint8_t *nl = memchr(w->r.buf, '\n', w->r.len);

	if (st.verb == SV_INCR)
		return (uint32_t)strtoul((const char *)w->r.buf, NULL, 10);
	return st.verb == SV_MA && nl ? (uint32_t)strtoul((const char *)nl + 1, NULL, 10) : n;
}

static void one_write(struct writer *w, struct stale_key *k)
{
	uint32_t n = stale_begin(k);
	int good;

	if (!request(w, k->name, n)) {
		stale_end(k, n, false);
		st.conflicts++;
		return;
	}
	if (st.verb == SV_NOREPLY || st.verb == SV_QUIET) {
		if (!st.by_tcp)
			mcu_send(&w->udp, w->req, w->len);
		else if (send(w->tcp, w->req, w->len, MSG_NOSIGNAL) != (ssize_t)w->len)
			st.failed++;
		return await(w, k, n);
	}
	if (!exchange(w)) {
		st.lost++;
		return;
	}
	good = verdict(w);
	if (good < 0 && st.loss && says(w, "NOT_STORED")) {
		st.lost++; /* its item went with a server */
		return;
	}
	if (good < 0) {
		mcu_print("an answer that may not come", w->r.buf, w->r.len);
		st.failed++;
		st.lost++;
		return;
	}
	w->r.buf[w->r.len] = 0;
	stale_end(k, counted(w, n), good);
	if (!good) {
		st.conflicts++;
		return;
	}
	st.done++;
	stale_read(&w->udp, &w->r, k);
}

/* The first value, under number 0. */
bool stale_setup(struct mcu_target *t, struct mcu_reply *r, struct stale_key *k)
{
	char req[128];
	size_t n = (size_t)snprintf(req, sizeof(req), "set %s 0 0 1\r\n0\r\n", k->name);

	for (int tries = 0; tries < 10; tries++)
		if (!mcu_send(t, req, n) && !mcu_recv(t, r, 1, 1000))
			return r->len >= 6 && !memcmp(r->buf, "STORED", 6);
	return false;
}

void *stale_writer(void *arg)
{
	int self = (int)(uintptr_t)arg, key;
	struct writer *w = calloc(1, sizeof(*w));
	bool alone = st.verb == SV_NOREPLY || st.verb == SV_QUIET; /* a key has one writer */

	if (!w)
		return NULL;
	w->seed = (unsigned)self + 1;
	w->udp.id = (uint16_t)(self * 1000);
	w->udp.fd = mcu_dial(&st.vip, SOCK_DGRAM);
	w->tcp = st.by_tcp ? mcu_dial(&st.tcp, SOCK_STREAM) : -1;
	if (w->udp.fd < 0 || (st.by_tcp && w->tcp < 0))
		st.failed++;
	while (!st.failed && atomic_fetch_sub(&st.round_writes, 1) > 0 &&
	       (!st.until || mcu_now_us() < st.until)) {
		key = rand_r(&w->seed) % st.keys;
		if (alone)
			key = key / st.writers * st.writers + self;
		one_write(w, &st.key[key % st.keys]);
	}
	close(w->udp.fd);
	if (w->tcp >= 0)
		close(w->tcp);
	free(w);
	return NULL;
}
