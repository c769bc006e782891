/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* pb_syn where addresses are translated on the way: what the SYN's MAC still proves. */
#include "peer.h"

#define OTHER4 "192.0.2.77" /* a translator; nobody's locator */
#define OTHER6 "2001:db8::77"

static int listener;

/* What the agent writes of a node whose locators are in [cluster] nat. */
static void nat_on(uint64_t node, const __u64 *now, const __u64 *before)
{
	struct pb_peer p = { .node = node, .nat = 1 };

	memcpy(p.in[0], now, 16);
	if (before)
		memcpy(p.in[1], before, 16);
	for (int v6 = 0; v6 < 2; v6++) {
		struct pb_addr at = pb_nat_addr(node, v6);

		cr_assert(!bpf_map_update_elem(map_of("pb_peers"), &at, &p, BPF_ANY));
	}
}

static void setup(void)
{
	far_init();
	listener = serve(&server, AF_INET6, SOCK_STREAM, "::", PORT);
	cr_assert(listener >= 0, "%s", strerror(-listener));
	put_member(0, pb_syn_nat_tag(ID, NODE), REF);
}

TestSuite(peer_nat, .init = setup, .fini = world_fini, .timeout = 120);

/* A SYN that went through a translator. */
static struct syn translated(int family)
{
	struct syn s = good_syn(family);

	s.src = addr_of(family == AF_INET ? OTHER4 : OTHER6);
	s.sport = htons(ntohs(s.sport) + 1000);
	s.flags = PB_SYN_F_NAT;
	s.node = NODE;
	return s;
}

static void works(const struct syn *s)
{
	shake(s);
	cr_assert(
		strstr(peer_of(taken(listener)), pb_addr_is_v4(&s->src) ? "10.9.1.2" : "fd00::2"));
}

/* Of a source that is no node: the first SYN is dropped, for the news may be on their way. */
static void refused(const struct syn *s, forge_fn forge)
{
	uint64_t before = counted(PB_R_NO_MEMBER);

	send_syn(s, forge);
	cr_assert(eventually(counted(PB_R_NO_MEMBER) == before + 1));
	expect_reset(s, forge, PB_R_BAD_MAC);
}

Test(peer_nat, admitted)
{
	nat_on(NODE, key_now, NULL);
	for (int i = 0; i < 2; i++) {
		struct syn s = translated(i ? AF_INET6 : AF_INET);

		works(&s);
	}
}

Test(peer_nat, the_key_before)
{
	struct syn s = translated(AF_INET);

	nat_on(NODE, key_now, key_old);
	s.key = key_old;
	works(&s);
}

Test(peer_nat, not_without_the_setting)
{
	struct syn s = translated(AF_INET), plain = translated(AF_INET);

	refused(&s, NULL);
	nat_on(NODE, key_now, NULL);
	plain.flags = 0; /* the client's end does not know of it */
	refused(&plain, NULL);
}

Test(peer_nat, a_node_that_is_not_translated_stays_as_it_is)
{
	struct syn s = good_syn(AF_INET);

	nat_on(NODE, key_now, NULL);
	works(&s);
}

/* ---- forged ---- */

static void other_isn(struct syn *s, struct pb_syn_opt *o)
{
	(void)o;
	s->isn++;
}

static void other_loop(struct syn *s, struct pb_syn_opt *o)
{
	(void)s;
	o->magic[1] ^= PB_SYN_F_LOOP;
}

static void other_mac(struct syn *s, struct pb_syn_opt *o)
{
	(void)s;
	o->mac[7] ^= 1;
}

Test(peer_nat, forged)
{
	struct syn s = translated(AF_INET);
	static const __u64 wrong[2] = { 1, 2 };

	nat_on(NODE, key_now, NULL);
	expect_reset(&s, other_isn, PB_R_BAD_MAC);
	s = translated(AF_INET);
	expect_reset(&s, other_mac, PB_R_BAD_MAC);
	s = translated(AF_INET);
	expect_reset(&s, other_loop, PB_R_BAD_MAC);
	s = translated(AF_INET);
	s.key = wrong;
	expect_reset(&s, NULL, PB_R_BAD_MAC);
	/* another node's number, with the right key */
	s = translated(AF_INET);
	s.node = NODE + 1;
	refused(&s, NULL);
}

/* Whoever recorded it cannot open a connection of his own with it. */
Test(peer_nat, recorded)
{
	struct syn s = translated(AF_INET), other;
	struct tcp_seg a;

	nat_on(NODE, key_now, NULL);
	works(&s);
	other = s;
	other.sport = htons(ntohs(s.sport) + 1);
	expect_reset(&other, NULL, PB_R_BAD_MAC);
	other = s;
	other.src = addr_of("192.0.2.78");
	expect_reset(&other, NULL, PB_R_BAD_MAC);
	/* its own kernel repeats what was lost */
	s = translated(AF_INET);
	for (int i = 0; i < 2; i++) {
		send_syn(&s, NULL);
		a = answer(&s);
		cr_assert(is_synack(&a), "flags %#x", a.flags);
	}
	reset(&s);
}
