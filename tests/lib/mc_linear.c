// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Is there an order of the operations on one register that explains what was read?  (Wing and Gong,
 * 1993: try all, remember what failed.) */
#include <string.h>

#include "tests/lib/mc_model.h"

#define EVENTS 12
#define VALUES 10

struct search {
	const struct mc_event *e;
	int n;
	unsigned int must; /* those that have ended */
	uint8_t seen[1 << EVENTS][VALUES];
};

static int walk(struct search *s, unsigned int done, uint8_t value)
{
	if ((done & s->must) == s->must)
		return 1;
	if (s->seen[done][value])
		return 0;
	s->seen[done][value] = 1;
	for (int i = 0; i < s->n; i++) {
		const struct mc_event *e = &s->e[i];

		if (done >> i & 1 || (!e->write && !e->ended))
			continue;
		/* what ended before it began comes first */
		if ((e->pred & s->must) & ~done)
			continue;
		if (!e->write && e->value != value)
			continue;
		if (walk(s, done | 1u << i, e->write ? e->value : value))
			return 1;
	}
	return 0;
}

int mc_linearizable(const struct mc_event *e, int n, uint8_t initial)
{
	static struct search s;

	if (n > EVENTS)
		return 0;
	memset(s.seen, 0, (size_t)(1u << n) * sizeof(s.seen[0]));
	s.e = e;
	s.n = n;
	s.must = 0;
	for (int i = 0; i < n; i++)
		s.must |= (unsigned int)e[i].ended << i;
	return walk(&s, 0, initial);
}
