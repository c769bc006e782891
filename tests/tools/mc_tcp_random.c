// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Random pipelines, cut at random, to the switch and to a plain memcached: the same bytes must come back
 * and then the end of the stream.  Several connections at once, each with keys of its own, so that what
 * they get mixed up inside is seen.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tools/mc_tcp.h"

static atomic_int next_one;
static atomic_ulong requests, bytes, differ;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct gen {
	uint64_t s;
	unsigned id;
	struct mct_buf *b;
};

static unsigned pick(struct gen *g, unsigned n)
{
	return (unsigned)(mct_rnd(&g->s) >> 16) % n;
}

static const char *key(struct gen *g, char *out)
{
	unsigned k = pick(g, 16);

	/* some are long, and none of another pipeline's */
	snprintf(out, 256, "r%u-%u%s%0*u", g->id, k, k == 7 ? "-" : "", k == 7 ? 200 : 1, k % 3);
	return out;
}

static size_t length(struct gen *g)
{
	unsigned r = pick(g, 100);

	return r < 70	? pick(g, 60)
	       : r < 90 ? pick(g, 1500)
	       : r < 98 ? pick(g, 20000)
			: pick(g, 90000);
}

/*
 * A block of data that looks like the protocol, or like nothing.  It never begins with a number: what
 * memcached makes of such a value by incr depends on who reads it at that moment.
 */
static void data(struct gen *g, size_t n)
{
	static const char like[] = "\r\nEND\r\nVALUE x 0 3\r\nset y 0 0 1\r\nVA 2\r\nEN\r\n";
	bool protocol = pick(g, 2);

	mct_room(g->b, n + 2);
	for (size_t i = 0; i < n; i++)
		g->b->p[g->b->len++] = !i	  ? 'z'
				       : protocol ? (uint8_t)like[i % (sizeof(like) - 1)]
						  : (uint8_t)(mct_rnd(&g->s) >> 20);
	mct_put(g->b, "\r\n", 2);
}

static void text_read(struct gen *g)
{
	static const char *const verb[] = { "get", "get", "gets", "gat 100", "gats 60" };
	char k[256];
	unsigned n = pick(g, 3) ? 1 : 1 + pick(g, 12);

	mct_print(g->b, "%s", verb[pick(g, 5)]);
	while (n--)
		mct_print(g->b, " %s", key(g, k));
	mct_print(g->b, pick(g, 20) ? "\r\n" : "\n");
}

static void text_store(struct gen *g)
{
	static const char *const verb[] = { "set",     "set",	 "set",	    "add",
					    "replace", "append", "prepend", "cas" };
	const char *v = verb[pick(g, 8)];
	char k[256];
	bool number = !pick(g, 4);
	size_t n = number ? 1 + pick(g, 3) : length(g);

	mct_print(g->b, "%s %s %u %s %zu%s%s\r\n", v, key(g, k), pick(g, 3) ? 0 : pick(g, 70000),
		  pick(g, 5) ? "0" : "100", n, v[0] == 'c' ? " 999999999999" : "",
		  pick(g, 3) ? "" : " noreply");
	if (number)
		mct_print(g->b, "%.*s\r\n", (int)n, "135");
	else
		data(g, n);
}

static void text_change(struct gen *g)
{
	const char *quiet = pick(g, 3) ? "" : " noreply";
	char k[256];

	switch (pick(g, 4)) {
	case 0: mct_print(g->b, "delete %s%s\r\n", key(g, k), quiet); break;
	case 1: mct_print(g->b, "touch %s 100%s\r\n", key(g, k), quiet); break;
	default: mct_print(g->b, "incr %s %u%s\r\n", key(g, k), pick(g, 900), quiet);
	}
}

static void meta(struct gen *g)
{
	static const char *const mg[] = { "",		" v",	    " v q",	" k v f",
					  " s v Oab12", " v t c h", " N60 v t", " k q",
					  " T90 v",	" v E77",   " b" };
	static const char *const ms[] = { "",	 " q",	  " k Oxy", " F7 T100", " ME",
					  " MA", " MP q", " MR",    " c" };
	static const char *const md[] = { "", " q", " k Ozz", " I T60", " q Oq" };
	static const char *const ma[] = { "", " v", " N0 J12 v", " q", " D5 v t" };
	char k[256];
	size_t n;

	switch (pick(g, 6)) {
	case 0:
		n = length(g);
		mct_print(g->b, "ms %s %zu%s\r\n", key(g, k), n, ms[pick(g, 9)]);
		data(g, n);
		break;
	case 1: mct_print(g->b, "md %s%s\r\n", key(g, k), md[pick(g, 5)]); break;
	case 2: mct_print(g->b, "ma %s%s\r\n", key(g, k), ma[pick(g, 5)]); break;
	default: mct_print(g->b, "mg %s%s\r\n", key(g, k), mg[pick(g, 11)]);
	}
}

/*
 * What is answered with an error, or of no key.  A key that is too long is not among it: memcached
 * drops the answers before it that it has not sent yet.
 */
static void text_other(struct gen *g)
{
	static const char *const line[] = { "mn",	"mn",	  "version", "frobnicate",
					    "get",	"incr x", "mg",	     "delete",
					    "mg x v v", "set",	  "mn",	     "" };
	char k[256];

	if (!pick(g, 8))
		mct_print(g->b, "set %s 0 0 -1%s\r\n", key(g, k), pick(g, 2) ? "" : " noreply");
	else if (!pick(g, 8))
		mct_print(g->b, "incr %s abc%s\r\n", key(g, k), pick(g, 2) ? "" : " noreply");
	else
		mct_print(g->b, "%s\r\n", line[pick(g, 12)]);
}

/* ---- binary ---------------------------------------------------------------------------------- */

static void binary(struct gen *g)
{
	/* stores, arithmetic, reads, others; quiet ones too */
	static const uint8_t op[] = { 0x01, 0x02, 0x03, 0x11, 0x12, 0x13, 0x05, 0x15, 0x0e,
				      0x0f, 0x19, 0x1a, 0x00, 0x09, 0x0c, 0x0d, 0x00, 0x09,
				      0x0c, 0x0d, 0x04, 0x14, 0x0a, 0x0b, 0x1c, 0x1d, 0x1e };
	uint8_t o = op[pick(g, sizeof(op))], h[24] = { 0x80, o }, extra[20] = { 0 };
	bool store = (o >= 1 && o <= 3) || (o >= 0x11 && o <= 0x13),
	     count = (o & 0xf) == 5 && o < 0x19;
	bool append = o == 0x0e || o == 0x0f || o == 0x19 || o == 0x1a,
	     none = o == 0x0a || o == 0x0b;
	size_t e = store ? 8 : count ? 20 : o >= 0x1c && o <= 0x1e ? 4 : 0, kn, n = 0, body;
	char k[256];

	kn = none ? 0 : strlen(key(g, k));
	if (store || append)
		n = length(g);
	body = e + kn + n;
	h[2] = (uint8_t)(kn >> 8);
	h[3] = (uint8_t)kn;
	h[4] = (uint8_t)e;
	for (int i = 0; i < 4; i++) {
		h[8 + i] = (uint8_t)(body >> (24 - 8 * i));
		h[12 + i] = (uint8_t)pick(g, 256);
	}
	extra[7] = count ? (uint8_t)pick(g, 200) : 0;
	extra[3] = e == 4 ? 100 : (uint8_t)pick(g, 4);
	mct_put(g->b, h, 24);
	mct_put(g->b, extra, e);
	mct_put(g->b, k, kn);
	if (store || append) {
		data(g, n);
		g->b->len -= 2;
	}
}

static void one(struct gen *g)
{
	unsigned r = pick(g, 100);

	if (mct.binary)
		binary(g);
	else if (r < 40)
		text_read(g);
	else if (r < 65)
		text_store(g);
	else if (r < 75)
		text_change(g);
	else if (r < 95)
		meta(g);
	else
		text_other(g);
}

/* ---- both ------------------------------------------------------------------------------------ */

static int run(const struct mcu_addr *a, const struct mct_buf *req, enum mct_cut cut, uint64_t seed,
	       struct mct_buf *flat)
{
	struct mct_conn c;
	char cas[24];
	int rc = mct_dial(&c, a);

	c.cut = cut;
	c.rnd = seed;
	if (!rc)
		rc = mct_talk(&c, req->p, req->len, -1, MCT_MS);
	if (!rc && c.reset)
		rc = -104;
	if (c.in.len)
		mct_flat(c.in.p, c.in.len, flat, cas);
	bytes += c.in.len;
	mct_close(&c);
	return rc;
}

static void complain(uint64_t seed, const struct mct_buf *req, const struct mct_buf *got, int rc,
		     const struct mct_buf *want)
{
	size_t at = 0, from;

	while (at < got->len && at < want->len && got->p[at] == want->p[at])
		at++;
	from = at > 60 ? at - 60 : 0;
	pthread_mutex_lock(&lock);
	if (differ++ < 5) {
		printf("# seed %llu: differs at byte %zu of the answers (%zu instead of %zu), result %d\n",
		       (unsigned long long)seed, at, got->len, want->len, rc);
		mct_show("pipeline", req->p, req->len);
		mct_show("answer", got->p + from, got->len - from < 260 ? got->len - from : 260);
		mct_show("memcached's", want->p + from,
			 want->len - from < 260 ? want->len - from : 260);
	}
	pthread_mutex_unlock(&lock);
}

static void pipeline(uint64_t seed)
{
	struct mct_buf req = { 0 }, got = { 0 }, want = { 0 };
	struct gen g = { .s = seed, .id = (unsigned)(seed % 1000003), .b = &req };
	unsigned n = 1 + pick(&g, pick(&g, 4) ? 20 : 300), how = pick(&g, 8);
	int rc;

	requests += n;
	for (unsigned i = 0; i < n; i++)
		one(&g);
	if (!how && !mct.binary)
		mct_print(&req, "quit\r\n");
	rc = run(&mct.twin, &req, MCT_WHOLE, 0, &want);
	if (!rc)
		rc = run(&mct.vip, &req, pick(&g, 4) ? MCT_RANDOM : MCT_WHOLE, seed, &got);
	if (rc || got.len != want.len || memcmp(got.p, want.p, got.len))
		complain(seed, &req, &got, rc, &want);
	free(req.p);
	free(got.p);
	free(want.p);
}

static void *worker(void *arg)
{
	int i;

	(void)arg;
	while ((i = next_one++) < mct.count && differ < 5)
		pipeline(mct.seed + (uint64_t)i);
	return NULL;
}

int mct_random(void)
{
	pthread_t t[64];

	if (!mct.twin.len || mct.threads > 64)
		return 2;
	printf("# seeds %llu to %llu\n", (unsigned long long)mct.seed,
	       (unsigned long long)(mct.seed + (uint64_t)mct.count - 1));
	for (int i = 0; i < mct.threads; i++)
		if (pthread_create(&t[i], NULL, worker, NULL))
			return 1;
	for (int i = 0; i < mct.threads; i++)
		pthread_join(t[i], NULL);
	printf("# %lu requests, %lu bytes of answers\n", requests, bytes);
	mct_verdict(!differ && bytes, mct.binary ? "random-binary" : "random-text",
		    "%lu pipelines differ", differ);
	return mct_result();
}
