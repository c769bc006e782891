/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Gets of several keys to a switch with a cache: values that come into it, answers, and what is none. */
#ifndef PB_TEST_MC_MULTI_H
#define PB_TEST_MC_MULTI_H

#include <patchbay/mc_parse.h>

#include "mc_world.h"

#define SETS 4096u
#define MOST 32 /* keys of one request that the cache looks at */

static inline void setup(void)
{
	world_init();
	cr_assert_eq(pb_mcl_cache(w.mcl, 0, SETS), 0);
	w.svc.sets = SETS;
	world_service(PB_MC_S_UP | PB_MC_S_CACHE);
}

static inline uint32_t owner_of(const char *key)
{
	static struct pb_mc_work work;
	struct pb_mc_scan s = pb_mc_scan_init(key, key + strlen(key), (uint32_t)strlen(key), &work);

	return pb_mc_owner(&s, &w.ring, 0, (uint32_t)strlen(key));
}

/* The fetch that a get which misses becomes; its reply, with a value that lives for @ttl seconds. */
static inline struct frame fetch_of(const char *key)
{
	char msg[300];
	struct frame req, out;

	snprintf(msg, sizeof(msg), "get %s\r\n", key);
	req = request(msg);
	w.tc = 1;
	cr_assert_eq(run(&req), SAID_SENT, "%s", key);
	out = result();
	snprintf(msg, sizeof(msg), "mg %s k v f t\r\n", key);
	cr_assert_eq(out.len, strlen(msg), "%.*s", (int)out.len, out.msg);
	cr_assert_eq(memcmp(out.msg, msg, out.len), 0);
	return out;
}

static inline void fill_for(const char *key, const char *value, int ttl)
{
	struct frame fetch = fetch_of(key), r;
	char reply[2000];

	snprintf(reply, sizeof(reply), "VA %zu k%s f7 t%d\r\n%s\r\n", strlen(value), key, ttl,
		 value);
	r = reply_to(&fetch, reply);
	cr_assert_eq(run(&r), SAID_DROP);
}

static inline void fill(const char *key, const char *value)
{
	fill_for(key, value, -1);
}

static char long_text[2000];

static inline const char *text_of(size_t n)
{
	memset(long_text, 'x', n);
	long_text[n] = '\0';
	return long_text;
}

/* The answer to "get KEYS" must be @want and END, by whichever program. */
static inline void answered(const char *msg, const char *want, int tagged)
{
	struct frame req = request(msg), out;
	uint64_t hits = counter(PB_MC_C_HITS_MULTI), bytes = counter(PB_MC_C_HIT_BYTES);

	req.tagged = tagged;
	req.tci = 5;
	req.options = w.v6 ? 0 : 8;
	cr_assert_eq(run(&req), SAID_SENT, "%s, tc %d", msg, w.tc);
	out = result();
	cr_assert_eq(out.sum, SUM_FULL, "%s, tc %d", msg, w.tc);
	cr_assert(pb_addr_eq(&out.saddr, &req.daddr) && pb_addr_eq(&out.daddr, &req.saddr),
		  "%s, tc %d", msg, w.tc);
	cr_assert(out.sport == req.dport && out.dport == req.sport && out.id == req.id);
	cr_assert(out.seq == 0 && out.total == 1);
	cr_assert_eq(out.tagged, tagged);
	cr_assert_eq(memcmp(out.dmac, req.smac, 6), 0);
	cr_assert_eq(memcmp(out.smac, req.dmac, 6), 0);
	cr_assert_eq(out.len, strlen(want) + 5, "%.*s", (int)out.len, out.msg);
	cr_assert_eq(memcmp(out.msg, want, strlen(want)), 0, "%.*s", (int)out.len, out.msg);
	cr_assert_eq(memcmp(out.msg + strlen(want), "END\r\n", 5), 0);
	cr_assert_eq(counter(PB_MC_C_HITS_MULTI), hits + 1);
	cr_assert_eq(counter(PB_MC_C_HIT_BYTES), bytes + strlen(want) + 5);
}

/* Not answered: it goes on as it came, to the owner of all keys or to the slow path. */
static inline void goes_on(const char *msg)
{
	struct frame req = request(msg), out;
	uint64_t hits = counter(PB_MC_C_HITS);
	uint8_t p[FRAME_MAX];
	size_t n = frame_write(&req, p);

	if (run(&req) == SAID_PASS) {
		cr_assert_eq(w.out_len, n);
		cr_assert_eq(memcmp(w.out, p, n), 0, "%s was changed, tc %d", msg, w.tc);
	} else {
		cr_assert_eq(said(), SAID_SENT, "%s", msg);
		out = result();
		cr_assert(pb_addr_eq(&out.saddr, &w.svc.source), "%s was answered", msg);
		cr_assert_eq(out.len, req.len, "%.*s", (int)out.len, out.msg);
		cr_assert_eq(memcmp(out.msg, req.msg, out.len), 0);
	}
	cr_assert_eq(counter(PB_MC_C_HITS), hits, "%s was answered", msg);
}

static inline void goes_on_by_both(const char *msg)
{
	for (w.tc = 0; w.tc < 2; w.tc++)
		goes_on(msg);
}

/* Misses that a key is fetched after. */
static inline void admit(uint32_t misses)
{
	w.svc.admit = misses;
	world_service(w.svc.flags);
}

static inline void never_fetched(void)
{
	admit(1000000);
}

#endif /* PB_TEST_MC_MULTI_H */
