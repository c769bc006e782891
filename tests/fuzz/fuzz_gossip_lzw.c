/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The decoder against one as the textbook has it: a tree of prefixes and a stack. */
#include "control/gossip/lzw.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(x) \
	do { \
		if (!(x)) \
			abort(); \
	} while (0)
#define MAX 20000

struct book {
	const uint8_t *p;
	size_t n;
	size_t bit;
	uint16_t prefix[4096];
	uint8_t last[4096];
	uint8_t out[MAX];
	size_t len;
};

static int read_bits(struct book *b, unsigned width)
{
	int code = 0;

	if (b->bit + width > 8 * b->n)
		return -1;
	for (unsigned i = 0; i < width; i++, b->bit++)
		code |= (b->p[b->bit / 8] >> b->bit % 8 & 1) << i;
	return code;
}

static unsigned expand(const struct book *b, unsigned code, uint8_t stack[4096])
{
	unsigned n = 0;

	for (; code > 255; code = b->prefix[code])
		stack[n++] = b->last[code];
	stack[n++] = (uint8_t)code;
	return n;
}

static int textbook(struct book *b)
{
	unsigned next = 258, width = 9, n;
	uint8_t stack[4097];
	int prev = -1, code;

	while ((code = read_bits(b, width)) >= 0 && code != 257) {
		if (code == 256) {
			next = 258, width = 9, prev = -1;
			continue;
		}
		if ((unsigned)code > next || ((unsigned)code == next && (prev < 0 || next > 4095)))
			return -EBADMSG;
		/* a code that is being learned: what came before, and its own first byte */
		n = expand(b, (unsigned)code == next ? (unsigned)prev : (unsigned)code, stack);
		if (prev >= 0 && next < 4096) {
			b->prefix[next] = (uint16_t)prev;
			b->last[next] = stack[n - 1];
			if ((unsigned)code == next)
				n = expand(b, next, stack);
			next++;
			width += next == 1u << width && width < 12;
		}
		if (b->len + n > MAX)
			return -E2BIG;
		while (n)
			b->out[b->len++] = stack[--n];
		prev = code;
	}
	return code == 257 ? 0 : -EBADMSG;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t fixed[MAX];
	struct book *b = calloc(1, sizeof(*b));
	uint8_t *copy = malloc(size ? size : 1);
	struct gsp_out grown = { .max = MAX }, into = { fixed, 0, MAX, MAX };
	int err;

	REQUIRE(b && copy);
	if (size)
		memcpy(copy, data, size);
	b->p = copy;
	b->n = size;
	err = gsp_lzw_decode(copy, size, &grown);
	REQUIRE(grown.n <= MAX && grown.cap <= MAX);
	REQUIRE(gsp_lzw_decode(copy, size, &into) == err && into.n == grown.n);
	REQUIRE(!grown.n || !memcmp(fixed, grown.p, grown.n));
	REQUIRE(textbook(b) == err);
	if (!err)
		REQUIRE(b->len == grown.n && (!b->len || !memcmp(b->out, grown.p, b->len)));
	gsp_out_fini(&grown);
	free(copy);
	free(b);
	return 0;
}
