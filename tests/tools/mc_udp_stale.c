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

struct stale st = {
	.writes = 20000, .keys = 20, .writers = 1, .readers = 1, .multi = 1, .prefix = "st"
};

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
		     { "--loss", &st.loss },	   { "--multi", &st.multi } };

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

/* SIGTERM: the time is over, and what was seen is told. */
static void enough(int number)
{
	(void)number;
	__atomic_store_n(&st.until, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&st.secs, 1, __ATOMIC_RELAXED);
}

int mcu_stale(int argc, char **argv)
{
	long long was;
	unsigned n = 0;

	for (int i = 1; i + 1 < argc; i += 2)
		if (option(argv[i], argv[i + 1]))
			return 2;
	if (!st.vip.len || st.keys < 1 || st.keys > STALE_KEYS || st.writers < 1 ||
	    st.writers + st.readers > 64 || (unsigned)st.value > 1300 || st.multi < 1 ||
	    st.multi > STALE_MULTI || st.multi > st.keys)
		return 2;
	st.key = calloc((size_t)st.keys, sizeof(*st.key));
	if (!st.key)
		return 2;
	was = hits ? mcu_ask(hits) : 0;
	st.until = st.secs ? mcu_now_us() + (uint64_t)st.secs * 1000000 : 0;
	signal(SIGTERM, enough);
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
