// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Endpoints on other nodes that fail: others are chosen, and they come back.  And what is counted. */
#include <bpf/bpf.h>

#include "remote.h"

TestSuite(remote_fail, .init = remote_init, .fini = world_fini, .timeout = 60);

static struct scope client(void)
{
	return client_new("c", "10.9.0.2", NULL);
}

static bool holds(uint32_t index)
{
	return eject_of(index).until_ns > pb_now_ns();
}

static void eject_put(uint32_t index, struct pb_eject e)
{
	e.gen = far_get(index).gen;
	cr_assert(!bpf_map_update_elem(pb_maps_fd(maps, "pb_eject"), &index, &e, 0));
}

/* Nobody answers at this port over there, until the rule goes. */
static void silence(int port)
{
	char cmd[256];

	snprintf(
		cmd, sizeof(cmd),
		"nft add table inet t && nft add chain inet t i "
		"'{ type filter hook input priority 0; }' && nft add rule inet t i tcp dport %d drop",
		port);
	cr_assert(!sh_there(cmd));
}

static void speak(void)
{
	cr_assert(!sh_there("nft delete table inet t"));
}

/* Dials until endpoint 1 has refused; whatever else came is accepted. */
static void until_refused(const struct scope *c, int l2)
{
	for (int i = 0; i < 1000; i++) {
		int fd = dial(c, AF_INET, SOCK_STREAM, "10.9.0.1", 80);

		if (fd == -ECONNREFUSED)
			return;
		cr_assert(fd >= 0, "%s", strerror(-fd));
		close(taken(l2));
		close(fd);
	}
	cr_assert(false, "endpoint 1 was never chosen");
}

Test(remote_fail, a_reset_ejects)
{
	struct scope c = client();
	int l1, l2, err;
	uint64_t end;

	pair_there(&l1, &l2);
	close(l1);
	until_refused(&c, l2);
	cr_assert(eject_of(1).fails == 1 && eject_of(1).until_ns && !eject_of(2).fails);
	cr_assert_eq(stat_of(PB_R_EJECTED), 1);
	/* Nobody sees another refusal while it holds. */
	for (end = eject_of(1).until_ns;;) {
		err = attempt(&c, "10.9.0.1", 80);
		if (pb_now_ns() >= end)
			break;
		cr_assert_eq(err, 0, "%s", strerror(-err));
		close(taken(l2));
	}
	if (!err)
		close(taken(l2));
	/* Then one client tries, and it holds again. */
	cr_assert(eventually(!holds(1)));
	end = eject_of(1).until_ns;
	until_refused(&c, l2);
	cr_assert_gt(eject_of(1).until_ns, end);
	/* It is back. */
	l1 = listen_there(AF_INET, "192.0.2.2", 5080);
	cr_assert(eventually(!holds(1)));
	cr_assert_gt(share_of(&c, l1, l2, 100), 10);
	cr_assert_eq(eject_of(1).until_ns, 0);
	cr_assert_eq(stat_of(PB_R_NODE_BACK), 1);
	cr_assert(eventually(!far_get(1).live && !far_get(2).live));
}

/* The other node may refuse one application alone. */
Test(remote_fail, a_reset_is_for_one_application)
{
	struct scope c = client(), other = client_new("o", "10.9.0.3", NULL);
	int l1, l2;

	pair_there(&l1, &l2);
	close(l1);
	until_refused(&c, l2);
	cr_assert_eq(eject_of(1).by, (uint32_t)(c.ref ^ c.ref >> 32));
	l1 = listen_there(AF_INET, "192.0.2.2", 5080);
	cr_assert_gt(share_of(&other, l1, l2, 50), 5);
	/* One that is let in says nothing about the one that was not. */
	cr_assert(eject_of(1).until_ns && eject_of(1).by);
	if (holds(1))
		cr_assert(share_of(&c, l1, l2, 10) == 0 || !holds(1));
}

Test(remote_fail, two_refused_applications_eject_for_all)
{
	struct scope c = client(), other = client_new("o", "10.9.0.3", NULL),
		     third = client_new("p", "10.9.0.4", NULL);
	int l1, l2;

	pair_there(&l1, &l2);
	close(l1);
	eject_put(1, (struct pb_eject){ .until_ns = pb_now_ns() + DEADLINE_NS,
					.by = (uint32_t)(c.ref ^ c.ref >> 32) });
	until_refused(&other, l2);
	cr_assert_eq(eject_of(1).by, 0);
	for (int i = 0; i < 20; i++) {
		cr_assert_eq(attempt(&third, "10.9.0.1", 80), 0);
		close(taken(l2));
	}
}

/* The first repetition of a SYN is after a second. */
Test(remote_fail, silence_ejects_within_a_second)
{
	struct scope c = client(), other = client_new("o", "10.9.0.3", NULL);
	uint64_t start;
	struct syn_seen s;
	int l1, l2, fd, got;

	pair_there(&l1, &l2);
	silence(5080);
	far_set(2, PB_EP_DRAIN, 0);
	start = pb_now_ns();
	fd = begin(&c, "10.9.0.1", 80);
	cr_assert(eventually(eject_of(1).until_ns));
	/* By the kernel's clock: how late this process sees it says nothing.  The second repetition would
	 * be at three seconds. */
	printf("# ejected after %.3f s\n", (eject_of(1).last_ns - start) / 1e9);
	cr_assert_lt(eject_of(1).last_ns - start, 3000000000ULL);
	cr_assert_eq(stat_of(PB_R_EJECTED), 1);
	cr_assert_eq(eject_of(1).by, 0, "silence is no application's");
	far_set(2, PB_EP_UP, 0);
	eject_put(1, (struct pb_eject){ .until_ns = pb_now_ns() + 60000000000ULL, .times = 1 });
	for (int i = 0; i < 20; i++) {
		cr_assert_eq(attempt(&other, "10.9.0.1", 80), 0);
		close(taken(l2));
	}
	/* The SYN is repeated, says the same, and brings the endpoint back. */
	speak();
	got = taken(l1);
	s = syn_of(got);
	check_syn(&s, &c, 2, 0);
	cr_assert(eventually(!eject_of(1).until_ns));
	cr_assert_eq(stat_of(PB_R_NODE_BACK), 1);
	cr_assert_eq(far_get(1).live, 1);
	close(fd);
	close(got);
	cr_assert(eventually(!far_get(1).live));
}

Test(remote_fail, one_client_tries_and_the_wait_doubles)
{
	struct scope c = client();
	struct pb_eject e;
	int l1, l2, fd;
	uint64_t now;

	pair_there(&l1, &l2);
	silence(5080);
	eject_put(1, (struct pb_eject){ .until_ns = 1, .times = 3, .fails = 3 });
	/* Held connections make endpoint 1 the one to be chosen. */
	far_set(1, PB_EP_DRAIN, 0);
	fd = dial(&c, AF_INET, SOCK_STREAM, "10.9.0.1", 80);
	cr_assert(fd >= 0 && far_get(2).live == 1);
	close(taken(l2));
	far_set(1, PB_EP_UP, 0);
	now = pb_now_ns();
	begin(&c, "10.9.0.1", 80);
	e = eject_of(1);
	cr_assert(e.times == 4 && far_get(1).live == 1, "%u, %d", e.times, far_get(1).live);
	cr_assert(e.until_ns > now + 4000000000ULL);
	for (int i = 0; i < 20; i++) {
		cr_assert_eq(attempt(&c, "10.9.0.1", 80), 0);
		close(taken(l2));
	}
	cr_assert_eq(far_get(1).total, 1);
}

Test(remote_fail, the_only_one_is_chosen_anyway)
{
	struct scope c = client();
	struct pb_eject bad = { .until_ns = pb_now_ns() + 60000000000ULL, .times = 1, .fails = 1 };
	int l1, l2;

	pair_there(&l1, &l2);
	far_service("10.9.0.1", 80, 1);
	eject_put(1, bad);
	cr_assert_eq(attempt(&c, "10.9.0.1", 80), 0);
	cr_assert_eq(eject_of(1).until_ns, 0);
	/* The last but the suspect ones: those may be well. */
	far_service("10.9.0.1", 80, 1, 2);
	close(taken(l1));
	eject_put(1, bad);
	far_set(2, PB_EP_UP, PB_EP_SUSPECT);
	cr_assert_eq(share_of(&c, l1, l2, 10), 0);
	/* Of another endpoint that had the index before: says nothing. */
	eject_put(1, bad);
	bad.gen = far_get(1).gen - 1;
	cr_assert(!bpf_map_update_elem(pb_maps_fd(maps, "pb_eject"), &(uint32_t){ 1 }, &bad, 0));
	cr_assert_eq(share_of(&c, l1, l2, 10), 10);
}

Test(remote_fail, a_program_that_gives_up_ejects_nobody)
{
	struct scope c = client();
	struct any_addr none = { .sa.sa_family = AF_UNSPEC, .len = sizeof(none.sa) };
	struct linger rst = { .l_onoff = 1 };
	int l1, l2, fd;

	pair_there(&l1, &l2);
	silence(5080);
	far_service("10.9.0.1", 80, 1);
	fd = begin(&c, "10.9.0.1", 80);
	cr_assert_eq(far_get(1).live, 1);
	close(fd);
	cr_assert_eq(far_get(1).live, 0);
	fd = begin(&c, "10.9.0.1", 80);
	cr_assert(!setsockopt(fd, SOL_SOCKET, SO_LINGER, &rst, sizeof(rst)));
	close(fd);
	fd = begin(&c, "10.9.0.1", 80);
	cr_assert(!connect(fd, &none.sa, none.len), "%m");
	cr_assert(!far_get(1).live && far_get(1).total == 3 && !eject_of(1).fails);
	/* The same socket, elsewhere. */
	far_service("10.9.0.1", 80, 2);
	cr_assert(!fcntl(fd, F_SETFL, 0));
	none = sa_of(AF_INET, "10.9.0.1", 80);
	cr_assert(!connect(fd, &none.sa, none.len), "%m");
	cr_assert(far_get(2).live == 1 && far_get(1).live == 0);
	close(fd);
	cr_assert(eventually(!far_get(2).live));
}

Test(remote_fail, an_index_that_is_anothers_is_not_counted_down)
{
	struct scope c = client(), w;
	struct linger rst = { .l_onoff = 1 };
	struct pb_endpoint next;
	int l1, l2, old, fresh;
	uint32_t gen;

	w = pair_there(&l1, &l2);
	far_service("10.9.0.1", 80, 1);
	old = dial(&c, AF_INET, SOCK_STREAM, "10.9.0.1", 80);
	cr_assert(old >= 0 && far_get(1).live == 1);
	close(taken(l1));
	gen = far_get(1).gen;
	cr_assert(!pb_maps_free_remote(maps, 1));
	cr_assert_eq(attempt(&c, "10.9.0.1", 80), -ECONNREFUSED);
	next = far_ep(&w, "192.0.2.3", NULL, 80, 5081);
	far_put(1, &next);
	cr_assert_eq(far_get(1).gen, gen + 1);
	fresh = dial(&c, AF_INET, SOCK_STREAM, "10.9.0.1", 80);
	cr_assert(fresh >= 0 && far_get(1).live == 1);
	cr_assert(!setsockopt(old, SOL_SOCKET, SO_LINGER, &rst, sizeof(rst)));
	close(old);
	cr_assert_eq(far_get(1).live, 1);
	cr_assert(!setsockopt(fresh, SOL_SOCKET, SO_LINGER, &rst, sizeof(rst)));
	close(fresh);
	cr_assert_eq(far_get(1).live, 0);
}
