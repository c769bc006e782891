/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The slow path: statistics of several servers as one list. */
#include <arpa/inet.h>
#include <inttypes.h>

#include <patchbay/mc_parse.h>

#include "../util.h"
#include "proxy_internal.h"

/* Integers that say nothing when added up: the first server's stand. */
static const char *const FIRST[] = {
	"pid",		"uptime",	    "time",
	"pointer_size", "hash_power_level", "hash_is_expanding",
	"chunk_size",	"chunks_per_page",  "age",
	"age_hot",	"age_warm",	    "evicted_time",
};

struct stat {
	const char *name; /* in the servers' replies */
	const char *value;
	uint32_t name_len;
	uint32_t value_len;
	uint64_t sum;
	bool number;
};

struct list {
	struct stat *stat;
	uint32_t n;
	uint32_t cap;
};

static bool first_only(const char *name, uint32_t n)
{
	const char *colon = memrchr(name, ':', n);

	if (colon) {
		n -= (uint32_t)(colon + 1 - name);
		name = colon + 1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(FIRST); i++)
		if (strlen(FIRST[i]) == n && !memcmp(FIRST[i], name, n))
			return true;
	return false;
}

static bool number(const char *s, uint32_t n, uint64_t *ret)
{
	*ret = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		*ret = *ret * 10 + (uint64_t)(s[i] - '0');
	}
	return n && n < 20;
}

/* @hint: where it stood in the list of the server before. */
static bool add(struct list *l, uint32_t hint, const struct stat *s)
{
	struct stat *at;
	uint32_t i;

	for (i = 0; i < l->n; i++) {
		at = &l->stat[(i + hint) % l->n];
		if (at->name_len != s->name_len || memcmp(at->name, s->name, s->name_len))
			continue;
		at->number = at->number && s->number;
		at->sum += s->sum;
		return true;
	}
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 128;
		at = realloc(l->stat, l->cap * sizeof(*at));
		if (!at)
			return false;
		l->stat = at;
	}
	l->stat[l->n++] = *s;
	return true;
}

/* STAT name value\r\n; 0: no more, -1: not statistics. */
static int next_text(const struct pxy_buf *b, size_t *at, struct stat *ret)
{
	const char *p = (const char *)b->p + *at, *eol, *gap;
	size_t left = b->len - *at;

	eol = memmem(p, left, "\r\n", 2);
	if (!eol)
		return -1;
	if (eol - p == 3 && !memcmp(p, "END", 3))
		return 0;
	gap = eol - p > 5 ? memchr(p + 5, ' ', (size_t)(eol - p - 5)) : NULL;
	if (!gap || memcmp(p, "STAT ", 5))
		return -1;
	ret->name = p + 5;
	ret->name_len = (uint32_t)(gap - ret->name);
	ret->value = gap + 1;
	ret->value_len = (uint32_t)(eol - ret->value);
	*at += (size_t)(eol + 2 - p);
	return 1;
}

static int next_binary(const struct pxy_buf *b, size_t *at, struct stat *ret)
{
	const uint8_t *p = b->p + *at;
	uint32_t key, body;

	if (b->len - *at < PB_MC_BIN_HDR || p[0] != PB_MC_BIN_RES || p[4] || p[6] || p[7])
		return -1;
	key = (uint32_t)p[2] << 8 | p[3];
	body = (uint32_t)p[8] << 24 | (uint32_t)p[9] << 16 | (uint32_t)p[10] << 8 | p[11];
	if (body > b->len - *at - PB_MC_BIN_HDR || key > body)
		return -1;
	ret->name = (const char *)p + PB_MC_BIN_HDR;
	ret->name_len = key;
	ret->value = ret->name + key;
	ret->value_len = body - key;
	*at += PB_MC_BIN_HDR + body;
	return !!key;
}

static bool read_all(const struct pxy_req *r, struct list *l)
{
	bool binary = r->r.proto == PB_MC_BINARY;

	for (uint32_t i = 0; i < r->n_calls; i++) {
		const struct pxy_buf *b = &r->calls[i].reply;
		struct stat s = { 0 };
		uint32_t n = 0;
		size_t at = 0;
		int more;

		while ((more = binary ? next_binary(b, &at, &s) : next_text(b, &at, &s)) > 0) {
			s.number = number(s.value, s.value_len, &s.sum) &&
				   !first_only(s.name, s.name_len);
			if (!add(l, n++, &s))
				return false;
		}
		if (more < 0)
			return false;
	}
	return true;
}

static void write_binary(const struct pxy_req *r, struct pxy_buf *b, const struct stat *s,
			 const char *value, uint32_t value_len)
{
	uint8_t head[PB_MC_BIN_HDR] = { PB_MC_BIN_RES, r->r.opcode };
	uint32_t body = htonl(s->name_len + value_len), opaque = htonl(r->r.opaque);

	head[2] = (uint8_t)(s->name_len >> 8);
	head[3] = (uint8_t)s->name_len;
	memcpy(head + 8, &body, sizeof(body));
	memcpy(head + 12, &opaque, sizeof(opaque));
	pxy_put(b, head, sizeof(head));
	pxy_put(b, s->name, s->name_len);
	pxy_put(b, value, value_len);
}

static void write_one(const struct pxy_req *r, struct pxy_buf *b, const struct stat *s, bool sums)
{
	const char *value = s->value;
	uint32_t n = s->value_len;
	char text[24];

	if (s->number && sums) {
		n = (uint32_t)snprintf(text, sizeof(text), "%" PRIu64, s->sum);
		value = text;
	}
	if (r->r.proto == PB_MC_BINARY) {
		write_binary(r, b, s, value, n);
		return;
	}
	pxy_put(b, "STAT ", 5);
	pxy_put(b, s->name, s->name_len);
	pxy_put(b, " ", 1);
	pxy_put(b, value, n);
	pxy_put(b, "\r\n", 2);
}

bool pxy_sum(const struct pxy_req *r, struct pxy_buf *ret)
{
	struct list l = { 0 };
	bool good = r->n_calls && read_all(r, &l);

	for (uint32_t i = 0; good && i < l.n; i++)
		write_one(r, ret, &l.stat[i], r->n_calls > 1 && !r->settings);
	free(l.stat);
	if (!good)
		return false;
	if (r->r.proto == PB_MC_BINARY)
		write_binary(r, ret, &(struct stat){ 0 }, NULL, 0);
	else
		pxy_put(ret, "END\r\n", 5);
	return true;
}
