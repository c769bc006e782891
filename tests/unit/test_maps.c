/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The pure part of control/maps*.c: what happens to a service that was taken out too early. */
#include <criterion/criterion.h>

#include "control/maps_internal.h"

static void add(struct pb_service *s, unsigned slot, uint32_t ep)
{
	s->taken[slot / 64] |= 1ULL << (slot % 64);
	s->live[slot / 64] |= 1ULL << (slot % 64);
	s->slot[slot] = ep;
}

Test(service, empty_means_no_bit_at_all)
{
	struct pb_service s = { .slot = { 5 } };

	cr_assert(pb_service_empty(&s));
	s.taken[PB_SLOT_WORDS - 1] = 1ULL << 63;
	cr_assert_not(pb_service_empty(&s), "a slot that is being filled counts");
	s.taken[PB_SLOT_WORDS - 1] = 0;
	s.live[0] = 1;
	cr_assert_not(pb_service_empty(&s));
}

Test(service, merge_keeps_positions)
{
	struct pb_service a = { 0 }, b = { 0 };

	add(&a, 0, 10);
	add(&a, 255, 11);
	add(&b, 63, 20);
	add(&b, 64, 21);
	cr_assert_eq(pb_service_merge(&a, &b), 0);
	cr_assert(a.slot[0] == 10 && a.slot[63] == 20 && a.slot[64] == 21 && a.slot[255] == 11);
	cr_assert_eq(a.live[0], 1ULL << 63 | 1);
	cr_assert_eq(a.live[1], 1);
	cr_assert(!memcmp(a.live, a.taken, sizeof(a.live)));
}

Test(service, merge_counts_clashes_and_skips_unreadable)
{
	struct pb_service a = { 0 }, b = { 0 };

	add(&a, 7, 10);
	add(&b, 7, 20);
	b.taken[0] |= 1ULL << 8;
	b.slot[8] = 21;
	cr_assert_eq(pb_service_merge(&a, &b), 1);
	cr_assert_eq(a.slot[7], 10, "the first stays");
	cr_assert_eq(a.taken[0], 1ULL << 7, "a slot in the making is not taken over");
}

Test(service, merge_into_itself_all_full)
{
	struct pb_service a = { 0 }, b = { 0 };

	for (unsigned i = 0; i < PB_SLOTS; i++) {
		add(&a, i, i + 1);
		add(&b, i, i + 1000);
	}
	cr_assert_eq(pb_service_merge(&a, &b), PB_SLOTS);
	cr_assert_eq(a.slot[255], 256);
}
