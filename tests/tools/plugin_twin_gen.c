// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin_twin.h"

#define LINE_MAX_ 2048

/* ---- streams --------------------------------------------------------------- */

static bool has(const struct twin_gen *g, const char *what)
{
	return g->stream.len && memmem(g->stream.p, g->stream.len, what, strlen(what));
}

static void text(struct twin_gen *g, const char *s)
{
	fdr_put(&g->stream, s, strlen(s));
}

/* A get of many keys, some of which are there. */
static void many_keys(struct twin_gen *g)
{
	static const char *const verbs[] = { "get", "gets", "get ", "  get" };
	uint32_t n = 2 + mc_gen_below(&g->gen, mc_gen_below(&g->gen, 3) ? 40 : 1500), gap;
	char key[32];

	for (uint32_t i = 0; i < 12; i++) {
		snprintf(key, sizeof(key), "set key-%u %u 0 3\r\nv%02u\r\n",
			 mc_gen_below(&g->gen, 100), i, i);
		text(g, key);
	}
	text(g, verbs[mc_gen_below(&g->gen, 4)]);
	while (n--) {
		for (gap = mc_gen_below(&g->gen, 10) ? 1 : 1 + mc_gen_below(&g->gen, 12); gap--;)
			text(g, " ");
		snprintf(key, sizeof(key), "key-%u", mc_gen_below(&g->gen, 100));
		text(g, key);
	}
	if (!mc_gen_below(&g->gen, 20)) {
		fdr_put(&g->stream, "\0", 1);
		text(g, " key-1 key-2");
	}
	text(g, mc_gen_below(&g->gen, 4) ? "\r\n" : "  \n");
}

static void any(struct twin_gen *g)
{
	uint32_t n = 1 + mc_gen_below(&g->gen, 6);
	bool binary = !mc_gen_below(&g->gen, 3);

	while (n--) {
		if (binary) {
			g->gen.len = 0;
			mc_gen_binary(&g->gen);
		} else if (!mc_gen_below(&g->gen, 8)) {
			many_keys(g);
			continue;
		} else {
			mc_gen_message(&g->gen);
		}
		fdr_put(&g->stream, g->gen.buf, g->gen.len);
	}
}

/* A line that is too long, or a get with a key that is. */
static bool odd_line(const uint8_t *p, size_t n)
{
	bool get = memmem(p, n < 16 ? n : 16, "get", 3) || memmem(p, n < 16 ? n : 16, "gat", 3);
	size_t word = 0;

	for (size_t i = 0; get && i < n && word <= 250; i++)
		word = p[i] == ' ' ? 0 : word + 1;
	return get ? word > 250 : n >= LINE_MAX_;
}

/* Not compared: what is answered otherwise on purpose, and answers that memcached loses when a later
 * get has a key that is too long. */
static bool fit(const struct twin_gen *g)
{
	const uint8_t *p = g->stream.p, *end = p + g->stream.len, *eol;

	for (; p < end; p = eol + 1) {
		eol = memchr(p, '\n', (size_t)(end - p));
		if (!eol)
			eol = end;
		if (odd_line(p, (size_t)(eol - p)))
			return false;
	}
	return !has(g, "lru") && !has(g, "cache_mem");
}

void twin_stream(struct twin_gen *g)
{
	do {
		g->stream.len = 0;
		any(g);
	} while (!g->stream.len || !fit(g));
}

/* ---- answers --------------------------------------------------------------- */

/* The words of a VA or HD line: CAS, times. */
static size_t level_meta(const uint8_t *p, size_t n, uint8_t *to, bool cas)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		to[len++] = p[i];
		if (p[i] != ' ' || i + 1 == n || !strchr(cas ? "tlc" : "tl", p[i + 1]))
			continue;
		to[len++] = p[++i];
		while (i + 1 < n && (p[i + 1] == '-' || (p[i + 1] >= '0' && p[i + 1] <= '9')))
			i++;
	}
	return len;
}

static size_t level_value(const uint8_t *p, size_t n, uint8_t *to, bool cas)
{
	size_t words = 0, i;

	for (i = 0; i < n && !(cas && words == 4); i++)
		words += p[i] == ' ';
	memcpy(to, p, i);
	return i;
}

static uint32_t body_of(const uint8_t *p)
{
	return (uint32_t)p[8] << 24 | (uint32_t)p[9] << 16 | (uint32_t)p[10] << 8 | p[11];
}

static void level_binary(struct fdr_buf *b, bool cas)
{
	for (size_t at = 0; at + 24 <= b->len; at += 24 + body_of(b->p + at))
		if (cas)
			memset(b->p + at + 16, 0, 8);
}

/* One line of @b to @ret, and its value. */
static size_t level_line(const struct fdr_buf *b, size_t at, struct fdr_buf *ret, bool cas)
{
	const uint8_t *p = b->p + at, *eol = memchr(p, '\n', b->len - at);
	size_t n = eol ? (size_t)(eol - p) : b->len - at, value = 0;
	uint8_t *to = malloc(n + 1);
	char head[300];

	if (!to)
		abort();
	snprintf(head, sizeof(head), "%.*s", (int)(n < 299 ? n : 299), (const char *)p);
	if (sscanf(head, "VALUE %*s %*u %zu", &value) == 1) {
		fdr_put(ret, to, level_value(p, n, to, cas));
		value += 2;
	} else if (!strncmp(head, "VA ", 3) || !strncmp(head, "HD ", 3)) {
		fdr_put(ret, to, level_meta(p, n, to, cas));
		value = sscanf(head, "VA %zu", &value) == 1 ? value + 2 : 0;
	} else if (!strncmp(head, "ME ", 3)) {
		fdr_put(ret, "ME", 2);
	} else {
		fdr_put(ret, p, n);
	}
	free(to);
	fdr_put(ret, "\n", 1);
	n += !!eol;
	if (value > b->len - at - n)
		value = b->len - at - n;
	fdr_put(ret, p + n, value);
	return at + n + value;
}

void twin_level(struct twin_gen *g, struct fdr_buf *answer, bool cas)
{
	struct fdr_buf ret = { 0 };

	if (g->stream.p[0] == 0x80) {
		level_binary(answer, cas);
		return;
	}
	for (size_t at = 0; at < answer->len;)
		at = level_line(answer, at, &ret, cas);
	free(answer->p);
	*answer = ret;
}
