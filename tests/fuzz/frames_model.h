/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What servers of tests/lib/frames_line.h say to each request, and what their client must get. */
#ifndef PB_FUZZ_FRAMES_MODEL_H
#define PB_FUZZ_FRAMES_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(x) \
	do { \
		if (!(x)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
			abort(); \
		} \
	} while (0)

struct buf {
	char *p;
	size_t len, at, cap;
};

static bool faults; /* something broke: errors are right, too */

static void add(struct buf *b, const void *p, size_t n)
{
	if (b->len + n + 1 > b->cap) {
		b->cap = (b->len + n + 1) * 2;
		b->p = realloc(b->p, b->cap);
	}
	memcpy(b->p + b->len, p, n);
	b->len += n;
	b->p[b->len] = '\0';
}

static void adds(struct buf *b, const char *s)
{
	add(b, s, strlen(s));
}

/* ---- servers ------------------------------------------------------------------- */

static unsigned mix(const char *text)
{
	unsigned h = 5381;

	while (*text && *text != '\n')
		h = h * 33 + (unsigned char)*text++;
	return h / 7;
}

static const char *body(void)
{
	static char z[200000];

	if (!*z)
		memset(z, 'z', sizeof(z));
	return z;
}

static size_t long_len(unsigned h)
{
	return h % 8 ? h % 50 : h % 200000;
}

/* What a server says to a line, to its client (@raw 0) or to the engine. */
static void reply(struct buf *b, unsigned server, const char *text, bool raw)
{
	unsigned h = mix(text) + server, kind = *text == '*' || *text == '#' ? 0 : h % 8;
	char line[128];

	switch (kind) {
	case 4:
		snprintf(line, sizeof(line), raw ? ".p%u\n=t%u\n" : "p%u\nt%u\n", h, server);
		adds(b, line);
		break;
	case 5:
		if (raw) {
			snprintf(line, sizeof(line), "$%zu\n", long_len(h));
			adds(b, line);
		}
		add(b, body(), long_len(h));
		break;
	case 6:
		snprintf(line, sizeof(line), raw ? "/v%u\n" : "(v%u)\n", h);
		adds(b, line);
		break;
	case 7: adds(b, raw ? "~s\n" : ""); break;
	default: snprintf(line, sizeof(line), raw ? "=r%u\n" : "r%u\n", h); adds(b, line);
	}
}

/* ---- clients ------------------------------------------------------------------- */

/* The error of the request: "E<digit>", and it. */
static bool is_error(const char **at, const char *line)
{
	size_t n = strcspn(line, "\n");

	if ((*at)[0] != 'E' || !(*at)[1] || strncmp(*at + 2, line, n) || (*at)[2 + n] != '\n')
		return false;
	*at += 3 + n;
	return true;
}

/* The answer of one server, or its error.  False: it ends too early. */
static bool check_one(const char **at, unsigned server, const char *text, const char *line)
{
	struct buf b = { 0 };
	size_t n = 0;
	bool ok = true;

	add(&b, "", 0);
	reply(&b, server, text, false);
	while (n < b.len && (*at)[n] == b.p[n])
		n++;
	if (n < b.len) {
		if ((*at)[n] && (!faults || (*at)[n] != 'E'))
			fprintf(stderr, "to %.40s: %.60s\n", text, *at);
		/* at a part's end only */
		REQUIRE(!n || (*at)[n] == '\0' || b.p[n - 1] == '\n' || (*at)[n] != 'E');
		REQUIRE((*at)[n] == '\0' || (faults && (*at)[n] == 'E'));
		*at += n;
		ok = **at && is_error(at, line);
	} else {
		*at += n;
		if (!b.len && faults) /* says nothing, unless it fails */
			is_error(at, line);
	}
	free(b.p);
	return ok;
}

static bool check_all(const char **at, const char *text, bool strict)
{
	if (faults && is_error(at, text))
		return true;
	for (unsigned i = 0; **at == '<'; i++) {
		struct buf b = { 0 };

		reply(&b, i, text, false);
		if (strict) {
			REQUIRE(!strncmp(*at + 1, b.p, b.len - 1) || !(*at)[b.len]);
		}
		free(b.p);
		*at += strcspn(*at, ">\n");
		*at += **at == '>';
	}
	REQUIRE(**at == '\n' || **at == '\0');
	return *(*at)++ == '\n';
}

static bool check(const char **at, const char *line)
{
	char text[64], who[3] = "+";
	size_t n = strcspn(line, "\n") + 1;

	switch (*line) {
	case '*': return check_all(at, line, !faults);
	case '-': return true;
	case 'm':
		if (faults)
			is_error(at, line);
		return true;
	case '!':
		REQUIRE(!strncmp(*at, line + 1, strlen(*at) < n - 1 ? strlen(*at) : n - 1));
		if (strlen(*at) < n - 1)
			return false;
		*at += n - 1;
		return true;
	case '+':
		for (unsigned i = 1; line[i] != ' '; i++) {
			snprintf(text, sizeof(text), "%c%.*s", line[i],
				 (int)(n - strcspn(line, " ")), strchr(line, ' '));
			who[1] = line[i];
			if (!check_one(at, (unsigned)(line[i] - '0'), text, who))
				return false;
		}
		REQUIRE(!strncmp(*at, "end\n", strlen(*at) < 4 ? strlen(*at) : 4));
		if (strlen(*at) < 4)
			return false;
		*at += 4;
		return true;
	case '#':
	case 'w': return check_one(at, (unsigned)(line[1] - '0'), line, line);
	default: return check_one(at, (unsigned)(line[0] - '0'), line, line);
	}
}

#endif /* PB_FUZZ_FRAMES_MODEL_H */
