/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "lzw.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define CLEAR 256
#define END 257
#define FIRST 258 /* code of the table */
#define WIDTH_MIN 9
#define WIDTH_MAX 12
#define CODES (1 << WIDTH_MAX)
#define GROW_MIN 4096

/* A code of the table stands for bytes that were written before: those of the code that preceded
 * it, and the one that followed these.  So the output is the table. */
struct table {
	uint32_t at[CODES];
	uint16_t len[CODES]; /* at most CODES: each is one longer than one before it */
	unsigned n;	     /* next free code */
	unsigned width;
	uint32_t prev_at;  /* of the code before */
	uint16_t prev_len; /* 0: none since the table was cleared */
};

struct bits {
	const uint8_t *p, *end;
	uint32_t acc;
	unsigned n;
};

void gsp_out_fini(struct gsp_out *o)
{
	free(o->p);
	*o = (struct gsp_out){ 0 };
}

static int reserve(struct gsp_out *o, size_t n)
{
	size_t cap = o->cap;
	uint8_t *p;

	if (n <= o->cap - o->n)
		return 0;
	if (n > o->max - o->n)
		return -E2BIG;
	while (n > cap - o->n)
		cap = cap ? cap * 2 : GROW_MIN;
	if (cap > o->max)
		cap = o->max;
	p = realloc(o->p, cap);
	if (!p)
		return -ENOMEM;
	o->p = p;
	o->cap = cap;
	return 0;
}

/* -1: no more */
static int next_code(struct bits *b, unsigned width)
{
	int code;

	while (b->n < width) {
		if (b->p == b->end)
			return -1;
		b->acc |= (uint32_t)*b->p++ << b->n;
		b->n += 8;
	}
	code = (int)(b->acc & ((1u << width) - 1));
	b->acc >>= width;
	b->n -= width;
	return code;
}

static void clear(struct table *t)
{
	t->n = FIRST;
	t->width = WIDTH_MIN;
	t->prev_at = 0;
	t->prev_len = 0;
}

/* After the code at @at was written, the one before it and its first byte get a code. */
static void learn(struct table *t, uint32_t at, uint16_t len)
{
	if (t->prev_len && t->n < CODES) {
		t->at[t->n] = t->prev_at;
		t->len[t->n] = (uint16_t)(t->prev_len + 1);
		t->n++;
		if (t->n == 1u << t->width && t->width < WIDTH_MAX)
			t->width++;
	}
	t->prev_at = at;
	t->prev_len = len;
}

static int write_code(struct table *t, unsigned code, struct gsp_out *o)
{
	uint32_t to = (uint32_t)o->n, from = 0;
	uint16_t len = 1;
	int err;

	if (code >= FIRST) {
		/* the code about to be learned may already be used: it begins with itself */
		bool known = code < t->n, next = code == t->n && t->prev_len;

		if (!known && !next)
			return -EBADMSG;
		from = known ? t->at[code] : t->prev_at;
		len = known ? t->len[code] : (uint16_t)(t->prev_len + 1);
	}
	err = reserve(o, len);
	if (err)
		return err;
	if (code < CLEAR)
		o->p[to] = (uint8_t)code;
	else
		for (uint16_t i = 0; i < len; i++) /* may overlap, on purpose */
			o->p[to + i] = o->p[from + i];
	o->n += len;
	learn(t, to, len);
	return 0;
}

int gsp_lzw_decode(const uint8_t *p, size_t n, struct gsp_out *o)
{
	struct bits b;
	struct table t;
	int code, err = 0;

	if (!n)
		return -EBADMSG;
	b = (struct bits){ .p = p, .end = p + n };
	clear(&t);
	while (!err) {
		code = next_code(&b, t.width);
		if (code == END)
			return 0;
		if (code < 0)
			return -EBADMSG;
		if (code == CLEAR)
			clear(&t);
		else
			err = write_code(&t, (unsigned)code, o);
	}
	return err;
}
