// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The frame plugins in the kernel: on packet data they say what they say on the host, and the verifier
 * lets them pass with room to spare. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <criterion/criterion.h>

#include "control/memcached/ring.h"
#include "test/plugin.skel.h"
#include "tests/bpf/plugin_job.h"
#include "tests/lib/mc_gen.h"

#define BUDGET 500000u /* half of what the verifier walks */
#define STREAM_MAX 3000

static struct plugin *skel;
static struct pb_mc_ring ring;
static struct plugin_job host, kernel;
static struct pb_frame_ens ens;
static uint32_t seen[8]; /* what redirect() said, by -to */

static void setup(void)
{
	static const struct mcr_server servers[] = {
		{ .host = "10.0.0.1", .port = 1, .weight = 1 },
		{ .host = "10.0.0.2", .port = 1, .weight = 1 },
		{ .host = "10.0.0.3", .port = 1, .weight = 1 },
	};
	const __u64 key[2] = { 7, 9 };
	int zero = 0;

	skel = plugin__open_and_load();
	cr_assert_not_null(skel, "plugin.bpf.c does not load");
	cr_assert_eq(mcr_build_maglev(&ring, key, servers, 3), 0);
	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(skel->maps.pb_pl_ring), &zero, &ring, 0), 0);
	memset(&host, 0, sizeof(host));
	host.servers = 3;
	host.server[0].flags = host.server[2].flags = PB_FRAME_S_UP;
	ens = (struct pb_frame_ens){ .n = 3, .server = host.server, .policy = &ring };
}

static void teardown(void)
{
	plugin__destroy(skel);
}

TestSuite(plugin, .init = setup, .fini = teardown, .timeout = 240);

/* ---- both sides ------------------------------------------------------------ */

static int run(struct bpf_program *prog, const uint8_t *msg, size_t len)
{
	uint8_t packet[PLUGIN_OFF + STREAM_MAX] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = packet,
		    .data_size_in = (__u32)(PLUGIN_OFF + len), .repeat = 1);
	int zero = 0;

	memcpy(packet + PLUGIN_OFF, msg, len);
	cr_assert_eq(bpf_prog_test_run_opts(bpf_program__fd(prog), &o), 0, "%m");
	cr_assert_neq(o.retval, PLUGIN_BAD);
	cr_assert_eq(bpf_map_lookup_elem(bpf_map__fd(skel->maps.pb_pl_job), &zero, &kernel), 0);
	return (int)o.retval;
}

/* The kernel begins where the host does. */
static void level(void)
{
	int zero = 0;

	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(skel->maps.pb_pl_job), &zero, &host, 0), 0);
}

static struct pb_frame_view view(const uint8_t *msg, size_t len)
{
	return (struct pb_frame_view){ .data = msg, .end = msg + len };
}

#define SAME(what, msg, len) \
	cr_assert_eq(memcmp(&kernel.what, &host.what, sizeof(host.what)), 0, #what " of %.*s", \
		     (int)(len), (const char *)(msg))

static int same_parse(const uint8_t *msg, size_t len)
{
	struct pb_frame_view v = view(msg, len);
	int rc;

	memset(&host.frame, 0, sizeof(host.frame));
	level();
	rc = pb_fmc_parse(&v, &host.conn, &host.work, &host.frame);
	cr_assert_eq(run(skel->progs.pb_pl_parse, msg, len), rc, "%.*s", (int)len, msg);
	if (rc == PB_FRAME_WHOLE)
		SAME(frame, msg, len);
	return rc;
}

static int same_redirect(const uint8_t *msg, size_t len)
{
	struct pb_frame_view v = view(msg, len);
	int to;

	memset(&host.send, 0, sizeof(host.send));
	level();
	to = pb_fmc_redirect(&v, &host.frame, &host.conn, &ens, &host.work, &host.send);
	if (host.conn.state[0] && host.work.w.req.flags & PB_MC_F_B64 &&
	    (host.send.key_len || to >= 0))
		return PB_FRAME_DROP; /* base64 keys are the host's alone */
	cr_assert_eq(run(skel->progs.pb_pl_redirect, msg, len), to, "%.*s", (int)len, msg);
	SAME(conn, msg, len);
	SAME(send, msg, len);
	seen[to < 0 ? -to : 0]++;
	return to;
}

static void same_split(const uint8_t *msg, size_t len)
{
	struct pb_frame_view v = view(msg, len);
	int to;

	memset(&kernel.send, 0, sizeof(kernel.send));
	do {
		struct pb_frame_send clean = { 0 };
		int zero = 0;

		host.send = kernel.send = clean;
		cr_assert_eq(bpf_map_update_elem(bpf_map__fd(skel->maps.pb_pl_job), &zero, &kernel,
						 0),
			     0);
		to = pb_fmc_split_next(&v, &host.frame, &ens, &host.work, &host.send);
		cr_assert_eq(run(skel->progs.pb_pl_split, msg, len), to, "%.*s", (int)len, msg);
		SAME(send, msg, len);
	} while (to != PB_FRAME_END);
}

/* All frames of a stream. */
static void same_stream(const uint8_t *msg, size_t len)
{
	memset(&host.conn, 0, sizeof(host.conn));
	while (len && same_parse(msg, len) == PB_FRAME_WHOLE) {
		struct pb_frame f = host.frame;

		if (same_redirect(msg, len) == PB_FRAME_SPLIT)
			same_split(msg, len);
		if (f.len >= len)
			break;
		msg += f.len;
		len -= f.len;
	}
}

/* ---- tests ----------------------------------------------------------------- */

Test(plugin, random_streams)
{
	struct mc_gen g = { .state = 5 };

	for (int i = 0; i < 8000; i++) {
		host.flags = ens.flags = i % 5 ? 0 : PB_FRAME_E_CACHE;
		mc_gen_message(&g);
		if (g.len)
			same_stream(g.buf, g.len);
	}
	cr_expect(seen[0] && seen[-PB_FRAME_ALL] && seen[-PB_FRAME_ANSWER] &&
		  seen[-PB_FRAME_SPLIT] && seen[-PB_FRAME_NONE] && seen[-PB_FRAME_BYE]);
}

Test(plugin, lines_in_pieces)
{
	uint8_t msg[STREAM_MAX];
	struct mc_gen g = { .state = 6 };
	size_t n;

	for (int i = 0; i < 60; i++) {
		n = (size_t)snprintf((char *)msg, sizeof(msg), "%s", i % 3 ? "get" : "gats -5");
		while (n < 2100 + (size_t)i * 10)
			n += (size_t)snprintf((char *)msg + n, sizeof(msg) - n, " key-%u",
					      mc_gen_below(&g, 5000));
		n += (size_t)snprintf((char *)msg + n, sizeof(msg) - n, "\r\nget a\r\n");
		same_stream(msg, n);
	}
	cr_expect(seen[-PB_FRAME_SPLIT]);
}

static const char *const streams[] = {
	"get a b c d\r\n",    "set k 1 2 5 noreply\r\nhello\r\n",
	"mg k v q\r\n",	      "flush_all 5\r\n",
	"stats settings\r\n", "\x80\x01\x00\x03\x08\x00\x00\x00\x00\x00\x00\x0d\x00\x00\x00\x07",
};

Test(plugin, every_truncation)
{
	for (size_t i = 0; i < sizeof(streams) / sizeof(*streams); i++)
		for (size_t n = 1; n <= strlen(streams[i]); n++)
			same_stream((const uint8_t *)streams[i], n);
}

static void same_reply(const uint8_t *msg, size_t len, const struct pb_fmc_rtx *x)
{
	struct pb_frame_view v = view(msg, len);
	int rc;

	memset(&host.frame, 0, sizeof(host.frame));
	memset(&host.cut, 0, sizeof(host.cut));
	memcpy(&host.rtx, x, sizeof(host.rtx));
	level();
	rc = pb_fmc_reply(&v, &host.rtx, &host.work, &host.frame, &host.cut);
	cr_assert_eq(run(skel->progs.pb_pl_reply, msg, len), rc, "%.*s", (int)len, msg);
	if (rc != PB_FRAME_WHOLE)
		return;
	SAME(frame, msg, len);
	SAME(rtx, msg, len);
	SAME(cut, msg, len);
}

static const char *const replies[] = {
	"VALUE a 7 3 99\r\nabc\r\nEND\r\n",
	"END\r\n",
	"STORED\r\n",
	"17\r\n",
	"EN\r\n",
	"HD c5 kab\r\n",
	"VA 2 f3 c4 t-1 kab W X\r\nxy\r\n",
	"MN\r\n",
	"SERVER_ERROR x\r\n",
	"STAT pid 1\r\n",
	"RESET\r\n",
	"VERSION 1\r\n",
	"what\r\n",
};

Test(plugin, replies)
{
	struct mc_gen g = { .state = 21 };

	for (int i = 0; i < 15000; i++) {
		struct pb_fmc_rtx x = { .class = (__u8)mc_gen_below(&g, PB_FMC_C_BINARY),
					.hide = (__u8)mc_gen_below(&g, 4),
					.flags = (__u8)mc_gen_below(&g, 16),
					.keys = mc_gen_below(&g, 3) };
		const char *r = replies[mc_gen_below(&g, sizeof(replies) / sizeof(*replies))];

		memcpy(g.buf, r, strlen(r));
		if (!mc_gen_below(&g, 3))
			g.buf[mc_gen_below(&g, (uint32_t)strlen(r))] = (uint8_t)i;
		same_reply(g.buf, 1 + mc_gen_below(&g, (uint32_t)strlen(r)), &x);
	}
	for (int i = 0; i < 5000; i++) {
		struct pb_fmc_rtx x = { .class = (__u8)(PB_FMC_C_BINARY + mc_gen_below(&g, 2)),
					.proto = PB_MC_BINARY,
					.hide = (__u8)mc_gen_below(&g, 3) };

		g.len = 0;
		mc_gen_binary(&g);
		g.buf[0] = PB_MC_BIN_RES;
		g.buf[7] = (uint8_t)mc_gen_below(&g, 3);
		x.loud = x.opcode = g.buf[1];
		x.opcode += mc_gen_below(&g, 2);
		x.opaque = g.buf[15];
		same_reply(g.buf, 1 + mc_gen_below(&g, (uint32_t)g.len), &x);
	}
}

Test(plugin, counter)
{
	struct mc_gen g = { .state = 2 };
	static const char *const bodies[] = {
		"add a 5", "get abc", "sum",  "what",
		"add",	   "get ",    "summ", "get a-name-of-more-than-thirty-two-letters"
	};

	for (int i = 0; i < 3000; i++) {
		const char *b = bodies[mc_gen_below(&g, 8)];
		size_t n = 4 + strlen(b);
		struct pb_frame_view v;
		int rc, to;

		memset(g.buf, 0, 4);
		g.buf[3] = (uint8_t)(mc_gen_below(&g, 9) ? strlen(b) : (size_t)i);
		memcpy(g.buf + 4, b, strlen(b));
		n = mc_gen_below(&g, 4) ? n : mc_gen_below(&g, (uint32_t)n);
		v = view(g.buf, n);
		memset(&host.frame, 0, sizeof(host.frame));
		memset(&host.send, 0, sizeof(host.send));
		level();
		rc = pb_counter_parse(&v, &host.frame);
		cr_assert_eq(run(skel->progs.pb_pl_c_parse, g.buf, n), rc);
		if (rc != PB_FRAME_WHOLE)
			continue;
		SAME(frame, b, strlen(b));
		to = pb_counter_redirect(&v, &host.frame, &ens, &host.send);
		cr_assert_eq(run(skel->progs.pb_pl_c_redir, g.buf, n), to, "%s", b);
		SAME(send, b, strlen(b));
		rc = pb_counter_reply(&v, &host.rtx, &host.frame, &host.cut);
		cr_assert_eq(run(skel->progs.pb_pl_c_reply, g.buf, n), rc);
		SAME(frame, b, strlen(b));
	}
}

static uint32_t walked(const struct bpf_program *prog)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	cr_assert_eq(bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len), 0);
	return info.verified_insns;
}

Test(plugin, cost)
{
	struct bpf_program *p;

	bpf_object__for_each_program (p, skel->obj) {
		uint32_t n = walked(p);

		printf("# %s: %u verified instructions\n", bpf_program__name(p), n);
		cr_expect_lt(n, BUDGET);
	}
}
