// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The reads of mc_udp stale, of one key or of several in one request, and what is to be said of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tools/mc_udp_stale.h"

/* Had m's write ended before n's began? */
static bool over(struct stale_key *k, uint32_t m, uint32_t n)
{
	struct stale_began *b = &k->began[n % STALE_PAST];
	bool open = false;

	if (m >= n || stale_counts(st.verb))
		return m < n;
	pthread_mutex_lock(&k->lock);
	for (int i = 0; i < b->n; i++)
		open |= b->open[i] == m;
	open |= b->n == STALE_OPEN; /* more than are remembered */
	pthread_mutex_unlock(&k->lock);
	return !open;
}

static void show(const char *what, struct stale_key *k, uint32_t got, uint32_t floor)
{
	if (atomic_fetch_add(&st.shown, 1) < 10)
		printf("# %s: %s is %u, although %u was written\n", what, k->name, got, floor);
}

struct before {
	uint32_t acked, seen, last;
	bool there; /* for sure */
};

static struct before look(struct stale_key *k)
{
	struct before b;

	pthread_mutex_lock(&k->lock);
	b = (struct before){ .acked = k->acked, .seen = k->seen, .last = k->last };
	b.there = !stale_removes(st.verb) ||
		  (!k->n && k->last == k->acked && (k->last & 1 || !k->last));
	pthread_mutex_unlock(&k->lock);
	return b;
}

static void judge(struct stale_key *k, uint32_t got, struct before b)
{
	uint32_t last = look(k).last;

	if (got == STALE_MISS) {
		st.missing += b.there && (!stale_removes(st.verb) || last == b.last);
		return;
	}
	if (got > last) {
		st.stale++; /* never written */
		show("invented", k, got, last);
	} else if (over(k, got, b.acked)) {
		st.stale++;
		show("stale", k, got, b.acked);
	} else if (over(k, got, b.seen)) {
		st.back++;
		show("back in time", k, got, b.seen);
	}
	pthread_mutex_lock(&k->lock);
	if (got > k->seen && got <= last)
		k->seen = got;
	pthread_mutex_unlock(&k->lock);
}

/* The number that a "VALUE ..." block says, and its bytes. */
static uint32_t number_of(const uint8_t *p, size_t len, size_t *ret_len)
{
	const uint8_t *nl = memchr(p, '\n', len);
	size_t head = nl ? (size_t)(nl + 1 - p) : 0, bytes = 0;
	char line[200], number[16] = "";

	if (!nl || head > sizeof(line))
		return STALE_NONE;
	memcpy(line, p, head - 1);
	line[head - 1] = 0;
	if (sscanf(line, "VALUE %*s %*u %zu", &bytes) != 1 || head + bytes + 2 > len)
		return STALE_NONE;
	*ret_len = head + bytes + 2;
	if (st.verb == SV_APPEND || st.verb == SV_PREPEND) /* the first byte is that of number 0 */
		return (uint32_t)bytes - 1;
	memcpy(number, nl + 1, bytes < 15 ? bytes : 15);
	return (uint32_t)strtoul(number, NULL, 10);
}

static bool is_of(const uint8_t *p, size_t len, const char *key)
{
	size_t n = strlen(key);

	return len > n + 7 && !memcmp(p, "VALUE ", 6) && !memcmp(p + 6, key, n) && p[6 + n] == ' ';
}

/* The values of the answer, which are in the order of the keys; false: it is none. */
static bool numbers_of(const struct mcu_reply *r, struct stale_key *const *k, uint32_t *got)
{
	size_t at = 0, len = 0;

	for (int i = 0; i < st.multi; i++) {
		got[i] = STALE_MISS;
		if (!is_of(r->buf + at, r->len - at, k[i]->name))
			continue;
		got[i] = number_of(r->buf + at, r->len - at, &len);
		if (got[i] == STALE_NONE)
			return false;
		at += len;
	}
	return r->len - at == 5 && !memcmp(r->buf + at, "END\r\n", 5);
}

/* @k, and those behind it: what was known of each before is what its value is held against. */
uint32_t stale_read(struct mcu_target *t, struct mcu_reply *r, struct stale_key *k)
{
	struct stale_key *key[STALE_MULTI] = { k };
	struct before b[STALE_MULTI];
	uint32_t got[STALE_MULTI];
	char req[STALE_MULTI * 70] = "get";
	size_t n = 3;

	for (int i = 0; i < st.multi; i++) {
		key[i] = &st.key[(k - st.key + i) % st.keys];
		n += (size_t)snprintf(req + n, sizeof(req) - n, " %s", key[i]->name);
		b[i] = look(key[i]);
	}
	n += (size_t)snprintf(req + n, sizeof(req) - n, "\r\n");
	if (mcu_send(t, req, n) || mcu_recv(t, r, 1, 1000)) {
		st.unread++;
		return STALE_NONE;
	}
	st.reads++;
	if (!numbers_of(r, key, got)) {
		st.unread++;
		return STALE_NONE;
	}
	for (int i = 0; i < st.multi; i++)
		judge(key[i], got[i], b[i]);
	return got[0];
}
