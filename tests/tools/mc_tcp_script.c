// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A script of requests, each sent to the switch and to a plain memcached: the answers must be the same,
 * byte by byte.  tests/lib/memcached_cases.txt says what the letters mean; by TCP there are besides
 *	C  then the client ends its half of the connection: everything up to the other end is the same
 *	D  the other side ends the connection behind its answer
 * Each case has connections of its own; behind it nothing is left on them that no request asked for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tools/mc_tcp.h"

#define EQUAL_MS 8000

struct side {
	const struct mcu_addr *addr;
	struct mct_conn
		conn[2]; /* memcached takes a connection for binary or not by its first byte */
	struct mct_buf req, flat;
	char cas[24];
	size_t from; /* of its last answer */
	const uint8_t *got;
	size_t len;
};

static struct {
	struct side vip, twin;
	int answers, kind; /* 1: binary */
	char name[64], key[80], why[200];
} f = { .vip.addr = &mct.vip, .twin.addr = &mct.twin };

static bool why(const char *text)
{
	snprintf(f.why, sizeof(f.why), "%s", text);
	return false;
}

static const char noop[24] = { (char)0x80, 0x0a };

static void add_tail(struct mct_buf *b)
{
	if (f.kind)
		mct_put(b, noop, sizeof(noop));
	else
		mct_put(b, "mn\r\n", 4);
}

static struct mct_conn *conn_of(struct side *s)
{
	struct mct_conn *c = &s->conn[f.kind];

	if (c->fd >= 0)
		return c;
	if (mct_dial(c, s->addr))
		return NULL;
	c->cut = s == &f.vip ? mct.cut : MCT_WHOLE;
	c->rnd = mct.seed++;
	return c;
}

static void hang_up(struct side *s)
{
	mct_close(&s->conn[0]);
	mct_close(&s->conn[1]);
}

static int talk(struct side *s, int answers)
{
	struct mct_conn *c = conn_of(s);
	int rc;

	if (!c)
		return -ECONNREFUSED;
	s->from = c->off;
	rc = mct_talk(c, s->req.p, s->req.len, answers, answers < 0 ? 6000 : 10000);
	if (answers < 0)
		c->off = c->in.len;
	s->got = c->in.p + s->from;
	s->len = (rc ? c->in.len : c->off) - s->from;
	return rc;
}

static bool same(void)
{
	f.vip.flat.len = f.twin.flat.len = 0;
	mct_flat(f.vip.got, f.vip.len, &f.vip.flat, f.vip.cas);
	mct_flat(f.twin.got, f.twin.len, &f.twin.flat, f.twin.cas);
	if (f.vip.flat.len == f.twin.flat.len &&
	    !memcmp(f.vip.flat.p, f.twin.flat.p, f.vip.flat.len))
		return true;
	return why("other bytes");
}

/* ---- steps ----------------------------------------------------------------------------------- */

static bool both(int answers)
{
	int rc = talk(&f.twin, answers);

	if (rc)
		return why(rc == -EPIPE ? "the plain memcached ended the connection"
					: "no answer from the plain memcached");
	rc = talk(&f.vip, answers);
	return !rc || why(rc == -EPIPE	     ? "the connection was ended"
			  : rc == -ETIMEDOUT ? "no answer"
					     : "no connection");
}

static bool step_same(void)
{
	return both(f.answers) && same();
}

static bool step_equal(void)
{
	uint64_t end = mct_now_us() + EQUAL_MS * 1000 * mct_slow();

	while (!step_same()) {
		if (mct_now_us() > end)
			return false;
		mct_wait_ms(20);
	}
	return true;
}

static bool miss(const struct side *s)
{
	return mct_starts(s->got, s->len, "END\r\n") || mct_starts(s->got, s->len, "EN\r\n");
}

/* Until it has expired there and here; both clocks count seconds, each from its own start. */
static bool step_gone(void)
{
	uint64_t end = mct_now_us() + 10000000, gone = 0;

	for (;;) {
		if (!both(f.answers))
			return false;
		if (!gone && miss(&f.twin))
			gone = mct_now_us();
		if (gone && miss(&f.vip))
			return true;
		if (mct_now_us() > (gone ? gone + 2100000 : end))
			return why("still there");
		mct_wait_ms(20);
	}
}

/* Only what comes behind is answered. */
static bool step_silent(void)
{
	if (!mct.tail) {
		add_tail(&f.vip.req);
		add_tail(&f.twin.req);
		f.answers = 1;
	} else {
		f.answers--;
	}
	return both(f.answers) && same();
}

static bool step_half(void)
{
	struct mct_conn *c = conn_of(&f.vip);

	if (!c || mct_stuff(c, f.vip.req.p, f.vip.req.len, 1000) != f.vip.req.len)
		return why("cannot send");
	hang_up(&f.vip);
	return true;
}

static bool step_end(void)
{
	bool good = both(-1) && same();

	hang_up(&f.vip);
	hang_up(&f.twin);
	return good;
}

/* Without half-close: until the twin has ended its connection, then the same here. */
static bool step_ended(void)
{
	int rc = talk(&f.twin, 1 << 20);
	bool good = rc == -EPIPE || why("the plain memcached goes on");

	if (good) {
		rc = talk(&f.vip, 1 << 20);
		good = same() && (rc == -EPIPE || why("the connection goes on"));
	}
	hang_up(&f.vip);
	hang_up(&f.twin);
	return good;
}

static void put(uint8_t *p, uint64_t v, int bytes)
{
	while (bytes--) {
		p[bytes] = (uint8_t)v;
		v >>= 8;
	}
}

/* "OPCODE KEY EXTRAS VALUE", - for nothing there: a binary request. */
static void binary(struct mct_buf *b, const char *text)
{
	char word[4][256] = { "", "", "", "" };
	size_t start = b->len, at;

	if (sscanf(text, "%255s %255s %255s %255s", word[0], word[1], word[2], word[3]) < 2)
		word[1][0] = '-';
	mct_room(b, 24);
	memset(b->p + b->len, 0, 24);
	b->len += 24;
	if (word[2][0] != '-')
		for (size_t i = 0; i + 1 < strlen(word[2]); i += 2) {
			char hex[3] = { word[2][i], word[2][i + 1], 0 };
			uint8_t c = (uint8_t)strtoul(hex, NULL, 16);

			mct_put(b, &c, 1);
		}
	at = b->len;
	if (word[1][0] != '-')
		mct_expand(word[1], f.key, "", b);
	put(b->p + start + 2, b->len - at, 2);
	if (word[3][0] && word[3][0] != '-')
		mct_expand(word[3], f.key, "", b);
	b->p[start] = 0x80;
	b->p[start + 1] = (uint8_t)strtoul(word[0], NULL, 16);
	b->p[start + 4] = (uint8_t)(at - start - 24);
	put(b->p + start + 8, b->len - start - 24, 4);
	memcpy(b->p + start + 12, "\1\2\3\4", 4);
}

static void make(struct side *s, const char *text)
{
	s->req.len = 0;
	if (f.kind)
		binary(&s->req, text);
	else
		mct_expand(text, f.key, s->cas, &s->req);
	if (mct.tail)
		add_tail(&s->req);
}

static bool step(const char *line)
{
	const char *text = strchr(line, ' ');
	char letter = line[line[0] == 'b'];

	if (!text)
		return why("no such step");
	f.kind = line[0] == 'b';
	f.answers = line[1] >= '1' && line[1] <= '9' ? line[1] - '0' : 1;
	f.answers += mct.tail;
	if (letter == 'W')
		return mct_wait_ms(atoi(text)), true;
	make(&f.vip, text + 1);
	make(&f.twin, text + 1);
	switch (letter) {
	case ' ':
	case 'H':
	case 'S': return step_same();
	case 'E': return step_equal();
	case 'G': return step_gone();
	case 'N': return step_silent();
	case 'P': return step_half();
	case 'A': return both(f.answers);
	case 'C': return step_end();
	case 'D': return step_ended();
	}
	return why("no such step");
}

/* ---- the script ------------------------------------------------------------------------------ */

/* Nothing is left on the connections that were used. */
static bool quiet(void)
{
	for (f.kind = 0; f.kind < 2; f.kind++) {
		if (f.twin.conn[f.kind].fd < 0 || f.vip.conn[f.kind].fd < 0)
			continue;
		f.vip.req.len = f.twin.req.len = 0;
		add_tail(&f.vip.req);
		add_tail(&f.twin.req);
		if (!both(-1) || !same() || f.vip.len != (f.kind ? 24 : 4))
			return why("something is left on the connection");
	}
	return true;
}

static void verdict(const char *line, bool good)
{
	if (mct_verdict(good, f.name, "%s at: %s", f.why, line))
		return;
	mct_show("request", f.vip.req.p, f.vip.req.len);
	mct_show("answer", f.vip.got, f.vip.len);
	mct_show("memcached's", f.twin.got, f.twin.len);
}

static void end_case(bool bad)
{
	if (!bad)
		verdict("the end", quiet());
	hang_up(&f.vip);
	hang_up(&f.twin);
}

static void script(FILE *in)
{
	static char line[8192];
	static unsigned number;
	bool bad = true;

	while (fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\n")] = 0;
		if (!line[0] || line[0] == '#')
			continue;
		if (!strncmp(line, "case ", 5)) {
			end_case(bad);
			snprintf(f.name, sizeof(f.name), "%.60s", line + 5);
			snprintf(f.key, sizeof(f.key), "%llu-yek-%u",
				 (unsigned long long)mct_now_us() % 1000000, number++);
			bad = mct.only && strcmp(mct.only, line + 5);
			continue;
		}
		f.why[0] = 0;
		if (!bad && !step(line)) {
			bad = true;
			verdict(line, false);
		}
	}
	end_case(bad);
}

int mct_functional(void)
{
	FILE *in = mct.script ? fopen(mct.script, "re") : NULL;

	if (!in || !mct.twin.len)
		return 2;
	f.vip.conn[0].fd = f.vip.conn[1].fd = f.twin.conn[0].fd = f.twin.conn[1].fd = -1;
	script(in);
	fclose(in);
	return mct_result();
}
