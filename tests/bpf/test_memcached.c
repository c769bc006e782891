// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The parsers of memcached's messages in the kernel: on packet data they say byte for byte what they
 * say on the host, and the verifier lets them pass with room to spare. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <criterion/criterion.h>

#include "control/memcached/ring.h"
#include "test/mc_parse.skel.h"
#include "tests/bpf/mc_job.h"
#include "tests/lib/mc_gen.h"

#include <patchbay/mc_reply.h>

#define BUDGET 500000u /* half of what the verifier walks */

static struct mc_parse *skel;
static struct mc_result kernel, host;

static void setup(void)
{
	skel = mc_parse__open_and_load();
	cr_assert_not_null(skel, "mc_parse.bpf.c does not load");
}

static void teardown(void)
{
	mc_parse__destroy(skel);
}

TestSuite(memcached, .init = setup, .fini = teardown, .timeout = 240);

/* Runs @prog over a message with @pad bytes behind it, as short frames have. */
static uint32_t run(struct bpf_program *prog, const uint8_t *msg, size_t len, size_t pad,
		    uint32_t at, uint32_t proto, uint32_t repeat, uint32_t *ret_ns)
{
	uint8_t packet[sizeof(struct mc_job) + MC_GEN_MAX + 64] = { 0 };
	struct mc_job job = { .len = (__u16)len, .at = (__u16)at, .proto = (__u16)proto };
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = packet,
		    .data_size_in = (__u32)(sizeof(job) + len + pad), .repeat = (int)repeat);
	int zero = 0;

	memcpy(packet, &job, sizeof(job));
	memcpy(packet + sizeof(job), msg, len);
	memset(packet + sizeof(job) + len, '\n', pad);
	cr_assert_eq(bpf_prog_test_run_opts(bpf_program__fd(prog), &o), 0, "%m");
	cr_assert_neq(o.retval, MC_JOB_BAD);
	cr_assert_eq(bpf_map_lookup_elem(bpf_map__fd(skel->maps.pb_mc_out), &zero, &kernel), 0);
	if (ret_ns)
		*ret_ns = o.duration;
	return o.retval;
}

static void same_request(const uint8_t *msg, size_t len, uint32_t at, uint32_t proto, size_t pad)
{
	struct pb_mc_scan s = pb_mc_scan_init(msg, msg + len, (__u32)len, &host.work);
	uint32_t n;

	pb_mc_parse(&s, at, proto);
	host.key_len = host.work.req.flags & PB_MC_F_B64 ? pb_mc_b64_key(&s) : 0;
	host.more = 0;
	pb_mc_more_keys(&s);
	while ((n = pb_mc_next_key(&s)))
		host.more = host.more * 31 + host.work.off * 7 + n;
	cr_assert_eq(run(skel->progs.pb_mc_req, msg, len, pad, at, proto, 1, NULL),
		     host.work.req.error, "%.*s", (int)len, msg);
	cr_assert_eq(memcmp(&kernel.work.req, &host.work.req, sizeof(host.work.req)), 0, "%.*s",
		     (int)len, msg);
	cr_assert_eq(kernel.more, host.more, "further keys of %.*s", (int)len, msg);
	cr_assert_eq(kernel.key_len, host.key_len, "%.*s", (int)len, msg);
	cr_assert_eq(memcmp(kernel.work.key, host.work.key, host.key_len), 0);
}

Test(memcached, requests_as_on_the_host)
{
	struct mc_gen g = { .state = 3 };

	for (int i = 0; i < 30000; i++) {
		uint32_t at = 0, proto;

		mc_gen_message(&g);
		if (!g.len)
			continue;
		proto = g.buf[0] == PB_MC_BIN_REQ;
		do {
			same_request(g.buf, g.len, at, proto, (size_t)i % 20);
			at = host.work.req.next;
		} while (at && at < g.len);
	}
}

static const char *const whole[] = {
	"get key\r\n",
	"get a b  c\r\n",
	"set k 1 2 5 noreply\r\nhello\r\n",
	"cas k 1 2 3 4\r\nabc\r\n",
	"mg Zm9v b v k f q\r\n",
	"ms k 3 T0 c\r\nabc\r\n",
	"delete k 0 noreply\r\n",
	"flush_all 5\r\n",
	"touch k 5\r\n",
	"gats 5 a b\r\n",
	"incr k 7\r\n",
	"ma k MD D5\r\n",
	"version\r\n",
};

Test(memcached, every_truncation)
{
	struct mc_gen g = { .state = 9 };

	for (size_t i = 0; i < sizeof(whole) / sizeof(*whole); i++)
		for (size_t cut = 1; cut <= strlen(whole[i]); cut++)
			for (size_t pad = 0; pad < 18; pad += 17)
				same_request((const uint8_t *)whole[i], cut, 0, PB_MC_TEXT, pad);
	for (int i = 0; i < 100; i++) {
		g.len = 0;
		mc_gen_binary(&g);
		for (size_t cut = 1; cut <= g.len; cut++)
			same_request(g.buf, cut, 0, PB_MC_BINARY, cut % 3);
	}
}

static const char *const replies[] = {
	"VALUE a 7 3 99\r\nabc\r\nEND\r\n",
	"VALUE a 7 3\r\nabc\r\nVALUE b 0 0\r\n\r\nEND\r\n",
	"STORED\r\n",
	"NOT_FOUND\r\n",
	"17\r\n",
	"VA 2 f3 c4 t-1 kab W X\r\nxy\r\n",
	"HD c5 kab\r\n",
	"EN\r\n",
	"CLIENT_ERROR bad data chunk\r\n",
	"END\r\n",
	"VALUE a 1 18446744073709551615\r\n",
};

static void same_reply(const uint8_t *msg, size_t len, uint32_t proto)
{
	const struct pb_mc_udp label = { .total = 1 };
	struct pb_mc_scan s = pb_mc_scan_init(msg, msg + len, (__u32)len, &host.work);

	host.more = (__u32)pb_mc_fill(&s, &label);
	pb_mc_reply(&s, 0, proto);
	run(skel->progs.pb_mc_rep, msg, len, len % 5, 0, proto, 1, NULL);
	cr_assert_eq(kernel.more, host.more, "%.*s", (int)len, msg);
	cr_assert_eq(memcmp(&kernel.work.rep, &host.work.rep, sizeof(host.work.rep)), 0, "%.*s",
		     (int)len, msg);
}

Test(memcached, replies_as_on_the_host)
{
	struct mc_gen g = { .state = 21 };

	for (size_t i = 0; i < sizeof(replies) / sizeof(*replies); i++)
		for (size_t cut = 1; cut <= strlen(replies[i]); cut++)
			same_reply((const uint8_t *)replies[i], cut, PB_MC_TEXT);
	for (int i = 0; i < 20000; i++) {
		const char *r = replies[mc_gen_below(&g, sizeof(replies) / sizeof(*replies))];

		g.len = strlen(r);
		memcpy(g.buf, r, g.len);
		g.buf[mc_gen_below(&g, (uint32_t)g.len)] = (uint8_t)mc_gen_below(&g, 256);
		same_reply(g.buf, g.len, PB_MC_TEXT);
	}
	for (int i = 0; i < 5000; i++) {
		g.len = 0;
		mc_gen_binary(&g);
		g.buf[0] = PB_MC_BIN_RES;
		same_reply(g.buf, 1 + mc_gen_below(&g, (uint32_t)g.len), PB_MC_BINARY);
	}
}

static const struct mcr_server servers[] = {
	{ .host = "10.0.0.1", .port = 11211, .weight = 1 },
	{ .host = "10.0.0.2", .port = 11211, .weight = 3 },
	{ .host = "10.0.0.3", .port = 11212, .weight = 2 },
	{ .host = "10.0.0.4", .port = 11211, .weight = 1 },
};

/* Random keys, and the longest ones: the kernel sees the owner that the host computes. */
static void same_owners(struct pb_mc_ring *ring, int keys)
{
	struct mc_gen g = { .state = 8 };
	int zero = 0;

	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(skel->maps.pb_mc_ring), &zero, ring, 0), 0);
	for (int i = 0; i < keys; i++) {
		struct pb_mc_scan s;

		g.len = 1 + mc_gen_below(&g, mc_gen_below(&g, 5) ? 40 : PB_MC_KEY_MAX);
		for (size_t k = 0; k < g.len; k++)
			g.buf[k] = (uint8_t)(33 + mc_gen_below(&g, 222));
		s = pb_mc_scan_init(g.buf, g.buf + g.len, (__u32)g.len, &host.work);
		run(skel->progs.pb_mc_own, g.buf, g.len, (size_t)i % 9, 0, 0, 1, NULL);
		cr_assert_eq(kernel.more, pb_mc_owner(&s, ring, 0, (__u32)g.len), "hash %u, key %d",
			     ring->hash, i);
	}
}

Test(memcached, owners_as_on_the_host)
{
	static struct pb_mc_ring ring;
	const __u64 secret[2] = { 1, 2 };

	for (uint32_t algo = 0; algo < PB_MC_HASHES; algo++) {
		cr_assert_eq(mcr_build_ketama(&ring, MCR_TWEMPROXY, algo, servers, 4), 0);
		ring.tag = algo & 1 ? '{' | '}' << 8 : 0;
		same_owners(&ring, 2000);
	}
	cr_assert_eq(mcr_build_maglev(&ring, secret, servers, 4), 0);
	same_owners(&ring, 5000);
}

Test(memcached, verifier_budget)
{
	struct bpf_program *p;

	bpf_object__for_each_program (p, skel->obj) {
		struct bpf_prog_info info = { .type = 0 };
		__u32 len = sizeof(info);

		cr_assert_eq(bpf_obj_get_info_by_fd(bpf_program__fd(p), &info, &len), 0);
		cr_log_info("%s: %u verified instructions, %u bytes jited\n", bpf_program__name(p),
			    info.verified_insns, info.jited_prog_len);
		cr_expect_lt(info.verified_insns, BUDGET, "%s", bpf_program__name(p));
	}
}

/* Figures for the log, judged by nobody. */
Test(memcached, cost)
{
	static const char *const msgs[] = {
		"get 0123456789abcdef\r\n",
		"get 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n",
		"set 0123456789abcdef 0 0 5\r\nhello\r\n",
		"mg 0123456789abcdef v\r\n",
		"delete 0123456789abcdef\r\n",
	};

	for (size_t i = 0; i < sizeof(msgs) / sizeof(*msgs); i++) {
		size_t n = strlen(msgs[i]);
		uint32_t best = ~0u, idle = ~0u, ns;

		for (int k = 0; k < 7; k++) {
			run(skel->progs.pb_mc_bare, (const void *)msgs[i], n, 0, 0, 0, 20000, &ns);
			best = ns < best ? ns : best;
			run(skel->progs.pb_mc_idle, (const void *)msgs[i], n, 0, 0, 0, 20000, &ns);
			idle = ns < idle ? ns : idle;
		}
		cr_log_info("%.*s: %u ns, of which %u are the run itself\n", (int)(n - 2), msgs[i],
			    best, idle);
	}
}
