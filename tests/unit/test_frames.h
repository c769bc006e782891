/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The vocabulary of the frame engine's tests. */
#ifndef PB_TEST_FRAMES_H
#define PB_TEST_FRAMES_H

#include <criterion/criterion.h>

#include "tests/lib/frames_world.h"

/* What came out of the socket since the last look. */
static inline const char *took(struct wsock *s)
{
	const char *p = s->out ? s->out + s->at : "";

	s->at = s->len;
	return p;
}

#define expect(s, text) \
	do { \
		const char *_t = took(s); \
		cr_assert_str_eq(_t, text, "\"%s\" instead of \"%s\"", _t, text); \
	} while (0)

static inline void says(struct wsock *s, const char *text)
{
	cr_assert(s->open, "it is closed");
	w_data(s, text, strlen(text));
	w_turn();
}

/* The open link to @server, the n-th of them. */
static inline struct wsock *link_to(unsigned server, unsigned n)
{
	for (unsigned i = 0; i < n_wsocks; i++)
		if (wsocks[i].link && wsocks[i].open && wsocks[i].server == server && !n--)
			return &wsocks[i];
	cr_assert_fail("no such link");
	return NULL;
}

static inline unsigned links_open(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_wsocks; i++)
		n += wsocks[i].link && wsocks[i].open;
	return n;
}

static inline uint64_t counter(size_t off)
{
	struct fe_stats st;

	fe_get_stats(wfe, &st);
	return *(uint64_t *)((char *)&st + off);
}
#define count(field) counter(offsetof(struct fe_stats, field))

static inline void start(void)
{
	w_new(NULL, 0);
}

#endif /* PB_TEST_FRAMES_H */
