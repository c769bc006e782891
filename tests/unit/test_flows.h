/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the tests of flows share: ends of connections between cli and srv, and what the splice knows. */
#ifndef TEST_FLOWS_H
#define TEST_FLOWS_H

#include <patchbay/reasons.h>

#include "control/agent/flows.h"
#include "test_registry.h"

#define CLI 0x11
#define SRV 0x22

static struct pb_flow_pair *pairs;
static size_t n_pairs;

__attribute__((unused)) static void join(struct pb_flow *recs, size_t n)
{
	free(pairs);
	cr_assert_eq(pb_flows_join(recs, n, &pairs, &n_pairs), 0);
}

__attribute__((unused)) static void fini(void)
{
	free(pairs);
	pairs = NULL;
	stop();
}

__attribute__((unused)) static void init(void)
{
	start("10.9.0.0/16", NULL);
	claim(CLI, "cli", "10.9.0.2 grp=t");
	claim(SRV, "srv", "10.9.0.1 grp=t");
}

/* The client's end of connection number @i, and its server's. */
__attribute__((unused)) static struct pb_flow client(unsigned i, const char *real)
{
	struct pb_flow f = { .app = CLI,
			     .peer = SRV,
			     .cookie = 1000 + i,
			     .netns = 7,
			     .vlocal = A("10.9.0.2"),
			     .vpeer = A("10.9.0.1"),
			     .local = A(real),
			     .remote = A(real),
			     .vlport = htons(40000 + i),
			     .vpport = htons(80),
			     .lport = htons(40000 + i),
			     .rport = htons(33000),
			     .flags = PB_FLOW_VLOCAL | PB_FLOW_VPEER,
			     .family = PB_AF_INET,
			     .role = PB_SPL_CLIENT,
			     .state = PB_FLOW_ESTABLISHED };

	return f;
}

__attribute__((unused)) static struct pb_flow server(unsigned i, const char *real)
{
	struct pb_flow f = client(i, real);

	f.app = SRV;
	f.peer = 0;
	f.cookie = 2000 + i;
	f.vlocal = A("10.9.0.1");
	f.vpeer = A("10.9.0.2");
	f.vlport = f.vpport;
	f.vpport = f.lport;
	f.lport = f.rport;
	f.rport = htons(40000 + i);
	f.role = PB_SPL_SERVER;
	return f;
}

#define L4 "127.0.0.1"

#define BOTH (PB_SPL_BOTH | PB_SPL_HEARD)

/* What the splice knows of an end: what differs from "open, nothing sent". */
struct end {
	unsigned flags, spl, pair;
	enum pb_reason reason, why;
	unsigned msgs, state;
	bool absent, alone; /* no socket; no pair */
};

__attribute__((unused)) static void set_end(struct pb_flow *f, struct end e)
{
	f->flags |= e.flags;
	f->spl = e.spl;
	f->pair = e.pair;
	f->reason = e.reason;
	f->why = e.why;
	f->msgs = e.msgs;
	f->bytes = e.msgs * 10;
	if (e.state)
		f->state = (__u8)e.state;
}

#define IN (PB_FLOW_ON | PB_FLOW_WANTS | PB_FLOW_TAKEN)
#define WANTS (PB_FLOW_ON | PB_FLOW_WANTS)
#define OPEN(...) opened((struct end){ __VA_ARGS__ })
#define NOT(...) ((struct end){ __VA_ARGS__ })
#define SENT .msgs = 3, .reason = PB_R_SPLICED

/* In the splice together, where nothing else is said. */
__attribute__((unused)) static struct end opened(struct end e)
{
	if (!e.flags)
		e.flags = IN;
	if (!e.spl)
		e.spl = PB_SPL_OPEN;
	if (!e.pair && !e.alone)
		e.pair = BOTH;
	return e;
}

#endif /* TEST_FLOWS_H */
