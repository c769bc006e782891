/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an earlier agent wrote, and what becomes of it. */
#include "test_cluster_view.h"

TestSuite(cluster_view_restart, .init = begin, .fini = finish);

/* A second view over the same maps, as after a restart of the agent. */
static void restart(void)
{
	pb_view_free(view);
	cr_assert_eq(pb_view_new(&view, &ops, NULL, INDICES, true), 0);
	for (unsigned i = 0; i < n_member; i++) {
		struct pb_app app = { .id = member[i].id,
				      .ns = 7000 + member[i].id,
				      .vip4 = apps[app_at(member_ref[i])].app.ips[0] };

		cr_assert_eq(pb_view_adopt_app(view, &member[i], member_ref[i], &app), 0);
	}
	for (unsigned i = 0; i < n_peer; i++)
		cr_assert_eq(pb_view_adopt_peer(view, &peer[i], number(i)), 0);
	for (uint32_t i = 1; i < INDICES; i++)
		if (remote[i].state != PB_EP_FREE)
			cr_assert_eq(pb_view_adopt_remote(view, i, &remote[i]), 0);
	for (unsigned i = 0; i < n_svc; i++)
		cr_assert_eq(pb_view_adopt_rservice(view, &svc_key[i]), 0);
}

Test(cluster_view_restart, after_a_restart_the_same_stays_the_same)
{
	struct pb_endpoint was;
	uint32_t index;

	one_service();
	flush();
	index = service("10.9.0.1", 80, 0)->index[0];
	was = remote[index];
	restart();
	flush();
	cr_assert_eq(service("10.9.0.1", 80, 0)->index[0], index);
	cr_assert_arr_eq(&was, &remote[index], sizeof(was));
	cr_assert_eq(gone_n, 0);
	cr_assert_eq(up(), 1);
}

Test(cluster_view_restart, after_a_restart_what_is_late_is_kept)
{
	one_service();
	flush();
	restart();
	node[0].o.epoch = 0; /* alive, its records are not here yet */
	node[0].n = 0;
	flush();
	cr_assert_eq(up(), 1);
	cr_assert_eq(n_svc, 2);
	node[0].o.epoch = 2;
	flush();
	cr_assert_eq(up() + n_svc + n_member, 0, "it says that it has none");
}

Test(cluster_view_restart, after_a_restart_the_unheard_of_are_kept_for_a_while)
{
	one_service();
	flush();
	restart();
	node[0].there = false;
	pb_view_keep(view, true);
	flush();
	cr_assert_eq(up(), 1);
	pb_view_keep(view, false);
	pb_view_flush(view);
	cr_assert_eq(up() + n_svc + n_member + n_peer, 0);
}

Test(cluster_view_restart, after_a_restart_indices_of_before_rest)
{
	one_service();
	flush();
	restart();
	add_ep(0, 6, 1, 81);
	cr_assert_eq(flush(), now + PB_REMOTE_REST_NS);
	cr_assert_eq(up(), 1);
	now += PB_REMOTE_REST_NS;
	cr_assert_eq(pb_view_flush(view), 0);
	cr_assert_eq(up(), 2);
	cr_assert_neq(service("10.9.0.1", 81, 0)->index[0], service("10.9.0.1", 80, 0)->index[0]);
}

Test(cluster_view_restart, refs_are_of_others_and_differ)
{
	struct tbl_id a = { { 1 } }, b = { { 2 } };

	cr_assert(pb_view_ref(&a, 1) & PB_REF_REMOTE);
	cr_assert_eq(pb_view_ref(&a, 1), pb_view_ref(&a, 1));
	cr_assert_neq(pb_view_ref(&a, 1), pb_view_ref(&a, 2));
	cr_assert_neq(pb_view_ref(&a, 1), pb_view_ref(&b, 1));
}
