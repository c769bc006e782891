// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Much at once on one connection: requests before the first answer is read, long values, half-close. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tools/mc_tcp.h"

/* Answers to gets of KIND-0, KIND-1, ...: how many of n are right, in their order. */
static int right_answers(const struct mct_buf *in, const char *kind, int keys, size_t value, int n)
{
	size_t off = 0, at = 0;
	char key[64];
	int i = 0;

	for (; i < n && mct_whole(in->p, in->len, &off); i++, at = off) {
		snprintf(key, sizeof(key), "%s-%d", kind, i % keys);
		if (!mct_right(in->p + at, off - at, key, value))
			break;
	}
	return i;
}

int mct_pipeline(void)
{
	struct mct_buf req = { 0 };
	struct mct_conn c;
	size_t sent;
	int right, rc;

	if (mct_fill(&mct.vip, "pipe", mct.keys, 40) || mct_dial(&c, &mct.vip))
		return mct_verdict(false, "pipeline", "cannot store"), 1;
	for (int i = 0; i < mct.count; i++)
		mct_print(&req, "get pipe-%d\r\n", i % mct.keys);
	sent = mct_stuff(&c, req.p, req.len, 1500);
	printf("# %zu of %zu bytes were taken before anything was read\n", sent, req.len);
	rc = mct_talk(&c, req.p + sent, req.len - sent, mct.count, 2 * MCT_MS);
	right = right_answers(&c.in, "pipe", mct.keys, 40, mct.count);
	mct_verdict(!rc && right == mct.count, "pipeline-in-order",
		    "%d of %d answers are right, result %d", right, mct.count, rc);
	mct_verdict(c.off == c.in.len, "pipeline-nothing-besides", "%zu bytes more",
		    c.in.len - c.off);
	mct_close(&c);
	free(req.p);
	return mct_result();
}

/* ---- long values ----------------------------------------------------------------------------- */

static bool one_by_one(void)
{
	struct mct_conn c;
	char text[64];
	size_t at;
	bool good = !mct_dial(&c, &mct.vip);

	for (int i = 0; good && i < mct.keys; i++) {
		char key[32];

		snprintf(key, sizeof(key), "large-%d", i);
		snprintf(text, sizeof(text), "get %s\r\n", key);
		good = !mct_say(&c, text, &at) &&
		       mct_right(c.in.p + at, c.off - at, key, (size_t)mct.value);
		c.in.len = c.off = 0;
	}
	mct_close(&c);
	return good;
}

/* All in one multiget, with short ones before and behind, and stores between. */
static bool mixed(enum mct_cut cut)
{
	struct mct_buf req = { 0 }, want = { 0 };
	struct mct_conn c;
	bool good = !mct_dial(&c, &mct.vip);
	char key[32];

	c.cut = cut;
	c.rnd = mct.seed++;
	mct_print(&req, "set short 0 0 2\r\nab\r\nget short\r\nget");
	mct_print(&want, "STORED\r\nVALUE short 0 2\r\nab\r\nEND\r\n");
	for (int i = 0; i < mct.keys; i++) {
		snprintf(key, sizeof(key), "large-%d", i);
		mct_print(&req, " %s", key);
		mct_print(&want, "VALUE %s 0 %d\r\n", key, mct.value);
		mct_room(&want, (size_t)mct.value + 2);
		mct_value(key, (size_t)mct.value, want.p + want.len);
		want.len += (size_t)mct.value;
		mct_put(&want, "\r\n", 2);
	}
	mct_print(&req, "\r\nset again 0 0 %d\r\n", mct.value);
	mct_room(&req, (size_t)mct.value + 64);
	mct_value("again", (size_t)mct.value, req.p + req.len);
	req.len += (size_t)mct.value;
	mct_print(&req, "\r\nget short\r\n");
	mct_print(&want, "END\r\nSTORED\r\nVALUE short 0 2\r\nab\r\nEND\r\n");
	good = good && !mct_talk(&c, req.p, req.len, -1, 2 * MCT_MS) && c.in.len == want.len &&
	       !memcmp(c.in.p, want.p, want.len);
	mct_close(&c);
	free(req.p);
	free(want.p);
	return good;
}

int mct_large(void)
{
	int rounds = mct.count < 100 ? mct.count : 3, i;
	uint64_t start = mct_now_us();

	if (mct.value < 1000)
		mct.value = 1000000;
	if (mct.keys > 20)
		mct.keys = 8;
	for (i = 0; i < rounds && !mct_fill(&mct.vip, "large", mct.keys, (size_t)mct.value); i++)
		;
	mct_verdict(i == rounds, "large-stores", "in round %d", i);
	for (i = 0; i < rounds && one_by_one(); i++)
		;
	mct_verdict(i == rounds, "large-gets", "in round %d", i);
	for (i = 0; i < rounds && mixed(MCT_WHOLE); i++)
		;
	mct_verdict(i == rounds, "large-mixed", "in round %d", i);
	for (i = 0; i < rounds && mixed(MCT_RANDOM); i++)
		;
	mct_verdict(i == rounds, "large-mixed-in-pieces", "in round %d", i);
	printf("# %.1f s\n", (double)(mct_now_us() - start) / 1e6);
	return mct_result();
}

/* ---- ends ------------------------------------------------------------------------------------ */

/* Everything, then the end of our half: every answer, then the end of theirs. */
static void half_close(int n, size_t value, const char *name)
{
	struct mct_buf req = { 0 };
	struct mct_conn c;
	int right = 0, rc = mct_dial(&c, &mct.vip);

	for (int i = 0; i < n; i++)
		mct_print(&req, "get half-%d\r\n", i % 10);
	if (!rc)
		rc = mct_fill(&mct.vip, "half", 10, value);
	if (!rc)
		rc = mct_talk(&c, req.p, req.len, -1, MCT_MS);
	if (!rc)
		right = right_answers(&c.in, "half", 10, value, n + 1);
	mct_verdict(right == n && c.eof && !c.reset, name,
		    "%d of %d answers are right, result %d%s", right, n, rc,
		    c.reset ? ", reset" : "");
	mct_close(&c);
	free(req.p);
}

/* A client that goes in the middle of its store: nothing of it is stored, and nobody else is harmed. */
static void half_a_store(bool rst)
{
	struct mct_conn c, d;
	struct mct_buf req = { 0 };
	size_t at = 0;
	bool good = !mct_dial(&c, &mct.vip) && !mct_dial(&d, &mct.vip) &&
		    !mct_say(&d, "set torn 0 0 3\r\nold\r\n", &at);

	mct_print(&req, "set torn 0 0 100000\r\n");
	mct_expand("{v70000}", "", "", &req);
	good = good && mct_stuff(&c, req.p, req.len, 1000) == req.len;
	if (rst)
		setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 },
			   sizeof(struct linger));
	mct_close(&c);
	for (int i = 0; good && i < 20; i++) {
		good = !mct_say(&d, "get torn\r\n", &at) &&
		       mct_starts(d.in.p + at, d.off - at, "VALUE torn 0 3\r\nold\r\nEND\r\n");
		mct_wait_ms(5);
	}
	mct_verdict(good, rst ? "reset-in-a-store" : "end-in-a-store",
		    "the old value is not there");
	mct_close(&d);
	free(req.p);
}

/* Clients that ask, and go without reading. */
static void ask_and_go(void)
{
	struct mct_buf req = { 0 };
	struct mct_conn c;
	size_t at = 0;
	bool good = !mct_fill(&mct.vip, "half", 10, 20000);

	for (int i = 0; i < 200; i++)
		mct_print(&req, "get half-%d\r\n", i % 10);
	for (int i = 0; good && i < 200; i++) {
		good = !mct_dial(&c, &mct.vip);
		if (good)
			mct_stuff(&c, req.p, req.len / (i % 2 ? 200 : 1), 100);
		mct_close(&c);
	}
	good = good && !mct_dial(&c, &mct.vip) && !mct_say(&c, "get half-3\r\n", &at) &&
	       mct_right(c.in.p + at, c.off - at, "half-3", 20000);
	mct_verdict(good, "clients-that-go", "no right answer behind them");
	mct_close(&c);
	free(req.p);
}

int mct_ends(void)
{
	half_close(1, 10, "half-close-behind-one");
	half_close(2000, 100, "half-close-behind-many");
	half_close(20, 900000, "half-close-behind-long-ones");
	half_a_store(false);
	half_a_store(true);
	ask_and_go();
	return mct_result();
}
