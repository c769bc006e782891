// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Long random sequences against the memcached cache, with a server that is a table here: requests
 * and replies lie about for a while, get lost, and overtake each other.  Whatever is answered from the
 * cache must be what the server would answer at that moment.
 */
#include "mc_cache.h"

#define KEYS 30
#define IN_FLIGHT 6
#define STEPS 60000

struct item {
	int there;
	uint32_t version;
	uint32_t len;
	uint64_t until; /* second of the server's clock; 0: for ever */
};

struct write {
	int used, applied, quiet, flush;
	int key;
	uint64_t tag, born;
	struct item item;
	struct pb_mc_call call;
};

struct fetch {
	int used, served;
	int key;
	struct pb_mc_call call;
	struct item item;
	uint64_t second; /* of the server's clock when it was served */
};

static struct item server[KEYS];
static struct write writes[IN_FLIGHT];
static struct fetch fetches[IN_FLIGHT];
static uint64_t phase, flush_at, tags, hits, gets, kept;
static uint32_t versions;
static uint64_t seed;

static uint32_t below(uint32_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)((seed >> 33) % n);
}

static const char *key_of(int k)
{
	static char buf[64];

	snprintf(buf, sizeof(buf), "key%.*s-%d", k * 2,
		 "................................................", k);
	return buf;
}

static const char *value_of(int k, const struct item *it)
{
	static char buf[PB_MC_DATA_MAX];

	for (uint32_t i = 0; i < it->len; i++)
		buf[i] = (char)('!' +
				(it->version * 31 + (uint32_t)k * 7 + i * (1 + it->version % 5)) %
					90);
	return buf;
}

static uint64_t second(void)
{
	return (now + phase) / SEC;
}

/* What the server has; it looks at its clock, which counts seconds. */
static int has(const struct item *it)
{
	return it->there && (!it->until || it->until > second());
}

static void check_get(int k)
{
	const struct item *it = &server[k];

	gets++;
	if (!get(key_of(k)))
		return;
	hits++;
	cr_assert(has(it), "step %lu: %s is gone", gets, key_of(k));
	answered(key_of(k), it->version, value_of(k, it), it->len);
}

static struct write *write_with(int applied)
{
	struct write *w = &writes[below(IN_FLIGHT)];

	return w->used && w->applied == applied ? w : NULL;
}

static void begin_write(int quiet, int flush)
{
	struct write *w = &writes[below(IN_FLIGHT)];

	if (w->used)
		return;
	*w = (struct write){ .used = 1,
			     .quiet = quiet,
			     .flush = flush,
			     .key = (int)below(KEYS),
			     .tag = ++tags,
			     .born = now };
	w->item =
		(struct item){ .there = below(5) != 0, .version = ++versions, .len = below(1300) };
	if (!below(4))
		w->item.until = below(20) + 1; /* to be added to the clock */
	if (flush)
		run_rest(MC_ASK_WRITE_ALL, (struct mc_ask){ .tag = quiet ? 0 : w->tag });
	else
		set_begins(key_of(w->key), quiet ? 0 : w->tag, &w->call);
}

static void apply(struct write *w)
{
	w->applied = 1;
	w->used = !w->quiet;
	if (w->flush) {
		memset(server, 0, sizeof(server));
		return;
	}
	server[w->key] = w->item;
	if (w->item.until)
		server[w->key].until += second();
}

static void end_write(struct write *w)
{
	if (w->flush)
		run_rest(MC_ASK_WRITTEN_ALL, (struct mc_ask){ .tag = w->tag });
	else
		set_ends(&w->call, w->tag);
	if (below(8)) /* else it comes again */
		w->used = 0;
}

static void begin_fetch(void)
{
	struct fetch *f = &fetches[below(IN_FLIGHT)];

	if (f->used)
		return;
	f->key = (int)below(KEYS);
	f->served = 0;
	f->used = ask_for(key_of(f->key), &f->call);
}

static void serve_fetch(struct fetch *f)
{
	if (!f->used || f->served)
		return;
	f->served = 1;
	f->item = server[f->key];
	f->item.there = has(&f->item);
	f->second = second();
}

static void end_fetch(struct fetch *f)
{
	const struct item *it = &f->item;
	int ttl = it->until ? (int)(it->until - f->second) : -1;

	if (!f->used || !f->served)
		return;
	if (it->there)
		kept += fill_with(&f->call, key_of(f->key), it->version, ttl, value_of(f->key, it),
				  it->len) == 3;
	else
		fill(&f->call, "EN\r\n", 4);
	f->used = !below(8);
}

/* Time goes by; what is older than a datagram gets is gone. */
static void wait_some(void)
{
	now += below(1000) ? below(2000) * MSEC / 1000 : below(3000) * MSEC;
	if (flush_at && now >= flush_at) {
		memset(server, 0, sizeof(server));
		flush_at = 0;
	}
	for (int i = 0; i < IN_FLIGHT; i++)
		if (now - writes[i].born >= LIFE)
			writes[i].used = 0;
}

static void delayed_flush(void)
{
	uint64_t at = now + below(8) * SEC;

	if (flush_at)
		return;
	run_rest(MC_ASK_FLUSH_AT, (struct mc_ask){ .when = at });
	flush_at = at + SEC - below(2000) * MSEC;
	if (flush_at <= now)
		flush_at = now + 1;
}

/* Of what there is much and little changes: writes forbid fills for as long as they are on their way. */
static void step(uint32_t what, uint32_t busy)
{
	struct write *w = write_with(what < 940);

	if (what < 500)
		check_get((int)below(below(3) ? KEYS / 4 : KEYS));
	else if (what < 620)
		begin_fetch();
	else if (what < 740)
		serve_fetch(&fetches[below(IN_FLIGHT)]);
	else if (what < 860)
		end_fetch(&fetches[below(IN_FLIGHT)]);
	else if (what < 890 && below(3) < busy)
		begin_write(!below(100), 0);
	else if (what < 892 && below(30) < busy)
		begin_write(!below(5), 1);
	else if (what < 940 && w)
		end_write(w);
	else if (what < 999 && w)
		apply(w);
	else if (what == 999 && busy == 1 && !below(8))
		delayed_flush();
	if (!below(3))
		wait_some();
}

static void play(uint64_t from, uint32_t in_order)
{
	seed = from;
	load(in_order, 6);
	cache_of(3);
	phase = below(1000) * MSEC;
	for (int k = 0; k < KEYS; k++)
		server[k] = (struct item){ .there = 1, .version = ++versions, .len = below(1300) };
	for (uint32_t i = 0; i < STEPS; i++)
		step(below(1000), i / 1000 % 3);
	cr_log_info("%lu gets, %lu hits, %lu fills, %lu of them late, %lu evictions\n", gets, hits,
		    kept, counter(PB_MC_C_FILLS_LATE), counter(PB_MC_C_EVICTED));
	/* enough of each for the test to say something; how many hangs on the seed */
	cr_expect_gt(hits, gets / 50);
	cr_expect_gt(kept, 50);
	cr_expect_gt(counter(PB_MC_C_FILLS_LATE), 10);
	cr_expect_gt(counter(PB_MC_C_EVICTED), 3);
	cr_expect_eq(counter(PB_MC_C_FILLS), kept);
	mc_cache__destroy(skel);
}

TestSuite(memcached_random, .timeout = 240);

Test(memcached_random, with_fences)
{
	play(11, 0);
}

/* Without the fences that machines need which reorder loads: the same programs otherwise. */
Test(memcached_random, without_fences)
{
	play(12, 1);
}
