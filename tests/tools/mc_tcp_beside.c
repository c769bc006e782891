// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* One who is slow, stalled or dead, and the others beside, who must not feel it. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "tests/tools/mc_tcp.h"

#define LONG 1000000
#define KEYS 60

/* What a quick client saw in its time. */
struct quick {
	unsigned long answers, wrong;
	uint64_t longest; /* us */
};

/* One request at a time, of the keys that are listed (all if the list is NULL). */
static struct quick quick_client(const char *kind, const bool *these, size_t value, int ms)
{
	uint64_t end = mct_now_us() + (uint64_t)ms * 1000;
	struct quick q = { 0 };
	struct mct_conn c;
	char text[64], key[32];
	size_t at;

	if (mct_dial(&c, &mct.vip))
		return q;
	for (unsigned i = 0; mct_now_us() < end; i++) {
		uint64_t start = mct_now_us();

		if (these && !these[i % KEYS])
			continue;
		snprintf(key, sizeof(key), "%s-%u", kind, i % KEYS);
		snprintf(text, sizeof(text), "get %s\r\n", key);
		if (mct_say(&c, text, &at) || !mct_right(c.in.p + at, c.off - at, key, value)) {
			if (q.wrong++ < 3)
				mct_show(key, c.in.p + at, c.in.len - at);
			break;
		}
		q.answers++;
		c.in.len = c.off = 0;
		if (mct_now_us() - start > q.longest)
			q.longest = mct_now_us() - start;
	}
	mct_close(&c);
	return q;
}

static void not_held_up(const char *name, struct quick q, int ms)
{
	printf("# %s: %lu answers in %d ms, the longest took %.1f ms\n", name, q.answers, ms,
	       (double)q.longest / 1000);
	/* one that waits for the other, or for a deadline, makes a handful */
	mct_verdict(q.answers >= (unsigned long)ms / 10 && !q.wrong, name,
		    "%lu answers in %d ms, %lu wrong", q.answers, ms, q.wrong);
}

static size_t ask_long(struct mct_conn *c, int n)
{
	struct mct_buf req = { 0 };
	size_t sent;

	for (int i = 0; i < n; i++)
		mct_print(&req, "get long-%d\r\n", i % 6);
	sent = mct_stuff(c, req.p, req.len, 300);
	free(req.p);
	return sent;
}

static int read_long(struct mct_conn *c, int n)
{
	size_t at = 0, off = 0;
	char key[32];
	int i = 0;

	mct_talk(c, NULL, 0, n, 2 * MCT_MS);
	for (; i < n && mct_whole(c->in.p, c->in.len, &off); i++, at = off) {
		snprintf(key, sizeof(key), "long-%d", i % 6);
		if (!mct_right(c->in.p + at, off - at, key, LONG))
			break;
	}
	return i;
}

int mct_slow_reader(void)
{
	int n = mct.conns < 20 ? mct.conns : 8, right = 0, each = 25;
	struct mct_conn slow[20], half;
	struct mct_buf part = { 0 };

	if (mct_fill(&mct.vip, "long", 6, LONG) || mct_fill(&mct.vip, "quick", KEYS, 50))
		return mct_verdict(false, "slow", "cannot store"), 1;
	for (int i = 0; i < n; i++)
		if (!mct_dial(&slow[i], &mct.vip))
			ask_long(&slow[i], i % 2 ? each : 1);
	not_held_up("quick-beside-slow-readers", quick_client("quick", NULL, 50, mct.ms), mct.ms);
	mct_print(&part, "set quick-half 0 0 %d\r\n", LONG);
	mct_expand("{v60000}", "", "", &part);
	if (!mct_dial(&half, &mct.vip))
		mct_stuff(&half, part.p, part.len, 300);
	not_held_up("quick-beside-half-a-store", quick_client("quick", NULL, 50, mct.ms), mct.ms);
	for (int i = 0; i < n; i++) {
		right += read_long(&slow[i], i % 2 ? each : 1);
		mct_close(&slow[i]);
	}
	each = n / 2 * each + (n + 1) / 2;
	mct_verdict(right == each, "slow-readers-get-all", "%d of %d", right, each);
	mct_close(&half);
	free(part.p);
	return mct_result();
}

/* Many who ask for much and read nothing: the process between keeps its bound. */
int mct_hoard(void)
{
	long before = mct_rss_mb(mct.pid), most = 0;
	struct mct_conn *c = calloc((size_t)mct.conns, sizeof(*c));
	struct quick q;

	if (!c || mct_fill(&mct.vip, "long", 6, LONG) || mct_fill(&mct.vip, "quick", KEYS, 50))
		return mct_verdict(false, "hoard", "cannot store"), 1;
	for (int i = 0; i < mct.conns; i++) {
		if (!mct_dial(&c[i], &mct.vip))
			ask_long(&c[i], i % 3 ? 40 : 1);
		if (mct_rss_mb(mct.pid) > most)
			most = mct_rss_mb(mct.pid);
	}
	/* until it has grown no more for a second, or is over the bound */
	for (int still = 0, i = 0; still < 20 && i < 400 && most - before < mct.bound;
	     i++, still++) {
		long now = mct_rss_mb(mct.pid);

		if (now > most) {
			most = now;
			still = 0;
		}
		mct_wait_ms(50);
	}
	printf("# process: %ld MB before, at most %ld MB\n", before, most);
	mct_verdict(before >= 0 && most - before < mct.bound, "hoard-memory", "%ld MB more",
		    most - before);
	for (int i = 0; i < mct.conns; i++)
		mct_close(&c[i]);
	q = quick_client("quick", NULL, 50, 2000);
	not_held_up("hoard-then-all-is-well", q, 2000);
	free(c);
	return mct_result();
}

/* ---- servers --------------------------------------------------------------------------------- */

/* Which keys are that server's: it is asked itself. */
static int keys_there(const char *kind, int keys, bool *there)
{
	struct mct_conn c;
	char text[64];
	size_t at;
	int n = 0;

	if (mct_dial(&c, &mct.server))
		return 0;
	for (int i = 0; i < keys; i++) {
		snprintf(text, sizeof(text), "mg %s-%d\r\n", kind, i);
		there[i] = !mct_say(&c, text, &at) && mct_starts(c.in.p + at, c.off - at, "HD");
		n += there[i];
	}
	mct_close(&c);
	return n;
}

struct fates {
	int right, error, ended, silent, wrong;
};

static void fate(struct mct_conn *c, int rc, size_t at, const char *key, struct fates *f)
{
	if (rc == -ETIMEDOUT)
		f->silent++;
	else if (rc)
		f->ended++;
	else if (mct_right(c->in.p + at, c->off - at, key, 50))
		f->right++;
	else if (mct_starts(c->in.p + at, c->off - at, "SERVER_ERROR"))
		f->error++;
	else
		f->wrong++;
}

/* Where some hang, the others are not waited for as long. */
static int patience(const struct fates *f)
{
	return f[0].silent + f[1].silent > 2 ? 10 : MCT_MS / 2;
}

/* Each key by a connection of its own, all at once: fates[0] of the living servers' keys, [1] the other's. */
static void each_alone(const bool *dead, struct fates *f)
{
	struct mct_conn c[KEYS];
	char text[64], key[32];

	memset(f, 0, 2 * sizeof(*f));
	for (int i = 0; i < KEYS; i++) {
		snprintf(text, sizeof(text), "get quick-%d\r\n", i);
		if (!mct_dial(&c[i], &mct.vip))
			mct_stuff(&c[i], (uint8_t *)text, strlen(text), 1000);
	}
	for (int i = 0; i < KEYS; i++) {
		snprintf(key, sizeof(key), "quick-%d", i);
		fate(&c[i], mct_talk(&c[i], NULL, 0, 1, patience(f)), 0, key, &f[dead[i]]);
		mct_close(&c[i]);
	}
}

/* All in one pipeline. */
static void all_in_one(const bool *dead, struct fates *f)
{
	struct mct_buf req = { 0 };
	struct mct_conn c;
	char key[32];
	size_t at;

	memset(f, 0, 2 * sizeof(*f));
	for (int i = 0; i < KEYS; i++)
		mct_print(&req, "get quick-%d\r\n", i);
	if (mct_dial(&c, &mct.vip) || mct_stuff(&c, req.p, req.len, 1000) != req.len)
		f[0].ended++;
	for (int i = 0; i < KEYS; i++) {
		snprintf(key, sizeof(key), "quick-%d", i);
		at = c.off;
		fate(&c, mct_talk(&c, NULL, 0, 1, patience(f)), at, key, &f[dead[i]]);
	}
	mct_close(&c);
	free(req.p);
}

/* The keys of the living are answered, the others are errors, at once or when the time is over. */
static void fates_are(const char *name, const struct fates *f, int alive, int dead)
{
	char text[80];

	snprintf(text, sizeof(text), "%s-others-are-answered", name);
	mct_verdict(f[0].right == alive, text,
		    "%d of %d right, %d errors, %d ended, %d silent, %d wrong", f[0].right, alive,
		    f[0].error, f[0].ended, f[0].silent, f[0].wrong);
	snprintf(text, sizeof(text), "%s-its-keys-are-errors", name);
	mct_verdict(f[1].error == dead, text,
		    "%d of %d are, %d right, %d ended, %d silent, %d wrong", f[1].error, dead,
		    f[1].right, f[1].ended, f[1].silent, f[1].wrong);
}

static int prepare(bool *dead, bool *alive)
{
	int n;

	if (mct_fill(&mct.vip, "quick", KEYS, 50) || mct_fill(&mct.vip, "long", 6, LONG))
		return mct_verdict(false, "prepared", "cannot store"), -1;
	n = keys_there("quick", KEYS, dead);
	for (int i = 0; i < KEYS; i++)
		alive[i] = !dead[i];
	if (n > 0 && n < KEYS)
		return n;
	return mct_verdict(false, "prepared", "the server has %d of %d keys", n, KEYS), -1;
}

static bool recovered(void)
{
	static const bool none[KEYS];
	uint64_t end = mct_now_us() + 15000000;
	struct fates f[2];

	do {
		each_alone(none, f);
		if (f[0].right == KEYS)
			return true;
		mct_wait_ms(100);
	} while (mct_now_us() < end);
	printf("# %d right, %d errors, %d ended, %d silent, %d wrong\n", f[0].right, f[0].error,
	       f[0].ended, f[0].silent, f[0].wrong);
	return false;
}

int mct_stalled(void)
{
	bool dead[KEYS], alive[KEYS];
	struct fates f[2];
	struct mct_conn hang[8];
	int n = prepare(dead, alive);

	if (n < 0)
		return mct_result();
	kill(mct.pid, SIGSTOP);
	for (int i = 0; i < 8; i++) /* these wait while the quick one works */
		if (!mct_dial(&hang[i], &mct.vip))
			ask_long(&hang[i], 6);
	not_held_up("quick-beside-a-stalled-server", quick_client("quick", alive, 50, mct.ms),
		    mct.ms);
	each_alone(dead, f);
	fates_are("stalled", f, KEYS - n, n);
	all_in_one(dead, f);
	fates_are("stalled-in-one-pipeline", f, KEYS - n, n);
	for (int i = 0; i < 8; i++)
		mct_close(&hang[i]);
	kill(mct.pid, SIGCONT);
	mct_verdict(recovered(), "stalled-then-all-is-well", "not all keys are answered");
	return mct_result();
}

/* ---- death ----------------------------------------------------------------------------------- */

/* Complete answers that are right; then errors, or the end; nothing else. */
static void half_read(struct mct_conn *c, int k, int n)
{
	size_t at = 0, off = 0;
	int right = 0, errors = 0, rc = mct_talk(c, NULL, 0, n, 8000);
	char key[32];
	bool good = rc != -ETIMEDOUT;

	snprintf(key, sizeof(key), "long-%d", k);
	for (; mct_whole(c->in.p, c->in.len, &off); at = off) {
		if (mct_right(c->in.p + at, off - at, key, LONG) && !errors)
			right++;
		else if (mct_starts(c->in.p + at, off - at, "SERVER_ERROR"))
			errors++;
		else
			good = false;
	}
	printf("# of %d answers %d whole, %d errors, %zu bytes of one, %s\n", n, right, errors,
	       c->in.len - at,
	       c->reset ? "reset"
	       : c->eof ? "ended"
			: "goes on");
	mct_verdict(good && right < n && (c->eof || (right + errors == n && at == c->in.len)),
		    "killed-in-an-answer", "what came is neither whole answers, errors, nor ended");
	mct_close(c);
}

int mct_killed(void)
{
	bool dead[KEYS], alive[KEYS], longs[6];
	struct mct_buf req = { 0 };
	struct mct_conn c;
	struct fates f[2];
	int n = prepare(dead, alive), k = 0, queued = 0;

	if (n < 0)
		return mct_result();
	if (!keys_there("long", 6, longs))
		return mct_verdict(false, "prepared", "no long key there"), 1;
	while (!longs[k])
		k++;
	for (int i = 0; i < 40; i++)
		mct_print(&req, "get long-%d\r\n", k);
	if (!mct_dial(&c, &mct.vip))
		mct_stuff(&c, req.p, req.len, 300);
	for (int i = 0; i < 100 && queued < 1000; i++, mct_wait_ms(10))
		ioctl(c.fd, FIONREAD, &queued);
	kill(mct.pid, SIGKILL);
	not_held_up("quick-beside-a-dead-server", quick_client("quick", alive, 50, mct.ms), mct.ms);
	half_read(&c, k, 40);
	each_alone(dead, f);
	fates_are("killed", f, KEYS - n, n);
	all_in_one(dead, f);
	fates_are("killed-in-one-pipeline", f, KEYS - n, n);
	free(req.p);
	return mct_result();
}
