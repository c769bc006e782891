/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From the table's view to the maps. */
#include "test_cluster_view.h"

TestSuite(cluster_view, .init = begin, .fini = finish);

Test(cluster_view, a_node_comes_and_goes)
{
	const struct pb_rservice *s;

	one_service();
	cr_assert_eq(flush(), 0);
	s = service("10.9.0.1", 80, 0);
	cr_assert(s && s->n == 1 && s->endpoints == 1);
	cr_assert(service("127.0.0.1", 80, 7000 + 'w'), "the loopback of its namespace, too");
	cr_assert_eq(n_svc, 2);
	cr_assert_eq(remote[s->index[0]].real, htons(30005));
	cr_assert_eq(remote[s->index[0]].cookie, number(0));
	cr_assert(remote[s->index[0]].app & PB_REF_REMOTE);
	cr_assert_eq(n_peer, 1);
	cr_assert_eq(n_member, 1);
	node[0].o.state = TBL_DEAD;
	node[0].n = 0; /* the table withdraws the records of the dead */
	cr_assert_eq(flush(), 0);
	cr_assert_eq(up() + n_svc + n_peer + n_member, 0);
	cr_assert_eq(gone_n, 1);
	cr_assert_eq(gone_dead, 1, "connections to a dead node are ended");
}

Test(cluster_view, what_leaves_in_peace_is_left_alone)
{
	one_service();
	flush();
	node[0].o.state = TBL_LEFT;
	node[0].n = 0;
	flush();
	cr_assert_eq(up(), 0);
	cr_assert_eq(gone_n, 0);
}

Test(cluster_view, nothing_new_writes_nothing)
{
	struct pb_view_stats before, after;

	one_service();
	flush();
	pb_view_stats(view, &before);
	flush();
	pb_view_stats(view, &after);
	cr_assert_eq(before.changes, after.changes);
	cr_assert_eq(after.apps, 1);
	cr_assert_eq(after.endpoints, 1);
}

Test(cluster_view, suspicion_and_drain_are_hints)
{
	struct tbl_record *e;
	uint32_t index, gen;

	one_service();
	flush();
	index = service("10.9.0.1", 80, 0)->index[0];
	gen = remote[index].gen;
	node[0].o.state = TBL_SUSPECT;
	flush();
	cr_assert_eq(remote[index].hints, PB_EP_SUSPECT);
	node[0].o.state = TBL_DEAD;
	flush();
	cr_assert_eq(remote[index].hints, PB_EP_SUSPECT, "dead, and still said: a frozen view");
	node[0].o.state = TBL_ALIVE;
	e = &node[0].rec[2];
	e->endpoint.state = PB_EP_DRAIN;
	flush();
	cr_assert_eq(remote[index].hints, 0);
	cr_assert_eq(remote[index].state, PB_EP_DRAIN);
	node[0].rec[0].node.flags = TBL_NODE_DRAIN;
	e->endpoint.state = PB_EP_UP;
	flush();
	cr_assert_eq(remote[index].state, PB_EP_DRAIN, "of the whole node");
	cr_assert_eq(remote[index].gen, gen, "it is the same endpoint all the time");
	cr_assert_eq(gone_n, 0);
}

Test(cluster_view, weights_rewrite_the_service)
{
	one_service();
	add_ep(0, 6, 1, 80)->endpoint.weight = 50;
	flush();
	cr_assert_eq(service("10.9.0.1", 80, 0)->n, 3);
	node[0].rec[2].endpoint.weight = 50;
	flush();
	cr_assert_eq(service("10.9.0.1", 80, 0)->n, 2);
}

Test(cluster_view, another_port_is_another_endpoint)
{
	uint32_t first;

	one_service();
	flush();
	first = service("10.9.0.1", 80, 0)->index[0];
	node[0].rec[2].endpoint.real++;
	flush();
	cr_assert_neq(service("10.9.0.1", 80, 0)->index[0], first);
	cr_assert_eq(gone_n, 1);
	cr_assert_eq(up(), 1);
}

Test(cluster_view, indices_rest_before_they_are_used_again)
{
	uint64_t next;

	add_node(0, "10.77.0.1");
	add_app(0, 1, "web", "10.9.0.1");
	for (uint32_t i = 1; i < 60; i++)
		add_ep(0, i, 1, (uint16_t)(80 + i));
	cr_assert_eq(flush(), 0);
	cr_assert_eq(up(), 59);
	node[0].n = 2;
	flush();
	cr_assert_eq(up(), 0);
	for (uint32_t i = 1; i < 60; i++)
		add_ep(0, i, 1, (uint16_t)(80 + i));
	next = flush();
	cr_assert_eq(up(), INDICES - 1 - 59, "only those that were never used");
	cr_assert_eq(next, now + PB_REMOTE_REST_NS);
	now = next;
	cr_assert_eq(pb_view_flush(view), 0);
	cr_assert_eq(up(), 59);
	cr_assert_eq(order_errors, 0);
}

Test(cluster_view, two_scopes_of_one_application_have_one_member)
{
	one_service();
	add_app(0, 2, "web", "10.9.0.1");
	flush();
	cr_assert_eq(n_member, 1);
	node[0].rec[1] = node[0].rec[3]; /* the older one ends */
	node[0].n = 2;
	flush();
	cr_assert_eq(n_member, 1, "the younger one lives");
	cr_assert_geq(app_at(member_ref[0]), 0, "and it is that one");
	node[0].n = 1;
	flush();
	cr_assert_eq(n_member, 0);
}

Test(cluster_view, a_clash_waits_for_its_chance)
{
	struct pb_view_stats s;

	one_service();
	clash = "web";
	flush();
	cr_assert_eq(up() + n_member, 0);
	cr_assert_eq(troubles, 1);
	flush();
	cr_assert_eq(troubles, 1, "said once");
	pb_view_stats(view, &s);
	cr_assert_eq(s.failed, 1);
	clash = NULL;
	flush();
	cr_assert_eq(up(), 1);
	pb_view_stats(view, &s);
	cr_assert_eq(s.failed, 0);
}

Test(cluster_view, an_address_that_changes_moves_everything)
{
	one_service();
	flush();
	node[0].rec[0].node.loc4 = A("10.77.0.9");
	flush();
	cr_assert_eq(n_peer, 1);
	cr_assert_eq(up(), 1);
	cr_assert_eq(remote[service("10.9.0.1", 80, 0)->index[0]].loc4.w[3], A("10.77.0.9").w[3]);
}

Test(cluster_view, clear_takes_out_everything)
{
	one_service();
	add_node(1, "10.77.0.2");
	add_app(1, 1, "web", "10.9.0.1");
	add_ep(1, 5, 1, 80);
	flush();
	cr_assert_eq(service("10.9.0.1", 80, 0)->endpoints, 2);
	pb_view_clear(view);
	cr_assert_eq(up() + n_svc + n_peer + n_member, 0);
}
