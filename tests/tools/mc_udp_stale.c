// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Is what was read too old?  Writers write rising numbers.  A number m must not be read any more, once a
 * write of n was acknowledged (stale) or n was read (back in time), if m's write had ended before n's began.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/tools/mc_udp_stale.h"

#define ROUND_APPENDS 900 /* so long do values become */

struct stale st = { .writes = 20000, .keys = 20, .writers = 1, .readers = 1, .prefix = "st" };

static const char *const verb_names[] = {
	[SV_SET] = "set",	  [SV_DELETE] = "delete",   [SV_INCR] = "incr",
	[SV_APPEND] = "append",	  [SV_PREPEND] = "prepend", [SV_MS] = "ms",
	[SV_MD] = "md",		  [SV_CAS] = "cas",	    [SV_TOUCH] = "touch",
	[SV_GAT] = "gat",	  [SV_MA] = "ma",	    [SV_REPLACE] = "replace",
	[SV_NOREPLY] = "noreply", [SV_BINARY] = "binary",   [SV_QUIET] = "quiet",
};
#define VERBS (sizeof(verb_names) / sizeof(verb_names[0]))

bool stale_removes(enum stale_verb v)
{
	return v == SV_DELETE || v == SV_MD || v == SV_TOUCH || v == SV_GAT;
}

bool stale_counts(enum stale_verb v)
{
	return v == SV_INCR || v == SV_MA || v == SV_APPEND || v == SV_PREPEND;
}

/* ---- the history of a key -------------------------------------------------------------------- */

uint32_t stale_begin(struct stale_key *k)
{
	struct stale_began *b;
	uint32_t n;

	pthread_mutex_lock(&k->lock);
	n = ++k->last;
	b = &k->began[n % STALE_PAST];
	b->n = k->n;
	memcpy(b->open, k->open, sizeof(b->open));
	if (k->n < STALE_OPEN)
		k->open[k->n++] = n;
	pthread_mutex_unlock(&k->lock);
	return n;
}

/* Without this it stays open: it may be applied at any time. */
void stale_end(struct stale_key *k, uint32_t number, bool applied)
{
	pthread_mutex_lock(&k->lock);
	for (int i = 0; i < k->n; i++)
		if (k->open[i] == number)
			k->open[i--] = k->open[--k->n];
	if (st.verb == SV_APPEND || st.verb == SV_PREPEND)
		k->acked += applied;
	else if (applied && number > k->acked)
		k->acked = number;
	pthread_mutex_unlock(&k->lock);
}

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

static uint32_t number_of(const struct mcu_reply *r)
{
	const uint8_t *nl = memchr(r->buf, '\n', r->len);

	if (!memcmp(r->buf, "END", 3))
		return STALE_MISS;
	if (memcmp(r->buf, "VALUE ", 6) || !nl)
		return STALE_NONE;
	if (st.verb == SV_APPEND || st.verb == SV_PREPEND) /* with END, and the first byte */
		return (uint32_t)(r->len - (size_t)(nl + 1 - r->buf) - 7 - 1);
	return (uint32_t)strtoul((const char *)nl + 1, NULL, 10);
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

uint32_t stale_read(struct mcu_target *t, struct mcu_reply *r, struct stale_key *k)
{
	struct before b = look(k);
	char req[100];
	uint32_t got;

	if (mcu_send(t, req, (size_t)snprintf(req, sizeof(req), "get %s\r\n", k->name)) ||
	    mcu_recv(t, r, 1, 1000)) {
		st.unread++;
		return STALE_NONE;
	}
	st.reads++;
	got = number_of(r);
	if (got == STALE_NONE)
		st.unread++;
	else
		judge(k, got, b);
	return got;
}

/* ---- the run --------------------------------------------------------------------------------- */

static void *reader(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg + 77;
	struct mcu_reply *r = calloc(1, sizeof(*r));
	struct mcu_target t = { .addr = st.vip, .id = (uint16_t)seed };

	t.fd = mcu_dial(&st.vip, SOCK_DGRAM);
	while (r && t.fd >= 0 && !st.stop)
		stale_read(&t, r, &st.key[rand_r(&seed) % st.keys]);
	close(t.fd);
	free(r);
	return NULL;
}

static int new_keys(unsigned number)
{
	struct mcu_reply *r = calloc(1, sizeof(*r));
	struct mcu_target t = { .addr = st.vip, .fd = mcu_dial(&st.vip, SOCK_DGRAM) };
	int rc = !r || t.fd < 0;

	for (int i = 0; !rc && i < st.keys; i++) {
		memset(&st.key[i], 0, sizeof(st.key[i]));
		pthread_mutex_init(&st.key[i].lock, NULL);
		snprintf(st.key[i].name, sizeof(st.key[i].name), "%s-%s-%d-%u-key%02d", st.prefix,
			 verb_names[st.verb], getpid(), number, i);
		rc = !stale_setup(&t, r, &st.key[i]);
	}
	if (rc)
		printf("# no answer to the first writes\n");
	close(t.fd);
	free(r);
	return rc;
}

static int one_round(unsigned long writes, unsigned number)
{
	pthread_t threads[64];
	int n = 0;

	st.stop = false;
	st.round_writes = (int)writes;
	if (new_keys(number))
		return 1;
	for (int i = 0; i < st.writers; i++)
		if (pthread_create(&threads[n++], NULL, stale_writer, (void *)(uintptr_t)i))
			return 1;
	for (int i = 0; i < st.readers; i++)
		if (pthread_create(&threads[n++], NULL, reader, (void *)(uintptr_t)i))
			return 1;
	for (int i = 0; i < st.writers; i++)
		pthread_join(threads[i], NULL);
	st.stop = true;
	while (n-- > st.writers)
		pthread_join(threads[n], NULL);
	return 0;
}

static int number(const char *name, const char *value)
{
	static const struct {
		const char *name;
		int *to;
	} opts[] = { { "--keys", &st.keys },	   { "--writers", &st.writers },
		     { "--readers", &st.readers }, { "--pause", &st.pause },
		     { "--value", &st.value },	   { "--secs", &st.secs },
		     { "--loss", &st.loss } };

	for (size_t i = 0; i < sizeof(opts) / sizeof(opts[0]); i++)
		if (!strcmp(name, opts[i].name)) {
			*opts[i].to = atoi(value);
			return 0;
		}
	return 2;
}

static int verb(const char *name)
{
	for (size_t i = 0; i < VERBS; i++)
		if (!strcmp(name, verb_names[i])) {
			st.verb = (enum stale_verb)i;
			return 0;
		}
	return 2;
}

static const char *hits;

static int option(const char *name, char *value)
{
	if (!strcmp(name, "--vip"))
		return mcu_addr(value, &st.vip);
	if (!strcmp(name, "--tcp"))
		return st.by_tcp = true, mcu_addr(value, &st.tcp);
	if (!strcmp(name, "--verb"))
		return verb(value);
	if (!strcmp(name, "--writes"))
		return st.writes = strtoul(value, NULL, 0), 0;
	if (!strcmp(name, "--pids"))
		return st.n_pids = mcu_pids(value, st.pids), 0;
	if (!strcmp(name, "--name"))
		return st.prefix = value, 0;
	if (!strcmp(name, "--hits"))
		return hits = value, 0;
	return number(name, value);
}

static int report(long long was)
{
	long long is = hits ? mcu_ask(hits) : 0;
	bool bad = st.stale || st.back || !st.done;

	/* every write without an answer is a hole in what is known */
	if (!st.loss)
		bad |= st.missing || st.late || st.lost * 20 > st.writes;
	if (hits)
		printf("%lld hits, ", is - was);
	printf("%s: %lu writes, %lu lost, %lu conflicts, %lu reads, %lu without an answer, "
	       "%lu stale, %lu back in time, %lu missing, %lu late\n",
	       verb_names[st.verb], st.done, st.lost, st.conflicts, st.reads, st.unread, st.stale,
	       st.back, st.missing, st.late);
	return bad;
}

int mcu_stale(int argc, char **argv)
{
	long long was;
	unsigned n = 0;

	for (int i = 1; i + 1 < argc; i += 2)
		if (option(argv[i], argv[i + 1]))
			return 2;
	if (!st.vip.len || st.keys < 1 || st.keys > STALE_KEYS || st.writers < 1 ||
	    st.writers + st.readers > 64 || (unsigned)st.value > 1300)
		return 2;
	st.key = calloc((size_t)st.keys, sizeof(*st.key));
	if (!st.key)
		return 2;
	was = hits ? mcu_ask(hits) : 0;
	st.until = st.secs ? mcu_now_us() + (uint64_t)st.secs * 1000000 : 0;
	while (st.done + st.lost < st.writes && (!st.secs || mcu_now_us() < st.until)) {
		unsigned long left = st.writes - st.done - st.lost,
			      room = (unsigned long)st.keys *
				     (st.verb == SV_APPEND || st.verb == SV_PREPEND ? ROUND_APPENDS
										    : 30000u);

		if (one_round(left < room ? left : room, n++))
			return 1;
		if (st.failed)
			break;
	}
	free(st.key);
	return report(was) | !!st.failed;
}
