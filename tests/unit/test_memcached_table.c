// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The table of a service: who stands in gets only what was the home's, by weight; who leaves a set loses
 * only its own; and which homes lose keys to which when servers come, go and change. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/memcached/apply.h"
#include "control/util.h"

#define N 5

static const __u64 key[2] = { 1, 2 };
static struct pb_mc_ring home, now, later;
static struct mct_server server[N];
static struct mcs_service conf;
static struct mcf f;

static void begin(uint8_t hash)
{
	memset(&conf, 0, sizeof(conf));
	conf.hash = hash;
	conf.key_hash = PB_MC_H_FNV1A_64;
	mcf_init(&f, 1, 100, true);
	for (unsigned i = 0; i < N; i++) {
		server[i] = (struct mct_server){ .used = true, .weight = 1, .port = htons(11211) };
		server[i].addr.w[2] = htonl(0xffff);
		server[i].addr.w[3] = htonl(0x0a000001 + i);
		mcf_add(&f, i, false, true, 0);
	}
	cr_assert_eq(mct_home(&home, &conf, key, server, N, &f), 0);
}

static unsigned at(const struct pb_mc_ring *r, uint32_t i)
{
	return r->kind == PB_MC_KETAMA ? r->point[i].server : r->slot[i];
}

static unsigned share(const struct pb_mc_ring *r, unsigned who)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < r->n; i++)
		n += at(r, i) == who;
	return n;
}

/* What differs belonged to @who. */
static void expect_only(const struct pb_mc_ring *a, const struct pb_mc_ring *b, unsigned who)
{
	for (uint32_t i = 0; i < a->n; i++)
		if (at(a, i) != who)
			cr_assert_eq(at(a, i), at(b, i), "%u", i);
}

static void stand_ins(uint8_t hash)
{
	begin(hash);
	now = home;
	mct_stand_in(&now, &f, server);
	cr_expect_eq(memcmp(&now, &home, sizeof(now)), 0);
	server[2].weight = 3;
	mcf_missed(&f, 0, 1);
	mct_stand_in(&now, &f, server);
	expect_only(&home, &now, 0);
	cr_expect_eq(share(&now, 0), 0);
	for (unsigned i = 1; i < N; i++)
		cr_expect_gt(share(&now, i), share(&home, i));
	cr_expect_gt(share(&now, 2) - share(&home, 2), share(&now, 1) - share(&home, 1));
	/* another one goes: of the first one's keys only those move that it had */
	mcf_missed(&f, 1, 2);
	later = home;
	mct_stand_in(&later, &f, server);
	expect_only(&now, &later, 1);
	cr_expect_eq(share(&later, 1), 0);
}

Test(memcached_table, stand_ins_maglev)
{
	stand_ins(MCS_MAGLEV);
}

Test(memcached_table, stand_ins_ketama)
{
	stand_ins(MCS_KETAMA);
}

/* Nobody is left who may have them: rather no answer than an old one. */
Test(memcached_table, lost)
{
	begin(MCS_MAGLEV);
	f.s[0].state = MCF_DOWN;
	f.s[0].stale = true;
	now = home;
	mct_stand_in(&now, &f, server);
	cr_expect_eq(share(&now, 0), 0);
	cr_expect_eq(share(&now, PB_MC_NOBODY), share(&home, 0));
	expect_only(&home, &now, 0);
}

static void moves(uint8_t hash)
{
	struct mcf_moves m;

	begin(hash);
	cr_expect_not(mct_moves(&home, &home, &m));
	f.s[4].joined = false;
	cr_assert_eq(mct_home(&now, &conf, key, server, N, &f), 0);
	cr_expect_eq(share(&now, 4), 0);
	cr_expect(mct_moves(&now, &home, &m));
	for (unsigned i = 0; i < 4; i++)
		cr_expect(mcf_has(&m.to[i], 4), "%u", i);
	cr_expect_eq(m.to[4].w[0], 0);
	if (hash == MCS_KETAMA) /* no point of the others is another */
		cr_expect_eq(m.to[0].w[0], 1u << 4);
}

Test(memcached_table, moves_maglev)
{
	moves(MCS_MAGLEV);
}

Test(memcached_table, moves_ketama)
{
	moves(MCS_KETAMA);
}

Test(memcached_table, another_hash_moves_all)
{
	struct mcf_moves m;

	begin(MCS_MAGLEV);
	now = home;
	conf.hash = MCS_KETAMA;
	cr_assert_eq(mct_home(&later, &conf, key, server, N, &f), 0);
	cr_expect(mct_moves(&now, &later, &m));
	cr_expect_eq(m.to[3].w[0], (1u << N) - 1 - (1u << 3));
}

Test(memcached_table, sum_is_of_the_owners)
{
	begin(MCS_MAGLEV);
	now = home;
	now.epoch++;
	cr_expect_eq(mct_sum(&now), mct_sum(&home));
	now.slot[7] = (uint16_t)((now.slot[7] + 1) % N);
	cr_expect_neq(mct_sum(&now), mct_sum(&home));
}

/* ---- servers of a service ------------------------------------------------ */

static struct mca *service(const char *backends)
{
	struct mca *s = mca_new();
	json_t *o = json_object();
	char err[PB_ERR_LEN];

	mcs_set_word(o, "name", "a", err);
	mcs_set_word(o, "vip", "10.9.0.9:1", err);
	mcs_set_word(o, "devices", "lo", err);
	mcs_set_word(o, "backends", backends, err);
	free(s->conf);
	s->conf = mcs_from_json(o, err);
	cr_assert(s->conf, "%s", err);
	json_decref(o);
	mcf_init(&s->fence, 1, 100, true);
	return s;
}

static void change(struct mca *s, const char *backends)
{
	struct mca *t = service(backends);

	free(s->conf);
	s->conf = TAKE_PTR(t->conf);
	mca_free(t);
}

Test(memcached_table, a_server_keeps_its_number)
{
	struct mca *s = service("10.0.0.1:1,10.0.0.2:1,10.0.0.3:1");
	unsigned did;

	cr_assert_eq(mca_rehome(s, NULL, 0, true, 1, &did), 0);
	cr_expect_eq(s->n_servers, 3);
	change(s, "10.0.0.4:1,10.0.0.3:1,10.0.0.1:1");
	cr_assert_eq(mca_rehome(s, NULL, 0, false, 2, &did), 0);
	cr_expect(s->server[0].used && !s->server[1].used && s->server[2].used);
	cr_expect_eq(s->server[3].addr.w[3], htonl(0x0a000004));
	cr_expect_eq(s->fence.s[3].state, MCF_EMPTYING);
	cr_expect_eq(share(s->home, 3), 0);
	cr_expect(did & MCF_RING);
	mca_free(s);
}

/* What it gives away and gets back is old: the change waits until that is gone. */
Test(memcached_table, back_and_forth)
{
	struct mca *s = service("10.0.0.1:1,10.0.0.2:1*3");
	unsigned did, before;

	cr_assert_eq(mca_rehome(s, NULL, 0, true, 1, &did), 0);
	before = share(s->home, 0);
	change(s, "10.0.0.1:1,10.0.0.2:1");
	cr_assert_eq(mca_rehome(s, NULL, 0, false, 2, &did), 0);
	cr_expect_gt(share(s->home, 0), before);
	change(s, "10.0.0.1:1,10.0.0.2:1*3");
	cr_expect_eq(mca_rehome(s, NULL, 0, false, 3, &did), -EAGAIN);
	cr_expect_gt(share(s->home, 0), before);
	cr_expect_eq(s->server[1].weight, 1);
	cr_expect(s->fence.s[1].cleaning && mcf_serves(&s->fence, 1));
	for (unsigned i = 0; i < 2; i++) { /* Maglev moves some keys the other way, too */
		mcf_flushed(&s->fence, i, 4, 4);
		mcf_flushed(&s->fence, i, 200, 200);
	}
	cr_expect_eq(mca_rehome(s, NULL, 0, false, 201, &did), 0);
	cr_expect_eq(share(s->home, 0), before);
	mca_free(s);
}
