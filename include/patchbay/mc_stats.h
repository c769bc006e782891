/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Statistics of several memcacheds as one list.  Integers are added up, but for a few names and all of
 * `stats settings`: those are the first server's, as is what is no integer.  Pure, without memory of its
 * own; host.
 */
#ifndef PATCHBAY_MC_STATS_H
#define PATCHBAY_MC_STATS_H

#ifndef __bpf__

#include <string.h>

#include "mc_proto.h"
#include "types.h"

#define PB_MC_STATS_STEPS (1u << 24) /* names compared, at most */

/* What one server said, whole. */
struct pb_mc_stats_from {
	const __u8 *data;
	__u32 len;
	__u32 hint; /* where a name was found last; begins as 0 */
};

struct pb_mc_stats {
	struct pb_mc_stats_from *from;
	__u32 n;
	__u32 binary;
	__u32 settings; /* nothing is added up */
	__u32 opaque;	/* of binary replies, as pb_mc_req has it */
	__u32 opcode;
	__u32 steps;
	void (*put)(void *arg, const void *data, __u32 n);
	void *arg;
};

struct pb_mc_stat {
	const __u8 *name; /* in the server's reply */
	const __u8 *value;
	__u32 name_len;
	__u32 value_len;
	__u64 sum;
	__u32 number;
	__u32 pad;
};

/* Integers that say nothing when added up. */
static inline int pb_mc_stat_first(const __u8 *name, __u32 n)
{
	static const char *const first[] = {
		"pid",		"uptime",	    "time",
		"pointer_size", "hash_power_level", "hash_is_expanding",
		"chunk_size",	"chunks_per_page",  "age",
		"age_hot",	"age_warm",	    "evicted_time",
	};
	const __u8 *colon = memrchr(name, ':', n);

	if (colon) {
		n -= (__u32)(colon + 1 - name);
		name = colon + 1;
	}
	for (__u32 i = 0; i < sizeof(first) / sizeof(*first); i++)
		if (strlen(first[i]) == n && !memcmp(first[i], name, n))
			return 1;
	return 0;
}

static inline void pb_mc_stat_judge(struct pb_mc_stat *s)
{
	s->sum = 0;
	s->number = s->value_len && s->value_len < 20;
	for (__u32 i = 0; s->number && i < s->value_len; i++) {
		s->number = s->value[i] >= '0' && s->value[i] <= '9';
		s->sum = s->sum * 10 + (__u64)(s->value[i] - '0');
	}
	s->number = s->number && !pb_mc_stat_first(s->name, s->name_len);
}

/* STAT name value\r\n; 0: no more, -1: not statistics. */
static inline int pb_mc_stat_text(const struct pb_mc_stats_from *f, __u32 *at,
				  struct pb_mc_stat *ret)
{
	const __u8 *p = f->data + *at, *eol = memmem(p, f->len - *at, "\r\n", 2), *gap;

	if (!eol)
		return -1;
	if (eol - p == 3 && !memcmp(p, "END", 3))
		return 0;
	gap = eol - p > 5 ? memchr(p + 5, ' ', (size_t)(eol - p - 5)) : NULL;
	if (!gap || memcmp(p, "STAT ", 5))
		return -1;
	ret->name = p + 5;
	ret->name_len = (__u32)(gap - ret->name);
	ret->value = gap + 1;
	ret->value_len = (__u32)(eol - ret->value);
	*at += (__u32)(eol + 2 - p);
	return 1;
}

/* A packet each; one without a name is the last. */
static inline int pb_mc_stat_binary(const struct pb_mc_stats_from *f, __u32 *at,
				    struct pb_mc_stat *ret)
{
	const __u8 *p = f->data + *at;
	__u32 key, body;

	if (f->len - *at < PB_MC_BIN_HDR || p[0] != PB_MC_BIN_RES || p[4] || p[6] || p[7])
		return -1;
	key = (__u32)p[2] << 8 | p[3];
	body = (__u32)p[8] << 24 | (__u32)p[9] << 16 | (__u32)p[10] << 8 | p[11];
	if (body > f->len - *at - PB_MC_BIN_HDR || key > body)
		return -1;
	ret->name = p + PB_MC_BIN_HDR;
	ret->name_len = key;
	ret->value = ret->name + key;
	ret->value_len = body - key;
	*at += PB_MC_BIN_HDR + body;
	return !!key;
}

static inline int pb_mc_stat_next(struct pb_mc_stats *t, __u32 i, __u32 *at, struct pb_mc_stat *ret)
{
	if (++t->steps > PB_MC_STATS_STEPS)
		return -1;
	return t->binary ? pb_mc_stat_binary(&t->from[i], at, ret)
			 : pb_mc_stat_text(&t->from[i], at, ret);
}

static inline int pb_mc_stat_same(const struct pb_mc_stat *a, const struct pb_mc_stat *b)
{
	return a->name_len == b->name_len && !memcmp(a->name, b->name, a->name_len);
}

/* Server @i's statistic of this name, from where the last one was, and round. */
static inline int pb_mc_stat_find(struct pb_mc_stats *t, __u32 i, const struct pb_mc_stat *is,
				  struct pb_mc_stat *ret)
{
	__u32 from = t->from[i].hint, at = from;

	while (pb_mc_stat_next(t, i, &at, ret) > 0)
		if (pb_mc_stat_same(is, ret)) {
			t->from[i].hint = at;
			return 1;
		}
	for (at = 0; at < from && pb_mc_stat_next(t, i, &at, ret) > 0;)
		if (pb_mc_stat_same(is, ret)) {
			t->from[i].hint = at;
			return 1;
		}
	return 0;
}

static inline void pb_mc_stat_put_binary(struct pb_mc_stats *t, const void *name, __u32 name_len,
					 const void *value, __u32 n)
{
	__u32 body = pb_htonl(name_len + n), opaque = pb_htonl(t->opaque);
	__u8 head[PB_MC_BIN_HDR] = { PB_MC_BIN_RES, (__u8)t->opcode };

	head[2] = (__u8)(name_len >> 8);
	head[3] = (__u8)name_len;
	memcpy(head + 8, &body, sizeof(body));
	memcpy(head + 12, &opaque, sizeof(opaque));
	t->put(t->arg, head, sizeof(head));
	t->put(t->arg, name, name_len);
	t->put(t->arg, value, n);
}

static inline void pb_mc_stat_put(struct pb_mc_stats *t, const struct pb_mc_stat *s)
{
	__u8 digits[20], *p = digits + sizeof(digits);
	const __u8 *value = s->value;
	__u32 n = s->value_len;

	if (s->number && t->n > 1 && !t->settings) {
		__u64 v = s->sum;

		do
			*--p = (__u8)('0' + v % 10);
		while (v /= 10);
		value = p;
		n = (__u32)(digits + sizeof(digits) - p);
	}
	if (t->binary) {
		pb_mc_stat_put_binary(t, s->name, s->name_len, value, n);
		return;
	}
	t->put(t->arg, "STAT ", 5);
	t->put(t->arg, s->name, s->name_len);
	t->put(t->arg, " ", 1);
	t->put(t->arg, value, n);
	t->put(t->arg, "\r\n", 2);
}

/* The statistic of server @i, if no earlier server has it, with those of the later ones. */
static inline void pb_mc_stat_sum(struct pb_mc_stats *t, __u32 i, struct pb_mc_stat *s)
{
	struct pb_mc_stat other;

	for (__u32 j = 0; j < i; j++)
		if (pb_mc_stat_find(t, j, s, &other))
			return;
	pb_mc_stat_judge(s);
	for (__u32 j = i + 1; j < t->n && t->n > 1 && !t->settings; j++) {
		if (!pb_mc_stat_find(t, j, s, &other))
			continue;
		pb_mc_stat_judge(&other);
		s->number = s->number && other.number;
		s->sum += other.sum;
	}
	pb_mc_stat_put(t, s);
}

/* Are all of them statistics?  If not, nothing is put. */
static inline int pb_mc_stats_are(struct pb_mc_stats *t)
{
	struct pb_mc_stat s;
	int more = 0;

	for (__u32 i = 0; i < t->n && more >= 0; i++) {
		__u32 at = 0;

		while ((more = pb_mc_stat_next(t, i, &at, &s)) > 0)
			;
	}
	return t->n && more >= 0;
}

/* Puts the sum of all. */
static inline int pb_mc_stats_sum(struct pb_mc_stats *t)
{
	struct pb_mc_stat s;

	if (!pb_mc_stats_are(t))
		return 0;
	for (__u32 i = 0; i < t->n; i++) {
		__u32 at = 0;

		t->from[i].hint = 0;
		while (pb_mc_stat_next(t, i, &at, &s) > 0)
			pb_mc_stat_sum(t, i, &s);
	}
	if (t->binary)
		pb_mc_stat_put_binary(t, "", 0, "", 0);
	else
		t->put(t->arg, "END\r\n", 5);
	return t->steps <= PB_MC_STATS_STEPS;
}

#endif /* __bpf__ */

#endif /* PATCHBAY_MC_STATS_H */
