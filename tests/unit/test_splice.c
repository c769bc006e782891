// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The rule that decides each message of a local connection, and what follows from it. */
#include <stdint.h>

#include <criterion/criterion.h>
#include <patchbay/splice.h>

static struct pb_spl_in fresh(void)
{
	return (struct pb_spl_in){ .enabled = 1,
				   .seq = 1000,
				   .seq0 = 1000,
				   .flags = PB_SPL_BOTH | PB_SPL_HEARD,
				   .size = 100 };
}

Test(splice, first_byte)
{
	struct pb_spl_in in = fresh();

	cr_assert(pb_spl_decide(&in) == PB_R_SPLICED);
	in.side = PB_SPL_SERVER;
	cr_assert(pb_spl_decide(&in) == PB_R_SPLICED);
}

Test(splice, never_after_a_byte_by_tcp)
{
	struct pb_spl_in in = fresh();

	in.seq++;
	cr_assert(pb_spl_decide(&in) == PB_R_SPLICE_LATE);
	in = fresh();
	in.seq0 = UINT32_MAX; /* the numbers wrap */
	in.seq = 0;
	cr_assert(pb_spl_decide(&in) == PB_R_SPLICE_LATE);
}

Test(splice, both_ends_must_be_there)
{
	struct pb_spl_in in = fresh();

	in.flags = 0;
	cr_assert(pb_spl_decide(&in) == PB_R_SPLICE_GONE);
	in.flags = PB_SPL_JOINED(PB_SPL_CLIENT) | PB_SPL_HEARD;
	cr_assert(pb_spl_decide(&in) == PB_R_SPLICE_EARLY);
	in.flags = PB_SPL_JOINED(PB_SPL_SERVER) | PB_SPL_HEARD;
	cr_assert(pb_spl_decide(&in) == PB_R_SPLICE_EARLY);
}

Test(splice, server_waits_for_the_client)
{
	struct pb_spl_in in = fresh();

	in.flags = PB_SPL_BOTH;
	cr_assert(pb_spl_decide(&in) == PB_R_SPLICED);
	in.side = PB_SPL_SERVER;
	cr_assert(pb_spl_decide(&in) == PB_R_SPLICE_SERVER_FIRST);
}

Test(splice, closing_gives_the_first_reason)
{
	struct pb_spl_in in = fresh();

	in.flags |= PB_SPL_CLOSING;
	in.why = PB_R_SPLICE_RCVBUF;
	cr_assert(pb_spl_decide(&in) == PB_R_SPLICE_RCVBUF);
	in.why = PB_R_NONE; /* flag and reason are two writes */
	cr_assert(pb_spl_decide(&in) != PB_R_SPLICED);
}

Test(splice, switched_off)
{
	struct pb_spl_in in = fresh();

	in.enabled = 0;
	cr_assert(pb_spl_decide(&in) == PB_R_SPLICE_OFF);
}

Test(splice, short_of_memory)
{
	struct pb_spl_in in = fresh();

	in.pressure = 1;
	cr_assert(pb_spl_decide(&in) == PB_R_SPLICE_MEMORY);
}

/* At the limit, one over it, and with counters that have passed 4 GiB. */
Test(splice, budget)
{
	struct pb_spl_in in = fresh();

	in.size = PB_SPL_BUDGET - PB_SPL_MSG_COST;
	cr_assert(pb_spl_decide(&in) == PB_R_SPLICED);
	in.size++;
	cr_assert(pb_spl_decide(&in) == PB_R_SPLICE_BUDGET);
	in.charged = (7ull << 32) + 5;
	in.seen = in.charged;
	in.size--;
	cr_assert(pb_spl_decide(&in) == PB_R_SPLICED);
	in.seen--;
	cr_assert(pb_spl_decide(&in) == PB_R_SPLICE_BUDGET);
	in.size = UINT32_MAX;
	in.seen = in.charged;
	cr_assert(pb_spl_decide(&in) == PB_R_SPLICE_BUDGET);
}

/* However it is driven: once TCP, for ever TCP, if the caller moves seq as the kernel does. */
Test(splice, one_way)
{
	uint32_t rnd = 12345;
	struct pb_spl_in in = fresh();
	int tcp = 0;

	for (int i = 0; i < 200000; i++) {
		rnd = rnd * 1103515245 + 12345;
		in.size = rnd >> 16 & 0xffff;
		in.flags = PB_SPL_BOTH | (rnd >> 3 & PB_SPL_HEARD);
		in.side = rnd >> 8 & 1;
		if ((rnd & 0xfff) == 7)
			in.seen = in.charged;
		if (pb_spl_decide(&in) == PB_R_SPLICED) {
			cr_assert(!tcp, "spliced after TCP");
			in.charged += in.size + PB_SPL_MSG_COST;
			cr_assert(in.charged - in.seen <= PB_SPL_BUDGET);
		} else if (in.size) {
			in.seq += in.size;
			tcp = 1;
		}
	}
	cr_assert(tcp);
}
