/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Weights by repetition in pb_rservices. */
#include <criterion/criterion.h>

#include "control/agent/cluster_view.h"

static unsigned count(const struct pb_rservice *s, uint32_t index)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n; i++)
		n += s->index[i] == index;
	return n;
}

Test(cluster_weigh, equal_ones_are_there_once)
{
	struct pb_weighed e[] = { { 7, 100 }, { 8, 100 }, { 9, 100 } };
	struct pb_rservice s;

	cr_assert_eq(pb_weigh(e, 3, 0, &s), 3);
	cr_assert_eq(s.endpoints, 3);
	for (uint32_t i = 7; i <= 9; i++)
		cr_assert_eq(count(&s, i), 1);
}

Test(cluster_weigh, exact_where_it_fits)
{
	struct pb_weighed e[] = { { 1, 10 }, { 2, 30 }, { 3, 100 } };
	struct pb_rservice s;

	cr_assert_eq(pb_weigh(e, 3, 0, &s), 14);
	cr_assert_eq(count(&s, 1), 1);
	cr_assert_eq(count(&s, 2), 3);
	cr_assert_eq(count(&s, 3), 10);
}

Test(cluster_weigh, scaled_where_it_does_not)
{
	struct pb_weighed e[40];
	struct pb_rservice s;

	for (unsigned i = 0; i < 40; i++)
		e[i] = (struct pb_weighed){ 100 + i, i ? 97 : 1 };
	cr_assert_leq(pb_weigh(e, 40, 0, &s), PB_RSLOTS);
	cr_assert_eq(s.endpoints, 40);
	cr_assert_eq(count(&s, 100), 1, "the lightest is there");
	for (unsigned i = 1; i < 40; i++)
		cr_assert_geq(count(&s, 100 + i), 5);
}

Test(cluster_weigh, every_one_of_256_is_there)
{
	struct pb_weighed e[PB_RSLOTS];
	struct pb_rservice s;

	for (unsigned i = 0; i < PB_RSLOTS; i++)
		e[i] = (struct pb_weighed){ 1 + i, i % 2 ? 100 : 1 };
	cr_assert_eq(pb_weigh(e, PB_RSLOTS, 3, &s), PB_RSLOTS);
	for (unsigned i = 0; i < PB_RSLOTS; i++)
		cr_assert_eq(count(&s, 1 + i), 1, "%u", i);
}

Test(cluster_weigh, of_too_many_each_node_has_others)
{
	struct pb_weighed e[400];
	struct pb_rservice s;

	for (unsigned i = 0; i < 400; i++)
		e[i] = (struct pb_weighed){ 1 + i, 1 };
	cr_assert_eq(pb_weigh(e, 400, 300, &s), PB_RSLOTS);
	cr_assert_eq(s.endpoints, PB_RSLOTS);
	cr_assert_eq(count(&s, 301), 1);
	cr_assert_eq(count(&s, 1), 1, "around the end");
	cr_assert_eq(count(&s, 200), 0);
}

Test(cluster_weigh, impossible_weights_are_bounded)
{
	struct pb_weighed e[] = { { 1, 0 }, { 2, 4000000000u } };
	struct pb_rservice s;

	cr_assert_eq(pb_weigh(e, 2, 0, &s), 101);
	cr_assert_eq(count(&s, 1), 1);
	cr_assert_eq(pb_weigh(e, 0, 0, &s), 0);
}
