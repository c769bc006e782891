// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Answers from the cache, and the fetches that fill it, by the switch's own programs. */
#include <patchbay/mc_digest.h>

#include "mc_world.h"

#define SETS 64u

static void setup(void)
{
	world_init();
	cr_assert_eq(pb_mcl_cache(w.mcl, 0, SETS), 0);
	w.svc.sets = SETS;
	world_service(PB_MC_S_UP | PB_MC_S_CACHE);
}

TestSuite(memcached_answer, .init = setup, .fini = world_fini, .timeout = 240);

/* A get that misses; what comes out of tc is the fetch. */
static struct frame missed(const char *key)
{
	char msg[300], want[300];
	struct frame req, out;

	snprintf(msg, sizeof(msg), "get %s\r\n", key);
	snprintf(want, sizeof(want), "mg %s k v f t\r\n", key);
	req = request(msg);
	w.tc = 0;
	cr_assert_eq(run(&req), SAID_PASS, "XDP leaves it to tc");
	w.tc = 1;
	cr_assert_eq(run(&req), SAID_SENT);
	out = result();
	cr_assert_eq(out.sum, SUM_FULL);
	cr_assert_eq(out.len, strlen(want), "%.*s", (int)out.len, out.msg);
	cr_assert_eq(memcmp(out.msg, want, out.len), 0);
	cr_assert_eq(memcmp(out.dmac, server_mac, 6), 0);
	cr_assert(pb_addr_eq(&out.saddr, &w.svc.source));
	return out;
}

static int answered_with(const struct frame *fetch, const char *reply)
{
	struct frame r = reply_to(fetch, reply);

	return run(&r);
}

static void fill(const char *key, const char *value)
{
	struct frame fetch = missed(key);
	char reply[2000];

	snprintf(reply, sizeof(reply), "VA %zu k%s f7 t-1 c9\r\n%s\r\n", strlen(value), key, value);
	cr_assert_eq(answered_with(&fetch, reply), SAID_DROP, "a fetch is nobody's reply");
}

/* The get is answered on the spot, by whichever program. */
static void hit(const char *key, const char *value, int tagged)
{
	struct frame req, out;
	char msg[300], want[2000];

	snprintf(msg, sizeof(msg), "get %s\r\n", key);
	snprintf(want, sizeof(want), "VALUE %s 7 %zu\r\n%s\r\nEND\r\n", key, strlen(value), value);
	req = request(msg);
	req.tagged = tagged;
	req.tci = 5;
	req.options = w.v6 ? 0 : 8;
	cr_assert_eq(run(&req), SAID_SENT, "%s, tc %d", key, w.tc);
	out = result();
	cr_assert_eq(out.sum, SUM_FULL, "%s, tc %d", key, w.tc);
	cr_assert(pb_addr_eq(&out.saddr, &req.daddr) && pb_addr_eq(&out.daddr, &req.saddr));
	cr_assert_eq(out.sport, req.dport);
	cr_assert_eq(out.dport, req.sport);
	cr_assert_eq(out.id, req.id);
	cr_assert_eq(out.seq, 0);
	cr_assert_eq(out.total, 1);
	cr_assert_eq(out.tagged, tagged);
	cr_assert_eq(out.tci, tagged ? req.tci : 0);
	cr_assert_eq(memcmp(out.dmac, req.smac, 6), 0);
	cr_assert_eq(memcmp(out.smac, req.dmac, 6), 0);
	cr_assert_eq(out.len, strlen(want), "%.*s", (int)out.len, out.msg);
	cr_assert_eq(memcmp(out.msg, want, out.len), 0);
}

static void goes_on(const char *key)
{
	struct frame req, out;
	char msg[300];

	snprintf(msg, sizeof(msg), "get %s\r\n", key);
	req = request(msg);
	w.tc = 1;
	cr_assert_eq(run(&req), SAID_SENT);
	out = result();
	cr_assert(pb_addr_eq(&out.saddr, &w.svc.source), "%s came from the cache", key);
}

/* XDP's test packets have room for 256 bytes more or so; more goes by tc. */
Test(memcached_answer, hits)
{
	static const size_t sizes[] = { 0, 1, 2, 31, 32, 100, 101, 200 };
	char key[260], value[1400];

	for (int v6 = 0; v6 < 2; v6++) {
		world_family(v6);
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			memset(value, 'v', sizes[i]);
			value[sizes[i]] = '\0';
			snprintf(key, sizeof(key), "key-%d-%zu", v6, i);
			fill(key, value);
			for (w.tc = 0; w.tc < 2; w.tc++) {
				hit(key, value, 0);
				hit(key, value, 1);
			}
		}
		memset(value, 'x', 1340);
		value[1340] = '\0';
		snprintf(key, sizeof(key), "big-%d", v6);
		fill(key, value);
		w.tc = 1;
		hit(key, value, 0);
		memset(key, 'k', 250);
		key[250] = '\0';
		key[0] = (char)('0' + v6);
		fill(key, "of a long key");
		for (w.tc = 0; w.tc < 2; w.tc++)
			hit(key, "of a long key", 0);
	}
	cr_assert_eq(counter(PB_MC_C_HITS), 2 * (4 * ARRAY_SIZE(sizes) + 3));
	cr_assert_eq(counter(PB_MC_C_FILLS), 2 * (ARRAY_SIZE(sizes) + 2));
	cr_assert_eq(counter(PB_MC_C_FETCHES), counter(PB_MC_C_FILLS));
}

/* An answer that the client's link does not take is the server's to give. */
Test(memcached_answer, too_long)
{
	struct frame req;
	char value[1400];

	memset(value, 'x', 1340);
	value[1340] = '\0';
	fill("k", value);
	w.tc = 1;
	hit("k", value, 0);
	sh("ip link set d0 mtu 1300");
	goes_on("k");
	w.tc = 0;
	req = request("get k\r\n");
	cr_assert_eq(run(&req), SAID_SENT);
	req = result();
	cr_assert(pb_addr_eq(&req.saddr, &w.svc.source));
}

/* Whatever writes the key takes the value away before it leaves, and nothing is kept before its reply
 * has passed. */
Test(memcached_answer, writes)
{
	static const char *const writes[] = {
		"set k 0 0 1\r\nx\r\n", "delete k\r\n",		  "incr k 1\r\n",
		"touch k 5\r\n",	"ms k 1\r\nx\r\n",	  "md k\r\n",
		"gat 5 k\r\n",		"cas k 0 0 1 9\r\nx\r\n", "append k 0 0 1\r\nx\r\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(writes); i++) {
		struct frame req = request(writes[i]), out, r;

		fill("k", "value");
		w.tc = (int)i & 1;
		hit("k", "value", 0);
		cr_assert_eq(run(&req), SAID_SENT);
		out = result();
		goes_on("k");
		cr_assert_eq(counter(PB_MC_C_FETCHES), i + 1, "a fetch while %s is pending",
			     writes[i]);
		r = reply_to(&out, "DONE\r\n");
		cr_assert_eq(run(&r), SAID_SENT);
	}
	/* nothing will tell when this one is done: no fetch for two seconds */
	fill("k", "value");
	for (w.tc = 0; w.tc < 2; w.tc++) {
		struct frame req = request("set k 0 0 1 noreply\r\nx\r\n");

		cr_assert_eq(run(&req), SAID_SENT);
	}
	goes_on("k");
	cr_assert_eq(counter(PB_MC_C_WRITES_MUTED), 2);
}

/* The reply to a fetch that a write overtook, one with another tag, one of another server. */
Test(memcached_answer, poison)
{
	struct frame fetch = missed("k"), r = reply_to(&fetch, "VA 3 kk f7 t-1 c9\r\nbad\r\n");
	struct frame req = request("set k 0 0 1\r\nx\r\n");

	r.saddr = addr_of(1, 66);
	cr_assert_eq(run(&r), SAID_DROP);
	r = reply_to(&fetch, "VA 3 kk f7 t-1 c9\r\nbad\r\n");
	r.id++;
	cr_assert_eq(run(&r), SAID_DROP);
	r = reply_to(&fetch, "VA 3 kother f7 t-1 c9\r\nbad\r\n");
	cr_assert_eq(run(&r), SAID_DROP, "another key");
	goes_on("k");
	cr_assert_eq(counter(PB_MC_C_FILLS), 0);
	cr_assert_eq(run(&req), SAID_SENT);
	r = reply_to(&fetch, "VA 3 kk f7 t-1 c9\r\nold\r\n");
	cr_assert_eq(run(&r), SAID_DROP);
	goes_on("k");
	cr_assert_eq(counter(PB_MC_C_FILLS), 0);
}

static void step(uint32_t what, uint64_t tag, const char *key)
{
	struct pb_mc_cmd c = { .what = what, .tag = tag };

	c.digest = pb_mc_key_digest(w.svc.key, key, (uint32_t)strlen(key));
	cr_assert_eq(pb_mcl_do(w.mcl, &c), 0);
}

/* The slow path's steps hit the same records. */
Test(memcached_answer, steps_of_the_slow_path)
{
	const uint64_t tag = 1ULL << 63 | 5;
	struct pb_mc_cmd bad = { .what = 99 };

	fill("k", "value");
	fill("other", "value");
	step(PB_MC_DO_WRITE, tag, "k");
	goes_on("k");
	w.tc = 1;
	hit("other", "value", 0);
	step(PB_MC_DO_WRITTEN, tag, "k");
	fill("k", "newer");
	w.tc = 0;
	hit("k", "newer", 0);
	step(PB_MC_DO_WRITE_ALL, tag, "");
	goes_on("k");
	goes_on("other");
	step(PB_MC_DO_WRITTEN_ALL, tag, "");
	fill("k", "third");
	w.tc = 0;
	hit("k", "third", 0);
	cr_assert_lt(pb_mcl_do(w.mcl, &bad), 0);
}

/* What is not understood may have written anything. */
Test(memcached_answer, unknown)
{
	struct frame req = request("bogus\r\n");

	fill("k", "value");
	w.tc = 0;
	cr_assert_eq(run(&req), SAID_SENT);
	goes_on("k");
	cr_assert_eq(counter(PB_MC_C_UNKNOWN), 1);
}

/* A source that asks for more than its share is not answered. */
Test(memcached_answer, budget)
{
	struct frame req = request("get k\r\n");
	int sent = 0, dropped = 0;

	fill("k", "value");
	w.svc.rate = 1;
	w.svc.burst = 1000;
	world_service(PB_MC_S_UP | PB_MC_S_CACHE);
	for (int i = 0; i < 200; i++) {
		w.tc = i & 1;
		sent += run(&req) == SAID_SENT;
		dropped += said() == SAID_DROP;
	}
	cr_assert_eq(sent + dropped, 200);
	cr_assert(sent > 10 && sent < 100, "%d", sent);
	cr_assert_eq(counter(PB_MC_C_DROP_RATE), (uint64_t)dropped);
}
