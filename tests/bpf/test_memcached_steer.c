// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Requests on their way to servers and replies on their way back, by the programs themselves: every
 * frame that comes out is read whole, and its sums are computed anew. */
#include <patchbay/mc_parse.h>

#include "mc_world.h"

TestSuite(memcached_steer, .init = world_init, .fini = world_fini, .timeout = 240);

static uint32_t owner_of(const char *key)
{
	static struct pb_mc_work work;
	struct pb_mc_scan s = pb_mc_scan_init(key, key + strlen(key), (uint32_t)strlen(key), &work);

	return pb_mc_owner(&s, &w.ring, 0, (uint32_t)strlen(key));
}

static void same_addr(const struct pb_addr *a, const struct pb_addr *b, const char *what)
{
	cr_assert(pb_addr_eq(a, b), "%s", what);
}

/* The request that went out, which must be @sent with other addresses. */
static struct frame steered(const struct frame *sent, const char *key)
{
	struct frame out = result();
	struct pb_addr to = addr_of(1, 11 + (int)owner_of(key));

	same_addr(&out.saddr, &w.svc.source, "source");
	same_addr(&out.daddr, &to, "server");
	cr_assert_eq(out.dport, 11211);
	cr_assert(out.sport >= SOURCE_PORT && out.sport < SOURCE_PORT + PB_MC_PORTS);
	cr_assert_eq(out.ttl, sent->ttl - 1);
	cr_assert_eq(out.tagged, 0);
	cr_assert_eq(out.options, sent->options);
	cr_assert_eq(out.sum, sent->sum == SUM_PARTIAL ? SUM_FULL : sent->sum);
	cr_assert_eq(memcmp(out.dmac, server_mac, 6), 0);
	cr_assert_eq(memcmp(out.smac, w.mac, 6), 0);
	cr_assert_eq(out.len, sent->len);
	cr_assert_eq(memcmp(out.msg, sent->msg, out.len), 0);
	return out;
}

static void returned(const struct frame *req, const struct frame *reply)
{
	struct frame out = result();

	same_addr(&out.saddr, &w.svc.vip, "the address answers");
	same_addr(&out.daddr, &req->saddr, "the client is answered");
	cr_assert_eq(out.sport, 11211);
	cr_assert_eq(out.dport, req->sport);
	cr_assert_eq(out.id, req->id);
	cr_assert_eq(out.seq, reply->seq);
	cr_assert_eq(out.total, reply->total);
	cr_assert_eq(out.sum, reply->sum == SUM_PARTIAL ? SUM_FULL : reply->sum);
	cr_assert_eq(memcmp(out.dmac, req->smac, 6), 0);
	cr_assert_eq(memcmp(out.smac, req->dmac, 6), 0);
	cr_assert_eq(out.len, reply->len);
	cr_assert_eq(memcmp(out.msg, reply->msg, out.len), 0);
}

/* There and back.  XDP leaves frames with a tag to tc, which would see the tag beside the frame. */
static void round_trip(struct frame req, const char *key, const char *answer)
{
	struct frame out, reply;

	if (!w.tc && req.tagged) {
		cr_assert_eq(run(&req), SAID_PASS);
		return;
	}
	cr_assert_eq(run(&req), SAID_SENT, "%s", req.msg);
	out = steered(&req, key);
	reply = reply_to(&out, answer);
	reply.sum = req.sum;
	reply.options = req.options;
	cr_assert_eq(run(&reply), SAID_SENT);
	if (!req.tagged)
		returned(&req, &reply);
}

/* A partial sum is seen in the bytes by XDP only: tc's frames of a test run have none. */
static void every_form(const char *msg, const char *key, const char *answer)
{
	for (int form = 0; form < 2 * 2 * 2 * 4 * 2; form++) {
		struct frame req;

		w.tc = form & 1;
		if (w.v6 != (form >> 1 & 1))
			world_family(form >> 1 & 1);
		req = request(msg);
		req.tagged = form >> 2 & 1;
		req.tci = 0x2005;
		req.sum = (enum sum_kind)(form >> 3 & 3);
		req.options = form >> 5 && !w.v6 ? 40 : 0;
		if ((w.tc && req.sum == SUM_PARTIAL) || (w.v6 && req.sum == SUM_NONE))
			continue;
		round_trip(req, key, answer);
	}
}

Test(memcached_steer, there_and_back)
{
	char big[1400] = "set a-long-key 0 0 1300\r\n";

	every_form("get key\r\n", "key", "VALUE key 0 1\r\nx\r\nEND\r\n");
	every_form("set k2 1 2 5\r\nhello\r\n", "k2", "STORED\r\n");
	every_form("mg k3 v\r\n", "k3", "EN\r\n");
	memset(big + strlen(big), 'x', 1300);
	strcpy(big + strlen("set a-long-key 0 0 1300\r\n") + 1300, "\r\n");
	every_form(big, "a-long-key", "STORED\r\n");
	cr_assert_eq(counter(PB_MC_C_REPLY_STRAY), 0);
	cr_assert_eq(counter(PB_MC_C_REPLIES), counter(PB_MC_C_STEERED));
}

/* Sums whose change leaves a carry after the first fold, and those that come to zero. */
Test(memcached_steer, sums_of_many)
{
	char msg[32];

	for (int i = 0; i < 20000; i++) {
		struct frame req, out;

		w.tc = i & 1;
		snprintf(msg, sizeof(msg), "get key%d\r\n", i);
		req = request(msg);
		req.sport = (uint16_t)(i * 7 + 1);
		req.id = (uint16_t)(i * 31);
		cr_assert_eq(run(&req), SAID_SENT);
		msg[strlen(msg) - 2] = '\0';
		out = result();
		cr_assert_eq(out.sum, SUM_FULL, "request %d", i);
		if (i % 16)
			continue;
		out = reply_to(&out, "END\r\n");
		cr_assert_eq(run(&out), SAID_SENT);
		out = result();
		cr_assert_eq(out.sum, SUM_FULL, "reply %d", i);
	}
}

Test(memcached_steer, no_tag_twice)
{
	static uint8_t seen[PB_MC_PORTS << 16 >> 3];
	struct frame req = request("get key\r\n");
	struct pb_mc_tags t[256] = { 0 };
	const struct pb_mc_call none = { .born = 0 };
	uint32_t zero = 0;

	for (int i = 0; i < 30000; i++) {
		struct frame out;
		uint32_t tag;

		w.tc = i & 1;
		cr_assert_eq(run(&req), SAID_SENT);
		out = result();
		tag = (uint32_t)(out.sport - SOURCE_PORT) << 16 | out.id;
		cr_assert(!(seen[tag >> 3] >> (tag & 7) & 1), "tag %x twice", tag);
		seen[tag >> 3] |= (uint8_t)(1 << (tag & 7));
	}
	/* at the end of the last turn, and the first one was over a moment ago */
	for (int i = 0; i < libbpf_num_possible_cpus(); i++) {
		t[i].next = PB_MC_CALLS;
		t[i].turn = PB_MC_TURNS - 1;
		t[i].ended[0] = pb_now_ns() + 1000000000ULL;
	}
	update("pb_mc_tags", &zero, t);
	for (w.tc = 0; w.tc < 2; w.tc++)
		cr_assert_eq(run(&req), SAID_DROP);
	cr_assert_eq(counter(PB_MC_C_DROP_FULL), 2);
	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		t[i].ended[0] = 1;
	update("pb_mc_tags", &zero, t);
	for (uint32_t i = 0; i < PB_MC_CALLS; i += 64) /* the first place of each CPU's share */
		update("pb_mc_calls", &i, &none);
	cr_assert_eq((w.tc = 0, run(&req)), SAID_SENT);
}

/* Whoever is not the server asked, or does not know the tag, is not heard. */
Test(memcached_steer, strays)
{
	for (int i = 0; i < 2; i++) {
		struct frame req = request("get key\r\n"), out, good, r;
		uint8_t p[FRAME_MAX];

		w.tc = i;
		cr_assert_eq(run(&req), SAID_SENT);
		out = result();
		good = reply_to(&out, "END\r\n");
		r = good;
		r.saddr = addr_of(1, 99);
		cr_assert_eq(run(&r), SAID_DROP, "another host");
		r = good;
		r.sport++;
		cr_assert_eq(run(&r), SAID_DROP, "another port");
		r = good;
		r.id ^= 1;
		cr_assert_eq(run(&r), SAID_DROP, "another id");
		r = good;
		r.dport = r.dport == SOURCE_PORT ? SOURCE_PORT + 1 : SOURCE_PORT;
		cr_assert_eq(run(&r), SAID_DROP, "another source port");
		r = good;
		r.frag = IP_MF;
		cr_assert_eq(run(&r), SAID_DROP, "a piece");
		cr_assert_eq(counter(PB_MC_C_REPLY_STRAY), 6u * i + 5);
		cr_assert_eq(run(&good), SAID_SENT);
		/* asked by one device, reached by another: not heard on the client's */
		req.sport++;
		cr_assert_eq(run_bytes(p, frame_write(&req, p), w.other), SAID_SENT);
		out = result();
		good = reply_to(&out, "END\r\n");
		cr_assert_eq(run_bytes(p, frame_write(&good, p), w.other), SAID_DROP, "forged");
		cr_assert_eq(run(&good), SAID_SENT);
		cr_assert_eq(counter(PB_MC_C_REPLY_STRAY), 6u * i + 6);
	}
}

/* Replies of several datagrams, and the empty ones that memcached sends for what it keeps back. */
Test(memcached_steer, long_replies)
{
	for (w.tc = 0; w.tc < 2; w.tc++) {
		struct frame req = request("get key\r\n"), out, r;

		cr_assert_eq(run(&req), SAID_SENT);
		out = result();
		for (uint16_t i = 0; i < 5; i++) {
			r = reply_to(&out, "part");
			r.seq = i;
			r.total = 5;
			cr_assert_eq(run(&r), SAID_SENT);
			returned(&req, &r);
		}
		r = reply_to(&out, "");
		r.total = 0;
		cr_assert_eq(run(&r), SAID_SENT);
		returned(&req, &r);
	}
}

Test(memcached_steer, direct_return)
{
	world_service(PB_MC_S_UP | PB_MC_S_L2);
	for (int form = 0; form < 4; form++) {
		struct frame req, out;

		w.tc = form & 1;
		if (form == 2)
			world_family(1);
		req = request("get key\r\n");
		cr_assert_eq(run(&req), SAID_SENT);
		out = result();
		same_addr(&out.saddr, &req.saddr, "client");
		same_addr(&out.daddr, &req.daddr, "address");
		cr_assert_eq(out.sport, req.sport);
		cr_assert_eq(out.dport, req.dport);
		cr_assert_eq(out.id, req.id);
		cr_assert_eq(out.sum, SUM_FULL);
		cr_assert_eq(out.ttl, req.ttl - 1);
		cr_assert_eq(memcmp(out.dmac, server_mac, 6), 0);
	}
}

/* What the link to the server does not take: the host's stack cuts it into pieces, or says so. */
Test(memcached_steer, too_long)
{
	static char big[1400] = "set key 0 0 1200\r\n";
	struct frame small = request("get key\r\n"), req;

	memset(big + strlen(big), 'x', 1200);
	strcat(big, "\r\n");
	sh("ip link set d0 mtu 1100");
	for (int i = 0; i < 4; i++) {
		w.tc = i & 1;
		cr_assert_eq(run(&small), SAID_SENT);
		req = request(big);
		cr_assert_eq(run(&req), SAID_PASS, "the way is known already");
	}
	sh("ip link set d0 mtu 1500");
	/* asked again when something does not fit, not before */
	for (w.tc = 0; w.tc < 2; w.tc++)
		cr_assert_eq(run(&req), SAID_SENT);
}

/* Keys of one server go there; those of two nowhere, the second key being the last one, too. */
Test(memcached_steer, multigets)
{
	unsigned one = 0, two = 0;
	char msg[32];

	for (char a = 'a'; a <= 'z'; a++) {
		char k0[2] = { a }, k1[2] = { (char)(a == 'z' ? 'a' : a + 1) };
		bool same = owner_of(k0) == owner_of(k1);

		for (w.tc = 0; w.tc < 2; w.tc++) {
			struct frame req;

			snprintf(msg, sizeof(msg), "get %s %s\r\n", k0, k1);
			req = request(msg);
			cr_assert_eq(run(&req), same ? SAID_SENT : SAID_PASS, "%s", msg);
			if (same)
				steered(&req, k0);
		}
		one += same;
		two += !same;
	}
	cr_assert(one && two);
}

/* Once a second XDP leaves a request to tc, and tc its link header to the kernel. */
Test(memcached_steer, neighbours)
{
	struct frame req = request("get key\r\n");

	w.tc = 0;
	cr_assert_eq(run(&req), SAID_SENT);
	w.keep_hops = true;
	world_hops(true);
	cr_assert_eq(run(&req), SAID_PASS);
	w.tc = 1;
	cr_assert_eq(run(&req), SAID_SENT);
	w.tc = 0;
	cr_assert_eq(run(&req), SAID_SENT);
}
