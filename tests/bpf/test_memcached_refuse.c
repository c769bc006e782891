// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the switch drops, what it leaves alone, and that no piece of a request is ever sent on. */
#include <patchbay/mc_parse.h>

#include "mc_world.h"

TestSuite(memcached_refuse, .init = world_init, .fini = world_fini, .timeout = 240);

/* Both programs say the same, and neither changes what it lets pass. */
static void both(const uint8_t *p, size_t len, int want, const char *what)
{
	for (w.tc = 0; w.tc < 2; w.tc++) {
		cr_assert_eq(run_bytes(p, len, w.ifindex), want, "%s: %s said %u", what,
			     w.tc ? "tc" : "XDP", w.retval);
		if (want == SAID_PASS)
			cr_assert(w.out_len == len && !memcmp(w.out, p, len), "%s: changed", what);
	}
}

static void both_frame(const struct frame *f, int want, const char *what)
{
	uint8_t p[FRAME_MAX];

	both(p, frame_write(f, p), want, what);
}

static void both_msg(const char *msg, int want)
{
	struct frame f = request(msg);

	both_frame(&f, want, msg);
}

Test(memcached_refuse, slow_path)
{
	static const char *const msgs[] = {
		"get a\r\nget b\r\n",
		"get a\r\nset b 0 0 1\r\nx\r\n",
		"foo\r\nset b 0 0 1\r\nx\r\n",
		"mg Zm9v b v\r\n",
		"flush_all\r\n",
		"flush_all 5 noreply\r\n",
		"verbosity 1\r\n",
		"shutdown\r\n",
		"get a b c d e f g h i j k l m n\r\n", /* of several servers */
		"set k 0 0 1 1 1 1\r\nget a\r\n",
	};
	struct frame f = request("get key\r\n");

	for (size_t i = 0; i < ARRAY_SIZE(msgs); i++)
		both_msg(msgs[i], SAID_PASS);
	f.frag = IP_MF;
	both_frame(&f, SAID_PASS, "the first piece");
	f.frag = 100;
	both_frame(&f, SAID_PASS, "another piece");
	f.frag = 0;
	f.ttl = 1;
	both_frame(&f, SAID_PASS, "the last hop");
	f.ttl = 64;
	f.tagged = 2;
	both_frame(&f, SAID_PASS, "two tags");
	cr_assert_eq(counter(PB_MC_C_PASSED), ARRAY_SIZE(msgs) + 2);
	cr_assert_eq(counter(PB_MC_C_STEERED), 0);
}

Test(memcached_refuse, of_others)
{
	struct frame f = request("get key\r\n");
	uint8_t p[FRAME_MAX];
	size_t n;

	f.dport = 11212;
	both_frame(&f, SAID_PASS, "another port");
	f.dport = 11211;
	f.daddr = addr_of(0, 8);
	both_frame(&f, SAID_PASS, "another address");
	f = request("get key\r\n");
	n = frame_write(&f, p);
	p[23] = 6;
	both(p, n, SAID_PASS, "TCP");
	put16(p + 12, 0x0806);
	both(p, n, SAID_PASS, "ARP");
	world_service(0);
	both_frame(&f, SAID_PASS, "a service that is down");
	world_family(1);
	world_service(PB_MC_S_UP);
	f = request("get key\r\n");
	n = frame_write(&f, p);
	p[20] = 0;
	both(p, n, SAID_PASS, "IPv6 with an extension header");
	cr_assert_eq(counter(PB_MC_C_REQUESTS), 0);
}

Test(memcached_refuse, dropped)
{
	struct pb_mc_allow_key k = { .prefixlen = 32 + 96 + 24, .addr = addr_of(1, 0) };
	struct frame f = request("get key\r\n");
	uint32_t one = 1;

	both_msg("set k 0 0 10\r\nhalf", SAID_DROP);
	both_msg("ms k 10\r\nhalf", SAID_DROP);
	both_msg("get no-end-of-line", SAID_DROP);
	both_msg("\x80\x77\0\0\0\0\0\0\0\0\0\x05", SAID_DROP);
	f.msg = "\x80\x77\0\x05\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\0\0\0\0\0hello";
	f.len = 29; /* an unknown opcode: its body is swallowed twice */
	both_frame(&f, SAID_DROP, "unknown binary opcode");
	cr_assert_eq(counter(PB_MC_C_DROP_SHORT), 10);
	f = request("get key\r\n");
	f.total = 2;
	both_frame(&f, SAID_DROP, "a total of 2");
	f.total = 1;
	f.len = 0;
	both_frame(&f, SAID_DROP, "nothing behind the header");
	cr_assert_eq(counter(PB_MC_C_DROP_BAD), 4);
	world_service(PB_MC_S_UP | PB_MC_S_ALLOW);
	both_msg("get key\r\n", SAID_DROP);
	cr_assert_eq(counter(PB_MC_C_DROP_SOURCE), 2);
	update("pb_mc_allow", &k, &one);
	both_msg("get key\r\n", SAID_SENT);
	cr_assert_eq(bpf_map_delete_elem(pb_mcl_map_fd(w.mcl, "pb_mc_allow"), &k), 0);
	w.svc.allow++;
	world_service(PB_MC_S_UP | PB_MC_S_ALLOW);
	both_msg("get key\r\n", SAID_DROP);
	cr_assert_eq(counter(PB_MC_C_DROP_SOURCE), 4, "it was known a moment ago");
	update("pb_mc_allow", &k, &one);
	both_msg("get key\r\n", SAID_SENT);
	k.addr = addr_of(2, 0);
	k.service = htonl(1);
	cr_assert_eq(pb_mcl_ring(w.mcl, 0, NULL), 0);
	both_msg("get key\r\n", SAID_DROP);
	cr_assert_eq(counter(PB_MC_C_DROP_OWNER), 2);
	cr_assert_eq(pb_mcl_ring(w.mcl, 0, &w.ring), 0);
	both_msg("get key\r\n", SAID_SENT);
}

/* Any server may answer these; also what is wrong without having a key. */
Test(memcached_refuse, of_no_key)
{
	static const char *const msgs[] = { "version\r\n", "stats\r\n", "mn\r\n",
					    "bogus\r\n",   "get\r\n",	"set k\r\n" };

	for (size_t i = 0; i < ARRAY_SIZE(msgs); i++)
		both_msg(msgs[i], SAID_SENT);
	cr_assert_eq(counter(PB_MC_C_UNKNOWN), 2);
}

static const char *const whole[] = {
	"get key\r\n",
	"get a b  c\r\n",
	"set k 1 2 5 noreply\r\nhello\r\n",
	"cas k 1 2 3 4\r\nabc\r\n",
	"mg foo v k f q\r\n",
	"ms k 3 T0 c\r\nabc\r\n",
	"delete k 0 noreply\r\n",
	"flush_all 5\r\n",
	"gats 5 a b\r\n",
	"incr k 7\r\n",
	"version\r\n",
};

static const char bin_set[] = "\x80\x01\0\x03\x08\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0"
			      "\0\0\0\0\0\0\0\0keyhello";

/* What is sent must be a request that is whole, and all of the message. */
static void only_whole(const struct frame *f)
{
	static struct pb_mc_work work;
	struct pb_mc_scan s;
	struct frame out;

	if (run(f) != SAID_SENT)
		return;
	out = result();
	cr_assert_eq(out.len, f->len);
	cr_assert_eq(memcmp(out.msg, f->msg, f->len), 0);
	s = pb_mc_scan_init(out.msg, out.msg + out.len, (uint32_t)out.len, &work);
	pb_mc_parse(&s, 0, pb_mc_proto_of(&s));
	cr_assert_neq(work.req.error, PB_MC_E_SHORT, "%.*s", (int)out.len, out.msg);
	cr_assert_eq(work.req.next, out.len, "%.*s", (int)out.len, out.msg);
}

/* The message is cut and the headers say so; then the frame is cut, and they do not. */
static void cut(const char *msg, size_t len)
{
	uint8_t p[FRAME_MAX];
	struct frame f = request(msg);
	size_t n;

	for (f.len = 0; f.len <= len; f.len++)
		only_whole(&f);
	f.len = len;
	n = frame_write(&f, p);
	for (size_t k = w.tc ? (w.v6 ? 55 : 35) : 34; k < n; k++) /* tc runs no empty packet */
		cr_assert_neq(run_bytes(p, k, w.ifindex), SAID_SENT, "%s cut to %zu", msg, k);
	/* IP says that the datagram is shorter than UDP does: the rest is no part of it */
	for (uint32_t k = 1; k <= len; k++) {
		uint8_t *at = p + (w.v6 ? 18 : 16);

		put16(at, get16(at) - 1);
		cr_assert_neq(run_bytes(p, n, w.ifindex), SAID_SENT, "%s", msg);
	}
	n = frame_write(&f, p);
	/* the UDP length cut, and nothing else */
	for (size_t k = 0; k < 16 + len; k++) {
		put16(p + n - len - 16 + 4, (uint32_t)k);
		if (run_bytes(p, n, w.ifindex) == SAID_SENT)
			cr_assert_gt(k, 16 + strcspn(msg, "\n"), "%s", msg);
	}
}

Test(memcached_refuse, every_truncation)
{
	for (int form = 0; form < 4; form++) {
		w.tc = form & 1;
		if (form == 2)
			world_family(1);
		for (size_t i = 0; i < ARRAY_SIZE(whole); i++)
			cut(whole[i], strlen(whole[i]));
		cut(bin_set, sizeof(bin_set) - 1);
	}
}

/* Frames of noise behind good headers: nothing but whole requests comes out. */
Test(memcached_refuse, noise)
{
	struct frame f = request("");
	uint8_t p[FRAME_MAX];
	char msg[64];

	srandom(5);
	for (int i = 0; i < 40000; i++) {
		const char *base = whole[(size_t)random() % ARRAY_SIZE(whole)];
		size_t n;

		w.tc = i & 1;
		f.len = strlen(base);
		memcpy(msg, base, f.len);
		for (long k = random() % 4; k > 0; k--)
			msg[(size_t)random() % f.len] = (char)random();
		f.msg = msg;
		only_whole(&f);
		n = frame_write(&f, p);
		p[12 + (size_t)random() % (n - 12)] ^= (uint8_t)(1 << random() % 8);
		run_bytes(p, n, w.ifindex);
	}
}
