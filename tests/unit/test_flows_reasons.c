/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Why each direction of a connection is spliced or not. */
#include "test_flows.h"

TestSuite(flow_reasons, .init = init, .fini = fini);

static struct pb_flow_way way(enum pb_spl_side from, struct end c, struct end s)
{
	static struct pb_flow r[2];

	r[0] = client(1, L4);
	r[1] = server(1, L4);
	set_end(&r[0], c);
	set_end(&r[1], s);
	join(c.absent ? r + 1 : r, 2u - c.absent - s.absent);
	cr_assert_eq(n_pairs, 1);
	return pb_flow_way(&pairs[0], from);
}

/* from which side, its end, the other, then reason, spliced, ready */
#define EXPECT(from, c, s, want, is_spliced, is_ready) \
	do { \
		struct pb_flow_way _w = way(PB_SPL_##from, c, s); \
		cr_expect_eq(_w.reason, PB_R_##want, "line %d: reason %u", __LINE__, _w.reason); \
		cr_expect_eq(_w.spliced, is_spliced, "line %d: spliced", __LINE__); \
		cr_expect_eq(_w.ready, is_ready, "line %d: ready", __LINE__); \
	} while (0)

Test(flow_reasons, never_considered)
{
	EXPECT(CLIENT, NOT(), NOT(), SPLICE_OFF, 0, 0);
	EXPECT(CLIENT, NOT(.flags = PB_FLOW_ON), NOT(.flags = WANTS), SPLICE_OFF, 0, 0);
	EXPECT(SERVER, NOT(.flags = PB_FLOW_ON), NOT(.flags = WANTS), SPLICE_PEER, 0, 0);
	EXPECT(CLIENT, NOT(.flags = PB_FLOW_WANTS), NOT(.flags = PB_FLOW_WANTS), SPLICE_OFF, 0, 0);
	EXPECT(CLIENT, NOT(.flags = WANTS), NOT(.flags = PB_FLOW_ON), SPLICE_PEER, 0, 0);
	EXPECT(CLIENT, NOT(.flags = WANTS), NOT(.absent = true), SPLICE_PEER, 0, 0);
	EXPECT(SERVER, NOT(.flags = WANTS), NOT(.absent = true), SPLICE_OFF, 0, 0);
	EXPECT(CLIENT, NOT(.flags = WANTS), NOT(.flags = WANTS), SPLICE_LATE, 0, 0);
	cr_expect_str_eq(way(PB_SPL_CLIENT, NOT(.flags = WANTS), NOT(.flags = WANTS)).text,
			 "the connection is older than the setting");
	/* what an earlier connection of that socket left says nothing */
	EXPECT(CLIENT, NOT(.flags = PB_FLOW_TAKEN, SENT), NOT(), SPLICE_OFF, 0, 0);
}

Test(flow_reasons, refused_at_the_handshake)
{
	struct end peer = NOT(.flags = IN, .reason = PB_R_SPLICE_PEER);
	struct end rcvbuf = NOT(.flags = IN, .reason = PB_R_SPLICE_RCVBUF);

	EXPECT(CLIENT, peer, NOT(.flags = PB_FLOW_ON), SPLICE_PEER, 0, 0);
	EXPECT(SERVER, peer, NOT(.flags = PB_FLOW_ON), SPLICE_OFF, 0, 0);
	EXPECT(CLIENT, rcvbuf, peer, SPLICE_RCVBUF, 0, 0);
	EXPECT(SERVER, rcvbuf, peer, SPLICE_RCVBUF, 0, 0);
	/* the server refused: its client had joined */
	EXPECT(CLIENT, OPEN(.pair = PB_SPL_JOINED(0) | PB_SPL_CLOSING, .why = PB_R_SPLICE_RCVBUF),
	       rcvbuf, SPLICE_RCVBUF, 0, 0);
	EXPECT(CLIENT, NOT(.flags = IN, .spl = PB_SPL_WAIT), NOT(), NONE, 0, 0);
}

Test(flow_reasons, in_the_splice)
{
	EXPECT(CLIENT, OPEN(), OPEN(), NONE, 0, 1);
	EXPECT(SERVER, OPEN(), OPEN(), NONE, 0, 1);
	EXPECT(CLIENT, OPEN(SENT), OPEN(), SPLICED, 1, 0);
	EXPECT(SERVER, OPEN(SENT), OPEN(), NONE, 0, 1);
	EXPECT(SERVER, OPEN(SENT), OPEN(SENT), SPLICED, 1, 0);
	/* the client has not spoken yet: no reason to blame the server */
	EXPECT(SERVER, OPEN(.pair = PB_SPL_BOTH), OPEN(.pair = PB_SPL_BOTH), NONE, 0, 1);
	EXPECT(CLIENT, OPEN(.pair = PB_SPL_JOINED(0)), NOT(), NONE, 0, 1);
	/* a side that is closed is not ready for anything */
	EXPECT(CLIENT, OPEN(.state = PB_FLOW_FIN_WAIT2), OPEN(.state = PB_FLOW_CLOSE_WAIT), NONE, 0,
	       0);
	EXPECT(SERVER, OPEN(.state = PB_FLOW_FIN_WAIT2), OPEN(.state = PB_FLOW_CLOSE_WAIT), NONE, 0,
	       1);
}

Test(flow_reasons, on_the_way_back)
{
	struct end tcp = OPEN(.spl = PB_SPL_TCP, .msgs = 3, .reason = PB_R_SPLICE_BUDGET,
			      .pair = BOTH | PB_SPL_CLOSING, .why = PB_R_SPLICE_BUDGET);
	struct end open = OPEN(SENT, .pair = BOTH | PB_SPL_CLOSING, .why = PB_R_SPLICE_BUDGET);

	EXPECT(CLIENT, tcp, open, SPLICE_BUDGET, 0, 0);
	EXPECT(SERVER, tcp, open, SPLICE_BUDGET, 0, 0);
	EXPECT(CLIENT, OPEN(.spl = PB_SPL_TCP, .reason = PB_R_SPLICE_LATE), OPEN(SENT), SPLICE_LATE,
	       0, 0);
	/* the switch of the node, while it is open */
	EXPECT(CLIENT, OPEN(SENT, .flags = PB_FLOW_WANTS | PB_FLOW_TAKEN), OPEN(), SPLICE_OFF, 0,
	       0);
	/* left: the reason of its own, of the pair, or that it left */
	EXPECT(CLIENT, OPEN(.spl = PB_SPL_LEFT, .reason = PB_R_SPLICE_BUDGET), OPEN(),
	       SPLICE_BUDGET, 0, 0);
	EXPECT(CLIENT, OPEN(.spl = PB_SPL_LEFT, SENT, .why = PB_R_SPLICE_ULP), OPEN(), SPLICE_ULP,
	       0, 0);
	EXPECT(CLIENT, OPEN(.spl = PB_SPL_LEFT, SENT), OPEN(), SPLICE_LEFT, 0, 0);
}

Test(flow_reasons, the_peer_has_closed)
{
	EXPECT(CLIENT, OPEN(SENT, .alone = true), NOT(.absent = true), SPLICE_GONE, 0, 0);
	EXPECT(SERVER, OPEN(SENT, .alone = true), NOT(.absent = true), SPLICE_GONE, 0, 0);
	cr_expect_not(way(PB_SPL_SERVER, OPEN(SENT), NOT(.absent = true)).known);
	cr_expect_eq(way(PB_SPL_CLIENT, OPEN(SENT), NOT(.absent = true)).bytes, 30);
}

/* Whatever the kernel writes: an answer, and no reason beyond the list. */
Test(flow_reasons, every_state_has_an_answer)
{
	for (unsigned spl = 0; spl < 8; spl++)
		for (unsigned reason = 0; reason < 70; reason++)
			for (unsigned bits = 0; bits < 32; bits++) {
				struct end e = { .flags = bits,
						 .spl = spl,
						 .reason = reason,
						 .pair = reason & 0x3f };

				cr_assert_not_null(way(PB_SPL_CLIENT, e, e).text);
			}
}
