// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Bytes: requests from text, where answers end, and what of two servers' answers must be the same. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/mc_text.h"
#include "tests/tools/mc_tcp.h"

void mct_room(struct mct_buf *b, size_t n)
{
	uint8_t *p;

	if (b->cap - b->len >= n)
		return;
	b->cap = (b->cap + n) * 2 + 4096;
	p = realloc(b->p, b->cap);
	if (!p)
		abort();
	b->p = p;
}

void mct_put(struct mct_buf *b, const void *p, size_t n)
{
	mct_room(b, n);
	memcpy(b->p + b->len, p, n);
	b->len += n;
}

void mct_print(struct mct_buf *b, const char *format, ...)
{
	char text[1024];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	mct_put(b, text, (size_t)n);
}

uint64_t mct_rnd(uint64_t *s)
{
	uint64_t z = *s += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* ---- requests -------------------------------------------------------------------------------- */

static void expand_word(const char *w, const char *key, const char *cas, struct mct_buf *out)
{
	size_t want = (size_t)atoi(w + 1);

	if (!strncmp(w, "cas}", 4)) {
		mct_put(out, cas, strlen(cas));
		return;
	}
	if (*w == 'k' && w[1] == '}')
		want = strlen(key);
	mct_room(out, want);
	mc_text_fill(*w, key, out->p + out->len, want);
	out->len += want;
}

void mct_expand(const char *text, const char *key, const char *cas, struct mct_buf *out)
{
	for (const char *p = text; *p; p++) {
		if (*p == '{' && strchr("kvc", p[1]) && strchr(p, '}')) {
			expand_word(p + 1, key, cas, out);
			p = strchr(p, '}');
		} else {
			uint8_t c = *p == '\\' && p[1] ? mc_text_escape(&p) : (uint8_t)*p;

			mct_put(out, &c, 1);
		}
	}
}

/* ---- answers --------------------------------------------------------------------------------- */

bool mct_starts(const uint8_t *p, size_t len, const char *word)
{
	return len >= strlen(word) && !memcmp(p, word, strlen(word));
}

static size_t digits(const uint8_t *p, size_t len)
{
	size_t n = 0;

	while (n < len && p[n] >= '0' && p[n] <= '9')
		n++;
	return n;
}

static size_t number(const uint8_t *p, size_t len)
{
	size_t v = 0;

	for (size_t n = digits(p, len), i = 0; i < n; i++)
		v = v * 10 + (size_t)(p[i] - '0');
	return v;
}

/* Where the word begins that has so many spaces before it. */
static size_t word_at(const uint8_t *p, size_t len, int spaces)
{
	size_t i = 0;

	for (; spaces && i < len; i++)
		spaces -= p[i] == ' ';
	return i;
}

/* The length of the block that begins here, a line and the value it announces; 0: not all there.
 * *last: it ends the answer. */
static size_t block(const uint8_t *p, size_t len, bool *last)
{
	const uint8_t *nl;
	size_t n, at;

	*last = true;
	if (len && p[0] == 0x81) {
		if (len < 24)
			return 0;
		n = 24 + ((size_t)p[8] << 24 | (size_t)p[9] << 16 | (size_t)p[10] << 8 | p[11]);
		return n <= len ? n : 0;
	}
	nl = len ? memchr(p, '\n', len) : NULL;
	if (!nl)
		return 0;
	n = (size_t)(nl - p) + 1;
	if (mct_starts(p, n, "VALUE ")) {
		at = word_at(p, n, 3);
		n += number(p + at, n - at) + 2;
		*last = false;
	} else if (mct_starts(p, n, "VA ")) {
		n += number(p + 3, n - 3) + 2;
	} else if (mct_starts(p, n, "STAT ")) {
		*last = false;
	}
	return n <= len ? n : 0;
}

bool mct_whole(const uint8_t *p, size_t len, size_t *off)
{
	bool last = false;

	for (size_t at = *off; !last;) {
		size_t n = block(p + at, len - at, &last);

		if (!n)
			return false;
		at += n;
		if (last)
			*off = at;
	}
	return true;
}

/* Meta flags: cas unique, time left, time since the last access are of one server. */
static void flat_meta(const uint8_t *p, size_t n, struct mct_buf *out, char *cas)
{
	for (size_t i = 0; i < n; i++) {
		size_t d = i && p[i - 1] == ' ' && strchr("ctl", p[i])
				   ? digits(p + i + 1, n - i - 1)
				   : 0;

		mct_put(out, p + i, 1);
		if (!d)
			continue;
		if (p[i] == 'c')
			snprintf(cas, 24, "%.*s", (int)d, (const char *)p + i + 1);
		mct_put(out, "#", 1);
		i += d;
	}
}

static void flat_block(const uint8_t *p, size_t n, struct mct_buf *out, char *cas)
{
	const uint8_t *nl = memchr(p, '\n', n);
	size_t head = nl ? (size_t)(nl - p) + 1 : n, at;

	if (n >= 24 && p[0] == 0x81) {
		mct_put(out, p, n);
		memset(out->p + out->len - n + 16, 0, 8);
		return;
	}
	at = mct_starts(p, head, "VALUE ") ? word_at(p, head, 4) : head;
	if (at < head) {
		snprintf(cas, 24, "%.*s", (int)digits(p + at, head - at), (const char *)p + at);
		mct_put(out, p, at);
		mct_put(out, "#\r\n", 3);
	} else if (mct_starts(p, head, "VA ") || mct_starts(p, head, "HD ")) {
		flat_meta(p, head, out, cas);
	} else if (mct_starts(p, head, "STAT ")) {
		mct_put(out, p, word_at(p, head, 2));
	} else {
		mct_put(out, p, head);
	}
	mct_put(out, p + head, n - head);
}

void mct_flat(const uint8_t *p, size_t len, struct mct_buf *out, char *cas)
{
	size_t at = 0, n;
	bool last;

	while ((n = block(p + at, len - at, &last))) {
		flat_block(p + at, n, out, cas);
		at += n;
	}
	mct_put(out, p + at, len - at);
}

void mct_show(const char *what, const uint8_t *p, size_t len)
{
	printf("    %s (%zu): ", what, len);
	for (size_t i = 0; i < len && i < 400; i++)
		printf(p[i] < ' ' || p[i] > '~' || p[i] == '\\' ? "\\x%02x" : "%c", p[i]);
	printf("\n");
}

/* ---- values ---------------------------------------------------------------------------------- */

void mct_value(const char *key, size_t n, uint8_t *out)
{
	uint64_t s = 5381, v = 0;

	for (const char *p = key; *p; p++)
		s = s * 33 + (uint8_t)*p;
	for (size_t i = 0; i < n; i++, v >>= 8) {
		if (!(i % 8))
			v = mct_rnd(&s);
		out[i] = (uint8_t)v;
	}
}

bool mct_right(const uint8_t *p, size_t len, const char *key, size_t n)
{
	struct mct_buf want = { 0 };
	bool same;

	mct_print(&want, "VALUE %s 0 %zu\r\n", key, n);
	mct_room(&want, n + 7);
	mct_value(key, n, want.p + want.len);
	want.len += n;
	mct_put(&want, "\r\nEND\r\n", 7);
	same = want.len == len && !memcmp(want.p, p, len);
	free(want.p);
	return same;
}
