// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What of two servers' answers must be the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tools/mc_udp.h"

static int words(const uint8_t *p, size_t n)
{
	int count = 0;

	for (size_t i = 0; i < n; i++)
		count += p[i] > ' ' && (!i || p[i - 1] == ' ');
	return count;
}

bool mcu_multiget(const uint8_t *p, size_t len)
{
	const uint8_t *nl = memchr(p, '\n', len);
	int keys = nl ? words(p, (size_t)(nl - p)) - 1 : 0;

	if (!memcmp(p, "gat", 3))
		keys--;
	return keys > 1 && (!memcmp(p, "get", 3) || !memcmp(p, "gat", 3));
}

static size_t digits(const uint8_t *p, size_t len)
{
	size_t n = 0;

	while (n < len && p[n] >= '0' && p[n] <= '9')
		n++;
	return n;
}

/* A line without numbers that two servers give each in its own way: cas unique, time left. */
static size_t flat_line(const uint8_t *line, size_t n, uint8_t *out, char *cas)
{
	size_t at = 0;

	if (!memcmp(line, "VALUE ", 6) && words(line, n) == 5) {
		for (at = n - 2; line[at - 1] != ' ';)
			at--;
		snprintf(cas, 24, "%.*s", (int)digits(line + at, n - at), line + at);
		memcpy(out, line, at);
		memcpy(out + at, "#\r\n", 3);
		return at + 3;
	}
	if (memcmp(line, "VA ", 3) && memcmp(line, "HD", 2))
		return memcpy(out, line, n), n;
	for (size_t i = 0; i < n; i++) {
		out[at++] = line[i];
		if ((line[i] == 'c' || line[i] == 't') && i && line[i - 1] == ' ' &&
		    digits(line + i + 1, n - i - 1)) {
			if (line[i] == 'c')
				snprintf(cas, 24, "%.*s", (int)digits(line + i + 1, n - i - 1),
					 line + i + 1);
			i += digits(line + i + 1, n - i - 1);
			out[at++] = '#';
		}
	}
	return at;
}

static size_t flat_block(const uint8_t *p, size_t len, uint8_t *out, char *cas)
{
	const uint8_t *nl = memchr(p, '\n', len);
	size_t head = nl ? (size_t)(nl - p) + 1 : len, n;

	if (len >= 24 && p[0] == 0x81) {
		memcpy(out, p, len);
		memset(out + 16, 0, 8);
		return len;
	}
	if (head < 4)
		return memcpy(out, p, len), len;
	n = flat_line(p, head, out, cas);
	memcpy(out + n, p + head, len - head);
	return n + len - head;
}

struct block {
	const uint8_t *p;
	size_t n;
};

static int by_bytes(const void *a, const void *b)
{
	const struct block *x = a, *y = b;
	int rc = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);

	return rc ? rc : x->n < y->n ? -1 : x->n > y->n;
}

/* The length of "VALUE ...\r\n" with its value, 0 if it is none. */
static size_t value_block(const uint8_t *p, size_t len)
{
	const uint8_t *nl = memchr(p, '\n', len);
	unsigned long bytes;
	char line[300];

	if (len < 6 || memcmp(p, "VALUE ", 6) || !nl || nl - p >= (long)sizeof(line))
		return 0;
	memcpy(line, p, (size_t)(nl - p));
	line[nl - p] = 0;
	if (sscanf(line, "VALUE %*s %*u %lu", &bytes) != 1)
		return 0;
	return (size_t)(nl - p) + 1 + bytes + 2;
}

/* The values of a multiget, sorted: their datagrams may come in any order. */
static size_t flat_multi(const struct mcu_reply *r, uint8_t *out, char *cas)
{
	struct block b[64] = { { 0 } };
	size_t at = 0, len = 0;
	int n = 0, end = 0;

	while (at < r->len && n < 64) {
		b[n].p = r->buf + at;
		b[n].n = value_block(b[n].p, r->len - at);
		if (b[n].n && b[n].n <= r->len - at) {
			at += b[n++].n;
		} else if (r->len - at >= 5 && !memcmp(r->buf + at, "END\r\n", 5)) {
			at += 5;
			end = 1;
		} else {
			break;
		}
	}
	qsort(b, (size_t)n, sizeof(b[0]), by_bytes);
	for (int i = 0; i < n; i++)
		len += flat_block(b[i].p, b[i].n, out + len, cas);
	memcpy(out + len, end ? "END\r\n" : "END?", 4 + (size_t)end);
	return len + 4 + (size_t)end;
}

size_t mcu_flat(const struct mcu_reply *r, bool multi, uint8_t *out, char *cas)
{
	size_t at = 0, len = 0, from = 0;

	if (multi)
		return flat_multi(r, out, cas);
	while (mcu_whole(r->buf, r->len, &at)) {
		len += flat_block(r->buf + from, at - from, out + len, cas);
		from = at;
	}
	memcpy(out + len, r->buf + from, r->len - from);
	return len + r->len - from;
}
