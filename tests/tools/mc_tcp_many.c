// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Many connections: idle ones, busy ones, and such as judge every answer of a server that errs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "tests/tools/mc_tcp.h"

static struct mct_conn *conns;

static int dial_all(int n)
{
	conns = calloc((size_t)n, sizeof(*conns));
	for (int i = 0; conns && i < n; i++)
		if (mct_dial(&conns[i], &mct.vip))
			return i;
	return conns ? n : 0;
}

int mct_idle(void)
{
	long before = mct.pid ? mct_rss_mb(mct.pid) : 0, after;
	int n, right = 0, later = 0;
	char text[64], key[32];
	size_t at;

	if (mct_fill(&mct.vip, "idle", 100, 64))
		return mct_verdict(false, "idle", "cannot store"), 1;
	n = dial_all(mct.conns);
	mct_verdict(n == mct.conns, "idle-connections", "only %d of %d", n, mct.conns);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < n; i += round ? 37 : 1) {
			snprintf(key, sizeof(key), "idle-%d", i % 100);
			snprintf(text, sizeof(text), "get %s\r\n", key);
			if (mct_say(&conns[i], text, &at) ||
			    !mct_right(conns[i].in.p + at, conns[i].off - at, key, 64))
				break;
			if (round)
				later += 37;
			else
				right++;
			free(conns[i].in.p);
			conns[i].in = (struct mct_buf){ 0 };
			conns[i].off = 0;
		}
	mct_verdict(right == n, "idle-each-is-answered", "%d of %d", right, n);
	mct_verdict(later >= n, "idle-some-again", "up to %d of %d", later, n);
	after = mct.pid ? mct_rss_mb(mct.pid) : 0;
	printf("# %d connections, process: %ld MB before, %ld MB with them\n", n, before, after);
	if (mct.pid)
		mct_verdict(after >= 0 && after - before < mct.bound, "idle-memory", "%ld MB more",
			    after - before);
	return mct_result();
}

/* ---- busy ------------------------------------------------------------------------------------ */

struct tally {
	unsigned long right, wrong, errors, ended, late;
};

/* Connection i has requests `asked` and answers `done`; key and length follow from the number. */
struct busy {
	struct mct_conn *c;
	unsigned asked, done;
	uint64_t since;
};

static void key_of(const struct busy *b, unsigned n, char *key, size_t room, bool own)
{
	if (own)
		snprintf(key, room, "busy-%d", (int)(((size_t)(b->c - conns) * 7 + n) % 1000));
	else
		snprintf(key, room, "fake-%d-%u", (int)(b->c - conns), n);
}

static int ask_more(struct busy *b, bool own)
{
	struct mct_buf req = { 0 };
	char key[64];
	int rc;

	while (b->asked - b->done < (unsigned)mct.window) {
		key_of(b, b->asked++, key, sizeof(key), own);
		mct_print(&req, "get %s\r\n", key);
	}
	b->since = mct_now_us();
	rc = mct_stuff(b->c, req.p, req.len, 1000) == req.len ? 0 : -EIO;
	free(req.p);
	return rc;
}

static void judge(struct busy *b, struct tally *t, bool own)
{
	size_t at = 0, off = 0;
	char key[64];

	while (b->done < b->asked && mct_whole(b->c->in.p, b->c->in.len, &off)) {
		const uint8_t *p = b->c->in.p + at;

		key_of(b, b->done++, key, sizeof(key), own);
		if (mct_right(p, off - at, key, own ? 100 : 64)) {
			t->right++;
		} else if (mct_starts(p, off - at, "SERVER_ERROR")) {
			t->errors++;
		} else {
			if (t->wrong++ < 5)
				mct_show(key, p, off - at);
		}
		at = off;
	}
	if (b->done == b->asked && b->c->in.len > at && !b->c->eof) { /* nobody asked for that */
		if (t->wrong++ < 5)
			mct_show("besides", b->c->in.p + at, b->c->in.len - at);
		at = b->c->in.len;
	}
	memmove(b->c->in.p, b->c->in.p + at, b->c->in.len - at);
	b->c->in.len -= at;
}

/* A connection that ended may be made again, where that is allowed. */
static bool again(struct busy *b, struct tally *t, int ep)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = b };

	t->ended++;
	mct_close(b->c);
	b->done = b->asked;
	if (!mct.ends || mct_dial(b->c, &mct.vip))
		return false;
	return !epoll_ctl(ep, EPOLL_CTL_ADD, b->c->fd, &e);
}

static void loop(struct busy *b, int n, int ep, struct tally *t, bool own)
{
	uint64_t end = mct_now_us() + (uint64_t)mct.ms * 1000;
	struct epoll_event ev[256];

	while (mct_now_us() < end) {
		int got = epoll_wait(ep, ev, 256, 100);

		for (int i = 0; i < got; i++) {
			struct busy *x = ev[i].data.ptr;

			mct_take(x->c);
			judge(x, t, own);
			if (x->c->eof && !again(x, t, ep))
				continue;
			if (x->done == x->asked)
				ask_more(x, own);
		}
	}
	for (int i = 0; i < n; i++)
		t->late += b[i].c->fd >= 0 && b[i].done != b[i].asked &&
			   mct_now_us() - b[i].since > 8000000;
}

static struct tally all_busy(bool own)
{
	struct tally t = { 0 };
	int n = dial_all(mct.conns), ep = epoll_create1(EPOLL_CLOEXEC);
	struct busy *b = calloc((size_t)mct.conns, sizeof(*b));

	mct_verdict(n == mct.conns && b, own ? "busy-connections" : "judge-connections",
		    "only %d of %d", n, mct.conns);
	for (int i = 0; b && i < n; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = &b[i] };

		b[i].c = &conns[i];
		epoll_ctl(ep, EPOLL_CTL_ADD, conns[i].fd, &e);
		ask_more(&b[i], own);
	}
	if (b)
		loop(b, n, ep, &t, own);
	printf("# %lu right, %lu errors, %lu wrong, %lu connections ended, %lu not answered for 8 s\n",
	       t.right, t.errors, t.wrong, t.ended, t.late);
	return t;
}

int mct_busy(void)
{
	struct tally t;

	if (mct_fill(&mct.vip, "busy", 1000, 100))
		return mct_verdict(false, "busy", "cannot store"), 1;
	t = all_busy(true);
	mct_verdict(t.right >= (unsigned long)mct.conns, "busy-answers", "%lu", t.right);
	mct_verdict(!t.wrong && !t.errors && !t.ended && !t.late, "busy-all-are-right",
		    "%lu wrong, %lu errors, %lu connections ended, %lu hang", t.wrong, t.errors,
		    t.ended, t.late);
	return mct_result();
}

/* In front of a fake server: a client may hear of an error, or lose its connection, and nothing else. */
int mct_judge(void)
{
	struct tally t;

	mct.ends = true;
	t = all_busy(false);
	mct_verdict(t.right > 50, "judge-answers", "%lu", t.right);
	mct_verdict(!t.wrong, "judge-none-is-somebody-elses", "%lu wrong", t.wrong);
	mct_verdict(!t.late, "judge-none-hangs", "%lu", t.late);
	return mct_result();
}
